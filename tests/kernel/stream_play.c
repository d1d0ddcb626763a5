// SPDX-License-Identifier: GPL-2.0
/* Streams from a recording to a queue: packets, pace, the end, and bad recordings. */
#include <linux/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/leak.h"
#include "lib/stream.h"

enum {
	FRAMES = 512, /* more than a case has packets: none is dropped */
	WINDOW = 520, /* its first frame */
	FRAME = 4096,
	T_PLAY = 0x91a7,
};

#define T_AGAIN (64ull << 20) /* where what is played is recorded */

static const struct t_way way = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static struct t_stream s;
static struct io_unified_desc d;
static struct io_unified_stream p;
static struct t_res res;
static struct io_unified_cqe last, entry[64];
static u32 entries;

static u32 length(u32 i)
{
	return 60 + i * 131 % 1400;
}

static void send_some(u32 first, u32 n)
{
	u32 i;

	for (i = first; i < first + n; i++)
		t_send(&s.l, length(i), i);
}

/* A recording of @n packets, half of them @gap_ms later than the others. */
static void open_recording(u32 n, int gap_ms)
{
	const struct t_stream_opt opt = { .way = &way, .frames = FRAMES };

	t_stream_open(&s, &opt);
	t_disk_zero(&s.disk, T_RANGE, (n + 64) * FRAME);
	t_stream_start(&s);
	t_sleep_ms(20);
	send_some(0, n / 2);
	t_stream_wait(&s, n / 2);
	t_sleep_ms(gap_ms);
	send_some(n / 2, n - n / 2);
	t_stream_wait(&s, n);
	t_stream_cancel(&s);
	d = (struct io_unified_desc){
		.user_data = T_PLAY,
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_TX,
		.storage = s.storage,
		.net_tx = t_attach_tx(&s.r, s.l.tx),
		.addr = t_frame(&s.r, WINDOW),
		.len = 64 * FRAME,
		.dev_offset = T_RANGE,
	};
	p = (struct io_unified_stream){
		.flags = IO_UNIFIED_STREAM_PROGRESS,
		.layout = IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = 16 << 20,
		.batch_bytes = 16 * FRAME,
	};
	memcpy(p.recording_id, s.p.recording_id, sizeof(p.recording_id));
}

static void play(void)
{
	entries = 0;
	t_queue_stream(&s.r, &d, &p);
	t_submit(&s.r);
}

/*
 * Its result is in res, its last entry in last. Returns how many packets the interface
 * dropped: they are gone by, and not among those that were sent.
 */
static u64 ends_somehow(void)
{
	struct io_unified_cqe e;

	do
		REQUIRE(t_reap(&s.r, &res, 15000), "it does not end");
	while (res.user_data != T_PLAY);
	for (;;) {
		REQUIRE(t_cq(&s.r, &e, 1000), "no last entry");
		if (e.user_data != T_PLAY)
			continue;
		if (!(e.flags & IO_UNIFIED_CQE_MORE))
			break;
		if (entries < ARRAY_SIZE(entry))
			entry[entries++] = e;
	}
	last = e;
	CHECK_EQ(e.res, res.res);
	CHECK_EQ(e.reason, res.reason);
	REQUIRE(e.dev_offset >= d.dev_offset + e.count * FRAME);
	CHECK_EQ((e.dev_offset - d.dev_offset) % FRAME, 0);
	return (e.dev_offset - d.dev_offset) / FRAME - e.count;
}

static void ends(int want, u16 reason)
{
	CHECK_EQ(ends_somehow(), 0);
	CHECK_EQ(res.res, want, "reason %u", res.reason);
	CHECK_EQ(res.reason, reason);
}

/* Packet @first arrives, and those that follow. */
static void hear(int sock, u32 first, u32 n)
{
	static u8 buf[2048];
	u32 i;
	int len;

	for (i = first; i < first + n; i++) {
		do
			len = t_receive(sock, buf, sizeof(buf), 3000);
		while (len > 0 && (buf[12] << 8 | buf[13]) != T_ETHERTYPE);
		REQUIRE(len > 0, "packet %u did not come", i);
		CHECK_EQ(len, length(i), "packet %u", i);
		REQUIRE(t_is_packet(buf, len, i), "not packet %u", i);
	}
}

/* The same, and no more than @n. */
static void heard(int sock, u32 first, u32 n)
{
	static u8 buf[2048];
	int len;

	hear(sock, first, n);
	do
		len = t_receive(sock, buf, sizeof(buf), 30);
	while (len > 0 && (buf[12] << 8 | buf[13]) != T_ETHERTYPE);
	CHECK(len < 0, "a packet more");
}

