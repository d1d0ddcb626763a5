// SPDX-License-Identifier: GPL-2.0
/*
 * Ops: source, then BPF, then sink
 *
 * submit --+-- network rx --> (softirq) --+-- BPF --+-- write --> complete
 *          +-- storage read -> (irq, work)-+        +-----------> complete
 *          +------------------------------+
 *
 * Each arrow hands the op over: whoever has it alone touches it. An op that
 * waits for a packet can also be canceled; iou_net_recall() decides who wins.
 */
#include <linux/slab.h>

#include "bpf.h"
#include "cq.h"
#include "desc.h"
#include "main.h"
#include "op.h"
#include "trace.h"
#include "uring.h"

static struct kmem_cache *iou_op_cache;

static void iou_op_release(struct iou_op *op)
{
	struct iou_region *r = op->r;

	if (op->prog)
		iou_att_put(&op->prog->att);
	if (op->nq)
		iou_att_put(&op->nq->att);
	if (op->st)
		iou_att_put(&op->st->att);
	kmem_cache_free(iou_op_cache, op);
	iou_region_put(r);
}

/* Everything is over, in any context. @error 0: op->len is the result. */
static void iou_op_complete(struct iou_op *op, int error)
{
	struct io_uring_cmd *cmd = op->cmd;
	s32 res = error ?: (s32)op->len;
	u64 res2 = iou_res2(op->io.nvme_status, op->reason,
			    op->addr - op->d.addr, op->flags);

	trace_io_unified_complete(op->r, &op->d, res, op->reason, op->flags);
	if (error)
		iou_count(op->r->stats, IO_UNIFIED_STAT_ERRORS, 1);
	if (op->cq) {
		struct io_unified_cqe cqe = {
			.user_data = op->d.user_data,
			.addr = op->addr,
			.dev_offset = op->dev_offset,
			.len = op->len,
			.res = res,
			.ops = op->done,
			.flags = op->flags,
			.verdict = op->verdict,
			.nvme_status = op->io.nvme_status,
			.reason = op->reason,
			.count = op->done & IO_UNIFIED_OP_NETWORK ? 1 : 0,
			.cookie = op->cookie,
		};

		iou_cq_post(&op->r->pairs[0], &cqe);
	}
	iou_op_release(op);
	iou_uring_complete(cmd, res, res2);
}

static void iou_op_fail(struct iou_op *op, int error, u16 reason)
{
	op->reason = reason;
	op->len = 0;
	iou_op_complete(op, error);
}

/* ---------------------------------------------------------------- storage */

static void iou_op_process(struct work_struct *work);

static void iou_op_io_done(struct iou_io *io)
{
	struct iou_op *op = container_of(io, struct iou_op, io);
	bool read = op->d.flags & IO_UNIFIED_F_READ;

	if (io->error) {
		iou_op_fail(op, io->error,
			    io->nvme_status ? IO_UNIFIED_REASON_NVME_STATUS :
					      IO_UNIFIED_REASON_IO);
		return;
	}
	op->done |= IO_UNIFIED_OP_NVME;
	iou_count(op->st->att.stats,
		  read ? IO_UNIFIED_STAT_READ_BYTES :
			 IO_UNIFIED_STAT_WRITTEN_BYTES,
		  io->nr_bvec ? io->len : 0);
	if (read && op->prog) {
		/* Programs do not run in hard interrupts. */
		INIT_WORK(&op->work, iou_op_process);
		queue_work(iou_wq, &op->work);
		return;
	}
	iou_op_complete(op, 0);
}

static void iou_op_prepare_io(struct iou_op *op, u64 addr, u32 len)
{
	struct iou_io *io = &op->io;
	u32 flags = op->d.flags;

	io->done = iou_op_io_done;
	io->st = op->st;
	io->pos = op->dev_offset;
	io->write = flags & IO_UNIFIED_F_WRITE;
	io->fua = flags & IO_UNIFIED_F_FUA;
	io->nr_bvec = 0;
	io->len = len;
	if (flags & IO_UNIFIED_F_OPCODE) {
		io->op = IOU_IO_OPCODE;
		io->opcode = op->d.nvme_opcode;
	} else if (flags & IO_UNIFIED_F_FLUSH) {
		io->op = IOU_IO_FLUSH;
	} else {
		io->op = io->write ? IOU_IO_WRITE : IOU_IO_READ;
	}
	if (flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE))
		iou_io_set_mem(io, &op->r->mem, addr, len);
}

/*
 * Where a write takes its bytes from: padded with zeros to whole blocks, at an
 * address that the device can read from, within @room bytes from @base. What
 * lies elsewhere is moved, and the completion says so.
 */
