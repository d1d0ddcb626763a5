/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Network transmit: packets of the region on their way out
 *
 * A packet's bytes stay where they are: what is sent refers to the region's
 * pages. So a send is over when nothing refers to them any more, and then its
 * owner is told.
 */
#ifndef IOU_TX_H
#define IOU_TX_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct iou_netq;

/**
 * struct iou_tx - a packet on its way out, in its owner's memory
 * @ubuf: what the kernel knows of the packet's pages; its references are the
 *	packet's, ours while we send it, and that of who gives it up
 * @node: in iou_txq.waiting or .flight
 * @rcu: to free it when it was @lent
 * @q: the queue; it is the owner's to keep. Set by the owner, as are @addr,
 *	@len, @sent and @free
 * @skb: the packet, while the device is too busy to take it
 * @since: when it was handed to us, then to the device; in jiffies
 * @addr: byte offset in the region
 * @len: bytes
 * @error: 0, or -errno with @reason
 * @reason: enum io_unified_reason
 * @copied: the CPU copied the payload
 * @lent: it was given up: the device may still read the pages, and this memory
 *	is not the owner's before @free
 * @sent: it is over. Called once, maybe before iou_tx_send() returns; process
 *	context or softirq, maybe with the device's transmit lock: the next one
 *	is not sent from here. The owner may be gone by the time it returns,
 *	unless @lent
 * @free: after @sent with @lent: take the memory back. Softirq; the queue and
 *	the region may be gone
 */
struct iou_tx {
	struct ubuf_info ubuf;
	struct list_head node;
	struct rcu_head rcu;
	struct iou_netq *q;
	struct sk_buff *skb;
	unsigned long since;
	u64 addr;
	u32 len;
	int error;
	u16 reason;
	bool copied;
	bool lent;
	void (*sent)(struct iou_tx *tx);
	void (*free)(struct iou_tx *tx);
};

/**
 * struct iou_txq - the sending half of a queue
 * @lock: _bh; everything here
 * @waiting: not with the device yet, first to last
 * @flight: with the device, first to last
 * @work: sends what waits, gives up what takes too long
 * @moved: when the device last took a packet, in jiffies; without @lock
 * @running: somebody sends what waits: a caller, or @work
 * @busy: it is @work that does, when the device has room again
 * @closed: nothing is sent any more
 * @used: something was sent
 */
struct iou_txq {
	spinlock_t lock; /* see above */
	struct list_head waiting;
	struct list_head flight;
	struct delayed_work work;
	unsigned long moved;
	bool running;
	bool busy;
	bool closed;
	bool used;
};

void iou_txq_init(struct iou_txq *t);

/*
 * Send a packet, in the order of the calls. It always ends with sent(). Softirq
 * or process context.
 */
void iou_tx_send(struct iou_tx *tx);

/*
 * Everything that has not been sent ends, and what the device still has is given
 * up. The device must have been down since a grace period ago.
 */
void iou_txq_purge(struct iou_netq *q, int error, u16 reason);
/* From now on nothing is sent: what comes ends with -ECANCELED. */
void iou_txq_close(struct iou_netq *q);
/* And what came ends too, after it was closed. Process context, may sleep. */
void iou_txq_stop(struct iou_netq *q);

#endif /* IOU_TX_H */
