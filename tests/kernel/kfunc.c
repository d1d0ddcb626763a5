// SPDX-License-Identifier: GPL-2.0
/* Programs that reach beyond 64 KiB: io_unified_slice(), io_unified_crc32c(). */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/kfunc.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/leak.h"
#include "lib/net.h"

#define LEN (256u << 10)

static struct t_region r;
static struct t_disk disk;
static struct bpf_object *obj;
static int storage;
static struct kfunc_config config;
static struct kfunc_result result;

static void need_kfuncs(void)
{
	if (!t_feature(IO_UNIFIED_FEAT_KFUNCS))
		t_skip("no BTF of the module: IO_UNIFIED_FEAT_KFUNCS is clear");
}

static void set_up(void)
{
	need_kfuncs();
	t_region_open(&r, NULL);
	obj = t_bpf_open("kfunc", true);
	memset(&config, 0, sizeof(config));
}

static void tear_down(void)
{
	t_region_close(&r);
	bpf_object__close(obj);
}

static void configure(void)
{
	t_bpf_configure(obj, &config);
}

static void get_result(void)
{
	u32 zero = 0;

	REQUIRE(!bpf_map_lookup_elem(bpf_map__fd(t_bpf_map(obj, "result")),
				     &zero, &result));
}

static int use(const char *name)
{
	return t_attach_bpf(&r, t_bpf_prog(obj, name));
}

/* An op over the region's bytes at @addr, maybe between storage and memory. */
static struct t_res run(int prog, u32 flags, u64 addr, u32 len, u64 dev_offset)
{
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_BPF | (flags ? IO_UNIFIED_OP_NVME : 0),
		.flags = flags,
		.addr = addr,
		.len = len,
		.bpf = prog,
		.storage = flags ? storage : 0,
		.dev_offset = dev_offset,
	};
	struct t_res res;

	configure();
	res = t_op(&r, &d);
	get_result();
	return res;
}

static u32 crc32c(u32 crc, const u8 *p, u64 len)
{
	int bit;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* ------------------------------------------------------------------ loading */

static char said[65536]; /* by libbpf */

static int remember(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	size_t n = strlen(said);

	if (level != LIBBPF_DEBUG)
		vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	return 0;
}

/* The line that says what is missing; libbpf before 1.2 does not name it. */
static void show_why(void)
{
	char *line = strstr(said, "kfunc 'io_unified_slice' is referenced");

	if (!line)
		line = strstr(said, "invalid kernel function call");
	if (!CHECK(line, "no reason in: %s", said))
		return;
	while (line > said && line[-1] != '\n')
		line--;
	t_note("libbpf says: %.*s", (int)strcspn(line, "\n"), line);
}

static void load_all(bool there)
{
	int ret;

	obj = t_bpf_open("kfunc", false);
	libbpf_set_print(remember);
	ret = bpf_object__load(obj);
	CHECK_EQ(!ret, there, "loading: %d: %s", ret, said);
	if (!there)
		show_why();
	bpf_object__close(obj);
}

static void load_maybe(void)
{
	struct bpf_program *p = NULL;

	obj = t_bpf_open("kfunc", false);
	while ((p = bpf_object__next_program(obj, p)))
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p),
						     "maybe"));
	REQUIRE(!bpf_object__load(obj));
}

/*
 * Everywhere: the feature is what the kernel has. A program that needs the
 * functions is loaded where they are, one that asks for them before is always.
 */
static void loading(void)
{
	bool there = t_feature(IO_UNIFIED_FEAT_KFUNCS);

	CHECK_EQ(there, !access("/sys/kernel/btf/io_unified", F_OK));
	load_all(there);
	load_maybe();
	t_region_open(&r, NULL);
	memcpy(t_ptr(&r, t_frame(&r, 1)), "123456789", 9);
	CHECK_EQ(run(use("maybe"), 0, t_frame(&r, 1), 9, 0).res, 9);
	CHECK_EQ(result.crc, there ? 0xe3069283ll : -1);
	tear_down();
}

