// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets: sending, and how each send ends
 *
 *	held ---> waiting ---> the stack has all of it ---> last reference gone ---> over()
 *	             ^  |
 *	             +--+ no room in the send buffer
 *
 * What has to be read first is held where it stands in the queue, so that bytes leave in
 * the order of submission, and reads go on side by side. A stream cannot leave out
 * what could not be read, or only in part be sent: nothing is sent behind that.
 *
 * The stack's references are its socket buffers', whose fragments are pages of the
 * region. With TCP they last until the peer has acknowledged the bytes, or until
 * the connection is dead, which is told apart by the sequence number. How much can
 * be in flight is what the send buffer can hold: zero-copy bytes count there too.
 *
 * A peer may keep bytes unacknowledged for a quarter of an hour. Nothing that ends
 * waits for that: such a send is given up, and its memory lent to the stack, which
 * only reads from pages that it holds.
 */
#include <linux/module.h>
#include <linux/net.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "compat/net.h"
#include "netq.h"
#include "sock.h"

/* Sends that a caller hands to the stack, those of others included */
#define IOU_SOCK_TX_BUDGET 64

/*
 * Without room there is an event when there is some. But the stack may also have
 * had no memory, and nothing tells when it has: look again.
 */
#define IOU_SOCK_TX_RETRY HZ

static void iou_stx_over(struct iou_stx *tx)
{
	struct iou_counters __percpu *stats = tx->s->att.stats;

	if (!tx->error) {
		if (!tx->s->stream)
			iou_count(stats, IO_UNIFIED_STAT_TX_PACKETS, 1);
		iou_count(stats, IO_UNIFIED_STAT_TX_BYTES, tx->len);
		if (tx->copied)
			iou_count(stats, IO_UNIFIED_STAT_TX_COPIED_BYTES,
				  tx->len);
	}
	tx->over(tx);
}

static void iou_stx_refuse(struct iou_stx *tx, int error, u16 reason)
{
	tx->error = error;
	tx->reason = reason;
}

/*
 * Nothing refers to the bytes: have they arrived? A connection that dies throws
 * away what it has not had acknowledged, after it has become an error or closed.
 */
static void iou_stx_judge(struct iou_stx *tx)
{
	struct iou_sock *s = tx->s;
	struct sock *sk = s->sock->sk;
	int error;

	if (!tx->attached)
		tx->copied = true;
	if (tx->error || !tx->attached || !s->stream ||
	    !before(READ_ONCE(tcp_sk(sk)->snd_una), tx->end))
		return;
	error = READ_ONCE(sk->sk_err);
	if (!error && inet_sk_state_load(sk) != TCP_CLOSE)
		return;
	if (error)
		WRITE_ONCE(s->error, -error);
	else
		error = -READ_ONCE(s->error) ?: ECONNRESET;
	iou_stx_refuse(tx, -error, iou_sock_reason(-error));
}

static void iou_stx_free_rcu(struct rcu_head *rcu)
{
	struct iou_stx *tx = container_of(rcu, struct iou_stx, rcu);

	tx->free(tx);
	module_put(THIS_MODULE);
}

static void iou_stx_put(struct iou_stx *tx)
{
	struct iou_sock_txq *t;

	if (!refcount_dec_and_test(&tx->ubuf.refcnt))
		return;
	if (unlikely(tx->lent)) {
		/* The socket may be gone; we may be called by anything. */
		call_rcu(&tx->rcu, iou_stx_free_rcu);
		return;
	}

	t = &tx->s->tx;
	spin_lock_bh(&t->lock);
	list_del_init(&tx->node);
	tx->state = IOU_STX_OVER;
	spin_unlock_bh(&t->lock);
	iou_stx_judge(tx);
	iou_stx_over(tx);
}

/* One that refers to the pages less. @skb NULL: sendmsg() itself. */
static void iou_stx_released(struct sk_buff *skb, struct ubuf_info *ubuf,
			     bool zerocopy)
{
	struct iou_stx *tx = container_of(ubuf, struct iou_stx, ubuf);

	if (skb)
		WRITE_ONCE(tx->attached, true);
	if (!zerocopy)
		WRITE_ONCE(tx->copied, true);
	iou_stx_put(tx);
}

static const struct ubuf_info_ops iou_stx_ubuf_ops = {
	.complete = iou_stx_released,
};

/* ------------------------------------------------------------- the stack */

