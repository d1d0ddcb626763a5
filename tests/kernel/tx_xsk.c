// SPDX-License-Identifier: GPL-2.0
/*
 * Sends on a queue that is received from as well: where the NIC writes into frames it
 * reads from them, too, and nothing is copied. Elsewhere they go the other way.
 */
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/leak.h"
#include "lib/net.h"
#include "lib/sq.h"

enum { MTU = 1500, MAX = MTU + T_HEADER, SLOTS = 64 };

static const struct t_way nic = { "virtio", 0 };
static const struct t_way nic_zc = { "virtio", IO_UNIFIED_ATTACH_ZEROCOPY };
static const struct t_way nic_rxh = { "virtio", IO_UNIFIED_ATTACH_RX_HANDLER };
static struct t_region r;
static struct t_link l;
static struct io_unified_attach net;

static void attach(const struct t_way *way)
{
	struct t_link back = l;

	/* The side that sends is the one that is attached. */
	memcpy(back.rx, l.tx, sizeof(back.rx));
	t_link_attach_as(&r, &back, way, &net);
}

/* The kernel can do it from 7.0 or so on, with this NIC and its options. */
static void need_zerocopy(void)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = IO_UNIFIED_ATTACH_ZEROCOPY,
		.ifindex = if_nametoindex(l.tx),
	};
	int ret = t_attach(&r, &a);

	if (ret == -EOPNOTSUPP && a.reason == IO_UNIFIED_REASON_ZEROCOPY)
		t_skip("the NIC's driver cannot write into frames here");
	if (!ret)
		REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, a.index), 0);
}

static void set_up(const struct t_way *way)
{
	struct t_opt opt = {
		.size = 16 << 20,
		.sq_entries = 1024,
		.cq_entries = 2048,
	};

	t_link_open(&l, &nic, MTU);
	t_region_open(&r, &opt);
	if (way->flags & IO_UNIFIED_ATTACH_ZEROCOPY)
		need_zerocopy();
	attach(way);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_link_close(&l);
}

static bool by_xsk(void)
{
	return net.path == IO_UNIFIED_PATH_XSK_ZC;
}

static u32 len_of(u32 seq)
{
	return T_HEADER + 4 + seq * 397 % (MAX - T_HEADER - 3);
}

/* Each seventh goes from one frame to the next: the NIC cannot read that. */
static bool is_split(u32 seq)
{
	return seq % 7 == 3 && len_of(seq) > 64;
}

static u64 addr_of(u32 seq, u32 slot)
{
	u64 addr = t_frame(&r, 2 * slot);

	if (is_split(seq))
		return addr + r.frame_size - len_of(seq) / 2;
	return addr + seq * 61 % (r.frame_size - MAX);
}

static struct io_unified_desc tx_desc(u32 seq, u32 slot)
{
	struct io_unified_desc d = {
		.user_data = slot,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_TX,
		.net_tx = net.index,
		.addr = addr_of(seq, slot),
		.len = len_of(seq),
	};

	t_packet(t_ptr(&r, d.addr), d.len, seq);
	return d;
}

static u64 net_stat(enum io_unified_stat c)
{
	return t_stat(&r, IO_UNIFIED_KIND_NETDEV, net.index, c);
}

static void expect(int sock, u32 from, u32 to)
{
	u8 buf[4096];
	u32 seq;
	int n;

	for (seq = from; seq < to; seq++) {
		n = t_receive(sock, buf, sizeof(buf), 5000);
		REQUIRE(n > 0, "packet %u is missing", seq);
		REQUIRE_EQ(t_packet_seq(buf), seq);
		CHECK_EQ(n, len_of(seq));
		CHECK(t_is_packet(buf, n, seq), "packet %u", seq);
	}
	CHECK(t_receive(sock, buf, sizeof(buf), 50) < 0, "one too many");
}

