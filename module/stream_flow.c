// SPDX-License-Identifier: GPL-2.0
/*
 * Flows: streams between storage and a socket or a queue: set up, canceled, brought
 * to an end
 *
 * A flow ends in this order: stopping is set (end of the range or of the stream,
 * cancel, error); what is in flight comes back; when nothing is, the last entry is
 * posted and the command completes. Who cancels it takes it off the list of those
 * that wait, and nobody would end it a second time: so a peer that does not answer
 * gets a second, and then what was sent is given up.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "bpf.h"
#include "cq.h"
#include "desc.h"
#include "flow.h"
#include "main.h"
#include "trace.h"
#include "uring.h"

#define IOU_FLOW_CHUNK SZ_128K
#define IOU_FLOW_CHUNK_MAX SZ_4M
#define IOU_FLOW_CHUNKS 256u
#define IOU_FLOW_USEC_MAX (60 * USEC_PER_SEC)
/* How long what has begun may take to end when the stream is canceled */
#define IOU_FLOW_LINGER HZ

void iou_flow_kick(struct iou_flow *f)
{
	queue_work(iou_wq, &f->work);
}

void iou_flow_stop_locked(struct iou_flow *f, int error, u16 reason)
{
	/* Who left a hole in the stream says more than what is behind it. */
	const bool behind = f->reason == IO_UNIFIED_REASON_SOCKET_GAP;

	if (f->stopping && (!error || (f->error && !behind)))
		return;
	f->stopping = true;
	f->error = error;
	f->reason = reason;
}

void iou_flow_stop(struct iou_flow *f, int error, u16 reason)
{
	spin_lock_bh(&f->lock);
	iou_flow_stop_locked(f, error, reason);
	spin_unlock_bh(&f->lock);
}

bool iou_flow_stopping(struct iou_flow *f)
{
	bool stopping;

	spin_lock_bh(&f->lock);
	stopping = f->stopping;
	spin_unlock_bh(&f->lock);
	return stopping;
}

void iou_flow_io_failed(struct iou_flow *f, const struct iou_io *io)
{
	if (!iou_flow_stopping(f))
		f->nvme_status = io->nvme_status;
	f->broken = true;
	iou_flow_stop(f, io->error, iou_io_reason(io));
}

/* --------------------------------------------------------------- transfers */

void iou_flow_done(struct iou_chunk *c)
{
	struct iou_flow *f = c->f;
	unsigned long flags;

	/* Kicked inside the lock: once the work item has the chunk, f may go. */
	spin_lock_irqsave(&f->done_lock, flags);
	list_add_tail(&c->node, &f->done);
	iou_flow_kick(f);
	spin_unlock_irqrestore(&f->done_lock, flags);
}

static void iou_flow_io_done(struct iou_io *io)
{
	iou_flow_done(container_of(io, struct iou_chunk, io));
}

void iou_flow_submit_io(struct iou_chunk *c)
{
	struct iou_io *io = &c->io;
	int ret;

	io->done = iou_flow_io_done;
	io->st = c->f->st;
	ret = iou_storage_submit(io, false);
	if (ret) {
		io->error = ret;
		iou_flow_done(c);
	}
}

/* The chunks whose transfers ended, to the end of @list. False: there are none. */
static bool iou_flow_reap(struct iou_flow *f, struct list_head *list)
{
	spin_lock_irq(&f->done_lock);
	list_splice_tail_init(&f->done, list);
	spin_unlock_irq(&f->done_lock);
	return !list_empty(list);
}

