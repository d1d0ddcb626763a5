/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libiounified: network, BPF and storage on one memory region
 *
 * A thin layer over <linux/io_unified.h>, to be used beside liburing: the
 * library opens the device, makes regions and attachments, fills SQEs and
 * reads rings. It has no threads, keeps no global state and allocates nothing
 * after iou_region_init().
 *
 * Functions return 0, or a negative errno. Where the module says more than an
 * errno can, iou_strreason() makes a sentence of it, and
 * iou_region_strerror() one line of everything that is known.
 */
#ifndef IOUNIFIED_H
#define IOUNIFIED_H

#include <errno.h>
#include <liburing.h>
#include <linux/io_unified.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOU_VERSION_MAJOR 0
#define IOU_VERSION_MINOR 1
#define IOU_VERSION "0.1"

#define IOU_DEVICE "/dev/io_unified"

struct bpf_insn;
struct sock_filter;

/* ------------------------------------------------------------------ device */

/**
 * iou_open() - open the device
 *
 * Return: a file descriptor, to be closed with iou_close(). -ENOENT or -ENXIO:
 * the module is not loaded. -EACCES: no permission for the device node.
 * -EPROTO: the module's ABI is older than this library's.
 */
int iou_open(void);

/**
 * iou_close() - close the device
 * @fd: from iou_open()
 *
 * A region that is still registered is released.
 */
void iou_close(int fd);

/**
 * iou_get_info() - what this kernel and this build of the module can do
 * @fd: from iou_open()
 * @info: filled
 *
 * Return: 0 or -errno.
 */
int iou_get_info(int fd, struct io_unified_info *info);

/* ------------------------------------------------------------------ region */

/* iou_region_params.flags */
/* memory of the module, not of this process */
#define IOU_REGION_MODULE_MEMORY (1u << 0)
/* fail with -ENOMEM rather than do without huge pages */
#define IOU_REGION_REQUIRE_HUGE (1u << 1)
/* do not try reserved huge pages */
#define IOU_REGION_NO_HUGE (1u << 2)
/* memory on iou_region_params.numa_node */
#define IOU_REGION_NUMA (1u << 3)

/**
 * enum iou_memory - the memory that a region was given
 * @IOU_MEMORY_NONE: none yet
 * @IOU_MEMORY_CALLER: iou_region_params.memory
 * @IOU_MEMORY_MODULE: allocated by the module
 * @IOU_MEMORY_HUGE: a memfd of 2 MiB pages
 * @IOU_MEMORY_PRIVATE: private memory, not inherited by children; transparent
 *	huge pages were asked for, iou_region.chunk_size tells whether they came
 */
enum iou_memory {
	IOU_MEMORY_NONE = 0,
	IOU_MEMORY_CALLER = 1,
	IOU_MEMORY_MODULE = 2,
	IOU_MEMORY_HUGE = 3,
	IOU_MEMORY_PRIVATE = 4,
};

/**
 * struct iou_region_params - what iou_region_init() shall make
 * @frames: number of frames in the data area, at least
 * @frame_size: bytes of a frame, a power of two; 0 = 4096
 * @sq_entries: descriptors of the region's SQ; 0 = 64
 * @cq_entries: entries of the region's CQ; 0 = 1024
 * @rings: pairs of SQ and CQ, one for each thread that uses them; 0 = 1
 * @flags: IOU_REGION_*
 * @numa_node: with IOU_REGION_NUMA
 * @ring: the io_uring that will send commands, or NULL: see iou_attach_ring()
 * @memory: page-aligned memory of the caller, or NULL: the library finds some
 * @memory_size: bytes at @memory; takes the place of @frames
 * @reserved: zero
 *
 * All zero but @frames is a good start.
 */
struct iou_region_params {
	unsigned int frames;
	unsigned int frame_size;
	unsigned int sq_entries;
	unsigned int cq_entries;
	unsigned int rings;
	unsigned int flags;
	int numa_node;
	const struct io_uring *ring;
	void *memory;
	size_t memory_size;
	uint64_t reserved[4];
};

