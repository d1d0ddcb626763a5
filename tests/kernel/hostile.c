// SPDX-License-Identifier: GPL-2.0
/*
 * A pair of rings is scribbled over while batches run from it and from others
 *
 * One thread writes garbage, and descriptors that look right but point outside, into
 * pair 0: SQ, CQ, indices, and control blocks of programs. Another one, without
 * CAP_SYS_ADMIN, runs what is there. Meanwhile well-behaved batches run from the
 * other pairs, and from another region on the same drive: none of them fails. What
 * surrounds the windows on the drive, and the region in memory, stays what it was.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/blocks.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/sq.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

enum {
	PAIRS = 3, /* scribbled over, CMD_RING, ENTER */
	BATCH = 8,
	OP_MAX = 16 * 1024,
	SECONDS = 8,
};

/* guard, the scribbler's window, guard, ours, guard, the other region's, guard */
static const u64 window = 4 * MIB, guard = MIB, start = 512 * MIB;
static const u64 region_size = 6 * MIB, mem_guard = MIB;
/* Of the region: what the scribbler's descriptors name lies outside. */
static const u64 ours = 2 * MIB;

static struct t_region r, other;
static struct t_disk disk;
static struct t_blocks own, others;
static u8 *around; /* the region and its guards */
static int storage, bio, honest, program;
static volatile bool stop_scribbling, stop_running;
static volatile u32 taken; /* from the SQ, whatever the control page says */

