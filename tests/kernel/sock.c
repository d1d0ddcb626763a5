// SPDX-License-Identifier: GPL-2.0
/* TCP sockets: what is sent and received, when an op ends, and with what. */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/sock.h"

/* Each op has a slot of the region, and may be anywhere in it. */
enum { SLOTS = 32, SLOT = 64 << 10, MAX = SLOT - 4096 };

struct way {
	int family;
	enum t_where where;
	u32 ring_flags;
};

static struct t_region r;
static struct t_conn c;
static int sock;
static void open_region(u32 ring_flags)
{
	struct t_opt opt = {
		.memory = T_MEM_MEMFD,
		.size = 8 << 20,
		.ring_flags = ring_flags,
	};

	t_region_open(&r, &opt);
}

static void set_up(void)
{
	const struct way *way = t_arg;

	open_region(way ? way->ring_flags : 0);
	t_connect(&c, way ? way->family : AF_INET, SOCK_STREAM,
		  way ? way->where : T_LO);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

static u64 sock_stat(enum io_unified_stat s)
{
	return t_stat(&r, IO_UNIFIED_KIND_SOCKET, sock, s);
}

static u64 slot_addr(u32 slot)
{
	return r.reg.data_off + (u64)slot * SLOT + t_dice(4096);
}

/* ------------------------------------------------------------------ sending */

/* Queues the op of a slot: the next bytes of the stream. */
static u32 queue_send(u32 slot, u64 at)
{
	struct io_unified_desc d =
		t_send_op(sock, slot, slot_addr(slot), 1 + t_dice(MAX));

	t_stream_fill(t_ptr(&r, d.addr), d.len, at);
	t_queue(&r, &d);
	return d.len;
}

/*
 * Sends about @total bytes, with all slots in flight; what was sent is overwritten
 * at once. Returns how many bytes.
 */
static u64 send_stream(u64 total, u32 *copied)
{
	u32 len[SLOTS], slot, flying = 0;
	struct t_res res;
	u64 at = 0;

	*copied = 0;
	for (slot = 0; slot < SLOTS; slot++, flying++) {
		len[slot] = queue_send(slot, at);
		at += len[slot];
	}
	t_submit(&r);
	while (flying) {
		res = t_next(&r);
		slot = res.user_data;
		CHECK_EQ(res.res, len[slot], "reason %u", res.reason);
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
		*copied += !!(res.flags & IO_UNIFIED_CQE_COPIED);
		memset(t_ptr(&r, r.reg.data_off + (u64)slot * SLOT), 0xee,
		       SLOT);
		if (at >= total) {
			flying--;
			continue;
		}
		len[slot] = queue_send(slot, at);
		at += len[slot];
		t_submit(&r);
	}
	return at;
}

static void sends(void)
{
	enum { TOTAL = 6 << 20 };
	struct t_peer peer;
	u32 copied;
	u64 n;

	set_up();
	t_peer_read(&peer, c.peer, ~0ull, 100000, 0);
	n = send_stream(TOTAL, &copied);
	shutdown(c.end, SHUT_WR);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, n);
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_TX_BYTES), n);
	/* Both loopback and veth copy what goes up a stack. */
	CHECK(copied, "nothing was copied");
	CHECK(sock_stat(IO_UNIFIED_STAT_TX_COPIED_BYTES) > n / 2);
	tear_down();
}

/* The peer reads a little now and then, and what is in flight is bounded. */
static void slow_reader(void)
{
	enum { TOTAL = 600 << 10 };
	struct t_peer peer;
	u32 copied;
	u64 n;

	set_up();
	t_sndbuf(c.end, 64 << 10);
	t_rcvbuf(c.peer, 16 << 10);
	t_peer_read(&peer, c.peer, ~0ull, 30000, 1000);
	n = send_stream(TOTAL, &copied);
	shutdown(c.end, SHUT_WR);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, n);
	tear_down();
}

