/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A static B+tree on a block device, and one step of a walk through it
 *
 * What btree.bpf.c and the programs that build and read trees share. A tree is
 * blocks of 4096 bytes, all integers in the byte order of the host that wrote
 * it (the magic number tells another one's from it):
 *
 *	block 0		struct btree_header
 *	block 1		the root
 *	others		inner nodes and leaves, in any order
 *
 * A node is a struct btree_node and its entries, sorted by key. An inner
 * node's entry has the smallest key below a child and the child's offset; a
 * leaf's has a key and its value. Every leaf is at level 0, so that a get reads
 * as many nodes as the tree is deep. Offsets count bytes from block 0.
 */
#ifndef IOU_BTREE_H
#define IOU_BTREE_H

#include <linux/stddef.h>
#include <linux/types.h>

#define BTREE_BLOCK 4096
#define BTREE_MAGIC 0x42554f49u /* "IOUB" */
#define BTREE_VERSION 1
#define BTREE_ROOT BTREE_BLOCK
#define BTREE_DEPTH_MAX 16
#define BTREE_VALUE_WORDS 3

/**
 * struct btree_header - block 0
 * @magic: BTREE_MAGIC
 * @version: BTREE_VERSION
 * @root: offset of the root
 * @depth: nodes from the root to a leaf, both counted; the root's level + 1
 * @fanout: entries of a node, at most; 0 = as many as it holds
 * @keys: keys in the leaves
 * @blocks: blocks of the tree, this one counted
 */
struct btree_header {
	__u32 magic;
	__u32 version;
	__u64 root;
	__u32 depth;
	__u32 fanout;
	__u64 keys;
	__u64 blocks;
};

/**
 * struct btree_node - what a node starts with
 * @magic: BTREE_MAGIC
 * @level: steps down to a leaf; 0 = this is one
 * @entries: how many follow, at least 1
 * @offset: where the node is: one that was written elsewhere gives itself away
 */
struct btree_node {
	__u32 magic;
	__u16 level;
	__u16 entries;
	__u64 offset;
};

/**
 * struct btree_child - entry of an inner node
 * @key: smallest key below the child
 * @offset: where the child is
 */
struct btree_child {
	__u64 key;
	__u64 offset;
};

/**
 * struct btree_value - what a key stands for
 * @word: the application's
 */
struct btree_value {
	__u64 word[BTREE_VALUE_WORDS];
};

/**
 * struct btree_record - entry of a leaf
 * @key: the key
 * @value: its value
 */
struct btree_record {
	__u64 key;
	struct btree_value value;
};

#define BTREE_ROOM (BTREE_BLOCK - sizeof(struct btree_node))
#define BTREE_CHILDREN (BTREE_ROOM / sizeof(struct btree_child))
#define BTREE_RECORDS (BTREE_ROOM / sizeof(struct btree_record))

/**
 * enum btree_step - where a step of a walk leads
 * @BTREE_CORRUPT: the block is not the node that it should be
 * @BTREE_NEXT: to another node
 * @BTREE_FOUND: to the value
 * @BTREE_ABSENT: there is no such key
 */
enum btree_step {
	BTREE_CORRUPT = 0,
	BTREE_NEXT = 1,
	BTREE_FOUND = 2,
	BTREE_ABSENT = 3,
};

/*
 * The bytes of an entry, or NULL. A BPF program's verifier forgets what it
 * knows of a block's length once something unknown is added to a pointer into
 * it: each access is compared with the end again, in the form in which it
 * learns from that.
 */
static __always_inline const void *
btree_entry(const void *block, const void *end, __u32 i, __u32 size)
{
	const char *p = (const char *)block + sizeof(struct btree_node);

	p += i * size;
	if (p + size > (const char *)end)
		return 0;
	return p;
}

/*
 * How many of a node's entries of @size bytes have a key up to @key, or a
 * number beyond all entries where the node is corrupt. Eight steps, for no
 * node has more than 255 entries.
 */
static __always_inline __u32 btree_search(const void *block, const void *end,
					  __u32 entries, __u32 size, __u64 key)
{
	__u32 below = 0, step;

	for (step = 128; step; step >>= 1) {
		const __u64 *entry;

		if (below + step > entries)
			continue;
		entry = btree_entry(block, end, below + step - 1, size);
		if (!entry)
			return ~0u;
		if (*entry <= key)
			below += step;
	}
	return below;
}

/**
 * btree_step() - look at one node on the way to a key
 * @block: the node, 8-byte aligned
 * @end: behind its BTREE_BLOCK bytes
 * @offset: where it was read from
 * @level: level that it must have
 * @key: what is looked for
 * @next: BTREE_NEXT: offset of the next node, one level down
 * @value: BTREE_FOUND: the value, in the block
 *
 * The same code in a BPF program and in any other.
 *
 * Return: enum btree_step.
 */
static __always_inline enum btree_step
btree_step(const void *block, const void *end, __u64 offset, __u64 level,
	   __u64 key, __u64 *next, const struct btree_value **value)
{
	const struct btree_node *node = block;
	const struct btree_record *record;
	const struct btree_child *child;
	__u32 below;

	if (node->magic != BTREE_MAGIC || node->level != level ||
	    node->offset != offset || !node->entries)
		return BTREE_CORRUPT;
	if (level) {
		below = btree_search(block, end, node->entries, sizeof(*child),
				     key);
		if (below > BTREE_CHILDREN)
			return BTREE_CORRUPT;
		/* a key below all of them would be in the first */
		child = btree_entry(block, end, below ? below - 1 : 0,
				    sizeof(*child));
		if (!child)
			return BTREE_CORRUPT;
		*next = child->offset;
		return BTREE_NEXT;
	}
	below = btree_search(block, end, node->entries, sizeof(*record), key);
	if (!below)
		return BTREE_ABSENT;
	if (below > BTREE_RECORDS)
		return BTREE_CORRUPT;
	record = btree_entry(block, end, below - 1, sizeof(*record));
	if (!record)
		return BTREE_CORRUPT;
	if (record->key != key)
		return BTREE_ABSENT;
	*value = &record->value;
	return BTREE_FOUND;
}

#endif /* IOU_BTREE_H */
