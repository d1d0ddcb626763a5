// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of regions: every kind of page, several regions in one process and one
 * in several, and the node that it is on
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/sq.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

enum { LEN = 128 << 10, NOBODY = 65534 };
static const u64 where = 700 * MIB;

static struct t_region r;
static struct t_disk disk;

static void *map_memfd(u64 size, unsigned int flags)
{
	int fd = memfd_create("io_unified-test", MFD_CLOEXEC | flags);
	void *p;

	REQUIRE(fd >= 0 && !ftruncate(fd, size));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED, "%llu bytes", (unsigned long long)size);
	close(fd);
	return p;
}

/* Private memory that starts where a huge page may. */
static void *map_anon(u64 size, int advice)
{
	u8 *p = mmap(NULL, size + 2 * MIB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(p != MAP_FAILED);
	p = (u8 *)(((uintptr_t)p + 2 * MIB - 1) & ~(2 * MIB - 1));
	REQUIRE(!madvise(p, size, advice));
	memset(p, 1, size);
	return p;
}

enum pages { HUGE_2M, HUGE_1G, THP, PLAIN };

static void kinds_of_pages(void)
{
	enum pages pages = (uintptr_t)t_arg;
	struct t_opt opt = {};
	u64 size = 8 * MIB;
	int path;
	void *p;

	t_disk_nvme(&disk, 512, 0);
	switch (pages) {
	case HUGE_2M:
		t_hugepages(size >> 21);
		p = map_memfd(size, MFD_HUGETLB | MFD_HUGE_2MB);
		break;
	case HUGE_1G:
		t_hugepage_1gb();
		size = GIB;
		p = map_memfd(size, MFD_HUGETLB | MFD_HUGE_1GB);
		break;
	case THP:
		if (access("/sys/kernel/mm/transparent_hugepage", R_OK))
			t_skip("no transparent huge pages in this kernel");
		p = map_anon(size, MADV_HUGEPAGE);
		break;
	default:
		p = map_anon(size, MADV_NOHUGEPAGE);
	}
	opt.base = p;
	opt.size = size;
	t_region_open(&r, &opt);
	t_note("chunks of %llu bytes", (unsigned long long)r.reg.chunk_size);
	if (pages == PLAIN)
		CHECK(r.reg.chunk_size >= 4096);
	else
		CHECK_EQ(r.reg.chunk_size, 2 * MIB);
	for (path = 0; path < 2; path++) {
		int storage =
			t_attach_storage(&r, disk.path,
					 path ? IO_UNIFIED_ATTACH_BIO :
						IO_UNIFIED_ATTACH_PASSTHROUGH);

		t_disk_round_trip(&r, &disk, storage, t_frame(&r, 0), LEN,
				  where, 1 + path);
		/* Over the border of two huge pages, and the last bytes */
		t_disk_round_trip(&r, &disk, storage, 4 * MIB - 4096, LEN,
				  where, 3 + path);
		t_disk_round_trip(&r, &disk, storage, size - LEN, LEN, where,
				  5 + path);
	}
	t_region_close(&r);
}

/* ----------------------------------------------------- regions, rings, processes */

enum { REGIONS = 4, RINGS = 2, ROUNDS = 50 };

struct user {
	pthread_t thread;
	struct t_region *r;
	struct io_uring *ring;
	int storage, nr;
};

/* Ops of one ring on its own bytes of region and drive. */
static void *use(void *arg)
{
	struct user *u = arg;
	struct t_region mine = *u->r;
	u64 addr = t_frame(&mine, 8 * u->nr), pos = where + u->nr * MIB;
	int i;

	/* The same region by another ring */
	mine.ring = *u->ring;
	for (i = 0; i < ROUNDS; i++) {
		t_fill(t_ptr(&mine, addr), 32768, u->nr * 1000 + i);
		CHECK_EQ(t_io(&mine, IO_UNIFIED_F_WRITE, u->storage, addr,
			      32768, pos)
				 .res,
			 32768);
		memset(t_ptr(&mine, addr), 0, 32768);
		CHECK_EQ(t_io(&mine, IO_UNIFIED_F_READ, u->storage, addr, 32768,
			      pos)
				 .res,
			 32768);
		CHECK(t_filled(t_ptr(&mine, addr), 32768, u->nr * 1000 + i),
		      "ring %d, round %d", u->nr, i);
	}
	*u->ring = mine.ring;
	return NULL;
}

static void regions_and_rings(void)
{
	struct io_uring rings[REGIONS];
	struct t_region regions[REGIONS], foreign;
	struct user users[REGIONS * RINGS];
	struct t_res res;
	int i, storage;

	t_disk_nvme(&disk, 512, 0);
	for (i = 0; i < REGIONS; i++) {
		const struct t_opt opt = { .memory = i % 2 ? T_MEM_MEMFD :
							     T_MEM_MODULE };
		struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };

		t_region_open(&regions[i], &opt);
		storage = t_attach_storage(&regions[i], disk.path, 0);
		t_ring_init(&rings[i], 64, 0);
		a.fd = rings[i].ring_fd;
		REQUIRE_EQ(t_attach(&regions[i], &a), 0, "reason %u", a.reason);
		users[2 * i] = (struct user){ .r = &regions[i],
					      .ring = &regions[i].ring,
					      .storage = storage,
					      .nr = 2 * i };
		users[2 * i + 1] = (struct user){ .r = &regions[i],
						  .ring = &rings[i],
						  .storage = storage,
						  .nr = 2 * i + 1 };
	}
	for (i = 0; i < REGIONS * RINGS; i++)
		REQUIRE(!pthread_create(&users[i].thread, NULL, use,
					&users[i]));
	for (i = 0; i < REGIONS * RINGS; i++)
		REQUIRE(!pthread_join(users[i].thread, NULL));
	/* The ring of one region is a stranger to the other. */
	foreign = regions[0];
	foreign.ring = rings[1];
	res = t_io(&foreign, IO_UNIFIED_F_READ, users[0].storage,
		   t_frame(&foreign, 0), 4096, where);
	CHECK(res.res < 0, "%d", res.res);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_FOREIGN_RING);
	rings[1] = foreign.ring;
	for (i = 0; i < REGIONS; i++) {
		io_uring_queue_exit(&rings[i]);
		t_region_close(&regions[i]);
	}
}

