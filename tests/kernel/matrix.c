// SPDX-License-Identifier: GPL-2.0
/*
 * Every op that there is, on every path to storage, from every kind of ring, told
 * of in every way; and the data is what it has to be, read back another way.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/fs.h"
#include "lib/net.h"
#include "lib/sq.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

#define NVME_COMPARE 0x05
#define NVME_VERIFY 0x0c

enum told { BY_CQE, BY_CQE_AND_CQ, BY_RING };

struct setup {
	const char *disk; /* nvme, part, null, file */
	u32 attach;
	u32 ring_flags;
};

struct how {
	const char *name;
	enum told told;
	u8 sqe_flags;
};

static const struct how hows[] = {
	{ "told by a CQE", BY_CQE },
	{ "told by a CQE and the CQ", BY_CQE_AND_CQ },
	{ "a batch of a ring", BY_RING },
	/* Of plain rings only */
	{ "workers, told by a CQE", BY_CQE, IOSQE_ASYNC },
	{ "workers, a batch of a ring", BY_RING, IOSQE_ASYNC },
};

enum { LEN = 16384, BIG = 3 << 20 };
static const u64 where = 32 << 20;
static const struct t_way veth = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };

static const struct setup *setup;
static const struct how *how;
static u64 seed; /* Each way has data of its own. */
static struct t_region r;
static struct t_link l;
static struct t_disk disk, whole;
static struct bpf_object *obj;
static int storage, edit, verdict;
static bool passthrough;

/* Most writes have to allocate. */
static void sparse(void)
{
	REQUIRE(!t_sh("truncate -s 0 " T_MNT "/f; truncate -s 128M " T_MNT
		      "/f"));
}

static void set_up_file(void)
{
	t_fs_make(&whole, "ext4", 512);
	sparse();
	strcpy(disk.path, T_MNT "/f");
	disk.size = 128 << 20;
}

static void set_up(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };
	struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 8 << 20 };

	setup = t_arg;
	opt.ring_flags = setup->ring_flags;
	if (setup->ring_flags & IORING_SETUP_IOPOLL)
		t_disk_need_polled();
	t_disk_nvme(&whole, 512, 0);
	disk = whole;
	if (!strcmp(setup->disk, "part"))
		t_disk_partition(&disk, &whole, 3, 128 << 20, 256 << 20);
	else if (!strcmp(setup->disk, "null"))
		t_disk_null_blk(&disk, "iou_matrix", 512, 128, "discard=1");
	else if (!strcmp(setup->disk, "file"))
		set_up_file();
	t_region_open(&r, &opt);
	a.flags = setup->attach;
	a.fd = open(disk.path, O_RDWR | O_DIRECT);
	REQUIRE(a.fd >= 0);
	REQUIRE_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	close(a.fd);
	storage = a.index;
	passthrough = a.path == IO_UNIFIED_PATH_PASSTHROUGH;
	CHECK_EQ(passthrough, !strcmp(setup->disk, "nvme") && !setup->attach);
	obj = t_bpf_open("ops", true);
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	t_link_open(&l, &veth, 1500);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_link_close(&l);
	bpf_object__close(obj);
	if (!strcmp(setup->disk, "part"))
		t_disk_del_partition(&whole, 3);
	else if (!strcmp(setup->disk, "null"))
		t_disk_del_null_blk("iou_matrix");
	else if (!strcmp(setup->disk, "file"))
		t_fs_end(&whole, "ext4");
}

/* How one op ended, by whichever way it is told. */
static struct t_res run(struct io_unified_desc d)
{
	struct io_unified_cqe cqe;
	struct io_uring_sqe *sqe;
	struct t_res res;

