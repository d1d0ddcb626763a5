// SPDX-License-Identifier: GPL-2.0
/*
 * Ops: source, then BPF, then sink
 *
 * start --+-- network rx --> (softirq) ---+-- BPF --+-- write -+-> complete
 *         +-- storage read -> (irq, task)-+   |     |          v
 *         |         ^                         |     +-- network tx > complete
 *         |         +------ chain ------------+     +------------> complete
 *         +-------------------------------+
 *
 * Each arrow hands the op over: whoever has it alone touches it. An op that
 * waits for a packet can also be canceled; iou_net_recall() decides who wins.
 * The network stages are in op_net.c and op_sock.c.
 */
#include <linux/ktime.h>

#include "bpf.h"
#include "cq.h"
#include "defer.h"
#include "desc.h"
#include "main.h"
#include "nvme.h"
#include "op.h"
#include "pool.h"
#include "ring.h"
#include "shared.h"
#include "trace.h"
#include "uring.h"

void iou_op_of_plain(struct iou_op *op, struct iou_pair *pair)
{
	memset_after(op, 0, pair);
	op->pair = pair;
	op->st = op->io.st;
	op->burst = pair && op->cmd;
	op->poll = op->io.poll;
	op->addr = op->d.addr;
	op->dev_offset = op->d.dev_offset;
	op->cookie = op->d.cookie;
	op->len = op->d.len;
}

static inline void iou_op_release(struct iou_op *op)
{
	struct iou_region *r = op->holds_region ? op->r : NULL;
	struct iou_storage *st = op->st;
	struct iou_netq *nq = op->nq;
	struct iou_netq *tq = op->tq;
	struct iou_sock *sock = op->sock;
	struct iou_prog *prog = op->prog;

	/* The pool is the region's, which waits for those that use it. */
	if (likely(!op->lent))
		iou_pool_put(op);
	if (unlikely(prog))
		iou_att_put(&prog->att);
	if (unlikely(nq))
		iou_att_put(&nq->att);
	if (unlikely(tq))
		iou_att_put(&tq->att);
	if (unlikely(sock))
		iou_att_put(&sock->att);
	if (likely(st))
		iou_att_put(&st->att);
	if (unlikely(r))
		iou_region_put(r);
}

void iou_op_drop(struct iou_op *op)
{
	iou_op_release(op);
}

/* Packets, or reads of a chain */
static u64 iou_op_count(const struct iou_op *op)
{
	const u32 chain = IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF;

	if (op->done & IO_UNIFIED_OP_NETWORK)
		return 1;
	if (op->d.ops == chain && (op->d.flags & IO_UNIFIED_F_READ))
		return op->hops + 1;
	return 0;
}

/* One op is over, in any context. @error 0: op->len is the result. */
static __always_inline void iou_op_finish(struct iou_op *op, int error)
{
	struct io_uring_cmd *cmd = op->cmd;
	bool burst = op->burst, retaken = op->retaken;
	s32 res = error ?: (s32)op->len;

	trace_io_unified_complete(op->r, &op->d, res, op->reason, op->flags);
	if (unlikely(error))
		iou_count(op->r->stats, IO_UNIFIED_STAT_ERRORS, 1);
	if (op->pair) {
		unsigned long flags;
		struct io_unified_cqe *cqe = iou_cq_begin(op->pair, &flags);

		*cqe = (struct io_unified_cqe){
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
			.count = iou_op_count(op),
			.cookie = op->cookie,
		};

		iou_cq_end(op->pair, flags);
	}
	if (cmd && !burst)
		iou_uring_set_result(cmd, res,
				     iou_res2(op->io.nvme_status, op->reason,
					      op->addr - op->d.addr,
					      op->flags));
	iou_op_release(op);
	if (!cmd)
		return;
	if (burst)
		iou_uring_burst_put(cmd);
	else if (unlikely(retaken))
		iou_defer_complete(cmd);
	else
		iou_uring_complete(cmd);
}

