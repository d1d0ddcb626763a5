// SPDX-License-Identifier: GPL-2.0
/* Sockets: what is sent and received, when an op ends, and with what. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/sock.h"
#include "lib/sq.h"

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
static u32 seed = 7;

static u32 dice(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void open_region(u32 ring_flags)
{
	struct t_opt opt = {
		.memory = T_MEM_MEMFD,
		.size = 8 << 20,
		.ring_flags = ring_flags,
	};

	t_region_open(&r, &opt);
}

static void set_up(int type)
{
	const struct way *way = t_arg;

	open_region(way ? way->ring_flags : 0);
	t_connect(&c, way ? way->family : AF_INET, type,
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
	return r.reg.data_off + (u64)slot * SLOT + dice(4096);
}

static void sndbuf(int fd, int bytes)
{
	REQUIRE(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
}

static void rcvbuf(int fd, int bytes)
{
	REQUIRE(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)));
}

/* The next completion, which has to come. */
static struct t_res reap(void)
{
	struct t_res res;

	REQUIRE(t_reap(&r, &res, 10000), "nothing completes");
	return res;
}

static void silent(int ms)
{
	struct t_res res;

	CHECK(!t_reap(&r, &res, ms), "op %llu: %d, reason %u",
	      (unsigned long long)res.user_data, res.res, res.reason);
}

static void ends(const struct io_unified_desc *d, int want, u16 reason)
{
	struct t_res res = t_op(&r, d);

	CHECK_EQ(res.res, want, "reason %u", res.reason);
	CHECK_EQ(res.reason, reason);
}

/* ------------------------------------------------------------------ sending */

/* Queues the op of a slot: the next bytes of the stream. */
static u32 queue_send(u32 slot, u64 at)
{
	struct io_unified_desc d =
		t_send_op(sock, slot, slot_addr(slot), 1 + dice(MAX));

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
		res = reap();
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

	set_up(SOCK_STREAM);
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

	set_up(SOCK_STREAM);
	sndbuf(c.end, 64 << 10);
	rcvbuf(c.peer, 16 << 10);
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

	set_up(SOCK_STREAM);
	sndbuf(c.end, 128 << 10);
	rcvbuf(c.peer, 64 << 10);
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
		res = reap();
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
	res = reap();
	CHECK_EQ(res.user_data, 1001);
	CHECK_EQ(res.res, -ENOENT);

	t_peer_read(&peer, c.peer, ~0ull, 50000, 0);
	for (; done < OPS - 1; done++) {
		res = reap();
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

	set_up(SOCK_STREAM);
	for (i = 0; i < SLOTS; i++) {
		d = t_recv_op(sock, i, slot_addr(i), 1 + dice(MAX));
		of[i] = d;
		t_queue(&r, &d);
	}
	t_submit(&r);
	silent(50);
	t_peer_write(&peer, c.peer, TOTAL, 100000, 0);
	while (at < TOTAL) {
		res = reap();
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
				      1 + dice(MAX));
			of[i] = d;
			t_queue(&r, &d);
		}
		t_submit(&r);
	}
	t_peer_join(&peer);
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_RX_BYTES), TOTAL);
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_RX_COPIED_BYTES), TOTAL);

	/* The end of the stream is told to each that waits. */
	silent(20);
	shutdown(c.peer, SHUT_WR);
	for (i = 0; i < SLOTS; i++) {
		res = reap();
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

	set_up(SOCK_STREAM);
	for (i = 0; i <= N + 1; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + (u64)i * 262144 + i,
			      LEN);
		d.flags |= IO_UNIFIED_F_WAITALL;
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_peer_write(&peer, c.peer, LEN * N + REST, 5000, 500);
	for (i = 0; i < N; i++) {
		res = reap();
		CHECK_EQ(res.user_data, i);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		CHECK(t_stream_is(t_ptr(&r,
					r.reg.data_off + (u64)i * 262144 + i),
				  LEN, (u64)i * LEN));
	}
	t_peer_join(&peer);
	silent(50);
	/* What came of it before it is canceled is not lost. */
	t_queue_cancel(&r, N, 100);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = reap();
		CHECK_EQ(res.res, res.user_data == 100 ? 1 : REST);
		CHECK_EQ(res.reason,
			 res.user_data == 100 ? 0 : IO_UNIFIED_REASON_CANCELED);
	}
	/* Short at the end of the stream, and then nothing. */
	t_peer_write(&peer, c.peer, REST, REST, 0);
	t_peer_join(&peer);
	silent(20);
	shutdown(c.peer, SHUT_WR);
	res = reap();
	CHECK_EQ(res.user_data, N + 1);
	CHECK_EQ(res.res, REST);
	d.user_data++;
	ends(&d, 0, 0);
	tear_down();
}