static void stopped_reader(void)
{
	enum { LEN = 32 << 10, OPS = 60 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_res res;
	int i, queued, done = 0, canceled = 0;
	bool over[OPS] = {};
	u64 at = 0;

	set_up();
	t_sndbuf(c.end, 128 << 10);
	t_rcvbuf(c.peer, 64 << 10);
	for (i = 0; i < OPS; i++, at += LEN) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * LEN, LEN);
		t_stream_fill(t_ptr(&r, d.addr), LEN, at);
		t_queue(&r, &d);
	}
	t_submit(&r);
	while (t_reap(&r, &res, 300)) {
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		/* Of those that are acknowledged at once any may be told first. */
		over[res.user_data] = true;
		done++;
	}
	for (i = 0; i < OPS; i++)
		CHECK_EQ(over[i], i < done);
	CHECK(done < OPS / 2, "%d of %d are done, and nobody reads", done, OPS);
	REQUIRE(!ioctl(c.end, SIOCOUTQ, &queued));
	CHECK(queued <= 1 << 20, "%d bytes are in flight", queued);

	/* The last one has not begun: it can be taken back. One that has, cannot. */
	t_queue_cancel(&r, OPS - 1, 1000);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = t_next(&r);
		if (res.user_data == 1000) {
			CHECK_EQ(res.res, 1);
			continue;
		}
		CHECK_EQ(res.user_data, OPS - 1);
		CHECK_EQ(res.res, -ECANCELED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_CANCELED);
		canceled++;
	}
	CHECK_EQ(canceled, 1);
	t_queue_cancel(&r, done, 1001);
	t_submit(&r);
	res = t_next(&r);
	CHECK_EQ(res.user_data, 1001);
	CHECK_EQ(res.res, -ENOENT);

	t_peer_read(&peer, c.peer, ~0ull, 50000, 0);
	for (; done < OPS - 1; done++) {
		res = t_next(&r);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	}
	shutdown(c.end, SHUT_WR);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, (u64)LEN * (OPS - 1));
	tear_down();
}

/* ---------------------------------------------------------------- receiving */

/* Ops of random sizes, many at once, in the order of the stream. */
static void receives(void)
{
	enum { TOTAL = 4 << 20 };
	struct io_unified_desc d, of[SLOTS];
	struct t_res res, got[SLOTS];
	struct t_peer peer;
	u64 next = 0, at = 0, i;
	bool here[SLOTS] = {};

	set_up();
	for (i = 0; i < SLOTS; i++) {
		d = t_recv_op(sock, i, slot_addr(i), 1 + t_dice(MAX));
		of[i] = d;
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_silent(&r, 50);
	t_peer_write(&peer, c.peer, TOTAL, 100000, 0);
	while (at < TOTAL) {
		res = t_next(&r);
		i = res.user_data % SLOTS;
		CHECK(!here[i]);
		here[i] = true;
		got[i] = res;
		while (here[next % SLOTS] && at < TOTAL) {
			i = next % SLOTS;
			here[i] = false;
			REQUIRE(got[i].res > 0, "%d, reason %u at %llu",
				got[i].res, got[i].reason,
				(unsigned long long)at);
			CHECK(got[i].res <= (int)of[i].len);
			CHECK(got[i].flags & IO_UNIFIED_CQE_COPIED);
			REQUIRE(t_stream_is(t_ptr(&r, of[i].addr), got[i].res,
					    at),
				"at %llu", (unsigned long long)at);
			at += got[i].res;
			next++;
			d = t_recv_op(sock, next + SLOTS - 1, slot_addr(i),
				      1 + t_dice(MAX));
			of[i] = d;
			t_queue(&r, &d);
		}
		t_submit(&r);
	}
	t_peer_join(&peer);
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_RX_BYTES), TOTAL);
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_RX_COPIED_BYTES), TOTAL);

	/* The end of the stream is told to each that waits. */
	t_silent(&r, 20);
	shutdown(c.peer, SHUT_WR);
	for (i = 0; i < SLOTS; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, 0, "reason %u", res.reason);
		CHECK_EQ(res.reason, 0);
	}
	tear_down();
}

static void wait_all(void)
{
	enum { LEN = 200000, N = 8, REST = 777 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_res res;
	int i;

	set_up();
	for (i = 0; i <= N + 1; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + (u64)i * 262144 + i,
			      LEN);
		d.flags |= IO_UNIFIED_F_WAITALL;
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_peer_write(&peer, c.peer, LEN * N + REST, 5000, 500);
	for (i = 0; i < N; i++) {
		res = t_next(&r);
		CHECK_EQ(res.user_data, i);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		CHECK(t_stream_is(t_ptr(&r,
					r.reg.data_off + (u64)i * 262144 + i),
				  LEN, (u64)i * LEN));
	}
	t_peer_join(&peer);
	t_silent(&r, 50);
	/* What came of it before it is canceled is not lost. */
	t_queue_cancel(&r, N, 100);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, res.user_data == 100 ? 1 : REST);
		CHECK_EQ(res.reason,
			 res.user_data == 100 ? 0 : IO_UNIFIED_REASON_CANCELED);
	}
	/* Short at the end of the stream, and then nothing. */
	t_peer_write(&peer, c.peer, REST, REST, 0);
	t_peer_join(&peer);
	t_silent(&r, 20);
	shutdown(c.peer, SHUT_WR);
	res = t_next(&r);
	CHECK_EQ(res.user_data, N + 1);
	CHECK_EQ(res.res, REST);
	d.user_data++;
	t_ends(&r, &d, 0, 0);
	tear_down();
}

