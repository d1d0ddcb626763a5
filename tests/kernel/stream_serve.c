// SPDX-License-Identifier: GPL-2.0
/* Streams from storage to a socket: what the peer gets, and how they end. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/flow.h"
#include "lib/sq.h"

enum { DATA = 3 << 20 };

static struct t_flow f;
static void range(u64 offset, u64 len)
{
	f.d.dev_offset = T_FLOW_AT + offset;
	f.p.range_len = len;
}

/* Entries for each chunk, in order and without a gap. */
static void check_entries(u64 offset, u64 len)
{
	u64 at = offset, sum = 0;
	u32 i;

	for (i = 0; i < f.entries; i++) {
		const struct io_unified_cqe *e = &f.entry[i];

		CHECK_EQ(e->dev_offset, T_FLOW_AT + at);
		CHECK_EQ(e->res, e->len);
		sum += e->len;
		at += e->len;
		CHECK_EQ(e->count, sum);
		CHECK(e->flags & IO_UNIFIED_CQE_SENT);
		CHECK_EQ(e->cookie, f.d.cookie);
		CHECK(e->addr >= f.d.addr &&
		      e->addr + e->len <= f.d.addr + f.d.len);
	}
	CHECK_EQ(sum, len);
	CHECK_EQ(f.last.count, len);
	CHECK_EQ(f.last.cookie, len);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + offset + len);
}

/* Any range, in chunks and windows of any size. */
static void ranges(void)
{
	static const u32 chunk[] = { 0, 512, 4096, 12288, 65536, 131072, 1536 };
	const struct t_flow_opt *opt = t_arg;
	u32 i, unit, offset, len;

	t_flow_open(&f, opt);
	unit = f.disk.lba;
	t_flow_fill_disk(&f, DATA);
	for (i = 0; i < 8; i++) {
		f.p.batch_bytes = chunk[i % ARRAY_SIZE(chunk)] / unit * unit;
		f.d.len = f.p.batch_bytes ? f.p.batch_bytes * (1 + t_dice(6)) :
					    unit * (1 + t_dice(40));
		if (i == 7) {
			f.p.batch_bytes = 0;
			f.d.len = 1 << 20;
		}
		offset = t_dice(DATA / 2);
		len = 1 + t_dice(f.d.len < 16384 ? 60000 : 400000);
		range(offset, len);
		t_flow_start(&f);
		t_flow_peer_gets(&f, len, offset);
		t_flow_end(&f, len, 0);
		check_entries(offset, len);
	}
	/* The last bytes of the window, and one in the middle of a block */
	range(77, 1);
	t_flow_start(&f);
	t_flow_peer_gets(&f, 1, 77);
	t_flow_end(&f, 1, 0);
	/* Loopback copies. */
	CHECK(f.last.flags & IO_UNIFIED_CQE_COPIED);
	CHECK(f.last.flags & IO_UNIFIED_CQE_SENT);
	t_flow_close(&f);
}

/* A peer that takes its time, with a window of two chunks, and no entries. */
static void slow_reader(void)
{
	const struct t_flow_opt opt = { .window = 64 << 10 };
	struct t_peer peer;

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, 1 << 20);
	t_flow_small_buffers(&f, 32 << 10);
	f.p.batch_bytes = 32768;
	f.p.flags = 0;
	range(0, 500000);
	t_peer_read(&peer, f.c.peer, 500000, 25000, 2000);
	t_flow_start(&f);
	t_flow_end(&f, 500000, 0);
	CHECK_EQ(f.entries, 0);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, 500000);
	t_flow_close(&f);
}

