// SPDX-License-Identifier: GPL-2.0
/*
 * Storage by a regular file that is opened with O_DIRECT
 *
 * The file system gets the slices of the region's memory and maps them to its
 * device. Nobody is kept waiting here: what it cannot start at once, the inode
 * being locked or the file to be extended, is for workers that do nothing else;
 * and what a frozen file system holds up does not even keep one of these.
 *
 * An attachment has as many workers at once as io_uring would give it. More only
 * wait for each other inside of the file system, its log first, and one that is
 * slow must not take the workers of all. Writes that extend the file have one of
 * their own: no file system does two of them at once.
 */
#include <linux/bio.h>
#include <linux/cred.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "storage.h"

#define IOU_FILE_MAX_ALIGN SZ_64K
#define IOU_FILE_THAW (HZ / 10) /* how often to look */
#define IOU_FILE_WORKERS 4 /* of an attachment, for each CPU */
#define IOU_FILE_RUN_BYTES SZ_2M /* of writes that are done as one */
#define IOU_FILE_RUN_VECS (PAGE_SIZE / sizeof(struct bio_vec))

static struct workqueue_struct *iou_file_wq;

u16 iou_file_reason(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
		return IO_UNIFIED_REASON_NO_SPACE;
	case -EFBIG:
		return IO_UNIFIED_REASON_FILE_LIMIT;
	case -EOPNOTSUPP:
		return IO_UNIFIED_REASON_DEVICE_OP;
	case -ECANCELED:
		return IO_UNIFIED_REASON_GONE;
	default:
		return IO_UNIFIED_REASON_IO;
	}
}

static struct inode *iou_file_inode(const struct iou_io *io)
{
	return file_inode(io->st->file);
}

static bool iou_file_writes(const struct iou_io *io)
{
	return io->flags & IO_UNIFIED_F_WRITE;
}

static loff_t iou_file_pos(const struct iou_io *io)
{
	return io->st->start + io->pos;
}

/* A signal is no end of an op: nobody would start it again. */
static void iou_file_end(struct iou_io *io, int error)
{
	io->error = error == -ERESTARTSYS ? -EINTR : error;
	io->done(io);
}

static void iou_file_later(struct iou_io *io);

/* ------------------------------------------------------------------ frozen */

static void iou_file_thaw(struct work_struct *work)
{
	struct iou_storage *st =
		container_of(to_delayed_work(work), struct iou_storage, thaw);
	struct llist_node *node =
		llist_reverse_order(llist_del_all(&st->frozen));
	struct iou_io *io, *next;

	/* The last of them may be the last to hold the attachment. */
	llist_for_each_entry_safe(io, next, node, frozen)
		iou_file_later(io);
}

/* Nobody tells when a file system is thawed. */
static void iou_file_wait_thaw(struct iou_io *io)
{
	struct iou_storage *st = io->st;
	struct iou_att *att = &st->att;

	if (percpu_ref_is_dying(&att->refs) ||
	    percpu_ref_is_dying(&att->region->refs)) {
		iou_file_end(io, -ECANCELED);
		return;
	}
	/* Once it is on the list, it may be taken from there and end. */
	percpu_ref_get(&att->refs);
	llist_add(&io->frozen, &st->frozen);
	queue_delayed_work(iou_file_wq, &st->thaw, IOU_FILE_THAW);
	iou_att_put(att);
}

/* Keep the file system from being frozen until kiocb_end_write(). */
static bool iou_file_start_write(struct iou_io *io)
{
	struct super_block *sb = iou_file_inode(io)->i_sb;

	if (!sb_start_write_trylock(sb))
		return false;
	/* It is given up in another context: as kiocb_start_write() does. */
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	return true;
}

/* ------------------------------------------------------------ read and write */

/* The file system did a part of it, or all. Any context. */
static void iou_file_moved(struct iou_io *io, ssize_t ret)
{
	bool nowait = io->kiocb.ki_flags & IOCB_NOWAIT;
	loff_t end;

	if (iou_file_writes(io))
		kiocb_end_write(&io->kiocb);
	if (nowait && (ret == -EAGAIN || ret == -EOPNOTSUPP)) {
		iou_file_later(io);
		return;
	}
	if (ret < 0) {
		iou_file_end(io, ret);
		return;
	}
	io->moved += ret;
	if (likely(io->moved == io->len)) {
		iou_file_end(io, 0);
		return;
	}

	end = iou_file_pos(io) + io->moved;
	if (!iou_file_writes(io) &&
	    (!ret || end >= i_size_read(iou_file_inode(io)))) {
		io->len = io->moved;
		iou_file_end(io, 0);
	} else if (!ret || (end & (iou_block_size(io->st) - 1))) {
		/* Where it stopped nothing can go on. */
		iou_file_end(io, -EIO);
	} else {
		iou_file_later(io);
	}
}

