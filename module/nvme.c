// SPDX-License-Identifier: GPL-2.0
/*
 * Storage by requests on the NVMe queue: whole namespaces
 *
 * The core NVMe driver exports what a request needs, nvme_init_request(), but
 * not the header. What we know of its per-request data is a prefix that has
 * been the same since 6.1; iou_nvme_probe() verifies it on each device that is
 * attached, with a read that the drive must refuse.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/nvme.h>
#include <linux/nvme_ioctl.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "main.h"
#include "nvme.h"

#define IOU_NVME_STATUS_MASK 0x7ff /* status code type and code */

static struct iou_nvme_request *iou_nvme_req(struct request *rq)
{
	return blk_mq_rq_to_pdu(rq);
}

bool iou_nvme_opcode_dir(u8 opcode, u32 dir)
{
	/* NVMe puts the direction of the data into the opcode's last bits. */
	switch (opcode & 3) {
	case 0:
		return !dir;
	case 1:
		return dir == IO_UNIFIED_F_WRITE;
	case 2:
		return dir == IO_UNIFIED_F_READ;
	default:
		return dir;
	}
}

bool iou_nvme_opcode_allowed(u8 opcode, bool *reads)
{
	*reads = false;
	switch (opcode) {
	case nvme_cmd_read:
	case nvme_cmd_compare:
	case nvme_cmd_verify:
		*reads = true;
		return true;
	case nvme_cmd_write:
	case nvme_cmd_flush:
	case nvme_cmd_write_zeroes:
		return true;
	default:
		/* Who knows what it does: as if it wrote. */
		return capable(CAP_SYS_ADMIN);
	}
}

bool iou_nvme_opcode_ranges(u8 opcode)
{
	return opcode == nvme_cmd_write_zeroes || opcode == nvme_cmd_verify ||
	       opcode == nvme_cmd_write_uncor;
}

static inline u8 iou_nvme_opcode(const struct iou_io *io)
{
	switch (iou_io_op_of(io->flags)) {
	case IOU_IO_READ:
		return nvme_cmd_read;
	case IOU_IO_WRITE:
		return nvme_cmd_write;
	case IOU_IO_FLUSH:
		return nvme_cmd_flush;
	default:
		return io->opcode;
	}
}

static bool iou_nvme_has_data(const struct iou_io *io)
{
	return io->len && io->nr_bvec;
}

static void iou_nvme_parts_work(struct work_struct *work)
{
	struct iou_io *io = container_of(work, struct iou_io, work);

	kvfree(io->more);
	io->done(io);
}

static noinline void iou_nvme_part_done(struct iou_io *io)
{
	if (!atomic_dec_and_test(&io->left))
		return;
	/* vfree() may sleep, and who polls has the driver's lock. */
	if (is_vmalloc_addr(io->more)) {
		INIT_WORK(&io->work, iou_nvme_parts_work);
		queue_work(iou_wq, &io->work);
		return;
	}
	kfree(io->more);
	io->done(io);
}

void iou_nvme_failed(struct iou_io *io, const struct iou_nvme_request *req,
		     blk_status_t status)
{
	int error = blk_status_to_errno(status);

	io->reuse = false;
	if (req->flags & IOU_NVME_REQ_CANCELLED) {
		error = -EIO;
	} else if (req->status) {
		/* First error wins; which of two at once does not matter. */
		if (!io->nvme_status)
			io->nvme_status = req->status;
		error = error ?: -EIO;
	}
	if (error && !io->error)
		io->error = error;
}

static enum rq_end_io_ret iou_nvme_end_io(IOU_RQ_END_IO_ARGS)
{
	struct iou_io *io = rq->end_io_data;

	iou_nvme_result(io, rq, status);
	/* One that was not split has nobody to wait for. */
	if (unlikely(io->more))
		iou_nvme_part_done(io);
	else
		io->done(io);
	return RQ_END_IO_FREE;
}

int iou_nvme_refuse(const struct iou_storage *st, struct request *rq)
{
	blk_mq_free_request(rq);
	return bdev_nr_sectors(st->bdev) ? -ESTALE : -ENODEV;
}

