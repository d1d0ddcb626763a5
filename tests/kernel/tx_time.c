// SPDX-License-Identifier: GPL-2.0
/* Launch times: nothing leaves early, or out of order, and what waits can end. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/leak.h"
#include "lib/net.h"
#include "lib/sq.h"

enum { LEN = 400, MS = 1000000, FAR = 50 };
#define SEC (1000ull * MS)

static struct t_region r;
static struct t_link l;
static struct t_disk drive;
static int net, sock;
static const struct t_way veth = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };

static void set_up(void)
{
	struct t_opt opt = { .sq_entries = 256, .cq_entries = 512 };
	char path[128];

	t_link_open(&l, t_arg ?: &veth, 1500);
	/* What comes over a veth waits on the CPU that sent it, a timer's or a worker's. */
	snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-0/rps_cpus",
		 l.rx);
	t_write_file(path, "1");
	/* For when the machine lets that CPU stand still: nothing is to be dropped. */
	t_write_file("/proc/sys/net/core/netdev_max_backlog", "100000");
	t_region_open(&r, &opt);
	net = t_attach_tx(&r, l.tx);
	sock = t_listen(l.rx, false);
}

static void tear_down(void)
{
	close(sock);
	t_region_close(&r);
	t_link_close(&l);
}

/* Packet @i, to be sent at @time, or, if that is 0, at once. */
static struct io_unified_desc tx_desc(u32 i, u64 time)
{
	struct io_unified_desc d = {
		.user_data = i,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_TX | (time ? IO_UNIFIED_F_TIMED : 0),
		.net_tx = net,
		.addr = t_frame(&r, i) + 128,
		.len = LEN,
		.arg = time,
	};

	t_packet(t_ptr(&r, d.addr), LEN, i);
	return d;
}

static void queue(u32 i, u64 time)
{
	struct io_unified_desc d = tx_desc(i, time);

	t_queue(&r, &d);
}

static void put(u32 i, u64 time)
{
	struct io_unified_desc d = tx_desc(i, time);

	REQUIRE(t_sq_put(&r, 0, &d));
}

/* The next packet, which is @i, and not before @time. Returns how late, in ns. */
static u64 arrives(u32 i, u64 time)
{
	u8 buf[2048];
	int n = t_receive(sock, buf, sizeof(buf), 10000);
	u64 now = t_now_ns();

	REQUIRE(n == LEN, "packet %u is missing", i);
	REQUIRE_EQ(t_packet_seq(buf), i);
	CHECK(t_is_packet(buf, n, i));
	CHECK(now >= time, "packet %u is %llu ns early", i,
	      (unsigned long long)(time - now));
	return now - time;
}

static void nothing(int ms)
{
	u8 buf[2048];

	CHECK(t_receive(sock, buf, sizeof(buf), ms) < 0, "packet %u",
	      t_packet_seq(buf));
}

/* Op @user_data ends so. Completions come in any order: others are kept. */
static void ends(u64 user_data, int result, u16 reason)
{
	static struct t_res kept[64];
	static unsigned int nr_kept;
	struct t_res res;
	unsigned int i;

	for (i = 0; i < nr_kept && kept[i].user_data != user_data; i++)
		;
	if (i < nr_kept) {
		res = kept[i];
		kept[i] = kept[--nr_kept];
	} else {
		for (;;) {
			REQUIRE(t_reap(&r, &res, 10000), "%llu never ended",
				(unsigned long long)user_data);
			if (res.user_data == user_data)
				break;
			REQUIRE(nr_kept < ARRAY_SIZE(kept));
			kept[nr_kept++] = res;
		}
	}
	CHECK_EQ(res.res, result, "op %llu, reason %u",
		 (unsigned long long)user_data, res.reason);
	CHECK_EQ(res.reason, reason);
	if (result == LEN)
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
}

