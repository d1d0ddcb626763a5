// SPDX-License-Identifier: GPL-2.0
/*
 * Network transmit: the queue in front of the device, and how each send ends
 *
 *	waiting ---> device ---> last reference gone ---> sent()
 *	   ^           |
 *	   +-- busy ---+
 *
 * A packet that has a time holds up those behind it: that is in tx_time.c.
 *
 * One caller at a time takes packets from the list, so that they leave in order.
 * When the device is busy a work item goes on: as soon as one of our packets
 * comes back, and at the latest a jiffy later, because the device may be busy
 * with those of others.
 *
 * A device may keep a packet for as long as it likes: one that went down may
 * never look at it again. Such a send is given up, and its memory lent to the
 * device: it only reads what it has references on.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#include "compat/net.h"
#include "netq.h"

/* Packets that a caller sends on behalf of others */
#define IOU_TX_BUDGET 64

/* What a device keeps for so long ends, and what waits while it takes nothing. */
#define IOU_TX_TIMEOUT (5 * HZ)

/* How long a detach waits for packets that the device has */
#define IOU_TX_LINGER HZ

/* Packets of one queue. What is watched tells whether the interface copies. */
static void iou_tx_count(struct iou_tx **txs, u32 n)
{
	struct iou_netq *q = txs[0]->q;
	const u32 before = READ_ONCE(q->tx.copies);
	u32 sent = 0, copies = before, i;
	u64 bytes = 0, copied = 0;

	for (i = 0; i < n; i++) {
		const struct iou_tx *tx = txs[i];

		if (unlikely(tx->error))
			continue;
		sent++;
		bytes += tx->len;
		if (tx->copied)
			copied += tx->len;
		if (!tx->watched)
			continue;
		copies = tx->orphaned ? min(copies, IOU_TX_COPIES) + 1 : 0;
	}
	if (unlikely(copies != before))
		WRITE_ONCE(q->tx.copies, copies);
	if (unlikely(sent < n))
		iou_count(q->att.stats, IO_UNIFIED_STAT_TX_DROPPED, n - sent);
	iou_count(q->att.stats, IO_UNIFIED_STAT_TX_PACKETS, sent);
	iou_count(q->att.stats, IO_UNIFIED_STAT_TX_BYTES, bytes);
	iou_count(q->att.stats, IO_UNIFIED_STAT_TX_COPIED_BYTES, copied);
}

/* Packets of one queue end, one behind the other. It may be gone afterwards. */
static void iou_tx_over(struct iou_tx **txs, u32 n)
{
	u32 ended;

	if (!n)
		return;
	iou_tx_count(txs, n);
	for (; n; n -= ended, txs += ended) {
		ended = 1;
		if (txs[0]->sent_many)
			ended = txs[0]->sent_many(txs, n);
		else
			txs[0]->sent(txs[0]);
	}
}

static void iou_tx_free_rcu(struct rcu_head *rcu)
{
	struct iou_tx *tx = container_of(rcu, struct iou_tx, rcu);

	tx->free(tx);
	module_put(THIS_MODULE);
}

/* The last reference is gone. False: it is over already, and only its memory left. */
static bool iou_tx_is_back(struct iou_tx *tx)
{
	if (likely(!tx->lent))
		return true;
	/* The queue may be gone; we may be called by anything. */
	call_rcu(&tx->rcu, iou_tx_free_rcu);
	return false;
}

/* They do not fly any more. Mostly they are the first of those that do. */
static void iou_tx_land(struct iou_txq *t, struct iou_tx **txs, u32 n)
{
	struct list_head *next;
	LIST_HEAD(first);
	u32 i;

	spin_lock_bh(&t->lock);
	next = t->flight.next;
	for (i = 0; i < n && &txs[i]->node == next; i++)
		next = next->next;
	if (i)
		list_cut_before(&first, &t->flight, next);
	for (; i < n; i++)
		list_del_init(&txs[i]->node);
	if (unlikely(t->busy && !t->closed))
		mod_delayed_work(iou_net_wq, &t->work, 0);
	spin_unlock_bh(&t->lock);
	iou_tx_over(txs, n);
}

