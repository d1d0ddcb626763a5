/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Network receive: frames of the region that wait for packets
 *
 * A receive queue (struct iou_netq) takes frames that their owner posts, has
 * the NIC (AF_XDP) or itself (rx handler) fill them, and gives each filled
 * frame back to the owner that posted it. The slot of a frame in
 * iou_netq.owners decides who has it: whoever clears the slot, under
 * iou_netq.lock, owns the frame from then on. What is sent to the queue is in
 * tx.h.
 */
#ifndef IOU_NET_H
#define IOU_NET_H

#include <linux/bpf.h>
#include <linux/netdevice.h>

#include "iou.h"
#include "tx.h"

/* Bytes in front of a packet: room for bpf_xdp_adjust_head(), pcapng headers */
#define IOU_NET_HEADROOM XDP_PACKET_HEADROOM

/**
 * struct iou_rx_pkt - a packet in its frame
 * @addr: byte offset of its first byte in the region
 * @tstamp: when it was received, ns since 1970
 * @frame: number of its frame
 * @len: bytes in the frame
 * @orig_len: bytes on the wire
 * @copied: the CPU copied it into the region
 */
struct iou_rx_pkt {
	u64 addr;
	u64 tstamp;
	u32 frame;
	u32 len;
	u32 orig_len;
	bool copied;
};

struct iou_netq;

/**
 * struct iou_rx_owner - an op or a stream that posts frames
 * @received: a posted frame was filled; it is the owner's again. Called in
 *	softirq (bottom halves off), without iou_netq.lock; may post frames.
 *	The owner may be freed by the time it returns: touch it no more
 * @failed: the queue cannot fill @frame any more; @error and @reason say why
 *	(-ENETDOWN, -ENODEV). The frame is the owner's again. Process context
 *	or softirq, without iou_netq.lock. The owner may be gone afterwards
 */
struct iou_rx_owner {
	void (*received)(struct iou_rx_owner *o, struct iou_netq *q,
			 const struct iou_rx_pkt *pkt);
	void (*failed)(struct iou_rx_owner *o, struct iou_netq *q, u32 frame,
		       int error, u16 reason);
};

struct iou_netq_ops;
struct iou_xsk_tx;

/**
 * struct iou_netq - a queue of a device, to receive from and to send to
 * @att: the attachment
 * @ops: AF_XDP, rx handler, or nothing is received
 * @priv: theirs
 * @dev: the device, NULL when it is gone. Outside of net.c with READ_ONCE() in
 *	an RCU read-side section, or not at all
 * @ifindex: of the device when it was attached
 * @name: the same
 * @queue: its number
 * @path: enum io_unified_path
 * @send_only: nothing is received: the queue is not ours alone
 * @in_driver: packets are dropped in front of AF_XDP by the driver
 * @streaming: a stream feeds from the queue: a packet that finds no frame is
 *	counted as DROP_NO_FRAME, not as DROP_NO_OP. Set by stream.c
 * @lock: _bh; @owners, @held, @posted, @error, @reason, and the posting half of
 *	@priv
 * @owners: by frame: who posted it, or NULL
 * @held: by frame: the NIC still has it although it was recalled
 * @posted: frames that have an owner
 * @error: -ENETDOWN, -ENODEV: nothing can be posted, and @reason says why
 * @rx_lock: serialises the owners' received() where NAPI does not
 * @node: in net.c's list of queues
 * @attaching: @ops is not set yet: the notifier leaves the queue to attach
 * @tx: the sending half
 * @xsk_tx: the NIC reads packets from the frames, or NULL; set by xsk.c
 * @nic_base: what the device had dropped already when the queue was attached
 * @nic_drops: what it dropped since, when it is gone
 */
struct iou_netq {
	struct iou_att att;
	const struct iou_netq_ops *ops;
	void *priv;
	struct net_device *dev;
	u32 ifindex;
	char name[IFNAMSIZ];
	u32 queue;
	u32 path;
	bool send_only;
	bool in_driver;
	bool streaming;
	spinlock_t lock; /* see above */
	struct iou_rx_owner **owners;
	unsigned long *held;
	u32 posted;
	int error;
	u16 reason;

	spinlock_t rx_lock; /* see above */
	struct list_head node;
	bool attaching;
	struct iou_txq tx;
	struct iou_xsk_tx *xsk_tx;
	u64 nic_base;
	u64 nic_drops;
};

static inline struct iou_netq *iou_att_netq(struct iou_att *att)
{
	return container_of(att, struct iou_netq, att);
}

/* Attaches; fills arg's output, or arg->reason and an error pointer. */
struct iou_att *iou_net_attach(struct iou_region *r,
			       struct io_unified_attach *arg);

/*
 * Post a frame. 0, or -EBUSY (_FRAME_BUSY: posted already), -ENOBUFS (the fill
 * ring is full), -ENETDOWN, -ENODEV, -EOPNOTSUPP (_SEND_ONLY) with *reason. Any
 * context but hardirq.
 */
int iou_net_post(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner,
		 u16 *reason);
/*
 * After a burst of posts outside of received(): show the frames to the driver,
 * and wake it if it sleeps. Process context.
 */
void iou_net_kick(struct iou_netq *q);

/*
 * Take a posted frame back. True: the caller owns it, received() and failed()
 * will not be called for it. False: it has been or is being handed out. With
 * AF_XDP the NIC may still write into a recalled frame until it is filled or
 * the attachment ends; what arrives is counted as dropped.
 */
bool iou_net_recall(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner);

/*
 * The region goes: no attachment of it sends any more, and what is to be sent
 * ends. Under iou_file.lock.
 */
void iou_net_stop_sending(struct iou_region *r);

int iou_net_init(void);
void iou_net_exit(void);

#endif /* IOU_NET_H */