static u64 next(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static u64 window_at(int i)
{
	return start + guard + i * (window + guard);
}

/* ---------------------------------------------------------------- scribbling */

#define ONE_OF(x, array) ((array)[next(x) % ARRAY_SIZE(array)])

/* Each of these is right half of the time: what is wrong is to be one thing. */

static u64 some_addr(u64 *x)
{
	const u64 end = r.reg.data_off + r.reg.data_size;
	const u64 addrs[] = {
		r.reg.data_off,
		r.reg.data_off + 4096,
		r.reg.data_off + 64 * KIB,
		r.reg.data_off - 64,
		r.reg.data_off - 4096,
		r.reg.sq_off,
		r.reg.cq_off,
		0,
		64,
		end - 512,
		end - 4096,
		end,
		end + 4096,
		region_size + mem_guard / 2,
		-4096ull,
		-512ull,
		1ull << 63,
	};

	return next(x) % 2 ? addrs[next(x) % 3] : ONE_OF(x, addrs);
}

static u64 some_offset(u64 *x)
{
	const u64 offsets[] = {
		0,
		4096,
		MIB,
		window - 4096,
		window - 512,
		window,
		window + 512,
		window + guard,
		window - 1,
		-512ull,
		-4096ull,
		-guard,
		-start,
		1ull << 63,
		(1ull << 63) - 512,
		INT64_MAX,
	};

	return next(x) % 2 ? offsets[next(x) % 5] : ONE_OF(x, offsets);
}

/* Those that fit end before our part of the region. */
static u32 some_len(u64 *x)
{
	static const u32 lens[] = {
		512,	    4096,	4096,	 65536,		  0,
		511,	    1 << 20,	8 << 20, (8 << 20) + 512, 64 << 20,
		0x7ffffe00, 0x7fffffff, ~0u,
	};

	return next(x) % 2 ? 4096 : ONE_OF(x, lens);
}

/* What an application might have written there, were it not for its offsets. */
static struct io_unified_desc some_desc(u64 *x)
{
	static const u32 ops[] = {
		IO_UNIFIED_OP_NVME,
		IO_UNIFIED_OP_NVME,
		IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF,
		IO_UNIFIED_OP_BPF,
	};
	static const u32 flags[] = {
		IO_UNIFIED_F_READ,
		IO_UNIFIED_F_WRITE,
		IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FUA,
		IO_UNIFIED_F_WRITE | IO_UNIFIED_F_LINK,
		IO_UNIFIED_F_READ | IO_UNIFIED_F_LINK,
		IO_UNIFIED_F_DISCARD,
		IO_UNIFIED_F_ZEROES,
		IO_UNIFIED_F_FLUSH,
		IO_UNIFIED_F_OPCODE,
		IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_READ,
		IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE,
		0,
	};
	struct io_unified_desc d = {
		.user_data = next(x),
		.addr = some_addr(x),
		.dev_offset = some_offset(x),
		.len = some_len(x),
		.ops = ONE_OF(x, ops),
		.flags = ONE_OF(x, flags),
		.storage = next(x) % 8 ? next(x) % 2 : 0xffff,
	};

	if (d.ops & IO_UNIFIED_OP_BPF) {
		d.bpf = program;
		d.max_hops = next(x);
	}
	if (!(d.ops & IO_UNIFIED_OP_NVME)) {
		d.storage = 0;
		d.dev_offset = 0;
		d.flags = 0;
	}
	if (d.flags & IO_UNIFIED_F_OPCODE)
		d.nvme_opcode = next(x);
	if (d.flags & (IO_UNIFIED_F_DISCARD | IO_UNIFIED_F_ZEROES))
		d.addr = 0;
	if (d.flags & IO_UNIFIED_F_FLUSH) {
		d.addr = 0;
		d.len = 0;
		d.dev_offset = 0;
	}
	return d;
}

static void copy(volatile u64 *to, const void *from, size_t bytes)
{
	const u64 *words = from;
	size_t i;

	for (i = 0; i < bytes / 8; i++)
		to[i] = words[i];
}

/* Indices that make sense half of the time, or nothing would ever run. An op that was
 * taken has its completion soon, so both rings are at the same entry.
 */
static void scribble_indices(volatile struct io_unified_ring *p, u64 *x)
{
	u32 entries = r.reg.sq_entries;

	p->sq_prod = next(x) % 4 ? taken + next(x) % (entries + 2) : next(x);
	p->cq_cons = next(x) % 4 ? taken : next(x);
	if (next(x) % 8)
		return;
	p->sq_cons = next(x);
	p->sq_flags = next(x);
	p->cq_prod = next(x);
}

/* What a program wrote there, while the module reads it. */
static void scribble_ctl(u64 *x)
{
	volatile struct io_unified_bpf_ctl *ctl;

	ctl = (void *)(r.base + r.reg.data_off + (next(x) % 2 ? 4096 : 65536) -
		       sizeof(*ctl));
	ctl->dev_offset = some_offset(x);
	ctl->len = some_len(x);
	ctl->flags = next(x) % 4 ? IO_UNIFIED_CTL_AGAIN : next(x);
}

static void *scribble(void *arg)
{
	volatile u64 *sq = (void *)(r.base + r.reg.sq_off);
	volatile u64 *cq = (void *)(r.base + r.reg.cq_off);
	volatile u64 *head = (void *)r.base;
	const u32 desc = sizeof(struct io_unified_desc) / 8;
	u64 x = 88172645463325252ull;
	struct io_unified_desc d;
	u32 i;

	while (!stop_scribbling) {
		for (i = 0; i < r.reg.sq_entries; i++) {
			d = some_desc(&x);
			copy(sq + i * desc, &d, sizeof(d));
		}
		scribble_indices(&r.ctrl->ring[0], &x);
		for (i = 0; i < 32; i++) {
			sq[next(&x) % (r.reg.sq_entries * desc)] =
				next(&x) % 2 ? x : x % 3 - 1;
			cq[next(&x) % (r.reg.cq_entries * desc)] = next(&x);
			head[next(&x) % 8] = x;
			scribble_ctl(&x);
		}
		scribble_indices(&r.ctrl->ring[0], &x);
	}
	return NULL;
}

/* -------------------------------------------------------- the scribbler's ops */

/* This thread alone: others than plain opcodes are refused then. */
static void drop_sys_admin(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];

	REQUIRE(!syscall(SYS_capget, &h, caps));
	caps[0].effective &= ~(1u << CAP_SYS_ADMIN);
	REQUIRE(!syscall(SYS_capset, &h, caps));
}

/* Whatever is in the pair: some of it may even be right. */
static void *run_garbage(void *arg)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct __kernel_timespec ts = { .tv_sec = 20 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	u64 x = 1234567, n = 0;

	t_ring_init(&ring, 64, 0);
	a.fd = ring.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	drop_sys_admin();
	while (!stop_running) {
		struct io_unified_enter e = {
			.to_submit = 1 + next(&x) % 64,
		};
		int ret = t_enter(&r, &e);

		CHECK(!ret || ret == -EBUSY, "ENTER: %d, reason %u", ret,
		      e.reason);
		taken += e.submitted;
		t_queue_ring(&r, &ring, 0, next(&x) % 64,
			     next(&x) % 2 ? IO_UNIFIED_RING_SUBMIT : 0, 0);
		REQUIRE(io_uring_submit(&ring) == 1);
		REQUIRE(!io_uring_wait_cqe_timeout(&ring, &cqe, &ts),
			"a batch does not end");
		CHECK(cqe->res >= 0 || cqe->res == -EBUSY, "CMD_RING: %d",
		      cqe->res);
		taken += cqe->res > 0 ? cqe->res : 0;
		n += cqe->res > 0;
		n += e.submitted > 0;
		io_uring_cqe_seen(&ring, cqe);
	}
	t_note("%llu batches of garbage", (unsigned long long)n);
	io_uring_queue_exit(&ring);
	return NULL;
}