void iou_tx_put_many(struct iou_tx **txs, u32 n)
{
	u32 back = 0, i;

	for (i = 0; i < n; i++) {
		struct iou_tx *tx = txs[i];

		if (refcount_dec_and_test(&tx->ubuf.refcnt) &&
		    iou_tx_is_back(tx))
			txs[back++] = tx;
	}
	if (back)
		iou_tx_land(&txs[0]->q->tx, txs, back);
}

noinline void iou_tx_put(struct iou_tx *tx)
{
	iou_tx_put_many(&tx, 1);
}

/* What came back, as it was sent: no more than a look, which costs nothing if wrong. */
static struct llist_node *iou_txq_back(struct iou_txq *t)
{
	struct llist_node *last = llist_del_all(&t->back);
	const struct list_head *first = READ_ONCE(t->flight.next);

	/* Those that are freed in hardirq come in reverse. */
	if (&llist_entry(last, struct iou_tx, back)->node == first)
		return last;
	return llist_reverse_order(last);
}

/*
 * A device gives many back at once, one by one. So in softirq they are gathered, and
 * end together when it is done with that.
 */
static void iou_tx_reap(struct tasklet_struct *tasklet)
{
	struct iou_txq *t = container_of(tasklet, struct iou_txq, reaper);
	struct llist_node *node = iou_txq_back(t);
	struct iou_tx *txs[IOU_TX_BATCH] __uninitialized;
	u32 n;

	while (node) {
		for (n = 0; node && n < ARRAY_SIZE(txs); n++) {
			txs[n] = llist_entry(node, struct iou_tx, back);
			node = node->next;
		}
		iou_tx_land(t, txs, n);
	}
}

/* Nothing refers to the pages through @skb any more. */
static void iou_tx_released(struct sk_buff *skb, struct ubuf_info *ubuf,
			    bool zerocopy)
{
	struct iou_tx *tx = container_of(ubuf, struct iou_tx, ubuf);

	if (!zerocopy) {
		WRITE_ONCE(tx->orphaned, true);
		WRITE_ONCE(tx->copied, true);
	}
	if (unlikely(!in_softirq())) {
		iou_tx_put(tx);
		return;
	}
	if (!refcount_dec_and_test(&tx->ubuf.refcnt) || !iou_tx_is_back(tx))
		return;
	if (llist_add(&tx->back, &tx->q->tx.back))
		tasklet_schedule(&tx->q->tx.reaper);
}

static const struct ubuf_info_ops iou_tx_ubuf_ops = {
	.complete = iou_tx_released,
};

/* ---------------------------------------------------------- to the device */

/* A list of them, on no other yet: all that list_add_tail() looks at is ours. */
static void iou_tx_chain(struct list_head *list, struct iou_tx **txs, u32 n)
{
	struct list_head *last = list;
	u32 i;

	for (i = 0; i < n; i++) {
		struct list_head *node = &txs[i]->node;

		node->prev = last;
		last->next = node;
		last = node;
	}
	last->next = list;
	list->prev = last;
}

/* What the device still refers to is seen from now on. */
static void iou_tx_fly(struct iou_txq *t, struct iou_tx **txs, u32 n)
{
	const unsigned long now = jiffies;
	LIST_HEAD(flying);
	u32 i;

	for (i = 0; i < n; i++)
		txs[i]->since = now;
	iou_tx_chain(&flying, txs, n);
	spin_lock_bh(&t->lock);
	list_splice_tail(&flying, &t->flight);
	if (!delayed_work_pending(&t->work))
		queue_delayed_work(iou_net_wq, &t->work, IOU_TX_TIMEOUT);
	spin_unlock_bh(&t->lock);
}

/*
 * Hand packets to the device, in order. Returns how many are with it or over: it
 * takes no more for now. Whoever takes the device down or away waits until nobody is
 * in here with bottom halves off. @txs is written to as far as that.
 */
