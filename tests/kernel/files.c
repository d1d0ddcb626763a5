// SPDX-License-Identifier: GPL-2.0
/*
 * Regular files as storage: what ops write is what everybody else reads, also
 * after the file system was unmounted; and what a file can be in the way of.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/leak.h"
#include "lib/sq.h"

#define MIB (1u << 20)
#define NVME IO_UNIFIED_OP_NVME
#define READ IO_UNIFIED_F_READ
#define WRITE IO_UNIFIED_F_WRITE

struct setup {
	const char *type;
	u32 lba;
};

static const struct setup *setup;
static struct t_disk disk;
static struct t_region r;

static void set_up(void)
{
	const struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 16 * MIB };

	setup = t_arg;
	t_fs_make(&disk, setup->type, setup->lba);
	t_region_open(&r, &opt);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_fs_end(&disk, setup->type);
}

static void check_io(u32 flags, int storage, u64 addr, u32 len, u64 offset)
{
	struct t_res res = t_io(&r, flags, storage, addr, len, offset);

	CHECK_EQ(res.res, len, "flags %#x len %u at %llu: reason %u", flags,
		 len, (unsigned long long)offset, res.reason);
	CHECK_EQ(res.reason, 0);
}

static void check_file(const char *name, u32 len, u64 offset, u64 seed)
{
	u8 *buf = malloc(len);

	CHECK_EQ(t_file_read(name, buf, len, offset), len);
	CHECK(t_filled(buf, len, seed), "%u at %llu", len,
	      (unsigned long long)offset);
	free(buf);
}

static void check_zeros(const char *name, u32 len, u64 offset)
{
	u8 *buf = malloc(len);

	CHECK_EQ(t_file_read(name, buf, len, offset), len);
	CHECK(!buf[0] && !memcmp(buf, buf + 1, len - 1), "%u at %llu", len,
	      (unsigned long long)offset);
	free(buf);
}

static void refused(struct t_res res, int error, u16 reason, const char *what)
{
	CHECK_EQ(res.res, error, "%s: reason %u", what, res.reason);
	CHECK_EQ(res.reason, reason, "%s", what);
}

/* ---------------------------------------------------------------- the bytes */

static void round_trip(int s, u32 extra, u32 len, u64 addr, u64 offset)
{
	static u64 seed = 100;
	u8 *p = t_ptr(&r, addr);

	t_fill(p, len, ++seed);
	check_io(WRITE | extra, s, addr, len, offset);
	CHECK(t_filled(p, len, seed), "the write changed its source");
	check_file("f", len, offset, seed);
	memset(p - 1, 0xa5, len + 2);
	check_io(READ, s, addr, len, offset);
	CHECK(t_filled(p, len, seed), "read of %u at %llu", len,
	      (unsigned long long)offset);
	CHECK(p[-1] == 0xa5 && p[len] == 0xa5, "the read left its range");
}

