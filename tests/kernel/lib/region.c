// SPDX-License-Identifier: GPL-2.0
/* The device, rings, memory, regions and attachments. */
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iou_test.h"

int t_open(void)
{
	int fd = open(T_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		t_skip(T_DEVICE " does not exist: is the module loaded?");
	REQUIRE(fd >= 0, T_DEVICE);
	return fd;
}

void t_ring_init(struct io_uring *ring, u32 entries, u32 flags)
{
	int ret = io_uring_queue_init(entries, ring,
				      IORING_SETUP_SQE128 | IORING_SETUP_CQE32 |
					      flags);

	if (ret == -EINVAL && flags)
		t_skip("io_uring has no such flags: %#x", flags);
	REQUIRE_EQ(ret, 0);
}

void *t_map(enum t_memory memory, u64 size, int *memfd)
{
	int flags = MAP_SHARED;
	void *p;

	*memfd = -1;
	if (memory == T_MEM_HUGE)
		t_hugepages(size >> 21);
	if (memory == T_MEM_ANON) {
		flags = MAP_PRIVATE | MAP_ANONYMOUS;
	} else {
		*memfd = memfd_create(
			"io_unified-test",
			MFD_CLOEXEC | (memory == T_MEM_HUGE ?
					       MFD_HUGETLB | MFD_HUGE_2MB :
					       0));
		REQUIRE(*memfd >= 0);
		REQUIRE(!ftruncate(*memfd, size));
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, *memfd, 0);
	REQUIRE(p != MAP_FAILED, "%llu bytes", (unsigned long long)size);
	return p;
}

int t_register(int fd, struct io_unified_region_reg *reg)
{
	return ioctl(fd, IO_UNIFIED_REGISTER_REGION, reg) ? -errno : 0;
}

void t_region_open(struct t_region *r, const struct t_opt *opt)
{
	static const struct t_opt defaults = { .memory = T_MEM_MEMFD };
	int ret;

	if (!opt)
		opt = &defaults;
	memset(r, 0, sizeof(*r));
	r->memfd = -1;
	r->size = opt->size ? opt->size : 4 << 20;
	r->frame_size = opt->frame_size ? opt->frame_size : 4096;
	r->fd = t_open();
	if (!opt->no_ring) {
		t_ring_init(&r->ring, 256, opt->ring_flags);
		r->has_ring = true;
	}
	if (opt->base)
		r->base = opt->base;
	else if (opt->memory != T_MEM_MODULE)
		r->base = t_map(opt->memory, r->size, &r->memfd);
	r->reg = (struct io_unified_region_reg){
		.region_size = r->size,
		.user_addr = (uintptr_t)r->base,
		.sq_entries = opt->sq_entries ? opt->sq_entries : 64,
		.cq_entries = opt->cq_entries ? opt->cq_entries : 256,
		.nr_rings = opt->pairs,
		.frame_size = r->frame_size,
		.uring_fd = r->has_ring ? r->ring.ring_fd : -1,
		.nvme_fd = -1,
		.numa_node = -1,
	};
	ret = t_register(r->fd, &r->reg);
	REQUIRE_EQ(ret, 0, "register: reason %u", r->reg.reason);
	if (!r->base) {
		r->base = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, r->fd, 0);
		REQUIRE(r->base != MAP_FAILED);
	}
	r->ctrl = (void *)(r->base + r->reg.ctrl_off);
	r->cq = (void *)(r->base + r->reg.cq_off);
}

void t_region_unmap(struct t_region *r)
{
	munmap(r->base, r->size);
	if (r->memfd >= 0)
		close(r->memfd);
}

void t_region_gone(struct t_region *r)
{
	if (r->has_ring)
		io_uring_queue_exit(&r->ring);
	t_region_unmap(r);
	close(r->fd);
}

void t_region_close(struct t_region *r)
{
	CHECK(!ioctl(r->fd, IO_UNIFIED_UNREGISTER_REGION), "errno %d", errno);
	t_region_gone(r);
}

int t_attach(struct t_region *r, struct io_unified_attach *a)
{
	return ioctl(r->fd, IO_UNIFIED_ATTACH, a) ? -errno : 0;
}

int t_detach(struct t_region *r, u32 kind, u32 index)
{
	struct io_unified_detach d = { .kind = kind, .index = index };

	return ioctl(r->fd, IO_UNIFIED_DETACH, &d) ? -errno : 0;
}

int t_attach_storage(struct t_region *r, const char *path, u32 flags)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.flags = flags,
	};
	int ret;

	a.fd = open(path, flags & IO_UNIFIED_ATTACH_RDONLY ? O_RDONLY : O_RDWR);
	REQUIRE(a.fd >= 0, "%s", path);
	ret = t_attach(r, &a);
	REQUIRE_EQ(ret, 0, "%s: reason %u", path, a.reason);
	close(a.fd);
	return a.index;
}

int t_attach_net(struct t_region *r, const char *ifname, u32 flags)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = flags,
		.ifindex = if_nametoindex(ifname),
	};
	int ret;

	REQUIRE(a.ifindex, "%s", ifname);
	ret = t_attach(r, &a);
	REQUIRE_EQ(ret, 0, "%s: reason %u", ifname, a.reason);
	return a.index;
}

int t_attach_bpf(struct t_region *r, int prog_fd)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_BPF,
		.fd = prog_fd,
	};
	int ret = t_attach(r, &a);

	REQUIRE_EQ(ret, 0, "program fd %d: reason %u", prog_fd, a.reason);
	return a.index;
}

void t_stats(struct t_region *r, u32 kind, u32 index, u64 *counters)
{
	struct io_unified_stats s = { .kind = kind, .index = index };

	REQUIRE(!ioctl(r->fd, IO_UNIFIED_GET_STATS, &s), "reason %u", s.reason);
	memcpy(counters, s.counters, sizeof(s.counters));
}

u64 t_stat(struct t_region *r, u32 kind, u32 index, enum io_unified_stat c)
{
	u64 counters[IO_UNIFIED_STAT_MAX];

	t_stats(r, kind, index, counters);
	return counters[c];
}

bool t_feature(u64 bit)
{
	struct io_unified_info info;
	int fd = t_open();

	memset(&info, 0, sizeof(info));
	REQUIRE(!ioctl(fd, IO_UNIFIED_GET_INFO, &info));
	close(fd);
	return info.features & bit;
}