static int iou_op_place(struct iou_op *op, u64 base, u32 room, u32 *len)
{
	u32 block = 1U << op->st->block_shift;
	u64 addr = op->addr;

	*len = round_up(op->len, block);
	if (*len > room) {
		op->reason = IO_UNIFIED_REASON_TRUNCATED;
		return -EMSGSIZE;
	}
	if ((addr & op->st->dma_mask) || addr + *len > base + room) {
		op->addr = base;
		memmove(iou_ptr(op->r, base), iou_ptr(op->r, addr), op->len);
		op->flags |= IO_UNIFIED_CQE_COPIED | IO_UNIFIED_CQE_REALIGNED;
		if (op->nq)
			iou_count(op->nq->att.stats, IO_UNIFIED_STAT_REALIGNED,
				  1);
	}
	memset(iou_ptr(op->r, op->addr + op->len), 0, *len - op->len);
	return 0;
}

/* The sink, where it may sleep. */
static void iou_op_write(struct iou_op *op)
{
	u32 wire = op->len;
	u32 len;
	int ret;

	if (!op->len) {
		iou_op_complete(op, 0);
		return;
	}
	ret = iou_op_place(op, op->d.addr, op->d.len, &len);
	if (ret) {
		iou_op_fail(op, ret, op->reason);
		return;
	}
	ret = iou_storage_check(op->st, op->dev_offset, len, &op->reason);
	if (ret) {
		iou_op_fail(op, ret,
			    op->prog ? IO_UNIFIED_REASON_CTL_RANGE :
				       op->reason);
		return;
	}
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NVME, op->addr,
			       len);
	iou_op_prepare_io(op, op->addr, len);
	op->len = wire;
	ret = iou_storage_submit(&op->io, false);
	if (ret)
		iou_op_fail(op, ret, IO_UNIFIED_REASON_IO);
}

static void iou_op_write_work(struct work_struct *work)
{
	iou_op_write(container_of(work, struct iou_op, work));
}

/* -------------------------------------------------------------------- BPF */

/* The program chose another attachment to write to. */
static int iou_op_switch_storage(struct iou_op *op, u16 index)
{
	struct iou_att *att;

	if (!op->st || index == op->st->att.index)
		return 0;
	att = iou_att_get(op->r, IO_UNIFIED_KIND_STORAGE, index);
	if (!att) {
		op->reason = IO_UNIFIED_REASON_CTL_INDEX;
		return -EINVAL;
	}
	iou_att_put(&op->st->att);
	op->st = iou_att_storage(att);
	return iou_storage_allowed(op->st, IOU_IO_WRITE, 0, 0, &op->reason);
}

/* What the program wrote into the control block. */
static int iou_op_apply_ctl(struct iou_op *op,
			    const struct io_unified_bpf_ctl *ctl)
{
	int ret;

	op->cookie = ctl->cookie;
	op->len = ctl->len;
	if (!(op->d.flags & IO_UNIFIED_F_WRITE))
		return 0;
	ret = iou_op_switch_storage(op, ctl->storage);
	if (ret)
		return ret;
	op->dev_offset = ctl->dev_offset;
	if (op->dev_offset & ((1ULL << op->st->block_shift) - 1)) {
		op->reason = IO_UNIFIED_REASON_CTL_ALIGN;
		return -EINVAL;
	}
	if (op->dev_offset >= op->st->size) {
		op->reason = IO_UNIFIED_REASON_CTL_RANGE;
		return -ERANGE;
	}
	return 0;
}

/* Run the program over the op's bytes. 0: go on to the sink. */
static int iou_op_bpf(struct iou_op *op)
{
	struct net_device *dev = op->nq ? READ_ONCE(op->nq->dev) : NULL;
	bool rx = op->d.flags & IO_UNIFIED_F_RX;
	struct iou_bpf_run run = {
		.start = iou_ptr(op->r, op->d.addr),
		.end = iou_ptr(op->r, op->d.addr + op->d.len),
		.data = iou_ptr(op->r, op->addr),
		.len = op->len,
		.dev = dev,
		.ctl = {
			.dev_offset = op->dev_offset,
			.cookie = op->d.cookie,
			.tstamp = op->tstamp,
			.len = op->len,
			.orig_len = op->orig_len,
			.ifindex = op->nq ? op->nq->ifindex : 0,
			.queue = op->nq ? op->nq->queue : 0,
			.storage = op->d.storage,
			.net = op->d.net,
		},
	};
	u16 reason = IO_UNIFIED_REASON_NONE;
	int ret;

	if (!rx)
		run.start -= sizeof(run.ctl);
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_BPF, op->addr,
			       op->len);
	ret = iou_bpf_run(op->prog, &run, &reason);
	op->verdict = run.verdict;
	op->done |= IO_UNIFIED_OP_BPF;
	op->reason = reason;
	if (ret)
		return ret;
	op->addr = run.data - op->r->mem.kaddr;
	return iou_op_apply_ctl(op, &run.ctl);
}