	d.user_data = 0xabc;
	if (how->told == BY_RING) {
		REQUIRE(t_sq_put(&r, 0, &d));
		t_queue_ring(&r, &r.ring, 0, 1, 0, d.user_data);
	} else {
		if (how->told == BY_CQE_AND_CQ)
			d.flags |= IO_UNIFIED_F_CQ;
		t_queue(&r, &d);
	}
	/* The SQE that was filled last. */
	sqe = &r.ring.sq.sqes[((r.ring.sq.sqe_tail - 1) &
			       (*r.ring.sq.kring_entries - 1))
			      << 1];
	sqe->flags |= how->sqe_flags;
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 20000), "ops %#x flags %#x", d.ops, d.flags);
	CHECK_EQ(res.user_data, d.user_data);
	if (how->told == BY_CQE ||
	    (how->told == BY_CQE_AND_CQ && !t_cq(&r, &cqe, 0))) {
		/* One that is refused is not told of in the CQ. */
		return res;
	}
	if (how->told == BY_RING) {
		CHECK_EQ(res.res, 1);
		REQUIRE(t_cq(&r, &cqe, 0), "the CQE came first");
	} else {
		CHECK_EQ(cqe.res, res.res);
	}
	CHECK_EQ(cqe.user_data, d.user_data);
	res.res = cqe.res;
	res.reason = cqe.reason;
	res.status = cqe.nvme_status;
	res.offset = cqe.addr - d.addr;
	res.flags = cqe.flags;
	return res;
}

static struct io_unified_desc op(u32 ops, u32 flags, u64 addr, u32 len, u64 pos)
{
	return (struct io_unified_desc){
		.ops = ops,
		.flags = flags,
		.addr = addr,
		.len = len,
		.dev_offset = pos,
		.storage = ops & IO_UNIFIED_OP_NVME ? storage : 0,
		.bpf = ops & IO_UNIFIED_OP_BPF ? edit : 0,
	};
}

static void is(struct t_res res, int want, const char *what)
{
	CHECK_EQ(res.res, want, "%s: reason %u, status %#x", what, res.reason,
		 res.status);
}

static void on_disk(u64 pos, u32 len, u64 of, const char *what)
{
	u8 *buf = malloc(len);

	t_disk_read(&disk, buf, len, pos);
	CHECK(t_filled(buf, len, of), "%s", what);
	free(buf);
}

static void zeros_on_disk(u64 pos, u32 len, const char *what)
{
	u8 *buf = malloc(len);
	u32 i;

	t_disk_read(&disk, buf, len, pos);
	for (i = 0; i < len && !buf[i]; i++)
		;
	CHECK_EQ(i, len, "%s", what);
	free(buf);
}

static void transfers(void)
{
	const u32 nvme = IO_UNIFIED_OP_NVME;
	u8 *p = t_ptr(&r, t_frame(&r, 0)), *q = t_ptr(&r, t_frame(&r, 64));

	t_fill(p, LEN, seed + 1);
	is(run(op(nvme, IO_UNIFIED_F_WRITE, t_frame(&r, 0), LEN, where)), LEN,
	   "write");
	on_disk(where, LEN, seed + 1, "write");
	is(run(op(nvme, IO_UNIFIED_F_READ, t_frame(&r, 64), LEN, where)), LEN,
	   "read");
	CHECK(t_filled(q, LEN, seed + 1), "read");
	t_fill(p, LEN, seed + 2);
	is(run(op(nvme, IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FUA, t_frame(&r, 0),
		  LEN, where)),
	   LEN, "write FUA");
	on_disk(where, LEN, seed + 2, "write FUA");
	is(run(op(nvme, IO_UNIFIED_F_FLUSH, 0, 0, 0)), 0, "flush");

	/* Longer than one command, from an address in the middle of a page. */
	p = t_ptr(&r, t_frame(&r, 512) + 512);
	t_fill(p, BIG, seed + 3);
	is(run(op(nvme, IO_UNIFIED_F_WRITE, t_frame(&r, 512) + 512, BIG,
		  where + 4096)),
	   BIG, "long write");
	on_disk(where + 4096, BIG, seed + 3, "long write");
	memset(p, 0, BIG);
	is(run(op(nvme, IO_UNIFIED_F_READ, t_frame(&r, 512) + 512, BIG,
		  where + 4096)),
	   BIG, "long read");
	CHECK(t_filled(p, BIG, seed + 3), "long read");
}

