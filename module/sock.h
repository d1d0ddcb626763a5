/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets: bytes of the region to and from a connected TCP or UDP socket
 *
 * Each direction of a socket is a queue: what was handed in first is done first.
 * Who hands something in does as much as can be done without waiting, and a work
 * item goes on when the socket's wait queue says that there is more to do. What is
 * sent refers to the region's pages; it is over when nothing does any more, and
 * then its owner is told.
 */
#ifndef IOU_SOCK_H
#define IOU_SOCK_H

#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "iou.h"

struct iou_sock;

/* Where a send is. Under iou_sock_txq.lock. */
enum iou_stx_state {
	IOU_STX_HELD, /* in .waiting; its bytes are not there yet */
	IOU_STX_WAITING, /* in .waiting; the first may have begun */
	IOU_STX_FLIGHT, /* the stack has all of it, or all that it will get */
	IOU_STX_OVER, /* out of the queue, its end is under way */
};

/**
 * struct iou_stx - bytes on their way out, in their owner's memory
 * @ubuf: what the stack knows of the pages; its references are the stack's, ours
 *	while we send, and that of who gives it up
 * @node: in iou_sock_txq.waiting or .flight
 * @rcu: to free it when it was @lent
 * @s: the socket; it is the owner's to keep. Set by the owner, as are @addr,
 *	@len, @over and @free
 * @addr: byte offset in the region
 * @len: bytes
 * @off: how many of them the stack has
 * @end: TCP: sequence number behind the last of these
 * @state: where it is
 * @error: 0, or -errno with @reason
 * @reason: enum io_unified_reason
 * @why: with @revoked: the reason
 * @revoked: who sends it right now, or has yet to read it, ends it, as far as it
 *	can be
 * @dying: the same, also if it has begun
 * @attached: the stack referred to the pages
 * @copied: and copied some of the bytes
 * @lent: it was given up: the stack may still read the pages, and this memory
 *	is not the owner's before @free
 * @over: it is over. Called once, maybe before iou_sock_send() returns; process
 *	context or softirq, maybe with the socket's lock. The owner may be gone by
 *	the time it returns, unless @lent
 * @free: after @over with @lent: take the memory back. Softirq; socket and region
 *	may be gone
 */
struct iou_stx {
	struct ubuf_info ubuf;
	struct list_head node;
	struct rcu_head rcu;
	struct iou_sock *s;
	u64 addr;
	u32 len;
	u32 off;
	u32 end;
	enum iou_stx_state state;
	int error;
	u16 reason;
	u16 why;
	bool revoked;
	bool dying;
	bool attached;
	bool copied;
	bool lent;
	void (*over)(struct iou_stx *tx);
	void (*free)(struct iou_stx *tx);
};

/**
 * struct iou_srx - bytes to come, in their owner's memory
 * @node: in iou_sock_rxq.waiting
 * @s: the socket; it is the owner's to keep. Set by the owner, as are @addr,
 *	@len, @all and @over
 * @addr: byte offset in the region
 * @len: room
 * @got: bytes that are there
 * @wire: UDP: bytes of the datagram
 * @all: it is over when all of the room is filled
 * @eof: TCP: the peer sends no more
 * @error: 0, or -errno with @reason
 * @reason: enum io_unified_reason
 * @why: with @revoked: the reason
 * @revoked: who receives right now ends it if nothing comes
 * @sleeps: in @over: the caller may sleep for as long as it takes
 * @over: it is over; process context. Called once, maybe before iou_sock_recv()
 *	returns. The owner may be gone by the time it returns
 */
struct iou_srx {
	struct list_head node;
	struct iou_sock *s;
	u64 addr;
	u32 len;
	u32 got;
	u32 wire;
	int error;
	u16 reason;
	u16 why;
	bool all;
	bool eof;
	bool revoked;
	bool sleeps;
	void (*over)(struct iou_srx *rx);
};

/**
 * struct iou_sock_txq - the sending half
 * @lock: _bh; the lists, @sending, and iou_stx.state
 * @mutex: held by who sends, outside of @lock
 * @waiting: not all with the stack yet, first to last
 * @flight: with the stack
 * @sending: the one that is handed to the stack right now: the first that waits
 * @cut: out of @waiting, behind one that leaves a hole: @work ends them
 * @nr: how many wait, for who looks without @lock
 * @work: sends when there is room again
 * @closed: nothing is sent any more
 * @streaming: it has a stream
 * @gap: TCP: nothing either, since bytes that should have gone before are missing
 */
struct iou_sock_txq {
	spinlock_t lock; /* see above */
	struct mutex mutex; /* see above */
	struct list_head waiting;
	struct list_head flight;
	struct list_head cut;
	struct iou_stx *sending;
	unsigned int nr;
	struct delayed_work work;
	bool closed;
	bool streaming;
	bool gap;
};