/* -------------------------------------------------------------- datagrams */

static void datagrams(void)
{
	enum { N = 200 };
	static u8 buf[70000];
	struct io_unified_desc d;
	struct t_res res;
	u32 len[SLOTS], i, k, n;
	ssize_t got;

	set_up(SOCK_DGRAM);
	rcvbuf(c.peer, 4 << 20);
	rcvbuf(c.end, 4 << 20);
	for (i = 0; i < N; i += SLOTS) {
		n = N - i < SLOTS ? N - i : SLOTS;
		for (k = 0; k < n; k++) {
			len[k] = 1 + dice(k % 4 ? 1400 : 9000);
			d = t_send_op(sock, k, slot_addr(k), len[k]);
			t_stream_fill(t_ptr(&r, d.addr), len[k], i + k);
			t_queue(&r, &d);
		}
		t_submit(&r);
		/* Not read before all was sent and overwritten */
		for (k = 0; k < n; k++) {
			res = reap();
			CHECK_EQ(res.res, len[res.user_data], "reason %u",
				 res.reason);
			CHECK(res.flags & IO_UNIFIED_CQE_SENT);
			memset(t_ptr(&r, r.reg.data_off + res.user_data * SLOT),
			       0xee, SLOT);
		}
		for (k = 0; k < n; k++) {
			got = recv(c.peer, buf, sizeof(buf), MSG_DONTWAIT);
			REQUIRE_EQ(got, len[k], "datagram %u", i + k);
			CHECK(t_stream_is(buf, got, i + k), "datagram %u",
			      i + k);
		}
	}
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_TX_PACKETS), N);

	/* And back: one each, cut if the op has no room for it. */
	for (i = 0; i < 8; i++) {
		d = t_recv_op(sock, i, slot_addr(i), 1000);
		t_queue(&r, &d);
		len[i] = d.addr - r.reg.data_off;
	}
	t_submit(&r);
	silent(20);
	for (i = 0; i < 8; i++) {
		t_stream_fill(buf, 3000, i);
		REQUIRE(send(c.peer, buf, i * 300, 0) == (ssize_t)i * 300);
	}
	for (i = 0; i < 8; i++) {
		res = reap();
		k = res.user_data;
		n = k * 300 < 1000 ? k * 300 : 1000;
		CHECK_EQ(res.res, n, "reason %u", res.reason);
		CHECK_EQ(!!(res.flags & IO_UNIFIED_CQE_TRUNC), k * 300 > 1000);
		CHECK(t_stream_is(t_ptr(&r, r.reg.data_off + len[k]), n, k));
	}

	d = t_send_op(sock, 1, r.reg.data_off, 65536);
	ends(&d, -EMSGSIZE, IO_UNIFIED_REASON_DATAGRAM);
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	d.flags |= IO_UNIFIED_F_WAITALL;
	ends(&d, -EOPNOTSUPP, IO_UNIFIED_REASON_SOCKET_TYPE);

	/* Nobody is there: told to who waits. */
	d = t_recv_op(sock, 77, r.reg.data_off, 1000);
	t_queue(&r, &d);
	t_submit(&r);
	silent(20);
	close(c.peer);
	d = t_send_op(sock, 78, r.reg.data_off + SLOT, 100);
	t_queue(&r, &d);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = reap();
		if (res.user_data == 78)
			continue;
		CHECK_EQ(res.res, -ECONNREFUSED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_UNREACHABLE);
	}
	tear_down();
}

