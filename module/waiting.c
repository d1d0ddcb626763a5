// SPDX-License-Identifier: GPL-2.0
/* Commands that wait for the network: finding and canceling them */
#include "op.h"
#include "uring.h"
#include "waiting.h"

#define IOU_WATCH_INTERVAL (HZ / 10)

static bool iou_waiter_doomed(const struct iou_waiter *w)
{
	int i;

	if (percpu_ref_is_dying(&w->region->refs))
		return true;
	for (i = 0; i < ARRAY_SIZE(w->atts); i++)
		if (w->atts[i] && percpu_ref_is_dying(&w->atts[i]->refs))
			return true;
	return w->uses && w->uses(w, NULL);
}

static void iou_waiter_unlink(struct iou_waiter *w)
{
	list_del_init(&w->node);
	if (w->cmd && !w->many)
		iou_pdu(w->cmd)->waiter = NULL;
}

static void iou_watch_arm(struct iou_file *f)
{
	if (!IOU_URING_F_CANCEL)
		schedule_delayed_work(&f->watch, IOU_WATCH_INTERVAL);
}

/*
 * What has begun goes on, maybe for as long as a peer likes; what is behind it in its
 * group has not, and has references on what it will use. NULL: any that goes away.
 */
static struct iou_op *iou_waiter_cut(struct iou_waiter *w,
				     const struct iou_att *att)
{
	return w->cut && w->uses && w->uses(w, att) ? w->cut(w) : NULL;
}

int iou_waiter_add(struct iou_waiter *w,
		   int (*start)(struct iou_waiter *w, u16 *reason), u16 *reason)
{
	struct iou_file *f = w->region->file;
	struct iou_op *behind = NULL;
	bool canceled = false;
	int ret;

	w->dying = false;
	w->leaving = false;
	w->why = IO_UNIFIED_REASON_GONE;
	spin_lock_bh(&f->wait_lock);
	ret = start(w, reason);
	if (!ret && iou_waiter_doomed(w))
		canceled = w->take(w);
	if (!ret && !canceled) {
		list_add_tail(&w->node, &f->waiting);
		if (w->cmd && !w->many)
			iou_pdu(w->cmd)->waiter = w;
		behind = iou_waiter_cut(w, NULL);
		iou_watch_arm(f);
	}
	spin_unlock_bh(&f->wait_lock);

	iou_op_cancel_group(behind, IO_UNIFIED_REASON_GONE);
	if (canceled)
		w->canceled(w, -ECANCELED, IO_UNIFIED_REASON_GONE);
	return ret;
}

void iou_waiter_let_go(struct iou_waiter *w)
{
	struct iou_file *f = w->region->file;
	int i;

	spin_lock_bh(&f->wait_lock);
	for (i = 1; i < ARRAY_SIZE(w->atts); i++)
		w->atts[i] = NULL;
	spin_unlock_bh(&f->wait_lock);
}

void iou_waiter_del(struct iou_waiter *w)
{
	struct iou_file *f = w->region->file;

	spin_lock_bh(&f->wait_lock);
	if (!list_empty(&w->node))
		iou_waiter_unlink(w);
	spin_unlock_bh(&f->wait_lock);
}

/* Under the lock */
static bool iou_waiter_take(struct iou_waiter *w, bool dying, u16 why)
{
	w->dying |= dying;
	w->why = why;
	return w->take(w);
}

/*
 * End every waiter that @match says, as far as it is not ending by itself.
 * Returns how many. Two steps, because ending one may free it and take locks.
 */
