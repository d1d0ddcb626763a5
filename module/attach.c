// SPDX-License-Identifier: GPL-2.0
/*
 * Attachments: what a region is bound to
 *
 * A table per kind, read under RCU by ops and changed under the file's mutex.
 * An attachment goes in this order: out of the table, its reference killed (no
 * op can take it any more), waiting commands canceled, its source stopped, its
 * last user gone, then freed.
 */
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/nospec.h>

#include "attach.h"
#include "bpf.h"
#include "defer.h"
#include "net.h"
#include "sock.h"
#include "storage.h"
#include "waiting.h"

static void iou_att_drained(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct iou_att, refs)->drained);
}

int iou_att_init(struct iou_att *att, struct iou_region *r,
		 const struct iou_att_ops *ops, u16 kind)
{
	int ret;

	att->region = r;
	att->ops = ops;
	att->kind = kind;
	init_completion(&att->drained);
	att->stats = alloc_percpu_gfp(struct iou_counters,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!att->stats)
		return -ENOMEM;
	/* One that is to go at once must not have to wait for its own counter. */
	ret = percpu_ref_init(&att->refs, iou_att_drained,
			      ops->retire ? PERCPU_REF_INIT_ATOMIC : 0,
			      GFP_KERNEL_ACCOUNT);
	if (ret)
		free_percpu(att->stats);
	return ret;
}

void iou_att_exit(struct iou_att *att)
{
	percpu_ref_exit(&att->refs);
	free_percpu(att->stats);
}

static struct iou_att __rcu **iou_att_table(struct iou_region *r, u32 kind)
{
	switch (kind) {
	case IO_UNIFIED_KIND_STORAGE:
		return r->storage;
	case IO_UNIFIED_KIND_NETDEV:
		return r->net;
	case IO_UNIFIED_KIND_SOCKET:
		return r->sock;
	case IO_UNIFIED_KIND_BPF:
		return r->bpf;
	default:
		return NULL;
	}
}

static u32 iou_att_max(u32 kind)
{
	return kind == IO_UNIFIED_KIND_SOCKET ? IOU_MAX_SOCKETS :
						IOU_MAX_ATTACHMENTS;
}

struct iou_att *iou_att_get(struct iou_region *r, u32 kind, u32 index)
{
	struct iou_att __rcu **table = iou_att_table(r, kind);
	struct iou_att *att;

	if (!table || index >= iou_att_max(kind))
		return NULL;
	rcu_read_lock();
	att = iou_att_get_rcu(table, iou_att_max(kind), index);
	rcu_read_unlock();
	return att;
}

/* The table of a kind, for those who hold the file's lock. */
static struct iou_att *iou_att_peek(struct iou_region *r, u32 kind, u32 index)
{
	struct iou_att __rcu **table = iou_att_table(r, kind);

	if (!table || index >= iou_att_max(kind))
		return NULL;
	index = array_index_nospec(index, iou_att_max(kind));
	return rcu_dereference_protected(table[index],
					 lockdep_is_held(&r->file->lock));
}

/* The same, or an error, with the reason. */
static struct iou_att *iou_att_find(struct iou_region *r, u32 kind, u32 index,
				    u32 *reason)
{
	struct iou_att *att;

	if (!iou_att_table(r, kind)) {
		*reason = IO_UNIFIED_REASON_KIND;
		return ERR_PTR(-EINVAL);
	}
	att = iou_att_peek(r, kind, index);
	if (!att) {
		*reason = IO_UNIFIED_REASON_INDEX;
		return ERR_PTR(-ENOENT);
	}
	return att;
}

void *iou_uring_identity(int fd, u16 *reason)
{
	struct file *file = fget(fd);
	void *ctx = NULL;

	if (!file) {
		*reason = IO_UNIFIED_REASON_BAD_FD;
		return NULL;
	}
	/*
	 * io_uring's file operations are not exported. An anonymous inode's
	 * file of that name is one; a memfd or a regular file that only has
	 * the name lives in another file system.
	 */
	if (file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	    !strcmp(file->f_path.dentry->d_name.name, "[io_uring]"))
		ctx = file->private_data;
	else
		*reason = IO_UNIFIED_REASON_NOT_URING;
	/* Not kept: a ring that has us registered would keep itself alive. */
	fput(file);
	return ctx;
}

