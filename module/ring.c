// SPDX-License-Identifier: GPL-2.0
/*
 * The region's submission rings
 *
 * One caller at a time takes from an SQ. A descriptor is taken when its CQ has
 * room for the completion, so that none is ever lost; what has no room stays in
 * the SQ, and a flag tells. The application's producer index is read once per
 * decision, and each descriptor once.
 */
#include <linux/blkdev.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "cq.h"
#include "op.h"
#include "plain.h"
#include "plain_tx.h"
#include "pool.h"
#include "ring.h"
#include "shared.h"
#include "stream.h"
#include "uring.h"

/* Descriptors that are taken before the application sees that they are */
#define IOU_RING_STEP 32u
/* and in one command, whatever the application goes on to put there */
#define IOU_RING_MAX 65536u

int iou_ring_promise(struct iou_op *op, struct iou_pair *p)
{
	if (!iou_cq_reserve(p, 1)) {
		op->reason = IO_UNIFIED_REASON_CQ_FULL;
		return -EBUSY;
	}
	op->pair = p;
	return 0;
}

void iou_ring_break_promise(struct iou_op *op)
{
	if (op->pair)
		iou_cq_unreserve(op->pair, 1);
	op->pair = NULL;
}

/* Streams and cancels are no ops: what is left of the op tells how it went. */
static int iou_ring_stream(struct iou_op *op)
{
	struct iou_stream_from from = {
		.cmd = op->cmd,
		.burst = op->burst,
		.pair = op->pair,
		.promised = true,
	};
	u64 off = op->d.arg;
	int ret;

	if (op->poll) {
		op->reason = IO_UNIFIED_REASON_IOPOLL;
		return -EOPNOTSUPP;
	}
	if (!IS_ALIGNED(off, sizeof(u64)) || off < op->r->data_off ||
	    off > op->r->data_off + op->r->data_size - sizeof(from.stream)) {
		op->reason = IO_UNIFIED_REASON_ADDR;
		return -EINVAL;
	}
	iou_read_shared(&from.stream, iou_ptr(op->r, off), sizeof(from.stream));
	op->d.arg = 0;
	ret = iou_stream_submit(op->r, &op->d, &from, &op->reason);
	/* It has the promised entry and the command's wait now. */
	if (!ret)
		iou_op_drop(op);
	return ret;
}

static int iou_ring_cancel(struct iou_op *op)
{
	int n = iou_cancel_user_data(op->r, op->d.arg);

	if (!n)
		return -ENOENT;
	op->len = n;
	iou_op_complete(op, 0);
	return 0;
}

void iou_ring_start(struct iou_op *op, bool nowait)
{
	int ret = op->error;

	if (ret) {
		iou_op_fail(op, ret, op->reason);
		return;
	}
	if (unlikely(op->d.flags & IO_UNIFIED_F_STREAM))
		ret = iou_ring_stream(op);
	else if (unlikely(op->d.flags & IO_UNIFIED_F_CANCEL))
		ret = iou_ring_cancel(op);
	else
		ret = iou_op_start(op, nowait);
	if (ret == -EAGAIN && nowait)
		iou_op_start_later(op);
	else if (ret)
		iou_op_fail(op, ret, op->reason);
}

/* Ops that start one behind the other: a command's group may take many steps. */
struct iou_ring_group {
	struct iou_op *head;
	struct iou_op *last;
};

static void iou_ring_start_group(struct iou_ring_group *group, bool nowait)
{
	if (group->head)
		iou_ring_start(group->head, nowait);
	group->head = NULL;
}

/* A descriptor of the SQ becomes an op. NULL: no memory. */
static struct iou_op *iou_ring_one(struct iou_pair *p, bool later,
				   const struct iou_ring_take *take)
{
	struct iou_op *op = iou_op_new(p->region, &p->pool,
				       &p->sqes[p->sq_cons & p->sq_mask],
				       take->poll);
	struct io_uring_cmd *cmd = take->cmd;

	if (unlikely(!op))
		return NULL;
	op->pair = p;
	if (cmd) {
		op->cmd = cmd;
		op->burst = true;
	}
	if (op->error || !cmd)
		return op;
	if (unlikely(iou_op_may_wait(op, later)))
		take->waits(cmd, take->issue_flags);
	if (op->poll && op->st)
		iou_pdu(cmd)->polled |= BIT_ULL(op->d.storage);
	return op;
}

