/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * io_unified: ops, the rings in the region that carry them, streams, and what BPF
 * programs see
 *
 * Included by <linux/io_unified.h>.
 */
#ifndef _UAPI_LINUX_IO_UNIFIED_OP_H
#define _UAPI_LINUX_IO_UNIFIED_OP_H

#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */

/* ---------------------------------------------------------- control page */

/* io_unified_ring.sq_flags */
/* nobody takes from the SQ: tell the module of what you put there */
#define IO_UNIFIED_SQ_NEED_WAKEUP	(1u << 0)
/* descriptors were left in the SQ because the CQ is full: reap, tell again */
#define IO_UNIFIED_SQ_CQ_FULL		(1u << 1)

/**
 * struct io_unified_ring - the indices of an SQ and its CQ
 * @sq_prod: descriptors put there; the application's
 * @sq_cons: descriptors taken; the module's. A slot may be filled again once
 *	it is behind
 * @sq_flags: IO_UNIFIED_SQ_*; the module's. After a store to @sq_prod and a full
 *	barrier: without IO_UNIFIED_SQ_NEED_WAKEUP a command that runs takes the
 *	descriptor, as far as it was asked to take so many
 * @cq_prod: entries posted; the module's
 * @cq_cons: entries reaped; the application's
 *
 * An index counts entries from 0 and wraps at 2^32; entry i is at
 * i & (entries - 1). Pair every index with acquire and release. One thread at
 * a time puts into an SQ or reaps from a CQ; different rings share nothing.
 * A descriptor is only taken when its CQ has room for the completion, so none
 * is ever lost.
 */
struct io_unified_ring {
	__u32 sq_prod;
	__u32 pad0[15];		/* who writes has a cache line to itself */
	__u32 sq_cons;
	__u32 sq_flags;
	__u32 pad1[14];
	__u32 cq_prod;
	__u32 pad2[15];
	__u32 cq_cons;
	__u32 pad3[15];
} __attribute__((aligned(64)));

/**
 * struct io_unified_ctrl - the region's first page
 * @ring: indices, @nr_rings of them
 *
 * The module writes the first block once and never reads it back.
 */
struct io_unified_ctrl {
	__u32 magic;		/* IO_UNIFIED_CTRL_MAGIC */
	__u32 abi_version;
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 frame_size;
	__u32 nr_rings;
	__u64 sq_off;
	__u64 cq_off;
	__u64 data_off;
	__u64 data_size;
	__u8  pad0[8];

	struct io_unified_ring ring[IO_UNIFIED_MAX_RINGS];
} __attribute__((aligned(64)));

/* -------------------------------------------------------------------- ops */

/* io_unified_desc.ops */
#define IO_UNIFIED_OP_NETWORK	(1u << 0)
#define IO_UNIFIED_OP_BPF	(1u << 1)
#define IO_UNIFIED_OP_NVME	(1u << 2)	/* storage, NVMe or not */

/* io_unified_desc.flags */
#define IO_UNIFIED_F_READ	(1u << 0)	/* storage -> region */
#define IO_UNIFIED_F_WRITE	(1u << 1)	/* region -> storage */
#define IO_UNIFIED_F_FLUSH	(1u << 2)	/* storage cache flush; addr, len 0 */
#define IO_UNIFIED_F_RX		(1u << 3)	/* network -> region */
#define IO_UNIFIED_F_TX		(1u << 4)	/* region -> network */
#define IO_UNIFIED_F_FUA	(1u << 5)	/* write is on the medium when done */
#define IO_UNIFIED_F_OPCODE	(1u << 6)	/* NVMe opcode is in @nvme_opcode */
#define IO_UNIFIED_F_CQ		(1u << 7)	/* post an entry in the region's CQ too */
#define IO_UNIFIED_F_DISCARD	(1u << 8)	/* storage range is not needed any more */
#define IO_UNIFIED_F_ZEROES	(1u << 9)	/* storage range reads as zeros */
#define IO_UNIFIED_F_LINK	(1u << 10)	/* SQ: the next one waits for this one */
#define IO_UNIFIED_F_STREAM	(1u << 11)	/* SQ: as IO_UNIFIED_CMD_STREAM, see @arg */
#define IO_UNIFIED_F_CANCEL	(1u << 12)	/* SQ: as IO_UNIFIED_CMD_CANCEL of @arg */
#define IO_UNIFIED_F_SOCKET	(1u << 13)	/* RX, TX: @net, @net_tx are sockets */
#define IO_UNIFIED_F_WAITALL	(1u << 14)	/* SOCKET, RX: wait for all @len bytes */
#define IO_UNIFIED_F_TIMED	(1u << 15)	/* TX: not before @arg, CLOCK_MONOTONIC ns */
#define IO_UNIFIED_F_LEAD	(1u << 16)	/* SOCKET, READ, TX: bytes around, see @arg */

