// SPDX-License-Identifier: GPL-2.0
/* Sockets: receiving */
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>

#include "netq.h"
#include "sock.h"

/* Receives that a caller fills, those of others included */
#define IOU_SOCK_RX_BUDGET 64
/* Of the receive buffer, what may be waited for: the window has to stay open. */
#define IOU_SOCK_RX_SHARE 4

/* Bytes, 0 at the end of the stream, -EAGAIN, or an error */
static int iou_srx_recvmsg(struct iou_sock *s, struct iou_srx *rx)
{
	/* Not the pages one by one: it is copied anyway. */
	struct kvec vec = {
		.iov_base = iou_ptr(s->att.region, rx->addr + rx->got),
		.iov_len = rx->len - rx->got,
	};
	struct msghdr msg = {};
	int ret;

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, vec.iov_len);
	/* Of a datagram its whole length. A stream would lose bytes by that. */
	ret = sock_recvmsg(s->sock, &msg,
			   MSG_DONTWAIT | (s->stream ? 0 : MSG_TRUNC));
	if (ret == -EINTR || ret == -ERESTARTSYS)
		return -EAGAIN;
	return ret;
}

/* The end of a stream, if the peer said so, and not because it is dead */
static int iou_srx_eof(struct iou_sock *s)
{
	struct sock *sk = s->sock->sk;
	int error = iou_sock_error(s, 0);

	if (!error && !sock_flag(sk, SOCK_DONE) &&
	    inet_sk_state_load(sk) == TCP_CLOSE)
		error = -ECONNRESET;
	return error;
}

/*
 * What is there comes first; the next one is told the error of a connection that is
 * dead. Of one that is not nobody would be told again.
 */
static bool iou_srx_dies_later(struct iou_sock *s, const struct iou_srx *rx,
			       int ret)
{
	return ret < 0 && ret != -EAGAIN && rx->got &&
	       inet_sk_state_load(s->sock->sk) == TCP_CLOSE;
}

/*
 * At an urgent byte TCP gives up for a signal, whatever is there, and nobody would be
 * woken for that: the worker has no signals.
 */
static bool iou_srx_gave_up(struct iou_sock *s)
{
	return s->stream && signal_pending(current) &&
	       READ_ONCE(tcp_sk(s->sock->sk)->urg_data);
}

/* 0: it is over. -EAGAIN: there is nothing, or not enough. Else an error. */
static int iou_srx_pull(struct iou_sock *s, struct iou_srx *rx)
{
	int ret;

	do {
		ret = iou_srx_recvmsg(s, rx);
		if (!s->stream && ret >= 0) {
			rx->wire = ret;
			rx->got = min_t(u32, ret, rx->len);
			return 0;
		}
		if (!ret) {
			ret = iou_srx_eof(s);
			rx->eof = !ret;
		} else if (ret < 0 && ret != -EAGAIN) {
			ret = iou_sock_error(s, ret);
		}
		if (ret <= 0)
			return iou_srx_dies_later(s, rx, ret) ? 0 : ret;
		rx->got += ret;
	} while (rx->all && rx->got < rx->len);
	return 0;
}

/*
 * What the first receive waits for. It is the stack that holds back its wake-ups, as
 * for SO_RCVLOWAT: it wakes all the same when a window or a buffer comes to its end,
 * and acknowledges what nobody reads yet, which it would delay else. An application
 * that chose a mark keeps it. Under the lock.
 */
static void iou_sock_rx_need(struct iou_sock *s, int need)
{
	struct sock *sk = s->sock->sk;
	struct iou_sock_rxq *q = &s->rx;
	const int before = q->need;

	if (need == before)
		return;
	q->need = cmpxchg(&sk->sk_rcvlowat, before, need) == before ? need : 1;
	/* What came in between was too little for the old one, and nobody was told. */
	if (need < before && !skb_queue_empty_lockless(&sk->sk_receive_queue))
		wake_up_interruptible_sync_poll(s->wqh, EPOLLIN | EPOLLRDNORM);
}

static int iou_srx_need(struct iou_sock *s, const struct iou_srx *rx)
{
	const int most = READ_ONCE(s->sock->sk->sk_rcvbuf) / IOU_SOCK_RX_SHARE;

	return rx->all ? min_t(u32, rx->len - rx->got, max(most, 1)) : 1;
}

/* Under the lock */
static void iou_srx_take(struct iou_sock *s, struct iou_srx *rx)
{
	struct iou_sock_rxq *q = &s->rx;

	list_del_init(&rx->node);
	WRITE_ONCE(q->nr, q->nr - 1);
	if (!list_empty(&q->waiting))
		return;
	WRITE_ONCE(q->armed, false);
	iou_sock_rx_need(s, 1);
}

