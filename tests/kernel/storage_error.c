// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of drives reach the application: NVMe status, reason, errno, in the
 * CQE of io_uring and in the region's CQ. Opcodes that move no data.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/disk.h"

#define NVME_COMPARE 0x05
#define NVME_ZEROES 0x08
#define NVME_VERIFY 0x0c
#define STATUS(s) ((s)&0x7ff) /* code and type, without more and DNR */

#define COMPARE_FAILED 0x285
#define INVALID_OPCODE 0x001

static struct t_region r;
static struct t_disk disk;
static int storage;

static void set_up(u32 lba)
{
	t_disk_nvme(&disk, lba, 0);
	t_region_open(&r, NULL);
	storage = t_attach_storage(&r, disk.path, 0);
}

static struct t_res opcode(u8 op, u32 flags, u64 addr, u32 len, u64 offset)
{
	struct io_unified_desc d = {
		.user_data = 0xabc0 + op,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_CQ | flags,
		.nvme_opcode = op,
		.storage = storage,
		.addr = addr,
		.len = len,
		.dev_offset = offset,
		.cookie = 0x1234,
	};
	struct io_unified_cqe cqe;
	struct t_res res = t_op(&r, &d);

	/* Both completions tell the same. */
	REQUIRE(t_cq(&r, &cqe, 5000), "no entry in the region's CQ");
	CHECK_EQ(cqe.user_data, d.user_data);
	CHECK_EQ(cqe.res, res.res);
	CHECK_EQ(cqe.nvme_status, res.status);
	CHECK_EQ(cqe.reason, res.reason);
	CHECK_EQ(cqe.dev_offset, offset);
	CHECK_EQ(cqe.cookie, 0x1234);
	return res;
}

static void compare(void)
{
	struct t_res res;
	u64 a, b;

	set_up((uintptr_t)t_arg);
	a = t_frame(&r, 0);
	b = t_frame(&r, 1);
	t_fill(t_ptr(&r, a), 4096, 70);
	t_fill(t_ptr(&r, b), 4096, 70);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, storage, a, 4096, 65536).res,
		 4096);
	res = opcode(NVME_COMPARE, IO_UNIFIED_F_WRITE, b, 4096, 65536);
	CHECK_EQ(res.res, 4096, "equal: reason %u status %#x", res.reason,
		 res.status);
	CHECK_EQ(res.status, 0);
	t_ptr(&r, b)[4095] ^= 1;
	res = opcode(NVME_COMPARE, IO_UNIFIED_F_WRITE, b, 4096, 65536);
	CHECK(res.res < 0);
	CHECK_EQ(STATUS(res.status), COMPARE_FAILED);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NVME_STATUS);
	t_region_close(&r);
}

static void write_zeroes(void)
{
	u8 *buf = malloc(16384);
	struct t_res res;

	set_up((uintptr_t)t_arg);
	memset(buf, 0xee, 16384);
	t_disk_write(&disk, buf, 16384, 1 << 20);
	res = opcode(NVME_ZEROES, 0, 0, 8192, (1 << 20) + 4096);
	CHECK_EQ(res.res, 8192, "reason %u status %#x", res.reason, res.status);
	t_disk_read(&disk, buf, 16384, 1 << 20);
	CHECK(buf[0] == 0xee && buf[4095] == 0xee && buf[12288] == 0xee);
	CHECK(!buf[4096] && !memcmp(buf + 4096, buf + 4097, 8191));
	free(buf);
	t_region_close(&r);
}

static void by_opcode(void)
{
	struct t_res res;
	u64 a, b;

	set_up((uintptr_t)t_arg);
	a = t_frame(&r, 0);
	b = t_frame(&r, 20);
	t_fill(t_ptr(&r, a), 65536, 71);
	res = opcode(1, IO_UNIFIED_F_WRITE, a, 65536, 1 << 20);
	CHECK_EQ(res.res, 65536);
	res = opcode(2, IO_UNIFIED_F_READ, b, 65536, 1 << 20);
	CHECK_EQ(res.res, 65536);
	CHECK(t_filled(t_ptr(&r, b), 65536, 71));
	res = opcode(0, 0, 0, 0, 0);
	CHECK_EQ(res.res, 0, "flush by opcode");
	res = opcode(NVME_VERIFY, 0, 0, 8192, 1 << 20);
	CHECK(res.res == 8192 || STATUS(res.status) == INVALID_OPCODE,
	      "verify: %d, status %#x", res.res, res.status);
	t_region_close(&r);
}

