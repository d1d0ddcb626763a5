/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libiounified: ops, from a descriptor to an SQE
 *
 * Included by <iounified.h>.
 */
#ifndef IOUNIFIED_OP_H
#define IOUNIFIED_OP_H

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------- descriptors */

/*
 * The iou_desc_*() functions fill a descriptor, wherever it is: of an SQE
 * (iou_prep_op(), below) or of an SQ of the region (<iounified_ring.h>). What
 * they do not name is zero afterwards.
 */

/**
 * iou_desc_op() - any op
 * @d: descriptor
 * @ops: IO_UNIFIED_OP_*
 * @flags: IO_UNIFIED_F_*
 * @addr: byte offset in the region
 * @len: bytes
 */
static inline void iou_desc_op(struct io_unified_desc *d, uint32_t ops,
			       uint32_t flags, uint64_t addr, uint32_t len)
{
	memset(d, 0, sizeof(*d));
	d->addr = addr;
	d->len = len;
	d->ops = ops;
	d->flags = flags;
}

/**
 * iou_desc_storage() - a transfer between storage and region
 * @d: descriptor
 * @flags: IO_UNIFIED_F_READ or _WRITE, and modifiers
 * @storage: storage attachment
 * @addr: byte offset in the region
 * @len: bytes
 * @dev_offset: byte offset in the attachment's window
 */
static inline void iou_desc_storage(struct io_unified_desc *d, uint32_t flags,
				    unsigned int storage, uint64_t addr,
				    uint32_t len, uint64_t dev_offset)
{
	iou_desc_op(d, IO_UNIFIED_OP_NVME, flags, addr, len);
	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
}

/**
 * iou_desc_rx() - receive one packet
 * @d: descriptor
 * @r: region
 * @net: network attachment
 * @frame: number of the frame, the op's until it completes
 */
static inline void iou_desc_rx(struct io_unified_desc *d,
			       const struct iou_region *r, unsigned int net,
			       unsigned int frame)
{
	iou_desc_op(d, IO_UNIFIED_OP_NETWORK, IO_UNIFIED_F_RX,
		    iou_frame_addr(r, frame), r->frame_size);
	d->net = (uint16_t)net;
}

/**
 * iou_desc_tx() - send one packet
 * @d: descriptor
 * @net: network attachment to send to
 * @addr: byte offset in the region of its Ethernet header
 * @len: bytes
 */
static inline void iou_desc_tx(struct io_unified_desc *d, unsigned int net,
			       uint64_t addr, uint32_t len)
{
	iou_desc_op(d, IO_UNIFIED_OP_NETWORK, IO_UNIFIED_F_TX, addr, len);
	d->net_tx = (uint16_t)net;
}

/**
 * iou_desc_recv() - receive from a socket
 * @d: descriptor
 * @sock: socket attachment
 * @addr: byte offset in the region
 * @len: bytes that there is room for; with IO_UNIFIED_F_WAITALL in @d->flags, to
 *	wait for
 */
static inline void iou_desc_recv(struct io_unified_desc *d, unsigned int sock,
				 uint64_t addr, uint32_t len)
{
	iou_desc_op(d, IO_UNIFIED_OP_NETWORK,
		    IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET, addr, len);
	d->net = (uint16_t)sock;
}

/**
 * iou_desc_send() - send to a socket
 * @d: descriptor
 * @sock: socket attachment
 * @addr: byte offset in the region
 * @len: bytes
 */
static inline void iou_desc_send(struct io_unified_desc *d, unsigned int sock,
				 uint64_t addr, uint32_t len)
{
	iou_desc_op(d, IO_UNIFIED_OP_NETWORK,
		    IO_UNIFIED_F_TX | IO_UNIFIED_F_SOCKET, addr, len);
	d->net_tx = (uint16_t)sock;
}

/* --------------------------------------------------------------------- SQEs */

/*
 * The iou_prep_*() functions fill an SQE of a ring that was set up with
 * IORING_SETUP_SQE128 and is linked to the region. The SQE's user_data is left
 * alone: set it with io_uring_sqe_set_data64(), before or after. Those of an
 * op return its descriptor, for the iou_desc_set_*() functions.
 */

