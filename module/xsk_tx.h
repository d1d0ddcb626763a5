/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transmit through the AF_XDP socket that receives on the same queue
 *
 * Where the NIC writes into the frames it can read from them, too, and no socket
 * buffer is needed.
 */
#ifndef IOU_XSK_TX_H
#define IOU_XSK_TX_H

#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>

#include "xsk_ring.h"

struct iou_netq;
struct iou_tx;

/* Packets that the NIC may have; fewer than any ring of a NIC that can do this */
#define IOU_XSK_TX_RING 256u

/**
 * struct iou_xsk_tx - the sending half of an AF_XDP socket
 * @q: the queue
 * @tx: transmit ring: packets to the NIC; who is iou_txq.running produces
 * @done: completion ring: what the NIC has sent, in the order of @tx
 * @txs: packets by their place in @tx; each is referred to once
 * @lock: _bh; consuming @done
 * @timer: looks at @done, for which there is no event
 * @idle: times that it found nothing
 * @on: the socket is bound, and the NIC reads from the frames
 */
struct iou_xsk_tx {
	struct iou_netq *q;
	struct iou_ring tx;
	struct iou_ring done;
	struct iou_tx *txs[IOU_XSK_TX_RING];
	spinlock_t lock; /* see above */
	struct hrtimer timer;
	u32 idle;
	bool on;
};

void iou_xsk_tx_init(struct iou_xsk_tx *x, struct iou_netq *q);
/* Nothing is sent any more, and the NIC has let go of the frames. May sleep. */
void iou_xsk_tx_stop(struct iou_xsk_tx *x);
void iou_xsk_tx_exit(struct iou_xsk_tx *x);

/* What the NIC has sent is over. Softirq, or bottom halves off. */
void iou_xsk_tx_drain(struct iou_xsk_tx *x);

/* Can it go this way? The NIC reads a packet from one frame. */
bool iou_xsk_tx_fits(const struct iou_xsk_tx *x, const struct iou_tx *tx);
/* The NIC has taken all: what goes another way stays behind it. */
bool iou_xsk_tx_is_empty(const struct iou_xsk_tx *x);
/*
 * Give it packets that fit, in order. Returns how many it takes. Who is
 * iou_txq.running, bottom halves off, while @dev is running.
 */
u32 iou_xsk_tx_put(struct iou_xsk_tx *x, struct net_device *dev,
		   struct iou_tx **txs, u32 n);

#endif /* IOU_XSK_TX_H */
