/* SPDX-License-Identifier: GPL-2.0 */
/* Ops: one descriptor, from its check to its completion */
#ifndef IOU_OP_H
#define IOU_OP_H

#include <linux/blk-mq.h>

#include "bpf.h"
#include "net.h"
#include "sock.h"
#include "storage.h"
#include "waiting.h"

/**
 * struct iou_op - an op in flight
 * @io: storage stage
 * @rx: network source: the frame's owner
 * @tx: network sink
 * @srx: network source: a socket
 * @stx: network sink: a socket
 * @waiter: while it waits for a packet, for a socket, or to be sent
 * @work: stages that may not run where the one before ended
 * @deferred: in iou_defer.ops
 * @pool: where its memory goes, or NULL: it is freed
 * @free: in @pool
 * @r: region, which goes after its attachments
 * @cmd: the uring_cmd, or NULL: nobody waits for it but who reads the CQ
 * @pair: a promised entry of its CQ, or NULL
 * @next: starts when this one is done, or NULL
 * @st: storage attachment, referenced, or NULL; the program may change it
 * @nq: network attachment to receive from, referenced, or NULL
 * @tq: network attachment to send to, referenced, or NULL; the program may
 *	change it
 * @sock: socket attachment to receive from or to send to, referenced, or NULL; the
 *	program may change it
 * @prog: BPF attachment, referenced, or NULL
 * @d: the descriptor, copied once
 * @addr: where the data is
 * @dev_offset: where it comes from or goes to
 * @cookie: of the control block
 * @state: of the control block
 * @tstamp: when the packet was received
 * @len: bytes of data
 * @orig_len: bytes on the wire
 * @done: stages that were done (IO_UNIFIED_OP_*)
 * @flags: IO_UNIFIED_CQE_*
 * @verdict: of the program
 * @frame: number of the frame, network stage
 * @error: of a check that failed before its turn to start had come, or, with @held,
 *	of its read
 * @reason: enum io_unified_reason
 * @hops: reads that the program asked for
 * @burst: @cmd stands for many ops
 * @poll: who submitted it polls for it
 * @again: the program asks for another read
 * @fell_short: a file or a stream ended before all was there
 * @retaken: taken from @deferred by somebody else than the task
 * @bounced: the program sends it back, and it goes nowhere else
 * @waits: @waiter is in use, to be sent
 * @lent: its memory is the device's or the stack's still, see struct iou_tx and
 *	struct iou_stx
 * @holds_region: it has a reference on @r, not on attachments alone
 * @held: @stx is in its socket's queue, and what it is to send is being read
 *
 * All behind @pair is 0 to begin with. A plain read or write has less, see plain.h.
 */
struct iou_op {
	struct iou_io io;
	union {
		struct iou_rx_owner rx;
		struct iou_tx tx;
		struct iou_srx srx;
		struct iou_stx stx;
	};
	struct iou_waiter waiter;
	struct work_struct work;
	struct list_head deferred;
	struct iou_pool *pool;
	struct llist_node free;
	struct iou_region *r;
	struct io_unified_desc d;
	u64 addr;
	u64 dev_offset;
	u64 cookie;
	u64 state[2];
	u64 tstamp;
	u32 len;
	u32 orig_len;
	u32 frame;
	struct io_uring_cmd *cmd;
	struct iou_pair *pair;
	struct iou_op *next;
	struct iou_storage *st;
	struct iou_netq *nq;
	struct iou_netq *tq;
	struct iou_sock *sock;
	struct iou_prog *prog;
	u32 done;
	u32 flags;
	u32 verdict;
	int error;
	u16 reason;
	u8 hops;
	bool burst;
	bool poll;
	bool again;
	bool fell_short;
	bool retaken;
	bool bounced;
	bool waits;
	bool lent;
	bool holds_region;
	bool held;
};

/*
 * An op of a descriptor that the application may write to meanwhile. It is
 * checked, and has its references: while it lives its region does. op->error and
 * op->reason say what is wrong with it. @poll: who submits it polls for it. NULL:
 * no memory. The caller fills in @cmd, @pair, @burst, and has a reference on the
 * region.
 */
struct iou_op *iou_op_new(struct iou_region *r, struct iou_pool *pool,
			  const struct io_unified_desc *shared, bool poll);
/*
 * A plain op that was not started, or failed, becomes one that the functions below
 * are for. It has a reference on its attachment, which is all that holds the region.
 */
