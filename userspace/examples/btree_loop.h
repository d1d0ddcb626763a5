/* SPDX-License-Identifier: MIT */
/*
 * A get in one read for each level of the tree, by io_uring alone: what a chain
 * is measured against. Its file and its memory are registered.
 */
#ifndef EXAMPLES_BTREE_LOOP_H
#define EXAMPLES_BTREE_LOOP_H

#include "btree_get.h"

static inline void loop_open(struct bench *b)
{
	size_t len = (size_t)b->in_flight * BTREE_BLOCK;
	struct iovec all = { .iov_len = len };
	unsigned int i;

	b->blocks = aligned_alloc(BTREE_BLOCK, len);
	need(b->blocks ? 0 : -ENOMEM, "memory");
	all.iov_base = b->blocks;
	for (i = 0; i < b->in_flight; i++)
		b->get[i].block =
			(unsigned char *)b->blocks + (size_t)i * BTREE_BLOCK;
	need(io_uring_register_buffers(&b->ring, &all, 1), "register memory");
	need(io_uring_register_files(&b->ring, &b->fd, 1), "register file");
}

static inline void loop_read(struct bench *b, unsigned int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
	const struct get *g = &b->get[slot];

	io_uring_prep_read_fixed(sqe, 0, g->block, BTREE_BLOCK, g->offset, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, slot);
	b->loop_reads++;
}

static inline void loop_start(struct bench *b, unsigned int slot)
{
	b->get[slot].level = b->tree.depth - 1;
	b->get[slot].offset = b->tree.root;
	loop_read(b, slot);
}

static inline bool loop_step(struct bench *b, unsigned int slot,
			     const struct io_uring_cqe *cqe)
{
	struct get *g = &b->get[slot];
	const struct btree_value *value = NULL;

	if (cqe->res != BTREE_BLOCK) {
		get_failed(b, slot,
			   cqe->res < 0 ? strerror(-cqe->res) : "short read");
		return true;
	}
	switch (btree_step(g->block, (char *)g->block + BTREE_BLOCK, g->offset,
			   g->level, g->key, &g->offset, &value)) {
	case BTREE_NEXT:
		g->level--;
		loop_read(b, slot);
		return false;
	case BTREE_FOUND:
	case BTREE_ABSENT:
		get_done(b, slot, value);
		return true;
	default:
		get_failed(b, slot,
			   "a block is not the node that it should be");
		return true;
	}
}

static inline uint64_t loop_reads(struct bench *b)
{
	return b->loop_reads;
}

static inline void loop_close(struct bench *b)
{
	free(b->blocks);
}

static const struct way loop = {
	.name = "loop",
	.open = loop_open,
	.start = loop_start,
	.step = loop_step,
	.reads = loop_reads,
	.close = loop_close,
};

#endif /* EXAMPLES_BTREE_LOOP_H */
