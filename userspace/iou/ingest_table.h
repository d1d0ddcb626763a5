/* SPDX-License-Identifier: MIT */
/* What iou ingest keeps in front of the streams on a device: iou_ingest(5). */
#ifndef IOU_INGEST_TABLE_H
#define IOU_INGEST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAGIC "IOUingst"
#define TABLE_VERSION 1
#define TABLE_COPY 65536u /* room of one of the two copies */
#define TABLE_DATA (2 * TABLE_COPY) /* where extents begin */
#define TABLE_EXTENTS 8192u
#define TABLE_STREAMS 512u
#define TABLE_FREE 0xffffu /* owner of an extent that was given back */

enum stream_state {
	STREAM_OPEN = 0, /* still, or who wrote it died */
	STREAM_EOF,
	STREAM_RESET,
	STREAM_TIMEOUT,
	STREAM_UNREACHABLE,
	STREAM_SIZE,
	STREAM_FULL,
	STREAM_COUNT,
	STREAM_DURATION,
	STREAM_SIGNAL,
	STREAM_LOST, /* bytes that came are not here */
	STREAM_ERROR,
	STREAM_STATES
};

enum stream_framing {
	FRAMING_NONE = 0, /* bytes as they came */
	FRAMING_LINES, /* each datagram ends with a newline */
	FRAMING_LENGTH, /* its length is in front of each datagram */
};

struct table_head {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* CRC-32C of the copy, with 0 here */
	uint64_t seq; /* of two good copies the one with the higher is it */
	uint8_t id[16];
	uint64_t bytes; /* of this copy */
	uint64_t range_len;
	uint64_t data_off;
	uint64_t extent_size;
	uint32_t nr_streams;
	uint32_t nr_extents; /* that are taken */
	uint64_t created_ns; /* since 1970 */
	uint8_t reserved[40];
};

struct table_stream {
	uint64_t length; /* all of it is on the medium */
	uint64_t start_ns;
	uint64_t end_ns; /* 0 while it is open */
	uint32_t state;
	uint32_t framing;
	uint8_t peer[16]; /* IPv6, or ::ffff:a.b.c.d */
	uint16_t port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t reserved[13];
};

/* In front of extent @extent a stream has @nth. */
struct table_cursor {
	unsigned int extent;
	unsigned int nth;
};

/* The table as it is in memory. */
struct table {
	struct table_head head;
	struct table_stream stream[TABLE_STREAMS];
	uint16_t owner[TABLE_EXTENTS]; /* stream of each extent, in order */
	unsigned int copy; /* that was written or read last */
	struct table_cursor last[TABLE_STREAMS]; /* where the last place was */
};

/* A table of a range of @range_len bytes, cut into extents of at least @min. */
void table_init(struct table *t, uint64_t range_len, uint64_t min);

/* Bytes that it takes on the medium. */
size_t table_bytes(const struct table *t);

/* For the next copy: @buf of TABLE_COPY bytes. Returns bytes. */
size_t table_encode(struct table *t, void *buf);

/* Returns 0, -ENOENT (there is none), -EPROTO (not to be read here). */
int table_decode(struct table *t, const void *buf, size_t len);

/*
 * Of both copies, TABLE_DATA bytes, the newer one that is whole. As above, and
 * -EIO: there are copies, but none is whole.
 */
int table_read(struct table *t, const void *buf, size_t len);

/* Is it a copy, whole or not? */
bool table_is(const void *buf, size_t len);

/*
 * Where byte @pos of stream @s is in the range, and how many bytes are left of
 * the extent. With @grow it is given one where it ends. False: there is none.
 */
bool table_place(struct table *t, unsigned int s, uint64_t pos, bool grow,
		 uint64_t *off, uint64_t *room);

/* Stream @s ended: it has no more extents than its length takes. */
void table_release(struct table *t, unsigned int s);

/* Is there room for one more stream, and an extent for it? */
bool table_room(const struct table *t);

const char *stream_state_name(unsigned int state);

#endif /* IOU_INGEST_TABLE_H */
