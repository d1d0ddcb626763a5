// SPDX-License-Identifier: GPL-2.0
/*
 * Streams from storage to a socket
 *
 *	read -> [program] -> send -> free
 *
 * Chunks are read ahead, all that there are, and sent in order, each as one send
 * whose bytes stay where they are until the peer has them. So the window bounds
 * what is in flight. Reads are of whole blocks, of which the first and the last may
 * be sent in part. A chunk that could not be read ends the stream when its turn
 * comes: what is in front of it arrives.
 */
#include <linux/blkdev.h>

#include "bpf.h"
#include "flow.h"
#include "main.h"
#include "trace.h"

static int iou_serve_check(struct iou_flow *f, u16 *reason)
{
	const u64 block = iou_block_size(f->st);
	const u64 from = round_down(f->d.dev_offset, block);
	u64 end;

	if (check_add_overflow(f->d.dev_offset, f->p.range_len, &end) ||
	    end > f->st->size) {
		*reason = IO_UNIFIED_REASON_RANGE;
		return -ERANGE;
	}
	f->next = f->d.dev_offset;
	f->where = f->next;
	return iou_storage_check(f->st, from, round_up(end, block) - from,
				 reason);
}

/* -------------------------------------------------------------------- read */

static void iou_serve_read(struct iou_flow *f)
{
	struct iou_chunk *c = iou_flow_chunk(f, f->in);
	const u32 block = iou_block_size(f->st);
	const u32 skip = f->next & (block - 1);

	c->state = IOU_CHUNK_IO;
	c->pos = f->next;
	c->addr = c->mem + skip;
	c->len = min_t(u64, f->size - skip, iou_flow_end(f) - f->next);
	c->span = c->len;
	c->cookie = f->d.cookie;
	c->verdict = 0;
	c->sent = false;
	c->dropped = false;
	c->io.pos = c->pos - skip;
	c->io.flags = IO_UNIFIED_F_READ;
	iou_io_set_mem(&c->io, &f->r->mem, c->mem,
		       round_up(skip + c->len, block));
	f->next += c->len;
	f->in++;
	f->busy++;
	iou_flow_submit_io(c);
}

void iou_serve_read_ahead(struct iou_flow *f)
{
	struct blk_plug plug;

	if (f->broken || iou_flow_stopping(f))
		return;
	iou_plug_start(&plug, f->nr - (f->in - f->out));
	while (f->next < iou_flow_end(f) && f->in - f->out < f->nr)
		iou_serve_read(f);
	blk_finish_plug(&plug);
}

void iou_serve_was_read(struct iou_flow *f, struct iou_chunk *c)
{
	const u32 skip = c->addr - c->mem;

	c->state = IOU_CHUNK_IDLE;
	if (c->io.error) {
		/* Reading on is of no use. What is said is said in its turn. */
		f->broken = true;
		return;
	}
	iou_count(f->st->att.stats, IO_UNIFIED_STAT_READ_BYTES, c->io.len);
	/* A file may have ended before. */
	if (c->io.len < skip + c->len) {
		c->len = c->io.len > skip ? c->io.len - skip : 0;
		f->broken = true;
	}
}

/* -------------------------------------------------------------------- send */

static void iou_serve_over(struct iou_stx *tx)
{
	struct iou_chunk *c = container_of(tx, struct iou_chunk, tx);

	/* The stack has a part of the flow's memory when the flow is over. */
	if (tx->lent)
		refcount_inc(&c->f->refs);
	iou_flow_done(c);
}

static void iou_serve_free(struct iou_stx *tx)
{
	iou_flow_put(container_of(tx, struct iou_chunk, tx)->f);
}

static void iou_serve_send(struct iou_flow *f, struct iou_chunk *c)
{
	struct iou_stx *tx = &c->tx;
	u16 reason;

	trace_io_unified_stage(f->r, &f->d, IO_UNIFIED_OP_NETWORK, c->addr,
			       c->len);
	tx->s = f->sock;
	tx->addr = c->addr;
	tx->len = c->len;
	tx->over = iou_serve_over;
	tx->free = iou_serve_free;
	c->state = IOU_CHUNK_SENDING;
	f->busy++;
	if (!iou_sock_post_send(tx, false, &reason))
		return;
	f->busy--;
	c->state = IOU_CHUNK_OVER;
	iou_flow_stop(f, -ECANCELED, reason);
}

/* Its turn has come: what becomes of it? False: nothing is to be sent. */
static bool iou_serve_process(struct iou_flow *f, struct iou_chunk *c)
{
	const bool fell_short = c->len < c->span;
	u16 reason;
	int ret = 0;

	if (iou_flow_stopping(f))
		return false;
	if (c->io.error) {
		iou_flow_io_failed(f, &c->io);
		return false;
	}
	if (fell_short) {
		iou_flow_stop(f, 0, IO_UNIFIED_REASON_RANGE);
		c->span = c->len;
	}
	if (f->prog && c->len)
		ret = iou_flow_bpf(f, c, &reason);
	if (ret == -ENODATA) {
		c->dropped = true;
		c->len = 0;
	} else if (ret) {
		f->broken = true;
		iou_flow_stop(f, ret, reason);
		return false;
	}
	c->sent = !c->len;
	return c->len;
}

