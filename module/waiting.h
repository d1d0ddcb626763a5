/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands that wait for the network, and how each ends exactly once
 *
 * An rx op, a stream or a send to a socket may wait for ever, and a packet for its
 * time to be sent. While it does, it is on its file's list of waiters, where
 * CMD_CANCEL, DETACH, UNREGISTER, io_uring's own cancellation and, where io_uring
 * has none, the watch find it.
 */
#ifndef IOU_WAITING_H
#define IOU_WAITING_H

#include "iou.h"

struct iou_op;

/**
 * struct iou_waiter - a command that waits
 * @node: in iou_file.waiting
 * @taken: in the list of who cancels it
 * @cmd: the uring_cmd, or NULL
 * @many: it is found by @cmd in the list alone: others wait for the same, or its pdu
 *	is in use
 * @region: the region
 * @atts: attachments that it uses (NULL where it has none)
 * @user_data: desc.user_data
 * @dying: its ring or task ends: what cannot be taken back has to be given up
 * @why: enum io_unified_reason of who cancels it
 * @leaving: set by take(): it did not say true, but the waiter will be ended
 * @uses: does it use an attachment beyond @atts? NULL: one that goes away, if whoever
 *	took it up did not look. May be NULL
 * @take: under iou_file.wait_lock: make sure that nobody but the caller ends
 *	it; false if somebody is about to
 * @canceled: end it, after take() said true and without the lock
 * @cut: under iou_file.wait_lock: what waits behind it in its group is the caller's to
 *	end. NULL where nothing can, as is the result where nothing does
 */
struct iou_waiter {
	struct list_head node;
	struct list_head taken;
	struct io_uring_cmd *cmd;
	bool many;
	struct iou_region *region;
	struct iou_att *atts[4];
	u64 user_data;
	bool dying;
	u16 why;
	bool leaving;
	bool (*uses)(const struct iou_waiter *w, const struct iou_att *att);
	bool (*take)(struct iou_waiter *w);
	void (*canceled)(struct iou_waiter *w, int error, u16 reason);
	struct iou_op *(*cut)(struct iou_waiter *w);
};

/*
 * Put a waiter on the list and start what it waits for, in one step as seen by
 * those who want to cancel it or to end it. An error of start() is returned,
 * and nothing happened. If the region or an attachment is going away already,
 * nobody would find it on the list: then it is canceled at once.
 */
int iou_waiter_add(struct iou_waiter *w,
		   int (*start)(struct iou_waiter *w, u16 *reason),
		   u16 *reason);
/* It uses but the first of its attachments any more. */
void iou_waiter_let_go(struct iou_waiter *w);
/* It ends by itself. Any context but hardirq. */
void iou_waiter_del(struct iou_waiter *w);

/* Cancel the command that io_uring wants to be rid of. */
void iou_cancel_cmd(struct iou_file *f, struct io_uring_cmd *cmd);
/* Cancel what @user_data names; returns how many. */
int iou_cancel_user_data(struct iou_region *r, u64 user_data);
void iou_cancel_att(struct iou_att *att);
void iou_cancel_region(struct iou_region *r);

void iou_watch_init(struct iou_file *f);
void iou_watch_exit(struct iou_file *f);

#endif /* IOU_WAITING_H */
