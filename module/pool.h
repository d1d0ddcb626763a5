/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ops at hand: what an op costs in memory is paid once
 *
 * Taking is for one at a time, coming back is lock-free and from any context.
 * A pool is emptied when the region goes, and no op is in flight any more.
 */
#ifndef IOU_POOL_H
#define IOU_POOL_H

#include "iou.h"

struct iou_op;

/* From the pool, or where it is empty or busy a new one. NULL: no memory. */
struct iou_op *iou_pool_get(struct iou_pool *pool);
void iou_pool_put(struct iou_op *op);
void iou_pool_drain(struct iou_pool *pool);

int iou_pool_init(void);
void iou_pool_exit(void);

#endif /* IOU_POOL_H */