/**
 * struct io_unified_desc - one op
 * @user_data: comes back in the region's CQ entry
 * @addr: byte offset in the region. With BPF, the 64 bytes before @addr hold
 *	the control block while the op runs: they are the op's too. With F_RX
 *	it is the start of a frame, which is the op's until it completes. With
 *	F_TX the bytes are the packet from its Ethernet header on, without
 *	checksum. With F_SOCKET they are what is sent, or where to receive, at any
 *	address
 * @dev_offset: byte offset in the storage attachment's window
 * @len: bytes, at most IO_UNIFIED_MAX_LEN; with F_RX the frame size, with F_SOCKET
 *	and F_RX the room
 * @ops: IO_UNIFIED_OP_*
 * @flags: IO_UNIFIED_F_*
 * @max_hops: NVME and BPF, READ: how many more reads the program may ask for
 *	(IO_UNIFIED_CTL_AGAIN)
 * @nvme_opcode: with F_OPCODE: an NVMe I/O command over the LBA range of
 *	@dev_offset and @len. Its last two bits say where its data goes, and
 *	F_WRITE (01), F_READ (10) or neither (00) must agree. Read, compare and
 *	verify need read rights, all others write rights; others than these,
 *	write, flush and write zeroes need CAP_SYS_ADMIN too. Write zeroes, verify
 *	and write uncorrectable have no less than a block (-EINVAL, _SIZE).
 *	Passthrough attachments only
 * @storage: storage attachment, or 0 where the op has none
 * @net: network attachment to receive from, with F_SOCKET socket attachment, or 0
 *	without F_RX
 * @net_tx: the same to send to, or 0 without F_TX
 * @bpf: BPF attachment, or 0 where the op has none
 * @cookie: handed to the program, and back as it leaves it
 * @arg: with BPF: io_unified_bpf_ctl.state[0]; F_STREAM: byte offset in the region
 *	of a struct io_unified_stream; F_CANCEL: user_data of what is to end;
 *	F_TIMED: when to send; F_LEAD: in the low half how many bytes in front of @addr
 *	are sent first, in the high half how many of those read, the last, are not
 * @reserved: zero
 *
 * ============================  =============================================
 * ops                           flags
 * ============================  =============================================
 * none                          CANCEL
 * NVME                          READ, WRITE [FUA], FLUSH, DISCARD, ZEROES, or
 *                               OPCODE
 * NVME | BPF                    READ (then BPF), WRITE [FUA] (after BPF)
 * BPF                           none
 * NETWORK                       RX, TX, RX | TX
 * NETWORK | BPF                 RX (then BPF), TX (after BPF), RX | TX
 * NETWORK | [BPF |] NVME        RX | WRITE [FUA] [STREAM]
 * NETWORK | [BPF |] NVME        READ | TX [STREAM]
 * NETWORK | [BPF |] NVME        RX | WRITE [FUA] | TX (when it is written)
 * ============================  =============================================
 *
 * and with SOCKET
 *
 * ============================  =============================================
 * NETWORK                       RX [WAITALL], TX
 * NETWORK | BPF                 RX [WAITALL] (then BPF), TX (after BPF)
 * NETWORK | [BPF |] NVME        RX [WAITALL] | WRITE [FUA]
 * NETWORK | [BPF |] NVME        RX | WRITE [FUA] [STREAM]
 * NETWORK | [BPF |] NVME        READ | TX [STREAM]
 * NETWORK | NVME                READ | TX [LEAD]
 * ============================  =============================================
 *
 * DISCARD and ZEROES have no memory: @addr is 0, @len bytes from @dev_offset,
 * which may be more than IO_UNIFIED_MAX_LEN. Where the device has no such
 * command they fail with -EOPNOTSUPP.
 *
 * F_LINK makes a group of consecutive descriptors of one command or call: each
 * starts when the one before it is done. After one that failed, fell short, or
 * was dropped, the rest of the group ends with -ECANCELED and _REASON_LINK.
 * What is not taken, for want of room in the CQ, begins a group of its own when it is.
 *
 * TX sends to the interface itself, past its queueing discipline and its packet
 * taps, as AF_XDP does. A packet has at least 14 bytes (-EINVAL) and at most
 * those of the MTU, the header and a VLAN tag (-EMSGSIZE). Packets of one
 * submitter leave in its order. The op is done when nothing refers to its bytes
 * any more, and not before: one may be done before the one in front of it. Packets of
 * up to 512 bytes (the module's parameter tx_copy) are copied, which is cheaper; of
 * longer ones the first 64 bytes are, and the rest where the interface or who taps it
 * wants a copy of its own (IO_UNIFIED_CQE_COPIED). Nothing is where the attachment
 * receives without copies
 * (IO_UNIFIED_PATH_XSK_ZC): the interface reads a packet from the frame that it lies
 * in; one that lies in more than one frame goes as described. An op ends with
 * -ENETDOWN or -ENODEV when the interface goes, with -ENOBUFS when it dropped the
 * packet, and with -ETIMEDOUT when it kept the packet, or took none at all, for five
 * seconds. A packet that the interface had may still be sent then, with what the bytes
 * are at that time. Where a file has ended nothing is read, and nothing sent: res is 0.
 *
 * With F_TIMED a packet is handed to the interface not before @arg, which is
 * CLOCK_MONOTONIC in ns; a time that has passed is no time. How much later depends
 * on the kernel's timers and what else it does. Packets sent to one attachment
 * still leave in order: one whose time has not come holds those behind it, whether
 * they have a time or not. Times that are more than IO_UNIFIED_TX_TIME_MAX ahead
 * when the op is taken are refused (-ERANGE). What waits can be canceled, and ends
 * with its ring, its task, and each of its attachments; the five seconds begin when
 * its time has come.
 *
 * Sockets. Ops of one direction on a socket are carried out one behind the other, in
 * the order of submission. One that reads first has its place from then on: reads go on
 * side by side, and what is behind it waits. If a read fails or falls short, if a send
 * fails and the connection lives, or is given up amid its bytes, a TCP stream would
 * have a hole: sends behind it end with -ECANCELED (_SOCKET_GAP), and so do all later
 * ones to that attachment. An op that is refused, canceled before it has begun, or
 * dropped takes no place, or gives it up. TX sends all of @len bytes, however long the
 * peer takes to make room, and with UDP one datagram (-EMSGSIZE, _DATAGRAM). Where the
 * interface can, nothing is copied (IO_UNIFIED_CQE_COPIED). F_LEAD sends a header that
 * lies in front of what is read, and an end within a block; the result counts what is
 * sent. The op is done when nothing refers to the bytes any more: with TCP when the
 * peer has acknowledged them, unless they were copied. RX completes as soon as there
 * are bytes, or one datagram (IO_UNIFIED_CQE_TRUNC: it was longer); with WAITALL when
 * there are @len bytes. While that waits, SO_RCVLOWAT of the socket is what it waits
 * for (a quarter of the receive buffer at most), unless the application has set it: so
 * poll() tells no less. What the application has set holds back the last bytes, too, as
 * for recv(2). At the end of a stream it falls short, and res is 0 when there is
 * nothing more. With WRITE, @addr and @len are what the storage attachment asks for,
 * and what is received is padded with zeros to whole blocks. Errors: -ECONNRESET
 * (_RESET), -EPIPE (_SHUT), -ETIMEDOUT (_PEER_TIMEOUT), -EHOSTUNREACH, -ENETUNREACH,
 * -ECONNREFUSED (_UNREACHABLE). They end sends whose bytes were not acknowledged.
 *
 * Ops that wait to receive and sends that have not begun can be canceled, and end
 * with what they belong to: ring, task, attachment, region. What a WAITALL had
 * received by then is its result (reason _CANCELED or _GONE), and so it is with an error
 * that leaves the connection alive (its reason). When ring or task die, sends that have
 * begun end too, some of their bytes sent.
 *
 * The verdict XDP_TX sends a received packet back out of @net, whether or not
 * the op has F_TX; without F_RX it is XDP_PASS where the op has F_TX. Nothing is
 * written to storage. IO_UNIFIED_CQE_SENT tells that a packet was sent. What came
 * from a socket does not go back (_BPF_TX).
 *
 * CQE: res = bytes moved or -errno. A packet that a program drops gives 0 and
 * IO_UNIFIED_CQE_DROPPED. A packet written by NETWORK | NVME is padded with
 * zeros to the storage's block size; res is the packet's length. A frame's op
 * that is canceled leaves its frame with the NIC until a packet fills it, the
 * frame is posted again, or the network attachment ends.
 */
