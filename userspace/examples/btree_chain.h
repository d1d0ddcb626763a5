/* SPDX-License-Identifier: MIT */
/* A get in one op: a program walks the tree, in the kernel. */
#ifndef EXAMPLES_BTREE_CHAIN_H
#define EXAMPLES_BTREE_CHAIN_H

#include "btree_get.h"

static inline void chain_open(struct bench *b)
{
	/* a control block is in front of each block */
	struct iou_region_params params = {
		.frames = b->in_flight,
		.frame_size = 2 * BTREE_BLOCK,
		.ring = &b->ring,
	};
	int fd = iou_open();

	need(fd, IOU_DEVICE);
	check(&b->r, iou_region_init(&b->r, fd, &params), "region");
	check(&b->r,
	      iou_attach_storage(&b->r, b->fd, b->attach_flags, 0, b->window,
				 &b->storage),
	      b->device);
	b->skel = btree_bpf__open_and_load();
	need(b->skel ? 0 : -errno, "program");
	check(&b->r,
	      iou_attach_bpf(&b->r, bpf_program__fd(b->skel->progs.btree),
			     &b->bpf),
	      "program");
	need(io_uring_register_files(&b->ring, &fd, 1), "register file");
}

static inline uint64_t chain_addr(const struct bench *b, unsigned int slot)
{
	return iou_frame_addr(&b->r, slot) + BTREE_BLOCK;
}

static inline void chain_start(struct bench *b, unsigned int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
	unsigned int level = b->tree.depth - 1;
	struct io_unified_desc *d;

	d = iou_prep_read(sqe, &b->r, (unsigned int)b->storage.index,
			  chain_addr(b, slot), BTREE_BLOCK, b->tree.root);
	iou_desc_set_bpf(d, (unsigned int)b->bpf.index);
	iou_desc_set_cookie(d, b->get[slot].key);
	iou_desc_set_chain(
		d, b->max_hops < 0 ? level : (unsigned int)b->max_hops, level);
	sqe->fd = 0;
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, slot);
}

static inline bool chain_step(struct bench *b, unsigned int slot,
			      const struct io_uring_cqe *cqe)
{
	struct iou_result res = iou_cqe_result(&b->ring, cqe);
	char text[512];

	if (res.res == 0)
		get_done(b, slot, NULL);
	else if (res.res == sizeof(struct btree_value))
		get_done(b, slot, iou_region_ptr(&b->r, chain_addr(b, slot)));
	else if (res.res > 0)
		get_failed(b, slot, "the result is no value's length");
	else
		get_failed(b, slot, iou_strresult(&res, text, sizeof(text)));
	return true;
}

static inline uint64_t chain_reads(struct bench *b)
{
	struct io_unified_stats stats;

	check(&b->r, iou_get_stats(&b->r, IO_UNIFIED_KIND_REGION, 0, &stats),
	      "statistics");
	return b->nr_gets + stats.counters[IO_UNIFIED_STAT_HOPS];
}

static inline void chain_close(struct bench *b)
{
	int fd = b->r.fd;

	iou_region_exit(&b->r);
	iou_close(fd);
	btree_bpf__destroy(b->skel);
}

static const struct way chain = {
	.name = "chain",
	.open = chain_open,
	.start = chain_start,
	.step = chain_step,
	.reads = chain_reads,
	.close = chain_close,
};

#endif /* EXAMPLES_BTREE_CHAIN_H */
