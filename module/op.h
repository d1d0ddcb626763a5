/* SPDX-License-Identifier: GPL-2.0 */
/* Ops: one descriptor, from its check to its completion */
#ifndef IOU_OP_H
#define IOU_OP_H

#include "net.h"
#include "storage.h"
#include "waiting.h"

struct iou_prog;

/**
 * struct iou_op - an op in flight
 * @io: storage stage
 * @rx: network stage: the frame's owner
 * @waiter: while it waits for a packet
 * @work: stages that may not run where the one before ended
 * @cmd: the uring_cmd
 * @r: region, referenced
 * @st: storage attachment, referenced, or NULL; the program may change it
 * @nq: network attachment, referenced, or NULL
 * @prog: BPF attachment, referenced, or NULL
 * @d: the descriptor, copied once
 * @addr: where the data is
 * @dev_offset: where it comes from or goes to
 * @cookie: of the control block
 * @len: bytes of data
 * @orig_len: bytes on the wire
 * @tstamp: when the packet was received
 * @done: stages that were done (IO_UNIFIED_OP_*)
 * @flags: IO_UNIFIED_CQE_*
 * @verdict: of the program
 * @reason: enum io_unified_reason
 * @frame: number of the frame, network stage
 * @cq: an entry of the region's CQ was promised
 */
struct iou_op {
	struct iou_io io;
	struct iou_rx_owner rx;
	struct iou_waiter waiter;
	struct work_struct work;
	struct io_uring_cmd *cmd;
	struct iou_region *r;
	struct iou_storage *st;
	struct iou_netq *nq;
	struct iou_prog *prog;
	struct io_unified_desc d;
	u64 addr;
	u64 dev_offset;
	u64 cookie;
	u64 tstamp;
	u32 len;
	u32 orig_len;
	u32 done;
	u32 flags;
	u32 verdict;
	u32 frame;
	u16 reason;
	bool cq;
};

/*
 * Check a descriptor and start it. -EIOCBQUEUED: it completes by itself.
 * -EAGAIN, only with @nowait: it would sleep, nothing happened. Anything else:
 * refused, with *reason.
 */
int iou_op_submit(struct iou_region *r, struct io_uring_cmd *cmd,
		  const struct io_unified_desc *d, bool nowait, u16 *reason);

int iou_op_init(void);
void iou_op_exit(void);

#endif /* IOU_OP_H */
