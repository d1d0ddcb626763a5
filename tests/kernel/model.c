// SPDX-License-Identifier: GPL-2.0
/*
 * Random ops, many in flight, against a model of what is on the drives
 *
 * A worker is a thread with a region, and a window on each drive that is its own. It
 * knows for each block of its windows which write it has. What is in flight at once
 * does not overlap, or is one group of linked ops. Each read is compared with the
 * model; in the end every byte of the windows and of what lies between them is, read
 * by O_DIRECT.
 *
 * IOU_OPS is how many ops in all (60000), IOU_SEED what they are made of.
 */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/blocks.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/sq.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

#define NVME_COMPARE 0x05
#define NVME_VERIFY 0x0c

#define KIB 1024u
#define MIB (1024u * KIB)

enum {
	WORKERS = 4,
	DRIVES = 4,
	PAIRS = 3, /* two for CMD_RING, one for ENTER */
	SLOTS = 64,
	LONG_SLOTS = 2, /* the first ones */
	GROUP = 4, /* ops linked to each other, at most */
	WINDOW = 4 * MIB,
	GUARD = 256 * KIB,
	/* In front of the data: an odd address and a control block */
	ROOM = 8 * KIB,
	SHORT = 64 * KIB,
	LONG = MIB,
	BPF_MAX = 16 * KIB,
	EDITED = 32, /* bytes that the program inverts */
};

#define RING_CMD (1ull << 63) /* user_data of a CMD_RING */

enum kind {
	READ,
	READ_BPF,
	WRITE,
	WRITE_FUA,
	BPF_WRITE,
	BPF,
	FLUSH,
	ZEROES,
	DISCARD,
	COMPARE,
	MISCOMPARE,
	VERIFY,
	KINDS,
};

static const char *const names[KINDS] = {
	"read",		 "read and BPF", "write",	"write FUA",
	"BPF and write", "BPF",		 "flush",	"write zeroes",
	"discard",	 "compare",	 "bad compare", "verify",
};

/* Of 64 */
static const u8 weights[KINDS] = { 18, 6, 16, 3, 6, 2, 1, 3, 2, 3, 1, 3 };

/* A piece of the region's memory, and the op that uses it. */
struct slot {
	u64 user_data; /* 0: nobody does */
	u64 addr;
	u32 room;
	enum kind kind;
	int drive;
	u32 first, n; /* blocks */
	u32 *gen; /* what is read, or written */
	bool canceled; /* by the one before it in its group */
	struct io_unified_desc d;
	struct slot *lead, *next;
	/* of the first one of a group */
	int left;
	bool write;
	bool chain; /* of SQEs */
};

struct worker {
	pthread_t thread;
	int id;
	u64 random, ops, user_data;
	u64 done[KINDS];
	struct t_region r;
	int storage[DRIVES], edit;
	u32 align[DRIVES];
	bool raw[DRIVES], zeroes[DRIVES];
	struct t_blocks blocks[DRIVES];
	struct slot slots[SLOTS];
	int busy, ring_cmds;
	int chains; /* under way */
	unsigned int oldest; /* SQE of them, or one before it */
	u64 heard; /* of a completion, last */
};

static const struct {
	enum t_memory memory;
	u32 ring_flags;
	const char *name;
} styles[WORKERS] = {
	{ T_MEM_MODULE, 0, "module memory" },
	{ T_MEM_MEMFD, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	  "memfd, deferred" },
	{ T_MEM_HUGE, 0, "huge pages" },
	{ T_MEM_ANON, 0, "anonymous memory" },
};

static struct {
	struct t_disk disk;
	u64 start;
	bool raw, zeroes; /* what it has to be able to do */
	u32 align; /* of memory, where it asks for less than it needs */
} drives[DRIVES];

static struct worker workers[WORKERS];
static struct bpf_object *obj;
static u64 seed;

static u64 pick(struct worker *w, u64 n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 11) % n;
}

static u64 window_start(int drive, int worker)
{
	return drives[drive].start + GUARD + worker * (u64)(WINDOW + GUARD);
}

/* ------------------------------------------------------------------ drives */

static u64 guard_seed(int drive, int nth)
{
	return seed + drive * 100 + nth;
}

