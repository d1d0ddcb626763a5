// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Words for numbers: reasons, paths, counters, features. */
#include <errno.h>
#include <stdio.h>

#include "internal.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What is wrong, and after the colon what to do about it. */
static const char *const reasons[] = {
	[IO_UNIFIED_REASON_NONE] = "",
	[IO_UNIFIED_REASON_FLAGS] =
		"a flag is unknown, or flags contradict each other: check the call against the module's version",
	[IO_UNIFIED_REASON_RESERVED] =
		"a reserved field is not zero: clear the structure before filling it",
	[IO_UNIFIED_REASON_SIZE] =
		"a size is zero, too large, or not a power of two or a multiple of its unit: see 'iou info' for the limits",
	[IO_UNIFIED_REASON_OVERFLOW] =
		"offset and length together exceed 64 bits: correct them",
	[IO_UNIFIED_REASON_ADDR] =
		"the address is outside the region's frames: use iou_frame_addr()",
	[IO_UNIFIED_REASON_ALIGN] =
		"the address or length is misaligned: use multiples of the attachment's mem_align and block size",
	[IO_UNIFIED_REASON_OPS] =
		"this combination of ops and flags has no meaning: see the table at struct io_unified_desc",
	[IO_UNIFIED_REASON_KIND] =
		"the kind of attachment is unknown: see enum io_unified_kind",
	[IO_UNIFIED_REASON_INDEX] =
		"there is no attachment at this index: attach first, and use the index that came back",
	[IO_UNIFIED_REASON_UNSUPPORTED] =
		"this module was built without it: see 'iou info' for its features",
	[IO_UNIFIED_REASON_NO_REGION] =
		"no region is registered on this file: register one first",
	[IO_UNIFIED_REASON_HAVE_REGION] =
		"this file has a region already: unregister it, or open the device again",
	[IO_UNIFIED_REASON_MEMLOCK] =
		"the limit of locked memory is too low: raise it with 'ulimit -l', or grant CAP_IPC_LOCK, or use a smaller region",
	[IO_UNIFIED_REASON_PIN] =
		"the memory cannot be pinned: use a memfd, huge pages or private memory that is mapped writable",
	[IO_UNIFIED_REASON_NUMA] =
		"the memory is not on the NUMA node asked for: bind it before it is touched",
	[IO_UNIFIED_REASON_NOT_URING] =
		"the file is not an io_uring: pass the ring's ring_fd",
	[IO_UNIFIED_REASON_FOREIGN_RING] =
		"this io_uring is not linked to the region: link it with iou_attach_ring()",
	[IO_UNIFIED_REASON_NEED_SQE128] =
		"the command needs 128 bytes: set the io_uring up with IORING_SETUP_SQE128",
	[IO_UNIFIED_REASON_CQ_FULL] =
		"the region's CQ is full: take entries from it, or make it larger",
	[IO_UNIFIED_REASON_TABLE_FULL] =
		"all attachment indices of this kind are in use: detach one",
	[IO_UNIFIED_REASON_GONE] =
		"the region or the attachment is going away: nothing can be started on it",
	[IO_UNIFIED_REASON_CANCELED] =
		"cancelled on request, or because the io_uring or its task ended",
	[IO_UNIFIED_REASON_RING] =
		"the region has no such ring: ask for more of them in iou_region_params.rings",
	[IO_UNIFIED_REASON_RING_BUSY] =
		"another caller takes from this ring: give each thread a ring of its own",
	[IO_UNIFIED_REASON_LINK] =
		"the op before it in its group failed: see its completion",
	[IO_UNIFIED_REASON_IOPOLL] =
		"this cannot come from an io_uring with IORING_SETUP_IOPOLL: use another ring",
	[IO_UNIFIED_REASON_BAD_FD] =
		"the file descriptor is closed or of another kind: check it",
	[IO_UNIFIED_REASON_NOT_BLOCK] =
		"this is neither a block device nor a file, or not what the flags ask for: use a disk, a namespace, a partition or a regular file",
	[IO_UNIFIED_REASON_READ_ONLY] =
		"there is no right to write: open the device or file for writing, and attach it without RDONLY",
	[IO_UNIFIED_REASON_WRITE_ONLY] =
		"there is no right to read: open the device or file for reading",
	[IO_UNIFIED_REASON_PARTITION] =
		"passthrough cannot be confined to a partition: use the whole namespace, or the bio path",
	[IO_UNIFIED_REASON_NOT_NVME] =
		"passthrough needs a whole NVMe namespace: use one, or the bio path",
	[IO_UNIFIED_REASON_RANGE] =
		"the range ends past the device, the window or the stream's range: shorten it",
	[IO_UNIFIED_REASON_LBA_ALIGN] =
		"an offset or length is not a multiple of the device's block size: align it",
	[IO_UNIFIED_REASON_OPCODE] =
		"this NVMe opcode is not allowed: it needs CAP_SYS_ADMIN, or is no I/O command over a range",
	[IO_UNIFIED_REASON_NVME_STATUS] =
		"the drive refused the command: its NVMe status says why, see also the kernel log",
	[IO_UNIFIED_REASON_IO] =
		"the block layer or the file system reported an error: see the kernel log",
	[IO_UNIFIED_REASON_METADATA] =
		"the namespace's LBA format carries metadata, or the kernel cannot tell (CONFIG_BLK_DEV_INTEGRITY is off): format it without, or use the bio path",
	[IO_UNIFIED_REASON_DEVICE_OP] =
		"the device or file system has no such command (discard, write zeroes): write zeros instead",
	[IO_UNIFIED_REASON_DIRECT] =
		"the file is not opened for direct I/O: open it with O_DIRECT, in a file system that has it and tells its alignment (STATX_DIOALIGN) for this file",
	[IO_UNIFIED_REASON_APPEND] =
		"the file is opened to append, so that offsets would not count: open it without O_APPEND",
	[IO_UNIFIED_REASON_NO_SPACE] =
		"the file system, or the quota, has no room left: free some",
	[IO_UNIFIED_REASON_FILE_LIMIT] =
		"the file would exceed RLIMIT_FSIZE of who attached it, or what its file system can hold: raise it with 'ulimit -f', or write less",
	[IO_UNIFIED_REASON_FORMATTED] =
		"the device was given other blocks since it was attached, as by 'nvme format': attach it again",
	[IO_UNIFIED_REASON_NO_NETDEV] =
		"there is no such interface in this network namespace: see 'ip link'",
	[IO_UNIFIED_REASON_NOT_ETHERNET] =
		"this is not an Ethernet interface: use one that is",
	[IO_UNIFIED_REASON_QUEUE] =
		"the interface has no such queue: see 'ethtool -l'",
	[IO_UNIFIED_REASON_QUEUE_BUSY] =
		"the queue or the interface is bound already: end its other user (AF_XDP, XDP, bridge, bond), or take another queue",
	[IO_UNIFIED_REASON_CAP_NET_RAW] =
		"receiving and sending need CAP_NET_RAW in the interface's network namespace: run as root or grant it",
	[IO_UNIFIED_REASON_CAP_NET_ADMIN] =
		"binding a queue needs CAP_NET_ADMIN in the interface's network namespace: run as root or grant it",
	[IO_UNIFIED_REASON_ZEROCOPY] =
		"the driver has no zero-copy AF_XDP here: allow copying, or use a driver that has it",
	[IO_UNIFIED_REASON_XDP] =
		"the XDP program could not be attached to the interface: detach another one ('ip link set IF xdp off'), or use the rx handler",
	[IO_UNIFIED_REASON_XSK] =
		"the AF_XDP socket could not be set up: use the rx handler, or see the kernel log",
	[IO_UNIFIED_REASON_FRAME_SIZE] =
		"AF_XDP needs frames of 2048 or 4096 bytes: change the frame size, or use the rx handler",
	[IO_UNIFIED_REASON_NET_DOWN] =
		"the interface is down: set it up with 'ip link set IF up'",
	[IO_UNIFIED_REASON_NET_GONE] =
		"the interface was removed or moved to another namespace",
	[IO_UNIFIED_REASON_FRAME_BUSY] =
		"the frame is in use by another op: wait for its completion, or take another frame",
	[IO_UNIFIED_REASON_TRUNCATED] =
		"the packet was longer than the frame: use larger frames",
	[IO_UNIFIED_REASON_STREAM_BUSY] =
		"the queue or the socket has another stream: end it first",
	[IO_UNIFIED_REASON_TX_LEN] =
		"the packet is shorter than an Ethernet header or longer than the interface's MTU allows: see 'ip link'",
	[IO_UNIFIED_REASON_TX_DROPPED] =
		"the interface dropped the packet: see 'ip -s link', send slower",
	[IO_UNIFIED_REASON_TX_TIMEOUT] =
		"the interface did not send the packet within five seconds, and may still do so: see whether its link is paused or its queue stopped",
	[IO_UNIFIED_REASON_SEND_ONLY] =
		"the attachment was made to send only: attach the queue without SEND_ONLY",
	[IO_UNIFIED_REASON_NO_CARRIER] =
		"the interface has no link: see to its cable or its peer",
	[IO_UNIFIED_REASON_PROG_TYPE] =
		"the BPF program is not of type XDP: put it in section \"xdp\"",
	[IO_UNIFIED_REASON_PROG_HELPERS] =
		"the BPF program redirects, handles fragments or is bound to a device: remove that, section \"xdp\" without suffix",
	[IO_UNIFIED_REASON_BPF_ABORTED] =
		"the BPF program returned XDP_ABORTED or an unknown verdict",
	[IO_UNIFIED_REASON_BPF_REDIRECT] =
		"the BPF program returned XDP_REDIRECT: choose the sink through the control block",
	[IO_UNIFIED_REASON_BPF_TX] =
		"the BPF program returned XDP_TX, but the op has nothing to send with",
	[IO_UNIFIED_REASON_BPF_DROP] = "the BPF program dropped the packet",
	[IO_UNIFIED_REASON_CTL_RANGE] =
		"the BPF program wrote an offset outside the op's range: bound ctl->dev_offset",
	[IO_UNIFIED_REASON_CTL_INDEX] =
		"the BPF program chose an attachment that is not there: bound ctl->storage and ctl->net",
	[IO_UNIFIED_REASON_CTL_LEN] =
		"the BPF program wrote an impossible length: ctl->len may only shrink",
	[IO_UNIFIED_REASON_CTL_META] =
		"the BPF program moved or cut the control block: leave data_meta alone",
	[IO_UNIFIED_REASON_CTL_FLAGS] =
		"the BPF program set unknown flags in ctl->flags",
	[IO_UNIFIED_REASON_CTL_ALIGN] =
		"the BPF program wrote an offset that is not a multiple of the block size: align ctl->dev_offset",
	[IO_UNIFIED_REASON_HOPS] =
		"the BPF program asked for more reads than allowed: raise max_hops, or see that the chain ends",
	[IO_UNIFIED_REASON_FULL] = "the storage range is full",
	[IO_UNIFIED_REASON_LIMIT] = "the packet limit is reached",
	[IO_UNIFIED_REASON_LAYOUT] =
		"the layout is unknown or does not fit the frame size: use the aligned layout, frames of at least a block",
	[IO_UNIFIED_REASON_NOT_SOCKET] =
		"the file descriptor is no socket: pass a connected TCP or UDP socket",
	[IO_UNIFIED_REASON_SOCKET_TYPE] =
		"the socket is neither TCP nor UDP over IP, or WAITALL was asked of UDP: use TCP, or receive datagrams one by one",
	[IO_UNIFIED_REASON_NOT_CONNECTED] =
		"the socket has no peer: connect it, or pass the socket that accept() gave",
	[IO_UNIFIED_REASON_SOCKET_ULP] =
		"a layer such as kTLS or a sockmap is on the socket, which has to see the bytes: use the socket without it, or send() and recv()",
	[IO_UNIFIED_REASON_RESET] =
		"the peer reset the connection: what was not acknowledged may not have arrived; connect again",
	[IO_UNIFIED_REASON_SHUT] =
		"the connection is shut for sending: nothing can be sent after shutdown()",
	[IO_UNIFIED_REASON_PEER_TIMEOUT] =
		"the peer does not answer any more: see whether it and the network are up, and TCP_USER_TIMEOUT for how long to wait",
	[IO_UNIFIED_REASON_UNREACHABLE] =
		"there is no way to the peer, or nobody listens there: see 'ip route get' and the peer",
	[IO_UNIFIED_REASON_DATAGRAM] =
		"this is longer than a datagram can be: send less at once",
	[IO_UNIFIED_REASON_SOCKET] =
		"the socket reported an error: see its errno in send(2) and recv(2)",
	[IO_UNIFIED_REASON_TX_TIME] =
		"the launch time is more than a minute away: hand the packet in later, and take the time from CLOCK_MONOTONIC",
	[IO_UNIFIED_REASON_SOCKET_GAP] =
		"bytes that should have been sent before could not be read or sent, so nothing is sent behind them: see the op that failed, detach the socket and close it",
};

