/* SPDX-License-Identifier: GPL-2.0 */
/* XDP programs run over bytes of the region */
#ifndef IOU_BPF_H
#define IOU_BPF_H

#include <linux/filter.h>

#include "iou.h"

struct iou_prog {
	struct iou_att att;
	struct bpf_prog *prog;
};

static inline struct iou_prog *iou_att_prog(struct iou_att *att)
{
	return container_of(att, struct iou_prog, att);
}

/**
 * struct iou_bpf_run - one run of a program
 * @start: the first byte that bpf_xdp_adjust_head() may reach
 * @end: behind the last byte that bpf_xdp_adjust_tail() may reach
 * @data: in and out: the first byte of data
 * @len: in and out: bytes of data
 * @dev: device that the data came from, or NULL
 * @allowed: flags that the program may set with XDP_PASS, IO_UNIFIED_CTL_*
 * @sends: XDP_TX has something to send with
 * @ctl: in and out: the control block, @start + 64 <= @data. Out, its len is
 *	the bytes to keep, at most @len; with IO_UNIFIED_CTL_AGAIN, to read
 * @verdict: out: what the program returned
 */
struct iou_bpf_run {
	u8 *start;
	u8 *end;
	u8 *data;
	u32 len;
	struct net_device *dev;
	u32 allowed;
	bool sends;
	struct io_unified_bpf_ctl ctl;
	u32 verdict;
};

/*
 * Run it. XDP_PASS, XDP_TX with @sends: 0. Anything else: -errno and *reason,
 * IO_UNIFIED_REASON_BPF_DROP for XDP_DROP. Any context but hardirq.
 */
int iou_bpf_run(struct iou_prog *p, struct iou_bpf_run *run, u16 *reason);

/* Whether it is the packet of the program that iou_bpf_run() runs right here. */
bool iou_bpf_runs(const struct xdp_buff *xdp);

struct iou_att *iou_bpf_attach(struct iou_region *r,
			       struct io_unified_attach *arg);

#endif /* IOU_BPF_H */
