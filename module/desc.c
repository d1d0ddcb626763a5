// SPDX-License-Identifier: GPL-2.0
/* What a descriptor may say: see "What an op may combine" in the uapi header */
#include <linux/overflow.h>

#include "desc.h"
#include "storage.h"

#define IOU_OPS (IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME)
#define IOU_DIRECTIONS                                                 \
	(IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FLUSH | \
	 IO_UNIFIED_F_RX | IO_UNIFIED_F_TX | IO_UNIFIED_F_DISCARD |    \
	 IO_UNIFIED_F_ZEROES | IO_UNIFIED_F_CANCEL)
#define IOU_FLAGS                                                          \
	(IOU_DIRECTIONS | IO_UNIFIED_F_FUA | IO_UNIFIED_F_OPCODE |         \
	 IO_UNIFIED_F_CQ | IO_UNIFIED_F_LINK | IO_UNIFIED_F_STREAM |       \
	 IO_UNIFIED_F_SOCKET | IO_UNIFIED_F_WAITALL | IO_UNIFIED_F_TIMED | \
	 IO_UNIFIED_F_LEAD)

static int iou_desc_refuse(u16 *reason, u16 why)
{
	*reason = why;
	return -EINVAL;
}

/* Sockets have one direction in an op. */
static bool iou_desc_socket_fits(u32 ops, u32 flags)
{
	const u32 both = IO_UNIFIED_F_RX | IO_UNIFIED_F_TX;

	if (flags & IO_UNIFIED_F_WAITALL &&
	    (!(flags & IO_UNIFIED_F_SOCKET) || !(flags & IO_UNIFIED_F_RX)))
		return false;
	if (flags & IO_UNIFIED_F_LEAD &&
	    (!(flags & IO_UNIFIED_F_SOCKET) || !(flags & IO_UNIFIED_F_READ) ||
	     ops & IO_UNIFIED_OP_BPF))
		return false;
	return !(flags & IO_UNIFIED_F_SOCKET) ||
	       (ops & IO_UNIFIED_OP_NETWORK && (flags & both) != both);
}

/* Streams have storage at one end. */
static bool iou_desc_streams(u32 ops, u32 flags)
{
	const u32 ends = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	const u32 dir = flags & IOU_DIRECTIONS;

	if ((ops & ends) != ends ||
	    flags & (IO_UNIFIED_F_LINK | IO_UNIFIED_F_WAITALL |
		     IO_UNIFIED_F_TIMED | IO_UNIFIED_F_LEAD))
		return false;
	return dir == (IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE) ||
	       dir == (IO_UNIFIED_F_READ | IO_UNIFIED_F_TX);
}

/* Do the directions fit the ops? */
static bool iou_desc_combines(u32 ops, u32 flags)
{
	const u32 record = IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE;
	u32 dir = flags & IOU_DIRECTIONS;

	if ((flags & IO_UNIFIED_F_FUA) && !(dir & IO_UNIFIED_F_WRITE))
		return false;
	if ((flags & IO_UNIFIED_F_TIMED) && !(dir & IO_UNIFIED_F_TX))
		return false;
	if (!iou_desc_socket_fits(ops, flags))
		return false;
	if ((flags & IO_UNIFIED_F_STREAM) && !iou_desc_streams(ops, flags))
		return false;
	if (flags & IO_UNIFIED_F_OPCODE)
		return ops == IO_UNIFIED_OP_NVME &&
		       (!dir || dir == IO_UNIFIED_F_READ ||
			dir == IO_UNIFIED_F_WRITE);

	switch (ops) {
	case 0:
		return dir == IO_UNIFIED_F_CANCEL;
	case IO_UNIFIED_OP_NVME:
		return dir == IO_UNIFIED_F_READ || dir == IO_UNIFIED_F_WRITE ||
		       dir == IO_UNIFIED_F_FLUSH ||
		       dir == IO_UNIFIED_F_DISCARD ||
		       dir == IO_UNIFIED_F_ZEROES;
	case IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF:
		return dir == IO_UNIFIED_F_READ || dir == IO_UNIFIED_F_WRITE;
	case IO_UNIFIED_OP_BPF:
		return !dir;
	case IO_UNIFIED_OP_NETWORK:
	case IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF:
		return dir == IO_UNIFIED_F_RX || dir == IO_UNIFIED_F_TX ||
		       dir == (IO_UNIFIED_F_RX | IO_UNIFIED_F_TX);
	case IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME:
	case IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME:
		return dir == record || dir == (record | IO_UNIFIED_F_TX) ||
		       dir == (IO_UNIFIED_F_READ | IO_UNIFIED_F_TX);
	default:
		return false;
	}
}

