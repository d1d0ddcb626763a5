// SPDX-License-Identifier: GPL-2.0
/* Programs over bytes of the region: alone, before a write, after a read. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/sq.h"

static struct t_region r;
static struct t_disk disk;
static struct bpf_object *obj;
static int config_fd, result_fd, storage, other;
static struct ops_config config;
static struct ops_result result;
static struct io_unified_cqe cqe; /* of the last op */

static void set_up_ring(const struct t_opt *opt)
{
	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, opt);
	storage = t_attach_storage(&r, disk.path, 0);
	other = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_BIO);
	obj = t_bpf_open("ops", true);
	config_fd = bpf_map__fd(t_bpf_map(obj, "config"));
	result_fd = bpf_map__fd(t_bpf_map(obj, "result"));
	config = (struct ops_config){ .verdict = XDP_PASS };
}

static void set_up(void)
{
	set_up_ring(NULL);
}

static void tear_down(void)
{
	t_region_close(&r);
	bpf_object__close(obj);
}

/* Runs the program over @len bytes at @addr, then maybe writes them. */
static struct t_res run_at(int prog, u32 extra_ops, u32 flags, u64 addr,
			   u32 len, u64 dev_offset)
{
	struct io_unified_desc d = {
		.user_data = 0x8888,
		.ops = IO_UNIFIED_OP_BPF | extra_ops,
		.flags = flags | IO_UNIFIED_F_CQ,
		.addr = addr,
		.len = len,
		.bpf = prog,
		.cookie = 0xc001e,
		.storage = extra_ops ? storage : 0,
		.dev_offset = dev_offset,
	};
	struct t_res res;
	u32 zero = 0;

	REQUIRE(!bpf_map_update_elem(config_fd, &zero, &config, 0));
	res = t_op(&r, &d);
	REQUIRE(!bpf_map_lookup_elem(result_fd, &zero, &result));
	REQUIRE(t_cq(&r, &cqe, 5000));
	CHECK_EQ(cqe.user_data, d.user_data);
	CHECK_EQ(cqe.res, res.res);
	CHECK_EQ(cqe.reason, res.reason);
	CHECK_EQ(cqe.flags, res.flags);
	return res;
}

static struct t_res run(int prog, u64 addr, u32 len)
{
	return run_at(prog, 0, 0, addr, len, 0);
}

static void alone(void)
{
	static const u32 lens[] = { 32, 60, 1500, 4096, 65536, 1 << 20 };
	struct io_unified_bpf_ctl *ctl = (void *)result.ctl;
	struct t_res res;
	unsigned int i, j;
	u64 addr;
	u8 *want;
	int prog;

	set_up();
	prog = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	addr = t_frame(&r, 4) + 256;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		want = malloc(lens[i]);
		t_fill(want, lens[i], i);
		memcpy(t_ptr(&r, addr), want, lens[i]);
		memset(t_ptr(&r, addr) - 128, 0x42, 128);
		t_ptr(&r, addr)[lens[i]] = 0x42;
		res = run(prog, addr, lens[i]);
		CHECK_EQ(res.res, lens[i], "reason %u", res.reason);
		CHECK_EQ(cqe.addr, addr);
		CHECK_EQ(cqe.len, lens[i]);
		CHECK_EQ(cqe.verdict, XDP_PASS);
		CHECK_EQ(cqe.ops, IO_UNIFIED_OP_BPF);
		for (j = 0; j < 32; j++)
			want[j] = ~want[j];
		CHECK(!memcmp(t_ptr(&r, addr), want, lens[i]));
		/* Only the control block's 64 bytes are the op's, too. */
		for (j = 0; j < 64; j++)
			CHECK(t_ptr(&r, addr)[-128 + (int)j] == 0x42);
		CHECK(t_ptr(&r, addr)[lens[i]] == 0x42);

		CHECK_EQ(result.packet_len, lens[i]);
		CHECK_EQ(ctl->len, lens[i]);
		CHECK_EQ(ctl->orig_len, lens[i]);
		CHECK_EQ(ctl->cookie, 0xc001e);
		CHECK_EQ(ctl->flags, 0);
		CHECK_EQ(ctl->ifindex, 0);
		CHECK_EQ(ctl->queue, 0);
		CHECK_EQ(ctl->storage, 0);
		CHECK_EQ(ctl->net, 0);
		CHECK_EQ(ctl->dev_offset, 0);
		CHECK_EQ(ctl->state[0] | ctl->state[1], 0);
		free(want);
	}
	CHECK_EQ(result.runs, ARRAY_SIZE(lens), "the map counts");
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_BPF, prog,
			IO_UNIFIED_STAT_BPF_RUNS),
		 ARRAY_SIZE(lens));
	tear_down();
}

