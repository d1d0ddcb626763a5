// SPDX-License-Identifier: GPL-2.0
/*
 * Streams from a recording to a queue
 *
 *	read -> frame by frame: [program] -> queue -> sent -> free
 *
 * What a stream recorded is sent from where it was read, packet by packet: each frame
 * says where its packet is. All packets of a chunk are queued at once, with the times
 * that they are due; the queue's timer sends them, and a chunk is free when nothing
 * refers to the last of its packets.
 *
 * The application may write to the frames: what they say is copied, and checked.
 */
#include <linux/ktime.h>

#include "bpf.h"
#include "flow.h"
#include "main.h"
#include "shared.h"
#include "trace.h"

#define PCAPNG_EPB 6
#define IOU_PLAY_FLAGS (IO_UNIFIED_STREAM_TIMES | IO_UNIFIED_STREAM_RATE)
/* A recording that is longer than that, in ns, has wrong times. */
#define IOU_PLAY_LONGEST (1ULL << 53)

/* The block that opens a frame */
struct iou_play_head {
	u32 type;
	u32 len;
	struct io_unified_frame_block block;
};

struct iou_play_epb {
	u32 type;
	u32 len;
	u32 interface_id;
	u32 ts_high;
	u32 ts_low;
	u32 caplen;
	u32 orig_len;
	u32 first; /* of the packet */
};

/* A frame taken apart */
struct iou_play_frame {
	u64 cookie;
	u64 tstamp;
	u32 off;
	u32 len;
	u32 orig_len;
};

