/* SPDX-License-Identifier: MIT */
/*
 * How far a stream of bytes has come: received, on storage, on the medium.
 *
 * A stream is cut into pieces. Each is received and written by ops of its own,
 * several at a time, which end in any order: what counts is how far there is no
 * hole.
 */
#ifndef IOU_INGEST_TRACK_H
#define IOU_INGEST_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#define TRACK_MAX 64

struct piece {
	uint64_t pos; /* of its first byte in the stream */
	uint64_t dev; /* where it goes in the window */
	uint32_t len; /* bytes that it has room for */
	uint32_t filled; /* of them received */
	uint32_t written; /* of those on storage */
	uint32_t writing; /* what will be, when the write under way is done */
};

struct track {
	struct piece piece[TRACK_MAX];
	unsigned int depth;
	/* number of the oldest piece, and behind the newest: both only grow */
	unsigned int head;
	unsigned int tail;
	uint64_t planned; /* where the next piece begins */
	uint64_t complete; /* all below is on storage */
	uint64_t flushing; /* @complete when the flush under way began */
	uint64_t durable; /* all below is on the medium */
	bool in_flush;
};

void track_init(struct track *t, unsigned int depth);

static inline struct piece *track_piece(struct track *t, unsigned int n)
{
	return &t->piece[n % t->depth];
}

/* Its number, for as long as it is in the track. */
static inline bool track_full(const struct track *t)
{
	return t->tail - t->head == t->depth;
}

/* The next piece, @len bytes for @dev, or NULL when all are in use. */
struct piece *track_plan(struct track *t, uint64_t dev, uint32_t len);

/* The first @sub bytes of the piece are on storage. */
void track_written(struct track *t, struct piece *p, uint32_t sub);

/*
 * Takes back the pieces behind the last byte that was received; nothing may be
 * under way. Returns the piece that has room left, to go on with; NULL if there
 * is none. *@hole: bytes came behind a piece that is not full.
 */
struct piece *track_shrink(struct track *t, bool *hole);

/* Bytes of the stream that were received, if there is no hole. */
uint64_t track_received(struct track *t);

/*
 * A flush covers what was on storage when it began, and nothing that got there
 * meanwhile.
 */
void track_flush_begin(struct track *t);
void track_flush_end(struct track *t, bool good);

/* First byte of a write of @p: the start of the block that is not whole. */
static inline uint32_t piece_from(const struct piece *p, uint32_t block)
{
	return p->written / block * block;
}

/* And behind its last: the end of the block that the last byte is in. */
static inline uint32_t piece_to(const struct piece *p, uint32_t block)
{
	return (p->filled + block - 1) / block * block;
}

#endif /* IOU_INGEST_TRACK_H */
