/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef IOU_INTERNAL_H
#define IOU_INTERNAL_H

#include <iounified.h>

#define IOU_HUGE_PAGE (2ul << 20)

/*
 * Maps at least @size bytes of memory into @r->base and @r->size. On failure
 * @r->step says what was tried.
 */
int iou_memory_get(struct iou_region *r, const struct iou_region_params *p,
		   size_t size);

#endif /* IOU_INTERNAL_H */
