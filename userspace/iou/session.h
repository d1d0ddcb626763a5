/* SPDX-License-Identifier: MIT */
/* What all commands that run for a while need. */
#ifndef IOU_SESSION_H
#define IOU_SESSION_H

#include <iounified.h>
#include <time.h>

#include "program.h"

#define NSEC 1000000000ull
#define SESSION_PATIENCE_NS 1000000ull

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* Complains about a call of the library that failed; returns an exit code. */
int session_failed(const struct iou_region *r, int err, const char *what);

/*
 * A ring for one thread and the 128-byte SQEs of ops; an exit code.
 * @cq_entries: 0 for as many as liburing makes of @entries
 */
int session_ring(struct io_uring *ring, unsigned int entries,
		 unsigned int cq_entries);

/*
 * Submits, and waits for a completion, for @ns at most. @nr: how many to wait for while
 * they come fast, within SESSION_PATIENCE_NS of the call: each time that somebody is
 * woken costs a switch and a system call. After that the first one ends it, so a single
 * one is told of late only by what is left of this. Returns 0 or -errno.
 */
int session_wait(struct io_uring *ring, unsigned int nr, uint64_t ns);

/* Loads @file into @p, with @set, and attaches it; an exit code. */
int session_program(struct iou_region *r, struct program *p, const char *file,
		    const char *const *set, unsigned int nr_set,
		    struct io_unified_attach *out);

/* @fd: where SIGINT, SIGTERM and SIGHUP are read from; an exit code. */
int session_signals(int *fd);

#endif /* IOU_SESSION_H */