/**
 * struct iou_sock_rxq - the receiving half
 * @lock: _bh; the list, @filling, @need and @armed
 * @mutex: held by who receives, outside of @lock
 * @waiting: first to last
 * @filling: the one that is being filled right now: the first that waits
 * @need: bytes that we told the stack to wake us for, the socket's sk_rcvlowat; 1: it
 *	is not ours
 * @armed: the first one waits for the stack to wake us
 * @nr: how many wait, for who looks without @lock
 * @work: receives when there is something
 * @streaming: it has a stream
 */
struct iou_sock_rxq {
	spinlock_t lock; /* see above */
	struct mutex mutex; /* see above */
	struct list_head waiting;
	struct iou_srx *filling;
	int need;
	bool armed;
	unsigned int nr;
	struct work_struct work;
	bool streaming;
};

/**
 * struct iou_sock - an attached socket
 * @att: the attachment
 * @file: keeps it open
 * @sock: the socket
 * @stream: TCP, else UDP
 * @error: TCP: why the connection is dead, once it told
 * @table: to get at the socket's wait queue
 * @wqh: the socket's wait queue, which lives as long as @file
 * @wait: our entry there
 * @rcu: to free it after DETACH
 * @tx: the sending half
 * @rx: the receiving half
 */
struct iou_sock {
	struct iou_att att;
	struct file *file;
	struct socket *sock;
	bool stream;
	int error;
	poll_table table;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	struct rcu_head rcu;
	struct iou_sock_txq tx;
	struct iou_sock_rxq rx;
};

static inline struct iou_sock *iou_att_sock(struct iou_att *att)
{
	return container_of(att, struct iou_sock, att);
}

struct iou_att *iou_sock_attach(struct iou_region *r,
				struct io_unified_attach *arg);

/*
 * The region goes: what is being sent has a second to end, then it is given up,
 * and nothing is sent any more. Under iou_file.lock.
 */
void iou_sock_stop_sending(struct iou_region *r);

/* What an error of a socket means. */
u16 iou_sock_reason(int error);
/*
 * An error that the socket told one of us; the other direction would not be told
 * again. Returns what it means for who asked: the error of a dead connection.
 */
int iou_sock_error(struct iou_sock *s, int error);

/* ------------------------------------------------------ sock_tx.c: sending */

void iou_sock_tx_init(struct iou_sock *s);
/*
 * Queue it; @held: its bytes are not there yet, and what is queued behind it waits for
 * iou_stx_ready() or iou_stx_leave(). 0, or -ECANCELED and a reason: nothing is sent
 * any more. Any context but hardirq.
 */
int iou_sock_post_send(struct iou_stx *tx, bool held, u16 *reason);
/*
 * One that was held has its bytes. False: it was revoked meanwhile and has to leave.
 * @gap: they are less than there should be: what is queued behind it in a stream, now
 * or later, ends (_REASON_SOCKET_GAP). Process context; iou_sock_send() follows.
 */
bool iou_stx_ready(struct iou_stx *tx, u64 addr, u32 len, bool gap);
/*
 * One that is held has none, leaves the queue, and is the caller's. False: to end, since
 * it was revoked meanwhile. @gap as above.
 */
bool iou_stx_leave(struct iou_stx *tx, bool gap);
/* After that: send what can be sent. Process context. */
void iou_sock_send(struct iou_sock *s);
/* There may be room. Any context. */
void iou_sock_tx_wake(struct iou_sock *s);
/*
 * Take it back if it has not begun, or, where its submitter is @dying, give it up.
 * True: the caller ends it, with iou_stx_end(). False: it ends by itself, and if
 * *leaving, soon, as what was not sent if that is still so.
 */
bool iou_stx_revoke(struct iou_stx *tx, bool dying, u16 why, bool *leaving);
void iou_stx_end(struct iou_stx *tx, int error, u16 reason);
bool iou_sock_tx_idle(struct iou_sock *s);
/* Give up what there is; nothing is sent any more. Process context. */
void iou_sock_tx_close(struct iou_sock *s);

/* ---------------------------------------------------- sock_rx.c: receiving */

void iou_sock_rx_init(struct iou_sock *s);
/* Queue it. Any context but hardirq. */
void iou_sock_post_recv(struct iou_srx *rx);
/* After that: receive what is there. Process context. */
void iou_sock_recv(struct iou_sock *s);
/* The same, by the worker, which may sleep in iou_srx.over(). */
void iou_sock_recv_later(struct iou_sock *s);
/* There may be something. Any context. */
void iou_sock_rx_wake(struct iou_sock *s);
/*
 * As iou_stx_revoke(): true: the caller has it. False: it leaves by itself, with what is
 * there for it.
 */
bool iou_srx_revoke(struct iou_srx *rx, u16 why, bool *leaving);

#endif /* IOU_SOCK_H */
