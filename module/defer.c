// SPDX-License-Identifier: GPL-2.0
/*
 * What is left of an op goes on in its submitter's task
 *
 * Where a ring has one task, the first op that waits sends for it, and it takes
 * all there are then. Else each op sends for its own.
 */
#include <linux/blkdev.h>

#include "defer.h"
#include "op.h"
#include "uring.h"

/*
 * Somebody may be waiting for the op: maybe its own task. Nobody waits for what is
 * behind it: those of a group are of a burst, and a worker's.
 */
static bool iou_defer_doomed(const struct iou_op *op)
{
	return percpu_ref_is_dying(&op->r->refs) || iou_op_has(op, NULL);
}

static struct iou_defer *iou_defer_of(struct io_uring_cmd *cmd)
{
	struct iou_file *f = cmd->file->private_data;

	return &f->defer[iou_pdu(cmd)->link];
}

/* All that wait, as one batch of requests if they ask for more. */
static void iou_defer_process(struct list_head *ops, unsigned int nr)
{
	struct iou_op *op, *next;
	struct blk_plug plug;

	iou_plug_start(&plug, nr);
	list_for_each_entry_safe(op, next, ops, deferred) {
		iou_op_process(op, false);
		/* They may be many, and each a program that takes its time. */
		if (need_resched())
			cond_resched();
	}
	blk_finish_plug(&plug);
}

static void iou_defer_run(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct iou_defer *defer = iou_defer_of(cmd);
	struct iou_pdu *pdu = iou_pdu(cmd);
	unsigned int nr = 0;
	LIST_HEAD(ops);
	bool ended;

	spin_lock_irq(&defer->lock);
	if (pdu->op && iou_uring_one_task(cmd)) {
		list_splice_init(&defer->ops, &ops);
		swap(nr, defer->nr);
	} else if (pdu->op) {
		list_move(&pdu->op->deferred, &ops);
		nr = 1;
		defer->nr--;
	}
	pdu->op = NULL;
	pdu->queued = false;
	ended = pdu->ended;
	spin_unlock_irq(&defer->lock);

	if (nr)
		iou_defer_process(&ops, nr);
	else if (ended)
		iou_uring_post(cmd, issue_flags);
}

IOU_URING_TW(iou_defer_tw, iou_defer_run)

/* A ring that was detached may have left ops here, and its task takes all there are. */
static bool iou_defer_is_of_other(struct iou_defer *defer,
				  struct io_uring_cmd *cmd)
{
	struct iou_op *first =
		list_first_entry_or_null(&defer->ops, struct iou_op, deferred);

	return unlikely(first &&
			iou_uring_ctx(first->cmd) != iou_uring_ctx(cmd));
}

void iou_defer_op(struct iou_op *op)
{
	struct io_uring_cmd *cmd = op->cmd;
	struct iou_defer *defer;
	bool taken = false, send = false;
	unsigned long flags;

	/* Once it was taken back, or has no task of its own: a worker's. */
	if (!cmd || op->burst || op->poll || op->retaken) {
		iou_op_process_later(op);
		return;
	}

	defer = iou_defer_of(cmd);
	spin_lock_irqsave(&defer->lock, flags);
	/* Pairs with iou_defer_flush(): it finds the op, or we see that it must. */
	if (!iou_defer_doomed(op) && !iou_defer_is_of_other(defer, cmd)) {
		send = !defer->nr++ || !iou_uring_one_task(cmd);
		list_add_tail(&op->deferred, &defer->ops);
		if (send) {
			iou_pdu(cmd)->op = op;
			iou_pdu(cmd)->queued = true;
		}
		taken = true;
	}
	spin_unlock_irqrestore(&defer->lock, flags);

	/* From here on the op may be gone; its command waits for what is sent. */
	if (send)
		iou_uring_in_task_now(cmd, iou_defer_tw);
	else if (!taken)
		iou_op_process_later(op);
}

void iou_defer_complete(struct io_uring_cmd *cmd)
{
	struct iou_defer *defer = iou_defer_of(cmd);
	struct iou_pdu *pdu = iou_pdu(cmd);
	unsigned long flags;
	bool queued;

	/* Task work that is on its way cannot be put on its way again. */
	spin_lock_irqsave(&defer->lock, flags);
	queued = pdu->queued;
	pdu->ended = queued;
	spin_unlock_irqrestore(&defer->lock, flags);
	if (!queued)
		iou_uring_complete(cmd);
}

void iou_defer_flush(struct iou_file *f)
{
	struct iou_op *op, *next;
	LIST_HEAD(ops);
	int i;

	for (i = 0; i < IOU_MAX_LINKS; i++) {
		struct iou_defer *defer = &f->defer[i];

		spin_lock_irq(&defer->lock);
		list_for_each_entry(op, &defer->ops, deferred) {
			iou_pdu(op->cmd)->op = NULL;
			op->retaken = true;
		}
		list_splice_tail_init(&defer->ops, &ops);
		defer->nr = 0;
		spin_unlock_irq(&defer->lock);
	}
	list_for_each_entry_safe(op, next, &ops, deferred)
		iou_op_process_later(op);
}

void iou_defer_init(struct iou_file *f)
{
	int i;

	for (i = 0; i < IOU_MAX_LINKS; i++) {
		spin_lock_init(&f->defer[i].lock);
		INIT_LIST_HEAD(&f->defer[i].ops);
	}
}
