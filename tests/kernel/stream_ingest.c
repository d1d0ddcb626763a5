// SPDX-License-Identifier: GPL-2.0
/* Streams from a socket to storage: what is on the drive, and what is told of it. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/flow.h"
#include "lib/sq.h"

static struct t_flow f;
/* The peer sends @len bytes and, if @ends, no more. */
static void peer_sends(u64 len, bool ends)
{
	struct t_peer peer;

	t_peer_write(&peer, f.c.peer, len, 40000, 0);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, len);
	if (ends)
		shutdown(f.c.peer, SHUT_WR);
}

/* What has been there before. */
static void dirty(u64 len)
{
	u8 *buf = aligned_alloc(4096, len);

	REQUIRE(buf);
	memset(buf, 0xee, len);
	t_disk_write(&f.disk, buf, len, T_FLOW_AT);
	free(buf);
}

static void untouched(u64 from, u64 len)
{
	u8 *buf = aligned_alloc(4096, len);
	u64 i;

	REQUIRE(buf);
	t_disk_read(&f.disk, buf, len, T_FLOW_AT + from);
	for (i = 0; i < len; i++)
		REQUIRE(buf[i] == 0xee, "written behind the end, at %llu",
			(unsigned long long)(from + i));
	free(buf);
}

static u64 blocks(u64 len)
{
	return (len + f.disk.lba - 1) / f.disk.lba * f.disk.lba;
}

/* Entries tell of all bytes up to the end, in order; as durable, or not. */
static void check_entries(u64 len, u32 durable)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < f.entries; i++) {
		const struct io_unified_cqe *e = &f.entry[i];

		sum += e->len;
		CHECK_EQ(e->count, sum);
		CHECK_EQ(e->dev_offset, T_FLOW_AT + sum);
		CHECK_EQ(e->flags & IO_UNIFIED_CQE_DURABLE, durable);
		CHECK(e->cookie >= sum && e->cookie <= len);
	}
	CHECK_EQ(sum, len);
	CHECK_EQ(f.last.count, len);
	CHECK_EQ(f.last.cookie, len);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + len);
	CHECK_EQ(f.last.flags & IO_UNIFIED_CQE_DURABLE, durable);
}

/* Any length, in chunks and windows of any size. */
static void lengths(void)
{
	static const u32 chunk[] = { 0, 65536, 4096, 131072, 512, 12288 };
	const struct t_flow_opt *opt = t_arg;
	u32 i, unit, len;

	t_flow_open(&f, opt);
	unit = f.disk.lba;
	for (i = 0; i < 6; i++) {
		if (i) {
			CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock),
				 0);
			t_disconnect(&f.c);
			t_flow_reconnect(&f, opt->where);
		}
		f.p.batch_bytes = chunk[i] / unit * unit;
		f.d.len = f.p.batch_bytes ? f.p.batch_bytes * (1 + t_dice(6)) :
					    unit * (1 + t_dice(40));
		len = 1 + t_dice(f.d.len < 16384 ? 60000 : 700000);
		if (i == 5)
			len = unit * 77;
		dirty(1 << 20);
		t_flow_start(&f);
		peer_sends(len, true);
		t_flow_end(&f, len, 0);
		CHECK(f.last.flags & IO_UNIFIED_CQE_COPIED);
		check_entries(len, 0);
		t_flow_disk_has(&f, len);
		untouched(blocks(len), 65536);
	}
	/* Nothing comes, and that is no error; from an SQ, too. */
	CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock), 0);
	t_disconnect(&f.c);
	t_flow_reconnect(&f, opt->where);
	shutdown(f.c.peer, SHUT_WR);
	f.d.flags |= IO_UNIFIED_F_STREAM;
	f.d.arg = f.d.addr + f.d.len;
	memcpy(t_ptr(&f.r, f.d.arg), &f.p, sizeof(f.p));
	CHECK_EQ(t_enter_op(&f.r, 0, &f.d).res, 0);
	t_flow_close(&f);
}