/* --------------------------------------------------------------------- ends */

static void half_close(void)
{
	struct io_unified_desc d;
	struct t_peer peer;

	set_up(SOCK_STREAM);
	shutdown(c.peer, SHUT_WR);
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	ends(&d, 0, 0);
	/* The other way is open still. */
	t_peer_read(&peer, c.peer, 5000, 5000, 0);
	d = t_send_op(sock, 2, r.reg.data_off + SLOT, 5000);
	t_stream_fill(t_ptr(&r, d.addr), d.len, 0);
	ends(&d, 5000, 0);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, 5000);
	shutdown(c.end, SHUT_WR);
	ends(&d, -EPIPE, IO_UNIFIED_REASON_SHUT);
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
		res = reap();
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

	set_up(SOCK_STREAM);
	sndbuf(c.end, 128 << 10);
	rcvbuf(c.peer, 64 << 10);
	start_all(16);
	t_sleep_ms(100);
	t_reset_peer(&c);
	CHECK(all_end(16, ECONNRESET, IO_UNIFIED_REASON_RESET, true) < 8,
	      "bytes that nobody read");
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	ends(&d, -ECONNRESET, IO_UNIFIED_REASON_RESET);
	d = t_send_op(sock, 2, r.reg.data_off, 1000);
	ends(&d, -ECONNRESET, IO_UNIFIED_REASON_RESET);
	tear_down();
}

/* What was not acknowledged was not sent, although nothing refers to it. */
static void peer_vanishes(void)
{
	int ms = 1500;
	u64 from;

	set_up(SOCK_STREAM);
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

	set_up(SOCK_STREAM);
	memcpy(t_ptr(&r, r.reg.data_off), "one two ", 8);
	d = t_send_op(sock, 1, r.reg.data_off, 4);
	ends(&d, 4, 0);
	REQUIRE(send(c.end, "and ", 4, 0) == 4);
	d.addr += 4;
	ends(&d, 4, 0);
	REQUIRE(recv(c.peer, buf, 12, MSG_WAITALL) == 12);
	CHECK(!memcmp(buf, "one and two ", 12));
	/* Its fd is one of two. */
	close(c.end);
	ends(&d, 4, 0);
	d = t_recv_op(sock, 2, r.reg.data_off, 100);
	REQUIRE(send(c.peer, "back", 4, 0) == 4);
	ends(&d, 4, 0);
	CHECK(!memcmp(t_ptr(&r, d.addr), "back", 4));
	/* The attachment was the last: the peer sees the end. */
	t_queue(&r, &d);
	t_submit(&r);
	silent(20);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	res = reap();
	CHECK_EQ(res.res, -ECANCELED);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_GONE);
	CHECK_EQ(recv(c.peer, buf, sizeof(buf), 0), 4);
	CHECK_EQ(recv(c.peer, buf, sizeof(buf), 0), 0);
	ends(&d, -ENOENT, IO_UNIFIED_REASON_INDEX);
	tear_down();
}

/* ---------------------------------------------------- storage and programs */

