// SPDX-License-Identifier: GPL-2.0
/*
 * The region's own rings: batches, back-pressure, groups, a ring for each
 * thread, and all of it without io_uring.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/sq.h"
#include "lib/stream.h"

enum { LEN = 8192 };

static struct t_region r;
static struct t_disk disk;
static int storage;

static void set_up(const struct t_opt *opt)
{
	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, opt);
	storage = t_attach_storage(&r, disk.path, 0);
}

static struct io_unified_desc io(u32 flags, u32 i)
{
	return (struct io_unified_desc){
		.user_data = i,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = flags,
		.storage = storage,
		.addr = t_frame(&r, 2 * i),
		.len = LEN,
		.dev_offset = (4 << 20) + (u64)i * LEN,
	};
}

/* Each of @n entries comes once; all have @res. */
static void reap_all(u32 pair, u32 n, s32 want)
{
	struct io_unified_cqe cqe;
	u64 seen = 0;
	u32 i;

	REQUIRE(n <= 64);
	for (i = 0; i < n; i++) {
		REQUIRE(t_cq_of(&r, pair, &cqe, 20000), "%u of %u", i, n);
		CHECK_EQ(cqe.res, want, "op %llu: reason %u",
			 (unsigned long long)cqe.user_data, cqe.reason);
		CHECK(cqe.user_data < 64 && !(seen & 1ull << cqe.user_data));
		seen |= 1ull << cqe.user_data;
	}
	CHECK(!t_cq_of(&r, pair, &cqe, 20), "one entry too many");
}

static void put_all(u32 pair, u32 n, u32 flags)
{
	struct io_unified_desc d;
	u32 i;

	for (i = 0; i < n; i++) {
		d = io(flags, i);
		REQUIRE(t_sq_put(&r, pair, &d));
	}
}

static void fill(u32 n, u64 seed)
{
	u32 i;

	for (i = 0; i < n; i++)
		t_fill(t_ptr(&r, t_frame(&r, 2 * i)), LEN, seed + i);
}

static void check_and_clear(u32 n, u64 seed)
{
	u32 i;

	for (i = 0; i < n; i++) {
		CHECK(t_filled(t_ptr(&r, t_frame(&r, 2 * i)), LEN, seed + i),
		      "op %u", i);
		memset(t_ptr(&r, t_frame(&r, 2 * i)), 0, LEN);
	}
}

/* Written and read back, @n in one command. */
static void there_and_back(u32 n, u32 flags, u64 seed)
{
	struct t_res res;

	fill(n, seed);
	put_all(0, n, IO_UNIFIED_F_WRITE);
	res = t_ring(&r, 0, 0, flags);
	CHECK_EQ(res.res, n, "reason %u", res.reason);
	reap_all(0, n, LEN);
	check_and_clear(n, seed);
	put_all(0, n, IO_UNIFIED_F_READ);
	CHECK_EQ(t_ring(&r, 0, 0, flags).res, n);
	reap_all(0, n, LEN);
	check_and_clear(n, seed);
}

static void batches(void)
{
	u32 i;

	set_up(NULL);
	for (i = 1; i <= 64; i += 7)
		there_and_back(i, 0, 1000 * i);
	there_and_back(64, IO_UNIFIED_RING_SUBMIT, 77);
	CHECK_EQ(t_pair(&r, 0)->sq_cons, t_pair(&r, 0)->sq_prod);
	CHECK_EQ(t_pair(&r, 0)->sq_flags, IO_UNIFIED_SQ_NEED_WAKEUP);
	/* An empty SQ is no error. */
	CHECK_EQ(t_ring(&r, 0, 0, 0).res, 0);
	CHECK_EQ(t_ring(&r, 0, 5, 0).res, 0);
	/* As many as are asked for. */
	fill(6, 9);
	put_all(0, 6, IO_UNIFIED_F_WRITE);
	CHECK_EQ(t_ring(&r, 0, 4, 0).res, 4);
	CHECK_EQ(t_ring(&r, 0, 4, 0).res, 2);
	reap_all(0, 6, LEN);
	t_region_close(&r);
}