/* The command is about @len bytes; only a probe has @room for more. */
static noinline int iou_nvme_start(struct iou_io *io, struct bio *bio, u32 off,
				   u32 len, u32 room, bool nowait)
{
	const struct iou_storage *st = io->st;
	const bool data = iou_nvme_has_data(io);
	struct request *rq;
	blk_opf_t opf;
	int ret;

	opf = io->flags & IO_UNIFIED_F_WRITE ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN;
	if (unlikely(io->poll) && data && st->pollable)
		opf |= REQ_POLLED;
	rq = blk_mq_alloc_request(st->queue, opf | (nowait ? REQ_NOWAIT : 0),
				  nowait ? BLK_MQ_REQ_NOWAIT : 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	if (unlikely(!iou_nvme_blocks_hold(st)))
		return iou_nvme_refuse(st, rq);

	iou_nvme_command(&io->cmd, st, iou_nvme_opcode(io), io->pos + off, len,
			 io->flags, len);
	nvme_init_request(rq, &io->cmd);
	if (data) {
		io->reuse = false;
		bio_init(bio, NULL, NULL, 0, opf);
		iou_bio_set_mem(bio, io, io->skip + off, room);
		ret = blk_rq_append_bio(rq, bio);
		if (unlikely(ret)) {
			blk_mq_free_request(rq);
			return ret;
		}
	}
	rq->end_io = iou_nvme_end_io;
	rq->end_io_data = io;
	blk_execute_rq_nowait(rq, false);
	return 0;
}

static int iou_nvme_start_part(struct iou_io *io, struct bio *bio, u32 off,
			       u32 len, bool nowait)
{
	return iou_nvme_start(io, bio, off, len, len, nowait);
}

/* Bytes that one command can carry. */
static u32 iou_nvme_part_len(const struct iou_io *io)
{
	const struct iou_storage *st = io->st;
	u64 block = 1ULL << st->block_shift;
	u64 len = min_t(u64, st->max_bytes, block << 16);

	/*
	 * Only the region's own table of slices can be longer than a command
	 * may have segments, and its slices but the last have one length.
	 */
	if (io->nr_bvec > st->max_segs)
		len = min_t(
			u64, len,
			round_down((u64)(st->max_segs - 1) * io->bvec[0].bv_len,
				   block));
	return min_t(u64, max(len, block), io->len);
}

int iou_nvme_submit(struct iou_io *io, bool nowait)
{
	u32 part, parts, i, off;
	int ret;

	io->more = NULL;
	if (likely(iou_io_in_page(io) &&
		   iou_io_op_of(io->flags) <= IOU_IO_WRITE))
		return iou_nvme_submit_page(io, io->st, io->pos, io->len,
					    io->flags, iou_nvme_end_io, nowait);
	if (io->len <= PAGE_SIZE)
		return iou_nvme_start_part(io, &io->bio, 0, io->len, nowait);
	part = iou_nvme_part_len(io);
	parts = DIV_ROUND_UP(io->len, part);
	if (parts == 1)
		return iou_nvme_start_part(io, &io->bio, 0, io->len, nowait);

	/* What cannot be taken back once begun is begun where it may sleep. */
	if (nowait)
		return -EAGAIN;
	io->more = kvmalloc_array(parts - 1, sizeof(*io->more), GFP_KERNEL);
	if (!io->more)
		return -ENOMEM;

	/* One more than there are parts: it must not end before we are done. */
	atomic_set(&io->left, parts + 1);
	for (i = 0, off = 0; i < parts; i++, off += part) {
		ret = iou_nvme_start_part(io, i ? &io->more[i - 1] : &io->bio,
					  off, min(part, io->len - off), false);
		if (ret) {
			io->error = ret;
			atomic_sub(parts - i, &io->left);
			break;
		}
	}
	iou_nvme_part_done(io);
	return 0;
}

struct iou_nvme_probe {
	struct iou_io io;
	struct bio_vec bv;
	struct completion done;
	atomic_t refs; /* who asks, and the request */
};

static void iou_nvme_probe_put(struct iou_nvme_probe *p)
{
	if (!atomic_dec_and_test(&p->refs))
		return;
	__free_pages(p->bv.bv_page, get_order(p->bv.bv_len));
	kfree(p);
}

static void iou_nvme_probe_done(struct iou_io *io)
{
	struct iou_nvme_probe *p = container_of(io, struct iou_nvme_probe, io);

	complete(&p->done);
	iou_nvme_probe_put(p);
	module_put(THIS_MODULE);
}

/* To read the block at @pos of the device into more memory than it should take. */
static struct iou_nvme_probe *iou_nvme_probe_alloc(struct iou_storage *st,
						   u64 pos)
{
	const u32 block = iou_block_size(st);
	struct iou_nvme_probe *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->bv.bv_len = round_down(block, PAGE_SIZE) + PAGE_SIZE;
	p->bv.bv_page =
		alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(p->bv.bv_len));
	if (!p->bv.bv_page) {
		kfree(p);
		return NULL;
	}
	init_completion(&p->done);
	atomic_set(&p->refs, 2);
	p->io.done = iou_nvme_probe_done;
	p->io.st = st;
	p->io.flags = IO_UNIFIED_F_READ;
	/* Of the device, not of the window: start is added to it. */
	p->io.pos = pos - st->start;
	p->io.len = block;
	p->io.bvec = &p->bv;
	p->io.nr_bvec = 1;
	return p;
}

