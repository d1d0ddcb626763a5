// SPDX-License-Identifier: GPL-2.0
/*
 * How sends end that do not get through: the link, the device, the attachment,
 * the region, the process goes
 *
 * A VLAN device hands packets to a lower device whose queueing discipline keeps
 * them for as long as we say. So they are in flight, and nobody copied them.
 */
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/leak.h"
#include "lib/net.h"

enum { N = 32, LEN = 1200 };

static struct t_region r;
static struct t_link l;
static int net, peer;
static const struct t_way veth = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };

static void delay(int ms)
{
	t_netem("iout1", ms);
}

static void wait_carrier(bool there)
{
	u64 end = t_now_ms() + 5000;
	char *text;
	bool is;

	do {
		text = t_read_file("/sys/class/net/ioutv/carrier");
		is = atoi(text);
		free(text);
		t_sleep_ms(10);
	} while (is != there && t_now_ms() < end);
	REQUIRE_EQ(is, there);
}

static void vlan(void)
{
	t_vlan_add("ioutv", "iout1", 7);
	wait_carrier(true);
}

static void set_up(int ms)
{
	t_link_open(&l, &veth, 1500);
	t_link_del("ioutv");
	delay(ms);
	vlan();
	t_region_open(&r, NULL);
	net = t_attach_tx(&r, "ioutv");
	peer = t_listen(l.rx, false);
}

static void tear_down(void)
{
	close(peer);
	t_link_del("ioutv");
	delay(-1);
	t_link_close(&l);
}

static struct io_unified_desc tx_desc(u32 i)
{
	return (struct io_unified_desc){
		.user_data = i,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_TX,
		.net_tx = net,
		.addr = t_frame(&r, i) + 100,
		.len = LEN,
	};
}

static void start(void)
{
	struct io_unified_desc d;
	u32 i;

	for (i = 0; i < N; i++) {
		d = tx_desc(i);
		t_packet(t_ptr(&r, d.addr), LEN, i);
		t_queue(&r, &d);
	}
	t_submit(&r);
}

static void all_end(int error, u16 reason, int ms)
{
	u64 end = t_now_ms() + ms;
	struct t_res res;
	int i;

	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, ms), "%d of %d", i, N);
		CHECK_EQ(res.res, error ? -error : LEN);
		CHECK_EQ(res.reason, reason);
	}
	CHECK(t_now_ms() < end, "it took too long");
	CHECK(!t_reap(&r, &res, 20), "one too many");
}

/* What was given up still leaves, and its memory was nobody else's. */
static void all_arrive(bool intact)
{
	u8 buf[2048];
	int i, n;

	for (i = 0; i < N; i++) {
		n = t_receive(peer, buf, sizeof(buf), 10000);
		REQUIRE(n >= LEN, "%d of %d", i, N);
		/* The tag may be in the packet or aside. */
		if (n == LEN + 4)
			memmove(buf + 4, buf, 12);
		if (intact)
			CHECK(t_is_packet(buf + (n - LEN), LEN, i), "%d", i);
	}
}

static void refused_now(int error, u16 reason)
{
	struct io_unified_desc d = tx_desc(0);
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, -error);
	CHECK_EQ(res.reason, reason);
}

static void sends_now(void)
{
	struct io_unified_desc d = tx_desc(0);
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, LEN, "reason %u", res.reason);
}

static void down(void)
{
	int refs;

	set_up(2000);
	refs = t_refcount();
	start();
	t_link_up("ioutv", false);
	all_end(ENETDOWN, IO_UNIFIED_REASON_NET_DOWN, 1500);
	CHECK(t_refcount() > refs, "packets are still out there");
	refused_now(ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_NETDEV, net,
			IO_UNIFIED_STAT_TX_DROPPED),
		 N + 1);
	all_arrive(true);
	t_refcount_wait(refs);
	delay(1);
	t_link_up("ioutv", true);
	wait_carrier(true);
	sends_now();
	t_region_close(&r);
	tear_down();
}

/* What was copied is done at once, whatever becomes of it. */
static void copied(void)
{
	struct io_unified_desc d;
	struct t_res res;
	u64 from;
	int refer;

	set_up(1000);
	for (refer = 0; refer < 2; refer++) {
		t_write_file("/sys/module/io_unified/parameters/tx_copy",
			     refer ? "0" : "512");
		d = tx_desc(0);
		d.len = 300;
		t_packet(t_ptr(&r, d.addr), d.len, 0);
		from = t_now_ms();
		res = t_op(&r, &d);
		CHECK_EQ(res.res, d.len, "reason %u", res.reason);
		/* The other end of the veth wants a copy, too. */
		CHECK(res.flags & IO_UNIFIED_CQE_COPIED);
		CHECK(refer ? t_now_ms() - from > 800 : t_now_ms() - from < 800,
		      "%d: it took %llu ms", refer,
		      (unsigned long long)(t_now_ms() - from));
	}
	t_write_file("/sys/module/io_unified/parameters/tx_copy", "512");
	t_region_close(&r);
	tear_down();
}