/* Is there anything in a field that nobody reads? It may mean something one day. */
static bool iou_desc_unread(const struct io_unified_desc *d)
{
	const u32 chain = IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF;

	if (!(d->ops & IO_UNIFIED_OP_NVME) && (d->storage || d->dev_offset))
		return true;
	if (!(d->flags & IO_UNIFIED_F_RX) && d->net)
		return true;
	if (!(d->flags & IO_UNIFIED_F_TX) && d->net_tx)
		return true;
	if (!(d->ops & IO_UNIFIED_OP_BPF) && d->bpf)
		return true;
	if (!(d->flags & IO_UNIFIED_F_OPCODE) && d->nvme_opcode)
		return true;
	if (!(d->ops & IO_UNIFIED_OP_BPF) &&
	    !(d->flags & (IO_UNIFIED_F_STREAM | IO_UNIFIED_F_CANCEL |
			  IO_UNIFIED_F_TIMED | IO_UNIFIED_F_LEAD)) &&
	    d->arg)
		return true;
	return d->max_hops &&
	       ((d->ops & chain) != chain || !(d->flags & IO_UNIFIED_F_READ));
}

int iou_desc_check(const struct io_unified_desc *d, u16 *reason)
{
	if (d->reserved0[0] || d->reserved0[1])
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_RESERVED);
	if (d->flags & ~IOU_FLAGS)
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_FLAGS);
	if ((d->ops & ~IOU_OPS) || !iou_desc_combines(d->ops, d->flags))
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_OPS);
	if (iou_desc_unread(d))
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_RESERVED);
	return 0;
}

int iou_desc_check_mem(const struct iou_region *r,
		       const struct io_unified_desc *d, u16 *reason)
{
	const bool frames =
		(d->flags & (IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET)) ==
		IO_UNIFIED_F_RX;
	u64 start = d->addr, end;
	u32 mask = iou_frame_size(r) - 1;

	if (d->flags & (IO_UNIFIED_F_FLUSH | IO_UNIFIED_F_CANCEL)) {
		if (d->addr || d->len || d->dev_offset)
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
		return 0;
	}
	if (d->flags & (IO_UNIFIED_F_DISCARD | IO_UNIFIED_F_ZEROES)) {
		if (d->addr)
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
		/* The result is a signed number of bytes. */
		if (!d->len || d->len > S32_MAX)
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_SIZE);
		return 0;
	}
	if (d->len > IO_UNIFIED_MAX_LEN)
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if ((d->flags & IO_UNIFIED_F_OPCODE) &&
	    !(d->flags & (IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE))) {
		/* No data: the length, if any, only counts blocks. */
		if (d->addr)
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
		if (!d->len && iou_nvme_opcode_ranges(d->nvme_opcode))
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_SIZE);
		return 0;
	}
	if (!d->len)
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_SIZE);
	if ((d->ops & IO_UNIFIED_OP_BPF) && !frames &&
	    !(d->flags & IO_UNIFIED_F_STREAM)) {
		/* The control block is in front of the data. */
		if (start < sizeof(struct io_unified_bpf_ctl))
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
		start -= sizeof(struct io_unified_bpf_ctl);
	}
	if (d->flags & IO_UNIFIED_F_LEAD) {
		if (iou_desc_lead(d) > IO_UNIFIED_MAX_LEN ||
		    iou_desc_cut(d) >= d->len)
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_SIZE);
		if (start < iou_desc_lead(d))
			return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
		start -= iou_desc_lead(d);
	}
	if (check_add_overflow(d->addr, (u64)d->len, &end))
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_OVERFLOW);
	if (start < r->data_off || end > r->data_off + r->data_size)
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_ADDR);
	if (frames && (((d->addr - r->data_off) & mask) || (d->len & mask)))
		return iou_desc_refuse(reason, IO_UNIFIED_REASON_ALIGN);
	return 0;
}