/* A program that is loaded holds the module, attached or not. */
static void reference(void)
{
	need_kfuncs();
	/* Those of the case before go when RCU lets them. */
	t_refcount_wait(0);
	obj = t_bpf_open("kfunc", true);
	CHECK(t_refcount() > 0);
	CHECK(t_sh("rmmod io_unified 2>/dev/null"), "it was unloaded");
	bpf_object__close(obj);
	t_refcount_wait(0);
}

/* ------------------------------------------------------------------- slices */

/* Memory is as it was, but for the op's bytes, which are @want. */
static void check_memory(u64 addr, const u8 *want)
{
	CHECK(!memcmp(t_ptr(&r, addr), want, LEN));
	/* 64 bytes before it are the control block. */
	CHECK(t_filled(t_ptr(&r, addr) - 4096, 4096 - 64, 1));
	CHECK(t_filled(t_ptr(&r, addr) + LEN, 4096, 2));
}

static u64 fill_memory(u8 *want)
{
	u64 addr = t_frame(&r, 8) + 64;

	t_fill(t_ptr(&r, addr) - 4096, 4096 - 64, 1);
	t_fill(t_ptr(&r, addr) + LEN, 4096, 2);
	t_fill(t_ptr(&r, addr), LEN, 3);
	memcpy(want, t_ptr(&r, addr), LEN);
	return addr;
}

static void bytes(void)
{
	static const u64 in[] = { 0,	 1,	4095,	65535,
				  65536, 65537, 200001, LEN - 1 };
	static const u64 out[] = { LEN,	  LEN + 1, 1ull << 32, 1ull << 63,
				   -1ull, -64ull,  -4096ull,   (-1ull) / 2 };
	u8 *want = malloc(LEN);
	unsigned int i;
	int prog;
	u64 addr;

	set_up();
	prog = use("touch");
	addr = fill_memory(want);
	for (i = 0; i < ARRAY_SIZE(in); i++) {
		config.off = in[i];
		CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
		CHECK_EQ(result.slices, 1, "at %llu",
			 (unsigned long long)in[i]);
		CHECK_EQ(result.byte[0], want[in[i]]);
		want[in[i]] = ~want[in[i]];
		check_memory(addr, want);
	}
	for (i = 0; i < ARRAY_SIZE(out); i++) {
		config.off = out[i];
		CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
		CHECK_EQ(result.slices, 0, "at %#llx",
			 (unsigned long long)out[i]);
		check_memory(addr, want);
	}
	free(want);
	tear_down();
}

static void windows(void)
{
	static const u32 at[] = { 0, 1, 65535, 65536, 131077, KFUNC_WINDOW - 1 };
	static const u64 off[] = { 0, 1, 4096, LEN - KFUNC_WINDOW };
	u8 *want = malloc(LEN);
	unsigned int i, j;
	int prog;
	u64 addr;

	set_up();
	prog = use("window");
	addr = fill_memory(want);
	for (i = 0; i < ARRAY_SIZE(off); i++)
		for (j = 0; j < ARRAY_SIZE(at); j++) {
			config.off = off[i];
			config.at = at[j];
			CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
			CHECK_EQ(result.slices, 1);
			CHECK_EQ(result.byte[0], want[off[i]]);
			CHECK_EQ(result.byte[1], want[off[i] + at[j]]);
			CHECK_EQ(result.byte[2],
				 want[off[i] + KFUNC_WINDOW - 1]);
			want[off[i] + at[j]] = ~want[off[i] + at[j]];
			check_memory(addr, want);
		}
	/* One byte too far, and an op that is one byte too short. */
	config.off = LEN - KFUNC_WINDOW + 1;
	CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
	CHECK_EQ(result.slices, 0);
	config.off = 0;
	CHECK_EQ(run(prog, 0, addr, KFUNC_WINDOW - 1, 0).res, KFUNC_WINDOW - 1);
	CHECK_EQ(result.slices, 0);
	CHECK_EQ(run(prog, 0, addr, 100, 0).res, 100);
	CHECK_EQ(result.slices, 0);
	check_memory(addr, want);
	free(want);
	tear_down();
}

/* No byte is none, inside and at the end. */
static void nothing(void)
{
	u64 addr;
	int prog;

	set_up();
	prog = use("nothing");
	addr = t_frame(&r, 8);
	for (config.off = 0; config.off <= LEN; config.off += LEN / 2) {
		CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
		CHECK_EQ(result.slices, 0);
	}
	tear_down();
}

