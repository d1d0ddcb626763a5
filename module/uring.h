/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a command keeps in the uring_cmd itself, and how its CQE is posted
 */
#ifndef IOU_URING_H
#define IOU_URING_H

#include <linux/atomic.h>

#include "compat/uring.h"
#include "iou.h"

struct io_comp_batch;
struct iou_op;

/**
 * struct iou_pdu - in io_uring_cmd.pdu
 * @waiter: while it waits for the network, under iou_file.wait_lock
 * @op: while task work is on its way to continue it, under iou_defer.lock
 * @polled: storage attachments that it is polled on, by bit
 * @res2: of the CQE
 * @res: of the CQE
 * @left: ops of a burst that are not done, and one for who takes them
 * @cqe32: the CQE has room for @res2
 * @cancelable: io_uring has it on its list, from which only a CQE takes it
 * @burst: it stands for many ops
 * @iopoll: from a ring with IORING_SETUP_IOPOLL
 * @queued: task work is on its way, under iou_defer.lock
 * @ended: and is to post the result, under iou_defer.lock
 * @listed: what waits for it is found in the list alone: @op is in use
 * @link: number of the ring in iou_region.links and iou_file.defer
 * @flags: all from @cqe32 on
 *
 * The result lives here so that an op is freed, and its region let go, before
 * the submitter's task gets round to posting the CQE: the task may be the very
 * one that waits for the region's ops in IO_UNIFIED_UNREGISTER_REGION.
 */
struct iou_pdu {
	union {
		struct iou_waiter *waiter;
		struct iou_op *op;
		u64 polled;
	};
	u64 res2;
	s32 res;
	atomic_t left;
	union {
		struct {
			bool cqe32;
			bool cancelable;
			bool burst;
			bool iopoll;
			bool queued;
			bool ended;
			bool listed;
			u8 link;
		};
		u64 flags;
	};
};

static inline struct iou_pdu *iou_pdu(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct iou_pdu) > sizeof(cmd->pdu));
	return (struct iou_pdu *)cmd->pdu;
}

static inline u64 iou_res2(u16 status, u16 reason, u16 offset, u16 flags)
{
	return status | (u64)reason << 16 | (u64)offset << 32 |
	       (u64)flags << 48;
}

static inline void iou_uring_set_result(struct io_uring_cmd *cmd, s32 res,
					u64 res2)
{
	iou_pdu(cmd)->res = res;
	iou_pdu(cmd)->res2 = res2;
}

/*
 * Post the CQE with that result from the submitter's context. Any context, the
 * last step.
 */
void iou_uring_complete(struct io_uring_cmd *cmd);

/* So many ops less that a command waits for. Any context, the last step. */
void iou_uring_burst_put_many(struct io_uring_cmd *cmd, u32 n);

static inline void iou_uring_burst_put(struct io_uring_cmd *cmd)
{
	if (unlikely(atomic_dec_and_test(&iou_pdu(cmd)->left)))
		iou_uring_complete(cmd);
}

/* Post what the pdu has. In task work. */
void iou_uring_post(struct io_uring_cmd *cmd, unsigned int issue_flags);

int iou_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
int iou_uring_cmd_iopoll(struct io_uring_cmd *cmd, struct io_comp_batch *iob,
			 unsigned int poll_flags);

#endif /* IOU_URING_H */
