/* SPDX-License-Identifier: GPL-2.0 */
/* Storage: block devices and files, and one transfer between one and the region */
#ifndef IOU_STORAGE_H
#define IOU_STORAGE_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/nvme.h>

#include "iou.h"

struct iou_io;

enum iou_io_op {
	IOU_IO_READ,
	IOU_IO_WRITE,
	IOU_IO_FLUSH,
	IOU_IO_DISCARD,
	IOU_IO_ZEROES,
	IOU_IO_OPCODE, /* a raw NVMe command, maybe with data */
};

/* What the flags of a storage stage ask for */
static inline enum iou_io_op iou_io_op_of(u32 flags)
{
	if (likely(!(flags & (IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_FLUSH |
			      IO_UNIFIED_F_DISCARD | IO_UNIFIED_F_ZEROES))))
		return flags & IO_UNIFIED_F_WRITE ? IOU_IO_WRITE : IOU_IO_READ;
	if (flags & IO_UNIFIED_F_OPCODE)
		return IOU_IO_OPCODE;
	if (flags & IO_UNIFIED_F_DISCARD)
		return IOU_IO_DISCARD;
	return flags & IO_UNIFIED_F_ZEROES ? IOU_IO_ZEROES : IOU_IO_FLUSH;
}

/**
 * struct iou_storage - an attached block device or file
 * @att: the attachment
 * @file: the file, or what keeps the device open
 * @bdev: the device, NULL for a file
 * @queue: its queue
 * @start: first byte of the window on the device or in the file
 * @size: bytes of the window
 * @nsid: NVMe namespace (passthrough)
 * @path: enum io_unified_path
 * @block_shift: log2 of the logical block size
 * @block_mask: the block size, less 1
 * @plain_max: bytes that a plain op may have: not more than an op, the region or the
 *	window
 * @max_bytes: largest transfer
 * @max_segs: most DMA segments of one transfer
 * @gap_mask: segments in the middle must start and end on this boundary
 * @dma_mask: memory address and length must be aligned to this
 * @readable: rights of the file
 * @writable: rights of the file and the attachment
 * @forbidden: the same: IO_UNIFIED_F_READ, IO_UNIFIED_F_WRITE
 * @pollable: it has queues without interrupts
 * @mq: its bios become requests of @queue, not bios for others
 * @limit: file: where writes must end
 * @later_lock: file: @later, @workers, @appends, @appending; _irqsave
 * @later: file: what waits for a worker
 * @workers: file: how many it has
 * @appends: file: writes that extend it, and wait for @append
 * @appending: file: which is at work
 * @append: file: writes them, one after the other
 * @run_vecs: file: the memory of those that it writes as one
 * @frozen: file: what waits for its file system to be thawed
 * @thaw: file: looks whether it was
 */
struct iou_storage {
	struct iou_att att;
	struct file *file;
	struct block_device *bdev;
	struct request_queue *queue;
	u64 start;
	u64 size;
	u32 nsid;
	u32 path;
	u32 block_shift;
	u32 block_mask;
	u32 plain_max;
	u32 max_bytes;
	u32 max_segs;
	u32 gap_mask;
	u32 dma_mask;
	bool readable;
	bool writable;
	u32 forbidden;
	bool pollable;
	bool mq;
	u64 limit;
	spinlock_t later_lock; /* see above */
	struct list_head later;
	unsigned int workers;
	struct list_head appends;
	bool appending;
	struct work_struct append;
	struct bio_vec *run_vecs;
	struct llist_head frozen;
	struct delayed_work thaw;
};

static inline u32 iou_block_size(const struct iou_storage *st)
{
	return 1U << st->block_shift;
}

/*
 * Has the device blocks of the size that it was attached with? Whoever formats it
 * need not ask us, and a block is what a drive moves, whatever was meant.
 */
static inline bool iou_block_size_holds(const struct iou_storage *st)
{
	return likely(READ_ONCE(st->queue->limits.logical_block_size) ==
		      iou_block_size(st));
}

static inline struct iou_storage *iou_att_storage(struct iou_att *att)
{
	return container_of(att, struct iou_storage, att);
}