/*
 * The program said no, or something is wrong with what it said. Dropping is
 * not an error: the completion's flag says it.
 */
static void iou_op_bpf_stopped(struct iou_op *op, int error)
{
	if (op->reason == IO_UNIFIED_REASON_BPF_DROP) {
		op->flags |= IO_UNIFIED_CQE_DROPPED;
		op->len = 0;
		error = 0;
	}
	if (op->nq)
		iou_count(op->nq->att.stats,
			  error ? IO_UNIFIED_STAT_DROP_BPF :
				  IO_UNIFIED_STAT_FILTERED,
			  1);
	if (error)
		iou_op_fail(op, error, op->reason);
	else
		iou_op_complete(op, 0);
}

/* BPF and sink, after a source that ended where neither may run. */
static void iou_op_process(struct work_struct *work)
{
	struct iou_op *op = container_of(work, struct iou_op, work);
	int ret = op->prog ? iou_op_bpf(op) : 0;

	if (ret)
		iou_op_bpf_stopped(op, ret);
	else if (op->d.flags & IO_UNIFIED_F_WRITE)
		iou_op_write(op);
	else
		iou_op_complete(op, 0);
}

/* ---------------------------------------------------------------- network */

static void iou_op_received(struct iou_rx_owner *o, struct iou_netq *q,
			    const struct iou_rx_pkt *pkt)
{
	struct iou_op *op = container_of(o, struct iou_op, rx);
	int ret = 0;

	iou_waiter_del(&op->waiter);
	op->done |= IO_UNIFIED_OP_NETWORK;
	op->addr = pkt->addr;
	op->len = pkt->len;
	op->orig_len = pkt->orig_len;
	op->tstamp = pkt->tstamp;
	if (pkt->copied)
		op->flags |= IO_UNIFIED_CQE_COPIED;
	if (pkt->len < pkt->orig_len)
		op->flags |= IO_UNIFIED_CQE_TRUNC;
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_NETWORK, op->addr,
			       op->len);

	if (op->prog)
		ret = iou_op_bpf(op);
	if (ret) {
		iou_op_bpf_stopped(op, ret);
	} else if (op->d.flags & IO_UNIFIED_F_WRITE) {
		/* Submitting may sleep. */
		INIT_WORK(&op->work, iou_op_write_work);
		queue_work(iou_wq, &op->work);
	} else {
		iou_op_complete(op, 0);
	}
}

static void iou_op_rx_failed(struct iou_rx_owner *o, struct iou_netq *q,
			     u32 frame, int error, u16 reason)
{
	struct iou_op *op = container_of(o, struct iou_op, rx);

	iou_waiter_del(&op->waiter);
	iou_op_fail(op, error, reason);
}

static bool iou_op_take(struct iou_waiter *w)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_net_recall(op->nq, op->frame, &op->rx);
}

static void iou_op_canceled(struct iou_waiter *w, int error, u16 reason)
{
	iou_op_fail(container_of(w, struct iou_op, waiter), error, reason);
}

static int iou_op_post(struct iou_waiter *w, u16 *reason)
{
	struct iou_op *op = container_of(w, struct iou_op, waiter);

	return iou_net_post(op->nq, op->frame, &op->rx, reason);
}

static int iou_op_start_rx(struct iou_op *op, u16 *reason)
{
	struct iou_netq *nq = op->nq;
	struct iou_waiter *w = &op->waiter;
	int ret;

	op->rx.received = iou_op_received;
	op->rx.failed = iou_op_rx_failed;
	op->frame = (op->d.addr - op->r->data_off) >> op->r->frame_shift;
	w->cmd = op->cmd;
	w->region = op->r;
	w->atts[0] = &nq->att;
	w->atts[1] = op->st ? &op->st->att : NULL;
	w->atts[2] = op->prog ? &op->prog->att : NULL;
	w->user_data = op->d.user_data;
	w->take = iou_op_take;
	w->canceled = iou_op_canceled;

	/* Once it is posted a packet may end the op, and the queue with it. */
	percpu_ref_get(&nq->att.refs);
	ret = iou_waiter_add(w, iou_op_post, reason);
	if (!ret)
		iou_net_kick(nq);
	iou_att_put(&nq->att);
	return ret;
}

/* ----------------------------------------------------------------- submit */

static int iou_op_get_atts(struct iou_op *op, u16 *reason)
{
	const struct io_unified_desc *d = &op->d;
	struct iou_region *r = op->r;
	struct iou_att *att;

	*reason = IO_UNIFIED_REASON_INDEX;
	if (d->ops & IO_UNIFIED_OP_NVME) {
		att = iou_att_get(r, IO_UNIFIED_KIND_STORAGE, d->storage);
		if (!att)
			return -ENOENT;
		op->st = iou_att_storage(att);
	}
	if (d->ops & IO_UNIFIED_OP_NETWORK) {
		att = iou_att_get(r, IO_UNIFIED_KIND_NETDEV, d->net);
		if (!att)
			return -ENOENT;
		op->nq = iou_att_netq(att);
	}
	if (d->ops & IO_UNIFIED_OP_BPF) {
		att = iou_att_get(r, IO_UNIFIED_KIND_BPF, d->bpf);
		if (!att)
			return -ENOENT;
		op->prog = iou_att_prog(att);
	}
	*reason = IO_UNIFIED_REASON_NONE;
	return 0;
}