void iou_op_cancel_group(struct iou_op *op, u16 reason)
{
	struct iou_op *next;

	for (; op; op = next) {
		next = op->next;
		op->next = NULL;
		iou_op_fail(op, -ECANCELED, reason);
	}
}

/*
 * An op is over, and with it, if it failed, its group. The next one may have to
 * sleep, so it starts elsewhere.
 */
static noinline void iou_op_go_on(struct iou_op *op, bool start)
{
	if (start)
		iou_op_start_later(op);
	else
		iou_op_cancel_group(op, IO_UNIFIED_REASON_LINK);
}

static __always_inline void iou_op_end(struct iou_op *op, int error)
{
	struct iou_op *next = op->next;
	bool go_on = next && !error && !op->fell_short &&
		     !(op->flags & IO_UNIFIED_CQE_DROPPED);

	iou_op_finish(op, error);
	if (unlikely(next))
		iou_op_go_on(next, go_on);
}

void iou_op_complete(struct iou_op *op, int error)
{
	/* What a program drops is not missed. */
	if (unlikely(op->held))
		iou_op_unhold(op, error || op->fell_short);
	iou_op_end(op, error);
}

void iou_op_fail(struct iou_op *op, int error, u16 reason)
{
	op->reason = reason;
	op->len = 0;
	iou_op_complete(op, error);
}

/* ---------------------------------------------------------------- storage */

static void iou_op_send_work(struct work_struct *work)
{
	iou_op_send(container_of(work, struct iou_op, work));
}

static void iou_op_send_later(struct iou_op *op)
{
	INIT_WORK(&op->work, iou_op_send_work);
	queue_work(iou_wq, &op->work);
}

static void iou_op_io_done(struct iou_io *io)
{
	struct iou_op *op = container_of(io, struct iou_op, io);
	bool read = op->d.flags & IO_UNIFIED_F_READ;

	if (unlikely(io->error)) {
		/* Its place in a queue is not given up in an interrupt. */
		if (op->held) {
			op->error = io->error;
			op->reason = iou_io_reason(io);
			iou_defer_op(op);
			return;
		}
		iou_op_fail(op, io->error, iou_io_reason(io));
		return;
	}
	/* A file may have ended before. */
	if (read && unlikely(io->len < op->len)) {
		op->len = io->len;
		op->fell_short = true;
	}
	op->done |= IO_UNIFIED_OP_NVME;
	iou_count(op->st->att.stats,
		  read ? IO_UNIFIED_STAT_READ_BYTES :
			 IO_UNIFIED_STAT_WRITTEN_BYTES,
		  io->nr_bvec ? io->len : 0);
	/* Programs do not run in hard interrupts, and nothing is sent from there. */
	if (unlikely(op->prog || op->tq || op->sock) && read &&
	    (op->len || op->held))
		iou_defer_op(op);
	else if (unlikely(op->tq) && op->len)
		iou_op_send_later(op);
	else
		iou_op_end(op, 0);
}

enum rq_end_io_ret iou_op_end_io(IOU_RQ_END_IO_ARGS)
{
	iou_nvme_result(rq->end_io_data, rq, status);
	iou_op_io_done(rq->end_io_data);
	return RQ_END_IO_FREE;
}

