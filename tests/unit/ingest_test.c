// SPDX-License-Identifier: MIT
/*
 * What iou ingest calls durable, and its table on a device.
 *
 * A model of a drive with a cache: a byte is on the medium when it was written
 * before a flush began that ended. Whatever order writes end in, durable bytes
 * must be there.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_table.h"
#include "ingest_track.h"
#include "tap.h"

enum { PIECE = 4096, DEPTH = 4, PIECES = 400, BLOCK = 512 };

static unsigned long long seed = 88172645463325252ull;

static unsigned int pick(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed >> 33) % n;
}

/* ------------------------------------------------------------------- track */

struct drive {
	bool cached[PIECES]; /* written */
	bool begun[PIECES]; /* written when the flush began */
	bool medium[PIECES];
};

static uint64_t on_medium(const struct drive *d)
{
	uint64_t n = 0;

	while (n < PIECES && d->medium[n])
		n++;
	return n * PIECE;
}

/* A piece whose write is not done, or NULL. */
static struct piece *under_way(struct track *t)
{
	unsigned int n = t->tail - t->head, i, first = n ? pick(n) : 0;

	for (i = 0; i < n; i++) {
		struct piece *p = track_piece(t, t->head + (first + i) % n);

		if (!p->written)
			return p;
	}
	return NULL;
}

static void write_done(struct track *t, struct drive *d)
{
	struct piece *p = under_way(t);

	if (!p)
		return;
	p->filled = p->len;
	d->cached[p->pos / PIECE] = true;
	track_written(t, p, p->filled);
}

static void flush_step(struct track *t, struct drive *d)
{
	unsigned int i;

	if (!t->in_flush) {
		memcpy(d->begun, d->cached, sizeof(d->begun));
		track_flush_begin(t);
		return;
	}
	for (i = 0; i < PIECES; i++)
		d->medium[i] |= d->begun[i];
	track_flush_end(t, true);
}

static void test_random(void)
{
	unsigned int round, early = 0, late = 0, steps = 0;

	for (round = 0; round < 50; round++) {
		struct drive d = { 0 };
		struct track t;

		track_init(&t, DEPTH);
		while (t.complete < (uint64_t)PIECES * PIECE) {
			if (t.planned < (uint64_t)PIECES * PIECE)
				track_plan(&t, t.planned, PIECE);
			if (pick(3))
				write_done(&t, &d);
			if (!pick(3))
				flush_step(&t, &d);
			/* never more than there is, and soon no less */
			early += t.durable > on_medium(&d);
			/* had it been what is complete when the flush ends */
			late += !t.in_flush && t.complete > on_medium(&d);
			steps++;
		}
		while (t.durable < t.complete)
			flush_step(&t, &d);
		early += t.durable != (uint64_t)PIECES * PIECE;
	}
	ok(!early, "durable bytes are on the medium (%u steps)", steps);
	ok(late > 100,
	   "what is complete when a flush ends is not: the model would tell (%u times)",
	   late);
}

static void test_flush(void)
{
	struct piece *a, *b, *c;
	struct track t;

	track_init(&t, DEPTH);
	a = track_plan(&t, 0, PIECE);
	b = track_plan(&t, PIECE, PIECE);
	c = track_plan(&t, 2 * PIECE, PIECE);
	a->filled = b->filled = c->filled = PIECE;
	track_written(&t, b, PIECE);
	ok(!t.complete, "the second before the first: nothing is complete");
	track_flush_begin(&t);
	track_written(&t, a, PIECE);
	ok(t.complete == 2 * PIECE, "and with the first, both");
	track_flush_end(&t, true);
	ok(!t.durable, "a flush covers nothing of what came after it began");
	track_flush_begin(&t);
	track_written(&t, c, PIECE);
	track_flush_end(&t, false);
	ok(!t.durable, "a flush that failed covers nothing");
	track_flush_end(&t, true);
	ok(!t.durable, "nor does one that never began");
	track_flush_begin(&t);
	track_flush_end(&t, true);
	ok(t.durable == 3 * PIECE, "then all of it is");
}

static void test_full(void)
{
	struct track t;
	unsigned int i;

	track_init(&t, DEPTH);
	for (i = 0; i < DEPTH; i++)
		track_plan(&t, 0, PIECE);
	ok(track_full(&t) && !track_plan(&t, 0, PIECE),
	   "no more pieces than the depth");
	track_piece(&t, 1)->filled = PIECE;
	track_written(&t, track_piece(&t, 1), PIECE);
	ok(track_full(&t), "the oldest is still in use");
	track_piece(&t, 0)->filled = PIECE;
	track_written(&t, track_piece(&t, 0), PIECE);
	ok(t.tail - t.head == DEPTH - 2, "then both are free");
}