/*
 * Submitter and completion: the file system uses the kiocb until it returns to
 * the one, maybe after it called the other. Who is last goes on.
 */
static void iou_file_put(struct iou_io *io)
{
	if (atomic_dec_and_test(&io->left))
		iou_file_moved(io, io->result);
}

static void iou_file_complete(struct kiocb *iocb, long ret)
{
	struct iou_io *io = container_of(iocb, struct iou_io, kiocb);

	io->result = ret;
	iou_file_put(io);
}

/* Of what is left of @io, or from there on */
static void iou_file_init_kiocb(struct kiocb *iocb, const struct iou_io *io)
{
	init_sync_kiocb(iocb, io->st->file);
	iocb->ki_pos = iou_file_pos(io) + io->moved;
	/* Whatever fcntl() made of the file meanwhile. */
	iocb->ki_flags |= IOCB_DIRECT;
	iocb->ki_flags &= ~(IOCB_APPEND | IOCB_NOWAIT);
	if (io->flags & IO_UNIFIED_F_FUA)
		iocb->ki_flags |= IOCB_DSYNC;
	if (iou_file_writes(io))
		iocb->ki_flags |= IOCB_WRITE;
}

/* Result of the file system, or -EIOCBQUEUED. */
static ssize_t iou_file_issue(struct iou_io *io, bool nowait)
{
	struct file *file = io->st->file;
	struct kiocb *iocb = &io->kiocb;
	bool write = iou_file_writes(io);
	struct iov_iter iter;
	ssize_t ret;

	iou_file_init_kiocb(iocb, io);
	iocb->ki_complete = iou_file_complete;
	if (nowait)
		iocb->ki_flags |= IOCB_NOWAIT;

	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, io->bvec,
		      io->nr_bvec, io->skip + io->len);
	iov_iter_advance(&iter, io->skip + io->moved);

	ret = rw_verify_area(write ? WRITE : READ, file, &iocb->ki_pos,
			     io->len - io->moved);
	if (ret)
		return ret;
	atomic_set(&io->left, 2);
	return write ? file->f_op->write_iter(iocb, &iter) :
		       file->f_op->read_iter(iocb, &iter);
}

static void iou_file_issued(struct iou_io *io, ssize_t ret)
{
	if (ret == -EIOCBQUEUED)
		iou_file_put(io);
	else
		iou_file_moved(io, ret);
}

/*
 * In a worker, with the rights of who opened the file: reserved blocks, quotas
 * and setuid bits are the file system's to judge.
 */
static void iou_file_rw(struct iou_io *io)
{
	const struct cred *old;
	ssize_t ret;

	if (iou_file_writes(io) && !iou_file_start_write(io)) {
		iou_file_wait_thaw(io);
		return;
	}
	old = override_creds(io->st->file->f_cred);
	ret = iou_file_issue(io, false);
	revert_creds(old);
	iou_file_issued(io, ret);
}

/* ----------------------------------------------------------------- extending */

static bool iou_file_extends(const struct iou_io *io)
{
	return iou_file_writes(io) &&
	       iou_file_pos(io) + io->len > i_size_read(iou_file_inode(io));
}

/* Can @io be written with a run of @bytes in @nr slices that begins with @first? */
static bool iou_file_goes_on(const struct iou_io *first, u32 bytes, u32 nr,
			     const struct iou_io *io)
{
	return !first->moved && !io->moved && io->pos == first->pos + bytes &&
	       !((first->flags ^ io->flags) & IO_UNIFIED_F_FUA) &&
	       bytes + io->len <= IOU_FILE_RUN_BYTES &&
	       nr + io->nr_bvec <= IOU_FILE_RUN_VECS;
}