/*
 * Read a block. A remote device may not be there for minutes, so who waits for it can
 * be killed: the request has what it needs. Whoever looks at @p puts it.
 */
static int iou_nvme_probe_read(struct iou_nvme_probe *p, u32 room)
{
	int ret;

	__module_get(THIS_MODULE);
	ret = iou_nvme_start(&p->io, &p->io.bio, 0, p->io.len, room, false);
	if (!ret)
		return wait_for_completion_killable(&p->done);
	module_put(THIS_MODULE);
	iou_nvme_probe_put(p);
	return ret;
}

/*
 * Read the block behind the last one. The drive says no, nothing is moved, and
 * its status must arrive where we look for it.
 */
static int iou_nvme_probe_status(struct iou_storage *st)
{
	struct iou_nvme_probe *p = iou_nvme_probe_alloc(
		st, (u64)bdev_nr_sectors(st->bdev) << SECTOR_SHIFT);
	int ret;

	if (!p)
		return -ENOMEM;
	ret = iou_nvme_probe_read(p, p->io.len);
	if (!ret && !(p->io.error && p->io.nvme_status))
		ret = -EPROTO;
	iou_nvme_probe_put(p);
	return ret;
}

/*
 * Read the first block: does more arrive than that? With protection information in
 * the blocks themselves they are longer than the block layer tells, and only commands
 * of the driver's own have a drive strip it. One that is told how much memory there is
 * may say no to so much: it keeps to it.
 */
static int iou_nvme_probe_length(struct iou_storage *st)
{
	struct iou_nvme_probe *p = iou_nvme_probe_alloc(st, 0);
	const u64 mark = get_random_u64();
	u64 *behind, *end;
	int ret;

	if (!p)
		return -ENOMEM;
	behind = page_address(p->bv.bv_page) + iou_block_size(st);
	end = page_address(p->bv.bv_page) + p->bv.bv_len;
	memset64(behind, mark, end - behind);
	ret = iou_nvme_probe_read(p, p->bv.bv_len);
	if (!ret && p->io.error &&
	    (p->io.nvme_status & IOU_NVME_STATUS_MASK) !=
		    NVME_SC_SGL_INVALID_DATA)
		ret = -EPROTO;
	for (; !ret && behind < end; behind++)
		if (*behind != mark)
			ret = -EMEDIUMTYPE;
	iou_nvme_probe_put(p);
	return ret;
}

/* Is the command where nvme_init_request() puts it what we handed in? */
static int iou_nvme_probe_layout(struct iou_storage *st)
{
	struct nvme_command c;
	struct request *rq;
	int ret;

	rq = blk_mq_alloc_request(st->queue, REQ_OP_DRV_IN, 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	memset(&c, 0, sizeof(c));
	c.common.opcode = nvme_cmd_read;
	c.common.nsid = cpu_to_le32(st->nsid);
	c.common.cdw15 = cpu_to_le32(0x10ca11ed);
	nvme_init_request(rq, &c);
	ret = memcmp(iou_nvme_req(rq)->cmd, &c, sizeof(c)) ? -EPROTO : 0;
	blk_mq_free_request(rq);
	return ret;
}

/*
 * Can this device take requests? -EACCES: it is a partition, and a request would reach
 * the whole drive. -EMEDIUMTYPE: its blocks carry metadata, or nobody can tell.
 * -ERESTARTSYS: the caller was killed.
 */
int iou_nvme_probe(struct iou_storage *st)
{
	const struct block_device_operations *fops = st->bdev->bd_disk->fops;
	int nsid, ret;

	if (strcmp(module_name(fops->owner), "nvme_core") || !fops->ioctl)
		return -ENODEV;
	nsid = fops->ioctl(st->bdev, 0, NVME_IOCTL_ID, 0);
	if (nsid <= 0)
		return -ENODEV;
	/* A multipath head: its bios find a path, its requests would not. */
	if (!st->mq)
		return -ENODEV;
	if (bdev_is_partition(st->bdev))
		return -EACCES;
	/* Metadata beside the blocks is nowhere to be seen where it is not built in. */
	if (!IS_ENABLED(CONFIG_BLK_DEV_INTEGRITY) ||
	    bdev_get_integrity(st->bdev))
		return -EMEDIUMTYPE;

	st->nsid = nsid;
	ret = iou_nvme_probe_layout(st);
	if (!ret)
		ret = iou_nvme_probe_status(st);
	if (!ret)
		ret = iou_nvme_probe_length(st);
	if (ret && ret != -ERESTARTSYS && ret != -EMEDIUMTYPE)
		pr_warn_once(
			"io_unified: %pg: NVMe requests are not laid out as expected (%d), using bios\n",
			st->bdev, ret);
	return ret;
}
