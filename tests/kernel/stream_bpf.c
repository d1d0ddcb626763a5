// SPDX-License-Identifier: GPL-2.0
/* Receive, then a program, then storage: ops and streams. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/stream.h"

static struct t_stream s;
static struct bpf_object *obj;

static void set_up(struct ops_config config)
{
	const struct t_stream_opt opt = { .way = t_arg };

	t_stream_open(&s, &opt);
	obj = t_bpf_open("ops", true);
	t_bpf_configure(obj, &config);
}

static void use(const char *prog)
{
	s.d.ops |= IO_UNIFIED_OP_BPF;
	s.d.bpf = t_attach_bpf(&s.r, t_bpf_prog(obj, prog));
}

static struct ops_result result(void)
{
	struct ops_result r;
	u32 zero = 0;

	REQUIRE(!bpf_map_lookup_elem(bpf_map__fd(t_bpf_map(obj, "result")),
				     &zero, &r));
	return r;
}

static void tear_down(void)
{
	t_stream_close(&s);
	bpf_object__close(obj);
}

static void send_all(u32 n)
{
	u32 i;

	t_sleep_ms(50);
	for (i = 0; i < n; i++) {
		t_send(&s.l, 100 + i, i);
		if (i % 16 == 15)
			t_sleep_ms(2);
	}
}

/* ops, each with a frame of its own: two of three placed, one dropped */
static void op_place(void)
{
	enum { N = 30 };
	struct io_unified_desc d;
	struct io_unified_cqe e;
	u8 *buf = malloc(N * 8192);
	int dropped = 0, i;
	struct t_res res;
	u32 seq;

	set_up((struct ops_config){ .dev_offset = 8 << 20 });
	use("place");
	memset(buf, 0x99, N * 8192);
	t_disk_write(&s.disk, buf, N * 8192, 8 << 20);
	for (i = 0; i < N; i++) {
		d = s.d;
		d.flags |= IO_UNIFIED_F_CQ;
		d.user_data = i;
		d.addr = t_frame(&s.r, i);
		d.len = s.r.frame_size;
		t_queue(&s.r, &d);
	}
	t_submit(&s.r);
	send_all(N);
	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&s.r, &res, 10000), "%d", i);
		REQUIRE(t_cq(&s.r, &e, 1000));
		if (e.flags & IO_UNIFIED_CQE_DROPPED) {
			CHECK_EQ(e.res, 0);
			CHECK_EQ(e.verdict, XDP_DROP);
			dropped++;
			continue;
		}
		CHECK_EQ(e.verdict, XDP_PASS);
		CHECK_EQ(e.ops, s.d.ops);
		seq = e.cookie - 5000;
		REQUIRE(seq < N && seq % 3 != 2, "cookie %llu", e.cookie);
		CHECK_EQ(e.res, 100 + (int)seq);
		CHECK_EQ(e.dev_offset, (8 << 20) + (u64)seq * 8192);
	}
	CHECK_EQ(dropped, N / 3);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_FILTERED), N / 3);
	t_disk_read(&s.disk, buf, N * 8192, 8 << 20);
	for (i = 0; i < N; i++) {
		u8 *at = buf + i * 8192;

		if (i % 3 == 2) {
			CHECK(at[0] == 0x99 && !memcmp(at, at + 1, 8191),
			      "packet %d was dropped", i);
			continue;
		}
		CHECK(t_is_packet(at, 100 + i, i), "packet %d", i);
		CHECK(!at[100 + i] && !at[511] && at[512] == 0x99);
	}
	free(buf);
	tear_down();
}