/* Guards, and windows of generation 1. */
static void prepare_drive(int d)
{
	const struct t_disk *disk = &drives[d].disk;
	u8 *buf = malloc(WINDOW);
	int i;

	REQUIRE(buf);
	for (i = 0; i <= WORKERS; i++) {
		t_fill(buf, GUARD, guard_seed(d, i));
		t_disk_write(disk, buf, GUARD, window_start(d, i) - GUARD);
	}
	for (i = 0; i < WORKERS; i++) {
		struct t_blocks *b = &workers[i].blocks[d];

		t_blocks_init(b, disk->name, disk->lba, WINDOW, seed + i);
		t_blocks_fill(b, buf, 0, b->count, b->gen);
		t_disk_write(disk, buf, WINDOW, window_start(d, i));
	}
	free(buf);
}

static void prepare_drives(void)
{
	struct t_disk *whole = &drives[0].disk;
	int d;

	t_disk_nvme(&drives[0].disk, 512, 0);
	drives[0].start = 512 * MIB;
	drives[0].raw = true;
	t_disk_nvme(&drives[1].disk, 4096, 0);
	drives[1].start = 512 * MIB;
	drives[1].raw = true;
	t_disk_partition(&drives[2].disk, whole, 3, 128 * MIB, 64 * MIB);
	t_disk_null_blk(&drives[3].disk, "iou_model", 512, 64, "discard=1");
	/* On 7.x it loses what of a piece is not in the piece's first sector. */
	drives[3].align = 512;
	for (d = 0; d < DRIVES; d++) {
		drives[d].zeroes = d < 3;
		prepare_drive(d);
	}
}

static void check_drives(void)
{
	u8 *buf = malloc(WINDOW);
	int d, i;

	REQUIRE(buf);
	for (d = 0; d < DRIVES; d++) {
		const struct t_disk *disk = &drives[d].disk;

		for (i = 0; i <= WORKERS; i++) {
			t_disk_read(disk, buf, GUARD,
				    window_start(d, i) - GUARD);
			CHECK(t_filled(buf, GUARD, guard_seed(d, i)),
			      "%s: what is in front of window %d was written",
			      disk->name, i);
		}
		for (i = 0; i < WORKERS; i++) {
			struct t_blocks *b = &workers[i].blocks[d];

			t_disk_read(disk, buf, WINDOW, window_start(d, i));
			CHECK(t_blocks_check(b, buf, 0, b->count, b->gen,
					     "in the end"),
			      "window %d", i);
		}
	}
	free(buf);
	t_disk_del_partition(&drives[0].disk, 3);
	t_disk_del_null_blk("iou_model");
}

/* --------------------------------------------------------------- an op's life */

static bool has_bpf(enum kind k)
{
	return k == READ_BPF || k == BPF_WRITE || k == BPF;
}

static bool has_no_data(enum kind k)
{
	return k == FLUSH || k == ZEROES || k == DISCARD || k == VERIFY;
}

static bool changes(enum kind k)
{
	return k == WRITE || k == WRITE_FUA || k == BPF_WRITE || k == ZEROES ||
	       k == DISCARD;
}

static void invert(void *p)
{
	u64 *word = p;
	u32 i;

	for (i = 0; i < EDITED / 8; i++)
		word[i] = ~word[i];
}

static enum kind pick_kind(struct worker *w)
{
	u32 at = pick(w, 64), k;

	for (k = 0; at >= weights[k]; k++)
		at -= weights[k];
	return k;
}

/* A kind that the drive has, for the range. */
static enum kind kind_for(struct worker *w, int drive, u32 first, u32 n)
{
	const struct t_blocks *b = &w->blocks[drive];
	enum kind k = pick_kind(w);
	u32 i;

	if (k == ZEROES && !w->zeroes[drive])
		return READ;
	if (has_bpf(k) && n * b->lba > BPF_MAX)
		return k == BPF_WRITE ? WRITE : READ;
	if (k != COMPARE && k != MISCOMPARE && k != VERIFY)
		return k;
	/* One command each, however long: within what the drive takes. */
	if (!w->raw[drive] || n * b->lba > SHORT)
		return READ;
	/* The drive compares with what is there, and that may be unknown. */
	for (i = first; i < first + n; i++)
		if (b->gen[i] & T_GEN_OR_ZEROS)
			return READ;
	return k;
}

