// SPDX-License-Identifier: GPL-2.0
/*
 * Storage by bios: any block device
 *
 * One bio carries a whole transfer; the block layer splits it to what the
 * device can take. It borrows the slices of the region's memory, so nothing is
 * allocated and nothing built for it.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>

#include "main.h"
#include "storage.h"

static void iou_bio_retry(struct work_struct *work)
{
	iou_bio_submit(container_of(work, struct iou_io, work), false);
}

static noinline void iou_bio_failed(struct iou_io *io, blk_status_t status,
				    bool nowait)
{
	if (status == BLK_STS_AGAIN && nowait) {
		INIT_WORK(&io->work, iou_bio_retry);
		queue_work(iou_wq, &io->work);
		return;
	}
	io->error = blk_status_to_errno(status);
	io->done(io);
}

static void iou_bio_end(struct bio *bio)
{
	struct iou_io *io = container_of(bio, struct iou_io, bio);
	blk_status_t status = bio->bi_status;
	bool nowait = bio->bi_opf & REQ_NOWAIT;

	bio_uninit(bio);
	if (unlikely(status))
		iou_bio_failed(io, status, nowait);
	else
		io->done(io);
}

int iou_bio_submit(struct iou_io *io, bool nowait)
{
	struct iou_storage *st = io->st;
	struct bio *bio = &io->bio;
	blk_opf_t opf;

	/* A flush waits for a flush before it: there is no asking not to. */
	if (nowait && (!io->nr_bvec || !bdev_nowait(st->bdev)))
		return -EAGAIN;
	switch (iou_io_op_of(io->flags)) {
	case IOU_IO_READ:
		opf = REQ_OP_READ;
		break;
	case IOU_IO_FLUSH:
		opf = REQ_OP_WRITE | REQ_PREFLUSH;
		break;
	case IOU_IO_DISCARD:
		opf = REQ_OP_DISCARD;
		break;
	case IOU_IO_ZEROES:
		opf = REQ_OP_WRITE_ZEROES;
		break;
	default:
		opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
		if (io->flags & IO_UNIFIED_F_FUA)
			opf |= REQ_FUA;
	}
	if (nowait)
		opf |= REQ_NOWAIT;
	if (io->poll && io->nr_bvec && st->pollable)
		opf |= REQ_POLLED;

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