static __always_inline void iou_op_prepare_io(struct iou_op *op, u64 addr,
					      u32 len)
{
	struct iou_io *io = &op->io;
	u32 flags = op->d.flags;

	io->done = iou_op_io_done;
	io->st = op->st;
	io->pos = op->dev_offset;
	io->flags = flags;
	/* Who polls looks at what the descriptor names, not where a program sends it. */
	io->poll = op->poll && op->st->att.index == op->d.storage;
	io->alone = false;
	io->bvec = NULL;
	io->nr_bvec = 0;
	io->len = len;
	io->opcode = op->d.nvme_opcode;
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
	if ((addr & op->st->dma_mask) || addr + *len > base + room)
		/* What a program chose may ask for more than @base is good for. */
		op->addr = round_up(base, op->st->dma_mask + 1ULL);
	if (op->addr + *len > base + room) {
		op->addr = addr;
		op->reason = IO_UNIFIED_REASON_TRUNCATED;
		return -EMSGSIZE;
	}
	if (op->addr != addr) {
		memmove(iou_ptr(op->r, op->addr), iou_ptr(op->r, addr),
			op->len);
		op->flags |= IO_UNIFIED_CQE_COPIED | IO_UNIFIED_CQE_REALIGNED;
		if (op->nq)
			iou_count(op->nq->att.stats, IO_UNIFIED_STAT_REALIGNED,
				  1);
	}
	memset(iou_ptr(op->r, op->addr + op->len), 0, *len - op->len);
	return 0;
}

static void iou_op_write(struct iou_op *op, bool nowait);

static void iou_op_write_work(struct work_struct *work)
{
	iou_op_write(container_of(work, struct iou_op, work), false);
}

static void iou_op_write_later(struct iou_op *op)
{
	INIT_WORK(&op->work, iou_op_write_work);
	queue_work(iou_io_wq, &op->work);
}

static void iou_op_try_write_work(struct work_struct *work)
{
	iou_op_write(container_of(work, struct iou_op, work), true);
}

/* In softirq: a drive that has room is not waited for. */
static void iou_op_write_soon(struct iou_op *op)
{
	INIT_WORK(&op->work, iou_op_try_write_work);
	queue_work(iou_wq, &op->work);
}

/* The sink. Where it may not sleep but would have to, somebody else goes on. */
static void iou_op_write(struct iou_op *op, bool nowait)
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
	ret = iou_storage_submit(&op->io, nowait);
	if (ret == -EAGAIN && nowait)
		iou_op_write_later(op);
	else if (ret)
		iou_op_fail(op, ret, iou_io_refusal(ret));
}

/* ---------------------------------------------------------------- process */

static bool iou_op_writes(const struct iou_op *op)
{
	return op->d.flags & IO_UNIFIED_F_WRITE && !op->bounced;
}

void iou_op_process(struct iou_op *op, bool nowait)
{
	int ret;

	if (unlikely(op->held) && (op->error || !op->len)) {
		iou_op_complete(op, op->error);
		return;
	}
	ret = op->prog ? iou_op_bpf(op) : 0;
	if (ret)
		iou_op_bpf_stopped(op, ret);
	else if (op->again)
		iou_op_hop(op);
	else if (iou_op_writes(op))
		iou_op_write(op, nowait);
	else if (op->tq)
		iou_op_send(op);
	else if (iou_op_to_sock(op))
		iou_op_send_sock(op);
	else
		iou_op_complete(op, 0);
}

void iou_op_process_packet(struct iou_op *op)
{
	int ret = op->prog ? iou_op_bpf(op) : 0;

	if (ret)
		iou_op_bpf_stopped(op, ret);
	else if (iou_op_writes(op))
		iou_op_write_soon(op);
	else if (op->tq)
		iou_op_send(op);
	else
		iou_op_complete(op, 0);
}

static void iou_op_process_work(struct work_struct *work)
{
	iou_op_process(container_of(work, struct iou_op, work), true);
}

void iou_op_process_later(struct iou_op *op)
{
	INIT_WORK(&op->work, iou_op_process_work);
	/* The next read of a chain waits for its request where it is asked for. */
	queue_work(op->d.max_hops ? iou_io_wq : iou_wq, &op->work);
}

/* ----------------------------------------------------------------- submit */