static void cookie(void)
{
	struct t_res res;
	int prog;

	set_up();
	prog = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	res = run(prog, t_frame(&r, 1), 100);
	CHECK_EQ(res.res, 100);
	CHECK_EQ(cqe.cookie, 0xc001e, "left as it was");
	config.set = SET_COOKIE;
	config.cookie = 0x1122334455667788;
	run(prog, t_frame(&r, 1), 100);
	CHECK_EQ(cqe.cookie, 0x1122334455667788);
	/* What is only handed in may be overwritten without harm. */
	config.set = SET_REST | SET_NET;
	res = run(prog, t_frame(&r, 1), 100);
	CHECK_EQ(res.res, 100, "reason %u", res.reason);
	tear_down();
}

static void lengths(void)
{
	struct t_res res;
	int tail, head, set;
	u64 addr;

	set_up();
	addr = t_frame(&r, 2);
	tail = t_attach_bpf(&r, t_bpf_prog(obj, "tail"));
	head = t_attach_bpf(&r, t_bpf_prog(obj, "head"));
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));

	config.delta = -100;
	res = run(tail, addr, 1000);
	CHECK_EQ(result.adjusted, 0);
	CHECK_EQ(res.res, 900, "reason %u", res.reason);
	CHECK_EQ(cqe.len, 900);
	CHECK_EQ(cqe.addr, addr);
	/* Behind the op's bytes there is nothing that it may have. */
	config.delta = 64;
	res = run(tail, addr, 1000);
	CHECK(result.adjusted < 0, "%lld", result.adjusted);
	CHECK_EQ(res.res, 1000);

	config.delta = 14;
	t_fill(t_ptr(&r, addr), 1000, 3);
	res = run(head, addr, 1000);
	CHECK_EQ(result.adjusted, 0);
	CHECK_EQ(res.res, 986, "reason %u", res.reason);
	CHECK_EQ(cqe.addr, addr + 14);
	/* In front of them, too. */
	config.delta = -14;
	res = run(head, addr, 1000);
	CHECK(result.adjusted < 0, "%lld", result.adjusted);
	CHECK_EQ(res.res, 1000);

	config.set = SET_LEN;
	config.len = 333;
	res = run(set, addr, 1000);
	CHECK_EQ(res.res, 333, "reason %u", res.reason);
	config.len = 1000;
	res = run(set, addr, 1000);
	CHECK_EQ(res.res, 1000);
	config.len = 0;
	res = run(set, addr, 1000);
	CHECK_EQ(res.res, 0, "reason %u", res.reason);
	CHECK(!(res.flags & IO_UNIFIED_CQE_DROPPED));
	tear_down();
}

