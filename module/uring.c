// SPDX-License-Identifier: GPL-2.0
/* uring_cmd: commands come in, CQEs go out */
#include <linux/blkdev.h>

#include "attach.h"
#include "defer.h"
#include "desc.h"
#include "op.h"
#include "plain.h"
#include "pool.h"
#include "ring.h"
#include "shared.h"
#include "stream.h"
#include "trace.h"
#include "uring.h"
#include "waiting.h"

void iou_uring_post(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	iou_uring_cmd_done(cmd, pdu->res, pdu->res2, pdu->cqe32, issue_flags);
}

IOU_URING_TW(iou_uring_post_tw, iou_uring_post)

void iou_uring_complete(struct io_uring_cmd *cmd)
{
	/* Who polls finds it done; nobody has to be woken. */
	if (iou_pdu(cmd)->iopoll)
		iou_uring_post(cmd, IO_URING_F_UNLOCKED);
	else
		iou_uring_in_task(cmd, iou_uring_post_tw);
}

void iou_uring_burst_put_many(struct io_uring_cmd *cmd, u32 n)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	if (atomic_sub_and_test(n, &pdu->left))
		iou_uring_complete(cmd);
}

/*
 * The result of a command that ends where it was submitted. Posted rather than
 * returned where there is more to say than a number, or somebody has to take it
 * from a list.
 */
static int iou_uring_result(struct io_uring_cmd *cmd, unsigned int issue_flags,
			    int ret, u16 reason)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	if (ret == -EIOCBQUEUED || (ret == -EAGAIN && !pdu->cancelable))
		return ret;
	if (!pdu->cancelable && (!pdu->cqe32 || !reason) &&
	    (ret <= 0 || iou_uring_returns_results()))
		return ret;
	iou_uring_cmd_done(cmd, ret, iou_res2(0, reason, 0, 0), pdu->cqe32,
			   issue_flags);
	return -EIOCBQUEUED;
}

static noinline int iou_uring_cancel(struct iou_region *r,
				     struct io_uring_cmd *cmd, u16 *reason)
{
	struct io_unified_cancel c;
	int n;