static const char *const paths[] = {
	[IO_UNIFIED_PATH_NONE] = "none",
	[IO_UNIFIED_PATH_PASSTHROUGH] = "passthrough",
	[IO_UNIFIED_PATH_BIO] = "bio",
	[IO_UNIFIED_PATH_FILE] = "file",
	[IO_UNIFIED_PATH_XSK_ZC] = "xsk-zerocopy",
	[IO_UNIFIED_PATH_XSK_COPY] = "xsk-copy",
	[IO_UNIFIED_PATH_RX_HANDLER] = "rx-handler",
	[IO_UNIFIED_PATH_SEND_ONLY] = "send-only",
};

static const char *const stats[] = {
	[IO_UNIFIED_STAT_OPS] = "ops",
	[IO_UNIFIED_STAT_ERRORS] = "errors",
	[IO_UNIFIED_STAT_RX_PACKETS] = "rx_packets",
	[IO_UNIFIED_STAT_RX_BYTES] = "rx_bytes",
	[IO_UNIFIED_STAT_RX_COPIED_BYTES] = "rx_copied_bytes",
	[IO_UNIFIED_STAT_FILTERED] = "filtered",
	[IO_UNIFIED_STAT_WRITTEN_PACKETS] = "written_packets",
	[IO_UNIFIED_STAT_WRITTEN_BYTES] = "written_bytes",
	[IO_UNIFIED_STAT_READ_BYTES] = "read_bytes",
	[IO_UNIFIED_STAT_DROP_NO_FRAME] = "drop_no_frame",
	[IO_UNIFIED_STAT_DROP_NO_OP] = "drop_no_op",
	[IO_UNIFIED_STAT_DROP_BPF] = "drop_bpf",
	[IO_UNIFIED_STAT_DROP_TOO_LONG] = "drop_too_long",
	[IO_UNIFIED_STAT_DROP_WRITE] = "drop_write",
	[IO_UNIFIED_STAT_DROP_STOPPED] = "drop_stopped",
	[IO_UNIFIED_STAT_DROP_XSK] = "drop_xsk",
	[IO_UNIFIED_STAT_DROP_XSK_RING] = "drop_xsk_ring",
	[IO_UNIFIED_STAT_DROP_NIC] = "drop_nic",
	[IO_UNIFIED_STAT_TRUNCATED] = "truncated",
	[IO_UNIFIED_STAT_REALIGNED] = "realigned",
	[IO_UNIFIED_STAT_WRITES] = "writes",
	[IO_UNIFIED_STAT_CQ_OVERFLOW] = "cq_overflow",
	[IO_UNIFIED_STAT_BPF_RUNS] = "bpf_runs",
	[IO_UNIFIED_STAT_SQ_STALLED] = "sq_stalled",
	[IO_UNIFIED_STAT_HOPS] = "hops",
	[IO_UNIFIED_STAT_TX_PACKETS] = "tx_packets",
	[IO_UNIFIED_STAT_TX_BYTES] = "tx_bytes",
	[IO_UNIFIED_STAT_TX_COPIED_BYTES] = "tx_copied_bytes",
	[IO_UNIFIED_STAT_TX_DROPPED] = "tx_dropped",
	[IO_UNIFIED_STAT_TX_BUSY] = "tx_busy",
	[IO_UNIFIED_STAT_TX_XSK_PACKETS] = "tx_xsk_packets",
};

