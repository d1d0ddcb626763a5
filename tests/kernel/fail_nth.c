// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of each operation fails once: no crash, no leak, and the
 * next try works. Needs a kernel with fault injection.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/leak.h"
#include "lib/sock.h"
#include "lib/stream.h"

static struct t_stream s;
static int nth_fd; /* open all the time: opening it would allocate */
static const struct t_way ways[] = {
	{ "veth", IO_UNIFIED_ATTACH_RX_HANDLER },
	{ "veth", IO_UNIFIED_ATTACH_XSK },
};

static void set_up(void)
{
	if (access("/sys/kernel/debug/failslab", F_OK) ||
	    access("/proc/self/fail-nth", F_OK))
		t_skip("no fault injection in this kernel");
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	REQUIRE(nth_fd >= 0);
	/* Ours are GFP_KERNEL; no stack traces, we make thousands. */
	t_sh("echo N >/sys/kernel/debug/failslab/ignore-gfp-wait;"
	     "echo 0 >/sys/kernel/debug/failslab/verbose;"
	     "[ ! -d /sys/kernel/debug/fail_page_alloc ] || {"
	     " echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait;"
	     " echo 0 >/sys/kernel/debug/fail_page_alloc/min-order;"
	     " echo 0 >/sys/kernel/debug/fail_page_alloc/verbose; };"
	     "[ ! -d /sys/kernel/debug/fail_usercopy ] || {"
	     " cd /sys/kernel/debug/fail_usercopy; echo 0 >verbose;"
	     /* Copies of the module's, not those that the test itself needs. */
	     " set -- $(awk '$1 == \"io_unified\" { print $6, $2 }' /proc/modules);"
	     " printf '%%#x' $1 >require-start;"
	     " printf '%%#x' $(($1 + $2)) >require-end;"
	     " echo 32 >stacktrace-depth; }");
}

/* The next @n-th allocation of this thread fails; 0: none. */
static void arm(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	REQUIRE(pwrite(nth_fd, text, len, 0) == len);
}

/* Disarms; true: it was hit. */
static bool hit(void)
{
	char text[16] = { 0 };

	REQUIRE(pread(nth_fd, text, sizeof(text) - 1, 0) > 0);
	arm(0);
	return atoi(text) == 0;
}

/*
 * Tries with the 1st, 2nd, ... allocation failing until none is left. Returns how
 * many there are.
 */
static int each_of(int (*try)(void), void (*undo)(void), const char *what)
{
	struct t_leak before;
	int n, failures = 0, ret;

	try();
	undo();
	t_leak_start(&before);
	for (n = 1; n < 3000; n++) {
		arm(n);
		ret = try();
		if (!hit()) {
			CHECK_EQ(ret, 0, "%s: without a failure", what);
			if (!ret)
				undo();
			break;
		}
		failures += ret < 0;
		/* An allocation may be one that it can do without. */
		if (!ret)
			undo();
		else
			CHECK(ret == -ENOMEM || ret == -EFAULT ||
				      ret == -ENOBUFS || ret == -EAGAIN ||
				      ret == -EOPNOTSUPP || ret == -EBUSY ||
				      ret == -ENOSPC || ret == -EINTR ||
				      ret == -ENFILE,
			      "%s: allocation %d gives %d", what, n, ret);
	}
	CHECK(n < 3000, "%s: no end", what);
	t_note("%s: %d allocations, %d of them fatal", what, n - 1, failures);
	t_leak_check(&before, n > 100 ? n : 100);
	return n - 1;
}

static void each(int (*try)(void), void (*undo)(void), const char *what)
{
	CHECK(each_of(try, undo, what) > 0, "%s allocates nothing?", what);
}

static struct io_unified_region_reg reg;
static int fd;

static int try_register(void)
{
	struct io_unified_region_reg r = reg;

	return t_register(fd, &r);
}

static void undo_register(void)
{
	REQUIRE(!ioctl(fd, IO_UNIFIED_UNREGISTER_REGION));
}

static void registration(void)
{
	struct t_disk disk;
	void *memory;
	int memfd;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	fd = t_open();
	memory = t_map(T_MEM_MEMFD, 1 << 18, &memfd);
	memset(memory, 1, 1 << 18);
	reg = (struct io_unified_region_reg){
		.region_size = 1 << 18,
		.user_addr = (uintptr_t)memory,
		.sq_entries = 16,
		.cq_entries = 16,
		.frame_size = 4096,
		.uring_fd = -1,
		.nvme_fd = -1,
		.numa_node = -1,
	};
	each(try_register, undo_register, "register, memory of the caller");
	reg.nvme_fd = open(disk.path, O_RDWR);
	each(try_register, undo_register, "register with a drive");
	reg.user_addr = 0;
	reg.nvme_fd = -1;
	each(try_register, undo_register, "register, memory of the module");
}