int iou_flow_bpf(struct iou_flow *f, struct iou_chunk *c, u16 *reason)
{
	const bool sends = f->d.flags & IO_UNIFIED_F_TX;
	const u16 net = sends ? f->d.net_tx : f->d.net;
	const struct iou_bpf_in in = {
		.start = iou_ptr(f->r, c->mem - f->headroom),
		.end = iou_ptr(f->r, c->mem + f->size),
		.data = iou_ptr(f->r, c->addr),
		.len = c->len,
		.queue = 0,
		.dev = NULL,
		.allowed = 0,
		.sends = sends,
	};
	struct iou_bpf_out out __uninitialized;
	int ret;

	iou_bpf_front(in.data)->ctl = (struct io_unified_bpf_ctl){
		.dev_offset = c->pos,
		.cookie = f->d.cookie,
		.tstamp = 0,
		.len = c->len,
		.orig_len = c->len,
		.flags = 0,
		.ifindex = 0,
		.queue = 0,
		.storage = f->d.storage,
		.net = net,
		.state = { f->state[0], f->state[1] },
	};
	trace_io_unified_stage(f->r, &f->d, IO_UNIFIED_OP_BPF, c->addr, c->len);
	ret = iou_bpf_run(f->prog, &in, &out);
	*reason = out.reason;
	c->verdict = out.verdict;
	if (ret)
		return ret;
	/* A stream goes from one place to one place. */
	if (out.ctl.dev_offset != c->pos) {
		*reason = IO_UNIFIED_REASON_CTL_RANGE;
		return -EINVAL;
	}
	if (out.ctl.storage != f->d.storage || out.ctl.net != net) {
		*reason = IO_UNIFIED_REASON_CTL_INDEX;
		return -EINVAL;
	}
	c->addr = out.data - f->r->mem.kaddr;
	c->len = out.ctl.len;
	c->cookie = out.ctl.cookie;
	f->state[0] = out.ctl.state[0];
	f->state[1] = out.ctl.state[1];
	return 0;
}

/* ------------------------------------------------------------- completions */

void iou_flow_tell(struct iou_flow *f, struct io_unified_cqe *cqe)
{
	cqe->user_data = f->d.user_data;
	cqe->ops = f->d.ops;
	cqe->flags |= IO_UNIFIED_CQE_MORE |
		      (f->folded ? IO_UNIFIED_CQE_OVERFLOW : 0);
	f->folded = !iou_cq_try_post(f->pair, cqe);
	if (f->folded)
		iou_count(f->r->stats, IO_UNIFIED_STAT_CQ_OVERFLOW, 1);
}

void iou_flow_put(struct iou_flow *f)
{
	if (!refcount_dec_and_test(&f->refs))
		return;
	kvfree(f->pkts);
	kvfree(f->chunks);
	kfree(f);
}

static void iou_flow_free(struct iou_flow *f)
{
	struct iou_region *r = f->r;

	if (f->streaming)
		WRITE_ONCE(*f->streaming, false);
	if (f->prog)
		iou_att_put(&f->prog->att);
	if (f->sock)
		iou_att_put(&f->sock->att);
	if (f->tq)
		iou_att_put(&f->tq->att);
	if (f->st)
		iou_att_put(&f->st->att);
	iou_flow_put(f);
	iou_region_put(r);
}

static void iou_flow_finish(struct iou_flow *f)
{
	struct io_uring_cmd *cmd = f->cmd;
	bool burst = f->burst;
	struct io_unified_cqe cqe = {
		.user_data = f->d.user_data,
		.ops = f->d.ops,
		.flags = (f->folded ? IO_UNIFIED_CQE_OVERFLOW : 0) |
			 (f->copied ? IO_UNIFIED_CQE_COPIED : 0),
		.nvme_status = f->nvme_status,
		.reason = f->reason,
	};
	unsigned long flags;
	u64 res2;

	cancel_delayed_work_sync(&f->timer);
	/* Nobody kicks us any more, but somebody may have, meanwhile. */
	cancel_work(&f->work);
	f->ops->last(f, &cqe);
	cqe.res = f->error ?: (s32)min_t(u64, cqe.count, S32_MAX);
	res2 = iou_res2(cqe.nvme_status, cqe.reason, 0, cqe.flags);
	trace_io_unified_complete(f->r, &f->d, cqe.res, cqe.reason, cqe.flags);
	if (f->error)
		iou_count(f->r->stats, IO_UNIFIED_STAT_ERRORS, 1);
	*iou_cq_begin(f->pair, &flags) = cqe;
	iou_cq_end(f->pair, flags);
	iou_flow_free(f);
	if (!cmd)
		return;
	if (burst) {
		iou_uring_burst_put(cmd);
	} else {
		iou_uring_set_result(cmd, cqe.res, res2);
		iou_uring_complete(cmd);
	}
}