/* where an SQE of 128 bytes has room for 80 bytes of command */
#define IOU_SQE_CMD_OFFSET 48
#define IOU_SQE_SIZE 128

static inline void *iou_prep_cmd(struct io_uring_sqe *sqe,
				 const struct iou_region *r, uint32_t cmd_op)
{
	uint64_t user_data = sqe->user_data;
	unsigned char *p = (unsigned char *)sqe;

	/* an SQE is declared with half of its 128 bytes: forget what it is */
	__asm__("" : "+r"(p));
	memset(p, 0, IOU_SQE_SIZE);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->fd;
	sqe->cmd_op = cmd_op;
	sqe->user_data = user_data;
	return p + IOU_SQE_CMD_OFFSET;
}

/**
 * iou_prep_op() - any op
 * @sqe: SQE of 128 bytes
 * @r: region
 * @ops: IO_UNIFIED_OP_*
 * @flags: IO_UNIFIED_F_*
 * @addr: byte offset in the region
 * @len: bytes
 *
 * Return: the descriptor, everything else in it zero.
 */
static inline struct io_unified_desc *iou_prep_op(struct io_uring_sqe *sqe,
						  const struct iou_region *r,
						  uint32_t ops, uint32_t flags,
						  uint64_t addr, uint32_t len)
{
	struct io_unified_cmd *cmd = (struct io_unified_cmd *)iou_prep_cmd(
		sqe, r, IO_UNIFIED_CMD_OP);

	cmd->desc.addr = addr;
	cmd->desc.len = len;
	cmd->desc.ops = ops;
	cmd->desc.flags = flags;
	return &cmd->desc;
}

/**
 * iou_prep_read() - storage to region
 * @sqe: SQE of 128 bytes
 * @r: region
 * @storage: storage attachment
 * @addr: byte offset in the region
 * @len: bytes
 * @dev_offset: byte offset in the attachment's window
 */
static inline struct io_unified_desc *iou_prep_read(struct io_uring_sqe *sqe,
						    const struct iou_region *r,
						    unsigned int storage,
						    uint64_t addr, uint32_t len,
						    uint64_t dev_offset)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NVME,
						IO_UNIFIED_F_READ, addr, len);

	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
	return d;
}

/**
 * iou_prep_write() - region to storage
 * @sqe: SQE of 128 bytes
 * @r: region
 * @storage: storage attachment
 * @addr: byte offset in the region
 * @len: bytes
 * @dev_offset: byte offset in the attachment's window
 */
static inline struct io_unified_desc *
iou_prep_write(struct io_uring_sqe *sqe, const struct iou_region *r,
	       unsigned int storage, uint64_t addr, uint32_t len,
	       uint64_t dev_offset)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NVME,
						IO_UNIFIED_F_WRITE, addr, len);

	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
	return d;
}

/**
 * iou_prep_discard() - tell the device that a range is not needed any more
 * @sqe: SQE of 128 bytes
 * @r: region
 * @storage: storage attachment
 * @len: bytes
 * @dev_offset: byte offset in the attachment's window
 */
static inline struct io_unified_desc *
iou_prep_discard(struct io_uring_sqe *sqe, const struct iou_region *r,
		 unsigned int storage, uint32_t len, uint64_t dev_offset)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NVME,
						IO_UNIFIED_F_DISCARD, 0, len);

	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
	return d;
}

/**
 * iou_prep_zeroes() - make a range read as zeros
 * @sqe: SQE of 128 bytes
 * @r: region
 * @storage: storage attachment
 * @len: bytes
 * @dev_offset: byte offset in the attachment's window
 */
static inline struct io_unified_desc *
iou_prep_zeroes(struct io_uring_sqe *sqe, const struct iou_region *r,
		unsigned int storage, uint32_t len, uint64_t dev_offset)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NVME,
						IO_UNIFIED_F_ZEROES, 0, len);

	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
	return d;
}

/**
 * iou_prep_flush() - make what was written durable
 * @sqe: SQE of 128 bytes
 * @r: region
 * @storage: storage attachment
 */
