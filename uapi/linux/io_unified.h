/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * io_unified: one memory region for network, BPF and storage
 *
 * /dev/io_unified gives an open file that can hold one *region*: a piece of
 * memory made of a control page, a submission ring (SQ), a completion ring
 * (CQ) and a data area of equal *frames*. *Attachments* (small integers, one
 * table per kind) bind the outside to the region: block devices, network
 * queues, sockets, BPF programs, io_urings. An *op*, one struct io_unified_desc, moves
 * data between them in place; a *stream* is an op that goes on by itself.
 *
 *   network rx ---> [BPF] ---> storage write      (record, place)
 *   network rx ---> [BPF] ---> application
 *   network rx ---> [BPF] ---> network tx         (reflect, forward)
 *   storage read -> [BPF] ---> network tx         (play, serve)
 *   network rx ---> [BPF] ---> storage write ---> network tx      (tee)
 *   storage read / write / flush                  (block I/O on the region)
 *   storage read -> BPF -> storage read -> ...    (look something up)
 *   BPF                                           (run a program over bytes)
 *
 * Ops are submitted as IORING_OP_URING_CMD on the device's fd, by an io_uring
 * that is linked to the region: one by one with its descriptor in the SQE
 * (IO_UNIFIED_CMD_OP), or many at once from an SQ of the region
 * (IO_UNIFIED_CMD_RING). IO_UNIFIED_ENTER does the latter without io_uring. What an op
 * may say is in io_unified_op.h.
 *
 * Conventions that hold everywhere:
 *  - every field named reserved must be zero, unknown flag bits are refused
 *    (-EINVAL, IO_UNIFIED_REASON_FLAGS or _RESERVED);
 *  - offsets named addr are byte offsets from the start of the region;
 *  - offsets and lengths on storage are in bytes;
 *  - an ioctl that fails writes the reason (enum io_unified_reason) back into
 *    the structure it was given; an op that fails has it in its completion;
 *  - all layouts are the same for 32- and 64-bit callers.
 */
#ifndef _UAPI_LINUX_IO_UNIFIED_H
#define _UAPI_LINUX_IO_UNIFIED_H

#include <linux/ioctl.h>
#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */

/* Raised only when something is added; nothing is ever taken away. */
#define IO_UNIFIED_ABI_VERSION	1

#define IO_UNIFIED_CTRL_SIZE	4096	/* bytes of the control page */
#define IO_UNIFIED_CTRL_MAGIC	0x494f5531u	/* "IOU1" */
#define IO_UNIFIED_MAX_LEN	(64u << 20)	/* bytes of one op */
#define IO_UNIFIED_TX_TIME_MAX	60000000000ull	/* ns from now to F_TIMED's @arg */
#define IO_UNIFIED_MAX_RINGS	15		/* pairs of SQ and CQ of a region */

/**
 * enum io_unified_feature - what this kernel and this build can do
 * @IO_UNIFIED_FEAT_USER_MEMORY: regions of the caller's memory
 * @IO_UNIFIED_FEAT_MODULE_MEMORY: regions that the module allocates
 * @IO_UNIFIED_FEAT_MODULE_FIXED_BUF: module memory, once mapped, is accepted
 *	as an io_uring fixed buffer
 * @IO_UNIFIED_FEAT_NVME_PASSTHROUGH: whole NVMe namespaces bypass the block
 *	layer's bio path
 * @IO_UNIFIED_FEAT_BIO: partitions, multipath heads, other block devices
 * @IO_UNIFIED_FEAT_XSK: receive through AF_XDP rings consumed in the kernel
 * @IO_UNIFIED_FEAT_RX_HANDLER: receive by copy from any Ethernet device
 * @IO_UNIFIED_FEAT_BPF: XDP programs run over bytes of the region
 * @IO_UNIFIED_FEAT_STREAM: IO_UNIFIED_CMD_STREAM
 * @IO_UNIFIED_FEAT_URING_CANCEL: io_uring tells the module when a ring, a
 *	process or an exec() takes a long-lived command down. Without it the
 *	module watches for these itself, ten times a second
 * @IO_UNIFIED_FEAT_RINGS: IO_UNIFIED_CMD_RING, IO_UNIFIED_ENTER
 * @IO_UNIFIED_FEAT_IOPOLL: ops from rings with IORING_SETUP_IOPOLL
 * @IO_UNIFIED_FEAT_CHAIN: IO_UNIFIED_CTL_AGAIN
 * @IO_UNIFIED_FEAT_FILE: regular files as storage attachments
 * @IO_UNIFIED_FEAT_KFUNCS: BPF programs can call io_unified_slice() and
 *	io_unified_crc32c(). Needs a kernel with BTF of modules (6.12 or later,
 *	not PREEMPT_RT) that took the BTF which this module was built with
 * @IO_UNIFIED_FEAT_TX: IO_UNIFIED_F_TX, the verdict XDP_TX of ops, send-only
 *	attachments
 * @IO_UNIFIED_FEAT_SOCKET: TCP and UDP sockets as attachments
 * @IO_UNIFIED_FEAT_TX_TIME: IO_UNIFIED_F_TIMED
 * @IO_UNIFIED_FEAT_STREAM_SOCKET: IO_UNIFIED_CMD_STREAM between storage and a socket
 * @IO_UNIFIED_FEAT_LEAD: IO_UNIFIED_F_LEAD; sockets send in the order of submission,
 *	also what is read first
 * @IO_UNIFIED_FEAT_STREAM_PLAY: IO_UNIFIED_CMD_STREAM from a recording to a queue
 */
