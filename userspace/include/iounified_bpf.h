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
 *
 * Packet access ends at 64 KiB. Where iou info shows the feature kfuncs, a
 * program reaches the rest of a larger op by io_unified_slice(). Elsewhere one
 * that calls it without asking iou_has_kfuncs() before is not loaded. libbpf
 * then says
 *
 *	kfunc 'io_unified_slice' is referenced but wasn't resolved
 *
 * or, before version 1.2, that the verifier found an "invalid kernel function
 * call". The module must be there when such a program is loaded, and stays until
 * the program is gone.
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

/**
 * io_unified_slice() - bytes of the packet, beyond 64 KiB too
 * @ctx: context of the program
 * @off: where they start, from data
 * @size: how many, a constant
 *
 * As with the packet itself, other processes may change them meanwhile. They stay
 * the same bytes whatever becomes of head and tail: unlike pointers from data a
 * slice is not lost after bpf_xdp_adjust_head().
 *
 * Return: @size bytes to read and write, or NULL: they are not all between data
 * and data_end, @size is 0, or this is not a packet of io_unified (the program was
 * attached to an interface by other means, or is run by BPF_PROG_TEST_RUN).
 */
extern __u8 *io_unified_slice(struct xdp_md *ctx, __u64 off,
			      const __u32 size) __ksym __weak;

/**
 * io_unified_crc32c() - CRC-32C (Castagnoli) of bytes of the packet
 * @ctx: context of the program
 * @off: where they start, from data
 * @len: how many
 * @crc: 0, or what was returned for the bytes before them
 *
 * Return: the checksum, 0 to 0xffffffff; -ERANGE: they are not all between data
 * and data_end; -EINVAL: this is not a packet of io_unified.
 */
extern __s64 io_unified_crc32c(struct xdp_md *ctx, __u64 off, __u64 len,
			       __u32 crc) __ksym __weak;

/**
 * iou_has_kfuncs() - whether the two above can be called
 *
 * It is known when the program is loaded: what is behind it is not even verified
 * where they cannot, so that one program does for all kernels.
 *
 * Return: 1 or 0.
 */
static __always_inline int iou_has_kfuncs(void)
{
	return io_unified_slice && io_unified_crc32c;
}

#endif /* IOUNIFIED_BPF_H */