/* What has waited longest, and what goes on behind it. False: nothing waits. */
static bool iou_file_take_run(struct iou_storage *st, struct list_head *run)
{
	struct iou_io *first, *io, *next;
	u32 bytes = 0, nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&st->later_lock, flags);
	first = list_first_entry_or_null(&st->appends, struct iou_io, later);
	st->appending = first;
	list_for_each_entry_safe(io, next, &st->appends, later) {
		if (io != first && !iou_file_goes_on(first, bytes, nr, io))
			break;
		list_move_tail(&io->later, run);
		bytes += io->len;
		nr += io->nr_bvec;
	}
	spin_unlock_irqrestore(&st->later_lock, flags);
	return first;
}

/* The memory of an io as a list of its own; returns its end. */
static struct bio_vec *iou_file_add_vecs(struct bio_vec *bv,
					 const struct iou_io *io)
{
	const struct bio_vec *from = io->bvec;
	u32 skip = io->skip, left = io->len;

	for (; left; from++, bv++) {
		const u32 off = from->bv_offset + skip;

		bv->bv_page = from->bv_page + (off >> PAGE_SHIFT);
		bv->bv_offset = offset_in_page(off);
		bv->bv_len = min(left, from->bv_len - skip);
		left -= bv->bv_len;
		skip = 0;
	}
	return bv;
}

/* A run as one write, which is waited for. Returns what the file system does. */
static ssize_t iou_file_write_run(struct iou_storage *st,
				  const struct list_head *run)
{
	struct bio_vec *end = st->run_vecs;
	const struct cred *old;
	struct iov_iter iter;
	struct kiocb iocb;
	struct iou_io *io;
	size_t bytes = 0;
	ssize_t ret;

	list_for_each_entry(io, run, later) {
		end = iou_file_add_vecs(end, io);
		bytes += io->len;
	}
	iov_iter_bvec(&iter, ITER_SOURCE, st->run_vecs, end - st->run_vecs,
		      bytes);
	iou_file_init_kiocb(&iocb, list_first_entry(run, struct iou_io, later));

	old = override_creds(st->file->f_cred);
	ret = rw_verify_area(WRITE, st->file, &iocb.ki_pos, bytes);
	if (!ret)
		ret = st->file->f_op->write_iter(&iocb, &iter);
	revert_creds(old);
	return ret;
}

/* Where it failed each is tried alone: the result of one is not that of another. */
static void iou_file_end_run(struct list_head *run, ssize_t ret)
{
	struct iou_io *io, *next;
	size_t moved = max_t(ssize_t, ret, 0);

	list_for_each_entry_safe(io, next, run, later) {
		list_del(&io->later);
		if (moved >= io->len) {
			moved -= io->len;
			io->moved = io->len;
			iou_file_end(io, 0);
		} else {
			moved = 0;
			iou_file_rw(io);
		}
	}
}

static void iou_file_do_run(struct iou_storage *st, struct list_head *run)
{
	struct super_block *sb = file_inode(st->file)->i_sb;
	ssize_t ret = 0;

	/* Frozen, they wait one by one. */
	if (!list_is_singular(run) && sb_start_write_trylock(sb)) {
		ret = iou_file_write_run(st, run);
		sb_end_write(sb);
	}
	iou_file_end_run(run, ret);
}

static void iou_file_append_work(struct work_struct *work)
{
	struct iou_storage *st = container_of(work, struct iou_storage, append);
	LIST_HEAD(run);

	/* The ops may be the last to hold it, and over before we are. */
	percpu_ref_get(&st->att.refs);
	while (iou_file_take_run(st, &run)) {
		iou_file_do_run(st, &run);
		cond_resched();
	}
	iou_att_put(&st->att);
}

/*
 * Any file system extends a file by one write at a time, and most wait for the drive
 * in between: more workers would only wait for each other. Meanwhile a run of writes,
 * each behind the one before, comes together. It is written as one, which costs the
 * file system what a single one does.
 */
static void iou_file_append(struct iou_io *io)
{
	struct iou_storage *st = io->st;
	unsigned long flags;
	bool start;

	spin_lock_irqsave(&st->later_lock, flags);
	list_add_tail(&io->later, &st->appends);
	start = !st->appending;
	st->appending = true;
	spin_unlock_irqrestore(&st->later_lock, flags);
	if (start)
		queue_work(iou_file_wq, &st->append);
}