enum io_unified_feature {
	IO_UNIFIED_FEAT_USER_MEMORY		= 1 << 0,
	IO_UNIFIED_FEAT_MODULE_MEMORY		= 1 << 1,
	IO_UNIFIED_FEAT_MODULE_FIXED_BUF	= 1 << 2,
	IO_UNIFIED_FEAT_NVME_PASSTHROUGH	= 1 << 3,
	IO_UNIFIED_FEAT_BIO			= 1 << 4,
	IO_UNIFIED_FEAT_XSK			= 1 << 5,
	IO_UNIFIED_FEAT_RX_HANDLER		= 1 << 6,
	IO_UNIFIED_FEAT_BPF			= 1 << 7,
	IO_UNIFIED_FEAT_STREAM			= 1 << 8,
	IO_UNIFIED_FEAT_URING_CANCEL		= 1 << 9,
	IO_UNIFIED_FEAT_RINGS			= 1 << 10,
	IO_UNIFIED_FEAT_IOPOLL			= 1 << 11,
	IO_UNIFIED_FEAT_CHAIN			= 1 << 12,
	IO_UNIFIED_FEAT_FILE			= 1 << 13,
	IO_UNIFIED_FEAT_KFUNCS			= 1 << 14,
	IO_UNIFIED_FEAT_TX			= 1 << 15,
	IO_UNIFIED_FEAT_SOCKET			= 1 << 16,
	IO_UNIFIED_FEAT_TX_TIME			= 1 << 17,
	IO_UNIFIED_FEAT_STREAM_SOCKET		= 1 << 18,
	IO_UNIFIED_FEAT_LEAD			= 1 << 19,
	IO_UNIFIED_FEAT_STREAM_PLAY		= 1 << 20,
};

/**
 * enum io_unified_reason - why something failed, beyond errno
 *
 * Numbers never change; libiounified's iou_strreason() gives a sentence.
 */