/* True: @rx is over, or was revoked, and is out of the queue. */
static bool iou_srx_pulled(struct iou_sock *s, struct iou_srx *rx, int ret)
{
	struct iou_sock_rxq *q = &s->rx;
	bool over = true;

	spin_lock_bh(&q->lock);
	q->filling = NULL;
	if (ret == -EAGAIN && rx->revoked) {
		rx->error = -ECANCELED;
		rx->reason = rx->why;
	} else if (ret == -EAGAIN) {
		over = false;
		WRITE_ONCE(q->armed, true);
		iou_sock_rx_need(s, iou_srx_need(s, rx));
	} else if (ret) {
		rx->error = ret;
		rx->reason = iou_sock_reason(ret);
	}
	if (over)
		iou_srx_take(s, rx);
	spin_unlock_bh(&q->lock);
	return over;
}

static struct iou_srx *iou_sock_rx_next(struct iou_sock_rxq *q)
{
	struct iou_srx *rx;

	spin_lock_bh(&q->lock);
	rx = list_first_entry_or_null(&q->waiting, struct iou_srx, node);
	q->filling = rx;
	WRITE_ONCE(q->armed, false);
	spin_unlock_bh(&q->lock);
	return rx;
}

/* Under the mutex; the caller keeps the socket. @sleeps: it may. */
static void iou_sock_rx_run(struct iou_sock *s, bool sleeps)
{
	struct iou_counters __percpu *stats = s->att.stats;
	int budget = IOU_SOCK_RX_BUDGET;
	struct iou_srx *rx;
	u32 before;
	int ret;

	while ((rx = iou_sock_rx_next(&s->rx))) {
		before = rx->got;
		ret = iou_srx_pull(s, rx);
		/* The stack always copies. */
		iou_count(stats, IO_UNIFIED_STAT_RX_BYTES, rx->got - before);
		iou_count(stats, IO_UNIFIED_STAT_RX_COPIED_BYTES,
			  rx->got - before);
		if (!ret && !s->stream)
			iou_count(stats, IO_UNIFIED_STAT_RX_PACKETS, 1);
		if (!iou_srx_pulled(s, rx, ret)) {
			if (unlikely(iou_srx_gave_up(s)))
				iou_sock_rx_wake(s);
			return;
		}
		rx->sleeps = sleeps;
		rx->over(rx);
		if (!--budget) {
			iou_sock_rx_wake(s);
			return;
		}
	}
}

static void iou_sock_rx_work(struct work_struct *work)
{
	struct iou_sock *s = container_of(work, struct iou_sock, rx.work);

	mutex_lock(&s->rx.mutex);
	iou_sock_rx_run(s, true);
	mutex_unlock(&s->rx.mutex);
}

void iou_sock_rx_wake(struct iou_sock *s)
{
	if (READ_ONCE(s->rx.nr))
		queue_work(iou_net_wq, &s->rx.work);
}

void iou_sock_post_recv(struct iou_srx *rx)
{
	struct iou_sock_rxq *q = &rx->s->rx;

	rx->got = 0;
	rx->wire = 0;
	rx->error = 0;
	rx->reason = IO_UNIFIED_REASON_NONE;
	rx->eof = false;
	rx->revoked = false;
	rx->sleeps = false;
	spin_lock_bh(&q->lock);
	list_add_tail(&rx->node, &q->waiting);
	WRITE_ONCE(q->nr, q->nr + 1);
	spin_unlock_bh(&q->lock);
}

void iou_sock_recv(struct iou_sock *s)
{
	/* Who was posted before waits to be woken, and what is behind it with it. */
	if (READ_ONCE(s->rx.armed))
		return;
	if (!mutex_trylock(&s->rx.mutex)) {
		/* Who has it may have seen an empty queue. */
		iou_sock_rx_wake(s);
		return;
	}
	iou_sock_rx_run(s, false);
	mutex_unlock(&s->rx.mutex);
}

void iou_sock_recv_later(struct iou_sock *s)
{
	if (!READ_ONCE(s->rx.armed))
		iou_sock_rx_wake(s);
}

static bool iou_srx_is_first(struct iou_sock_rxq *q, const struct iou_srx *rx)
{
	return list_first_entry_or_null(&q->waiting, struct iou_srx, node) ==
	       rx;
}

bool iou_srx_revoke(struct iou_srx *rx, u16 why, bool *leaving)
{
	struct iou_sock_rxq *q = &rx->s->rx;
	bool mine = false;

	spin_lock_bh(&q->lock);
	if (rx == q->filling ||
	    (q->armed && q->need > 1 && iou_srx_is_first(q, rx))) {
		rx->revoked = true;
		rx->why = why;
		*leaving = true;
		/* It keeps what came for it, which nobody was woken for. */
		if (rx != q->filling)
			queue_work(iou_net_wq, &q->work);
	} else if (!list_empty(&rx->node)) {
		iou_srx_take(rx->s, rx);
		mine = true;
	}
	spin_unlock_bh(&q->lock);
	return mine;
}

void iou_sock_rx_init(struct iou_sock *s)
{
	struct iou_sock_rxq *q = &s->rx;

	spin_lock_init(&q->lock);
	mutex_init(&q->mutex);
	INIT_LIST_HEAD(&q->waiting);
	q->need = 1;
	INIT_WORK(&q->work, iou_sock_rx_work);
}