static struct slot *find_slot(struct worker *w, u32 len)
{
	int i = len > SHORT ? 0 : LONG_SLOTS;
	int end = len > SHORT ? LONG_SLOTS : SLOTS;

	for (; i < end; i++)
		if (!w->slots[i].user_data)
			return &w->slots[i];
	return NULL;
}

static void describe(struct worker *w, struct slot *s)
{
	static const struct {
		u32 ops, flags;
		u8 opcode;
	} how[KINDS] = {
		[READ] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_READ },
		[READ_BPF] = { IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF,
			       IO_UNIFIED_F_READ },
		[WRITE] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_WRITE },
		[WRITE_FUA] = { IO_UNIFIED_OP_NVME,
				IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FUA },
		[BPF_WRITE] = { IO_UNIFIED_OP_NVME | IO_UNIFIED_OP_BPF,
				IO_UNIFIED_F_WRITE },
		[BPF] = { IO_UNIFIED_OP_BPF },
		[FLUSH] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_FLUSH },
		[ZEROES] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_ZEROES },
		[DISCARD] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_DISCARD },
		[COMPARE] = { IO_UNIFIED_OP_NVME,
			      IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE,
			      NVME_COMPARE },
		[MISCOMPARE] = { IO_UNIFIED_OP_NVME,
				 IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE,
				 NVME_COMPARE },
		[VERIFY] = { IO_UNIFIED_OP_NVME, IO_UNIFIED_F_OPCODE,
			     NVME_VERIFY },
	};
	const struct t_blocks *b = &w->blocks[s->drive];

	s->d = (struct io_unified_desc){
		.user_data = s->user_data,
		.ops = how[s->kind].ops,
		.flags = how[s->kind].flags,
		.nvme_opcode = how[s->kind].opcode,
		.bpf = has_bpf(s->kind) ? w->edit : 0,
		.addr = has_no_data(s->kind) ? 0 : s->addr,
	};
	if (s->d.ops & IO_UNIFIED_OP_NVME)
		s->d.storage = w->storage[s->drive];
	if (s->kind == FLUSH)
		return;
	s->d.len = s->n * b->lba;
	if (s->kind != BPF)
		s->d.dev_offset = (u64)s->first * b->lba;
}

/* The model after the op, and the memory before it. */
static void make_content(struct worker *w, struct slot *s)
{
	struct t_blocks *b = &w->blocks[s->drive];
	u8 *p = t_ptr(&w->r, s->addr);
	u32 *gen = b->gen + s->first;
	u32 i;

	if (changes(s->kind) && !s->canceled) {
		b->last += s->kind != ZEROES && s->kind != DISCARD;
		for (i = 0; i < s->n; i++) {
			if (s->kind == DISCARD)
				gen[i] |= gen[i] ? T_GEN_OR_ZEROS : 0;
			else
				gen[i] = s->kind == ZEROES ? T_GEN_ZEROS :
							     b->last;
		}
	}
	memcpy(s->gen, gen, s->n * sizeof(*gen));
	if (has_no_data(s->kind))
		return;
	if (s->kind == READ || s->kind == READ_BPF) {
		/* What a read leaves out must not look as if it was read. */
		for (i = 0; i < s->n; i++) {
			memset(p + i * b->lba, 0x5a, 64);
			memset(p + (i + 1) * b->lba - 64, 0x5a, 64);
		}
		return;
	}
	t_blocks_fill(b, p, s->first, s->n, s->gen);
	if (s->kind == BPF_WRITE)
		invert(p);
	if (s->kind == MISCOMPARE)
		p[pick(w, s->n * b->lba)] ^= 1 + pick(w, 255);
}

/* A range that nobody has, in the blocks of one drive. */
static bool find_range(struct worker *w, int drive, bool write, u32 *first,
		       u32 *n)
{
	struct t_blocks *b = &w->blocks[drive];
	u32 max = pick(w, 4) ? 8 : SHORT / b->lba, tries;

	if (!pick(w, 512))
		max = LONG / b->lba;
	for (tries = 0; tries < 8; tries++) {
		*n = 1 + pick(w, max);
		*first = pick(w, b->count - *n + 1);
		if (t_blocks_lock(b, *first, *n, write))
			return true;
	}
	return false;
}

