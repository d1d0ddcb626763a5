// SPDX-License-Identifier: GPL-2.0
/*
 * The region's completion rings
 *
 * The module's producer index is its own; the one in the control page is a
 * copy for the application. The application's consumer index is read once per
 * decision: nonsense there costs the application its own entries, no more.
 */
#include <linux/poll.h>

#include "cq.h"

/* Free entries, as far as the application is to be believed. */
static u32 iou_cq_room(struct iou_pair *p)
{
	/* The application has read the entries that it gives back. */
	u32 cons = smp_load_acquire(&p->ctrl->cq_cons);
	u32 used = p->cq_prod - cons;
	u32 size = p->cq_mask + 1;

	if (used > size)
		return 0;
	used += p->cq_reserved;
	return used < size ? size - used : 0;
}

void iou_cq_wake_waiters(struct iou_pair *p)
{
	wake_up(&p->wait);
	wake_up_poll(&p->region->file->poll_wait, EPOLLIN | EPOLLRDNORM);
}

u32 iou_cq_reserve(struct iou_pair *p, u32 want)
{
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	want = min(want, iou_cq_room(p));
	p->cq_reserved += want;
	spin_unlock_irqrestore(&p->lock, flags);
	return want;
}

void iou_cq_unreserve(struct iou_pair *p, u32 nr)
{
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	p->cq_reserved -= nr;
	spin_unlock_irqrestore(&p->lock, flags);
}

bool iou_cq_try_post(struct iou_pair *p, const struct io_unified_cqe *cqe)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&p->lock, flags);
	ok = iou_cq_room(p);
	if (ok) {
		*iou_cq_entry(p) = *cqe;
		iou_cq_publish(p);
	}
	spin_unlock_irqrestore(&p->lock, flags);
	if (ok)
		iou_cq_wake(p);
	return ok;
}
