// SPDX-License-Identifier: MIT
/*
 * Captures: the same packets however their bytes come, nothing out of bounds,
 * whatever they say.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "tap.h"

#define NSEC 1000000000ull
#define MAX (1u << 20)

/* What is built */
static unsigned char out[MAX];
static size_t size;
static bool swap; /* the other byte order than that of the host */

static void put16(uint16_t v)
{
	v = swap ? __builtin_bswap16(v) : v;
	memcpy(out + size, &v, 2);
	size += 2;
}

static void put32(uint32_t v)
{
	v = swap ? __builtin_bswap32(v) : v;
	memcpy(out + size, &v, 4);
	size += 4;
}

static void put64(uint64_t v)
{
	v = swap ? __builtin_bswap64(v) : v;
	memcpy(out + size, &v, 8);
	size += 8;
}

static void put_bytes(uint32_t len, unsigned int seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		out[size++] = (unsigned char)(seed + i);
}

static void pad(void)
{
	while (size % 4)
		out[size++] = 0;
}

static void pcap_header(uint32_t magic, uint32_t link)
{
	put32(magic);
	put16(2);
	put16(4);
	put32(0);
	put32(0);
	put32(65535);
	put32(link);
}

static void pcap_packet(uint32_t sec, uint32_t sub, uint32_t caplen,
			uint32_t len, unsigned int seed)
{
	put32(sec);
	put32(sub);
	put32(caplen);
	put32(len);
	put_bytes(caplen, seed);
}

/* A block is begun, and ended with its length on both sides. */
static size_t block(uint32_t type)
{
	size_t at = size;

	put32(type);
	put32(0);
	return at;
}

static void end_block(size_t at)
{
	size_t end = size + 4;

	size = at + 4;
	put32((uint32_t)(end - at));
	size = end - 4;
	put32((uint32_t)(end - at));
}

static void section(void)
{
	size_t at = block(0x0a0d0d0a);

	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put64(~0ull);
	end_block(at);
}

static void interface(uint16_t link, uint32_t snaplen, int tsresol,
		      int64_t offset)
{
	size_t at = block(1);

	put16(link);
	put16(0);
	put32(snaplen);
	/* a name first: to be skipped */
	put16(2);
	put16(5);
	put_bytes(5, 'a');
	pad();
	if (tsresol >= 0) {
		put16(9);
		put16(1);
		out[size++] = (unsigned char)tsresol;
		pad();
	}
	if (offset) {
		put16(14);
		put16(8);
		put64((uint64_t)offset);
	}
	put32(0);
	end_block(at);
}

static void packet(uint32_t interface_id, uint64_t time, uint32_t caplen,
		   uint32_t len, unsigned int seed)
{
	size_t at = block(6);

	put32(interface_id);
	put32((uint32_t)(time >> 32));
	put32((uint32_t)time);
	put32(caplen);
	put32(len);
	put_bytes(caplen, seed);
	pad();
	end_block(at);
}

static void simple(uint32_t caplen, uint32_t len, unsigned int seed)
{
	size_t at = block(3);

	put32(len);
	put_bytes(caplen, seed);
	pad();
	end_block(at);
}

static void filler(uint32_t type, uint32_t len)
{
	size_t at = block(type);

	put_bytes(len, 7);
	pad();
	end_block(at);
}

/* --------------------------------------------------------------- reading */

struct got {
	unsigned int packets;
	uint64_t hash; /* of all that was said of all packets */
	uint64_t time[8];
	uint32_t caplen[8];
	bool bad;
	bool ends;
	bool outside; /* a packet was not where it can be */
	char why[160];
};

static void mix(struct got *g, uint64_t v)
{
	g->hash = (g->hash ^ v) * 0x100000001b3ull;
}