/* SQEs of 64 bytes, CQEs of 16. */
static void small_sqes(void)
{
	struct t_opt opt = { .no_ring = true };
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring ring;
	struct io_uring_cqe *cqe;

	set_up(&opt);
	REQUIRE(!io_uring_queue_init(8, &ring, 0));
	a.fd = ring.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	fill(32, 5);
	put_all(0, 32, IO_UNIFIED_F_WRITE);
	t_queue_ring(&r, &ring, 0, 0, 0, 42);
	REQUIRE_EQ(io_uring_submit_and_wait(&ring, 1), 1);
	REQUIRE(!io_uring_peek_cqe(&ring, &cqe));
	CHECK_EQ(cqe->res, 32);
	CHECK_EQ(cqe->user_data, 42);
	reap_all(0, 32, LEN);
	io_uring_queue_exit(&ring);
	t_region_close(&r);
}

/* No completion is lost: what has no room in the CQ stays in the SQ. */
static void back_pressure(void)
{
	struct t_opt opt = { .cq_entries = 8 };
	struct io_unified_cqe cqe;
	struct t_res res;
	u32 left = 50, got = 0;
	u64 seen = 0;

	set_up(&opt);
	fill(50, 3);
	put_all(0, 50, IO_UNIFIED_F_WRITE);
	while (left) {
		res = t_ring(&r, 0, 0, 0);
		CHECK(res.res == (int)(left < 8 ? left : 8), "%d", res.res);
		left -= res.res;
		CHECK_EQ(!!(t_pair(&r, 0)->sq_flags & IO_UNIFIED_SQ_CQ_FULL),
			 left > 0);
		if (left) {
			/* Full of entries: none can be taken. */
			res = t_ring(&r, 0, 0, 0);
			CHECK_EQ(res.res, -EBUSY);
			CHECK_EQ(res.reason, IO_UNIFIED_REASON_CQ_FULL);
		}
		while (t_cq_of(&r, 0, &cqe, 50)) {
			CHECK_EQ(cqe.res, LEN);
			CHECK(!(seen & 1ull << cqe.user_data));
			seen |= 1ull << cqe.user_data;
			got++;
		}
	}
	CHECK_EQ(got, 50);
	CHECK(t_stat(&r, IO_UNIFIED_KIND_REGION, 0,
		     IO_UNIFIED_STAT_SQ_STALLED) >= 12);
	t_region_close(&r);
}

/* One that is refused completes with its reason; the others are done. */
static void bad_ones(void)
{
	static const struct {
		s32 res;
		u16 reason;
	} want[] = {
		{ LEN, 0 },
		{ -ENOENT, IO_UNIFIED_REASON_INDEX },
		{ -EINVAL, IO_UNIFIED_REASON_ADDR },
		{ -EINVAL, IO_UNIFIED_REASON_FLAGS },
		{ -ERANGE, IO_UNIFIED_REASON_RANGE },
		{ -ENOENT, 0 },
		{ -EINVAL, IO_UNIFIED_REASON_OPS },
	};
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	u32 i;

	set_up(NULL);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		d = io(IO_UNIFIED_F_READ, i);
		switch (i) {
		case 1:
			d.storage = 63;
			break;
		case 2:
			d.addr = 4096;
			break;
		case 3:
			d.flags |= 1u << 31;
			break;
		case 4:
			d.dev_offset = 1ull << 60;
			break;
		case 5:
			d = (struct io_unified_desc){
				.user_data = i,
				.flags = IO_UNIFIED_F_CANCEL,
				.arg = 4711,
			};
			break;
		case 6:
			d.flags |= IO_UNIFIED_F_STREAM;
			break;
		}
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	CHECK_EQ(t_ring(&r, 0, 0, 0).res, ARRAY_SIZE(want));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 1000));
		REQUIRE(cqe.user_data < ARRAY_SIZE(want));
		CHECK_EQ(cqe.res, want[cqe.user_data].res, "op %d",
			 (int)cqe.user_data);
		CHECK_EQ(cqe.reason, want[cqe.user_data].reason, "op %d",
			 (int)cqe.user_data);
	}
	t_region_close(&r);
}

static void refuse(const struct io_unified_ring_cmd *c, int error, u16 reason)
{
	struct io_uring_sqe *sqe = t_sqe(&r, IO_UNIFIED_CMD_RING, 0);
	struct t_res res;

	memcpy((u8 *)sqe + 48, c, sizeof(*c));
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.res, -error);
	CHECK_EQ(res.reason, reason);
}