/* Sparse, written, overwritten, made longer; and all of it on the medium. */
static void data(void)
{
	struct io_unified_attach a = { .dev_len = 64 * MIB };
	u32 block;
	int s;

	set_up();
	REQUIRE(!t_sh("truncate -s 8M " T_MNT "/f"));
	s = t_attach_file(&r, "f", O_RDWR, &a);
	block = a.block_size;
	CHECK_EQ(block, setup->lba);
	CHECK_EQ(a.size, 64 * MIB);
	CHECK(a.mem_align && a.mem_align <= block, "%u", a.mem_align);

	check_io(READ, s, t_frame(&r, 3), 65536, MIB);
	CHECK(!t_ptr(&r, t_frame(&r, 3))[0], "a hole is not zeros");
	round_trip(s, 0, block, t_frame(&r, 3), 0);
	round_trip(s, 0, 4096, t_frame(&r, 3), MIB);
	round_trip(s, IO_UNIFIED_F_FUA, 4096, t_frame(&r, 3), MIB);
	round_trip(s, 0, 128 << 10, t_frame(&r, 5) + block, 2 * MIB + block);
	round_trip(s, IO_UNIFIED_F_FUA, 4 * MIB, t_frame(&r, 9), 3 * MIB);
	CHECK_EQ(t_file_size("f"), 8 * MIB);
	/* Over the end, behind it, and where there is a hole then. */
	round_trip(s, 0, MIB, t_frame(&r, 9) + block, 8 * MIB - block);
	CHECK_EQ(t_file_size("f"), 9 * MIB - block);
	round_trip(s, IO_UNIFIED_F_FUA, 12 * MIB, t_frame(&r, 9), 16 * MIB);
	CHECK_EQ(t_file_size("f"), 28 * MIB);
	check_zeros("f", MIB, 10 * MIB);

	t_fill(t_ptr(&r, t_frame(&r, 9)), 12 * MIB, 7);
	check_io(WRITE, s, t_frame(&r, 9), 12 * MIB, 4 * MIB);
	check_io(IO_UNIFIED_F_DISCARD, s, 0, MIB, 4 * MIB);
	check_io(IO_UNIFIED_F_ZEROES, s, 0, 64 << 10, 6 * MIB);
	check_zeros("f", MIB, 4 * MIB);
	check_zeros("f", 64 << 10, 6 * MIB);
	check_io(IO_UNIFIED_F_ZEROES, s, 0, MIB, 30 * MIB);
	CHECK_EQ(t_file_size("f"), 31 * MIB);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_FLUSH, s, 0, 0, 0).res, 0);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, s, IO_UNIFIED_STAT_ERRORS),
		 0);

	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, s));
	t_fill(t_ptr(&r, t_frame(&r, 9)), 12 * MIB, 7);
	memset(t_ptr(&r, t_frame(&r, 9)), 0, MIB);
	memset(t_ptr(&r, t_frame(&r, 9)) + 2 * MIB, 0, 64 << 10);
	REQUIRE(!t_fs_umount());
	t_fs_mount(&disk);
	{
		u8 *buf = malloc(12 * MIB);

		CHECK_EQ(t_file_read("f", buf, 12 * MIB, 4 * MIB), 12 * MIB);
		CHECK(!memcmp(buf, t_ptr(&r, t_frame(&r, 9)), 12 * MIB),
		      "not what was written, after unmount and mount");
		free(buf);
	}
	tear_down();
}

/* Reads fall short at the end of the file, and stop a group there. */
static void end(void)
{
	struct io_unified_attach a = {}, b = { .dev_len = MIB };
	struct io_unified_desc d = { .ops = NVME, .len = 4096 };
	struct io_unified_cqe cqe;
	struct t_res res;
	int s, t, i;

	REQUIRE(!t_sh("head -c 10001 /dev/urandom >" T_MNT "/f; sync " T_MNT
		      "/f"));
	s = t_attach_file(&r, "f", O_RDWR, &a);
	CHECK_EQ(a.size, 10240);
	t = t_attach_file(&r, "f", O_RDWR, &b);

	memset(t_ptr(&r, t_frame(&r, 0)), 0xee, 16384);
	res = t_io(&r, READ, s, t_frame(&r, 0), 10240, 0);
	CHECK_EQ(res.res, 10001, "reason %u", res.reason);
	{
		u8 *buf = malloc(10001);

		t_file_read("f", buf, 10001, 0);
		CHECK(!memcmp(buf, t_ptr(&r, t_frame(&r, 0)), 10001));
		free(buf);
	}
	refused(t_io(&r, READ, s, t_frame(&r, 0), 512, 10240), -ERANGE,
		IO_UNIFIED_REASON_RANGE, "behind the window");
	CHECK_EQ(t_io(&r, READ, t, t_frame(&r, 0), 65536, 0).res, 10001);
	CHECK_EQ(t_io(&r, READ, t, t_frame(&r, 0), 512, 9728).res, 273);
	CHECK_EQ(t_io(&r, READ, t, t_frame(&r, 0), 512, 10240).res, 0);
	CHECK_EQ(t_io(&r, READ, t, t_frame(&r, 0), 4096, 65536).res, 0);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, t,
			IO_UNIFIED_STAT_READ_BYTES),
		 10001 + 273);
	CHECK_EQ(t_file_size("f"), 10001);

	/* One that falls short ends its group; one that is whole does not. */
	for (i = 0; i < 3; i++) {
		d.user_data = i;
		d.flags = READ | (i < 2 ? IO_UNIFIED_F_LINK : 0);
		d.addr = t_frame(&r, i);
		d.storage = t;
		d.dev_offset = i * 8192;
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	CHECK_EQ(t_ring(&r, 0, 3, 0).res, 3);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		if (cqe.user_data == 0)
			CHECK_EQ(cqe.res, 4096);
		if (cqe.user_data == 1)
			CHECK_EQ(cqe.res, 10001 - 8192);
		if (cqe.user_data == 2) {
			CHECK_EQ(cqe.res, -ECANCELED);
			CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_LINK);
		}
	}
	/* The last block is written whole. */
	check_io(WRITE, s, t_frame(&r, 0), 512, 9728);
	CHECK_EQ(t_file_size("f"), 10240);
}