/* What is sent before and after it stays there; from an SQ, too. */
static void between_sends(void)
{
	const struct t_flow_opt opt = { 0 };
	struct io_unified_cqe e;
	struct io_unified_desc d;
	char text[4];

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, 1 << 20);
	range(5, 300000);
	f.p.flags = 0;
	d = t_send_op(f.sock, 1, f.d.addr + f.d.len, 4);
	memcpy(t_ptr(&f.r, d.addr), "head", 4);
	f.d.flags |= IO_UNIFIED_F_STREAM;
	f.d.arg = d.addr + 64;
	memcpy(t_ptr(&f.r, f.d.arg), &f.p, sizeof(f.p));
	REQUIRE(t_sq_put(&f.r, 0, &d));
	REQUIRE(t_sq_put(&f.r, 0, &f.d));
	t_queue_ring(&f.r, &f.r.ring, 0, 2, 0, T_FLOW);
	t_submit(&f.r);
	REQUIRE(recv(f.c.peer, text, 4, MSG_WAITALL) == 4);
	CHECK(!memcmp(text, "head", 4));
	t_flow_peer_gets(&f, 300000, 5);
	REQUIRE(t_reap(&f.r, &f.res, 5000));
	CHECK_EQ(f.res.res, 2, "descriptors");
	do
		REQUIRE(t_cq(&f.r, &e, 1000));
	while (e.user_data != T_FLOW);
	CHECK_EQ(e.res, 300000);
	CHECK(!(e.flags & IO_UNIFIED_CQE_MORE));

	/* The socket has no stream any more: it takes the next one. */
	f.d.flags &= ~IO_UNIFIED_F_STREAM;
	f.d.arg = 0;
	t_flow_start(&f);
	t_flow_peer_gets(&f, 300000, 5);
	t_flow_end(&f, 300000, 0);
	memcpy(t_ptr(&f.r, d.addr), "tail", 4);
	CHECK_EQ(t_op(&f.r, &d).res, 4);
	REQUIRE(recv(f.c.peer, text, 4, MSG_WAITALL) == 4);
	CHECK(!memcmp(text, "tail", 4));
	t_flow_close(&f);
}

static void use(struct bpf_object *obj, const char *program)
{
	f.d.ops |= IO_UNIFIED_OP_BPF;
	f.d.bpf = t_attach_bpf(&f.r, t_bpf_prog(obj, program));
}

/* A program edits each chunk, cuts it, drops it, or is up to no good. */
static void programs(void)
{
	enum { CHUNK = 8192, LEN = 3 * CHUNK + 1000 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	const struct t_flow_opt opt = { 0 };
	static u8 got[LEN];
	int i, at;

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, 1 << 20);
	f.p.batch_bytes = CHUNK;
	range(0, LEN);
	use(obj, "edit");
	t_flow_start(&f);
	REQUIRE(recv(f.c.peer, got, LEN, MSG_WAITALL) == LEN);
	t_flow_end(&f, LEN, 0);
	for (at = 0; at < LEN; at += CHUNK)
		for (i = 0; i < 32; i++)
			got[at + i] = ~got[at + i];
	CHECK(t_stream_is(got, LEN, 0));
	CHECK_EQ(f.entries, 4);
	CHECK_EQ(f.entry[1].verdict, XDP_PASS);

	/* The last thousand bytes of each are cut off. */
	use(obj, "tail");
	t_bpf_configure(obj, &(struct ops_config){ .delta = -1000 });
	range(0, 2 * CHUNK);
	t_flow_start(&f);
	t_flow_peer_gets(&f, CHUNK - 1000, 0);
	t_flow_peer_gets(&f, CHUNK - 1000, CHUNK);
	t_flow_end(&f, 2 * (CHUNK - 1000), 0);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + 2 * CHUNK);

	use(obj, "set");
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_DROP });
	t_flow_start(&f);
	t_flow_end(&f, 0, 0);
	CHECK_EQ(f.entries, 2);
	CHECK(f.entry[0].flags & IO_UNIFIED_CQE_DROPPED);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + 2 * CHUNK);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_ABORTED });
	t_flow_start(&f);
	t_flow_end(&f, -EIO, IO_UNIFIED_REASON_BPF_ABORTED);
	CHECK_EQ(f.last.count, 0);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .set = SET_DEV_OFFSET });
	t_flow_start(&f);
	t_flow_end(&f, -EINVAL, IO_UNIFIED_REASON_CTL_RANGE);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .set = SET_NET });
	t_flow_start(&f);
	t_flow_end(&f, -EINVAL, IO_UNIFIED_REASON_CTL_INDEX);
	CHECK(recv(f.c.peer, got, 1, MSG_DONTWAIT) < 0, "something was sent");
	t_flow_close(&f);
	bpf_object__close(obj);
}

/* The peer reads a part and resets: what it read is a part of what is told. */
static void reset(void)
{
	const struct t_flow_opt opt = { 0 };

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, DATA);
	t_flow_small_buffers(&f, 64 << 10);
	range(0, DATA);
	t_flow_start(&f);
	t_flow_peer_gets(&f, 200000, 0);
	t_reset_peer(&f.c);
	t_flow_end(&f, -ECONNRESET, IO_UNIFIED_REASON_RESET);
	CHECK(f.last.cookie >= 200000 && f.last.cookie < DATA, "%llu taken",
	      f.last.cookie);
	CHECK(f.last.count <= f.last.cookie && f.last.count >= 65536,
	      "%llu arrived", f.last.count);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + f.last.count);
	t_flow_close(&f);
}

