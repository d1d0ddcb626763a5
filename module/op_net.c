// SPDX-License-Identifier: GPL-2.0
/* Ops: the network stages, to receive and to send */
#include "bpf.h"
#include "op.h"
#include "pool.h"
#include "trace.h"

/* ---------------------------------------------------------------- receive */

static void iou_op_received(struct iou_rx_owner *o, struct iou_netq *q,
			    const struct iou_rx_pkt *pkt)
{
	struct iou_op *op = container_of(o, struct iou_op, rx);

	iou_waiter_del(&op->waiter);
	op->done |= IO_UNIFIED_OP_NETWORK;
	op->addr = pkt->addr;
	op->len = pkt->len;
	op->orig_len = pkt->orig_len;
	op->tstamp = pkt->tstamp;
	if (pkt->copied)
		op->flags |= IO_UNIFIED_CQE_COPIED;
	if (pkt->len < pkt->orig_len)
		op->flags |= IO_UNIFIED_CQE_TRUNC;
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK, op->addr,
			       op->len);
	iou_op_process_packet(op);
}

static void iou_op_rx_failed(struct iou_rx_owner *o, struct iou_netq *q,
			     u32 frame, int error, u16 reason)
{
	struct iou_op *op = container_of(o, struct iou_op, rx);

	iou_waiter_del(&op->waiter);
	iou_op_fail(op, error, reason);
}

static bool iou_op_take(struct iou_waiter *w)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_net_recall(op->nq, op->frame, &op->rx);
}

static void iou_op_canceled(struct iou_waiter *w, int error, u16 reason)
{
	iou_op_fail(container_of(w, struct iou_op, waiter), error, reason);
}

static int iou_op_post(struct iou_waiter *w, u16 *reason)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_net_post(op->nq, op->frame, &op->rx, reason);
}

/* Those behind it in its group have what they will use already. */
static bool iou_op_group_uses(const struct iou_waiter *w,
			      const struct iou_att *att)
{
	const struct iou_op *op = container_of(w, struct iou_op, waiter);

	while ((op = op->next))
		if (iou_op_has(op, att))
			return true;
	return false;
}

/* Who ends it leaves the list before it looks behind it. */
static struct iou_op *iou_op_cut(struct iou_waiter *w)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);
	struct iou_op *behind = op->next;

	op->next = NULL;
	return behind;
}

void iou_op_init_waiter(struct iou_op *op)
{
	struct iou_waiter *w = &op->waiter;

	INIT_LIST_HEAD(&w->node);
	w->cmd = op->cmd;
	/* While an op reads its command's pdu is defer.c's. */
	w->many = op->burst || (op->d.flags & IO_UNIFIED_F_READ);
	w->region = op->r;
	w->atts[0] = op->nq ? &op->nq->att : op->sock ? &op->sock->att : NULL;
	w->atts[1] = op->st ? &op->st->att : NULL;
	w->atts[2] = op->prog ? &op->prog->att : NULL;
	w->atts[3] = op->tq ? &op->tq->att : NULL;
	w->user_data = op->d.user_data;
	w->uses = op->next ? iou_op_group_uses : NULL;
	w->cut = iou_op_cut;
}

int iou_op_start_rx(struct iou_op *op)
{
	struct iou_netq *nq = op->nq;
	struct iou_waiter *w = &op->waiter;
	u16 reason = IO_UNIFIED_REASON_NONE;
	int ret;

	op->rx.received = iou_op_received;
	op->rx.failed = iou_op_rx_failed;
	op->frame = (op->d.addr - op->r->data_off) >> op->r->frame_shift;
	iou_op_init_waiter(op);
	w->take = iou_op_take;
	w->canceled = iou_op_canceled;

	/* Once it is posted a packet may end the op, and the queue with it. */
	percpu_ref_get(&nq->att.refs);
	ret = iou_waiter_add(w, iou_op_post, &reason);
	if (!ret)
		iou_net_kick(nq);
	else
		op->reason = reason;
	iou_att_put(&nq->att);
	return ret;
}

/* ------------------------------------------------------------------- send */

static void iou_op_tx_free(struct iou_tx *tx)
{
	iou_pool_put(container_of(tx, struct iou_op, tx));
}

void iou_op_sent(struct iou_op *op, int error, u16 reason, bool copied,
		 bool lent)
{
	if (unlikely(lent)) {
		/* It comes back when the pool may be gone. */
		op->pool = NULL;
		op->lent = true;
	}
	if (error) {
		iou_op_fail(op, error, reason);
		return;
	}
	op->done |= IO_UNIFIED_OP_NETWORK;
	op->flags |= IO_UNIFIED_CQE_SENT;
	if (copied)
		op->flags |= IO_UNIFIED_CQE_COPIED;
	iou_op_complete(op, 0);
}

static void iou_op_tx_over(struct iou_tx *tx)
{
	struct iou_op *op = container_of(tx, struct iou_op, tx);

	if (unlikely(op->waits))
		iou_waiter_del(&op->waiter);
	iou_op_sent(op, tx->error, tx->reason, tx->copied, tx->lent);
}

static bool iou_op_take_tx(struct iou_waiter *w)
{
	return iou_tx_recall(&container_of(w, struct iou_op, waiter)->tx);
}

static void iou_op_tx_canceled(struct iou_waiter *w, int error, u16 reason)
{
	iou_tx_fail(&container_of(w, struct iou_op, waiter)->tx, error, reason);
}

static int iou_op_queue_tx(struct iou_waiter *w, u16 *reason)
{
	return iou_tx_queue(&container_of(w, struct iou_op, waiter)->tx,
			    reason);
}

/* It has a time, or stands behind one that has. */
static noinline void iou_op_send_waiting(struct iou_op *op)
{
	struct iou_netq *tq = op->tq;
	u16 reason = IO_UNIFIED_REASON_NONE;
	int ret;

	iou_op_init_waiter(op);
	op->waiter.take = iou_op_take_tx;
	op->waiter.canceled = iou_op_tx_canceled;
	op->waits = true;

	/* Once it is queued it may be sent, and the queue gone with it. */
	percpu_ref_get(&tq->att.refs);
	ret = iou_waiter_add(&op->waiter, iou_op_queue_tx, &reason);
	if (ret)
		iou_op_fail(op, ret, reason);
	else
		iou_tx_kick(tq);
	iou_att_put(&tq->att);
}

void iou_op_send(struct iou_op *op)
{
	struct iou_tx *tx = &op->tx;

	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK, op->addr,
			       op->len);
	tx->q = op->tq;
	tx->addr = op->addr;
	tx->len = op->len;
	tx->time = op->d.flags & IO_UNIFIED_F_TIMED ? op->d.arg : 0;
	tx->sent = iou_op_tx_over;
	tx->sent_many = NULL;
	tx->free = iou_op_tx_free;
	if (unlikely(tx->time) || !iou_tx_send(tx))
		iou_op_send_waiting(op);
}
