// SPDX-License-Identifier: GPL-2.0
/*
 * Plain sends to an interface: the short way
 *
 * All that is done once for many packets: finding the attachment, its references,
 * the queue's lock, the driver's, the CQ's. Most interfaces are done with a packet
 * before they take the next one, or with many at once.
 */
#include "cq.h"
#include "plain.h"
#include "plain_tx.h"
#include "pool.h"
#include "ring.h"
#include "shared.h"
#include "trace.h"
#include "uring.h"

static inline struct iou_op *iou_op_of_tx(struct iou_tx *tx)
{
	return container_of(tx, struct iou_op, tx);
}

/* It becomes an op like any other. Its reference on the attachment it has. */
static void iou_plain_tx_leave(struct iou_op *op)
{
	struct iou_pair *p = op->pair;

	memset_after(op, 0, pair);
	op->pair = p;
	op->tq = op->tx.q;
	op->burst = op->cmd;
	op->io.nvme_status = 0;
	op->addr = op->d.addr;
	op->dev_offset = 0;
	op->cookie = op->d.cookie;
	op->len = op->d.len;
	op->orig_len = op->d.len;
}

static void iou_plain_tx_free(struct iou_tx *tx)
{
	iou_pool_put(iou_op_of_tx(tx));
}

static inline u32 iou_plain_tx_flags(const struct iou_op *op)
{
	return IO_UNIFIED_CQE_SENT | op->tx.copied * IO_UNIFIED_CQE_COPIED;
}

/* What is not said is 0; one by one, as the compiler clears slowly otherwise. */
static inline void iou_plain_tx_fill(struct io_unified_cqe *cqe,
				     const struct iou_op *op, u32 flags)
{
	cqe->user_data = op->d.user_data;
	cqe->addr = op->d.addr;
	cqe->dev_offset = 0;
	cqe->len = op->d.len;
	cqe->res = op->d.len;
	cqe->ops = IO_UNIFIED_OP_NETWORK;
	cqe->flags = flags;
	cqe->verdict = 0;
	cqe->nvme_status = 0;
	cqe->reason = IO_UNIFIED_REASON_NONE;
	cqe->count = 1;
	cqe->cookie = op->d.cookie;
}

/* It failed, or the device has its memory still. */
static noinline void iou_plain_tx_odd(struct iou_op *op)
{
	struct iou_tx *tx = &op->tx;

	iou_plain_tx_leave(op);
	iou_op_sent(op, tx->error, tx->reason, tx->copied, tx->lent);
}

/* In one go. They have their references still. */
static void iou_plain_tx_post(struct iou_pair *p, struct iou_tx **txs, u32 n)
{
	struct llist_node *back;
	unsigned long irq;
	u32 i;

	spin_lock_irqsave(&p->lock, irq);
	back = p->back;
	for (i = 0; i < n; i++) {
		struct iou_op *op = iou_op_of_tx(txs[i]);
		const u32 flags = iou_plain_tx_flags(op);

		trace_io_unified_complete(op->r, &op->d, op->d.len,
					  IO_UNIFIED_REASON_NONE, flags);
		iou_plain_tx_fill(&p->cqes[(p->cq_prod + i) & p->cq_mask], op,
				  flags);
		op->free.next = back;
		back = &op->free;
	}
	p->back = back;
	p->cq_reserved -= n;
	iou_cq_publish_many(p, n);
	spin_unlock_irqrestore(&p->lock, irq);
	iou_cq_wake(p);
}

/* As many from the first on as are plain, of one command, and went well. */
static u32 iou_plain_tx_alike(struct iou_tx **txs, u32 n)
{
	const struct iou_op *first = iou_op_of_tx(txs[0]);
	const struct io_uring_cmd *cmd = first->cmd;
	const struct iou_pair *p = first->pair;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct iou_tx *tx = txs[i];

		if (unlikely(tx->sent_many != first->tx.sent_many || tx->error))
			break;
		/* It is an op, then. */
		if (iou_op_of_tx(txs[i])->pair != p ||
		    iou_op_of_tx(txs[i])->cmd != cmd)
			break;
	}
	return i;
}

static u32 iou_plain_tx_sent_many(struct iou_tx **txs, u32 n)
{
	struct iou_op *op = iou_op_of_tx(txs[0]);
	struct iou_netq *q = op->tx.q;
	struct io_uring_cmd *cmd = op->cmd;

	n = iou_plain_tx_alike(txs, n);
	if (unlikely(!n)) {
		iou_plain_tx_odd(op);
		return 1;
	}
	iou_plain_tx_post(op->pair, txs, n);
	/* With the last of them the pair may go. */
	percpu_ref_put_many(&q->att.refs, n);
	if (cmd)
		iou_uring_burst_put_many(cmd, n);
	return n;
}

static void iou_plain_tx_sent(struct iou_tx *tx)
{
	if (unlikely(tx->error || tx->lent))
		iou_plain_tx_odd(iou_op_of_tx(tx));
	else
		iou_plain_tx_sent_many(&tx, 1);
}

/* ------------------------------------------------------------------- an SQ */

/* The attachments of a descriptor as one word, of one that has only @net_tx */
static inline u64 iou_plain_tx_atts(u16 net_tx)
{
	const union {
		u16 index[4]; /* storage, net, bpf, net_tx */
		u64 word;
	} atts = { .index = { 0, 0, 0, net_tx } };

	return atts.word;
}

