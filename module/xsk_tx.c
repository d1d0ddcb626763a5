// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit through the AF_XDP socket that receives on the same queue
 *
 * A descriptor in the transmit ring is a reference on its packet, as a socket buffer
 * would be: it goes when the completion ring says that the NIC is done, which it does
 * in the order of the transmit ring. So a packet ends, is given up and lent as any
 * other.
 *
 * There is no event for the completion ring. It is looked at when the NIC takes
 * packets, before others are handed in, and by a timer while it has any.
 */
#include <linux/ktime.h>

#include "compat/net.h"
#include "netq.h"
#include "xsk_tx.h"

/* How often the timer looks, in ns; not that often where nothing happens */
#define IOU_XSK_TX_LOOK (50 * NSEC_PER_USEC)
#define IOU_XSK_TX_LOOK_IDLE (2 * NSEC_PER_MSEC)
#define IOU_XSK_TX_IDLE 20

/* How many the NIC may have. */
static u32 iou_xsk_tx_out(const struct iou_xsk_tx *x)
{
	/* Who sends sees that a slot was read before it fills it again, */
	u32 done = smp_load_acquire(&x->done.own);

	/* and who takes back sees what the slot was filled with. */
	return smp_load_acquire(&x->tx.own) - done;
}

static struct iou_tx **iou_xsk_tx_slot(struct iou_xsk_tx *x, u32 i)
{
	return &x->txs[i & (IOU_XSK_TX_RING - 1)];
}

static u64 iou_xsk_tx_addr(const struct iou_tx *tx)
{
	return tx->addr - tx->q->att.region->data_off;
}

/* Under the lock: some that are over. */
static u32 iou_xsk_tx_take(struct iou_xsk_tx *x, struct iou_tx **over, u32 max)
{
	const u64 *addrs = x->done.desc;
	u32 n = iou_ring_ready(&x->done);
	u32 i;

	/* Nothing that the kernel writes says that it sent what it does not have. */
	if (unlikely(n > iou_xsk_tx_out(x))) {
		iou_count(x->q->att.stats, IO_UNIFIED_STAT_ERRORS, 1);
		return 0;
	}
	n = min(n, max);
	for (i = 0; i < n; i++) {
		u32 at = x->done.own + i;
		struct iou_tx **slot = iou_xsk_tx_slot(x, at);
		u64 addr = READ_ONCE(addrs[at & (x->done.entries - 1)]);

		if (unlikely(addr != iou_xsk_tx_addr(*slot))) {
			iou_count(x->q->att.stats, IO_UNIFIED_STAT_ERRORS, 1);
			break;
		}
		over[i] = *slot;
	}
	iou_ring_consume(&x->done, i);
	return i;
}

void iou_xsk_tx_drain(struct iou_xsk_tx *x)
{
	struct iou_tx *over[IOU_TX_BATCH];
	u32 n;

	do {
		spin_lock_bh(&x->lock);
		n = x->on ? iou_xsk_tx_take(x, over, ARRAY_SIZE(over)) : 0;
		if (n)
			x->idle = 0;
		spin_unlock_bh(&x->lock);
		iou_tx_put_many(over, n);
	} while (n == ARRAY_SIZE(over));
}

static void iou_xsk_tx_watch(struct iou_xsk_tx *x)
{
	u64 ns = x->idle < IOU_XSK_TX_IDLE ? IOU_XSK_TX_LOOK :
					     IOU_XSK_TX_LOOK_IDLE;

	if (!hrtimer_is_queued(&x->timer))
		hrtimer_start(&x->timer, ns_to_ktime(ns),
			      HRTIMER_MODE_REL_SOFT);
}

static enum hrtimer_restart iou_xsk_tx_look(struct hrtimer *timer)
{
	struct iou_xsk_tx *x = container_of(timer, struct iou_xsk_tx, timer);

	x->idle++;
	iou_xsk_tx_drain(x);
	spin_lock_bh(&x->lock);
	if (x->on && iou_xsk_tx_out(x))
		iou_xsk_tx_watch(x);
	spin_unlock_bh(&x->lock);
	return HRTIMER_NORESTART;
}

/* ---------------------------------------------------------------- sending */

bool iou_xsk_tx_fits(const struct iou_xsk_tx *x, const struct iou_tx *tx)
{
	u32 size = iou_frame_size(x->q->att.region);

	return tx->len <= size - (iou_xsk_tx_addr(tx) & (size - 1));
}

bool iou_xsk_tx_is_empty(const struct iou_xsk_tx *x)
{
	/* What was taken is in the NIC's queue by then. */
	return smp_load_acquire(x->tx.consumer) == x->tx.own;
}

u32 iou_xsk_tx_put(struct iou_xsk_tx *x, struct net_device *dev,
		   struct iou_tx **txs, u32 n)
{
	struct xdp_desc *descs = x->tx.desc;
	u32 i;

	iou_xsk_tx_drain(x);
	n = min(n, IOU_XSK_TX_RING - iou_xsk_tx_out(x));
	if (!n)
		return 0;

	for (i = 0; i < n; i++) {
		struct xdp_desc *desc =
			&descs[(x->tx.own + i) & (x->tx.entries - 1)];

		refcount_inc(&txs[i]->ubuf.refcnt);
		txs[i]->copied = false;
		*iou_xsk_tx_slot(x, x->tx.own + i) = txs[i];
		WRITE_ONCE(desc->addr, iou_xsk_tx_addr(txs[i]));
		WRITE_ONCE(desc->len, txs[i]->len);
		WRITE_ONCE(desc->options, 0);
	}
	iou_count(x->q->att.stats, IO_UNIFIED_STAT_TX_XSK_PACKETS, n);
	/* Who consumes completions sees the packets before these. */
	smp_store_release(&x->tx.own, x->tx.own + n);
	iou_ring_publish(&x->tx);
	/* The driver sees them, or we see that it wants to be woken. */
	smp_mb();
	if (iou_ring_need_wakeup(&x->tx))
		dev->netdev_ops->ndo_xsk_wakeup(dev, x->q->queue,
						XDP_WAKEUP_TX);
	spin_lock_bh(&x->lock);
	x->idle = 0;
	iou_xsk_tx_watch(x);
	spin_unlock_bh(&x->lock);
	return n;
}

/* ---------------------------------------------------------------- the end */

void iou_xsk_tx_stop(struct iou_xsk_tx *x)
{
	struct iou_tx *tx;

	spin_lock_bh(&x->lock);
	x->on = false;
	spin_unlock_bh(&x->lock);
	hrtimer_cancel(&x->timer);

	/* They were given up, and nobody will tell that they are over. */
	for (; iou_xsk_tx_out(x); x->done.own++) {
		tx = *iou_xsk_tx_slot(x, x->done.own);
		iou_tx_put(tx);
	}
}

void iou_xsk_tx_exit(struct iou_xsk_tx *x)
{
	iou_ring_unmap(&x->tx);
	iou_ring_unmap(&x->done);
}

void iou_xsk_tx_init(struct iou_xsk_tx *x, struct iou_netq *q)
{
	x->q = q;
	spin_lock_init(&x->lock);
	hrtimer_setup(&x->timer, iou_xsk_tx_look, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_SOFT);
}
