// SPDX-License-Identifier: GPL-2.0
/*
 * All that the CPU does for an op, interrupts and switches too
 *
 * A thread's own CPU time knows nothing of an interrupt that comes while it
 * waits. So another thread takes what is left of the CPU, and counts: what is
 * missing from its count was work. For a VM with one CPU that counts
 * instructions.
 */
#include <sched.h>
#include <unistd.h>

#include "iobench.h"

static uint64_t count;
static double ns_per_count;

static void *soak(void *arg)
{
	const struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &param))
		die("SCHED_IDLE: %m");
	for (;;)
		__atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
	return NULL;
}

void soak_start(void)
{
	uint64_t start, before;
	pthread_t thread;

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		unsupported("--soak needs a single CPU");
	if (pthread_create(&thread, NULL, soak, NULL))
		die("pthread_create: %m");
	usleep(20000);
	start = now(CLOCK_MONOTONIC);
	before = __atomic_load_n(&count, __ATOMIC_RELAXED);
	usleep(200000);
	/* nothing else runs: ticks of the clock are part of what it costs */
	before = __atomic_load_n(&count, __ATOMIC_RELAXED) - before;
	ns_per_count = (double)(now(CLOCK_MONOTONIC) - start) / (double)before;
}

double soak_ns(void)
{
	return (double)__atomic_load_n(&count, __ATOMIC_RELAXED) * ns_per_count;
}