/*
 * One op, or a group of ops one after another on the same blocks. Returns the first
 * one; NULL: there is no room for it now.
 */
static struct slot *make_group(struct worker *w, int max)
{
	struct slot *s, *lead = NULL, **link = &lead;
	int drive = pick(w, DRIVES), n, i;
	struct t_blocks *b = &w->blocks[drive];
	bool failed = false, write;
	u32 first, blocks;
	enum kind kind;

	n = pick(w, 4) ? 1 : 1 + pick(w, GROUP);
	n = n < max ? n : max;
	/* Readers may share what they read. */
	write = n > 1 || pick(w, 2);
	if (!find_range(w, drive, write, &first, &blocks))
		return NULL;
	for (i = 0; i < n; i++) {
		s = find_slot(w, blocks * b->lba);
		if (!s)
			break;
		do {
			kind = kind_for(w, drive, first, blocks);
		} while (!write && changes(kind));
		s->user_data = ++w->user_data << 8 | (s - w->slots);
		s->addr = t_frame(&w->r, 0) + (s - w->slots) * (SHORT + ROOM);
		if (s->room > SHORT)
			s->addr = t_frame(&w->r, 0) + SLOTS * (SHORT + ROOM) +
				  (s - w->slots) * (LONG + ROOM);
		s->addr += 4 * KIB +
			   pick(w, 4 * KIB / w->align[drive]) * w->align[drive];
		s->kind = kind;
		s->drive = drive;
		s->first = first;
		s->n = blocks;
		s->canceled = failed;
		s->next = NULL;
		s->lead = lead ? lead : s;
		make_content(w, s);
		describe(w, s);
		failed |= kind == MISCOMPARE;
		*link = s;
		link = &s->next;
		w->busy++;
	}
	if (!lead) {
		t_blocks_unlock(b, first, blocks, write);
		return NULL;
	}
	lead->left = i;
	lead->write = write;
	lead->chain = false;
	return lead;
}

/* How it had to end, and what it had to leave. */
static void check_result(struct worker *w, struct slot *s, s32 res, u16 reason,
			 u16 status, bool by_ring)
{
	struct t_blocks *b = &w->blocks[s->drive];
	u8 *p = t_ptr(&w->r, s->addr);
	const char *name = names[s->kind];

	if (s->canceled) {
		CHECK_EQ(res, -ECANCELED, "%s after one that failed", name);
		/* io_uring itself cancels links of SQEs. */
		if (by_ring)
			CHECK_EQ(reason, IO_UNIFIED_REASON_LINK, "%s", name);
		return;
	}
	if (s->kind == MISCOMPARE) {
		CHECK(res == -EIO || res == -ENODATA, "%s: %d", name, res);
		CHECK_EQ(status & 0x7ff, 0x285, "%s", name);
		return;
	}
	if (!CHECK_EQ(res, s->d.len,
		      "%s, %s: blocks %u + %u: reason %u, status %#x", name,
		      b->name, s->first, s->n, reason, status))
		return;
	if (s->kind == READ_BPF || s->kind == BPF)
		invert(p);
	if (s->kind == READ || s->kind == READ_BPF || s->kind == BPF)
		CHECK(t_blocks_check(b, p, s->first, s->n, s->gen, name));
}

static void complete(struct worker *w, u64 user_data, s32 res, u16 reason,
		     u16 status, bool by_ring)
{
	struct slot *s = &w->slots[user_data & 0xff], *lead;

	REQUIRE((user_data & 0xff) < SLOTS && s->user_data == user_data,
		"a completion of nothing, or a second one: %#llx",
		(unsigned long long)user_data);
	check_result(w, s, res, reason, status, by_ring);
	w->done[s->kind]++;
	w->heard = t_now_ms();
	lead = s->lead;
	if (--lead->left)
		return;
	t_blocks_unlock(&w->blocks[lead->drive], lead->first, lead->n,
			lead->write);
	w->chains -= lead->chain;
	for (s = lead; s; s = s->next) {
		s->user_data = 0;
		w->busy--;
	}
}

/* ----------------------------------------------------------- ways to submit */

