// SPDX-License-Identifier: GPL-2.0
/* How streams end, what they refuse, and that every packet is accounted for. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/stream.h"

static struct t_stream s;

/* What was sent is on storage or counted as dropped, whatever happened. */
static void accounted(u64 sent)
{
	u64 written, drops, late;

	late = t_stream_late(&s);
	written = t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS);
	drops = t_stream_drops(&s);
	CHECK_EQ(written + drops + late, sent,
		 "%llu written, %llu dropped, %llu came when it was over",
		 (unsigned long long)written, (unsigned long long)drops,
		 (unsigned long long)late);
}

static void send_many(u32 first, u32 n, u32 pause_every)
{
	u32 i;

	for (i = first; i < first + n; i++) {
		t_send(&s.l, 200, i);
		if (pause_every && i % pause_every == pause_every - 1)
			t_sleep_ms(2);
	}
}

static void check_order(u64 offset, u32 n)
{
	struct t_frame_data *f = calloc(n, sizeof(*f));
	bool *seen = calloc(1 << 16, 1);
	u32 i, seq, last = 0;
	u8 *data;

	t_frames_read(&s, offset, n, f, &data);
	for (i = 0; i < n; i++) {
		seq = t_packet_seq(f[i].packet);
		CHECK_EQ(f[i].block.seq, i);
		REQUIRE(seq < 1 << 16 && !seen[seq], "packet %u twice", seq);
		seen[seq] = true;
		/* Under QEMU a NIC without room makes packets wait, and later
		 * ones overtake them.
		 */
		CHECK(!i || seq > last || strncmp(s.l.rx, "iout", 4),
		      "packet %u after %u", seq, last);
		CHECK(t_is_packet(f[i].packet, f[i].caplen, seq));
		last = seq;
	}
	free(data);
	free(seen);
	free(f);
}

/* The range takes sixteen frames and not a byte more. */
static void full(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	u8 guard[8192], now[8192];

	t_stream_open(&s, &opt);
	t_fill(guard, 8192, 5);
	t_disk_write(&s.disk, guard, 8192, T_RANGE + 16 * 4096);
	s.p.range_len = 16 * 4096;
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 40, 4);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -ENOSPC);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_FULL);
	CHECK_EQ(s.last.count, 16);
	CHECK_EQ(s.packets, 16);
	CHECK_EQ(s.last.dev_offset, T_RANGE + 16 * 4096);
	check_order(T_RANGE, 16);
	t_disk_read(&s.disk, now, 8192, T_RANGE + 16 * 4096);
	CHECK(!memcmp(guard, now, 8192), "written behind the range");
	accounted(40);
	t_stream_close(&s);
}

static void limit(void)
{
	const struct t_stream_opt opt = { .way = t_arg };

	t_stream_open(&s, &opt);
	s.p.max_packets = 33;
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 60, 4);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, 0);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_LIMIT);
	CHECK_EQ(s.last.count, 33);
	CHECK_EQ(s.packets, 33);
	check_order(T_RANGE, 33);
	accounted(60);
	t_stream_close(&s);
}

/* A drive whose ninth MiB cannot be written. */
static void device_error(void)
{
	struct t_stream_opt opt = {
		.way = t_arg,
		.path = "/dev/mapper/iou_bad",
		.frames = 64,
	};
	struct t_disk whole;
	u64 good = 50;

	t_disk_nvme(&whole, 512, 0);
	t_sh("dmsetup remove iou_bad 2>/dev/null");
	if (t_sh("modprobe dm-mod; printf '%%s\\n' '0 %llu linear %s 0' '%llu 8192 error' | dmsetup create iou_bad && { [ -e /dev/mapper/iou_bad ] || dmsetup mknodes iou_bad; }",
		 (unsigned long long)(T_RANGE / 512 + good * 8), whole.path,
		 (unsigned long long)(T_RANGE / 512 + good * 8)))
		t_skip("no device mapper");
	t_stream_open(&s, &opt);
	s.p.range_len = 4096 * 200;
	s.p.batch_bytes = 4096;
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 120, 2);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -EIO);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_IO);
	CHECK_EQ(s.last.count, good);
	CHECK_EQ(s.packets, good);
	CHECK_EQ(s.last.dev_offset, T_RANGE + good * 4096,
		 "the first byte that failed");
	CHECK(t_stream_stat(&s, IO_UNIFIED_STAT_DROP_WRITE) >= 1);
	check_order(T_RANGE, good);
	accounted(120);
	t_stream_close(&s);
	CHECK_EQ(t_sh("dmsetup remove iou_bad"), 0);
}