/*
 * What extends a file waits for one another and comes together, so that many small
 * writes are few large ones; each with its own bytes, its own place and its own result.
 */
static void appends(void)
{
	enum { N = 48, LEN = 8192 };
	struct io_unified_attach a = { .dev_len = 4 * MIB };
	int s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	u64 before = t_disk_stat(&disk, T_DISK_WRITES), end = 0;
	bool seen[N] = {};
	u64 at[N], addr;
	struct t_res res;
	int i;

	for (i = 0; i < N; i++) {
		struct io_unified_desc d = {
			.ops = NVME, .flags = WRITE, .storage = s, .len = LEN
		};

		/* out of order; the last ones are as many requests to a drive */
		addr = t_frame(&r, 4 * (i ^ 1)) + (i < N - 8 ? 0 : 512);
		t_fill(t_ptr(&r, addr), LEN, 100 + i);
		if (i == N / 2)
			end += 65536;
		if (i == N / 3)
			d.flags |= IO_UNIFIED_F_FUA;
		at[i] = end;
		d.user_data = i;
		d.addr = addr;
		d.dev_offset = end;
		end += LEN;
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, 20000), "%d of %d", i, N);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		REQUIRE(res.user_data < N && !seen[res.user_data]);
		seen[res.user_data] = true;
	}
	/* the file system's own, of its log, come to that */
	CHECK(t_disk_stat(&disk, T_DISK_WRITES) - before < N * 2 / 3,
	      "%llu for %d writes",
	      (unsigned long long)(t_disk_stat(&disk, T_DISK_WRITES) - before),
	      N);
	CHECK_EQ(t_file_size("f"), end);
	for (i = 0; i < N; i++)
		check_file("f", LEN, at[i], 100 + i);
	check_zeros("f", 65536, at[N / 2] - 65536);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, s,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 N * LEN);
}

