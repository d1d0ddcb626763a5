/* SPDX-License-Identifier: GPL-2.0 */
/* The region's completion rings */
#ifndef IOU_CQ_H
#define IOU_CQ_H

#include "iou.h"

/*
 * Promise entries to ops, so that their completions are never lost. Returns how
 * many of @want: fewer where the ring is full of entries and promises.
 */
u32 iou_cq_reserve(struct iou_pair *p, u32 want);
/* Ops came to nothing before they were accepted. */
void iou_cq_unreserve(struct iou_pair *p, u32 nr);
/* Post an entry if there is room beyond what is promised. */
bool iou_cq_try_post(struct iou_pair *p, const struct io_unified_cqe *cqe);

void iou_cq_wake_waiters(struct iou_pair *p);

/* Wake who waits for entries. */
static inline void iou_cq_wake(struct iou_pair *p)
{
	/* The entry is seen before we look who waits for one. */
	smp_mb();
	/* After the barrier above */
	if (unlikely(waitqueue_active(&p->wait)) ||
	    /* The same */
	    unlikely(waitqueue_active(&p->region->file->poll_wait)))
		iou_cq_wake_waiters(p);
}

/* The next entry. It is in memory of the application's: not to be read. */
static inline struct io_unified_cqe *iou_cq_entry(struct iou_pair *p)
{
	return &p->cqes[p->cq_prod & p->cq_mask];
}

static inline void iou_cq_publish_many(struct iou_pair *p, u32 n)
{
	u32 prod = p->cq_prod + n;

	WRITE_ONCE(p->cq_prod, prod);
	/* The entries are seen before the index that covers them. */
	smp_store_release(&p->ctrl->cq_prod, prod);
}

static inline void iou_cq_publish(struct iou_pair *p)
{
	iou_cq_publish_many(p, 1);
}

/*
 * Post a promised entry, filled in where it lies. Any context.
 *
 *	cqe = iou_cq_begin(p, &flags);
 *	*cqe = (struct io_unified_cqe){ ... };
 *	iou_cq_end(p, flags);
 */
static inline struct io_unified_cqe *iou_cq_begin(struct iou_pair *p,
						  unsigned long *flags)
	__acquires(&p->lock)
{
	spin_lock_irqsave(&p->lock, *flags);
	p->cq_reserved--;
	return iou_cq_entry(p);
}

static inline void iou_cq_end(struct iou_pair *p, unsigned long flags)
	__releases(&p->lock)
{
	iou_cq_publish(p);
	spin_unlock_irqrestore(&p->lock, flags);
	iou_cq_wake(p);
}

/* Entries that the application has not reaped, as far as it is to be believed */
static inline u32 iou_cq_count(const struct iou_pair *p)
{
	return READ_ONCE(p->cq_prod) - READ_ONCE(p->ctrl->cq_cons);
}

#endif /* IOU_CQ_H */