static u32 iou_plain_some(struct iou_pair *p, u32 nr,
			  const struct iou_ring_take *take)
{
	return iou_plain_take(p, nr, take) ?: iou_plain_tx_take(p, nr, take);
}

/* Up to @nr descriptors, for which there is room in the CQ. */
static u32 iou_ring_some(struct iou_pair *p, u32 nr,
			 struct iou_ring_group *group,
			 const struct iou_ring_take *take)
{
	struct iou_op *op;
	u32 i = 0, plain;

	if (take->cmd)
		atomic_add(nr, &iou_pdu(take->cmd)->left);
	while (i < nr) {
		/* Most are plain, and alone. */
		plain = group->head ? 0 : iou_plain_some(p, nr - i, take);
		i += plain;
		if (plain)
			continue;
		op = iou_ring_one(p, group->head, take);
		if (unlikely(!op))
			break;
		p->sq_cons++;
		i++;
		/* A group is complete before its first op starts. */
		if (group->head)
			group->last->next = op;
		else
			group->head = op;
		group->last = op;
		if (unlikely(op->d.flags & IO_UNIFIED_F_LINK))
			continue;
		iou_ring_start_group(group, take->nowait);
	}
	if (take->cmd && unlikely(i < nr))
		atomic_sub(nr - i, &iou_pdu(take->cmd)->left);
	/* The slots are free once the index says so. */
	smp_store_release(&p->ctrl->sq_cons, p->sq_cons);
	return i;
}

/* What is in the SQ, as far as the application is to be believed. */
static u32 iou_ring_ready(struct iou_pair *p)
{
	/* The descriptors were written before the index that covers them. */
	u32 n = smp_load_acquire(&p->ctrl->sq_prod) - p->sq_cons;

	return n > p->sq_mask + 1 ? 0 : n;
}

/* As many of @nr as there are and have room. Returns how many, or -errno. */
static int iou_ring_take_some(struct iou_pair *p, u32 nr, u32 *flags,
			      struct iou_ring_group *group,
			      const struct iou_ring_take *take)
{
	u32 want = min3(iou_ring_ready(p), nr, IOU_RING_STEP);
	u32 room, taken;

	if (!want)
		return 0;
	room = iou_cq_reserve(p, want);
	if (room < want) {
		iou_count(p->region->stats, IO_UNIFIED_STAT_SQ_STALLED, 1);
		*flags |= IO_UNIFIED_SQ_CQ_FULL;
	}
	if (!room)
		return -EBUSY;
	taken = iou_ring_some(p, room, group, take);
	if (taken == room)
		return taken;
	iou_cq_unreserve(p, room - taken);
	return taken ?: -ENOMEM;
}

static int iou_ring_take_all(struct iou_pair *p, u32 nr,
			     const struct iou_ring_take *take)
{
	struct iou_ring_group group = {};
	u32 flags, taken = 0;
	int ret;

	do {
		flags = 0;
		WRITE_ONCE(p->ctrl->sq_flags, 0);
		do {
			ret = iou_ring_take_some(p, nr - taken, &flags, &group,
						 take);
			if (ret > 0)
				taken += ret;
			/* Programs, and drives that only copy, take their time. */
			cond_resched();
		} while (ret > 0 && taken < nr && !flags &&
			 !fatal_signal_pending(current));
		WRITE_ONCE(p->ctrl->sq_flags,
			   flags | IO_UNIFIED_SQ_NEED_WAKEUP);
		/* Who did not see the flag any more counts on us to look. */
		smp_mb();
	} while (ret >= 0 && taken < nr && !flags && iou_ring_ready(p) &&
		 !fatal_signal_pending(current));
	iou_ring_start_group(&group, take->nowait);
	return taken ?: ret;
}

int iou_ring_take(struct iou_region *r, u32 index, u32 nr,
		  const struct iou_ring_take *take, u16 *reason)
{
	struct blk_plug plug;
	struct iou_pair *p;
	int ret;

	if (index >= r->nr_pairs) {
		*reason = IO_UNIFIED_REASON_RING;
		return -EINVAL;
	}
	p = &r->pairs[array_index_nospec(index, r->nr_pairs)];
	if (test_and_set_bit_lock(0, &p->busy)) {
		*reason = IO_UNIFIED_REASON_RING_BUSY;
		return -EBUSY;
	}
	nr = min(nr ?: IOU_RING_MAX, IOU_RING_MAX);
	iou_plug_start(&plug, min(nr, iou_ring_ready(p)));
	ret = iou_ring_take_all(p, nr, take);
	blk_finish_plug(&plug);
	clear_bit_unlock(0, &p->busy);
	if (ret == -EBUSY)
		*reason = IO_UNIFIED_REASON_CQ_FULL;
	return ret;
}

