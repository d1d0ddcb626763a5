// SPDX-License-Identifier: GPL-2.0
/* Regions: geometry, registration, the way out */
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "attach.h"
#include "defer.h"
#include "net.h"
#include "region.h"
#include "ring.h"
#include "sock.h"
#include "waiting.h"

struct iou_region *iou_region_get(struct iou_file *f)
{
	struct iou_region *r;

	rcu_read_lock();
	r = rcu_dereference(f->region);
	if (r && !percpu_ref_tryget_live_rcu(&r->refs))
		r = NULL;
	rcu_read_unlock();
	return r;
}

struct iou_region *iou_region_peek(struct iou_file *f)
{
	return rcu_dereference_protected(f->region, lockdep_is_held(&f->lock));
}

static int iou_region_refuse(struct io_unified_region_reg *reg, u32 reason,
			     int error)
{
	reg->reason = reason;
	return error;
}

static bool iou_entries_ok(u32 n)
{
	return is_power_of_2(n) && n <= IOU_MAX_ENTRIES;
}

static int iou_region_check(struct io_unified_region_reg *reg)
{
	u64 end;

	if (reg->flags)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_FLAGS, -EINVAL);
	if (reg->reserved0 ||
	    memchr_inv(reg->reserved, 0, sizeof(reg->reserved)))
		return iou_region_refuse(reg, IO_UNIFIED_REASON_RESERVED,
					 -EINVAL);
	if (reg->nr_rings > IO_UNIFIED_MAX_RINGS ||
	    !iou_entries_ok(reg->sq_entries) ||
	    !iou_entries_ok(reg->cq_entries) ||
	    !is_power_of_2(reg->frame_size) ||
	    reg->frame_size < IOU_MIN_FRAME ||
	    reg->frame_size > IOU_MAX_FRAME || !reg->region_size ||
	    !PAGE_ALIGNED(reg->region_size) ||
	    reg->region_size > IOU_MAX_REGION)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_SIZE, -EINVAL);
	if (!PAGE_ALIGNED(reg->user_addr))
		return iou_region_refuse(reg, IO_UNIFIED_REASON_ALIGN, -EINVAL);
	if (check_add_overflow(reg->user_addr, reg->region_size, &end) ||
	    end > TASK_SIZE_MAX)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_OVERFLOW,
					 -EOVERFLOW);
	if (reg->net_rxq && !reg->net_ifindex)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_QUEUE, -EINVAL);
	if (reg->numa_node < -1 ||
	    (reg->numa_node >= 0 &&
	     (reg->numa_node >= MAX_NUMNODES || !node_online(reg->numa_node))))
		return iou_region_refuse(reg, IO_UNIFIED_REASON_NUMA, -EINVAL);
	return 0;
}

/* Control page, SQ, CQ, then frames from a page or frame boundary on. */
static int iou_region_layout(struct iou_region *r,
			     struct io_unified_region_reg *reg)
{
	u64 sq, cq;

	r->nr_pairs = reg->nr_rings ?: 1;
	sq = (u64)reg->sq_entries * r->nr_pairs *
	     sizeof(struct io_unified_desc);
	cq = (u64)reg->cq_entries * r->nr_pairs * sizeof(struct io_unified_cqe);
	r->sq_entries = reg->sq_entries;
	r->cq_entries = reg->cq_entries;
	r->sq_off = IO_UNIFIED_CTRL_SIZE;
	r->cq_off = r->sq_off + sq;
	r->frame_shift = ilog2(reg->frame_size);
	r->data_off = round_up(r->cq_off + cq,
			       max_t(u64, PAGE_SIZE, reg->frame_size));
	if (r->data_off >= reg->region_size)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_SIZE, -EINVAL);
	r->data_size = round_down(reg->region_size - r->data_off,
				  max_t(u64, PAGE_SIZE, reg->frame_size));
	if (!r->data_size)
		return iou_region_refuse(reg, IO_UNIFIED_REASON_SIZE, -EINVAL);
	r->nr_frames = r->data_size >> r->frame_shift;
	return 0;
}

static void iou_region_init_ctrl(struct iou_region *r)
{
	struct io_unified_ctrl *c = iou_ptr(r, 0);

	/* The caller's memory may hold anything. */
	memset(c, 0, r->data_off);
	c->magic = IO_UNIFIED_CTRL_MAGIC;
	c->abi_version = IO_UNIFIED_ABI_VERSION;
	c->sq_entries = r->sq_entries;
	c->cq_entries = r->cq_entries;
	c->frame_size = iou_frame_size(r);
	c->nr_rings = r->nr_pairs;
	c->sq_off = r->sq_off;
	c->cq_off = r->cq_off;
	c->data_off = r->data_off;
	c->data_size = r->data_size;
	r->ctrl = c;
}

static int iou_region_link(struct iou_region *r,
			   struct io_unified_region_reg *reg)
{
	u16 reason = 0;

	if (reg->uring_fd == -1)
		return 0;
	r->links[0].ring = iou_uring_identity(reg->uring_fd, &reason);
	if (r->links[0].ring)
		return 0;
	return iou_region_refuse(reg, reason,
				 reason == IO_UNIFIED_REASON_BAD_FD ? -EBADF :
								      -EINVAL);
}

