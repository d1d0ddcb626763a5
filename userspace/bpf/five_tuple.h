/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What five_tuple.bpf.c and those who fill its maps share. */
#ifndef IOU_FIVE_TUPLE_H
#define IOU_FIVE_TUPLE_H

#include <linux/types.h>

#define FIVE_TUPLE_RULES 64

/**
 * struct five_tuple_rule - what a packet must be like; zero = anything
 * @src: source address, IPv4 as ::ffff:a.b.c.d
 * @dst: destination address
 * @src_bits: leading bits of @src that count, of 128; IPv4: 96 + prefix
 * @dst_bits: leading bits of @dst that count
 * @src_port: source port, or 0
 * @dst_port: destination port, or 0
 * @proto: IP protocol, or 0
 * @both_ways: also match with source and destination exchanged
 * @drop: drop what matches, rather than keep it
 * @used: the rule counts
 *
 * The first rule that matches decides.
 */
struct five_tuple_rule {
	__be32 src[4];
	__be32 dst[4];
	__u8 src_bits;
	__u8 dst_bits;
	__u16 src_port;
	__u16 dst_port;
	__u8 proto;
	__u8 both_ways;
	__u8 drop;
	__u8 used;
	__u8 reserved[6];
};

/**
 * struct five_tuple_count - packets and bytes
 * @packets: packets
 * @bytes: bytes on the wire
 */
struct five_tuple_count {
	__u64 packets;
	__u64 bytes;
};

/* keys of the map verdicts */
enum five_tuple_verdict {
	FIVE_TUPLE_KEPT = 0,
	FIVE_TUPLE_DROPPED = 1,
	FIVE_TUPLE_NO_IP = 2,
	FIVE_TUPLE_VERDICTS = 3,
};

#endif /* IOU_FIVE_TUPLE_H */
