// SPDX-License-Identifier: GPL-2.0
/*
 * Storage by bios: any block device
 *
 * One bio carries a whole transfer; the block layer splits it to what the
 * device can take. It borrows the slices of the region's memory, so nothing is
 * allocated and nothing built for it.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>

#include "bio.h"
#include "main.h"

static void iou_bio_retry(struct work_struct *work)
{
	struct iou_io *io = container_of(work, struct iou_io, work);
	int ret = iou_bio_submit(io, false);

	if (ret) {
		io->error = ret;
		io->done(io);
	}
}

static noinline void iou_bio_failed(struct iou_io *io)
{
	blk_status_t status = io->bio.bi_status;

	if (status == BLK_STS_AGAIN && (io->bio.bi_opf & REQ_NOWAIT)) {
		INIT_WORK(&io->work, iou_bio_retry);
		queue_work(iou_io_wq, &io->work);
		return;
	}
	io->error = blk_status_to_errno(status);
	io->done(io);
}

/* Has it anything that bio_uninit() lets go of? bio_endio() has done so for most. */
static inline bool iou_bio_holds(const struct bio *bio)
{
#ifdef CONFIG_BLK_CGROUP
	if (bio->bi_blkg)
		return true;
#endif
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	if (bio->bi_crypt_context)
		return true;
#endif
	return bio_integrity((struct bio *)bio);
}

void iou_bio_end(struct bio *bio)
{
	struct iou_io *io = container_of(bio, struct iou_io, bio);

	if (unlikely(iou_bio_holds(bio)))
		bio_uninit(bio);
	if (unlikely(bio->bi_status))
		iou_bio_failed(io);
	else
		io->done(io);
}

static inline blk_opf_t iou_bio_op(const struct iou_io *io)
{
	switch (iou_io_op_of(io->flags)) {
	case IOU_IO_READ:
		return REQ_OP_READ;
	case IOU_IO_FLUSH:
		return REQ_OP_WRITE | REQ_PREFLUSH;
	case IOU_IO_DISCARD:
		return REQ_OP_DISCARD;
	case IOU_IO_ZEROES:
		return REQ_OP_WRITE_ZEROES;
	default:
		return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
		       (io->flags & IO_UNIFIED_F_FUA ? REQ_FUA : 0);
	}
}

int iou_bio_submit(struct iou_io *io, bool nowait)
{
	struct iou_storage *st = io->st;
	struct bio *bio = &io->bio;
	blk_opf_t opf = iou_bio_op(io);

	if (unlikely(!iou_block_size_holds(st)))
		return -ESTALE;
	if (nowait) {
		/* A flush waits for a flush before it: there is no asking not to. */
		if (unlikely(!io->nr_bvec || !bdev_nowait(st->bdev)))
			return -EAGAIN;
		opf |= REQ_NOWAIT;
	}
	if (unlikely(io->poll) && io->nr_bvec && st->pollable)
		opf |= REQ_POLLED;
	if (likely(iou_bio_alone(io, st)))
		opf |= REQ_NOMERGE;

	io->reuse = false;
	bio_init(bio, st->bdev, NULL, 0, opf);
	bio->bi_end_io = iou_bio_end;
	if (io->nr_bvec)
		iou_bio_set_mem(bio, io, io->skip, io->len);
	else
		bio->bi_iter.bi_size = io->len;
	bio->bi_iter.bi_sector = (st->start + io->pos) >> SECTOR_SHIFT;
	submit_bio(bio);
	return 0;
}
