// SPDX-License-Identifier: GPL-2.0
/*
 * The first word of a block says which it is and what generation; the others follow
 * from both. So a wrong block tells what it has, and checking costs an addition per
 * word.
 */
#include <stdlib.h>

#include "blocks.h"

#define STEP 0x9e3779b97f4a7c15ull

static u64 first_word(u32 block, u32 gen)
{
	return (u64)gen << 32 | block;
}

static u64 next_words(const struct t_blocks *b, u64 first)
{
	u64 x = (first ^ b->seed) * 0xbf58476d1ce4e5b9ull;

	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

void t_blocks_init(struct t_blocks *b, const char *name, u32 lba, u64 size,
		   u64 seed)
{
	u32 i;

	*b = (struct t_blocks){
		.name = name,
		.seed = seed,
		.lba = lba,
		.count = size / lba,
		.last = 1,
	};
	b->gen = calloc(b->count, sizeof(*b->gen));
	b->users = calloc(b->count, sizeof(*b->users));
	REQUIRE(b->gen && b->users);
	for (i = 0; i < b->count; i++)
		b->gen[i] = 1;
}

bool t_blocks_lock(struct t_blocks *b, u32 first, u32 n, bool write)
{
	u32 i;

	for (i = first; i < first + n; i++)
		if (b->users[i] < 0 || (write && b->users[i]))
			return false;
	for (i = first; i < first + n; i++)
		b->users[i] += write ? -1 : 1;
	return true;
}

void t_blocks_unlock(struct t_blocks *b, u32 first, u32 n, bool write)
{
	u32 i;

	for (i = first; i < first + n; i++)
		b->users[i] -= write ? -1 : 1;
}

void t_blocks_fill(const struct t_blocks *b, void *p, u32 first, u32 n,
		   const u32 *gen)
{
	const u32 words = b->lba / 8;
	u64 *to = p, x;
	u32 i, w;

	for (i = 0; i < n; i++, to += words) {
		if (gen[i] == T_GEN_ZEROS) {
			memset(to, 0, b->lba);
			continue;
		}
		to[0] = first_word(first + i, gen[i] & ~T_GEN_OR_ZEROS);
		x = next_words(b, to[0]);
		for (w = 1; w < words; w++)
			to[w] = x += STEP;
	}
}

static bool is_zeros(const struct t_blocks *b, const u64 *p)
{
	u32 w;

	for (w = 0; w < b->lba / 8; w++)
		if (p[w])
			return false;
	return true;
}

static bool is_gen(const struct t_blocks *b, const u64 *p, u32 block, u32 gen)
{
	u64 x = next_words(b, first_word(block, gen));
	u32 w;

	if (p[0] != first_word(block, gen))
		return false;
	for (w = 1; w < b->lba / 8; w++)
		if (p[w] != (x += STEP))
			return false;
	return true;
}

static bool wrong(const struct t_blocks *b, const u64 *p, u32 block, u32 gen,
		  const char *what)
{
	u32 has = p[0] >> 32, is = (u32)p[0];

	if (is_zeros(b, p))
		t_note("%s, %s: block %u is zeros, not generation %u", what,
		       b->name, block, gen);
	else if (is_gen(b, p, is, has))
		t_note("%s, %s: block %u is block %u of generation %u, not %u (newest %u)",
		       what, b->name, block, is, has, gen, b->last);
	else
		t_note("%s, %s: block %u is no block: %#llx %#llx, not generation %u",
		       what, b->name, block, (unsigned long long)p[0],
		       (unsigned long long)p[1], gen);
	return false;
}

bool t_blocks_check(const struct t_blocks *b, const void *p, u32 first, u32 n,
		    const u32 *gen, const char *what)
{
	const u64 *at = p;
	bool ok = true;
	u32 i, g;

	for (i = 0; i < n; i++, at += b->lba / 8) {
		g = gen[i] & ~T_GEN_OR_ZEROS;
		if (g != T_GEN_ZEROS && is_gen(b, at, first + i, g))
			continue;
		if ((g == T_GEN_ZEROS || gen[i] & T_GEN_OR_ZEROS) &&
		    is_zeros(b, at))
			continue;
		/* The first one of each op is told. */
		if (ok)
			ok = wrong(b, at, first + i, g, what);
	}
	return ok;
}
