// SPDX-License-Identifier: GPL-2.0
/* Storage attachments: which device, which path, which rights, which bytes */
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "attach.h"
#include "compat/compat.h"
#include "storage.h"

#define IOU_STORAGE_FLAGS                                        \
	(IO_UNIFIED_ATTACH_PASSTHROUGH | IO_UNIFIED_ATTACH_BIO | \
	 IO_UNIFIED_ATTACH_RDONLY)

int iou_storage_check(const struct iou_storage *st, u64 pos, u64 len,
		      u16 *reason)
{
	if (likely(iou_storage_fits(st, pos, len)))
		return 0;
	if ((pos | len) & st->block_mask) {
		*reason = IO_UNIFIED_REASON_LBA_ALIGN;
		return -EINVAL;
	}
	*reason = IO_UNIFIED_REASON_RANGE;
	return -ERANGE;
}

/* Ranges without data are for the device to know, or for the file system. */
static bool iou_storage_has(const struct iou_storage *st, enum iou_io_op op)
{
	if (st->path == IO_UNIFIED_PATH_FILE)
		return st->file->f_op->fallocate;
	if (op == IOU_IO_DISCARD)
		return bdev_max_discard_sectors(st->bdev);
	return bdev_write_zeroes_sectors(st->bdev);
}

int iou_storage_allowed(const struct iou_storage *st, enum iou_io_op op,
			u8 opcode, u32 dir, u16 *reason)
{
	bool reads = op == IOU_IO_READ;

	if (op == IOU_IO_OPCODE) {
		if (st->path != IO_UNIFIED_PATH_PASSTHROUGH) {
			*reason = IO_UNIFIED_REASON_NOT_NVME;
			return -EOPNOTSUPP;
		}
		if (!iou_nvme_opcode_allowed(opcode, &reads)) {
			*reason = IO_UNIFIED_REASON_OPCODE;
			return -EPERM;
		}
	}
	if (!reads && !st->writable) {
		*reason = IO_UNIFIED_REASON_READ_ONLY;
		return -EBADF;
	}
	if (reads && !st->readable) {
		*reason = IO_UNIFIED_REASON_WRITE_ONLY;
		return -EBADF;
	}
	if (op == IOU_IO_OPCODE && !iou_nvme_opcode_dir(opcode, dir)) {
		*reason = IO_UNIFIED_REASON_OPCODE;
		return -EINVAL;
	}
	if ((op == IOU_IO_DISCARD || op == IOU_IO_ZEROES) &&
	    !iou_storage_has(st, op)) {
		*reason = IO_UNIFIED_REASON_DEVICE_OP;
		return -EOPNOTSUPP;
	}
	return 0;
}

u16 iou_io_reason(const struct iou_io *io)
{
	if (io->nvme_status)
		return IO_UNIFIED_REASON_NVME_STATUS;
	if (io->st->path == IO_UNIFIED_PATH_FILE)
		return iou_file_reason(io->error);
	return iou_io_refusal(io->error);
}

u16 iou_io_refusal(int error)
{
	return error == -ESTALE ? IO_UNIFIED_REASON_FORMATTED :
				  IO_UNIFIED_REASON_IO;
}

int iou_storage_poll(const struct iou_storage *st, struct io_comp_batch *iob,
		     unsigned int flags)
{
	const struct blk_mq_queue_map *map;
	struct percpu_ref *entered = &st->queue->q_usage_counter;
	struct bio bio = { .bi_bdev = st->bdev };
	unsigned int i;
	int n = 0;

	if (!st->pollable)
		return 0;
	/*
	 * A reset may leave the device with other queues, and nobody looks whether
	 * there is one of that number. It does so while nobody is in here: as
	 * bio_poll() says, one that is being frozen has to be entered.
	 */
	if (!percpu_ref_tryget(entered))
		return 0;
	/* They are few, and an op may have been submitted on any CPU. */
	map = &st->queue->tag_set->map[HCTX_TYPE_POLL];
	for (i = 0; i < map->nr_queues; i++) {
		bio.bi_cookie = iou_poll_cookie(map->queue_offset + i);
		n += bio_poll(&bio, iob, flags | BLK_POLL_ONESHOT);
	}
	percpu_ref_put(entered);
	return n;
}