static void bad_commands(void)
{
	struct io_unified_enter e;
	u32 cons;

	set_up(NULL);
	refuse(&(struct io_unified_ring_cmd){ .ring = 1 }, EINVAL,
	       IO_UNIFIED_REASON_RING);
	refuse(&(struct io_unified_ring_cmd){ .ring = 0xffff }, EINVAL,
	       IO_UNIFIED_REASON_RING);
	refuse(&(struct io_unified_ring_cmd){ .flags = 2 }, EINVAL,
	       IO_UNIFIED_REASON_FLAGS);
	refuse(&(struct io_unified_ring_cmd){ .reserved = 1 }, EINVAL,
	       IO_UNIFIED_REASON_RESERVED);

#define ENTER(error, why, ...)                                             \
	do {                                                               \
		e = (struct io_unified_enter){ __VA_ARGS__ };              \
		CHECK_EQ(t_enter(&r, &e), -error);                         \
		CHECK_EQ(e.reason, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)
	ENTER(EINVAL, RING, .ring = 1);
	ENTER(EINVAL, FLAGS, .flags = 1);
	ENTER(EINVAL, RESERVED, .reserved0 = 1);
	ENTER(EINVAL, RESERVED, .reserved = { 0, 1 });
	ENTER(EINVAL, SIZE, .min_complete = 257);
	ENTER(ETIME, NONE, .min_complete = 1, .timeout_nsec = 20000000);
	ENTER(0, NONE, .to_submit = 10);

	/* An index that claims more than there can be is not believed. */
	cons = t_pair(&r, 0)->sq_cons;
	t_pair(&r, 0)->sq_prod = cons + 65;
	CHECK_EQ(t_ring(&r, 0, 0, 0).res, 0);
	t_pair(&r, 0)->sq_prod = cons - 1;
	CHECK_EQ(t_ring(&r, 0, 0, 0).res, 0);
	t_pair(&r, 0)->sq_prod = cons;
	there_and_back(8, 0, 1);
	t_region_close(&r);
}

/* Each op of a group sees what the one before it did, however long the group is. */
static void groups(void)
{
	enum { N = 48 };
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	u32 i, round;

	set_up(NULL);
	for (round = 0; round < 7; round++) {
		/* To the drive, over the same memory back, again and again. */
		t_fill(t_ptr(&r, t_frame(&r, 0)), LEN, round);
		for (i = 0; i < N; i++) {
			d = io(i & 1 ? IO_UNIFIED_F_READ : IO_UNIFIED_F_WRITE,
			       i);
			d.addr = t_frame(&r, 2 * ((i + 1) / 2));
			d.dev_offset = (8 << 20) + (i / 2) * LEN;
			if (i < N - 1)
				d.flags |= IO_UNIFIED_F_LINK;
			REQUIRE(t_sq_put(&r, 0, &d));
		}
		CHECK_EQ(t_ring(&r, 0, 0, 0).res, N);
		for (i = 0; i < N; i++) {
			REQUIRE(t_cq_of(&r, 0, &cqe, 1000));
			CHECK_EQ(cqe.user_data, i, "in order");
			CHECK_EQ(cqe.res, LEN);
		}
		CHECK(t_filled(t_ptr(&r, t_frame(&r, N)), LEN, round));
		memset(t_ptr(&r, t_frame(&r, 2)), 0, N / 2 * LEN);
	}

	/* After one that fails, at once or later, the rest of its group is not. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++) {
			d = io(IO_UNIFIED_F_WRITE, i);
			if (i == 2 && round)
				d.storage = 60;
			else if (i == 2)
				d.dev_offset = disk.size;
			if (i != 5)
				d.flags |= IO_UNIFIED_F_LINK;
			REQUIRE(t_sq_put(&r, 0, &d));
		}
		CHECK_EQ(t_ring(&r, 0, 0, 0).res, 8);
		for (i = 0; i < 8; i++) {
			REQUIRE(t_cq_of(&r, 0, &cqe, 1000));
			switch (cqe.user_data) {
			case 0:
			case 1:
			case 6:
			case 7:
				CHECK_EQ(cqe.res, LEN);
				break;
			case 2:
				CHECK_EQ(cqe.res, round ? -ENOENT : -ERANGE);
				break;
			default:
				CHECK_EQ(cqe.res, -ECANCELED);
				CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_LINK);
			}
		}
	}
	/* In an SQE io_uring's own links do that. */
	d = io(IO_UNIFIED_F_READ | IO_UNIFIED_F_LINK, 0);
	CHECK_EQ(t_op(&r, &d).reason, IO_UNIFIED_REASON_FLAGS);
	t_region_close(&r);
}

/* ----------------------------------------------------------------- threads */

enum { THREADS = 4, ROUNDS = 150, BATCH = 8 };

static void *one_thread(void *arg)
{
	u32 pair = (uintptr_t)arg, i, round;
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	struct io_uring ring;
	struct io_uring_cqe *c;
	u8 *p;

	REQUIRE(!io_uring_queue_init(8, &ring, 0));
	a.fd = ring.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < BATCH; i++) {
			d = io(round & 1 ? IO_UNIFIED_F_READ :
					   IO_UNIFIED_F_WRITE,
			       pair * BATCH + i);
			p = t_ptr(&r, d.addr);
			if (round & 1)
				memset(p, 0, LEN);
			else
				t_fill(p, LEN, d.user_data << 32 | round);
			REQUIRE(t_sq_put(&r, pair, &d));
		}
		t_queue_ring(&r, &ring, pair, BATCH, 0, round);
		REQUIRE_EQ(io_uring_submit_and_wait(&ring, 1), 1);
		REQUIRE(!io_uring_peek_cqe(&ring, &c));
		CHECK_EQ(c->res, BATCH);
		CHECK_EQ(c->user_data, round);
		io_uring_cqe_seen(&ring, c);
		for (i = 0; i < BATCH; i++) {
			REQUIRE(t_cq_of(&r, pair, &cqe, 1000));
			CHECK_EQ(cqe.res, LEN);
			CHECK_EQ(cqe.user_data / BATCH, pair);
			if (round & 1)
				CHECK(t_filled(
					t_ptr(&r,
					      t_frame(&r, 2 * cqe.user_data)),
					LEN,
					cqe.user_data << 32 | (round - 1)));
		}
	}
	io_uring_queue_exit(&ring);
	return NULL;
}