static int iou_ring_attach(struct iou_region *r, struct io_unified_attach *arg)
{
	struct iou_link *free;
	u16 reason = 0;
	void *ring;

	if (arg->flags) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	ring = iou_uring_identity(arg->fd, &reason);
	if (!ring) {
		arg->reason = reason;
		return reason == IO_UNIFIED_REASON_BAD_FD ? -EBADF : -EINVAL;
	}
	if (iou_ring_link(r, ring)) {
		arg->reason = IO_UNIFIED_REASON_QUEUE_BUSY;
		return -EEXIST;
	}
	free = iou_ring_link(r, NULL);
	if (!free) {
		arg->reason = IO_UNIFIED_REASON_TABLE_FULL;
		return -ENOSPC;
	}
	WRITE_ONCE(free->ring, ring);
	arg->index = free->index;
	return 0;
}

static int iou_attach_check(struct io_unified_attach *arg)
{
	if (memchr_inv(arg->reserved, 0, sizeof(arg->reserved))) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->kind != IO_UNIFIED_KIND_STORAGE &&
	    (arg->dev_start || arg->dev_len)) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->kind != IO_UNIFIED_KIND_NETDEV &&
	    (arg->ifindex || arg->queue || arg->ring_entries)) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->kind == IO_UNIFIED_KIND_NETDEV && arg->fd) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	return 0;
}

int iou_attach(struct iou_region *r, struct io_unified_attach *arg)
{
	struct iou_att __rcu **table;
	struct iou_att *att;
	u32 i, max;
	int ret;

	arg->index = -1;
	arg->reason = IO_UNIFIED_REASON_NONE;
	ret = iou_attach_check(arg);
	if (ret)
		return ret;
	if (arg->kind == IO_UNIFIED_KIND_RING)
		return iou_ring_attach(r, arg);

	table = iou_att_table(r, arg->kind);
	if (!table) {
		arg->reason = IO_UNIFIED_REASON_KIND;
		return -EINVAL;
	}
	max = iou_att_max(arg->kind);
	for (i = 0; i < max; i++)
		if (!iou_att_peek(r, arg->kind, i))
			break;
	if (i == max) {
		arg->reason = IO_UNIFIED_REASON_TABLE_FULL;
		return -ENOSPC;
	}

	switch (arg->kind) {
	case IO_UNIFIED_KIND_STORAGE:
		att = iou_storage_attach(r, arg);
		break;
	case IO_UNIFIED_KIND_NETDEV:
		att = iou_net_attach(r, arg);
		break;
	case IO_UNIFIED_KIND_SOCKET:
		att = iou_sock_attach(r, arg);
		break;
	default:
		att = iou_bpf_attach(r, arg);
	}
	if (IS_ERR(att))
		return PTR_ERR(att);
	att->index = i;
	arg->index = i;
	list_add_tail(&att->node, &r->atts);
	rcu_assign_pointer(table[i], att);
	return 0;
}

/* Out of the table: no op finds it any more. */
static void iou_att_unpublish(struct iou_region *r, struct iou_att *att)
{
	struct iou_att __rcu **table = iou_att_table(r, att->kind);

	RCU_INIT_POINTER(table[att->index], NULL);
	percpu_ref_kill(&att->refs);
	/* Pairs with the barrier of who takes one up late: iou_stream_lane(). */
	smp_mb();
	iou_cancel_att(att);
	iou_defer_flush(r->file);
	if (att->ops->stop)
		att->ops->stop(att);
}

