/* SPDX-License-Identifier: GPL-2.0 */
/*
 * uring_cmd on all kernels
 *
 * iou_uring_cmd_bytes()	the command bytes: shared with user space, copy once
 * IOU_URING_TW(name, fn)	task work "name" that calls fn(cmd, issue_flags)
 * iou_uring_in_task()		run task work in the submitter's context, which posts
 *				a CQE: the submitter may wait for more of them
 * iou_uring_in_task_now()	the same, and wake the submitter for it
 * iou_uring_cmd_done()		post the CQE
 * iou_uring_ctx()		identity of the ring that a command came from
 * iou_uring_one_task()		all commands of that ring come from one task
 * iou_uring_cancelable()	have io_uring tell when the command must end
 * iou_uring_dying()		where it does not tell: look
 */
#ifndef IOU_COMPAT_URING_H
#define IOU_COMPAT_URING_H

#include "config.h"

#ifdef IOU_HAVE_URING_CMD_HEADER
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/io_uring_types.h>
#include <linux/sched.h>

static inline const void *iou_uring_cmd_bytes(struct io_uring_cmd *cmd)
{
#ifdef IOU_HAVE_URING_CMD_HEADER
	return cmd->sqe->cmd;
#else
	return cmd->cmd;
#endif
}

#if defined(IOU_HAVE_URING_TW_REQ)
#define IOU_URING_TW(name, fn)                                      \
	static void name(struct io_tw_req tw_req, io_tw_token_t tw) \
	{                                                           \
		fn(io_uring_cmd_from_tw(tw_req),                    \
		   IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);             \
	}
#else
#define IOU_URING_TW(name, fn)                                               \
	static void name(struct io_uring_cmd *cmd, unsigned int issue_flags) \
	{                                                                    \
		fn(cmd, issue_flags);                                        \
	}
#endif

#ifdef IOU_HAVE_URING_DO_IN_TASK_LAZY
#define iou_uring_in_task(cmd, fn) io_uring_cmd_do_in_task_lazy(cmd, fn)
#define iou_uring_in_task_now(cmd, fn) io_uring_cmd_complete_in_task(cmd, fn)
#else
#define iou_uring_in_task(cmd, fn) io_uring_cmd_complete_in_task(cmd, fn)
#define iou_uring_in_task_now(cmd, fn) io_uring_cmd_complete_in_task(cmd, fn)
#endif

static inline void iou_uring_cmd_done(struct io_uring_cmd *cmd, s32 res,
				      u64 res2, bool cqe32,
				      unsigned int issue_flags)
{
#ifdef IOU_HAVE_URING_CMD_DONE_S32
	__io_uring_cmd_done(cmd, res, res2, issue_flags, cqe32);
#else
	io_uring_cmd_done(cmd, res, res2, issue_flags);
#endif
}

/*
 * May a command be over with a result of more than 0 when it returns? 6.1 loses
 * such a request in a worker.
 */
static inline bool iou_uring_returns_results(void)
{
#ifdef IOU_HAVE_URING_CMD_HEADER
	return true;
#else
	return false;
#endif
}

static inline void *iou_uring_ctx(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx;
}

static inline bool iou_uring_one_task(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx->flags & IORING_SETUP_SINGLE_ISSUER;
}

#ifdef IOU_HAVE_URING_CANCELABLE
#define IOU_URING_F_CANCEL IO_URING_F_CANCEL

static inline void iou_uring_cancelable(struct io_uring_cmd *cmd,
					unsigned int issue_flags)
{
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
}

static inline bool iou_uring_dying(struct io_uring_cmd *cmd)
{
	return false;
}
#else
#define IOU_URING_F_CANCEL 0

static inline void iou_uring_cancelable(struct io_uring_cmd *cmd,
					unsigned int issue_flags)
{
}

/*
 * Nobody tells us that a ring was closed, a process exits or calls exec(), and
 * the latter two wait for us: without an end put to its commands, exec() spins
 * and cannot be killed.
 */
static inline bool iou_uring_dying(struct io_uring_cmd *cmd)
{
	struct io_kiocb *req = cmd_to_io_kiocb(cmd);

	return percpu_ref_is_dying(&req->ctx->refs) ||
	       (req->task->flags & PF_EXITING) ||
	       atomic_read(&req->task->io_uring->in_idle);
}
#endif

#endif /* IOU_COMPAT_URING_H */