/* Bytes of the region, as the pages that they are in */
static void iou_stx_iter(const struct iou_sock *s, struct iov_iter *iter,
			 u64 addr, u32 len)
{
	const struct iou_mem *mem = &s->att.region->mem;
	unsigned long first = addr >> mem->chunk_shift;
	unsigned long last = len ? (addr + len - 1) >> mem->chunk_shift : first;
	u32 skip = addr & ((1UL << mem->chunk_shift) - 1);

	iov_iter_bvec(iter, ITER_SOURCE, mem->bvec + first, last - first + 1,
		      (size_t)skip + len);
	iov_iter_advance(iter, skip);
}

/*
 * Hand over what it takes. Bytes, -EAGAIN, or an error. Where the application writes
 * to the socket, too, these may have got bytes of its own behind them already: then
 * they count as arrived a little later, and never too early.
 */
static int iou_stx_sendmsg(struct iou_sock *s, struct iou_stx *tx)
{
	struct msghdr msg = {
		.msg_flags = MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL,
		.msg_ubuf = &tx->ubuf,
	};
	int ret;

	iou_stx_iter(s, &msg.msg_iter, tx->addr + tx->off, tx->len - tx->off);
	ret = sock_sendmsg(s->sock, &msg);
	if (ret > 0 && s->stream)
		tx->end = READ_ONCE(tcp_sk(s->sock->sk)->write_seq);
	return ret;
}

/* 0: the stack has all of it. -EAGAIN: not yet. Else an error. */
static int iou_stx_push(struct iou_sock *s, struct iou_stx *tx)
{
	int ret;

	/* What a program leaves nothing of is nothing in a stream. */
	while (tx->off < tx->len || (!tx->len && !s->stream)) {
		ret = iou_stx_sendmsg(s, tx);
		if (ret == -EINTR || ret == -ERESTARTSYS || (!ret && tx->len))
			ret = -EAGAIN;
		if (ret < 0)
			return ret == -EAGAIN ? ret : iou_sock_error(s, ret);
		WRITE_ONCE(tx->off, tx->off + ret);
		if (!s->stream)
			break;
	}
	return 0;
}

/* Under the lock, out of the queue */
static void iou_stx_take(struct iou_sock_txq *t, struct iou_stx *tx)
{
	list_del_init(&tx->node);
	if (tx->state <= IOU_STX_WAITING)
		WRITE_ONCE(t->nr, t->nr - 1);
	tx->state = IOU_STX_OVER;
}

/* What is behind one that left a hole. Under the lock. */
static void iou_sock_tx_gap(struct iou_stx *hole, struct list_head *ended)
{
	struct iou_sock_txq *t = &hole->s->tx;
	struct iou_stx *tx = hole, *next;

	if (!hole->s->stream)
		return;
	t->gap = true;
	list_for_each_entry_safe_continue(tx, next, &t->waiting, node) {
		if (tx->state == IOU_STX_HELD) {
			tx->revoked = true;
			tx->why = IO_UNIFIED_REASON_SOCKET_GAP;
			continue;
		}
		iou_stx_take(t, tx);
		list_add_tail(&tx->node, ended);
	}
}

/* The same where nothing can be ended. Under the lock, while @hole is in the queue. */
static void iou_stx_cut_off(struct iou_stx *hole)
{
	struct iou_sock_txq *t = &hole->s->tx;

	iou_sock_tx_gap(hole, &t->cut);
	if (!list_empty(&t->cut))
		mod_delayed_work(iou_net_wq, &t->work, 0);
}

/*
 * It failed. A dead connection, or one that is shut, takes nothing that is behind it;
 * any other would, and the peer would not see what is missing.
 */
static bool iou_stx_leaves_hole(const struct iou_stx *tx)
{
	return tx->error && tx->error != -EPIPE &&
	       inet_sk_state_load(tx->s->sock->sk) != TCP_CLOSE;
}

/*
 * The stack had no room. True: so it stays the first. False: it was revoked
 * meanwhile, and the caller ends it.
 */
static bool iou_stx_stays(struct iou_sock_txq *t, struct iou_stx *tx)
{
	bool ends;

	spin_lock_bh(&t->lock);
	t->sending = NULL;
	ends = tx->revoked && (!tx->off || tx->dying);
	tx->revoked = false;
	if (ends) {
		if (tx->off)
			iou_stx_cut_off(tx);
		tx->lent = tx->off;
		iou_stx_take(t, tx);
	}
	spin_unlock_bh(&t->lock);
	return !ends;
}

static void iou_stx_handed(struct iou_sock_txq *t, struct iou_stx *tx)
{
	spin_lock_bh(&t->lock);
	t->sending = NULL;
	if (unlikely(iou_stx_leaves_hole(tx)))
		iou_stx_cut_off(tx);
	iou_stx_take(t, tx);
	tx->state = IOU_STX_FLIGHT;
	list_add_tail(&tx->node, &t->flight);
	spin_unlock_bh(&t->lock);
	/* From here on it ends when the stack lets go. */
	iou_stx_put(tx);
}