	iou_read_shared(&c, iou_uring_cmd_bytes(cmd), sizeof(c));
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

/* Before anybody can complete it: not for us to touch then. */
static void iou_uring_waits(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (iou_pdu(cmd)->cancelable)
		return;
	iou_pdu(cmd)->cancelable = true;
	iou_uring_cancelable(cmd, issue_flags);
}

static noinline int iou_uring_stream(struct iou_region *r,
				     struct io_uring_cmd *cmd,
				     unsigned int issue_flags, u16 *reason)
{
	const struct io_unified_cmd *bytes = iou_uring_cmd_bytes(cmd);
	struct iou_stream_from from = { .cmd = cmd, .pair = &r->pairs[0] };
	struct io_unified_cmd c;
	int ret;

	iou_read_shared(&c, bytes, sizeof(c));
	if (c.reserved) {
		*reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (c.desc.flags & IOU_DESC_SQ_ONLY) {
		*reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (issue_flags & IO_URING_F_IOPOLL) {
		*reason = IO_UNIFIED_REASON_IOPOLL;
		return -EOPNOTSUPP;
	}
	if (copy_from_user(&from.stream, u64_to_user_ptr(c.stream),
			   sizeof(from.stream)))
		return -EFAULT;
	iou_uring_waits(cmd, issue_flags);
	ret = iou_stream_submit(r, &c.desc, &from, reason);
	return ret ?: -EIOCBQUEUED;
}

static noinline int iou_uring_refuse(struct iou_op *op,
				     struct io_uring_cmd *cmd,
				     unsigned int issue_flags, int ret)
{
	u16 reason = op->reason;

	iou_ring_break_promise(op);
	iou_op_drop(op);
	return iou_uring_result(cmd, issue_flags, ret, reason);
}

/* The op is prepared. */
static int iou_uring_start(struct iou_op *op, struct io_uring_cmd *cmd,
			   unsigned int issue_flags)
{
	int ret = 0;

	op->cmd = cmd;
	if (op->d.flags & IO_UNIFIED_F_CQ)
		ret = iou_ring_promise(op, &op->r->pairs[0]);
	if (unlikely(ret))
		return iou_uring_refuse(op, cmd, issue_flags, ret);
	if (unlikely(iou_op_may_wait(op, false))) {
		iou_pdu(cmd)->listed = op->d.flags & IO_UNIFIED_F_READ;
		iou_uring_waits(cmd, issue_flags);
	}
	if (unlikely(op->poll) && op->st)
		iou_pdu(cmd)->polled = BIT_ULL(op->d.storage);

	ret = iou_op_start(op, issue_flags & IO_URING_F_NONBLOCK);
	if (unlikely(ret == -EAGAIN && iou_pdu(cmd)->cancelable)) {
		/* io_uring would come again with one that it has on its list. */
		iou_op_start_later(op);
		return -EIOCBQUEUED;
	}
	if (unlikely(ret))
		return iou_uring_refuse(op, cmd, issue_flags, ret);
	return -EIOCBQUEUED;
}

static int iou_uring_op(struct iou_region *r, struct io_uring_cmd *cmd,
			struct iou_link *link, unsigned int issue_flags)
{
	const struct io_unified_cmd *bytes = iou_uring_cmd_bytes(cmd);
	struct iou_op *op = iou_op_new(r, &link->pool, &bytes->desc,
				       issue_flags & IO_URING_F_IOPOLL);
	int ret;

	if (!op)
		return iou_uring_result(cmd, issue_flags, -ENOMEM,
					IO_UNIFIED_REASON_NONE);
	ret = op->error;
	if (READ_ONCE(bytes->stream) | READ_ONCE(bytes->reserved)) {
		op->reason = IO_UNIFIED_REASON_RESERVED;
		ret = -EINVAL;
	} else if (op->d.flags & IOU_DESC_SQ_ONLY) {
		op->reason = IO_UNIFIED_REASON_FLAGS;
		ret = -EINVAL;
	}
	if (ret)
		return iou_uring_refuse(op, cmd, issue_flags, ret);
	return iou_uring_start(op, cmd, issue_flags);
}

static noinline int iou_uring_ring(struct iou_region *r,
				   struct io_uring_cmd *cmd,
				   unsigned int issue_flags, u16 *reason)
{
	struct iou_pdu *pdu = iou_pdu(cmd);
	struct io_unified_ring_cmd c;
	struct iou_ring_take take = {
		.poll = issue_flags & IO_URING_F_IOPOLL,
		.nowait = issue_flags & IO_URING_F_NONBLOCK,
	};
	int ret;

	iou_read_shared(&c, iou_uring_cmd_bytes(cmd), sizeof(c));
	if (c.flags & ~IO_UNIFIED_RING_SUBMIT) {
		*reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (c.reserved) {
		*reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (c.flags & IO_UNIFIED_RING_SUBMIT) {
		/* Nobody would poll for what is left behind. */
		take.poll = false;
		return iou_ring_take(r, c.ring, c.nr, &take, reason);
	}

	take.cmd = cmd;
	take.waits = iou_uring_waits;
	take.issue_flags = issue_flags;
	pdu->burst = true;
	pdu->res2 = 0;
	atomic_set(&pdu->left, 1);
	ret = iou_ring_take(r, c.ring, c.nr, &take, reason);
	/* Nothing was taken: nothing holds the command. */
	if (ret <= 0)
		return ret;
	pdu->res = ret;
	iou_uring_burst_put(cmd);
	return -EIOCBQUEUED;
}

static int iou_uring_command(struct iou_region *r, struct io_uring_cmd *cmd,
			     unsigned int issue_flags, u16 *reason)
{
	switch (cmd->cmd_op) {
	case IO_UNIFIED_CMD_STREAM:
		if (issue_flags & IO_URING_F_SQE128)
			return iou_uring_stream(r, cmd, issue_flags, reason);
		fallthrough;
	case IO_UNIFIED_CMD_OP:
		*reason = IO_UNIFIED_REASON_NEED_SQE128;
		return -EINVAL;
	case IO_UNIFIED_CMD_RING:
		return iou_uring_ring(r, cmd, issue_flags, reason);
	case IO_UNIFIED_CMD_CANCEL:
		return iou_uring_cancel(r, cmd, reason);
	default:
		*reason = IO_UNIFIED_REASON_UNSUPPORTED;
		return -EOPNOTSUPP;
	}
}

/* All but plain ops. */
static noinline int iou_uring_other(struct iou_region *r,
				    struct io_uring_cmd *cmd,
				    struct iou_link *link,
				    unsigned int issue_flags)
{
	u16 reason = IO_UNIFIED_REASON_NONE;
	int ret;

	if (!r)
		return iou_uring_result(cmd, issue_flags, -ENXIO,
					IO_UNIFIED_REASON_NO_REGION);
	if (!link)
		return iou_uring_result(cmd, issue_flags, -EPERM,
					IO_UNIFIED_REASON_FOREIGN_RING);
	if (cmd->cmd_op == IO_UNIFIED_CMD_OP &&
	    (issue_flags & IO_URING_F_SQE128))
		return iou_uring_op(r, cmd, link, issue_flags);
	ret = iou_uring_command(r, cmd, issue_flags, &reason);
	return iou_uring_result(cmd, issue_flags, ret, reason);
}

static inline void iou_uring_init(struct io_uring_cmd *cmd, u8 link,
				  unsigned int issue_flags)
{
	struct iou_pdu *pdu = iou_pdu(cmd);

	/* @res and @left are for who needs them. */
	pdu->polled = 0;
	pdu->res2 = 0;
	pdu->flags = 0;
	pdu->link = link;
	if (issue_flags & IO_URING_F_CQE32)
		pdu->cqe32 = true;
	if (unlikely(issue_flags & IO_URING_F_IOPOLL))
		pdu->iopoll = true;
}

/* Whatever it is, and whatever is wrong with it. */
static noinline int iou_uring_any(struct io_uring_cmd *cmd,
				  unsigned int issue_flags)
{
	struct iou_file *f = cmd->file->private_data;
	struct iou_link *link = NULL;
	struct iou_region *r;
	int ret;

	if (issue_flags & IOU_URING_F_CANCEL) {
		iou_cancel_cmd(f, cmd);
		return 0;
	}

	r = iou_region_get(f);
	if (r)
		link = iou_ring_link(r, iou_uring_ctx(cmd));
	iou_uring_init(cmd, link ? link->index : 0, issue_flags);
	ret = iou_uring_other(r, cmd, link, issue_flags);
	if (r)
		iou_region_put(r);
	return ret;
}

/*
 * The op of an SQE for a plain read or write, ready to be started, with a reference
 * on its attachment and by that on the region. NULL: it is something else, or
 * something is wrong with it. In an RCU read-side section.
 */
static __always_inline struct iou_op *iou_uring_plain(struct io_uring_cmd *cmd,
						      unsigned int issue_flags,
						      struct iou_link **of,
						      struct iou_storage **st)
{
	const struct io_unified_cmd *bytes = iou_uring_cmd_bytes(cmd);
	struct iou_file *f = cmd->file->private_data;
	struct iou_region *r = rcu_dereference(f->region);
	struct iou_link *link;
	struct iou_att *att;
	struct iou_op *op;
	u32 index;

	if (unlikely(!r ||
		     (READ_ONCE(bytes->stream) | READ_ONCE(bytes->reserved))))
		return NULL;
	link = iou_ring_link(r, iou_uring_ctx(cmd));
	if (unlikely(!link))
		return NULL;
	op = iou_pool_try(&link->pool);
	if (unlikely(!op))
		return NULL;
	iou_read_shared(&op->d, &bytes->desc, sizeof(op->d));
	index = op->d.storage;
	if (unlikely(index >= IOU_MAX_ATTACHMENTS))
		goto put_op;
	att = iou_att_get_rcu(r->storage, IOU_MAX_ATTACHMENTS, index);
	if (unlikely(!att))
		goto put_op;
	if (unlikely(!iou_plain_fits(r, iou_att_storage(att), &op->d, 0)))
		goto put_att;
	op->r = r;
	op->cmd = cmd;
	*of = link;
	*st = iou_att_storage(att);
	return op;

put_att:
	iou_att_put(att);
put_op:
	iou_pool_put(op);
	return NULL;
}

static noinline int iou_uring_plain_refuse(struct iou_op *op,
					   struct io_uring_cmd *cmd,
					   unsigned int issue_flags, int ret)
{
	iou_count(op->r->stats, IO_UNIFIED_STAT_OPS, -1);
	iou_op_of_plain(op, NULL);
	if (ret != -EAGAIN)
		op->reason = iou_io_refusal(ret);
	return iou_uring_refuse(op, cmd, issue_flags, ret);
}

int iou_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct io_unified_cmd *bytes = iou_uring_cmd_bytes(cmd);
	const u32 what = IO_URING_F_SQE128 | IOU_URING_F_CANCEL;
	const bool poll = issue_flags & IO_URING_F_IOPOLL;
	struct iou_storage *st;
	struct iou_link *link;
	struct iou_op *op;
	int ret;

	/* What to expect, no more: it may be another one when it is read. */
	if (cmd->cmd_op != IO_UNIFIED_CMD_OP ||
	    (issue_flags & what) != IO_URING_F_SQE128 ||
	    READ_ONCE(bytes->desc.ops) != IO_UNIFIED_OP_NVME)
		return iou_uring_any(cmd, issue_flags);
	iou_rcu_lock();
	op = iou_uring_plain(cmd, issue_flags, &link, &st);
	iou_rcu_unlock();
	if (!op)
		return iou_uring_any(cmd, issue_flags);

	iou_uring_init(cmd, link->index, issue_flags);
	if (unlikely(poll))
		iou_pdu(cmd)->polled = BIT_ULL(st->att.index);
	trace_io_unified_submit(op->r, &op->d);
	iou_count(op->r->stats, IO_UNIFIED_STAT_OPS, 1);
	ret = iou_plain_start(op, st, &link->pool.next, poll,
			      issue_flags & IO_URING_F_NONBLOCK,
			      iou_plain_cmd_end_io, iou_plain_cmd_done);
	if (unlikely(ret))
		return iou_uring_plain_refuse(op, cmd, issue_flags, ret);
	return -EIOCBQUEUED;
}

int iou_uring_cmd_iopoll(struct io_uring_cmd *cmd, struct io_comp_batch *iob,
			 unsigned int poll_flags)
{
	struct iou_region *r = iou_region_get(cmd->file->private_data);
	u64 polled = READ_ONCE(iou_pdu(cmd)->polled);
	struct iou_att *att;
	int n = 0;

	/* Without a region all of its ops have come to their end. */
	if (!r)
		return 0;
	for (; polled; polled &= polled - 1) {
		att = iou_att_get(r, IO_UNIFIED_KIND_STORAGE, __ffs64(polled));
		if (!att)
			continue;
		n += iou_storage_poll(iou_att_storage(att), iob, poll_flags);
		iou_att_put(att);
	}
	iou_region_put(r);
	return n;
}
