// SPDX-License-Identifier: GPL-2.0
/* Ops: the stages of sockets, to receive and to send */
#include "bpf.h"
#include "desc.h"
#include "op.h"
#include "pool.h"
#include "trace.h"

/* ---------------------------------------------------------------- receive */

static void iou_op_received(struct iou_srx *rx)
{
	struct iou_op *op = container_of(rx, struct iou_op, srx);

	iou_waiter_del(&op->waiter);
	/* What came before it was canceled is not lost. */
	if (rx->error && !rx->got) {
		iou_op_fail(op, rx->error, rx->reason);
		return;
	}
	op->reason = rx->reason;
	op->done |= IO_UNIFIED_OP_NETWORK;
	op->flags |= IO_UNIFIED_CQE_COPIED;
	op->len = rx->got;
	op->orig_len = max(rx->got, rx->wire);
	if (op->orig_len > op->len)
		op->flags |= IO_UNIFIED_CQE_TRUNC;
	if (rx->eof || (rx->all && rx->got < rx->len))
		op->fell_short = true;
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK, op->addr,
			       op->len);
	if (!op->len)
		iou_op_complete(op, 0);
	else if (rx->error)
		iou_op_process_later(op);
	else
		iou_op_process(op, !rx->sleeps);
}

static bool iou_op_take_recv(struct iou_waiter *w)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_srx_revoke(&op->srx, w->why, &w->leaving);
}

static void iou_op_recv_canceled(struct iou_waiter *w, int error, u16 reason)
{
	struct iou_srx *rx = &container_of(w, struct iou_op, waiter)->srx;

	rx->error = error;
	rx->reason = reason;
	rx->over(rx);
}

static int iou_op_post_recv(struct iou_waiter *w, u16 *reason)
{
	iou_sock_post_recv(&container_of(w, struct iou_op, waiter)->srx);
	return 0;
}

/* What a bio of its own would not be enough for is written by who may sleep. */
static bool iou_op_write_sleeps(const struct iou_op *op)
{
	const struct iou_storage *st = op->st;

	return st && st->path == IO_UNIFIED_PATH_BIO &&
	       (!bdev_nowait(st->bdev) ||
		op->d.len >> SECTOR_SHIFT > queue_max_sectors(st->queue));
}

int iou_op_start_recv(struct iou_op *op)
{
	const bool later = iou_op_write_sleeps(op);
	u16 reason = IO_UNIFIED_REASON_NONE;
	struct iou_srx *rx = &op->srx;
	struct iou_sock *s = op->sock;
	int ret;

	rx->s = s;
	rx->addr = op->d.addr;
	rx->len = op->d.len;
	rx->all = op->d.flags & IO_UNIFIED_F_WAITALL;
	rx->over = iou_op_received;
	iou_op_init_waiter(op);
	op->waiter.take = iou_op_take_recv;
	op->waiter.canceled = iou_op_recv_canceled;

	/* Once it waits something may end the op, and the socket with it. */
	percpu_ref_get(&s->att.refs);
	ret = iou_waiter_add(&op->waiter, iou_op_post_recv, &reason);
	if (!ret && later)
		iou_sock_recv_later(s);
	else if (!ret)
		iou_sock_recv(s);
	iou_att_put(&s->att);
	return ret;
}

/* ------------------------------------------------------------------- send */

static void iou_op_stx_free(struct iou_stx *tx)
{
	iou_pool_put(container_of(tx, struct iou_op, stx));
}

static void iou_op_stx_over(struct iou_stx *tx)
{
	struct iou_op *op = container_of(tx, struct iou_op, stx);

	iou_waiter_del(&op->waiter);
	iou_op_sent(op, tx->error, tx->reason, tx->copied, tx->lent);
}

static bool iou_op_take_send(struct iou_waiter *w)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_stx_revoke(&op->stx, w->dying, w->why, &w->leaving);
}

static void iou_op_send_canceled(struct iou_waiter *w, int error, u16 reason)
{
	iou_stx_end(&container_of(w, struct iou_op, waiter)->stx, error,
		    reason);
}