static int iou_op_get_atts(struct iou_op *op)
{
	const struct io_unified_desc *d = &op->d;
	const u32 socket = IO_UNIFIED_F_SOCKET;
	struct iou_region *r = op->r;
	struct iou_att *att;

	op->reason = IO_UNIFIED_REASON_INDEX;
	if (d->ops & IO_UNIFIED_OP_NVME) {
		att = iou_att_get(r, IO_UNIFIED_KIND_STORAGE, d->storage);
		if (!att)
			return -ENOENT;
		op->st = iou_att_storage(att);
	}
	if (d->flags & socket) {
		att = iou_att_get(r, IO_UNIFIED_KIND_SOCKET,
				  d->flags & IO_UNIFIED_F_RX ? d->net :
							       d->net_tx);
		if (!att)
			return -ENOENT;
		op->sock = iou_att_sock(att);
	}
	if ((d->flags & (IO_UNIFIED_F_RX | socket)) == IO_UNIFIED_F_RX) {
		att = iou_att_get(r, IO_UNIFIED_KIND_NETDEV, d->net);
		if (!att)
			return -ENOENT;
		op->nq = iou_att_netq(att);
	}
	if ((d->flags & (IO_UNIFIED_F_TX | socket)) == IO_UNIFIED_F_TX) {
		att = iou_att_get(r, IO_UNIFIED_KIND_NETDEV, d->net_tx);
		if (!att)
			return -ENOENT;
		op->tq = iou_att_netq(att);
	}
	if (d->ops & IO_UNIFIED_OP_BPF) {
		att = iou_att_get(r, IO_UNIFIED_KIND_BPF, d->bpf);
		if (!att)
			return -ENOENT;
		op->prog = iou_att_prog(att);
	}
	op->reason = IO_UNIFIED_REASON_NONE;
	return 0;
}

static int iou_op_check_storage(struct iou_op *op)
{
	const struct io_unified_desc *d = &op->d;
	u16 *reason = &op->reason;
	int ret;

	ret = iou_storage_allowed(
		op->st, iou_io_op_of(d->flags), d->nvme_opcode,
		d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE), reason);
	/* What a stream asks for is looked at when it is set up. */
	if (ret || (d->flags & (IO_UNIFIED_F_FLUSH | IO_UNIFIED_F_STREAM)))
		return ret;
	/* The packet's length is not known yet, the frame's is an upper bound */
	if (op->nq)
		return iou_storage_check(op->st, d->dev_offset,
					 1ULL << op->st->block_shift, reason);
	if ((d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE)) &&
	    (d->addr & op->st->dma_mask)) {
		*reason = IO_UNIFIED_REASON_ALIGN;
		return -EINVAL;
	}
	return iou_storage_check(op->st, d->dev_offset, d->len, reason);
}

static int iou_op_prepare(struct iou_op *op)
{
	const struct io_unified_desc *d = &op->d;
	int ret;

	/* It may have no attachment, or let go of the one that it has. */
	percpu_ref_get(&op->r->refs);
	op->holds_region = true;

	op->addr = d->addr;
	op->dev_offset = d->dev_offset;
	op->cookie = d->cookie;
	op->state[0] = d->arg;
	op->state[1] = 0;
	op->tstamp = 0;
	op->len = d->len;
	op->orig_len = d->len;
	ret = iou_desc_check(d, &op->reason);
	if (!ret)
		ret = iou_desc_check_mem(op->r, d, &op->reason);
	if (ret)
		return ret;
	if ((d->flags & IO_UNIFIED_F_RX) &&
	    !(d->flags & (IO_UNIFIED_F_STREAM | IO_UNIFIED_F_SOCKET)) &&
	    d->len != iou_frame_size(op->r)) {
		op->reason = IO_UNIFIED_REASON_SIZE;
		return -EINVAL;
	}
	/* What ends elsewhere is not found by who polls. */
	if ((d->flags & (IO_UNIFIED_F_RX | IO_UNIFIED_F_TX)) && op->poll) {
		op->reason = IO_UNIFIED_REASON_IOPOLL;
		return -EOPNOTSUPP;
	}
	if ((d->flags & IO_UNIFIED_F_TIMED) &&
	    d->arg > ktime_get_ns() + IO_UNIFIED_TX_TIME_MAX) {
		op->reason = IO_UNIFIED_REASON_TX_TIME;
		return -ERANGE;
	}
	ret = iou_op_get_atts(op);
	if (!ret && op->st)
		ret = iou_op_check_storage(op);
	/* A datagram is all there is. */
	if (!ret && (d->flags & IO_UNIFIED_F_WAITALL) && !op->sock->stream) {
		op->reason = IO_UNIFIED_REASON_SOCKET_TYPE;
		ret = -EOPNOTSUPP;
	}
	return ret;
}