/* What was sent is overwritten at once. Returns how many were copied. */
static u32 send_many(u32 n)
{
	struct io_unified_desc d;
	u32 slot, seq, done, copied = 0, seq_of[SLOTS];
	struct t_res res;

	for (seq = 0; seq < SLOTS && seq < n; seq++) {
		d = tx_desc(seq, seq);
		seq_of[seq] = seq;
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (done = 0; done < n; done++) {
		REQUIRE(t_reap(&r, &res, 10000), "%u of %u", done, n);
		slot = res.user_data;
		REQUIRE(slot < SLOTS);
		CHECK_EQ(res.res, len_of(seq_of[slot]), "reason %u",
			 res.reason);
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
		if (by_xsk() && !is_split(seq_of[slot]))
			CHECK(!(res.flags & IO_UNIFIED_CQE_COPIED),
			      "packet %u was copied", seq_of[slot]);
		copied += !!(res.flags & IO_UNIFIED_CQE_COPIED);
		memset(t_ptr(&r, t_frame(&r, 2 * slot)), 0xee,
		       2 * r.frame_size);
		if (seq == n)
			continue;
		d = tx_desc(seq, slot);
		seq_of[slot] = seq++;
		t_queue(&r, &d);
		t_submit(&r);
	}
	return copied;
}

static void many(void)
{
	enum { N = 1000 };
	u32 seq, copied, whole = 0;
	int sock;

	set_up(t_arg);
	sock = t_listen(l.rx, false);
	copied = send_many(N);
	expect(sock, 0, N);
	for (seq = 0; seq < N; seq++)
		whole += !is_split(seq);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_PACKETS), N);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_DROPPED), 0);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_ERRORS), 0);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_XSK_PACKETS),
		 by_xsk() ? whole : 0);
	if (by_xsk())
		CHECK(copied <= N - whole);
	t_note("path %u: %u of %d copied, %llu by AF_XDP", net.path, copied, N,
	       (unsigned long long)net_stat(IO_UNIFIED_STAT_TX_XSK_PACKETS));
	close(sock);
	tear_down();
}

/* More than any ring holds, until the NIC says that it is busy. */
static void busy(void)
{
	enum { N = 800, ROUNDS = 100 };
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	u32 i, round, seq = 0;
	u64 times;
	int sock;

	set_up(t_arg);
	sock = t_listen(l.rx, false);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < N; i++) {
			d = tx_desc(seq + i, i);
			REQUIRE(t_sq_put(&r, 0, &d));
		}
		CHECK_EQ(t_ring(&r, 0, N, 0).res, N);
		for (i = 0; i < N; i++) {
			REQUIRE(t_cq(&r, &cqe, 0));
			CHECK_EQ(cqe.res, len_of(seq + cqe.user_data),
				 "reason %u", cqe.reason);
		}
		memset(t_ptr(&r, t_frame(&r, 0)), 0xee, 2 * N * r.frame_size);
		expect(sock, seq, seq + N);
		seq += N;
		if (net_stat(IO_UNIFIED_STAT_TX_BUSY))
			break;
	}
	times = net_stat(IO_UNIFIED_STAT_TX_BUSY);
	t_note("%llu times no room in %u packets", (unsigned long long)times,
	       seq);
	close(sock);
	tear_down();
	if (!times && t_debug_kernel())
		t_skip("this kernel is slower than the NIC");
	CHECK(times, "%u packets, and there was always room", seq);
}

static void start(u32 n)
{
	struct io_unified_desc d;
	u32 i;

	for (i = 0; i < n; i++) {
		d = tx_desc(i, i);
		t_queue(&r, &d);
	}
	t_submit(&r);
}

/* However they end, they do, and it works as before. */
static void all_end(u32 n)
{
	struct t_res res;
	u32 i;

	for (i = 0; i < n; i++) {
		REQUIRE(t_reap(&r, &res, 8000), "%u of %u", i, n);
		if (res.res != (int)len_of(res.user_data) &&
		    res.res != -ENETDOWN && res.res != -ENOBUFS)
			CHECK_EQ(res.res, -ECANCELED, "reason %u", res.reason);
	}
}

