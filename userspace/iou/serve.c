// SPDX-License-Identifier: MIT
/*
 * iou serve: objects of a device or of files, by HTTP/1.1
 *
 * One thread, one ring, one loop. Requests are read here; bodies go from the drive
 * through the program to the socket inside the kernel, by ops on the region.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "serve.h"
#include "session.h"

#define RING_ENTRIES 1024
#define CHUNK (256u << 10)
#define CHUNK_WITHOUT_KFUNCS (32u << 10) /* a program sees less than 64 KiB */
#define STOP_SECONDS 10

/* ----------------------------------------------------------------------- ring */

struct io_uring_sqe *serve_sqe(struct serve *s, unsigned int more)
{
	/* short of memory the kernel takes none: there is nothing to do but ask again */
	while (io_uring_sq_space_left(&s->ring) < more) {
		s->stats.system_calls++;
		io_uring_submit(&s->ring);
	}
	return io_uring_get_sqe(&s->ring);
}

void serve_tag(struct io_uring_sqe *sqe, enum serve_tag tag, unsigned int conn,
	       unsigned int slot)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)conn << 16 | slot << 8 | tag);
}

void serve_accept(struct serve *s)
{
	struct io_uring_sqe *sqe;

	if (s->accepting || s->stopping || !s->free)
		return;
	sqe = serve_sqe(s, 1);
	io_uring_prep_accept(sqe, s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	serve_tag(sqe, TAG_ACCEPT, 0, 0);
	s->accepting = true;
}

static void watch_signals(struct serve *s)
{
	struct io_uring_sqe *sqe = serve_sqe(s, 1);

	io_uring_prep_poll_add(sqe, s->signal_fd, POLLIN);
	serve_tag(sqe, TAG_SIGNAL, 0, 0);
}

/* ---------------------------------------------------------------------- setup */

static int check_features(struct serve *s, struct serve_options *o)
{
	struct io_unified_info info;
	int err = iou_get_info(s->fd, &info);

	if (err)
		return complain(IOU_EXIT_FAIL,
				"cannot ask the module what it can do: %s",
				strerror(-err));
	if (!(info.features & IO_UNIFIED_FEAT_LEAD))
		return complain(
			IOU_EXIT_UNAVAILABLE,
			"the module sends no heads before bodies: load the one of the same release");
	if (info.max_sockets && o->connections > info.max_sockets)
		return complain(
			IOU_EXIT_USAGE,
			"--connections %llu: the module has room for %u sockets",
			(unsigned long long)o->connections, info.max_sockets);
	if (!o->chunk)
		o->chunk = o->bpf && !(info.features & IO_UNIFIED_FEAT_KFUNCS) ?
				   CHUNK_WITHOUT_KFUNCS :
				   CHUNK;
	return 0;
}

static int make_ring(struct serve *s)
{
	/* a completion for whatever may be in flight */
	unsigned int flights =
		(unsigned int)s->o->connections * (SERVE_SLOTS + 1) +
		RING_ENTRIES;
	int err = session_ring(&s->ring, RING_ENTRIES, flights);

	if (err)
		return err;
	s->ring_up = true;
	return 0;
}

static int make_region(struct serve *s)
{
	struct iou_region_params p = {
		.frames = (unsigned int)(s->o->memory / SERVE_PAGE),
		.frame_size = SERVE_PAGE,
		.flags = s->o->hugepages ? IOU_REGION_REQUIRE_HUGE : 0,
		.ring = &s->ring,
	};
	int err = iou_region_init(&s->region, s->fd, &p);

	if (err)
		return session_failed(&s->region, err, "no region");
	s->region_up = true;
	return pools_init(s);
}

static int make_conns(struct serve *s)
{
	unsigned int i;

	s->conns = calloc(s->o->connections, sizeof(*s->conns));
	if (!s->conns)
		return complain(IOU_EXIT_FAIL, "out of memory");
	for (i = (unsigned int)s->o->connections; i--;) {
		s->conns[i].next = s->free;
		s->free = &s->conns[i];
	}
	return 0;
}

static int load_program(struct serve *s)
{
	const struct serve_options *o = s->o;

	if (!o->bpf)
		return 0;
	program_verbose(o->verbose);
	return session_program(&s->region, &s->program, o->bpf, o->set,
			       o->nr_set, &s->bpf);
}

static int set_up(struct serve *s, struct serve_options *o)
{
	int err = objects_load(s);

	/* who connects before all is ready is served when it is */
	if (!err)
		err = serve_listen(s);
	if (!err)
		err = open_device(&s->fd);
	if (!err)
		err = check_features(s, o);
	if (!err)
		err = make_ring(s);
	if (!err)
		err = make_region(s);
	if (!err)
		err = objects_attach(s);
	if (!err)
		err = load_program(s);
	if (!err)
		err = make_conns(s);
	if (!err)
		err = session_signals(&s->signal_fd);
	return err;
}

static void tear_down(struct serve *s)
{
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->region_up)
		iou_region_exit(&s->region);
	if (s->ring_up)
		io_uring_queue_exit(&s->ring);
	program_close(&s->program);
	pools_free(s);
	free(s->conns);
	objects_free(s);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->fd >= 0)
		iou_close(s->fd);
}