/* Evenly, then so close that a timer for each would be too slow. */
static void paced(void)
{
	enum { N = 30, BURST = 200 };
	u64 start, late, worst = 0, step;
	struct io_unified_cqe cqe;
	u8 ended[BURST];
	u32 i;

	set_up();
	for (step = 10 * MS; step; step = step > 1000 ? 1000 : 0) {
		start = t_now_ns() + 300 * MS;
		for (i = 0; i < (step > 1000 ? N : BURST); i++)
			put(i, start + i * step);
		CHECK_EQ(t_ring(&r, 0, i, IO_UNIFIED_RING_SUBMIT).res, i);
		for (i = 0; i < (step > 1000 ? N : BURST); i++) {
			late = arrives(i, start + i * step);
			worst = late > worst ? late : worst;
		}
		/* They leave in order, but may end in another one. */
		memset(ended, 0, sizeof(ended));
		for (i = 0; i < (step > 1000 ? N : BURST); i++) {
			REQUIRE(t_cq(&r, &cqe, 5000));
			REQUIRE(cqe.user_data < BURST);
			CHECK(!ended[cqe.user_data]++);
			CHECK_EQ(cqe.res, LEN, "reason %u", cqe.reason);
		}
		t_note("%llu us apart: at most %llu us late",
		       (unsigned long long)step / 1000,
		       (unsigned long long)worst / 1000);
		/* An emulated CPU stalls, but not for that long. */
		CHECK(worst < 3 * SEC);
	}
	tear_down();
}

/* What stands behind one that waits waits, too; a time that has passed is none. */
static void order(void)
{
	u64 t;
	u32 i;

	set_up();
	t = t_now_ns() + 300 * MS;
	queue(0, t_now_ns() - SEC);
	queue(1, t);
	queue(2, 0);
	queue(3, t - 200 * MS);
	queue(4, 1);
	queue(5, t + 200 * MS);
	queue(6, 0);
	t_submit(&r);
	arrives(0, 0);
	for (i = 1; i < 5; i++)
		arrives(i, t);
	arrives(5, t + 200 * MS);
	arrives(6, t + 200 * MS);
	for (i = 0; i < 7; i++)
		ends(i, LEN, 0);
	/* And there is nothing left to wait for. */
	queue(7, 0);
	t_submit(&r);
	arrives(7, 0);
	ends(7, LEN, 0);
	tear_down();
}

static void cancel_one(u64 target)
{
	t_queue_cancel(&r, target, 100);
	t_submit(&r);
	ends(100, 1, 0);
	ends(target, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
}

static void cancel(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	u64 t, from;

	set_up();
	/* The first: those behind it are free. */
	t = t_now_ns() + FAR * SEC;
	queue(0, t);
	queue(1, 0);
	queue(2, t_now_ns() + 10 * MS);
	t_submit(&r);
	nothing(100);
	from = t_now_ns();
	cancel_one(0);
	arrives(1, 0);
	arrives(2, 0);
	ends(1, LEN, 0);
	ends(2, LEN, 0);
	CHECK(t_now_ns() - from < 5 * SEC);

	/* One in the middle, and one that has no time itself; then the first. */
	queue(3, t_now_ns() + FAR * SEC);
	queue(4, 1);
	queue(5, 0);
	queue(6, 0);
	t_submit(&r);
	cancel_one(4);
	cancel_one(5);
	nothing(20);
	cancel_one(3);
	arrives(6, 0);
	ends(6, LEN, 0);
	t_queue_cancel(&r, 6, 100);
	t_submit(&r);
	ends(100, -ENOENT, 0);

	/* From the SQ: all that have one name. */
	put(7, t_now_ns() + FAR * SEC);
	put(7, t_now_ns() + FAR * SEC);
	put(7, t_now_ns() + FAR * SEC);
	d = (struct io_unified_desc){
		.user_data = 8,
		.flags = IO_UNIFIED_F_CANCEL,
		.arg = 7,
	};
	REQUIRE(t_sq_put(&r, 0, &d));
	CHECK_EQ(t_ring(&r, 0, 4, 0).res, 4);
	for (t = 0; t < 3; t++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.user_data, 7);
		CHECK_EQ(cqe.res, -ECANCELED);
	}
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, 3);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_NETDEV, net,
			IO_UNIFIED_STAT_TX_DROPPED),
		 7);
	nothing(20);
	tear_down();
}

