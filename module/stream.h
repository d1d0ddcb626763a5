/* SPDX-License-Identifier: GPL-2.0 */
/* Streams: ops that go on by themselves */
#ifndef IOU_STREAM_H
#define IOU_STREAM_H

#include "iou.h"

/*
 * Check and start a stream. -EIOCBQUEUED: it runs, and completes by itself.
 * Anything else: refused, with *reason.
 */
int iou_stream_submit(struct iou_region *r, struct io_uring_cmd *cmd,
		      const struct io_unified_desc *d,
		      const struct io_unified_stream __user *uarg, u16 *reason);

#endif /* IOU_STREAM_H */