/* What the program sees of a packet, and what it may do with its length. */
static void op_lengths(void)
{
	struct io_unified_bpf_ctl *ctl;
	struct io_unified_desc d;
	struct io_unified_cqe e;
	struct ops_result got;
	struct t_res res;
	int i;
	static const struct {
		const char *prog;
		struct ops_config c;
		int len;
	} steps[] = {
		{ "head", { .delta = 14 }, 286 },
		{ "head", { .delta = 3 }, 297 },
		{ "head", { .delta = -20, .set = SET_LEN, .len = 320 }, 320 },
		{ "tail", { .delta = -100 }, 200 },
		{ "tail", { .delta = 500, .set = SET_LEN, .len = 800 }, 800 },
		{ "edit", { 0 }, 300 },
	};

	set_up((struct ops_config){ 0 });
	for (i = 0; i < (int)ARRAY_SIZE(steps); i++) {
		t_bpf_configure(obj, &steps[i].c);
		d = (struct io_unified_desc){
			.user_data = i,
			.cookie = 77,
			.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF,
			.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_CQ,
			.net = s.net.index,
			.addr = t_frame(&s.r, i),
			.len = 4096,
			.bpf = t_attach_bpf(&s.r,
					    t_bpf_prog(obj, steps[i].prog)),
		};
		t_queue(&s.r, &d);
		t_submit(&s.r);
		t_sleep_ms(30);
		t_send(&s.l, 300, i);
		REQUIRE(t_reap(&s.r, &res, 5000));
		REQUIRE(t_cq(&s.r, &e, 1000));
		got = result();
		ctl = (void *)got.ctl;
		CHECK_EQ(got.adjusted, 0, "%s %d", steps[i].prog,
			 steps[i].c.delta);
		CHECK_EQ(res.res, steps[i].len, "%s %d: reason %u",
			 steps[i].prog, steps[i].c.delta, res.reason);
		CHECK_EQ(e.addr, d.addr + res.offset);
		CHECK_EQ(e.len, res.res);
		CHECK_EQ(got.packet_len, 300);
		CHECK_EQ(ctl->len, 300);
		CHECK_EQ(ctl->orig_len, 300);
		CHECK_EQ(ctl->cookie, 77);
		CHECK(ctl->ifindex > 0);
		CHECK_EQ(ctl->queue, 0);
		CHECK_EQ(ctl->net, s.net.index);
		CHECK(ctl->tstamp > 1500000000ull * 1000000000);
	}
	tear_down();
}

static void stream_filter(void)
{
	enum { N = 90 };
	struct t_frame_data f[1];
	u8 *data;
	int i;

	set_up((struct ops_config){ .dev_offset = 8 << 20 });
	use("place");
	s.p.flags = IO_UNIFIED_STREAM_PER_PACKET;
	t_stream_start(&s);
	send_all(N);
	t_stream_wait(&s, N - N / 3);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, N - N / 3);
	CHECK_EQ(s.last.cookie, N);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_FILTERED), N / 3);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS), N - N / 3);
	CHECK_EQ(t_stream_drops(&s), 0);
	for (i = 0; i < N; i++) {
		if (i % 3 == 2)
			continue;
		t_frames_read(&s, (8 << 20) + (u64)i * 8192, 1, f, &data);
		CHECK_EQ(f[0].block.cookie, i + 5000);
		CHECK_EQ(f[0].caplen, 100 + i);
		CHECK(t_is_packet(f[0].packet, 100 + i, i));
		free(data);
	}
	tear_down();
}

/* Two windows, storage attachments 1 and 2; the stream appends to the first. */
static void windows(struct io_unified_attach *a)
{
	int fd = open(s.disk.path, O_RDWR);
	u32 i;

	for (i = 0; i < 2; i++) {
		a[i] = (struct io_unified_attach){
			.kind = IO_UNIFIED_KIND_STORAGE,
			.fd = fd,
			.dev_start = (i + 1) * 16 << 20,
			.dev_len = 8 << 20,
		};
		REQUIRE_EQ(t_attach(&s.r, &a[i]), 0);
		REQUIRE_EQ(a[i].index, i + 1);
	}
	close(fd);
	s.d.storage = 1;
	s.d.dev_offset = 0;
	s.p.range_len = 8 << 20;
}