static int iou_play_check(struct iou_flow *f, u16 *reason)
{
	const struct io_unified_stream *p = &f->p;
	const u32 pace = p->flags & IOU_PLAY_FLAGS;

	if (pace == IOU_PLAY_FLAGS) {
		*reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (!pace && p->pace) {
		*reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if ((pace && (!p->pace || p->pace > NSEC_PER_SEC)) ||
	    p->range_len & (iou_frame_size(f->r) - 1)) {
		*reason = IO_UNIFIED_REASON_SIZE;
		return -EINVAL;
	}
	f->next = f->d.dev_offset;
	f->where = f->next;
	return iou_storage_check(f->st, f->d.dev_offset, p->range_len, reason);
}

/* --------------------------------------------------------------- recording */

static int iou_play_malformed(struct iou_flow *f)
{
	iou_flow_stop(f, -EINVAL, IO_UNIFIED_REASON_LAYOUT);
	return -EINVAL;
}

/* Is it the next frame of the recording? */
static bool iou_play_continues(const struct iou_flow *f,
			       const struct iou_play_head *head)
{
	if (head->type != IO_UNIFIED_PCAPNG_BLOCK ||
	    memcmp(head->block.recording_id, f->p.recording_id,
		   sizeof(f->p.recording_id)))
		return false;
	/* Header and trailer have the last two numbers. */
	if (head->block.seq >= U64_MAX - 1)
		return false;
	return !f->taken_off || head->block.seq == f->seq;
}

/* The length of a block that lies within @room bytes and says so twice, or 0. */
static u32 iou_play_block(const u8 *at, u32 len, u32 room)
{
	if (len < 12 || len > room || len & 3 ||
	    READ_ONCE(*(const u32 *)(at + len - sizeof(u32))) != len)
		return 0;
	return len;
}

/* The packet of a frame. 0; -ENODATA: the recording has ended; -EINVAL: no frame. */
static int iou_play_parse(struct iou_flow *f, const u8 *at,
			  struct iou_play_frame *out)
{
	u32 room = iou_frame_size(f->r), used;
	struct iou_play_head head;
	struct iou_play_epb epb;
	u32 rest[2];

	iou_read_shared(&head, at, sizeof(head));
	if (!iou_play_continues(f, &head))
		return -ENODATA;
	used = iou_play_block(at, head.len, room);
	if (used < sizeof(head) + sizeof(u32) || room - used < sizeof(epb))
		return iou_play_malformed(f);
	at += used;
	room -= used;
	/* It may lie on an odd multiple of four. */
	memcpy(&epb, at, sizeof(epb));
	barrier();
	out->off = used + offsetof(struct iou_play_epb, first);
	used = iou_play_block(at, epb.len, room);
	if (epb.type != PCAPNG_EPB || !used || epb.caplen > used ||
	    used != 32 + round_up(epb.caplen, 4) || room - used < sizeof(rest))
		return iou_play_malformed(f);
	at += used;
	room -= used;
	memcpy(rest, at, sizeof(rest));
	barrier();
	/* It fills what is left, or the recording has frames of another size. */
	if (rest[0] != IO_UNIFIED_PCAPNG_BLOCK || rest[1] != room ||
	    !iou_play_block(at, rest[1], room))
		return iou_play_malformed(f);
	out->cookie = head.block.cookie;
	out->tstamp = (u64)epb.ts_high << 32 | epb.ts_low;
	out->len = epb.caplen;
	out->orig_len = epb.orig_len;
	f->seq = head.block.seq + 1;
	return 0;
}

/* When the next packet is due, in *time; 0 = at once. */
static int iou_play_due(struct iou_flow *f, u64 tstamp, u64 *time)
{
	u64 after = 0;

	*time = 0;
	if (!(f->p.flags & IOU_PLAY_FLAGS))
		return 0;
	if (!f->began) {
		f->began = ktime_get_ns();
		f->first = tstamp;
	}
	if (f->p.flags & IO_UNIFIED_STREAM_RATE) {
		after = div64_u64(f->taken_off, f->p.pace) * NSEC_PER_SEC;
		after += div64_u64(f->taken_off % f->p.pace * NSEC_PER_SEC,
				   f->p.pace);
	} else if (tstamp > f->first) {
		after = tstamp - f->first;
		if (after > IOU_PLAY_LONGEST) {
			iou_flow_stop(f, -ERANGE, IO_UNIFIED_REASON_TX_TIME);
			return -ERANGE;
		}
		after = div64_u64(after * 1000, f->p.pace);
	}
	/* None before the one in front of it */
	f->due_at = max(f->due_at, f->began + after);
	*time = f->due_at;
	return 0;
}

/* -------------------------------------------------------------------- BPF */

/* 0: send it. -ENODATA: the program drops it. Else it ended the flow. */
static int iou_play_bpf(struct iou_flow *f, struct iou_chunk *c, u32 off,
			struct iou_play_frame *frame)
{
	const u64 at = c->mem + off;
	const struct iou_bpf_in in = {
		.start = iou_ptr(f->r, at),
		.end = iou_ptr(f->r, at + iou_frame_size(f->r)),
		.data = iou_ptr(f->r, at + frame->off),
		.len = frame->len,
		.queue = 0,
		.dev = NULL,
		.allowed = 0,
		.sends = true,
	};
	struct iou_bpf_out out __uninitialized;
	int ret;

	iou_bpf_front(in.data)->ctl = (struct io_unified_bpf_ctl){
		.dev_offset = c->pos + off,
		.cookie = frame->cookie,
		.tstamp = frame->tstamp,
		.len = frame->len,
		.orig_len = frame->orig_len,
		.flags = 0,
		.ifindex = 0,
		.queue = 0,
		.storage = f->d.storage,
		.net = f->d.net_tx,
		.state = { f->state[0], f->state[1] },
	};
	ret = iou_bpf_run(f->prog, &in, &out);
	c->verdict = out.verdict;
	if (ret == -ENODATA)
		return ret;
	if (!ret && out.ctl.net != f->d.net_tx) {
		ret = -EINVAL;
		out.reason = IO_UNIFIED_REASON_CTL_INDEX;
	}
	if (ret) {
		iou_flow_stop(f, ret, out.reason);
		return ret;
	}
	frame->off = out.data - (u8 *)iou_ptr(f->r, at);
	frame->len = out.ctl.len;
	f->state[0] = out.ctl.state[0];
	f->state[1] = out.ctl.state[1];
	return 0;
}

/* -------------------------------------------------------------------- send */

static void iou_play_pkt_over(struct iou_chunk *c)
{
	if (atomic_dec_and_test(&c->left))
		iou_flow_done(c);
}

static void iou_play_sent(struct iou_tx *tx)
{
	struct iou_chunk *c = container_of(tx, struct iou_flow_pkt, tx)->c;

	/* The stack has a part of the flow's memory when the flow is over. */
	if (tx->lent)
		refcount_inc(&c->f->refs);
	iou_play_pkt_over(c);
}

static void iou_play_free(struct iou_tx *tx)
{
	iou_flow_put(container_of(tx, struct iou_flow_pkt, tx)->c->f);
}

/* A frame becomes a packet to send. False: the flow ends in front of it. */
static bool iou_play_frame(struct iou_flow *f, struct iou_chunk *c, u32 off)
{
	struct iou_flow_pkt *pkt = &c->pkts[c->nr_pkts];
	struct iou_play_frame frame;
	int ret;

	if (f->p.max_packets && f->taken_off == f->p.max_packets) {
		iou_flow_stop(f, 0, IO_UNIFIED_REASON_LIMIT);
		return false;
	}
	ret = iou_play_parse(f, iou_ptr(f->r, c->mem + off), &frame);
	if (ret == -ENODATA)
		iou_flow_stop(f, 0, IO_UNIFIED_REASON_NONE);
	if (ret || iou_play_due(f, frame.tstamp, &pkt->tx.time))
		return false;
	if (f->prog) {
		ret = iou_play_bpf(f, c, off, &frame);
		if (ret && ret != -ENODATA)
			return false;
	}
	f->taken_off++;
	if (ret)
		return true;
	pkt->c = c;
	pkt->off = off;
	pkt->tx.q = f->tq;
	pkt->tx.addr = c->mem + off + frame.off;
	pkt->tx.len = frame.len;
	pkt->tx.error = 0;
	pkt->tx.sent = iou_play_sent;
	pkt->tx.sent_many = NULL;
	pkt->tx.free = iou_play_free;
	c->nr_pkts++;
	return true;
}

/* All packets of a chunk whose turn has come. */
static void iou_play_send(struct iou_flow *f, struct iou_chunk *c)
{
	const u32 frame = iou_frame_size(f->r);
	u32 off, i;
	u16 reason;

	c->nr_pkts = 0;
	/* A file may end in the middle of a frame. */
	for (off = 0; off + frame <= c->len; off += frame)
		if (!iou_play_frame(f, c, off))
			break;
	c->span = off;
	trace_io_unified_stage(f->r, &f->d, IO_UNIFIED_OP_NETWORK, c->mem, off);
	c->state = IOU_CHUNK_SENDING;
	f->busy++;
	atomic_set(&c->left, c->nr_pkts + 1);
	for (i = 0; i < c->nr_pkts; i++) {
		struct iou_tx *tx = &c->pkts[i].tx;
		int ret = iou_tx_queue(tx, &reason);

		if (!ret)
			continue;
		tx->error = ret;
		tx->reason = reason;
		atomic_dec(&c->left);
	}
	iou_play_pkt_over(c);
}

/* The turn of a chunk has come. False: nothing of it is sent. */
static bool iou_play_process(struct iou_flow *f, struct iou_chunk *c)
{
	const bool fell_short = c->len < c->span;

	if (c->io.error && !iou_flow_stopping(f))
		iou_flow_io_failed(f, &c->io);
	if (iou_flow_stopping(f)) {
		c->span = 0;
		return false;
	}
	iou_play_send(f, c);
	if (fell_short)
		iou_flow_stop(f, 0, IO_UNIFIED_REASON_RANGE);
	return true;
}

static void iou_play_send_ready(struct iou_flow *f)
{
	bool queued = false;
	struct iou_chunk *c;

	for (; f->mid != f->in; f->mid++) {
		c = iou_flow_chunk(f, f->mid);
		if (c->state == IOU_CHUNK_IO)
			break;
		c->nr_pkts = 0;
		if (iou_play_process(f, c))
			queued = true;
		else
			c->state = IOU_CHUNK_OVER;
	}
	if (queued)
		iou_tx_kick(f->tq);
}

/* What became of its packets; what is behind the first that was not sent waits. */
static void iou_play_was_sent(struct iou_flow *f, struct iou_chunk *c)
{
	u32 i;

	c->state = IOU_CHUNK_OVER;
	c->kept = 0;
	for (i = 0; i < c->nr_pkts; i++) {
		const struct iou_tx *tx = &c->pkts[i].tx;

		f->copied |= tx->copied;
		if (!tx->error) {
			c->kept++;
			continue;
		}
		/* One that the interface dropped is counted, and gone. */
		if (tx->error == -ENOBUFS)
			continue;
		iou_flow_stop(f, tx->error, tx->reason);
		f->broken = true;
		c->span = min(c->span, c->pkts[i].off);
	}
}

/* Take back what waits, from the last one on: a recording has no gaps. */
static void iou_play_revoke(struct iou_flow *f)
{
	struct iou_chunk *c;
	bool dying;
	u16 why;
	u64 n;
	u32 i;

	if (!iou_flow_revokes(f, &dying, &why))
		return;
	for (n = f->mid; n != f->out; n--) {
		c = iou_flow_chunk(f, n - 1);
		if (c->state != IOU_CHUNK_SENDING)
			continue;
		for (i = c->nr_pkts; i; i--)
			if (iou_tx_recall(&c->pkts[i - 1].tx))
				iou_tx_fail(&c->pkts[i - 1].tx, -ECANCELED,
					    why);
	}
}

/* --------------------------------------------------------------------- end */

static void iou_play_tell(struct iou_flow *f, const struct iou_chunk *c)
{
	struct io_unified_cqe cqe = {
		.addr = c->mem,
		.dev_offset = c->pos,
		.len = c->span,
		.res = c->span,
		.flags = c->kept ? IO_UNIFIED_CQE_SENT : 0,
		.verdict = c->verdict,
		.count = f->moved,
		.cookie = f->d.cookie,
	};

	if (f->p.flags & IO_UNIFIED_STREAM_PROGRESS)
		iou_flow_tell(f, &cqe);
}

static void iou_play_retire(struct iou_flow *f)
{
	struct iou_chunk *c;

	for (; f->out != f->mid; f->out++) {
		c = iou_flow_chunk(f, f->out);
		if (c->state != IOU_CHUNK_OVER)
			return;
		c->state = IOU_CHUNK_IDLE;
		if (!c->span || c->pos != f->where)
			continue;
		f->moved += c->kept;
		f->where += c->span;
		iou_play_tell(f, c);
	}
}

static void iou_play_ended(struct iou_flow *f, struct iou_chunk *c)
{
	if (c->state == IOU_CHUNK_IO)
		iou_serve_was_read(f, c);
	else
		iou_play_was_sent(f, c);
}

static bool iou_play_turn(struct iou_flow *f)
{
	iou_play_revoke(f);
	iou_play_send_ready(f);
	iou_play_retire(f);
	iou_serve_read_ahead(f);
	return false;
}

const struct iou_flow_ops iou_play_ops = {
	.flags = IO_UNIFIED_STREAM_PROGRESS | IOU_PLAY_FLAGS,
	.layout = IO_UNIFIED_LAYOUT_ALIGNED,
	.io = IOU_IO_READ,
	.check = iou_play_check,
	.ended = iou_play_ended,
	.turn = iou_play_turn,
	.over = iou_serve_is_over,
	.timer = iou_serve_timer,
	.last = iou_serve_last,
};
