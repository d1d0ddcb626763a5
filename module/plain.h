/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plain reads and writes: the short way
 *
 * Most ops read or write one attachment and do nothing else. Such an op is checked
 * and started in one go, and uses of struct iou_op no more than @io, of which each
 * path has what it needs, @pool, @free, @r, @d, @cmd and @pair; the rest is not even
 * initialized. When anything goes wrong with it, it becomes an op like any other:
 * iou_op_of_plain().
 */
#ifndef IOU_PLAIN_H
#define IOU_PLAIN_H

#include "bio.h"
#include "nvme.h"
#include "op.h"

struct iou_ring_take;

/* Fields of a descriptor that lie side by side are looked at as one word. */

static inline u64 iou_plain_atts(u16 storage)
{
	const union {
		u16 index[4]; /* storage, net, bpf, net_tx */
		u64 word;
	} atts = { .index = { storage } };

	return atts.word;
}

static inline u64 iou_plain_flags(u32 flags)
{
	const union {
		u32 half[2]; /* flags; nvme_opcode, max_hops, reserved0 */
		u64 word;
	} w = { .half = { flags } };

	return w.word;
}

/*
 * Is it a plain read or write of @st, and nothing wrong with it? Flags in @ignore
 * do not matter. Whoever wants to know what is wrong asks iou_op_new().
 */
static __always_inline bool iou_plain_fits(const struct iou_region *r,
					   const struct iou_storage *st,
					   const struct io_unified_desc *d,
					   u32 ignore)
{
	const u64 what = *(const u64 *)&d->flags & ~iou_plain_flags(ignore);
	const u64 addr = d->addr - r->data_off;
	const u64 len = d->len;

	BUILD_BUG_ON(offsetof(struct io_unified_desc, flags) % sizeof(u64));
	if (unlikely(d->ops != IO_UNIFIED_OP_NVME))
		return false;
	if (what != iou_plain_flags(IO_UNIFIED_F_READ) &&
	    (what & ~iou_plain_flags(IO_UNIFIED_F_FUA)) !=
		    iou_plain_flags(IO_UNIFIED_F_WRITE))
		return false;
	if (unlikely(*(const u64 *)&d->storage !=
			     iou_plain_atts(st->att.index) ||
		     d->arg))
		return false;
	if (unlikely(((d->dev_offset | len) & st->block_mask) |
		     (d->addr & st->dma_mask) | (d->flags & st->forbidden)))
		return false;
	/* None is longer than the region or the attachment. */
	if (unlikely(len - 1 >= st->plain_max))
		return false;
	return likely(addr <= r->data_size - len &&
		      d->dev_offset <= st->size - len);
}

/*
 * Start it, as iou_storage_submit() does: op->d is there and fits, @r, @cmd and @pair
 * are set. @next: where the one before it ended. It ends with @end_io or with @done.
 * What was looked at to see whether it fits is at hand only until something is
 * written or called: so it is passed on.
 */
static __always_inline int iou_plain_start(struct iou_op *op,
					   struct iou_storage *st, u64 *next,
					   bool poll, bool nowait,
					   rq_end_io_fn *end_io,
					   void (*done)(struct iou_io *io))
{
	const u64 addr = op->d.addr, pos = op->d.dev_offset;
	const u32 len = op->d.len, flags = op->d.flags, path = st->path;
	const struct iou_mem *mem = &op->r->mem;
	const bool page = iou_in_page(addr, len);
	struct iou_io *io = &op->io;

	io->st = st;
	io->poll = poll;
	io->failure = 0;
	if (likely(path == IO_UNIFIED_PATH_PASSTHROUGH && page)) {
		iou_io_set_page(io, mem, addr, len);
		return iou_nvme_submit_page(io, st, pos, len, flags, end_io,
					    nowait);
	}
	io->done = done;
	io->pos = pos;
	io->flags = flags;
	io->alone = pos != READ_ONCE(*next);
	WRITE_ONCE(*next, pos + len);
	iou_io_set_mem(io, mem, addr, len);
	if (likely(path == IO_UNIFIED_PATH_BIO && page))
		return iou_bio_submit_page(io, st, pos, len, flags, nowait);
	return iou_storage_submit(io, nowait);
}

/* The end of a plain op that is a command of its own and has a reference on @st. */
rq_end_io_fn iou_plain_cmd_end_io;
void iou_plain_cmd_done(struct iou_io *io);

/* Ops that came back are at hand again, for who takes from the SQ. */
void iou_plain_refill(struct iou_pair *p);

/*
 * Take up to @nr descriptors from an SQ and start them, as long as they are plain
 * and of one attachment. There is room for them in the CQ. Returns how many.
 */
u32 iou_plain_take(struct iou_pair *p, u32 nr,
		   const struct iou_ring_take *take);

#endif /* IOU_PLAIN_H */