static void verdicts(void)
{
	static const struct {
		u32 verdict;
		u16 reason;
	} bad[] = {
		{ XDP_ABORTED, IO_UNIFIED_REASON_BPF_ABORTED },
		{ XDP_TX, IO_UNIFIED_REASON_BPF_TX },
		{ XDP_REDIRECT, IO_UNIFIED_REASON_BPF_REDIRECT },
		{ 5, IO_UNIFIED_REASON_BPF_ABORTED },
		{ 77, IO_UNIFIED_REASON_BPF_ABORTED },
		{ 0x7fffffff, IO_UNIFIED_REASON_BPF_ABORTED },
		{ 0xffffffff, IO_UNIFIED_REASON_BPF_ABORTED },
	};
	struct t_res res;
	unsigned int i;
	int prog, redirect;

	set_up();
	prog = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	redirect = t_attach_bpf(&r, t_bpf_prog(obj, "redirect"));
	config.verdict = XDP_DROP;
	res = run(prog, t_frame(&r, 1), 100);
	CHECK_EQ(res.res, 0);
	CHECK(res.flags & IO_UNIFIED_CQE_DROPPED);
	CHECK_EQ(cqe.verdict, XDP_DROP);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_BPF_DROP);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		config.verdict = bad[i].verdict;
		res = run(prog, t_frame(&r, 1), 100);
		CHECK(res.res < 0, "verdict %u: %d", bad[i].verdict, res.res);
		CHECK_EQ(res.reason, bad[i].reason, "verdict %u",
			 bad[i].verdict);
		CHECK_EQ(cqe.verdict, bad[i].verdict);
		CHECK(!(res.flags & IO_UNIFIED_CQE_DROPPED));
	}
	res = run(redirect, t_frame(&r, 1), 100);
	CHECK(res.res < 0);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_BPF_REDIRECT);
	config.verdict = XDP_PASS;
	CHECK_EQ(run(prog, t_frame(&r, 1), 100).res, 100);
	tear_down();
}

/* The program decides where a write goes, to which device, and how much. */
static void then_write(void)
{
	const u32 wr = IO_UNIFIED_F_WRITE, s = IO_UNIFIED_OP_NVME;
	u8 zeros[8192] = { 0 }, buf[8192];
	struct t_res res;
	u64 addr;
	int set, edit, verdict;

	set_up();
	addr = t_frame(&r, 8);
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));

	t_disk_write(&disk, zeros, 8192, 1 << 20);
	t_fill(t_ptr(&r, addr), 4096, 81);
	res = run_at(edit, s, wr, addr, 4096, 1 << 20);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	CHECK_EQ(cqe.ops, IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME);
	t_disk_read(&disk, buf, 4096, 1 << 20);
	CHECK(!memcmp(buf, t_ptr(&r, addr), 4096) && !t_filled(buf, 4096, 81));

	/* Handed in: where it would go. Out: somewhere else. */
	t_fill(t_ptr(&r, addr), 4096, 82);
	config.set = SET_DEV_OFFSET;
	config.dev_offset = 2 << 20;
	res = run_at(set, s, wr, addr, 4096, 1 << 20);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	CHECK_EQ(((struct io_unified_bpf_ctl *)result.ctl)->dev_offset,
		 1 << 20);
	CHECK_EQ(cqe.dev_offset, 2 << 20);
	t_disk_read(&disk, buf, 4096, 2 << 20);
	CHECK(t_filled(buf, 4096, 82));
	t_disk_read(&disk, buf, 4096, 1 << 20);
	CHECK(!t_filled(buf, 4096, 82));

	config.set = SET_STORAGE | SET_DEV_OFFSET;
	config.storage = other;
	config.dev_offset = 3 << 20;
	t_fill(t_ptr(&r, addr), 4096, 83);
	res = run_at(set, s, wr, addr, 4096, 0);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	t_disk_read(&disk, buf, 4096, 3 << 20);
	CHECK(t_filled(buf, 4096, 83));
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, other,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 4096);

	/* A drop writes nothing. */
	t_disk_write(&disk, zeros, 8192, 1 << 20);
	config.verdict = XDP_DROP;
	res = run_at(verdict, s, wr, addr, 4096, 1 << 20);
	CHECK_EQ(res.res, 0);
	CHECK(res.flags & IO_UNIFIED_CQE_DROPPED);
	CHECK_EQ(cqe.ops & IO_UNIFIED_OP_NVME, 0);
	t_disk_read(&disk, buf, 8192, 1 << 20);
	CHECK(!memcmp(buf, zeros, 8192));

	/* Cut to what is kept, padded to a block. */
	memset(buf, 0xee, 8192);
	t_disk_write(&disk, buf, 8192, 1 << 20);
	config = (struct ops_config){ .verdict = XDP_PASS,
				      .set = SET_LEN,
				      .len = 700 };
	t_fill(t_ptr(&r, addr), 4096, 84);
	res = run_at(set, s, wr, addr, 4096, 1 << 20);
	CHECK_EQ(res.res, 700, "reason %u", res.reason);
	t_disk_read(&disk, buf, 8192, 1 << 20);
	CHECK(t_filled(buf, 700, 84));
	CHECK(!buf[700] && !memcmp(buf + 700, buf + 701, 323), "padding");
	CHECK(buf[1024] == 0xee && buf[8191] == 0xee);
	tear_down();
}

