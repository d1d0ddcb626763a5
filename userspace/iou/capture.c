// SPDX-License-Identifier: MIT
/* Captures: pcap in both byte orders and resolutions, pcapng. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define NSEC 1000000000ull
#define LINK_ETHERNET 1

/* pcap: as libpcap, which takes no longer ones either */
#define PCAP_MAX_CAPLEN 262144u
#define PCAP_MAGIC_USEC 0xa1b2c3d4u
#define PCAP_MAGIC_NSEC 0xa1b23c4du
#define PCAP_HEADER 24u

/* pcapng block types */
#define NG_SECTION 0x0a0d0d0au
#define NG_INTERFACE 1u
#define NG_OLD_PACKET 2u
#define NG_SIMPLE 3u
#define NG_PACKET 6u
#define NG_MAGIC 0x1a2b3c4du
#define NG_MAX_IFS 65536u

/* options of an interface */
#define NG_IF_TSRESOL 9u
#define NG_IF_FCSLEN 13u
#define NG_IF_TSOFFSET 14u

static uint16_t get16(const struct capture *c, const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap16(v) : v;
}

static uint32_t get32(const struct capture *c, const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap32(v) : v;
}

static uint64_t get64(const struct capture *c, const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return c->swapped ? __builtin_bswap64(v) : v;
}

__attribute__((format(printf, 2, 3))) static enum capture_what
bad(struct capture *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return CAPTURE_BAD;
}

void capture_init(struct capture *c)
{
	memset(c, 0, sizeof(*c));
}

void capture_exit(struct capture *c)
{
	free(c->ifs);
	capture_init(c);
}

const char *capture_format_name(enum capture_format format)
{
	return format == CAPTURE_PCAP	? "pcap" :
	       format == CAPTURE_PCAPNG ? "pcapng" :
					  "unknown";
}

/* --------------------------------------------------------------- interfaces */

static struct capture_interface *add_interface(struct capture *c)
{
	struct capture_interface *ifs;
	unsigned int room;

	if (c->nr_ifs == NG_MAX_IFS)
		return NULL;
	if (c->nr_ifs == c->room_ifs) {
		room = c->room_ifs ? 2 * c->room_ifs : 8;
		ifs = realloc(c->ifs, room * sizeof(*ifs));
		if (!ifs)
			return NULL;
		c->ifs = ifs;
		c->room_ifs = room;
	}
	ifs = &c->ifs[c->nr_ifs++];
	memset(ifs, 0, sizeof(*ifs));
	return ifs;
}

/* What keeps a packet of it from being sent? */
static enum capture_what check_link(struct capture *c,
				    const struct capture_interface *i)
{
	if (i->link != LINK_ETHERNET)
		return bad(c, "its packets are of link type %u, not Ethernet",
			   i->link);
	if (i->fcs)
		return bad(c, "its packets end with a checksum of %u bytes",
			   i->fcs);
	return CAPTURE_PACKET;
}

/* Units of an interface's clock since 1970, as ns. What does not fit is cut. */
static uint64_t to_ns(const struct capture_interface *i, uint64_t units)
{
	uint64_t seconds = units / i->units;
	uint64_t rest = units % i->units;

	return (seconds + (uint64_t)i->offset) * NSEC +
	       (uint64_t)((unsigned __int128)rest * NSEC / i->units);
}

/* --------------------------------------------------------------------- pcap */

static enum capture_what pcap_header(struct capture *c, const unsigned char *p,
				     size_t len, size_t *used)
{
	struct capture_interface *i;
	uint32_t magic, link;

	if (len < PCAP_HEADER)
		return CAPTURE_MORE;
	magic = get32(c, p);
	if (get16(c, p + 4) != 2)
		return bad(c, "it is pcap of version %u, not 2",
			   get16(c, p + 4));
	link = get32(c, p + 20);
	i = add_interface(c);
	if (!i)
		return bad(c, "out of memory");
	i->units = magic == PCAP_MAGIC_NSEC ? NSEC : 1000000;
	i->link = (uint16_t)link;
	/* how long the checksum is, in units of 16 bits, where bit 26 says so */
	if (link & 1u << 26)
		i->fcs = (uint8_t)(link >> 28 << 1);
	if (!c->swapped)
		c->tick = (uint32_t)(NSEC / i->units);
	*used += PCAP_HEADER;
	return check_link(c, i);
}

static enum capture_what pcap_record(struct capture *c, const unsigned char *p,
				     size_t len, size_t *used,
				     struct capture_packet *out)
{
	uint32_t caplen;