static u32 iou_tx_some(struct iou_netq *q, struct iou_tx **txs, u32 n)
{
	struct iou_tx *flying[IOU_TX_BATCH] __uninitialized;
	u32 nr_flying = 0, over = 0, i;

	local_bh_disable();
	n = iou_tx_hand_over(q, txs, n);
	for (i = 0; i < n; i++) {
		struct iou_tx *tx = txs[i];

		if (unlikely(tx->skb)) {
			kfree_skb(tx->skb);
			tx->skb = NULL;
		}
		/* We have one reference. Who had the others has left its mark. */
		if (refcount_read(&tx->ubuf.refcnt) == 1) {
			smp_acquire__after_ctrl_dep();
			txs[over++] = tx;
		} else {
			flying[nr_flying++] = tx;
		}
	}
	if (nr_flying)
		iou_tx_fly(&q->tx, flying, nr_flying);
	local_bh_enable();

	iou_tx_over(txs, over);
	iou_tx_put_many(flying, nr_flying);
	return n;
}

void iou_tx_fail(struct iou_tx *tx, int error, u16 reason)
{
	/* It is in no list, and may never have been in one. */
	INIT_LIST_HEAD(&tx->node);
	iou_tx_refuse(tx, error, reason);
	if (tx->skb)
		kfree_skb(tx->skb);
	tx->skb = NULL;
	iou_tx_put(tx);
}

/* ------------------------------------------------------------- the queue */

/* The device is busy: these are the first to go when it is not. */
static void iou_tx_back(struct iou_netq *q, struct iou_tx **txs, u32 n)
{
	struct iou_txq *t = &q->tx;
	bool closed;
	u32 i;

	spin_lock_bh(&t->lock);
	closed = t->closed;
	if (!closed) {
		for (i = n; i--;) {
			list_add(&txs[i]->node, &t->waiting);
			txs[i]->queued = true;
			t->timed += !!txs[i]->time;
		}
		t->busy = true;
		mod_delayed_work(iou_net_wq, &t->work, 1);
		iou_count(q->att.stats, IO_UNIFIED_STAT_TX_BUSY, 1);
	}
	spin_unlock_bh(&t->lock);
	if (!closed)
		return;
	for (i = 0; i < n; i++)
		iou_tx_fail(txs[i], -ECANCELED, IO_UNIFIED_REASON_GONE);
}

/* Under iou_txq.lock: the first of those that wait, as far as they are due. */
static u32 iou_txq_take(struct iou_txq *t, struct iou_tx **txs, u32 max,
			u64 *now)
{
	struct iou_tx *tx, *next;
	u32 n = 0;

	list_for_each_entry_safe(tx, next, &t->waiting, node) {
		if (n == max)
			break;
		if (unlikely(tx->time > *now)) {
			/* What is in our hands is sent first. */
			if (n || iou_txq_hold(t, tx->time, now))
				break;
		}
		list_del_init(&tx->node);
		tx->queued = false;
		t->timed -= !!tx->time;
		txs[n++] = tx;
	}
	return n;
}

void iou_tx_run(struct iou_netq *q)
{
	struct iou_tx *txs[IOU_TX_BATCH] __uninitialized;
	struct iou_txq *t = &q->tx;
	int budget = IOU_TX_BUDGET;
	u32 n, done;
	u64 now = 0;

	for (;;) {
		spin_lock_bh(&t->lock);
		if (list_empty(&t->waiting) || t->closed) {
			t->running = false;
			spin_unlock_bh(&t->lock);
			return;
		}
		if (budget <= 0) {
			t->busy = true;
			mod_delayed_work(iou_net_wq, &t->work, 0);
			spin_unlock_bh(&t->lock);
			return;
		}
		n = iou_txq_take(t, txs, ARRAY_SIZE(txs), &now);
		spin_unlock_bh(&t->lock);
		/* The timer goes on. */
		if (!n)
			return;

		budget -= n;
		done = iou_tx_some(q, txs, n);
		if (done < n) {
			iou_tx_back(q, txs + done, n - done);
			return;
		}
	}
}