/* ----------------------------------------------------------------------- loop */

static void stop(struct serve *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) > 0)
		;
	s->hasty = s->stopping;
	s->stopping = true;
	s->stop_at = s->now + STOP_SECONDS;
	conn_stop_all(s, s->hasty);
	watch_signals(s);
}

static void accept_failed(struct serve *s, int err)
{
	/* a client that is gone */
	if (err == -ECONNABORTED || err == -EINTR || err == -EAGAIN) {
		serve_accept(s);
		return;
	}
	/* the next second will do */
	if (s->accept_err != err)
		complain(
			IOU_EXIT_OK,
			"cannot accept a connection on %s: %s: it is tried again each second",
			s->address, strerror(-err));
	s->accept_err = err;
}

static void accepted(struct serve *s, int fd)
{
	s->accepting = false;
	if (fd < 0) {
		accept_failed(s, fd);
		return;
	}
	s->accept_err = 0;
	if (s->stopping) {
		close(fd);
		return;
	}
	conn_open(s, fd);
	serve_accept(s);
}

static void dispatch(struct serve *s, const struct io_uring_cqe *cqe)
{
	const uint64_t data = cqe->user_data;
	struct serve_conn *c = &s->conns[data >> 16];
	struct iou_result res;

	switch ((enum serve_tag)(data & 0xff)) {
	case TAG_NONE:
		break;
	case TAG_ACCEPT:
		accepted(s, cqe->res);
		break;
	case TAG_SIGNAL:
		stop(s);
		break;
	case TAG_RECV:
		c->pending--;
		conn_received(s, c, cqe->res);
		conn_settle(s, c);
		break;
	case TAG_SLOT:
		res = iou_cqe_result(&s->ring, cqe);
		c->pending--;
		body_done(s, c, data >> 8 & 0xff, &res);
		conn_pump(s, c);
		conn_settle(s, c);
		break;
	}
}

static void tick(struct serve *s)
{
	http_date((time_t)(now_ns(CLOCK_REALTIME) / NSEC), s->date);
	conn_tick(s);
	objects_tick(s);
	serve_accept(s);
	if (s->stopping && s->now >= s->stop_at)
		conn_stop_all(s, true);
}

static int run(struct serve *s)
{
	while (!s->stopping || s->open) {
		struct __kernel_timespec second = { .tv_sec = 1 };
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;
		uint64_t now;
		int err;

		s->stats.system_calls++;
		err = io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1,
						       &second, NULL);
		if (err < 0 && err != -ETIME && err != -EINTR &&
		    err != -EBUSY && err != -EAGAIN)
			return complain(IOU_EXIT_FAIL,
					"cannot wait for the ring: %s",
					strerror(-err));
		now = now_ns(CLOCK_MONOTONIC) / NSEC;
		if (now != s->now) {
			s->now = now;
			tick(s);
		}
		io_uring_for_each_cqe(&s->ring, head, cqe) {
			dispatch(s, cqe);
			n++;
		}
		io_uring_cq_advance(&s->ring, n);
		body_wake(s);
	}
	return 0;
}

static int serve(struct serve *s, struct serve_options *o)
{
	int err;

	s->objects.start_ns = now_ns(CLOCK_REALTIME);
	s->now = now_ns(CLOCK_MONOTONIC) / NSEC;
	http_date((time_t)(s->objects.start_ns / NSEC), s->date);
	err = set_up(s, o);
	if (err)
		return err;
	serve_accept(s);
	watch_signals(s);
	serve_report_setup(s);
	err = run(s);
	serve_report_totals(s);
	if (o->json)
		serve_report_json(s, err);
	return err;
}

int cmd_serve(int argc, char **argv)
{
	struct serve_options o;
	struct serve s = {
		.o = &o,
		.fd = -1,
		.listen_fd = -1,
		.signal_fd = -1,
		.program.fd = -1,
		.objects.dir_fd = -1,
	};
	bool done;
	int err;

	err = serve_parse(&o, argc, argv, &done);
	if (err || done)
		return err;
	err = serve(&s, &o);
	tear_down(&s);
	return err;
}
