// SPDX-License-Identifier: GPL-2.0
/*
 * Ops of every kind and flag in random combinations, while what they use comes and goes
 *
 * Each op has a slot of memory of its own. Ops go out one by one, as chains of SQEs, and
 * in groups from SQs, by io_urings of several kinds, by ENTER, and by children that are
 * killed. Beside that attachments are detached and attached again, peers reset, the
 * link goes down, a ring is closed. Every op that was taken ends, once, and says why if
 * it failed; what surrounds its memory, and the windows on the drives, stays as it was.
 *
 * IOU_OPS is how many ops in all, IOU_SEED what they are made of.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/leak.h"
#include "lib/life.h"
#include "lib/mix.h"
#include "lib/sq.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

#define SQE_CMD_OFFSET 48

enum {
	ROUNDS = 4,
	POLLED = 2, /* the ring with IOPOLL */
	PASSING = 3, /* the one that is closed */
	/* Pairs of SQ and CQ: the first one for single ops, too */
	BY_ENTER = 2,
	BY_CHILD = 3,
	BUSY = 110, /* ops at once */
	RECALL_MS = 1500, /* what waits for so long is canceled */
	END_MS = 20000, /* and has ended after that */
};

static struct mix_rand rand_;
static u64 total;

static u32 pick(u32 below)
{
	return mix_pick(&rand_, below);
}

/* ------------------------------------------------------------------- rings */

static void ring_open(int i)
{
	static const u32 passing[] = {
		0,
		IORING_SETUP_SQPOLL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_IOPOLL,
	};
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct mix_ring *ring = &mix_rings[i];

	memset(ring, 0, sizeof(*ring));
	if (i == 1)
		ring->flags = passing[2];
	else if (i == POLLED)
		ring->flags = IORING_SETUP_IOPOLL;
	else if (i == PASSING)
		ring->flags = MIX_ONE_OF(&rand_, passing);
	t_ring_init(&ring->uring, 256, ring->flags);
	a.fd = ring->uring.ring_fd;
	REQUIRE_EQ(t_attach(&mix.r, &a), 0, "reason %u", a.reason);
	ring->att = a.index;
}

/* With whatever is in flight. What it would have told of it nobody does. */
static void ring_close(int i)
{
	struct mix_slot *s;

	/* What was refused at once has a CQE, and no entry. */
	mix_reap_ring(&mix_rings[i]);
	io_uring_queue_exit(&mix_rings[i].uring);
	for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++) {
		if (!s->user_data || s->ring != i)
			continue;
		s->lost = true;
		s->chained = false;
		if (s->has_entry)
			mix_end(s, s->res, s->reason);
	}
}

static struct io_uring_sqe *get_sqe(struct mix_ring *ring, u32 cmd_op,
				    u64 user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (!sqe)
		return NULL;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = mix.r.fd;
	sqe->off = cmd_op;
	sqe->user_data = user_data;
	return sqe;
}

static void *bytes_of(struct io_uring_sqe *sqe)
{
	return (u8 *)sqe + SQE_CMD_OFFSET;
}

/*
 * Linux 6.10 to 6.14 read the SQEs of a chain when it is their turn, and have no
 * copy: they must not be overwritten before it is over.
 */
static bool has_room(struct mix_ring *ring)
{
	return io_uring_sq_space_left(&ring->uring) > 32 &&
	       (!ring->chained ||
		ring->uring.sq.sqe_tail - ring->oldest < 256 - 48);
}

static struct mix_ring *some_ring(void)
{
	struct mix_ring *ring = &MIX_ONE_OF(&rand_, mix_rings);

	return has_room(ring) ? ring : NULL;
}

static void submit(struct mix_ring *ring)
{
	int ret = io_uring_submit(&ring->uring);

	REQUIRE(ret >= 0 || ret == -EBUSY || ret == -EAGAIN,
		"io_uring_submit: %s", strerror(-ret));
}

/* ------------------------------------------------------------- single ops */

static void queue_cancel(struct mix_ring *ring, u64 target)
{
	struct io_unified_cancel *c;
	struct io_uring_sqe *sqe =
		get_sqe(ring, IO_UNIFIED_CMD_CANCEL, MIX_OTHER);

	if (!sqe)
		return;
	c = bytes_of(sqe);
	c->user_data = target;
	ring->others++;
}