/* It takes so many bytes as it is told, and leaves the rest. */
static void full(void)
{
	const struct t_flow_opt opt = { .ingest = true };
	u8 rest[1000];

	t_flow_open(&f, &opt);
	dirty(1 << 20);
	f.p.range_len = 70001;
	peer_sends(71001, false);
	t_flow_start(&f);
	t_flow_end(&f, 70001, IO_UNIFIED_REASON_FULL);
	t_flow_disk_has(&f, 70001);
	untouched(blocks(70001), 65536);
	REQUIRE(recv(f.c.end, rest, 1000, MSG_WAITALL) == 1000);
	CHECK(t_stream_is(rest, 1000, 70001));
	t_flow_close(&f);
}

/* What is told to be durable is: the drive was asked each time. */
static void durable(void)
{
	enum { LEN = 500000, EACH = 100000 };
	const struct t_flow_opt opt = {
		.ingest = true,
		.storage_flags = IO_UNIFIED_ATTACH_BIO,
	};
	const u32 flags[] = { 0, IO_UNIFIED_STREAM_FLUSH, 0, 0 };
	const u32 fua[] = { 0, 0, IO_UNIFIED_F_FUA, 0 };
	u64 before, n;
	u32 i;

	t_flow_open(&f, &opt);
	f.p.batch_bytes = 32768;
	for (i = 0; i < 4; i++) {
		if (i) {
			CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock),
				 0);
			t_disconnect(&f.c);
			t_flow_reconnect(&f, T_LO);
		}
		f.p.flags = IO_UNIFIED_STREAM_PROGRESS | flags[i];
		f.p.flush_bytes = i == 3 ? EACH : 0;
		/* Not all of it can be on its way when the first flush begins. */
		if (i == 3)
			f.d.len = 65536;
		f.d.flags &= ~IO_UNIFIED_F_FUA;
		f.d.flags |= fua[i];
		before = t_disk_stat(&f.disk, T_DISK_FLUSHES);
		t_flow_start(&f);
		peer_sends(LEN, true);
		t_flow_end(&f, LEN, 0);
		n = t_disk_stat(&f.disk, T_DISK_FLUSHES) - before;
		check_entries(LEN, i ? IO_UNIFIED_CQE_DURABLE : 0);
		t_flow_disk_has(&f, LEN);
		if (i == 0)
			CHECK_EQ(n, 0, "flushes that nobody wanted");
		if (i == 1) {
			CHECK_EQ(n, 1);
			CHECK_EQ(f.entries, 1);
		}
		if (i == 3) {
			CHECK_EQ(n, f.entries, "entries without a flush");
			/* More may be written by the time one begins. */
			CHECK(n >= 2 && n <= LEN / EACH + 1, "%llu flushes",
			      (unsigned long long)n);
		}
	}
	t_flow_close(&f);
}

static struct io_unified_cqe next_entry(void)
{
	struct io_unified_cqe e;

	REQUIRE(t_cq(&f.r, &e, 5000), "nothing is told");
	CHECK(e.flags & IO_UNIFIED_CQE_MORE);
	return e;
}

/* A slow peer: whole blocks are written in time, and the rest when it comes. */
static void trickle(void)
{
	const struct t_flow_opt opt = { .ingest = true };
	struct io_unified_cqe e;
	u8 buf[20000];

	t_flow_open(&f, &opt);
	dirty(1 << 20);
	t_stream_fill(buf, sizeof(buf), 0);
	f.p.flush_usec = 20000;
	f.d.flags |= IO_UNIFIED_F_FUA;
	t_flow_start(&f);
	REQUIRE(send(f.c.peer, buf, 100, 0) == 100);
	t_sleep_ms(60);
	CHECK(!t_cq(&f.r, &e, 0), "%u bytes are no block", e.len);
	REQUIRE(send(f.c.peer, buf + 100, 1000, 0) == 1000);
	e = next_entry();
	CHECK_EQ(e.count, 1024);
	CHECK(e.flags & IO_UNIFIED_CQE_DURABLE);
	t_flow_disk_has(&f, 1024);
	untouched(1024, 4096);
	REQUIRE(send(f.c.peer, buf + 1100, 15000, 0) == 15000);
	do
		e = next_entry();
	while (e.count < 15872);
	CHECK_EQ(e.count, 15872);
	CHECK_EQ(e.cookie, 16100);
	REQUIRE(send(f.c.peer, buf + 16100, 3900, 0) == 3900);
	shutdown(f.c.peer, SHUT_WR);
	t_flow_end(&f, 20000, 0);
	t_flow_disk_has(&f, 20000);
	untouched(blocks(20000), 4096);
	t_flow_close(&f);
}

