/* SPDX-License-Identifier: GPL-2.0 */
/* The region's own rings: filling an SQ, running it, reaping the CQ. */
#ifndef IOU_TEST_SQ_H
#define IOU_TEST_SQ_H

#include "iou_test.h"

static inline struct io_unified_ring *t_pair(struct t_region *r, u32 pair)
{
	return &r->ctrl->ring[pair];
}

/* Puts a descriptor into the SQ and shows it. False: the SQ is full. */
bool t_sq_put(struct t_region *r, u32 pair, const struct io_unified_desc *desc);
/* Queues a CMD_RING on an io_uring, whatever the size of its SQEs. */
void t_queue_ring(struct t_region *r, struct io_uring *ring, u32 pair, u32 nr,
		  u32 flags, u64 user_data);
/* Runs what is in the SQ by one CMD_RING, and waits for its CQE. */
struct t_res t_ring(struct t_region *r, u32 pair, u32 nr, u32 flags);
/* 0 or -errno; what came back is in @e. */
int t_enter(struct t_region *r, struct io_unified_enter *e);
/* The next entry of the pair's CQ. False: none within the time. */
bool t_cq_of(struct t_region *r, u32 pair, struct io_unified_cqe *cqe, int ms);
/* One op by IO_UNIFIED_ENTER, from start to end. */
struct io_unified_cqe t_enter_op(struct t_region *r, u32 pair,
				 const struct io_unified_desc *desc);

#endif /* IOU_TEST_SQ_H */