/* The queue gives up on a device after five seconds, not on a time. */
static void patience(void)
{
	u64 t;

	set_up();
	queue(0, 0);
	t_submit(&r);
	arrives(0, 0);
	ends(0, LEN, 0);
	t = t_now_ns() + 8 * SEC;
	queue(1, t);
	queue(2, 0);
	t_submit(&r);
	nothing(7000);
	arrives(1, t);
	arrives(2, t);
	ends(1, LEN, 0);
	ends(2, LEN, 0);
	tear_down();
}

/* Read when it is submitted, sent when it is time; a program in between sees it. */
static void from_storage(void)
{
	const u32 nn = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	enum { N = 8, PLACE = 1 << 20 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	u8 *buf = calloc(N, 512), got[2048];
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct t_disk disk;
	struct t_res res;
	int storage, prog;
	u64 t;
	u32 i;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	storage = t_attach_storage(&r, disk.path, 0);
	prog = t_attach_bpf(&r, t_bpf_prog(obj, "arg"));
	for (i = 0; i < N; i++)
		t_packet(buf + i * 512, 512, i);
	t_disk_write(&disk, buf, N * 512, PLACE);
	d = (struct io_unified_desc){
		.ops = nn | IO_UNIFIED_OP_BPF,
		.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_TX |
			 IO_UNIFIED_F_TIMED | IO_UNIFIED_F_CQ,
		.storage = storage,
		.net_tx = net,
		.bpf = prog,
		.len = 512,
	};
	/* One at a time, as the drive may end them in any order. */
	for (i = 0; i < N; i++) {
		t = t_now_ns() + 50 * MS;
		d.user_data = i;
		d.dev_offset = PLACE + i * 512;
		d.addr = t_frame(&r, i) + 512;
		d.arg = t;
		t_queue(&r, &d);
		t_submit(&r);
		REQUIRE_EQ(t_receive(sock, got, sizeof(got), 5000), 512);
		CHECK(t_now_ns() >= t);
		CHECK_EQ(t_packet_seq(got), i);
		CHECK(t_is_packet(got, 512, i));
		ends(i, 512, 0);
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.cookie, t);
		CHECK_EQ(cqe.ops, nn | IO_UNIFIED_OP_BPF);
	}

	/* While they wait: each of their attachments takes them along. */
	for (i = 0; i < 3; i++) {
		d.user_data = i;
		d.arg = t_now_ns() + FAR * SEC;
		t_queue(&r, &d);
		t_submit(&r);
		t_sleep_ms(100);
		t = t_now_ns();
		REQUIRE_EQ(t_detach(&r,
				    i == 0 ? IO_UNIFIED_KIND_STORAGE :
				    i == 1 ? IO_UNIFIED_KIND_BPF :
					     IO_UNIFIED_KIND_NETDEV,
				    i == 0 ? storage :
				    i == 1 ? prog :
					     net),
			   0);
		CHECK(t_now_ns() - t < 5 * SEC);
		REQUIRE(t_reap(&r, &res, 5000));
		CHECK_EQ(res.res, -ECANCELED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_GONE);
		if (i == 0)
			storage = t_attach_storage(&r, disk.path, 0);
		else if (i == 1)
			prog = t_attach_bpf(&r, t_bpf_prog(obj, "arg"));
		d.storage = storage;
		d.bpf = prog;
	}
	nothing(20);
	free(buf);
	tear_down();
	bpf_object__close(obj);
}

