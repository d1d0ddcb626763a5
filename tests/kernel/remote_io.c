// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes without end for remote.sh and remote_vms.sh:
 *
 *	remote_io DEVICE [bio] [ring] [at=MIB] [keep=FILE]
 *	remote_io DEVICE idle	attaches and detaches, and does nothing else
 *
 * Ops, one by one or from an SQ, may fail, with a reason, but what is read is what
 * was written, and none is lost. In the end, what is known of each block is compared
 * once more with what the kernel reads from there. FILE keeps it for the next, who
 * looks for it first, and works on the MiB behind MIB.
 *
 * Prints "path NAME" when it runs, and every half second how many ops went well
 * and how many did not. Ends when its standard input does; after a line there it
 * detaches while ops are in flight, and says how many they were. 0 if all was right.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/iou_test.h"
#include "lib/sq.h"

enum {
	SLOTS = 16,
	SIZE = 16384,
	BLOCKS = 512,
	STUCK_MS = 150000,
	WAYS = 8, /* to fail that are told */
	TAKEN = SLOTS, /* user_data of what takes from the SQ */
};

/* What a block may hold: after a write that failed the old, the new, a mixture */
struct block {
	u64 seed;
	bool known, busy;
};

struct way {
	s32 res;
	u16 reason, status;
	unsigned long times;
};

static struct t_region r;
static struct io_unified_attach storage = { .kind = IO_UNIFIED_KIND_STORAGE };
static struct block blocks[BLOCKS];
static struct {
	u64 seed;
	int block;
	bool busy;
} slots[SLOTS];
static struct way ways[WAYS];
static unsigned long good, failed;
static const char *device, *keep;
static u64 base;
static bool idle, ring, taking;

static void start(int s)
{
	struct io_unified_desc d = { .ops = IO_UNIFIED_OP_NVME,
				     .user_data = s,
				     .storage = storage.index,
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
	d.dev_offset = base + (u64)n * SIZE;
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
	if (ring)
		REQUIRE(t_sq_put(&r, 0, &d));
	else
		t_queue(&r, &d);
}

/* The drive's word is there where it was the drive's. */
static void failure(const struct t_res *res)
{
	bool drive = res->reason == IO_UNIFIED_REASON_NVME_STATUS;
	int i;

	if (res->res != -ENOENT && res->res != -ECANCELED)
		CHECK(drive ? res->status :
			      res->reason == IO_UNIFIED_REASON_IO &&
				      !res->status,
		      "%d, reason %u, status %#x", res->res, res->reason,
		      res->status);
	CHECK(res->reason, "%d without a reason", res->res);
	for (i = 0; i < WAYS - 1 && ways[i].times; i++)
		if (ways[i].res == res->res && ways[i].reason == res->reason &&
		    ways[i].status == res->status)
			break;
	ways[i].res = res->res;
	ways[i].reason = res->reason;
	ways[i].status = res->status;
	ways[i].times++;
}

static void end(const struct t_res *res)
{
	int s = res->user_data;
	struct block *b = &blocks[slots[s].block];

	REQUIRE(s >= 0 && s < SLOTS && slots[s].busy, "op %d ended twice", s);
	if (res->res < 0) {
		failure(res);
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

/* What takes from the SQ completes by itself, and the ops in the CQ. */
static bool next_of_ring(struct t_res *res, int ms)
{
	struct io_unified_cqe cqe;

	while (taking && t_reap(&r, res, 0)) {
		taking = false;
		CHECK(res->res > 0, "the SQ is not taken from: %d, reason %u",
		      res->res, res->reason);
	}
	if (!t_cq(&r, &cqe, ms))
		return false;
	*res = (struct t_res){ .user_data = cqe.user_data,
			       .res = cqe.res,
			       .reason = cqe.reason,
			       .status = cqe.nvme_status };
	return true;
}

static bool next(struct t_res *res, int ms)
{
	return ring ? next_of_ring(res, ms) : t_reap(&r, res, ms);
}

/* Returns how many were started. */
static int start_idle(void)
{
	int i, n = 0;

	if (taking)
		return 0;
	for (i = 0; i < SLOTS; i++) {
		if (slots[i].busy)
			continue;
		start(i);
		n++;
	}
	if (ring && n) {
		t_queue_ring(&r, &r.ring, 0, 0, IO_UNIFIED_RING_SUBMIT, TAKEN);
		taking = true;
	}
	t_submit(&r);
	return n;
}

enum { GO_ON, DETACH, END };

static int told_to(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char c;

	if (!poll(&p, 1, 0))
		return GO_ON;
	return read(0, &c, 1) > 0 ? DETACH : END;
}

static void say(void)
{
	printf("good %lu failed %lu\n", good, failed);
	fflush(stdout);
}

static void detach(int in_flight)
{
	u64 from = t_now_ms();

	/* These may be refused if they have not been taken yet. */
	REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage.index));
	t_note("detached after %llu ms, with %d ops in flight",
	       (unsigned long long)(t_now_ms() - from), in_flight);
}

static void run(void)
{
	u64 told = 0, last = t_now_ms();
	int waiting = 0, what = GO_ON;
	struct t_res res;

	do {
		if (what == GO_ON) {
			what = told_to();
			if (what == GO_ON)
				waiting += start_idle();
			if (what == DETACH)
				detach(waiting);
		}
		while (waiting && next(&res, 100)) {
			end(&res);
			waiting--;
			last = t_now_ms();
			if (what == GO_ON)
				break;
		}
		REQUIRE(t_now_ms() - last < STUCK_MS, "%d ops hang", waiting);
		if (t_now_ms() - told > 500) {
			told = t_now_ms();
			say();
		}
	} while (what == GO_ON || waiting);
	say();
	if (what != DETACH)
		REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage.index));
}