struct io_unified_desc {
	__u64 user_data;
	__u64 addr;
	__u64 dev_offset;
	__u32 len;
	__u32 ops;
	__u32 flags;
	__u8  nvme_opcode;
	__u8  max_hops;
	__u8  reserved0[2];
	__u16 storage;
	__u16 net;
	__u16 bpf;
	__u16 net_tx;
	__u64 cookie;
	__u64 arg;
};

/* io_unified_cqe.flags */
#define IO_UNIFIED_CQE_MORE	(1u << 0)	/* stream goes on */
#define IO_UNIFIED_CQE_DROPPED	(1u << 1)	/* the program dropped it */
#define IO_UNIFIED_CQE_COPIED	(1u << 2)	/* the CPU copied the payload */
#define IO_UNIFIED_CQE_OVERFLOW	(1u << 3)	/* entry stands for earlier ones too */
#define IO_UNIFIED_CQE_TRUNC	(1u << 4)	/* packet was cut */
#define IO_UNIFIED_CQE_REALIGNED (1u << 5)	/* packet was moved in its frame */
#define IO_UNIFIED_CQE_SENT	(1u << 6)	/* it was sent */
#define IO_UNIFIED_CQE_DURABLE	(1u << 7)	/* all of @count is on the medium */

/**
 * struct io_unified_cqe - an entry of the region's CQ
 * @user_data: the op's
 * @addr: byte offset in the region of the data
 * @dev_offset: where it went to or came from
 * @len: bytes of the data. In a stream's entry the bytes written
 * @res: bytes or -errno
 * @ops: stages that were done
 * @flags: IO_UNIFIED_CQE_*
 * @verdict: what the program returned (enum xdp_action), 0 without BPF
 * @nvme_status: status field of the drive's completion (code, type, more, do
 *	not retry), 0 = success; passthrough only
 * @reason: enum io_unified_reason
 * @count: packets that the entry stands for; in a stream's last entry (no
 *	IO_UNIFIED_CQE_MORE) the packets on storage in all; of a read with BPF
 *	the reads that were done
 * @cookie: as the program left it; in a stream's last entry the packets that
 *	were received
 *
 * What the entries of a stream to or from a socket say is at struct
 * io_unified_stream.
 */