bool iou_bvec_append(struct bio_vec *bv, u32 *nr, u32 max,
		     const struct iou_storage *st, const struct iou_mem *mem,
		     u64 addr, u32 len)
{
	u32 limit = min(max, st->max_segs);
	u32 n = *nr;
	u32 last_len = n ? bv[n - 1].bv_len : 0;

	while (len) {
		struct page *page = mem->pages[addr >> PAGE_SHIFT];
		u32 off = offset_in_page(addr);
		u32 bytes = min_t(u32, len, PAGE_SIZE - off);
		struct bio_vec *prev = n ? &bv[n - 1] : NULL;
		u32 prev_end = prev ? prev->bv_offset + prev->bv_len : 0;

		if (prev && page_to_phys(prev->bv_page) + prev_end ==
				    page_to_phys(page) + off) {
			prev->bv_len += bytes;
		} else {
			if (n == limit ||
			    (prev && ((prev_end | off) & st->gap_mask)))
				goto undo;
			bv[n].bv_page = page;
			bv[n].bv_offset = off;
			bv[n].bv_len = bytes;
			n++;
		}
		addr += bytes;
		len -= bytes;
	}
	*nr = n;
	return true;

undo:
	/* Slices that were added are forgotten, the last one may have grown. */
	if (*nr)
		bv[*nr - 1].bv_len = last_len;
	return false;
}

static void iou_storage_release(struct iou_att *att)
{
	struct iou_storage *st = iou_att_storage(att);

	if (st->path == IO_UNIFIED_PATH_FILE)
		iou_file_detach(st);
	fput(st->file);
	iou_att_exit(att);
	kfree(st);
}

static void iou_storage_show(struct iou_att *att, struct seq_file *m)
{
	struct iou_storage *st = iou_att_storage(att);

	seq_printf(m, "iou-storage-%u:\t", att->index);
	if (st->path == IO_UNIFIED_PATH_FILE) {
		seq_puts(m, "file=");
		seq_file_path(m, st->file, " \t\n\\");
		seq_puts(m, " path=file");
	} else {
		seq_printf(m, "dev=%pg path=%s", st->bdev,
			   st->path == IO_UNIFIED_PATH_PASSTHROUGH ?
				   "passthrough" :
				   "bio");
	}
	seq_printf(m, " start=%llu size=%llu rights=%s%s\n", st->start,
		   st->size, st->readable ? "r" : "", st->writable ? "w" : "");
}

static const struct iou_att_ops iou_storage_ops = {
	.release = iou_storage_release,
	.show = iou_storage_show,
};

static void iou_storage_limits(struct iou_storage *st)
{
	struct request_queue *q = st->queue;
	u64 bytes = (u64)queue_max_hw_sectors(q) << SECTOR_SHIFT;

	st->block_shift = ilog2(bdev_logical_block_size(st->bdev));
	st->max_bytes =
		round_down(min_t(u64, bytes, SZ_1G), 1U << st->block_shift);
	st->max_segs = queue_max_segments(q);
	st->gap_mask = queue_virt_boundary(q);
	st->dma_mask = queue_dma_alignment(q);
	st->mq = queue_is_mq(q);
	st->pollable = st->mq && q->tag_set->nr_maps > HCTX_TYPE_POLL &&
		       q->tag_set->map[HCTX_TYPE_POLL].nr_queues;
}

/* Passthrough where it is possible and not unwanted. */
static int iou_storage_path(struct iou_storage *st,
			    struct io_unified_attach *arg)
{
	int ret;

	st->path = IO_UNIFIED_PATH_BIO;
	if (arg->flags & IO_UNIFIED_ATTACH_BIO)
		return 0;