static bool iou_flow_over(struct iou_flow *f)
{
	bool over;

	if (!f->ops->over(f))
		return false;
	/* Who took it to cancel it still has to say so, and kicks us then. */
	iou_waiter_del(&f->waiter);
	if (!f->taken)
		return true;
	spin_lock_bh(&f->lock);
	over = f->canceled;
	spin_unlock_bh(&f->lock);
	return over;
}

static void iou_flow_turn(struct iou_flow *f)
{
	struct iou_chunk *c, *next;
	LIST_HEAD(done);
	bool more;

	do {
		list_for_each_entry_safe(c, next, &done, node) {
			f->busy--;
			f->ops->ended(f, c);
		}
		INIT_LIST_HEAD(&done);
		more = f->ops->turn(f);
		cond_resched();
	} while (iou_flow_reap(f, &done) || more);
}

static void iou_flow_work(struct work_struct *work)
{
	struct iou_flow *f = container_of(work, struct iou_flow, work);

	iou_flow_turn(f);
	if (iou_flow_over(f))
		iou_flow_finish(f);
}

static void iou_flow_timer(struct work_struct *work)
{
	struct iou_flow *f =
		container_of(to_delayed_work(work), struct iou_flow, timer);

	spin_lock_bh(&f->lock);
	f->ops->timer(f);
	iou_flow_kick(f);
	spin_unlock_bh(&f->lock);
}

/* ------------------------------------------------------------------ cancel */

static bool iou_flow_take(struct iou_waiter *w)
{
	container_of(w, struct iou_flow, waiter)->taken = true;
	return true;
}

static void iou_flow_canceled(struct iou_waiter *w, int error, u16 reason)
{
	struct iou_flow *f = container_of(w, struct iou_flow, waiter);

	spin_lock_bh(&f->lock);
	f->canceled = true;
	f->dying = w->dying;
	f->why = reason;
	/* One that has come to its end has only what is in flight to lose. */
	if (!f->stopping)
		iou_flow_stop_locked(f, error, reason);
	if (!f->dying)
		mod_delayed_work(iou_wq, &f->timer, IOU_FLOW_LINGER);
	iou_flow_kick(f);
	spin_unlock_bh(&f->lock);
}

bool iou_flow_revokes(struct iou_flow *f, bool *dying, u16 *why)
{
	bool canceled;

	spin_lock_bh(&f->lock);
	canceled = f->canceled;
	*dying = f->dying;
	*why = f->why;
	spin_unlock_bh(&f->lock);
	if (!canceled || (f->revoked && !*dying))
		return false;
	f->revoked = true;
	return true;
}

/* Under iou_file.wait_lock: from here on it may end, and everything be freed. */
static int iou_flow_start(struct iou_waiter *w, u16 *reason)
{
	iou_flow_kick(container_of(w, struct iou_flow, waiter));
	return 0;
}

/* ----------------------------------------------------------------- set up */

static int iou_flow_refuse(u16 *reason, u16 why)
{
	*reason = why;
	return -EINVAL;
}

/* What only packets have, and what only bytes have. */
static bool iou_flow_unread(const struct iou_flow *f)
{
	const struct io_unified_stream *p = &f->p;
	const bool flushes = f->ops->flags & IO_UNIFIED_STREAM_FLUSH;

	if (p->snaplen || p->interface_id ||
	    memchr_inv(p->reserved, 0, sizeof(p->reserved)))
		return true;
	if (f->sock &&
	    (p->max_packets || p->pace ||
	     memchr_inv(p->recording_id, 0, sizeof(p->recording_id))))
		return true;
	return !flushes && (p->flush_usec || p->flush_bytes);
}