/* A slow sender: a piece is written in parts, its last block again. */
static void test_parts(void)
{
	struct piece *p;
	struct track t;
	bool hole;

	track_init(&t, DEPTH);
	p = track_plan(&t, 0, PIECE);
	track_plan(&t, PIECE, PIECE);
	track_plan(&t, 2 * PIECE, PIECE);
	p->filled = 700;
	ok(piece_from(p, BLOCK) == 0 && piece_to(p, BLOCK) == 1024,
	   "700 bytes are two blocks");
	track_written(&t, p, 700);
	ok(t.complete == 700, "and 700 are complete");
	ok(track_shrink(&t, &hole) == p && !hole && t.planned == PIECE &&
		   t.tail - t.head == 1,
	   "what got nothing is taken back");
	p->filled = 1100;
	ok(piece_from(p, BLOCK) == 512 && piece_to(p, BLOCK) == 1536,
	   "400 more: from the block that was not whole");
	track_flush_begin(&t);
	track_written(&t, p, 1100);
	track_flush_end(&t, true);
	ok(t.durable == 700 && t.complete == 1100,
	   "the flush covers the first");
	p->filled = PIECE;
	track_written(&t, p, PIECE);
	ok(!track_shrink(&t, &hole) && t.head == t.tail,
	   "a full piece has no room");
	ok(t.complete == PIECE, "and is complete");
}

static void test_hole(void)
{
	struct piece *a, *b;
	struct track t;
	bool hole;

	track_init(&t, DEPTH);
	a = track_plan(&t, 0, PIECE);
	b = track_plan(&t, PIECE, PIECE);
	a->filled = 10;
	b->filled = 20;
	track_shrink(&t, &hole);
	ok(hole, "bytes behind a piece that is not full are seen");
	ok(track_received(&t) == 10, "and do not count");
	a->filled = PIECE;
	track_shrink(&t, &hole);
	ok(!hole && track_received(&t) == PIECE + 20,
	   "behind a full one they do");
	track_init(&t, DEPTH);
	track_plan(&t, 0, PIECE);
	ok(!track_shrink(&t, &hole) && !hole && !t.planned,
	   "nothing received: nothing is planned");
}

/* ------------------------------------------------------------------- table */

static struct table a, b;
static unsigned char medium[TABLE_DATA];

static void write_table(struct table *t)
{
	unsigned char copy[TABLE_COPY];

	table_encode(t, copy);
	memcpy(medium + t->copy * TABLE_COPY, copy, sizeof(copy));
}

static void make_table(void)
{
	memset(medium, 0, sizeof(medium));
	table_init(&a, 64 << 20, 256 << 10);
	a.copy = 1;
	a.head.nr_streams = 2;
	a.stream[0].length = 1000;
	a.stream[1].length = 2000;
	a.stream[1].state = STREAM_EOF;
}

static void test_table(void)
{
	uint64_t off, room;

	make_table();
	ok(table_read(&b, medium, sizeof(medium)) == -ENOENT,
	   "zeros are no table");
	table_place(&a, 0, 0, true, &off, &room);
	table_place(&a, 1, 0, true, &off, &room);
	write_table(&a);
	ok(a.copy == 0 && table_is(medium, sizeof(medium)),
	   "the first goes to the first copy");
	ok(!table_read(&b, medium, sizeof(medium)) &&
		   b.stream[1].length == 2000 &&
		   b.stream[1].state == STREAM_EOF && b.owner[1] == 1,
	   "and is read back");
	a.stream[0].length = 5000;
	write_table(&a);
	ok(a.copy == 1 && !table_read(&b, medium, sizeof(medium)) &&
		   b.stream[0].length == 5000 && b.copy == 1,
	   "the second to the second, and is newer");
	medium[TABLE_COPY + 200] ^= 1;
	ok(!table_read(&b, medium, sizeof(medium)) &&
		   b.stream[0].length == 1000 && b.copy == 0,
	   "torn: the first is what there is");
	a.stream[0].length = 6000;
	a.copy = b.copy;
	write_table(&a);
	ok(!table_read(&b, medium, sizeof(medium)) &&
		   b.stream[0].length == 6000,
	   "the one that was torn is the next to be written");
	medium[100] ^= 1;
	medium[TABLE_COPY + 200] ^= 1;
	ok(table_read(&b, medium, sizeof(medium)) == -EIO, "both torn");
	ok(table_read(&b, medium, 4096) == -ENOENT, "too short");
}

static void refused(const char *what, size_t at, uint64_t value, size_t len,
		    int want)
{
	unsigned char copy[TABLE_COPY];
	int err;

	make_table();
	table_encode(&a, copy);
	memcpy(copy + at, &value, len);
	err = table_decode(&b, copy, sizeof(copy));
	ok(err == want, "%s is refused (%d)", what, err);
}

static void test_bad_tables(void)
{
	refused("a length past the copy", offsetof(struct table_head, bytes),
		TABLE_COPY + 1, 8, -EIO);
	refused("a length of nothing", offsetof(struct table_head, bytes), 0, 8,
		-EIO);
	refused("too many streams", offsetof(struct table_head, nr_streams),
		TABLE_STREAMS + 1, 4, -EIO);
	refused("too many extents", offsetof(struct table_head, nr_extents),
		UINT32_MAX, 4, -EIO);
	refused("extents of nothing", offsetof(struct table_head, extent_size),
		0, 8, -EIO);
	refused("another version", offsetof(struct table_head, version), 2, 4,
		-EPROTO);
	refused("another byte order", 0, 0x494f55696e677374, 8, -EPROTO);
	refused("a length that is not what is there", sizeof(struct table_head),
		77, 8, -EIO);
}

