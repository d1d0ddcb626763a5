/* SPDX-License-Identifier: GPL-2.0 */
/* XDP programs run over bytes of the region */
#ifndef IOU_BPF_H
#define IOU_BPF_H

#include <linux/filter.h>
#include <net/xdp.h>

#include "iou.h"

/**
 * struct iou_prog - an attached program
 * @att: the attachment
 * @prog: the program
 * @rxq: what it sees of bytes that no device received
 */
struct iou_prog {
	struct iou_att att;
	struct bpf_prog *prog;
	struct xdp_rxq_info rxq;
};

static inline struct iou_prog *iou_att_prog(struct iou_att *att)
{
	return container_of(att, struct iou_prog, att);
}

/**
 * struct iou_bpf_in - what a program runs over
 * @start: the first byte that bpf_xdp_adjust_head() may reach
 * @end: behind the last byte that bpf_xdp_adjust_tail() may reach
 * @data: the first byte of data, @start + 64 at least, with iou_bpf_front()
 * @len: bytes of data
 * @queue: of @dev
 * @dev: device that the data came from, or NULL
 * @allowed: flags that the program may set with XDP_PASS, IO_UNIFIED_CTL_*
 * @sends: XDP_TX has something to send with
 *
 * Who fills in this, or a control block, names every field: the compiler clears
 * slowly what is left out.
 */
struct iou_bpf_in {
	u8 *start;
	u8 *end;
	u8 *data;
	u32 len;
	u32 queue;
	struct net_device *dev;
	u32 allowed;
	bool sends;
};

/**
 * struct iou_bpf_out - what became of it
 * @data: the first byte of data
 * @len: bytes of data
 * @verdict: what the program returned; this and @reason are there, whatever it was
 * @reason: enum io_unified_reason
 * @ctl: the control block, whose len are the bytes to keep, at most @len; with
 *	IO_UNIFIED_CTL_AGAIN, to read
 *
 * Those who have one need not clear it.
 */
struct iou_bpf_out {
	u8 *data;
	u32 len;
	u32 verdict;
	u16 reason;
	struct io_unified_bpf_ctl ctl;
};

/* At any address */
struct iou_bpf_front {
	struct io_unified_bpf_ctl ctl;
} __packed;

/*
 * What is in front of the data: where the program finds its control block. User space
 * can write there, too.
 */
static inline struct iou_bpf_front *iou_bpf_front(u8 *data)
{
	return (struct iou_bpf_front *)data - 1;
}

/*
 * Run it. XDP_PASS, XDP_TX with @sends: 0. Anything else: -errno and a reason,
 * IO_UNIFIED_REASON_BPF_DROP for XDP_DROP. Any context but hardirq.
 */
int iou_bpf_run(struct iou_prog *p, const struct iou_bpf_in *in,
		struct iou_bpf_out *out);

/* Whether it is the packet of the program that iou_bpf_run() runs right here. */
bool iou_bpf_runs(const struct xdp_buff *xdp);

struct iou_att *iou_bpf_attach(struct iou_region *r,
			       struct io_unified_attach *arg);

#endif /* IOU_BPF_H */
