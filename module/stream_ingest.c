// SPDX-License-Identifier: GPL-2.0
/*
 * Streams from a socket to storage
 *
 *	receive -> [program] -> write -> (flush) -> free
 *
 * One chunk at a time is being filled. What the socket gives goes on being received
 * where it is told that there is enough; when a chunk is full it is written as a
 * whole while the next one fills. A stream that is slow may have the blocks written
 * that there are, in parts, and is told of each segment then: what is in the middle of
 * a block waits for the rest.
 *
 * Writes end in any order. What counts is what has arrived without a gap; a flush
 * makes durable what had by the time it began.
 */
#include <linux/overflow.h>

#include "bpf.h"
#include "flow.h"
#include "main.h"
#include "trace.h"

/* Each write is on the medium when it is done. */
static bool iou_ingest_fua(const struct iou_flow *f)
{
	return f->d.flags & IO_UNIFIED_F_FUA;
}

static bool iou_ingest_flushes(const struct iou_flow *f)
{
	return !iou_ingest_fua(f) &&
	       (f->p.flags & IO_UNIFIED_STREAM_FLUSH || f->p.flush_bytes);
}

static int iou_ingest_check(struct iou_flow *f, u16 *reason)
{
	const u64 block = iou_block_size(f->st);

	if (f->p.range_len > f->st->size) {
		*reason = IO_UNIFIED_REASON_RANGE;
		return -ERANGE;
	}
	return iou_storage_check(f->st, f->d.dev_offset,
				 round_up(f->p.range_len, block), reason);
}

/* ----------------------------------------------------------------- receive */

/* Under the lock: ask for what the chunk has room for. */
static void iou_ingest_post(struct iou_flow *f, const struct iou_chunk *c)
{
	f->rx.addr = c->mem + c->fill;
	f->rx.len = c->len - c->fill;
	f->idle = false;
	iou_sock_post_recv(&f->rx);
}

static void iou_ingest_arm(struct iou_flow *f)
{
	if (!f->p.flush_usec || f->armed)
		return;
	f->armed = true;
	queue_delayed_work(iou_wq, &f->timer,
			   usecs_to_jiffies(f->p.flush_usec));
}

/* Under the lock: what the last receive brought */
static void iou_ingest_got(struct iou_flow *f, struct iou_chunk *c)
{
	c->fill += f->rx.got;
	f->received += f->rx.got;
}

/* Something was received, or nothing will be. */
static void iou_ingest_received(struct iou_srx *rx)
{
	struct iou_flow *f = container_of(rx, struct iou_flow, rx);
	struct iou_chunk *c = iou_flow_chunk(f, f->in);

	spin_lock_bh(&f->lock);
	iou_ingest_got(f, c);
	f->eof |= rx->eof;
	if (rx->got)
		iou_ingest_arm(f);
	if (rx->error)
		iou_flow_stop_locked(f, rx->error, rx->reason);
	if (c->fill < c->len && !f->eof && !f->stopping) {
		iou_ingest_post(f, c);
	} else {
		f->idle = true;
		iou_flow_kick(f);
	}
	spin_unlock_bh(&f->lock);
}

static bool iou_ingest_begin_chunk(struct iou_flow *f)
{
	struct iou_chunk *c = iou_flow_chunk(f, f->in);
	bool begins;

	if (f->open || f->in - f->out == f->nr)
		return false;
	spin_lock_bh(&f->lock);
	begins = f->idle && !f->stopping && !f->eof;
	if (begins) {
		c->fill = 0;
		c->taken = 0;
		c->kept = 0;
		c->closed = false;
		c->dropped = false;
		c->len = min_t(u64, f->size, f->p.range_len - f->received);
		c->pos = f->d.dev_offset + (f->prog ? f->next : f->received);
		f->open = true;
		f->rx.s = f->sock;
		/* Nobody is to be told of a part of it, but if it is to be written. */
		f->rx.all = !f->p.flush_usec;
		f->rx.over = iou_ingest_received;
		iou_ingest_post(f, c);
	}
	spin_unlock_bh(&f->lock);
	return begins;
}

/* Nothing is received any more, or the chunk is full. */
static void iou_ingest_end_chunk(struct iou_flow *f)
{
	struct iou_chunk *c = iou_flow_chunk(f, f->in);
	bool leaving;

	spin_lock_bh(&f->lock);
	/* If it is somebody else's right now, he finds that we stop. */
	if (f->stopping && !f->idle &&
	    iou_srx_revoke(&f->rx, IO_UNIFIED_REASON_CANCELED, &leaving)) {
		iou_ingest_got(f, c);
		f->idle = true;
	}
	if (f->open && f->idle) {
		f->open = false;
		c->closed = c->fill;
		f->in += c->closed;
		if (f->received == f->p.range_len)
			iou_flow_stop_locked(f, 0, IO_UNIFIED_REASON_FULL);
	}
	spin_unlock_bh(&f->lock);
}

