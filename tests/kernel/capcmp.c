// SPDX-License-Identifier: GPL-2.0
/*
 * capcmp [-p] SENT GOT...: are the packets the same, byte for byte, in order? With
 * several files GOT: is each packet of SENT in exactly one of them, in order
 * there, and all packets of a flow in the same one? With -p, those that are shorter
 * than an Ethernet frame may have been made one.
 */
#include <arpa/inet.h>
#include <pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 16
#define MAX_FLOWS 65536
#define MIN_FRAME 60

struct side {
	const char *name;
	pcap_t *pcap;
	struct pcap_pkthdr *h;
	const u_char *data;
	bool more;
	unsigned long n;
};

/* Both directions of a conversation have one key. */
struct flow {
	u_char addr[2][16];
	u_char port[2][2];
	u_char proto;
	u_char window;
};

static struct flow flows[MAX_FLOWS];
static unsigned int nr_flows;
static bool pads;

static void next(struct side *s)
{
	int ret = pcap_next_ex(s->pcap, &s->h, &s->data);

	if (ret == PCAP_ERROR) {
		fprintf(stderr, "%s: %s\n", s->name, pcap_geterr(s->pcap));
		exit(1);
	}
	s->more = ret == 1;
	s->n += s->more;
}

static void start(struct side *s, const char *name)
{
	char err[PCAP_ERRBUF_SIZE];

	s->name = name;
	s->pcap = pcap_open_offline(name, err);
	if (!s->pcap) {
		fprintf(stderr, "%s: %s\n", name, err);
		exit(1);
	}
	if (pcap_datalink(s->pcap) != DLT_EN10MB) {
		fprintf(stderr, "%s: not Ethernet\n", name);
		exit(1);
	}
	next(s);
}

/* Only as long as it has to be, and zeros. */
static bool is_padded(const struct side *a, const struct side *b)
{
	unsigned int i;

	if (!pads || a->h->caplen >= MIN_FRAME || b->h->caplen != MIN_FRAME)
		return false;
	for (i = a->h->caplen; i < MIN_FRAME; i++)
		if (b->data[i])
			return false;
	return true;
}

static bool same(const struct side *a, const struct side *b)
{
	if (!a->more || !b->more || b->h->caplen != b->h->len)
		return false;
	return (a->h->caplen == b->h->caplen || is_padded(a, b)) &&
	       !memcmp(a->data, b->data, a->h->caplen);
}

static void dump(const struct side *s)
{
	unsigned int i;

	if (!s->more) {
		fprintf(stderr, "%s: no more packets after %lu\n", s->name,
			s->n);
		return;
	}
	fprintf(stderr, "%s: packet %lu, %u of %u bytes:", s->name, s->n,
		s->h->caplen, s->h->len);
	for (i = 0; i < s->h->caplen && i < 48; i++)
		fprintf(stderr, " %02x", s->data[i]);
	fputc('\n', stderr);
}

/* The flow of a plain packet: no tags, no fragments, no extension headers. */
static bool flow_of(const struct side *s, struct flow *f)
{
	const u_char *p = s->data;
	unsigned int len = s->h->caplen, at;

	memset(f, 0, sizeof(*f));
	if (len >= 34 && p[12] == 8 && !p[13] && p[14] >> 4 == 4 &&
	    (p[14] & 15) >= 5) {
		if ((p[20] & 0x1f) || p[21])
			return false;
		memcpy(f->addr[0], p + 26, 4);
		memcpy(f->addr[1], p + 30, 4);
		f->proto = p[23];
		at = 14 + (p[14] & 15) * 4;
	} else if (len >= 54 && p[12] == 0x86 && p[13] == 0xdd &&
		   p[14] >> 4 == 6) {
		memcpy(f->addr[0], p + 22, 16);
		memcpy(f->addr[1], p + 38, 16);
		f->proto = p[20];
		at = 54;
	} else {
		return false;
	}
	if (f->proto != 6 && f->proto != 17)
		return false;
	if (len < at + 4)
		return false;
	memcpy(f->port[0], p + at, 2);
	memcpy(f->port[1], p + at + 2, 2);
	if (memcmp(f->addr[0], f->addr[1], 16) > 0 ||
	    (!memcmp(f->addr[0], f->addr[1], 16) &&
	     memcmp(f->port[0], f->port[1], 2) > 0)) {
		struct flow t = *f;

		memcpy(f->addr[0], t.addr[1], 16);
		memcpy(f->addr[1], t.addr[0], 16);
		memcpy(f->port[0], t.port[1], 2);
		memcpy(f->port[1], t.port[0], 2);
	}
	return true;
}

static bool flow_in(const struct side *s, u_char window)
{
	struct flow f;
	unsigned int i;

	if (!flow_of(s, &f))
		return true;
	for (i = 0; i < nr_flows; i++)
		if (!memcmp(&flows[i], &f, offsetof(struct flow, window)))
			return flows[i].window == window;
	if (nr_flows == MAX_FLOWS)
		return true;
	f.window = window;
	flows[nr_flows++] = f;
	return true;
}

int main(int argc, char **argv)
{
	struct side sent = { 0 }, got[MAX_FILES] = { { 0 } };
	int i, n = argc - 2, where;

	if (n > 1 && !strcmp(argv[1], "-p")) {
		pads = true;
		argv++;
		n--;
	}
	if (n < 1 || n > MAX_FILES) {
		fprintf(stderr, "usage: capcmp [-p] SENT GOT...\n");
		return 2;
	}
	start(&sent, argv[1]);
	for (i = 0; i < n; i++)
		start(&got[i], argv[i + 2]);
	while (sent.more) {
		where = -1;
		for (i = 0; i < n; i++) {
			if (!same(&sent, &got[i]))
				continue;
			if (where >= 0) {
				fprintf(stderr, "in two files:\n");
				dump(&sent);
				return 1;
			}
			where = i;
		}
		if (where < 0 || !flow_in(&sent, where)) {
			fprintf(stderr, "%s:\n",
				where < 0 ? "differs" : "a flow in two files");
			dump(&sent);
			for (i = 0; i < n; i++)
				dump(&got[i]);
			return 1;
		}
		next(&sent);
		next(&got[where]);
	}
	for (i = 0; i < n; i++) {
		if (got[i].more) {
			fprintf(stderr, "too much:\n");
			dump(&got[i]);
			return 1;
		}
	}
	printf("%lu packets", sent.n);
	for (i = 0; n > 1 && i < n; i++)
		printf("%s%lu", i ? " + " : " = ", got[i].n);
	printf(", %u flows\n", nr_flows);
	return 0;
}