/* by bit */
static const char *const features[] = {
	"user_memory",
	"module_memory",
	"module_fixed_buf",
	"nvme_passthrough",
	"bio",
	"xsk",
	"rx_handler",
	"bpf",
	"stream",
	"uring_cancel",
	"rings",
	"iopoll",
	"chain",
	"file",
	"kfuncs",
	"tx",
	"socket",
	"tx_time",
	"stream_socket",
	"lead",
	"stream_play",
};

static const char *const memories[] = {
	[IOU_MEMORY_NONE] = "none",
	[IOU_MEMORY_CALLER] = "caller's memory",
	[IOU_MEMORY_MODULE] = "module memory",
	[IOU_MEMORY_HUGE] = "huge pages",
	[IOU_MEMORY_PRIVATE] = "private memory",
};

const char *iou_strreason(unsigned int reason)
{
	if (reason < ARRAY_SIZE(reasons) && reasons[reason])
		return reasons[reason];
	return "the module gave a reason that this library is too old to know: update it";
}

const char *iou_strpath(unsigned int path)
{
	if (path < ARRAY_SIZE(paths) && paths[path])
		return paths[path];
	return "unknown";
}

const char *iou_strmemory(enum iou_memory memory)
{
	if ((size_t)memory < ARRAY_SIZE(memories))
		return memories[memory];
	return "unknown";
}

