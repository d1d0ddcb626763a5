// SPDX-License-Identifier: GPL-2.0
/* Ops from every kind of io_uring, and in every way that one submits. */
#include <stdlib.h>

#include "lib/disk.h"
#include "lib/net.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

struct how {
	u32 ring_flags;
	u8 sqe_flags;
	bool fixed_file;
};

enum { OPS = 64, LEN = 16384 };

static struct t_region r;
static struct t_disk disk;
static const struct how *how;
static int storage;

static void set_up(void)
{
	struct t_opt opt = { .memory = T_MEM_MODULE };

	how = t_arg;
	opt.ring_flags = how->ring_flags;
	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, 0);
	if (how->fixed_file)
		REQUIRE(!io_uring_register_files(&r.ring, &r.fd, 1));
}

static void put(const struct io_unified_desc *d)
{
	struct io_uring_sqe *sqe;

	t_queue(&r, d);
	/* The SQE that was filled last. */
	sqe = &r.ring.sq.sqes[((r.ring.sq.sqe_tail - 1) &
			       (*r.ring.sq.kring_entries - 1))
			      << 1];
	sqe->flags |= how->sqe_flags;
	if (how->fixed_file) {
		sqe->fd = 0;
		sqe->flags |= IOSQE_FIXED_FILE;
	}
}

/* Short and long, good and bad, all at once. */
static void storage_ops(void)
{
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_NVME };
	struct t_res res;
	int i, round;

	set_up();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < OPS; i++) {
			d.user_data = i;
			d.flags = round ? IO_UNIFIED_F_READ :
					  IO_UNIFIED_F_WRITE;
			d.storage = i % 8 == 7 ? 40 : storage;
			d.addr = t_frame(&r, 4 * i);
			d.len = LEN;
			d.dev_offset = (u64)i * LEN;
			if (round)
				memset(t_ptr(&r, d.addr), 0, LEN);
			else
				t_fill(t_ptr(&r, d.addr), LEN, i);
			put(&d);
		}
		t_submit(&r);
		for (i = 0; i < OPS; i++) {
			REQUIRE(t_reap(&r, &res, 15000), "%d of %d", i, OPS);
			if (how->sqe_flags & IOSQE_IO_LINK)
				continue; /* a bad one ends the chain */
			CHECK_EQ(res.res,
				 res.user_data % 8 == 7 ? -ENOENT : LEN,
				 "op %d: reason %u", (int)res.user_data,
				 res.reason);
		}
	}
	for (i = 0; i < OPS && !(how->sqe_flags & IOSQE_IO_LINK); i++)
		if (i % 8 != 7)
			CHECK(t_filled(t_ptr(&r, t_frame(&r, 4 * i)), LEN, i));
	/* One so long that it is split, which may have to sleep. */
	d.storage = storage;
	d.user_data = 99;
	d.len = 2 << 20;
	d.addr = t_frame(&r, 0);
	d.dev_offset = 8 << 20;
	d.flags = IO_UNIFIED_F_WRITE;
	t_fill(t_ptr(&r, d.addr), d.len, 123);
	put(&d);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 15000));
	CHECK_EQ(res.res, 2 << 20);
	t_region_close(&r);
}

/* Workers and the SQ thread take their time. */
static void started(u64 ops)
{
	u64 end = t_now_ms() + 10000;

	while (t_stat(&r, IO_UNIFIED_KIND_REGION, 0, IO_UNIFIED_STAT_OPS) < ops)
		REQUIRE(t_now_ms() < end, "they do not start");
	t_sleep_ms(20); /* counted, not yet where they wait */
}

/* Ops that wait, and are canceled or filled. */
static void rx_ops(void)
{
	static const struct t_way way = { "veth",
					  IO_UNIFIED_ATTACH_RX_HANDLER };
	struct io_unified_desc d;
	struct t_link l;
	struct t_res res;
	int i, net, filled = 0, canceled = 0;

	set_up();
	t_link_open(&l, &way, 1500);
	net = t_link_attach(&r, &l, &way);
	for (i = 0; i < 32; i++) {
		d = (struct io_unified_desc){
			.user_data = 5,
			.ops = IO_UNIFIED_OP_NETWORK,
			.flags = IO_UNIFIED_F_RX,
			.net = net,
			.addr = t_frame(&r, i),
			.len = 4096,
		};
		put(&d);
	}
	t_submit(&r);
	started(32);
	for (i = 0; i < 16; i++)
		t_send(&l, 100, i);
	for (i = 0; i < 16; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%d filled", i);
		filled += res.res == 100;
	}
	CHECK_EQ(filled, 16);
	t_queue_cancel(&r, 5, 6);
	t_submit(&r);
	for (i = 0; i < 17; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%d canceled", i);
		canceled += res.user_data == 5 && res.res == -ECANCELED;
	}
	CHECK_EQ(canceled, 16);
	t_region_close(&r);
	t_link_close(&l);
}

/* CQEs of 16 bytes have no room for the reason; res is all there is. */
static void small_cqe(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring_cqe *cqe;
	struct t_region with;
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ,
		.len = 4096,
	};
	int i;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, NULL);
	storage = t_attach_storage(&r, disk.path, 0);
	with = r;
	REQUIRE(!io_uring_queue_init(8, &with.ring, IORING_SETUP_SQE128));
	a.fd = with.ring.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	d.addr = t_frame(&r, 0);
	for (i = 0; i < 20; i++) {
		d.storage = i % 2 ? storage : 50;
		t_queue(&with, &d);
		REQUIRE(io_uring_submit_and_wait(&with.ring, 1) == 1);
		REQUIRE(!io_uring_wait_cqe(&with.ring, &cqe));
		CHECK_EQ(cqe->res, i % 2 ? 4096 : -ENOENT);
		io_uring_cqe_seen(&with.ring, cqe);
		CHECK(!io_uring_peek_cqe(&with.ring, &cqe) == 0);
	}
	io_uring_queue_exit(&with.ring);
	t_region_close(&r);
}

#define HOW(...) (&(const struct how){ __VA_ARGS__ })
#define BOTH(text, ...)                                         \
	{ text ", storage", storage_ops, 0, HOW(__VA_ARGS__) }, \
	{                                                       \
		text ", receive", rx_ops, 0, HOW(__VA_ARGS__)   \
	}

static const struct t_case cases[] = {
	BOTH("plain", 0),
	BOTH("from workers", 0, IOSQE_ASYNC),
	BOTH("registered file", 0, 0, true),
	BOTH("registered file, from workers", 0, IOSQE_ASYNC, true),
	BOTH("SQPOLL", IORING_SETUP_SQPOLL),
	BOTH("SQPOLL, registered file", IORING_SETUP_SQPOLL, 0, true),
	BOTH("COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN),
	BOTH("DEFER_TASKRUN",
	     IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN),
	BOTH("DEFER_TASKRUN, from workers",
	     IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	     IOSQE_ASYNC),
	{ "linked, storage", storage_ops, 0, HOW(0, IOSQE_IO_LINK) },
	{ "drain, storage", storage_ops, 0, HOW(0, IOSQE_IO_DRAIN) },
	{ "CQEs of 16 bytes", small_cqe },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
