/* SPDX-License-Identifier: GPL-2.0 */
/* What a descriptor may say */
#ifndef IOU_DESC_H
#define IOU_DESC_H

#include "iou.h"

/* Combination of ops and flags, reserved fields. 0, or -errno and *reason. */
int iou_desc_check(const struct io_unified_desc *d, u16 *reason);
/* Flags that only make sense in an SQ */
#define IOU_DESC_SQ_ONLY \
	(IO_UNIFIED_F_LINK | IO_UNIFIED_F_STREAM | IO_UNIFIED_F_CANCEL)

/* A read or a write, with nothing more to it and nothing wrong with it? */
static inline bool iou_desc_plain(const struct iou_region *r,
				  const struct io_unified_desc *d)
{
	const u32 dir = d->flags & ~IO_UNIFIED_F_CQ;
	/* nvme_opcode, max_hops and reserved0 are one word */
	const u32 beside = *(const u32 *)&d->nvme_opcode | d->net | d->bpf |
			   d->net_tx;

	return d->ops == IO_UNIFIED_OP_NVME &&
	       (dir == IO_UNIFIED_F_READ ||
		(dir & ~IO_UNIFIED_F_FUA) == IO_UNIFIED_F_WRITE) &&
	       !(beside | d->arg) && d->storage < IOU_MAX_ATTACHMENTS &&
	       d->len && d->len <= IO_UNIFIED_MAX_LEN &&
	       d->addr >= r->data_off && d->len <= r->data_size &&
	       d->addr - r->data_off <= r->data_size - d->len;
}

/* Its bytes of the region. The same. */
int iou_desc_check_mem(const struct iou_region *r,
		       const struct io_unified_desc *d, u16 *reason);

#endif /* IOU_DESC_H */
