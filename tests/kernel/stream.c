// SPDX-License-Identifier: GPL-2.0
/* Streams: what they write, block by block, and what they tell meanwhile. */
#include <stdlib.h>

#include "lib/stream.h"

enum { MANY = 600 };

static struct t_stream s;

static u32 length(u32 seq)
{
	return 60 + seq * 13 % 1400;
}

/* Sends packets at a pace that any link keeps up with under emulation. */
static void send_some(u32 first, u32 n)
{
	u32 i;

	for (i = first; i < first + n; i++) {
		t_send(&s.l, length(i), i);
		if (i % 32 == 31)
			t_sleep_ms(2);
	}
}

/* Frames [0, n) hold the packets [first, first + n), in order. */
static void check_frames(u64 offset, u32 n, u32 first, u64 first_seq)
{
	struct t_frame_data *f = calloc(n, sizeof(*f));
	u8 *data;
	u32 i;

	t_frames_read(&s, offset, n, f, &data);
	for (i = 0; i < n; i++) {
		u32 want = length(first + i);

		CHECK_EQ(f[i].block.seq, first_seq + i);
		CHECK_EQ(f[i].block.dropped, 0);
		CHECK_EQ(f[i].block.cookie, 0x700d);
		CHECK_EQ(f[i].caplen, want);
		CHECK_EQ(f[i].orig_len, want);
		CHECK(t_is_packet(f[i].packet, want, first + i),
		      "frame %u holds packet %u", i, t_packet_seq(f[i].packet));
	}
	free(data);
	free(f);
}

/* Marks the drive, to see what a stream leaves alone. */
static void mark(u64 offset, u32 len)
{
	u8 *p = malloc(len);

	memset(p, 0xd5, len);
	t_disk_write(&s.disk, p, len, offset);
	free(p);
}

static bool marked(u64 offset, u32 len)
{
	u8 *p = malloc(len);
	bool same;

	t_disk_read(&s.disk, p, len, offset);
	same = p[0] == 0xd5 && !memcmp(p, p + 1, len - 1);
	free(p);
	return same;
}

static void totals(u64 sent)
{
	CHECK_EQ(s.last.count, sent, "on storage");
	CHECK_EQ(s.last.cookie, sent, "received");
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_RX_PACKETS), sent);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS), sent);
	CHECK_EQ(t_stream_drops(&s), 0);
	CHECK_EQ(t_stat(&s.r, IO_UNIFIED_KIND_STORAGE, s.storage,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 sent * s.r.frame_size);
}

static void record(void)
{
	const struct t_stream_opt *opt = t_arg;
	bool copies;
	u64 bytes = 0;
	u32 i;

	t_stream_open(&s, opt);
	copies = s.net.path != IO_UNIFIED_PATH_XSK_ZC;
	mark(T_RANGE - 4096, 4096);
	mark(T_RANGE + (u64)MANY * s.r.frame_size, 65536);
	t_stream_start(&s);
	t_sleep_ms(50);
	send_some(0, MANY);
	t_stream_wait(&s, MANY);
	t_stream_cancel(&s);
	CHECK_EQ(s.packets, MANY);
	CHECK_EQ(s.bytes, (u64)MANY * s.r.frame_size);
	totals(MANY);
	CHECK_EQ(s.entries,
		 t_stat(&s.r, IO_UNIFIED_KIND_STORAGE, s.storage,
			IO_UNIFIED_STAT_WRITES),
		 "one per write");
	CHECK(s.entries < MANY, "frames are written together");
	for (i = 0; i < MANY; i++)
		bytes += length(i);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_RX_BYTES), bytes);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_RX_COPIED_BYTES),
		 copies ? bytes : 0);
	check_frames(T_RANGE, MANY, 0, 0);
	CHECK(marked(T_RANGE - 4096, 4096), "in front of the range");
	CHECK(marked(T_RANGE + (u64)MANY * s.r.frame_size, 65536),
	      "behind the last frame");
	t_stream_close(&s);
}