/**
 * struct iou_region - a registered region
 * @fd: the device; not closed by iou_region_exit()
 * @memory: where the memory comes from
 * @frame_size: bytes of a frame
 * @frames: frames in the data area
 * @sq_entries: descriptors of the SQ
 * @cq_entries: entries of the CQ
 * @rings: pairs of SQ and CQ
 * @base: start of the region in this process
 * @size: bytes of the region
 * @ctrl: control page
 * @sq: the first SQ's descriptors
 * @cq: the first CQ's entries
 * @data_off: byte offset of the first frame
 * @data_size: bytes of all frames
 * @chunk_size: bytes that are physically contiguous throughout
 * @reason: enum io_unified_reason of the call that failed last
 * @step: what the call that failed last was doing, or NULL
 * @reserved: zero
 */
struct iou_region {
	int fd;
	enum iou_memory memory;
	unsigned int frame_size;
	unsigned int frames;
	unsigned int sq_entries;
	unsigned int cq_entries;
	unsigned int rings;
	unsigned char *base;
	size_t size;
	struct io_unified_ctrl *ctrl;
	struct io_unified_desc *sq;
	struct io_unified_cqe *cq;
	uint64_t data_off;
	uint64_t data_size;
	uint64_t chunk_size;
	unsigned int reason;
	const char *step;
	uint64_t reserved[4];
};

/**
 * iou_region_init() - find memory and register it as the device's region
 * @r: filled; on failure only good for iou_region_strerror()
 * @fd: from iou_open(); it holds one region
 * @p: what is wanted
 *
 * Unless told otherwise the memory is a memfd of 2 MiB pages, or where there
 * are not enough of them private memory: @r->memory says which. It is pinned
 * and counts against RLIMIT_MEMLOCK.
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_region_init(struct iou_region *r, int fd,
		    const struct iou_region_params *p);

/**
 * iou_region_exit() - unregister a region and release its memory
 * @r: region
 *
 * Streams and ops that wait for a packet end with -ECANCELED; I/O in flight is
 * waited for.
 */
void iou_region_exit(struct iou_region *r);

/**
 * iou_region_strerror() - one line on the last failure
 * @r: region
 * @err: the negative errno that was returned
 * @buf: where to
 * @len: bytes at @buf
 *
 * Return: @buf.
 */
const char *iou_region_strerror(const struct iou_region *r, int err, char *buf,
				size_t len);

/**
 * iou_region_ptr() - a byte offset of the region as a pointer
 * @r: region
 * @addr: offset, as in a descriptor or a completion
 */
static inline void *iou_region_ptr(const struct iou_region *r, uint64_t addr)
{
	return r->base + addr;
}

/**
 * iou_frame_addr() - byte offset of a frame, for a descriptor
 * @r: region
 * @n: number of the frame
 */
static inline uint64_t iou_frame_addr(const struct iou_region *r,
				      unsigned int n)
{
	return r->data_off + (uint64_t)n * r->frame_size;
}

/**
 * iou_frame() - a frame as a pointer
 * @r: region
 * @n: number of the frame
 */
static inline void *iou_frame(const struct iou_region *r, unsigned int n)
{
	return iou_region_ptr(r, iou_frame_addr(r, n));
}

/* -------------------------------------------------------------- attachments */

/**
 * iou_attach_storage() - bind a block device or a file
 * @r: region
 * @fd: the open block device, or a file opened O_DIRECT; it may be closed afterwards
 * @flags: IO_UNIFIED_ATTACH_PASSTHROUGH, _BIO, _RDONLY
 * @start: first byte of the window that ops may touch
 * @len: bytes of the window; 0 = to the end of the device, or of the file as it is now
 * @out: what was obtained; ops name @out->index
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_attach_storage(struct iou_region *r, int fd, unsigned int flags,
		       uint64_t start, uint64_t len,
		       struct io_unified_attach *out);

/**
 * iou_attach_netdev() - bind a receive queue, or one to send to
 * @r: region
 * @ifindex: interface
 * @queue: receive queue; what is sent goes to the transmit queue of this number
 * @flags: IO_UNIFIED_ATTACH_ZEROCOPY, _XSK, _RX_HANDLER, or _SEND_ONLY
 * @out: what was obtained; where packets are copied, @out->reason says why
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_attach_netdev(struct iou_region *r, unsigned int ifindex,
		      unsigned int queue, unsigned int flags,
		      struct io_unified_attach *out);

/**
 * iou_attach_socket() - bind a connected socket
 * @r: region
 * @fd: TCP or UDP, IPv4 or IPv6; it may be closed afterwards
 * @flags: none defined
 * @out: ops name @out->index
 *
 * Who has the fd may send and receive. The socket stays open as long as it is
 * attached, and the application may go on using it.
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_attach_socket(struct iou_region *r, int fd, unsigned int flags,
		      struct io_unified_attach *out);

/**
 * iou_attach_bpf() - bind a program of type XDP
 * @r: region
 * @prog_fd: the loaded program; it may be closed afterwards
 * @out: ops name @out->index
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_attach_bpf(struct iou_region *r, int prog_fd,
		   struct io_unified_attach *out);

/**
 * iou_attach_ring() - let a further io_uring send commands
 * @r: region
 * @ring: set up with IORING_SETUP_SQE128
 * @out: what was obtained, or NULL
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_attach_ring(struct iou_region *r, const struct io_uring *ring,
		    struct io_unified_attach *out);

/**
 * iou_detach() - undo an attachment
 * @r: region
 * @kind: enum io_unified_kind
 * @index: the attachment
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_detach(struct iou_region *r, unsigned int kind, unsigned int index);

/**
 * iou_get_stats() - counters of the region or of one attachment
 * @r: region
 * @kind: IO_UNIFIED_KIND_REGION (the sum of all), _STORAGE, _NETDEV,
 *	_SOCKET or _BPF
 * @index: the attachment; 0 for the region
 * @out: filled, by enum io_unified_stat
 *
 * Return: 0 or -errno, with the reason in @r.
 */
