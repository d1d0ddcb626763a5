// SPDX-License-Identifier: MIT
/*
 * Random gets from a tree of btree_build, half of them of keys that it has not:
 *
 *	btree_get --chain /dev/nvme0n1     one op a get, a program walks the tree
 *	btree_get --loop /dev/nvme0n1      one io_uring read for each node of it
 *
 * Each answer is compared with what the builder put there. Exit status: 0; 1:
 * something could not be set up, or an answer was wrong; 2: usage; 3: a get
 * failed, and why was printed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_DIRECT */
#endif
#include <getopt.h>
#include <time.h>

#include "btree_chain.h"
#include "btree_loop.h"

/* Key @n of the run: the same whatever the way. */
static uint64_t choose_key(const struct bench *b, uint64_t n)
{
	uint64_t x = mix64(b->seed + n * 0x9e3779b97f4a7c15);
	uint64_t i = mix64(x), key;

	if (x & 1)
		return key_of(i % b->tree.keys);
	/* also below the first key, and above the last */
	key = (i % (b->tree.keys + 1)) << KEY_STEP_BITS |
	      x >> (64 - KEY_STEP_BITS);
	return key_present(key, b->tree.keys) ? key ^ 1 : key;
}

static void read_header(struct bench *b)
{
	void *block = aligned_alloc(BTREE_BLOCK, BTREE_BLOCK);
	ssize_t len;

	b->fd = open(b->device, O_RDONLY | O_DIRECT);
	need(block && b->fd >= 0 ? 0 : -errno, b->device);
	len = pread(b->fd, block, BTREE_BLOCK, 0);
	need(len < 0 ? -errno : 0, b->device);
	memcpy(&b->tree, block, sizeof(b->tree));
	free(block);
	if (len != BTREE_BLOCK || b->tree.magic != BTREE_MAGIC ||
	    b->tree.version != BTREE_VERSION || !b->tree.keys ||
	    !b->tree.depth || b->tree.depth > BTREE_DEPTH_MAX) {
		fprintf(stderr,
			"%s: no tree there: make one with btree_build\n",
			b->device);
		exit(1);
	}
}

static void ring_open(struct bench *b)
{
	/* the same for both, though the loop needs neither size */
	unsigned int flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	int err = io_uring_queue_init(b->in_flight, &b->ring,
				      flags | IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN);

	if (err == -EINVAL)
		err = io_uring_queue_init(b->in_flight, &b->ring, flags);
	need(err, "io_uring");
}

static void run(struct bench *b)
{
	unsigned int idle[IN_FLIGHT_MAX], nr_idle = 0, head, nr;
	struct io_uring_cqe *cqe;
	uint64_t started = 0;
	int err;

	while (nr_idle < b->in_flight) {
		idle[nr_idle] = nr_idle;
		nr_idle++;
	}
	while (true) {
		while (nr_idle && started < b->nr_gets && !b->failed) {
			unsigned int slot = idle[--nr_idle];

			b->get[slot].key = choose_key(b, started++);
			b->way->start(b, slot);
		}
		if (nr_idle == b->in_flight)
			return;
		err = io_uring_submit_and_wait(&b->ring, 1);
		need(err == -EINTR ? 0 : err, "io_uring");
		nr = 0;
		io_uring_for_each_cqe(&b->ring, head, cqe) {
			unsigned int slot = (unsigned int)cqe->user_data;

			nr++;
			if (b->way->step(b, slot, cqe))
				idle[nr_idle++] = slot;
		}
		io_uring_cq_advance(&b->ring, nr);
	}
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#define LLU(x) ((unsigned long long)(x))

static void report(const struct bench *b, uint64_t reads, uint64_t cpu_ns,
		   uint64_t wall_ns)
{
	const char *path = b->way == &chain ? iou_strpath(b->storage.path) :
					      "io_uring";

	cpu_ns /= b->nr_gets;
	wall_ns /= b->nr_gets;
	if (b->json)
		printf("{\"way\":\"%s\",\"path\":\"%s\",\"depth\":%u,\"gets\":%llu,"
		       "\"found\":%llu,\"absent\":%llu,\"wrong\":%llu,\"reads\":%llu,"
		       "\"cpu_ns_per_get\":%llu,\"wall_ns_per_get\":%llu}\n",
		       b->way->name, path, b->tree.depth, LLU(b->nr_gets),
		       LLU(b->found), LLU(b->absent), LLU(b->wrong), LLU(reads),
		       LLU(cpu_ns), LLU(wall_ns));
	else
		printf("%s (%s), depth %u: %llu gets, %llu found, %llu absent, "
		       "%llu wrong, %llu reads; per get %llu ns CPU, %llu ns\n",
		       b->way->name, path, b->tree.depth, LLU(b->nr_gets),
		       LLU(b->found), LLU(b->absent), LLU(b->wrong), LLU(reads),
		       LLU(cpu_ns), LLU(wall_ns));
}

static void usage(void)
{
	fprintf(stderr,
		"usage: btree_get [--chain | --loop] [--gets N] [--in-flight N] [--seed N]\n"
		"                 [--bio] [--window BYTES] [--max-hops N] [--depth-check]\n"
		"                 [--json] DEVICE\n");
	exit(2);
}

static void parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "chain", no_argument, NULL, 'c' },
		{ "loop", no_argument, NULL, 'l' },
		{ "gets", required_argument, NULL, 'g' },
		{ "in-flight", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ "bio", no_argument, NULL, 'b' },
		{ "window", required_argument, NULL, 'w' },
		{ "max-hops", required_argument, NULL, 'h' },
		{ "depth-check", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (c) {
		case 'c':
			b->way = &chain;
			break;
		case 'l':
			b->way = &loop;
			break;
		case 'g':
			b->nr_gets = n;
			break;
		case 'i':
			b->in_flight = n > IN_FLIGHT_MAX ? 0 : (unsigned int)n;
			break;
		case 's':
			b->seed = n;
			break;
		case 'b':
			b->attach_flags = IO_UNIFIED_ATTACH_BIO;
			break;
		case 'w':
			b->window = n;
			break;
		case 'h':
			b->max_hops = (uint8_t)n;
			break;
		case 'd':
			b->depth_check = true;
			break;
		case 'j':
			b->json = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || !b->nr_gets || !b->in_flight)
		usage();
	b->device = argv[optind];
}

int main(int argc, char **argv)
{
	static struct bench b = {
		.way = &chain,
		.nr_gets = 100000,
		.in_flight = 64,
		.max_hops = -1,
	};
	uint64_t cpu, wall, reads;

	parse(&b, argc, argv);
	read_header(&b);
	ring_open(&b);
	b.way->open(&b);
	wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	run(&b);
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	reads = b.way->reads(&b);
	b.way->close(&b);
	io_uring_queue_exit(&b.ring);
	close(b.fd);
	if (b.failed)
		return 3;
	report(&b, reads, cpu, wall);
	if (b.depth_check && reads != b.nr_gets * b.tree.depth) {
		fprintf(stderr, "btree_get: %llu reads are not %u a get\n",
			LLU(reads), b.tree.depth);
		return 1;
	}
	return b.wrong ? 1 : 0;
}
