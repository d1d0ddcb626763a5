// SPDX-License-Identifier: GPL-2.0
/* Programs that are not attached: each for a reason of its own. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define REDIRECT_MAP(which, map_type)                         \
	struct {                                              \
		__uint(type, map_type);                       \
		__uint(max_entries, 1);                       \
		__uint(key_size, 4);                          \
		__uint(value_size, 4);                        \
	} which SEC(".maps");                                 \
                                                              \
	SEC("xdp")                                            \
	int to_##which(struct xdp_md *ctx)                    \
	{                                                     \
		return bpf_redirect_map(&which, 0, XDP_PASS); \
	}

REDIRECT_MAP(devs, BPF_MAP_TYPE_DEVMAP)
REDIRECT_MAP(hashed, BPF_MAP_TYPE_DEVMAP_HASH)
REDIRECT_MAP(cpus, BPF_MAP_TYPE_CPUMAP)
REDIRECT_MAP(socks, BPF_MAP_TYPE_XSKMAP)

SEC("xdp.frags")
int frags(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp/devmap")
int after_redirect(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int classifier(struct __sk_buff *skb)
{
	return 0;
}

SEC("socket")
int filter(struct __sk_buff *skb)
{
	return 0;
}

SEC("kprobe/blk_mq_start_request")
int probe(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
