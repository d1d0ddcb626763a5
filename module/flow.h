/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flows: streams between storage and a TCP socket, and from storage to a queue
 *
 * The memory that such a stream owns is cut into chunks, which are used one behind
 * the other, round and round: while some are with the drive others are with the
 * socket or the queue. stream_flow.c has what all of them share, stream_serve.c reads
 * and sends, stream_ingest.c receives and writes, stream_play.c sends the packets of a
 * recording.
 *
 * All but what is under the locks belongs to the flow's work item, which is never
 * run twice at a time. Who ends a transfer puts its chunk on a list and has the work
 * item look.
 */
#ifndef IOU_FLOW_H
#define IOU_FLOW_H

#include "net.h"
#include "sock.h"
#include "storage.h"
#include "stream.h"
#include "waiting.h"

struct iou_flow;
struct iou_prog;

/* Where a chunk is. */
enum iou_chunk_state {
	IOU_CHUNK_IDLE, /* it has nothing, or waits for its turn */
	IOU_CHUNK_IO, /* with storage */
	IOU_CHUNK_SENDING, /* with the socket, or its packets with the queue */
	IOU_CHUNK_OVER, /* it was sent, or never will be */
};

/**
 * struct iou_flow_pkt - a packet of a recording on its way out
 * @tx: the send. Its memory may be the stack's when the flow is over
 * @c: its chunk
 * @off: where its frame starts in the chunk
 */
struct iou_flow_pkt {
	struct iou_tx tx;
	struct iou_chunk *c;
	u32 off;
};

/**
 * struct iou_chunk - a part of the memory of a flow, and what is done with it
 * @io: storage stage
 * @tx: serve: the send. Its memory may be the stack's when the flow is over
 * @node: in iou_flow.done
 * @f: the flow
 * @state: where it is
 * @mem: where its memory is, as an offset in the region
 * @addr: serve: where its bytes are
 * @pos: byte offset in the storage's window of its bytes
 * @cookie: serve: as the program left it
 * @verdict: serve: what it returned
 * @len: bytes: serve: to send. Ingest: there is room for
 * @span: serve: bytes of the range that it stands for
 * @fill: ingest: bytes received. Under iou_flow.lock while it is being filled
 * @taken: ingest: how many of them storage has, or had
 * @kept: ingest: how many of them are on storage
 * @pkts: play: its packets, room for one in each frame
 * @nr_pkts: how many there are
 * @left: how many are not over, and one for who queues them
 * @closed: ingest: nothing more comes
 * @sent: serve: all of it has arrived
 * @dropped: the program said so
 */
struct iou_chunk {
	struct iou_io io;
	struct iou_stx tx;
	struct list_head node;
	struct iou_flow *f;
	enum iou_chunk_state state;
	u64 mem;
	u64 addr;
	u64 pos;
	u64 cookie;
	u32 verdict;
	u32 len;
	u32 span;
	u32 fill;
	u32 taken;
	u32 kept;
	struct iou_flow_pkt *pkts;
	u32 nr_pkts;
	atomic_t left;
	bool closed;
	bool sent;
	bool dropped;
};

/**
 * struct iou_flow_ops - a direction
 * @flags: IO_UNIFIED_STREAM_* that it knows
 * @layout: what is on storage
 * @io: what it does with storage
 * @check: is the range right? 0, or -errno and *reason
 * @ended: a chunk is back from storage or the socket
 * @turn: after those, or when something else happened: do what can be done. True:
 *	there is more of it.
 * @over: nothing is in flight any more, and nothing left to do
 * @timer: iou_flow.timer has expired; under iou_flow.lock
 * @last: how far it came, for the last entry
 */
struct iou_flow_ops {
	u32 flags;
	u32 layout;
	enum iou_io_op io;
	int (*check)(struct iou_flow *f, u16 *reason);
	void (*ended)(struct iou_flow *f, struct iou_chunk *c);
	bool (*turn)(struct iou_flow *f);
	bool (*over)(struct iou_flow *f);
	void (*timer)(struct iou_flow *f);
	void (*last)(struct iou_flow *f, struct io_unified_cqe *cqe);
};

/**
 * struct iou_flow - a stream between storage and a socket
 * @refs: the flow itself, and sends whose memory is the stack's
 * @size: bytes of a chunk
 * @headroom: bytes in front of each, for the control block
 * @nr: chunks
 * @chunks: these
 * @in: number of the next chunk to be filled; chunk i is at i % @nr
 * @mid: serve: of the next one to be sent
 * @out: of the oldest one that is in use
 * @busy: chunks that are with storage or the socket
 * @state: the program's own
 * @next: serve: offset of the next byte to be read. Ingest: bytes that the program
 *	left
 * @base: ingest: bytes on storage of chunks that are done with
 * @moved: bytes that arrived, without a gap from the first one on
 * @where: serve: offset behind the last of these
 * @taken_off: serve: bytes that the socket took. Play: packets that were taken from
 *	the recording
 * @told: ingest: bytes that entries told of
 * @folded: an entry had no room, the next one stands for it
 * @copied: the CPU copied something
 * @broken: what comes behind is of no use any more
 * @revoked: sends were taken back, or given up, see @dying
 * @pkts: play: memory of iou_chunk.pkts
 * @seq: play: number of the next frame
 * @began: play: when the first packet was due, CLOCK_MONOTONIC in ns
 * @first: play: when it was recorded
 * @due_at: play: when the last one is due
 * @flush: ingest: the flush of storage, if @flushing
 * @flush_upto: and what of @moved it is for
 * @durable: ingest: bytes that are on the medium for sure
 * @flush_failed: it cannot be told any more
 * @rx: ingest: what is asked of the socket
 * @open: ingest: chunk @in is being filled
 * @lock: all that changes below but @done, _bh
 * @idle: ingest: @rx is not in use
 * @eof: ingest: the peer sends no more
 * @received: ingest: bytes
 * @armed: ingest: @timer runs
 * @due: ingest: what there is shall be written
 * @stopping: nothing more begins; @error and @reason say why
 * @canceled: from outside, and who did is done with it
 * @dying: what cannot be taken back is given up
 * @why: with @canceled
 * @taken: somebody cancels it, under iou_file.wait_lock
 * @done_lock: @done, _irqsave
 * @done: chunks whose transfer ended
 */
