/* SPDX-License-Identifier: GPL-2.0 */
/* Storage by requests on the NVMe queue: the short way */
#ifndef IOU_NVME_H
#define IOU_NVME_H

#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>

#include "compat/compat.h"
#include "storage.h"

/* drivers/nvme/host/nvme.h */
void nvme_init_request(struct request *req, struct nvme_command *cmd);

/* Its prefix of a request's data, which iou_nvme_probe() verifies */
struct iou_nvme_request {
	struct nvme_command *cmd;
	union nvme_result result;
	u8 genctr;
	u8 retries;
	u8 flags;
	u16 status;
};

#define IOU_NVME_REQ_CANCELLED BIT(0)

void iou_nvme_failed(struct iou_io *io, const struct iou_nvme_request *req,
		     blk_status_t status);

/* What became of a request goes into its @io. */
static inline void iou_nvme_result(struct iou_io *io, struct request *rq,
				   blk_status_t status)
{
	const struct iou_nvme_request *req = blk_mq_rq_to_pdu(rq);

	if (unlikely(status || req->status ||
		     (req->flags & IOU_NVME_REQ_CANCELLED)))
		iou_nvme_failed(io, req, status);
}

/*
 * Are the device's blocks what they were when it was attached? To be asked with a
 * request at hand, since none is while the device is given others. Metadata is moved
 * beside them, or as a part of them: then the block layer has no use for the device, and
 * it has no capacity, as one that is being removed.
 */
static inline bool iou_nvme_blocks_hold(const struct iou_storage *st)
{
	return iou_block_size_holds(st) &&
	       likely(!blk_integrity_queue_supports_integrity(st->queue)) &&
	       likely(bdev_nr_sectors(st->bdev));
}

/* They are not: the request is given back, and this is why. */
int iou_nvme_refuse(const struct iou_storage *st, struct request *rq);

/*
 * All the fields that any command of ours has, the rest stays zero. @pos: in the
 * window. @counts: it is about blocks.
 */
static __always_inline void iou_nvme_command(struct nvme_command *cmd,
					     const struct iou_storage *st,
					     u8 opcode, u64 pos, u32 len,
					     u32 flags, bool counts)
{
	u64 lba = (st->start + pos) >> st->block_shift;
	struct nvme_rw_command *c = &cmd->rw;

	c->opcode = opcode;
	c->nsid = cpu_to_le32(st->nsid);
	c->slba = counts ? cpu_to_le64(lba) : 0;
	c->length = counts ? cpu_to_le16((len >> st->block_shift) - 1) : 0;
	c->control = flags & IO_UNIFIED_F_FUA ? cpu_to_le16(NVME_RW_FUA) : 0;
}

/*
 * The bio of a transfer within a page. It has no device, so that all that the block
 * layer leaves in one that went well is where it came to.
 */
static __always_inline void iou_nvme_page_bio(struct iou_io *io, blk_opf_t opf,
					      u32 len)
{
	struct bio *bio = &io->bio;

	if (unlikely(!io->reuse)) {
		bio_init(bio, NULL, &io->one, 1, 0);
		bio->bi_vcnt = 1;
		io->reuse = true;
	}
	bio->bi_opf = opf;
	/* Not ours to free or to walk by pages: as with an io_uring buffer. */
	bio->bi_flags = BIT(BIO_CLONED);
	bio->bi_next = NULL;
	bio->bi_iter = (struct bvec_iter){ .bi_size = len };
}

/*
 * Bytes of one page are one segment, and no limit of a device is below that:
 * the block layer need not look.
 */
static inline void iou_nvme_map_page(struct request *rq, struct bio *bio,
				     u32 len)
{
	rq->nr_phys_segments = 1;
	rq->__data_len = len;
	rq->bio = bio;
	rq->biotail = bio;
}

/*
 * As iou_nvme_submit(), of a read or write within a page, which is never too much for
 * one command. Of @io it takes the memory, @one, and @poll; @end_io finds it in the
 * request. All that can be is written before the calls, behind which what is at hand
 * now has to be fetched again.
 */
static __always_inline int
iou_nvme_submit_page(struct iou_io *io, const struct iou_storage *st, u64 pos,
		     u32 len, u32 flags, rq_end_io_fn *end_io, bool nowait)
{
	const bool write = flags & IO_UNIFIED_F_WRITE;
	blk_opf_t opf = write ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN;
	struct request *rq;

	if (unlikely(io->poll) && st->pollable)
		opf |= REQ_POLLED;
	iou_nvme_command(&io->cmd, st, write ? nvme_cmd_write : nvme_cmd_read,
			 pos, len, flags, true);
	iou_nvme_page_bio(io, opf, len);
	rq = blk_mq_alloc_request(st->queue, opf | (nowait ? REQ_NOWAIT : 0),
				  nowait ? BLK_MQ_REQ_NOWAIT : 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	if (unlikely(!iou_nvme_blocks_hold(st)))
		return iou_nvme_refuse(st, rq);

	nvme_init_request(rq, &io->cmd);
	iou_nvme_map_page(rq, &io->bio, io->one.bv_len);
	rq->end_io = end_io;
	rq->end_io_data = io;
	blk_execute_rq_nowait(rq, false);
	return 0;
}

#endif /* IOU_NVME_H */