/* The attachments that the registration itself asks for. */
static int iou_region_attach(struct iou_region *r,
			     struct io_unified_region_reg *reg)
{
	struct io_unified_attach arg;
	int ret;

	reg->storage_index = -1;
	reg->net_index = -1;
	if (reg->nvme_fd != -1) {
		memset(&arg, 0, sizeof(arg));
		arg.kind = IO_UNIFIED_KIND_STORAGE;
		arg.fd = reg->nvme_fd;
		ret = iou_attach(r, &arg);
		if (ret)
			return iou_region_refuse(reg, arg.reason, ret);
		reg->storage_index = arg.index;
	}
	if (reg->net_ifindex) {
		memset(&arg, 0, sizeof(arg));
		arg.kind = IO_UNIFIED_KIND_NETDEV;
		arg.ifindex = reg->net_ifindex;
		arg.queue = reg->net_rxq;
		ret = iou_attach(r, &arg);
		if (ret)
			return iou_region_refuse(reg, arg.reason, ret);
		reg->net_index = arg.index;
	}
	return 0;
}

static void iou_region_drained(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct iou_region, refs)->drained);
}

static struct iou_region *iou_region_alloc(struct iou_file *f)
{
	struct iou_region *r = kvzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	int i;

	if (!r)
		return NULL;
	r->file = f;
	for (i = 0; i < IOU_MAX_LINKS; i++)
		r->links[i].index = i;
	INIT_LIST_HEAD(&r->atts);
	init_completion(&r->drained);
	r->stats = alloc_percpu_gfp(struct iou_counters,
				    GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!r->stats)
		goto err_free;
	if (percpu_ref_init(&r->refs, iou_region_drained, 0,
			    GFP_KERNEL_ACCOUNT))
		goto err_stats;
	return r;

err_stats:
	free_percpu(r->stats);
err_free:
	kvfree(r);
	return NULL;
}

static void iou_region_free(struct iou_region *r)
{
	percpu_ref_exit(&r->refs);
	free_percpu(r->stats);
	/* Who found it in the file may still ask for a reference. */
	kvfree_rcu(r, rcu);
}

int iou_region_register(struct iou_file *f, struct io_unified_region_reg *reg)
{
	struct iou_region *r;
	int ret;

	reg->reason = IO_UNIFIED_REASON_NONE;
	if (iou_region_peek(f))
		return iou_region_refuse(reg, IO_UNIFIED_REASON_HAVE_REGION,
					 -EEXIST);
	ret = iou_region_check(reg);
	if (ret)
		return ret;

	r = iou_region_alloc(f);
	if (!r)
		return -ENOMEM;
	ret = iou_region_layout(r, reg);
	if (ret)
		goto err_free;
	ret = iou_region_link(r, reg);
	if (ret)
		goto err_free;
	ret = iou_mem_init(&r->mem, reg);
	if (ret)
		goto err_free;
	iou_region_init_ctrl(r);
	ret = iou_pairs_init(r);
	if (ret)
		goto err_mem;
	ret = iou_region_attach(r, reg);
	if (ret)
		goto err_detach;

	reg->nr_rings = r->nr_pairs;
	reg->ctrl_off = 0;
	reg->sq_off = r->sq_off;
	reg->cq_off = r->cq_off;
	reg->data_off = r->data_off;
	reg->data_size = r->data_size;
	reg->chunk_size = 1ULL << r->mem.chunk_shift;
	rcu_assign_pointer(f->region, r);
	return 0;

err_detach:
	iou_detach_all(r);
	iou_pairs_exit(r);
err_mem:
	iou_mem_exit(&r->mem);
err_free:
	iou_region_free(r);
	return ret;
}

int iou_region_unregister(struct iou_file *f)
{
	struct iou_region *r = iou_region_peek(f);
	u32 i;

	if (!r)
		return -ENXIO;
	RCU_INIT_POINTER(f->region, NULL);
	percpu_ref_kill(&r->refs);
	iou_cancel_region(r);
	iou_defer_flush(f);
	for (i = 0; i < r->nr_pairs; i++)
		wake_up_all(&r->pairs[i].wait);
	iou_net_stop_sending(r);
	iou_sock_stop_sending(r);
	/*
	 * What is left is with a drive or in a work item. None of it needs the
	 * submitter's task, which may be this one.
	 */
	iou_att_wait(r, &r->drained);
	iou_detach_all(r);
	iou_pairs_exit(r);
	iou_mem_exit(&r->mem);
	iou_region_free(r);
	/* poll() sees that there is nothing to wait for any more. */
	wake_up_all(&f->poll_wait);
	return 0;
}

void iou_region_show(struct iou_region *r, struct seq_file *m)
{
	int i, links = 0;

	for (i = 0; i < IOU_MAX_LINKS; i++)
		links += !!r->links[i].ring;
	seq_printf(
		m,
		"iou-region:\tsize=%llu memory=%s chunk=%lu frame_size=%u frames=%u pairs=%u sq=%u cq=%u rings=%d\n",
		r->mem.size, r->mem.shmem ? "module" : "user",
		1UL << r->mem.chunk_shift, iou_frame_size(r), r->nr_frames,
		r->nr_pairs, r->sq_entries, r->cq_entries, links);
	iou_attach_show(r, m);
}