static void note(struct got *g, const struct capture_packet *k,
		 const unsigned char *p, size_t len)
{
	uint32_t i;

	if (g->packets < 8) {
		g->time[g->packets] = k->time;
		g->caplen[g->packets] = k->caplen;
	}
	g->packets++;
	mix(g, k->time);
	mix(g, k->len);
	mix(g, k->caplen);
	if (!k->data)
		return;
	if (k->data < p || (size_t)(k->data - p) > len ||
	    k->caplen > len - (size_t)(k->data - p)) {
		g->outside = true;
		return;
	}
	for (i = 0; i < k->caplen; i++)
		mix(g, k->data[i]);
}

/*
 * @len bytes of what was built, @step more at a time. Each time they are in memory
 * of exactly their size, as a checker of memory would have it.
 */
static struct got read_all(size_t len, size_t step)
{
	struct got g = { .hash = 0xcbf29ce484222325ull };
	struct capture_packet k;
	enum capture_what what;
	struct capture c;
	unsigned char *p = NULL;
	size_t from = 0, to = 0, used;

	capture_init(&c);
	while (!g.bad) {
		size_t n = to - from;

		free(p);
		p = malloc(n ? n : 1);
		memcpy(p, out + from, n);
		for (;;) {
			size_t at = from - (to - n);

			/* both ways have to say the same */
			what = CAPTURE_PACKET;
			if (step % 2 &&
			    capture_next_plain(capture_plain(&c), p + at,
					       n - at, &used, &k))
				capture_advance(&c, used);
			else
				what = capture_next(&c, p + at, n - at, &used,
						    &k);
			if (used > n - at) {
				g.outside = true;
				break;
			}
			from += used;
			if (what != CAPTURE_PACKET)
				break;
			note(&g, &k, p, n);
		}
		if (g.outside)
			break;
		g.bad = what == CAPTURE_BAD;
		/* what it wants to see at once has a limit */
		if (!g.bad && to - from >= CAPTURE_WINDOW)
			g.outside = true;
		if (to == len)
			break;
		to = len - to < step ? len : to + step;
	}
	if (!g.bad)
		g.ends = capture_ends(&c, to - from);
	memcpy(g.why, c.why, sizeof(g.why));
	free(p);
	capture_exit(&c);
	return g;
}

static bool same(const struct got *a, const struct got *b)
{
	return a->packets == b->packets && a->hash == b->hash &&
	       a->bad == b->bad && a->ends == b->ends && !a->outside &&
	       !b->outside;
}

/* Well, and the same in pieces of each size. */
static struct got good(const char *what, unsigned int packets)
{
	static const size_t steps[] = { 1, 2, 3, 5, 7, 16, 61, 1000, 4096 };
	struct got g = read_all(size, size), h;
	bool all = true;
	unsigned int i;

	ok(!g.bad && g.ends && g.packets == packets && !g.outside,
	   "%s: %u packets%s%s", what, g.packets, g.bad ? ": " : "",
	   g.bad ? g.why : "");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		h = read_all(size, steps[i]);
		all = all && same(&g, &h);
	}
	ok(all, "%s: the same in pieces", what);
	return g;
}

static void bad(const char *what, const char *why)
{
	struct got g = read_all(size, size);

	ok(g.bad && strstr(g.why, why) && !g.outside, "%s: '%s'", what, g.why);
}

/* Cut anywhere it is not whole, but at @nr_ends places, and has no packet more. */
static void cut(const char *what, unsigned int nr_ends)
{
	struct got all = read_all(size, size), g;
	unsigned int ends = 0;
	bool fine = true;
	size_t len;

	for (len = 0; len < size; len++) {
		g = read_all(len, len ? len : 1);
		fine = fine && !g.bad && !g.outside && g.packets <= all.packets;
		ends += g.ends;
	}
	ok(fine && ends == nr_ends, "%s: cut anywhere, whole at %u places",
	   what, ends);
}

/* ------------------------------------------------------------------ tests */