static void moves(void)
{
	static const struct {
		int head, tail;
	} by[] = { { 0, 0 }, { 14, 0 }, { 0, -1 }, { 100, -70000 } };
	u8 *want = malloc(LEN);
	unsigned int i;
	struct t_res res;
	int prog;
	u64 addr;

	set_up();
	prog = use("moves");
	for (i = 0; i < ARRAY_SIZE(by); i++) {
		addr = fill_memory(want);
		config.head = by[i].head;
		config.tail = by[i].tail;
		res = run(prog, 0, addr, LEN, 0);
		CHECK_EQ(res.res, (int)LEN - by[i].head + by[i].tail,
			 "reason %u", res.reason);
		CHECK_EQ(result.slices, 2, "head %d, tail %d", by[i].head,
			 by[i].tail);
		/* The control block may have moved over it. */
		if (by[i].head < 64)
			CHECK_EQ(result.byte[0], want[63]);
		CHECK_EQ(result.byte[1], want[by[i].head]);
		CHECK_EQ(result.byte[2], want[LEN - 1]);
		CHECK_EQ(result.byte[3], want[(int)LEN + by[i].tail - 1]);
	}
	free(want);
	tear_down();
}

/* ------------------------------------------------------------------ storage */

static void inverted(const u8 *p, const u8 *from)
{
	u32 i;

	for (i = 0; i < LEN && (p[i] ^ from[i]) == 0xff; i++)
		;
	CHECK_EQ(i, LEN, "the first that is not inverted");
}

static void with_storage(void)
{
	const u32 *flags = t_arg;
	u8 *buf = malloc(LEN), *got = malloc(LEN);
	struct t_res res;
	int prog;
	u64 addr;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	storage = t_attach_storage(&r, disk.path, *flags);
	prog = use("invert");
	addr = t_frame(&r, 8);

	t_fill(buf, LEN, 11);
	t_disk_write(&disk, buf, LEN, 1 << 20);
	memset(t_ptr(&r, addr), 0, LEN);
	res = run(prog, IO_UNIFIED_F_READ, addr, LEN, 1 << 20);
	CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	CHECK_EQ(result.slices, LEN / KFUNC_PIECE);
	inverted(t_ptr(&r, addr), buf);

	t_fill(t_ptr(&r, addr), LEN, 12);
	memcpy(buf, t_ptr(&r, addr), LEN);
	res = run(prog, IO_UNIFIED_F_WRITE, addr, LEN, 2 << 20);
	CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	CHECK_EQ(result.slices, LEN / KFUNC_PIECE);
	t_disk_read(&disk, got, LEN, 2 << 20);
	inverted(got, buf);
	free(buf);
	free(got);
	tear_down();
}

/* ----------------------------------------------------------------- checksum */

static void checksum(void)
{
	static const struct {
		u64 off, len;
	} in[] = { { 0, LEN },	 { 0, 0 },	    { LEN, 0 },	   { 0, 1 },
		   { 7, 65536 }, { 65533, 100001 }, { LEN - 1, 1 } };
	static const struct {
		u64 off, len;
	} out[] = { { 0, LEN + 1 },
		    { 1, LEN },
		    { LEN + 1, 0 },
		    { 1, -1ull },
		    { -1ull, 1 },
		    { -1ull, -1ull },
		    { 0, 1ull << 32 },
		    { -64ull, 64 },
		    { -64ull, 128 },
		    { 1ull << 32, 1 },
		    { 1ull << 63, 1ull << 63 } };
	unsigned int i;
	u8 *want = malloc(LEN);
	int prog;
	u64 addr;

	set_up();
	prog = use("crc");
	addr = fill_memory(want);
	for (i = 0; i < ARRAY_SIZE(in); i++) {
		config.off = in[i].off;
		config.len = in[i].len;
		config.crc = 0;
		CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
		CHECK_EQ(result.crc, crc32c(0, want + in[i].off, in[i].len));
	}
	/* In two pieces it is the same. */
	config = (struct kfunc_config){ .len = 70001 };
	run(prog, 0, addr, LEN, 0);
	config.off = config.len;
	config.len = LEN - config.off;
	config.crc = result.crc;
	run(prog, 0, addr, LEN, 0);
	CHECK_EQ(result.crc, crc32c(0, want, LEN));
	for (i = 0; i < ARRAY_SIZE(out); i++) {
		config.off = out[i].off;
		config.len = out[i].len;
		CHECK_EQ(run(prog, 0, addr, LEN, 0).res, LEN);
		CHECK_EQ(result.crc, -ERANGE, "%u", i);
	}
	check_memory(addr, want);
	free(want);
	tear_down();
}