static void carrier(void)
{
	set_up(1);
	sends_now();
	t_link_up(l.rx, false);
	wait_carrier(false);
	refused_now(ENETDOWN, IO_UNIFIED_REASON_NO_CARRIER);
	t_link_up(l.rx, true);
	wait_carrier(true);
	sends_now();
	t_region_close(&r);
	tear_down();
}

static void deleted(void)
{
	u64 from;

	set_up(2000);
	start();
	from = t_now_ms();
	REQUIRE(t_link_del("ioutv"));
	CHECK(t_now_ms() - from < 1500, "deleting it took %llu ms",
	      (unsigned long long)(t_now_ms() - from));
	all_end(ENODEV, IO_UNIFIED_REASON_NET_GONE, 2000);
	refused_now(ENODEV, IO_UNIFIED_REASON_NET_GONE);
	t_region_close(&r);
	all_arrive(true);
	tear_down();
}

/* With the lower device, whose queue is thrown away. */
static void all_deleted(void)
{
	struct t_res res;
	u64 from;
	int i;

	set_up(10000);
	start();
	from = t_now_ms();
	t_veth_del();
	CHECK(t_now_ms() - from < 5000);
	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, 2000), "%d of %d", i, N);
		CHECK(res.res == -ENODEV || res.res == -ENETDOWN ||
			      res.res == LEN,
		      "%d, reason %u", res.res, res.reason);
	}
	refused_now(ENODEV, IO_UNIFIED_REASON_NET_GONE);
	t_region_close(&r);
	close(peer);
	t_refcount_wait(0);
}

static void detached(void)
{
	u64 from;

	set_up(3000);
	start();
	from = t_now_ms();
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	CHECK(t_now_ms() - from >= 900, "what is in flight is waited for");
	all_end(ECANCELED, IO_UNIFIED_REASON_GONE, 2000);
	refused_now(ENOENT, IO_UNIFIED_REASON_INDEX);
	all_arrive(true);
	/* And again, where it has the time to end. */
	delay(100);
	net = t_attach_tx(&r, "ioutv");
	start();
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	all_end(0, 0, 1000);
	t_region_close(&r);
	t_refcount_wait(0);
	tear_down();
}

static void unregistered(void)
{
	set_up(2000);
	start();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	all_end(ECANCELED, IO_UNIFIED_REASON_GONE, 2000);
	t_region_gone(&r);
	/* The pages are what the packets hold. */
	all_arrive(true);
	t_refcount_wait(0);
	tear_down();
}

static void timed_out(void)
{
	u64 from;

	set_up(7500);
	start();
	from = t_now_ms();
	all_end(ETIMEDOUT, IO_UNIFIED_REASON_TX_TIMEOUT, 7000);
	CHECK(t_now_ms() - from >= 4500);
	/* Sent with what is there by then. */
	memset(t_ptr(&r, t_frame(&r, 0)), 0, N * r.frame_size);
	all_arrive(false);
	t_region_close(&r);
	t_refcount_wait(0);
	tear_down();
}

/*
 * Packets that are read from a drive that takes its time, while the interface is
 * detached, or the region goes: they come to be sent when nothing is any more.
 */
static void read_meanwhile(bool all)
{
	struct io_unified_desc d;
	struct t_disk slow;
	int i, storage;

	set_up(1);
	t_disk_null_blk(&slow, "iou_tx_end", 512, 8,
			"irqmode=2 completion_nsec=300000000");
	storage = t_attach_storage(&r, slow.path, 0);
	/* Some ops were sends before, and some were nothing yet. */
	for (i = 0; i < 4; i++)
		sends_now();
	for (i = 0; i < N; i++) {
		d = tx_desc(i);
		d.addr = t_frame(&r, i);
		d.len = 1024;
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = storage;
		t_queue(&r, &d);
	}
	t_submit(&r);
	if (all)
		REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	else
		REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	all_end(ECANCELED, IO_UNIFIED_REASON_GONE, 2000);
	if (all)
		t_region_gone(&r);
	else
		t_region_close(&r);
	t_disk_del_null_blk("iou_tx_end");
	t_refcount_wait(0);
	tear_down();
}

static void detached_reading(void)
{
	read_meanwhile(false);
}

static void unregistered_reading(void)
{
	read_meanwhile(true);
}

static enum { KILL, EXEC, CLOSE, EXIT } how;

