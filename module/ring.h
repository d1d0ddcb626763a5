/* SPDX-License-Identifier: GPL-2.0 */
/* The region's submission rings: many descriptors in one command */
#ifndef IOU_RING_H
#define IOU_RING_H

#include "iou.h"

struct io_uring_cmd;
struct iou_op;

/**
 * struct iou_ring_take - how descriptors are taken
 * @cmd: the command that waits for them all, or NULL
 * @waits: with @cmd: called once one waits for the network
 * @issue_flags: for @waits
 * @poll: who sent @cmd polls for them
 * @nowait: it may not sleep
 */
struct iou_ring_take {
	struct io_uring_cmd *cmd;
	void (*waits)(struct io_uring_cmd *cmd, unsigned int issue_flags);
	unsigned int issue_flags;
	bool poll;
	bool nowait;
};

/*
 * Take up to @nr descriptors (0: what is there now) from an SQ and start them.
 * Returns how many, or -errno with *reason where there are some and none could
 * be taken.
 */
int iou_ring_take(struct iou_region *r, u32 index, u32 nr,
		  const struct iou_ring_take *take, u16 *reason);

/*
 * Start what a descriptor of an SQ says, an op or not. It completes by itself, also what
 * is wrong with it. Process context; without @nowait it may sleep.
 */
void iou_ring_start(struct iou_op *op, bool nowait);

/* IO_UNIFIED_ENTER, without iou_file.lock: it waits. */
int iou_ring_enter(struct iou_region *r, struct io_unified_enter *arg);

/* Promise an op an entry of a CQ. 0, or -EBUSY with op->reason. */
int iou_ring_promise(struct iou_op *op, struct iou_pair *p);
void iou_ring_break_promise(struct iou_op *op);

/* Once memory and control page are there */
int iou_pairs_init(struct iou_region *r);
/* and when no op is in flight any more: pools are emptied. */
void iou_pairs_exit(struct iou_region *r);

#endif /* IOU_RING_H */
