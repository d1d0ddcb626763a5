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
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#include "compat/net.h"
#include "netq.h"

/* Bytes of each packet that are copied: drivers and the stack read headers. */
#define IOU_TX_LINEAR 64u

/* Packets that a caller sends on behalf of others */
#define IOU_TX_BUDGET 64

/* What a device keeps for so long ends, and what waits while it takes nothing. */
#define IOU_TX_TIMEOUT (5 * HZ)

/* How long a detach waits for packets that the device has, in ms */
#define IOU_TX_LINGER_MS 1000

static void iou_tx_over(struct iou_tx *tx)
{
	struct iou_counters __percpu *stats = tx->q->att.stats;

	if (tx->error) {
		iou_count(stats, IO_UNIFIED_STAT_TX_DROPPED, 1);
	} else {
		iou_count(stats, IO_UNIFIED_STAT_TX_PACKETS, 1);
		iou_count(stats, IO_UNIFIED_STAT_TX_BYTES, tx->len);
		if (tx->copied)
			iou_count(stats, IO_UNIFIED_STAT_TX_COPIED_BYTES,
				  tx->len);
	}
	tx->sent(tx);
}

static void iou_tx_free_rcu(struct rcu_head *rcu)
{
	struct iou_tx *tx = container_of(rcu, struct iou_tx, rcu);

	tx->free(tx);
	module_put(THIS_MODULE);
}

static void iou_tx_put(struct iou_tx *tx)
{
	struct iou_txq *t;

	if (!refcount_dec_and_test(&tx->ubuf.refcnt))
		return;
	if (unlikely(tx->lent)) {
		/* The queue may be gone; we may be called by anything. */
		call_rcu(&tx->rcu, iou_tx_free_rcu);
		return;
	}

	t = &tx->q->tx;
	spin_lock_bh(&t->lock);
	list_del_init(&tx->node);
	if (unlikely(t->busy && !t->closed))
		mod_delayed_work(iou_net_wq, &t->work, 0);
	spin_unlock_bh(&t->lock);
	iou_tx_over(tx);
}

/* Nothing refers to the pages through @skb any more. */
static void iou_tx_released(struct sk_buff *skb, struct ubuf_info *ubuf,
			    bool zerocopy)
{
	struct iou_tx *tx = container_of(ubuf, struct iou_tx, ubuf);

	if (!zerocopy)
		WRITE_ONCE(tx->copied, true);
	iou_tx_put(tx);
}

static const struct ubuf_info_ops iou_tx_ubuf_ops = {
	.complete = iou_tx_released,
};

/* ------------------------------------------------------------ one packet */

static int iou_tx_refuse(struct iou_tx *tx, int error, u16 reason)
{
	tx->error = error;
	tx->reason = reason;
	return error;
}

