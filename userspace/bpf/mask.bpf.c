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

/* For the turns of a loop. They change nothing here, or the verifier looks at each. */
struct mask {
	struct xdp_md *ctx;
	__u64 key;
	__u32 tail; /* where the bytes behind the last step begin */
};

/* The key for what begins @bytes further on. */
static __always_inline __u64 turn(__u64 k, __u32 bytes)
{
	bytes %= MASK_WORD;
	return bytes ? k >> (8 * bytes) | k << (64 - 8 * bytes) : k;
}

static __always_inline void mask_words(__u64 *word, __u64 k)
{
	int n;

	for (n = 0; n < MASK_STEP / MASK_WORD; n++)
		word[n] ^= k;
}

static long slice_step(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u8 *p = io_unified_slice(m->ctx, (__u64)i * MASK_STEP, MASK_STEP);

	if (!p)
		return 1;
	mask_words((__u64 *)p, m->key);
	return 0;
}

/* A file may end anywhere. */
static long slice_byte(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u8 *p = io_unified_slice(m->ctx, (__u64)m->tail + i, 1);

	if (!p)
		return 1;
	*p ^= (__u8)turn(m->key, i);
	return 0;
}

static long packet_step(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u32 off = i * MASK_STEP;
	void *p;

	if (off > MASK_DIRECT - MASK_STEP)
		return 1;
	p = (void *)(long)m->ctx->data + off;
	if (p + MASK_STEP > (void *)(long)m->ctx->data_end)
		return 1;
	mask_words(p, m->key);
	return 0;
}

static long packet_byte(__u32 i, void *arg)
{
	struct mask *m = arg;
	__u32 off = m->tail + i;
	__u8 *p;

	if (off >= MASK_DIRECT)
		return 1;
	p = (void *)(long)m->ctx->data + off;
	if ((void *)(p + 1) > (void *)(long)m->ctx->data_end)
		return 1;
	*p ^= (__u8)turn(m->key, i);
	return 0;
}

/*
 * Each loop has one turn more than there is to do, and that one ends it: so the number
 * of turns tells whether all were done. A step is a multiple of the key, which goes on
 * behind the last as it began.
 */
static __always_inline int mask_slices(struct mask *m, __u32 len)
{
	__u32 steps = len / MASK_STEP;

	if (len > MASK_MAX)
		return IOU_FAIL;
	if (bpf_loop(steps + 1, slice_step, m, 0) != steps + 1)
		return IOU_FAIL;
	bpf_loop(MASK_STEP, slice_byte, m, 0);
	return IOU_KEEP;
}

static __always_inline int mask_packet(struct mask *m, __u32 len)
{
	__u32 steps = len / MASK_STEP;

	if (len > MASK_DIRECT)
		return IOU_FAIL;
	if (bpf_loop(steps + 1, packet_step, m, 0) != steps + 1)
		return IOU_FAIL;
	bpf_loop(MASK_STEP, packet_byte, m, 0);
	return IOU_KEEP;
}

SEC("xdp")
int mask(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = iou_ctl(ctx);
	struct mask m = { .ctx = ctx };
	__u32 len;

	if (!ctl)
		return IOU_FAIL;
	len = ctl->len;
	m.key = turn(key, (__u32)ctl->cookie);
	m.tail = len - len % MASK_STEP;
	if (iou_has_kfuncs())
		return mask_slices(&m, len);
	return mask_packet(&m, len);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
