/* SPDX-License-Identifier: GPL-2.0 */
/* What a command keeps in the uring_cmd itself, and how its CQE is posted. */
#ifndef IOU_URING_H
#define IOU_URING_H

#include "compat/uring.h"
#include "iou.h"

/**
 * struct iou_pdu - in io_uring_cmd.pdu
 * @waiter: while it waits, under iou_file.wait_lock
 * @res2: of the CQE
 * @res: of the CQE
 * @cqe32: the CQE has room for @res2
 * @cancelable: io_uring has it on its list, from which only a CQE takes it
 *
 * The result lives here so that an op is freed, and its region let go, before
 * the submitter's task gets round to posting the CQE: the task may be the very
 * one that waits for the region's ops in IO_UNIFIED_UNREGISTER_REGION.
 */
struct iou_pdu {
	struct iou_waiter *waiter;
	u64 res2;
	s32 res;
	bool cqe32;
	bool cancelable;
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

/* Post the CQE from the submitter's context. Any context, the last step. */
void iou_uring_complete(struct io_uring_cmd *cmd, s32 res, u64 res2);

int iou_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* IOU_URING_H */
