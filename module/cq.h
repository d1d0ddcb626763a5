/* SPDX-License-Identifier: GPL-2.0 */
/* The region's completion ring */
#ifndef IOU_CQ_H
#define IOU_CQ_H

#include "iou.h"

/*
 * Promise one entry to an op, so that its completion is never lost. False: the
 * ring is full of entries and promises.
 */
bool iou_cq_reserve(struct iou_region *r);
/* Post the promised entry. Any context. */
void iou_cq_post(struct iou_region *r, const struct io_unified_cqe *cqe);
/* The op came to nothing before it was accepted. */
void iou_cq_unreserve(struct iou_region *r);
/* Post an entry if there is room beyond what is promised. */
bool iou_cq_try_post(struct iou_region *r, const struct io_unified_cqe *cqe);
bool iou_cq_has_entries(struct iou_region *r);

#endif /* IOU_CQ_H */
