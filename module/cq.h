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
/* Post a promised entry. Any context. */
void iou_cq_post(struct iou_pair *p, const struct io_unified_cqe *cqe);
/* Post an entry if there is room beyond what is promised. */
bool iou_cq_try_post(struct iou_pair *p, const struct io_unified_cqe *cqe);

/* Entries that the application has not reaped, as far as it is to be believed */
static inline u32 iou_cq_count(const struct iou_pair *p)
{
	return READ_ONCE(p->cq_prod) - READ_ONCE(p->ctrl->cq_cons);
}

#endif /* IOU_CQ_H */