/* Many at once, each block with what was written to it last. */
static void many(void)
{
	enum { BLOCKS = 512, SIZE = 16384, DEPTH = 32, OPS = 3000 };
	struct io_unified_attach a = { .dev_len = BLOCKS * SIZE };
	static u64 content[BLOCKS], slot_seed[DEPTH];
	static int slot_block[DEPTH];
	static bool busy[BLOCKS];
	int s, i, waiting = 0, started = 0, block;
	u8 *buf = malloc(SIZE);
	struct t_res res;
	u64 slots = 0;

	set_up();
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	srand(3);
	while (started < OPS || waiting) {
		while (started < OPS && waiting < DEPTH) {
			struct io_unified_desc d = { .ops = NVME,
						     .storage = s,
						     .len = SIZE };

			i = __builtin_ctzll(~slots);
			block = rand() % BLOCKS;
			if (busy[block])
				break;
			d.user_data = i;
			d.addr = t_frame(&r, i * 4);
			d.dev_offset = (u64)block * SIZE;
			d.flags = WRITE | (rand() % 8 ? 0 : IO_UNIFIED_F_FUA);
			slot_seed[i] = 1000 + started;
			if (content[block] && rand() % 3 == 0) {
				d.flags = READ;
				slot_seed[i] = 0;
			} else {
				t_fill(t_ptr(&r, d.addr), SIZE, slot_seed[i]);
			}
			slot_block[i] = block;
			busy[block] = true;
			slots |= 1ull << i;
			t_queue(&r, &d);
			waiting++;
			started++;
		}
		t_submit(&r);
		REQUIRE(t_reap(&r, &res, 20000), "%d of %d", started, OPS);
		i = res.user_data;
		block = slot_block[i];
		CHECK_EQ(res.res, SIZE, "reason %u", res.reason);
		if (slot_seed[i])
			content[block] = slot_seed[i];
		else
			CHECK(t_filled(t_ptr(&r, t_frame(&r, i * 4)), SIZE,
				       content[block]),
			      "block %d", block);
		busy[block] = false;
		slots &= ~(1ull << i);
		waiting--;
	}
	t_region_close(&r);
	REQUIRE(!t_fs_umount());
	t_fs_mount(&disk);
	for (i = 0; i < BLOCKS; i++) {
		if (t_file_read("f", buf, SIZE, (u64)i * SIZE) < SIZE)
			CHECK(!content[i], "block %d is not there", i);
		else if (content[i])
			CHECK(t_filled(buf, SIZE, content[i]), "block %d", i);
		else
			CHECK(!buf[0] && !memcmp(buf, buf + 1, SIZE - 1));
	}
	free(buf);
	t_fs_end(&disk, setup->type);
}

/* ----------------------------------------------------------------- refusals */

static void refuse_attach(int error, u16 reason, int fd,
			  struct io_unified_attach a, const char *what)
{
	int ret;

	a.kind = IO_UNIFIED_KIND_STORAGE;
	a.fd = fd;
	ret = t_attach(&r, &a);
	CHECK_EQ(ret, error, "%s", what);
	CHECK_EQ(a.reason, reason, "%s", what);
	CHECK_EQ(a.index, -1, "%s", what);
	close(fd);
}

#define NONE ((struct io_unified_attach){})
#define WITH(...) ((struct io_unified_attach){ __VA_ARGS__ })

static void attach(void)
{
	int direct, fd;

	REQUIRE(!t_sh("truncate -s 1M " T_MNT "/f; : >" T_MNT "/empty"));
	direct = open(T_MNT "/f", O_RDWR | O_DIRECT);
	REQUIRE(direct >= 0);
	refuse_attach(-EINVAL, IO_UNIFIED_REASON_DIRECT,
		      open(T_MNT "/f", O_RDWR), NONE, "no O_DIRECT");
	refuse_attach(-EINVAL, IO_UNIFIED_REASON_APPEND,
		      open(T_MNT "/f", O_RDWR | O_DIRECT | O_APPEND), NONE,
		      "O_APPEND");
	refuse_attach(-EOPNOTSUPP, IO_UNIFIED_REASON_NOT_NVME, dup(direct),
		      WITH(.flags = IO_UNIFIED_ATTACH_PASSTHROUGH),
		      "passthrough");
	refuse_attach(-EOPNOTSUPP, IO_UNIFIED_REASON_NOT_BLOCK, dup(direct),
		      WITH(.flags = IO_UNIFIED_ATTACH_BIO), "bio");
	refuse_attach(-EINVAL, IO_UNIFIED_REASON_LBA_ALIGN, dup(direct),
		      WITH(.dev_start = 100), "start");
	refuse_attach(-EINVAL, IO_UNIFIED_REASON_LBA_ALIGN, dup(direct),
		      WITH(.dev_len = 1000), "length");
	refuse_attach(-ERANGE, IO_UNIFIED_REASON_RANGE, dup(direct),
		      WITH(.dev_start = MIB), "a start at the end");
	refuse_attach(-ERANGE, IO_UNIFIED_REASON_RANGE, dup(direct),
		      WITH(.dev_start = 1ull << 63, .dev_len = 1ull << 63),
		      "a range that overflows");
	refuse_attach(-ERANGE, IO_UNIFIED_REASON_RANGE, dup(direct),
		      WITH(.dev_len = 1ull << 63), "beyond any file");
	refuse_attach(-ERANGE, IO_UNIFIED_REASON_RANGE,
		      open(T_MNT "/empty", O_RDWR | O_DIRECT), NONE, "empty");
	refuse_attach(-ENOTBLK, IO_UNIFIED_REASON_NOT_BLOCK,
		      open(T_MNT, O_RDONLY), NONE, "a directory");

	/* A file system that copies, whatever it says to O_DIRECT. */
	REQUIRE(!t_sh(
		"mkdir -p /tmp/iou-tmpfs; mount -t tmpfs none /tmp/iou-tmpfs; truncate -s 1M /tmp/iou-tmpfs/f"));
	fd = open("/tmp/iou-tmpfs/f", O_RDWR | O_DIRECT);
	if (fd >= 0)
		refuse_attach(-EOPNOTSUPP, IO_UNIFIED_REASON_DIRECT, fd, NONE,
			      "tmpfs");
	t_sh("umount /tmp/iou-tmpfs");
	close(direct);
}