static inline struct io_unified_desc *iou_prep_flush(struct io_uring_sqe *sqe,
						     const struct iou_region *r,
						     unsigned int storage)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NVME,
						IO_UNIFIED_F_FLUSH, 0, 0);

	d->storage = (uint16_t)storage;
	return d;
}

/**
 * iou_prep_bpf() - run a program over bytes of the region
 * @sqe: SQE of 128 bytes
 * @r: region
 * @bpf: BPF attachment
 * @addr: byte offset in the region; the 64 bytes before it are the op's too
 * @len: bytes
 */
static inline struct io_unified_desc *iou_prep_bpf(struct io_uring_sqe *sqe,
						   const struct iou_region *r,
						   unsigned int bpf,
						   uint64_t addr, uint32_t len)
{
	struct io_unified_desc *d =
		iou_prep_op(sqe, r, IO_UNIFIED_OP_BPF, 0, addr, len);

	d->bpf = (uint16_t)bpf;
	return d;
}

/**
 * iou_prep_rx() - receive one packet
 * @sqe: SQE of 128 bytes
 * @r: region
 * @net: network attachment
 * @frame: number of the frame, the op's until it completes
 *
 * The packet is at the frame's address + IO_UNIFIED_RES2_OFFSET(). Add a
 * program with iou_desc_set_bpf().
 */
static inline struct io_unified_desc *iou_prep_rx(struct io_uring_sqe *sqe,
						  const struct iou_region *r,
						  unsigned int net,
						  unsigned int frame)
{
	struct io_unified_desc *d =
		iou_prep_op(sqe, r, IO_UNIFIED_OP_NETWORK, IO_UNIFIED_F_RX,
			    iou_frame_addr(r, frame), r->frame_size);

	d->net = (uint16_t)net;
	return d;
}

/**
 * iou_prep_rx_write() - receive one packet and write it to storage
 * @sqe: SQE of 128 bytes
 * @r: region
 * @net: network attachment
 * @frame: number of the frame, the op's until it completes
 * @storage: storage attachment
 * @dev_offset: byte offset in the attachment's window
 */
static inline struct io_unified_desc *
iou_prep_rx_write(struct io_uring_sqe *sqe, const struct iou_region *r,
		  unsigned int net, unsigned int frame, unsigned int storage,
		  uint64_t dev_offset)
{
	struct io_unified_desc *d =
		iou_prep_op(sqe, r, IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
			    IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE,
			    iou_frame_addr(r, frame), r->frame_size);

	d->net = (uint16_t)net;
	d->storage = (uint16_t)storage;
	d->dev_offset = dev_offset;
	return d;
}

/**
 * iou_prep_tx() - send one packet
 * @sqe: SQE of 128 bytes
 * @r: region
 * @net: network attachment to send to
 * @addr: byte offset in the region of its Ethernet header
 * @len: bytes
 *
 * The bytes may be written to again when it completes. Put a program in front
 * with iou_desc_set_bpf().
 */
static inline struct io_unified_desc *iou_prep_tx(struct io_uring_sqe *sqe,
						  const struct iou_region *r,
						  unsigned int net,
						  uint64_t addr, uint32_t len)
{
	struct io_unified_desc *d = iou_prep_op(sqe, r, IO_UNIFIED_OP_NETWORK,
						IO_UNIFIED_F_TX, addr, len);

	d->net_tx = (uint16_t)net;
	return d;
}

/**
 * iou_prep_recv() - receive from a socket
 * @sqe: SQE of 128 bytes
 * @r: region
 * @sock: socket attachment
 * @addr: byte offset in the region
 * @len: bytes that there is room for
 *
 * It completes as soon as there are bytes, or one datagram; with 0 when the peer
 * has shut down its side. With IO_UNIFIED_F_WAITALL in the descriptor's flags it
 * waits for all of @len (TCP). Add a program with iou_desc_set_bpf().
 */
