// SPDX-License-Identifier: GPL-2.0
/* Programs that call io_unified_slice() and io_unified_crc32c(). */
#include <iounified_bpf.h>

#include "kfunc.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kfunc_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kfunc_result);
} result SEC(".maps");

static __always_inline struct kfunc_config *get_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct kfunc_result *get_result(void)
{
	__u32 zero = 0;
	struct kfunc_result *r = bpf_map_lookup_elem(&result, &zero);

	if (r)
		r->slices = 0;
	return r;
}

/* One byte: reads it, inverts it. */
SEC("xdp")
int touch(struct xdp_md *ctx)
{
	struct kfunc_config *c = get_config();
	struct kfunc_result *r = get_result();
	__u8 *p;

	if (!c || !r)
		return XDP_ABORTED;
	p = io_unified_slice(ctx, c->off, 1);
	if (p) {
		r->slices++;
		r->byte[0] = *p;
		*p = ~*p;
	}
	return XDP_PASS;
}

/* The same in a large slice, at an offset that is not known before. */
SEC("xdp")
int window(struct xdp_md *ctx)
{
	struct kfunc_config *c = get_config();
	struct kfunc_result *r = get_result();
	__u32 at;
	__u8 *p;

	if (!c || !r)
		return XDP_ABORTED;
	p = io_unified_slice(ctx, c->off, KFUNC_WINDOW);
	at = c->at;
	if (p && at < KFUNC_WINDOW) {
		r->slices++;
		r->byte[0] = p[0];
		r->byte[1] = p[at];
		r->byte[2] = p[KFUNC_WINDOW - 1];
		p[at] = ~p[at];
	}
	return XDP_PASS;
}

/* The verifier of some kernels thinks that there is a byte in it. */
SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	struct kfunc_config *c = get_config();
	struct kfunc_result *r = get_result();

	if (!c || !r)
		return XDP_ABORTED;
	if (io_unified_slice(ctx, c->off, 0))
		r->slices++;
	return XDP_PASS;
}

static long invert_piece(__u32 i, void *arg)
{
	struct xdp_md *ctx = *(struct xdp_md **)arg;
	__u64 *p;
	int j;

	p = (__u64 *)io_unified_slice(ctx, (__u64)i * KFUNC_PIECE, KFUNC_PIECE);
	if (!p)
		return 1;
	for (j = 0; j < KFUNC_PIECE / 8; j++)
		p[j] = ~p[j];
	return 0;
}

/* All of it, piece by piece, until there is no other. */
SEC("xdp")
int invert(struct xdp_md *ctx)
{
	struct kfunc_result *r = get_result();
	struct xdp_md *arg = ctx;

	if (!r)
		return XDP_ABORTED;
	r->slices = bpf_loop(1 << 20, invert_piece, &arg, 0) - 1;
	return XDP_PASS;
}

SEC("xdp")
int crc(struct xdp_md *ctx)
{
	struct kfunc_config *c = get_config();
	struct kfunc_result *r = get_result();

	if (!c || !r)
		return XDP_ABORTED;
	r->crc = io_unified_crc32c(ctx, c->off, c->len, c->crc);
	return XDP_PASS;
}

/* Slices from before and after head and tail move. */
SEC("xdp")
int moves(struct xdp_md *ctx)
{
	__u64 old_len = ctx->data_end - ctx->data;
	struct kfunc_config *c = get_config();
	struct kfunc_result *r = get_result();
	__u8 *first, *last, *p;

	if (!c || !r)
		return XDP_ABORTED;
	first = io_unified_slice(ctx, 0, 64);
	last = io_unified_slice(ctx, old_len - 1, 1);
	if (!first || !last || bpf_xdp_adjust_head(ctx, c->head) ||
	    bpf_xdp_adjust_tail(ctx, c->tail))
		return XDP_ABORTED;
	/* What was first, and what is; what was last, and what is. */
	r->byte[0] = first[63];
	p = io_unified_slice(ctx, 0, 1);
	if (p) {
		r->slices++;
		r->byte[1] = *p;
	}
	r->byte[2] = *last;
	p = io_unified_slice(ctx, old_len - c->head + c->tail - 1, 1);
	if (p) {
		r->slices++;
		r->byte[3] = *p;
	}
	if (io_unified_slice(ctx, old_len - c->head + c->tail, 1))
		r->slices = 99;
	return XDP_PASS;
}

/* On whatever packet: only those that have a control block have slices. */
SEC("xdp")
int census(struct xdp_md *ctx)
{
	struct kfunc_result *r = get_result();
	__u64 *runs, *slices;
	__s64 crc;
	int own;

	if (!r)
		return XDP_ABORTED;
	own = !!iou_ctl(ctx);
	runs = own ? &r->own : &r->other;
	slices = own ? &r->own_slices : &r->other_slices;
	__sync_fetch_and_add(runs, 1);
	if (io_unified_slice(ctx, 0, 1))
		__sync_fetch_and_add(slices, 1);
	crc = io_unified_crc32c(ctx, 0, 1, 0);
	if (crc != -22)
		__sync_fetch_and_add(slices, 1);
	r->crc = crc;
	return XDP_PASS;
}

/* Is loaded on any kernel. */
SEC("xdp")
int maybe(struct xdp_md *ctx)
{
	struct kfunc_result *r = get_result();

	if (!r)
		return XDP_ABORTED;
	r->crc = -1;
	if (iou_has_kfuncs())
		r->crc = io_unified_crc32c(ctx, 0, 9, 0);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
