// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Spread flows over lanes, each a storage attachment
 *
 * A lane is chosen by a hash over addresses, ports and protocol that is the
 * same in both directions: a conversation stays in one lane. Lane n is storage
 * attachment first + n. Packets that are not IP go to the first lane. Later
 * fragments of a packet show no ports: where fragments matter, set ports to 0.
 *
 *	iou record ... --bpf placer.bpf.o --to DEV,0,4G --to DEV,4G,4G
 */
#include "flow.h"
#include "placer.h"

/* how many; iou record sets it to the number of its targets */
const volatile __u16 lanes = 1;
const volatile __u16 first = 0;
/* do ports count? */
const volatile __u8 ports = 1;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACER_LANES);
	__type(key, __u32);
	__type(value, struct placer_lane);
} lane_counters SEC(".maps");

/* The finaliser of MurmurHash3: every bit of @h depends on every other. */
static __always_inline __u32 mix(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	h ^= h >> 16;
	return h;
}

static __always_inline __u32 hash_side(const __be32 *addr, __u16 port)
{
	__u32 h = port;
	int i;

#pragma unroll
	for (i = 0; i < 4; i++)
		h = mix(h ^ addr[i]) + 0x9e3779b9;
	return h;
}

/* A sum, for it does not mind which side is first. */
static __always_inline __u32 hash_flow(const struct flow *flow)
{
	return mix(hash_side(flow->src, ports ? flow->src_port : 0) +
		   hash_side(flow->dst, ports ? flow->dst_port : 0) +
		   flow->proto);
}

SEC("xdp")
int placer(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = iou_ctl(ctx);
	struct placer_lane *counter;
	struct flow flow;
	__u32 lane = 0;

	if (!ctl || !lanes || lanes > PLACER_LANES)
		return IOU_FAIL;
	if (!flow_parse(ctx, &flow))
		lane = hash_flow(&flow) % lanes;
	ctl->storage = first + lane;
	counter = bpf_map_lookup_elem(&lane_counters, &lane);
	if (counter) {
		counter->packets++;
		counter->bytes += ctl->orig_len;
	}
	return IOU_KEEP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