/* A second recording over the first: the drive's old frames do not matter. */
static void again(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	int i;

	t_stream_open(&s, &opt);
	for (i = 0; i < 3; i++) {
		s.p.recording_id[0] = 'A' + i;
		t_stream_start(&s);
		t_sleep_ms(30);
		send_some(i * 100, 50);
		t_stream_wait(&s, 50);
		t_stream_cancel(&s);
		CHECK_EQ(s.last.count, 50);
		check_frames(T_RANGE, 50, i * 100, 0);
	}
	t_stream_close(&s);
}

static void per_packet(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	struct io_unified_cqe e;
	bool seen[100] = { false };
	u32 i, n;

	t_stream_open(&s, &opt);
	s.p.flags = IO_UNIFIED_STREAM_PER_PACKET;
	t_stream_start(&s);
	t_sleep_ms(30);
	send_some(0, 100);
	for (i = 0; i < 100; i++) {
		REQUIRE(t_cq(&s.r, &e, 5000), "entry %u", i);
		CHECK_EQ(e.count, 1);
		CHECK_EQ(e.len, s.r.frame_size);
		/* Of two writes in flight the later may be done first. */
		n = (e.dev_offset - T_RANGE) / s.r.frame_size;
		REQUIRE(n < 100 && !seen[n], "entry %u is of frame %u", i, n);
		seen[n] = true;
		CHECK_EQ(e.cookie, 0x700d);
		CHECK(e.flags & IO_UNIFIED_CQE_MORE);
		CHECK(e.addr > s.d.addr && e.addr < s.d.addr + s.d.len);
		/* Not reused yet: there are more frames than packets. */
		CHECK(t_is_packet(t_ptr(&s.r, e.addr), length(n), n));
	}
	t_stream_cancel(&s);
	totals(100);
	check_frames(T_RANGE, 100, 0, 0);
	t_stream_close(&s);
}

/* Nobody takes the entries: later ones stand for them, no count is lost. */
static void overflow(void)
{
	const struct t_stream_opt opt = { .way = t_arg, .cq_entries = 8 };
	u64 folded;

	t_stream_open(&s, &opt);
	s.p.flags = IO_UNIFIED_STREAM_PER_PACKET;
	t_stream_start(&s);
	t_sleep_ms(30);
	send_some(0, 100);
	while (t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS) < 100)
		t_sleep_ms(10);
	t_sleep_ms(100);
	folded = t_stat(&s.r, IO_UNIFIED_KIND_REGION, 0,
			IO_UNIFIED_STAT_CQ_OVERFLOW);
	CHECK(folded >= 92, "%llu", (unsigned long long)folded);
	/* Takes what is there; the next entry tells of what had no room. */
	t_stream_entries(&s, 50);
	CHECK(s.packets <= 8, "%llu", (unsigned long long)s.packets);
	CHECK_EQ(s.folded, 0);
	send_some(100, 5);
	t_stream_wait(&s, 105);
	CHECK_EQ(s.packets, 105);
	CHECK_EQ(s.folded, 1);
	/* Full again, and then the end: the last entry always has room. */
	send_some(105, 50);
	while (t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS) < 155)
		t_sleep_ms(10);
	t_queue_cancel(&s.r, T_STREAM, T_CANCEL);
	t_submit(&s.r);
	t_stream_end(&s);
	CHECK(s.last.flags & IO_UNIFIED_CQE_OVERFLOW);
	CHECK(s.packets < 155);
	CHECK_EQ(s.last.count, 155);
	check_frames(T_RANGE, 155, 0, 0);
	t_stream_close(&s);
}

static void snaplen(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	struct t_frame_data f[50];
	u32 i, cut = 0;
	u8 *data;

	t_stream_open(&s, &opt);
	s.p.snaplen = 101;
	t_stream_start(&s);
	t_sleep_ms(30);
	send_some(0, 50);
	t_stream_wait(&s, 50);
	t_stream_cancel(&s);
	t_frames_read(&s, T_RANGE, 50, f, &data);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(f[i].orig_len, length(i));
		CHECK_EQ(f[i].caplen, length(i) < 101 ? length(i) : 101);
		CHECK(t_is_packet(f[i].packet, f[i].caplen, i));
		cut += length(i) > 101;
	}
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_TRUNCATED), cut);
	free(data);
	t_stream_close(&s);
}

