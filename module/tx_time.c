// SPDX-License-Identifier: GPL-2.0
/*
 * Network transmit: packets that wait for their time
 *
 * Packets of a queue leave in order. So only the first that waits has a say: whoever
 * sends what waits and comes to one whose time has not come starts the timer and
 * leaves the rest to it. When the first is another one, because that one was taken
 * back or ended, the timer looks again.
 *
 * A packet may wait for long, so it is its owner's to take back, and so is each that
 * stands behind it.
 */
#include <linux/ktime.h>

#include "compat/net.h"
#include "netq.h"

bool iou_txq_hold(struct iou_txq *t, u64 time, u64 *now)
{
	*now = ktime_get_ns();
	if (time <= *now)
		return false;
	t->held = true;
	hrtimer_start(&t->timer, ns_to_ktime(time), HRTIMER_MODE_ABS_SOFT);
	return true;
}

void iou_txq_unhold(struct iou_txq *t)
{
	if (t->held && !t->closed)
		hrtimer_start(&t->timer, 0, HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart iou_txq_due(struct hrtimer *timer)
{
	struct iou_txq *t = container_of(timer, struct iou_txq, timer);
	struct iou_netq *q = container_of(t, struct iou_netq, tx);
	bool run;

	spin_lock_bh(&t->lock);
	run = t->held;
	t->held = false;
	/* What the device keeps waiting has waited since now. */
	if (run)
		WRITE_ONCE(t->moved, jiffies);
	spin_unlock_bh(&t->lock);
	if (run)
		iou_tx_run(q);
	return HRTIMER_NORESTART;
}

int iou_tx_queue(struct iou_tx *tx, u16 *reason)
{
	struct iou_txq *t = &tx->q->tx;
	bool closed;

	iou_tx_init(tx);
	spin_lock_bh(&t->lock);
	closed = t->closed;
	if (!closed) {
		list_add_tail(&tx->node, &t->waiting);
		tx->queued = true;
		t->timed += !!tx->time;
		t->used = true;
		if (tx->time)
			WRITE_ONCE(t->has_times, true);
	}
	spin_unlock_bh(&t->lock);
	if (!closed)
		return 0;
	*reason = IO_UNIFIED_REASON_GONE;
	return -ECANCELED;
}

void iou_tx_kick(struct iou_netq *q)
{
	struct iou_txq *t = &q->tx;
	bool run;

	spin_lock_bh(&t->lock);
	run = !t->running && !t->closed;
	if (run)
		t->running = true;
	spin_unlock_bh(&t->lock);
	if (run)
		iou_tx_run(q);
}

bool iou_tx_recall(struct iou_tx *tx)
{
	struct iou_txq *t = &tx->q->tx;
	bool recalled;

	spin_lock_bh(&t->lock);
	recalled = tx->queued;
	if (recalled) {
		list_del_init(&tx->node);
		tx->queued = false;
		t->timed -= !!tx->time;
		iou_txq_unhold(t);
	}
	spin_unlock_bh(&t->lock);
	return recalled;
}

void iou_txq_init_time(struct iou_txq *t)
{
	hrtimer_setup(&t->timer, iou_txq_due, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);
}