/*
 * Who polls looks at the drive of the descriptor: what the program sends to another
 * one has to end all the same.
 */
static void then_write_polled(void)
{
	static const u32 attach[] = { IO_UNIFIED_ATTACH_PASSTHROUGH,
				      IO_UNIFIED_ATTACH_BIO };
	const struct t_opt opt = { .ring_flags = IORING_SETUP_IOPOLL };
	struct t_disk second;
	struct t_res res;
	unsigned int i;
	u8 buf[4096];
	u64 began;
	int set;

	t_disk_need_polled();
	t_disk_nvme(&second, 4096, 0);
	set_up_ring(&opt);
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		config.set = SET_STORAGE | SET_DEV_OFFSET;
		config.storage = t_attach_storage(&r, second.path, attach[i]);
		config.dev_offset = (3 + i) << 20;
		t_fill(t_ptr(&r, t_frame(&r, 8)), 4096, 85 + i);
		began = t_now_ms();
		res = run_at(set, IO_UNIFIED_OP_NVME, IO_UNIFIED_F_WRITE,
			     t_frame(&r, 8), 4096, 0);
		/* The driver itself looks after half a minute. */
		CHECK(t_now_ms() - began < 15000, "it took %llu ms",
		      (unsigned long long)(t_now_ms() - began));
		CHECK_EQ(res.res, 4096, "reason %u", res.reason);
		t_disk_read(&second, buf, 4096, config.dev_offset);
		CHECK(t_filled(buf, 4096, 85 + i));
	}
	tear_down();
}

static void after_read(void)
{
	struct t_res res;
	u8 buf[4096];
	int edit, i;
	u64 addr;

	set_up();
	addr = t_frame(&r, 8);
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	t_fill(buf, 4096, 90);
	t_disk_write(&disk, buf, 4096, 1 << 20);
	memset(t_ptr(&r, addr), 0, 4096);
	res = run_at(edit, IO_UNIFIED_OP_NVME, IO_UNIFIED_F_READ, addr, 4096,
		     1 << 20);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	CHECK_EQ(cqe.ops, IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME);
	CHECK_EQ(((struct io_unified_bpf_ctl *)result.ctl)->dev_offset,
		 1 << 20);
	for (i = 0; i < 32; i++)
		buf[i] = ~buf[i];
	CHECK(!memcmp(t_ptr(&r, addr), buf, 4096));
	tear_down();
}