/* The end of a process that has sends in flight. */
static void process(int round)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		t_region_open(&r, NULL);
		net = t_attach_tx(&r, "ioutv");
		start();
		if (how == KILL)
			pause();
		else if (how == EXEC)
			t_exec_nothing();
		else if (how == CLOSE) {
			close(r.fd);
			io_uring_queue_exit(&r.ring);
		}
		_exit(0);
	}
	if (how == KILL) {
		usleep(20000 + round * 7919 % 50000);
		kill(pid, SIGKILL);
	}
	t_child_ends(pid, how == KILL, round);
}

static void processes(void)
{
	set_up(40);
	t_region_close(&r);
	close(peer);
	t_leak_rounds(process, 12, t_rounds());
	/* And where they do not come back before it has waited for long enough. */
	delay(1500);
	process(0);
	t_refcount_wait(0);
	peer = t_listen(l.rx, false);
	tear_down();
}

static void killed(void)
{
	how = KILL;
	processes();
}
static void execed(void)
{
	how = EXEC;
	processes();
}
static void closed(void)
{
	how = CLOSE;
	processes();
}
static void exited(void)
{
	how = EXIT;
	processes();
}

/* ---------------------------------------------------------------- in rounds */

/* All have ended: sent, or with the one that says what became of the interface. */
static void ended(int round, int error, int other)
{
	struct t_res res;
	int i;

	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, 5000), "round %d: %d of %d", round, i,
			N);
		if (res.res == LEN)
			continue;
		CHECK(res.reason && (res.res == -error || res.res == -other),
		      "round %d: %d, reason %u", round, res.res, res.reason);
	}
}

static void down_round(int round)
{
	start();
	usleep(round % 5 * 500);
	t_link_up("ioutv", false);
	ended(round, ENETDOWN, ENETDOWN);
	t_link_up("ioutv", true);
	wait_carrier(true);
}

static void deleted_round(int round)
{
	start();
	usleep(round % 5 * 500);
	REQUIRE(t_link_del("ioutv"));
	ended(round, ENODEV, ENETDOWN);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	vlan();
	net = t_attach_tx(&r, "ioutv");
}

static void detached_round(int round)
{
	start();
	usleep(round % 5 * 500);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	ended(round, ECANCELED, ECANCELED);
	net = t_attach_tx(&r, "ioutv");
}

static void in_rounds(void)
{
	void (*const *round)(int round) = t_arg;

	set_up(30);
	/* Nobody is to keep what arrives. */
	close(peer);
	t_leak_rounds(*round, 12, t_rounds());
	sends_now();
	t_region_close(&r);
	t_refcount_wait(0);
	peer = t_listen(l.rx, false);
	tear_down();
}

/* Sends from one side, the link going up and down from the other. */
static void flapping(void)
{
	enum { ROUNDS = 40 };
	struct io_unified_desc d;
	struct t_res res;
	int round, i, sent = 0;

	t_link_open(&l, &veth, 1500);
	t_region_open(&r, NULL);
	net = t_attach_tx(&r, l.tx);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < N; i++) {
			d = tx_desc(i);
			t_packet(t_ptr(&r, d.addr), LEN, i);
			t_queue(&r, &d);
		}
		t_submit(&r);
		t_link_up(round & 2 ? l.rx : l.tx, round & 1);
		for (i = 0; i < N; i++) {
			REQUIRE(t_reap(&r, &res, 5000), "round %d", round);
			CHECK(res.res == LEN || res.res == -ENETDOWN ||
				      res.res == -ENOBUFS,
			      "%d, reason %u", res.res, res.reason);
			sent += res.res == LEN;
		}
	}
	CHECK(sent);
	t_link_up(l.rx, true);
	t_link_up(l.tx, true);
	t_region_close(&r);
	t_link_close(&l);
}

static void (*const rounds[])(int round) = {
	down_round,
	deleted_round,
	detached_round,
};

static const struct t_case cases[] = {
	{ "link down", down },
	{ "a short one is copied", copied },
	{ "no carrier", carrier },
	{ "interface deleted", deleted },
	{ "interface and what it stands on deleted", all_deleted },
	{ "detach", detached },
	{ "unregister", unregistered },
	{ "detach while they are read", detached_reading },
	{ "unregister while they are read", unregistered_reading },
	{ "the device keeps them", timed_out },
	{ "kill -9", killed, 400 },
	{ "exec", execed, 400 },
	{ "fd and ring closed", closed, 400 },
	{ "exit", exited, 400 },
	{ "link down, in rounds", in_rounds, 200, &rounds[0] },
	{ "interface deleted, in rounds", in_rounds, 200, &rounds[1] },
	{ "detach, in rounds", in_rounds, 200, &rounds[2] },
	{ "a link that comes and goes", flapping },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