struct io_unified_cqe {
	__u64 user_data;
	__u64 addr;
	__u64 dev_offset;
	__u32 len;
	__s32 res;
	__u32 ops;
	__u32 flags;
	__u32 verdict;
	__u16 nvme_status;
	__u16 reason;
	__u64 count;
	__u64 cookie;
};

/*
 * With IORING_SETUP_CQE32 the io_uring CQE's big_cqe[0] carries the rest of
 * the result; the data (the packet of an rx op, what a program left) is at
 * desc.addr + OFFSET.
 */
#define IO_UNIFIED_RES2_STATUS(r)	((__u16)(r))
#define IO_UNIFIED_RES2_REASON(r)	((__u16)((r) >> 16))
#define IO_UNIFIED_RES2_OFFSET(r)	((__u16)((r) >> 32))
#define IO_UNIFIED_RES2_FLAGS(r)	((__u16)((r) >> 48))

/* ---------------------------------------------------------------- streams */

/* io_unified_stream.flags */
/* a CQ entry for every packet, not for every write */
#define IO_UNIFIED_STREAM_PER_PACKET	(1u << 0)
/* sockets, to a queue: CQ entries tell how far it is */
#define IO_UNIFIED_STREAM_PROGRESS	(1u << 1)
/* from a socket: the end of the stream is on the medium when the command completes */
#define IO_UNIFIED_STREAM_FLUSH		(1u << 2)
/* to a queue: as recorded, @pace thousandths as fast */
#define IO_UNIFIED_STREAM_TIMES		(1u << 3)
/* to a queue: @pace packets in a second */
#define IO_UNIFIED_STREAM_RATE		(1u << 4)

