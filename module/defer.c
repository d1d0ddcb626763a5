// SPDX-License-Identifier: GPL-2.0
/* What is left of an op goes on in its submitter's task */
#include "bpf.h"
#include "defer.h"
#include "op.h"
#include "uring.h"

/* Somebody may be waiting for the op: maybe its own task. */
static bool iou_defer_doomed(const struct iou_op *op)
{
	return percpu_ref_is_dying(&op->r->refs) ||
	       (op->st && percpu_ref_is_dying(&op->st->att.refs)) ||
	       (op->prog && percpu_ref_is_dying(&op->prog->att.refs));
}

static struct iou_defer *iou_defer_of(struct io_uring_cmd *cmd)
{
	struct iou_file *f = cmd->file->private_data;

	return &f->defer[iou_pdu(cmd)->link];
}

static void iou_defer_run(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct iou_defer *defer = iou_defer_of(cmd);
	struct iou_pdu *pdu = iou_pdu(cmd);
	struct iou_op *op;
	bool ended;

	spin_lock_irq(&defer->lock);
	op = pdu->op;
	if (op)
		list_del(&op->deferred);
	pdu->op = NULL;
	pdu->queued = false;
	ended = pdu->ended;
	spin_unlock_irq(&defer->lock);

	if (op)
		iou_op_process(op, false);
	else if (ended)
		iou_uring_post(cmd, issue_flags);
}

IOU_URING_TW(iou_defer_tw, iou_defer_run)

void iou_defer_op(struct iou_op *op)
{
	struct io_uring_cmd *cmd = op->cmd;
	struct iou_defer *defer;
	unsigned long flags;
	bool taken = false;

	/* Once it was taken back, or has no task of its own: a worker's. */
	if (!cmd || op->burst || op->poll || op->retaken) {
		iou_op_process_later(op);
		return;
	}

	defer = iou_defer_of(cmd);
	spin_lock_irqsave(&defer->lock, flags);
	/* Pairs with iou_defer_flush(): it finds the op, or we see that it must. */
	if (!iou_defer_doomed(op)) {
		list_add_tail(&op->deferred, &defer->ops);
		iou_pdu(cmd)->op = op;
		iou_pdu(cmd)->queued = true;
		taken = true;
	}
	spin_unlock_irqrestore(&defer->lock, flags);

	/* From here on the op may be gone, but not the command. */
	if (taken)
		iou_uring_in_task_now(cmd, iou_defer_tw);
	else
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