/* Many at once in every kind of ring: each runs once. */
static void parallel(void)
{
	enum { OPS = 200 };
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_BPF, .len = 100 };
	const u32 zero = 0;
	struct t_res res;
	int i;

	set_up();
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	for (i = 0; i < OPS; i++) {
		d.addr = t_frame(&r, i) + 64;
		t_fill(t_ptr(&r, d.addr), 100, i);
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (i = 0; i < OPS; i++) {
		REQUIRE(t_reap(&r, &res, 5000));
		CHECK_EQ(res.res, 100);
	}
	for (i = 0; i < OPS; i++) {
		u8 *p = t_ptr(&r, t_frame(&r, i) + 64);
		int j;

		for (j = 0; j < 32; j++)
			p[j] = ~p[j];
		CHECK(t_filled(p, 100, i), "op %d", i);
	}
	REQUIRE(!bpf_map_lookup_elem(result_fd, &zero, &result));
	CHECK_EQ(result.runs, OPS);
	tear_down();
}

/* ------------------------------------------------------- what is refused */

static volatile bool watching, there;

/* The longest time that somebody else of this CPU was kept from it, ms. */
static void *watch(void *arg)
{
	u64 now, last = t_now_ms(), *worst = arg;

	while (watching) {
		now = t_now_ms();
		if (now - last > *worst)
			*worst = now - last;
		last = now;
		there = true;
		sched_yield();
	}
	return NULL;
}

/* One call takes many descriptors that need time: others have to run, too. */
static void share_cpu(void)
{
	enum { OPS = 2048 };
	const struct t_opt opt = { .sq_entries = OPS, .cq_entries = OPS };
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_BPF, .len = 100 };
	struct io_unified_enter e = { .to_submit = OPS };
	cpu_set_t first, all;
	u64 began, took, worst = 0;
	pthread_t thread;
	int i;

	set_up_ring(&opt);
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "slow"));
	d.addr = t_frame(&r, 1);
	for (i = 0; i < OPS; i++)
		REQUIRE(t_sq_put(&r, 0, &d));
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	REQUIRE(!sched_getaffinity(0, sizeof(all), &all));
	REQUIRE(!sched_setaffinity(0, sizeof(first), &first));
	watching = true;
	REQUIRE(!pthread_create(&thread, NULL, watch, &worst));
	while (!there)
		sched_yield();
	began = t_now_ms();
	CHECK_EQ(t_enter(&r, &e), 0);
	took = t_now_ms() - began;
	watching = false;
	pthread_join(thread, NULL);
	REQUIRE(!sched_setaffinity(0, sizeof(all), &all));
	CHECK_EQ(e.submitted, OPS);
	CHECK_EQ(e.completed, OPS);
	t_note("%llu ms, others waited %llu ms at most",
	       (unsigned long long)took, (unsigned long long)worst);
	CHECK(took > 200, "that was too fast to tell");
	CHECK(worst < took / 3);
	tear_down();
}