/* io_uring's own: by user_data, or when a time is up. */
static void queue_async_cancel(struct mix_ring *ring, struct mix_slot *s)
{
	struct io_uring_sqe *sqe = get_sqe(ring, 0, 0);

	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, s->user_data, 0);
	sqe->user_data = MIX_OTHER;
	s->recalled = true;
	ring->others++;
}

static void queue_link_timeout(struct mix_ring *ring, struct mix_slot *s)
{
	static struct __kernel_timespec soon = { .tv_nsec = 3000000 };
	struct io_uring_sqe *sqe = get_sqe(ring, 0, 0);

	if (!sqe)
		return;
	io_uring_prep_link_timeout(sqe, &soon, 0);
	sqe->user_data = MIX_OTHER;
	s->recalled = true;
	ring->others++;
}

static struct io_uring_sqe *queue_op(struct mix_ring *ring, struct mix_slot *s)
{
	struct io_unified_cmd *cmd;
	struct io_uring_sqe *sqe;
	u32 op = IO_UNIFIED_CMD_OP;

	/* A stream and a cancel have commands of their own; mostly. */
	if (s->d.flags & IO_UNIFIED_F_STREAM && pick(16)) {
		s->d.flags &= ~IO_UNIFIED_F_STREAM;
		s->d.arg = 0;
		op = IO_UNIFIED_CMD_STREAM;
		s->pair = 0;
	} else if (pick(3) == 0 || ring == &mix_rings[PASSING]) {
		s->d.flags |= IO_UNIFIED_F_CQ;
	}
	if (s->d.flags & IO_UNIFIED_F_CQ)
		s->pair = 0;
	sqe = get_sqe(ring, op, s->user_data);
	cmd = bytes_of(sqe);
	cmd->desc = s->d;
	if (op == IO_UNIFIED_CMD_STREAM) {
		cmd->stream = (uintptr_t)&s->p;
		s->d.flags |= IO_UNIFIED_F_STREAM;
	}
	s->ring = ring - mix_rings;
	if (!pick(16))
		sqe->flags |= IOSQE_ASYNC;
	return sqe;
}

/* One or a chain of them, perhaps with a time to live, or a cancel at once. */
static void single_ops(int max)
{
	struct mix_ring *ring = some_ring();
	int n = pick(4) ? 1 : 1 + pick(5), i;
	struct io_uring_sqe *sqe;
	struct mix_slot *s = NULL;
	bool timed = !pick(8);

	if (!ring)
		return;
	n = n < max ? n : max;
	if (ring->chained)
		n = 1;
	for (i = 0; i < n; i++) {
		/* A ring that is polled has no network. */
		s = mix_make(&rand_, ring->flags & IORING_SETUP_IOPOLL ?
					     IO_UNIFIED_F_RX | IO_UNIFIED_F_TX :
					     0);
		if (!s)
			break;
		sqe = queue_op(ring, s);
		mix_count.busy++;
		mix_count.made++;
		s->alone = n == 1;
		if (n == 1 && !timed)
			break;
		if (!ring->chained++)
			ring->oldest = ring->uring.sq.sqe_tail - 1;
		s->chained = true;
		if (i + 1 < n || timed)
			sqe->flags |= IOSQE_IO_LINK;
	}
	if (!s && n > 1)
		n = i;
	if (s && timed)
		queue_link_timeout(ring, s);
	else if (s && !pick(12))
		queue_async_cancel(ring, s);
	if (!pick(12))
		queue_cancel(ring, s ? s->user_data : 1);
	submit(ring);
}

/* ---------------------------------------------------- groups, from an SQ */

static int sq_room(int pair)
{
	struct io_unified_ring *p = t_pair(&mix.r, pair);

	return mix.r.reg.sq_entries -
	       (p->sq_prod - __atomic_load_n(&p->sq_cons, __ATOMIC_ACQUIRE));
}

static int group_size(void)
{
	const u32 x = pick(100);

	if (x < 55)
		return 1;
	if (x < 80)
		return 2 + pick(3);
	return x < 96 ? 5 + pick(8) : 28 + pick(MIX_GROUP - 27);
}