/* A batch that does not fill is written when its time is over. */
static void flush_time(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	u64 start, took;

	t_stream_open(&s, &opt);
	s.p.flush_usec = 700000;
	t_stream_start(&s);
	t_sleep_ms(30);
	start = t_now_ms();
	send_some(0, 3);
	t_stream_entries(&s, 300);
	CHECK_EQ(s.packets, 0, "before its time");
	t_stream_wait(&s, 3);
	took = t_now_ms() - start;
	CHECK(took >= 600 && took < 5000, "%llu ms", (unsigned long long)took);
	CHECK_EQ(s.entries, 1);
	t_stream_cancel(&s);

	/* A time that never comes: cancel writes what there is. */
	s.p.flush_usec = 50000000;
	t_stream_start(&s);
	t_sleep_ms(30);
	send_some(0, 5);
	t_stream_entries(&s, 300);
	CHECK_EQ(s.packets, 0);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, 5);
	CHECK_EQ(s.packets, 5);
	check_frames(T_RANGE, 5, 0, 0);
	t_stream_close(&s);
}

/* A write is as long as was asked for. */
static void batches(void)
{
	static const u32 sizes[] = { 4096, 8192, 65536 };
	const struct t_stream_opt opt = { .way = t_arg, .memory = T_MEM_HUGE };
	struct io_unified_cqe e;
	u32 i, sum;

	t_stream_open(&s, &opt);
	s.p.flush_usec = 50000000;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s.p.batch_bytes = sizes[i];
		t_stream_start(&s);
		t_sleep_ms(30);
		send_some(0, 64);
		for (sum = 0; sum < 64; sum += e.count) {
			REQUIRE(t_cq(&s.r, &e, 5000));
			CHECK_EQ(e.len, sizes[i]);
		}
		t_stream_cancel(&s);
		CHECK_EQ(s.last.count, 64);
		check_frames(T_RANGE, 64, 0, 0);
	}
	t_stream_close(&s);
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };
static const struct t_way nic_rxh = { "virtio", IO_UNIFIED_ATTACH_RX_HANDLER };

#define OPT(...) (&(const struct t_stream_opt){ __VA_ARGS__ })

#define EACH(text, fn)                                             \
	{ text ", AF_XDP on veth", fn, 0, &veth_xsk },             \
		{ text ", rx handler on veth", fn, 0, &veth_rxh }, \
	{                                                          \
		text ", NIC", fn, 0, &nic                          \
	}

static const struct t_case cases[] = {
	{ "record, AF_XDP on veth", record, 0, OPT(&veth_xsk) },
	{ "record, rx handler on veth", record, 0, OPT(&veth_rxh) },
	{ "record, NIC", record, 0, OPT(&nic) },
	{ "record, rx handler on NIC", record, 0, OPT(&nic_rxh) },
	{ "record, AF_XDP on veth, blocks of 4096, huge pages", record, 0,
	  OPT(&veth_xsk, .lba = 4096, .memory = T_MEM_HUGE) },
	{ "record, NIC, huge pages", record, 0,
	  OPT(&nic, .memory = T_MEM_HUGE) },
	{ "record, NIC, memfd, bio", record, 0,
	  OPT(&nic, .memory = T_MEM_MEMFD,
	      .storage_flags = IO_UNIFIED_ATTACH_BIO) },
	{ "record, rx handler on veth, frames of 2048", record, 0,
	  OPT(&veth_rxh, .frame_size = 2048) },
	{ "record, AF_XDP on veth, frames of 2048", record, 0,
	  OPT(&veth_xsk, .frame_size = 2048) },
	{ "record, rx handler on veth, frames of 16384", record, 0,
	  OPT(&veth_rxh, .frame_size = 16384) },
	EACH("record again", again),
	EACH("an entry for each packet", per_packet),
	EACH("entries that nobody takes", overflow),
	EACH("snaplen", snaplen),
	EACH("flush time", flush_time),
	EACH("batch sizes", batches),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