/**
 * struct iou_io - a transfer
 * @done: it is over, see @error; any context, maybe hard interrupt, maybe
 *	before iou_storage_submit() returns
 * @st: the device; the submitter holds a reference
 * @pos: byte offset in the window
 * @len: bytes; of a read that a file's end cut short, in the end what it gave
 * @flags: what to do: the descriptor's flags, of which storage looks at its own
 * @opcode: with IO_UNIFIED_F_OPCODE
 * @poll: who submits it polls for it
 * @alone: it does not go on where the one before it ended
 * @reuse: @bio was of a transfer like any within a page, which went well, and only
 *	what that changed is written anew (passthrough)
 * @bvec: the memory: slices of physically contiguous bytes
 * @nr_bvec: how many
 * @skip: bytes to leave out at the start of the first
 * @error: 0 or -errno
 * @nvme_status: of the drive (passthrough)
 * @failure: both of them, 0: there is none
 * @left: parts not done yet; file: who still uses @kiocb
 * @more: bios of the parts beyond the first, where one is not enough
 * @one: the memory, where it is one slice
 * @cmd: NVMe command: zero but for what nvme.c writes anew each time, so that
 *	it costs no clearing; the owner clears it once
 * @bio: of the first part
 * @kiocb: file: the part under way
 * @result: file: what became of it
 * @later: file: in iou_storage.later or .appends
 * @frozen: file: in iou_storage.frozen
 * @moved: file: bytes done before it
 * @work: what has to sleep
 */
struct iou_io {
	void (*done)(struct iou_io *io);
	struct iou_storage *st;
	u64 pos;
	u32 len;
	u32 flags;
	u8 opcode;
	bool poll;
	bool alone;
	bool reuse;
	struct bio_vec *bvec;
	u32 nr_bvec;
	u32 skip;
	union {
		struct {
			int error;
			u16 nvme_status;
		};
		u64 failure;
	};
	atomic_t left;
	struct bio_vec one;
	struct nvme_command cmd;
	union {
		struct {
			struct bio *more;
			struct bio bio;
		};
		struct {
			struct kiocb kiocb;
			ssize_t result;
			struct list_head later;
			struct llist_node frozen;
			u32 moved;
		};
	};
	struct work_struct work;
};

struct iou_att *iou_storage_attach(struct iou_region *r,
				   struct io_unified_attach *arg);

/* Is a byte range inside the window and block aligned? */
static inline bool iou_storage_fits(const struct iou_storage *st, u64 pos,
				    u64 len)
{
	return !((pos | len) & st->block_mask) && len <= st->size &&
	       pos <= st->size - len;
}

/* The same. 0, or -errno, *reason. */
int iou_storage_check(const struct iou_storage *st, u64 pos, u64 len,
		      u16 *reason);
/*
 * May this op be done with this attachment? With IOU_IO_OPCODE, @dir has the
 * direction of its data, IO_UNIFIED_F_READ or _WRITE. 0, or -errno, *reason.
 */
int iou_storage_allowed(const struct iou_storage *st, enum iou_io_op op,
			u8 opcode, u32 dir, u16 *reason);

/* bio.c, nvme.c: as iou_storage_submit() */
int iou_bio_submit(struct iou_io *io, bool nowait);
int iou_nvme_submit(struct iou_io *io, bool nowait);
/* file.c: does not sleep; done() may have been called when it returns. */
void iou_file_submit(struct iou_io *io);

/*
 * Start a transfer. 0: done() is or will be called. -EAGAIN, only with
 * @nowait: it would sleep, nothing was started. Else -errno.
 */
static inline int iou_storage_submit(struct iou_io *io, bool nowait)
{
	io->failure = 0;
	/*
	 * Ranges without data are the block layer's on every path: it knows what
	 * the device wants of them.
	 */
	if (io->st->path == IO_UNIFIED_PATH_PASSTHROUGH &&
	    !(io->flags & (IO_UNIFIED_F_DISCARD | IO_UNIFIED_F_ZEROES)))
		return iou_nvme_submit(io, nowait);
	if (io->st->path != IO_UNIFIED_PATH_FILE)
		return iou_bio_submit(io, nowait);
	iou_file_submit(io);
	return 0;
}

