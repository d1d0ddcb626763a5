// SPDX-License-Identifier: GPL-2.0
/*
 * Streams to and from sockets whose process, ring, region, attachment or peer goes
 * while everything is in flight. IOU_ROUNDS sets how often.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/flow.h"
#include "lib/leak.h"

enum { KILL, EXEC, CLOSE, DETACH, UNREGISTER, RESET, CANCEL, WAYS };

static struct t_flow f;

/* A peer that reads, or writes, for a while; every third one does nothing. */
static void open_round(int round)
{
	const struct t_flow_opt opt = {
		.ingest = round / WAYS % 2,
		.memory = round % 2 ? T_MEM_MODULE : T_MEM_MEMFD,
		.ring_flags = round % 3 == 2 ?
				      IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN :
				      0,
		.storage_flags = round % 4 == 3 ? IO_UNIFIED_ATTACH_BIO : 0,
		.window = 256 << 10,
	};

	t_flow_open(&f, &opt);
	t_flow_small_buffers(&f, 64 << 10);
	f.p.batch_bytes = 16384;
	f.p.range_len = 64 << 20;
	if (opt.ingest)
		f.p.flush_bytes = 100000;
	t_flow_start(&f);
}

/* In the test's own process: its end of the connection goes by itself. */
static void peer_works(int round)
{
	static u8 buf[16384];
	const bool ingest = round / WAYS % 2;
	int i;

	for (i = 0; i < round % 12; i++) {
		if (ingest ? send(f.c.peer, buf, sizeof(buf),
				  MSG_DONTWAIT | MSG_NOSIGNAL) < 0 :
			     recv(f.c.peer, buf, sizeof(buf), MSG_DONTWAIT) < 0)
			usleep(500);
	}
}

static void child(int round, int way)
{
	open_round(round);
	peer_works(round);
	/* The parent has none of it: the connection dies with us. */
	if (way == KILL)
		kill(getpid(), SIGKILL);
	if (way == EXEC)
		t_exec_nothing();
	close(f.r.fd);
	io_uring_queue_exit(&f.r.ring);
	_exit(0);
}

static void process(int round, int way)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		child(round, way);
	t_child_ends(pid, way == KILL, round);
}

static void ends(int round, int res, u16 reason)
{
	struct t_res got;

	do
		REQUIRE(t_reap(&f.r, &got, 5000), "round %d: it does not end",
			round);
	while (got.user_data != T_FLOW);
	CHECK_EQ(got.res, res, "round %d", round);
	CHECK_EQ(got.reason, reason, "round %d", round);
}

static void one(int round)
{
	const bool ingest = round / WAYS % 2;
	const int way = round % WAYS;
	u64 from;

	if (way < DETACH) {
		process(round, way);
		return;
	}
	open_round(round);
	peer_works(round);
	from = t_now_ms();
	switch (way) {
	case DETACH:
		/* A peer that is gone keeps nobody waiting. */
		close(f.c.peer);
		f.c.peer = -1;
		CHECK_EQ(round % 4 ? t_detach(&f.r, IO_UNIFIED_KIND_SOCKET,
					      f.sock) :
				     t_detach(&f.r, IO_UNIFIED_KIND_STORAGE,
					      f.storage),
			 0);
		break;
	case UNREGISTER:
		if (round % 4 == 0) {
			close(f.c.peer);
			f.c.peer = -1;
		}
		REQUIRE(!ioctl(f.r.fd, IO_UNIFIED_UNREGISTER_REGION));
		break;
	case RESET:
		t_reset_peer(&f.c);
		ends(round, -ECONNRESET, IO_UNIFIED_REASON_RESET);
		break;
	default:
		t_flow_cancel(&f);
		if (!ingest) {
			close(f.c.peer);
			f.c.peer = -1;
		}
		ends(round, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
	}
	CHECK(t_now_ms() - from < 4000, "round %d: it took %llu ms", round,
	      (unsigned long long)(t_now_ms() - from));
	if (way == UNREGISTER)
		t_region_gone(&f.r);
	else
		t_region_close(&f.r);
	t_disconnect(&f.c);
}

/* What is lost in each is a chunk or more: half as many rounds tell. */
static void rounds(void)
{
	t_leak_rounds(one, 2 * WAYS, t_rounds() / 2);
}

static const struct t_case cases[] = {
	{ "killed, closed, detached, unregistered, reset, canceled", rounds,
	  600 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
