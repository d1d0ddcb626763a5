// SPDX-License-Identifier: GPL-2.0
/* Ops at hand */
#include <linux/slab.h>

#include "op.h"
#include "pool.h"

/* More than that are in flight only for a moment: they are not kept. */
#define IOU_POOL_MAX 4096u

static struct kmem_cache *iou_op_cache;

static struct iou_op *iou_pool_grow(struct iou_pool *pool, bool keep)
{
	struct iou_op *op = kmem_cache_alloc(iou_op_cache, GFP_KERNEL);

	if (!op)
		return NULL;
	op->pool = NULL;
	if (keep && pool->nr < IOU_POOL_MAX) {
		pool->nr++;
		op->pool = pool;
	}
	return op;
}

struct iou_op *iou_pool_get(struct iou_pool *pool)
{
	struct llist_node *node;
	struct iou_op *op;

	/* A worker of io_uring, while the ring's own task submits. */
	if (test_and_set_bit_lock(0, &pool->busy))
		return iou_pool_grow(pool, false);

	node = pool->ready;
	if (!node)
		node = llist_del_all(&pool->back);
	if (likely(node)) {
		pool->ready = node->next;
		op = llist_entry(node, struct iou_op, free);
	} else {
		op = iou_pool_grow(pool, true);
	}
	clear_bit_unlock(0, &pool->busy);
	return op;
}

void iou_pool_put(struct iou_op *op)
{
	if (likely(op->pool))
		llist_add(&op->free, &op->pool->back);
	else
		kmem_cache_free(iou_op_cache, op);
}

static void iou_pool_free(struct llist_node *node)
{
	struct llist_node *next;

	for (; node; node = next) {
		next = node->next;
		kmem_cache_free(iou_op_cache,
				llist_entry(node, struct iou_op, free));
	}
}

void iou_pool_drain(struct iou_pool *pool)
{
	iou_pool_free(pool->ready);
	iou_pool_free(llist_del_all(&pool->back));
	pool->ready = NULL;
	pool->nr = 0;
}

int iou_pool_init(void)
{
	iou_op_cache = KMEM_CACHE(iou_op, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT);
	return iou_op_cache ? 0 : -ENOMEM;
}

void iou_pool_exit(void)
{
	kmem_cache_destroy(iou_op_cache);
}
