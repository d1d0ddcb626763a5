/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_MAIN_H
#define IOU_MAIN_H

#include <linux/workqueue.h>

/* Stages that may sleep; flushed when the module goes. */
extern struct workqueue_struct *iou_wq;
/*
 * What waits for a drive, one op each. There may be thousands of a slow one, which
 * nobody who uses another one is to stand behind.
 */
extern struct workqueue_struct *iou_io_wq;

#endif /* IOU_MAIN_H */