/**
 * enum io_unified_layout - what a stream's bytes look like on storage
 * @IO_UNIFIED_LAYOUT_ALIGNED: each packet takes one frame: a local-use pcapng
 *	block (struct io_unified_frame_block), an Enhanced Packet Block in
 *	front of the packet where the NIC put it, and a local-use block to the
 *	frame's end. Consecutive frames make one write
 * @IO_UNIFIED_LAYOUT_BYTES: bytes, as they are: streams to and from sockets
 */
enum io_unified_layout {
	IO_UNIFIED_LAYOUT_ALIGNED = 1,
	IO_UNIFIED_LAYOUT_BYTES = 2,
};

/**
 * struct io_unified_stream - what a stream needs beside its descriptor
 * @flags: IO_UNIFIED_STREAM_*
 * @layout: enum io_unified_layout: BYTES with a socket, else ALIGNED
 * @range_len: bytes of the storage window, from desc.dev_offset, that the
 *	stream may fill; a multiple of the frame size. Sockets: bytes to send, or to
 *	receive at most, any number
 * @batch_bytes: bytes of one write, at least a frame; 0 = 128 KiB. Sockets: of one
 *	chunk, a multiple of the block size, at most 4 MiB and what the device takes
 *	at once; 0 = 128 KiB, or half of the memory
 * @snaplen: bytes kept of a packet; 0 = as many as the frame holds
 * @flush_usec: a batch that is not full is written after this time;
 *	0 = 10000. From a socket: what is received is written after this time, in
 *	whole blocks; 0 = when a chunk is full, and SO_RCVLOWAT of the socket is
 *	what it waits for, as with WAITALL. Not with BPF
 * @interface_id: pcapng interface the packets belong to
 * @max_packets: the stream ends after this many packets were written; 0 = no
 *	limit
 * @recording_id: 16 bytes that mark this recording's frames
 * @flush_bytes: from a socket: flush the storage's cache each time that so many
 *	bytes are written, and at the end; 0 = do not
 * @pace: to a queue: how fast, with IO_UNIFIED_STREAM_TIMES or _RATE; else 0, as
 *	fast as the interface takes them
 * @reserved: zero
 *
 * From a queue: ops NETWORK | [BPF |] NVME, flags RX | WRITE, @addr and
 * @len a range of whole frames that is the stream's while it runs.
 *
 * With F_SOCKET (TCP only) @addr and @len are memory of the stream's, cut into
 * chunks of @batch_bytes and with BPF 512 bytes or more in front of each: at least
 * one, better four, so that drive and socket work at the same time. @snaplen,
 * @interface_id, @max_packets and @recording_id are zero. A socket has one stream in
 * each direction (-EBUSY, _STREAM_BUSY). Other ops that send to it are carried out
 * in front of the stream or behind it, if they are not handed in while it runs. The
 * CQE's res is the number of bytes, at most 2^31 - 1, or -errno. The last entry, no
 * IO_UNIFIED_CQE_MORE, has all of it, also after an error, and with
 * IO_UNIFIED_STREAM_PROGRESS there are entries before it.
 *
 * READ | TX sends @range_len bytes of storage from desc.dev_offset, which need not be
 * aligned. It ends when the peer has all of them, or, with _REASON_RANGE, where a file
 * ends earlier. A program sees each chunk, may change it, leave less or more of it, or
 * drop it. Canceled, it takes back what has not begun; what has begun has a second,
 * none if ring or task die. Entries: one for each chunk, in order: @addr, @dev_offset,
 * @len; @count is the bytes sent so far. Last entry: @count is the bytes that the peer
 * has (or that were copied for it), @dev_offset is where they end, @cookie is the
 * bytes that the connection took, more than @count if it died.
 *
 * RX | WRITE [FUA] writes what the peer sends to storage from desc.dev_offset, a
 * multiple of the block size. It ends with the peer's end of the stream, or with
 * _REASON_FULL when @range_len bytes were received; what comes behind stays in the
 * socket. After an error of the connection, or canceled, it writes what it has. The
 * last block is padded with zeros. A program sees each chunk and may change it or drop
 * it, but not its length (_REASON_CTL_LEN). Entries tell what is on storage without a
 * gap: @count bytes, up to @dev_offset, @len of them since the entry before, of @cookie
 * bytes received. With FUA, @flush_bytes or IO_UNIFIED_STREAM_FLUSH that is what is on
 * the medium, durable, and IO_UNIFIED_CQE_DURABLE says so. The last entry is the same.
 *
 * To a queue, without F_SOCKET, READ | TX plays what a stream from a queue recorded:
 * frames of the region's frame size, a multiple of the block size, from desc.dev_offset
 * on. @addr and @len are memory of the stream's as above. Packets leave in order, as
 * they were, each when it is due, if there is a @pace. It ends, res is how many packets
 * were sent, behind @range_len bytes, after @max_packets (_REASON_LIMIT), and in front
 * of the first frame that does not carry @recording_id and the number after that of the
 * frame before. One that does and is not as such a stream leaves it is refused (-EINVAL,
 * _REASON_LAYOUT). Packets that the interface drops are counted there and in
 * IO_UNIFIED_STAT_TX_DROPPED, and it goes on; other errors of the interface end it. A
 * program sees each packet and may change it, drop it, or cut it. Packets that wait
 * hold others of the queue. Entries: one for each chunk: @dev_offset, @len, @count is
 * the packets sent so far. Last entry: @count is the packets sent, @dev_offset where
 * the first frame is that was not, @cookie the packets of the recording that were
 * looked at.
 */