/* ---------------------------------------------------------------- SO_RCVLOWAT */

static int option(int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	REQUIRE(!getsockopt(c.end, SOL_SOCKET, name, &value, &len));
	return value;
}

/* So many bytes are there, or come yet: what was written is not received at once. */
static void unread_is(int want)
{
	const u64 end = t_now_ms() + 2000;
	int n;

	do
		REQUIRE(!ioctl(c.end, SIOCINQ, &n));
	while (n < want && t_now_ms() < end);
	CHECK_EQ(n, want);
}

static struct io_unified_desc start_all_of(u64 user_data, u32 len)
{
	struct io_unified_desc d =
		t_recv_op(sock, user_data, r.reg.data_off, len);

	d.flags |= IO_UNIFIED_F_WAITALL;
	t_queue(&r, &d);
	t_submit(&r);
	t_silent(&r, 20);
	return d;
}

static void canceled_with(u64 user_data, int got)
{
	struct t_res res;
	int i;

	t_queue_cancel(&r, user_data, 100);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, res.user_data == 100 ? 1 : got);
	}
}

/* Nobody is woken for less than is waited for, and nothing of it is lost. */
static void low_water(void)
{
	enum { LEN = 100000, SOME = 1000, CHOSEN = 3000 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_res res;
	int share;

	set_up();
	share = option(SO_RCVBUF) / 4;
	start_all_of(1, LEN);
	CHECK_EQ(option(SO_RCVLOWAT), share < LEN ? share : LEN);
	t_peer_write(&peer, c.peer, SOME, SOME, 0);
	t_peer_join(&peer);
	t_silent(&r, 20);
	unread_is(SOME);
	canceled_with(1, SOME);
	CHECK(t_stream_is(t_ptr(&r, r.reg.data_off), SOME, 0));
	unread_is(0);
	CHECK_EQ(option(SO_RCVLOWAT), 1);

	/* The next one wants less. */
	start_all_of(2, SOME);
	CHECK_EQ(option(SO_RCVLOWAT), SOME);
	d = t_recv_op(sock, 3, r.reg.data_off + SLOT, LEN);
	t_queue(&r, &d);
	t_submit(&r);
	t_peer_write(&peer, c.peer, SOME, SOME, 0);
	t_peer_join(&peer);
	res = t_next(&r);
	CHECK_EQ(res.user_data, 2);
	CHECK_EQ(res.res, SOME);
	t_silent(&r, 20);
	CHECK_EQ(option(SO_RCVLOWAT), 1);
	t_peer_write(&peer, c.peer, 1, 1, 0);
	t_peer_join(&peer);
	res = t_next(&r);
	CHECK_EQ(res.user_data, 3);
	CHECK_EQ(res.res, 1);

	/*
	 * What the application has chosen stays, also if it does so late. Then it holds
	 * back the last bytes of a receive, too, if less of them than that come alone.
	 */
	start_all_of(4, LEN);
	REQUIRE(!setsockopt(c.end, SOL_SOCKET, SO_RCVLOWAT, &(int){ CHOSEN },
			    sizeof(int)));
	t_peer_write(&peer, c.peer, LEN - SOME, LEN - SOME, 0);
	t_peer_join(&peer);
	t_silent(&r, 20);
	t_peer_write(&peer, c.peer, SOME + CHOSEN, SOME + CHOSEN, 0);
	t_peer_join(&peer);
	res = t_next(&r);
	CHECK_EQ(res.res, LEN);
	CHECK(t_stream_is(t_ptr(&r, r.reg.data_off), LEN - SOME, 0));
	CHECK_EQ(option(SO_RCVLOWAT), CHOSEN);
	unread_is(CHOSEN);
	REQUIRE(read(c.end, t_ptr(&r, r.reg.data_off), CHOSEN) == CHOSEN);
	start_all_of(6, LEN);
	CHECK_EQ(option(SO_RCVLOWAT), CHOSEN);
	canceled_with(6, -ECANCELED);
	CHECK_EQ(option(SO_RCVLOWAT), CHOSEN);
	tear_down();
}

static void repair(int how)
{
	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_REPAIR, &how, sizeof(how)));
}