/* Canceled while the peer does not read: it ends, and what was sent is told. */
static void canceled(void)
{
	const struct t_flow_opt opt = { .memory = T_MEM_MEMFD };
	u64 from;

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, DATA);
	t_flow_small_buffers(&f, 64 << 10);
	range(0, DATA);
	t_flow_start(&f);
	t_flow_peer_gets(&f, 100000, 0);
	t_sleep_ms(50);
	from = t_now_ms();
	t_flow_cancel(&f);
	t_flow_end(&f, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
	CHECK(t_now_ms() - from < 4000, "it took %llu ms",
	      (unsigned long long)(t_now_ms() - from));
	CHECK(f.last.cookie < DATA);
	/* All that the connection took gets there, and nothing else. */
	shutdown(f.c.end, SHUT_WR);
	t_flow_peer_gets(&f, f.last.cookie - 100000, 100000);
	CHECK_EQ(recv(f.c.peer, &from, 1, 0), 0, "more than that");
	t_flow_close(&f);
}

/* Bytes up to the error arrive. */
static void drive_error(void)
{
	enum { GOOD = 300 << 10 };
	struct t_flow_opt opt = { .path = "/dev/mapper/iou_bad" };
	struct t_disk whole;

	t_disk_nvme(&whole, 512, 0);
	t_sh("dmsetup remove iou_bad 2>/dev/null");
	if (t_sh("modprobe dm-mod; printf '%%s\\n' '0 %llu linear %s 0' '%llu 8192 error' | dmsetup create iou_bad && { [ -e /dev/mapper/iou_bad ] || dmsetup mknodes iou_bad; }",
		 (T_FLOW_AT + GOOD) / 512, whole.path,
		 (T_FLOW_AT + GOOD) / 512))
		t_skip("no device mapper");
	t_flow_open(&f, &opt);
	f.disk = whole;
	t_flow_fill_disk(&f, GOOD);
	f.p.batch_bytes = 20480;
	f.d.len = 20480 * 32;
	range(1, 400 << 10);
	t_flow_start(&f);
	t_flow_peer_gets(&f, GOOD - 1, 1);
	t_flow_end(&f, -EIO, IO_UNIFIED_REASON_IO);
	CHECK_EQ(f.last.count, GOOD - 1);
	CHECK_EQ(f.last.dev_offset, T_FLOW_AT + GOOD);
	t_flow_close(&f);
	CHECK_EQ(t_sh("dmsetup remove iou_bad"), 0);
}

/* One at a time; and its socket can go while it runs. */
static void busy_and_detached(void)
{
	const struct t_flow_opt opt = { 0 };
	struct io_unified_desc d;
	struct t_res res;
	u64 from;

	t_flow_open(&f, &opt);
	t_flow_fill_disk(&f, DATA);
	range(0, DATA);
	t_flow_small_buffers(&f, 64 << 10);
	t_flow_start(&f);
	t_flow_peer_gets(&f, 1000, 0);
	d = f.d;
	d.user_data = 1;
	t_queue_stream(&f.r, &d, &f.p);
	t_submit(&f.r);
	REQUIRE(t_reap(&f.r, &res, 5000), "two streams");
	CHECK_EQ(res.res, -EBUSY);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_STREAM_BUSY);
	from = t_now_ms();
	CHECK_EQ(t_detach(&f.r, IO_UNIFIED_KIND_SOCKET, f.sock), 0);
	CHECK(t_now_ms() - from < 4000);
	t_flow_end(&f, -ECANCELED, IO_UNIFIED_REASON_GONE);
	CHECK(f.last.count < DATA);
	t_flow_close(&f);
}

static const struct t_flow_opt passthrough = { .memory = T_MEM_MEMFD };
static const struct t_flow_opt large_blocks = {
	.lba = 4096,
	.storage_flags = IO_UNIFIED_ATTACH_BIO,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static const struct t_case cases[] = {
	{ "ranges, passthrough", ranges, 0, &passthrough },
	{ "ranges, bio, blocks of 4096", ranges, 0, &large_blocks },
	{ "a slow reader", slow_reader },
	{ "between sends, from an SQ", between_sends },
	{ "programs", programs },
	{ "the peer resets", reset },
	{ "canceled", canceled },
	{ "error of the drive", drive_error },
	{ "busy, detached", busy_and_detached },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
