// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever is taken away while everything is in flight: nothing hangs, nothing
 * stays behind. IOU_ROUNDS sets how often (200).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/leak.h"
#include "lib/life.h"

static struct t_life life;
static const struct t_way veth = { "veth", 0 };

static void set_up(void)
{
	t_disk_nvme(&life.disk, 512, 0);
	t_link_open(&life.l, &veth, 1500);
}

/* Rounds of @one with traffic. */
static void repeat(void (*one)(int round), int n)
{
	set_up();
	t_traffic_start("iout1");
	t_leak_rounds(one, 12, n);
	t_traffic_stop();
}

/* A child that lives until somebody ends it; returns when all is in flight. */
static pid_t start_child(int round, void (*then)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	REQUIRE(!pipe(ready));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		t_life_open(&life, round);
		t_life_start(&life);
		REQUIRE(write(ready[1], "", 1) == 1);
		t_life_reap(&life, then ? round % 7 : 3600000, true);
		then();
		_exit(100);
	}
	close(ready[1]);
	REQUIRE(read(ready[0], &byte, 1) == 1,
		"round %d: the child did not start", round);
	close(ready[0]);
	return pid;
}

static void one_kill(int round)
{
	pid_t pid = start_child(round, NULL);

	usleep(round % 11 * 700);
	kill(pid, SIGKILL);
	t_child_ends(pid, true, round);
}

static void one_exec(int round)
{
	t_child_ends(start_child(round, t_exec_nothing), false, round);
}

static void exit_now(void)
{
	_exit(0);
}

static void one_exit(int round)
{
	t_child_ends(start_child(round, exit_now), false, round);
}

static void one_unregister(int round)
{
	t_life_open(&life, round);
	t_life_start(&life);
	usleep(round % 11 * 500);
	REQUIRE(!ioctl(life.r.fd, IO_UNIFIED_UNREGISTER_REGION));
	REQUIRE(t_life_reap(&life, 15000, false),
		"round %d: %d commands have not ended", round, life.waiting);
	t_region_gone(&life.r);
}

/* The fd is closed while io_uring holds the file for its commands. */
static void one_close(int round)
{
	t_life_open(&life, round);
	t_life_start(&life);
	usleep(round % 5 * 500);
	close(life.r.fd);
	io_uring_queue_exit(&life.r.ring);
	t_region_unmap(&life.r);
}

static void one_detach(int round)
{
	t_life_open(&life, round);
	t_life_start(&life);
	usleep(round % 11 * 500);
	if (round & 1) {
		CHECK_EQ(t_detach(&life.r, IO_UNIFIED_KIND_STORAGE,
				  life.storage),
			 0);
		CHECK_EQ(t_detach(&life.r, IO_UNIFIED_KIND_NETDEV, life.net),
			 0);
	} else {
		CHECK_EQ(t_detach(&life.r, IO_UNIFIED_KIND_NETDEV, life.net),
			 0);
		CHECK_EQ(t_detach(&life.r, IO_UNIFIED_KIND_STORAGE, life.bio),
			 0);
	}
	REQUIRE(t_life_reap(&life, 15000, false),
		"round %d: %d commands have not ended", round, life.waiting);
	t_region_close(&life.r);
}

/* One region for all rounds; each has a ring of its own that goes. */
static void one_ring(int round)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct t_res res;
	u64 end;

	t_ring_init(&life.r.ring, 64, round & 1 ? IORING_SETUP_SQPOLL : 0);
	a.fd = life.r.ring.ring_fd;
	REQUIRE_EQ(t_attach(&life.r, &a), 0);
	/* The ring before may take a moment to let go of frames and queue. */
	for (end = t_now_ms() + 10000;;) {
		life.waiting = 0;
		t_life_start(&life);
		usleep(round % 7 * 500);
		if (!t_reap(&life.r, &res, 0) || res.res != -EBUSY)
			break;
		REQUIRE(t_now_ms() < end, "round %d: the ring before holds on",
			round);
		t_queue_cancel(&life.r, LIFE_RX, LIFE_IO);
		t_queue_cancel(&life.r, LIFE_STREAM, LIFE_IO);
		life.waiting += 2 - 1;
		t_submit(&life.r);
		REQUIRE(t_life_reap(&life, 10000, false));
		t_sleep_ms(5);
	}
	io_uring_queue_exit(&life.r.ring);
	REQUIRE(!t_detach(&life.r, IO_UNIFIED_KIND_RING, a.index));
}

static void link_rounds(int round, bool delete)
{
	t_life_open(&life, round);
	t_life_start(&life);
	usleep(round % 11 * 500);
	if (delete)
		t_veth_del();
	else
		t_link_up("iout0", false);
	REQUIRE(t_life_reap(&life, 15000, false),
		"round %d: %d commands have not ended", round, life.waiting);
	if (delete)
		t_veth_add(1500);
	else
		t_link_up("iout0", true);
	t_region_close(&life.r);
}

static void one_down(int round)
{
	link_rounds(round, false);
}

static void one_delete(int round)
{
	link_rounds(round, true);
}

static void kill_9(void)
{
	repeat(one_kill, t_rounds());
}
static void exec_(void)
{
	repeat(one_exec, t_rounds());
}
static void exit_(void)
{
	repeat(one_exit, t_rounds() / 4);
}
static void unregister(void)
{
	repeat(one_unregister, t_rounds());
}
static void close_(void)
{
	repeat(one_close, t_rounds() / 4);
}
static void detach(void)
{
	repeat(one_detach, t_rounds());
}
static void down(void)
{
	repeat(one_down, t_rounds());
}
static void delete (void)
{
	repeat(one_delete, t_rounds());
}

static void ring_close(void)
{
	int refs;

	set_up();
	refs = t_refcount();
	t_traffic_start("iout1");
	t_life_open(&life, 0);
	io_uring_queue_exit(&life.r.ring);
	life.r.has_ring = false; /* not to be closed with it */
	REQUIRE(!t_detach(&life.r, IO_UNIFIED_KIND_RING, 0));
	t_leak_rounds(one_ring, 12, t_rounds());
	t_region_close(&life.r);
	t_refcount_wait(refs);
	t_traffic_stop();
}

static const struct t_case cases[] = {
	{ "programs on other interfaces", t_around_fill },
	{ "kill -9", kill_9, 400 },
	{ "exec", exec_, 400 },
	{ "exit", exit_, 400 },
	{ "ring closed", ring_close, 400 },
	{ "fd and ring closed", close_, 400 },
	{ "unregister", unregister, 400 },
	{ "detach", detach, 400 },
	{ "link down", down, 400 },
	{ "interface deleted", delete, 400 },
	{ "other interfaces deleted", t_around_empty },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
