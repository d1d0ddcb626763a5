// SPDX-License-Identifier: GPL-2.0
/*
 * Streams: set up, written out, brought to an end
 *
 * stream_rx.c fills batches in softirq. The worker here writes them, gives
 * their frames back to the queue, and tells the application. A stream ends in
 * this order: stopping is set (cancel, full, limit, error); the worker takes
 * the frames back from the queue and writes what there is; when no frame is
 * posted and no batch busy the last entry is posted and the command completes.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "bpf.h"
#include "cq.h"
#include "desc.h"
#include "flow.h"
#include "main.h"
#include "stream_priv.h"
#include "trace.h"
#include "uring.h"

#define IOU_STREAM_FLAGS IO_UNIFIED_STREAM_PER_PACKET
#define IOU_BATCH_BYTES SZ_128K
#define IOU_BATCH_BYTES_MAX SZ_4M
/* Frames that stay with the NIC, as many as a usual receive ring */
#define IOU_STREAM_RESERVE 512u
#define IOU_FLUSH_USEC 10000
#define IOU_FLUSH_USEC_MAX (60 * USEC_PER_SEC)

void iou_stream_kick(struct iou_stream *s)
{
	queue_work(iou_wq, &s->work);
}

void iou_stream_stop(struct iou_stream *s, int res, u16 reason)
{
	if (!s->stopping) {
		s->stopping = true;
		s->res = res;
		s->reason = reason;
	}
	iou_stream_kick(s);
}

int iou_stream_post(struct iou_stream *s, u32 frame, u16 *reason)
{
	int ret = iou_net_post(s->nq, frame, &s->rx, reason);

	if (!ret)
		s->posted++;
	return ret;
}

void iou_stream_post_again(struct iou_stream *s, u32 frame)
{
	u16 reason = IO_UNIFIED_REASON_NONE;
	int ret = iou_stream_post(s, frame, &reason);

	/* Where no frame is posted nobody would tell by failed(). */
	if (ret)
		iou_stream_stop(s, ret, reason);
}

static void iou_stream_failed(struct iou_rx_owner *o, struct iou_netq *q,
			      u32 frame, int error, u16 reason)
{
	struct iou_stream *s = container_of(o, struct iou_stream, rx);

	spin_lock_bh(&s->lock);
	s->posted--;
	iou_stream_stop(s, error, reason);
	spin_unlock_bh(&s->lock);
}

static bool iou_stream_take(struct iou_waiter *w)
{
	container_of(w, struct iou_stream, waiter)->taken = true;
	return true;
}

static void iou_stream_canceled(struct iou_waiter *w, int error, u16 reason)
{
	struct iou_stream *s = container_of(w, struct iou_stream, waiter);

	spin_lock_bh(&s->lock);
	s->canceled = true;
	iou_stream_stop(s, error, reason);
	spin_unlock_bh(&s->lock);
}

static bool iou_stream_uses(const struct iou_waiter *w,
			    const struct iou_att *att)
{
	const struct iou_stream *s = container_of(w, struct iou_stream, waiter);
	const struct iou_storage *st;

	/* One that goes away is seen by who takes it up. */
	if (!att || att->kind != IO_UNIFIED_KIND_STORAGE)
		return false;
	st = READ_ONCE(s->lanes[att->index].st);
	return st && &st->att == att;
}

/* ------------------------------------------------------------ completions */

static void iou_stream_post_cqe(struct iou_stream *s, const struct iou_batch *b,
				u64 addr, u64 dev_offset, u32 len, u64 cookie,
				u32 count)
{
	struct io_unified_cqe cqe = {
		.user_data = s->d.user_data,
		.addr = addr,
		.dev_offset = dev_offset,
		.len = len,
		.res = len,
		.ops = s->d.ops,
		.flags = IO_UNIFIED_CQE_MORE |
			 (b->copied ? IO_UNIFIED_CQE_COPIED : 0) |
			 (b->realigned ? IO_UNIFIED_CQE_REALIGNED : 0) |
			 (s->fold ? IO_UNIFIED_CQE_OVERFLOW : 0),
		.verdict = s->prog ? XDP_PASS : 0,
		.count = count + s->fold,
		.cookie = cookie,
	};

	if (iou_cq_try_post(s->pair, &cqe)) {
		s->fold = 0;
		return;
	}
	/* No room: the next entry that finds some stands for this one too. */
	s->fold += count;
	iou_count(s->r->stats, IO_UNIFIED_STAT_CQ_OVERFLOW, 1);
}