/* ------------------------------------------------------------------ packets */

static struct t_link l;

static struct t_res receive(int net, int prog, u32 len)
{
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF,
		.flags = IO_UNIFIED_F_RX,
		.net = net,
		.bpf = prog,
		.addr = t_frame(&r, 3),
		.len = r.frame_size,
	};
	struct t_res res;

	configure();
	t_queue(&r, &d);
	t_submit(&r);
	t_send(&l, len, 5);
	REQUIRE(t_reap(&r, &res, 10000));
	CHECK_EQ(res.res, len, "reason %u", res.reason);
	get_result();
	return res;
}

/* A packet has slices up to its end, not to that of its frame. */
static void packets(void)
{
	const u32 len = 1000;
	u8 want[1000];
	struct t_res res;
	int net, touch, window;

	set_up();
	t_link_open(&l, t_arg, 1500);
	net = t_link_attach(&r, &l, t_arg);
	touch = use("touch");
	window = use("window");
	t_packet(want, len, 5);

	config.off = len - 1;
	res = receive(net, touch, len);
	CHECK_EQ(result.slices, 1);
	CHECK_EQ(result.byte[0], want[len - 1]);
	want[len - 1] = ~want[len - 1];
	CHECK(!memcmp(t_ptr(&r, t_frame(&r, 3)) + res.offset, want, len));
	config.off = len;
	receive(net, touch, len);
	CHECK_EQ(result.slices, 0);
	config.off = 0;
	receive(net, window, len);
	CHECK_EQ(result.slices, 0);
	t_link_close(&l);
	tear_down();
}

static const struct t_way veth = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };

static void attach_xdp(u32 mode)
{
	int ret = bpf_xdp_attach(if_nametoindex(l.rx),
				 t_bpf_prog(obj, "census"), mode, NULL);

	REQUIRE_EQ(ret, 0);
}

/* A program on a NIC that we have nothing to do with has no slices. */
static void others(void)
{
	const u32 *mode = t_arg;
	u64 end = t_now_ms() + 10000;
	u32 i;

	set_up();
	t_link_open(&l, &veth, 1500);
	attach_xdp(*mode);
	for (i = 0; i < 20; i++)
		t_send(&l, 100 + i, i);
	do {
		t_sleep_ms(10);
		get_result();
	} while (result.other < 20 && t_now_ms() < end);
	CHECK_EQ(bpf_xdp_detach(if_nametoindex(l.rx), *mode, NULL), 0);
	CHECK(result.other >= 20, "%llu", result.other);
	CHECK_EQ(result.other_slices, 0);
	CHECK_EQ(result.crc, -EINVAL);
	CHECK_EQ(result.own, 0);
	t_link_close(&l);
	tear_down();
}

static void test_run(void)
{
	char in[1000] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
		    .data_size_in = sizeof(in), .repeat = 100);

	set_up();
	REQUIRE(!bpf_prog_test_run_opts(t_bpf_prog(obj, "census"), &opts));
	CHECK_EQ(opts.retval, XDP_PASS);
	get_result();
	CHECK_EQ(result.other, 100);
	CHECK_EQ(result.other_slices, 0);
	CHECK_EQ(result.crc, -EINVAL);
	tear_down();
}

static bool stop;

static void *send_on(void *arg)
{
	u32 i;

	for (i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		t_send(&l, 60 + i % 1000, i);
		if (i % 8 == 7)
			sched_yield();
	}
	return NULL;
}

/*
 * Ours and others on one CPU at the same time: ops by system call, and packets,
 * each of which the program sees first as a NIC's and then as an op's.
 */