/* Why a transfer failed, and why one was not started. */
u16 iou_io_reason(const struct iou_io *io);
u16 iou_io_refusal(int error);

/* Bytes of more than one page: a chunk, or the part of the table with them. */
static inline void iou_io_set_chunks(struct iou_io *io,
				     const struct iou_mem *mem, u64 addr,
				     u32 len)
{
	unsigned long first = addr >> mem->chunk_shift;
	unsigned long last = (addr + len - 1) >> mem->chunk_shift;

	if (likely(first == last))
		return;
	io->bvec = mem->bvec + first;
	io->nr_bvec = last - first + 1;
	io->skip = addr & ((1UL << mem->chunk_shift) - 1);
}

static inline bool iou_in_page(u64 addr, u32 len)
{
	return offset_in_page(addr) + len <= PAGE_SIZE;
}

/* The memory of who takes no more than a page, and that from @one */
static inline void iou_io_set_page(struct iou_io *io, const struct iou_mem *mem,
				   u64 addr, u32 len)
{
	io->len = len;
	io->one.bv_page = mem->pages[addr >> PAGE_SHIFT];
	io->one.bv_len = len;
	io->one.bv_offset = offset_in_page(addr);
}

/*
 * Point an io at @len bytes of the region from @addr, which were checked. True: they
 * are within a page.
 */
static inline bool iou_io_set_mem(struct iou_io *io, const struct iou_mem *mem,
				  u64 addr, u32 len)
{
	iou_io_set_page(io, mem, addr, len);
	io->bvec = &io->one;
	io->nr_bvec = 1;
	io->skip = 0;
	if (likely(iou_in_page(addr, len)))
		return true;
	iou_io_set_chunks(io, mem, addr, len);
	return false;
}

/* Is the memory within a page? */
static inline bool iou_io_in_page(const struct iou_io *io)
{
	return io->bvec == &io->one &&
	       io->one.bv_offset + io->one.bv_len <= PAGE_SIZE;
}

/* Set a bio up over the slices of an io, from @off bytes into the first. */
static inline void iou_bio_set_mem(struct bio *bio, const struct iou_io *io,
				   u32 off, u32 len)
{
	/* Not ours to free or to walk by pages: as with an io_uring buffer. */
	bio_set_flag(bio, BIO_CLONED);
	bio->bi_io_vec = io->bvec;
	bio->bi_vcnt = io->nr_bvec;
	bio->bi_iter.bi_size = off + len;
	/* The iterator starts at the first slice: move it to our first byte. */
	if (unlikely(off))
		bio_advance_iter(bio, &bio->bi_iter, off);
}

/*
 * Add @len bytes of the region to a list of at most @max slices, within what
 * one transfer of the device can carry. False: it does not fit any more.
 */
bool iou_bvec_append(struct bio_vec *bv, u32 *nr, u32 max,
		     const struct iou_storage *st, const struct iou_mem *mem,
		     u64 addr, u32 len);

/* blk_start_plug() before about @nr requests: they are allocated at once. */
static inline void iou_plug_start(struct blk_plug *plug, unsigned int nr)
{
	blk_start_plug(plug);
	current->plug->nr_ios = clamp(nr, 1u, 32u);
}

struct io_comp_batch;

/* Look for completions on the queues without interrupts. Returns how many. */
int iou_storage_poll(const struct iou_storage *st, struct io_comp_batch *iob,
		     unsigned int flags);

/* file.c */
int iou_file_init(void);
void iou_file_exit(void);
/* Make an attachment of st->file: path, limits, window. */
int iou_file_attach(struct iou_storage *st, struct io_unified_attach *arg);
void iou_file_detach(struct iou_storage *st);
/* What an error of a file system means. */
u16 iou_file_reason(int error);

/* nvme.c */
int iou_nvme_probe(struct iou_storage *st);
/* May the caller send this command, and does it only read? */
bool iou_nvme_opcode_allowed(u8 opcode, bool *reads);
/* Does it go with the direction of its data? */
bool iou_nvme_opcode_dir(u8 opcode, u32 dir);
/* Is it about a range? A drive counts its blocks from 0: none cannot be asked for. */
bool iou_nvme_opcode_ranges(u8 opcode);

#endif /* IOU_STORAGE_H */
