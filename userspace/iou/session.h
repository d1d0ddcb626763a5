/* SPDX-License-Identifier: MIT */
/* What all commands that run for a while need. */
#ifndef IOU_SESSION_H
#define IOU_SESSION_H

#include <iounified.h>
#include <time.h>

#define NSEC 1000000000ull

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

/* Complains about a call of the library that failed; returns an exit code. */
int session_failed(const struct iou_region *r, int err, const char *what);

/* @fd: where SIGINT, SIGTERM and SIGHUP are read from; an exit code. */
int session_signals(int *fd);

#endif /* IOU_SESSION_H */