/* Attaching takes its time: a part of the rounds, or all where many are wanted. */
static int some_rounds(int part)
{
	return t_rounds() < 200 ? t_rounds() / part + 1 : t_rounds();
}

static void ends(void)
{
	int round, rounds = some_rounds(4);

	set_up(&nic);
	for (round = 0; round < rounds; round++) {
		start(SLOTS);
		REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
		all_end(SLOTS);
		attach(&nic);
		start(SLOTS);
		t_link_up(l.tx, false);
		all_end(SLOTS);
		t_link_up(l.tx, true);
	}
	t_sleep_ms(200);
	start(SLOTS);
	all_end(SLOTS);
	t_region_close(&r);
	t_refcount_wait(0);
	t_link_close(&l);
}

/* Binds the NIC's driver to its device, or takes it away. */
static void drive(const char *device, bool bound)
{
	t_write_file(bound ? "/sys/bus/virtio/drivers/virtio_net/bind" :
			     "/sys/bus/virtio/drivers/virtio_net/unbind",
		     device);
}

/* The interface goes with its device, as one does that is pulled. */
static void device_goes(void)
{
	int round, i, rounds = some_rounds(16);
	char path[64], device[256] = { 0 };
	struct t_res res;
	char name[16];
	u32 sent;

	set_up(&nic);
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", l.tx);
	REQUIRE(readlink(path, device, sizeof(device) - 1) > 0);
	memcpy(name, l.tx, sizeof(name));
	for (round = 0; round < rounds; round++) {
		start(SLOTS);
		usleep(round % 5 * 500);
		drive(basename(device), false);
		for (i = 0, sent = 0; i < SLOTS; i++) {
			REQUIRE(t_reap(&r, &res, 8000), "round %d: %d of %d",
				round, i, SLOTS);
			sent += res.res > 0;
			CHECK(res.res > 0 || res.res == -ENODEV ||
				      res.res == -ENETDOWN,
			      "%d, reason %u", res.res, res.reason);
		}
		if (!round)
			t_note("%u of %d were sent", sent, SLOTS);
		REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
		drive(basename(device), true);
		t_link_close(&l);
		t_link_open(&l, &nic, MTU);
		REQUIRE(!strcmp(l.tx, name), "it is called %s now", l.tx);
		attach(&nic);
	}
	start(SLOTS);
	all_end(SLOTS);
	t_region_close(&r);
	t_refcount_wait(0);
	t_link_close(&l);
}

static enum { KILL, EXEC, CLOSE, NR_HOW } how;

static void process(int round)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		t_region_open(&r, NULL);
		attach(&nic);
		start(16);
		if (how == KILL)
			pause();
		if (how == EXEC)
			t_exec_nothing();
		close(r.fd);
		io_uring_queue_exit(&r.ring);
		_exit(0);
	}
	if (how == KILL) {
		usleep(60000 + round * 7919 % 50000);
		kill(pid, SIGKILL);
	}
	t_child_ends(pid, how == KILL, round);
}

static void processes(void)
{
	int i, rounds = some_rounds(12);

	t_link_open(&l, &nic, MTU);
	for (i = 0; i < NR_HOW * rounds; i++) {
		how = i % NR_HOW;
		process(i);
		t_refcount_wait(0);
	}
	t_link_close(&l);
}

static const struct t_case cases[] = {
	{ "read from frames", many, 120, &nic_zc },
	{ "as socket buffers", many, 120, &nic_rxh },
	{ "more than the device takes, from frames", busy, 120, &nic_zc },
	{ "more than the device takes, socket buffers", busy, 120, &nic_rxh },
	{ "detached, and down", ends, 200 },
	{ "its device goes", device_goes, 300 },
	{ "processes that die", processes, 300 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