/* Returns how many. */
static int put_group(int pair, int max)
{
	struct mix_slot *group[MIX_GROUP];
	u32 avoid = IO_UNIFIED_F_STREAM;
	int n = group_size(), i;

	n = n < max ? n : max;
	/* What may wait is in front then, and what takes long behind. */
	if (n > 4 && pick(2))
		avoid |= IO_UNIFIED_F_RX | IO_UNIFIED_F_TX |
			 IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_CANCEL;
	for (i = 0; i < n; i++) {
		group[i] = mix_make(&rand_, i && i + 1 < n ? avoid : 0);
		if (!group[i])
			break;
	}
	n = i;
	for (i = 0; i < n; i++) {
		struct mix_slot *s = group[i];

		if (i + 1 < n)
			s->d.flags |= IO_UNIFIED_F_LINK;
		/* One of its own group */
		if (s->d.flags & IO_UNIFIED_F_CANCEL && pick(2))
			s->d.arg = group[pick(n)]->user_data;
		s->pair = pair;
		s->alone = n == 1;
		REQUIRE(t_sq_put(&mix.r, pair, &s->d), "the SQ is full");
	}
	mix_count.busy += n;
	mix_count.made += n;
	mix_count.groups += n > 1;
	return n;
}

static int put_groups(int pair, int max)
{
	int n = 0, some = 1 + pick(3), room = sq_room(pair);

	max = max < room ? max : room;
	while (some-- && n < max)
		n += put_group(pair, max - n);
	return n;
}

static void by_enter(int pair, u32 n)
{
	struct io_unified_enter e = {
		.ring = pair,
		.to_submit = n,
		.min_complete = pick(3) ? 0 : 1 + pick(4),
		.timeout_nsec = 5000000,
	};
	int ret = t_enter(&mix.r, &e);

	CHECK(!ret || ret == -EBUSY || ret == -ETIME || ret == -EINTR,
	      "ENTER: %d, reason %u", ret, e.reason);
}

static void by_ring(int pair, int n)
{
	struct mix_ring *ring = some_ring();

	if (!ring) {
		by_enter(pair, n);
		return;
	}
	t_queue_ring(&mix.r, &ring->uring, pair, pick(3) ? 0 : 1 + pick(n + 1),
		     pick(3) ? 0 : IO_UNIFIED_RING_SUBMIT, MIX_RING_CMD);
	ring->cmds++;
	submit(ring);
}

static void group_ops(int max)
{
	int pair = pick(BY_CHILD);
	int n = put_groups(pair, max);

	if (!n)
		return;
	if (pair == BY_ENTER)
		by_enter(pair, n);
	else
		by_ring(pair, n);
}

static void tell_left(void)
{
	struct mix_slot *s;
	int i;

	for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++)
		if (s->user_data && !s->lost)
			mix_tell(s, "is left");
	for (i = 0; i < MIX_RINGS; i++)
		if (mix_rings[i].cmds || mix_rings[i].others)
			t_note("ring %d: %d CMD_RINGs, %d others", i,
			       mix_rings[i].cmds, mix_rings[i].others);
}

static void watch_detach(void)
{
	struct mix_place *p = mix.detaching;
	u64 start = mix.detach_start;

	if (!p || t_now_ms() - start < END_MS * mix_scale())
		return;
	t_note("DETACH of %s does not return, index %u", p->name, p->index);
	tell_left();
	REQUIRE(false, "DETACH of %s does not return", p->name);
}

/* -------------------------------------------------- children, passing rings */

/* Runs what is in its SQ, and waits for what comes. */
static void child(int ready, u32 flags, u32 cmd_flags, bool gone)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring ring;

	t_ring_init(&ring, 16, flags);
	a.fd = ring.ring_fd;
	REQUIRE_EQ(t_attach(&mix.r, &a), 0, "reason %u", a.reason);
	t_queue_ring(&mix.r, &ring, BY_CHILD, 0, cmd_flags, 0);
	io_uring_submit(&ring);
	REQUIRE(write(ready, &a.index, sizeof(a.index)) == sizeof(a.index));
	if (gone)
		t_exec_nothing();
	for (;;)
		pause();
}