/* Each has numbers and an append position of its own. */
static void stream_lanes(void)
{
	enum { N = 100 };
	struct io_unified_attach a[2];
	struct t_frame_data f[N / 2];
	u8 *data;
	int i, j;

	set_up((struct ops_config){ .storage = 1 });
	use("lanes");
	windows(a);
	t_stream_start(&s);
	send_all(N);
	t_stream_wait(&s, N);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, N);
	for (i = 0; i < 2; i++) {
		t_frames_read(&s, a[i].dev_start, N / 2, f, &data);
		for (j = 0; j < N / 2; j++) {
			CHECK_EQ(f[j].block.seq, j);
			CHECK_EQ(f[j].block.cookie, 2 * j + i);
			CHECK(t_is_packet(f[j].packet, 100 + 2 * j + i,
					  2 * j + i));
		}
		free(data);
		CHECK_EQ(t_stat(&s.r, IO_UNIFIED_KIND_STORAGE, i + 1,
				IO_UNIFIED_STAT_WRITTEN_BYTES),
			 N / 2 * 4096);
	}
	tear_down();
}

/*
 * To a drive of larger blocks, where the stream's first byte is in the middle of one:
 * nothing is written there.
 */
static void stream_other_blocks(void)
{
	enum { N = 20, LARGE = 4096 };
	struct io_unified_attach a[2];
	u8 buf[2 * LARGE], got[2 * LARGE];
	struct t_frame_data f[N / 2];
	struct t_disk large;
	u8 *data;
	int i;

	set_up((struct ops_config){ .storage = 1 });
	use("lanes");
	windows(a);
	REQUIRE_EQ(t_detach(&s.r, IO_UNIFIED_KIND_STORAGE, 2), 0);
	t_disk_nvme(&large, LARGE, 0);
	REQUIRE_EQ(t_attach_storage(&s.r, large.path, 0), 2);
	memset(buf, 0x77, sizeof(buf));
	t_disk_write(&large, buf, sizeof(buf), 0);
	s.d.dev_offset = 512;
	s.p.range_len = 4 << 20;
	t_stream_start(&s);
	send_all(N);
	t_stream_wait(&s, N / 2);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, N / 2);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_DROP_BPF), N / 2);
	t_disk_read(&large, got, sizeof(got), 0);
	CHECK(!memcmp(got, buf, sizeof(got)), "written outside of the range");
	t_frames_read(&s, a[0].dev_start + 512, N / 2, f, &data);
	for (i = 0; i < N / 2; i++)
		CHECK(t_is_packet(f[i].packet, 100 + 2 * i, 2 * i));
	free(data);
	tear_down();
}

/* What waits alone is written in time, however much goes elsewhere meanwhile. */
static void stream_lane_flush(void)
{
	struct ops_config c = { XDP_PASS, SET_STORAGE, .storage = 2 };
	struct io_unified_attach a[2];
	u32 zero = 0, i;
	int map;

	set_up(c);
	map = bpf_map__fd(t_bpf_map(obj, "config"));
	use("set");
	windows(a);
	s.p.batch_bytes = 8192;
	s.p.flush_usec = 300000;
	t_stream_start(&s);
	t_sleep_ms(50);
	t_send(&s.l, 100, 0);
	t_sleep_ms(50);
	c.storage = 1;
	REQUIRE(!bpf_map_update_elem(map, &zero, &c, 0));
	for (i = 1; i <= 20; i++) {
		t_send(&s.l, 100, i);
		t_sleep_ms(50);
	}
	CHECK_EQ(t_stat(&s.r, IO_UNIFIED_KIND_STORAGE, 2,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 4096);
	t_stream_wait(&s, 21);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, 21);
	tear_down();
}