/* The receiving end listens with a socket of its own, without the attachment. */
static int listen_there(void)
{
	REQUIRE_EQ(t_detach(&s.r, IO_UNIFIED_KIND_NETDEV, s.net.index), 0);
	return t_listen(s.l.rx, false);
}

/* Recorded, played, recorded: the same packets in the same order. */
static void fixed_point(void)
{
	enum { N = 300 };
	struct t_frame_data a[N], b[N];
	u8 *first, *second;
	u32 i, sum = 0;

	open_recording(N, 0);
	s.d.dev_offset = T_AGAIN;
	t_stream_start(&s);
	p.flags |= IO_UNIFIED_STREAM_RATE;
	p.pace = 3000;
	play();
	do
		REQUIRE(t_reap(&s.r, &res, 15000), "it does not end");
	while (res.user_data != T_PLAY);
	CHECK_EQ(res.res, N, "reason %u", res.reason);
	CHECK_EQ(res.reason, 0);
	do {
		REQUIRE(t_cq(&s.r, &entry[0], 5000));
		if (entry[0].user_data == T_STREAM)
			sum += entry[0].count;
	} while (sum < N);
	t_queue_cancel(&s.r, T_STREAM, T_CANCEL);
	t_submit(&s.r);
	do
		REQUIRE(t_reap(&s.r, &res, 15000));
	while (res.user_data != T_STREAM);
	t_frames_read(&s, T_RANGE, N, a, &first);
	t_frames_read(&s, T_AGAIN, N, b, &second);
	for (i = 0; i < N; i++) {
		REQUIRE(a[i].caplen == b[i].caplen &&
				!memcmp(a[i].packet, b[i].packet, a[i].caplen),
			"packet %u", i);
		CHECK(t_is_packet(b[i].packet, b[i].caplen, i));
	}
	free(first);
	free(second);
	t_stream_close(&s);
}

/* As fast as it goes: all of it, a part, so many packets. */
static void parts(void)
{
	enum { N = 100 };
	int sock;
	u32 i;

	open_recording(N, 0);
	sock = listen_there();
	play();
	ends(N, 0);
	CHECK_EQ(last.cookie, N);
	CHECK_EQ(entries, 7);
	for (i = 0; i < entries; i++) {
		CHECK_EQ(entry[i].dev_offset, T_RANGE + i * 16 * FRAME);
		CHECK_EQ(entry[i].count, i < 6 ? (i + 1) * 16 : N);
	}
	heard(sock, 0, N);
	/* From its middle on, in the range that there is */
	d.dev_offset += 33 * FRAME;
	p.range_len = 40 * FRAME;
	p.batch_bytes = 0;
	play();
	ends(40, 0);
	heard(sock, 33, 40);
	p.max_packets = 7;
	play();
	ends(7, IO_UNIFIED_REASON_LIMIT);
	heard(sock, 33, 7);
	/* What is not this recording is none. */
	p.recording_id[3]++;
	play();
	ends(0, 0);
	heard(sock, 0, 0);
	close(sock);
	t_stream_close(&s);
}

static void paced(void)
{
	enum { N = 40, GAP = 120 };
	u64 from;
	int sock;

	open_recording(N, GAP);
	sock = listen_there();
	p.flags |= IO_UNIFIED_STREAM_RATE;
	p.pace = 200;
	from = t_now_ms();
	play();
	ends(N, 0);
	CHECK(t_now_ms() - from >= (N - 1) * 5, "it took %llu ms",
	      (unsigned long long)(t_now_ms() - from));
	heard(sock, 0, N);
	p.flags ^= IO_UNIFIED_STREAM_RATE | IO_UNIFIED_STREAM_TIMES;
	p.pace = 1000;
	from = t_now_ms();
	play();
	ends(N, 0);
	CHECK(t_now_ms() - from >= GAP, "it took %llu ms",
	      (unsigned long long)(t_now_ms() - from));
	heard(sock, 0, N);
	/* Half as fast */
	p.pace = 500;
	from = t_now_ms();
	play();
	ends(N, 0);
	CHECK(t_now_ms() - from >= 2 * GAP, "it took %llu ms",
	      (unsigned long long)(t_now_ms() - from));
	heard(sock, 0, N);
	close(sock);
	t_stream_close(&s);
}

static void change(u32 frame, u32 at, u32 xor)
{
	static u8 buf[FRAME] __attribute__((aligned(4096)));

	t_disk_read(&s.disk, buf, FRAME, T_RANGE + frame * FRAME);
	*(u32 *)(buf + at) ^= xor;
	t_disk_write(&s.disk, buf, FRAME, T_RANGE + frame * FRAME);
}

