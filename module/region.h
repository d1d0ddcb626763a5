/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_REGION_H
#define IOU_REGION_H

#include "iou.h"

/* All under iou_file.lock. */
int iou_region_register(struct iou_file *f, struct io_unified_region_reg *reg);
/* -ENXIO without a region. Ends all that waits, waits for all that does not. */
int iou_region_unregister(struct iou_file *f);
struct iou_region *iou_region_peek(struct iou_file *f);

void iou_region_show(struct iou_region *r, struct seq_file *m);

#endif /* IOU_REGION_H */
