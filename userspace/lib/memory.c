// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Memory of this process for a region: huge pages, reserved or transparent. */
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

/*
 * A mapping whose address is a multiple of a huge page, for transparent ones to
 * be possible. @fd: a memfd, or -1 for private memory.
 */
static void *map_aligned(int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	size_t span = size + IOU_HUGE_PAGE;
	unsigned char *p =
		mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *base;
	size_t head;

	if (p == MAP_FAILED)
		return p;
	head = -(uintptr_t)p & (IOU_HUGE_PAGE - 1);
	base = mmap(p + head, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		    fd, 0);
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

/* Here a lack of memory is an error; at the first touch it would be a signal. */
static int populate(struct iou_region *r, const struct iou_region_params *p,
		    void *base, size_t size)
{
	int err;

	if (p->flags & IOU_REGION_NUMA) {
		err = bind_node(base, size, p->numa_node);
		if (err) {
			r->step = "bind memory to the NUMA node";
			return err;
		}
	}
	return madvise(base, size, MADV_POPULATE_WRITE) ? -errno : 0;
}

static int map_huge(struct iou_region *r, const struct iou_region_params *p,
		    size_t size)
{
	void *base;
	int fd, err;

	fd = memfd_create("io_unified",
			  MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size)) {
		err = -errno;
		goto out;
	}
	base = map_aligned(fd, size);
	if (base == MAP_FAILED) {
		err = -errno;
		goto out;
	}
	err = populate(r, p, base, size);
	if (err) {
		munmap(base, size);
		goto out;
	}
	r->base = base;
	r->size = size;
	r->memory = IOU_MEMORY_HUGE;
out:
	close(fd);
	return err;
}

/*
 * Private memory rather than a memfd: transparent huge pages are the rule for
 * the one and the exception for the other. A child would get a copy that is of
 * no use, so it gets none.
 */
static int map_private(struct iou_region *r, const struct iou_region_params *p,
		       size_t size)
{
	void *base = map_aligned(-1, size);
	int err;

	if (base == MAP_FAILED)
		return -errno;
	/* only advice: the region's chunk_size shows whether it was taken */
	madvise(base, size, MADV_HUGEPAGE);
	madvise(base, size, MADV_DONTFORK);
	err = populate(r, p, base, size);
	if (err) {
		munmap(base, size);
		return err;
	}
	r->base = base;
	r->size = size;
	r->memory = IOU_MEMORY_PRIVATE;
	return 0;
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

int iou_memory_get(struct iou_region *r, const struct iou_region_params *p,
		   size_t size)
{
	size_t rounded = round_up(size, IOU_HUGE_PAGE);
	int err;

	if (!(p->flags & IOU_REGION_NO_HUGE)) {
		r->step =
			"get huge pages of 2 MiB (more come with sysctl vm.nr_hugepages)";
		err = map_huge(r, p, rounded);
		if (!err || (p->flags & IOU_REGION_REQUIRE_HUGE))
			return err;
	}
	r->step = "get memory";
	/*
	 * A last page that is small would make all of it count as scattered, and half
	 * a huge page of small ones costs more for each transfer than it saves.
	 */
	return map_private(r, p, size < IOU_HUGE_PAGE / 2 ? size : rounded);
}