/* Another attachment goes while the drive reads: that must not disturb. */
static void read_and_detach(void)
{
	struct io_unified_desc d;
	struct t_disk disk;
	struct t_res res;
	int storage, other, i;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	storage = t_attach_storage(&r, disk.path, 0);
	for (i = 0; i < 50; i++) {
		other = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_BIO);
		d = tx_desc(1, t_now_ns() + FAR * SEC);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = storage;
		d.len = 512;
		t_queue(&r, &d);
		t_submit(&r);
		if (i & 1)
			usleep(i * 20);
		REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, other), 0);
		do {
			t_queue_cancel(&r, 1, 2);
			t_submit(&r);
			REQUIRE(t_reap(&r, &res, 5000));
			if (res.user_data == 2 && res.res == -ENOENT)
				continue;
			CHECK_EQ(res.res, res.user_data == 1 ? -ECANCELED : 1);
			REQUIRE(t_reap(&r, &res, 5000));
			CHECK_EQ(res.res, res.user_data == 1 ? -ECANCELED : 1);
			break;
		} while (1);
	}
	tear_down();
}

/* ------------------------------------------------------------------ the end */

static void link_down(void)
{
	u64 t;

	set_up();
	queue(0, t_now_ns() + FAR * SEC);
	queue(1, 0);
	t_submit(&r);
	t_link_up(l.tx, false);
	ends(0, -ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	ends(1, -ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	t_link_up(l.tx, true);
	for (t = t_now_ns(); t_now_ns() - t < 5 * SEC;) {
		char path[64], *text;
		bool up;

		snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", l.tx);
		text = t_read_file(path);
		up = atoi(text);
		free(text);
		if (up)
			break;
		t_sleep_ms(20);
	}
	/* The timer of what is gone holds up nobody. */
	t = t_now_ns();
	queue(2, 0);
	t_submit(&r);
	arrives(2, 0);
	ends(2, LEN, 0);
	CHECK(t_now_ns() - t < 5 * SEC);
	tear_down();
}

static void detached(void)
{
	u64 t;

	set_up();
	queue(0, t_now_ns() + FAR * SEC);
	queue(1, 0);
	t_submit(&r);
	t = t_now_ns();
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	CHECK(t_now_ns() - t < 5 * SEC);
	ends(0, -ECANCELED, IO_UNIFIED_REASON_GONE);
	ends(1, -ECANCELED, IO_UNIFIED_REASON_GONE);

	net = t_attach_tx(&r, l.tx);
	queue(2, t_now_ns() + FAR * SEC);
	queue(3, 0);
	t_submit(&r);
	t = t_now_ns();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	CHECK(t_now_ns() - t < 5 * SEC);
	ends(2, -ECANCELED, IO_UNIFIED_REASON_GONE);
	ends(3, -ECANCELED, IO_UNIFIED_REASON_GONE);
	close(sock);
	t_region_gone(&r);
	t_link_close(&l);
}

static enum { KILL, EXEC, CLOSE, EXIT, WAYS } how;

/* The end of a process whose packets wait, by op, by ring and without a command. */
static void process(int round)
{
	struct io_unified_desc d;
	int i;
	pid_t pid;

	fflush(stdout);
	how = round % WAYS;
	pid = fork();
	if (!pid) {
		t_region_open(&r, NULL);
		net = t_attach_tx(&r, l.tx);
		/*
		 * When it is read there are packets in front of it. Too long to be
		 * sent, should these end before it.
		 */
		d = tx_desc(17, 0);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = t_attach_storage(&r, drive.path, 0);
		d.len = 4096;
		t_queue(&r, &d);
		for (i = 0; i < 8; i++)
			queue(i, i % 3 == 2 ? 0 : t_now_ns() + FAR * SEC);
		for (; i < 16; i++)
			put(i, t_now_ns() + FAR * SEC);
		put(i, 0);
		t_queue_ring(&r, &r.ring, 0, 5, 0, 100);
		t_submit(&r);
		t_ring(&r, 0, 4, IO_UNIFIED_RING_SUBMIT);
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
		usleep(200000);
		kill(pid, SIGKILL);
	}
	t_child_ends(pid, how == KILL, round);
}

static void processes(void)
{
	set_up();
	t_disk_nvme(&drive, 512, 0);
	t_region_close(&r);
	t_leak_rounds(process, 12, t_rounds());
	t_refcount_wait(0);
	nothing(20);
	close(sock);
	t_link_close(&l);
}

/* Canceled and sent at the same time: each ends once. */
static void race(void)
{
	enum { N = 16, ROUNDS = 300 };
	int round, sent = 0, canceled = 0, i, left;
	/* What it takes to submit and to cancel, by the round before: what is
	 * due some time of that meets its cancellation on any machine.
	 */
	u64 took = MS;
	struct t_res res;

	set_up();
	for (round = 0; round < ROUNDS; round++) {
		u64 start = t_now_ns(), t = start + took * (round % 8) / 4;

		for (i = 0; i < N; i++)
			queue(i, i % 5 == 4 ? 0 : t + i * 20000);
		t_submit(&r);
		usleep(round % 11 * 150);
		for (i = 0; i < N; i += 2)
			t_queue_cancel(&r, i, 100);
		t_submit(&r);
		took = t_now_ns() - start;
		for (left = N + N / 2; left; left--) {
			REQUIRE(t_reap(&r, &res, 5000), "round %d, %d left",
				round, left);
			if (res.user_data == 100)
				continue;
			CHECK(res.res == LEN || res.res == -ECANCELED, "%d",
			      res.res);
			sent += res.res == LEN;
			canceled += res.res == -ECANCELED;
		}
	}
	CHECK_EQ(sent + canceled, N * ROUNDS);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_NETDEV, net,
			IO_UNIFIED_STAT_TX_PACKETS),
		 sent);
	t_note("%d sent, %d canceled", sent, canceled);
	CHECK(sent && canceled);
	tear_down();
}

