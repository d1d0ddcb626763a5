/* SPDX-License-Identifier: GPL-2.0 */
/* Everything in flight at once, for those who take it away. */
#ifndef IOU_TEST_LIFE_H
#define IOU_TEST_LIFE_H

#include "disk.h"
#include "net.h"

enum {
	LIFE_STREAM = 1, /* user_data: the stream */
	LIFE_RX = 2, /* ops that wait for a packet */
	LIFE_IO = 3, /* storage ops */
	LIFE_RX_OPS = 16,
	LIFE_IO_OPS = 16,
	LIFE_ALL = 1 + LIFE_RX_OPS + LIFE_IO_OPS,
};

struct t_life {
	struct t_region r;
	struct t_link l; /* not opened here */
	struct t_disk disk; /* not found here */
	struct io_unified_stream p;
	int net, storage, bio;
	int waiting; /* commands without a completion */
};

/* Region and attachments. @round picks memory, ring and way to receive. */
void t_life_open(struct t_life *f, int round);
/* Puts a stream, rx ops and storage ops on their way. */
void t_life_start(struct t_life *f);
/* Takes completions; true: none is outstanding. Storage ops start again if
 * @again.
 */
bool t_life_reap(struct t_life *f, int ms, bool again);

/* A thread that sends packets on l->tx, whatever becomes of it. */
void t_traffic_start(const char *ifname);
void t_traffic_stop(void);

/*
 * Cases of their own, first and last. The kernel calls XDP programs through a
 * dispatcher that it patches when one comes or goes. An emulated CPU now and
 * then stumbles over code that another one patches ("Oops: int3"). So the
 * dispatcher is filled with programs of other interfaces: it is not patched
 * any more then.
 *
 * And grace periods are hurried on: most of the time of a round is spent waiting
 * for one, and what is freed too early is gone the sooner.
 */
void t_around_fill(void);
void t_around_empty(void);

#endif /* IOU_TEST_LIFE_H */