static void nonsense(void)
{
	const struct {
		const char *what;
		struct ops_config c;
		u16 reason;
	} bad[] = {
		{ "offset behind the end",
		  { XDP_PASS, SET_DEV_OFFSET, disk.size },
		  IO_UNIFIED_REASON_CTL_RANGE },
		{ "offset far away",
		  { XDP_PASS, SET_DEV_OFFSET, ~511ull },
		  IO_UNIFIED_REASON_CTL_RANGE },
		{ "offset unaligned",
		  { XDP_PASS, SET_DEV_OFFSET, 513 },
		  IO_UNIFIED_REASON_CTL_ALIGN },
		{ "storage 50",
		  { XDP_PASS, SET_STORAGE, .storage = 50 },
		  IO_UNIFIED_REASON_CTL_INDEX },
		{ "storage 0xffff",
		  { XDP_PASS, SET_STORAGE, .storage = 0xffff },
		  IO_UNIFIED_REASON_CTL_INDEX },
		{ "length one too many",
		  { XDP_PASS, SET_LEN, .len = 4097 },
		  IO_UNIFIED_REASON_CTL_LEN },
		{ "length of all ones",
		  { XDP_PASS, SET_LEN, .len = ~0u },
		  IO_UNIFIED_REASON_CTL_LEN },
		{ "flags 1",
		  { XDP_PASS, SET_FLAGS, .flags = 1 },
		  IO_UNIFIED_REASON_CTL_FLAGS },
		{ "flags 1 << 31",
		  { XDP_PASS, SET_FLAGS, .flags = 1u << 31 },
		  IO_UNIFIED_REASON_CTL_FLAGS },
	};
	u8 *before = malloc(1 << 20), *after = malloc(1 << 20);
	struct t_res res;
	unsigned int i;
	int set, ro;

	set_up();
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	ro = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_RDONLY);
	t_disk_read(&disk, before, 1 << 20, 0);
	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		u16 reason = IO_UNIFIED_REASON_READ_ONLY;
		const char *what = "a storage attachment without the right";

		if (i < ARRAY_SIZE(bad)) {
			config = bad[i].c;
			if (!i)
				config.dev_offset = disk.size;
			reason = bad[i].reason;
			what = bad[i].what;
		} else {
			config = (struct ops_config){ XDP_PASS, SET_STORAGE,
						      .storage = ro };
		}
		t_fill(t_ptr(&r, t_frame(&r, 1)), 4096, i + 1);
		res = run_at(set, IO_UNIFIED_OP_NVME, IO_UNIFIED_F_WRITE,
			     t_frame(&r, 1), 4096, 8192);
		CHECK(res.res < 0, "%s: %d", what, res.res);
		CHECK_EQ(res.reason, reason, "%s", what);
	}
	t_disk_read(&disk, after, 1 << 20, 0);
	CHECK(!memcmp(before, after, 1 << 20), "something was written");
	free(before);
	free(after);
	tear_down();
}

static void moved_meta(void)
{
	static const int deltas[] = { 4, 16, 32, 60, 64 };
	struct t_res res;
	unsigned int i;
	int meta;

	set_up();
	meta = t_attach_bpf(&r, t_bpf_prog(obj, "meta"));
	for (i = 0; i < ARRAY_SIZE(deltas); i++) {
		config.delta = deltas[i];
		res = run(meta, t_frame(&r, 1), 1000);
		/* Older kernels refuse to leave more than 32 bytes. */
		if (result.adjusted) {
			CHECK_EQ(res.res, 1000);
			continue;
		}
		CHECK(res.res < 0, "moved by %d: %d", deltas[i], res.res);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_CTL_META, "moved by %d",
			 deltas[i]);
	}
	tear_down();
}

static void refuse_prog(const char *name, u32 reason)
{
	struct bpf_object *o = t_bpf_open("refused", false);
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_BPF };
	struct bpf_program *p = NULL;
	int ret;

	while ((p = bpf_object__next_program(o, p)))
		bpf_program__set_autoload(p,
					  !strcmp(bpf_program__name(p), name));
	REQUIRE(!bpf_object__load(o), "%s", name);
	a.fd = t_bpf_prog(o, name);
	ret = t_attach(&r, &a);
	CHECK(ret < 0, "%s was attached", name);
	CHECK_EQ(a.reason, reason, "%s", name);
	bpf_object__close(o);
}

static void programs(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_BPF };

	set_up();
	refuse_prog("classifier", IO_UNIFIED_REASON_PROG_TYPE);
	refuse_prog("filter", IO_UNIFIED_REASON_PROG_TYPE);
	refuse_prog("probe", IO_UNIFIED_REASON_PROG_TYPE);
	refuse_prog("to_devs", IO_UNIFIED_REASON_PROG_HELPERS);
	refuse_prog("to_hashed", IO_UNIFIED_REASON_PROG_HELPERS);
	refuse_prog("to_cpus", IO_UNIFIED_REASON_PROG_HELPERS);
	refuse_prog("to_socks", IO_UNIFIED_REASON_PROG_HELPERS);
	refuse_prog("frags", IO_UNIFIED_REASON_PROG_HELPERS);
	refuse_prog("after_redirect", IO_UNIFIED_REASON_PROG_HELPERS);
	a.fd = config_fd;
	CHECK(t_attach(&r, &a) < 0, "a map is no program");
	CHECK(a.reason == IO_UNIFIED_REASON_BAD_FD ||
		      a.reason == IO_UNIFIED_REASON_PROG_TYPE,
	      "reason %u", a.reason);
	a.fd = r.fd;
	CHECK(t_attach(&r, &a) < 0);
	a.fd = -1;
	CHECK_EQ(t_attach(&r, &a), -EBADF);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_BAD_FD);
	tear_down();
}