static inline struct io_unified_desc *iou_prep_recv(struct io_uring_sqe *sqe,
						    const struct iou_region *r,
						    unsigned int sock,
						    uint64_t addr, uint32_t len)
{
	struct io_unified_desc *d =
		iou_prep_op(sqe, r, IO_UNIFIED_OP_NETWORK,
			    IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET, addr, len);

	d->net = (uint16_t)sock;
	return d;
}

/**
 * iou_prep_send() - send to a socket
 * @sqe: SQE of 128 bytes
 * @r: region
 * @sock: socket attachment
 * @addr: byte offset in the region
 * @len: bytes
 *
 * All of them are sent, or one datagram. The bytes may be written to again when it
 * completes: nothing refers to them any more. Put a program in front with
 * iou_desc_set_bpf().
 */
static inline struct io_unified_desc *iou_prep_send(struct io_uring_sqe *sqe,
						    const struct iou_region *r,
						    unsigned int sock,
						    uint64_t addr, uint32_t len)
{
	struct io_unified_desc *d =
		iou_prep_op(sqe, r, IO_UNIFIED_OP_NETWORK,
			    IO_UNIFIED_F_TX | IO_UNIFIED_F_SOCKET, addr, len);

	d->net_tx = (uint16_t)sock;
	return d;
}

static inline struct io_unified_desc *
iou_prep_stream_of(struct io_uring_sqe *sqe, const struct iou_region *r,
		   const struct io_unified_stream *s, uint32_t flags,
		   unsigned int storage, uint64_t dev_offset, uint64_t addr,
		   uint32_t len)
{
	struct io_unified_cmd *cmd = (struct io_unified_cmd *)iou_prep_cmd(
		sqe, r, IO_UNIFIED_CMD_STREAM);

	cmd->stream = (uint64_t)(uintptr_t)s;
	cmd->desc.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	cmd->desc.flags = flags;
	cmd->desc.addr = addr;
	cmd->desc.len = len;
	cmd->desc.storage = (uint16_t)storage;
	cmd->desc.dev_offset = dev_offset;
	return &cmd->desc;
}

/**
 * iou_prep_stream() - receive, filter and write until cancelled
 * @sqe: SQE of 128 bytes
 * @r: region
 * @s: how; it must stay where it is until the SQE was submitted
 * @net: network attachment
 * @storage: storage attachment
 * @dev_offset: where in the attachment's window @s->range_len bytes start
 * @frame: first frame of the stream's own
 * @nr_frames: how many, all the stream's until it completes; less than 4 GiB of them
 *
 * Add a program with iou_desc_set_bpf(). The SQE completes when the stream
 * ends; until then the region's CQ tells of its progress.
 */
static inline struct io_unified_desc *
iou_prep_stream(struct io_uring_sqe *sqe, const struct iou_region *r,
		const struct io_unified_stream *s, unsigned int net,
		unsigned int storage, uint64_t dev_offset, unsigned int frame,
		unsigned int nr_frames)
{
	struct io_unified_desc *d = iou_prep_stream_of(
		sqe, r, s, IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE, storage,
		dev_offset, iou_frame_addr(r, frame),
		nr_frames * r->frame_size);

	d->net = (uint16_t)net;
	return d;
}

/**
 * iou_prep_stream_send() - send a byte range of storage to a socket
 * @sqe: SQE of 128 bytes
 * @r: region
 * @s: how; it must stay where it is until the SQE was submitted. Its @layout is
 *	IO_UNIFIED_LAYOUT_BYTES, its @range_len the bytes to send
 * @storage: storage attachment
 * @dev_offset: where in the attachment's window they start, any offset
 * @sock: socket attachment, TCP
 * @addr: byte offset in the region of the stream's memory
 * @len: bytes of it, all the stream's until it completes
 *
 * Add a program with iou_desc_set_bpf(). The SQE completes when the peer has all of
 * them. Needs IO_UNIFIED_FEAT_STREAM_SOCKET.
 */