static int iou_ring_wait(struct iou_pair *p, const struct io_unified_enter *arg,
			 u32 *reason)
{
	ktime_t timeout =
		arg->timeout_nsec ?
			ns_to_ktime(min_t(u64, arg->timeout_nsec, KTIME_MAX)) :
			KTIME_MAX;
	int ret;

	ret = wait_event_interruptible_hrtimeout(
		p->wait,
		iou_cq_count(p) >= arg->min_complete ||
			percpu_ref_is_dying(&p->region->refs),
		timeout);
	if (iou_cq_count(p) >= arg->min_complete)
		return 0;
	if (percpu_ref_is_dying(&p->region->refs)) {
		*reason = IO_UNIFIED_REASON_GONE;
		return -ECANCELED;
	}
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

int iou_ring_enter(struct iou_region *r, struct io_unified_enter *arg)
{
	const struct iou_ring_take take = {};
	u16 reason = IO_UNIFIED_REASON_NONE;
	u32 wait_reason = IO_UNIFIED_REASON_NONE;
	struct iou_pair *p;
	int ret = 0;

	arg->submitted = 0;
	arg->completed = 0;
	arg->reason = IO_UNIFIED_REASON_NONE;
	if (arg->flags) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (arg->reserved0 || arg->reserved[0] || arg->reserved[1]) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->ring >= r->nr_pairs) {
		arg->reason = IO_UNIFIED_REASON_RING;
		return -EINVAL;
	}
	if (arg->min_complete > r->cq_entries) {
		arg->reason = IO_UNIFIED_REASON_SIZE;
		return -EINVAL;
	}
	p = &r->pairs[array_index_nospec(arg->ring, r->nr_pairs)];
	if (arg->to_submit)
		ret = iou_ring_take(r, arg->ring, arg->to_submit, &take,
				    &reason);
	if (ret > 0)
		arg->submitted = ret;
	arg->reason = reason;
	if (ret >= 0 && arg->min_complete) {
		ret = iou_ring_wait(p, arg, &wait_reason);
		/* What was submitted has to be told. */
		if (arg->submitted)
			ret = 0;
		arg->reason = ret ? wait_reason : arg->reason;
	}
	arg->completed = iou_cq_count(p);
	return ret < 0 ? ret : 0;
}

int iou_pairs_init(struct iou_region *r)
{
	struct iou_pair *p;
	u32 i;

	BUILD_BUG_ON(sizeof(struct io_unified_ctrl) > IO_UNIFIED_CTRL_SIZE);
	BUILD_BUG_ON(offsetof(struct io_unified_ring, cq_cons) != 3 * 64);
	r->pairs = kvcalloc(r->nr_pairs, sizeof(*r->pairs), GFP_KERNEL_ACCOUNT);
	if (!r->pairs)
		return -ENOMEM;
	for (i = 0; i < r->nr_pairs; i++) {
		p = &r->pairs[i];
		p->region = r;
		p->ctrl = &r->ctrl->ring[i];
		p->ctrl->sq_flags = IO_UNIFIED_SQ_NEED_WAKEUP;
		p->sqes = iou_ptr(r, r->sq_off);
		p->sqes += (size_t)i * r->sq_entries;
		p->sq_mask = r->sq_entries - 1;
		p->cqes = iou_ptr(r, r->cq_off);
		p->cqes += (size_t)i * r->cq_entries;
		p->cq_mask = r->cq_entries - 1;
		init_waitqueue_head(&p->wait);
		spin_lock_init(&p->lock);
	}
	return 0;
}

void iou_pairs_exit(struct iou_region *r)
{
	u32 i;

	for (i = 0; i < r->nr_pairs; i++) {
		iou_pool_drain(&r->pairs[i].pool);
		iou_pool_free_list(r->pairs[i].back);
	}
	for (i = 0; i < IOU_MAX_LINKS; i++)
		iou_pool_drain(&r->links[i].pool);
	kvfree(r->pairs);
}