struct iou_flow {
	refcount_t refs;
	const struct iou_flow_ops *ops;
	struct iou_waiter waiter;
	struct io_uring_cmd *cmd;
	bool burst;
	struct iou_pair *pair;
	struct iou_region *r;
	struct iou_storage *st;
	struct iou_sock *sock; /* or */
	struct iou_netq *tq;
	struct iou_prog *prog;
	struct io_unified_desc d;
	struct io_unified_stream p;
	bool *streaming; /* the direction of the socket or queue is ours */

	u32 size;
	u32 headroom;
	u32 nr;
	struct iou_chunk *chunks;
	u64 in;
	u64 mid;
	u64 out;
	u32 busy;
	u64 state[2];
	u64 next;
	u64 base;
	u64 moved;
	u64 where;
	u64 taken_off;
	u64 told;
	bool folded;
	bool copied;
	bool broken;
	bool revoked;
	struct iou_flow_pkt *pkts;
	u64 seq;
	u64 began;
	u64 first;
	u64 due_at;
	struct iou_chunk flush;
	bool flushing;
	bool flush_failed;
	u64 flush_upto;
	u64 durable;
	struct iou_srx rx;
	bool open;

	spinlock_t lock; /* see above */
	bool idle;
	bool eof;
	u64 received;
	bool armed;
	bool due;
	bool stopping;
	bool canceled;
	bool dying;
	bool taken;
	s32 error;
	u16 reason;
	u16 why;
	u16 nvme_status;

	spinlock_t done_lock; /* see above */
	struct list_head done;
	struct work_struct work;
	struct delayed_work timer;
};

/* As iou_stream_submit(), of a stream that reads storage, or is of a socket */
int iou_flow_submit(struct iou_region *r, const struct io_unified_desc *d,
		    const struct iou_stream_from *from, u16 *reason);

static inline struct iou_chunk *iou_flow_chunk(const struct iou_flow *f, u64 n)
{
	return &f->chunks[n % f->nr];
}

/* Have the work item look. Under one of the locks: after that, @f may be gone. */
void iou_flow_kick(struct iou_flow *f);
/* Nothing more begins. The first to say why is believed, errors first. Under the lock. */
void iou_flow_stop_locked(struct iou_flow *f, int error, u16 reason);
void iou_flow_stop(struct iou_flow *f, int error, u16 reason);
bool iou_flow_stopping(struct iou_flow *f);
/* A transfer of storage failed. */
void iou_flow_io_failed(struct iou_flow *f, const struct iou_io *io);

/* A chunk's transfer ended. Any context. */
void iou_flow_done(struct iou_chunk *c);
/* Start what c->io says of storage, all but done(). */
void iou_flow_submit_io(struct iou_chunk *c);
/*
 * Are sends to be taken back, once, or now with what cannot be taken back given up
 * (@dying)? @why: the reason that they end with.
 */
bool iou_flow_revokes(struct iou_flow *f, bool *dying, u16 *why);

/*
 * Run the program over the bytes of a chunk at c->addr. -ENODATA: it drops them. 0:
 * c->addr and c->len are what it left.
 */
int iou_flow_bpf(struct iou_flow *f, struct iou_chunk *c, u16 *reason);

/* Post an entry that is not the last. */
void iou_flow_tell(struct iou_flow *f, struct io_unified_cqe *cqe);

/* The last send whose memory was the stack's is over, or the flow. */
void iou_flow_put(struct iou_flow *f);

/* Its next byte to be read is behind the range. */
static inline u64 iou_flow_end(const struct iou_flow *f)
{
	return f->d.dev_offset + f->p.range_len;
}

/* stream_serve.c: read as far ahead as there is memory; and what came of one */
void iou_serve_read_ahead(struct iou_flow *f);
void iou_serve_was_read(struct iou_flow *f, struct iou_chunk *c);
/* Nothing is in flight, and nothing left to be read. */
bool iou_serve_is_over(struct iou_flow *f);
/* What has begun had its second. */
void iou_serve_timer(struct iou_flow *f);
/* How far it came, for the last entry. */
void iou_serve_last(struct iou_flow *f, struct io_unified_cqe *cqe);

extern const struct iou_flow_ops iou_serve_ops;
extern const struct iou_flow_ops iou_play_ops;
extern const struct iou_flow_ops iou_ingest_ops;

#endif /* IOU_FLOW_H */