/* A frame that says it belongs there, and is not what it should be */
static void malformed(void)
{
	static u8 buf[FRAME] __attribute__((aligned(4096)));
	u32 epb, rest, i;
	int sock;

	open_recording(20, 0);
	sock = listen_there();
	t_disk_read(&s.disk, buf, FRAME, T_RANGE + 10 * FRAME);
	epb = *(u32 *)(buf + 4);
	rest = epb + *(u32 *)(buf + epb + 4);
	const u32 where[] = { 4,	epb - 4, epb,	   epb + 4,  epb + 20,
			      rest - 4, rest,	 rest + 4, FRAME - 4 };

	for (i = 0; i < ARRAY_SIZE(where); i++) {
		change(10, where[i], 1 << (i % 3 ? 4 : 30));
		play();
		ends(-EINVAL, IO_UNIFIED_REASON_LAYOUT);
		CHECK_EQ(last.count, 10, "at %u", where[i]);
		heard(sock, 0, 10);
		change(10, where[i], 1 << (i % 3 ? 4 : 30));
	}
	/* Another number, another type, another id: it is over. */
	change(10, 24, 1);
	play();
	ends(10, 0);
	heard(sock, 0, 10);
	change(10, 24, 1);
	play();
	ends(20, 0);
	heard(sock, 0, 20);
	close(sock);
	t_stream_close(&s);
}

static void programs(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct ops_config c = { .verdict = XDP_DROP };
	int sock;

	open_recording(20, 0);
	sock = listen_there();
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&s.r, t_bpf_prog(obj, "verdict"));
	c.verdict = XDP_PASS;
	t_bpf_configure(obj, &c);
	play();
	ends(20, 0);
	heard(sock, 0, 20);
	c.verdict = XDP_ABORTED;
	t_bpf_configure(obj, &c);
	play();
	ends(-EIO, IO_UNIFIED_REASON_BPF_ABORTED);
	heard(sock, 0, 0);
	close(sock);
	t_stream_close(&s);
	bpf_object__close(obj);
}

/* --------------------------------------------------------- in the middle of it */

static int there;

static void canceled(void)
{
	t_queue_cancel(&s.r, T_PLAY, T_CANCEL);
	t_submit(&s.r);
	ends(-ECANCELED, IO_UNIFIED_REASON_CANCELED);
	heard(there, 5, last.count - 5);
}

static void link_goes(void)
{
	t_link_up(s.l.tx, false);
	ends(-ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	heard(there, 5, last.count - 5);
	t_link_up(s.l.tx, true);
	t_sleep_ms(100);
}

static void detached(void)
{
	CHECK_EQ(t_detach(&s.r, IO_UNIFIED_KIND_NETDEV, d.net_tx), 0);
	ends(-ECANCELED, IO_UNIFIED_REASON_GONE);
	heard(there, 5, last.count - 5);
	d.net_tx = t_attach_tx(&s.r, s.l.tx);
}

static void interface_goes(void)
{
	t_veth_del();
	/* The other end may have gone a moment before. */
	CHECK(ends_somehow() <= 3);
	/* One may have been due when it had gone down only. */
	CHECK(res.res == -ENODEV || res.res == -ENETDOWN, "%d, reason %u",
	      res.res, res.reason);
	/* Who listened there has gone with it. */
	close(there);
	CHECK_EQ(t_detach(&s.r, IO_UNIFIED_KIND_NETDEV, d.net_tx), 0);
	t_link_close(&s.l);
	t_link_open(&s.l, &way, 1500);
	there = t_listen(s.l.rx, false);
	d.net_tx = t_attach_tx(&s.r, s.l.tx);
}

static void (*const middle[])(void) = {
	canceled,
	link_goes,
	detached,
	interface_goes,
};

/* How many were sent is told. */
static void cut(int round)
{
	play();
	hear(there, 0, 5);
	middle[round % ARRAY_SIZE(middle)]();
	CHECK(last.count >= 5 && last.count < 60, "round %d: %llu packets",
	      round, last.count);
}

/* Each takes its time: once, or all where many rounds are wanted. */
static void cut_off(void)
{
	int i;

	open_recording(60, 0);
	there = listen_there();
	p.flags |= IO_UNIFIED_STREAM_RATE;
	p.pace = 50;
	if (t_rounds() >= 200)
		t_leak_rounds(cut, 12, ARRAY_SIZE(middle) * t_rounds());
	else
		for (i = 0; i < (int)ARRAY_SIZE(middle); i++)
			cut(i);
	close(there);
	t_stream_close(&s);
}

/* ---------------------------------------------------------------- the end */

static void child(int round)
{
	struct t_region r;

	t_region_open(&r, NULL);
	d.storage = t_attach_storage(&r, s.disk.path, 0);
	d.net_tx = t_attach_tx(&r, s.l.tx);
	d.addr = t_frame(&r, 0);
	d.len = 512 * FRAME;
	t_queue_stream(&r, &d, &p);
	t_submit(&r);
	usleep(round % 5 * 3000);
	switch (round % 4) {
	case 0:
		kill(getpid(), SIGKILL);
		break;
	case 1:
		t_exec_nothing();
	case 2:
		close(r.fd);
		io_uring_queue_exit(&r.ring);
		break;
	default:
		if (ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION) ||
		    !t_reap(&r, &res, 5000) || res.res != -ECANCELED)
			_exit(1);
	}
	_exit(0);
}