static inline struct io_unified_desc *
iou_prep_stream_send(struct io_uring_sqe *sqe, const struct iou_region *r,
		     const struct io_unified_stream *s, unsigned int storage,
		     uint64_t dev_offset, unsigned int sock, uint64_t addr,
		     uint32_t len)
{
	struct io_unified_desc *d = iou_prep_stream_of(
		sqe, r, s,
		IO_UNIFIED_F_READ | IO_UNIFIED_F_TX | IO_UNIFIED_F_SOCKET,
		storage, dev_offset, addr, len);

	d->net_tx = (uint16_t)sock;
	return d;
}

/**
 * iou_prep_stream_recv() - write what a socket receives to storage
 * @sqe: SQE of 128 bytes
 * @r: region
 * @s: how; it must stay where it is until the SQE was submitted. Its @layout is
 *	IO_UNIFIED_LAYOUT_BYTES, its @range_len the bytes to receive at most
 * @sock: socket attachment, TCP
 * @storage: storage attachment
 * @dev_offset: where in the attachment's window they go, a multiple of its block
 *	size
 * @addr: byte offset in the region of the stream's memory
 * @len: bytes of it, all the stream's until it completes
 *
 * Add a program with iou_desc_set_bpf(), and iou_desc_set_fua() for writes that are
 * durable when they are done. The SQE completes at the end of what the peer sends.
 * Needs IO_UNIFIED_FEAT_STREAM_SOCKET.
 */
static inline struct io_unified_desc *
iou_prep_stream_recv(struct io_uring_sqe *sqe, const struct iou_region *r,
		     const struct io_unified_stream *s, unsigned int sock,
		     unsigned int storage, uint64_t dev_offset, uint64_t addr,
		     uint32_t len)
{
	struct io_unified_desc *d = iou_prep_stream_of(
		sqe, r, s,
		IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE | IO_UNIFIED_F_SOCKET,
		storage, dev_offset, addr, len);

	d->net = (uint16_t)sock;
	return d;
}

/**
 * iou_prep_stream_play() - send the packets of a recording
 * @sqe: SQE of 128 bytes
 * @r: region, of the recording's frame size
 * @s: how; it must stay where it is until the SQE was submitted. Its @recording_id
 *	is that of the recording's frames
 * @storage: storage attachment
 * @dev_offset: where in the attachment's window the first packet's frame is
 * @net: network attachment to send to
 * @addr: byte offset in the region of the stream's memory
 * @len: bytes of it, all the stream's until it completes
 *
 * Add a program with iou_desc_set_bpf(). The SQE completes when all packets are sent.
 * Needs IO_UNIFIED_FEAT_STREAM_PLAY.
 */
static inline struct io_unified_desc *
iou_prep_stream_play(struct io_uring_sqe *sqe, const struct iou_region *r,
		     const struct io_unified_stream *s, unsigned int storage,
		     uint64_t dev_offset, unsigned int net, uint64_t addr,
		     uint32_t len)
{
	struct io_unified_desc *d = iou_prep_stream_of(
		sqe, r, s, IO_UNIFIED_F_READ | IO_UNIFIED_F_TX, storage,
		dev_offset, addr, len);

	d->net_tx = (uint16_t)net;
	return d;
}

/**
 * iou_prep_cancel() - end streams and ops that wait for a packet or their time
 * @sqe: SQE of 128 bytes
 * @r: region
 * @user_data: the descriptor's, see iou_desc_set_user_data()
 */
static inline void iou_prep_cancel(struct io_uring_sqe *sqe,
				   const struct iou_region *r,
				   uint64_t user_data)
{
	struct io_unified_cancel *c = (struct io_unified_cancel *)iou_prep_cmd(
		sqe, r, IO_UNIFIED_CMD_CANCEL);

	c->user_data = user_data;
}

/**
 * iou_desc_set_bpf() - run a program between source and sink
 * @d: of an op with a source or a sink that takes a program, or of a stream
 * @bpf: BPF attachment
 */
static inline void iou_desc_set_bpf(struct io_unified_desc *d, unsigned int bpf)
{
	d->ops |= IO_UNIFIED_OP_BPF;
	d->bpf = (uint16_t)bpf;
}

/**
 * iou_desc_set_user_data() - what the region's CQ and a cancel name the op by
 * @d: descriptor
 * @user_data: any value
 */
