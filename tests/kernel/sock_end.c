// SPDX-License-Identifier: GPL-2.0
/*
 * Ops on sockets whose process, ring, region, attachment, peer or interface goes, while
 * sends are in flight, begun, and waiting, and receives wait. IOU_ROUNDS sets how often.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/leak.h"
#include "lib/net.h"
#include "lib/sock.h"
#include "lib/sq.h"

enum { SENDS = 12, RECVS = 6, ALL = SENDS + RECVS, SLOT = 32 << 10 };

static struct t_disk disk;
static struct t_region r;
static struct t_conn c;
static int sock, storage;

/* A peer that does not read: a window and a send buffer, and then nothing. */
static void connect_stuck_over(enum t_where where)
{
	int small = 32 << 10;

	t_connect(&c, AF_INET, SOCK_STREAM, where);
	REQUIRE(!setsockopt(c.end, SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small)));
	REQUIRE(!setsockopt(c.peer, SOL_SOCKET, SO_RCVBUF, &small,
			    sizeof(small)));
}

static void connect_stuck(void)
{
	connect_stuck_over(T_LO);
}

static void open_region(int round)
{
	struct t_opt opt = {
		.memory = round % 2 ? T_MEM_MODULE : T_MEM_MEMFD,
		.size = 1 << 20,
		.ring_flags = round % 3 == 2 ?
				      IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN :
				      0,
	};

	t_region_open(&r, &opt);
	sock = t_attach_sock(&r, c.end);
	storage = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_RDONLY);
}

static struct io_unified_desc op(int i)
{
	const u64 addr = r.reg.data_off + (u64)(i % SENDS) * SLOT;

	struct io_unified_desc d = i < SENDS ? t_send_op(sock, i, addr, SLOT) :
					       t_recv_op(sock, i, addr, 100);

	/* These read first, and hold those behind them. */
	if (i < SENDS && i % 3 == 2) {
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = storage;
	}
	return d;
}

/* Each by itself, or all of one command. */
static void start(int round)
{
	struct io_unified_desc d;
	int i;

	for (i = 0; i < ALL; i++) {
		d = op(i);
		if (round % 4 == 3)
			REQUIRE(t_sq_put(&r, 0, &d));
		else
			t_queue(&r, &d);
	}
	if (round % 4 == 3)
		t_queue_ring(&r, &r.ring, 0, ALL, 0, ALL);
	t_submit(&r);
}

static void all_end(int round, int ms)
{
	int n = round % 4 == 3 ? 1 : ALL;
	u64 end = t_now_ms() + ms;
	struct t_res res;

	for (; n; n--)
		REQUIRE(t_reap(&r, &res, ms), "round %d: %d have not ended",
			round, n);
	CHECK(t_now_ms() < end, "round %d: it took too long", round);
}

static void close_conn(void)
{
	close(c.end);
	close(c.peer);
}

/* -------------------------------------------------------------- processes */

static enum { KILL, EXEC, EXIT, CLOSE } how;

static void child(int round)
{
	close(c.peer);
	open_region(round);
	close(c.end);
	start(round);
	if (how == KILL)
		pause();
	usleep(round % 5 * 2000);
	if (how == EXEC)
		t_exec_nothing();
	if (how == CLOSE) {
		close(r.fd);
		io_uring_queue_exit(&r.ring);
	}
	_exit(0);
}

static void process(int round)
{
	pid_t pid;

	connect_stuck();
	fflush(stdout);
	pid = fork();
	if (!pid)
		child(round);
	close(c.end);
	if (how == KILL) {
		usleep(15000 + round * 7919 % 20000);
		kill(pid, SIGKILL);
	}
	t_child_ends(pid, how == KILL, round);
	/* What was not read is thrown away, and what was not sent with it. */
	close(c.peer);
}

static void killed(void)
{
	how = KILL;
	t_leak_rounds(process, 16, t_rounds());
}

static void execed(void)
{
	how = EXEC;
	t_leak_rounds(process, 16, t_rounds());
}

static void exited(void)
{
	how = EXIT;
	t_leak_rounds(process, 16, t_rounds());
}

static void closed(void)
{
	how = CLOSE;
	t_leak_rounds(process, 16, t_rounds());
}

/* ------------------------------------------------------ attachment, region */

/* The peer goes first, or a moment later, or, now and then, never. */
static void peer_goes(int round)
{
	if (round % 20 == 10)
		return;
	usleep(round % 7 * 500);
	close(c.peer);
	c.peer = -1;
}

