// SPDX-License-Identifier: MIT
/* Packets to test with, and libpcap's opinion on them. */
#include <dirent.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "packets.h"

static void put16(uint8_t **p, uint16_t v)
{
	*(*p)++ = (uint8_t)(v >> 8);
	*(*p)++ = (uint8_t)v;
}

static uint8_t *put_ipv4(uint8_t *p, const struct flow_spec *s)
{
	static const uint8_t start[] = { 0x45, 0, 0, 60, 0, 1 };

	memcpy(p, start, sizeof(start));
	p += sizeof(start);
	put16(&p, s->fragment);
	*p++ = 64;
	*p++ = s->proto;
	put16(&p, 0);
	memcpy(p, (uint8_t[]){ 10, 0, 0, s->src, 10, 0, 0, s->dst }, 8);
	return p + 8;
}

static uint8_t *put_ipv6(uint8_t *p, const struct flow_spec *s)
{
	uint8_t *next;
	int i;

	memset(p, 0, 40);
	p[0] = 0x60;
	p[5] = 40;
	next = &p[6];
	p[7] = 64;
	p[8] = p[24] = 0x20;
	p[9] = p[25] = 0x01;
	p[23] = s->src;
	p[39] = s->dst;
	p += 40;
	for (i = 0; i < s->extensions; i++) {
		*next = i ? 60 : 0; /* hop-by-hop first, then destination */
		next = p;
		memset(p, 0, 16);
		p[1] = 1;
		p += 16;
	}
	if (s->fragment) {
		*next = 44;
		next = p;
		memset(p, 0, 8);
		p[2] = (uint8_t)((s->fragment & 0x1fff) >> 5);
		p[3] = (uint8_t)((s->fragment & 0x1f) << 3 |
				 !!(s->fragment & 0x2000));
		p += 8;
	}
	*next = s->proto;
	return p;
}

void packet_make(struct packet *pkt, const struct flow_spec *s)
{
	uint8_t *p = pkt->data;
	int i;

	memset(pkt->data, 0, 256);
	memcpy(p, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	p += 12;
	for (i = 0; i < s->vlans; i++) {
		put16(&p, i + 1 < s->vlans ? 0x88a8 : 0x8100);
		put16(&p, (uint16_t)(100 + i));
	}
	put16(&p, s->family == 4 ? 0x0800 : 0x86dd);
	p = s->family == 4 ? put_ipv4(p, s) : put_ipv6(p, s);
	put16(&p, s->src_port);
	put16(&p, s->dst_port);
	memset(p, 0x50, 32);
	p += 32;
	pkt->len = (uint32_t)(p - pkt->data);
}

static struct packet *add(struct packets *set)
{
	if (!(set->nr & (set->nr - 1))) {
		size_t room = set->nr ? 2 * set->nr : 1;

		set->p = realloc(set->p, room * sizeof(*set->p));
		if (!set->p)
			abort();
	}
	return &set->p[set->nr++];
}

static void add_made(struct packets *set)
{
	static const uint8_t protos[] = { 1, 6, 17, 47, 132 };
	size_t i;
	int k;

	srandom(1);
	for (i = 0; i < sizeof(protos); i++) {
		for (k = 0; k < 32; k++) {
			struct flow_spec s = {
				.family = k & 1 ? 6 : 4,
				.src = (uint8_t)(1 + k % 3),
				.dst = (uint8_t)(1 + k % 5),
				.proto = protos[i],
				.src_port = (uint16_t)(k % 4 ? 1024 + k : 53),
				.dst_port = (uint16_t)(k % 3 ? 80 : 443),
				.vlans = (k >> 1) % 3,
				.fragment = k % 7 == 6 ? 0x2005 : 0,
				.extensions = k % 4,
			};
			struct packet *p = add(set);

			packet_make(p, &s);
			/* damaged and cut short ones too */
			if (k % 4 == 3)
				p->data[random() % p->len] = (uint8_t)random();
			if (k % 5 == 4)
				p->len =
					14 + (uint32_t)random() % (p->len - 14);
		}
	}
}

static void add_capture(struct packets *set, const char *path, size_t max)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, why);
	struct pcap_pkthdr *h;
	const u_char *data;

	if (!pcap)
		return;
	set->captures++;
	/* link types do not matter: bytes are bytes */
	while (max-- && pcap_next_ex(pcap, &h, &data) == 1) {
		struct packet *p;

		if (h->caplen < 14 || h->caplen > PACKET_MAX)
			continue;
		p = add(set);
		memcpy(p->data, data, h->caplen);
		p->len = h->caplen;
	}
	pcap_close(pcap);
}

void packets_load(struct packets *set, size_t max)
{
	const char *dir = getenv("IOU_PCAPS");
	struct dirent **names;
	char path[4096];
	int n, i;

	memset(set, 0, sizeof(*set));
	add_made(set);
	n = dir ? scandir(dir, &names, NULL, alphasort) : 0;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (strstr(path, ".pcap"))
			add_capture(set, path, max);
		free(names[i]);
	}
	if (n > 0)
		free(names);
}

void packets_free(struct packets *set)
{
	free(set->p);
}

int classic_match(const struct classic *c, const struct packet *p)
{
	struct bpf_program prog = { (u_int)c->nr, c->insns };
	struct pcap_pkthdr h = { .caplen = p->len, .len = p->len };

	return pcap_offline_filter(&prog, &h, p->data) != 0;
}