static void threads(void)
{
	struct t_opt opt = { .pairs = THREADS };
	pthread_t t[THREADS];
	uintptr_t i;

	set_up(&opt);
	CHECK_EQ(r.reg.nr_rings, THREADS);
	for (i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&t[i], NULL, one_thread, (void *)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	t_region_close(&r);
}

/* ------------------------------------------------------------------- ENTER */

static void enter(void)
{
	struct t_opt opt = { .no_ring = true, .memory = T_MEM_MODULE };
	struct io_unified_enter e;

	set_up(&opt);
	fill(40, 8);
	put_all(0, 40, IO_UNIFIED_F_WRITE);
	e = (struct io_unified_enter){ .to_submit = 64, .min_complete = 40 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	CHECK_EQ(e.submitted, 40);
	CHECK_EQ(e.completed, 40);
	reap_all(0, 40, LEN);
	check_and_clear(40, 8);
	put_all(0, 40, IO_UNIFIED_F_READ);
	e = (struct io_unified_enter){ .to_submit = 10 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	CHECK_EQ(e.submitted, 10);
	e = (struct io_unified_enter){ .to_submit = 30, .min_complete = 40 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	CHECK_EQ(e.submitted, 30);
	reap_all(0, 40, LEN);
	check_and_clear(40, 8);
	t_region_close(&r);
}

static void nothing(int sig)
{
}

/* A stream to 16 MiB on the drive. Its parameters lie in the region. */
static struct io_unified_desc stream(int net)
{
	struct io_unified_stream *p = (void *)t_ptr(&r, t_frame(&r, 0));

	memset(p, 0, sizeof(*p));
	p->layout = IO_UNIFIED_LAYOUT_ALIGNED;
	p->range_len = 1 << 20;
	return (struct io_unified_desc){
		.user_data = 100,
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE |
			 IO_UNIFIED_F_STREAM,
		.net = net,
		.storage = storage,
		.addr = t_frame(&r, 64),
		.len = 64 * 4096,
		.dev_offset = 16 << 20,
		.arg = t_frame(&r, 0),
	};
}

/* Packets, a stream and a cancel, without a ring. */
static void enter_net(void)
{
	static const struct t_way way = { "veth",
					  IO_UNIFIED_ATTACH_RX_HANDLER };
	struct t_opt opt = { .no_ring = true };
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct io_unified_enter e;
	struct sigaction sa = { .sa_handler = nothing };
	struct t_link l;
	u64 written = 0;
	int net, i;

	set_up(&opt);
	t_link_open(&l, &way, 1500);
	net = t_link_attach(&r, &l, &way);
	for (i = 0; i < 4; i++) {
		d = (struct io_unified_desc){
			.user_data = i,
			.ops = IO_UNIFIED_OP_NETWORK,
			.flags = IO_UNIFIED_F_RX,
			.net = net,
			.addr = t_frame(&r, i),
			.len = 4096,
		};
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	e = (struct io_unified_enter){ .to_submit = 4 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	/* A signal ends the wait, not the ops. */
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	e = (struct io_unified_enter){ .min_complete = 1 };
	CHECK_EQ(t_enter(&r, &e), -EINTR);
	for (i = 0; i < 3; i++)
		t_send(&l, 200, i);
	e = (struct io_unified_enter){ .min_complete = 3 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 0));
		CHECK_EQ(cqe.res, 200);
		CHECK(t_is_packet(t_ptr(&r, cqe.addr), 200, i));
	}
	d = (struct io_unified_desc){
		.user_data = 99,
		.flags = IO_UNIFIED_F_CANCEL,
		.arg = 3,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	e = (struct io_unified_enter){ .to_submit = 1, .min_complete = 2 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	for (i = 0; i < 2; i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 0));
		CHECK_EQ(cqe.res, cqe.user_data == 99 ? 1 : -ECANCELED);
	}

	d = stream(net);
	REQUIRE(t_sq_put(&r, 0, &d));
	e = (struct io_unified_enter){ .to_submit = 1 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	for (i = 0; i < 20; i++)
		t_send(&l, 300, i);
	while (written < 20) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 5000), "%llu of 20",
			(unsigned long long)written);
		CHECK(cqe.flags & IO_UNIFIED_CQE_MORE, "res %d reason %u",
		      cqe.res, cqe.reason);
		written += cqe.count;
	}
	d = (struct io_unified_desc){
		.user_data = 101,
		.flags = IO_UNIFIED_F_CANCEL,
		.arg = 100,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	e = (struct io_unified_enter){ .to_submit = 1, .min_complete = 2 };
	REQUIRE_EQ(t_enter(&r, &e), 0);
	for (i = 0; i < 2; i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 5000));
		if (cqe.user_data == 101) {
			CHECK_EQ(cqe.res, 1);
			continue;
		}
		CHECK_EQ(cqe.res, -ECANCELED);
		CHECK_EQ(cqe.count, 20);
	}
	t_link_close(&l);
	t_region_close(&r);
}

/* The same where the kernel's io_uring is switched off. */
static void disabled(void)
{
	struct io_uring ring;

	if (access("/proc/sys/kernel/io_uring_disabled", W_OK))
		t_skip("this kernel cannot switch io_uring off");
	t_write_file("/proc/sys/kernel/io_uring_disabled", "2");
	CHECK_EQ(io_uring_queue_init(4, &ring, 0), -EPERM);
	enter();
	enter_net();
	t_write_file("/proc/sys/kernel/io_uring_disabled", "0");
}

/*
 * A command that waits for a stream, too, ends once, and not before it. @link: stream
 * and cancel begin when the read in front of them is done.
 */
static void stream_and_read(int net, u32 link)
{
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct t_res res;
	int i;

	d = io(IO_UNIFIED_F_READ | link, 1);
	REQUIRE(t_sq_put(&r, 0, &d));
	d = stream(net);
	REQUIRE(t_sq_put(&r, 0, &d));
	t_queue_ring(&r, &r.ring, 0, 0, 0, 7);
	t_submit(&r);
	REQUIRE(t_cq_of(&r, 0, &cqe, 5000));
	CHECK_EQ(cqe.user_data, 1);
	CHECK_EQ(cqe.res, LEN);
	CHECK(!t_reap(&r, &res, 200), "ended before its stream");

	d = io(IO_UNIFIED_F_READ | link, 1);
	REQUIRE(t_sq_put(&r, 0, &d));
	d = (struct io_unified_desc){
		.user_data = 101,
		.flags = IO_UNIFIED_F_CANCEL,
		.arg = 100,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	t_queue_ring(&r, &r.ring, 0, 0, 0, 8);
	t_submit(&r);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 5000));
		CHECK_EQ(cqe.res, cqe.user_data == 1   ? LEN :
				  cqe.user_data == 101 ? 1 :
							 -ECANCELED);
	}
	for (i = 0; i < 2; i++) {
		REQUIRE(t_reap(&r, &res, 5000));
		CHECK_EQ(res.res, 2, "of command %llu",
			 (unsigned long long)res.user_data);
	}
	CHECK(!t_reap(&r, &res, 100), "a command ended twice");
}