static void send_fds(int sock, const int *fds, int n)
{
	char space[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	REQUIRE(sendmsg(sock, &msg, 0) == 1);
}

static void receive_fds(int sock, int *fds, int n)
{
	char space[CMSG_SPACE(4 * sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};

	REQUIRE(recvmsg(sock, &msg, 0) == 1);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), n * sizeof(int));
}

static struct io_unified_cqe enter_io(u32 flags, int storage, u64 addr, u64 pos)
{
	const struct io_unified_desc d = {
		.user_data = 77,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = flags & 0xffffff,
		.nvme_opcode = flags >> 24,
		.storage = storage,
		.addr = addr,
		.len = 4096,
		.dev_offset = pos,
	};

	return t_enter_op(&r, 0, &d);
}

static int attach_fd(int fd, u32 *reason)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.fd = fd,
	};
	int ret = t_attach(&r, &a);

	*reason = a.reason;
	return ret ? ret : a.index;
}

/*
 * The one that was handed device, memory, and a drive's fd for reading, and has no
 * rights of its own.
 */
static void stranger(int sock, const struct io_unified_region_reg *reg,
		     int storage)
{
	struct io_unified_attach net = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.ifindex = if_nametoindex("eth0"),
	};
	struct io_unified_cqe cqe;
	struct t_res res;
	int fds[2], mine;
	u32 reason;

	/* The fd is all: nobody else may open the device. */
	REQUIRE(!setgid(NOBODY) && !setuid(NOBODY));
	CHECK(open(T_DEVICE, O_RDWR) < 0 && errno == EACCES);
	receive_fds(sock, fds, 2);
	r = (struct t_region){
		.fd = fds[0],
		.memfd = -1,
		.size = reg->region_size,
		.reg = *reg,
		.frame_size = 4096,
	};
	r.base =
		mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, 0);
	REQUIRE(r.base != MAP_FAILED);
	r.ctrl = (void *)r.base;
	r.cq = (void *)(r.base + r.reg.cq_off);

	/* It submits and reaps, on what the other one attached for writing. */
	CHECK(t_filled(t_ptr(&r, t_frame(&r, 0)), 4096, 41));
	cqe = enter_io(IO_UNIFIED_F_WRITE, storage, t_frame(&r, 0), where);
	CHECK_EQ(cqe.res, 4096, "reason %u", cqe.reason);
	/* It attaches what it was given, for what that is open for. */
	mine = attach_fd(fds[1], &reason);
	REQUIRE(mine >= 0, "%d, reason %u", mine, reason);
	cqe = enter_io(IO_UNIFIED_F_READ, mine, t_frame(&r, 1), where);
	CHECK_EQ(cqe.res, 4096, "reason %u", cqe.reason);
	CHECK(t_filled(t_ptr(&r, t_frame(&r, 1)), 4096, 41));
	cqe = enter_io(IO_UNIFIED_F_WRITE, mine, t_frame(&r, 0), where);
	CHECK_EQ(cqe.res, -EBADF);
	CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_READ_ONLY);
	/* What needs a capability is not lent with the fd. */
	cqe = enter_io(IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE | 0x81u << 24,
		       storage, t_frame(&r, 0), where);
	CHECK_EQ(cqe.res, -EPERM);
	CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_OPCODE);
	if (net.ifindex) {
		CHECK_EQ(t_attach(&r, &net), -EPERM);
		CHECK_EQ(net.reason, IO_UNIFIED_REASON_CAP_NET_RAW);
	}
	/* Its io_uring may send commands once it is attached, too. */
	t_ring_init(&r.ring, 8, 0);
	res = t_io(&r, IO_UNIFIED_F_READ, mine, t_frame(&r, 2), 4096, where);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_FOREIGN_RING, "%d", res.res);
	REQUIRE_EQ(t_attach(&r,
			    &(struct io_unified_attach){
				    .kind = IO_UNIFIED_KIND_RING,
				    .fd = r.ring.ring_fd }),
		   0);
	res = t_io(&r, IO_UNIFIED_F_READ, mine, t_frame(&r, 2), 4096, where);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	CHECK(t_filled(t_ptr(&r, t_frame(&r, 2)), 4096, 41));
	CHECK(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION), "errno %d", errno);
	t_end_case();
}