/* Cut at the head by odd numbers: moved to where blocks may start. */
static void stream_realigned(void)
{
	struct t_frame_data f[40];
	u8 packet[200];
	u8 *data;
	int i;

	set_up((struct ops_config){ .delta = 3 });
	use("head");
	t_stream_start(&s);
	send_all(40);
	t_stream_wait(&s, 40);
	t_stream_cancel(&s);
	t_frames_read(&s, T_RANGE, 40, f, &data);
	for (i = 0; i < 40; i++) {
		t_packet(packet, 100 + i, i);
		CHECK_EQ(f[i].caplen, 97 + i);
		CHECK(!memcmp(f[i].packet, packet + 3, 97 + i), "packet %d", i);
	}
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_REALIGNED), 40);
	free(data);
	tear_down();
}

static void wait_dropped(u32 n)
{
	u64 end = t_now_ms() + 5000;

	while (t_stream_stat(&s, IO_UNIFIED_STAT_DROP_BPF) < n &&
	       t_now_ms() < end)
		t_sleep_ms(5);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_DROP_BPF), n);
}

/* Nonsense in a stream drops the packet, counts it, and the stream goes on. */
static void stream_nonsense(void)
{
	static const struct ops_config bad[] = {
		{ XDP_ABORTED, 0 },
		{ XDP_TX, 0 },
		{ XDP_REDIRECT, 0 },
		{ 77, 0 },
		{ XDP_PASS, SET_DEV_OFFSET, .dev_offset = 1 },
		{ XDP_PASS, SET_DEV_OFFSET, .dev_offset = 0 },
		{ XDP_PASS, SET_DEV_OFFSET, .dev_offset = ~4095ull },
		{ XDP_PASS, SET_DEV_OFFSET,
		  .dev_offset = T_RANGE + (64 << 20) },
		{ XDP_PASS, SET_STORAGE, .storage = 9 },
		{ XDP_PASS, SET_STORAGE, .storage = 0xffff },
		{ XDP_PASS, SET_LEN, .len = ~0u },
		{ XDP_PASS, SET_FLAGS, .flags = 4 },
	};
	struct ops_config ok = { .verdict = XDP_PASS };
	u32 zero = 0, i;
	int map;

	set_up(ok);
	map = bpf_map__fd(t_bpf_map(obj, "config"));
	use("set");
	t_stream_start(&s);
	t_sleep_ms(50);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		REQUIRE(!bpf_map_update_elem(map, &zero, &bad[i], 0));
		t_send(&s.l, 100, 2 * i);
		wait_dropped(i + 1);
		REQUIRE(!bpf_map_update_elem(map, &zero, &ok, 0));
		t_send(&s.l, 100, 2 * i + 1);
		t_stream_wait(&s, i + 1);
	}
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, ARRAY_SIZE(bad));
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_DROP_BPF), ARRAY_SIZE(bad));
	CHECK_EQ(s.last.cookie, 2 * ARRAY_SIZE(bad));
	tear_down();
}

static void detach_program(void)
{
	set_up((struct ops_config){ .verdict = XDP_PASS });
	use("verdict");
	t_stream_start(&s);
	send_all(20);
	t_stream_wait(&s, 20);
	CHECK_EQ(t_detach(&s.r, IO_UNIFIED_KIND_BPF, s.d.bpf), 0);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -ECANCELED);
	CHECK_EQ(s.last.count, 20);
	tear_down();
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };

#define EACH(text, fn)                                             \
	{ text ", AF_XDP on veth", fn, 0, &veth_xsk },             \
		{ text ", rx handler on veth", fn, 0, &veth_rxh }, \
	{                                                          \
		text ", NIC", fn, 0, &nic                          \
	}

static const struct t_case cases[] = {
	EACH("ops placed by a program", op_place),
	EACH("ops cut and grown by a program", op_lengths),
	EACH("stream filtered and placed", stream_filter),
	EACH("stream over two windows", stream_lanes),
	{ "stream over drives of other blocks", stream_other_blocks, 0,
	  &veth_rxh },
	{ "a window that waits is written in time", stream_lane_flush, 0,
	  &veth_rxh },
	EACH("stream of realigned packets", stream_realigned),
	EACH("stream of nonsense", stream_nonsense),
	EACH("program detached from a stream", detach_program),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
