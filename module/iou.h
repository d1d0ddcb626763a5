/* SPDX-License-Identifier: GPL-2.0 */
/*
 * io_unified: what all parts of the module share
 *
 * An open file (struct iou_file) has at most one region (struct iou_region).
 * A region has its memory (struct iou_mem), its completion ring and tables of
 * attachments (struct iou_att). Ops and streams take a reference on each attachment
 * that they use and, but for plain reads and writes, on the region, which goes after
 * its attachments; references are percpu, so the hot path shares no cache line.
 */
#ifndef IOU_H
#define IOU_H

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/percpu-refcount.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../uapi/linux/io_unified.h"

#define IOU_MAX_ATTACHMENTS 64
#define IOU_MAX_SOCKETS 4096
#define IOU_MAX_LINKS 16
#define IOU_MAX_ENTRIES 32768u
#define IOU_MIN_FRAME 2048u
#define IOU_MAX_FRAME 65536u
#define IOU_MAX_REGION (64ULL << 30)

struct io_uring_cmd;
struct iou_region;

/* ------------------------------------------------------------- counters */

struct iou_counters {
	u64 c[IO_UNIFIED_STAT_MAX];
};

static inline void iou_count(struct iou_counters __percpu *s,
			     enum io_unified_stat i, u64 n)
{
	this_cpu_add(s->c[i], n);
}

void iou_counters_sum(struct iou_counters __percpu *s, u64 *sum);

/* ---------------------------------------------------------------- RCU */

/*
 * As rcu_read_lock() and its end, for a few instructions on the hot path: where those
 * two are calls, a section without preemption is one for RCU as well and costs less.
 * Lockdep has to see the real ones.
 */
#if defined(CONFIG_PREEMPT_RCU) && !defined(CONFIG_DEBUG_LOCK_ALLOC)
#define iou_rcu_lock() preempt_disable()
#define iou_rcu_unlock() preempt_enable()
#else
#define iou_rcu_lock() rcu_read_lock()
#define iou_rcu_unlock() rcu_read_unlock()
#endif

/* ---------------------------------------------------------- attachments */

struct iou_att;

/**
 * struct iou_att_ops - what a kind of attachment does
 * @stop: no new work: take the source away. Ops and streams that wait have
 *	been ended already. Process context, may sleep
 * @release: free everything, @stop has run and nobody holds a reference
 * @retire: the same, but whoever looks at the table may still see it: to be freed
 *	after a grace period that the caller does not wait for (may be NULL)
 * @counters: add counters that are kept elsewhere (may be NULL)
 * @show: one line for fdinfo
 */
struct iou_att_ops {
	void (*stop)(struct iou_att *att);
	void (*release)(struct iou_att *att);
	void (*retire)(struct iou_att *att);
	void (*counters)(struct iou_att *att, u64 *sum);
	void (*show)(struct iou_att *att, struct seq_file *m);
};

struct iou_att {
	struct iou_region *region;
	const struct iou_att_ops *ops;
	struct iou_counters __percpu *stats;
	struct percpu_ref refs;
	struct completion drained;
	struct list_head node; /* in iou_region.atts */
	u16 kind;
	u16 index;
};

int iou_att_init(struct iou_att *att, struct iou_region *r,
		 const struct iou_att_ops *ops, u16 kind);
void iou_att_exit(struct iou_att *att);
struct iou_att *iou_att_get(struct iou_region *r, u32 kind, u32 index);

/* One of a table of a region, by an @index that is below @max; or NULL. */
static inline struct iou_att *iou_att_get_rcu(struct iou_att __rcu **table,
					      u32 max, u32 index)
{
	struct iou_att *att;

	index = array_index_nospec(index, max);
	att = rcu_dereference(table[index]);
	if (likely(att) && unlikely(!percpu_ref_tryget_live_rcu(&att->refs)))
		att = NULL;
	return att;
}

static inline void iou_att_put(struct iou_att *att)
{
	percpu_ref_put(&att->refs);
}

/* --------------------------------------------------------------- memory */

/**
 * struct iou_mem - the pages of a region
 * @kaddr: kernel mapping of all of them, contiguous
 * @pages: every page, pinned (user memory) or referenced (module memory)
 * @bvec: the same as physically contiguous chunks of 1 << @chunk_shift bytes,
 *	so that any byte range is a slice of this table and no I/O builds its
 *	own
 * @shmem: module memory: the file that backs it and that mmap() maps
 * @user_addr: memory of the caller: where it is mapped, in @mm
 */
struct iou_mem {
	u8 *kaddr;
	struct page **pages;
	unsigned long nr_pages;
	struct bio_vec *bvec;
	unsigned int chunk_shift;
	u64 size;
	struct file *shmem;
	unsigned long user_addr;
	struct mm_struct *mm;
	struct user_struct *user;
	bool accounted;
};

int iou_mem_init(struct iou_mem *mem, struct io_unified_region_reg *reg);
void iou_mem_exit(struct iou_mem *mem);