static void detached(int round)
{
	u64 from;

	connect_stuck();
	open_region(round);
	start(round);
	peer_goes(round);
	from = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	CHECK(t_now_ms() - from < 3000, "round %d: it took %llu ms", round,
	      (unsigned long long)(t_now_ms() - from));
	all_end(round, 3000);
	t_region_close(&r);
	close_conn();
}

static void unregistered(int round)
{
	u64 from;

	connect_stuck();
	open_region(round);
	start(round);
	peer_goes(round);
	from = t_now_ms();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	CHECK(t_now_ms() - from < 3000, "round %d: it took %llu ms", round,
	      (unsigned long long)(t_now_ms() - from));
	all_end(round, 3000);
	t_region_gone(&r);
	close_conn();
}

static void resets(int round)
{
	connect_stuck();
	open_region(round);
	start(round);
	usleep(round % 7 * 500);
	t_reset_peer(&c);
	all_end(round, 5000);
	t_region_close(&r);
	close_conn();
}

static void detach(void)
{
	t_leak_rounds(detached, 12, t_rounds());
}

static void unregister(void)
{
	t_leak_rounds(unregistered, 12, t_rounds());
}

static void reset(void)
{
	t_leak_rounds(resets, 12, t_rounds());
}

/* ------------------------------------------------------------- interface */

/* TCP goes on trying, and so do the ops, until they are told not to. */
static void without_interface(int round)
{
	const struct linger now = { .l_onoff = 1 };
	u64 from = t_now_ms();

	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	CHECK(t_now_ms() - from < 3000, "round %d: it took %llu ms", round,
	      (unsigned long long)(t_now_ms() - from));
	all_end(round, 3000);
	t_region_close(&r);
	/* The peer is not told: nobody is to keep what it has not got. */
	REQUIRE(!setsockopt(c.end, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close_conn();
	t_refcount_wait(0);
}

static void begin_over_veth(int round)
{
	connect_stuck_over(T_NS);
	open_region(round);
	start(round);
	usleep(round % 7 * 500);
}

static void link_goes(int round)
{
	begin_over_veth(round);
	t_link_up(T_NS_VETH, false);
	without_interface(round);
	t_link_up(T_NS_VETH, true);
}

static void interface_goes(int round)
{
	begin_over_veth(round);
	REQUIRE(t_link_del(T_NS_VETH));
	without_interface(round);
	t_ns_del();
}

struct end {
	void (*run)(int round);
};

/* Each takes its time: all of them where many are wanted. */
static void interface(void)
{
	const struct end *end = t_arg;
	int rounds = t_rounds() < 200 ? 1 : t_rounds(), i;

	for (i = 0; i < rounds; i++)
		end->run(i);
	t_ns_del();
}

static const struct end over_veth[] = { { link_goes }, { interface_goes } };

/* One of two rings of a region goes, the other one is served. */
static void ring_goes(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring first, second;
	struct t_res res;
	struct io_unified_desc d;
	int idle, other, i, refs;

	connect_stuck();
	open_region(0);
	refs = t_refcount();
	t_ring_init(&first, 64, 0);
	a.fd = first.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	/* The helpers work on r.ring. */
	second = r.ring;
	r.ring = first;
	start(0);
	t_sleep_ms(50);
	io_uring_queue_exit(&r.ring);
	r.ring = second;
	/* What had begun is given up and comes back with the connection. */
	t_sleep_ms(300);
	CHECK(t_refcount() > refs, "nothing is with the stack");
	idle = c.peer;
	other = sock;
	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
	d = t_send_op(sock, 1, r.reg.data_off, 100);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 100, "reason %u", res.reason);
	close(idle);
	for (i = 0; i < 100 && t_refcount() > refs; i++)
		t_sleep_ms(20);
	t_refcount_wait(refs);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, other), 0);
	t_region_close(&r);
	close_conn();
}