static void child_ops(int max)
{
	static const u32 flags[] = {
		0,
		IORING_SETUP_SQPOLL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	u32 ring_flags = MIX_ONE_OF(&rand_, flags);
	u32 cmd_flags = pick(3) ? 0 : IO_UNIFIED_RING_SUBMIT;
	u32 wait_us = pick(20000);
	bool gone = !pick(3);
	int ready[2];
	struct pollfd p;
	s32 index;
	pid_t pid;

	if (!put_groups(BY_CHILD, max))
		return;
	REQUIRE(!pipe(ready));
	p = (struct pollfd){ .fd = ready[0], .events = POLLIN };
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		child(ready[1], ring_flags, cmd_flags, gone);
	}
	close(ready[1]);
	/* Nothing that is taken away waits for us to enter an io_uring. */
	while (poll(&p, 1, 100) != 1)
		watch_detach();
	REQUIRE(read(ready[0], &index, sizeof(index)) == sizeof(index),
		"the child did not start");
	close(ready[0]);
	if (!gone) {
		usleep(wait_us);
		kill(pid, SIGKILL);
	}
	t_child_ends(pid, !gone, mix_count.children++);
	REQUIRE_EQ(t_detach(&mix.r, IO_UNIFIED_KIND_RING, index), 0);
}

static void passing_ring(void)
{
	const u32 att = mix_rings[PASSING].att;
	const bool first = pick(2);

	if (first)
		REQUIRE_EQ(t_detach(&mix.r, IO_UNIFIED_KIND_RING, att), 0);
	ring_close(PASSING);
	if (!first)
		REQUIRE_EQ(t_detach(&mix.r, IO_UNIFIED_KIND_RING, att), 0);
	ring_open(PASSING);
	mix_count.closed++;
}

/* -------------------------------------------------------------------- watch */

/* What stays in an SQ is taken one day. */
static void run_sqs(void)
{
	int i;

	for (i = 0; i < MIX_PAIRS; i++)
		if (sq_room(i) < (int)mix.r.reg.sq_entries)
			by_enter(i, 64);
}

/* Waits for nobody, in front of it or elsewhere. */
static bool has_to_end(const struct mix_slot *s)
{
	return s->alone && !s->lost &&
	       !(s->d.flags & (IO_UNIFIED_F_RX | IO_UNIFIED_F_TX));
}

/* Cancels what has waited for that long. */
static void recall(u64 ms)
{
	struct mix_ring *ring = &mix_rings[0];
	u64 now = t_now_ms();
	struct mix_slot *s;

	for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++) {
		if (!s->user_data || now - s->since < ms)
			continue;
		if (has_to_end(s) && now - s->since > END_MS * mix_scale()) {
			mix_tell(s, "does not end");
			REQUIRE(false, "an op that waits for nobody waits");
		}
		if (!has_room(ring))
			return;
		queue_cancel(ring, s->user_data);
		s->canceled = true;
		submit(ring);
	}
}

/* Not one op, no CMD_RING, is left in time. */
static void all_end(bool cancel, const char *behind)
{
	const u64 until = t_now_ms() + END_MS * mix_scale();
	u64 next = 0;
	struct mix_slot *s;
	int i, left;

	for (;;) {
		left = 0;
		if (!mix_reap())
			t_sleep_ms(1);
		for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++)
			left += s->user_data && !s->lost;
		for (i = 0; i < MIX_RINGS; i++)
			left += mix_rings[i].cmds + mix_rings[i].others;
		if (!left)
			return;
		if (t_now_ms() >= until)
			break;
		if (cancel && t_now_ms() >= next) {
			run_sqs();
			recall(0);
			next = t_now_ms() + 100;
		}
	}
	tell_left();
	REQUIRE(false, "%d do not end, %s", left, behind);
}

/* ------------------------------------------------------------------- rounds */

static void some_ops(u64 until)
{
	u64 look = t_now_ms() + 200;

	while (mix_count.made < until) {
		int max = BUSY - mix_count.busy;

		if (max > 0 && !pick(120))
			child_ops(max);
		else if (max > 0 && pick(5) < 2)
			single_ops(max);
		else if (max > 0)
			group_ops(max);
		if (!pick(100))
			passing_ring();
		if (!pick(6))
			run_sqs();
		if (pick(8) && !mix_reap())
			t_sleep_ms(1);
		if (t_now_ms() >= look) {
			watch_detach();
			recall(RECALL_MS * mix_scale());
			look = t_now_ms() + 200;
		}
	}
}

static void take_all_sqs(void)
{
	const u64 until = t_now_ms() + END_MS * mix_scale();
	int i;

	for (i = 0; i < MIX_PAIRS; i++)
		while (sq_room(i) < (int)mix.r.reg.sq_entries) {
			mix_reap();
			by_enter(i, 64);
			REQUIRE(t_now_ms() < until, "the SQ stays full");
		}
}

