// SPDX-License-Identifier: GPL-2.0
/*
 * The region's completion ring
 *
 * The module's producer index is its own; the one in the control page is a
 * copy for the application. The application's consumer index is read once per
 * decision: nonsense there costs the application its own entries, no more.
 */
#include <linux/poll.h>

#include "cq.h"

/* Free entries, as far as the application is to be believed. */
static u32 iou_cq_room(struct iou_region *r)
{
	/* The application has read the entries that it gives back. */
	u32 cons = smp_load_acquire(&r->ctrl->cq_cons);
	u32 used = r->cq.prod - cons;
	u32 size = r->cq.mask + 1;

	if (used > size)
		return 0;
	used += r->cq.reserved;
	return used < size ? size - used : 0;
}

static void iou_cq_publish(struct iou_region *r,
			   const struct io_unified_cqe *cqe)
{
	r->cq.entries[r->cq.prod & r->cq.mask] = *cqe;
	r->cq.prod++;
	/* The entry is seen before the index that covers it. */
	smp_store_release(&r->ctrl->cq_prod, r->cq.prod);
}

static void iou_cq_wake(struct iou_region *r)
{
	if (wq_has_sleeper(&r->file->poll_wait))
		wake_up_poll(&r->file->poll_wait, EPOLLIN | EPOLLRDNORM);
}

bool iou_cq_reserve(struct iou_region *r)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&r->cq.lock, flags);
	ok = iou_cq_room(r);
	if (ok)
		r->cq.reserved++;
	spin_unlock_irqrestore(&r->cq.lock, flags);
	return ok;
}

void iou_cq_unreserve(struct iou_region *r)
{
	unsigned long flags;

	spin_lock_irqsave(&r->cq.lock, flags);
	r->cq.reserved--;
	spin_unlock_irqrestore(&r->cq.lock, flags);
}

void iou_cq_post(struct iou_region *r, const struct io_unified_cqe *cqe)
{
	unsigned long flags;

	spin_lock_irqsave(&r->cq.lock, flags);
	r->cq.reserved--;
	iou_cq_publish(r, cqe);
	spin_unlock_irqrestore(&r->cq.lock, flags);
	iou_cq_wake(r);
}

bool iou_cq_try_post(struct iou_region *r, const struct io_unified_cqe *cqe)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&r->cq.lock, flags);
	ok = iou_cq_room(r);
	if (ok)
		iou_cq_publish(r, cqe);
	spin_unlock_irqrestore(&r->cq.lock, flags);
	if (ok)
		iou_cq_wake(r);
	return ok;
}

bool iou_cq_has_entries(struct iou_region *r)
{
	return READ_ONCE(r->cq.prod) != READ_ONCE(r->ctrl->cq_cons);
}