/* ------------------------------------------------------------ ops at hand */

/**
 * struct iou_pool - ops that wait to be used again
 * @busy: somebody takes one
 * @nr: ops that belong to the pool
 * @next: where the transfer of the last that was taken ended on its attachment: a
 *	hint, others may have been taken since
 * @ready: ops to take
 * @back: ops that came back, from any context
 */
struct iou_pool {
	unsigned long busy;
	u32 nr;
	u64 next;
	struct llist_node *ready;
	struct llist_head back ____cacheline_aligned_in_smp;
};

/* ------------------------------------------------------ file and region */

/**
 * struct iou_defer - ops whose next stage is their submitter's task to do
 * @lock: @ops, @nr, and the pdu of their commands; _irqsave
 * @nr: how many
 * @ops: the ops
 *
 * One for each io_uring that is linked. It is the file's, since the task work
 * of a command may come when the region is gone.
 */
struct iou_defer {
	spinlock_t lock; /* see above */
	unsigned int nr;
	struct list_head ops;
} ____cacheline_aligned_in_smp;

struct iou_file {
	struct mutex lock; /* region, attachments */
	struct iou_region __rcu *region;
	wait_queue_head_t poll_wait; /* CQ has entries */
	spinlock_t wait_lock; /* waiting, and each op's way out of it */
	struct list_head waiting; /* long-lived: see waiting.h */
	struct delayed_work watch; /* looks where io_uring does not tell */
	struct iou_defer defer[IOU_MAX_LINKS];
};

/**
 * struct iou_pair - an SQ and its CQ
 * @region: the region
 * @ctrl: indices, shared with the application
 * @sqes: descriptors of the SQ, shared with the application
 * @busy: somebody takes from the SQ
 * @sq_mask: how many, less 1
 * @sq_cons: our index, of which the application sees a copy; who is @busy
 * @pool: ops, taken by who is @busy
 * @wait: callers of IO_UNIFIED_ENTER
 * @lock: @cq_prod, @cq_reserved, @back, @plain; _irqsave
 * @cqes: entries of the CQ
 * @cq_mask: how many, less 1
 * @cq_prod: our index, of which the application sees a copy
 * @cq_reserved: entries that are promised to ops in flight
 * @back: plain ops that are over, for @pool
 * @plain: plain ops in flight by storage attachment, on which there is a reference
 *	while they are more than 0, see plain.c
 */
struct iou_pair {
	struct iou_region *region;
	struct io_unified_ring *ctrl;
	struct io_unified_desc *sqes;
	unsigned long busy;
	u32 sq_mask;
	u32 sq_cons;
	struct iou_pool pool;
	wait_queue_head_t wait;
	spinlock_t lock ____cacheline_aligned_in_smp; /* see above */
	struct io_unified_cqe *cqes;
	u32 cq_mask;
	u32 cq_prod;
	u32 cq_reserved;
	struct llist_node *back;
	s32 plain[IOU_MAX_ATTACHMENTS];
} ____cacheline_aligned_in_smp;

/**
 * struct iou_link - an io_uring that may send commands
 * @ring: its identity, or NULL
 * @index: of iou_region.links
 * @pool: ops of its commands
 */
struct iou_link {
	void *ring;
	u8 index;
	struct iou_pool pool;
} ____cacheline_aligned_in_smp;

struct iou_region {
	struct iou_file *file;
	struct rcu_head rcu;
	struct percpu_ref refs;
	struct completion drained;
	struct iou_mem mem;
	struct io_unified_ctrl *ctrl;
	struct iou_pair *pairs;
	u32 nr_pairs;
	struct iou_counters __percpu *stats;
	u64 data_off;
	u64 data_size;
	u64 sq_off;
	u64 cq_off;
	u32 sq_entries;
	u32 cq_entries;
	u32 frame_shift;
	u32 nr_frames;
	struct list_head atts; /* all attachments; iou_file.lock */
	struct iou_link links[IOU_MAX_LINKS];
	struct iou_att __rcu *storage[IOU_MAX_ATTACHMENTS];
	struct iou_att __rcu *net[IOU_MAX_ATTACHMENTS];
	struct iou_att __rcu *bpf[IOU_MAX_ATTACHMENTS];
	struct iou_att __rcu *sock[IOU_MAX_SOCKETS];
};

static inline u32 iou_frame_size(const struct iou_region *r)
{
	return 1u << r->frame_shift;
}

static inline u64 iou_frame_addr(const struct iou_region *r, u32 frame)
{
	return r->data_off + ((u64)frame << r->frame_shift);
}

/* Where a byte of the region is for the kernel. */
static inline void *iou_ptr(const struct iou_region *r, u64 addr)
{
	return r->mem.kaddr + addr;
}

struct iou_region *iou_region_get(struct iou_file *f);

static inline void iou_region_put(struct iou_region *r)
{
	percpu_ref_put(&r->refs);
}

#endif /* IOU_H */