static void serve(void)
{
	enum { LEN = 49152, N = 12 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	int i, st, edit;
	u8 *got, *want;

	set_up(SOCK_STREAM);
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	want = aligned_alloc(4096, LEN * N);
	t_stream_fill(want, LEN * N, 0);
	t_disk_write(&disk, want, LEN * N, 1 << 20);

	t_peer_read(&peer, c.peer, LEN * N, LEN, 0);
	for (i = 0; i < N; i++) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * SLOT, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = st;
		d.dev_offset = (1 << 20) + (u64)i * LEN;
		/* Reads may end in any order: one after the other. */
		res = t_op(&r, &d);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
	}
	t_peer_join(&peer);
	CHECK_EQ(peer.done, LEN * N);

	/* Through a program, which inverts the first bytes */
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	d.addr += 64;
	d.addr &= ~63ull;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = edit;
	d.len = 4096;
	d.dev_offset = 1 << 20;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	got = malloc(4096);
	REQUIRE(recv(c.peer, got, 4096, MSG_WAITALL) == 4096);
	for (i = 0; i < 32; i++)
		got[i] = ~got[i];
	CHECK(!memcmp(got, want, 4096));

	/* A read that fails sends nothing. */
	d.dev_offset = disk.size;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ERANGE);
	CHECK(recv(c.peer, got, 1, MSG_DONTWAIT) < 0);
	tear_down();
	bpf_object__close(obj);
}

/* What was read is on its way: the drive is not needed any more. */
static void drive_goes(void)
{
	enum { LEN = 49152, N = 8 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	int i, st;
	u8 *want;
	u64 from;

	set_up(SOCK_STREAM);
	sndbuf(c.end, 64 << 10);
	rcvbuf(c.peer, 32 << 10);
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	want = aligned_alloc(4096, LEN);
	t_stream_fill(want, LEN, 0);
	t_disk_write(&disk, want, LEN, 1 << 20);
	for (i = 0; i < N; i++) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * SLOT, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = st;
		d.dev_offset = 1 << 20;
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_sleep_ms(200);
	from = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, st), 0);
	CHECK(t_now_ms() - from < 1000, "it waited for the peer");
	/* All of it comes: the same bytes, one time after the other. */
	for (i = 0; i < N; i++) {
		t_peer_read(&peer, c.peer, LEN, LEN, 0);
		t_peer_join(&peer);
		CHECK_EQ(peer.done, LEN);
	}
	for (i = 0; i < N; i++) {
		res = reap();
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	}
	tear_down();
}

static void configure(struct bpf_object *obj, struct ops_config config)
{
	u32 zero = 0;

	REQUIRE(!bpf_map_update_elem(bpf_map__fd(t_bpf_map(obj, "config")),
				     &zero, &config, 0));
}

static void ingest(void)
{
	enum { LEN = 65536, N = 8, REST = 1000 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	u8 *got, *want;
	int i, st;

	set_up(SOCK_STREAM);
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	t_disk_zero(&disk, 2 << 20, LEN * (N + 1));
	want = calloc(1, LEN * (N + 1));
	t_stream_fill(want, LEN * N + REST, 0);
	got = aligned_alloc(4096, LEN * (N + 1));

	for (i = 0; i <= N; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + (u64)i * LEN, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_WRITE | IO_UNIFIED_F_WAITALL;
		d.storage = st;
		d.dev_offset = (2 << 20) + (u64)i * LEN;
		memset(t_ptr(&r, d.addr), 0xee, LEN);
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_peer_write(&peer, c.peer, LEN * N + REST, 30000, 0);
	t_peer_join(&peer);
	shutdown(c.peer, SHUT_WR);
	for (i = 0; i <= N; i++) {
		res = reap();
		CHECK_EQ(res.res, res.user_data < N ? LEN : REST, "reason %u",
			 res.reason);
	}
	t_disk_read(&disk, got, LEN * (N + 1), 2 << 20);
	/* The rest of its last block is zeros. */
	CHECK(!memcmp(got, want, LEN * (N + 1)));
	d.user_data = 50;
	ends(&d, 0, 0);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	t_disconnect(&c);

	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
	d.net = sock;
	/* Canceled, what was received is written all the same. */
	t_disk_zero(&disk, d.dev_offset, LEN);
	REQUIRE(send(c.peer, want + 3, REST, 0) == REST);
	t_queue(&r, &d);
	t_submit(&r);
	silent(50);
	t_queue_cancel(&r, d.user_data, 51);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = reap();
		CHECK_EQ(res.res, res.user_data == 51 ? 1 : REST);
		CHECK_EQ(res.reason,
			 res.user_data == 51 ? 0 : IO_UNIFIED_REASON_CANCELED);
	}
	t_disk_read(&disk, got, 4096, d.dev_offset);
	CHECK(!memcmp(got, want + 3, REST));

	/* A program drops, and says where to. */
	d.addr = r.reg.data_off + 4096;
	d.len = 512;
	d.dev_offset = 2 << 20;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	configure(obj, (struct ops_config){ .verdict = XDP_DROP });
	REQUIRE(send(c.peer, got, 512, 0) == 512);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 0);
	CHECK(res.flags & IO_UNIFIED_CQE_DROPPED);
	configure(obj, (struct ops_config){ .verdict = XDP_PASS,
					    .set = SET_DEV_OFFSET,
					    .dev_offset = 3 << 20 });
	REQUIRE(send(c.peer, want + 512, 512, 0) == 512);
	ends(&d, 512, 0);
	t_disk_read(&disk, got, 512, 3 << 20);
	CHECK(!memcmp(got, want + 512, 512));
	/* There is nothing to send back with. */
	configure(obj, (struct ops_config){ .verdict = XDP_TX });
	REQUIRE(send(c.peer, got, 512, 0) == 512);
	ends(&d, -EOPNOTSUPP, IO_UNIFIED_REASON_BPF_TX);
	tear_down();
	bpf_object__close(obj);
}

