/* SPDX-License-Identifier: GPL-2.0 */
/* Ops that look valid in every combination: what mix.c and its parts share. */
#ifndef IOU_TEST_MIX_H
#define IOU_TEST_MIX_H

#include <pthread.h>

#include "bpf.h"
#include "fs.h"
#include "net.h"
#include "sock.h"

#define MIX_WINDOW (4ull << 20) /* of each storage attachment */
#define MIX_BLOCK 4096u

enum {
	/* Slots: memory of an op, with guards around it */
	MIX_SMALL = 160, /* two frames */
	MIX_FRAMES = 48, /* one, which a NIC may keep */
	MIX_LARGE = 8, /* 64 */
	MIX_SLOTS = MIX_SMALL + MIX_FRAMES + MIX_LARGE,
	MIX_FRAME = 4096,
	MIX_LARGE_FRAMES = 64,
	MIX_MOST = 66 * MIX_FRAME, /* of a slot, guards included */
	MIX_GROUP = 40, /* ops linked to each other, at most */
	/* Attachments of a kind */
	MIX_STORAGE = 4,
	MIX_NETS = 2,
	MIX_SOCKS = 3,
	MIX_PROGS = 3,
	MIX_PLACES = MIX_STORAGE + MIX_NETS + MIX_SOCKS + MIX_PROGS,
};

struct mix_rand {
	u64 x;
};

void mix_seed(struct mix_rand *rand, u64 seed);
u32 mix_pick(struct mix_rand *rand, u32 below);
#define MIX_ONE_OF(rand, array) ((array)[mix_pick(rand, ARRAY_SIZE(array))])

struct mix_slot {
	u64 user_data; /* 0: free */
	u64 mem; /* guard, room, guard: byte offset in the region */
	u32 size;
	u64 lo, hi; /* what the op may change */
	struct io_unified_desc d;
	struct io_unified_stream p;
	const char *name;
	int ring; /* of io_uring that tells of its end, or -1 */
	int pair; /* whose CQ gets an entry, or -1 */
	bool has_entry; /* that has come */
	bool lost; /* its ring was closed: nobody tells */
	bool chained; /* to other SQEs */
	bool recalled; /* by an async cancel or a link timeout of io_uring */
	bool alone; /* nothing in front of it in its group */
	bool canceled;
	s32 res;
	u16 reason;
	u64 since;
	u64 kept; /* a NIC has its memory until it is detached that often, + 1 */
};

struct mix_place {
	const char *name;
	u32 kind;
	u32 index;
	struct t_conn conn; /* sockets */
	int type;
};

/* What of the drives and the network there is, and who takes it away. */
struct mix_world {
	struct t_region r;
	u8 *around; /* the region, with guards */
	struct mix_place place[MIX_PLACES];
	struct t_disk disk, fs;
	struct t_link link;
	struct bpf_object *obj;
	struct mix_rand rand; /* of the thread that takes away */
	pthread_t taker, peers;
	pthread_mutex_t lock; /* peers of connections */
	volatile bool stop_taker, stop_peers, drain;
	volatile u32 peer_mode[MIX_SOCKS];
	volatile u64 net_detached; /* how often */
	u64 taken[MIX_PLACES], resets, downs;
	u64 longest_detach;
	struct mix_place *volatile detaching; /* since */
	volatile u64 detach_start;
};

extern struct mix_world mix;

/* Drives, links and programs, for all rounds; and what is left of them. */
void mix_world_init(void);
void mix_world_check(void);
void mix_world_exit(void);
/* A region with guards around, attachments, peers. */
void mix_world_open(void);
void mix_world_start(void);
/* Nothing is taken away any more, peers read all that there is. False: not yet. */
bool mix_world_calm(void);
void mix_world_stop(void);
void mix_detach(struct mix_place *p);
/* How much longer all takes on a kernel that looks for errors of its own. */
u64 mix_scale(void);

/* -------------------------------------------------------------------- slots */

extern struct mix_slot mix_slots[MIX_SLOTS];

void mix_slots_init(void);
/*
 * Takes a slot and makes an op of it, mostly without the flags in @avoid. NULL: none is
 * free.
 */
struct mix_slot *mix_make(struct mix_rand *rand, u32 avoid);
/* Its memory is what it was, but for what it may change; the slot is free. */
void mix_free(struct mix_slot *s);
bool mix_memory_is_whole(const struct mix_slot *s);

/* -------------------------------------------------------------- completions */

#define MIX_RING_CMD (1ull << 63) /* user_data of a CMD_RING */
#define MIX_OTHER (1ull << 62) /* of what is no op: cancels, link timeouts */

enum { MIX_RINGS = 4, MIX_PAIRS = 4 };

struct mix_ring {
	struct io_uring uring;
	u32 flags, att;
	int cmds, others; /* under way */
	int chained; /* ops in chains of SQEs */
	unsigned int oldest; /* SQE of them, or one before it */
};

struct mix_count {
	int busy; /* ops that have not ended */
	u64 made, ended, failed, groups, children, closed;
	u64 by_reason[256];
};

extern struct mix_ring mix_rings[MIX_RINGS];
extern struct mix_count mix_count;

void mix_tell(const struct mix_slot *s, const char *what);
/* The op is over: was that right? */
void mix_end(struct mix_slot *s, s32 res, u16 reason);
/* These take what there is; true: there was something. */
bool mix_reap_pair(int pair);
bool mix_reap_ring(struct mix_ring *ring);
bool mix_reap(void);

#endif /* IOU_TEST_MIX_H */