const char *iou_stat_name(unsigned int stat)
{
	return stat < ARRAY_SIZE(stats) ? stats[stat] : NULL;
}

const char *iou_feature_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(features) ? features[bit] : NULL;
}

const char *iou_strerror(int err, unsigned int reason, char *buf, size_t len)
{
	const char *name = strerror(-err);

	if (reason)
		snprintf(buf, len, "%s: %s", name, iou_strreason(reason));
	else
		snprintf(buf, len, "%s", name);
	return buf;
}

const char *iou_strresult(const struct iou_result *res, char *buf, size_t len)
{
	size_t n;

	if (res->res >= 0) {
		snprintf(buf, len, "%d bytes", res->res);
		return buf;
	}
	iou_strerror(res->res, res->reason, buf, len);
	n = strlen(buf);
	if (res->nvme_status && n < len)
		snprintf(buf + n, len - n, " (NVMe status 0x%x)",
			 res->nvme_status);
	return buf;
}

const char *iou_region_strerror(const struct iou_region *r, int err, char *buf,
				size_t len)
{
	int n = 0;

	if (r->step)
		n = snprintf(buf, len, "cannot %s: ", r->step);
	if (n >= 0 && (size_t)n < len)
		iou_strerror(err, r->reason, buf + n, len - (size_t)n);
	return buf;
}