/* The first ring goes in the middle of a send: nothing may follow its half. */
static void ring_goes_amid(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring first, second;
	struct io_unified_desc d;
	struct t_res res;
	int i;

	connect_stuck();
	open_region(0);
	t_ring_init(&first, 8, 0);
	a.fd = first.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	second = r.ring;
	r.ring = first;
	d = t_send_op(sock, 1, r.reg.data_off, 512 << 10);
	t_queue(&r, &d);
	t_submit(&r);
	first = r.ring;
	r.ring = second;
	/* One that has its bytes, and one that reads them first */
	for (i = 2; i < 4; i++) {
		d = op(i);
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_silent(&r, 50);
	io_uring_queue_exit(&first);
	for (i = 2; i < 5; i++) {
		REQUIRE(t_reap(&r, &res, 5000), "it waits behind a half");
		CHECK_EQ(res.res, -ECANCELED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_SOCKET_GAP);
		/* Nor is one that comes later sent. */
		if (i == 3) {
			t_queue(&r, &d);
			t_submit(&r);
		}
	}
	t_region_close(&r);
	close_conn();
}

/* The application and the module at once, and no rule who comes first. */
static void fights(void)
{
	enum { ROUNDS = 60 };
	struct t_res res;
	u8 buf[4096];
	int round, n;

	for (round = 0; round < ROUNDS; round++) {
		connect_stuck();
		open_region(0);
		start(0);
		switch (round % 4) {
		case 0:
			shutdown(c.end, SHUT_RDWR);
			break;
		case 1:
			shutdown(c.end, SHUT_WR);
			shutdown(c.peer, SHUT_WR);
			break;
		case 2:
			/* To nobody: it is not connected any more. */
			connect(c.end, &(struct sockaddr){ AF_UNSPEC },
				sizeof(struct sockaddr));
			break;
		default:
			send(c.end, buf, sizeof(buf), MSG_DONTWAIT);
			send(c.peer, buf, sizeof(buf), MSG_DONTWAIT);
			recv(c.end, buf, sizeof(buf), MSG_DONTWAIT);
		}
		close(c.end);
		while (recv(c.peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		close(c.peer);
		for (n = 0; n < ALL; n++) {
			REQUIRE(t_reap(&r, &res, 5000),
				"round %d: %d of %d have ended", round, n, ALL);
			CHECK(res.res >= 0 ? res.res <= SLOT : res.reason,
			      "round %d: %d, reason %u", round, res.res,
			      res.reason);
		}
		t_region_close(&r);
	}
}

/* Reads what there is, after a while: what nothing ends otherwise. */
static void *reads_later(void *arg)
{
	u8 buf[4096];

	sleep(8);
	while (recv(c.peer, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

/* A send that has begun takes its time; what is behind it in its group has none. */
static void group_behind_begun(void)
{
	struct io_unified_desc d;
	struct io_unified_cqe e;
	pthread_t reader;
	u64 since;
	int i;

	connect_stuck();
	open_region(0);
	d = t_send_op(sock, 0, t_frame(&r, 0), 512 << 10);
	d.flags |= IO_UNIFIED_F_LINK;
	REQUIRE(t_sq_put(&r, 0, &d));
	for (i = 1; i < 3; i++) {
		d = (struct io_unified_desc){
			.user_data = i,
			.ops = IO_UNIFIED_OP_NVME,
			.flags = IO_UNIFIED_F_READ,
			.storage = storage,
			.addr = t_frame(&r, 200),
			.len = 4096,
		};
		if (i == 1)
			d.flags |= IO_UNIFIED_F_LINK;
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	CHECK_EQ(t_ring(&r, 0, 0, IO_UNIFIED_RING_SUBMIT).res, 3);
	t_sleep_ms(200);
	REQUIRE(!pthread_create(&reader, NULL, reads_later, NULL));
	since = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage), 0);
	CHECK(t_now_ms() - since < 5000, "it waits for the peer");
	for (i = 1; i < 3; i++) {
		REQUIRE(t_cq_of(&r, 0, &e, 1000));
		CHECK_EQ(e.user_data, i);
		CHECK_EQ(e.res, -ECANCELED);
		CHECK_EQ(e.reason, IO_UNIFIED_REASON_GONE);
	}
	REQUIRE(t_cq_of(&r, 0, &e, 20000));
	CHECK_EQ(e.user_data, 0);
	CHECK_EQ(e.res, 512 << 10);
	CHECK_EQ(e.reason, 0);
	t_region_close(&r);
	close(c.end);
	REQUIRE(!pthread_join(reader, NULL));
	close(c.peer);
}

static const struct t_case cases[] = {
	{ "kill -9", killed, 300 },
	{ "exec", execed, 300 },
	{ "exit", exited, 300 },
	{ "fd and ring closed", closed, 300 },
	{ "detach", detach, 300 },
	{ "unregister", unregister, 300 },
	{ "the peer resets", reset, 300 },
	{ "the link goes down", interface, 600, &over_veth[0] },
	{ "the interface is deleted", interface, 1200, &over_veth[1] },
	{ "a ring of two", ring_goes },
	{ "a ring of two, amid a send", ring_goes_amid },
	{ "a group behind one that has begun", group_behind_begun },
	{ "the application does as it likes", fights, 120 },
};

int main(int argc, char **argv)
{
	t_disk_nvme(&disk, 512, 0);
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