int iou_get_stats(struct iou_region *r, unsigned int kind, unsigned int index,
		  struct io_unified_stats *out);

/* -------------------------------------------------------------- completions */

/**
 * struct iou_result - an io_uring CQE of the device, taken apart
 * @res: bytes or -errno
 * @nvme_status: of the drive, 0 = success
 * @reason: enum io_unified_reason
 * @offset: where in its frame a received packet starts
 * @flags: IO_UNIFIED_CQE_*
 */
struct iou_result {
	int res;
	unsigned int nvme_status;
	unsigned int reason;
	unsigned int offset;
	unsigned int flags;
};

/**
 * iou_cqe_result() - take an io_uring CQE apart
 * @ring: the ring it is from; without IORING_SETUP_CQE32 only @res is known
 * @cqe: the CQE
 */
static inline struct iou_result iou_cqe_result(const struct io_uring *ring,
					       const struct io_uring_cqe *cqe)
{
	struct iou_result out = { cqe->res, 0, 0, 0, 0 };

	if (ring->flags & IORING_SETUP_CQE32) {
		/* behind the CQE's own 16 bytes */
		uint64_t res2 = *(const uint64_t *)(cqe + 1);

		out.nvme_status = IO_UNIFIED_RES2_STATUS(res2);
		out.reason = IO_UNIFIED_RES2_REASON(res2);
		out.offset = IO_UNIFIED_RES2_OFFSET(res2);
		out.flags = IO_UNIFIED_RES2_FLAGS(res2);
	}
	return out;
}

/**
 * iou_submit_and_wait() - submit what is prepared and take one completion
 * @ring: a ring with nothing else in flight
 *
 * For setup and for examples: one op at a time.
 *
 * Return: its result; @res is -errno also where submitting failed.
 */
static inline struct iou_result iou_submit_and_wait(struct io_uring *ring)
{
	struct iou_result out = { 0, 0, 0, 0, 0 };
	struct io_uring_cqe *cqe;

	out.res = io_uring_submit(ring);
	/* a signal does not end the op: its completion is still to come */
	if (out.res >= 0)
		do
			out.res = io_uring_wait_cqe(ring, &cqe);
		while (out.res == -EINTR);
	if (out.res >= 0) {
		out = iou_cqe_result(ring, cqe);
		io_uring_cqe_seen(ring, cqe);
	}
	return out;
}

/**
 * iou_cq_ready() - number of entries in the region's CQ
 * @r: region
 */
static inline unsigned int iou_cq_ready(const struct iou_region *r)
{
	return __atomic_load_n(&r->ctrl->ring[0].cq_prod, __ATOMIC_ACQUIRE) -
	       r->ctrl->ring[0].cq_cons;
}

/**
 * iou_cq_peek() - the oldest entry of the region's CQ
 * @r: region
 *
 * Return: the entry, good until iou_cq_advance(), or NULL if there is none.
 */