	if (len < PCAP_RECORD)
		return CAPTURE_MORE;
	caplen = get32(c, p + 8);
	if (caplen > PCAP_MAX_CAPLEN)
		return bad(c, "a packet of %u bytes cannot be", caplen);
	out->caplen = caplen;
	out->len = get32(c, p + 12);
	out->time = get32(c, p) * NSEC +
		    (uint64_t)get32(c, p + 4) * (NSEC / c->ifs[0].units);
	if (caplen > CAPTURE_WINDOW - PCAP_RECORD) {
		out->data = NULL;
		c->skip = caplen;
		*used += PCAP_RECORD;
		return CAPTURE_PACKET;
	}
	if (len - PCAP_RECORD < caplen)
		return CAPTURE_MORE;
	out->data = p + PCAP_RECORD;
	*used += PCAP_RECORD + caplen;
	return CAPTURE_PACKET;
}

/* ------------------------------------------------------------------- pcapng */

static bool set_resolution(struct capture_interface *i, uint8_t v)
{
	unsigned int n = v & 0x7f;

	if (n > (v & 0x80 ? 63u : 19u))
		return false;
	i->units = 1;
	for (; n; n--)
		i->units *= v & 0x80 ? 2 : 10;
	return true;
}

static enum capture_what ng_interface(struct capture *c, const unsigned char *p,
				      size_t len)
{
	struct capture_interface *i;
	size_t at = 16;

	if (len < 20)
		return bad(c, "an interface block is too short");
	i = add_interface(c);
	if (!i)
		return bad(c, "it has too many interfaces");
	i->link = get16(c, p + 8);
	i->snaplen = get32(c, p + 12);
	i->units = 1000000;
	/* options, to the length at the block's end */
	while (at + 4 <= len - 4) {
		uint16_t code = get16(c, p + at);
		uint16_t size = get16(c, p + at + 2);

		at += 4;
		if (!code)
			break;
		if (size > len - 4 - at)
			return bad(c, "an option is longer than its block");
		if (code == NG_IF_TSRESOL && size >= 1 &&
		    !set_resolution(i, p[at]))
			return bad(c, "a clock of resolution %#x cannot be",
				   p[at]);
		if (code == NG_IF_FCSLEN && size >= 1)
			i->fcs = p[at];
		if (code == NG_IF_TSOFFSET && size >= 8)
			i->offset = (int64_t)get64(c, p + at);
		at += (size + 3u) & ~3u;
	}
	return CAPTURE_MORE;
}

/* Where its packet is in a block, and how long it says that to be. */
struct ng_layout {
	uint32_t head;
	uint32_t interface;
	uint32_t caplen;
	uint32_t len;
	uint64_t time;
	bool timed;
};

static bool ng_is_packet(uint32_t type)
{
	return type == NG_PACKET || type == NG_OLD_PACKET || type == NG_SIMPLE;
}

/* @p has NG_PACKET_HEAD bytes, or the whole block. */
#define NG_PACKET_HEAD 28u

static bool ng_layout(const struct capture *c, const unsigned char *p,
		      uint32_t size, struct ng_layout *l)
{
	memset(l, 0, sizeof(*l));
	if (get32(c, p) == NG_SIMPLE) {
		l->head = 12;
		if (size < 16)
			return false;
		l->len = get32(c, p + 8);
		l->caplen = l->len < size - 16 ? l->len : size - 16;
		return true;
	}
	l->head = NG_PACKET_HEAD;
	if (size < NG_PACKET_HEAD + 4)
		return false;
	l->interface = get32(c, p) == NG_PACKET ? get32(c, p + 8) :
						  get16(c, p + 8);
	l->time = (uint64_t)get32(c, p + 12) << 32 | get32(c, p + 16);
	l->timed = true;
	l->caplen = get32(c, p + 20);
	l->len = get32(c, p + 24);
	return l->caplen <= size - NG_PACKET_HEAD - 4;
}

static enum capture_what ng_packet(struct capture *c, const unsigned char *p,
				   uint32_t size, bool whole,
				   struct capture_packet *out)
{
	const struct capture_interface *i;
	enum capture_what what;
	struct ng_layout l;

	if (!ng_layout(c, p, size, &l))
		return bad(c, "a packet is longer than its block");
	if (l.interface >= c->nr_ifs)
		return bad(c, "a packet is of interface %u, which there is not",
			   l.interface);
	i = &c->ifs[l.interface];
	what = check_link(c, i);
	if (what != CAPTURE_PACKET)
		return what;
	if (l.timed)
		c->time = to_ns(i, l.time);
	else if (i->snaplen && l.caplen > i->snaplen)
		l.caplen = i->snaplen; /* what is behind it is padding */
	out->data = whole ? p + l.head : NULL;
	out->caplen = l.caplen;
	out->len = l.len;
	out->time = c->time;
	return CAPTURE_PACKET;
}