static void iou_stream_tell(struct iou_stream *s, const struct iou_batch *b)
{
	u32 i;

	if (!(s->p.flags & IO_UNIFIED_STREAM_PER_PACKET)) {
		iou_stream_post_cqe(s, b, b->pkts[0].addr, b->dev_offset,
				    b->bytes, b->pkts[0].cookie, b->nr_pkts);
		return;
	}
	for (i = 0; i < b->nr_pkts; i++)
		iou_stream_post_cqe(s, b, b->pkts[i].addr,
				    b->dev_offset +
					    ((u64)i << s->r->frame_shift),
				    iou_frame_size(s->r), b->pkts[i].cookie, 1);
}

/* ------------------------------------------------------------------ worker */

static void iou_batch_done(struct iou_io *io)
{
	struct iou_batch *b = container_of(io, struct iou_batch, io);
	struct iou_stream *s = b->s;
	unsigned long flags;

	/* Kicked inside the lock: once the worker has the batch, s may go. */
	spin_lock_irqsave(&s->done_lock, flags);
	list_add_tail(&b->node, &s->done);
	iou_stream_kick(s);
	spin_unlock_irqrestore(&s->done_lock, flags);
}

static void iou_batch_submit(struct iou_batch *b)
{
	struct iou_io *io = &b->io;
	int ret;

	trace_io_unified_stage(b->s->r, &b->s->d, IO_UNIFIED_OP_NVME,
			       b->pkts[0].addr, b->bytes);
	io->done = iou_batch_done;
	io->st = b->lane->st;
	io->pos = b->dev_offset;
	io->len = b->bytes;
	io->flags = IO_UNIFIED_F_WRITE | (b->s->d.flags & IO_UNIFIED_F_FUA);
	io->alone = false;
	io->bvec = b->bv;
	io->nr_bvec = b->nr_bv;
	io->skip = 0;
	ret = iou_storage_submit(io, false);
	if (ret) {
		io->error = ret;
		iou_batch_done(io);
	}
}

static void iou_batch_account(struct iou_stream *s, struct iou_batch *b)
{
	struct iou_counters __percpu *net = s->nq->att.stats;
	struct iou_counters __percpu *st = b->lane->st->att.stats;

	if (b->io.error) {
		iou_count(net, IO_UNIFIED_STAT_DROP_WRITE, b->nr_pkts);
		return;
	}
	iou_count(net, IO_UNIFIED_STAT_WRITTEN_PACKETS, b->nr_pkts);
	iou_count(st, IO_UNIFIED_STAT_WRITTEN_BYTES, b->bytes);
	iou_count(st, IO_UNIFIED_STAT_WRITES, 1);
}

/* A batch came back from the drive: tell, and give its frames to the queue. */
static void iou_stream_reap(struct iou_stream *s, struct iou_batch *b)
{
	u32 i;

	iou_batch_account(s, b);
	if (!b->io.error)
		iou_stream_tell(s, b);

	spin_lock_bh(&s->lock);
	if (b->io.error) {
		b->lane->fail_at = min(b->lane->fail_at, b->dev_offset);
		s->dropped += b->nr_pkts;
		if (!s->nvme_status)
			s->nvme_status = b->io.nvme_status;
		iou_stream_stop(s, b->io.error, iou_io_reason(&b->io));
	} else {
		s->written += b->nr_pkts;
	}
	for (i = 0; i < b->nr_pkts && !s->stopping; i++)
		iou_stream_post_again(s, b->pkts[i].frame);
	list_add(&b->node, &s->free);
	s->busy--;
	spin_unlock_bh(&s->lock);
}

static void iou_stream_recall(struct iou_stream *s)
{
	u32 i;

	for (i = 0; i < s->nr_frames; i++) {
		u32 frame = s->first_frame + i;

		if (iou_net_recall(s->nq, frame, &s->rx))
			s->posted--;
	}
	s->recalled = true;
}

static void iou_stream_close_all(struct iou_stream *s)
{
	int i;

	for (i = 0; i < IOU_MAX_ATTACHMENTS; i++)
		iou_stream_close_batch(s, &s->lanes[i]);
}