void iou_tx_init(struct iou_tx *tx)
{
	iou_ubuf_init(&tx->ubuf, &iou_tx_ubuf_ops);
	tx->skb = NULL;
	tx->since = jiffies;
	tx->error = 0;
	tx->reason = IO_UNIFIED_REASON_NONE;
	tx->queued = false;
	tx->watched = false;
	tx->orphaned = false;
	tx->copied = false;
	tx->lent = false;
}

/* What becomes of packets that were handed in */
enum iou_tx_way {
	IOU_TX_CLOSED, /* nothing is sent any more */
	IOU_TX_WAITS, /* there is one that has a time */
	IOU_TX_BEHIND, /* somebody sends what is in front of them */
	IOU_TX_FIRST, /* they are the first: for the caller to send */
};

static enum iou_tx_way iou_txq_enter(struct iou_txq *t, struct iou_tx **txs,
				     u32 n)
{
	enum iou_tx_way way = IOU_TX_BEHIND;
	u32 i;

	spin_lock_bh(&t->lock);
	if (unlikely(t->closed)) {
		way = IOU_TX_CLOSED;
	} else if (unlikely(t->timed)) {
		way = IOU_TX_WAITS;
	} else if (likely(!t->running && list_empty(&t->waiting))) {
		way = IOU_TX_FIRST;
		t->running = true;
		t->used = true;
	} else {
		for (i = 0; i < n; i++)
			list_add_tail(&txs[i]->node, &t->waiting);
		t->used = true;
	}
	spin_unlock_bh(&t->lock);
	return way;
}

bool iou_tx_send_many(struct iou_netq *q, struct iou_tx **txs, u32 n)
{
	u32 i, done;

	for (i = 0; i < n; i++)
		iou_tx_init(txs[i]);
	switch (iou_txq_enter(&q->tx, txs, n)) {
	case IOU_TX_CLOSED:
		for (i = 0; i < n; i++)
			iou_tx_fail(txs[i], -ECANCELED, IO_UNIFIED_REASON_GONE);
		break;
	case IOU_TX_WAITS:
		return false;
	case IOU_TX_BEHIND:
		/* Who put something there and has not begun does not mind. */
		iou_tx_kick(q);
		break;
	case IOU_TX_FIRST:
		done = iou_tx_some(q, txs, n);
		if (done < n)
			iou_tx_back(q, txs + done, n - done);
		else
			iou_tx_run(q);
		break;
	}
	return true;
}

bool iou_tx_send(struct iou_tx *tx)
{
	struct iou_netq *q = tx->q;
	bool sent;

	/* The queue may end with its last packet. */
	percpu_ref_get(&q->att.refs);
	sent = iou_tx_send_many(q, &tx, 1);
	iou_att_put(&q->att);
	return sent;
}

/* ---------------------------------------------------------------- the end */

/*
 * End what waits, if it was handed in before @before, in front of the first one whose
 * time is after @due.
 */
static void iou_txq_end_waiting(struct iou_txq *t, unsigned long before,
				u64 due, int error, u16 reason)
{
	struct iou_tx *tx, *next;
	LIST_HEAD(ended);

	spin_lock_bh(&t->lock);
	list_for_each_entry_safe(tx, next, &t->waiting, node) {
		if (tx->time > due)
			break;
		if (!time_before(tx->since, before))
			continue;
		list_move_tail(&tx->node, &ended);
		tx->queued = false;
		t->timed -= !!tx->time;
	}
	iou_txq_unhold(t);
	spin_unlock_bh(&t->lock);

	list_for_each_entry_safe(tx, next, &ended, node) {
		list_del_init(&tx->node);
		iou_tx_fail(tx, error, reason);
	}
}

static void iou_tx_end(struct iou_tx *tx)
{
	iou_tx_count(&tx, 1);
	tx->sent(tx);
}

