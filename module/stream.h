/* SPDX-License-Identifier: GPL-2.0 */
/* Streams: ops that go on by themselves */
#ifndef IOU_STREAM_H
#define IOU_STREAM_H

#include "iou.h"

struct io_uring_cmd;

/**
 * struct iou_stream_from - where a stream comes from
 * @stream: what it needs beside its descriptor
 * @cmd: the command that waits for it, or NULL
 * @burst: @cmd stands for many ops
 * @pair: its entries go to the CQ of this one
 * @promised: an entry for its end is promised already
 */
struct iou_stream_from {
	struct io_unified_stream stream;
	struct io_uring_cmd *cmd;
	bool burst;
	struct iou_pair *pair;
	bool promised;
};

/* Check and start a stream. 0: it runs. Else refused, -errno with *reason. */
int iou_stream_submit(struct iou_region *r, const struct io_unified_desc *d,
		      const struct iou_stream_from *from, u16 *reason);

#endif /* IOU_STREAM_H */
