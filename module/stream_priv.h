/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of a stream share */
#ifndef IOU_STREAM_PRIV_H
#define IOU_STREAM_PRIV_H

#include "net.h"
#include "storage.h"
#include "stream.h"
#include "waiting.h"

struct iou_prog;
struct iou_stream;

/**
 * struct iou_batch_pkt - a packet of a batch
 * @addr: where it is in the region
 * @cookie: as the program left it
 * @frame: its frame
 */
struct iou_batch_pkt {
	u64 addr;
	u64 cookie;
	u32 frame;
};

/**
 * struct iou_batch - frames that make one write
 * @io: the write
 * @node: in one of the stream's lists
 * @s: the stream
 * @lane: where it goes
 * @dev_offset: byte offset in the lane's window
 * @bytes: to write
 * @nr_pkts: packets in @pkts
 * @nr_bv: slices in @bv
 * @due: when it is written, if it is not full before, jiffies
 * @copied: the CPU copied at least one packet
 * @realigned: at least one packet was moved in its frame
 * @pkts: the packets
 * @bv: the memory
 */
struct iou_batch {
	struct iou_io io;
	struct list_head node;
	struct iou_stream *s;
	struct iou_lane *lane;
	u64 dev_offset;
	u32 bytes;
	u32 nr_pkts;
	u32 nr_bv;
	unsigned long due;
	bool copied;
	bool realigned;
	struct iou_batch_pkt *pkts;
	struct bio_vec *bv;
};

/**
 * struct iou_lane - a storage attachment that a stream appends to
 * @st: the attachment, referenced; NULL while no packet went there
 * @next: where the next frame goes
 * @end: behind the last byte that the stream may write
 * @seq: number of the next frame
 * @open: the batch that fills
 * @fail_at: first byte that could not be written
 */
struct iou_lane {
	struct iou_storage *st;
	u64 next;
	u64 end;
	u64 seq;
	struct iou_batch *open;
	u64 fail_at;
};

/**
 * struct iou_stream - a stream
 * @lock: all that changes below, _bh
 * @done_lock: @done, _irqsave
 * @posted: frames that wait for a packet or whose packet is being handed over
 * @busy: batches that are not free
 * @written: packets on storage
 * @received: packets that came in
 * @accepted: packets that were put into a batch
 * @dropped: packets lost
 * @fold: packets of CQ entries that had no room yet
 * @stopping: no more packets; @res and @reason say why
 * @recalled: the frames were taken back from the queue
 * @taken: somebody cancels, under iou_file.wait_lock
 * @canceled: and is done with it
 */
struct iou_stream {
	struct iou_rx_owner rx;
	struct iou_waiter waiter;
	struct io_uring_cmd *cmd;
	bool burst;
	struct iou_pair *pair;
	struct iou_region *r;
	struct iou_netq *nq;
	struct iou_prog *prog;
	struct io_unified_desc d;
	struct io_unified_stream p;
	u32 first_frame;
	u32 nr_frames;
	u32 reserve; /* frames that stay with the NIC */
	u32 per_batch; /* frames */
	u32 max_bv;
	bool streaming; /* the queue is ours */

	spinlock_t lock; /* see above */
	struct iou_lane lanes[IOU_MAX_ATTACHMENTS];
	struct list_head free;
	struct list_head ready;
	u32 posted;
	u32 busy;
	u64 written;
	u64 received;
	u64 accepted;
	u64 dropped;
	u64 fold;
	s32 res;
	u16 reason;
	u16 nvme_status;
	bool stopping;
	bool recalled;
	bool taken;
	bool canceled;

	spinlock_t done_lock; /* see above */
	struct list_head done;
	struct work_struct work;
	struct delayed_work flush;
	struct iou_batch *batches;
	struct rcu_head rcu;
};

/* Under s->lock: no more packets. The first to say why is believed. */
void iou_stream_stop(struct iou_stream *s, int res, u16 reason);
/* Under s->lock: have the worker look at the stream. */
void iou_stream_kick(struct iou_stream *s);
/* Under s->lock: post a frame that nobody uses. */
int iou_stream_post(struct iou_stream *s, u32 frame, u16 *reason);
/* The same with one that comes back. A queue that takes it no more ends the stream. */
void iou_stream_post_again(struct iou_stream *s, u32 frame);

/* stream_rx.c: from a packet to a batch */
void iou_stream_received(struct iou_rx_owner *o, struct iou_netq *q,
			 const struct iou_rx_pkt *pkt);
/* The lane of a storage attachment, set up on first use. Under s->lock. */
struct iou_lane *iou_stream_lane(struct iou_stream *s, u16 index,
				 struct iou_storage *st, u16 *reason);
/* Under s->lock: a batch that fills goes to the worker as it is. */
void iou_stream_close_batch(struct iou_stream *s, struct iou_lane *lane);

#endif /* IOU_STREAM_PRIV_H */