/* Each op in an SQE, a group as a chain of SQEs. */
static void by_sqe(struct worker *w, struct slot *lead)
{
	struct io_uring *ring = &w->r.ring;
	struct io_uring_sqe *sqe;
	struct slot *s;

	lead->chain = lead->next;
	if (lead->chain && !w->chains++)
		w->oldest = ring->sq.sqe_tail;
	for (s = lead; s; s = s->next) {
		t_queue(&w->r, &s->d);
		/* The SQE that was filled last. */
		sqe = &ring->sq.sqes[((ring->sq.sqe_tail - 1) &
				      (*ring->sq.kring_entries - 1))
				     << 1];
		if (s->next)
			sqe->flags |= IOSQE_IO_LINK;
	}
}

static void by_ring(struct worker *w, int pair, struct slot *lead)
{
	struct slot *s;

	for (s = lead; s; s = s->next) {
		if (s->next)
			s->d.flags |= IO_UNIFIED_F_LINK;
		REQUIRE(t_sq_put(&w->r, pair, &s->d), "the SQ is not empty");
	}
}

static void enter(struct worker *w, int n)
{
	struct io_unified_enter e = {
		.ring = PAIRS - 1,
		.to_submit = n,
		.min_complete = pick(w, 2) ? pick(w, n + 1) : 0,
		.timeout_nsec = 30 * 1000000000ull,
	};

	REQUIRE_EQ(t_enter(&w->r, &e), 0, "reason %u", e.reason);
	CHECK_EQ(e.submitted, n);
}

static void reap(struct worker *w, bool wait);

/*
 * Linux 6.10 to 6.14 read the SQEs of a chain when it is their turn, and have no
 * copy: they must not be overwritten before it is over.
 */
static void keep_chains(struct worker *w)
{
	struct io_uring_sq *sq = &w->r.ring.sq;

	while (w->chains &&
	       sq->sqe_tail - w->oldest > *sq->kring_entries - SLOTS)
		reap(w, true);
}

/* Some groups at once, by one way. Returns how many ops. */
static int submit(struct worker *w, int max)
{
	int way = pick(w, PAIRS + 1), groups = 1 + pick(w, 8), n = 0;
	struct slot *lead, *s;

	keep_chains(w);
	while (groups-- && n < max) {
		lead = make_group(w, max - n);
		if (!lead)
			break;
		for (s = lead; s; s = s->next)
			n++;
		if (way == PAIRS)
			by_sqe(w, lead);
		else
			by_ring(w, way, lead);
	}
	if (!n)
		return 0;
	if (way == PAIRS - 1) {
		enter(w, n);
		return n;
	}
	if (way < PAIRS) {
		t_queue_ring(&w->r, &w->r.ring, way, pick(w, 2) ? n : 0,
			     pick(w, 2) ? IO_UNIFIED_RING_SUBMIT : 0,
			     RING_CMD | n);
		w->ring_cmds++;
	}
	t_submit(&w->r);
	return n;
}

static void reap(struct worker *w, bool wait)
{
	struct io_unified_cqe cqe;
	struct t_res res;
	bool any = false;
	int i;

	for (i = 0; i < PAIRS; i++)
		while (t_cq_of(&w->r, i, &cqe, 0)) {
			complete(w, cqe.user_data, cqe.res, cqe.reason,
				 cqe.nvme_status, true);
			any = true;
		}
	while (io_uring_cq_ready(&w->r.ring) || (wait && !any)) {
		any = true;
		if (!t_reap(&w->r, &res, 1))
			return;
		if (res.user_data & RING_CMD) {
			CHECK_EQ(res.res, (int)res.user_data,
				 "CMD_RING: reason %u", res.reason);
			w->ring_cmds--;
			continue;
		}
		complete(w, res.user_data, res.res, res.reason, res.status,
			 false);
	}
}

/* ------------------------------------------------------------------ workers */

