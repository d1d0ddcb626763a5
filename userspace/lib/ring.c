// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The region's own rings. */
#include <errno.h>
#include <sys/ioctl.h>

#include "internal.h"

int iou_ring_init(struct iou_ring *ring, struct iou_region *r,
		  unsigned int index)
{
	if (index >= r->rings)
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	ring->region = r;
	ring->ctrl = &r->ctrl->ring[index];
	ring->sq = r->sq + (size_t)index * r->sq_entries;
	ring->cq = r->cq + (size_t)index * r->cq_entries;
	ring->sq_mask = r->sq_entries - 1;
	ring->cq_mask = r->cq_entries - 1;
	ring->sq_tail = ring->ctrl->sq_prod;
	ring->index = index;
	return 0;
}

int iou_enter(struct iou_ring *ring, unsigned int to_submit,
	      unsigned int min_complete, uint64_t timeout_nsec)
{
	struct io_unified_enter e = {
		.ring = ring->index,
		.to_submit = to_submit,
		.min_complete = min_complete,
		.timeout_nsec = timeout_nsec,
	};

	if (ioctl(ring->region->fd, IO_UNIFIED_ENTER, &e)) {
		ring->region->step = "enter the region's ring";
		ring->region->reason = e.reason;
		return -errno;
	}
	return (int)e.submitted;
}