/* Write what is ready, reap what is done, until there is neither. */
static void iou_stream_turn(struct iou_stream *s)
{
	struct iou_batch *b, *next;
	LIST_HEAD(ready);
	LIST_HEAD(done);

	for (;;) {
		spin_lock_irq(&s->done_lock);
		list_splice_init(&s->done, &done);
		spin_unlock_irq(&s->done_lock);
		spin_lock_bh(&s->lock);
		if (s->stopping) {
			if (!s->recalled)
				iou_stream_recall(s);
			iou_stream_close_all(s);
		}
		list_splice_init(&s->ready, &ready);
		spin_unlock_bh(&s->lock);
		if (list_empty(&ready) && list_empty(&done))
			return;

		list_for_each_entry_safe(b, next, &done, node)
			iou_stream_reap(s, b);
		INIT_LIST_HEAD(&done);
		iou_net_kick(s->nq);
		list_for_each_entry_safe(b, next, &ready, node)
			iou_batch_submit(b);
		INIT_LIST_HEAD(&ready);
		cond_resched();
	}
}

static void iou_stream_free(struct iou_stream *s)
{
	struct iou_region *r = s->r;
	int i;

	for (i = 0; i < IOU_MAX_ATTACHMENTS; i++)
		if (s->lanes[i].st)
			iou_att_put(&s->lanes[i].st->att);
	if (s->prog)
		iou_att_put(&s->prog->att);
	if (s->streaming)
		WRITE_ONCE(s->nq->streaming, false);
	if (s->nq)
		iou_att_put(&s->nq->att);
	kvfree(s->batches);
	/* The queue may be about to return from our callback. */
	kvfree_rcu(s, rcu);
	iou_region_put(r);
}

static void iou_stream_finish(struct iou_stream *s)
{
	struct iou_lane *lane = &s->lanes[s->d.storage];
	struct io_uring_cmd *cmd = s->cmd;
	bool burst = s->burst;
	struct io_unified_cqe cqe = {
		.user_data = s->d.user_data,
		.dev_offset = min(lane->next, lane->fail_at),
		.res = s->res,
		.ops = s->d.ops,
		.flags = s->fold ? IO_UNIFIED_CQE_OVERFLOW : 0,
		.nvme_status = s->nvme_status,
		.reason = s->reason,
		.count = s->written,
		.cookie = s->received,
	};
	u64 res2 = iou_res2(s->nvme_status, s->reason, 0, cqe.flags);
	unsigned long flags;
	s32 res = s->res;

	cancel_delayed_work_sync(&s->flush);
	/* Nobody kicks us any more, but somebody may have, meanwhile. */
	cancel_work(&s->work);
	trace_io_unified_complete(s->r, &s->d, res, s->reason, cqe.flags);
	if (res)
		iou_count(s->r->stats, IO_UNIFIED_STAT_ERRORS, 1);
	*iou_cq_begin(s->pair, &flags) = cqe;
	iou_cq_end(s->pair, flags);
	iou_stream_free(s);
	if (!cmd)
		return;
	if (burst) {
		iou_uring_burst_put(cmd);
	} else {
		iou_uring_set_result(cmd, res, res2);
		iou_uring_complete(cmd);
	}
}

static bool iou_stream_over(struct iou_stream *s)
{
	bool over;

	spin_lock_bh(&s->lock);
	over = s->stopping && s->recalled && !s->posted && !s->busy;
	spin_unlock_bh(&s->lock);
	if (!over)
		return false;

	/* Who took it to cancel it still has to say so, and kicks us then. */
	iou_waiter_del(&s->waiter);
	if (!s->taken)
		return true;
	spin_lock_bh(&s->lock);
	over = s->canceled;
	spin_unlock_bh(&s->lock);
	return over;
}

static void iou_stream_work(struct work_struct *work)
{
	struct iou_stream *s = container_of(work, struct iou_stream, work);

	iou_stream_turn(s);
	if (iou_stream_over(s))
		iou_stream_finish(s);
}

/* Batches that waited long enough for more packets, and when the next one will have. */
static void iou_stream_flush(struct work_struct *work)
{
	struct iou_stream *s =
		container_of(to_delayed_work(work), struct iou_stream, flush);
	const unsigned long now = jiffies;
	unsigned long left = 0;
	int i;

	spin_lock_bh(&s->lock);
	for (i = 0; i < IOU_MAX_ATTACHMENTS; i++) {
		struct iou_batch *b = s->lanes[i].open;

		if (!b)
			continue;
		if (time_after_eq(now, b->due))
			iou_stream_close_batch(s, &s->lanes[i]);
		else
			left = min_not_zero(left, b->due - now);
	}
	if (left)
		mod_delayed_work(iou_wq, &s->flush, left);
	spin_unlock_bh(&s->lock);
}

/* ----------------------------------------------------------------- set up */

static int iou_stream_refuse(u16 *reason, u16 why)
{
	*reason = why;
	return -EINVAL;
}

