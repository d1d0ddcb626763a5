/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The 5-tuple of a packet, over Ethernet, up to two VLAN tags, IPv4 and IPv6
 *
 * IPv4 addresses are in the form ::ffff:a.b.c.d, so that one comparison does
 * for both. Of a fragment that is not the first, and of protocols without
 * ports, the ports are 0.
 */
#ifndef IOU_FLOW_H
#define IOU_FLOW_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <iounified_bpf.h>

struct flow {
	__be32 src[4];
	__be32 dst[4];
	__u16 src_port; /* host byte order */
	__u16 dst_port;
	__u8 proto; /* 0: not IP */
};

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

#define FLOW_VLAN_TAGS 2
#define FLOW_EXT_HEADERS 6

static __always_inline void flow_ports(struct xdp_md *ctx, __u32 off,
				       struct flow *flow)
{
	__be16 *ports;

	if (flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP &&
	    flow->proto != IPPROTO_SCTP && flow->proto != IPPROTO_UDPLITE)
		return;
	ports = iou_packet(ctx, off, 2 * sizeof(*ports));
	if (!ports)
		return;
	flow->src_port = bpf_ntohs(ports[0]);
	flow->dst_port = bpf_ntohs(ports[1]);
}

static __always_inline int flow_ipv4(struct xdp_md *ctx, __u32 off,
				     struct flow *flow)
{
	struct iphdr *ip = iou_packet(ctx, off, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return -1;
	flow->src[2] = flow->dst[2] = bpf_htonl(0xffff);
	flow->src[3] = ip->saddr;
	flow->dst[3] = ip->daddr;
	flow->proto = ip->protocol;
	if (!(ip->frag_off & bpf_htons(0x1fff)))
		flow_ports(ctx, off + ip->ihl * 4, flow);
	return 0;
}

struct ext_header {
	__u8 next;
	__u8 len;
	__be16 frag_off; /* of a fragment header */
};

static __always_inline int flow_ipv6(struct xdp_md *ctx, __u32 off,
				     struct flow *flow)
{
	struct ipv6hdr *ip = iou_packet(ctx, off, sizeof(*ip));
	__u8 next;
	int i;

	if (!ip || ip->version != 6)
		return -1;
	__builtin_memcpy(flow->src, &ip->saddr, sizeof(flow->src));
	__builtin_memcpy(flow->dst, &ip->daddr, sizeof(flow->dst));
	next = ip->nexthdr;
	off += sizeof(*ip);

#pragma unroll
	for (i = 0; i < FLOW_EXT_HEADERS; i++) {
		struct ext_header *ext;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		ext = iou_packet(ctx, off, sizeof(*ext));
		if (!ext)
			break;
		if (next == IPPROTO_FRAGMENT) {
			flow->proto = ext->next;
			/* ports are in the first fragment only */
			if (ext->frag_off & bpf_htons(0xfff8))
				return 0;
			off += 8;
		} else {
			off += 8 + ext->len * 8;
		}
		next = ext->next;
	}
	flow->proto = next;
	flow_ports(ctx, off, flow);
	return 0;
}

/* Returns 0, or -1: not IP, or cut short; then all of *flow is zero. */
static __always_inline int flow_parse(struct xdp_md *ctx, struct flow *flow)
{
	struct ethhdr *eth = iou_packet(ctx, 0, sizeof(*eth));
	__u32 off = sizeof(*eth);
	__be16 proto;
	int i;

	__builtin_memset(flow, 0, sizeof(*flow));
	if (!eth)
		return -1;
	proto = eth->h_proto;

#pragma unroll
	for (i = 0; i < FLOW_VLAN_TAGS; i++) {
		struct vlan_tag *tag;

		if (proto != bpf_htons(ETH_P_8021Q) &&
		    proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = iou_packet(ctx, off, sizeof(*tag));
		if (!tag)
			return -1;
		proto = tag->proto;
		off += sizeof(*tag);
	}
	if (proto == bpf_htons(ETH_P_IP))
		return flow_ipv4(ctx, off, flow);
	if (proto == bpf_htons(ETH_P_IPV6))
		return flow_ipv6(ctx, off, flow);
	return -1;
}

#endif /* IOU_FLOW_H */