/* ---------------------------------------------------------- well-behaved ones */

static u64 our_addr(int i)
{
	return ours + i * (u64)OP_MAX;
}

/* A batch of reads or writes that do not overlap; all of them succeed. */
static void honest_batch(u64 *x, bool by_enter)
{
	const u32 most = OP_MAX / own.lba, share = own.count / BATCH;
	struct io_unified_enter e = {
		.ring = 2,
		.to_submit = BATCH,
		.min_complete = BATCH,
		.timeout_nsec = 20 * 1000000000ull,
	};
	struct io_unified_desc d[BATCH];
	struct io_unified_cqe cqe;
	u32 first, n, i, pair = by_enter ? 2 : 1, k;
	struct t_res res;

	for (i = 0; i < BATCH; i++) {
		n = 1 + next(x) % most;
		first = i * share + next(x) % (share - n);
		d[i] = (struct io_unified_desc){
			.user_data = i,
			.ops = IO_UNIFIED_OP_NVME,
			.flags = next(x) % 2 ? IO_UNIFIED_F_READ :
					       IO_UNIFIED_F_WRITE,
			.storage = honest,
			.addr = our_addr(i),
			.len = n * own.lba,
			.dev_offset = (u64)first * own.lba,
		};
		if (d[i].flags & IO_UNIFIED_F_WRITE) {
			own.last++;
			for (k = first; k < first + n; k++)
				own.gen[k] = own.last;
			t_blocks_fill(&own, t_ptr(&r, d[i].addr), first, n,
				      own.gen + first);
		}
		REQUIRE(t_sq_put(&r, pair, &d[i]));
	}
	if (by_enter) {
		REQUIRE_EQ(t_enter(&r, &e), 0, "reason %u", e.reason);
		CHECK_EQ(e.submitted, BATCH);
	} else {
		res = t_ring(&r, pair, 0, 0);
		CHECK_EQ(res.res, BATCH, "reason %u", res.reason);
	}
	for (i = 0; i < BATCH; i++) {
		REQUIRE(t_cq_of(&r, pair, &cqe, 20000));
		REQUIRE(cqe.user_data < BATCH);
		k = cqe.user_data;
		first = d[k].dev_offset / own.lba;
		CHECK_EQ(cqe.res, d[k].len, "reason %u", cqe.reason);
		CHECK(t_blocks_check(&own, t_ptr(&r, d[k].addr), first,
				     d[k].len / own.lba, own.gen + first,
				     "pair of our own"));
	}
}

/* Single ops of a region that has only the drive in common. */
static void other_region(u64 *x, int att)
{
	u32 n = 1 + next(x) % 16, first = next(x) % (others.count - n), k;
	u64 addr = t_frame(&other, 0);
	struct t_res res;

	others.last++;
	for (k = first; k < first + n; k++)
		others.gen[k] = others.last;
	t_blocks_fill(&others, t_ptr(&other, addr), first, n,
		      others.gen + first);
	res = t_io(&other, IO_UNIFIED_F_WRITE, att, addr, n * others.lba,
		   (u64)first * others.lba);
	CHECK_EQ(res.res, n * others.lba, "reason %u", res.reason);
	memset(t_ptr(&other, addr), 0, n * others.lba);
	res = t_io(&other, IO_UNIFIED_F_READ, att, addr, n * others.lba,
		   (u64)first * others.lba);
	CHECK_EQ(res.res, n * others.lba, "reason %u", res.reason);
	CHECK(t_blocks_check(&others, t_ptr(&other, addr), first, n,
			     others.gen + first, "another region"));
}

/* ----------------------------------------------------------- before and after */

static void open_around(void)
{
	struct t_opt opt = { .size = region_size, .pairs = PAIRS };
	int memfd = memfd_create("io_unified-test", MFD_CLOEXEC);
	u64 size = region_size + 2 * mem_guard;

	REQUIRE(memfd >= 0 && !ftruncate(memfd, size));
	around = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	REQUIRE(around != MAP_FAILED);
	t_fill(around, size, 31);
	close(memfd);
	opt.base = around + mem_guard;
	t_region_open(&r, &opt);
}