static void rights(void)
{
	struct io_unified_attach ro = { .flags = IO_UNIFIED_ATTACH_RDONLY };
	struct io_unified_desc d = { .ops = NVME,
				     .flags = IO_UNIFIED_F_OPCODE | WRITE,
				     .nvme_opcode = 5,
				     .len = 4096 };
	int rd, wr, no, rw;

	REQUIRE(!t_sh("truncate -s 1M " T_MNT "/f"));
	rd = t_attach_file(&r, "f", O_RDONLY, NULL);
	wr = t_attach_file(&r, "f", O_WRONLY, NULL);
	no = t_attach_file(&r, "f", O_RDWR, &ro);
	rw = t_attach_file(&r, "f", O_RDWR, NULL);
	check_io(READ, rd, t_frame(&r, 0), 4096, 0);
	check_io(WRITE, wr, t_frame(&r, 0), 4096, 0);
	refused(t_io(&r, WRITE, rd, t_frame(&r, 0), 4096, 0), -EBADF,
		IO_UNIFIED_REASON_READ_ONLY, "write");
	refused(t_io(&r, IO_UNIFIED_F_ZEROES, rd, 0, 4096, 0), -EBADF,
		IO_UNIFIED_REASON_READ_ONLY, "zeroes");
	refused(t_io(&r, IO_UNIFIED_F_DISCARD, rd, 0, 4096, 0), -EBADF,
		IO_UNIFIED_REASON_READ_ONLY, "discard");
	refused(t_io(&r, WRITE, no, t_frame(&r, 0), 4096, 0), -EBADF,
		IO_UNIFIED_REASON_READ_ONLY, "write, RDONLY");
	refused(t_io(&r, READ, wr, t_frame(&r, 0), 4096, 0), -EBADF,
		IO_UNIFIED_REASON_WRITE_ONLY, "read");
	refused(t_io(&r, READ, rw, t_frame(&r, 0), 100, 0), -EINVAL,
		IO_UNIFIED_REASON_LBA_ALIGN, "length");
	refused(t_io(&r, WRITE, rw, t_frame(&r, 0), 512, 7), -EINVAL,
		IO_UNIFIED_REASON_LBA_ALIGN, "offset");
	refused(t_io(&r, WRITE, rw, t_frame(&r, 0) + 1, 512, 0), -EINVAL,
		IO_UNIFIED_REASON_ALIGN, "address");
	refused(t_io(&r, WRITE, rw, t_frame(&r, 0), 4096, MIB), -ERANGE,
		IO_UNIFIED_REASON_RANGE, "range");
	d.addr = t_frame(&r, 0);
	d.storage = rw;
	refused(t_op(&r, &d), -EOPNOTSUPP, IO_UNIFIED_REASON_NOT_NVME,
		"compare");
}

