// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Regions and their attachments. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define KNOWN_FLAGS                                           \
	(IOU_REGION_MODULE_MEMORY | IOU_REGION_REQUIRE_HUGE | \
	 IOU_REGION_NO_HUGE | IOU_REGION_NUMA)

static int fail(struct iou_region *r, const char *step, unsigned int reason,
		int err)
{
	r->step = step;
	r->reason = reason;
	return err;
}

static bool power_of_two(unsigned int n)
{
	return n && !(n & (n - 1));
}

static size_t page_align(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

/* The module decides on the layout; this much it needs at most. */
static int wanted_size(struct iou_region *r, const struct iou_region_params *p,
		       const struct io_unified_region_reg *reg, size_t *size)
{
	size_t rings = page_align(IO_UNIFIED_CTRL_SIZE) +
		       page_align((size_t)reg->nr_rings * reg->sq_entries *
				  sizeof(struct io_unified_desc)) +
		       page_align((size_t)reg->nr_rings * reg->cq_entries *
				  sizeof(struct io_unified_cqe));
	size_t data;

	if (!p->frames)
		return fail(r, "make a region without frames",
			    IO_UNIFIED_REASON_SIZE, -EINVAL);
	/* one more: frames larger than a page may start later than the rings end */
	if (__builtin_mul_overflow((size_t)p->frames + 1, reg->frame_size,
				   &data) ||
	    __builtin_add_overflow(data, rings, size))
		return fail(r, "make a region of so many frames",
			    IO_UNIFIED_REASON_OVERFLOW, -EOVERFLOW);
	*size = page_align(*size);
	return 0;
}

static int check_params(struct iou_region *r, const struct iou_region_params *p)
{
	unsigned int i;

	if (p->flags & ~KNOWN_FLAGS ||
	    (p->flags & IOU_REGION_REQUIRE_HUGE &&
	     p->flags & (IOU_REGION_NO_HUGE | IOU_REGION_MODULE_MEMORY)) ||
	    (p->memory && p->flags & ~IOU_REGION_NUMA))
		return fail(r, "make a region", IO_UNIFIED_REASON_FLAGS,
			    -EINVAL);
	for (i = 0; i < sizeof(p->reserved) / sizeof(p->reserved[0]); i++)
		if (p->reserved[i])
			return fail(r, "make a region",
				    IO_UNIFIED_REASON_RESERVED, -EINVAL);
	if (p->frame_size && !power_of_two(p->frame_size))
		return fail(r, "make a region of such frames",
			    IO_UNIFIED_REASON_SIZE, -EINVAL);
	return 0;
}

static int get_memory(struct iou_region *r, const struct iou_region_params *p,
		      const struct io_unified_region_reg *reg)
{
	size_t size;
	int err;

	if (p->memory) {
		r->base = p->memory;
		r->size = p->memory_size;
		r->memory = IOU_MEMORY_CALLER;
		return 0;
	}
	err = wanted_size(r, p, reg, &size);
	if (err)
		return err;
	if (p->flags & IOU_REGION_MODULE_MEMORY) {
		r->size = size;
		r->memory = IOU_MEMORY_MODULE;
		return 0;
	}
	return iou_memory_get(r, p, size);
}

static void put_memory(struct iou_region *r)
{
	if (r->base && r->memory != IOU_MEMORY_CALLER)
		munmap(r->base, r->size);
	r->base = NULL;
}

static void publish(struct iou_region *r,
		    const struct io_unified_region_reg *reg)
{
	r->ctrl = iou_region_ptr(r, reg->ctrl_off);
	r->sq = iou_region_ptr(r, reg->sq_off);
	r->cq = iou_region_ptr(r, reg->cq_off);
	r->sq_entries = reg->sq_entries;
	r->cq_entries = reg->cq_entries;
	r->rings = reg->nr_rings;
	r->frame_size = reg->frame_size;
	r->frames = (unsigned int)(reg->data_size / reg->frame_size);
	r->data_off = reg->data_off;
	r->data_size = reg->data_size;
	r->chunk_size = reg->chunk_size;
	r->step = NULL;
	r->reason = 0;
}

int iou_region_init(struct iou_region *r, int fd,
		    const struct iou_region_params *p)
{
	struct io_unified_region_reg reg = {
		.sq_entries = p->sq_entries ? p->sq_entries : 64,
		.cq_entries = p->cq_entries ? p->cq_entries : 1024,
		.nr_rings = p->rings ? p->rings : 1,
		.frame_size = p->frame_size ? p->frame_size : 4096,
		.uring_fd = p->ring ? p->ring->ring_fd : -1,
		.nvme_fd = -1,
		.numa_node = (p->flags & IOU_REGION_NUMA) ? p->numa_node : -1,
	};
	int err;

	memset(r, 0, sizeof(*r));
	r->fd = fd;
	err = check_params(r, p);
	if (!err)
		err = get_memory(r, p, &reg);
	if (err)
		return err;

	reg.region_size = r->size;
	reg.user_addr = (uintptr_t)r->base;
	if (ioctl(fd, IO_UNIFIED_REGISTER_REGION, &reg)) {
		err = fail(r, "register the region", reg.reason, -errno);
		goto out_memory;
	}
	if (r->memory == IOU_MEMORY_MODULE) {
		void *base = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0);

		if (base == MAP_FAILED) {
			err = fail(r, "map the module's memory", 0, -errno);
			ioctl(fd, IO_UNIFIED_UNREGISTER_REGION);
			return err;
		}
		r->base = base;
	}
	publish(r, &reg);
	return 0;

out_memory:
	put_memory(r);
	return err;
}