static void test_pcap(void)
{
	const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d };
	struct got g;
	char name[40];
	int i;

	for (i = 0; i < 4; i++) {
		swap = i & 1;
		snprintf(name, sizeof(name), "pcap, %s, %s order",
			 i & 2 ? "ns" : "us", swap ? "other" : "own");
		size = 0;
		pcap_header(magics[i >> 1], 1);
		pcap_packet(1700000000, 5, 60, 60, 1);
		pcap_packet(1700000001, 999999, 0, 0, 2);
		pcap_packet(1700000001, 7, 1514, 9000, 3);
		g = good(name, 3);
		ok(g.time[0] == 1700000000 * NSEC + (i & 2 ? 5 : 5000) &&
			   g.caplen[2] == 1514,
		   "%s: times and lengths", name);
		cut(name, 3);
	}
	swap = false;
	size = 0;
	pcap_header(0xa1b2c3d4, 1);
	good("pcap without packets", 0);
	/* too long to be sent, and to be kept */
	pcap_packet(1, 0, 200000, 200000, 1);
	pcap_packet(2, 0, 60, 60, 1);
	g = read_all(size, size);
	ok(g.packets == 2 && g.ends && g.caplen[0] == 200000 &&
		   g.caplen[1] == 60,
	   "a packet that is too long is skipped");
	g = read_all(size - 100, 4096);
	ok(g.packets == 1 && !g.ends, "and one that is cut, too");
	pcap_packet(1, 0, 0, 0, 1);
	size -= 8;
	put32(262145);
	put32(0);
	bad("pcap, impossible length", "262145 bytes cannot be");
	size -= 8;
	put32(~0u);
	put32(0);
	bad("pcap, impossible length", "cannot be");
	size = 0;
	pcap_header(0xa1b2c3d4, 113);
	bad("pcap of another link type", "link type 113, not Ethernet");
	size = 0;
	pcap_header(0xa1b2c3d4, 1 | 1u << 26 | 2u << 28);
	bad("pcap with checksums", "a checksum of 4 bytes");
	size = 0;
	pcap_header(0xa1b2cd34, 1);
	bad("another pcap", "neither pcap nor pcapng");
	size = 0;
	pcap_header(0xa1b2c3d4, 1);
	out[4] = 3;
	bad("pcap of another version", "version 3");
	size = 0;
	put_bytes(100, 'a');
	bad("text", "neither pcap nor pcapng");
	memset(out, 0, 100);
	bad("zeros", "neither pcap nor pcapng");
	size = 3;
	ok(!read_all(size, size).ends, "three bytes are no capture");
	size = 0;
	ok(!read_all(0, 1).ends, "nor is nothing");
}

static void sections(void)
{
	section();
	interface(1, 0, -1, 0);
	interface(1, 0, 9, 0);
	interface(1, 0, 0x80 | 10, 0);
	interface(1, 0, 12, 100);
	filler(0x80494f55, 200);
	packet(0, 1700000000000005ull, 60, 60, 1);
	packet(1, 1700000000000000005ull, 61, 100, 2);
	packet(2, 1700000000ull << 10 | 512, 62, 62, 3);
	filler(5, 64);
	packet(3, 17000000000000ull, 63, 63, 4);
}

