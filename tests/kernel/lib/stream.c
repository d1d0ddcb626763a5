// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

void t_stream_open(struct t_stream *s, const struct t_stream_opt *opt)
{
	u32 frames = opt->frames ? opt->frames : 512;
	u32 size = opt->frame_size ? opt->frame_size : 4096;
	u32 cq = opt->cq_entries ? opt->cq_entries : 4096;
	struct t_opt ro = {
		.memory = opt->memory,
		.frame_size = size,
		.cq_entries = cq,
	};

	memset(s, 0, sizeof(*s));
	ro.size = ((u64)frames * size + cq * 64 + 65536 + 65536 + 2097151) &
		  ~2097151ull;
	t_disk_nvme(&s->disk, opt->lba ? opt->lba : 512, 0);
	if (opt->path)
		snprintf(s->disk.path, sizeof(s->disk.path), "%s", opt->path);
	t_link_open(&s->l, opt->way, size == 2048 ? 1500 : 3000);
	t_region_open(&s->r, &ro);
	t_link_attach_as(&s->r, &s->l, opt->way, &s->net);
	s->storage = t_attach_storage(&s->r, s->disk.path, opt->storage_flags);
	s->d = (struct io_unified_desc){
		.user_data = T_STREAM,
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE,
		.net = s->net.index,
		.storage = s->storage,
		.addr = t_frame(&s->r, 0),
		.len = frames * size,
		.dev_offset = T_RANGE,
		.cookie = 0x700d,
	};
	s->p = (struct io_unified_stream){
		.layout = IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = 64 << 20,
		.interface_id = 3,
		.recording_id = "a recording's id",
	};
}

void t_stream_close(struct t_stream *s)
{
	t_region_close(&s->r);
	t_link_close(&s->l);
}

void t_stream_start(struct t_stream *s)
{
	s->entries = s->packets = s->bytes = s->folded = 0;
	t_queue_stream(&s->r, &s->d, &s->p);
	t_submit(&s->r);
}

bool t_stream_entries(struct t_stream *s, int silence_ms)
{
	struct io_unified_cqe e;

	while (t_cq(&s->r, &e, silence_ms)) {
		CHECK_EQ(e.user_data, T_STREAM);
		if (!(e.flags & IO_UNIFIED_CQE_MORE)) {
			s->last = e;
			return true;
		}
		CHECK_EQ(e.ops, s->d.ops);
		CHECK(e.count >= 1);
		CHECK(e.flags & IO_UNIFIED_CQE_OVERFLOW ||
			      e.count * s->r.frame_size == e.len,
		      "%llu packets in %u bytes", (unsigned long long)e.count,
		      e.len);
		s->entries++;
		s->packets += e.count;
		s->bytes += e.len;
		s->folded += !!(e.flags & IO_UNIFIED_CQE_OVERFLOW);
	}
	return false;
}

/* What became of those that are missing. */
static void where_packets_are(struct t_stream *s)
{
	u64 counters[IO_UNIFIED_STAT_MAX];
	int i;

	t_stats(&s->r, IO_UNIFIED_KIND_NETDEV, s->net.index, counters);
	for (i = 0; i < IO_UNIFIED_STAT_MAX; i++)
		if (counters[i])
			t_note("counter %d: %llu", i,
			       (unsigned long long)counters[i]);
	t_sh("cd /sys/class/net; grep -H . %s/statistics/* %s/statistics/* |"
	     " grep -v :0$ | sed 's/^/# /';"
	     "grep iou- /proc/%d/fdinfo/%d | sed 's/^/# /'",
	     s->l.rx, s->l.tx, getpid(), s->r.fd);
}

void t_stream_wait(struct t_stream *s, u64 packets)
{
	u64 end = t_now_ms() + 15000;

	while (s->packets < packets && t_now_ms() < end)
		if (t_stream_entries(s, 20))
			break;
	if (s->packets < packets)
		where_packets_are(s);
	REQUIRE(s->packets >= packets, "%llu of %llu packets are on storage",
		(unsigned long long)s->packets, (unsigned long long)packets);
}

void t_stream_end(struct t_stream *s)
{
	struct t_res res;
	bool last;

	do {
		REQUIRE(t_reap(&s->r, &res, 15000), "the stream does not end");
		if (res.user_data == T_CANCEL)
			CHECK_EQ(res.res, 1, "found by cancel");
	} while (res.user_data != T_STREAM);
	s->res = res;
	last = t_stream_entries(s, 1000);
	REQUIRE(last, "no last entry");
	CHECK_EQ(s->last.res, res.res);
	CHECK_EQ(s->last.reason, res.reason);
	CHECK_EQ(s->last.nvme_status, res.status);
	CHECK(!t_stream_entries(s, 0) && !t_cq(&s->r, &s->last, 0),
	      "an entry behind the last");
}

