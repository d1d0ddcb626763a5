/* SPDX-License-Identifier: MIT */
/* Packets to test with: made ones, and those of captures in $IOU_PCAPS. */
#ifndef PACKETS_H
#define PACKETS_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 3400 /* what BPF_PROG_TEST_RUN takes in one page */

struct packet {
	uint8_t data[PACKET_MAX];
	uint32_t len;
};

struct packets {
	struct packet *p;
	size_t nr;
	size_t captures;
};

/* Of captures at most @max packets, spread over all of them. */
void packets_load(struct packets *set, size_t max);
void packets_free(struct packets *set);

struct flow_spec {
	int family; /* 4 or 6 */
	uint8_t src, dst; /* last byte of the address */
	uint8_t proto;
	uint16_t src_port, dst_port;
	int vlans;
	uint16_t fragment; /* offset in units of 8 bytes, 0x2000: more */
	int extensions; /* IPv6 */
};

/* An Ethernet packet of that flow. */
void packet_make(struct packet *p, const struct flow_spec *spec);

/* What libpcap says of a packet: 1 keep, 0 drop; a filter by its address. */
struct classic {
	void *insns;
	size_t nr;
};
int classic_match(const struct classic *c, const struct packet *p);

#endif /* PACKETS_H */