/* Chunks: what storage takes at once, and at least two if there is room. */
static int iou_flow_cut(struct iou_flow *f, u16 *reason)
{
	const u32 align = f->st->dma_mask + 1;
	const u32 unit = max3(iou_block_size(f->st), align,
			      f->sock ? 1 : iou_frame_size(f->r));
	const u32 most = min_t(u32, IOU_FLOW_CHUNK_MAX, f->st->max_bytes);
	u32 size = f->p.batch_bytes;
	u32 room = f->d.len;

	f->headroom = f->prog && f->sock ? max_t(u32, SECTOR_SIZE, align) : 0;
	if (room < 2 * f->headroom + 2 * unit)
		room = room > f->headroom ? room - f->headroom : 0;
	else
		room = room / 2 - f->headroom;
	if (!size)
		size = round_down(min3(room, most, (u32)IOU_FLOW_CHUNK), unit);
	if (!size || size > most || (u64)size + f->headroom > f->d.len)
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if ((size & (unit - 1)) || (f->d.addr & (align - 1)))
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_ALIGN);
	f->size = size;
	f->nr = min(f->d.len / (size + f->headroom), IOU_FLOW_CHUNKS);
	return 0;
}

static int iou_flow_check(struct iou_flow *f, u16 *reason)
{
	const struct io_unified_stream *p = &f->p;
	int ret;

	if (p->flags & ~f->ops->flags)
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_FLAGS);
	if (iou_flow_unread(f))
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_RESERVED);
	if (p->layout != f->ops->layout)
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_LAYOUT);
	/* A program sees each chunk once, and as a whole. */
	if (p->flush_usec > IOU_FLOW_USEC_MAX || (f->prog && p->flush_usec) ||
	    !p->range_len)
		return iou_flow_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if (f->sock && !f->sock->stream) {
		*reason = IO_UNIFIED_REASON_SOCKET_TYPE;
		return -EOPNOTSUPP;
	}
	ret = iou_storage_allowed(f->st, f->ops->io, 0, 0, reason);
	if (!ret)
		ret = iou_flow_cut(f, reason);
	return ret ?: f->ops->check(f, reason);
}

/* The other end, of which a direction may have one stream. */
static int iou_flow_get_peer(struct iou_flow *f)
{
	const struct io_unified_desc *d = &f->d;
	const bool sends = d->flags & IO_UNIFIED_F_TX;
	const u16 index = sends ? d->net_tx : d->net;
	struct iou_att *att;

	att = iou_att_get(f->r,
			  d->flags & IO_UNIFIED_F_SOCKET ?
				  IO_UNIFIED_KIND_SOCKET :
				  IO_UNIFIED_KIND_NETDEV,
			  index);
	if (!att)
		return -ENOENT;
	if (d->flags & IO_UNIFIED_F_SOCKET)
		f->sock = iou_att_sock(att);
	else
		f->tq = iou_att_netq(att);
	return 0;
}

static bool *iou_flow_direction(struct iou_flow *f)
{
	if (f->tq)
		return &f->tq->tx.streaming;
	return f->d.flags & IO_UNIFIED_F_TX ? &f->sock->tx.streaming :
					      &f->sock->rx.streaming;
}

static int iou_flow_get_atts(struct iou_flow *f, u16 *reason)
{
	const struct io_unified_desc *d = &f->d;
	struct iou_att *att;

	*reason = IO_UNIFIED_REASON_INDEX;
	att = iou_att_get(f->r, IO_UNIFIED_KIND_STORAGE, d->storage);
	if (!att)
		return -ENOENT;
	f->st = iou_att_storage(att);
	if (iou_flow_get_peer(f))
		return -ENOENT;
	if (d->ops & IO_UNIFIED_OP_BPF) {
		att = iou_att_get(f->r, IO_UNIFIED_KIND_BPF, d->bpf);
		if (!att)
			return -ENOENT;
		f->prog = iou_att_prog(att);
	}
	if (xchg(iou_flow_direction(f), true)) {
		*reason = IO_UNIFIED_REASON_STREAM_BUSY;
		return -EBUSY;
	}
	f->streaming = iou_flow_direction(f);
	*reason = IO_UNIFIED_REASON_NONE;
	return 0;
}

