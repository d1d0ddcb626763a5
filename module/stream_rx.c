// SPDX-License-Identifier: GPL-2.0
/*
 * Streams, from a packet to a batch
 *
 * Runs in softirq for each packet: program, pcapng blocks around the packet,
 * into the batch of its lane. Nothing is allocated, nothing sleeps; what has
 * to wait for the drive is the worker's. When frames or batches run out the
 * packet is dropped here, counted, and its frame goes back to the NIC at once:
 * the NIC never runs dry, so that no packet is lost where nobody counts.
 */
#include <linux/nospec.h>

#include "bpf.h"
#include "main.h"
#include "pcapng.h"
#include "stream_priv.h"
#include "trace.h"

/* Where a program sent a packet. */
struct iou_stream_dest {
	struct iou_lane *lane;
	u64 offset;
	u64 cookie;
	bool append;
};

struct iou_lane *iou_stream_lane(struct iou_stream *s, u16 index,
				 struct iou_storage *st, u16 *reason)
{
	struct iou_lane *lane = &s->lanes[index];
	u32 frame_size = iou_frame_size(s->r);

	lane->st = st;
	/* Pairs with iou_att_unpublish(): it finds us, or we see it. */
	smp_mb();
	if (percpu_ref_is_dying(&st->att.refs)) {
		*reason = IO_UNIFIED_REASON_GONE;
		return NULL;
	}
	if (iou_storage_allowed(st, IOU_IO_WRITE, 0, 0, reason))
		return NULL;
	*reason = IO_UNIFIED_REASON_LAYOUT;
	if (frame_size & (((1U << st->block_shift) - 1) | st->dma_mask))
		return NULL;
	/* It is a multiple of the blocks of desc.storage, which may be smaller. */
	*reason = IO_UNIFIED_REASON_LBA_ALIGN;
	if (s->d.dev_offset & st->block_mask)
		return NULL;
	*reason = IO_UNIFIED_REASON_RANGE;
	if (s->d.dev_offset >= st->size)
		return NULL;
	lane->next = s->d.dev_offset;
	lane->end = min(s->d.dev_offset + s->p.range_len, st->size);
	lane->seq = 0;
	lane->fail_at = U64_MAX;
	return lane;
}

static struct iou_lane *iou_stream_pick_lane(struct iou_stream *s, u16 index,
					     u16 *reason)
{
	struct iou_lane *lane;
	struct iou_att *att;

	*reason = IO_UNIFIED_REASON_CTL_INDEX;
	if (index >= IOU_MAX_ATTACHMENTS)
		return NULL;
	index = array_index_nospec(index, IOU_MAX_ATTACHMENTS);
	lane = &s->lanes[index];
	if (lane->st) {
		/* A lane that could not be set up stays unusable. */
		return lane->end ? lane : NULL;
	}
	att = iou_att_get(s->r, IO_UNIFIED_KIND_STORAGE, index);
	if (!att)
		return NULL;
	lane = iou_stream_lane(s, index, iou_att_storage(att), reason);
	if (!lane && *reason == IO_UNIFIED_REASON_GONE)
		iou_stream_stop(s, -ECANCELED, IO_UNIFIED_REASON_GONE);
	return lane;
}

void iou_stream_close_batch(struct iou_stream *s, struct iou_lane *lane)
{
	if (!lane->open)
		return;
	list_add_tail(&lane->open->node, &s->ready);
	lane->open = NULL;
	iou_stream_kick(s);
}

static struct iou_batch *
iou_stream_open_batch(struct iou_stream *s, struct iou_lane *lane, u64 offset)
{
	struct iou_batch *b;

	b = list_first_entry_or_null(&s->free, struct iou_batch, node);
	if (!b)
		return NULL;
	list_del(&b->node);
	s->busy++;
	b->lane = lane;
	b->dev_offset = offset;
	b->bytes = 0;
	b->nr_pkts = 0;
	b->nr_bv = 0;
	b->copied = false;
	b->realigned = false;
	lane->open = b;
	b->due = jiffies + usecs_to_jiffies(s->p.flush_usec);
	/* Where others wait it comes for them first, and again for this one. */
	queue_delayed_work(iou_wq, &s->flush,
			   usecs_to_jiffies(s->p.flush_usec));
	return b;
}

