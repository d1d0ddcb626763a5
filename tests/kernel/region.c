// SPDX-License-Identifier: GPL-2.0
/* Regions: every kind of memory, layout, mmap(), fork(), passing the fd. */
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/iou_test.h"

#define PAGE 4096ull

static struct t_region r;

static void layout(void)
{
	const struct t_opt *opt = t_arg;
	const struct io_unified_region_reg *g = &r.reg;
	struct io_unified_ctrl *c;
	u64 sq, cq;

	t_region_open(&r, opt);
	c = r.ctrl;
	sq = g->sq_entries * sizeof(struct io_unified_desc);
	cq = g->cq_entries * sizeof(struct io_unified_cqe);
	CHECK_EQ(g->reason, 0);
	CHECK_EQ(g->ctrl_off, 0);
	CHECK(g->sq_off >= IO_UNIFIED_CTRL_SIZE && g->sq_off % 64 == 0);
	CHECK(g->cq_off >= g->sq_off + sq && g->cq_off % 64 == 0);
	CHECK(g->data_off >= g->cq_off + cq);
	CHECK_EQ(g->data_off % PAGE, 0);
	CHECK(g->data_size && g->data_size % r.frame_size == 0);
	CHECK(g->data_off + g->data_size <= r.size);
	/* Nothing wasted but what alignment asks for. */
	CHECK(g->data_off + g->data_size + r.frame_size + 65536 > r.size);
	CHECK(g->chunk_size >= PAGE && !(g->chunk_size & (g->chunk_size - 1)));
	if (opt->memory == T_MEM_HUGE)
		CHECK(g->chunk_size >= 2 << 20, "%llu", g->chunk_size);
	CHECK_EQ(g->storage_index, -1);
	CHECK_EQ(g->net_index, -1);

	CHECK_EQ(c->magic, IO_UNIFIED_CTRL_MAGIC);
	CHECK_EQ(c->abi_version, IO_UNIFIED_ABI_VERSION);
	CHECK_EQ(c->sq_entries, g->sq_entries);
	CHECK_EQ(c->cq_entries, g->cq_entries);
	CHECK_EQ(c->frame_size, r.frame_size);
	CHECK_EQ(c->sq_off, g->sq_off);
	CHECK_EQ(c->cq_off, g->cq_off);
	CHECK_EQ(c->data_off, g->data_off);
	CHECK_EQ(c->data_size, g->data_size);
	CHECK_EQ(c->nr_rings, 1);
	CHECK_EQ(c->ring[0].sq_prod | c->ring[0].sq_cons | c->ring[0].cq_prod |
			 c->ring[0].cq_cons,
		 0);
	CHECK_EQ(c->ring[0].sq_flags, IO_UNIFIED_SQ_NEED_WAKEUP);
	t_region_close(&r);
}

/* Module memory comes to the application zeroed. */
static void zeroed(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE, .size = 8 << 20 };
	u64 i;

	t_region_open(&r, &opt);
	for (i = r.reg.data_off; i < r.size; i += 8)
		if (*(u64 *)(r.base + i))
			break;
	CHECK(i >= r.size, "at %llu", (unsigned long long)i);
	t_region_close(&r);
}

static void mmap_limits(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE };
	const int rw = PROT_READ | PROT_WRITE;
	u64 size;
	void *p;

	t_region_open(&r, &opt);
	size = r.size;
	CHECK(mmap(NULL, size, rw, MAP_SHARED, r.fd, PAGE) == MAP_FAILED,
	      "beyond the end by an offset");
	CHECK(mmap(NULL, size + PAGE, rw, MAP_SHARED, r.fd, 0) == MAP_FAILED,
	      "beyond the end by a page");
	CHECK(mmap(NULL, PAGE, rw, MAP_SHARED, r.fd, size) == MAP_FAILED,
	      "behind the end");
	CHECK(mmap(NULL, PAGE, rw, MAP_SHARED, r.fd,
		   (off_t)(~0ull >> 1) & ~(PAGE - 1)) == MAP_FAILED);
	CHECK(mmap(NULL, size, rw | PROT_EXEC, MAP_SHARED, r.fd, 0) ==
		      MAP_FAILED,
	      "executable");
	CHECK(mmap(NULL, size, rw, MAP_PRIVATE, r.fd, 0) == MAP_FAILED,
	      "private");
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, r.fd, 0);
	if (p != MAP_FAILED) {
		CHECK(mprotect(p, size, PROT_READ | PROT_EXEC) == -1,
		      "executable later");
		munmap(p, size);
	}
	/* A second mapping shows the same bytes. */
	p = mmap(NULL, size, rw, MAP_SHARED, r.fd, 0);
	REQUIRE(p != MAP_FAILED);
	t_fill(r.base + r.reg.data_off, PAGE, 3);
	CHECK(t_filled((u8 *)p + r.reg.data_off, PAGE, 3));
	munmap(p, size);
	t_region_close(&r);
}

