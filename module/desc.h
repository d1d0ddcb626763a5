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

/* With IO_UNIFIED_F_LEAD: bytes in front, and bytes at the end that are left out */
static inline u32 iou_desc_lead(const struct io_unified_desc *d)
{
	return lower_32_bits(d->arg);
}

static inline u32 iou_desc_cut(const struct io_unified_desc *d)
{
	return upper_32_bits(d->arg);
}

/* Its bytes of the region. The same. */
int iou_desc_check_mem(const struct iou_region *r,
		       const struct io_unified_desc *d, u16 *reason);

#endif /* IOU_DESC_H */