/* What a stream that ended did not need, others get, behind what they have. */
static void test_release(void)
{
	uint64_t off[4], room;

	table_init(&a, 8 << 20, 64 << 10);
	a.head.nr_streams = 2;
	table_place(&a, 0, 0, true, &off[0], &room);
	table_place(&a, 0, 64 << 10, true, &off[1], &room);
	table_place(&a, 1, 0, true, &off[2], &room);
	table_place(&a, 0, 128 << 10, true, &off[3], &room);
	ok(a.head.nr_extents == 4, "four extents");
	a.stream[0].length = 1000;
	table_release(&a, 0);
	ok(a.head.nr_extents == 3, "the last one goes, and leaves a gap");
	ok(table_place(&a, 1, 64 << 10, true, &room, &room) &&
		   a.owner[1] == TABLE_FREE && a.owner[3] == 1,
	   "who has a later one does not get the gap");
	a.head.nr_streams = 3;
	ok(table_place(&a, 2, 0, true, &off[3], &room) && off[3] == off[1],
	   "who has none does");
	ok(table_place(&a, 0, 0, false, &off[3], &room) && off[3] == off[0] &&
		   table_place(&a, 1, 0, false, &off[3], &room) &&
		   off[3] == off[2],
	   "and all find theirs again");
	a.stream[1].length = 1 << 10;
	table_release(&a, 1);
	a.stream[2].length = 0;
	table_release(&a, 2);
	write_table(&a);
	ok(a.head.nr_extents == 3 && a.owner[1] == TABLE_FREE &&
		   !table_decode(&b, medium + a.copy * TABLE_COPY, TABLE_COPY),
	   "a table with a gap is read");
	ok(table_room(&a), "there is room");
	a.head.nr_streams = TABLE_STREAMS;
	ok(!table_room(&a), "not for more streams than there can be");
	table_init(&a, TABLE_DATA + (64 << 10), 64 << 10);
	a.head.nr_streams = 1;
	table_place(&a, 0, 0, true, &off[0], &room);
	ok(!table_room(&a), "nor in a range that is full");
	table_release(&a, 0);
	ok(table_room(&a), "but for what was given back");
}

/* Streams that grow in turns: no byte of one is another's. */
static void test_extents(void)
{
	static unsigned char used[8 << 20];
	static uint64_t at[3][sizeof(used) >> 16];
	uint64_t pos[3] = { 0 }, off, room, total = 0;
	unsigned int s, bad = 0, full = 0;

	table_init(&a, sizeof(used), 64 << 10);
	a.head.nr_streams = 3;
	while (full < 100) {
		s = pick(3);
		if (!table_place(&a, s, pos[s], true, &off, &room)) {
			full++;
			continue;
		}
		room = room < 16384 ? room : 16384;
		bad += off < TABLE_DATA || off + room > sizeof(used);
		for (uint64_t i = off; i < off + room && !bad; i++)
			bad += used[i]++ != 0;
		if (!(pos[s] & 0xffff))
			at[s][pos[s] >> 16] = off;
		pos[s] += room;
		total += room;
	}
	ok(!bad, "extents do not overlap, and are in the range");
	ok(total == sizeof(used) - TABLE_DATA, "all of it is used");
	for (unsigned int i = 0; i < 1000; i++) {
		const unsigned int nth = pick((unsigned int)(pos[s] >> 16));

		bad += !table_place(&a, s, (uint64_t)nth << 16, false, &off,
				    &room) ||
		       off != at[s][nth];
		s = pick(3);
	}
	ok(!bad, "each is found again, in whatever order");
	ok(!table_place(&a, 0, pos[0] + (1 << 20), false, &off, &room),
	   "nothing is behind a stream's end");
	table_init(&a, 1ull << 40, 256 << 10);
	ok((1ull << 40) / a.head.extent_size <= TABLE_EXTENTS,
	   "a terabyte has extents of %llu",
	   (unsigned long long)a.head.extent_size);
	/* the last one is shorter: a stream ends there */
	table_init(&a, TABLE_DATA + (64 << 10) + 4096, 64 << 10);
	a.head.nr_streams = 1;
	ok(table_place(&a, 0, 0, true, &off, &room) && room == 64 << 10 &&
		   table_place(&a, 0, 64 << 10, true, &off, &room) &&
		   room == 4096 &&
		   !table_place(&a, 0, (64 << 10) + 4096, true, &off, &room),
	   "the last extent ends with the range");
	write_table(&a);
	a.owner[0] = 7;
	write_table(&a);
	ok(table_decode(&b, medium + a.copy * TABLE_COPY, TABLE_COPY) == -EIO,
	   "an extent of no stream is refused");
}

int main(void)
{
	test_flush();
	test_random();
	test_full();
	test_parts();
	test_hole();
	test_table();
	test_bad_tables();
	test_release();
	test_extents();
	return tap_done();
}
