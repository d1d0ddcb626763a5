// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Keep packets by addresses, ports and protocol
 *
 * Rules are in the map "rules", in order. One rule can also be given by
 * constants, for loaders that fill no maps:
 *
 *	iou record ... --bpf five_tuple.bpf.o --set proto=17 --set port=53
 */
#include "five_tuple.h"
#include "flow.h"

/* addr and port match on either side */
const volatile __be32 addr[4] = {};
const volatile __be32 src[4] = {};
const volatile __be32 dst[4] = {};
/* prefix lengths, counted as is usual for the address's family; 0 = all bits */
const volatile __u8 addr_bits = 0;
const volatile __u8 src_bits = 0;
const volatile __u8 dst_bits = 0;
const volatile __u16 port = 0;
const volatile __u16 src_port = 0;
const volatile __u16 dst_port = 0;
const volatile __u8 proto = 0;
/* verdict on what no rule matches, and on what is not IP: 1 = keep */
const volatile __u8 keep_others = 0;
/* use the rule that the constants make, not the map's */
const volatile __u8 one_rule = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIVE_TUPLE_RULES);
	__type(key, __u32);
	__type(value, struct five_tuple_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FIVE_TUPLE_RULES);
	__type(key, __u32);
	__type(value, struct five_tuple_count);
} matches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FIVE_TUPLE_VERDICTS);
	__type(key, __u32);
	__type(value, struct five_tuple_count);
} verdicts SEC(".maps");

static __always_inline void count(void *map, __u32 key, __u64 bytes)
{
	struct five_tuple_count *c = bpf_map_lookup_elem(map, &key);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

/* Do the leading @bits bits agree? */
static __always_inline int same_prefix(const __be32 *a,
				       const volatile __be32 *b, __u32 bits)
{
	int i;

#pragma unroll
	for (i = 0; i < 4; i++) {
		__u32 diff = bpf_ntohl(a[i] ^ b[i]);

		if (bits < 32u * (i + 1)) {
			__u32 left = bits > 32u * i ? bits - 32u * i : 0;

			/* left is below 32: a shift by 32 is never done */
			if (left && diff >> (32 - (left & 31)))
				return 0;
			return 1;
		}
		if (diff)
			return 0;
	}
	return 1;
}

static __always_inline int match_ways(const struct flow *flow,
				      const struct five_tuple_rule *r)
{
	return same_prefix(flow->src, r->src, r->src_bits) &&
	       same_prefix(flow->dst, r->dst, r->dst_bits) &&
	       (!r->src_port || r->src_port == flow->src_port) &&
	       (!r->dst_port || r->dst_port == flow->dst_port);
}

static __always_inline int match_back(const struct flow *flow,
				      const struct five_tuple_rule *r)
{
	return same_prefix(flow->dst, r->src, r->src_bits) &&
	       same_prefix(flow->src, r->dst, r->dst_bits) &&
	       (!r->src_port || r->src_port == flow->dst_port) &&
	       (!r->dst_port || r->dst_port == flow->src_port);
}

static __always_inline int is_v4(const volatile __be32 *a)
{
	return !a[0] && !a[1] && a[2] == bpf_htonl(0xffff);
}

static __always_inline __u32 constant_bits(const volatile __be32 *a, __u8 bits)
{
	if (!a[0] && !a[1] && !a[2] && !a[3])
		return 0;
	if (!bits)
		return 128;
	return is_v4(a) ? 96 + bits : bits;
}

static __always_inline int match_constants(const struct flow *flow)
{
	__u32 bits = constant_bits(addr, addr_bits);

	return (!proto || proto == flow->proto) &&
	       (!port || port == flow->src_port || port == flow->dst_port) &&
	       (!src_port || src_port == flow->src_port) &&
	       (!dst_port || dst_port == flow->dst_port) &&
	       (same_prefix(flow->src, addr, bits) ||
		same_prefix(flow->dst, addr, bits)) &&
	       same_prefix(flow->src, src, constant_bits(src, src_bits)) &&
	       same_prefix(flow->dst, dst, constant_bits(dst, dst_bits));
}

struct search {
	struct flow flow;
	__u64 bytes;
	int keep;
};

/* One turn of bpf_loop(); 1 ends it. */
static long try_rule(__u32 i, void *data)
{
	struct search *s = data;
	struct five_tuple_rule *r = bpf_map_lookup_elem(&rules, &i);

	if (!r || !r->used)
		return 0;
	if (r->proto && r->proto != s->flow.proto)
		return 0;
	if (!match_ways(&s->flow, r) &&
	    !(r->both_ways && match_back(&s->flow, r)))
		return 0;
	count(&matches, i, s->bytes);
	s->keep = !r->drop;
	return 1;
}

SEC("xdp")
int five_tuple(struct xdp_md *ctx)
{
	struct search s = { .keep = keep_others };
	__u32 verdict;

	s.bytes = ctx->data_end - ctx->data;
	if (flow_parse(ctx, &s.flow)) {
		count(&verdicts, FIVE_TUPLE_NO_IP, s.bytes);
		return keep_others ? IOU_KEEP : IOU_DROP;
	}
	if (!one_rule)
		bpf_loop(FIVE_TUPLE_RULES, try_rule, &s, 0);
	else if (match_constants(&s.flow))
		s.keep = 1;
	verdict = s.keep ? FIVE_TUPLE_KEPT : FIVE_TUPLE_DROPPED;
	count(&verdicts, verdict, s.bytes);
	return s.keep ? IOU_KEEP : IOU_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