/*
 * Is it a plain send to @q, and nothing wrong with it? Whoever wants to know what is
 * wrong asks iou_op_new().
 */
static __always_inline bool iou_plain_tx_fits(const struct iou_region *r,
					      const struct iou_netq *q,
					      const struct io_unified_desc *d)
{
	const u64 addr = d->addr - r->data_off;

	if (unlikely(d->ops != IO_UNIFIED_OP_NETWORK))
		return false;
	if ((d->flags & ~IO_UNIFIED_F_CQ) != IO_UNIFIED_F_TX)
		return false;
	if (unlikely(*(const u64 *)&d->storage !=
		     iou_plain_tx_atts(q->att.index)))
		return false;
	/* nvme_opcode, max_hops and reserved0 are one word */
	if (unlikely(*(const u32 *)&d->nvme_opcode | d->arg | d->dev_offset))
		return false;
	if (unlikely(!d->len || d->len > IO_UNIFIED_MAX_LEN))
		return false;
	return likely(addr <= r->data_size && d->len <= r->data_size - addr);
}

/* What to expect, no more: it may be another one when it is read. */
static inline bool iou_plain_tx_expected(const struct io_unified_desc *shared)
{
	return READ_ONCE(shared->ops) == IO_UNIFIED_OP_NETWORK &&
	       (READ_ONCE(shared->flags) & ~IO_UNIFIED_F_CQ) == IO_UNIFIED_F_TX;
}

/* One that is at hand, the first of those that are. */
static inline struct iou_op *iou_plain_tx_op(struct iou_pair *p)
{
	struct iou_op *op;

	if (unlikely(!p->pool.ready))
		iou_plain_refill(p);
	if (likely(p->pool.ready))
		return llist_entry(p->pool.ready, struct iou_op, free);
	op = iou_pool_get(&p->pool);
	if (op) {
		op->free.next = p->pool.ready;
		p->pool.ready = &op->free;
	}
	return op;
}

static inline void iou_plain_tx_prepare(struct iou_op *op, struct iou_pair *p,
					struct iou_netq *q,
					struct io_uring_cmd *cmd)
{
	struct iou_tx *tx = &op->tx;

	op->r = p->region;
	op->cmd = cmd;
	op->pair = p;
	tx->q = q;
	tx->addr = op->d.addr;
	tx->len = op->d.len;
	tx->time = 0;
	tx->sent = iou_plain_tx_sent;
	tx->sent_many = iou_plain_tx_sent_many;
	tx->free = iou_plain_tx_free;
}

/* Where the first is sent to. NULL: not by this way. */
static struct iou_netq *iou_plain_tx_hold(struct iou_pair *p,
					  const struct iou_ring_take *take)
{
	const struct io_unified_desc *shared =
		&p->sqes[p->sq_cons & p->sq_mask];
	struct iou_att *att;

	if (!iou_plain_tx_expected(shared))
		return NULL;
	att = iou_att_get(p->region, IO_UNIFIED_KIND_NETDEV,
			  READ_ONCE(shared->net_tx));
	if (!att)
		return NULL;
	/* What waits can be canceled, and more has to be known. */
	if (!iou_txq_waits(&iou_att_netq(att)->tx) && !take->poll)
		return iou_att_netq(att);
	iou_att_put(att);
	return NULL;
}

/* One that has a time came in between. */
static noinline void iou_plain_tx_waits(struct iou_tx **txs, u32 n,
					const struct iou_ring_take *take)
{
	u32 i;

	if (take->cmd)
		take->waits(take->cmd, take->issue_flags);
	for (i = 0; i < n; i++) {
		struct iou_op *op = iou_op_of_tx(txs[i]);

		iou_plain_tx_leave(op);
		iou_op_send(op);
	}
}

u32 iou_plain_tx_take(struct iou_pair *p, u32 nr,
		      const struct iou_ring_take *take)
{
	struct iou_tx *txs[IOU_TX_BATCH] __uninitialized;
	struct iou_netq *q = nr ? iou_plain_tx_hold(p, take) : NULL;
	u32 n;

	if (!q)
		return 0;
	nr = min_t(u32, nr, IOU_TX_BATCH);
	/* Where one is, there are more. */
	for (n = 0; n < nr; n++) {
		struct iou_op *op = iou_plain_tx_op(p);

		if (unlikely(!op))
			break;
		iou_read_shared(&op->d, &p->sqes[(p->sq_cons + n) & p->sq_mask],
				sizeof(op->d));
		if (unlikely(!iou_plain_tx_fits(p->region, q, &op->d)))
			break;
		p->pool.ready = op->free.next;
		iou_plain_tx_prepare(op, p, q, take->cmd);
		trace_io_unified_submit(op->r, &op->d);
		trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK,
				       op->d.addr, op->d.len);
		txs[n] = &op->tx;
	}
	if (n) {
		p->sq_cons += n;
		iou_count(p->region->stats, IO_UNIFIED_STAT_OPS, n);
		percpu_ref_get_many(&q->att.refs, n);
		if (unlikely(!iou_tx_send_many(q, txs, n)))
			iou_plain_tx_waits(txs, n, take);
	}
	iou_att_put(&q->att);
	return n;
}