/* Append a frame's memory; false: not to this batch. */
static bool iou_batch_add(struct iou_batch *b, u32 frame)
{
	struct iou_stream *s = b->s;
	u64 addr = iou_frame_addr(s->r, frame);
	u32 size = iou_frame_size(s->r);

	if (b->nr_pkts == s->per_batch ||
	    !iou_bvec_append(b->bv, &b->nr_bv, s->max_bv, b->lane->st,
			     &s->r->mem, addr, size))
		return false;
	b->bytes += size;
	return true;
}

/* The batch that takes a frame at this offset; NULL: there is none free. */
static struct iou_batch *iou_stream_batch(struct iou_stream *s,
					  struct iou_lane *lane, u64 offset,
					  u32 frame)
{
	struct iou_batch *b = lane->open;

	if (b &&
	    (b->dev_offset + b->bytes != offset || !iou_batch_add(b, frame))) {
		iou_stream_close_batch(s, lane);
		b = NULL;
	} else if (b) {
		return b;
	}
	b = iou_stream_open_batch(s, lane, offset);
	/* An empty batch takes any frame. */
	if (b)
		iou_batch_add(b, frame);
	return b;
}

/* Run the program. 0, or the counter of the packet that stops here. */
static int iou_stream_filter(struct iou_stream *s, struct iou_rx_pkt *pkt,
			     struct iou_stream_dest *dest, u32 *keep)
{
	u64 frame_addr = iou_frame_addr(s->r, pkt->frame);
	u64 preset = s->lanes[s->d.storage].next;
	const struct iou_bpf_in in = {
		.start = iou_ptr(s->r, frame_addr),
		.end = iou_ptr(s->r, frame_addr + iou_frame_size(s->r)),
		.data = iou_ptr(s->r, pkt->addr),
		.len = pkt->len,
		.queue = s->nq->queue,
		.dev = READ_ONCE(s->nq->dev),
		.allowed = 0,
		.sends = false,
	};
	struct iou_bpf_out out __uninitialized;
	u32 block;

	iou_bpf_front(in.data)->ctl = (struct io_unified_bpf_ctl){
		.dev_offset = preset,
		.cookie = s->d.cookie,
		.tstamp = pkt->tstamp,
		.len = pkt->len,
		.orig_len = pkt->orig_len,
		.flags = 0,
		.ifindex = s->nq->ifindex,
		.queue = in.queue,
		.storage = s->d.storage,
		.net = s->d.net,
		.state = { 0, 0 },
	};
	if (iou_bpf_run(s->prog, &in, &out))
		return out.reason == IO_UNIFIED_REASON_BPF_DROP ?
			       IO_UNIFIED_STAT_FILTERED :
			       IO_UNIFIED_STAT_DROP_BPF;
	/* Bytes that the program cut or added were never on the wire. */
	if (out.len != pkt->len)
		pkt->orig_len = out.len;
	pkt->addr = out.data - s->r->mem.kaddr;
	pkt->len = out.len;
	*keep = min(*keep, out.ctl.len);
	dest->cookie = out.ctl.cookie;
	dest->append = out.ctl.dev_offset == preset;
	dest->offset = out.ctl.dev_offset;
	dest->lane = iou_stream_pick_lane(s, out.ctl.storage, &out.reason);
	if (!dest->lane)
		return IO_UNIFIED_STAT_DROP_BPF;
	if (dest->append)
		return 0;

	block = 1U << dest->lane->st->block_shift;
	if ((dest->offset & (block - 1)) || dest->offset < s->d.dev_offset ||
	    dest->offset > dest->lane->end ||
	    dest->lane->end - dest->offset < iou_frame_size(s->r))
		return IO_UNIFIED_STAT_DROP_BPF;
	return 0;
}