/* A section may be in another byte order than the one before it. */
static enum capture_what ng_section(struct capture *c, const unsigned char *p,
				    size_t len)
{
	uint32_t magic;

	if (len < 12)
		return CAPTURE_MORE;
	memcpy(&magic, p + 8, 4);
	if (magic != NG_MAGIC && magic != __builtin_bswap32(NG_MAGIC))
		return bad(c, "a section has no byte order");
	c->swapped = magic != NG_MAGIC;
	if (get32(c, p + 4) < 28)
		return bad(c, "a section header is too short");
	if (len < 16)
		return CAPTURE_MORE;
	if (get16(c, p + 12) != 1)
		return bad(c, "it is pcapng of version %u, not 1",
			   get16(c, p + 12));
	return CAPTURE_PACKET;
}

/*
 * One block. CAPTURE_MORE with @used as it was: not all of it is there; with @used
 * moved: it was no packet.
 */
static enum capture_what ng_block(struct capture *c, const unsigned char *p,
				  size_t len, size_t *used,
				  struct capture_packet *out)
{
	enum capture_what what = CAPTURE_MORE;
	uint32_t type, size;
	bool whole;

	if (len < 12)
		return CAPTURE_MORE;
	type = get32(c, p);
	if (type == NG_SECTION) {
		what = ng_section(c, p, len);
		if (what != CAPTURE_PACKET)
			return what;
	}
	size = get32(c, p + 4);
	if (size < 12 || size % 4)
		return bad(c, "a block of type %#x has a length of %u bytes",
			   type, size);
	whole = size <= CAPTURE_WINDOW;
	if (whole && len < size)
		return CAPTURE_MORE;
	if (whole && get32(c, p + size - 4) != size)
		return bad(c, "a block of type %#x has two lengths, %u and %u",
			   type, size, get32(c, p + size - 4));
	if (!whole && len < NG_PACKET_HEAD)
		return CAPTURE_MORE;

	what = CAPTURE_MORE;
	if (ng_is_packet(type)) {
		what = ng_packet(c, p, size, whole, out);
	} else if (type == NG_SECTION) {
		c->nr_ifs = 0;
	} else if (type == NG_INTERFACE) {
		what = whole ? ng_interface(c, p, size) :
			       bad(c, "an interface block has %u bytes", size);
	}
	if (what == CAPTURE_BAD)
		return what;
	*used += whole ? size : NG_PACKET_HEAD;
	c->skip = whole ? 0 : size - NG_PACKET_HEAD;
	return what;
}

/* ---------------------------------------------------------------------- all */

static enum capture_what recognize(struct capture *c, const unsigned char *p,
				   size_t len)
{
	uint32_t magic;

	if (len < 4)
		return CAPTURE_MORE;
	memcpy(&magic, p, 4);
	if (magic == NG_SECTION) {
		c->format = CAPTURE_PCAPNG;
		return CAPTURE_PACKET;
	}
	c->format = CAPTURE_PCAP;
	if (magic == PCAP_MAGIC_USEC || magic == PCAP_MAGIC_NSEC)
		return CAPTURE_PACKET;
	magic = __builtin_bswap32(magic);
	c->swapped = true;
	if (magic == PCAP_MAGIC_USEC || magic == PCAP_MAGIC_NSEC)
		return CAPTURE_PACKET;
	c->format = CAPTURE_UNKNOWN;
	return bad(c, "it starts with %#x: neither pcap nor pcapng",
		   __builtin_bswap32(magic));
}

static enum capture_what step(struct capture *c, const unsigned char *p,
			      size_t len, size_t *used,
			      struct capture_packet *out)
{
	enum capture_what what;

	if (c->format == CAPTURE_UNKNOWN) {
		what = recognize(c, p, len);
		if (what != CAPTURE_PACKET)
			return what;
	}
	if (c->format == CAPTURE_PCAPNG)
		return ng_block(c, p, len, used, out);
	if (c->nr_ifs)
		return pcap_record(c, p, len, used, out);
	what = pcap_header(c, p, len, used);
	return what == CAPTURE_PACKET ? CAPTURE_MORE : what;
}

enum capture_what capture_next(struct capture *c, const unsigned char *p,
			       size_t len, size_t *used,
			       struct capture_packet *out)
{
	enum capture_what what;
	size_t before;

	*used = 0;
	do {
		if (c->skip) {
			size_t n = c->skip < len - *used ? (size_t)c->skip :
							   len - *used;

			*used += n;
			c->skip -= n;
			c->at += n;
			if (c->skip)
				return CAPTURE_MORE;
		}
		before = *used;
		what = step(c, p + before, len - before, used, out);
		c->at += *used - before;
	} while (what == CAPTURE_MORE && *used != before);
	return what;
}

bool capture_ends(struct capture *c, size_t rest)
{
	if (c->format == CAPTURE_UNKNOWN)
		bad(c, "it has only %zu bytes", rest);
	else if (c->format == CAPTURE_PCAP && !c->nr_ifs)
		bad(c, "it ends in its header");
	else if (rest || c->skip)
		bad(c, "it ends in the middle of a packet or block");
	else
		return true;
	return false;
}
