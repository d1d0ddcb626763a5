/* SPDX-License-Identifier: MIT */
/* What btree_get and its two ways to do a get share. */
#ifndef EXAMPLES_BTREE_GET_H
#define EXAMPLES_BTREE_GET_H

#include "btree.skel.h"
#include "btree_keys.h"
#include "common.h"

#define IN_FLIGHT_MAX 1024

/* a get that is on its way; level and offset count in the loop only */
struct get {
	uint64_t key;
	__u64 level;
	__u64 offset;
	void *block;
};

struct bench;

struct way {
	const char *name;
	void (*open)(struct bench *b);
	void (*start)(struct bench *b, unsigned int slot);
	/* true: the get is done */
	bool (*step)(struct bench *b, unsigned int slot,
		     const struct io_uring_cqe *cqe);
	uint64_t (*reads)(struct bench *b);
	void (*close)(struct bench *b);
};

struct bench {
	/* what is wanted */
	const struct way *way;
	const char *device;
	uint64_t nr_gets;
	uint64_t seed;
	uint64_t window;
	unsigned int attach_flags;
	unsigned int in_flight;
	int max_hops; /* -1: as many as the tree needs */
	bool depth_check;
	bool json;
	/* what is there */
	int fd;
	struct btree_header tree;
	struct io_uring ring;
	struct iou_region r;
	struct io_unified_attach storage;
	struct io_unified_attach bpf;
	struct btree_bpf *skel;
	void *blocks;
	struct get get[IN_FLIGHT_MAX];
	/* what came of it */
	uint64_t found;
	uint64_t absent;
	uint64_t wrong;
	uint64_t loop_reads;
	bool failed;
};

/* Ends the program where @err is a negative errno. */
static inline void need(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

/* The first get that fails says why, and no more are started. */
static inline void get_failed(struct bench *b, unsigned int slot,
			      const char *why)
{
	if (!b->failed)
		fprintf(stderr, "btree_get: key %#llx: %s\n",
			(unsigned long long)b->get[slot].key, why);
	b->failed = true;
}

static inline void get_done(struct bench *b, unsigned int slot,
			    const struct btree_value *value)
{
	uint64_t key = b->get[slot].key;

	if (value)
		b->found++;
	else
		b->absent++;
	if (!!value != key_present(key, b->tree.keys) ||
	    (value && !value_right(value, key)))
		b->wrong++;
}

#endif /* EXAMPLES_BTREE_GET_H */
