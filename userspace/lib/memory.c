// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Memory of this process for a region: a memfd, of huge pages if there are. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Without libnuma: one call, and the mask of one node. */
static int bind_node(void *base, size_t size, int node)
{
	unsigned long mask[16] = { 0 };
	const unsigned int bits = 8 * sizeof(mask[0]);

	if (node < 0 || (size_t)node >= bits * 16)
		return -EINVAL;
	mask[(unsigned int)node / bits] = 1ul << ((unsigned int)node % bits);
	if (syscall(SYS_mbind, base, size, MPOL_BIND, mask, bits * 16, 0))
		return -errno;
	return 0;
}

/* A mapping whose address is a multiple of a huge page, for THP to work. */
static void *map_aligned(int fd, size_t size)
{
	size_t span = size + IOU_HUGE_PAGE;
	unsigned char *p = mmap(NULL, span, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *base;
	size_t head;

	if (p == MAP_FAILED)
		return p;
	head = -(uintptr_t)p & (IOU_HUGE_PAGE - 1);
	base = mmap(p + head, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0);
	if (base == MAP_FAILED) {
		munmap(p, span);
		return base;
	}
	if (head)
		munmap(p, head);
	if (span - head > size)
		munmap(base + size, span - head - size);
	return base;
}

static int map_memfd(struct iou_region *r, const struct iou_region_params *p,
		     size_t size, bool huge)
{
	unsigned int flags = MFD_CLOEXEC;
	void *base;
	int err = 0;
	int fd;

	if (huge)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	fd = memfd_create("io_unified", flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size)) {
		err = -errno;
		goto out_close;
	}
	base = map_aligned(fd, size);
	if (base == MAP_FAILED) {
		err = -errno;
		goto out_close;
	}
	/* Only advice: the region's chunk_size shows whether it was taken. */
	if (!huge)
		madvise(base, size, MADV_HUGEPAGE);
	if (p->flags & IOU_REGION_NUMA) {
		r->step = "bind memory to the NUMA node";
		err = bind_node(base, size, p->numa_node);
	}
	/* Here a lack of memory is an error; later it would be a signal. */
	if (!err && madvise(base, size, MADV_POPULATE_WRITE)) {
		r->step = "populate the region's memory";
		err = -errno;
	}
	if (err) {
		munmap(base, size);
		goto out_close;
	}
	r->base = base;
	r->size = size;
	r->memory = huge ? IOU_MEMORY_HUGE : IOU_MEMORY_SHARED;
out_close:
	close(fd);
	return err;
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

int iou_memory_get(struct iou_region *r, const struct iou_region_params *p,
		   size_t size)
{
	int err;

	if (!(p->flags & IOU_REGION_NO_HUGE)) {
		r->step = "get huge pages of 2 MiB (more come with sysctl vm.nr_hugepages)";
		err = map_memfd(r, p, round_up(size, IOU_HUGE_PAGE), true);
		if (!err || (p->flags & IOU_REGION_REQUIRE_HUGE))
			return err;
	}
	r->step = "get shared memory";
	return map_memfd(r, p, size, false);
}
