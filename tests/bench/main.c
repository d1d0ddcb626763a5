// SPDX-License-Identifier: GPL-2.0
/*
 * iobench: what an op costs, by one engine, as a line of JSON
 *
 * Random reads at a constant queue depth. Numbers are of the ops between the
 * first that completes after the warm-up and the last; all engines pay for the
 * same random numbers and the same bookkeeping.
 */
#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "iobench.h"

static pthread_barrier_t barrier;
static uint64_t process_ns[2];

struct result {
	struct worker w;
	pthread_t thread;
	uint64_t ops;
	uint64_t cpu_ns;
	uint64_t start_ns;
	uint64_t end_ns;
	double left_ns;
	uint64_t syscalls;
	uint64_t cqes;
};

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "iobench: %s: ", options.engine);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void unsupported(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("{\"engine\":\"%s\",\"unsupported\":\"", options.engine);
	vprintf(fmt, args);
	puts("\"}");
	va_end(args);
	exit(77);
}

static void sqe_step(struct worker *w)
{
	int want = w->e->res_is_len ? (int)w->o->bs : 0;
	unsigned int slot, head, nr = 0;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	while (w->nr_free) {
		sqe = io_uring_get_sqe(&w->ring);
		if (!sqe)
			break;
		slot = w->free[--w->nr_free];
		w->e->prep(w, sqe, slot);
		io_uring_sqe_set_data64(sqe, slot);
	}
	submit_and_wait(w, w->o->wait);
	io_uring_for_each_cqe(&w->ring, head, cqe) {
		slot_done(w, (unsigned int)cqe->user_data, cqe->res, want);
		nr++;
	}
	io_uring_cq_advance(&w->ring, nr);
	w->cqes += nr;
}

uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void step_until(struct worker *w, uint64_t done)
{
	while (w->done < done) {
		if (w->e->step)
			w->e->step(w);
		else
			sqe_step(w);
	}
}

static void mark(const char *text)
{
	int fd;

	if (!options.mark)
		return;
	fd = open(options.mark, O_WRONLY);
	if (fd < 0 || write(fd, text, 1) != 1)
		die("%s: %m", options.mark);
	close(fd);
}

/* All threads are here: the last one looks at the process's clock. */
static void meet(int at)
{
	int ret = pthread_barrier_wait(&barrier);

	if (ret == PTHREAD_BARRIER_SERIAL_THREAD) {
		process_ns[at] = now(CLOCK_PROCESS_CPUTIME_ID);
		mark(at ? "0" : "1");
	}
	pthread_barrier_wait(&barrier);
}

static void *run(void *arg)
{
	struct result *r = arg;
	struct worker *w = &r->w;
	unsigned int i;

	for (i = 0; i < w->o->qd; i++)
		w->free[w->nr_free++] = i;
	w->seed = 88172645463325252ULL + w->index;
	w->e->init(w);
	step_until(w, w->o->warmup);

	meet(0);
	r->ops = w->done;
	r->syscalls = w->syscalls;
	r->cqes = w->cqes;
	r->left_ns = soak_ns();
	r->start_ns = now(CLOCK_MONOTONIC);
	r->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID);
	step_until(w, w->done + w->o->ops);
	r->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID) - r->cpu_ns;
	r->end_ns = now(CLOCK_MONOTONIC);
	r->left_ns = soak_ns() - r->left_ns;
	r->ops = w->done - r->ops;
	r->syscalls = w->syscalls - r->syscalls;
	r->cqes = w->cqes - r->cqes;
	meet(1);

	/* what is still in flight is waited for by whatever it came through */
	if (w->e->exit)
		w->e->exit(w);
	return NULL;
}

static void report(const struct engine *e, const struct result *r)
{
	uint64_t ops = 0, cpu = 0, syscalls = 0, cqes = 0, errors = 0;
	uint64_t start = UINT64_MAX, end = 0;
	unsigned int i;
	int error = 0;

	for (i = 0; i < options.threads; i++) {
		ops += r[i].ops;
		cpu += r[i].cpu_ns;
		syscalls += r[i].syscalls;
		cqes += r[i].cqes;
		errors += r[i].w.errors;
		error = error ? error : r[i].w.error;
		start = r[i].start_ns < start ? r[i].start_ns : start;
		end = r[i].end_ns > end ? r[i].end_ns : end;
	}
	printf("{\"engine\":\"%s\",\"path\":\"%s\",\"ring\":\"%s\","
	       "\"bs\":%u,\"qd\":%u,\"wait\":%u,\"batch\":%u,\"threads\":%u,"
	       "\"ops\":%llu,\"cpu_ns\":%.1f,\"process_ns\":%.1f,"
	       "\"wall_ns\":%.1f,\"syscalls\":%.4f,\"cqes\":%.4f,"
	       "\"errors\":%llu,\"error\":%d",
	       e->name, e->path ? e->path() : "none", mode_name(r->w.mode),
	       options.bs, options.qd, options.wait, options.batch,
	       options.threads, (unsigned long long)ops,
	       (double)cpu / (double)ops,
	       (double)(process_ns[1] - process_ns[0]) / (double)ops,
	       (double)(end - start) / (double)ops,
	       (double)syscalls / (double)ops, (double)cqes / (double)ops,
	       (unsigned long long)errors, error);
	if (options.soak)
		printf(",\"busy_ns\":%.1f",
		       ((double)(end - start) - r->left_ns) / (double)ops);
	puts("}");
}

static const struct engine *find_engine(const char *name)
{
	const struct engine *e;

	for (e = peer_engines; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	for (e = unified_engines; e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	errx(2, "no engine %s; see --help", name);
}

int main(int argc, char **argv)
{
	const struct engine *e;
	struct result *r;
	unsigned int i;

	parse_options(argc, argv);
	e = find_engine(options.engine);
	r = calloc(options.threads, sizeof(*r));
	if (!r)
		err(1, "calloc");
	if (e->open)
		e->open(&options);
	if (options.soak)
		soak_start();
	pthread_barrier_init(&barrier, NULL, options.threads);
	for (i = 0; i < options.threads; i++) {
		r[i].w.o = &options;
		r[i].w.e = e;
		r[i].w.index = i;
		if (pthread_create(&r[i].thread, NULL, run, &r[i]))
			err(1, "pthread_create");
	}
	for (i = 0; i < options.threads; i++)
		pthread_join(r[i].thread, NULL);
	report(e, r);
	if (e->close)
		e->close();
	for (i = 0; i < options.threads; i++)
		if (r[i].w.errors)
			return 1;
	free(r);
	return 0;
}