static int iou_cancel_if(struct iou_file *f, bool dying,
			 bool (*match)(const struct iou_waiter *w,
				       const void *arg),
			 const void *arg, u16 reason)
{
	struct iou_waiter *w, *next;
	LIST_HEAD(taken);
	int n = 0;

	spin_lock_bh(&f->wait_lock);
	list_for_each_entry_safe(w, next, &f->waiting, node) {
		if (!match(w, arg))
			continue;
		if (!iou_waiter_take(w, dying, reason)) {
			n += w->leaving;
			continue;
		}
		iou_waiter_unlink(w);
		list_add_tail(&w->taken, &taken);
	}
	spin_unlock_bh(&f->wait_lock);

	/* They are ours now: a waiter that was taken does not go by itself. */
	list_for_each_entry_safe(w, next, &taken, taken) {
		w->canceled(w, -ECANCELED, reason);
		n++;
	}
	return n;
}

static bool iou_match_cmd(const struct iou_waiter *w, const void *arg)
{
	return w->cmd == arg;
}

void iou_cancel_cmd(struct iou_file *f, struct io_uring_cmd *cmd)
{
	struct iou_waiter *w;

	if (iou_pdu(cmd)->burst || iou_pdu(cmd)->listed) {
		iou_cancel_if(f, true, iou_match_cmd, cmd,
			      IO_UNIFIED_REASON_CANCELED);
		return;
	}
	/* Not through the list: a dying ring asks for each of its commands. */
	spin_lock_bh(&f->wait_lock);
	w = iou_pdu(cmd)->waiter;
	if (w && iou_waiter_take(w, true, IO_UNIFIED_REASON_CANCELED))
		iou_waiter_unlink(w);
	else
		w = NULL;
	spin_unlock_bh(&f->wait_lock);
	if (w)
		w->canceled(w, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
}

static bool iou_match_user_data(const struct iou_waiter *w, const void *arg)
{
	return w->user_data == *(const u64 *)arg;
}

int iou_cancel_user_data(struct iou_region *r, u64 user_data)
{
	return iou_cancel_if(r->file, false, iou_match_user_data, &user_data,
			     IO_UNIFIED_REASON_CANCELED);
}

static bool iou_match_att(const struct iou_waiter *w, const void *arg)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(w->atts); i++)
		if (w->atts[i] == arg)
			return true;
	return w->uses && w->uses(w, arg);
}

static struct iou_op *iou_cut_one(struct iou_file *f, const struct iou_att *att)
{
	struct iou_op *behind = NULL;
	struct iou_waiter *w;

	spin_lock_bh(&f->wait_lock);
	list_for_each_entry(w, &f->waiting, node) {
		behind = iou_waiter_cut(w, att);
		if (behind)
			break;
	}
	spin_unlock_bh(&f->wait_lock);
	return behind;
}

void iou_cancel_att(struct iou_att *att)
{
	struct iou_file *f = att->region->file;
	struct iou_op *behind;

	iou_cancel_if(f, false, iou_match_att, att, IO_UNIFIED_REASON_GONE);
	while ((behind = iou_cut_one(f, att)))
		iou_op_cancel_group(behind, IO_UNIFIED_REASON_GONE);
}

static bool iou_match_region(const struct iou_waiter *w, const void *arg)
{
	return w->region == arg;
}

void iou_cancel_region(struct iou_region *r)
{
	iou_cancel_if(r->file, false, iou_match_region, r,
		      IO_UNIFIED_REASON_GONE);
}

static bool iou_match_dying(const struct iou_waiter *w, const void *arg)
{
	return w->cmd && iou_uring_dying(w->cmd);
}

static void iou_watch(struct work_struct *work)
{
	struct iou_file *f =
		container_of(to_delayed_work(work), struct iou_file, watch);

	iou_cancel_if(f, true, iou_match_dying, NULL,
		      IO_UNIFIED_REASON_CANCELED);

	spin_lock_bh(&f->wait_lock);
	if (!list_empty(&f->waiting))
		iou_watch_arm(f);
	spin_unlock_bh(&f->wait_lock);
}

void iou_watch_init(struct iou_file *f)
{
	INIT_DELAYED_WORK(&f->watch, iou_watch);
}

void iou_watch_exit(struct iou_file *f)
{
	cancel_delayed_work_sync(&f->watch);
}