static void handed_on(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE };
	int pair[2], fds[2], status, storage;
	struct io_unified_enter e = { .to_submit = 1 };
	pid_t pid;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, 0);
	t_fill(t_ptr(&r, t_frame(&r, 0)), 4096, 41);
	REQUIRE(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int own_fd = r.fd;

		munmap(r.base, r.size);
		io_uring_queue_exit(&r.ring);
		close(own_fd);
		stranger(pair[1], &r.reg, storage);
	}
	fds[0] = r.fd;
	fds[1] = open(disk.path, O_RDONLY);
	REQUIRE(fds[1] >= 0);
	send_fds(pair[0], fds, 2);
	close(fds[1]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0, "exit status %d", WEXITSTATUS(status));
	/* It was unregistered there, so it is here. */
	CHECK_EQ(t_enter(&r, &e), -ENXIO);
	CHECK_EQ(e.reason, IO_UNIFIED_REASON_NO_REGION);
	t_region_gone(&r);
}

/* ---------------------------------------------------------------------- nodes */

static void bind_to(void *p, u64 size, int node)
{
	unsigned long mask = 1ul << node;

	if (p)
		REQUIRE(!syscall(SYS_mbind, p, size, MPOL_BIND, &mask, 64, 0));
	else
		REQUIRE(!syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64));
}

/* 0 or -errno of a region that has to be on a node. */
static int register_on(void *p, u64 size, int node, u32 *reason)
{
	struct io_unified_region_reg reg = {
		.region_size = size,
		.user_addr = (uintptr_t)p,
		.sq_entries = 64,
		.cq_entries = 64,
		.frame_size = 4096,
		.uring_fd = -1,
		.nvme_fd = -1,
		.numa_node = node,
	};
	int fd = t_open(), ret = t_register(fd, &reg);

	*reason = reg.reason;
	close(fd);
	return ret;
}

/* Memory of node @on, asked for as of node @want. */
static void one_node(enum t_memory memory, int on, int want)
{
	u64 size = 4 * MIB;
	int memfd = -1, ret;
	void *p = NULL;
	u32 reason;

	if (memory == T_MEM_MODULE) {
		bind_to(NULL, 0, on);
	} else {
		p = t_map(memory, size, &memfd);
		bind_to(p, size, on);
		memset(p, 1, size);
	}
	ret = register_on(p, size, want, &reason);
	if (want == on || want < 0) {
		CHECK_EQ(ret, 0, "memory %d: reason %u", memory, reason);
	} else {
		CHECK_EQ(ret, -EINVAL, "memory %d", memory);
		CHECK_EQ(reason, IO_UNIFIED_REASON_NUMA);
	}
	if (p)
		munmap(p, size);
	if (memfd >= 0)
		close(memfd);
}

static void nodes(void)
{
	static const enum t_memory memories[] = { T_MEM_ANON, T_MEM_MEMFD,
						  T_MEM_MODULE };
	size_t i;
	u32 reason;
	int on;

	if (access("/sys/devices/system/node/node1", F_OK))
		t_skip("the VM has one node");
	for (i = 0; i < ARRAY_SIZE(memories); i++)
		for (on = 0; on < 2; on++) {
			one_node(memories[i], on, on);
			one_node(memories[i], on, !on);
			one_node(memories[i], on, -1);
		}
	/* No such node */
	CHECK_EQ(register_on(NULL, 4 * MIB, 2, &reason), -EINVAL);
	CHECK_EQ(reason, IO_UNIFIED_REASON_NUMA);
}

#define ARG(x) ((const void *)(uintptr_t)(x))

static const struct t_case cases[] = {
	{ "pages of 2 MiB", kinds_of_pages, 0, ARG(HUGE_2M) },
	{ "a page of 1 GiB", kinds_of_pages, 0, ARG(HUGE_1G) },
	{ "transparent huge pages", kinds_of_pages, 0, ARG(THP) },
	{ "plain pages", kinds_of_pages, 0, ARG(PLAIN) },
	{ "several regions, several rings", regions_and_rings, 120 },
	{ "handed to another process, without rights", handed_on },
	{ "memory of a node", nodes },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