enum io_unified_reason {
	IO_UNIFIED_REASON_NONE = 0,
	/* arguments */
	IO_UNIFIED_REASON_FLAGS = 1,		/* unknown or contradicting flags */
	IO_UNIFIED_REASON_RESERVED = 2,		/* reserved field is not zero */
	IO_UNIFIED_REASON_SIZE = 3,		/* size zero, unaligned or too big */
	IO_UNIFIED_REASON_OVERFLOW = 4,		/* sum or product overflows */
	IO_UNIFIED_REASON_ADDR = 5,		/* outside the region's data area */
	IO_UNIFIED_REASON_ALIGN = 6,		/* address or length misaligned */
	IO_UNIFIED_REASON_OPS = 7,		/* this combination of ops has no meaning */
	IO_UNIFIED_REASON_KIND = 8,		/* unknown kind of attachment */
	IO_UNIFIED_REASON_INDEX = 9,		/* no attachment at this index */
	IO_UNIFIED_REASON_UNSUPPORTED = 10,	/* known, but not in this build */
	/* region and rings */
	IO_UNIFIED_REASON_NO_REGION = 20,	/* no region registered on this file */
	IO_UNIFIED_REASON_HAVE_REGION = 21,	/* a region is registered already */
	IO_UNIFIED_REASON_MEMLOCK = 22,		/* RLIMIT_MEMLOCK */
	IO_UNIFIED_REASON_PIN = 23,		/* the caller's memory cannot be pinned */
	IO_UNIFIED_REASON_NUMA = 24,		/* memory is not on the node asked for */
	IO_UNIFIED_REASON_NOT_URING = 25,	/* fd is not an io_uring */
	IO_UNIFIED_REASON_FOREIGN_RING = 26,	/* ring is not linked to the region */
	IO_UNIFIED_REASON_NEED_SQE128 = 27,	/* ring needs IORING_SETUP_SQE128 */
	IO_UNIFIED_REASON_CQ_FULL = 28,		/* no room left in the region's CQ */
	IO_UNIFIED_REASON_TABLE_FULL = 29,	/* no free attachment index */
	IO_UNIFIED_REASON_GONE = 30,		/* region or attachment goes away */
	IO_UNIFIED_REASON_CANCELED = 31,	/* by request, or the ring or task died */
	IO_UNIFIED_REASON_RING = 32,		/* no such SQ and CQ in the region */
	IO_UNIFIED_REASON_RING_BUSY = 33,	/* another caller is taking from the SQ */
	IO_UNIFIED_REASON_LINK = 34,		/* the op before it in its group failed */
	IO_UNIFIED_REASON_IOPOLL = 35,		/* not from a ring with IORING_SETUP_IOPOLL */
	/* storage */
	IO_UNIFIED_REASON_BAD_FD = 40,		/* fd is closed or of another kind */
	IO_UNIFIED_REASON_NOT_BLOCK = 41,	/* fd is not a block device, nor a file */
	IO_UNIFIED_REASON_READ_ONLY = 42,	/* fd or attachment has no write right */
	IO_UNIFIED_REASON_WRITE_ONLY = 43,	/* fd has no read right */
	IO_UNIFIED_REASON_PARTITION = 44,	/* passthrough would leave the partition */
	IO_UNIFIED_REASON_NOT_NVME = 45,	/* passthrough needs an NVMe namespace */
	IO_UNIFIED_REASON_RANGE = 46,		/* past the end of device, window or range */
	IO_UNIFIED_REASON_LBA_ALIGN = 47,	/* not a multiple of the block size */
	IO_UNIFIED_REASON_OPCODE = 48,		/* NVMe opcode is not allowed */
	IO_UNIFIED_REASON_NVME_STATUS = 49,	/* the drive said no: see nvme_status */
	IO_UNIFIED_REASON_IO = 50,		/* block layer error */
	IO_UNIFIED_REASON_METADATA = 51,	/* LBA format carries metadata */
	IO_UNIFIED_REASON_DEVICE_OP = 52,	/* the device has no discard, no write zeroes */
	IO_UNIFIED_REASON_DIRECT = 53,		/* file: not opened O_DIRECT, or cannot be */
	IO_UNIFIED_REASON_APPEND = 54,		/* file is opened O_APPEND */
	IO_UNIFIED_REASON_NO_SPACE = 55,	/* file system or quota is full */
	IO_UNIFIED_REASON_FILE_LIMIT = 56,	/* file would exceed RLIMIT_FSIZE */
	IO_UNIFIED_REASON_FORMATTED = 57,	/* has other blocks than when attached */
	/* network */
	IO_UNIFIED_REASON_NO_NETDEV = 60,	/* no such interface here */
	IO_UNIFIED_REASON_NOT_ETHERNET = 61,	/* not an Ethernet device */
	IO_UNIFIED_REASON_QUEUE = 62,		/* queue out of range */
	IO_UNIFIED_REASON_QUEUE_BUSY = 63,	/* queue or device is bound already */
	IO_UNIFIED_REASON_CAP_NET_RAW = 64,	/* needs CAP_NET_RAW */
	IO_UNIFIED_REASON_CAP_NET_ADMIN = 65,	/* needs CAP_NET_ADMIN */
	IO_UNIFIED_REASON_ZEROCOPY = 66,	/* zero-copy required, not available */
	IO_UNIFIED_REASON_XDP = 67,		/* XDP program could not be attached */
	IO_UNIFIED_REASON_XSK = 68,		/* AF_XDP socket could not be set up */
	IO_UNIFIED_REASON_FRAME_SIZE = 69,	/* AF_XDP needs frames of 2048 or 4096 */
	IO_UNIFIED_REASON_NET_DOWN = 70,	/* interface is down */
	IO_UNIFIED_REASON_NET_GONE = 71,	/* interface was removed */
	IO_UNIFIED_REASON_FRAME_BUSY = 72,	/* frame is in use by another op */
	IO_UNIFIED_REASON_TRUNCATED = 73,	/* packet was longer than the frame */
	IO_UNIFIED_REASON_STREAM_BUSY = 74,	/* queue or socket has a stream already */
	IO_UNIFIED_REASON_TX_LEN = 75,		/* packet too short, or longer than the MTU */
	IO_UNIFIED_REASON_TX_DROPPED = 76,	/* the interface did not send it */
	IO_UNIFIED_REASON_TX_TIMEOUT = 77,	/* the interface kept it for too long */
	IO_UNIFIED_REASON_SEND_ONLY = 78,	/* attachment receives nothing */
	IO_UNIFIED_REASON_NO_CARRIER = 79,	/* interface has no link */
	/* BPF */
	IO_UNIFIED_REASON_PROG_TYPE = 80,	/* program is not of type XDP */
	IO_UNIFIED_REASON_PROG_HELPERS = 81,	/* redirect maps, fragments, device-bound */
	IO_UNIFIED_REASON_BPF_ABORTED = 82,	/* XDP_ABORTED or unknown verdict */
	IO_UNIFIED_REASON_BPF_REDIRECT = 83,	/* XDP_REDIRECT */
	IO_UNIFIED_REASON_BPF_TX = 84,		/* XDP_TX, and nothing to send with */
	IO_UNIFIED_REASON_BPF_DROP = 85,	/* XDP_DROP: not an error */
	IO_UNIFIED_REASON_CTL_RANGE = 86,	/* program wrote an offset out of range */
	IO_UNIFIED_REASON_CTL_INDEX = 87,	/* program chose an absent attachment */
	IO_UNIFIED_REASON_CTL_LEN = 88,		/* program wrote an impossible length */
	IO_UNIFIED_REASON_CTL_META = 89,	/* program moved or cut the control block */
	IO_UNIFIED_REASON_CTL_FLAGS = 90,	/* program set unknown flags */
	IO_UNIFIED_REASON_CTL_ALIGN = 91,	/* program wrote an unaligned offset */
	IO_UNIFIED_REASON_HOPS = 92,		/* chain went on after max_hops reads */
	/* streams */
	IO_UNIFIED_REASON_FULL = 100,		/* range is full */
	IO_UNIFIED_REASON_LIMIT = 101,		/* packet limit reached */
	IO_UNIFIED_REASON_LAYOUT = 102,		/* layout is unknown or does not fit */
	/* sockets */
	IO_UNIFIED_REASON_NOT_SOCKET = 110,	/* fd is not a socket */
	IO_UNIFIED_REASON_SOCKET_TYPE = 111,	/* neither TCP nor UDP */
	IO_UNIFIED_REASON_NOT_CONNECTED = 112,	/* socket has no peer */
	IO_UNIFIED_REASON_SOCKET_ULP = 113,	/* kTLS or another layer is on the socket */
	IO_UNIFIED_REASON_RESET = 114,		/* the peer reset the connection */
	IO_UNIFIED_REASON_SHUT = 115,		/* the connection is shut for sending */
	IO_UNIFIED_REASON_PEER_TIMEOUT = 116,	/* the peer does not answer */
	IO_UNIFIED_REASON_UNREACHABLE = 117,	/* no way to the peer, or nobody listens */
	IO_UNIFIED_REASON_DATAGRAM = 118,	/* longer than a datagram can be */
	IO_UNIFIED_REASON_SOCKET = 119,		/* another error of the socket */
	/* transmit, continued */
	IO_UNIFIED_REASON_TX_TIME = 120,	/* launch time is too far away */
	/* sockets, continued */
	IO_UNIFIED_REASON_SOCKET_GAP = 121,	/* what was to be sent before is missing */
};

