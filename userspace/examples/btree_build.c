// SPDX-License-Identifier: MIT
/*
 * Write a B+tree of generated keys over a block device, or into a file:
 *
 *	btree_build --keys 10000000 /dev/nvme0n1
 *	btree_get /dev/nvme0n1
 *
 * Bottom-up, in one pass: each level has one node in the making. When it is
 * full it goes out, and its first key to the level above.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "btree_keys.h"

#define OUT_BLOCKS 256

union block {
	struct btree_header header;
	struct {
		struct btree_node node;
		union {
			struct btree_record record[BTREE_RECORDS];
			struct btree_child child[BTREE_CHILDREN];
		};
	};
	unsigned char bytes[BTREE_BLOCK];
};

struct builder {
	const char *target;
	int fd;
	unsigned int fanout; /* 0 = as many entries as a node holds */
	unsigned int depth;
	union block open[BTREE_DEPTH_MAX]; /* by level */
	union block *out; /* nodes that are done and not written yet */
	unsigned int out_used;
	uint64_t out_offset; /* of the first of them */
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(struct builder *b, const void *data, size_t len,
		uint64_t offset)
{
	const unsigned char *p = data;

	while (len) {
		ssize_t n = pwrite(b->fd, p, len, (off_t)offset);

		if (n <= 0)
			fail(b->target);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
}

static void flush_out(struct builder *b)
{
	put(b, b->out, (size_t)b->out_used * BTREE_BLOCK, b->out_offset);
	b->out_offset += (uint64_t)b->out_used * BTREE_BLOCK;
	b->out_used = 0;
}

/* Room for one more entry at @level, and its number in the node. */
static union block *room(struct builder *b, unsigned int level,
			 unsigned int *entry);

/* The node in the making at @level is done: out with it, and tell its parent. */
static void node_done(struct builder *b, unsigned int level)
{
	union block *done = &b->open[level], *parent;
	struct btree_child c = {
		.offset = b->out_offset + (uint64_t)b->out_used * BTREE_BLOCK
	};
	unsigned int i;

	c.key = level ? done->child[0].key : done->record[0].key;
	done->node.offset = c.offset;
	b->out[b->out_used++] = *done;
	if (b->out_used == OUT_BLOCKS)
		flush_out(b);
	memset(done, 0, sizeof(*done));
	parent = room(b, level + 1, &i);
	parent->child[i] = c;
}

static union block *room(struct builder *b, unsigned int level,
			 unsigned int *entry)
{
	unsigned int max = level ? BTREE_CHILDREN : BTREE_RECORDS;
	union block *open;

	if (level == BTREE_DEPTH_MAX) {
		fprintf(stderr, "the tree is too deep: raise --fanout\n");
		exit(1);
	}
	if (b->fanout && b->fanout < max)
		max = b->fanout;
	open = &b->open[level];
	if (open->node.entries == max)
		node_done(b, level);
	if (level >= b->depth)
		b->depth = level + 1;
	open->node.magic = BTREE_MAGIC;
	open->node.level = (__u16)level;
	*entry = open->node.entries++;
	return open;
}

/* What is in the making on all levels, then the root and the header. */
static uint64_t finish(struct builder *b, uint64_t keys)
{
	union block header = { .header = {
				       .magic = BTREE_MAGIC,
				       .version = BTREE_VERSION,
				       .root = BTREE_ROOT,
				       .fanout = b->fanout,
				       .keys = keys,
			       } };
	union block *root;
	unsigned int level;

	/* the top level has one node: had it had a second it had a parent */
	for (level = 0; level + 1 < b->depth; level++)
		node_done(b, level);
	flush_out(b);
	root = &b->open[b->depth - 1];
	root->node.offset = BTREE_ROOT;
	put(b, root, sizeof(*root), BTREE_ROOT);
	header.header.depth = b->depth;
	header.header.blocks = b->out_offset / BTREE_BLOCK;
	put(b, &header, sizeof(header), 0);
	if (fsync(b->fd) || close(b->fd))
		fail(b->target);
	return header.header.blocks;
}

static void usage(void)
{
	fprintf(stderr, "usage: btree_build --keys N [--fanout F] TARGET\n"
			"--fanout: entries of a node, at least 2\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keys", required_argument, NULL, 'k' },
		{ "fanout", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	/* blocks 0 and 1 come last */
	static struct builder b = { .out_offset = 2 * BTREE_BLOCK };
	uint64_t keys = 0, blocks, i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'k')
			keys = strtoull(optarg, NULL, 0);
		else if (c == 'f')
			b.fanout = (unsigned int)strtoul(optarg, NULL, 0);
		else
			usage();
	}
	if (optind != argc - 1 || !keys || keys >= KEYS_MAX || b.fanout == 1)
		usage();
	b.target = argv[optind];
	b.fd = open(b.target, O_WRONLY | O_CREAT, 0666);
	b.out = calloc(OUT_BLOCKS, sizeof(*b.out));
	if (b.fd < 0 || !b.out)
		fail(b.target);
	for (i = 0; i < keys; i++) {
		unsigned int n;
		union block *leaf = room(&b, 0, &n);

		leaf->record[n].key = key_of(i);
		leaf->record[n].value = value_of(key_of(i));
	}
	blocks = finish(&b, keys);
	printf("depth %u, %llu keys, %llu blocks\n", b.depth,
	       (unsigned long long)keys, (unsigned long long)blocks);
	return 0;
}