static void attach(struct worker *w, int d)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.dev_start = window_start(d, w->id),
		.dev_len = WINDOW,
	};
	struct t_res res;

	a.fd = open(drives[d].disk.path, O_RDWR);
	REQUIRE(a.fd >= 0, "%s", drives[d].disk.path);
	REQUIRE_EQ(t_attach(&w->r, &a), 0, "reason %u", a.reason);
	close(a.fd);
	w->storage[d] = a.index;
	w->align[d] = drives[d].align > a.mem_align ? drives[d].align :
						      a.mem_align;
	w->raw[d] = a.path == IO_UNIFIED_PATH_PASSTHROUGH;
	CHECK_EQ(w->raw[d], drives[d].raw);
	/* Drives have write zeroes; null_blk has it on some kernels. */
	res = t_io(&w->r, IO_UNIFIED_F_ZEROES, a.index, 0, 4096, 0);
	w->zeroes[d] = res.res == 4096;
	if (w->zeroes[d])
		memset(w->blocks[d].gen, 0,
		       4096 / w->blocks[d].lba * sizeof(u32));
	else
		CHECK(res.res == -EOPNOTSUPP && !drives[d].zeroes,
		      "%s: write zeroes: %d", drives[d].disk.name, res.res);
}

static void open_worker(struct worker *w)
{
	const struct t_opt opt = {
		.memory = styles[w->id].memory,
		.ring_flags = styles[w->id].ring_flags,
		.size = 8 * MIB,
		.pairs = PAIRS,
	};
	int i;

	t_region_open(&w->r, &opt);
	REQUIRE(t_frame(&w->r, 0) + SLOTS * (SHORT + ROOM) +
			LONG_SLOTS * (LONG + ROOM) <=
		w->r.size);
	for (i = 0; i < DRIVES; i++)
		attach(w, i);
	w->edit = t_attach_bpf(&w->r, t_bpf_prog(obj, "edit"));
	for (i = 0; i < SLOTS; i++) {
		w->slots[i].room = i < LONG_SLOTS ? LONG : SHORT;
		w->slots[i].gen = calloc(w->slots[i].room / 512, sizeof(u32));
		REQUIRE(w->slots[i].gen);
	}
}

static void tell_what_hangs(struct worker *w)
{
	struct slot *s;

	for (s = w->slots; s < w->slots + SLOTS; s++)
		if (s->user_data)
			t_note("%s: %s, %s, blocks %u + %u", styles[w->id].name,
			       names[s->kind], w->blocks[s->drive].name,
			       s->first, s->n);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 made = 0;
	int n;

	open_worker(w);
	w->heard = t_now_ms();
	while (made < w->ops || w->busy || w->ring_cmds) {
		n = 0;
		if (made < w->ops && w->busy < SLOTS - GROUP)
			n = submit(w, SLOTS - GROUP - w->busy);
		made += n;
		reap(w, !n);
		if (w->busy && t_now_ms() - w->heard > 60000) {
			tell_what_hangs(w);
			REQUIRE(false, "%d ops do not end", w->busy);
		}
	}
	t_region_close(&w->r);
	return NULL;
}

static void random_ops(void)
{
	struct worker *w;
	u64 total, sum, all = 0;
	int k;

	total = t_environment("IOU_OPS", 60000);
	seed = t_environment("IOU_SEED", t_now_ms() * 1000 + getpid());
	t_note("IOU_OPS=%llu IOU_SEED=%llu", (unsigned long long)total,
	       (unsigned long long)seed);
	prepare_drives();
	t_hugepages(4);
	obj = t_bpf_open("ops", true);
	for (w = workers; w < workers + WORKERS; w++) {
		w->id = w - workers;
		w->random = (seed + w->id + 1) * 0x9e3779b97f4a7c15ull | 1;
		w->ops = (total + WORKERS - 1) / WORKERS;
		REQUIRE(!pthread_create(&w->thread, NULL, work, w));
	}
	for (w = workers; w < workers + WORKERS; w++)
		REQUIRE(!pthread_join(w->thread, NULL));
	check_drives();
	bpf_object__close(obj);
	for (k = 0; k < KINDS; k++) {
		for (sum = 0, w = workers; w < workers + WORKERS; w++)
			sum += w->done[k];
		CHECK(sum, "not one %s", names[k]);
		t_note("%s: %llu", names[k], (unsigned long long)sum);
		all += sum;
	}
	CHECK(all >= total, "%llu ops", (unsigned long long)all);
}

static const struct t_case cases[] = {
	/* The runner has the limit: it depends on IOU_OPS. */
	{ "random ops on a model of the drives", random_ops, 24 * 3600 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