/* An error that is not the connection's end, behind some bytes: it is told with them. */
static void lives_on(void)
{
	enum { LEN = 60000, SOME = 1000, LATER = 50000 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_res res;

	set_up();
	t_peer_write(&peer, c.peer, SOME, SOME, 0);
	t_peer_join(&peer);
	unread_is(SOME);
	start_all_of(1, LEN);
	repair(1);
	t_peer_write(&peer, c.peer, LATER, LATER, 0);
	res = t_next(&r);
	CHECK_EQ(res.res, SOME);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_SOCKET);
	t_peer_join(&peer);
	repair(-1);
	d = t_recv_op(sock, 2, r.reg.data_off, LATER);
	d.flags |= IO_UNIFIED_F_WAITALL;
	t_queue(&r, &d);
	t_submit(&r);
	res = t_next(&r);
	CHECK_EQ(res.res, LATER);
	tear_down();
}

/* A window that is small, and bytes that take more memory than they are. */
static void small_window(void)
{
	enum { LEN = 100000, PIECE = 200 };
	const u64 from = t_now_ms();
	struct t_peer peer;
	struct t_res res;

	set_up();
	t_rcvbuf(c.end, 8 << 10);
	REQUIRE(!setsockopt(c.peer, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			    sizeof(int)));
	start_all_of(1, LEN);
	CHECK(option(SO_RCVLOWAT) > 1);
	t_peer_write(&peer, c.peer, LEN, PIECE, 0);
	res = t_next(&r);
	CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	CHECK(t_stream_is(t_ptr(&r, r.reg.data_off), LEN, 0));
	t_peer_join(&peer);
	CHECK(t_now_ms() - from < 5000, "it stalls");
	tear_down();
}

/* --------------------------------------------------------------------- ends */

static void half_close(void)
{
	struct io_unified_desc d;
	struct t_peer peer;

	set_up();
	shutdown(c.peer, SHUT_WR);
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	t_ends(&r, &d, 0, 0);
	/* The other way is open still. */
	t_peer_read(&peer, c.peer, 5000, 5000, 0);
	d = t_send_op(sock, 2, r.reg.data_off + SLOT, 5000);
	t_stream_fill(t_ptr(&r, d.addr), d.len, 0);
	t_ends(&r, &d, 5000, 0);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, 5000);
	shutdown(c.end, SHUT_WR);
	t_ends(&r, &d, -EPIPE, IO_UNIFIED_REASON_SHUT);
	tear_down();
}

/* Sends that begun, sends that wait, receives that wait: none is lost. */
static void start_all(u32 n)
{
	struct io_unified_desc d;
	u32 i;

	for (i = 0; i < n; i++) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * SLOT, SLOT);
		t_queue(&r, &d);
	}
	for (; i < 2 * n; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + (u64)i * SLOT, 1000);
		t_queue(&r, &d);
	}
	t_submit(&r);
}

/* Returns how many of the sends were done before. */
static u32 all_end(u32 n, int error, u16 reason, bool rx)
{
	struct t_res res;
	u32 i, done = 0;

	for (i = 0; i < (rx ? 2 * n : n); i++) {
		res = t_next(&r);
		if (res.user_data < n && res.res == SLOT) {
			done++;
			continue;
		}
		/* Of a dead connection the later ones may be told no more. */
		CHECK_EQ(res.res, -error, "op %llu, reason %u",
			 (unsigned long long)res.user_data, res.reason);
		CHECK_EQ(res.reason, reason);
	}
	return done;
}

static void peer_resets(void)
{
	struct io_unified_desc d;

	set_up();
	t_sndbuf(c.end, 128 << 10);
	t_rcvbuf(c.peer, 64 << 10);
	start_all(16);
	t_sleep_ms(100);
	t_reset_peer(&c);
	CHECK(all_end(16, ECONNRESET, IO_UNIFIED_REASON_RESET, true) < 8,
	      "bytes that nobody read");
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	t_ends(&r, &d, -ECONNRESET, IO_UNIFIED_REASON_RESET);
	d = t_send_op(sock, 2, r.reg.data_off, 1000);
	t_ends(&r, &d, -ECONNRESET, IO_UNIFIED_REASON_RESET);
	tear_down();
}