static void unknown_opcode(void)
{
	struct t_res res;

	set_up((uintptr_t)t_arg);
	res = opcode(0x7c, 0, 0, 0, 0);
	CHECK(res.res < 0);
	CHECK_EQ(STATUS(res.status), INVALID_OPCODE);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NVME_STATUS);
	/* The drive goes on. */
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_READ, storage, t_frame(&r, 0), 4096, 0)
			 .res,
		 4096);
	t_region_close(&r);
}

/* One bad part of a long op makes the op fail, once, after all parts. */
static void split_fails(void)
{
	struct t_res res;
	u32 len = 2 << 20;
	u8 *copy;

	set_up((uintptr_t)t_arg);
	t_fill(t_ptr(&r, t_frame(&r, 4)), len, 72);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 4), len, 0)
			 .res,
		 (int)len);
	t_ptr(&r, t_frame(&r, 4))[len - 1] ^= 1;
	res = opcode(NVME_COMPARE, IO_UNIFIED_F_WRITE, t_frame(&r, 4), len, 0);
	CHECK(res.res < 0);
	CHECK_EQ(STATUS(res.status), COMPARE_FAILED);
	copy = malloc(len);
	t_disk_read(&disk, copy, len, 0);
	CHECK(t_filled(copy, len, 72), "a compare has written");
	free(copy);
	t_region_close(&r);
}

/* A block device that gives errors on the bio path. */
static void bio_error(void)
{
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct t_res res;

	t_sh("dmsetup remove iou_error 2>/dev/null");
	if (t_sh("modprobe dm-mod; dmsetup create iou_error --table '0 8192 error'"))
		t_skip("no device mapper");
	t_region_open(&r, NULL);
	t_sh("[ -e /dev/mapper/iou_error ] || dmsetup mknodes iou_error");
	storage = t_attach_storage(&r, "/dev/mapper/iou_error", 0);
	d = (struct io_unified_desc){
		.user_data = 9,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_WRITE | IO_UNIFIED_F_CQ,
		.storage = storage,
		.addr = t_frame(&r, 0),
		.len = 8192,
	};
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EIO);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_IO);
	CHECK_EQ(res.status, 0);
	REQUIRE(t_cq(&r, &cqe, 5000));
	CHECK_EQ(cqe.res, -EIO);
	CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_IO);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_REGION, 0, IO_UNIFIED_STAT_ERRORS),
		 1);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, storage,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 0);
	t_region_close(&r);
	CHECK_EQ(t_sh("dmsetup remove iou_error"), 0);
}

/* Room in the region's CQ is promised before an op starts. */
static void cq_full(void)
{
	const struct t_opt opt = { .memory = T_MEM_MEMFD, .cq_entries = 4 };
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_CQ,
		.len = 4096,
	};
	struct io_unified_cqe cqe;
	struct t_res res;
	int i;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	d.storage = t_attach_storage(&r, disk.path, 0);
	d.addr = t_frame(&r, 0);
	for (i = 0; i < 4; i++) {
		d.user_data = i;
		CHECK_EQ(t_op(&r, &d).res, 4096);
	}
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EBUSY);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_CQ_FULL);
	/* Without an entry it may run. */
	d.flags &= ~IO_UNIFIED_F_CQ;
	CHECK_EQ(t_op(&r, &d).res, 4096);
	d.flags |= IO_UNIFIED_F_CQ;
	for (i = 0; i < 4; i++) {
		REQUIRE(t_cq(&r, &cqe, 0));
		CHECK_EQ(cqe.user_data, i);
		CHECK_EQ(cqe.res, 4096);
		CHECK_EQ(cqe.len, 4096);
		CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NVME);
		CHECK_EQ(cqe.addr, d.addr);
	}
	CHECK(!t_cq(&r, &cqe, 0));
	for (i = 0; i < 20; i++) {
		d.user_data = 100 + i;
		CHECK_EQ(t_op(&r, &d).res, 4096);
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.user_data, 100 + i);
	}
	t_region_close(&r);
}

#define LBA(n) ((const void *)(uintptr_t)(n))

static const struct t_case cases[] = {
	{ "compare, 512", compare, 0, LBA(512) },
	{ "compare, 4096", compare, 0, LBA(4096) },
	{ "write zeroes, 512", write_zeroes, 0, LBA(512) },
	{ "write zeroes, 4096", write_zeroes, 0, LBA(4096) },
	{ "read, write, flush, verify by opcode, 512", by_opcode, 0, LBA(512) },
	{ "read, write, flush, verify by opcode, 4096", by_opcode, 0,
	  LBA(4096) },
	{ "an opcode that the drive does not know", unknown_opcode, 0,
	  LBA(512) },
	{ "one part of a split op fails", split_fails, 0, LBA(512) },
	{ "error of a bio", bio_error },
	{ "the region's CQ is full", cq_full },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
