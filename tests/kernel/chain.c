// SPDX-License-Identifier: GPL-2.0
/*
 * Chains of reads: each block names the next. Where they may not go, that they end,
 * and what they do when ring, program, drive or region go while they run.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/fs.h"
#include "lib/sq.h"

enum { LEN = 4096, BLOCKS = 64, IN_FLIGHT = 48 };
#define START (64ull << 20) /* of the chain on the drive */
#define END (~0ull)

static struct t_region r;
static struct t_disk disk;
static struct bpf_object *obj;
static int storage, follow;

static void configure(u32 set, u64 dev_offset, u32 len)
{
	struct ops_config c = {
		.verdict = XDP_PASS,
		.set = set,
		.dev_offset = dev_offset,
		.len = len,
	};

	t_bpf_configure(obj, &c);
}

/* Block i names block i + 1; the last one ends the chain, or closes it. */
static void write_chain(bool closed)
{
	u64 *buf = calloc(BLOCKS, LEN), i;

	for (i = 0; i < BLOCKS; i++) {
		buf[i * LEN / 8] = START + (i + 1) * LEN;
		t_fill(&buf[i * LEN / 8 + 1], LEN - 8, i);
	}
	buf[(BLOCKS - 1) * LEN / 8] = closed ? START : END;
	t_disk_write(&disk, buf, (size_t)BLOCKS * LEN, START);
	free(buf);
}

static void start(u32 ring_flags, u32 attach)
{
	struct t_opt opt = { .ring_flags = ring_flags };

	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, attach);
	follow = t_attach_bpf(&r, t_bpf_prog(obj, "follow"));
}

static void set_up(bool closed)
{
	t_disk_nvme(&disk, 512, 0);
	write_chain(closed);
	obj = t_bpf_open("ops", true);
	configure(0, 0, 0);
}

static struct io_unified_desc chain(u32 i, u32 max_hops, u32 from)
{
	return (struct io_unified_desc){
		.user_data = i,
		.ops = IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF,
		.flags = IO_UNIFIED_F_READ,
		.storage = storage,
		.bpf = follow,
		.max_hops = max_hops,
		.addr = t_frame(&r, 1 + 2 * i),
		.len = LEN,
		.dev_offset = START + (u64)from * LEN,
		.cookie = 1000,
	};
}

/* From block @from to the last one, told of in the CQ. */
static void one_chain(u32 from, bool by_ring)
{
	struct io_unified_desc d = chain(0, 255, from);
	u8 *p = t_ptr(&r, d.addr);
	struct io_unified_cqe cqe;
	u32 reads = BLOCKS - from;

	memset(p, 0, LEN);
	if (by_ring) {
		REQUIRE(t_sq_put(&r, 0, &d));
		CHECK_EQ(t_ring(&r, 0, 0, 0).res, 1);
	} else {
		d.flags |= IO_UNIFIED_F_CQ;
		CHECK_EQ(t_op(&r, &d).res, LEN);
	}
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, LEN, "reason %u", cqe.reason);
	CHECK_EQ(cqe.count, reads);
	CHECK_EQ(cqe.cookie, 1000 + reads, "state and cookie go along");
	CHECK_EQ(cqe.dev_offset, START + (BLOCKS - 1ull) * LEN);
	CHECK(t_filled(p + 8, LEN - 8, BLOCKS - 1), "the last block");
}

static void walk(void)
{
	const u32 *flags = t_arg;
	u64 hops;
	u32 i;

	set_up(false);
	start(flags[0], flags[1]);
	for (i = 0; i < BLOCKS; i += 9) {
		one_chain(i, false);
		one_chain(i, true);
	}
	hops = t_stat(&r, IO_UNIFIED_KIND_BPF, follow, IO_UNIFIED_STAT_HOPS);
	for (i = 0; i < BLOCKS; i += 9)
		hops -= 2 * (BLOCKS - i - 1);
	CHECK_EQ(hops, 0);
	t_region_close(&r);
}

static void refuse(struct io_unified_desc d, int error, u16 reason)
{
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, -error);
	CHECK_EQ(res.reason, reason);
}

static void limits(void)
{
	struct io_unified_desc d;

	set_up(true);
	start(0, 0);
	refuse(chain(0, 0, 0), ELOOP, IO_UNIFIED_REASON_HOPS);
	refuse(chain(0, 7, 0), ELOOP, IO_UNIFIED_REASON_HOPS);
	refuse(chain(0, 255, 0), ELOOP, IO_UNIFIED_REASON_HOPS);
	configure(SET_DEV_OFFSET, disk.size, 0);
	refuse(chain(0, 9, 0), ERANGE, IO_UNIFIED_REASON_CTL_RANGE);
	configure(SET_DEV_OFFSET, ~0ull << 9, 0);
	refuse(chain(0, 9, 0), ERANGE, IO_UNIFIED_REASON_CTL_RANGE);
	configure(SET_DEV_OFFSET, START + 8, 0);
	refuse(chain(0, 9, 0), EINVAL, IO_UNIFIED_REASON_CTL_ALIGN);
	configure(SET_LEN, 0, 0);
	refuse(chain(0, 9, 0), EINVAL, IO_UNIFIED_REASON_CTL_LEN);
	configure(SET_LEN, 0, LEN + 512);
	refuse(chain(0, 9, 0), EINVAL, IO_UNIFIED_REASON_CTL_LEN);
	configure(SET_LEN, 0, 100);
	refuse(chain(0, 9, 0), EINVAL, IO_UNIFIED_REASON_CTL_ALIGN);

	/* Only what is read can be read again. */
	configure(0, 0, 0);
	d = chain(0, 0, 0);
	d.flags = IO_UNIFIED_F_WRITE;
	refuse(d, EINVAL, IO_UNIFIED_REASON_CTL_FLAGS);
	d.ops = IO_UNIFIED_OP_BPF;
	d.flags = 0;
	d.storage = 0;
	d.dev_offset = 0;
	refuse(d, EINVAL, IO_UNIFIED_REASON_CTL_FLAGS);
	d.max_hops = 1;
	refuse(d, EINVAL, IO_UNIFIED_REASON_RESERVED);
	t_region_close(&r);
}