static void link_down(void)
{
	const struct t_stream_opt opt = { .way = t_arg };

	t_stream_open(&s, &opt);
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 30, 4);
	t_stream_wait(&s, 30);
	t_link_up(s.l.rx, false);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -ENETDOWN);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_NET_DOWN);
	CHECK_EQ(s.last.count, 30);
	check_order(T_RANGE, 30);
	/* Up, and a new stream on the same attachment. */
	t_link_up(s.l.rx, true);
	t_sleep_ms(100);
	t_stream_start(&s);
	t_sleep_ms(100);
	send_many(0, 30, 4);
	t_stream_wait(&s, 30);
	t_stream_cancel(&s);
	CHECK_EQ(s.last.count, 30);
	t_stream_close(&s);
}

static void interface_gone(void)
{
	const struct t_stream_opt opt = { .way = t_arg };

	t_stream_open(&s, &opt);
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 30, 4);
	t_stream_wait(&s, 30);
	t_veth_del();
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -ENODEV);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_NET_GONE);
	CHECK_EQ(s.last.count, 30);
	check_order(T_RANGE, 30);
	t_region_close(&s.r);
}

static void detach_one(u32 kind, u32 index)
{
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 20, 4);
	t_stream_wait(&s, 20);
	send_many(20, 5, 0);
	CHECK_EQ(t_detach(&s.r, kind, index), 0);
	t_stream_end(&s);
	CHECK_EQ(s.res.res, -ECANCELED);
	CHECK_EQ(s.res.reason, IO_UNIFIED_REASON_GONE);
	CHECK(s.last.count >= 20, "%llu", s.last.count);
	check_order(T_RANGE, s.last.count);
}

static void detached(void)
{
	const struct t_stream_opt opt = { .way = t_arg };

	t_stream_open(&s, &opt);
	detach_one(IO_UNIFIED_KIND_NETDEV, s.net.index);
	t_link_attach_as(&s.r, &s.l, t_arg, &s.net);
	detach_one(IO_UNIFIED_KIND_STORAGE, s.storage);
	t_stream_close(&s);
}

static void unregistered(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	struct t_res res;

	t_stream_open(&s, &opt);
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 20, 4);
	t_stream_wait(&s, 20);
	send_many(20, 5, 0);
	REQUIRE(!ioctl(s.r.fd, IO_UNIFIED_UNREGISTER_REGION));
	REQUIRE(t_reap(&s.r, &res, 10000));
	CHECK_EQ(res.user_data, T_STREAM);
	CHECK_EQ(res.res, -ECANCELED);
	check_order(T_RANGE, 20);
	t_link_close(&s.l);
}

/* Faster than frames come back: what has no room is counted. */
static void overrun(void)
{
	const struct t_stream_opt opt = { .way = t_arg, .frames = 16 };
	u64 written;

	t_stream_open(&s, &opt);
	t_stream_start(&s);
	t_sleep_ms(50);
	send_many(0, 5000, 0);
	t_sleep_ms(300);
	t_stream_entries(&s, 100);
	t_stream_cancel(&s);
	written = t_stream_stat(&s, IO_UNIFIED_STAT_WRITTEN_PACKETS);
	CHECK_EQ(s.last.count, written);
	CHECK_EQ(s.packets, written);
	CHECK(written > 0);
	check_order(T_RANGE, written);
	accounted(5000);
	t_note("%llu of 5000 written", (unsigned long long)written);
	t_stream_close(&s);
}

static void refuse(int error, u16 reason, const char *what)
{
	struct t_res res;

	t_stream_start(&s);
	REQUIRE(t_reap(&s.r, &res, 5000), "%s was accepted", what);
	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
}