/* By the kernel's own way to the device. */
static void compare(const char *when)
{
	int fd = open(device, O_RDONLY | O_DIRECT), i, n = 0;
	const ssize_t all = (ssize_t)BLOCKS * SIZE;
	u8 *buf = mmap(NULL, all, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(buf != MAP_FAILED);
	if (fd < 0) {
		REQUIRE(failed, "%s", device);
		t_note("nothing compared %s: the device is gone", when);
		return;
	}
	if (pread(fd, buf, all, base) != all) {
		REQUIRE(failed, "%s cannot be read, %s", device, when);
		t_note("nothing compared %s: the device does not answer", when);
	} else {
		for (i = 0; i < BLOCKS; i++) {
			if (!blocks[i].known)
				continue;
			CHECK(t_filled(buf + (size_t)i * SIZE, SIZE,
				       blocks[i].seed),
			      "block %d, %s", i, when);
			n++;
		}
		t_note("%d blocks compared %s", n, when);
	}
	munmap(buf, all);
	close(fd);
}

static void recall(void)
{
	FILE *f = fopen(keep, "r");

	if (!f)
		return;
	REQUIRE_EQ(fread(blocks, sizeof(blocks[0]), BLOCKS, f), BLOCKS);
	fclose(f);
	compare("before");
}

static void remember(void)
{
	FILE *f = fopen(keep, "w");

	REQUIRE(f, "%s", keep);
	REQUIRE_EQ(fwrite(blocks, sizeof(blocks[0]), BLOCKS, f), BLOCKS);
	REQUIRE(!fclose(f), "%s", keep);
}

static void options(char **argv)
{
	device = *argv;
	while (*++argv) {
		if (!strcmp(*argv, "bio"))
			storage.flags = IO_UNIFIED_ATTACH_BIO;
		else if (!strcmp(*argv, "ring"))
			ring = true;
		else if (!strcmp(*argv, "idle"))
			idle = true;
		else if (!strncmp(*argv, "at=", 3))
			base = strtoull(*argv + 3, NULL, 0) << 20;
		else if (!strncmp(*argv, "keep=", 5))
			keep = *argv + 5;
		else
			REQUIRE(0, "unknown option %s", *argv);
	}
}

int main(int argc, char **argv)
{
	const struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 2 << 20 };
	int i;

	if (argc < 2)
		return 2;
	options(argv + 1);
	/* Not what an earlier one wrote there. */
	srand(t_now_ms());
	/* nvme-tcp sends from the task that submits, without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	if (keep)
		recall();
	t_region_open(&r, &opt);
	storage.fd = open(device, O_RDWR);
	REQUIRE(storage.fd >= 0, "%s", device);
	REQUIRE_EQ(t_attach(&r, &storage), 0, "reason %u", storage.reason);
	close(storage.fd);
	printf("path %s\n",
	       storage.path == IO_UNIFIED_PATH_BIO ? "bio" : "passthrough");
	if (idle) {
		REQUIRE(!t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage.index));
		t_region_close(&r);
		t_end_case();
	}
	run();
	for (i = 0; i < WAYS && ways[i].times; i++)
		t_note("%lu failed: %d, reason %u, status %#x", ways[i].times,
		       ways[i].res, ways[i].reason, ways[i].status);
	compare("after");
	if (keep)
		remember();
	t_region_close(&r);
	t_end_case();
}