/* Ranges without data, and commands that only a drive has. */
static void commands(void)
{
	const u32 nvme = IO_UNIFIED_OP_NVME;
	struct io_unified_desc d;
	struct t_res res;

	res = run(op(nvme, IO_UNIFIED_F_ZEROES, 0, 1 << 20, where + 4096));
	if (res.res == -EOPNOTSUPP) {
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_DEVICE_OP);
		CHECK(!strcmp(setup->disk, "null"), "NVMe has write zeroes");
	} else {
		is(res, 1 << 20, "write zeroes");
		zeros_on_disk(where + 4096, 1 << 20, "write zeroes");
	}
	is(run(op(nvme, IO_UNIFIED_F_DISCARD, 0, 1 << 20,
		  where + 4096 + (1 << 20))),
	   1 << 20, "discard");

	t_fill(t_ptr(&r, t_frame(&r, 0)), LEN, seed + 4);
	is(run(op(nvme, IO_UNIFIED_F_WRITE, t_frame(&r, 0), LEN, where)), LEN,
	   "write");
	d = op(nvme, IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE, t_frame(&r, 0),
	       LEN, where);
	d.nvme_opcode = NVME_COMPARE;
	res = run(d);
	if (!passthrough) {
		is(res, -EOPNOTSUPP, "compare");
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_NOT_NVME);
		return;
	}
	is(res, LEN, "compare");
	t_ptr(&r, t_frame(&r, 0))[LEN - 1] ^= 1;
	res = run(d);
	/* As the kernel translates it: a medium error or just an error */
	CHECK(res.res == -EIO || res.res == -ENODATA, "%d", res.res);
	CHECK_EQ(res.status & 0x7ff, 0x285);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NVME_STATUS);
	d = op(nvme, IO_UNIFIED_F_OPCODE, 0, LEN, where);
	d.nvme_opcode = NVME_VERIFY;
	is(run(d), LEN, "verify");
}

static bool inverted(const u8 *p, u64 of)
{
	u8 *want = malloc(LEN);
	bool same;
	int i;

	t_fill(want, LEN, of);
	for (i = 0; i < 32; i++)
		want[i] = ~want[i];
	same = !memcmp(p, want, LEN);
	free(want);
	return same;
}

static void programs(void)
{
	const u32 both = IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF;
	struct ops_config config = { .verdict = XDP_PASS };
	const u64 addr = t_frame(&r, 8);
	u8 *p = t_ptr(&r, addr);
	struct io_unified_desc d;
	struct t_res res;

	t_bpf_configure(obj, &config);
	t_fill(p, LEN, seed + 5);
	is(run(op(IO_UNIFIED_OP_BPF, 0, addr, LEN, 0)), LEN, "BPF");
	CHECK(inverted(p, seed + 5), "BPF");
	/* Once more, and it is as it was, on the drive too. */
	is(run(op(both, IO_UNIFIED_F_WRITE, addr, LEN, where)), LEN,
	   "BPF and write");
	on_disk(where, LEN, seed + 5, "BPF and write");
	memset(p, 0, LEN);
	is(run(op(both, IO_UNIFIED_F_READ, addr, LEN, where)), LEN,
	   "read and BPF");
	CHECK(inverted(p, seed + 5), "read and BPF");
	d = op(both, IO_UNIFIED_F_READ, addr, LEN, where);
	d.bpf = verdict;
	config.verdict = XDP_DROP;
	t_bpf_configure(obj, &config);
	res = run(d);
	is(res, 0, "read and drop");
	CHECK(res.flags & IO_UNIFIED_CQE_DROPPED);
}

/* What goes together with a packet, in and out */
static const u32 combos[] = {
	IO_UNIFIED_OP_NETWORK,
	IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF,
	IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
	IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME,
};

