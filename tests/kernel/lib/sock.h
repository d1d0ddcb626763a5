/* SPDX-License-Identifier: GPL-2.0 */
/* Connected sockets, a peer that checks what it gets, and ops on them. */
#ifndef IOU_TEST_SOCK_H
#define IOU_TEST_SOCK_H

#include <pthread.h>
#include <sys/socket.h>

#include "iou_test.h"

/* A connection: @end is what a test attaches, @peer the other end of it. */
struct t_conn {
	int end;
	int peer;
};

enum t_where {
	T_LO, /* loopback */
	T_NS, /* a veth pair, @peer in another network namespace */
};

/* One end of the pair, the other one is in the namespace */
#define T_NS_VETH "iouv0"

/* Makes a connection; @type is SOCK_STREAM or SOCK_DGRAM. */
void t_connect(struct t_conn *c, int family, int type, enum t_where where);
void t_disconnect(struct t_conn *c);
/* T_NS over two e1000e that are wired, instead of veth; skips if they are not there. */
void t_ns_two_nics(void);
/* Of these the one that is left here. */
const char *t_ns_nic_here(void);
/* Whether anything arrives: of @where T_NS, and not from here. */
void t_ns_cut(bool cut);
/* Takes the namespace away; nothing is left of it. */
void t_ns_del(void);
/* Closing the peer resets the connection. */
void t_reset_peer(struct t_conn *c);

/* The kernel takes twice as much for its own. */
void t_sndbuf(int fd, int bytes);
void t_rcvbuf(int fd, int bytes);

/* Fails the case or returns its index. */
int t_attach_sock(struct t_region *r, int fd);
struct io_unified_desc t_send_op(int sock, u64 user_data, u64 addr, u32 len);
struct io_unified_desc t_recv_op(int sock, u64 user_data, u64 addr, u32 len);

/* The bytes of a stream from @offset on; they are the same each time. */
void t_stream_fill(void *p, size_t len, u64 offset);
bool t_stream_is(const void *p, size_t len, u64 offset);

/* A thread that reads @total bytes of a stream, or up to its end, or writes. */
struct t_peer {
	pthread_t thread;
	int fd;
	u64 total;
	u32 piece; /* at most so many bytes in one call */
	int pause_us; /* between calls */
	u64 done; /* bytes read and right, or written */
	bool wrong; /* other bytes than these */
	int error; /* how it ended, if not well */
};

void t_peer_read(struct t_peer *p, int fd, u64 total, u32 piece, int pause_us);
void t_peer_write(struct t_peer *p, int fd, u64 total, u32 piece, int pause_us);
/* Waits for its end. */
void t_peer_join(struct t_peer *p);

#endif /* IOU_TEST_SOCK_H */