/* -------------------------------------------------------------------- others */

static int iou_file_do_range(struct iou_io *io)
{
	struct file *file = io->st->file;

	switch (iou_io_op_of(io->flags)) {
	case IOU_IO_FLUSH:
		/* Data and what is needed to find it: a drive's cache has no more */
		return vfs_fsync(file, 1);
	case IOU_IO_DISCARD:
		return vfs_fallocate(file,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     iou_file_pos(io), io->len);
	default:
		return vfs_fallocate(file, FALLOC_FL_ZERO_RANGE,
				     iou_file_pos(io), io->len);
	}
}

/* It protects itself from being frozen, but would wait for the thaw. */
static bool iou_file_frozen(const struct iou_io *io)
{
	struct super_block *sb = iou_file_inode(io)->i_sb;

	if (io->flags & IO_UNIFIED_F_FLUSH)
		return false;
	if (!sb_start_write_trylock(sb))
		return true;
	sb_end_write(sb);
	return false;
}

static void iou_file_range(struct iou_io *io)
{
	const struct cred *old;
	int ret;

	if (iou_file_frozen(io)) {
		iou_file_wait_thaw(io);
		return;
	}
	old = override_creds(io->st->file->f_cred);
	ret = iou_file_do_range(io);
	revert_creds(old);
	iou_file_end(io, ret);
}

static bool iou_file_has_data(const struct iou_io *io)
{
	return io->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE);
}

/* ------------------------------------------------------------------- workers */

/* A worker is free: for the next one that waits. */
static void iou_file_next(struct iou_storage *st)
{
	unsigned long flags;
	struct iou_io *io;

	spin_lock_irqsave(&st->later_lock, flags);
	io = list_first_entry_or_null(&st->later, struct iou_io, later);
	if (io)
		list_del(&io->later);
	else
		st->workers--;
	spin_unlock_irqrestore(&st->later_lock, flags);
	if (io)
		queue_work(iou_file_wq, &io->work);
}

static void iou_file_work(struct work_struct *work)
{
	struct iou_io *io = container_of(work, struct iou_io, work);
	struct iou_storage *st = io->st;

	/* The op may be the last to hold it, and over before we are. */
	percpu_ref_get(&st->att.refs);
	if (iou_file_has_data(io))
		iou_file_rw(io);
	else
		iou_file_range(io);
	iou_file_next(st);
	iou_att_put(&st->att);
}

static void iou_file_later(struct iou_io *io)
{
	struct iou_storage *st = io->st;
	unsigned long flags;
	bool start;

	if (iou_file_extends(io)) {
		iou_file_append(io);
		return;
	}
	INIT_WORK(&io->work, iou_file_work);
	spin_lock_irqsave(&st->later_lock, flags);
	start = st->workers < IOU_FILE_WORKERS * num_online_cpus();
	if (start)
		st->workers++;
	else
		list_add_tail(&io->later, &st->later);
	spin_unlock_irqrestore(&st->later_lock, flags);
	if (start)
		queue_work(iou_file_wq, &io->work);
}

/* RLIMIT_FSIZE of who attached it: a worker has none. */
static bool iou_file_beyond(const struct iou_io *io)
{
	return (iou_file_writes(io) || (io->flags & IO_UNIFIED_F_ZEROES)) &&
	       iou_file_pos(io) + io->len > io->st->limit;
}

void iou_file_submit(struct iou_io *io)
{
	struct file *file = io->st->file;

	io->moved = 0;
	io->reuse = false;
	if (iou_file_beyond(io)) {
		iou_file_end(io, -EFBIG);
		return;
	}
	if (!iou_file_has_data(io) || !(file->f_mode & FMODE_NOWAIT) ||
	    iou_file_extends(io) ||
	    (iou_file_writes(io) && !iou_file_start_write(io))) {
		iou_file_later(io);
		return;
	}
	iou_file_issued(io, iou_file_issue(io, true));
}

/* -------------------------------------------------------------------- attach */