/* ------------------------------------------------------------------- write */

/* Run the program over a chunk. False: it is not written. */
static bool iou_ingest_filter(struct iou_flow *f, struct iou_chunk *c)
{
	u16 reason;
	int ret;

	c->addr = c->mem;
	c->len = c->fill;
	c->pos = f->d.dev_offset + f->next;
	ret = iou_flow_bpf(f, c, &reason);
	if (ret == -ENODATA) {
		c->dropped = true;
		c->taken = c->fill;
		c->kept = c->fill;
		iou_count(f->sock->att.stats, IO_UNIFIED_STAT_FILTERED, 1);
		return false;
	}
	/* Blocks behind it are where they are. */
	if (!ret && (c->addr != c->mem || c->len != c->fill)) {
		ret = -EINVAL;
		reason = IO_UNIFIED_REASON_CTL_LEN;
	}
	if (ret) {
		f->broken = true;
		iou_flow_stop(f, ret, reason);
		return false;
	}
	f->next += c->fill;
	return true;
}

/* Bytes of a chunk that can be written now. */
static u32 iou_ingest_ready(struct iou_flow *f, struct iou_chunk *c)
{
	u32 until = 0;

	spin_lock_bh(&f->lock);
	if (c->closed)
		until = c->fill;
	else if (f->due)
		until = round_down(c->fill, iou_block_size(f->st));
	spin_unlock_bh(&f->lock);
	return until - min(until, c->taken);
}

static void iou_ingest_write(struct iou_flow *f, struct iou_chunk *c)
{
	const u32 block = iou_block_size(f->st);
	u64 addr = c->mem + c->taken;
	u32 bytes, len;

	if (c->state == IOU_CHUNK_IO || f->broken)
		return;
	bytes = iou_ingest_ready(f, c);
	if (!bytes || (f->prog && !iou_ingest_filter(f, c)))
		return;
	len = round_up(bytes, block);
	memset(iou_ptr(f->r, addr + bytes), 0, len - bytes);
	trace_io_unified_stage(f->r, &f->d, IO_UNIFIED_OP_NVME, addr, len);
	c->state = IOU_CHUNK_IO;
	c->io.pos = c->pos + c->taken;
	c->io.flags = IO_UNIFIED_F_WRITE | (f->d.flags & IO_UNIFIED_F_FUA);
	iou_io_set_mem(&c->io, &f->r->mem, addr, len);
	c->taken += bytes;
	f->busy++;
	iou_flow_submit_io(c);
}

/* What there is: chunks that are full, and, when it is time, the one that fills. */
static void iou_ingest_write_ready(struct iou_flow *f)
{
	struct iou_chunk *c;
	u64 i;

	for (i = f->out; i != f->in; i++)
		iou_ingest_write(f, iou_flow_chunk(f, i));
	if (!f->open)
		return;
	c = iou_flow_chunk(f, f->in);
	iou_ingest_write(f, c);
	spin_lock_bh(&f->lock);
	/* A part that is on its way holds the next one up. */
	if (f->due && c->fill - c->taken < iou_block_size(f->st))
		f->due = false;
	spin_unlock_bh(&f->lock);
}

static void iou_ingest_was_written(struct iou_flow *f, struct iou_chunk *c)
{
	c->state = IOU_CHUNK_IDLE;
	if (c->io.error) {
		iou_flow_io_failed(f, &c->io);
		return;
	}
	c->kept = c->taken;
	iou_count(f->st->att.stats, IO_UNIFIED_STAT_WRITTEN_BYTES, c->io.len);
	iou_count(f->st->att.stats, IO_UNIFIED_STAT_WRITES, 1);
}

/* What arrived without a gap: the sum of all in front, and this much of the first */
static void iou_ingest_retire(struct iou_flow *f)
{
	struct iou_chunk *c;

	for (; f->out != f->in; f->out++) {
		c = iou_flow_chunk(f, f->out);
		if (c->kept != c->fill)
			break;
		if (!c->dropped)
			f->base += c->fill;
	}
	f->moved = f->base;
	if (f->out == f->in && !f->open)
		return;
	c = iou_flow_chunk(f, f->out);
	if (!c->dropped)
		f->moved += c->kept;
}

/* ------------------------------------------------------------------- flush */