/* ------------------------------------------------------------------ ioctls */

#define IO_UNIFIED_MAGIC	0xea

/**
 * struct io_unified_info - IO_UNIFIED_GET_INFO
 * @abi_version: out: IO_UNIFIED_ABI_VERSION of the module
 * @max_attachments: out: attachments of each kind but sockets in one region
 * @features: out: mask of enum io_unified_feature
 * @max_region_size: out: bytes
 * @min_frame_size: out: bytes; frame sizes are powers of two
 * @max_frame_size: out: bytes
 * @max_entries: out: SQ and CQ entries, each
 * @max_links: out: io_urings that can be linked to one region
 * @max_sockets: out: socket attachments in one region; 0: it is not known
 * @reserved0: zero
 * @reserved: zero
 *
 * Anyone who may open the device may call it.
 */
struct io_unified_info {
	__u32 abi_version;
	__u32 max_attachments;
	__u64 features;
	__u64 max_region_size;
	__u32 min_frame_size;
	__u32 max_frame_size;
	__u32 max_entries;
	__u32 max_links;
	__u32 max_sockets;
	__u32 reserved0;
	__u64 reserved[7];
};

/**
 * struct io_unified_region_reg - IO_UNIFIED_REGISTER_REGION
 * @region_size: in: bytes of the whole region, a multiple of the page size
 * @user_addr: in: page-aligned address of @region_size bytes of the caller's
 *	memory (shared mapping: memfd, hugetlb, shmem; private anonymous memory
 *	works too, but not across fork()), or 0: the module allocates, and the
 *	caller maps it with mmap(fd, offset 0, @region_size, MAP_SHARED)
 * @sq_entries: in: power of two
 * @cq_entries: in: power of two
 * @frame_size: in: power of two, 2048 to 65536
 * @flags: in: none defined
 * @uring_fd: in: io_uring that may send commands, or -1 (link one later
 *	with IO_UNIFIED_KIND_RING)
 * @nvme_fd: in: block device for the first storage attachment, or -1
 * @net_ifindex: in: interface for the first network attachment, or 0
 * @net_rxq: in: its receive queue
 * @numa_node: in: node that the memory must be on, or -1
 * @nr_rings: in: pairs of SQ and CQ, at most IO_UNIFIED_MAX_RINGS; 0 = 1. Each
 *	has @sq_entries and @cq_entries
 * @reason: out: enum io_unified_reason when the call fails
 * @ctrl_off: out: where struct io_unified_ctrl is, always 0
 * @sq_off: out: where the first SQ's descriptors are; those of the others
 *	follow, @sq_entries each
 * @cq_off: out: where the first CQ's entries are, likewise
 * @data_off: out: where the data area starts, page aligned
 * @data_size: out: bytes of the data area, a multiple of @frame_size
 * @chunk_size: out: bytes that are physically contiguous throughout the
 *	region: one DMA segment carries at least this much
 * @storage_index: out: attachment made from @nvme_fd, or -1
 * @net_index: out: attachment made from @net_ifindex, or -1
 * @reserved0: zero
 * @reserved: zero
 *
 * The memory is pinned, and charged against RLIMIT_MEMLOCK unless the caller
 * has CAP_IPC_LOCK. Errors: -EEXIST (a region is there), -EINVAL, -EOVERFLOW,
 * -ENOMEM (memory or RLIMIT_MEMLOCK), -EFAULT (@user_addr cannot be pinned),
 * -EOPNOTSUPP (memory of a file in a file system), -EINTR, -EBADF, plus what
 * IO_UNIFIED_ATTACH returns for the two attachments.
 */