/* What direct I/O asks of offsets and memory. Who does not say has none. */
static int iou_file_align(struct iou_storage *st)
{
	struct kstat stat;
	int ret = vfs_getattr(&st->file->f_path, &stat, STATX_DIOALIGN,
			      AT_STATX_SYNC_AS_STAT);

	if (ret)
		return ret;
	if (!(stat.result_mask & STATX_DIOALIGN) ||
	    !is_power_of_2(stat.dio_offset_align) ||
	    !is_power_of_2(stat.dio_mem_align) ||
	    stat.dio_offset_align > IOU_FILE_MAX_ALIGN ||
	    stat.dio_mem_align > PAGE_SIZE)
		return -EOPNOTSUPP;
	st->block_shift = ilog2(max(stat.dio_offset_align, 512u));
	st->dma_mask = stat.dio_mem_align - 1;
	return 0;
}

static int iou_file_window(struct iou_storage *st,
			   struct io_unified_attach *arg)
{
	struct inode *inode = file_inode(st->file);
	u64 mask = iou_block_size(st) - 1;
	u64 size = i_size_read(inode);
	u64 end;

	if ((arg->dev_start | arg->dev_len) & mask) {
		arg->reason = IO_UNIFIED_REASON_LBA_ALIGN;
		return -EINVAL;
	}
	/* Where a length is given the file may grow, or has a hole yet. */
	if (check_add_overflow(arg->dev_start, arg->dev_len, &end) ||
	    end > round_down((u64)inode->i_sb->s_maxbytes, mask + 1) ||
	    (!arg->dev_len && arg->dev_start >= size)) {
		arg->reason = IO_UNIFIED_REASON_RANGE;
		return -ERANGE;
	}
	st->start = arg->dev_start;
	/* The last block may be part of the file only in part. */
	st->size = arg->dev_len ?: round_up(size, mask + 1) - st->start;
	return 0;
}

int iou_file_attach(struct iou_storage *st, struct io_unified_attach *arg)
{
	struct file *file = st->file;
	int ret;

	if (arg->flags & IO_UNIFIED_ATTACH_PASSTHROUGH) {
		arg->reason = IO_UNIFIED_REASON_NOT_NVME;
		return -EOPNOTSUPP;
	}
	if (arg->flags & IO_UNIFIED_ATTACH_BIO) {
		arg->reason = IO_UNIFIED_REASON_NOT_BLOCK;
		return -EOPNOTSUPP;
	}
	if (file->f_flags & O_APPEND) {
		arg->reason = IO_UNIFIED_REASON_APPEND;
		return -EINVAL;
	}
	arg->reason = IO_UNIFIED_REASON_DIRECT;
	if (!(file->f_flags & O_DIRECT))
		return -EINVAL;
	if (!(file->f_mode & FMODE_CAN_ODIRECT) ||
	    (st->readable && !file->f_op->read_iter) ||
	    (st->writable && !file->f_op->write_iter))
		return -EOPNOTSUPP;
	ret = iou_file_align(st);
	if (ret)
		return ret;
	arg->reason = IO_UNIFIED_REASON_NONE;
	ret = iou_file_window(st, arg);
	if (ret)
		return ret;
	if (st->writable) {
		st->run_vecs = kmalloc_array(IOU_FILE_RUN_VECS,
					     sizeof(*st->run_vecs),
					     GFP_KERNEL_ACCOUNT);
		if (!st->run_vecs)
			return -ENOMEM;
	}

	st->path = IO_UNIFIED_PATH_FILE;
	st->limit = rlimit(RLIMIT_FSIZE);
	/* Ops go to the file system whole: it knows what its device takes. */
	st->max_bytes = IO_UNIFIED_MAX_LEN;
	st->max_segs = BIO_MAX_VECS;
	spin_lock_init(&st->later_lock);
	INIT_LIST_HEAD(&st->later);
	INIT_LIST_HEAD(&st->appends);
	INIT_WORK(&st->append, iou_file_append_work);
	init_llist_head(&st->frozen);
	INIT_DELAYED_WORK(&st->thaw, iou_file_thaw);
	return 0;
}

void iou_file_detach(struct iou_storage *st)
{
	cancel_delayed_work_sync(&st->thaw);
	kfree(st->run_vecs);
}

int iou_file_init(void)
{
	/*
	 * Not for memory reclaim: no file system promises that, and some wait for
	 * queues that are not.
	 */
	iou_file_wq = alloc_workqueue("io_unified_file", WQ_UNBOUND, 0);
	return iou_file_wq ? 0 : -ENOMEM;
}

void iou_file_exit(void)
{
	destroy_workqueue(iou_file_wq);
}
