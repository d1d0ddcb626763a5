/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plain reads and writes: the short way
 *
 * Most ops read or write one attachment and do nothing else. Such an op is checked
 * and started in one go, and uses of struct iou_op no more than @io, @pool, @free,
 * @r, @d, @cmd and @pair; the rest is not even initialized. When anything goes
 * wrong with it, it becomes an op like any other: iou_op_of_plain().
 */
#ifndef IOU_PLAIN_H
#define IOU_PLAIN_H

#include "op.h"

struct iou_ring_take;

/* The attachments of a descriptor as one word, of one that has only @storage */
static inline u64 iou_plain_atts(u16 storage)
{
	const union {
		u16 index[4]; /* storage, net, bpf, net_tx */
		u64 word;
	} atts = { .index = { storage } };

	return atts.word;
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
	const u32 dir = d->flags & ~ignore;
	const u64 addr = d->addr - r->data_off;

	if (unlikely(d->ops != IO_UNIFIED_OP_NVME))
		return false;
	if (dir != IO_UNIFIED_F_READ &&
	    (dir & ~IO_UNIFIED_F_FUA) != IO_UNIFIED_F_WRITE)
		return false;
	if (unlikely(*(const u64 *)&d->storage !=
		     iou_plain_atts(st->att.index)))
		return false;
	/* nvme_opcode, max_hops and reserved0 are one word */
	if (unlikely(*(const u32 *)&d->nvme_opcode | d->arg))
		return false;
	if (unlikely(((d->dev_offset | d->len) & (iou_block_size(st) - 1)) |
		     (d->addr & st->dma_mask) | (dir & st->forbidden)))
		return false;
	if (unlikely(!d->len || d->len > IO_UNIFIED_MAX_LEN))
		return false;
	if (unlikely(addr > r->data_size || d->len > r->data_size - addr))
		return false;
	return likely(d->dev_offset <= st->size &&
		      d->len <= st->size - d->dev_offset);
}

/* Ready for iou_storage_submit(). op->d is there and fits. */
static __always_inline void
iou_plain_prepare(struct iou_op *op, struct iou_region *r,
		  struct iou_storage *st, struct io_uring_cmd *cmd, bool poll,
		  void (*done)(struct iou_io *io))
{
	struct iou_io *io = &op->io;

	op->r = r;
	op->cmd = cmd;
	io->done = done;
	io->st = st;
	io->pos = op->d.dev_offset;
	io->flags = op->d.flags;
	io->poll = poll;
	iou_io_set_mem(io, &r->mem, op->d.addr, op->d.len);
}

/* The end of a plain op that is a command of its own and has a reference on @st. */
void iou_plain_cmd_done(struct iou_io *io);

/*
 * Take up to @nr descriptors from an SQ and start them, as long as they are plain
 * and of one attachment. There is room for them in the CQ. Returns how many.
 */
u32 iou_plain_take(struct iou_pair *p, u32 nr,
		   const struct iou_ring_take *take);

#endif /* IOU_PLAIN_H */