static int iou_op_post_send(struct iou_waiter *w, u16 *reason)
{
	return iou_sock_post_send(&container_of(w, struct iou_op, waiter)->stx,
				  false, reason);
}

static int iou_op_post_held(struct iou_waiter *w, u16 *reason)
{
	return iou_sock_post_send(&container_of(w, struct iou_op, waiter)->stx,
				  true, reason);
}

/* All that does not depend on what is sent. */
static void iou_op_init_send(struct iou_op *op)
{
	struct iou_stx *tx = &op->stx;

	tx->s = op->sock;
	tx->over = iou_op_stx_over;
	tx->free = iou_op_stx_free;
	iou_op_init_waiter(op);
	op->waiter.take = iou_op_take_send;
	op->waiter.canceled = iou_op_send_canceled;
}

/*
 * The last stage may take as long as the peer likes. Storage and program have done
 * theirs: who detaches them does not have to wait for it.
 */
static void iou_op_let_go(struct iou_op *op)
{
	if (op->prog)
		iou_att_put(&op->prog->att);
	op->prog = NULL;
	if (op->st)
		iou_att_put(&op->st->att);
	op->st = NULL;
}

int iou_op_hold(struct iou_op *op)
{
	int ret;

	iou_op_init_send(op);
	ret = iou_waiter_add(&op->waiter, iou_op_post_held, &op->reason);
	op->held = !ret;
	return ret;
}

bool iou_op_unhold(struct iou_op *op, bool gap)
{
	bool wanted;

	op->held = false;
	iou_waiter_del(&op->waiter);
	wanted = iou_stx_leave(&op->stx, gap);
	iou_sock_send(op->sock);
	return wanted;
}

/* What it was read from, or the program, goes: its bytes will be missed. */
static bool iou_op_cut_off(const struct iou_op *op)
{
	return percpu_ref_is_dying(&op->st->att.refs) ||
	       (op->prog && percpu_ref_is_dying(&op->prog->att.refs));
}

/* What is around the bytes that were read. Returns how many are in front of them. */
static u32 iou_op_add_lead(struct iou_op *op)
{
	u32 want;

	if (!(op->d.flags & IO_UNIFIED_F_LEAD))
		return 0;
	want = op->d.len - iou_desc_cut(&op->d);
	if (op->len >= want) {
		op->len = want;
		op->fell_short = false;
	}
	op->len += iou_desc_lead(&op->d);
	return iou_desc_lead(&op->d);
}

/* It has a place in the queue. */
static void iou_op_send_held(struct iou_op *op)
{
	const u64 addr = op->addr - iou_op_add_lead(op);
	const bool gap = op->fell_short, cut_off = iou_op_cut_off(op);
	struct iou_sock *s = op->sock;

	percpu_ref_get(&s->att.refs);
	iou_waiter_let_go(&op->waiter);
	iou_op_let_go(op);
	op->held = false;
	/* If so, it may be over and gone. */
	if (iou_stx_ready(&op->stx, addr, op->len, gap)) {
		iou_sock_send(s);
	} else {
		iou_op_unhold(op, cut_off);
		iou_op_fail(op, -ECANCELED, op->stx.why);
	}
	iou_att_put(&s->att);
}

void iou_op_send_sock(struct iou_op *op)
{
	u16 reason = IO_UNIFIED_REASON_NONE;
	struct iou_stx *tx = &op->stx;
	struct iou_sock *s = op->sock;
	int ret;

	if (!op->len && s->stream) {
		iou_op_complete(op, 0);
		return;
	}
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK, op->addr,
			       op->len);
	if (op->held) {
		iou_op_send_held(op);
		return;
	}
	tx->addr = op->addr;
	tx->len = op->len;
	iou_op_let_go(op);
	iou_op_init_send(op);

	/* As above */
	percpu_ref_get(&s->att.refs);
	ret = iou_waiter_add(&op->waiter, iou_op_post_send, &reason);
	if (ret)
		iou_op_fail(op, ret, reason);
	else
		iou_sock_send(s);
	iou_att_put(&s->att);
}