struct io_unified_region_reg {
	__u64 region_size;
	__u64 user_addr;
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 frame_size;
	__u32 flags;
	__s32 uring_fd;
	__s32 nvme_fd;
	__u32 net_ifindex;
	__u32 net_rxq;
	__s32 numa_node;
	__u32 reason;
	__u64 ctrl_off;
	__u64 sq_off;
	__u64 cq_off;
	__u64 data_off;
	__u64 data_size;
	__u64 chunk_size;
	__s32 storage_index;
	__s32 net_index;
	__u32 nr_rings;
	__u32 reserved0;
	__u64 reserved[7];
};

/**
 * enum io_unified_kind - what an attachment binds
 * @IO_UNIFIED_KIND_REGION: the region itself, for IO_UNIFIED_GET_STATS only
 * @IO_UNIFIED_KIND_STORAGE: a block device or a regular file, by @fd
 * @IO_UNIFIED_KIND_NETDEV: a queue to receive from and send to, by @ifindex and
 *	@queue
 * @IO_UNIFIED_KIND_SOCKET: a connected TCP or UDP socket, by @fd
 * @IO_UNIFIED_KIND_BPF: a program of type XDP, by @fd
 * @IO_UNIFIED_KIND_RING: a further io_uring that may send commands, by @fd
 */
enum io_unified_kind {
	IO_UNIFIED_KIND_REGION	= 0,
	IO_UNIFIED_KIND_STORAGE	= 1,
	IO_UNIFIED_KIND_NETDEV	= 2,
	IO_UNIFIED_KIND_SOCKET	= 4,
	IO_UNIFIED_KIND_BPF	= 5,
	IO_UNIFIED_KIND_RING	= 6,
};

/* io_unified_attach.flags: which path to take; without any, the best one. */
/* NETDEV: fail with _REASON_ZEROCOPY rather than receive by copy */
#define IO_UNIFIED_ATTACH_ZEROCOPY	(1u << 0)
/* NETDEV: AF_XDP in copy mode or better, never the rx handler */
#define IO_UNIFIED_ATTACH_XSK		(1u << 1)
/* NETDEV: the rx handler, also where AF_XDP would work */
#define IO_UNIFIED_ATTACH_RX_HANDLER	(1u << 2)
/*
 * NETDEV: nothing is received: the packets that arrive are the stack's as
 * before, and others may have the queue too
 */
#define IO_UNIFIED_ATTACH_SEND_ONLY	(1u << 6)
/* STORAGE: fail rather than use bios */
#define IO_UNIFIED_ATTACH_PASSTHROUGH	(1u << 3)
/* STORAGE: bios, also where passthrough would work */
#define IO_UNIFIED_ATTACH_BIO		(1u << 4)
/* STORAGE: refuse writes, whatever the fd allows */
#define IO_UNIFIED_ATTACH_RDONLY	(1u << 5)

/**
 * enum io_unified_path - how an attachment moves data
 * @IO_UNIFIED_PATH_PASSTHROUGH: requests on the NVMe queue
 * @IO_UNIFIED_PATH_BIO: bios
 * @IO_UNIFIED_PATH_FILE: direct I/O of a file system
 * @IO_UNIFIED_PATH_XSK_ZC: AF_XDP, the NIC writes into the region
 * @IO_UNIFIED_PATH_XSK_COPY: AF_XDP, the kernel copies into the region
 * @IO_UNIFIED_PATH_RX_HANDLER: the module copies from the socket buffer
 * @IO_UNIFIED_PATH_SEND_ONLY: nothing is received
 */