static inline struct io_unified_cqe *iou_cq_peek(const struct iou_region *r)
{
	if (!iou_cq_ready(r))
		return NULL;
	return &r->cq[r->ctrl->ring[0].cq_cons & (r->cq_entries - 1)];
}

/**
 * iou_cq_advance() - give entries of the region's CQ back
 * @r: region
 * @nr: how many
 */
static inline void iou_cq_advance(const struct iou_region *r, unsigned int nr)
{
	struct io_unified_ring *ring = &r->ctrl->ring[0];

	__atomic_store_n(&ring->cq_cons, ring->cq_cons + nr, __ATOMIC_RELEASE);
}

/**
 * iou_for_each_cqe() - walk the entries that are in the region's CQ now
 * @r: region
 * @head: unsigned int, the walk's position
 * @cqe: struct io_unified_cqe *, the entry
 *
 * Give them back afterwards with iou_cq_advance().
 */
#define iou_for_each_cqe(r, head, cqe)                              \
	for ((head) = (r)->ctrl->ring[0].cq_cons;                   \
	     (head) != __atomic_load_n(&(r)->ctrl->ring[0].cq_prod, \
				       __ATOMIC_ACQUIRE) &&         \
	     ((cqe) = &(r)->cq[(head) & ((r)->cq_entries - 1)], 1); \
	     (head)++)

/* -------------------------------------------------------------------- words */

/**
 * iou_strreason() - a sentence on why something failed, and what to do
 * @reason: enum io_unified_reason
 *
 * Return: a constant string; "" for 0, never NULL.
 */
const char *iou_strreason(unsigned int reason);

/**
 * iou_strpath() - the name of a path
 * @path: enum io_unified_path
 *
 * Return: a constant string such as "passthrough", never NULL.
 */
const char *iou_strpath(unsigned int path);

/**
 * iou_strmemory() - the name of a kind of memory
 * @memory: enum iou_memory
 *
 * Return: a constant string, never NULL.
 */
const char *iou_strmemory(enum iou_memory memory);

/**
 * iou_stat_name() - the name of a counter
 * @stat: enum io_unified_stat
 *
 * Return: a constant string such as "rx_packets", or NULL past the last one.
 */
const char *iou_stat_name(unsigned int stat);

/**
 * iou_feature_name() - the name of a feature
 * @bit: number of the bit in io_unified_info.features
 *
 * Return: a constant string such as "nvme_passthrough", or NULL past the last.
 */
const char *iou_feature_name(unsigned int bit);

/**
 * iou_strerror() - errno and reason in one line
 * @err: negative errno
 * @reason: enum io_unified_reason
 * @buf: where to
 * @len: bytes at @buf
 *
 * Return: @buf.
 */
const char *iou_strerror(int err, unsigned int reason, char *buf, size_t len);

/**
 * iou_strresult() - a failed op's result in one line
 * @res: from iou_cqe_result()
 * @buf: where to
 * @len: bytes at @buf
 *
 * Return: @buf.
 */
const char *iou_strresult(const struct iou_result *res, char *buf, size_t len);

/* ------------------------------------------------------------------ filters */

/**
 * iou_xdp_from_cbpf() - translate a classic BPF filter into an XDP program
 * @filter: the filter, as pcap_compile() makes it for DLT_EN10MB
 * @nr_filter: its instructions
 * @insns: the program, or NULL to learn its size
 * @nr_insns: in: room at @insns; out: instructions
 * @why: out: a constant string when the filter is refused, or NULL
 *
 * The program returns XDP_PASS where the filter returns a length and XDP_DROP
 * where it returns 0, and also, as classic BPF has it, on a load past the
 * packet's end and on a division by zero. It uses no maps and no helpers.
 * A filter that asks for the packet's length needs CAP_PERFMON to load.
 *
 * Return: 0. -EINVAL: not a valid filter. -EOPNOTSUPP: a valid one that XDP
 * cannot do: Linux extensions, offsets beyond 64 KiB. -E2BIG: too large for
 * BPF's jumps. -ENOSPC: @insns is too small.
 */
int iou_xdp_from_cbpf(const struct sock_filter *filter, size_t nr_filter,
		      struct bpf_insn *insns, size_t *nr_insns,
		      const char **why);

#ifdef __cplusplus
}
#endif

#include <iounified_op.h>
#include <iounified_recording.h>
#include <iounified_ring.h>

#endif /* IOUNIFIED_H */