static void together(void)
{
	enum { FRAMES = 32 };
	struct t_region ops;
	struct io_unified_desc rx = {
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF,
		.flags = IO_UNIFIED_F_RX,
	};
	struct io_unified_desc bpf = { .ops = IO_UNIFIED_OP_BPF, .len = LEN };
	u64 end, received = 0, runs = 0;
	struct t_res res;
	pthread_t sender;
	cpu_set_t cpu;
	int prog;

	set_up();
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	REQUIRE(!sched_setaffinity(0, sizeof(cpu), &cpu));
	t_link_open(&l, &veth, 1500);
	t_region_open(&ops, NULL);
	attach_xdp(XDP_FLAGS_SKB_MODE);
	rx.net = t_link_attach(&r, &l, &veth);
	rx.bpf = use("census");
	rx.len = r.frame_size;
	prog = t_attach_bpf(&ops, t_bpf_prog(obj, "census"));
	bpf.bpf = prog;
	bpf.addr = t_frame(&ops, 8);
	for (rx.user_data = 0; rx.user_data < FRAMES; rx.user_data++) {
		rx.addr = t_frame(&r, rx.user_data);
		t_queue(&r, &rx);
	}
	t_submit(&r);
	REQUIRE(!pthread_create(&sender, NULL, send_on, NULL));
	/* Three seconds, or what a slow kernel takes for enough of both. */
	end = t_now_ms() + 3000;
	while (t_now_ms() < end ||
	       ((runs < 100 || received < 100) && t_now_ms() < end + 60000)) {
		REQUIRE_EQ(t_op(&ops, &bpf).res, LEN);
		runs++;
		while (t_reap(&r, &res, 0)) {
			REQUIRE(res.res > 0, "reason %u", res.reason);
			received++;
			rx.user_data = res.user_data;
			rx.addr = t_frame(&r, res.user_data);
			t_queue(&r, &rx);
			t_submit(&r);
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(sender, NULL);
	CHECK_EQ(bpf_xdp_detach(if_nametoindex(l.rx), XDP_FLAGS_SKB_MODE, NULL),
		 0);
	runs = t_stat(&ops, IO_UNIFIED_KIND_BPF, prog,
		      IO_UNIFIED_STAT_BPF_RUNS);
	t_note("%llu ops, %llu packets", (unsigned long long)runs,
	       (unsigned long long)received);
	CHECK(runs >= 100 && received >= 100);
	runs += t_stat(&r, IO_UNIFIED_KIND_BPF, rx.bpf,
		       IO_UNIFIED_STAT_BPF_RUNS);
	get_result();
	CHECK_EQ(result.own, runs);
	CHECK_EQ(result.own_slices, 2 * runs, "slice and checksum of each");
	CHECK(result.other >= received);
	CHECK_EQ(result.other_slices, 0);
	t_region_close(&ops);
	t_link_close(&l);
	tear_down();
}

static const u32 passthrough = IO_UNIFIED_ATTACH_PASSTHROUGH;
static const u32 bio = IO_UNIFIED_ATTACH_BIO;
static const u32 native = XDP_FLAGS_DRV_MODE;
static const u32 generic = XDP_FLAGS_SKB_MODE;
static const struct t_way xsk = { "veth", IO_UNIFIED_ATTACH_XSK };

static const struct t_case cases[] = {
	{ "a program is loaded where it can be", loading },
	{ "a program holds the module", reference },
	{ "slices of one byte, inside and outside", bytes },
	{ "slices of 192 KiB", windows },
	{ "slices of no bytes", nothing },
	{ "slices, and head and tail that move", moves },
	{ "read and write of 256 KiB, passthrough", with_storage,
	  .arg = &passthrough },
	{ "read and write of 256 KiB, bio", with_storage, .arg = &bio },
	{ "checksums", checksum },
	{ "received packets, rx handler", packets, .arg = &veth },
	{ "received packets, AF_XDP", packets, .arg = &xsk },
	{ "no slices for a NIC's native XDP", others, .arg = &native },
	{ "no slices for a NIC's generic XDP", others, .arg = &generic },
	{ "no slices for BPF_PROG_TEST_RUN", test_run },
	{ "ops and others on one CPU", together },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
