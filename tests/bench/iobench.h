/* SPDX-License-Identifier: GPL-2.0 */
/* What the engines of iobench share. */
#ifndef IOBENCH_H
#define IOBENCH_H

#include <iounified.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MAX_QD 512

enum ring_mode { RING_PLAIN, RING_DEFER, RING_SQPOLL, RING_IOPOLL };

/**
 * struct options - one run
 * @engine: name
 * @dev: block device
 * @bs: bytes of an op
 * @qd: ops in flight, of each thread
 * @wait: completions that one call waits for
 * @batch: engine "ring": descriptors of a command
 * @threads: threads
 * @ops: ops of each thread that are measured
 * @warmup: ops before those
 * @mode: how io_urings are set up
 * @bio: force the bio path
 * @small_cqe: engine "op": no IORING_SETUP_CQE32
 * @soak: count what the CPU has left, too
 * @mark: file to write 1 to when the measured ops begin, 0 at their end
 */
struct options {
	const char *engine;
	const char *dev;
	unsigned int bs;
	unsigned int qd;
	unsigned int wait;
	unsigned int batch;
	unsigned int threads;
	uint64_t ops;
	uint64_t warmup;
	enum ring_mode mode;
	bool bio;
	bool small_cqe;
	bool soak;
	const char *mark;
};

/**
 * struct worker - a thread
 * @o: options
 * @e: engine
 * @index: number of the thread
 * @ring: its io_uring
 * @mode: how the ring was set up
 * @pair: its SQ and CQ of the region
 * @buf: its memory, qd times bs bytes
 * @fd: number of the registered file that its ops name
 * @blocks: blocks of @bs bytes on the device
 * @seed: state of the random numbers
 * @free: slots that have no op in flight
 * @nr_free: how many
 * @done: ops that completed
 * @syscalls: system calls
 * @cqes: io_uring CQEs
 * @errors: ops that failed
 * @error: result of the first of them
 */
struct worker {
	const struct options *o;
	const struct engine *e;
	unsigned int index;
	struct io_uring ring;
	enum ring_mode mode;
	struct iou_ring pair;
	unsigned char *buf;
	int fd;
	uint64_t blocks;
	uint64_t seed;
	unsigned int free[MAX_QD];
	unsigned int nr_free;
	uint64_t done;
	uint64_t syscalls;
	uint64_t cqes;
	uint64_t errors;
	int error;
};

/**
 * struct engine - a way to read
 * @name: of the engine
 * @open: once, before the threads
 * @init: by each thread
 * @exit: by each thread
 * @close: once, after the threads
 * @prep: fill an SQE that reads into a slot
 * @step: submit all that is free, wait, reap; NULL: by @prep
 * @path: what is behind it, or NULL
 * @res_is_len: a CQE that went well has the length as its result, not 0
 */
struct engine {
	const char *name;
	void (*open)(const struct options *o);
	void (*init)(struct worker *w);
	void (*exit)(struct worker *w);
	void (*close)(void);
	void (*prep)(struct worker *w, struct io_uring_sqe *sqe,
		     unsigned int slot);
	void (*step)(struct worker *w);
	const char *(*path)(void);
	bool res_is_len;
};

extern struct options options;
extern const struct engine peer_engines[];
extern const struct engine unified_engines[];

/* Fills the options; ends the program where they make no sense. */
void parse_options(int argc, char **argv);
const char *mode_name(enum ring_mode mode);
/* Says what went wrong, and ends the program. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A JSON line that says why this cannot be measured here; exit status 77. */
void unsupported(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

uint64_t now(clockid_t clock);
/* Starts to burn what others leave of the CPU. */
void soak_start(void);
/* ns of the CPU that were left since soak_start(). */
double soak_ns(void);

/* Opens @path, O_DIRECT if it is a block device. */
int open_device(const char *path);
uint64_t device_size(int fd);
unsigned int device_lba(int fd);

/* Makes the worker's io_uring; @flags beside those of the mode. */
void ring_init(struct worker *w, unsigned int entries, unsigned int flags);
void ring_register_file(struct worker *w, int fd);
unsigned char *map_buffers(size_t size);

/* Submits, and waits for @nr CQEs. */
void submit_and_wait(struct worker *w, unsigned int nr);
/* A slot's op is over; it went well if @res is @want. */
void slot_done(struct worker *w, unsigned int slot, int res, int want);

static inline uint64_t random_block(struct worker *w)
{
	/* xorshift64; a product takes the place of a division */
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (uint64_t)(((unsigned __int128)w->seed * w->blocks) >> 64);
}

#endif /* IOBENCH_H */