static inline void iou_desc_set_user_data(struct io_unified_desc *d,
					  uint64_t user_data)
{
	d->user_data = user_data;
}

/**
 * iou_desc_set_cookie() - a word for the program
 * @d: descriptor
 * @cookie: any value; the completion has it as the program left it
 */
static inline void iou_desc_set_cookie(struct io_unified_desc *d,
				       uint64_t cookie)
{
	d->cookie = cookie;
}

/**
 * iou_desc_set_chain() - let the program ask for more reads
 * @d: descriptor of a read with a program
 * @max_hops: how many more, at most
 * @arg: io_unified_bpf_ctl.state[0] of the first run
 */
static inline void iou_desc_set_chain(struct io_unified_desc *d,
				      unsigned int max_hops, uint64_t arg)
{
	d->max_hops = (uint8_t)max_hops;
	d->arg = arg;
}

/**
 * iou_desc_set_tx() - send what was received, read or written
 * @d: of an op that receives a packet, receives and writes one, or reads
 * @net: network attachment to send to
 */
static inline void iou_desc_set_tx(struct io_unified_desc *d, unsigned int net)
{
	d->ops |= IO_UNIFIED_OP_NETWORK;
	d->flags |= IO_UNIFIED_F_TX;
	d->net_tx = (uint16_t)net;
}

/**
 * iou_desc_set_send() - send what was read to a socket
 * @d: of an op that reads
 * @sock: socket attachment to send to
 */
static inline void iou_desc_set_send(struct io_unified_desc *d,
				     unsigned int sock)
{
	d->ops |= IO_UNIFIED_OP_NETWORK;
	d->flags |= IO_UNIFIED_F_TX | IO_UNIFIED_F_SOCKET;
	d->net_tx = (uint16_t)sock;
}

/**
 * iou_desc_set_lead() - send a header before what is read, and not all of its end
 * @d: of an op that reads and sends to a socket, without a program
 * @lead: bytes in front of the buffer, in the region, that are sent first
 * @cut: of the bytes that are read, the last, how many are not sent
 *
 * For a response whose body ends within a block, by one op. The result counts what is
 * sent: @lead + length - @cut.
 */
static inline void iou_desc_set_lead(struct io_unified_desc *d, uint32_t lead,
				     uint32_t cut)
{
	d->flags |= IO_UNIFIED_F_LEAD;
	d->arg = lead | (uint64_t)cut << 32;
}

/**
 * iou_desc_set_time() - send not before a time
 * @d: of an op that sends to a network attachment
 * @nsec: CLOCK_MONOTONIC; what has passed is no time. At most
 *	IO_UNIFIED_TX_TIME_MAX from now
 *
 * Packets sent to one attachment leave in order: one that waits holds those behind
 * it. A program in front finds the time in ctl->state[0].
 */
static inline void iou_desc_set_time(struct io_unified_desc *d, uint64_t nsec)
{
	d->flags |= IO_UNIFIED_F_TIMED;
	d->arg = nsec;
}

/**
 * iou_desc_set_fua() - let a write complete when it is on the medium
 * @d: descriptor of a write
 */
static inline void iou_desc_set_fua(struct io_unified_desc *d)
{
	d->flags |= IO_UNIFIED_F_FUA;
}

/**
 * iou_desc_set_cq() - post an entry in the region's CQ as well
 * @d: descriptor
 */
static inline void iou_desc_set_cq(struct io_unified_desc *d)
{
	d->flags |= IO_UNIFIED_F_CQ;
}

/**
 * iou_desc_set_opcode() - send an NVMe I/O command of one's own choice
 * @d: from iou_prep_read() or iou_prep_write()
 * @opcode: NVMe opcode over the LBA range of the descriptor
 */
static inline void iou_desc_set_opcode(struct io_unified_desc *d,
				       uint8_t opcode)
{
	d->flags |= IO_UNIFIED_F_OPCODE;
	d->nvme_opcode = opcode;
}

#ifdef __cplusplus
}
#endif

#endif /* IOUNIFIED_OP_H */