static void mmap_without(void)
{
	int fd = t_open();

	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED,
	      "without a region");
	close(fd);
	t_region_open(&r, NULL);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, r.fd, 0) == MAP_FAILED,
	      "a region of the caller's memory");
	t_region_close(&r);
}

/* A mapping outlives region and fd; its pages stay the process's own. */
static long unevictable_kb(void)
{
	static const char name[] = "Unevictable:";
	char *text = t_read_file("/proc/meminfo");
	char *at = strstr(text, name);
	long kb;

	REQUIRE(at);
	kb = atol(at + strlen(name));
	free(text);
	return kb;
}

static void mmap_outlives(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE, .size = 32 << 20 };
	long before = unevictable_kb(), meanwhile, after;

	t_region_open(&r, &opt);
	t_fill(r.base + r.reg.data_off, 1 << 20, 4);
	meanwhile = unevictable_kb();
	CHECK(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	io_uring_queue_exit(&r.ring);
	close(r.fd);
	/* It does not count against RLIMIT_MEMLOCK now, so it is not to stay in memory. */
	after = unevictable_kb();
	t_note("unevictable: %ld KiB, %ld, %ld", before, meanwhile, after);
	CHECK(meanwhile - before > 24 << 10);
	CHECK(after - before < 8 << 10);
	CHECK(t_filled(r.base + r.reg.data_off, 1 << 20, 4));
	t_fill(r.base + r.reg.data_off, 1 << 20, 5);
	CHECK(t_filled(r.base + r.reg.data_off, 1 << 20, 5));
	munmap(r.base, r.size);
}

/* Parent and child share the region; either may look, the parent does I/O. */
static void across_fork(void)
{
	const struct t_opt opt = { .memory = (enum t_memory)(uintptr_t)t_arg };
	struct t_disk disk;
	struct t_res res;
	int storage, status;
	u64 addr;
	pid_t pid;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, 0);
	addr = t_frame(&r, 2);
	t_fill(t_ptr(&r, addr), PAGE, 10);
	pid = fork();
	if (!pid) {
		bool ok = t_filled(t_ptr(&r, addr), PAGE, 10);

		t_fill(t_ptr(&r, addr), PAGE, 11);
		_exit(!ok);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	res = t_io(&r, IO_UNIFIED_F_WRITE, storage, addr, PAGE, 0);
	CHECK_EQ(res.res, PAGE);
	memset(t_ptr(&r, addr), 0, PAGE);
	res = t_io(&r, IO_UNIFIED_F_READ, storage, addr, PAGE, 0);
	CHECK_EQ(res.res, PAGE);
	CHECK(t_filled(t_ptr(&r, addr), PAGE, 11), "what the child wrote");
	t_region_close(&r);
}

/* Another process gets the fd and maps the region; ours may close it. */
static void passed_fd(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE };
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2], status, fd;
	char byte;
	pid_t pid;
	u8 *p;

	REQUIRE(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	pid = fork();
	if (!pid) {
		iov.iov_base = &byte;
		if (recvmsg(pair[1], &msg, 0) != 1)
			_exit(1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
		if (p == MAP_FAILED)
			_exit(2);
		if (!t_filled(p + (1 << 20), PAGE, 21))
			_exit(3);
		t_fill(p + (1 << 20), PAGE, 22);
		_exit(0);
	}
	t_region_open(&r, &opt);
	t_fill(r.base + (1 << 20), PAGE, 21);
	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &r.fd, sizeof(int));
	REQUIRE(sendmsg(pair[0], &msg, 0) == 1);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0, "exit status %d", WEXITSTATUS(status));
	CHECK(t_filled(r.base + (1 << 20), PAGE, 22));
	t_region_close(&r);
}