static int try_open(void)
{
	fd = open(T_DEVICE, O_RDWR);
	return fd < 0 ? -errno : 0;
}

static void undo_open(void)
{
	close(fd);
}

static void opening(void)
{
	set_up();
	each(try_open, undo_open, "open");
}

static struct io_unified_attach attach;
static int attached;

static int try_attach(void)
{
	struct io_unified_attach a = attach;
	int ret = t_attach(&s.r, &a);

	attached = a.index;
	/* What BPF_PROG_LOAD says when it gets no memory. */
	if (ret == -EINVAL && a.reason == IO_UNIFIED_REASON_XDP)
		return -ENOMEM;
	return ret;
}

static void undo_attach(void)
{
	REQUIRE_EQ(t_detach(&s.r, attach.kind, attached), 0);
}

static void attachments(void)
{
	struct bpf_object *obj;
	unsigned int i;

	set_up();
	t_disk_nvme(&s.disk, 512, 0);
	t_link_open(&s.l, &ways[0], 1500);
	t_region_open(&s.r, NULL);
	obj = t_bpf_open("ops", true);
	attach = (struct io_unified_attach){
		.kind = IO_UNIFIED_KIND_STORAGE,
		.fd = open(s.disk.path, O_RDWR),
	};
	each(try_attach, undo_attach, "attach a drive");
	attach = (struct io_unified_attach){
		.kind = IO_UNIFIED_KIND_BPF,
		.fd = t_bpf_prog(obj, "edit"),
	};
	each(try_attach, undo_attach, "attach a program");
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		attach = (struct io_unified_attach){
			.kind = IO_UNIFIED_KIND_NETDEV,
			.flags = ways[i].flags,
			.ifindex = if_nametoindex("iout0"),
		};
		each(try_attach, undo_attach,
		     i ? "attach by AF_XDP" : "attach an rx handler");
	}
	t_region_close(&s.r);
}

static struct io_unified_desc op;

/* io_uring itself may be hit: then once more. */
static void submit(void)
{
	int ret = io_uring_submit(&s.r.ring);

	if (ret < 1)
		ret = io_uring_submit(&s.r.ring);
	REQUIRE(ret == 1, "%d", ret);
}

static int try_op(void)
{
	struct t_res res;

	t_queue(&s.r, &op);
	submit();
	REQUIRE(t_reap(&s.r, &res, 20000));
	return res.res < 0 ? res.res : 0;
}

static void undo_nothing(void)
{
}

static int try_stream(void)
{
	struct t_res res;

	t_queue_stream(&s.r, &s.d, &s.p);
	submit();
	if (t_reap(&s.r, &res, 100))
		return res.res;
	return 0;
}

static void undo_stream(void)
{
	t_stream_cancel(&s);
}

static void ops(void)
{
	const struct t_stream_opt opt = { .way = &ways[0], .frames = 64 };

	set_up();
	t_stream_open(&s, &opt);
	op = (struct io_unified_desc){
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_WRITE,
		.storage = s.storage,
		.addr = t_frame(&s.r, 0),
		.len = 4096,
	};
	/* It needs no memory that is not at hand. */
	CHECK_EQ(each_of(try_op, undo_nothing, "write"), 0);
	op.len = 256 << 10;
	each(try_op, undo_nothing, "write of many parts");
	op.storage = t_attach_storage(&s.r, s.disk.path, IO_UNIFIED_ATTACH_BIO);
	each(try_op, undo_nothing, "write by bios");
	each(try_stream, undo_stream, "stream");
	t_stream_close(&s);
}

static struct t_conn conn;

/* What was sent; whatever fails on its way is sent again. */
static void undo_send(void)
{
	char buf[4096];
	int left = op.len;
	ssize_t n;

	for (; left; left -= n) {
		n = recv(conn.peer, buf, sizeof(buf), 0);
		REQUIRE(n > 0);
	}
}

static void sockets(void)
{
	set_up();
	t_region_open(&s.r, NULL);
	t_connect(&conn, AF_INET, SOCK_STREAM, T_LO);
	attach = (struct io_unified_attach){
		.kind = IO_UNIFIED_KIND_SOCKET,
		.fd = conn.end,
	};
	each(try_attach, undo_attach, "attach a socket");
	op = t_send_op(t_attach_sock(&s.r, conn.end), 1, t_frame(&s.r, 1),
		       20000);
	each(try_op, undo_send, "send");
	t_region_close(&s.r);
	t_disconnect(&conn);
}

static const struct t_case cases[] = {
	{ "open", opening, 600 },	 { "register", registration, 600 },
	{ "attach", attachments, 1200 }, { "ops and streams", ops, 600 },
	{ "sockets", sockets, 600 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