/* Into the batch. 0, or the counter of the packet that stops here. */
static int iou_stream_add(struct iou_stream *s, const struct iou_rx_pkt *pkt,
			  const struct iou_stream_dest *dest, u32 keep)
{
	u64 frame_addr = iou_frame_addr(s->r, pkt->frame);
	struct iou_lane *lane = dest->lane;
	struct iou_pcapng_pkt p = {
		.frame = iou_ptr(s->r, frame_addr),
		.frame_size = iou_frame_size(s->r),
		.off = pkt->addr - frame_addr,
		.caplen = min(pkt->len, keep),
		.orig_len = pkt->orig_len,
		.interface_id = s->p.interface_id,
		.tstamp = pkt->tstamp,
		.block = {
			.seq = lane->seq,
			.dropped = s->dropped,
			.cookie = dest->cookie,
		},
	};
	struct iou_batch_pkt *bp;
	struct iou_batch *b;

	/* The drive is behind: what is left keeps the NIC going. */
	if (s->posted < s->reserve)
		return IO_UNIFIED_STAT_DROP_NO_FRAME;
	if (dest->append && lane->end - lane->next < p.frame_size) {
		iou_stream_stop(s, -ENOSPC, IO_UNIFIED_REASON_FULL);
		return IO_UNIFIED_STAT_DROP_STOPPED;
	}
	b = iou_stream_batch(s, lane, dest->append ? lane->next : dest->offset,
			     pkt->frame);
	if (!b)
		return IO_UNIFIED_STAT_DROP_NO_FRAME;

	memcpy(p.block.recording_id, s->p.recording_id,
	       sizeof(p.block.recording_id));
	if (iou_pcapng_wrap(&p)) {
		b->realigned = true;
		iou_count(s->nq->att.stats, IO_UNIFIED_STAT_REALIGNED, 1);
	}
	if (p.caplen < pkt->len)
		iou_count(s->nq->att.stats, IO_UNIFIED_STAT_TRUNCATED, 1);
	b->copied |= pkt->copied;
	bp = &b->pkts[b->nr_pkts++];
	bp->frame = pkt->frame;
	bp->addr = frame_addr + p.off;
	bp->cookie = dest->cookie;
	lane->seq++;
	if (dest->append)
		lane->next += p.frame_size;
	if (b->nr_pkts == s->per_batch)
		iou_stream_close_batch(s, lane);

	s->accepted++;
	if (s->p.max_packets && s->accepted == s->p.max_packets)
		iou_stream_stop(s, 0, IO_UNIFIED_REASON_LIMIT);
	return 0;
}

/* 0: the frame is in a batch. Else the counter, and the frame is free. */
static int iou_stream_packet(struct iou_stream *s, struct iou_rx_pkt *pkt)
{
	struct iou_stream_dest dest = {
		.lane = &s->lanes[s->d.storage],
		.cookie = s->d.cookie,
		.append = true,
	};
	u32 keep = s->p.snaplen ?: U32_MAX;
	int stat;

	if (s->prog) {
		stat = iou_stream_filter(s, pkt, &dest, &keep);
		if (stat)
			return stat;
	}
	return iou_stream_add(s, pkt, &dest, keep);
}

void iou_stream_received(struct iou_rx_owner *o, struct iou_netq *q,
			 const struct iou_rx_pkt *in)
{
	struct iou_stream *s = container_of(o, struct iou_stream, rx);
	struct iou_rx_pkt pkt = *in;
	int stat;

	trace_io_unified_stage(s->r, &s->d, IO_UNIFIED_OP_NETWORK, pkt.addr,
			       pkt.len);
	spin_lock(&s->lock);
	s->posted--;
	s->received++;
	stat = s->stopping ? IO_UNIFIED_STAT_DROP_STOPPED :
			     iou_stream_packet(s, &pkt);
	if (stat) {
		iou_count(q->att.stats, stat, 1);
		if (stat != IO_UNIFIED_STAT_FILTERED)
			s->dropped++;
		if (!s->stopping)
			iou_stream_post_again(s, pkt.frame);
	}
	if (s->stopping)
		iou_stream_kick(s);
	spin_unlock(&s->lock);
}