/* What was not acknowledged was not sent, although nothing refers to it. */
static void peer_vanishes(void)
{
	int ms = 1500;
	u64 from;

	set_up();
	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
			    sizeof(ms)));
	REQUIRE(!t_sh("tc qdisc add dev " T_NS_VETH " root netem loss 100%%"),
		"no netem");
	from = t_now_ms();
	start_all(8);
	CHECK_EQ(all_end(8, ETIMEDOUT, IO_UNIFIED_REASON_PEER_TIMEOUT, true),
		 0);
	CHECK(t_now_ms() - from >= 1000, "too soon");
	t_sh("tc qdisc del dev " T_NS_VETH " root");
	tear_down();
}

/* The application goes on using what it has attached. */
static void application(void)
{
	struct io_unified_desc d;
	struct t_res res;
	char buf[64];

	set_up();
	memcpy(t_ptr(&r, r.reg.data_off), "one two ", 8);
	d = t_send_op(sock, 1, r.reg.data_off, 4);
	t_ends(&r, &d, 4, 0);
	REQUIRE(send(c.end, "and ", 4, 0) == 4);
	d.addr += 4;
	t_ends(&r, &d, 4, 0);
	REQUIRE(recv(c.peer, buf, 12, MSG_WAITALL) == 12);
	CHECK(!memcmp(buf, "one and two ", 12));
	/* Its fd is one of two. */
	close(c.end);
	t_ends(&r, &d, 4, 0);
	d = t_recv_op(sock, 2, r.reg.data_off, 100);
	REQUIRE(send(c.peer, "back", 4, 0) == 4);
	t_ends(&r, &d, 4, 0);
	CHECK(!memcmp(t_ptr(&r, d.addr), "back", 4));
	/* The attachment was the last: the peer sees the end. */
	t_queue(&r, &d);
	t_submit(&r);
	t_silent(&r, 20);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	res = t_next(&r);
	CHECK_EQ(res.res, -ECANCELED);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_GONE);
	CHECK_EQ(recv(c.peer, buf, sizeof(buf), 0), 4);
	CHECK_EQ(recv(c.peer, buf, sizeof(buf), 0), 0);
	t_ends(&r, &d, -ENOENT, IO_UNIFIED_REASON_INDEX);
	tear_down();
}

static void shows(void)
{
	char path[64], *text;

	set_up();
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r.fd);
	text = t_read_file(path);
	CHECK(strstr(text, "iou-socket-0:\tprotocol=tcp peer=127.0.0.1:"), "%s",
	      text);
	free(text);
	tear_down();
	CHECK(t_feature(IO_UNIFIED_FEAT_SOCKET));
}

static void clean(void)
{
	t_ns_del();
}

static const struct way four = { AF_INET, T_LO };
static const struct way six = { AF_INET6, T_LO };
static const struct way four_veth = { AF_INET, T_NS };
static const struct way six_veth = { AF_INET6, T_NS };
static const struct way deferred = {
	AF_INET, T_LO, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
};

static const struct t_case cases[] = {
	{ "fdinfo and feature", shows },
	{ "sends, IPv4", sends, 0, &four },
	{ "sends, IPv6 over veth", sends, 0, &six_veth },
	{ "sends, DEFER_TASKRUN", sends, 0, &deferred },
	{ "a slow reader", slow_reader, 0, &four },
	{ "a reader that stops", stopped_reader, 0, &four },
	{ "receives, IPv6", receives, 0, &six },
	{ "receives, IPv4 over veth", receives, 0, &four_veth },
	{ "receives, DEFER_TASKRUN", receives, 0, &deferred },
	{ "WAITALL", wait_all, 0, &four },
	{ "SO_RCVLOWAT", low_water, 0, &four },
	{ "an error, and it lives on", lives_on, 0, &four },
	{ "a small window", small_window, 0, &four },
	{ "a small window, over veth", small_window, 0, &six_veth },
	{ "half-close", half_close },
	{ "the peer resets", peer_resets, 0, &four },
	{ "the peer resets, over veth", peer_resets, 0, &six_veth },
	{ "the peer vanishes", peer_vanishes, 0, &four_veth },
	{ "the application uses it too", application },
	{ "nothing is left", clean },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
