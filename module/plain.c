// SPDX-License-Identifier: GPL-2.0
/*
 * Plain reads and writes: the short way
 *
 * Those from an SQ have no reference of their own. The pair counts those in flight
 * on each attachment and has one reference for all of them, which goes with the
 * last. Who takes from the SQ has a reference of its own for a while and counts at
 * its end, so that the lock is taken once for many; until then the count may be
 * below zero.
 */
#include "cq.h"
#include "plain.h"
#include "pool.h"
#include "ring.h"
#include "shared.h"
#include "trace.h"
#include "uring.h"

static inline void iou_plain_count(const struct iou_op *op)
{
	iou_count(op->io.st->att.stats,
		  op->d.flags & IO_UNIFIED_F_READ ?
			  IO_UNIFIED_STAT_READ_BYTES :
			  IO_UNIFIED_STAT_WRITTEN_BYTES,
		  op->io.len);
}

/* -------------------------------------------------------------- of a command */

static __always_inline void iou_plain_cmd_over(struct iou_io *io)
{
	struct iou_op *op = container_of(io, struct iou_op, io);
	struct io_uring_cmd *cmd = op->cmd;
	struct iou_storage *st = io->st;

	if (unlikely(io->error)) {
		iou_op_of_plain(op, NULL);
		iou_op_fail(op, io->error, iou_io_reason(io));
		return;
	}
	trace_io_unified_complete(op->r, &op->d, io->len,
				  IO_UNIFIED_REASON_NONE, 0);
	iou_plain_count(op);
	/* There is nothing to say in res2, which is 0. */
	iou_pdu(cmd)->res = io->len;
	/* The pool is the region's, which waits for the attachment. */
	iou_pool_put(op);
	iou_att_put(&st->att);
	iou_uring_complete(cmd);
}

void iou_plain_cmd_done(struct iou_io *io)
{
	iou_plain_cmd_over(io);
}

enum rq_end_io_ret iou_plain_cmd_end_io(IOU_RQ_END_IO_ARGS)
{
	iou_nvme_result(rq->end_io_data, rq, status);
	iou_plain_cmd_over(rq->end_io_data);
	return RQ_END_IO_FREE;
}

/* ---------------------------------------------------------------- of an SQ */

noinline void iou_plain_refill(struct iou_pair *p)
{
	spin_lock_irq(&p->lock);
	p->pool.ready = p->back;
	p->back = NULL;
	spin_unlock_irq(&p->lock);
	if (!p->pool.ready)
		p->pool.ready = llist_del_all(&p->pool.back);
}

/* One less in flight, under the lock. True: and it was the last, let go of @st. */
static inline bool iou_plain_last(struct iou_pair *p,
				  const struct iou_storage *st)
	__must_hold(&p->lock)
{
	return !--p->plain[st->att.index];
}

/* It is none of the pair's any more. */
static void iou_plain_leave(struct iou_op *op)
{
	struct iou_pair *p = op->pair;
	struct iou_storage *st = op->io.st;
	unsigned long flags;
	bool last;

	percpu_ref_get(&st->att.refs);
	spin_lock_irqsave(&p->lock, flags);
	last = iou_plain_last(p, st);
	spin_unlock_irqrestore(&p->lock, flags);
	if (last)
		iou_att_put(&st->att);
	iou_op_of_plain(op, p);
}

static noinline void iou_plain_failed(struct iou_op *op)
{
	iou_plain_leave(op);
	iou_op_fail(op, op->io.error, iou_io_reason(&op->io));
}

static noinline void iou_plain_refused(struct iou_op *op, int error,
				       bool nowait)
{
	iou_count(op->r->stats, IO_UNIFIED_STAT_OPS, -1);
	iou_plain_leave(op);
	if (error == -EAGAIN && nowait)
		iou_op_start_later(op);
	else
		iou_op_fail(op, error, iou_io_refusal(error));
}

/* What is not said is 0; one by one, as the compiler clears slowly otherwise. */
static inline void iou_plain_fill(struct io_unified_cqe *cqe,
				  const struct iou_op *op)
{
	cqe->user_data = op->d.user_data;
	cqe->addr = op->d.addr;
	cqe->dev_offset = op->d.dev_offset;
	cqe->len = op->io.len;
	cqe->res = op->io.len;
	cqe->ops = IO_UNIFIED_OP_NVME;
	cqe->flags = 0;
	cqe->verdict = 0;
	cqe->nvme_status = 0;
	cqe->reason = IO_UNIFIED_REASON_NONE;
	cqe->count = 0;
	cqe->cookie = op->d.cookie;
}