enum io_unified_path {
	IO_UNIFIED_PATH_NONE		= 0,
	IO_UNIFIED_PATH_PASSTHROUGH	= 1,
	IO_UNIFIED_PATH_BIO		= 2,
	IO_UNIFIED_PATH_FILE		= 3,
	IO_UNIFIED_PATH_XSK_ZC		= 4,
	IO_UNIFIED_PATH_XSK_COPY	= 5,
	IO_UNIFIED_PATH_RX_HANDLER	= 6,
	IO_UNIFIED_PATH_SEND_ONLY	= 7,
};

/**
 * struct io_unified_attach - IO_UNIFIED_ATTACH
 * @kind: in: enum io_unified_kind
 * @flags: in: IO_UNIFIED_ATTACH_*
 * @fd: in: STORAGE, SOCKET, BPF, RING; 0 for NETDEV
 * @ifindex: in: NETDEV
 * @queue: in: NETDEV: receive queue; what is sent goes to the transmit queue of
 *	this number
 * @ring_entries: in: NETDEV: AF_XDP fill and receive ring, a power of two from
 *	64 to 32768; 0 = enough for all frames of the region, and SEND_ONLY
 * @dev_start: in: STORAGE: first byte of the window that ops may touch
 * @dev_len: in: STORAGE: bytes of the window; 0 = to the end of the device, or
 *	of the file as it is now. Ops give offsets inside the window. In a file
 *	it may go beyond the end
 * @index: out: what ops name in their descriptor
 * @reason: out: enum io_unified_reason when the call fails; on success of a
 *	NETDEV attachment that copies, why it does
 * @path: out: enum io_unified_path that was obtained
 * @block_size: out: STORAGE: logical block size in bytes; of a file the
 *	alignment that direct I/O asks for
 * @max_transfer: out: STORAGE: largest single transfer of the device in
 *	bytes; longer ops are split
 * @max_segments: out: STORAGE: DMA segments of one transfer
 * @mem_align: out: STORAGE: addr and len must be multiples of this / of
 *	@block_size
 * @headroom: out: NETDEV: bytes in front of a packet in its frame
 * @size: out: STORAGE: bytes of the window
 * @reserved: zero
 *
 * STORAGE needs an fd open for reading (reads) and writing (writes). A file
 * must be opened with O_DIRECT and without O_APPEND, in a file system that tells
 * what direct I/O asks for (STATX_DIOALIGN). Its own offset does not matter and
 * does not change. Writes beyond its end make it longer, as far as the window and
 * RLIMIT_FSIZE of who attached it go; reads fall short at its end, and are empty
 * beyond; flush is fdatasync(), discard punches a hole, zeroes may make it longer.
 * Writes wait while the file system is frozen, and end with -ECANCELED
 * (_REASON_GONE) if the attachment goes meanwhile. NETDEV
 * needs CAP_NET_RAW and CAP_NET_ADMIN in the user namespace of the device's
 * network namespace; AF_XDP needs the capabilities of loading an XDP program
 * (CAP_BPF, CAP_NET_ADMIN) as well.
 *
 * SOCKET is TCP or UDP, over IPv4 or IPv6, and connected. Who has the fd may send
 * and receive. The attachment keeps it open; what the application does with it,
 * shutdown() for one, counts for the ops, too. Errors: -ENOTSOCK, -EPROTONOSUPPORT
 * (_SOCKET_TYPE), -ENOTCONN (_NOT_CONNECTED), -EOPNOTSUPP (_SOCKET_ULP: kTLS, a
 * sockmap).
 *
 * Errors of all kinds: -EINVAL, -EBADF, -ENOTBLK (@fd is
 * not a block device, nor a file), -ERANGE (window), -ENODEV, -ENETDOWN, -EPERM, -EACCES
 * (passthrough on a partition), -EBUSY, -EEXIST (ring is linked already),
 * -EOPNOTSUPP (@flags ask for what there is not), -ENOMEM, -ENOSPC (no free
 * index), -ENXIO (no region).
 */
struct io_unified_attach {
	__u32 kind;
	__u32 flags;
	__s32 fd;
	__u32 ifindex;
	__u32 queue;
	__u32 ring_entries;
	__u64 dev_start;
	__u64 dev_len;
	__s32 index;
	__u32 reason;
	__u32 path;
	__u32 block_size;
	__u32 max_transfer;
	__u32 max_segments;
	__u32 mem_align;
	__u32 headroom;
	__u64 size;
	__u64 reserved[6];
};

/**
 * struct io_unified_detach - IO_UNIFIED_DETACH
 * @kind: in: enum io_unified_kind
 * @index: in: attachment
 * @flags: in: none defined
 * @reason: out
 * @reserved: zero
 *
 * Ops that wait for a packet and streams that use the attachment end with
 * -ECANCELED; storage I/O in flight is waited for. Packets that the interface
 * has not taken end with -ECANCELED too; those that it has are waited for, for a
 * second at most. So it is with a socket: receives that wait and sends that have
 * not begun end at once, what has begun has a second. Of what is given up then, the
 * bytes that the stack has may still be sent, with what they are at that time.
 * Errors: -EINVAL, -ENOENT (no such attachment), -ENXIO (no region).
 */
