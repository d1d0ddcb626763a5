// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Get a value from a B+tree in one op: a chain of reads
 *
 * For reads with a program, of BTREE_BLOCK bytes at the root of a tree as
 * btree.h has it:
 *
 *	d = iou_prep_read(sqe, r, storage, addr, BTREE_BLOCK, header.root);
 *	iou_desc_set_bpf(d, bpf);
 *	iou_desc_set_cookie(d, key);
 *	iou_desc_set_chain(d, header.depth - 1, header.depth - 1);
 *
 * The key is the cookie, so that an entry of the region's CQ has it. state[0],
 * the descriptor's arg, is the level that the node must have; it goes down by
 * one with each read, and a tree that leads in a circle is found out.
 *
 * The op's result is the length of the value, which is at addr then, or 0
 * where there is no such key. A block that is not the node that it should be
 * fails the op (IO_UNIFIED_REASON_BPF_ABORTED).
 */
#include <iounified_bpf.h>
#include "btree.h"

SEC("xdp")
int btree(struct xdp_md *ctx)
{
	struct btree_value *out = iou_packet(ctx, 0, BTREE_BLOCK);
	struct io_unified_bpf_ctl *ctl = iou_ctl(ctx);
	const struct btree_value *value;
	__u64 next;

	if (!ctl || !out)
		return IOU_FAIL;
	switch (btree_step(out, (void *)(long)ctx->data_end, ctl->dev_offset,
			   ctl->state[0], ctl->cookie, &next, &value)) {
	case BTREE_NEXT:
		ctl->dev_offset = next;
		ctl->state[0]--;
		ctl->flags |= IO_UNIFIED_CTL_AGAIN;
		return IOU_KEEP;
	case BTREE_FOUND:
		/* no value starts so early in a block: they do not overlap */
		*out = *value;
		ctl->len = sizeof(*out);
		return IOU_KEEP;
	case BTREE_ABSENT:
		ctl->len = 0;
		return IOU_KEEP;
	default:
		return IOU_FAIL;
	}
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