void t_stream_cancel(struct t_stream *s)
{
	t_queue_cancel(&s->r, T_STREAM, T_CANCEL);
	t_submit(&s->r);
	t_stream_end(s);
	CHECK_EQ(s->res.res, -ECANCELED);
	CHECK_EQ(s->res.reason, IO_UNIFIED_REASON_CANCELED);
}

static u32 u32_at(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The length of a block of that type whose two lengths agree. */
static u32 block(const u8 *p, u32 type, u32 room)
{
	u32 len = u32_at(p + 4);

	REQUIRE(room >= 12);
	REQUIRE(u32_at(p) == type, "type %#x, not %#x", u32_at(p), type);
	REQUIRE(len >= 12 && len % 4 == 0 && len <= room, "length %u", len);
	REQUIRE(u32_at(p + len - 4) == len, "lengths %u and %u", len,
		u32_at(p + len - 4));
	return len;
}

void t_frame_parse(const u8 *frame, u32 size, struct t_frame_data *f)
{
	u32 at, len, i;

	at = block(frame, IO_UNIFIED_PCAPNG_BLOCK, size);
	REQUIRE(at >= 12 + sizeof(f->block));
	memcpy(&f->block, frame + 8, sizeof(f->block));
	for (i = 8 + sizeof(f->block); i < at - 4; i++)
		REQUIRE(!frame[i], "old bytes in front of the packet");

	len = block(frame + at, 6, size - at);
	f->interface_id = u32_at(frame + at + 8);
	f->tstamp = (u64)u32_at(frame + at + 12) << 32 |
		    u32_at(frame + at + 16);
	f->caplen = u32_at(frame + at + 20);
	f->orig_len = u32_at(frame + at + 24);
	f->packet = frame + at + 28;
	REQUIRE_EQ(len, 32 + (f->caplen + 3) / 4 * 4);
	for (i = f->caplen; i % 4; i++)
		REQUIRE(!f->packet[i], "padding of the packet");
	at += len;

	REQUIRE_EQ(block(frame + at, IO_UNIFIED_PCAPNG_BLOCK, size - at),
		   size - at, "the last block ends the frame");
	for (i = at + 8; i < size - 4; i++)
		REQUIRE(!frame[i], "old bytes behind the packet");
}

void t_frames_read(struct t_stream *s, u64 offset, u32 n,
		   struct t_frame_data *f, u8 **data)
{
	u32 size = s->r.frame_size, i;
	struct timespec now;

	*data = malloc((u64)n * size);
	REQUIRE(*data);
	t_disk_read(&s->disk, *data, (u64)n * size, offset);
	clock_gettime(CLOCK_REALTIME, &now);
	for (i = 0; i < n; i++) {
		t_frame_parse(*data + (u64)i * size, size, &f[i]);
		CHECK(!memcmp(f[i].block.recording_id, s->p.recording_id, 16));
		CHECK_EQ(f[i].interface_id, s->p.interface_id);
		CHECK(f[i].tstamp <= now.tv_sec * 1000000000ull + now.tv_nsec &&
			      f[i].tstamp >= (now.tv_sec - 300) * 1000000000ull,
		      "time %llu", (unsigned long long)f[i].tstamp);
		CHECK(!i || f[i].tstamp >= f[i - 1].tstamp, "time goes back");
	}
}

u64 t_stream_stat(struct t_stream *s, enum io_unified_stat c)
{
	return t_stat(&s->r, IO_UNIFIED_KIND_NETDEV, s->net.index, c);
}

u64 t_stream_drops(struct t_stream *s)
{
	u64 counters[IO_UNIFIED_STAT_MAX], sum = 0;
	int i;

	t_stats(&s->r, IO_UNIFIED_KIND_NETDEV, s->net.index, counters);
	for (i = IO_UNIFIED_STAT_DROP_NO_FRAME; i <= IO_UNIFIED_STAT_DROP_NIC;
	     i++)
		sum += counters[i];
	return sum;
}

u64 t_stream_late(struct t_stream *s)
{
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_RX,
		.net = s->net.index,
		.len = s->r.frame_size,
	};
	u64 late = 0, before;
	struct t_res res;
	int i, n;

	do {
		before = late;
		for (i = 0; i < 16; i++) {
			d.user_data = T_CANCEL + 1;
			d.addr = t_frame(&s->r, i);
			t_queue(&s->r, &d);
		}
		t_submit(&s->r);
		t_sleep_ms(50);
		t_queue_cancel(&s->r, T_CANCEL + 1, T_CANCEL);
		t_submit(&s->r);
		for (n = 0; n < 17; n++) {
			REQUIRE(t_reap(&s->r, &res, 5000));
			if (res.user_data != T_CANCEL && res.res > 0)
				late++;
		}
	} while (late > before);
	return late;
}