/* An attachment's window is all that a chain can see. */
static void window(void)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.dev_start = START,
		.dev_len = LEN * 4,
	};
	struct io_unified_desc d;

	set_up(false);
	start(0, 0);
	a.fd = open(disk.path, O_RDONLY);
	REQUIRE_EQ(t_attach(&r, &a), 0);
	close(a.fd);
	d = chain(0, 9, 0);
	d.storage = a.index;
	d.dev_offset = 0;
	/* The block is in the window, what it names is not. */
	refuse(d, ERANGE, IO_UNIFIED_REASON_CTL_RANGE);
	configure(SET_DEV_OFFSET, 3 * LEN, 0);
	refuse(d, ELOOP, IO_UNIFIED_REASON_HOPS);
	t_region_close(&r);
}

static void start_all(void)
{
	struct io_unified_desc d;
	u32 i;

	for (i = 0; i < IN_FLIGHT; i++) {
		d = chain(i, 255, i);
		if (i % 3 == 2)
			REQUIRE(t_sq_put(&r, 0, &d));
		else
			t_queue(&r, &d);
	}
	t_queue_ring(&r, &r.ring, 0, 0, 0, 1000);
	t_submit(&r);
}

/* All of them end, whichever way. */
static void reap_all(void)
{
	u32 want = IN_FLIGHT - IN_FLIGHT / 3 + 1, i;
	struct t_res res;

	for (i = 0; i < want; i++)
		REQUIRE(t_reap(&r, &res, 20000), "%u of %u", i, want);
	CHECK(!t_reap(&r, &res, 10));
}

static void gone(void)
{
	static const u32 flags[] = {
		0, IORING_SETUP_SQPOLL,
		1u << 12 | IORING_SETUP_DEFER_TASKRUN, /* SINGLE_ISSUER */
	};
	int round;

	set_up(true);
	for (round = 0; round < 36; round++) {
		start(flags[round % 3], round & 1 ? IO_UNIFIED_ATTACH_BIO : 0);
		start_all();
		usleep(round % 7 * 300);
		switch (round / 3 % 4) {
		case 0:
			REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
			reap_all();
			t_region_gone(&r);
			break;
		case 1:
			CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_BPF, follow), 0);
			reap_all();
			t_region_close(&r);
			break;
		case 2:
			CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage),
				 0);
			reap_all();
			t_region_close(&r);
			break;
		case 3:
			io_uring_queue_exit(&r.ring);
			r.has_ring = false;
			t_region_close(&r);
			break;
		}
	}
}

/* It begins with what a file's end cut short, and ends with a whole block. */
static void short_read(void)
{
	struct io_unified_attach a = { .dev_len = 1 << 20 };
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	int i;

	t_fs_make(&disk, "ext4", 512);
	REQUIRE(!t_sh("{ head -c 512 /dev/zero | tr '\\0' '\\377'; head -c 100 "
		      "/dev/zero; } >" T_MNT "/f; sync " T_MNT "/f"));
	obj = t_bpf_open("ops", true);
	configure(SET_LEN, 0, 512);
	t_region_open(&r, NULL);
	follow = t_attach_bpf(&r, t_bpf_prog(obj, "follow"));
	storage = t_attach_file(&r, "f", O_RDONLY, &a);

	d = (struct io_unified_desc){
		.ops = IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF,
		.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_LINK,
		.storage = storage,
		.bpf = follow,
		.max_hops = 1,
		.addr = t_frame(&r, 1),
		.len = 512,
		.dev_offset = 512,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	/* What is behind it in its group is not cut off. */
	d = (struct io_unified_desc){
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ,
		.storage = storage,
		.addr = t_frame(&r, 3),
		.len = 512,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	CHECK_EQ(t_ring(&r, 0, 2, 0).res, 2);
	for (i = 0; i < 2; i++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.res, 512, "reason %u", cqe.reason);
		CHECK_EQ(cqe.count, i ? 0 : 2);
	}
	t_region_close(&r);
	bpf_object__close(obj);
	t_fs_end(&disk, "ext4");
}

static const struct t_case cases[] = {
	{ "passthrough", walk, 60, (const u32[]){ 0, 0 } },
	{ "bio", walk, 60, (const u32[]){ 0, IO_UNIFIED_ATTACH_BIO } },
	{ "deferred", walk, 60,
	  (const u32[]){ 1u << 12 | IORING_SETUP_DEFER_TASKRUN, 0 } },
	{ "SQPOLL", walk, 60, (const u32[]){ IORING_SETUP_SQPOLL, 0 } },
	{ "limits", limits },
	{ "window", window },
	{ "a file ends", short_read },
	{ "what they run on goes", gone, 120 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