struct io_unified_detach {
	__u32 kind;
	__u32 index;
	__u32 flags;
	__u32 reason;
	__u64 reserved[2];
};

/**
 * enum io_unified_stat - counters of a region or of one attachment
 * @IO_UNIFIED_STAT_OPS: ops submitted
 * @IO_UNIFIED_STAT_ERRORS: ops that ended with an error
 * @IO_UNIFIED_STAT_RX_PACKETS: packets that reached the module, datagrams received
 * @IO_UNIFIED_STAT_RX_BYTES: their bytes; bytes received from a socket
 * @IO_UNIFIED_STAT_RX_COPIED_BYTES: bytes that the CPU copied into the region
 * @IO_UNIFIED_STAT_FILTERED: packets that BPF dropped
 * @IO_UNIFIED_STAT_WRITTEN_PACKETS: packets of streams that are on storage
 * @IO_UNIFIED_STAT_WRITTEN_BYTES: bytes written to storage
 * @IO_UNIFIED_STAT_READ_BYTES: bytes read from storage
 * @IO_UNIFIED_STAT_DROP_NO_FRAME: dropped by the module: no frame to receive
 *	into, the sink is slower than the source
 * @IO_UNIFIED_STAT_DROP_NO_OP: dropped by the module: no op was waiting
 * @IO_UNIFIED_STAT_DROP_BPF: dropped: program aborted or gave nonsense
 * @IO_UNIFIED_STAT_DROP_TOO_LONG: dropped: longer than a frame
 * @IO_UNIFIED_STAT_DROP_WRITE: packets of a stream whose write failed
 * @IO_UNIFIED_STAT_DROP_STOPPED: packets that arrived while a stream ended
 * @IO_UNIFIED_STAT_DROP_XSK: dropped by AF_XDP (XDP_STATISTICS: rx_dropped)
 * @IO_UNIFIED_STAT_DROP_XSK_RING: dropped by AF_XDP, receive ring full
 * @IO_UNIFIED_STAT_DROP_NIC: dropped by the interface since it was attached
 *	(rx_dropped, rx_missed_errors)
 * @IO_UNIFIED_STAT_TRUNCATED: packets cut to the stream's snaplen
 * @IO_UNIFIED_STAT_REALIGNED: packets moved inside their frame because a
 *	program left them on an odd address
 * @IO_UNIFIED_STAT_WRITES: write commands that streams sent to storage
 * @IO_UNIFIED_STAT_CQ_OVERFLOW: stream entries folded into a later one because
 *	the CQ was full
 * @IO_UNIFIED_STAT_BPF_RUNS: program runs
 * @IO_UNIFIED_STAT_SQ_STALLED: times that descriptors were left in an SQ
 *	because its CQ had no room for their completions
 * @IO_UNIFIED_STAT_HOPS: reads that a program asked for
 * @IO_UNIFIED_STAT_TX_PACKETS: packets that the interface sent, datagrams sent
 * @IO_UNIFIED_STAT_TX_BYTES: their bytes; bytes sent to a socket
 * @IO_UNIFIED_STAT_TX_COPIED_BYTES: bytes of packets, and of sends to a socket, that
 *	the CPU copied on their way out
 * @IO_UNIFIED_STAT_TX_DROPPED: packets that were to be sent, and were not as
 *	far as the module knows
 * @IO_UNIFIED_STAT_TX_BUSY: times that the interface took no more for now, and packets
 *	had to wait
 * @IO_UNIFIED_STAT_TX_XSK_PACKETS: packets that were given to the interface by AF_XDP:
 *	it reads from the region, and nothing of them is copied
 * @IO_UNIFIED_STAT_MAX: room in struct io_unified_stats
 *
 * Of a stream's queue: what reached the interface = WRITTEN_PACKETS + FILTERED
 * + all DROP_* (+ what is in flight while it runs).
 */
