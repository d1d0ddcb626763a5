/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the parts of networking: net.c has what all queues share, xsk.c and
 * rx_handler.c are the two ways to receive, xdp.c serves xsk.c. tx.c sends.
 */
#ifndef IOU_NETQ_H
#define IOU_NETQ_H

#include "net.h"

/* The list of queues, and each queue's @dev. Inside of rtnl. */
extern struct mutex iou_netqs_lock;

/* Not the system's: it is flushed while the caller waits. */
extern struct workqueue_struct *iou_net_wq;

/**
 * struct iou_netq_ops - a way to receive
 * @post: take @frame; under iou_netq.lock. 0 or -ENOBUFS
 * @recall: @frame was taken back from its owner; under iou_netq.lock
 * @kick: frames were posted; process context (may be NULL)
 * @stop: nothing is received any more when this returns. @dev is the device,
 *	or NULL where it is gone. Process context, without rtnl
 * @gone: the device is being unregistered; under rtnl (may be NULL)
 * @drops: packets that the kernel dropped in front of the queue so far; under
 *	iou_netqs_lock (may be NULL)
 * @release: free @priv
 */
struct iou_netq_ops {
	int (*post)(struct iou_netq *q, u32 frame);
	void (*recall)(struct iou_netq *q, u32 frame);
	void (*kick)(struct iou_netq *q);
	void (*stop)(struct iou_netq *q, struct net_device *dev);
	void (*gone)(struct iou_netq *q, struct net_device *dev);
	void (*drops)(struct iou_netq *q, u64 *dropped, u64 *ring_full);
	void (*release)(struct iou_netq *q);
};

/*
 * Hand a packet to the owner whose slot was cleared. Softirq; calls for one
 * queue must not run at the same time.
 */
void iou_netq_received(struct iou_netq *q, struct iou_rx_owner *owner,
		       const struct iou_rx_pkt *pkt);

/* Count a packet that reached the queue, and that it was dropped. */
void iou_netq_dropped(struct iou_netq *q, enum io_unified_stat why,
		      unsigned int len);

/* Clears the slot. Under iou_netq.lock. */
static inline struct iou_rx_owner *iou_netq_take(struct iou_netq *q, u32 frame)
{
	struct iou_rx_owner *owner = q->owners[frame];

	if (owner) {
		q->owners[frame] = NULL;
		WRITE_ONCE(q->posted, q->posted - 1);
	}
	return owner;
}

/* Both set q->ops, q->priv and q->path, or give -errno and *reason. */
int iou_xsk_attach(struct iou_netq *q, const struct io_unified_attach *arg,
		   u32 *reason);
int iou_rxh_attach(struct iou_netq *q, u32 *reason);

#endif /* IOU_NETQ_H */