static void control_block_room(void)
{
	static const struct {
		bool end, ok;
		int addr;
		u32 len;
	} at[] = {
		{ false, false, 0, 100 },   { false, false, 63, 100 },
		{ false, true, 64, 100 },   { true, true, -100, 100 },
		{ true, false, -100, 101 },
	};
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_BPF };
	struct t_res res;
	unsigned int i;
	int prog;

	set_up();
	prog = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	d.bpf = prog;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		d.addr = r.reg.data_off + (at[i].end ? r.reg.data_size : 0) +
			 at[i].addr;
		d.len = at[i].len;
		res = t_op(&r, &d);
		CHECK_EQ(res.res, at[i].ok ? (int)d.len : -EINVAL, "case %u",
			 i);
		CHECK_EQ(res.reason, at[i].ok ? 0 : IO_UNIFIED_REASON_ADDR);
	}
	tear_down();
}

/*
 * The program chooses a device that wants its memory better aligned than the one that
 * the op named: the bytes are moved, or there is no room for that.
 */
static void other_alignment(void)
{
	const u32 wr = IO_UNIFIED_F_WRITE, s = IO_UNIFIED_OP_NVME;
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };
	struct t_disk null;
	struct t_res res;
	u8 want[4096], got[4096];
	u64 addr;
	int set;

	set_up();
	t_disk_null_blk(&null, "iou_align", 512, 16, NULL);
	a.fd = open(null.path, O_RDWR);
	REQUIRE(a.fd >= 0);
	REQUIRE_EQ(t_attach(&r, &a), 0);
	close(a.fd);
	addr = t_frame(&r, 4) + 68;
	if (!(addr & (a.mem_align - 1)))
		t_skip("this device takes any address");
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	config.set = SET_STORAGE | SET_LEN;
	config.storage = a.index;

	config.len = 1024;
	t_fill(t_ptr(&r, addr), 4096, 9);
	memcpy(want, t_ptr(&r, addr), 1024);
	res = run_at(set, s, wr, addr, 4096, 8192);
	CHECK_EQ(res.res, 1024, "reason %u", res.reason);
	CHECK(!(cqe.addr & (a.mem_align - 1)), "at %#llx",
	      (unsigned long long)cqe.addr);
	CHECK(cqe.addr >= addr && cqe.addr + 1024 <= addr + 4096);
	CHECK(cqe.flags & IO_UNIFIED_CQE_REALIGNED);
	t_disk_read(&null, got, 1024, 8192);
	CHECK(!memcmp(got, want, 1024));

	config.len = 4096;
	res = run_at(set, s, wr, addr, 4096, 8192);
	CHECK_EQ(res.res, -EMSGSIZE);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_TRUNCATED);
	tear_down();
	t_disk_del_null_blk("iou_align");
}

static const struct t_case cases[] = {
	{ "a program alone: edit, control block in, counters", alone },
	{ "the cookie goes in and out", cookie },
	{ "head, tail and length", lengths },
	{ "verdicts", verdicts },
	{ "then a write, where the program says", then_write },
	{ "then a write to where memory is aligned otherwise",
	  other_alignment },
	{ "then a write to another drive, polled for", then_write_polled, 120 },
	{ "after a read", after_read },
	{ "many at once", parallel },
	{ "many that take their time, and others", share_cpu, 120 },
	{ "nonsense in the control block", nonsense },
	{ "control block moved or cut", moved_meta },
	{ "programs that are not attached", programs },
	{ "room for the control block", control_block_room },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