enum io_unified_stat {
	IO_UNIFIED_STAT_OPS		= 0,
	IO_UNIFIED_STAT_ERRORS		= 1,
	IO_UNIFIED_STAT_RX_PACKETS	= 2,
	IO_UNIFIED_STAT_RX_BYTES	= 3,
	IO_UNIFIED_STAT_RX_COPIED_BYTES	= 4,
	IO_UNIFIED_STAT_FILTERED	= 5,
	IO_UNIFIED_STAT_WRITTEN_PACKETS	= 6,
	IO_UNIFIED_STAT_WRITTEN_BYTES	= 7,
	IO_UNIFIED_STAT_READ_BYTES	= 8,
	IO_UNIFIED_STAT_DROP_NO_FRAME	= 9,
	IO_UNIFIED_STAT_DROP_NO_OP	= 10,
	IO_UNIFIED_STAT_DROP_BPF	= 11,
	IO_UNIFIED_STAT_DROP_TOO_LONG	= 12,
	IO_UNIFIED_STAT_DROP_WRITE	= 13,
	IO_UNIFIED_STAT_DROP_STOPPED	= 14,
	IO_UNIFIED_STAT_DROP_XSK	= 15,
	IO_UNIFIED_STAT_DROP_XSK_RING	= 16,
	IO_UNIFIED_STAT_DROP_NIC	= 17,
	IO_UNIFIED_STAT_TRUNCATED	= 18,
	IO_UNIFIED_STAT_REALIGNED	= 19,
	IO_UNIFIED_STAT_WRITES		= 20,
	IO_UNIFIED_STAT_CQ_OVERFLOW	= 21,
	IO_UNIFIED_STAT_BPF_RUNS	= 22,
	IO_UNIFIED_STAT_SQ_STALLED	= 23,
	IO_UNIFIED_STAT_HOPS		= 24,
	IO_UNIFIED_STAT_TX_PACKETS	= 25,
	IO_UNIFIED_STAT_TX_BYTES	= 26,
	IO_UNIFIED_STAT_TX_COPIED_BYTES	= 27,
	IO_UNIFIED_STAT_TX_DROPPED	= 28,
	IO_UNIFIED_STAT_TX_BUSY		= 29,
	IO_UNIFIED_STAT_TX_XSK_PACKETS	= 30,
	IO_UNIFIED_STAT_MAX		= 32
};

/**
 * struct io_unified_stats - IO_UNIFIED_GET_STATS
 * @kind: in: IO_UNIFIED_KIND_REGION (sum of all), _STORAGE, _NETDEV, _SOCKET or
 *	_BPF
 * @index: in: attachment; 0 for the region
 * @reason: out
 * @reserved: zero
 * @counters: out: by enum io_unified_stat, since registration or attachment
 *
 * Errors: -EINVAL, -ENOENT (no such attachment), -ENXIO (no region).
 */
struct io_unified_stats {
	__u32 kind;
	__u32 index;
	__u32 reason;
	__u32 reserved;
	__u64 counters[IO_UNIFIED_STAT_MAX];
};

/**
 * struct io_unified_enter - IO_UNIFIED_ENTER
 * @ring: in: pair of SQ and CQ
 * @flags: in: none defined
 * @to_submit: in: descriptors to take from the SQ, at most
 * @min_complete: in: wait until the CQ has that many entries
 * @timeout_nsec: in: how long to wait; 0 = for ever
 * @submitted: out: descriptors taken
 * @completed: out: entries in the CQ
 * @reason: out
 * @reserved0: zero
 * @reserved: zero
 *
 * What IO_UNIFIED_CMD_RING does, without io_uring. An op lives until it is
 * done, canceled (IO_UNIFIED_F_CANCEL) or the region goes; it does not go with
 * the caller. Who holds the device's file may call it. Errors: -EINVAL, -ENXIO
 * (no region), -EBUSY (another caller takes from this SQ, or its CQ is full),
 * -ETIME, -EINTR; the latter two only if nothing was submitted.
 */
struct io_unified_enter {
	__u32 ring;
	__u32 flags;
	__u32 to_submit;
	__u32 min_complete;
	__u64 timeout_nsec;
	__u32 submitted;
	__u32 completed;
	__u32 reason;
	__u32 reserved0;
	__u64 reserved[2];
};

#define IO_UNIFIED_GET_INFO \
	_IOR(IO_UNIFIED_MAGIC, 0x00, struct io_unified_info)
#define IO_UNIFIED_REGISTER_REGION \
	_IOWR(IO_UNIFIED_MAGIC, 0x01, struct io_unified_region_reg)
/* No argument. Ends streams and waiting ops with -ECANCELED, waits for I/O. */
#define IO_UNIFIED_UNREGISTER_REGION \
	_IO(IO_UNIFIED_MAGIC, 0x02)
#define IO_UNIFIED_ATTACH \
	_IOWR(IO_UNIFIED_MAGIC, 0x03, struct io_unified_attach)
#define IO_UNIFIED_DETACH \
	_IOWR(IO_UNIFIED_MAGIC, 0x04, struct io_unified_detach)
#define IO_UNIFIED_GET_STATS \
	_IOWR(IO_UNIFIED_MAGIC, 0x05, struct io_unified_stats)
#define IO_UNIFIED_ENTER \
	_IOWR(IO_UNIFIED_MAGIC, 0x06, struct io_unified_enter)

#ifdef __cplusplus
}
#endif

#include "io_unified_op.h"

#endif /* _UAPI_LINUX_IO_UNIFIED_H */