struct iou_op *iou_op_new(struct iou_region *r, struct iou_pool *pool,
			  const struct io_unified_desc *shared, bool poll)
{
	struct iou_op *op = iou_pool_get(pool);

	if (unlikely(!op))
		return NULL;
	memset_after(op, 0, pair);
	op->r = r;
	op->cmd = NULL;
	op->pair = NULL;
	op->poll = poll;
	op->io.nvme_status = 0;
	iou_read_shared(&op->d, shared, sizeof(op->d));
	op->error = iou_op_prepare(op);
	return op;
}

static void iou_op_read_held_work(struct work_struct *work)
{
	struct iou_op *op = container_of(work, struct iou_op, work);
	int ret = iou_storage_submit(&op->io, false);

	if (ret)
		iou_op_fail(op, ret, iou_io_refusal(ret));
}

/*
 * Its turn to send is where it is submitted, so that is not done once more: where the
 * read would sleep a worker starts it.
 */
static noinline int iou_op_read_held(struct iou_op *op, bool nowait)
{
	int ret = iou_op_hold(op);

	if (ret)
		return ret;
	iou_op_prepare_io(op, op->d.addr, op->d.len);
	ret = iou_storage_submit(&op->io, nowait);
	if (ret == -EAGAIN && nowait) {
		INIT_WORK(&op->work, iou_op_read_held_work);
		queue_work(iou_io_wq, &op->work);
		return 0;
	}
	if (ret) {
		iou_op_unhold(op, true);
		op->reason = iou_io_refusal(ret);
	}
	return ret;
}

int iou_op_start(struct iou_op *op, bool nowait)
{
	const struct io_unified_desc *d = &op->d;
	struct iou_region *r = op->r;
	int ret;

	trace_io_unified_submit(r, d);
	iou_count(r->stats, IO_UNIFIED_STAT_OPS, 1);
	if (unlikely(op->prog || op->tq || op->sock) &&
	    !(d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_RX))) {
		iou_op_process(op, nowait);
		return 0;
	}
	if (unlikely(d->flags & IO_UNIFIED_F_RX)) {
		ret = op->sock ? iou_op_start_recv(op) : iou_op_start_rx(op);
	} else if (unlikely(op->sock)) {
		ret = iou_op_read_held(op, nowait);
	} else {
		iou_op_prepare_io(op, d->addr, d->len);
		ret = iou_storage_submit(&op->io, nowait);
		if (unlikely(ret && ret != -EAGAIN))
			op->reason = iou_io_refusal(ret);
	}
	/* What was started may be gone by now, what was not is the caller's. */
	if (unlikely(ret))
		iou_count(r->stats, IO_UNIFIED_STAT_OPS, -1);
	return ret;
}

/* What was behind another one in its group may be a stream or a cancel. */
static void iou_op_start_work(struct work_struct *work)
{
	iou_ring_start(container_of(work, struct iou_op, work), false);
}

void iou_op_start_later(struct iou_op *op)
{
	const bool drive = op->st && !(op->d.flags & IO_UNIFIED_F_RX);

	INIT_WORK(&op->work, iou_op_start_work);
	queue_work(drive ? iou_io_wq : iou_wq, &op->work);
}