	ret = iou_nvme_probe(st);
	if (!ret) {
		st->path = IO_UNIFIED_PATH_PASSTHROUGH;
		return 0;
	}
	if (ret == -ERESTARTSYS)
		return -EINTR;
	if (!(arg->flags & IO_UNIFIED_ATTACH_PASSTHROUGH))
		return 0;
	switch (ret) {
	case -EACCES:
		arg->reason = IO_UNIFIED_REASON_PARTITION;
		break;
	case -EMEDIUMTYPE:
		arg->reason = IO_UNIFIED_REASON_METADATA;
		ret = -EOPNOTSUPP;
		break;
	default:
		arg->reason = IO_UNIFIED_REASON_NOT_NVME;
		ret = -EOPNOTSUPP;
	}
	return ret;
}

static int iou_storage_window(struct iou_storage *st,
			      struct io_unified_attach *arg)
{
	u64 mask = (1ULL << st->block_shift) - 1;
	u64 total = (u64)bdev_nr_sectors(st->bdev) << SECTOR_SHIFT;
	u64 end;

	if ((arg->dev_start | arg->dev_len) & mask) {
		arg->reason = IO_UNIFIED_REASON_LBA_ALIGN;
		return -EINVAL;
	}
	if (check_add_overflow(arg->dev_start, arg->dev_len, &end) ||
	    arg->dev_start >= total || end > total) {
		arg->reason = IO_UNIFIED_REASON_RANGE;
		return -ERANGE;
	}
	st->start = arg->dev_start;
	st->size = arg->dev_len ?: round_down(total - st->start, mask + 1);
	return 0;
}

static int iou_bdev_attach(struct iou_storage *st,
			   struct io_unified_attach *arg)
{
	int ret;

	st->bdev = I_BDEV(st->file->f_mapping->host);
	st->queue = bdev_get_queue(st->bdev);
	iou_storage_limits(st);
	ret = iou_storage_window(st, arg);
	return ret ?: iou_storage_path(st, arg);
}

struct iou_att *iou_storage_attach(struct iou_region *r,
				   struct io_unified_attach *arg)
{
	struct iou_storage *st;
	int ret;

	if ((arg->flags & ~IOU_STORAGE_FLAGS) ||
	    ((arg->flags & IO_UNIFIED_ATTACH_PASSTHROUGH) &&
	     (arg->flags & IO_UNIFIED_ATTACH_BIO))) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return ERR_PTR(-EINVAL);
	}

	st = kzalloc(sizeof(*st), GFP_KERNEL_ACCOUNT);
	if (!st)
		return ERR_PTR(-ENOMEM);

	ret = -EBADF;
	st->file = fget(arg->fd);
	if (!st->file) {
		arg->reason = IO_UNIFIED_REASON_BAD_FD;
		goto err_free;
	}
	ret = -ENOTBLK;
	if (!S_ISBLK(file_inode(st->file)->i_mode) &&
	    !S_ISREG(file_inode(st->file)->i_mode)) {
		arg->reason = IO_UNIFIED_REASON_NOT_BLOCK;
		goto err_fput;
	}
	st->readable = st->file->f_mode & FMODE_READ;
	st->writable = (st->file->f_mode & FMODE_WRITE) &&
		       !(arg->flags & IO_UNIFIED_ATTACH_RDONLY);
	st->forbidden = (st->readable ? 0 : IO_UNIFIED_F_READ) |
			(st->writable ? 0 : IO_UNIFIED_F_WRITE);

	ret = iou_att_init(&st->att, r, &iou_storage_ops,
			   IO_UNIFIED_KIND_STORAGE);
	if (ret)
		goto err_fput;
	ret = S_ISREG(file_inode(st->file)->i_mode) ? iou_file_attach(st, arg) :
						      iou_bdev_attach(st, arg);
	if (ret)
		goto err_att;

	st->block_mask = iou_block_size(st) - 1;
	st->plain_max = min3(IO_UNIFIED_MAX_LEN + 0ULL, r->data_size, st->size);
	arg->path = st->path;
	arg->block_size = 1U << st->block_shift;
	arg->max_transfer = st->max_bytes;
	arg->max_segments = st->max_segs;
	arg->mem_align = st->dma_mask + 1;
	arg->size = st->size;
	return &st->att;

err_att:
	iou_att_exit(&st->att);
err_fput:
	fput(st->file);
err_free:
	kfree(st);
	return ERR_PTR(ret);
}