#define REFUSE(error, why, ...)                                       \
	do {                                                          \
		const struct io_unified_stream p_ = s.p;              \
		const struct io_unified_desc d_ = s.d;                \
		struct io_unified_stream *p = &s.p;                   \
		struct io_unified_desc *d = &s.d;                     \
		(void)p, (void)d;                                     \
		__VA_ARGS__;                                          \
		refuse(error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
		s.p = p_;                                             \
		s.d = d_;                                             \
	} while (0)

static void refused(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	int i, ro;

	t_stream_open(&s, &opt);
	ro = t_attach_storage(&s.r, s.disk.path, IO_UNIFIED_ATTACH_RDONLY);
	for (i = 1; i < 32; i += 5)
		REFUSE(EINVAL, FLAGS, p->flags = 1u << i);
	for (i = 0; i < 4; i++)
		REFUSE(EINVAL, RESERVED, p->reserved[i] = 1ull << (7 * i));
	REFUSE(EINVAL, RESERVED, p->flush_bytes = 1);
	REFUSE(EINVAL, RESERVED, p->pace = 1);
	REFUSE(EINVAL, LAYOUT, p->layout = 0);
	REFUSE(EINVAL, LAYOUT, p->layout = 2);
	REFUSE(EINVAL, SIZE, p->range_len = 0);
	REFUSE(EINVAL, SIZE, p->range_len = 4095);
	REFUSE(EINVAL, SIZE, p->range_len = 4096 + 512);
	REFUSE(EINVAL, SIZE, p->batch_bytes = 4095);
	REFUSE(EINVAL, SIZE, p->batch_bytes = ~0u);
	REFUSE(ERANGE, RANGE, p->range_len = s.disk.size);
	REFUSE(ERANGE, RANGE, p->range_len = ~4095ull);
	REFUSE(ERANGE, RANGE, d->dev_offset = s.disk.size);
	REFUSE(EINVAL, LBA_ALIGN, d->dev_offset = 100);
	REFUSE(EINVAL, ALIGN, d->addr += 64);
	REFUSE(EINVAL, ALIGN, d->len -= 64);
	REFUSE(EINVAL, SIZE, d->len = 0);
	REFUSE(EINVAL, ADDR, d->addr = 0);
	REFUSE(EINVAL, ADDR, d->len = 32 << 20);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_NETWORK;
	       d->flags = IO_UNIFIED_F_RX; d->storage = 0; d->dev_offset = 0);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_NVME; d->net = 0;
	       d->flags = IO_UNIFIED_F_WRITE);
	REFUSE(EINVAL, OPS, d->flags = IO_UNIFIED_F_RX);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_READ);
	REFUSE(ENOENT, INDEX, d->net = 7);
	REFUSE(ENOENT, INDEX, d->storage = 7);
	REFUSE(ENOENT, INDEX, d->ops |= IO_UNIFIED_OP_BPF);
	REFUSE(EBADF, READ_ONLY, d->storage = ro);
	t_stream_close(&s);
}

static void bad_pointer(void)
{
	const struct t_stream_opt opt = { .way = t_arg };
	struct t_res res;
	u64 bad[] = { 0, 8, 1ull << 62, ~0ull - 16 };
	unsigned int i;

	t_stream_open(&s, &opt);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		t_queue_stream(&s.r, &s.d, (void *)(uintptr_t)bad[i]);
		t_submit(&s.r);
		REQUIRE(t_reap(&s.r, &res, 5000));
		CHECK_EQ(res.res, -EFAULT, "%#llx", (unsigned long long)bad[i]);
	}
	/* Nothing was kept: a good one starts. */
	t_stream_start(&s);
	t_sleep_ms(30);
	send_many(0, 5, 0);
	t_stream_wait(&s, 5);
	t_stream_cancel(&s);
	t_stream_close(&s);
}

/* One stream to a queue; its frames are its own. */
static void busy(void)
{
	const struct t_stream_opt opt = { .way = t_arg, .frames = 64 };
	struct io_unified_desc d, rx;
	struct t_res res;

	t_stream_open(&s, &opt);
	t_stream_start(&s);
	CHECK(!t_reap(&s.r, &res, 100));
	d = s.d;
	d.user_data = 1;
	d.addr += 64 * 4096;
	t_queue_stream(&s.r, &d, &s.p);
	t_submit(&s.r);
	REQUIRE(t_reap(&s.r, &res, 5000), "two streams on a queue");
	CHECK_EQ(res.res, -EBUSY);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_STREAM_BUSY);
	rx = (struct io_unified_desc){
		.user_data = 2,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_RX,
		.net = s.net.index,
		.addr = t_frame(&s.r, 3),
		.len = 4096,
	};
	res = t_op(&s.r, &rx);
	CHECK_EQ(res.res, -EBUSY);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_FRAME_BUSY);
	send_many(0, 5, 0);
	t_stream_wait(&s, 5);
	t_stream_cancel(&s);
	t_stream_close(&s);
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };

#define VETH(text, fn)                                        \
	{ text ", AF_XDP on veth", fn, 0, &veth_xsk },        \
	{                                                     \
		text ", rx handler on veth", fn, 0, &veth_rxh \
	}
#define EACH(text, fn)                    \
	VETH(text, fn),                   \
	{                                 \
		text ", NIC", fn, 0, &nic \
	}

static const struct t_case cases[] = {
	EACH("full", full),
	EACH("limit", limit),
	EACH("error of the drive", device_error),
	EACH("link down", link_down),
	VETH("interface deleted", interface_gone),
	EACH("detach", detached),
	EACH("unregister", unregistered),
	EACH("more than there are frames", overrun),
	EACH("refused", refused),
	EACH("parameters at a bad address", bad_pointer),
	EACH("two on a queue", busy),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