static void unregister(void)
{
	u64 start = t_now_ms();

	CHECK(!ioctl(mix.r.fd, IO_UNIFIED_UNREGISTER_REGION), "errno %d",
	      errno);
	CHECK(t_now_ms() - start < END_MS * mix_scale(), "UNREGISTER: %llu ms",
	      (unsigned long long)(t_now_ms() - start));
}

/* Ways to get rid of what is in flight. */
static void finish(int way)
{
	int i;

	take_all_sqs();
	switch (way) {
	case 0:
		all_end(true, "canceled");
		break;
	case 1:
		for (i = 0; i < MIX_PLACES; i++)
			mix_detach(&mix.place[(i + 5) % MIX_PLACES]);
		all_end(false, "behind DETACH");
		break;
	case 2:
		for (i = 0; i < MIX_RINGS; i++) {
			ring_close(i);
			mix_rings[i].cmds = mix_rings[i].others = 0;
		}
		break;
	}
	unregister();
	if (way != 2)
		all_end(false, "behind UNREGISTER");
}

static void look_at_the_rest(int way)
{
	struct mix_slot *s;
	int i;

	for (i = 0; i < MIX_PAIRS; i++)
		mix_reap_pair(i);
	for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++) {
		if (!CHECK(mix_memory_is_whole(s), "memory in the end"))
			mix_tell(s, "changed it");
		/* Of an op of an SQ its CQ tells, whoever handed it in. */
		if (s->user_data && !CHECK(s->lost))
			mix_tell(s, "is left");
	}
	if (way == 2)
		return;
	for (i = 0; i < MIX_RINGS; i++)
		io_uring_queue_exit(&mix_rings[i].uring);
}

static void one_round(int round)
{
	const int refs = t_refcount(), way = round % 4;
	int i;

	mix_world_open();
	mix_slots_init();
	mix_count.busy = 0;
	for (i = 0; i < MIX_RINGS; i++)
		ring_open(i);
	mix_world_start();
	some_ops(total * (round + 1) / ROUNDS);
	while (!mix_world_calm()) {
		watch_detach();
		t_sleep_ms(1);
	}
	finish(way);
	look_at_the_rest(way);
	t_region_gone(&mix.r);
	mix_world_stop();
	t_refcount_wait(refs);
	mix_world_check();
}

static void tell_all(void)
{
	int i;

	t_note("%llu ops, %llu of them failed, in %llu groups; %llu children, %llu rings closed",
	       (unsigned long long)mix_count.ended,
	       (unsigned long long)mix_count.failed,
	       (unsigned long long)mix_count.groups,
	       (unsigned long long)mix_count.children,
	       (unsigned long long)mix_count.closed);
	for (i = 0; i < MIX_PLACES; i++)
		t_note("%s: taken away %llu times", mix.place[i].name,
		       (unsigned long long)mix.taken[i]);
	t_note("%llu resets, %llu times link down, DETACH at most %llu ms",
	       (unsigned long long)mix.resets, (unsigned long long)mix.downs,
	       (unsigned long long)mix.longest_detach);
	for (i = 0; i < (int)ARRAY_SIZE(mix_count.by_reason); i++)
		if (mix_count.by_reason[i])
			t_note("reason %d: %llu", i,
			       (unsigned long long)mix_count.by_reason[i]);
}

static void random_mix(void)
{
	struct t_leak before;
	u64 seed;
	int i;

	total = t_environment("IOU_OPS", 6000);
	seed = t_environment("IOU_SEED", t_now_ms() * 1000 + getpid());
	t_note("IOU_OPS=%llu IOU_SEED=%llu", (unsigned long long)total,
	       (unsigned long long)seed);
	mix_seed(&rand_, seed);
	mix_seed(&mix.rand, seed + 1);
	mix_world_init();
	for (i = 0; i < ROUNDS; i++) {
		one_round(i);
		/* The first one fills caches. */
		if (!i)
			t_leak_start(&before);
	}
	/* A region lost in a round is more than that; caches grow by less. */
	t_leak_check(&before, 200);
	tell_all();
	CHECK(mix_count.ended > total / 4 && mix_count.failed < mix_count.ended,
	      "it was no test");
	mix_world_exit();
}

static const struct t_case cases[] = {
	{ "programs on other interfaces", t_around_fill },
	/* The runner has the limit: it depends on IOU_OPS. */
	{ "random ops while what they use comes and goes", random_mix,
	  24 * 3600 },
	{ "other interfaces deleted", t_around_empty },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