void iou_region_exit(struct iou_region *r)
{
	ioctl(r->fd, IO_UNIFIED_UNREGISTER_REGION);
	put_memory(r);
}

static int attach(struct iou_region *r, const char *step,
		  struct io_unified_attach *a)
{
	if (ioctl(r->fd, IO_UNIFIED_ATTACH, a))
		return fail(r, step, a->reason, -errno);
	return 0;
}

int iou_attach_storage(struct iou_region *r, int fd, unsigned int flags,
		       uint64_t start, uint64_t len,
		       struct io_unified_attach *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = IO_UNIFIED_KIND_STORAGE;
	out->flags = flags;
	out->fd = fd;
	out->dev_start = start;
	out->dev_len = len;
	return attach(r, "attach storage", out);
}

int iou_attach_netdev(struct iou_region *r, unsigned int ifindex,
		      unsigned int queue, unsigned int flags,
		      struct io_unified_attach *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = IO_UNIFIED_KIND_NETDEV;
	out->flags = flags;
	out->ifindex = ifindex;
	out->queue = queue;
	return attach(r,
		      flags & IO_UNIFIED_ATTACH_SEND_ONLY ?
			      "attach a transmit queue" :
			      "attach a receive queue",
		      out);
}

int iou_attach_socket(struct iou_region *r, int fd, unsigned int flags,
		      struct io_unified_attach *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = IO_UNIFIED_KIND_SOCKET;
	out->flags = flags;
	out->fd = fd;
	return attach(r, "attach a socket", out);
}

int iou_attach_bpf(struct iou_region *r, int prog_fd,
		   struct io_unified_attach *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = IO_UNIFIED_KIND_BPF;
	out->fd = prog_fd;
	return attach(r, "attach a BPF program", out);
}

int iou_attach_ring(struct iou_region *r, const struct io_uring *ring,
		    struct io_unified_attach *out)
{
	struct io_unified_attach here;

	if (!out)
		out = &here;
	memset(out, 0, sizeof(*out));
	out->kind = IO_UNIFIED_KIND_RING;
	out->fd = ring->ring_fd;
	return attach(r, "attach an io_uring", out);
}

int iou_detach(struct iou_region *r, unsigned int kind, unsigned int index)
{
	struct io_unified_detach d = { .kind = kind, .index = index };

	if (ioctl(r->fd, IO_UNIFIED_DETACH, &d))
		return fail(r, "detach", d.reason, -errno);
	return 0;
}

int iou_get_stats(struct iou_region *r, unsigned int kind, unsigned int index,
		  struct io_unified_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	out->index = index;
	if (ioctl(r->fd, IO_UNIFIED_GET_STATS, out))
		return fail(r, "read counters", out->reason, -errno);
	return 0;
}
