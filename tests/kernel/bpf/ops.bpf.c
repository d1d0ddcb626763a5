// SPDX-License-Identifier: GPL-2.0
/* Programs for BPF ops: good ones, and some that ask for trouble. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../../../uapi/linux/io_unified.h"
#include "ops.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ops_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ops_result);
} result SEC(".maps");

static __always_inline struct io_unified_bpf_ctl *ctl_of(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *meta = (void *)(long)ctx->data_meta;

	if (meta + sizeof(struct io_unified_bpf_ctl) > data)
		return 0;
	return meta;
}

static __always_inline struct ops_config *get_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct ops_result *note(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_result *r;
	__u32 zero = 0;

	r = bpf_map_lookup_elem(&result, &zero);
	if (!r)
		return 0;
	__sync_fetch_and_add(&r->runs, 1);
	r->packet_len = ctx->data_end - ctx->data;
	if (ctl)
		__builtin_memcpy(r->ctl, ctl, sizeof(r->ctl));
	return r;
}

SEC("xdp")
int verdict(struct xdp_md *ctx)
{
	struct ops_config *c = get_config();

	note(ctx);
	return c ? c->verdict : XDP_ABORTED;
}

static long nothing(__u32 i, void *arg)
{
	return 0;
}

/* Takes its time. */
SEC("xdp")
int slow(struct xdp_md *ctx)
{
	bpf_loop(20000, nothing, 0, 0);
	return XDP_PASS;
}

/* Inverts the first 32 bytes. */
SEC("xdp")
int edit(struct xdp_md *ctx)
{
	unsigned char *p = (void *)(long)ctx->data;
	int i;

	note(ctx);
	if (p + 32 > (unsigned char *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (i = 0; i < 32; i++)
		p[i] = ~p[i];
	return XDP_PASS;
}

SEC("xdp")
int set(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_config *c = get_config();

	note(ctx);
	if (!ctl || !c)
		return XDP_ABORTED;
	if (c->set & SET_DEV_OFFSET)
		ctl->dev_offset = c->dev_offset;
	if (c->set & SET_COOKIE)
		ctl->cookie = c->cookie;
	if (c->set & SET_LEN)
		ctl->len = c->len;
	if (c->set & SET_FLAGS)
		ctl->flags = c->flags;
	if (c->set & SET_STORAGE)
		ctl->storage = c->storage;
	if (c->set & SET_NET)
		ctl->net = 0xffff;
	if (c->set & SET_REST) {
		ctl->tstamp = ~0ull;
		ctl->orig_len = ~0u;
		ctl->ifindex = ~0u;
		ctl->queue = ~0u;
		ctl->state[0] = ~0ull;
		ctl->state[1] = ~0ull;
	}
	return c->verdict;
}

/* Sends it to the network attachment of the number in storage. */
SEC("xdp")
int choose_net(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_config *c = get_config();

	note(ctx);
	if (!ctl || !c)
		return XDP_ABORTED;
	ctl->net = c->storage;
	return c->verdict;
}

/* What the descriptor's arg was comes back as the cookie. */
SEC("xdp")
int arg(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);

	note(ctx);
	if (!ctl)
		return XDP_ABORTED;
	ctl->cookie = ctl->state[0];
	return XDP_PASS;
}

/*
 * For iou serve, which says how long an object is, whatever reads it. Of one of 777
 * bytes it cuts the front off.
 */
SEC("xdp")
int sized(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);

	if (!ctl || ctl->cookie >= ctl->state[0])
		return XDP_ABORTED;
	if (ctl->state[0] == 777 && bpf_xdp_adjust_head(ctx, 16))
		return XDP_ABORTED;
	return XDP_PASS;
}

SEC("xdp")
int tail(struct xdp_md *ctx)
{
	struct ops_config *c = get_config();
	struct io_unified_bpf_ctl *ctl;
	struct ops_result *r = note(ctx);

	if (!c || !r)
		return XDP_ABORTED;
	r->adjusted = bpf_xdp_adjust_tail(ctx, c->delta);
	ctl = ctl_of(ctx);
	if (ctl && c->set & SET_LEN)
		ctl->len = c->len;
	return XDP_PASS;
}

SEC("xdp")
int head(struct xdp_md *ctx)
{
	struct ops_config *c = get_config();
	struct io_unified_bpf_ctl *ctl;
	struct ops_result *r = note(ctx);

	if (!c || !r)
		return XDP_ABORTED;
	r->adjusted = bpf_xdp_adjust_head(ctx, c->delta);
	ctl = ctl_of(ctx);
	if (ctl && c->set & SET_LEN)
		ctl->len = c->len;
	return XDP_PASS;
}

SEC("xdp")
int meta(struct xdp_md *ctx)
{
	struct ops_config *c = get_config();
	struct ops_result *r = note(ctx);

	if (!c || !r)
		return XDP_ABORTED;
	r->adjusted = bpf_xdp_adjust_meta(ctx, c->delta);
	return XDP_PASS;
}

/* Puts a test packet where its number says; every third is dropped. */
SEC("xdp")
int place(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_config *c = get_config();
	unsigned char *p = (void *)(long)ctx->data;
	__u32 seq;

	note(ctx);
	if (!ctl || !c || p + 18 > (unsigned char *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&seq, p + 14, 4);
	if (seq % 3 == 2)
		return XDP_DROP;
	ctl->dev_offset = c->dev_offset + (__u64)seq * 8192;
	ctl->cookie = seq + 5000;
	return XDP_PASS;
}

/* As above, but to one of two storage attachments in turn, appended. */
SEC("xdp")
int lanes(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_config *c = get_config();
	unsigned char *p = (void *)(long)ctx->data;
	__u32 seq;

	note(ctx);
	if (!ctl || !c || p + 18 > (unsigned char *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&seq, p + 14, 4);
	ctl->storage = c->storage + seq % 2;
	ctl->cookie = seq;
	return XDP_PASS;
}

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	note(ctx);
	return bpf_redirect(1, 0);
}

/*
 * A chain: the block's first word is the offset of the next one, and ends it with
 * all ones. What the configuration sets is asked for in the first round.
 */
SEC("xdp")
int follow(struct xdp_md *ctx)
{
	__u64 *block = (void *)(long)ctx->data;
	struct io_unified_bpf_ctl *ctl = ctl_of(ctx);
	struct ops_config *c = get_config();

	if (!c || !ctl || (void *)(block + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	note(ctx);
	ctl->state[1]++;
	if (*block == ~0ull) {
		ctl->cookie += ctl->state[1];
		return XDP_PASS;
	}
	ctl->flags = IO_UNIFIED_CTL_AGAIN;
	ctl->dev_offset = *block;
	if (c->set & SET_DEV_OFFSET)
		ctl->dev_offset = c->dev_offset;
	if (c->set & SET_LEN)
		ctl->len = c->len;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