static void process(int round)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		child(round);
	t_child_ends(pid, round % 4 == 0, round);
}

/* Process, ring and region go while packets wait for their time. */
static void gone(void)
{
	open_recording(60, 0);
	p.flags = IO_UNIFIED_STREAM_RATE;
	p.pace = 50;
	p.batch_bytes = 0;
	t_leak_rounds(process, 4, MAX(t_rounds() / 8, 8));
	t_stream_close(&s);
}

/* ------------------------------------------------------------------ bad input */

#define REFUSE(error, why, ...)                                              \
	do {                                                                 \
		const struct io_unified_stream p_ = p;                       \
		const struct io_unified_desc d_ = d;                         \
		__VA_ARGS__;                                                 \
		play();                                                      \
		REQUIRE(t_reap(&s.r, &res, 5000), "%s was accepted",         \
			#__VA_ARGS__);                                       \
		CHECK_EQ(res.res, -error, #__VA_ARGS__);                     \
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
		p = p_;                                                      \
		d = d_;                                                      \
	} while (0)

static void refused(void)
{
	int i;

	open_recording(4, 0);
	for (i = 0; i < 32; i++)
		if (i != 1 && i != 3 && i != 4)
			REFUSE(EINVAL, FLAGS, p.flags = 1u << i);
	REFUSE(EINVAL, FLAGS,
	       p.flags = IO_UNIFIED_STREAM_TIMES | IO_UNIFIED_STREAM_RATE;
	       p.pace = 1);
	REFUSE(EINVAL, SIZE, p.flags = IO_UNIFIED_STREAM_TIMES);
	REFUSE(EINVAL, SIZE, p.flags = IO_UNIFIED_STREAM_RATE;
	       p.pace = 1000000001);
	REFUSE(EINVAL, RESERVED, p.pace = 1);
	REFUSE(EINVAL, RESERVED, p.snaplen = 1);
	REFUSE(EINVAL, RESERVED, p.flush_usec = 1);
	REFUSE(EINVAL, RESERVED, p.flush_bytes = 1);
	REFUSE(EINVAL, RESERVED, p.interface_id = 1);
	REFUSE(EINVAL, RESERVED, p.reserved[3] = 1);
	REFUSE(EINVAL, LAYOUT, p.layout = IO_UNIFIED_LAYOUT_BYTES);
	REFUSE(EINVAL, SIZE, p.range_len = 0);
	REFUSE(EINVAL, SIZE, p.range_len = FRAME + 512);
	REFUSE(EINVAL, ALIGN, p.batch_bytes = 2048);
	REFUSE(EINVAL, SIZE, p.batch_bytes = 0; d.len = 2048);
	REFUSE(ERANGE, RANGE, p.range_len = s.disk.size);
	REFUSE(EINVAL, LBA_ALIGN, d.dev_offset++);
	REFUSE(ENOENT, INDEX, d.net_tx = 40);
	REFUSE(ENOENT, INDEX, d.storage = 40);
	REFUSE(EINVAL, OPS, d.flags |= IO_UNIFIED_F_TIMED);
	REFUSE(EINVAL, OPS, d.flags |= IO_UNIFIED_F_RX);
	play();
	ends(4, 0);
	t_stream_close(&s);
}

static const struct t_case cases[] = {
	{ "record, play, record", fixed_point },
	{ "parts", parts },
	{ "paced", paced },
	{ "malformed", malformed },
	{ "programs", programs },
	{ "cut off", cut_off, 1200 },
	{ "killed, closed, unregistered", gone, 120 },
	{ "refused", refused },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