static void iou_serve_send_ready(struct iou_flow *f)
{
	bool posted = false;
	struct iou_chunk *c;

	for (; f->mid != f->in; f->mid++) {
		c = iou_flow_chunk(f, f->mid);
		if (c->state == IOU_CHUNK_IO)
			break;
		if (iou_serve_process(f, c)) {
			iou_serve_send(f, c);
			posted = true;
		} else {
			c->state = IOU_CHUNK_OVER;
		}
	}
	if (posted)
		iou_sock_send(f->sock);
}

static void iou_serve_was_sent(struct iou_flow *f, struct iou_chunk *c)
{
	struct iou_stx *tx = &c->tx;

	c->state = IOU_CHUNK_OVER;
	c->sent = !tx->error;
	f->taken_off += tx->off;
	f->copied |= tx->copied;
	if (tx->error)
		iou_flow_stop(f, tx->error, tx->reason);
}

/*
 * Take back what has not begun, and give up the rest if the flow is @dying. From the
 * last one on: nothing may be sent behind what is not.
 */
static void iou_serve_revoke(struct iou_flow *f)
{
	bool dying, leaving;
	struct iou_chunk *c;
	u16 why;
	u64 i;

	if (!iou_flow_revokes(f, &dying, &why))
		return;
	for (i = f->mid; i != f->out; i--) {
		c = iou_flow_chunk(f, i - 1);
		if (c->state == IOU_CHUNK_SENDING &&
		    iou_stx_revoke(&c->tx, dying, why, &leaving))
			iou_stx_end(&c->tx, -ECANCELED, why);
	}
}

/* --------------------------------------------------------------------- end */

static void iou_serve_tell(struct iou_flow *f, const struct iou_chunk *c)
{
	struct io_unified_cqe cqe = {
		.addr = c->addr,
		.dev_offset = c->pos,
		.len = c->len,
		.res = c->len,
		.verdict = c->verdict,
		.count = f->moved,
		.cookie = c->cookie,
	};

	if (!(f->p.flags & IO_UNIFIED_STREAM_PROGRESS))
		return;
	if (c->dropped)
		cqe.flags |= IO_UNIFIED_CQE_DROPPED;
	else if (c->len)
		cqe.flags |= IO_UNIFIED_CQE_SENT |
			     (c->tx.copied ? IO_UNIFIED_CQE_COPIED : 0);
	iou_flow_tell(f, &cqe);
}

/* What arrived, in order; its memory is free. */
static void iou_serve_retire(struct iou_flow *f)
{
	struct iou_chunk *c;

	for (; f->out != f->mid; f->out++) {
		c = iou_flow_chunk(f, f->out);
		if (c->state != IOU_CHUNK_OVER)
			return;
		/* Nothing counts behind a gap. */
		if (c->sent && c->pos == f->where) {
			f->moved += c->len;
			f->where += c->span;
			iou_serve_tell(f, c);
		}
		c->state = IOU_CHUNK_IDLE;
	}
}

static void iou_serve_ended(struct iou_flow *f, struct iou_chunk *c)
{
	if (c->state == IOU_CHUNK_IO)
		iou_serve_was_read(f, c);
	else
		iou_serve_was_sent(f, c);
}

static bool iou_serve_turn(struct iou_flow *f)
{
	iou_serve_revoke(f);
	iou_serve_send_ready(f);
	iou_serve_retire(f);
	iou_serve_read_ahead(f);
	return false;
}

bool iou_serve_is_over(struct iou_flow *f)
{
	return !f->busy && f->in == f->out &&
	       (f->next == iou_flow_end(f) || iou_flow_stopping(f));
}

void iou_serve_timer(struct iou_flow *f)
{
	f->dying = true;
}

void iou_serve_last(struct iou_flow *f, struct io_unified_cqe *cqe)
{
	if (f->moved)
		cqe->flags |= IO_UNIFIED_CQE_SENT;
	cqe->dev_offset = f->where;
	cqe->count = f->moved;
	cqe->cookie = f->taken_off;
}

const struct iou_flow_ops iou_serve_ops = {
	.flags = IO_UNIFIED_STREAM_PROGRESS,
	.layout = IO_UNIFIED_LAYOUT_BYTES,
	.io = IOU_IO_READ,
	.check = iou_serve_check,
	.ended = iou_serve_ended,
	.turn = iou_serve_turn,
	.over = iou_serve_is_over,
	.timer = iou_serve_timer,
	.last = iou_serve_last,
};
