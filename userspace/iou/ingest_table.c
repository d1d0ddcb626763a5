// SPDX-License-Identifier: MIT
/* iou ingest: the table of streams and their extents on a device */
#include <errno.h>
#include <string.h>

#include "ingest_table.h"

_Static_assert(sizeof(struct table_head) == 128, "on the medium");
_Static_assert(sizeof(struct table_stream) == 64, "on the medium");
_Static_assert(sizeof(struct table_head) +
			       TABLE_STREAMS * sizeof(struct table_stream) +
			       TABLE_EXTENTS * sizeof(uint16_t) <=
		       TABLE_COPY,
	       "a copy has room for all");

static const char *const states[STREAM_STATES] = {
	[STREAM_OPEN] = "open",
	[STREAM_EOF] = "eof",
	[STREAM_RESET] = "reset",
	[STREAM_TIMEOUT] = "timeout",
	[STREAM_UNREACHABLE] = "unreachable",
	[STREAM_SIZE] = "size",
	[STREAM_FULL] = "full",
	[STREAM_COUNT] = "count",
	[STREAM_DURATION] = "duration",
	[STREAM_SIGNAL] = "signal",
	[STREAM_LOST] = "lost",
	[STREAM_ERROR] = "error",
};

const char *stream_state_name(unsigned int state)
{
	return state < STREAM_STATES ? states[state] : "unknown";
}

/* Half a byte at a time: it is a few hundred bytes, once for each flush. */
static uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const unsigned char *p = buf;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		crc = (crc >> 4) ^ nibble[crc & 15];
		crc = (crc >> 4) ^ nibble[crc & 15];
	}
	return ~crc;
}

void table_init(struct table *t, uint64_t range_len, uint64_t min)
{
	struct table_head *h = &t->head;

	memset(t, 0, sizeof(*t));
	memcpy(h->magic, TABLE_MAGIC, sizeof(h->magic));
	h->version = TABLE_VERSION;
	h->range_len = range_len;
	h->data_off = TABLE_DATA;
	h->extent_size = min;
	while ((range_len - h->data_off) / h->extent_size >= TABLE_EXTENTS / 2)
		h->extent_size *= 2;
}

size_t table_bytes(const struct table *t)
{
	return sizeof(t->head) + t->head.nr_streams * sizeof(t->stream[0]) +
	       t->head.nr_extents * sizeof(t->owner[0]);
}

static uint32_t copy_crc(const unsigned char *buf, size_t len)
{
	struct table_head h;
	uint32_t crc;

	memcpy(&h, buf, sizeof(h));
	h.crc = 0;
	crc = crc32c(0, &h, sizeof(h));
	return crc32c(crc, buf + sizeof(h), len - sizeof(h));
}

size_t table_encode(struct table *t, void *buf)
{
	const size_t streams = t->head.nr_streams * sizeof(t->stream[0]);
	unsigned char *p = buf;

	t->copy = !t->copy;
	t->head.seq++;
	t->head.bytes = table_bytes(t);
	t->head.crc = 0;
	memset(p, 0, TABLE_COPY);
	memcpy(p, &t->head, sizeof(t->head));
	memcpy(p + sizeof(t->head), t->stream, streams);
	memcpy(p + sizeof(t->head) + streams, t->owner,
	       t->head.nr_extents * sizeof(t->owner[0]));
	t->head.crc = copy_crc(p, t->head.bytes);
	memcpy(p, &t->head, sizeof(t->head));
	return t->head.bytes;
}

static bool sane(const struct table_head *h)
{
	uint64_t data = h->range_len - h->data_off;

	return h->nr_streams <= TABLE_STREAMS &&
	       h->nr_extents <= TABLE_EXTENTS && h->extent_size >= 512 &&
	       h->data_off >= TABLE_DATA && h->data_off < h->range_len &&
	       (h->nr_extents <= 1 ||
		(h->nr_extents - 1) <= data / h->extent_size);
}