static int iou_stream_check(struct iou_stream *s, struct iou_storage *st,
			    u16 *reason)
{
	struct io_unified_stream *p = &s->p;
	u32 frame_size = iou_frame_size(s->r);

	if (p->flags & ~IOU_STREAM_FLAGS)
		return iou_stream_refuse(reason, IO_UNIFIED_REASON_FLAGS);
	if (p->flush_bytes || p->pace ||
	    memchr_inv(p->reserved, 0, sizeof(p->reserved)))
		return iou_stream_refuse(reason, IO_UNIFIED_REASON_RESERVED);
	if (p->layout != IO_UNIFIED_LAYOUT_ALIGNED)
		return iou_stream_refuse(reason, IO_UNIFIED_REASON_LAYOUT);
	if (p->flush_usec > IOU_FLUSH_USEC_MAX || !p->range_len ||
	    p->range_len & (frame_size - 1))
		return iou_stream_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if (!p->batch_bytes)
		p->batch_bytes =
			clamp(st->max_bytes, frame_size, (u32)IOU_BATCH_BYTES);
	if (p->batch_bytes < frame_size ||
	    p->batch_bytes > min_t(u32, IOU_BATCH_BYTES_MAX, st->max_bytes))
		return iou_stream_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if (!p->flush_usec)
		p->flush_usec = IOU_FLUSH_USEC;
	return iou_storage_check(st, s->d.dev_offset, p->range_len, reason);
}

/*
 * Batches for all frames twice over: half of them may be partly filled when
 * packets go to many lanes. A program may place each packet elsewhere, and then
 * each is a batch of its own. One allocation, cut up.
 */
static int iou_stream_alloc_batches(struct iou_stream *s)
{
	u32 frame_size = iou_frame_size(s->r);
	u32 nr, i;
	size_t one;
	u8 *mem;

	s->per_batch = clamp(s->nr_frames / 2, 1U,
			     s->p.batch_bytes >> s->r->frame_shift);
	s->max_bv = s->per_batch * max_t(u32, frame_size >> PAGE_SHIFT, 1);
	nr = s->prog ? s->nr_frames : 2 * s->nr_frames / s->per_batch;
	nr = clamp(nr, 4U, 4096U);
	one = sizeof(struct iou_batch) + s->max_bv * sizeof(struct bio_vec) +
	      s->per_batch * sizeof(struct iou_batch_pkt);
	s->batches = kvcalloc(nr, one, GFP_KERNEL_ACCOUNT);
	if (!s->batches)
		return -ENOMEM;

	mem = (u8 *)(s->batches + nr);
	for (i = 0; i < nr; i++) {
		struct iou_batch *b = &s->batches[i];

		b->s = s;
		b->bv = (struct bio_vec *)mem;
		mem += s->max_bv * sizeof(*b->bv);
		b->pkts = (struct iou_batch_pkt *)mem;
		mem += s->per_batch * sizeof(*b->pkts);
		list_add_tail(&b->node, &s->free);
	}
	return 0;
}

static int iou_stream_get_atts(struct iou_stream *s, u16 *reason)
{
	const struct io_unified_desc *d = &s->d;
	struct iou_lane *lane;
	struct iou_storage *st;
	struct iou_att *att;
	int ret;

	*reason = IO_UNIFIED_REASON_INDEX;
	att = iou_att_get(s->r, IO_UNIFIED_KIND_STORAGE, d->storage);
	if (!att)
		return -ENOENT;
	st = iou_att_storage(att);
	s->lanes[d->storage].st = st;
	att = iou_att_get(s->r, IO_UNIFIED_KIND_NETDEV, d->net);
	if (!att)
		return -ENOENT;
	s->nq = iou_att_netq(att);
	if (xchg(&s->nq->streaming, true)) {
		*reason = IO_UNIFIED_REASON_STREAM_BUSY;
		return -EBUSY;
	}
	s->streaming = true;
	if (d->ops & IO_UNIFIED_OP_BPF) {
		att = iou_att_get(s->r, IO_UNIFIED_KIND_BPF, d->bpf);
		if (!att)
			return -ENOENT;
		s->prog = iou_att_prog(att);
	}
	*reason = IO_UNIFIED_REASON_NONE;

	ret = iou_storage_allowed(st, IOU_IO_WRITE, 0, 0, reason);
	if (!ret)
		ret = iou_stream_check(s, st, reason);
	if (ret)
		return ret;
	lane = iou_stream_lane(s, d->storage, st, reason);
	return lane ? 0 : -EINVAL;
}

