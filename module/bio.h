/* SPDX-License-Identifier: GPL-2.0 */
/* Storage by bios: the short way */
#ifndef IOU_BIO_H
#define IOU_BIO_H

#include "storage.h"

void iou_bio_end(struct bio *bio);

/*
 * Is there nothing to merge it with? Without a scheduler a bio is merged with the
 * last one that was submitted, or not at all, and that one ended elsewhere.
 */
static inline bool iou_bio_alone(const struct iou_io *io,
				 const struct iou_storage *st)
{
	return io->alone && st->mq && !READ_ONCE(st->queue->elevator);
}

/* As iou_bio_submit(), of a read or write within a page, which @io has as well. */
static __always_inline int iou_bio_submit_page(struct iou_io *io,
					       const struct iou_storage *st,
					       u64 pos, u32 len, u32 flags,
					       bool nowait)
{
	struct bio *bio = &io->bio;
	blk_opf_t opf = REQ_OP_READ;

	if (unlikely(!iou_block_size_holds(st)))
		return -ESTALE;
	if (flags & IO_UNIFIED_F_WRITE) {
		opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
		if (flags & IO_UNIFIED_F_FUA)
			opf |= REQ_FUA;
	}
	if (nowait) {
		if (unlikely(!bdev_nowait(st->bdev)))
			return -EAGAIN;
		opf |= REQ_NOWAIT;
	}
	if (unlikely(io->poll) && st->pollable)
		opf |= REQ_POLLED;
	if (likely(iou_bio_alone(io, st)))
		opf |= REQ_NOMERGE;

	io->reuse = false;
	bio_init(bio, st->bdev, &io->one, 1, opf);
	bio->bi_end_io = iou_bio_end;
	bio_set_flag(bio, BIO_CLONED);
	bio->bi_vcnt = 1;
	bio->bi_iter.bi_size = len;
	bio->bi_iter.bi_sector = (st->start + pos) >> SECTOR_SHIFT;
	submit_bio(bio);
	return 0;
}

#endif /* IOU_BIO_H */