/* Of devices that tell of an end only who looks for it: false: there are none. */
static bool iou_att_poll(struct iou_region *r)
{
	struct iou_att *att;
	bool any = false;

	list_for_each_entry(att, &r->atts, node) {
		if (att->kind != IO_UNIFIED_KIND_STORAGE ||
		    !iou_att_storage(att)->pollable)
			continue;
		iou_storage_poll(iou_att_storage(att), NULL, 0);
		any = true;
	}
	return any;
}

void iou_att_wait(struct iou_region *r, struct completion *done)
{
	/* Who polls does not find what goes, or is the one that waits here. */
	while (iou_att_poll(r))
		if (wait_for_completion_timeout(done, 1))
			return;
	wait_for_completion(done);
}

static void iou_att_add_counters(struct iou_att *att, u64 *sum)
{
	iou_counters_sum(att->stats, sum);
	if (att->ops->counters)
		att->ops->counters(att, sum);
}

/* What it counted stays in the region's sum. */
static void iou_att_fold(struct iou_region *r, struct iou_att *att)
{
	u64 sum[IO_UNIFIED_STAT_MAX] = {};
	int i;

	iou_att_add_counters(att, sum);
	for (i = 0; i < IO_UNIFIED_STAT_MAX; i++)
		iou_count(r->stats, i, sum[i]);
}

int iou_detach(struct iou_region *r, struct io_unified_detach *arg)
{
	struct iou_att *att;

	arg->reason = IO_UNIFIED_REASON_NONE;
	if (arg->flags) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return -EINVAL;
	}
	if (memchr_inv(arg->reserved, 0, sizeof(arg->reserved))) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->kind == IO_UNIFIED_KIND_RING) {
		if (arg->index >= IOU_MAX_LINKS || !r->links[arg->index].ring) {
			arg->reason = IO_UNIFIED_REASON_INDEX;
			return -ENOENT;
		}
		WRITE_ONCE(r->links[arg->index].ring, NULL);
		return 0;
	}
	att = iou_att_find(r, arg->kind, arg->index, &arg->reason);
	if (IS_ERR(att))
		return PTR_ERR(att);
	iou_att_unpublish(r, att);
	iou_att_wait(r, &att->drained);
	iou_att_fold(r, att);
	list_del(&att->node);
	if (att->ops->retire) {
		att->ops->retire(att);
		return 0;
	}
	/* The last reader of the table may still look at it. */
	synchronize_rcu();
	att->ops->release(att);
	return 0;
}

void iou_detach_all(struct iou_region *r)
{
	struct iou_att *att, *next;

	/* All are killed before the first is waited for: one grace period. */
	list_for_each_entry(att, &r->atts, node)
		iou_att_unpublish(r, att);
	list_for_each_entry(att, &r->atts, node)
		iou_att_wait(r, &att->drained);
	synchronize_rcu();
	list_for_each_entry_safe(att, next, &r->atts, node) {
		list_del(&att->node);
		att->ops->release(att);
	}
}

static void iou_region_counters(struct iou_region *r, u64 *sum)
{
	struct iou_att *att;

	iou_counters_sum(r->stats, sum);
	list_for_each_entry(att, &r->atts, node)
		iou_att_add_counters(att, sum);
}

int iou_get_stats(struct iou_region *r, struct io_unified_stats *arg)
{
	struct iou_att *att;

	arg->reason = IO_UNIFIED_REASON_NONE;
	memset(arg->counters, 0, sizeof(arg->counters));
	if (arg->reserved) {
		arg->reason = IO_UNIFIED_REASON_RESERVED;
		return -EINVAL;
	}
	if (arg->kind == IO_UNIFIED_KIND_REGION && !arg->index) {
		iou_region_counters(r, arg->counters);
		return 0;
	}
	att = iou_att_find(r, arg->kind, arg->index, &arg->reason);
	if (IS_ERR(att))
		return PTR_ERR(att);
	iou_att_add_counters(att, arg->counters);
	return 0;
}

void iou_attach_show(struct iou_region *r, struct seq_file *m)
{
	struct iou_att *att;

	list_for_each_entry(att, &r->atts, node)
		att->ops->show(att, m);
}