static void use(struct bpf_object *obj, const char *program,
		struct ops_config config)
{
	f.d.ops |= IO_UNIFIED_OP_BPF;
	f.d.bpf = t_attach_bpf(&f.r, t_bpf_prog(obj, program));
	t_bpf_configure(obj, &config);
	CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock), 0);
	t_disconnect(&f.c);
	t_flow_reconnect(&f, T_LO);
}

/* A program edits each chunk, drops it, or is up to no good. */
static void programs(void)
{
	enum { CHUNK = 8192, LEN = 3 * CHUNK + 1000 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	const struct t_flow_opt opt = { .ingest = true };
	u8 *got = aligned_alloc(4096, 4 * CHUNK);
	int i, at;

	t_flow_open(&f, &opt);
	f.p.batch_bytes = CHUNK;
	use(obj, "edit", (struct ops_config){ 0 });
	dirty(1 << 20);
	t_flow_start(&f);
	peer_sends(LEN, true);
	t_flow_end(&f, LEN, 0);
	CHECK_EQ(f.last.verdict, XDP_PASS);
	t_disk_read(&f.disk, got, 4 * CHUNK, T_FLOW_AT);
	for (at = 0; at < LEN; at += CHUNK)
		for (i = 0; i < 32; i++)
			got[at + i] = ~got[at + i];
	CHECK(t_stream_is(got, LEN, 0));
	CHECK(!got[LEN] && !got[LEN + 23] && got[LEN + 24] == 0xee);

	use(obj, "set", (struct ops_config){ .verdict = XDP_DROP });
	dirty(1 << 20);
	t_flow_start(&f);
	peer_sends(LEN, true);
	t_flow_end(&f, 0, 0);
	CHECK_EQ(f.last.cookie, LEN);
	untouched(0, 4 * CHUNK);
	CHECK_EQ(t_stat(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock,
			IO_UNIFIED_STAT_FILTERED),
		 4);

	use(obj, "set", (struct ops_config){ .verdict = XDP_TX });
	t_flow_start(&f);
	peer_sends(CHUNK, true);
	t_flow_end(&f, -EOPNOTSUPP, IO_UNIFIED_REASON_BPF_TX);
	use(obj, "tail", (struct ops_config){ .delta = -512 });
	t_flow_start(&f);
	peer_sends(CHUNK, true);
	t_flow_end(&f, -EINVAL, IO_UNIFIED_REASON_CTL_LEN);
	use(obj, "set",
	    (struct ops_config){
		    .verdict = XDP_PASS, .set = SET_STORAGE, .storage = 7 });
	t_flow_start(&f);
	peer_sends(CHUNK, true);
	t_flow_end(&f, -EINVAL, IO_UNIFIED_REASON_CTL_INDEX);
	CHECK_EQ(f.last.count, 0);
	untouched(0, 4 * CHUNK);
	/* A part of a chunk is none. */
	f.p.flush_usec = 1000;
	t_flow_start(&f);
	REQUIRE(t_reap(&f.r, &f.res, 5000));
	CHECK_EQ(f.res.res, -EINVAL);
	CHECK_EQ(f.res.reason, IO_UNIFIED_REASON_SIZE);
	t_flow_close(&f);
	free(got);
	bpf_object__close(obj);
}

/* Canceled or cut off, what was received is written. */
static void cut_off(void)
{
	enum { LEN = 100123, CHUNK = 131072 };
	const struct t_flow_opt opt = { .ingest = true };
	const int mark = 90000;
	int i, unread = 0;

	t_flow_open(&f, &opt);
	f.p.flags |= IO_UNIFIED_STREAM_FLUSH;
	for (i = 0; i < 5; i++) {
		dirty(1 << 20);
		if (i == 3) {
			/* it does not have to come for a chunk that waits */
			f.p.batch_bytes = CHUNK;
			f.d.len = 2 * CHUNK;
			CHECK_EQ(setsockopt(f.c.end, SOL_SOCKET, SO_RCVLOWAT,
					    &mark, sizeof(mark)),
				 0);
		}
		t_flow_start(&f);
		peer_sends(LEN, false);
		t_sleep_ms(100);
		switch (i) {
		case 0:
		case 3:
			t_flow_cancel(&f);
			t_flow_end(&f, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
			/* below the mark it is left in the socket */
			CHECK_EQ(ioctl(f.c.end, FIONREAD, &unread), 0);
			CHECK(!unread || (i && unread < mark));
			break;
		case 1:
			t_reset_peer(&f.c);
			t_flow_end(&f, -ECONNRESET, IO_UNIFIED_REASON_RESET);
			break;
		case 2:
			CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock),
				 0);
			t_flow_end(&f, -ECANCELED, IO_UNIFIED_REASON_GONE);
			break;
		default:
			CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_STORAGE,
					  f.storage),
				 0);
			t_flow_end(&f, -ECANCELED, IO_UNIFIED_REASON_GONE);
		}
		check_entries(LEN - unread, IO_UNIFIED_CQE_DURABLE);
		t_flow_disk_has(&f, LEN - unread);
		untouched(blocks(LEN - unread), 65536);
		unread = 0;
		t_disconnect(&f.c);
		t_flow_reconnect(&f, T_LO);
	}
	t_flow_close(&f);
}

