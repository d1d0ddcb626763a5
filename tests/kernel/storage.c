// SPDX-License-Identifier: GPL-2.0
/*
 * Storage ops, checked against the drive's content read by O_DIRECT.
 *
 * Every kind of block device, both paths, every kind of memory, 512 and 4096
 * byte blocks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/disk.h"

#define MIB (1u << 20)

enum kind { WHOLE, PARTITION, NULL_BLK };

struct setup {
	enum kind kind;
	u32 lba;
	enum t_memory memory;
	u32 flags; /* of the attachment */
	u32 path; /* that it must report */
};

static const struct setup *setup;
static struct t_disk disk, whole;
static struct t_region r;
static int storage;
static u64 bytes_written, bytes_read;

static void set_up(u64 size)
{
	const struct t_opt opt = { .memory = setup->memory, .size = size };

	if (setup->kind == NULL_BLK) {
		t_disk_null_blk(&disk, "iout", setup->lba, 64, NULL);
	} else {
		t_disk_nvme(&whole, setup->lba, 0);
		disk = whole;
	}
	if (setup->kind == PARTITION)
		t_disk_partition(&disk, &whole, 1, 8 * MIB, 32 * MIB);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, setup->flags);
}

static void tear_down(void)
{
	t_region_close(&r);
	if (setup->kind == PARTITION)
		t_disk_del_partition(&whole, 1);
	if (setup->kind == NULL_BLK)
		t_disk_del_null_blk("iout");
}

static void check_io(u32 flags, u64 addr, u32 len, u64 offset)
{
	struct t_res res = t_io(&r, flags, storage, addr, len, offset);

	CHECK_EQ(res.res, len, "flags %#x len %u at %llu: reason %u status %#x",
		 flags, len, (unsigned long long)offset, res.reason,
		 res.status);
	CHECK_EQ(res.reason, 0);
	CHECK_EQ(res.status, 0);
	if (flags & IO_UNIFIED_F_READ)
		bytes_read += len;
	else
		bytes_written += len;
}

/* Writes, and looks with other eyes; then the other way round. */
static void round_trip(u32 extra, u32 len, u64 addr, u64 offset)
{
	static u64 seed = 1;
	u8 *p = t_ptr(&r, addr);
	u8 *buf = malloc(len);

	REQUIRE(buf);
	t_fill(p, len, ++seed);
	check_io(IO_UNIFIED_F_WRITE | extra, addr, len, offset);
	CHECK(t_filled(p, len, seed), "the write changed its source");
	t_disk_read(&disk, buf, len, offset);
	CHECK(t_filled(buf, len, seed), "write of %u at %llu", len,
	      (unsigned long long)offset);

	t_fill(buf, len, ++seed);
	t_disk_write(&disk, buf, len, offset);
	memset(p - 1, 0xa5, len + 2);
	check_io(IO_UNIFIED_F_READ, addr, len, offset);
	CHECK(t_filled(p, len, seed), "read of %u at %llu", len,
	      (unsigned long long)offset);
	CHECK(p[-1] == 0xa5 && p[len] == 0xa5, "the read left its range");
	free(buf);
}

/* A write leaves its neighbours on the drive alone. */
static void neighbours(void)
{
	u64 offset = 5 * MIB;
	u8 *buf = malloc(3 * disk.lba);

	REQUIRE(buf);
	memset(buf, 0x11, 3 * disk.lba);
	t_disk_write(&disk, buf, 3 * disk.lba, offset);
	t_fill(t_ptr(&r, t_frame(&r, 1)), disk.lba, 78);
	check_io(IO_UNIFIED_F_WRITE, t_frame(&r, 1), disk.lba,
		 offset + disk.lba);
	memset(buf, 0, 3 * disk.lba);
	t_disk_read(&disk, buf, 3 * disk.lba, offset);
	CHECK(t_filled(buf + disk.lba, disk.lba, 78));
	memset(buf + disk.lba, 0x11, disk.lba);
	CHECK(buf[0] == 0x11 && !memcmp(buf, buf + 1, 3 * disk.lba - 1));
	free(buf);
}