/* Under iou_file.wait_lock: give the frames to the queue. */
static int iou_stream_start(struct iou_waiter *w, u16 *reason)
{
	struct iou_stream *s = container_of(w, struct iou_stream, waiter);
	int ret = 0;
	u32 i;

	spin_lock(&s->lock);
	for (i = 0; i < s->nr_frames && !ret; i++)
		ret = iou_stream_post(s, s->first_frame + i, reason);
	/* Frames that are out already may come back: the worker sees to it. */
	if (ret && i > 1) {
		iou_stream_stop(s, ret, *reason);
		ret = 0;
	}
	spin_unlock(&s->lock);
	return ret;
}

static struct iou_stream *iou_stream_alloc(struct iou_region *r,
					   const struct io_unified_desc *d,
					   const struct iou_stream_from *from)
{
	struct iou_stream *s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->rx.received = iou_stream_received;
	s->rx.failed = iou_stream_failed;
	s->cmd = from->cmd;
	s->burst = from->burst;
	s->pair = from->pair;
	s->p = from->stream;
	s->r = r;
	s->d = *d;
	s->first_frame = (d->addr - r->data_off) >> r->frame_shift;
	s->nr_frames = d->len >> r->frame_shift;
	s->reserve = min(s->nr_frames / 4, IOU_STREAM_RESERVE);
	spin_lock_init(&s->lock);
	spin_lock_init(&s->done_lock);
	INIT_LIST_HEAD(&s->free);
	INIT_LIST_HEAD(&s->ready);
	INIT_LIST_HEAD(&s->done);
	INIT_LIST_HEAD(&s->waiter.node);
	INIT_WORK(&s->work, iou_stream_work);
	INIT_DELAYED_WORK(&s->flush, iou_stream_flush);
	percpu_ref_get(&r->refs);
	return s;
}

static int iou_stream_submit_nic(struct iou_region *r,
				 const struct io_unified_desc *d,
				 const struct iou_stream_from *from,
				 u16 *reason)
{
	struct iou_waiter *w;
	struct iou_stream *s;
	struct iou_netq *nq;
	int ret;

	s = iou_stream_alloc(r, d, from);
	if (!s)
		return -ENOMEM;
	ret = iou_stream_get_atts(s, reason);
	if (!ret)
		ret = iou_stream_alloc_batches(s);
	if (ret)
		goto err;
	ret = -EBUSY;
	if (!from->promised && !iou_cq_reserve(s->pair, 1)) {
		*reason = IO_UNIFIED_REASON_CQ_FULL;
		goto err;
	}

	w = &s->waiter;
	w->cmd = s->cmd;
	w->many = s->burst;
	w->region = r;
	w->atts[0] = &s->nq->att;
	w->atts[1] = s->prog ? &s->prog->att : NULL;
	w->user_data = d->user_data;
	w->uses = iou_stream_uses;
	w->take = iou_stream_take;
	w->canceled = iou_stream_canceled;

	trace_io_unified_submit(r, d);
	/* Once it is on its way it may end, and free everything, any time. */
	nq = s->nq;
	percpu_ref_get(&nq->att.refs);
	ret = iou_waiter_add(w, iou_stream_start, reason);
	if (!ret) {
		iou_count(r->stats, IO_UNIFIED_STAT_OPS, 1);
		iou_net_kick(nq);
	}
	iou_att_put(&nq->att);
	if (!ret)
		return 0;
	if (!from->promised)
		iou_cq_unreserve(from->pair, 1);
err:
	iou_stream_free(s);
	return ret;
}

int iou_stream_submit(struct iou_region *r, const struct io_unified_desc *shown,
		      const struct iou_stream_from *from, u16 *reason)
{
	struct io_unified_desc d = *shown;
	int ret;

	/* From an SQE it has nothing to say so. */
	d.flags |= IO_UNIFIED_F_STREAM;
	ret = iou_desc_check(&d, reason);
	if (!ret && d.arg && !(d.ops & IO_UNIFIED_OP_BPF))
		ret = iou_stream_refuse(reason, IO_UNIFIED_REASON_RESERVED);
	if (!ret)
		ret = iou_desc_check_mem(r, &d, reason);
	if (ret)
		return ret;
	if (d.flags & (IO_UNIFIED_F_SOCKET | IO_UNIFIED_F_READ))
		return iou_flow_submit(r, &d, from, reason);
	return iou_stream_submit_nic(r, &d, from, reason);
}
