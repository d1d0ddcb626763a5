/* SPDX-License-Identifier: MIT */
/*
 * Captures, pcap and pcapng: the next packet in bytes that are read piece by piece
 *
 * Packets are not copied: they are where they were read to. Nothing in a capture is
 * believed: lengths are checked against what there is.
 */
#ifndef IOU_CAPTURE_H
#define IOU_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* capture_next() never asks to be shown more than this at once. */
#define CAPTURE_WINDOW (128u << 10)

enum capture_format { CAPTURE_UNKNOWN, CAPTURE_PCAP, CAPTURE_PCAPNG };

enum capture_what {
	CAPTURE_PACKET,
	CAPTURE_MORE, /* come again with more bytes */
	CAPTURE_BAD, /* capture.why says what is wrong; there is no way on */
};

/* A packet, in the bytes that were given. */
struct capture_packet {
	const unsigned char *data; /* NULL: longer than CAPTURE_WINDOW, skipped */
	uint32_t caplen; /* bytes there are */
	uint32_t len; /* bytes it had on the wire */
	uint64_t time; /* ns since 1970 */
};

struct capture_interface {
	uint64_t units; /* of its clock in a second */
	int64_t offset; /* s */
	uint32_t snaplen; /* bytes kept of a packet, 0 = all */
	uint16_t link; /* its link type */
	uint8_t fcs; /* bytes of checksum behind each packet */
};

struct capture {
	enum capture_format format;
	bool swapped;
	uint64_t skip; /* bytes in front of the next block */
	uint64_t at; /* bytes behind us */
	uint64_t time; /* of the last packet that had one */
	uint32_t tick; /* ns of a unit, of pcap in our own byte order; else 0 */
	struct capture_interface *ifs;
	unsigned int nr_ifs;
	unsigned int room_ifs;
	char why[160];
};

void capture_init(struct capture *c);
void capture_exit(struct capture *c);

/*
 * The next packet in @len bytes at @p, which follow those that were used before.
 * @used: how many are behind us now; the rest is to be shown again, with what
 * follows it.
 */
enum capture_what capture_next(struct capture *c, const unsigned char *p,
			       size_t len, size_t *used,
			       struct capture_packet *out);

#define PCAP_RECORD 16u

/* Can packets be as most are, of pcap? capture.tick then, else 0. */
static inline uint32_t capture_plain(const struct capture *c)
{
	return c->skip ? 0 : c->tick;
}

/*
 * The same as capture_next(), of a packet of such a capture that is there as a whole.
 * False: it is not. capture_advance() tells what was used.
 */
static inline bool capture_next_plain(uint32_t tick, const unsigned char *p,
				      size_t len, size_t *used,
				      struct capture_packet *out)
{
	uint32_t head[PCAP_RECORD / 4];

	if (!tick || len < PCAP_RECORD)
		return false;
	memcpy(head, p, sizeof(head));
	if (head[2] > CAPTURE_WINDOW - PCAP_RECORD ||
	    head[2] > len - PCAP_RECORD)
		return false;
	out->data = p + PCAP_RECORD;
	out->caplen = head[2];
	out->len = head[3];
	out->time = head[0] * 1000000000ull + (uint64_t)head[1] * tick;
	*used = PCAP_RECORD + head[2];
	return true;
}

static inline void capture_advance(struct capture *c, size_t used)
{
	c->at += used;
}

/*
 * Nothing follows the @rest bytes that were not used: is that an end, or a capture
 * that is not whole? capture.why says what is missing.
 */
bool capture_ends(struct capture *c, size_t rest);

/* "pcap", "pcapng" */
const char *capture_format_name(enum capture_format format);

#endif /* IOU_CAPTURE_H */