/* Several regions at once, over the same memory and on the same drive. */
static void several(void)
{
	struct t_region a, b;
	struct t_disk disk;
	int sa, sb;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&a, NULL);
	t_region_open(&b, NULL);
	sa = t_attach_storage(&a, disk.path, 0);
	sb = t_attach_storage(&b, disk.path, 0);
	t_fill(t_ptr(&a, t_frame(&a, 0)), PAGE, 31);
	CHECK_EQ(t_io(&a, IO_UNIFIED_F_WRITE, sa, t_frame(&a, 0), PAGE, 0).res,
		 PAGE);
	CHECK_EQ(t_io(&b, IO_UNIFIED_F_READ, sb, t_frame(&b, 9), PAGE, 0).res,
		 PAGE);
	CHECK(t_filled(t_ptr(&b, t_frame(&b, 9)), PAGE, 31));
	t_region_close(&a);
	CHECK_EQ(t_io(&b, IO_UNIFIED_F_READ, sb, t_frame(&b, 7), PAGE, 0).res,
		 PAGE);
	CHECK(t_filled(t_ptr(&b, t_frame(&b, 7)), PAGE, 31));
	t_region_close(&b);
}

static volatile bool detached;

static void *detach_slow(void *arg)
{
	const int *storage = arg;

	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, *storage), 0);
	detached = true;
	return NULL;
}

static void look_at_fdinfo(void)
{
	char path[64], buf[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r.fd);
	fd = open(path, O_RDONLY);
	if (read(fd, buf, sizeof(buf)) < 0)
		_exit(1);
}

static void look_at_stats(void)
{
	struct io_unified_stats s = { .kind = IO_UNIFIED_KIND_REGION };

	ioctl(r.fd, IO_UNIFIED_GET_STATS, &s);
}

static void leave_region(void)
{
	ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION);
}

/* A detach waits for a slow drive. Who waits for the detach can be killed meanwhile. */
static void killed_behind(void)
{
	static void (*const what[])(void) = { look_at_fdinfo, look_at_stats,
					      leave_region };
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_NVME,
				     .flags = IO_UNIFIED_F_READ,
				     .len = PAGE };
	struct t_disk disk;
	pthread_t thread;
	unsigned int i;
	int storage;
	pid_t pid;

	t_disk_null_blk(&disk, "iou_slow", 512, 16,
			"irqmode=2 completion_nsec=3000000000");
	for (i = 0; i < ARRAY_SIZE(what); i++) {
		t_region_open(&r, NULL);
		storage = t_attach_storage(&r, disk.path, 0);
		d.addr = t_frame(&r, 0);
		d.storage = storage;
		t_queue(&r, &d);
		t_submit(&r);
		detached = false;
		REQUIRE(!pthread_create(&thread, NULL, detach_slow, &storage));
		t_sleep_ms(200);
		pid = fork();
		if (!pid) {
			what[i]();
			_exit(0);
		}
		t_sleep_ms(200);
		CHECK(!kill(pid, SIGKILL));
		CHECK(waitpid(pid, NULL, 0) == pid);
		CHECK(!detached, "way %u: it was not over before", i);
		pthread_join(thread, NULL);
		CHECK_EQ(t_next(&r).res, PAGE);
		t_region_close(&r);
	}
	t_disk_del_null_blk("iou_slow");
}

/* Register, unregister, register again, on one fd with one ring. */
static void again(void)
{
	struct io_unified_region_reg reg;
	int i;

	t_region_open(&r, NULL);
	for (i = 0; i < 20; i++) {
		REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
		reg = r.reg;
		CHECK_EQ(t_register(r.fd, &reg), 0, "reason %u", reg.reason);
	}
	t_region_close(&r);
}

static void epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .events = POLLIN };
	struct io_unified_cqe cqe;
	struct t_disk disk;
	struct t_res res;
	int ep, storage;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, NULL);
	p.fd = r.fd;
	storage = t_attach_storage(&r, disk.path, 0);
	ep = epoll_create1(0);
	REQUIRE(!epoll_ctl(ep, EPOLL_CTL_ADD, r.fd, &ev));
	CHECK_EQ(poll(&p, 1, 0), 0, "no entry yet");
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	/* An op without F_CQ leaves the CQ as it is. */
	res = t_io(&r, IO_UNIFIED_F_READ, storage, t_frame(&r, 0), 4096, 0);
	CHECK_EQ(res.res, 4096);
	CHECK_EQ(poll(&p, 1, 0), 0);
	res = t_io(&r, IO_UNIFIED_F_READ | IO_UNIFIED_F_CQ, storage,
		   t_frame(&r, 0), 4096, 0);
	CHECK_EQ(res.res, 4096);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_EQ(p.revents & (POLLIN | POLLERR | POLLHUP), POLLIN);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 5000), 1);
	CHECK(ev.events & EPOLLIN);
	REQUIRE(t_cq(&r, &cqe, 0));
	CHECK_EQ(cqe.user_data, res.user_data);
	CHECK_EQ(poll(&p, 1, 0), 0, "the entry was taken");
	/* A sleeper is woken. */
	t_fill(t_ptr(&r, t_frame(&r, 0)), 4096, 1);
	{
		struct io_unified_desc d = {
			.user_data = 5,
			.ops = IO_UNIFIED_OP_NVME,
			.flags = IO_UNIFIED_F_WRITE | IO_UNIFIED_F_CQ,
			.storage = storage,
			.addr = t_frame(&r, 0),
			.len = 4096,
		};
		t_queue(&r, &d);
		t_submit(&r);
	}
	CHECK_EQ(poll(&p, 1, 10000), 1, "woken by a completion");
	REQUIRE(t_reap(&r, &res, 10000));
	t_region_close(&r);
}