static void check_uncached(int fd, u32 len)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char in[len / 4096];
	u32 i;

	REQUIRE(p != MAP_FAILED && !mincore(p, len, in));
	for (i = 0; i < len / 4096; i++)
		CHECK(!(in[i] & 1), "page %u is in the page cache", i);
	munmap(p, len);
}

/* What the application does to the open file later is no way round. */
static void flags(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };
	u64 seed;
	int i;

	REQUIRE(!t_sh("truncate -s 1M " T_MNT "/f"));
	a.fd = open(T_MNT "/f", O_RDWR | O_DIRECT);
	REQUIRE(!t_attach(&r, &a));
	REQUIRE(!fcntl(a.fd, F_SETFL, O_APPEND));
	for (i = 0; i < 8; i++) {
		seed = 40 + i;
		t_fill(t_ptr(&r, t_frame(&r, i)), 4096, seed);
		check_io(WRITE, a.index, t_frame(&r, i), 4096, i * 8192);
		check_io(READ, a.index, t_frame(&r, 20), 4096, i * 8192);
	}
	CHECK_EQ(lseek(a.fd, 0, SEEK_CUR), 0);
	CHECK_EQ(t_file_size("f"), MIB);
	check_uncached(a.fd, MIB);
	for (i = 0; i < 8; i++)
		check_file("f", 4096, i * 8192, 40 + i);
	close(a.fd);
}

/* ------------------------------------------------------------------- limits */

/* Of a run that has no room as a whole, what has is written. */
static void run_without_space(int s, u64 offset)
{
	enum { N = 14, LEN = MIB / 2 };
	struct io_unified_desc d = {
		.ops = NVME, .flags = WRITE, .storage = s, .len = LEN
	};
	int i, wrote = 0;
	struct t_res res;

	for (i = 0; i < N; i++) {
		d.user_data = i;
		d.addr = t_frame(&r, 0) + 8 * MIB + i * LEN;
		d.dev_offset = offset + i * LEN;
		t_fill(t_ptr(&r, d.addr), LEN, 200 + i);
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, 20000), "%d", i);
		if (res.res != LEN) {
			refused(res, -ENOSPC, IO_UNIFIED_REASON_NO_SPACE,
				"a write of a run");
			continue;
		}
		check_file("f", LEN, offset + res.user_data * LEN,
			   200 + res.user_data);
		wrote++;
	}
	CHECK(wrote && wrote < N, "%d", wrote);
}

static void no_space(void)
{
	struct io_unified_attach a = { .dev_len = 256 * MIB };
	struct t_res res = {};
	int s, i;

	set_up();
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	t_fill(t_ptr(&r, t_frame(&r, 0)), 8 * MIB, 9);
	check_io(WRITE, s, t_frame(&r, 0), 8 * MIB, 0);
	REQUIRE(!t_sh("free=$(df --output=avail -B1M " T_MNT
		      " | tail -1); fallocate -l $((free - 20))M " T_MNT
		      "/fill"));
	for (i = 1; i < 20; i++) {
		res = t_io(&r, WRITE, s, t_frame(&r, 0), 8 * MIB,
			   i * 8ull * MIB);
		if (res.res != 8 * MIB)
			break;
	}
	refused(res, -ENOSPC, IO_UNIFIED_REASON_NO_SPACE, "a full file system");
	CHECK(i > 1 && i < 6, "%d", i);
	run_without_space(s, i * 8ull * MIB);
	check_file("f", 8 * MIB, 0, 9);
	/* What is there can be written, and more when there is room again. */
	check_io(WRITE, s, t_frame(&r, 0), 8 * MIB, 0);
	REQUIRE(!t_sh("rm " T_MNT "/fill; sync -f " T_MNT));
	check_io(WRITE, s, t_frame(&r, 0), 8 * MIB, 64 * MIB);
	check_file("f", 8 * MIB, 64 * MIB, 9);
	tear_down();
}