static void stream_in_batch(void)
{
	static const struct t_way way = { "veth",
					  IO_UNIFIED_ATTACH_RX_HANDLER };
	struct t_link l;
	int net;

	set_up(NULL);
	t_link_open(&l, &way, 1500);
	net = t_link_attach(&r, &l, &way);
	stream_and_read(net, 0);
	stream_and_read(net, IO_UNIFIED_F_LINK);
	t_link_close(&l);
	t_region_close(&r);
}

/* What waits is in front of ops of an attachment that goes: they go with it. */
static void group_and_detach(void)
{
	static const struct t_way way = { "veth",
					  IO_UNIFIED_ATTACH_RX_HANDLER };
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct t_link l;
	pid_t pid;
	u64 since;
	u32 i;

	set_up(NULL);
	t_link_open(&l, &way, 1500);
	for (i = 0; i < 3; i++) {
		d = (struct io_unified_desc){
			.ops = IO_UNIFIED_OP_NETWORK,
			.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_LINK,
			.addr = t_frame(&r, 0),
			.len = 4096,
		};
		if (!i)
			d.net = t_link_attach(&r, &l, &way);
		if (i)
			d = io(IO_UNIFIED_F_READ |
				       (i == 1 ? IO_UNIFIED_F_LINK : 0),
			       i);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	CHECK_EQ(t_ring(&r, 0, 0, IO_UNIFIED_RING_SUBMIT).res, 3);
	/* Nothing ends a detach that waits, but that what it waits for ends. */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		sleep(8);
		t_send(&l, 200, 0);
		_exit(0);
	}
	since = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage), 0);
	CHECK(t_now_ms() - since < 5000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq_of(&r, 0, &cqe, 1000));
		CHECK_EQ(cqe.res, -ECANCELED);
		CHECK_EQ(cqe.reason, cqe.user_data ? IO_UNIFIED_REASON_LINK :
						     IO_UNIFIED_REASON_GONE);
	}
	t_link_close(&l);
	t_region_close(&r);
}