static int iou_op_check_storage(struct iou_op *op, u16 *reason)
{
	const struct io_unified_desc *d = &op->d;
	enum iou_io_op io_op;
	int ret;

	if (d->flags & IO_UNIFIED_F_OPCODE)
		io_op = IOU_IO_OPCODE;
	else if (d->flags & IO_UNIFIED_F_FLUSH)
		io_op = IOU_IO_FLUSH;
	else
		io_op = d->flags & IO_UNIFIED_F_WRITE ? IOU_IO_WRITE :
							IOU_IO_READ;
	ret = iou_storage_allowed(
		op->st, io_op, d->nvme_opcode,
		d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE), reason);
	if (ret || (d->flags & IO_UNIFIED_F_FLUSH))
		return ret;
	/* The packet's length is not known yet, the frame's is an upper bound */
	if (d->flags & IO_UNIFIED_F_RX)
		return iou_storage_check(op->st, d->dev_offset,
					 1ULL << op->st->block_shift, reason);
	if ((d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE)) &&
	    (d->addr & op->st->dma_mask)) {
		*reason = IO_UNIFIED_REASON_ALIGN;
		return -EINVAL;
	}
	return iou_storage_check(op->st, d->dev_offset, d->len, reason);
}

/* The first stage. As iou_op_submit(), but the op is still to be freed. */
static int iou_op_start(struct iou_op *op, bool nowait, u16 *reason)
{
	const struct io_unified_desc *d = &op->d;
	int ret;

	if (d->flags & IO_UNIFIED_F_RX)
		return iou_op_start_rx(op, reason);
	if (!(d->flags & IO_UNIFIED_F_READ) && op->prog) {
		if (nowait && op->st)
			return -EAGAIN;
		iou_op_process(&op->work);
		return 0;
	}
	iou_op_prepare_io(op, d->addr, d->len);
	ret = iou_storage_submit(&op->io, nowait);
	if (ret && ret != -EAGAIN)
		*reason = IO_UNIFIED_REASON_IO;
	return ret;
}

int iou_op_submit(struct iou_region *r, struct io_uring_cmd *cmd,
		  const struct io_unified_desc *d, bool nowait, u16 *reason)
{
	struct iou_op *op;
	int ret;

	ret = iou_desc_check(d, false, reason);
	if (!ret)
		ret = iou_desc_check_mem(r, d, reason);
	if (ret)
		return ret;
	if ((d->flags & IO_UNIFIED_F_RX) && d->len != iou_frame_size(r)) {
		*reason = IO_UNIFIED_REASON_SIZE;
		return -EINVAL;
	}

	op = kmem_cache_alloc(iou_op_cache, GFP_KERNEL);
	if (!op)
		return -ENOMEM;
	memset_after(op, 0, io);
	op->io.nvme_status = 0;
	op->r = r;
	op->cmd = cmd;
	op->d = *d;
	op->addr = d->addr;
	op->len = d->len;
	op->orig_len = d->len;
	op->dev_offset = d->dev_offset;
	op->cookie = d->cookie;
	INIT_LIST_HEAD(&op->waiter.node);
	percpu_ref_get(&r->refs);

	ret = iou_op_get_atts(op, reason);
	if (!ret && op->st)
		ret = iou_op_check_storage(op, reason);
	if (ret)
		goto err;
	if (d->flags & IO_UNIFIED_F_CQ) {
		op->cq = iou_cq_reserve(&r->pairs[0], 1);
		if (!op->cq) {
			*reason = IO_UNIFIED_REASON_CQ_FULL;
			ret = -EBUSY;
			goto err;
		}
	}

	trace_io_unified_submit(r, d);
	ret = iou_op_start(op, nowait, reason);
	if (!ret) {
		iou_count(r->stats, IO_UNIFIED_STAT_OPS, 1);
		return -EIOCBQUEUED;
	}
	if (op->cq)
		iou_cq_unreserve(&r->pairs[0], 1);
err:
	iou_op_release(op);
	return ret;
}

int iou_op_init(void)
{
	iou_op_cache = KMEM_CACHE(iou_op, SLAB_HWCACHE_ALIGN);
	return iou_op_cache ? 0 : -ENOMEM;
}

void iou_op_exit(void)
{
	kmem_cache_destroy(iou_op_cache);
}