static void packets(void)
{
	const int net = t_link_attach(&r, &l, &veth);
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	u8 want[600], got[1024];
	struct t_res res;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(combos); i++) {
		d = op(combos[i], IO_UNIFIED_F_RX, t_frame(&r, 20), 4096, 0);
		d.net = net;
		d.user_data = i;
		if (combos[i] & IO_UNIFIED_OP_NVME) {
			d.flags |= IO_UNIFIED_F_WRITE;
			d.dev_offset = where + 65536 * i;
		}
		if (setup->ring_flags & IORING_SETUP_IOPOLL) {
			res = run(d);
			is(res, -EOPNOTSUPP, "a packet on a polled ring");
			CHECK_EQ(res.reason, IO_UNIFIED_REASON_IOPOLL);
			continue;
		}
		if (how->told == BY_RING) {
			REQUIRE(t_sq_put(&r, 0, &d));
			t_queue_ring(&r, &r.ring, 0, 1, 0, i);
		} else {
			d.flags |= IO_UNIFIED_F_CQ;
			t_queue(&r, &d);
		}
		t_submit(&r);
		/* SQPOLL and workers take their time. */
		for (j = 0; j < 200 && !t_reap(&r, &res, 20); j++)
			t_send(&l, sizeof(want), seed);
		REQUIRE(j < 200, "combination %u", i);
		REQUIRE(t_cq(&r, &cqe, 0));
		CHECK_EQ(cqe.res, sizeof(want), "reason %u", cqe.reason);
		t_packet(want, sizeof(want), seed);
		for (j = 0; j < 32 && (combos[i] & IO_UNIFIED_OP_BPF); j++)
			want[j] = ~want[j];
		CHECK(!memcmp(t_ptr(&r, cqe.addr), want, sizeof(want)),
		      "combination %u", i);
		if (!(combos[i] & IO_UNIFIED_OP_NVME))
			continue;
		t_disk_read(&disk, got, sizeof(got), d.dev_offset);
		CHECK(!memcmp(got, want, sizeof(want)), "combination %u", i);
	}
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_NETDEV, net));
}

static void sends(void)
{
	const int net = t_attach_tx(&r, l.tx), sock = t_listen(l.rx, false);
	struct io_unified_desc d;
	u8 want[512], got[1024];
	struct t_res res;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(combos); i++) {
		d = op(combos[i], IO_UNIFIED_F_TX, t_frame(&r, 24),
		       sizeof(want), 0);
		d.net_tx = net;
		t_packet(want, sizeof(want), seed + 1 + i);
		if (combos[i] & IO_UNIFIED_OP_NVME) {
			d.flags |= IO_UNIFIED_F_READ;
			d.dev_offset = where;
			t_disk_write(&disk, want, sizeof(want), where);
			memset(t_ptr(&r, d.addr), 0, sizeof(want));
		} else {
			memcpy(t_ptr(&r, d.addr), want, sizeof(want));
		}
		res = run(d);
		if (setup->ring_flags & IORING_SETUP_IOPOLL) {
			is(res, -EOPNOTSUPP, "a packet on a polled ring");
			CHECK_EQ(res.reason, IO_UNIFIED_REASON_IOPOLL);
			continue;
		}
		is(res, sizeof(want), "send");
		memset(t_ptr(&r, d.addr), 0xee, sizeof(want));
		for (j = 0; j < 32 && (combos[i] & IO_UNIFIED_OP_BPF); j++)
			want[j] = ~want[j];
		CHECK_EQ(t_receive(sock, got, sizeof(got), 5000), sizeof(want),
			 "combination %u", i);
		CHECK(!memcmp(got, want, sizeof(want)), "combination %u", i);
	}
	close(sock);
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_NETDEV, net));
}

static void all(void)
{
	set_up();
	for (how = hows; how < hows + ARRAY_SIZE(hows); how++) {
		if (how->sqe_flags && setup->ring_flags)
			continue;
		t_note("%s", how->name);
		seed += 100;
		if (!strcmp(setup->disk, "file"))
			sparse();
		transfers();
		commands();
		programs();
		packets();
		sends();
	}
	tear_down();
}

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define ON(name_, disk_, attach_)                                           \
	{ name_ ", plain", all, 300, &(struct setup){ disk_, attach_ } },   \
		{ name_ ", deferred", all, 300,                             \
		  &(struct setup){ disk_, attach_, DEFER } },               \
		{ name_ ", SQPOLL", all, 300,                               \
		  &(struct setup){ disk_, attach_, IORING_SETUP_SQPOLL } }, \
	{                                                                   \
		name_ ", IOPOLL", all, 300, &(struct setup)                 \
		{                                                           \
			disk_, attach_, IORING_SETUP_IOPOLL                 \
		}                                                           \
	}

static const struct t_case cases[] = {
	ON("passthrough", "nvme", 0), ON("bio", "nvme", IO_UNIFIED_ATTACH_BIO),
	ON("partition", "part", 0),   ON("null_blk", "null", 0),
	ON("file", "file", 0),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
