/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * For writers of BPF programs that run on a region of io_unified
 *
 * A program is of type XDP, in section "xdp" (without ".frags"). It sees the
 * packet from data to data_end, and may change it, its head and its tail. The
 * 64 bytes before it, at data_meta, are struct io_unified_bpf_ctl: what is
 * known of the packet, and where it goes.
 *
 *	#include <linux/bpf.h>
 *	#include <bpf/bpf_helpers.h>
 *	#include <iounified_bpf.h>
 *
 *	SEC("xdp")
 *	int keep_big(struct xdp_md *ctx)
 *	{
 *		struct io_unified_bpf_ctl *ctl = iou_ctl(ctx);
 *
 *		if (!ctl)
 *			return IOU_FAIL;
 *		return ctl->orig_len > 1000 ? IOU_KEEP : IOU_DROP;
 *	}
 *
 *	char LICENSE[] SEC("license") = "GPL";
 *
 * The control block is found again after bpf_xdp_adjust_head(), which moves
 * it along; pointers from before do not count any more, as with the packet.
 * bpf_xdp_adjust_meta() must not be called.
 */
#ifndef IOUNIFIED_BPF_H
#define IOUNIFIED_BPF_H

#include <linux/bpf.h>
#include <linux/io_unified.h>
#include <bpf/bpf_helpers.h>

/* Verdicts. */
#define IOU_KEEP XDP_PASS /* go on to the next stage */
#define IOU_DROP XDP_DROP /* stop: counted as filtered, no error */
#define IOU_FAIL XDP_ABORTED /* stop: counted as a fault, drop_bpf */

/**
 * iou_ctl() - the control block of this run
 * @ctx: context of the program
 *
 * Return: the block, or NULL where there is none: the program was attached to
 * an interface by other means than io_unified.
 */
static __always_inline struct io_unified_bpf_ctl *iou_ctl(struct xdp_md *ctx)
{
	struct io_unified_bpf_ctl *ctl = (void *)(long)ctx->data_meta;

	/* the comparison in the form in which the verifier learns from it */
	if ((void *)(ctl + 1) > (void *)(long)ctx->data)
		return 0;
	return ctl;
}

/**
 * iou_packet() - bytes of the packet, checked
 * @ctx: context of the program
 * @off: offset, a constant or bounded
 * @len: bytes that must be there, a constant
 *
 * Return: pointer, or NULL: the packet is shorter.
 */
static __always_inline void *iou_packet(struct xdp_md *ctx, __u32 off,
					__u32 len)
{
	void *p = (void *)(long)ctx->data + off;

	if (p + len > (void *)(long)ctx->data_end)
		return 0;
	return p;
}

#endif /* IOUNIFIED_BPF_H */
