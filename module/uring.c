// SPDX-License-Identifier: GPL-2.0
/* uring_cmd: commands come in, CQEs go out */
#include "attach.h"
#include "op.h"
#include "stream.h"
#include "trace.h"
#include "uring.h"
#include "waiting.h"

static void iou_uring_post(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	iou_uring_cmd_done(cmd, pdu->res, pdu->res2, pdu->cqe32, issue_flags);
}

IOU_URING_TW(iou_uring_post_tw, iou_uring_post)

void iou_uring_complete(struct io_uring_cmd *cmd, s32 res, u64 res2)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	pdu->res = res;
	pdu->res2 = res2;
	iou_uring_in_task(cmd, iou_uring_post_tw);
}

/*
 * The result of a command that ends where it was submitted. Posted rather than
 * returned where there is more to say than a number, and never returned where
 * it is positive: 6.1 loses such a request in a worker.
 */
static int iou_uring_result(struct io_uring_cmd *cmd, unsigned int issue_flags,
			    int ret, u16 reason)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	if (ret == -EIOCBQUEUED || (ret == -EAGAIN && !pdu->cancelable))
		return ret;
	if (ret <= 0 && !pdu->cqe32 && !pdu->cancelable)
		return ret;
	iou_uring_cmd_done(cmd, ret, iou_res2(0, reason, 0, 0), pdu->cqe32,
			   issue_flags);
	return -EIOCBQUEUED;
}

/* The bytes are shared with user space: read each word once. */
static void iou_uring_copy(void *to, struct io_uring_cmd *cmd, size_t size)
{
	const u64 *from = iou_uring_cmd_bytes(cmd);
	u64 *words = to;
	size_t i;

	for (i = 0; i < size / sizeof(u64); i++)
		words[i] = READ_ONCE(from[i]);
}

static int iou_uring_cancel(struct iou_region *r, struct io_uring_cmd *cmd,
			    u16 *reason)
{
	struct io_unified_cancel c;
	int n;

	iou_uring_copy(&c, cmd, sizeof(c));
	if (c.flags) {
		*reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (c.reserved) {
		*reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	n = iou_cancel_user_data(r, c.user_data);
	return n ?: -ENOENT;
}

static int iou_uring_submit(struct iou_region *r, struct io_uring_cmd *cmd,
			    unsigned int issue_flags, u16 *reason)
{
	bool nowait = issue_flags & IO_URING_F_NONBLOCK;
	struct io_unified_cmd c;

	if (!(issue_flags & IO_URING_F_SQE128)) {
		*reason = IO_UNIFIED_REASON_NEED_SQE128;
		return -EINVAL;
	}
	iou_uring_copy(&c, cmd, sizeof(c));
	if (c.reserved || (cmd->cmd_op == IO_UNIFIED_CMD_OP && c.stream)) {
		*reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (cmd->cmd_op == IO_UNIFIED_CMD_STREAM ||
	    (c.desc.flags & IO_UNIFIED_F_RX)) {
		/* Before anybody can complete it: not for us to touch then. */
		iou_pdu(cmd)->cancelable = true;
		iou_uring_cancelable(cmd, issue_flags);
	}
	if (cmd->cmd_op == IO_UNIFIED_CMD_STREAM)
		return iou_stream_submit(r, cmd, &c.desc,
					 u64_to_user_ptr(c.stream), reason);
	return iou_op_submit(r, cmd, &c.desc, nowait, reason);
}

int iou_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct iou_file *f = cmd->file->private_data;
	u16 reason = IO_UNIFIED_REASON_NONE;
	struct iou_region *r;
	u32 cmd_op = cmd->cmd_op;
	int ret;

	if (issue_flags & IOU_URING_F_CANCEL) {
		iou_cancel_cmd(f, cmd);
		return 0;
	}

	iou_pdu(cmd)->waiter = NULL;
	iou_pdu(cmd)->cqe32 = issue_flags & IO_URING_F_CQE32;
	iou_pdu(cmd)->cancelable = false;
	r = iou_region_get(f);
	if (!r) {
		reason = IO_UNIFIED_REASON_NO_REGION;
		ret = -ENXIO;
		return iou_uring_result(cmd, issue_flags, ret, reason);
	}
	if (!iou_ring_linked(r, iou_uring_ctx(cmd))) {
		reason = IO_UNIFIED_REASON_FOREIGN_RING;
		ret = -EPERM;
	} else if (cmd_op == IO_UNIFIED_CMD_OP ||
		   cmd_op == IO_UNIFIED_CMD_STREAM) {
		ret = iou_uring_submit(r, cmd, issue_flags, &reason);
	} else if (cmd_op == IO_UNIFIED_CMD_CANCEL) {
		ret = iou_uring_cancel(r, cmd, &reason);
	} else {
		reason = IO_UNIFIED_REASON_UNSUPPORTED;
		ret = -EOPNOTSUPP;
	}
	iou_region_put(r);
	return iou_uring_result(cmd, issue_flags, ret, reason);
}
