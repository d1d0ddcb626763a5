/* SPDX-License-Identifier: MIT */
/*
 * The keys and values that btree_build puts into a tree, so that btree_get knows
 * without asking what each get has to find.
 *
 * Key i lies somewhere in the 65536 numbers from i * 65536; all others of them
 * are absent.
 */
#ifndef EXAMPLES_BTREE_KEYS_H
#define EXAMPLES_BTREE_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "btree.h"

#define KEY_STEP_BITS 16
#define KEYS_MAX (1ull << (64 - KEY_STEP_BITS))

/* The finaliser of splitmix64: every bit of @x depends on every other. */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static inline uint64_t key_of(uint64_t i)
{
	return i << KEY_STEP_BITS | mix64(i + 1) >> (64 - KEY_STEP_BITS);
}

static inline bool key_present(uint64_t key, uint64_t keys)
{
	uint64_t i = key >> KEY_STEP_BITS;

	return i < keys && key == key_of(i);
}

static inline struct btree_value value_of(uint64_t key)
{
	struct btree_value v = { { 0 } };
	unsigned int i;

	for (i = 0; i < BTREE_VALUE_WORDS; i++)
		v.word[i] = mix64(key + i);
	return v;
}

static inline bool value_right(const struct btree_value *v, uint64_t key)
{
	struct btree_value want = value_of(key);

	return !memcmp(v, &want, sizeof(want));
}

#endif /* EXAMPLES_BTREE_KEYS_H */