void iou_op_of_plain(struct iou_op *op, struct iou_pair *pair);
/* One that was not started: as if it had never been. */
void iou_op_drop(struct iou_op *op);

/*
 * The first stage. 0: it completes by itself, and may have done so. -EAGAIN,
 * only with @nowait: it would sleep, nothing happened. Else -errno with
 * op->reason, and it is still the caller's.
 */
int iou_op_start(struct iou_op *op, bool nowait);
/* The same where it may sleep, from a work item; what fails completes. */
void iou_op_start_later(struct iou_op *op);
/* Complete one that was prepared, or whose preparation failed. */
void iou_op_fail(struct iou_op *op, int error, u16 reason);
/* An op that has not begun, or NULL, and all behind it in its group: -ECANCELED. */
void iou_op_cancel_group(struct iou_op *op, u16 reason);
/* As iou_op_fail(), but with a result. */
void iou_op_complete(struct iou_op *op, int error);

/* BPF and sink, where it may sleep. For defer.c. */
void iou_op_process(struct iou_op *op, bool nowait);
void iou_op_process_later(struct iou_op *op);
/* The same in softirq, where a packet came in: a write is left to a worker. */
void iou_op_process_packet(struct iou_op *op);

/*
 * Will it wait for the network, maybe for long? Where others send to the same queue
 * at the same time one that has a time may come in between, at once if there were such
 * before. What is sent @later, or after a read, or to where a program says, may find a
 * packet that has a time which is not there yet.
 */
static inline bool iou_op_may_wait(const struct iou_op *op, bool later)
{
	return (op->d.flags &
		(IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET | IO_UNIFIED_F_TIMED)) ||
	       (op->tq &&
		(later || op->prog || op->d.flags & IO_UNIFIED_F_READ ||
		 READ_ONCE(op->tq->tx.has_times)));
}

static __always_inline bool iou_att_is(struct iou_att *this,
				       const struct iou_att *att)
{
	return att ? this == att : percpu_ref_is_dying(&this->refs);
}

/* Does it use this attachment, or, with NULL, any that goes away? */
static __always_inline bool iou_op_has(const struct iou_op *op,
				       const struct iou_att *att)
{
	return (op->st && iou_att_is(&op->st->att, att)) ||
	       (op->nq && iou_att_is(&op->nq->att, att)) ||
	       (op->tq && iou_att_is(&op->tq->att, att)) ||
	       (op->sock && iou_att_is(&op->sock->att, att)) ||
	       (op->prog && iou_att_is(&op->prog->att, att));
}

/* Does it send to @sock? */
static inline bool iou_op_to_sock(const struct iou_op *op)
{
	return op->sock && op->d.flags & IO_UNIFIED_F_TX;
}

/* The end of its request, one that iou_nvme_submit_page() made */
rq_end_io_fn iou_op_end_io;

/* op_bpf.c: run the program over the op's bytes. 0: go on, with @again to a read. */
int iou_op_bpf(struct iou_op *op);
/*
 * It said no, or something is wrong with what it said. Dropping is not an error: the
 * completion's flag says it.
 */
void iou_op_bpf_stopped(struct iou_op *op, int error);
/* It asks for another read, to where the last one went. Where it may sleep. */
void iou_op_hop(struct iou_op *op);

/* op_net.c: the network stages. iou_op_start_rx() is as iou_op_start(). */
int iou_op_start_rx(struct iou_op *op);
/* Before it waits for the network: all of op->waiter but what is done to it. */
void iou_op_init_waiter(struct iou_op *op);
/* Sends it and completes. Process context or softirq. */
void iou_op_send(struct iou_op *op);
/*
 * The last stage is over. @lent: whoever has the bytes still has the op's memory too,
 * and gives it back with iou_pool_put().
 */
void iou_op_sent(struct iou_op *op, int error, u16 reason, bool copied,
		 bool lent);

/* op_sock.c: the same for sockets. Process context. */
int iou_op_start_recv(struct iou_op *op);
void iou_op_send_sock(struct iou_op *op);
/*
 * Before it reads what it sends: its place in the socket's queue. 0, or -errno with
 * op->reason.
 */
int iou_op_hold(struct iou_op *op);
/*
 * It leaves that. @gap: a stream is of no use any more. False: it was canceled meanwhile,
 * or cut off (op->stx.why).
 */
bool iou_op_unhold(struct iou_op *op, bool gap);

#endif /* IOU_OP_H */
