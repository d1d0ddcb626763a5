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

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct iou_netq;

/* Packets that go to the device at once */
#define IOU_TX_BATCH 32

/* Pages for the linear parts of packets that a device may have, at most */
#define IOU_TX_HEADS 256

/* When the interface has copied so many in a row, we do. */
#define IOU_TX_COPIES 64u

/**
 * struct iou_tx - a packet on its way out, in its owner's memory
 * @ubuf: what the kernel knows of the packet's pages; its references are the
 *	packet's, ours while we send it, and that of who gives it up
 * @node: in iou_txq.waiting or .flight
 * @back: in iou_txq.back
 * @rcu: to free it when it was @lent
 * @q: the queue; it is the owner's to keep. Set by the owner, as are @addr,
 *	@len, @time, @sent, @sent_many and @free
 * @skb: the packet, while the device is too busy to take it
 * @since: when it was handed to us, then to the device; in jiffies
 * @addr: byte offset in the region
 * @time: it is not sent before, CLOCK_MONOTONIC in ns; 0 = at once
 * @len: bytes
 * @error: 0, or -errno with @reason
 * @reason: enum io_unified_reason
 * @queued: it is in iou_txq.waiting, and can be recalled; under iou_txq.lock
 * @watched: we are told when nothing refers to its bytes any more
 * @orphaned: the interface copied them
 * @copied: the CPU copied the payload
 * @lent: it was given up: the device may still read the pages, and this memory
 *	is not the owner's before @free
 * @sent: it is over. Called once, maybe before iou_tx_send() returns; process
 *	context or softirq, maybe with the device's transmit lock: the next one
 *	is not sent from here. The owner may be gone by the time it returns,
 *	unless @lent
 * @sent_many: the same for the first of many, none of them @lent; returns for how many,
 *	which have the same @sent_many. May be NULL
 * @free: after @sent with @lent: take the memory back. Softirq; the queue and
 *	the region may be gone
 */
struct iou_tx {
	struct ubuf_info ubuf;
	struct list_head node;
	union {
		struct llist_node back;
		struct rcu_head rcu;
	};
	struct iou_netq *q;
	struct sk_buff *skb;
	unsigned long since;
	u64 addr;
	u64 time;
	u32 len;
	int error;
	u16 reason;
	bool queued;
	bool watched;
	bool orphaned;
	bool copied;
	bool lent;
	void (*sent)(struct iou_tx *tx);
	u32 (*sent_many)(struct iou_tx **txs, u32 n);
	void (*free)(struct iou_tx *tx);
};

/**
 * struct iou_txq - the sending half of a queue
 * @lock: _bh; everything here
 * @waiting: not with the device yet, first to last
 * @flight: with the device, first to last
 * @back: nothing refers to them any more, last to first; without @lock
 * @reaper: ends those in @back, all that the device gave back at once
 * @work: sends what waits, gives up what takes too long
 * @timer: sends what waits, from the time of the first on
 * @moved: when the device last took a packet, or the time of the first had come, in
 *	jiffies; without @lock
 * @timed: packets in @waiting that have a time
 * @copies: packets in a row that the interface copied, at least; without @lock
 * @unmarked: packets that we copied since the last that tells when it is back; whoever
 *	is @running alone
 * @heads: pages for linear parts, on each of which we have a reference; whoever is
 *	@running alone uses them
 * @nr_heads: how many
 * @next_head: which was not used for the longest time
 * @running: somebody sends what waits: a caller, @work or @timer
 * @busy: it is @work that does, when the device has room again
 * @held: it is @timer that does
 * @closed: nothing is sent any more
 * @used: something was sent
 * @has_times: a packet had a time, and another one may any moment; without @lock
 * @streaming: it has a stream
 */
struct iou_txq {
	spinlock_t lock; /* see above */
	struct list_head waiting;
	struct list_head flight;
	struct llist_head back;
	struct tasklet_struct reaper;
	struct delayed_work work;
	struct hrtimer timer;
	unsigned long moved;
	u32 timed;
	u32 copies;
	u32 unmarked;
	struct page *heads[IOU_TX_HEADS];
	u32 nr_heads;
	u32 next_head;
	bool running;
	bool busy;
	bool held;
	bool closed;
	bool used;
	bool has_times;
	bool streaming;
};

void iou_txq_init(struct iou_txq *t);
void iou_txq_exit(struct iou_txq *t);

/*
 * Send a packet, in the order of the calls. It always ends with sent(). Softirq
 * or process context. False: nothing happened, it has to wait for a packet that has a
 * time. @tx itself has none.
 */
bool iou_tx_send(struct iou_tx *tx);
/* The same for up to IOU_TX_BATCH; the caller has a reference on @q. */
bool iou_tx_send_many(struct iou_netq *q, struct iou_tx **txs, u32 n);

/*
 * tx_time.c: a packet that may have to wait, in three steps. iou_tx_queue() puts it
 * at the end: 0, or -ECANCELED (_GONE) with *reason. It may be called under a lock
 * of the owner's. From then on iou_tx_recall() takes it back: true, it is the
 * owner's to end by iou_tx_fail(); false, it ends by itself, or has. iou_tx_kick()
 * sends what is due.
 */
int iou_tx_queue(struct iou_tx *tx, u16 *reason);
void iou_tx_kick(struct iou_netq *q);
bool iou_tx_recall(struct iou_tx *tx);
/* One reference less; with the last it is over. Any context but hardirq. */
void iou_tx_put(struct iou_tx *tx);
/* The same for some of one queue, not more than IOU_TX_BATCH; @txs is written to. */
void iou_tx_put_many(struct iou_tx **txs, u32 n);
/* It was not sent, and will not be. */
void iou_tx_fail(struct iou_tx *tx, int error, u16 reason);

/*
 * tx_xmit.c: give packets to the driver, in order, with bottom halves off. Returns
 * how many it took or are refused, which iou_tx.error tells; the others have to wait.
 */
u32 iou_tx_hand_over(struct iou_netq *q, struct iou_tx **txs, u32 n);
int iou_tx_refuse(struct iou_tx *tx, int error, u16 reason);

/* For tx_time.c and tx.c alone. */
void iou_tx_init(struct iou_tx *tx);
/* Send what waits. The caller has set iou_txq.running. */
void iou_tx_run(struct iou_netq *q);
/* Under iou_txq.lock: is it too early, by *now or later? Then the timer goes on. */
bool iou_txq_hold(struct iou_txq *t, u64 time, u64 *now);
/* Under iou_txq.lock: the first is another one now. */
void iou_txq_unhold(struct iou_txq *t);
void iou_txq_init_time(struct iou_txq *t);

/* Is there a packet that waits for its time? Without a lock, so only a hint. */
static inline bool iou_txq_waits(const struct iou_txq *t)
{
	return READ_ONCE(t->timed);
}

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