struct io_unified_stream {
	__u32 flags;
	__u32 layout;
	__u64 range_len;
	__u32 batch_bytes;
	__u32 snaplen;
	__u32 flush_usec;
	__u32 interface_id;
	__u64 max_packets;
	__u8  recording_id[16];
	__u64 flush_bytes;
	__u64 pace;
	__u64 reserved[4];
};

/* pcapng block type of padding and frame headers: local use (bit 31), "IOU" */
#define IO_UNIFIED_PCAPNG_BLOCK		0x80494f55u

/**
 * struct io_unified_frame_block - body of the block that opens a frame
 * @recording_id: of the stream
 * @seq: number of the frame in its storage attachment, from 0
 * @dropped: packets dropped by the stream so far, for whatever reason
 * @cookie: as the program left it
 *
 * In the byte order of the host, as the section header says. The recording's
 * end is known from the section length in its header; where the recorder died
 * it is the first frame that does not carry the recording's id and the next
 * number.
 */
struct io_unified_frame_block {
	__u8  recording_id[16];
	__u64 seq;
	__u64 dropped;
	__u64 cookie;
};

/**
 * struct io_unified_cmd - the command bytes of CMD_OP and CMD_STREAM (SQE128)
 * @desc: the op
 * @stream: CMD_STREAM: address of a struct io_unified_stream; CMD_OP: 0
 * @reserved: zero
 */
struct io_unified_cmd {
	struct io_unified_desc desc;
	__u64 stream;
	__u64 reserved;
};

/**
 * struct io_unified_cancel - the command bytes of CMD_CANCEL
 * @user_data: desc.user_data of the waiting ops and streams to end
 * @flags: none defined
 * @reserved: zero
 *
 * Ends ops that wait for a packet, for a socket or for their time to be sent
 * (-ECANCELED), and streams: a stream stops receiving, writes what it has, then
 * completes with -ECANCELED and its totals. CQE: res = how many were found, or
 * -ENOENT. I/O that is with a drive, and packets that are with an interface, are not
 * recalled.
 */
struct io_unified_cancel {
	__u64 user_data;
	__u32 flags;
	__u32 reserved;
};