/* Ops in flight of nobody's command, and the region goes. */
static void gone(void)
{
	static const struct t_way way = { "veth",
					  IO_UNIFIED_ATTACH_RX_HANDLER };
	struct io_unified_desc d;
	struct t_res res;
	struct t_link l;
	int i, net, round;

	for (round = 0; round < 8; round++) {
		set_up(NULL);
		t_link_open(&l, &way, 1500);
		net = t_link_attach(&r, &l, &way);
		put_all(0, 32, IO_UNIFIED_F_READ);
		for (i = 0; i < 8; i++) {
			d = (struct io_unified_desc){
				.user_data = 50 + i,
				.ops = IO_UNIFIED_OP_NETWORK,
				.flags = IO_UNIFIED_F_RX,
				.net = net,
				.addr = t_frame(&r, 200 + i),
				.len = 4096,
			};
			REQUIRE(t_sq_put(&r, 0, &d));
		}
		/* Waited for by one command, or by nobody. */
		t_queue_ring(&r, &r.ring, 0, 0,
			     round & 1 ? IO_UNIFIED_RING_SUBMIT : 0, 1);
		t_submit(&r);
		t_link_close(&l);
		if (round & 2) {
			REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
			REQUIRE(t_reap(&r, &res, 10000));
			CHECK_EQ(res.res, 40);
			t_region_gone(&r);
		} else if (round & 4) {
			/* The ring goes first: what it waits for ends. */
			io_uring_queue_exit(&r.ring);
			r.has_ring = false;
			t_region_close(&r);
		} else {
			close(r.fd);
			io_uring_queue_exit(&r.ring);
			t_region_unmap(&r);
		}
	}
}

static const struct t_case cases[] = {
	{ "batches", batches },
	{ "SQEs of 64 bytes", small_sqes },
	{ "completions have room, or wait", back_pressure },
	{ "bad descriptors", bad_ones },
	{ "bad commands", bad_commands },
	{ "groups", groups },
	{ "a ring for each thread", threads, 120 },
	{ "ENTER", enter },
	{ "ENTER: packets, streams, cancel", enter_net },
	{ "ENTER: io_uring is disabled", disabled },
	{ "a stream in a batch", stream_in_batch },
	{ "a group, and an attachment goes", group_and_detach },
	{ "the region goes", gone },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