static __always_inline void iou_plain_over(struct iou_io *io)
{
	struct iou_op *op = container_of(io, struct iou_op, io);
	struct io_uring_cmd *cmd = op->cmd;
	struct iou_storage *st = io->st;
	struct iou_pair *p = op->pair;
	unsigned long flags;
	bool last;

	if (unlikely(io->error)) {
		iou_plain_failed(op);
		return;
	}
	trace_io_unified_complete(op->r, &op->d, io->len,
				  IO_UNIFIED_REASON_NONE, 0);
	iou_plain_count(op);
	iou_plain_fill(iou_cq_begin(p, &flags), op);
	iou_cq_publish(p);
	/* Under the lock: when the last has let go, the pair may be gone. */
	iou_cq_wake(p);
	op->free.next = p->back;
	p->back = &op->free;
	last = iou_plain_last(p, st);
	spin_unlock_irqrestore(&p->lock, flags);
	if (unlikely(last))
		iou_att_put(&st->att);
	if (cmd)
		iou_uring_burst_put(cmd);
}

static void iou_plain_done(struct iou_io *io)
{
	iou_plain_over(io);
}

static enum rq_end_io_ret iou_plain_end_io(IOU_RQ_END_IO_ARGS)
{
	iou_nvme_result(rq->end_io_data, rq, status);
	iou_plain_over(rq->end_io_data);
	return RQ_END_IO_FREE;
}

/* The attachment of the first of them, with a reference, or NULL. */
static struct iou_storage *iou_plain_hold(struct iou_pair *p, u16 index,
					  const struct iou_ring_take *take)
{
	struct iou_att *att =
		iou_att_get(p->region, IO_UNIFIED_KIND_STORAGE, index);

	if (!att)
		return NULL;
	if (take->cmd && take->poll)
		iou_pdu(take->cmd)->polled |= BIT_ULL(att->index);
	return iou_att_storage(att);
}

/* @nr were started, some of which may be over. */
static void iou_plain_settle(struct iou_pair *p, struct iou_storage *st, u32 nr)
{
	s32 *plain = &p->plain[st->att.index];
	bool held;

	iou_count(p->region->stats, IO_UNIFIED_STAT_OPS, nr);
	/* The pair takes our reference if it needs one and has none. */
	spin_lock_irq(&p->lock);
	held = *plain > 0;
	*plain += nr;
	held = held || !*plain;
	spin_unlock_irq(&p->lock);
	if (held)
		iou_att_put(&st->att);
}

u32 iou_plain_take(struct iou_pair *p, u32 nr, const struct iou_ring_take *take)
{
	const u32 first = p->sq_cons, end = first + nr;
	struct iou_region *r = p->region;
	struct iou_storage *st = NULL;
	u32 cons, taken;
	int ret;

	for (cons = first; cons != end; cons++) {
		const struct io_unified_desc *shared =
			&p->sqes[cons & p->sq_mask];
		struct iou_op *op;

		if (unlikely(!p->pool.ready))
			iou_plain_refill(p);
		/* What to expect, no more: it may be another one when it is read. */
		if (!p->pool.ready ||
		    READ_ONCE(shared->ops) != IO_UNIFIED_OP_NVME)
			break;
		op = llist_entry(p->pool.ready, struct iou_op, free);
		iou_read_shared(&op->d, shared, sizeof(op->d));
		if (unlikely(!st)) {
			st = iou_plain_hold(p, op->d.storage, take);
			if (!st)
				break;
		}
		if (unlikely(!iou_plain_fits(r, st, &op->d, IO_UNIFIED_F_CQ)))
			break;
		p->pool.ready = op->free.next;
		op->pair = p;
		op->r = r;
		op->cmd = take->cmd;
		trace_io_unified_submit(r, &op->d);
		ret = iou_plain_start(op, st, &p->pool.next, take->poll,
				      take->nowait, iou_plain_end_io,
				      iou_plain_done);
		if (unlikely(ret))
			iou_plain_refused(op, ret, take->nowait);
	}
	taken = cons - first;
	p->sq_cons = cons;
	if (st)
		iou_plain_settle(p, st, taken);
	return taken;
}