static void data(void)
{
	struct t_res res;
	u64 written, read;
	u32 lba;

	setup = t_arg;
	set_up(8 * MIB);
	lba = disk.lba;
	neighbours();
	round_trip(0, lba, t_frame(&r, 3), 16 * lba);
	round_trip(0, 4096, t_frame(&r, 3), MIB);
	round_trip(IO_UNIFIED_F_FUA, 4096, t_frame(&r, 3), MIB);
	/* Across pages and chunks, from a place inside a frame. */
	round_trip(0, 128 << 10, t_frame(&r, 5) + lba, 2 * MIB + lba);
	round_trip(0, 3 * lba, t_frame(&r, 511) + 4096 - lba, 3 * MIB - lba);
	/* More than any drive takes at once: split. */
	round_trip(0, 4 * MIB, t_frame(&r, 9), 8 * MIB + lba);
	round_trip(IO_UNIFIED_F_FUA, 4 * MIB + lba, t_frame(&r, 9) + lba,
		   9 * MIB);
	res = t_io(&r, IO_UNIFIED_F_FLUSH, storage, 0, 0, 0);
	CHECK_EQ(res.res, 0, "flush: reason %u", res.reason);
	/* The last block, and the one behind it. */
	t_fill(t_ptr(&r, t_frame(&r, 3)), lba, 5);
	check_io(IO_UNIFIED_F_WRITE, t_frame(&r, 3), lba, disk.size - lba);
	res = t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 3), lba,
		   disk.size);
	CHECK(res.res < 0);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_RANGE);

	written = t_stat(&r, IO_UNIFIED_KIND_STORAGE, storage,
			 IO_UNIFIED_STAT_WRITTEN_BYTES);
	read = t_stat(&r, IO_UNIFIED_KIND_STORAGE, storage,
		      IO_UNIFIED_STAT_READ_BYTES);
	CHECK_EQ(written, bytes_written);
	CHECK_EQ(read, bytes_read);
	tear_down();
}

/* What the attachment says of itself. */
static void attach(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };

	setup = t_arg;
	set_up(0);
	a.flags = setup->flags;
	a.fd = open(disk.path, O_RDWR);
	REQUIRE_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	close(a.fd);
	CHECK_EQ(a.path, setup->path);
	CHECK_EQ(a.block_size, disk.lba);
	CHECK_EQ(a.size, disk.size);
	CHECK(a.max_transfer >= 4096 && a.max_transfer % disk.lba == 0, "%u",
	      a.max_transfer);
	CHECK(a.max_segments >= 1);
	CHECK(a.mem_align && disk.lba % a.mem_align == 0, "%u", a.mem_align);
	CHECK(a.index != storage);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, a.index), 0);
	tear_down();
}

/* Many at once, out of the same ring, each with its own pattern. */
static void parallel(void)
{
	enum { OPS = 200, LEN = 8192 };
	struct io_unified_desc desc = { .ops = IO_UNIFIED_OP_NVME };
	u8 *buf = malloc(OPS * LEN);
	struct t_res res;
	int i, round;
	u32 flags;

	setup = t_arg;
	set_up(0);
	desc.storage = storage;
	desc.len = LEN;
	for (round = 0; round < 2; round++) {
		flags = round ? IO_UNIFIED_F_READ : IO_UNIFIED_F_WRITE;
		for (i = 0; i < OPS; i++) {
			desc.user_data = i;
			desc.flags = flags;
			desc.addr = t_frame(&r, 2 * i);
			desc.dev_offset = (u64)(OPS - i) * LEN;
			if (round)
				memset(t_ptr(&r, desc.addr), 0, LEN);
			else
				t_fill(t_ptr(&r, desc.addr), LEN, i + 9000);
			t_queue(&r, &desc);
		}
		t_submit(&r);
		for (i = 0; i < OPS; i++) {
			REQUIRE(t_reap(&r, &res, 20000));
			CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		}
		for (i = 0; i < OPS && round; i++)
			CHECK(t_filled(t_ptr(&r, t_frame(&r, 2 * i)), LEN,
				       i + 9000));
		if (round)
			break;
		t_disk_read(&disk, buf, OPS * LEN, LEN);
		for (i = 0; i < OPS; i++)
			CHECK(t_filled(buf + (u64)(OPS - 1 - i) * LEN, LEN,
				       i + 9000));
	}
	free(buf);
	tear_down();
}

