// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes without end for remote.sh: remote_io DEVICE [bio]. Ops may
 * fail, with a reason, but what is read is what was written, and none is lost.
 *
 * Prints "path NAME" when it runs, and every half second how many ops went well
 * and how many did not. Ends when its standard input does; 0 if all was right.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/iou_test.h"

enum { SLOTS = 16, SIZE = 16384, BLOCKS = 512, STUCK_MS = 90000 };

/* What a block may hold: after a write that failed the old, the new, a mixture */
struct block {
	u64 seed;
	bool known, busy;
};

static struct t_region r;
static struct block blocks[BLOCKS];
static struct {
	u64 seed;
	int block;
	bool busy;
} slots[SLOTS];
static unsigned long good, failed;

static void start(int s, int storage)
{
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_NVME,
				     .user_data = s,
				     .storage = storage,
				     .len = SIZE,
				     .addr = t_frame(&r, s * 4) };
	struct block *b;
	int n;

	do {
		n = rand() % BLOCKS;
		b = &blocks[n];
	} while (b->busy);
	b->busy = true;
	slots[s].block = n;
	slots[s].busy = true;
	d.dev_offset = (u64)n * SIZE;
	if (b->known && rand() % 2) {
		slots[s].seed = 0;
		memset(t_ptr(&r, d.addr), 0xee, SIZE);
		d.flags = IO_UNIFIED_F_READ;
	} else {
		slots[s].seed = ((u64)rand() << 10 | n) + 1;
		t_fill(t_ptr(&r, d.addr), SIZE, slots[s].seed);
		d.flags = IO_UNIFIED_F_WRITE |
			  (rand() % 4 ? 0 : IO_UNIFIED_F_FUA);
	}
	t_queue(&r, &d);
}

static void end(const struct t_res *res)
{
	int s = res->user_data;
	struct block *b = &blocks[slots[s].block];

	if (res->res < 0) {
		CHECK(res->reason, "%d without a reason", res->res);
		if (!failed)
			t_note("first failure: %d, reason %u, status %#x",
			       res->res, res->reason, res->status);
		failed++;
		if (slots[s].seed)
			b->known = false;
		/* Nothing there now: no need to ask all the time. */
		t_sleep_ms(10);
	} else {
		good++;
		REQUIRE_EQ(res->res, SIZE);
		if (slots[s].seed) {
			b->seed = slots[s].seed;
			b->known = true;
		} else {
			REQUIRE(t_filled(t_ptr(&r, t_frame(&r, s * 4)), SIZE,
					 b->seed),
				"wrong data in block %d", slots[s].block);
		}
	}
	b->busy = false;
	slots[s].busy = false;
}

static bool go_on(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char c;

	return !poll(&p, 1, 0) || read(0, &c, 1) > 0;
}

int main(int argc, char **argv)
{
	const struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 2 << 20 };
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };
	u64 told = 0, last = t_now_ms();
	int i, waiting = 0;
	struct t_res res;
	bool more;

	if (argc < 2)
		return 2;
	if (argc > 2)
		a.flags = IO_UNIFIED_ATTACH_BIO;
	/* nvme-tcp sends from the task that submits, without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	t_region_open(&r, &opt);
	a.fd = open(argv[1], O_RDWR);
	REQUIRE(a.fd >= 0, "%s", argv[1]);
	REQUIRE_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	close(a.fd);
	printf("path %s\n",
	       a.path == IO_UNIFIED_PATH_BIO ? "bio" : "passthrough");
	do {
		more = go_on();
		for (i = 0; i < SLOTS && more; i++) {
			if (slots[i].busy)
				continue;
			start(i, a.index);
			waiting++;
		}
		t_submit(&r);
		while (waiting && t_reap(&r, &res, 100)) {
			end(&res);
			waiting--;
			last = t_now_ms();
			if (more)
				break;
		}
		REQUIRE(t_now_ms() - last < STUCK_MS, "%d ops hang", waiting);
		if (t_now_ms() - told > 500 || (!more && !waiting)) {
			told = t_now_ms();
			printf("good %lu failed %lu\n", good, failed);
			fflush(stdout);
		}
	} while (more || waiting);
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, a.index));
	t_region_close(&r);
	t_end_case();
}