/* Give up what the device has. */
static void iou_txq_end_flight(struct iou_txq *t, unsigned long before,
			       int error, u16 reason)
{
	struct iou_tx *tx, *next;
	LIST_HEAD(ended);

	spin_lock_bh(&t->lock);
	list_for_each_entry_safe(tx, next, &t->flight, node) {
		if (!time_before(tx->since, before))
			break;
		/* Else its last reference is gone: it ends by itself. */
		if (!refcount_inc_not_zero(&tx->ubuf.refcnt))
			continue;
		tx->lent = true;
		list_move_tail(&tx->node, &ended);
	}
	spin_unlock_bh(&t->lock);

	list_for_each_entry_safe(tx, next, &ended, node) {
		list_del_init(&tx->node);
		/* The module stays until the memory is back. */
		__module_get(THIS_MODULE);
		iou_tx_refuse(tx, error, reason);
		iou_tx_end(tx);
		iou_tx_put(tx);
	}
}

void iou_txq_purge(struct iou_netq *q, int error, u16 reason)
{
	unsigned long all = jiffies + IOU_TX_TIMEOUT;

	iou_txq_end_waiting(&q->tx, all, U64_MAX, error, reason);
	iou_txq_end_flight(&q->tx, all, error, reason);
}

static void iou_tx_work(struct work_struct *work)
{
	struct iou_txq *t =
		container_of(to_delayed_work(work), struct iou_txq, work);
	struct iou_netq *q = container_of(t, struct iou_netq, tx);
	unsigned long before = jiffies - IOU_TX_TIMEOUT;
	bool run, stuck;

	/* A queue that moves is only slow, and one that is held only early. */
	spin_lock_bh(&t->lock);
	stuck = !t->held && time_before(READ_ONCE(t->moved), before);
	spin_unlock_bh(&t->lock);
	if (stuck)
		iou_txq_end_waiting(t, before,
				    ktime_get_ns() -
					    jiffies_to_nsecs(IOU_TX_TIMEOUT),
				    -ETIMEDOUT, IO_UNIFIED_REASON_TX_TIMEOUT);
	iou_txq_end_flight(t, before, -ETIMEDOUT, IO_UNIFIED_REASON_TX_TIMEOUT);

	spin_lock_bh(&t->lock);
	run = t->busy;
	t->busy = false;
	spin_unlock_bh(&t->lock);
	if (run)
		iou_tx_run(q);

	spin_lock_bh(&t->lock);
	if (!t->closed && !list_empty(&t->flight) &&
	    !delayed_work_pending(&t->work))
		queue_delayed_work(iou_net_wq, &t->work, HZ);
	spin_unlock_bh(&t->lock);
}

static bool iou_txq_idle(struct iou_txq *t)
{
	bool idle;

	spin_lock_bh(&t->lock);
	idle = list_empty(&t->flight);
	spin_unlock_bh(&t->lock);
	return idle;
}

void iou_txq_close(struct iou_netq *q)
{
	spin_lock_bh(&q->tx.lock);
	WRITE_ONCE(q->tx.closed, true);
	spin_unlock_bh(&q->tx.lock);
}

void iou_txq_stop(struct iou_netq *q)
{
	struct iou_txq *t = &q->tx;
	unsigned long end;

	if (!t->used)
		return;

	/* Who did not see that is through, and does not use the device either. */
	synchronize_net();
	cancel_delayed_work_sync(&t->work);
	hrtimer_cancel(&t->timer);
	iou_txq_end_waiting(t, jiffies + IOU_TX_TIMEOUT, U64_MAX, -ECANCELED,
			    IO_UNIFIED_REASON_GONE);
	end = jiffies + IOU_TX_LINGER;
	while (!iou_txq_idle(t) && time_before(jiffies, end))
		usleep_range(500, 1000);
	iou_txq_purge(q, -ECANCELED, IO_UNIFIED_REASON_GONE);
}

void iou_txq_init(struct iou_txq *t)
{
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->waiting);
	INIT_LIST_HEAD(&t->flight);
	init_llist_head(&t->back);
	tasklet_setup(&t->reaper, iou_tx_reap);
	INIT_DELAYED_WORK(&t->work, iou_tx_work);
	iou_txq_init_time(t);
	t->moved = jiffies;
}