static struct iou_stx *iou_sock_tx_next(struct iou_sock_txq *t)
{
	struct iou_stx *tx = NULL;

	spin_lock_bh(&t->lock);
	if (!t->closed)
		tx = list_first_entry_or_null(&t->waiting, struct iou_stx,
					      node);
	if (tx && tx->state == IOU_STX_HELD)
		tx = NULL;
	t->sending = tx;
	spin_unlock_bh(&t->lock);
	return tx;
}

/* Hand over what waits. Under the mutex; the caller keeps the socket. */
static void iou_sock_tx_run(struct iou_sock *s)
{
	struct iou_sock_txq *t = &s->tx;
	int budget = IOU_SOCK_TX_BUDGET;
	struct iou_stx *tx;
	int ret;

	while ((tx = iou_sock_tx_next(t))) {
		ret = iou_stx_push(s, tx);
		if (ret == -EAGAIN && iou_stx_stays(t, tx)) {
			queue_delayed_work(iou_net_wq, &t->work,
					   IOU_SOCK_TX_RETRY);
			return;
		}
		if (ret == -EAGAIN) {
			iou_stx_end(tx, -ECANCELED, tx->why);
		} else {
			if (ret)
				iou_stx_refuse(tx, ret, iou_sock_reason(ret));
			iou_stx_handed(t, tx);
		}
		if (!--budget) {
			iou_sock_tx_wake(s);
			return;
		}
	}
}

static void iou_stx_end_all(struct list_head *ended, u16 reason)
{
	struct iou_stx *tx, *next;

	list_for_each_entry_safe(tx, next, ended, node) {
		list_del_init(&tx->node);
		iou_stx_end(tx, -ECANCELED, reason);
	}
}

/* The owners of what was cut off keep the socket. */
static void iou_sock_tx_end_cut(struct iou_sock_txq *t)
{
	LIST_HEAD(ended);

	spin_lock_bh(&t->lock);
	list_splice_init(&t->cut, &ended);
	spin_unlock_bh(&t->lock);
	iou_stx_end_all(&ended, IO_UNIFIED_REASON_SOCKET_GAP);
}

static void iou_sock_tx_work(struct work_struct *work)
{
	struct iou_sock *s =
		container_of(to_delayed_work(work), struct iou_sock, tx.work);

	mutex_lock(&s->tx.mutex);
	iou_sock_tx_run(s);
	mutex_unlock(&s->tx.mutex);
	iou_sock_tx_end_cut(&s->tx);
}

void iou_sock_tx_wake(struct iou_sock *s)
{
	if (READ_ONCE(s->tx.nr))
		mod_delayed_work(iou_net_wq, &s->tx.work, 0);
}

int iou_sock_post_send(struct iou_stx *tx, bool held, u16 *reason)
{
	struct iou_sock_txq *t = &tx->s->tx;
	int ret = 0;

	iou_ubuf_init(&tx->ubuf, &iou_stx_ubuf_ops);
	/* TCP's own clones, which it keeps to send them again, are no reason to copy. */
	tx->ubuf.flags |= SKBFL_DONT_ORPHAN;
	INIT_LIST_HEAD(&tx->node);
	tx->off = 0;
	tx->end = 0;
	tx->state = held ? IOU_STX_HELD : IOU_STX_WAITING;
	tx->error = 0;
	tx->reason = IO_UNIFIED_REASON_NONE;
	tx->revoked = false;
	tx->dying = false;
	tx->attached = false;
	tx->copied = false;
	tx->lent = false;

	spin_lock_bh(&t->lock);
	if (t->closed || t->gap) {
		ret = -ECANCELED;
		*reason = t->closed ? IO_UNIFIED_REASON_GONE :
				      IO_UNIFIED_REASON_SOCKET_GAP;
	} else {
		list_add_tail(&tx->node, &t->waiting);
		WRITE_ONCE(t->nr, t->nr + 1);
	}
	spin_unlock_bh(&t->lock);
	return ret;
}

void iou_sock_send(struct iou_sock *s)
{
	if (!mutex_trylock(&s->tx.mutex)) {
		/* Who has it may have seen an empty queue. */
		iou_sock_tx_wake(s);
		return;
	}
	iou_sock_tx_run(s);
	mutex_unlock(&s->tx.mutex);
}

