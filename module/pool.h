/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ops at hand: what an op costs in memory is paid once
 *
 * Taking is for one at a time, coming back is lock-free and from any context.
 * A pool is emptied when the region goes, and no op is in flight any more.
 */
#ifndef IOU_POOL_H
#define IOU_POOL_H

#include "op.h"

/* From the pool. NULL: it is empty, or busy. */
static inline struct iou_op *iou_pool_try(struct iou_pool *pool)
{
	struct llist_node *node;

	/* A worker of io_uring, while the ring's own task submits. */
	if (test_and_set_bit_lock(0, &pool->busy))
		return NULL;
	node = pool->ready;
	if (!node)
		node = llist_del_all(&pool->back);
	if (likely(node))
		pool->ready = node->next;
	clear_bit_unlock(0, &pool->busy);
	return node ? llist_entry(node, struct iou_op, free) : NULL;
}

/* The same, but then a new one. NULL: no memory. */
struct iou_op *iou_pool_get(struct iou_pool *pool);
void iou_pool_free(struct iou_op *op);

static inline void iou_pool_put(struct iou_op *op)
{
	struct iou_pool *pool = op->pool;
	struct llist_node *first;

	if (unlikely(!pool)) {
		iou_pool_free(op);
		return;
	}
	/* llist_add(), which is a call in older kernels */
	first = READ_ONCE(pool->back.first);
	do {
		op->free.next = first;
	} while (!try_cmpxchg(&pool->back.first, &first, &op->free));
}

void iou_pool_free_list(struct llist_node *node);
void iou_pool_drain(struct iou_pool *pool);

int iou_pool_init(void);
void iou_pool_exit(void);

#endif /* IOU_POOL_H */