/* The drive fails in the middle: what is in front of it counts. */
static void drive_error(void)
{
	enum { GOOD = 300 << 10, LEN = 600 << 10 };
	struct t_flow_opt opt = {
		.ingest = true,
		.path = "/dev/mapper/iou_bad",
	};
	struct t_disk whole;
	struct t_peer peer;

	t_disk_nvme(&whole, 512, 0);
	t_sh("dmsetup remove iou_bad 2>/dev/null");
	if (t_sh("modprobe dm-mod; printf '%%s\\n' '0 %llu linear %s 0' '%llu 8192 error' | dmsetup create iou_bad && { [ -e /dev/mapper/iou_bad ] || dmsetup mknodes iou_bad; }",
		 (T_FLOW_AT + GOOD) / 512, whole.path,
		 (T_FLOW_AT + GOOD) / 512))
		t_skip("no device mapper");
	t_flow_open(&f, &opt);
	f.disk = whole;
	f.p.batch_bytes = 20480;
	f.d.len = 20480 * 8;
	f.p.flush_bytes = 100 << 10;
	t_flow_start(&f);
	t_peer_write(&peer, f.c.peer, LEN, 30000, 0);
	t_flow_end(&f, -EIO, IO_UNIFIED_REASON_IO);
	CHECK(f.last.flags & IO_UNIFIED_CQE_DURABLE);
	/* A flush of the whole device may fail as well. */
	CHECK(f.last.count == GOOD ||
		      (f.last.count < GOOD && f.last.count % 20480 == 0),
	      "%llu bytes", f.last.count);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + f.last.count);
	t_flow_disk_has(&f, f.last.count);
	CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock), 0);
	close(f.c.end);
	f.c.end = -1;
	t_peer_join(&peer);
	t_flow_close(&f);
	CHECK_EQ(t_sh("dmsetup remove iou_bad"), 0);
}

static const struct t_flow_opt passthrough = {
	.ingest = true,
	.memory = T_MEM_MEMFD,
};
static const struct t_flow_opt large_blocks = {
	.ingest = true,
	.lba = 4096,
	.storage_flags = IO_UNIFIED_ATTACH_BIO,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static const struct t_case cases[] = {
	{ "lengths, passthrough", lengths, 0, &passthrough },
	{ "lengths, bio, blocks of 4096", lengths, 0, &large_blocks },
	{ "full", full },
	{ "durable", durable },
	{ "a slow peer", trickle },
	{ "programs", programs },
	{ "canceled, reset, detached", cut_off },
	{ "error of the drive", drive_error },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