static void test_pcapng(void)
{
	struct got g;
	size_t at;
	int i;

	for (i = 0; i < 2; i++) {
		swap = i;
		size = 0;
		sections();
		g = good(i ? "pcapng, other order" : "pcapng", 4);
		ok(g.time[0] == 1700000000 * NSEC + 5000 &&
			   g.time[1] == 1700000000 * NSEC + 5 &&
			   g.time[2] == 1700000000 * NSEC + NSEC / 2 &&
			   g.time[3] == 117 * NSEC,
		   "four clocks");
		cut("pcapng", 10);
		/* another section in the other order, with interfaces of its own */
		swap = !swap;
		section();
		interface(1, 20, -1, 0);
		simple(20, 1000, 5);
		simple(17, 17, 6);
		at = block(2);
		put16(0);
		put16(9);
		put32(0);
		put32(77);
		put32(18);
		put32(18);
		put_bytes(18, 9);
		pad();
		end_block(at);
		g = good("sections of both orders", 7);
		ok(g.caplen[4] == 20 && g.caplen[5] == 17 &&
			   g.caplen[6] == 18 && g.time[6] == 77000,
		   "simple and old packets");
	}
	swap = false;
	size = 0;
	section();
	interface(1, 0, -1, 0);
	filler(0x0bad, 300000);
	packet(0, 1, 60, 60, 1);
	packet(0, 2, 200000, 200000, 1);
	packet(0, 3, 60, 60, 1);
	g = read_all(size, size);
	ok(g.packets == 3 && g.ends && !g.outside && g.caplen[1] == 200000,
	   "long blocks are skipped, long packets counted");
	g = good("the same", 3);

	size = 0;
	section();
	interface(1, 0, -1, 0);
	interface(147, 0, -1, 0);
	packet(0, 1, 60, 60, 1);
	ok(!read_all(size, size).bad, "an interface that nobody uses");
	packet(1, 1, 60, 60, 1);
	bad("one that is used", "link type 147, not Ethernet");
	size = 0;
	section();
	packet(0, 1, 60, 60, 1);
	bad("no interface", "interface 0, which there is not");
	size = 0;
	section();
	interface(1, 0, 0x80 | 64, 0);
	bad("a clock too fast", "resolution 0xc0");
	size = 0;
	section();
	interface(1, 0, 20, 0);
	bad("a clock too fast", "resolution 0x14");
	size = 0;
	section();
	interface(1, 0, -1, 0);
	at = block(6);
	put32(0);
	put64(0);
	put32(61);
	put32(61);
	put_bytes(60, 1);
	end_block(at);
	bad("a packet longer than its block", "longer than its block");
	size = 0;
	section();
	at = size;
	filler(5, 8);
	size -= 4;
	put32(24);
	bad("two lengths", "two lengths, 20 and 24");
	size = at;
	put32(5);
	put32(0);
	put32(0);
	bad("no length", "length of 0 bytes");
	size = at;
	put32(5);
	put32(13);
	put64(0);
	bad("an odd length", "length of 13 bytes");
	size = at;
	put32(0x0a0d0d0a);
	put32(12);
	put32(12);
	bad("a section of no order", "no byte order");
	size = at;
	at = block(1);
	put16(1);
	put16(0);
	put32(0);
	put16(2);
	put16(100);
	put32(0);
	end_block(at);
	bad("an option longer than its block", "option is longer");
}

/* Bits that are wrong: no more is asked than that it ends, in its bounds. */
static void test_nonsense(void)
{
	unsigned int i, j, outside = 0, bads = 0, packets = 0;
	unsigned char was[4096];
	size_t n;
	struct got g;

	srand(1);
	for (i = 0; i < 20000; i++) {
		size = 0;
		swap = i & 1;
		if (i & 2) {
			sections();
			sections();
		} else {
			pcap_header(i & 4 ? 0xa1b2c3d4 : 0xa1b23c4d, 1);
			for (j = 0; j < 8; j++)
				pcap_packet(j, j, 60 + j, 60 + j, j);
		}
		n = size;
		memcpy(was, out, n);
		for (j = 0; j <= (unsigned int)rand() % 4; j++) {
			size_t at = (size_t)rand() % n;

			if (rand() & 1)
				out[at] = (unsigned char)rand();
			else
				memset(out + at / 4 * 4, rand() & 1 ? 255 : 0,
				       n - at / 4 * 4 < 4 ? 1 : 4);
		}
		g = read_all(n, i % 3 ? n : 1 + (size_t)rand() % 100);
		outside += g.outside;
		bads += g.bad;
		packets += g.packets;
	}
	ok(!outside && bads && packets,
	   "nonsense stays in its bounds: %u of 20000 were refused", bads);
	for (i = 0; i < 20000; i++) {
		n = (size_t)rand() % 300;
		size = 0;
		section();
		size = (i & 1) ? 0 : size;
		for (j = (unsigned int)size; j < n; j++)
			out[j] = (unsigned char)(rand() % (i & 2 ? 8 : 256));
		g = read_all(n, n ? n : 1);
		outside += g.outside;
	}
	ok(!outside, "so does noise");
}

int main(void)
{
	test_pcap();
	test_pcapng();
	test_nonsense();
	return tap_done();
}