/* A program looks at what is received, edits what is sent, and says where to. */
static void programs(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_conn other;
	struct t_res res;
	u8 got[600], want[600];
	int i, second;

	set_up(SOCK_STREAM);
	t_stream_fill(want, sizeof(want), 3);
	d = t_recv_op(sock, 1, r.reg.data_off + 4096, sizeof(want));
	d.flags |= IO_UNIFIED_F_WAITALL;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	REQUIRE(send(c.peer, want, sizeof(want), 0) == sizeof(want));
	res = t_op(&r, &d);
	CHECK_EQ(res.res, sizeof(want), "reason %u", res.reason);
	memcpy(got, t_ptr(&r, d.addr), sizeof(got));
	for (i = 0; i < 32; i++)
		got[i] = ~got[i];
	CHECK(!memcmp(got, want, sizeof(want)));

	t_connect(&other, AF_INET, SOCK_STREAM, T_LO);
	second = t_attach_sock(&r, other.end);
	d = t_send_op(sock, 2, r.reg.data_off + 4096, sizeof(want));
	t_stream_fill(t_ptr(&r, d.addr), sizeof(want), 3);
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "choose_net"));
	configure(obj, (struct ops_config){ .verdict = XDP_PASS,
					    .storage = second });
	ends(&d, sizeof(want), 0);
	REQUIRE(recv(other.peer, got, sizeof(got), MSG_WAITALL) == sizeof(got));
	CHECK(!memcmp(got, want, sizeof(want)));
	CHECK(recv(c.peer, got, 1, MSG_DONTWAIT) < 0);
	configure(obj,
		  (struct ops_config){ .verdict = XDP_PASS, .storage = 60 });
	ends(&d, -EINVAL, IO_UNIFIED_REASON_CTL_INDEX);
	tear_down();
	t_disconnect(&other);
	bpf_object__close(obj);
}

/* ------------------------------------------------------------------- rings */

