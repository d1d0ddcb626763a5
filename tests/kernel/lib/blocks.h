/* SPDX-License-Identifier: GPL-2.0 */
/* A model of the content of a drive: for each block the write that it has. */
#ifndef IOU_TEST_BLOCKS_H
#define IOU_TEST_BLOCKS_H

#include "iou_test.h"

/* Zeros; all other generations are a pattern that tells block and generation. */
#define T_GEN_ZEROS 0u
/* Discarded since: zeros or what it was, as the device likes. */
#define T_GEN_OR_ZEROS (1u << 31)

struct t_blocks {
	const char *name;
	u64 seed;
	u32 lba;
	u32 count;
	u32 last; /* generation */
	u32 *gen;
	s32 *users; /* readers, or -1: a writer */
};

/* All blocks have generation 1. */
void t_blocks_init(struct t_blocks *b, const char *name, u32 lba, u64 size,
		   u64 seed);
/* Ranges in flight: one writer or any number of readers. */
bool t_blocks_lock(struct t_blocks *b, u32 first, u32 n, bool write);
void t_blocks_unlock(struct t_blocks *b, u32 first, u32 n, bool write);
/* The content of @n blocks of the generations @gen, and whether it is that. */
void t_blocks_fill(const struct t_blocks *b, void *p, u32 first, u32 n,
		   const u32 *gen);
bool t_blocks_check(const struct t_blocks *b, const void *p, u32 first, u32 n,
		    const u32 *gen, const char *what);

#endif /* IOU_TEST_BLOCKS_H */