static u64 iou_ingest_safe(const struct iou_flow *f)
{
	return iou_ingest_flushes(f) ? f->durable : f->moved;
}

/* Tell how far it is; with a policy, how far for sure. */
static void iou_ingest_tell(struct iou_flow *f)
{
	const u64 safe = iou_ingest_safe(f);
	struct io_unified_cqe cqe = {
		.dev_offset = f->d.dev_offset + safe,
		.len = min_t(u64, safe - f->told, S32_MAX),
		.flags = IO_UNIFIED_CQE_COPIED,
		.verdict = f->prog ? XDP_PASS : 0,
		.count = safe,
	};

	if (safe == f->told || !(f->p.flags & IO_UNIFIED_STREAM_PROGRESS))
		return;
	cqe.res = cqe.len;
	if (iou_ingest_fua(f) || iou_ingest_flushes(f))
		cqe.flags |= IO_UNIFIED_CQE_DURABLE;
	spin_lock_bh(&f->lock);
	cqe.cookie = f->received;
	spin_unlock_bh(&f->lock);
	f->told = safe;
	iou_flow_tell(f, &cqe);
}

/* Nothing is received any more, and all that is to be written is. */
static bool iou_ingest_written(struct iou_flow *f)
{
	bool ends;

	spin_lock_bh(&f->lock);
	ends = f->idle && (f->eof || f->stopping);
	spin_unlock_bh(&f->lock);
	return ends && !f->open && (f->broken || f->out == f->in);
}

static bool iou_ingest_wants_flush(struct iou_flow *f)
{
	if (!iou_ingest_flushes(f) || f->flush_failed || f->durable == f->moved)
		return false;
	if (f->p.flush_bytes && f->moved - f->durable >= f->p.flush_bytes)
		return true;
	return !f->busy && iou_ingest_written(f);
}

static void iou_ingest_flush(struct iou_flow *f)
{
	struct iou_io *io = &f->flush.io;

	if (f->flushing || !iou_ingest_wants_flush(f))
		return;
	f->flushing = true;
	f->flush_upto = f->moved;
	io->pos = 0;
	io->len = 0;
	io->nr_bvec = 0;
	io->flags = IO_UNIFIED_F_FLUSH;
	f->busy++;
	iou_flow_submit_io(&f->flush);
}

static void iou_ingest_was_flushed(struct iou_flow *f)
{
	f->flushing = false;
	if (!f->flush.io.error) {
		f->durable = f->flush_upto;
		return;
	}
	f->flush_failed = true;
	iou_flow_io_failed(f, &f->flush.io);
}

/* --------------------------------------------------------------------- end */

static void iou_ingest_ended(struct iou_flow *f, struct iou_chunk *c)
{
	if (c == &f->flush)
		iou_ingest_was_flushed(f);
	else
		iou_ingest_was_written(f, c);
}

static bool iou_ingest_turn(struct iou_flow *f)
{
	bool begun;

	iou_ingest_end_chunk(f);
	iou_ingest_write_ready(f);
	iou_ingest_retire(f);
	iou_ingest_flush(f);
	iou_ingest_tell(f);
	begun = iou_ingest_begin_chunk(f);
	if (begun)
		iou_sock_recv(f->sock);
	return begun;
}

static bool iou_ingest_is_over(struct iou_flow *f)
{
	return !f->busy && iou_ingest_written(f) && !iou_ingest_wants_flush(f);
}

static void iou_ingest_timer(struct iou_flow *f)
{
	f->armed = false;
	f->due = true;
}

static void iou_ingest_last(struct iou_flow *f, struct io_unified_cqe *cqe)
{
	const u64 safe = iou_ingest_safe(f);

	if (f->received)
		cqe->flags |= IO_UNIFIED_CQE_COPIED;
	if (iou_ingest_fua(f) || iou_ingest_flushes(f))
		cqe->flags |= IO_UNIFIED_CQE_DURABLE;
	cqe->dev_offset = f->d.dev_offset + safe;
	cqe->verdict = f->prog && safe ? XDP_PASS : 0;
	cqe->count = safe;
	cqe->cookie = f->received;
}

const struct iou_flow_ops iou_ingest_ops = {
	.flags = IO_UNIFIED_STREAM_PROGRESS | IO_UNIFIED_STREAM_FLUSH,
	.layout = IO_UNIFIED_LAYOUT_BYTES,
	.io = IOU_IO_WRITE,
	.check = iou_ingest_check,
	.ended = iou_ingest_ended,
	.turn = iou_ingest_turn,
	.over = iou_ingest_is_over,
	.timer = iou_ingest_timer,
	.last = iou_ingest_last,
};
