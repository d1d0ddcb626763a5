/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is left of an op goes on in its submitter's task
 *
 * A program may not run in the interrupt that ends a read, and what comes after
 * it may sleep. The task that submitted it has a place for that, task work of
 * io_uring, which costs less than a worker. But the task may be the one that
 * waits for the op to be gone, in UNREGISTER or DETACH: they take such ops back
 * and give them to a worker.
 */
#ifndef IOU_DEFER_H
#define IOU_DEFER_H

#include "iou.h"

struct io_uring_cmd;
struct iou_op;

/* Have iou_op_process() run for it. Any context. */
void iou_defer_op(struct iou_op *op);
/* iou_uring_complete() for an op that was taken back. Any context. */
void iou_defer_complete(struct io_uring_cmd *cmd);
/*
 * Region or attachment goes: no op of the file waits for its task any more.
 * Those that are deferred later see by themselves that something goes.
 */
void iou_defer_flush(struct iou_file *f);

void iou_defer_init(struct iou_file *f);

#endif /* IOU_DEFER_H */