#define CASES(text, ...)                                                    \
	{ text ": data", data, 120, &(const struct setup){ __VA_ARGS__ } }, \
		{ text ": attach", attach, 0,                               \
		  &(const struct setup){ __VA_ARGS__ } },                   \
	{                                                                   \
		text ": parallel", parallel, 0, &(const struct setup)       \
		{                                                           \
			__VA_ARGS__                                         \
		}                                                           \
	}

#define PT IO_UNIFIED_ATTACH_PASSTHROUGH, IO_UNIFIED_PATH_PASSTHROUGH
#define BIO IO_UNIFIED_ATTACH_BIO, IO_UNIFIED_PATH_BIO
#define ANY_PT 0, IO_UNIFIED_PATH_PASSTHROUGH
#define ANY_BIO 0, IO_UNIFIED_PATH_BIO

/*
 * Requests of queues without interrupts are in flight when what they belong to goes.
 * Nobody polls meanwhile: the one who would is the one that waits for them.
 */
static void polled(void)
{
	static const u32 attach[] = { IO_UNIFIED_ATTACH_PASSTHROUGH,
				      IO_UNIFIED_ATTACH_BIO };
	/* One command each: what has to be split is begun by a worker. */
	enum { N = 8, LEN = MIB / 16 };
	const struct t_opt opt = { .memory = T_MEM_MEMFD,
				   .size = 8 * MIB,
				   .ring_flags = IORING_SETUP_IOPOLL };
	const bool detach = t_arg;
	struct t_res res;
	unsigned int i, j;
	u64 began;

	t_disk_need_polled();
	t_disk_nvme(&disk, 512, 0);
	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		t_region_open(&r, &opt);
		storage = t_attach_storage(&r, disk.path, attach[i]);
		for (j = 0; j < N; j++) {
			struct io_unified_desc d = {
				.user_data = j,
				.ops = IO_UNIFIED_OP_NVME,
				.flags = IO_UNIFIED_F_READ,
				.storage = storage,
				.addr = t_frame(&r, 0) + j * LEN,
				.len = LEN,
				.dev_offset = j * LEN,
			};

			t_queue(&r, &d);
		}
		t_submit(&r);
		began = t_now_ms();
		if (detach)
			CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage),
				 0);
		else
			CHECK(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
		/* The driver itself looks after half a minute. */
		CHECK(t_now_ms() - began < 15000, "it took %llu ms",
		      (unsigned long long)(t_now_ms() - began));
		for (j = 0; j < N; j++) {
			REQUIRE(t_reap(&r, &res, 5000), "%u", j);
			CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		}
		if (detach)
			t_region_close(&r);
		else
			t_region_gone(&r);
	}
}

static const struct t_case cases[] = {
	CASES("namespace, 512, passthrough, module memory", WHOLE, 512,
	      T_MEM_MODULE, ANY_PT),
	CASES("namespace, 512, passthrough, memfd", WHOLE, 512, T_MEM_MEMFD,
	      PT),
	CASES("namespace, 4096, passthrough, huge pages", WHOLE, 4096,
	      T_MEM_HUGE, PT),
	CASES("namespace, 4096, passthrough, anonymous", WHOLE, 4096,
	      T_MEM_ANON, ANY_PT),
	CASES("namespace, 512, bio, module memory", WHOLE, 512, T_MEM_MODULE,
	      BIO),
	CASES("namespace, 4096, bio, memfd", WHOLE, 4096, T_MEM_MEMFD, BIO),
	CASES("partition, 512, memfd", PARTITION, 512, T_MEM_MEMFD, ANY_BIO),
	CASES("partition, 4096, huge pages", PARTITION, 4096, T_MEM_HUGE, BIO),
	CASES("null_blk, 512, huge pages", NULL_BLK, 512, T_MEM_HUGE, ANY_BIO),
	CASES("null_blk, 4096, module memory", NULL_BLK, 4096, T_MEM_MODULE,
	      BIO),
	{ "polled for, detached", polled, 0, &disk },
	{ "polled for, the region goes", polled },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