/* Room for a packet in each frame of the chunks */
static int iou_flow_alloc_pkts(struct iou_flow *f)
{
	const u32 each = f->size >> f->r->frame_shift;
	u32 i;

	f->pkts = kvcalloc((size_t)f->nr * each, sizeof(*f->pkts),
			   GFP_KERNEL_ACCOUNT);
	if (!f->pkts)
		return -ENOMEM;
	for (i = 0; i < f->nr; i++)
		f->chunks[i].pkts = f->pkts + (size_t)i * each;
	return 0;
}

static int iou_flow_alloc_chunks(struct iou_flow *f)
{
	u32 i;

	f->chunks = kvcalloc(f->nr, sizeof(*f->chunks), GFP_KERNEL_ACCOUNT);
	if (!f->chunks)
		return -ENOMEM;
	for (i = 0; i < f->nr; i++) {
		f->chunks[i].f = f;
		f->chunks[i].mem = f->d.addr + f->headroom +
				   (u64)i * (f->size + f->headroom);
	}
	f->flush.f = f;
	return f->tq ? iou_flow_alloc_pkts(f) : 0;
}

static const struct iou_flow_ops *iou_flow_ops_of(u32 flags)
{
	if (!(flags & IO_UNIFIED_F_SOCKET))
		return &iou_play_ops;
	return flags & IO_UNIFIED_F_TX ? &iou_serve_ops : &iou_ingest_ops;
}

static struct iou_flow *iou_flow_alloc(struct iou_region *r,
				       const struct io_unified_desc *d,
				       const struct iou_stream_from *from)
{
	struct iou_flow *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	refcount_set(&f->refs, 1);
	f->ops = iou_flow_ops_of(d->flags);
	f->cmd = from->cmd;
	f->burst = from->burst;
	f->pair = from->pair;
	f->p = from->stream;
	f->r = r;
	f->d = *d;
	f->state[0] = d->arg;
	f->idle = true;
	spin_lock_init(&f->lock);
	spin_lock_init(&f->done_lock);
	INIT_LIST_HEAD(&f->done);
	INIT_LIST_HEAD(&f->waiter.node);
	INIT_WORK(&f->work, iou_flow_work);
	INIT_DELAYED_WORK(&f->timer, iou_flow_timer);
	percpu_ref_get(&r->refs);
	return f;
}

static void iou_flow_init_waiter(struct iou_flow *f)
{
	struct iou_waiter *w = &f->waiter;

	w->cmd = f->cmd;
	w->many = f->burst;
	w->region = f->r;
	w->atts[0] = f->sock ? &f->sock->att : &f->tq->att;
	w->atts[1] = &f->st->att;
	w->atts[2] = f->prog ? &f->prog->att : NULL;
	w->user_data = f->d.user_data;
	w->take = iou_flow_take;
	w->canceled = iou_flow_canceled;
}

int iou_flow_submit(struct iou_region *r, const struct io_unified_desc *d,
		    const struct iou_stream_from *from, u16 *reason)
{
	struct iou_flow *f = iou_flow_alloc(r, d, from);
	int ret;

	if (!f)
		return -ENOMEM;
	ret = iou_flow_get_atts(f, reason);
	if (!ret)
		ret = iou_flow_check(f, reason);
	if (!ret)
		ret = iou_flow_alloc_chunks(f);
	if (!ret && !from->promised && !iou_cq_reserve(f->pair, 1)) {
		*reason = IO_UNIFIED_REASON_CQ_FULL;
		ret = -EBUSY;
	}
	if (ret) {
		iou_flow_free(f);
		return ret;
	}
	iou_flow_init_waiter(f);
	trace_io_unified_submit(r, d);
	iou_count(r->stats, IO_UNIFIED_STAT_OPS, 1);
	/* Its start cannot fail. */
	return iou_waiter_add(&f->waiter, iou_flow_start, reason);
}