int table_decode(struct table *t, const void *buf, size_t len)
{
	static const char reversed[] = "tsgniUOI";
	struct table_head *h = &t->head;
	const unsigned char *p = buf;
	unsigned int i;

	memset(t->last, 0, sizeof(t->last));
	if (len < sizeof(*h))
		return -ENOENT;
	memcpy(h, p, sizeof(*h));
	if (!memcmp(h->magic, reversed, sizeof(h->magic)))
		return -EPROTO;
	if (memcmp(h->magic, TABLE_MAGIC, sizeof(h->magic)))
		return -ENOENT;
	if (h->version != TABLE_VERSION)
		return -EPROTO;
	if (!sane(h) || h->bytes != table_bytes(t) || h->bytes > len ||
	    copy_crc(p, h->bytes) != h->crc)
		return -EIO;
	p += sizeof(*h);
	memcpy(t->stream, p, h->nr_streams * sizeof(t->stream[0]));
	p += h->nr_streams * sizeof(t->stream[0]);
	memcpy(t->owner, p, h->nr_extents * sizeof(t->owner[0]));
	for (i = 0; i < h->nr_extents; i++)
		if (t->owner[i] >= h->nr_streams && t->owner[i] != TABLE_FREE)
			return -EIO;
	return 0;
}

int table_read(struct table *t, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	uint64_t seq;
	int first, second;

	if (len < TABLE_DATA)
		return -ENOENT;
	first = table_decode(t, p, TABLE_COPY);
	seq = t->head.seq;
	second = table_decode(t, p + TABLE_COPY, TABLE_COPY);
	t->copy = 1;
	if (!second && (first || t->head.seq > seq))
		return 0;
	if (first) /* the one that tells more */
		return first == -ENOENT ? second : first;
	t->copy = 0;
	return table_decode(t, p, TABLE_COPY);
}

bool table_is(const void *buf, size_t len)
{
	return len >= sizeof(struct table_head) &&
	       !memcmp(buf, TABLE_MAGIC, strlen(TABLE_MAGIC));
}

/* The last extent ends where the range does. */
static uint64_t extent_len(const struct table_head *h, unsigned int e)
{
	uint64_t off = h->data_off + e * h->extent_size;

	if (off >= h->range_len)
		return 0;
	return h->range_len - off < h->extent_size ? h->range_len - off :
						     h->extent_size;
}

bool table_place(struct table *t, unsigned int s, uint64_t pos, bool grow,
		 uint64_t *off, uint64_t *room)
{
	struct table_head *h = &t->head;
	struct table_cursor *last = &t->last[s];
	const uint64_t nth = pos / h->extent_size, in = pos % h->extent_size;
	unsigned int e = 0, next = h->nr_extents;
	uint64_t n = nth;

	/* A stream goes on where it was: that may be thousands of extents on. */
	if (last->nth <= nth) {
		e = last->extent;
		n -= last->nth;
	}
	for (; e < h->nr_extents; e++) {
		if (t->owner[e] == s) {
			next = h->nr_extents;
			if (!n--)
				break;
		} else if (e < next && t->owner[e] == TABLE_FREE) {
			/* behind all that it has: they are in order */
			next = e;
		}
	}
	if (e == h->nr_extents) {
		/* streams grow by one extent at a time */
		if (!grow || n || next == TABLE_EXTENTS || !extent_len(h, next))
			return false;
		e = next;
		t->owner[e] = (uint16_t)s;
		if (e == h->nr_extents)
			h->nr_extents++;
	}
	last->extent = e;
	last->nth = (unsigned int)nth;
	if (in >= extent_len(h, e))
		return false;
	*off = h->data_off + e * h->extent_size + in;
	*room = extent_len(h, e) - in;
	return true;
}

void table_release(struct table *t, unsigned int s)
{
	struct table_head *h = &t->head;
	uint64_t keep =
		(t->stream[s].length + h->extent_size - 1) / h->extent_size;
	unsigned int e;

	memset(&t->last[s], 0, sizeof(t->last[s]));
	for (e = 0; e < h->nr_extents; e++) {
		if (t->owner[e] != s)
			continue;
		if (keep)
			keep--;
		else
			t->owner[e] = TABLE_FREE;
	}
	while (h->nr_extents && t->owner[h->nr_extents - 1] == TABLE_FREE)
		h->nr_extents--;
}

bool table_room(const struct table *t)
{
	const struct table_head *h = &t->head;
	unsigned int e;

	if (h->nr_streams == TABLE_STREAMS)
		return false;
	for (e = 0; e < h->nr_extents; e++)
		if (t->owner[e] == TABLE_FREE)
			return true;
	return e < TABLE_EXTENTS && extent_len(h, e);
}
