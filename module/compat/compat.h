/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The API of the newest kernel, on older ones
 *
 * The core includes this and is written for the newest kernel. What an older
 * one lacks is decided by the compile probes in compat/probes/.
 */
#ifndef IOU_COMPAT_H
#define IOU_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>

#include "config.h"

#ifdef IOU_HAVE_FOLIO_BATCH_HEADER
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

static inline struct file *iou_shmem_file(const char *name, loff_t size)
{
#ifdef IOU_HAVE_SHMEM_VMA_FLAGS
	return shmem_file_setup(name, size, EMPTY_VMA_FLAGS);
#else
	return shmem_file_setup(name, size, 0);
#endif
}

#ifndef IOU_HAVE_VFS_MMAP
static inline int vfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	return call_mmap(file, vma);
}
#endif

#ifndef IOU_HAVE_VM_FLAGS_CLEAR
static inline void vm_flags_clear(struct vm_area_struct *vma,
				  unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#ifndef IOU_HAVE_BPF_NET_CONTEXT
/*
 * Older kernels keep the redirect state of a program in a percpu variable,
 * which a program that may not redirect never leaves dirty.
 */
struct bpf_net_context {
	char unused;
};

static inline struct bpf_net_context *
bpf_net_ctx_set(struct bpf_net_context *ctx)
{
	return ctx;
}

static inline void bpf_net_ctx_clear(struct bpf_net_context *ctx)
{
}
#endif

/* What bio_poll() wants to know of a hardware queue */
static inline blk_qc_t iou_poll_cookie(unsigned int hctx)
{
#ifdef IOU_HAVE_BLK_RQ_POLL
	return hctx;
#else
	return hctx << 16; /* BLK_QC_T_SHIFT; the tag is for hybrid polling */
#endif
}

/* The parameters of a rq_end_io_fn. */
#ifdef IOU_HAVE_RQ_END_IO_BATCH
#define IOU_RQ_END_IO_ARGS \
	struct request *rq, blk_status_t status, const struct io_comp_batch *iob
#else
#define IOU_RQ_END_IO_ARGS struct request *rq, blk_status_t status
#endif

#endif /* IOU_COMPAT_H */
