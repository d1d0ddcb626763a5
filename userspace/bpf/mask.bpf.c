// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Put a mask over what is read, to be taken off by who receives it
 *
 * Byte n of an object is combined by XOR with byte n % 8 of the key, the lowest
 * first. So a range of an object is masked in the same way as the whole, and
 * masking twice gives the bytes back:
 *
 *	iou serve ... --bpf mask.bpf.o --set key=0x1122334455667788
 *
 * It is an example, and hides nothing from anybody who knows a part of the data.
 *
 * ctl->cookie is where in the object the bytes start: iou serve says so. Where there
 * are kfuncs an op may have 16 MiB, elsewhere 32 KiB.
 */
#include <iounified_bpf.h>

#include "mask.h"

const volatile __u64 key = 0;

struct mask {
	struct xdp_md *ctx;
	__u64 key;
	__u64 left; /* bytes behind the steps that were done */
};

/* One byte more of the object: the key's next is the lowest. */
static __always_inline __u64 turn(__u64 k, __u32 bytes)
{
	bytes %= MASK_WORD;
	return bytes ? k >> (8 * bytes) | k << (64 - 8 * bytes) : k;
}

static long mask_step(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u64 *word = (void *)io_unified_slice(m->ctx, (__u64)i * MASK_STEP,
					       MASK_STEP);
	int n;

	if (!word)
		return 1;
	for (n = 0; n < MASK_STEP / MASK_WORD; n++)
		word[n] ^= m->key;
	m->left -= MASK_STEP;
	return 0;
}

/* A file may end anywhere. */
static long mask_byte(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u8 *byte = io_unified_slice(m->ctx, m->left + i, 1);

	if (!byte)
		return 1;
	*byte ^= (__u8)m->key;
	m->key = turn(m->key, 1);
	return 0;
}

static __always_inline int mask_slices(struct xdp_md *ctx, __u64 k, __u32 len)
{
	struct mask m = { .ctx = ctx, .key = k, .left = len };
	__u32 steps = len / MASK_STEP, tail = len % MASK_STEP;

	if (len > MASK_MAX)
		return IOU_FAIL;
	bpf_loop(steps, mask_step, &m, 0);
	if (m.left != tail)
		return IOU_FAIL;
	/* steps are multiples of the key: it goes on where it began */
	m.left = len - tail;
	bpf_loop(tail, mask_byte, &m, 0);
	return IOU_KEEP;
}

static __always_inline int mask_packet(struct xdp_md *ctx, __u64 k, __u32 len)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 i, n;

	if (len > MASK_DIRECT)
		return IOU_FAIL;
	for (i = 0; i < MASK_DIRECT; i += MASK_WORD) {
		__u64 *word = data + i;

		if ((void *)(word + 1) > end)
			break;
		*word ^= k;
	}
	/* a file may end within a word; what has no end the verifier gives up */
	for (n = 0; n < MASK_WORD; n++) {
		__u8 *byte = data + i + n;

		if ((void *)(byte + 1) > end)
			break;
		*byte ^= (__u8)k;
		k = turn(k, 1);
	}
	return IOU_KEEP;
}

SEC("xdp")
int mask(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = iou_ctl(ctx);
	__u64 k;

	if (!ctl)
		return IOU_FAIL;
	k = turn(key, (__u32)ctl->cookie);
	if (iou_has_kfuncs())
		return mask_slices(ctx, k, ctl->len);
	return mask_packet(ctx, k, ctl->len);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