/* --------------------------------------------------------------- refusals */

static void refuse(struct io_unified_desc d, int error, u16 reason,
		   const char *what)
{
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
}

#define REFUSE(error, why, ...)                                           \
	do {                                                              \
		struct io_unified_desc d_ = tx_desc(1, t_now_ns() + SEC); \
		struct io_unified_desc *d = &d_;                          \
		__VA_ARGS__;                                              \
		refuse(d_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)

static void refused(void)
{
	int storage;

	CHECK(t_feature(IO_UNIFIED_FEAT_TX_TIME));
	set_up();
	t_disk_nvme(&drive, 512, 0);
	storage = t_attach_storage(&r, drive.path, 0);
	REFUSE(ERANGE, TX_TIME,
	       d->arg = t_now_ns() + IO_UNIFIED_TX_TIME_MAX + SEC);
	REFUSE(ERANGE, TX_TIME, d->arg = ~0ull);
	REFUSE(ERANGE, TX_TIME, d->arg = 1ull << 63);
	REFUSE(EINVAL, RESERVED, d->flags &= ~IO_UNIFIED_F_TIMED);
	REFUSE(EINVAL, OPS, d->flags = IO_UNIFIED_F_TIMED | IO_UNIFIED_F_RX);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_NVME;
	       d->flags = IO_UNIFIED_F_TIMED | IO_UNIFIED_F_READ);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_BPF;
	       d->flags = IO_UNIFIED_F_TIMED);
	/* Not as long as it waits, but when it is its turn. */
	REFUSE(EMSGSIZE, TX_LEN, d->arg = t_now_ns() + 50 * MS; d->len = 1600);
	/* The same where the read has to sleep, as it is more than one request. */
	REFUSE(EMSGSIZE, TX_LEN, d->ops |= IO_UNIFIED_OP_NVME;
	       d->flags |= IO_UNIFIED_F_READ; d->addr = t_frame(&r, 0);
	       d->storage = storage; d->len = 2 << 20);
	nothing(20);
	tear_down();
}

#define EACH(text, fn)                      \
	{ text ", veth", fn, 120, &veth },  \
	{                                   \
		text ", NIC", fn, 120, &nic \
	}

static const struct t_case cases[] = {
	EACH("on time", paced),
	EACH("in order", order),
	{ "cancel", cancel },
	{ "more than five seconds", patience },
	{ "read and sent", from_storage },
	{ "read, and something else goes", read_and_detach },
	{ "link down", link_down },
	{ "detach and unregister", detached },
	EACH("canceled and sent", race),
	{ "ops that are refused", refused },
	{ "processes that end", processes, 300 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