/* One memory: region, fixed buffer of io_uring, at the same time. */
static void fixed_buffer(void)
{
	const struct t_opt opt = { .memory = (enum t_memory)(uintptr_t)t_arg };
	struct io_uring_sqe *sqe;
	struct t_disk disk;
	struct iovec iov;
	struct t_res res;
	int ret, fd, storage;

	if (opt.memory == T_MEM_MODULE &&
	    !t_feature(IO_UNIFIED_FEAT_MODULE_FIXED_BUF))
		t_skip("no IO_UNIFIED_FEAT_MODULE_FIXED_BUF");
	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, 0);
	iov.iov_base = r.base;
	iov.iov_len = r.size;
	ret = io_uring_register_buffers(&r.ring, &iov, 1);
	REQUIRE_EQ(ret, 0);
	fd = open(disk.path, O_RDONLY | O_DIRECT);
	REQUIRE(fd >= 0);
	t_fill(t_ptr(&r, t_frame(&r, 3)), 128 << 10, 40);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 3),
		      128 << 10, PAGE)
			 .res,
		 128 << 10);
	sqe = io_uring_get_sqe(&r.ring);
	memset(sqe, 0, 128);
	io_uring_prep_read_fixed(sqe, fd, t_ptr(&r, t_frame(&r, 40)), 128 << 10,
				 PAGE, 0);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 10000));
	CHECK_EQ(res.res, 128 << 10);
	CHECK(t_filled(t_ptr(&r, t_frame(&r, 40)), 128 << 10, 40));
	close(fd);
	t_region_close(&r);
}

#define MEM(m) ((const void *)(uintptr_t)(m))
#define OPT(...) (&(const struct t_opt){ __VA_ARGS__ })

static const struct t_case cases[] = {
	{ "layout, module memory", layout, 0, OPT(T_MEM_MODULE) },
	{ "layout, memfd", layout, 0, OPT(T_MEM_MEMFD) },
	{ "layout, huge pages", layout, 0, OPT(T_MEM_HUGE) },
	{ "layout, anonymous memory", layout, 0, OPT(T_MEM_ANON) },
	{ "layout, frames of 2048", layout, 0,
	  OPT(T_MEM_MEMFD, 4 << 20, 2048) },
	{ "layout, frames of 65536", layout, 0,
	  OPT(T_MEM_MODULE, 4 << 20, 65536) },
	{ "layout, one completion", layout, 0,
	  OPT(T_MEM_MEMFD, 4 << 20, 4096, 1) },
	{ "module memory is zeroed", zeroed },
	{ "mmap limits", mmap_limits },
	{ "mmap where there is nothing to map", mmap_without },
	{ "a mapping outlives the region", mmap_outlives },
	{ "fork, memfd", across_fork, 0, MEM(T_MEM_MEMFD) },
	{ "fork, module memory", across_fork, 0, MEM(T_MEM_MODULE) },
	{ "fork, huge pages", across_fork, 0, MEM(T_MEM_HUGE) },
	{ "fd passed to another process", passed_fd },
	{ "two regions on one drive", several },
	{ "killed behind a detach that waits", killed_behind, 120 },
	{ "register again and again", again },
	{ "poll and epoll", epoll },
	{ "fixed buffer, memfd", fixed_buffer, 0, MEM(T_MEM_MEMFD) },
	{ "fixed buffer, huge pages", fixed_buffer, 0, MEM(T_MEM_HUGE) },
	{ "fixed buffer, module memory", fixed_buffer, 0, MEM(T_MEM_MODULE) },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