/* io_unified_ring_cmd.flags */
/* complete when the descriptors are taken, not when they are done */
#define IO_UNIFIED_RING_SUBMIT	(1u << 0)

/**
 * struct io_unified_ring_cmd - the command bytes of CMD_RING (SQE of 64 bytes)
 * @nr: descriptors to take, at most (65536); 0 = until the SQ is empty
 * @ring: pair of SQ and CQ
 * @flags: IO_UNIFIED_RING_*
 * @reserved: zero
 *
 * Takes descriptors from the SQ as long as the CQ has room for their
 * completions, and starts them. Each completes in the CQ, one that is refused
 * too. CQE: res = how many were taken, when all of them are done (or, with
 * RING_SUBMIT, at once). -EBUSY: none could be taken because the CQ is full
 * (_REASON_CQ_FULL) or another command takes from the same SQ (_REASON_RING_BUSY).
 * With @nr 1 there is one CQE for each descriptor.
 */
struct io_unified_ring_cmd {
	__u32 nr;
	__u16 ring;
	__u16 flags;
	__u64 reserved;
};

/* sqe->cmd_op */
#define IO_UNIFIED_CMD_OP	_IOW(IO_UNIFIED_MAGIC, 0x40, struct io_unified_cmd)
#define IO_UNIFIED_CMD_RING	_IOW(IO_UNIFIED_MAGIC, 0x41, struct io_unified_ring_cmd)
#define IO_UNIFIED_CMD_STREAM	_IOW(IO_UNIFIED_MAGIC, 0x42, struct io_unified_cmd)
#define IO_UNIFIED_CMD_CANCEL	_IOW(IO_UNIFIED_MAGIC, 0x43, struct io_unified_cancel)

/* -------------------------------------------------------------------- BPF */

/* io_unified_bpf_ctl.flags */
/*
 * After a storage read, with XDP_PASS: read again, @len bytes from @dev_offset to
 * where this read went, and run me again. At most desc.max_hops times; @len may
 * not be more than desc.len, and the range lies in the attachment's window.
 */
#define IO_UNIFIED_CTL_AGAIN	(1u << 0)

/**
 * struct io_unified_bpf_ctl - the 64 bytes at data_meta, in and out
 * @dev_offset: in: where the data came from, or would be written to; out: where
 *	to write it, a multiple of the block size inside the op's window (in a
 *	stream: inside its range)
 * @cookie: in: desc.cookie; out: goes to the completion and the frame's block
 * @tstamp: in: when it was received, ns since 1970
 * @len: in: bytes of data; out: how many of them to keep. Left as it was: all
 *	that bpf_xdp_adjust_head() and _tail() left
 * @orig_len: in: bytes on the wire
 * @flags: in: 0; out: IO_UNIFIED_CTL_*
 * @ifindex: in: where it was received, or 0
 * @queue: in: receive queue
 * @storage: in: desc.storage; out: storage attachment to write to. In a
 *	stream, every attachment has its own append position, from desc.dev_offset
 *	on, which has to be a multiple of its block size
 * @net: in: with F_TX desc.net_tx, else desc.net; out: with F_TX the network or
 *	socket attachment to send to
 * @state: the program's own: desc.arg and 0 at first, kept from one read of a
 *	chain to the next
 *
 * With IO_UNIFIED_FEAT_KFUNCS a program can call
 *
 *	u8 *io_unified_slice(struct xdp_md *ctx, u64 off, const u32 size)
 *	s64 io_unified_crc32c(struct xdp_md *ctx, u64 off, u64 len, u32 crc)
 *
 * for bytes from data on, also those that are further away than the 64 KiB of
 * packet access; see iounified_bpf.h.
 *
 * In a stream, @dev_offset is the next append position of desc.storage. Left
 * as it is, the packet is appended to @storage; changed, it is placed there
 * and nothing is appended.
 */
struct io_unified_bpf_ctl {
	__u64 dev_offset;
	__u64 cookie;
	__u64 tstamp;
	__u32 len;
	__u32 orig_len;
	__u32 flags;
	__u32 ifindex;
	__u32 queue;
	__u16 storage;
	__u16 net;
	__u64 state[2];
};

#ifdef __cplusplus
}
#endif

#endif /* _UAPI_LINUX_IO_UNIFIED_OP_H */