/* What the device and the queue are like may change with every packet. */
static int iou_tx_check(struct iou_tx *tx, const struct net_device *dev)
{
	if (READ_ONCE(tx->q->tx.closed))
		return iou_tx_refuse(tx, -ECANCELED, IO_UNIFIED_REASON_GONE);
	if (!dev)
		return iou_tx_refuse(tx, -ENODEV, IO_UNIFIED_REASON_NET_GONE);
	if (!netif_running(dev))
		return iou_tx_refuse(tx, -ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	if (!netif_carrier_ok(dev))
		return iou_tx_refuse(tx, -ENETDOWN,
				     IO_UNIFIED_REASON_NO_CARRIER);
	if (tx->q->queue >= READ_ONCE(dev->real_num_tx_queues))
		return iou_tx_refuse(tx, -EINVAL, IO_UNIFIED_REASON_QUEUE);
	if (tx->len < ETH_HLEN)
		return iou_tx_refuse(tx, -EINVAL, IO_UNIFIED_REASON_TX_LEN);
	/* As a packet socket: a VLAN tag is not counted. */
	if (tx->len > READ_ONCE(dev->mtu) + dev->hard_header_len + VLAN_HLEN)
		return iou_tx_refuse(tx, -EMSGSIZE, IO_UNIFIED_REASON_TX_LEN);
	return 0;
}

static int iou_tx_add_frags(struct sk_buff *skb, const struct iou_mem *mem,
			    u64 addr, u32 len)
{
	int i = 0;
	u32 part;

	for (; len; addr += part, len -= part) {
		struct page *page = mem->pages[addr >> PAGE_SHIFT];

		if (i == MAX_SKB_FRAGS)
			return -EMSGSIZE;
		part = min_t(u32, len, PAGE_SIZE - offset_in_page(addr));
		get_page(page);
		skb_add_rx_frag(skb, i++, page, offset_in_page(addr), part,
				part);
	}
	return 0;
}

static int iou_tx_build(struct iou_tx *tx, struct net_device *dev)
{
	const struct iou_region *r = tx->q->att.region;
	u32 linear = min(tx->len, IOU_TX_LINEAR);
	struct sk_buff *skb;

	skb = alloc_skb(LL_RESERVED_SPACE(dev) + linear + dev->needed_tailroom,
			GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return -ENOMEM;
	skb_reserve(skb, LL_RESERVED_SPACE(dev));
	skb_put_data(skb, iou_ptr(r, tx->addr), linear);
	skb->dev = dev;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = dev_parse_header_protocol(skb);

	if (iou_tx_add_frags(skb, &r->mem, tx->addr + linear,
			     tx->len - linear) ||
	    (tx->len > READ_ONCE(dev->mtu) + dev->hard_header_len &&
	     skb->protocol != htons(ETH_P_8021Q))) {
		kfree_skb(skb);
		return iou_tx_refuse(tx, -EMSGSIZE, IO_UNIFIED_REASON_TX_LEN);
	}

	if (tx->len == linear)
		tx->copied = true;
	refcount_inc(&tx->ubuf.refcnt);
	skb_zcopy_init(skb, &tx->ubuf);
	tx->skb = skb;
	return 0;
}

static int iou_tx_xmit(struct iou_netq *q, struct iou_tx *tx)
{
	struct iou_txq *t = &q->tx;
	struct sk_buff *skb = tx->skb;
	int ret;

	tx->skb = NULL;
	spin_lock_bh(&t->lock);
	/* Before it can come back */
	tx->since = jiffies;
	list_add_tail(&tx->node, &t->flight);
	if (!delayed_work_pending(&t->work))
		queue_delayed_work(iou_net_wq, &t->work, IOU_TX_TIMEOUT);
	spin_unlock_bh(&t->lock);

	ret = __dev_direct_xmit(skb, q->queue);
	if (ret == NETDEV_TX_BUSY) {
		tx->skb = skb;
		spin_lock_bh(&t->lock);
		list_del_init(&tx->node);
		spin_unlock_bh(&t->lock);
		return -EBUSY;
	}
	WRITE_ONCE(t->moved, jiffies);
	if (ret != NETDEV_TX_OK && ret != NET_XMIT_CN)
		iou_tx_refuse(tx, -ENOBUFS, IO_UNIFIED_REASON_TX_DROPPED);
	return 0;
}

/*
 * Hand a packet to the device. -EBUSY: later. Whoever takes the device down or
 * away waits until nobody is in here with bottom halves off.
 */
static int iou_tx_one(struct iou_netq *q, struct iou_tx *tx)
{
	struct net_device *dev;
	int ret;

	local_bh_disable();
	dev = READ_ONCE(q->dev);
	ret = iou_tx_check(tx, dev);
	if (!ret && !tx->skb)
		ret = iou_tx_build(tx, dev);
	if (!ret)
		ret = iou_tx_xmit(q, tx);
	local_bh_enable();
	if (ret == -EBUSY || ret == -ENOMEM)
		return -EBUSY;
	return 0;
}

void iou_tx_fail(struct iou_tx *tx, int error, u16 reason)
{
	iou_tx_refuse(tx, error, reason);
	if (tx->skb)
		kfree_skb(tx->skb);
	tx->skb = NULL;
	iou_tx_put(tx);
}

/* ------------------------------------------------------------- the queue */

/* The device is busy: @tx is the first to go when it is not. */
static void iou_tx_back(struct iou_netq *q, struct iou_tx *tx)
{
	struct iou_txq *t = &q->tx;
	bool closed;

	spin_lock_bh(&t->lock);
	closed = t->closed;
	if (!closed) {
		list_add(&tx->node, &t->waiting);
		tx->queued = true;
		t->timed += !!tx->time;
		t->busy = true;
		mod_delayed_work(iou_net_wq, &t->work, 1);
	}
	spin_unlock_bh(&t->lock);
	if (closed)
		iou_tx_fail(tx, -ECANCELED, IO_UNIFIED_REASON_GONE);
}

void iou_tx_run(struct iou_netq *q)
{
	struct iou_txq *t = &q->tx;
	int budget = IOU_TX_BUDGET;
	struct iou_tx *tx;
	u64 now = 0;

	for (;;) {
		spin_lock_bh(&t->lock);
		tx = list_first_entry_or_null(&t->waiting, struct iou_tx, node);
		if (!tx || t->closed) {
			t->running = false;
			spin_unlock_bh(&t->lock);
			return;
		}
		if (!budget--) {
			t->busy = true;
			mod_delayed_work(iou_net_wq, &t->work, 0);
			spin_unlock_bh(&t->lock);
			return;
		}
		if (unlikely(tx->time > now) &&
		    iou_txq_hold(t, tx->time, &now)) {
			spin_unlock_bh(&t->lock);
			return;
		}
		list_del_init(&tx->node);
		tx->queued = false;
		t->timed -= !!tx->time;
		spin_unlock_bh(&t->lock);

		if (iou_tx_one(q, tx)) {
			iou_tx_back(q, tx);
			return;
		}
		if (tx->skb)
			kfree_skb(tx->skb);
		iou_tx_put(tx);
	}
}

void iou_tx_init(struct iou_tx *tx)
{
	iou_ubuf_init(&tx->ubuf, &iou_tx_ubuf_ops);
	INIT_LIST_HEAD(&tx->node);
	tx->skb = NULL;
	tx->since = jiffies;
	tx->error = 0;
	tx->reason = IO_UNIFIED_REASON_NONE;
	tx->queued = false;
	tx->copied = false;
	tx->lent = false;
}

bool iou_tx_send(struct iou_tx *tx)
{
	struct iou_netq *q = tx->q;
	struct iou_txq *t = &q->tx;
	bool run = false, closed, waits;

	iou_tx_init(tx);
	/* The queue may end with its last packet. */
	percpu_ref_get(&q->att.refs);
	spin_lock_bh(&t->lock);
	closed = t->closed;
	waits = !closed && t->timed;
	if (likely(!closed && !waits)) {
		run = !t->running;
		list_add_tail(&tx->node, &t->waiting);
		t->running = true;
		t->used = true;
	}
	spin_unlock_bh(&t->lock);

	if (unlikely(closed))
		iou_tx_fail(tx, -ECANCELED, IO_UNIFIED_REASON_GONE);
	else if (run)
		iou_tx_run(q);
	iou_att_put(&q->att);
	return !waits;
}

/* ---------------------------------------------------------------- the end */

/* End what waits, if it was handed in before @before. */
static void iou_txq_end_waiting(struct iou_txq *t, unsigned long before,
				int error, u16 reason)
{
	struct iou_tx *tx, *next;
	LIST_HEAD(ended);

	spin_lock_bh(&t->lock);
	list_for_each_entry_safe(tx, next, &t->waiting, node) {
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
		iou_tx_over(tx);
		iou_tx_put(tx);
	}
}

void iou_txq_purge(struct iou_netq *q, int error, u16 reason)
{
	unsigned long all = jiffies + IOU_TX_TIMEOUT;

	iou_txq_end_waiting(&q->tx, all, error, reason);
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
		iou_txq_end_waiting(t, before, -ETIMEDOUT,
				    IO_UNIFIED_REASON_TX_TIMEOUT);
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
	unsigned int ms;

	if (!t->used)
		return;

	/* Who did not see that is through, and does not use the device either. */
	synchronize_net();
	cancel_delayed_work_sync(&t->work);
	hrtimer_cancel(&t->timer);
	iou_txq_end_waiting(t, jiffies + IOU_TX_TIMEOUT, -ECANCELED,
			    IO_UNIFIED_REASON_GONE);
	for (ms = 0; ms < IOU_TX_LINGER_MS && !iou_txq_idle(t); ms++)
		usleep_range(500, 1000);
	iou_txq_purge(q, -ECANCELED, IO_UNIFIED_REASON_GONE);
}

void iou_txq_init(struct iou_txq *t)
{
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->waiting);
	INIT_LIST_HEAD(&t->flight);
	INIT_DELAYED_WORK(&t->work, iou_tx_work);
	iou_txq_init_time(t);
	t->moved = jiffies;
}
