// SPDX-License-Identifier: GPL-2.0
/* Ops: their program, and what it asks for */
#include "bpf.h"
#include "nvme.h"
#include "op.h"
#include "trace.h"

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

static int iou_op_switch_sock(struct iou_op *op, u16 index)
{
	const bool held = op->held;
	struct iou_att *att;

	if (!iou_op_to_sock(op) || index == op->sock->att.index)
		return 0;
	att = iou_att_get(op->r, IO_UNIFIED_KIND_SOCKET, index);
	if (!att) {
		op->reason = IO_UNIFIED_REASON_CTL_INDEX;
		return -EINVAL;
	}
	if (held && !iou_op_unhold(op, false)) {
		iou_att_put(att);
		op->reason = op->stx.why;
		return -ECANCELED;
	}
	iou_att_put(&op->sock->att);
	op->sock = iou_att_sock(att);
	/* Bytes that fall short would be missed there, too. */
	return held ? iou_op_hold(op) : 0;
}

/* The program chose another attachment to send to, or sends it back. */
static int iou_op_switch_net(struct iou_op *op, u16 index)
{
	struct iou_att *att;

	if (op->sock)
		return iou_op_switch_sock(op, index);
	if (op->bounced && op->nq) {
		att = &op->nq->att;
		percpu_ref_get(&att->refs);
	} else {
		if (!op->tq || index == op->tq->att.index)
			return 0;
		att = iou_att_get(op->r, IO_UNIFIED_KIND_NETDEV, index);
		if (!att) {
			op->reason = IO_UNIFIED_REASON_CTL_INDEX;
			return -EINVAL;
		}
	}
	if (op->tq)
		iou_att_put(&op->tq->att);
	op->tq = iou_att_netq(att);
	return 0;
}

/* What the program wrote into the control block. */
static int iou_op_apply_ctl(struct iou_op *op,
			    const struct io_unified_bpf_ctl *ctl)
{
	int ret;

	op->cookie = ctl->cookie;
	op->state[0] = ctl->state[0];
	op->state[1] = ctl->state[1];
	op->len = ctl->len;
	op->again = ctl->flags & IO_UNIFIED_CTL_AGAIN;
	if (op->again) {
		op->dev_offset = ctl->dev_offset;
		return 0;
	}
	ret = iou_op_switch_net(op, ctl->net);
	if (ret || op->bounced || !(op->d.flags & IO_UNIFIED_F_WRITE))
		return ret;
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

int iou_op_bpf(struct iou_op *op)
{
	const bool frame = op->d.flags & IO_UNIFIED_F_RX && !op->sock;
	const struct iou_netq *nq = op->nq;
	u8 *start = iou_ptr(op->r, op->d.addr);
	const struct iou_bpf_in in = {
		.start = frame ? start : (u8 *)iou_bpf_front(start),
		.end = start + op->d.len,
		.data = iou_ptr(op->r, op->addr),
		.len = op->len,
		.queue = nq ? nq->queue : 0,
		.dev = nq ? READ_ONCE(nq->dev) : NULL,
		.allowed = op->d.flags & IO_UNIFIED_F_READ ?
				   IO_UNIFIED_CTL_AGAIN :
				   0,
		.sends = nq || op->tq || iou_op_to_sock(op),
	};
	struct iou_bpf_out out __uninitialized;
	int ret;

	iou_bpf_front(in.data)->ctl = (struct io_unified_bpf_ctl){
		.dev_offset = op->dev_offset,
		.cookie = op->cookie,
		.tstamp = op->tstamp,
		.len = op->len,
		.orig_len = op->orig_len,
		.flags = 0,
		.ifindex = nq ? nq->ifindex : 0,
		.queue = in.queue,
		.storage = op->d.storage,
		.net = op->d.flags & IO_UNIFIED_F_TX ? op->d.net_tx : op->d.net,
		.state = { op->state[0], op->state[1] },
	};
	trace_io_unified_stage(op->r, &op->d, IO_UNIFIED_OP_BPF, op->addr,
			       op->len);
	ret = iou_bpf_run(op->prog, &in, &out);
	op->verdict = out.verdict;
	op->done |= IO_UNIFIED_OP_BPF;
	op->reason = out.reason;
	if (ret)
		return ret;
	op->addr = out.data - op->r->mem.kaddr;
	op->bounced = out.verdict == XDP_TX;
	return iou_op_apply_ctl(op, &out.ctl);
}

void iou_op_bpf_stopped(struct iou_op *op, int error)
{
	if (op->reason == IO_UNIFIED_REASON_BPF_DROP) {
		op->flags |= IO_UNIFIED_CQE_DROPPED;
		op->len = 0;
		error = 0;
	}
	if (op->d.flags & IO_UNIFIED_F_RX)
		iou_count(op->sock ? op->sock->att.stats : op->nq->att.stats,
			  error ? IO_UNIFIED_STAT_DROP_BPF :
				  IO_UNIFIED_STAT_FILTERED,
			  1);
	if (error)
		iou_op_fail(op, error, op->reason);
	else
		iou_op_complete(op, 0);
}

/* The rest of the transfer is as for the first one. */
static int iou_op_read_again(struct iou_op *op, u32 len)
{
	struct iou_io *io = &op->io;

	io->pos = op->dev_offset;
	if (likely(iou_io_set_mem(io, &op->r->mem, op->d.addr, len) &&
		   op->st->path == IO_UNIFIED_PATH_PASSTHROUGH)) {
		io->failure = 0;
		return iou_nvme_submit_page(io, op->st, op->dev_offset, len,
					    IO_UNIFIED_F_READ, iou_op_end_io,
					    false);
	}
	return iou_storage_submit(io, false);
}

static noinline void iou_op_bad_hop(struct iou_op *op, u32 len)
{
	u16 reason;
	int ret = iou_storage_check(op->st, op->dev_offset, len, &reason);

	iou_op_fail(op, ret,
		    ret == -ERANGE ? IO_UNIFIED_REASON_CTL_RANGE :
				     IO_UNIFIED_REASON_CTL_ALIGN);
}

void iou_op_hop(struct iou_op *op)
{
	u32 len = op->len;
	int ret;

	op->again = false;
	if (op->hops == op->d.max_hops) {
		iou_op_fail(op, -ELOOP, IO_UNIFIED_REASON_HOPS);
		return;
	}
	if (!len || len > op->d.len) {
		iou_op_fail(op, -EINVAL, IO_UNIFIED_REASON_CTL_LEN);
		return;
	}
	if (unlikely(!iou_storage_fits(op->st, op->dev_offset, len))) {
		iou_op_bad_hop(op, len);
		return;
	}
	op->hops++;
	op->addr = op->d.addr;
	/* It is the last one that counts. */
	op->fell_short = false;
	iou_count(op->prog->att.stats, IO_UNIFIED_STAT_HOPS, 1);
	ret = iou_op_read_again(op, len);
	if (ret)
		iou_op_fail(op, ret, iou_io_refusal(ret));
}