/* SIGXFSZ would end the case: a worker's ops cannot, and ours do not. */
static void file_limit(void)
{
	struct io_unified_attach a = { .dev_len = 4 * MIB };
	struct rlimit limit = { MIB, RLIM_INFINITY };
	int s;

	REQUIRE(!setrlimit(RLIMIT_FSIZE, &limit));
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	check_io(WRITE, s, t_frame(&r, 0), 65536, MIB - 65536);
	refused(t_io(&r, WRITE, s, t_frame(&r, 0), 65536, MIB - 512), -EFBIG,
		IO_UNIFIED_REASON_FILE_LIMIT, "write");
	refused(t_io(&r, IO_UNIFIED_F_ZEROES, s, 0, 65536, MIB), -EFBIG,
		IO_UNIFIED_REASON_FILE_LIMIT, "zeroes");
	CHECK_EQ(t_io(&r, READ, s, t_frame(&r, 0), 65536, 2 * MIB).res, 0);
	CHECK_EQ(t_file_size("f"), MIB);
	limit.rlim_cur = RLIM_INFINITY;
	REQUIRE(!setrlimit(RLIMIT_FSIZE, &limit));
}

/* One file system does for all that leaves it as it was. */
static void in_turn(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "end of file", end },		{ "appends", appends },
		{ "attach", attach },		{ "rights", rights },
		{ "flags of the file", flags }, { "RLIMIT_FSIZE", file_limit },
	};
	u32 i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		t_note("%s", parts[i].name);
		parts[i].run();
		REQUIRE(!t_sh("rm -rf " T_MNT "/*"));
	}
	tear_down();
}

/* --------------------------------------------------------- frozen, and gone */

static int freeze(unsigned long what)
{
	int fd = open(T_MNT, O_RDONLY);
	int ret = ioctl(fd, what, 0);

	close(fd);
	return ret;
}

enum { LATE = 100 };

static void queue_writes(int s, int n, u32 len, u64 user_data)
{
	struct io_unified_desc d = {
		.ops = NVME, .flags = WRITE, .storage = s, .len = len
	};
	int i;

	for (i = 0; i < n; i++) {
		d.user_data = user_data + i;
		d.addr = t_frame(&r, 0) + (u64)i * len;
		d.dev_offset = (u64)i * len;
		t_queue(&r, &d);
	}
	t_submit(&r);
}

static void frozen(void)
{
	struct io_unified_attach a = { .dev_len = 64 * MIB };
	struct t_res res;
	int s, i, round;
	u64 start;

	set_up();
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	t_fill(t_ptr(&r, t_frame(&r, 0)), 4 * MIB, 5);
	/* Freezing waits for what is in flight, and holds up what comes. */
	for (round = 0; round < 8; round++) {
		queue_writes(s, 16, 65536 << (round & 1), 0);
		REQUIRE(!freeze(FIFREEZE));
		queue_writes(s, 8, 65536, LATE);
		for (i = 0; t_reap(&r, &res, 500); i++) {
			CHECK(res.user_data < LATE, "written while frozen");
			CHECK(res.res > 0, "%d: reason %u", res.res,
			      res.reason);
		}
		CHECK(i <= 16);
		/* Others are not held up. */
		check_io(READ, s, t_frame(&r, 2000), 65536, 0);
		REQUIRE(!freeze(FITHAW));
		for (; i < 24; i++) {
			REQUIRE(t_reap(&r, &res, 10000));
			CHECK(res.res > 0, "%d: reason %u", res.res,
			      res.reason);
		}
	}
	check_file("f", MIB, 0, 5);

	/* And who goes away meanwhile does not wait for the thaw. */
	REQUIRE(!freeze(FIFREEZE));
	queue_writes(s, 4, 65536, 0);
	start = t_now_ms();
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, s));
	CHECK(t_now_ms() - start < 5000);
	for (i = 0; i < 4; i++) {
		REQUIRE(t_reap(&r, &res, 5000));
		refused(res, -ECANCELED, IO_UNIFIED_REASON_GONE, "detached");
	}
	s = t_attach_file(&r, "f", O_RDWR, &a);
	queue_writes(s, 4, 65536, 0);
	t_region_close(&r);
	REQUIRE(!freeze(FITHAW));
	t_fs_end(&disk, setup->type);
}

