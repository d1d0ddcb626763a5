/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_MAIN_H
#define IOU_MAIN_H

#include <linux/workqueue.h>

/* Stages that may sleep; flushed when the module goes. */
extern struct workqueue_struct *iou_wq;

#endif /* IOU_MAIN_H */