static int attach_window(struct t_region *region, int i, u32 flags)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.flags = flags,
		.dev_start = window_at(i),
		.dev_len = window,
	};

	a.fd = open(disk.path, O_RDWR);
	REQUIRE(a.fd >= 0);
	REQUIRE_EQ(t_attach(region, &a), 0, "reason %u", a.reason);
	close(a.fd);
	return a.index;
}

static void fill_drive(void)
{
	u8 *buf = malloc(window);
	int i;

	REQUIRE(buf);
	for (i = 0; i < 4; i++) {
		t_fill(buf, guard, 50 + i);
		t_disk_write(&disk, buf, guard, window_at(i) - guard);
	}
	t_blocks_init(&own, disk.name, disk.lba, window, 1);
	t_blocks_fill(&own, buf, 0, own.count, own.gen);
	t_disk_write(&disk, buf, window, window_at(1));
	t_blocks_init(&others, disk.name, disk.lba, window, 2);
	t_blocks_fill(&others, buf, 0, others.count, others.gen);
	t_disk_write(&disk, buf, window, window_at(2));
	free(buf);
}

static void check_all(void)
{
	u8 *buf = malloc(window), *want = malloc(region_size + 2 * mem_guard);
	int i;

	REQUIRE(buf && want);
	for (i = 0; i < 4; i++) {
		t_disk_read(&disk, buf, guard, window_at(i) - guard);
		CHECK(t_filled(buf, guard, 50 + i), "guard %d of the drive", i);
	}
	t_disk_read(&disk, buf, window, window_at(1));
	CHECK(t_blocks_check(&own, buf, 0, own.count, own.gen, "in the end"));
	t_disk_read(&disk, buf, window, window_at(2));
	CHECK(t_blocks_check(&others, buf, 0, others.count, others.gen,
			     "in the end"));
	t_fill(want, region_size + 2 * mem_guard, 31);
	CHECK(!memcmp(around, want, mem_guard), "memory before the region");
	CHECK(!memcmp(around + mem_guard + region_size,
		      want + mem_guard + region_size, mem_guard),
	      "memory behind the region");
	free(want);
	free(buf);
}

static void garbage(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	u64 end, rounds = 0, x = 99, ops, errors;
	pthread_t scribbler, runner;
	int att;

	t_disk_nvme(&disk, 512, 0);
	fill_drive();
	open_around();
	storage = attach_window(&r, 0, IO_UNIFIED_ATTACH_PASSTHROUGH);
	bio = attach_window(&r, 0, IO_UNIFIED_ATTACH_BIO);
	honest = attach_window(&r, 1, 0);
	/* Whatever single bits make of a number, it is not ours. */
	REQUIRE(storage < 2 && bio < 2 && honest >= 2);
	program = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	t_region_open(&other, NULL);
	att = attach_window(&other, 2, 0);

	REQUIRE(!pthread_create(&scribbler, NULL, scribble, NULL));
	REQUIRE(!pthread_create(&runner, NULL, run_garbage, NULL));
	for (end = t_now_ms() + SECONDS * 1000; t_now_ms() < end; rounds++) {
		honest_batch(&x, rounds % 2);
		other_region(&x, att);
	}
	stop_running = true;
	pthread_join(runner, NULL);
	ops = t_stat(&r, IO_UNIFIED_KIND_REGION, 0, IO_UNIFIED_STAT_OPS);
	errors = t_stat(&r, IO_UNIFIED_KIND_REGION, 0, IO_UNIFIED_STAT_ERRORS);
	ops -= rounds * BATCH;
	t_note("%llu rounds; %llu ops of the scribbler's were started, %llu failed",
	       (unsigned long long)rounds, (unsigned long long)ops,
	       (unsigned long long)errors);
	/* Both of them, or it was no test. */
	CHECK(errors > 100 && ops > 100);
	CHECK(rounds > 20);
	CHECK(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION), "errno %d", errno);
	stop_scribbling = true;
	pthread_join(scribbler, NULL);
	check_all();
	t_region_gone(&r);
	t_region_close(&other);
	bpf_object__close(obj);
}

static const struct t_case cases[] = {
	{ "only the scribbler's ops fail", garbage, 120 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