/* Busy while it is attached, free afterwards. */
static void unmount(void)
{
	struct io_unified_attach a = { .dev_len = 64 * MIB };
	struct t_res res;
	int s, i;

	set_up();
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	CHECK(t_fs_umount() == 32, "unmounted under an attachment");
	queue_writes(s, 16, 262144, 0);
	CHECK(t_fs_umount() == 32, "unmounted under writes");
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, s));
	for (i = 0; i < 16; i++) {
		REQUIRE(t_reap(&r, &res, 10000));
		CHECK_EQ(res.res, 262144, "reason %u", res.reason);
	}
	CHECK_EQ(t_fs_umount(), 0, "still busy after detach");
	t_fs_mount(&disk);
	/* A region that goes with all in flight. */
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	queue_writes(s, 16, 262144, 0);
	t_region_close(&r);
	CHECK_EQ(t_fs_umount(), 0, "still busy without the region");
	t_fs_mount(&disk);
	t_fs_end(&disk, setup->type);
}

static void victim(int round, int ready)
{
	struct t_opt opt = { .memory = round & 1 ? T_MEM_MODULE : T_MEM_MEMFD };
	struct io_unified_attach a = { .dev_len = 64 * MIB };
	struct io_unified_desc d = { .ops = NVME, .len = 32768 };
	struct t_res res;
	int i, s;

	t_region_open(&r, &opt);
	s = t_attach_file(&r, "f", O_RDWR | O_CREAT, &a);
	for (i = 0;; i++) {
		d.addr = t_frame(&r, 8 * (i % 64));
		d.dev_offset = d.len * (u64)(rand() % 2048);
		d.storage = s;
		d.flags = rand() % 4 ? WRITE : READ;
		t_queue(&r, &d);
		t_submit(&r);
		if (i >= 32)
			t_reap(&r, &res, 1000);
		if (i == 40)
			(void)!write(ready, "", 1);
		if (i > 60 && (round & 3) == 3) {
			/* The ring goes first, with all in flight. */
			io_uring_queue_exit(&r.ring);
			pause();
		}
	}
}

enum { KILLS = 8 }; /* between one mount and the next */

static void kill_one(int round)
{
	int pid, ready[2];
	char c;

	if (round % KILLS == 0)
		t_fs_mount(&disk);
	REQUIRE(!pipe(ready));
	pid = fork();
	if (!pid) {
		srand(round);
		victim(round, ready[1]);
		_exit(1);
	}
	REQUIRE(read(ready[0], &c, 1) == 1);
	t_sleep_ms(round % 7);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	if (round % KILLS == KILLS - 1)
		t_fs_end(&disk, setup->type);
}

static void killed(void)
{
	setup = t_arg;
	t_fs_make(&disk, setup->type, setup->lba);
	REQUIRE(!t_fs_umount());
	t_leak_rounds(kill_one, 4 * KILLS,
		      (t_rounds() + KILLS - 1) / KILLS * KILLS);
}

#define ON(name_, run_, secs_)                                           \
	{ name_ ", ext4", run_, secs_, &(struct setup){ "ext4", 512 } }, \
	{                                                                \
		name_ ", xfs", run_, secs_, &(struct setup)              \
		{                                                        \
			"xfs", 512                                       \
		}                                                        \
	}

static const struct t_case cases[] = {
	ON("data", data, 120),
	{ "data, ext4, 4096", data, 120, &(struct setup){ "ext4", 4096 } },
	{ "data, xfs, 4096", data, 120, &(struct setup){ "xfs", 4096 } },
	ON("many at once", many, 120),
	ON("ends, rights and refusals", in_turn, 120),
	ON("no space", no_space, 120),
	ON("frozen", frozen, 120),
	ON("unmount", unmount, 60),
	ON("killed", killed, 300),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