bool iou_stx_ready(struct iou_stx *tx, u64 addr, u32 len, bool gap)
{
	struct iou_sock_txq *t = &tx->s->tx;
	LIST_HEAD(ended);
	bool revoked;

	spin_lock_bh(&t->lock);
	revoked = tx->revoked;
	if (!revoked) {
		tx->addr = addr;
		tx->len = len;
		tx->state = IOU_STX_WAITING;
		if (unlikely(gap))
			iou_sock_tx_gap(tx, &ended);
	}
	spin_unlock_bh(&t->lock);
	iou_stx_end_all(&ended, IO_UNIFIED_REASON_SOCKET_GAP);
	return !revoked;
}

bool iou_stx_leave(struct iou_stx *tx, bool gap)
{
	struct iou_sock_txq *t = &tx->s->tx;
	LIST_HEAD(ended);
	bool revoked;

	spin_lock_bh(&t->lock);
	revoked = tx->revoked;
	if (gap)
		iou_sock_tx_gap(tx, &ended);
	iou_stx_take(t, tx);
	spin_unlock_bh(&t->lock);
	iou_stx_end_all(&ended, IO_UNIFIED_REASON_SOCKET_GAP);
	return !revoked;
}

/* ---------------------------------------------------------------- the end */

/* Under the lock. True: it is out of the queue, and the caller's to end. */
static bool iou_stx_give_up(struct iou_sock_txq *t, struct iou_stx *tx)
{
	if (tx->state == IOU_STX_HELD) {
		/* Who reads it ends it. */
		tx->revoked = true;
		tx->why = IO_UNIFIED_REASON_GONE;
		return false;
	}
	if (tx->state == IOU_STX_FLIGHT) {
		/* Else its last reference is gone: it ends by itself. */
		if (!refcount_inc_not_zero(&tx->ubuf.refcnt))
			return false;
		tx->lent = true;
	} else {
		/* Our own reference becomes the caller's. */
		tx->lent = tx->off;
	}
	iou_stx_take(t, tx);
	return true;
}

bool iou_stx_revoke(struct iou_stx *tx, bool dying, u16 why, bool *leaving)
{
	struct iou_sock_txq *t = &tx->s->tx;
	bool mine = false;

	spin_lock_bh(&t->lock);
	if (tx == t->sending || tx->state == IOU_STX_HELD) {
		tx->revoked = true;
		tx->dying |= dying;
		tx->why = why;
		*leaving = true;
	} else if ((tx->state == IOU_STX_WAITING && !tx->off) ||
		   (tx->state != IOU_STX_OVER && dying)) {
		if (tx->state == IOU_STX_WAITING && tx->off)
			iou_stx_cut_off(tx);
		mine = iou_stx_give_up(t, tx);
	}
	spin_unlock_bh(&t->lock);
	return mine;
}

void iou_stx_end(struct iou_stx *tx, int error, u16 reason)
{
	bool lent = tx->lent;

	/* The module stays until the memory is back. */
	if (lent)
		__module_get(THIS_MODULE);
	iou_stx_refuse(tx, error, reason);
	iou_stx_over(tx);
	if (lent)
		iou_stx_put(tx);
}

bool iou_sock_tx_idle(struct iou_sock *s)
{
	struct iou_sock_txq *t = &s->tx;
	bool idle;

	spin_lock_bh(&t->lock);
	idle = list_empty(&t->waiting) && list_empty(&t->flight);
	spin_unlock_bh(&t->lock);
	return idle;
}

void iou_sock_tx_close(struct iou_sock *s)
{
	struct iou_sock_txq *t = &s->tx;
	struct iou_stx *tx, *next;
	LIST_HEAD(ended);

	spin_lock_bh(&t->lock);
	t->closed = true;
	spin_unlock_bh(&t->lock);
	/* Who did not see that is through when we have the mutex. */
	mutex_lock(&t->mutex);
	mutex_unlock(&t->mutex);

	spin_lock_bh(&t->lock);
	list_for_each_entry_safe(tx, next, &t->waiting, node)
		if (iou_stx_give_up(t, tx))
			list_add_tail(&tx->node, &ended);
	list_for_each_entry_safe(tx, next, &t->flight, node)
		if (iou_stx_give_up(t, tx))
			list_add_tail(&tx->node, &ended);
	spin_unlock_bh(&t->lock);

	iou_stx_end_all(&ended, IO_UNIFIED_REASON_GONE);
}

void iou_sock_tx_init(struct iou_sock *s)
{
	struct iou_sock_txq *t = &s->tx;

	spin_lock_init(&t->lock);
	mutex_init(&t->mutex);
	INIT_LIST_HEAD(&t->waiting);
	INIT_LIST_HEAD(&t->flight);
	INIT_LIST_HEAD(&t->cut);
	INIT_DELAYED_WORK(&t->work, iou_sock_tx_work);
}
