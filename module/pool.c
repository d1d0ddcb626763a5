// SPDX-License-Identifier: GPL-2.0
/* Ops at hand */
#include <linux/slab.h>

#include "pool.h"

/* More than that are in flight only for a moment: they are not kept. */
#define IOU_POOL_MAX 4096u

static struct kmem_cache *iou_op_cache;

struct iou_op *iou_pool_get(struct iou_pool *pool)
{
	struct iou_op *op = iou_pool_try(pool);

	if (likely(op))
		return op;
	/* Zero for io.cmd, which stays that way. */
	op = kmem_cache_zalloc(iou_op_cache, GFP_KERNEL);
	if (!op)
		return NULL;
	op->pool = NULL;
	if (test_and_set_bit_lock(0, &pool->busy))
		return op;
	if (pool->nr < IOU_POOL_MAX) {
		pool->nr++;
		op->pool = pool;
	}
	clear_bit_unlock(0, &pool->busy);
	return op;
}

void iou_pool_free(struct iou_op *op)
{
	kmem_cache_free(iou_op_cache, op);
}

void iou_pool_free_list(struct llist_node *node)
{
	struct llist_node *next;

	for (; node; node = next) {
		next = node->next;
		iou_pool_free(llist_entry(node, struct iou_op, free));
	}
}

void iou_pool_drain(struct iou_pool *pool)
{
	iou_pool_free_list(pool->ready);
	iou_pool_free_list(llist_del_all(&pool->back));
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