/* From an SQ: a batch of both directions, and a group that waits for a peer. */
static void from_rings(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	int i, n = 0;
	char buf[64];

	set_up(SOCK_STREAM);
	t_stream_fill(t_ptr(&r, r.reg.data_off), 8000, 0);
	for (i = 0; i < 8; i++) {
		d = t_send_op(sock, i, r.reg.data_off + i * 1000, 1000);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	d = t_recv_op(sock, 8, r.reg.data_off + SLOT, 100);
	REQUIRE(t_sq_put(&r, 0, &d));
	REQUIRE(send(c.peer, "ping", 4, 0) == 4);
	CHECK_EQ(t_ring(&r, 0, 9, 0).res, 9);
	for (i = 0; i < 9; i++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.res, cqe.user_data == 8 ? 4 : 1000, "reason %u",
			 cqe.reason);
		CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NETWORK);
	}

	/* The answer follows the question. */
	d.user_data = 20;
	d.flags |= IO_UNIFIED_F_LINK;
	REQUIRE(t_sq_put(&r, 0, &d));
	d = t_send_op(sock, 21, r.reg.data_off + SLOT, 4);
	REQUIRE(t_sq_put(&r, 0, &d));
	CHECK_EQ(t_ring(&r, 0, 2, IO_UNIFIED_RING_SUBMIT).res, 2);
	CHECK(!t_cq(&r, &cqe, 50));
	for (i = 0; i < 8000; i += n) {
		n = recv(c.peer, buf, 64, 0);
		REQUIRE(n > 0 && t_stream_is(buf, n, i));
	}
	REQUIRE(send(c.peer, "echo", 4, 0) == 4);
	for (i = 0; i < 2; i++) {
		REQUIRE(t_cq(&r, &cqe, 5000));
		CHECK_EQ(cqe.user_data, 20 + i);
		CHECK_EQ(cqe.res, 4);
	}
	REQUIRE(recv(c.peer, buf, 64, 0) == 4);
	CHECK(!memcmp(buf, "echo", 4));

	/* After the end of the stream nothing of the group goes on. */
	d = t_recv_op(sock, 30, r.reg.data_off, 100);
	d.flags |= IO_UNIFIED_F_LINK;
	REQUIRE(t_sq_put(&r, 0, &d));
	d = t_send_op(sock, 31, r.reg.data_off, 4);
	REQUIRE(t_sq_put(&r, 0, &d));
	shutdown(c.peer, SHUT_WR);
	CHECK_EQ(t_ring(&r, 0, 2, 0).res, 2);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, 0);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, -ECANCELED);
	CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_LINK);

	/* Without io_uring */
	d.user_data = 40;
	cqe = t_enter_op(&r, 0, &d);
	CHECK_EQ(cqe.res, 4);
	tear_down();
}

/* A command for many that wait, canceled one by one and all at once. */
static void ring_waits(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	struct t_res res;
	int i;

	set_up(SOCK_STREAM);
	for (i = 0; i < 4; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + i * 1000, 1000);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	t_queue_ring(&r, &r.ring, 0, 4, 0, 99);
	t_submit(&r);
	silent(20);
	t_queue_cancel(&r, 2, 98);
	t_submit(&r);
	res = reap();
	CHECK_EQ(res.user_data, 98);
	CHECK_EQ(res.res, 1);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.user_data, 2);
	CHECK_EQ(cqe.res, -ECANCELED);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	res = reap();
	CHECK_EQ(res.user_data, 99);
	CHECK_EQ(res.res, 4);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq(&r, &cqe, 0));
		CHECK_EQ(cqe.res, -ECANCELED);
		CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_GONE);
	}
	tear_down();
}

static void shows(void)
{
	char path[64], *text;

	set_up(SOCK_STREAM);
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
	{ "datagrams, IPv4", datagrams, 0, &four },
	{ "datagrams, IPv6", datagrams, 0, &six },
	{ "half-close", half_close },
	{ "the peer resets", peer_resets, 0, &four },
	{ "the peer resets, over veth", peer_resets, 0, &six_veth },
	{ "the peer vanishes", peer_vanishes, 0, &four_veth },
	{ "the application uses it too", application },
	{ "from storage to the peer", serve },
	{ "from storage to the peer, DEFER_TASKRUN", serve, 0, &deferred },
	{ "the drive goes", drive_goes },
	{ "from the peer to storage", ingest },
	{ "programs", programs },
	{ "from an SQ", from_rings },
	{ "a command for many that wait", ring_waits },
	{ "nothing is left", clean },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
