// SPDX-License-Identifier: MIT
/*
 * iou ingest: bytes of connections, or datagrams, to a block device or a file
 *
 * One thread and one io_uring. An op takes bytes from a socket into the region and
 * writes them from there: this process sees neither, only that it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "ingest.h"

#define ACCEPT_AGAIN_NS NSEC

struct io_uring_sqe *ingest_sqe(struct ingest *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	while (!sqe) {
		io_uring_submit(&r->ring);
		r->syscalls++;
		sqe = io_uring_get_sqe(&r->ring);
	}
	return sqe;
}

/* ------------------------------------------------------------------- setup */

static int make_ring(struct ingest *r)
{
	const uint64_t ops = r->o->connections * r->o->depth + DATAGRAMS;
	/* each op may be called back while it is under way */
	int err = session_ring(&r->ring, 256, (unsigned int)(2 * ops + 64));

	if (err)
		return err;
	r->ring_up = true;
	return 0;
}

static int make_region(struct ingest *r)
{
	const struct ingest_options *o = r->o;
	uint64_t bytes = TABLE_COPY + o->connections * o->depth * o->chunk +
			 (o->udp ? DATAGRAMS * MAX_DATAGRAM : 0);
	struct iou_region_params p = {
		.frames = (unsigned int)(bytes / 4096),
		.frame_size = 4096,
		.flags = o->hugepages ? IOU_REGION_REQUIRE_HUGE : 0,
		.ring = &r->ring,
	};
	int err = iou_region_init(&r->region, r->fd, &p);

	if (err)
		return session_failed(&r->region, err, "no region");
	r->region_up = true;
	return 0;
}

static int check_features(struct ingest *r)
{
	struct io_unified_info info;
	int err = iou_get_info(r->fd, &info);

	if (!err && !(info.features & IO_UNIFIED_FEAT_SOCKET))
		return complain(
			IOU_EXIT_UNAVAILABLE,
			"the loaded module has no sockets: load the one of this release");
	return err ? session_failed(&r->region, err, IOU_DEVICE) : 0;
}

static int make_conns(struct ingest *r)
{
	unsigned int i;

	r->nr_conns = r->o->connections;
	r->conn = calloc(r->nr_conns, sizeof(*r->conn));
	if (!r->conn)
		return complain(IOU_EXIT_FAIL, "out of memory");
	for (i = 0; i < r->nr_conns; i++) {
		r->conn[i].r = r;
		r->conn[i].index = i;
		r->conn[i].fd = -1;
	}
	return 0;
}

static void poll_fd(struct ingest *r, int fd, enum tag tag)
{
	struct io_uring_sqe *sqe = ingest_sqe(r);

	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, make_tag(tag, 0, 0));
}

/* A flush of so many bytes must not wait for a piece that is larger. */
static void fit_chunk(struct ingest_options *o)
{
	while (o->flush == FLUSH_BYTES && o->chunk > o->flush_arg &&
	       o->chunk > 4096)
		o->chunk /= 2;
}

static int set_up(struct ingest *r)
{
	int err;

	fit_chunk(r->o);
	err = sink_open(r);
	if (!err)
		err = open_device(&r->fd);
	if (!err)
		err = check_features(r);
	if (!err)
		err = make_conns(r);
	if (!err)
		err = make_ring(r);
	if (!err)
		err = make_region(r);
	if (!err)
		err = session_signals(&r->signal_fd);
	if (!err)
		err = net_listen(r);
	if (!err)
		err = sink_start(r);
	return err;
}

static void tear_down(struct ingest *r)
{
	unsigned int i;

	if (r->listen_fd >= 0)
		close(r->listen_fd);
	for (i = 0; i < r->nr_conns; i++)
		if (r->conn[i].fd >= 0)
			close(r->conn[i].fd);
	if (r->region_up)
		iou_region_exit(&r->region);
	r->region_up = false;
	sink_close(r);
	if (r->ring_up)
		io_uring_queue_exit(&r->ring);
	free(r->conn);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	if (r->fd >= 0)
		iou_close(r->fd);
}

/* -------------------------------------------------------------- connections */

static struct conn *free_conn(struct ingest *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_conns; i++)
		if (r->conn[i].state == CONN_FREE)
			return &r->conn[i];
	return NULL;
}

void ingest_accept(struct ingest *r)
{
	struct io_uring_sqe *sqe;

	if (r->o->udp || r->accepting || r->stopping || r->accept_ns ||
	    !free_conn(r))
		return;
	if (r->o->count && r->streams >= r->o->count) {
		r->stopping = true;
		if (r->o->many)
			r->end = STREAM_COUNT;
		return;
	}
	if (!r->o->file && !table_room(&r->table)) {
		r->stopping = true;
		r->end = STREAM_FULL;
		return;
	}
	sqe = ingest_sqe(r);
	io_uring_prep_accept(sqe, r->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, make_tag(TAG_ACCEPT, 0, 0));
	r->accepting = true;
}

void ingest_accept_later(struct ingest *r)
{
	r->accept_ns = now_ns(CLOCK_MONOTONIC) + ACCEPT_AGAIN_NS;
}

void ingest_stop(struct ingest *r, enum stream_state why)
{
	unsigned int i;

	if (r->end != STREAM_ERROR)
		r->end = why;
	r->stopping = true;
	if (r->accepting) {
		struct io_uring_sqe *sqe = ingest_sqe(r);

		io_uring_prep_cancel64(sqe, make_tag(TAG_ACCEPT, 0, 0), 0);
		io_uring_sqe_set_data64(sqe, make_tag(TAG_CANCEL, 0, 0));
	}
	for (i = 0; i < r->nr_conns; i++) {
		struct conn *c = &r->conn[i];

		if (c->state != CONN_FREE) {
			conn_stop(c, why);
			sink_try(r, c->sink);
		}
	}
}

static int begin(struct ingest *r, struct conn *c)
{
	if (c->state == CONN_FREE)
		return 0;
	conn_fill(c);
	if (!c->in_flight)
		conn_finish(c);
	sink_try(r, c->sink);
	return 0;
}

static int on_datagram(struct ingest *r, struct conn *c)
{
	int err;

	if (r->stopping)
		return 0;
	err = net_connect(r, c);
	if (err != -EAGAIN)
		return err ? err : begin(r, c);
	/* it had a wrong checksum, or its sender cannot be connected to */
	poll_fd(r, r->listen_fd, TAG_ACCEPT);
	r->accepting = true;
	return 0;
}

/* That one cannot be taken is no reason to end those that run. */
static void accept_failed(struct ingest *r, int err)
{
	if (err == -ECONNABORTED || err == -EINTR || err == -ECANCELED ||
	    err == -EPROTO)
		return;
	if (r->accept_err != err)
		complain(
			IOU_EXIT_OK,
			"cannot accept a connection on %s: %s: it is tried again when a stream ends, and each second%s",
			r->o->listen, strerror(-err),
			err == -EMFILE ? ": raise 'ulimit -n'" : "");
	r->accept_err = err;
	ingest_accept_later(r);
}

static int on_accept(struct ingest *r, int res)
{
	struct conn *c = free_conn(r);
	int err;

	r->accepting = false;
	if (r->o->udp)
		return on_datagram(r, c);
	if (res >= 0 && r->stopping) {
		close(res);
		return 0;
	}
	if (res >= 0) {
		r->accept_err = 0;
		err = conn_start(r, c, res);
		/* the first one's sink is as good as an option */
		if (err && !r->streams)
			return err;
		begin(r, c);
	} else {
		accept_failed(r, res);
	}
	ingest_accept(r);
	return 0;
}

/* --------------------------------------------------------------------- loop */

/* Returns false on the second signal: the user waits no longer. */
static bool on_signal(struct ingest *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) > 0)
		;
	if (r->signaled)
		return false;
	r->signaled = true;
	ingest_stop(r, STREAM_SIGNAL);
	poll_fd(r, r->signal_fd, TAG_SIGNAL);
	return true;
}

static int on_cqe(struct ingest *r, const struct io_uring_cqe *cqe)
{
	const struct iou_result res = iou_cqe_result(&r->ring, cqe);
	const unsigned int index = (unsigned int)(cqe->user_data >> 32) &
				   0xffffff;
	const unsigned int slot = (unsigned int)cqe->user_data;
	const enum tag tag = (enum tag)(cqe->user_data >> 56);

	switch (tag) {
	case TAG_SIGNAL:
		if (on_signal(r))
			return 0;
		return complain(
			IOU_EXIT_FAIL,
			"interrupted twice: what was not flushed may not be there");
	case TAG_ACCEPT:
		return on_accept(r, res.res);
	case TAG_FLUSH:
	case TAG_TABLE:
		sink_flushed(r, &r->sink[index], tag, &res);
		return 0;
	case TAG_NONE:
	case TAG_CANCEL:
		return 0;
	default:
		conn_cqe(&r->conn[index], tag, slot, &res);
		return 0;
	}
}

/* --flush SECONDS: what waits for more bytes is called back, then all flushed. */
static void flush_tick(struct ingest *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_conns; i++) {
		struct conn *c = &r->conn[i];

		if (c->state == CONN_FREE)
			continue;
		if (r->o->udp || c->moved == c->moved_before)
			conn_pause(c);
		c->moved_before = c->moved;
		if (c->track.complete > c->track.durable)
			sink_want(c->sink);
		sink_try(r, c->sink);
	}
}

/* What is due now; returns when the next is. */
static uint64_t timers(struct ingest *r, uint64_t now)
{
	const struct ingest_options *o = r->o;
	const uint64_t end = r->began_ns + o->duration_ns;
	uint64_t next = r->told_ns + NSEC;

	if (now >= next) {
		ingest_report_progress(r, now);
		r->told_ns = now;
		next = now + NSEC;
	}
	if (o->flush == FLUSH_TIME) {
		if (now >= r->flush_ns) {
			flush_tick(r);
			r->flush_ns = now + o->flush_arg;
		}
		if (r->flush_ns < next)
			next = r->flush_ns;
	}
	if (r->accept_ns && now >= r->accept_ns) {
		r->accept_ns = 0;
		ingest_accept(r);
	} else if (r->accept_ns && r->accept_ns < next) {
		next = r->accept_ns;
	}
	if (o->duration_ns && !r->timed_out) {
		r->timed_out = now >= end;
		if (r->timed_out)
			ingest_stop(r, STREAM_DURATION);
		else if (end < next)
			next = end;
	}
	return next;
}

static bool over(const struct ingest *r)
{
	if (r->active)
		return false;
	/* the one stream that datagrams are has ended */
	if (r->o->udp && r->streams)
		return true;
	return r->stopping && !r->accepting;
}

/*
 * Half of what a connection has in flight: the other half receives meanwhile. Whoever
 * is promised that bytes are on storage is not kept waiting.
 */
static unsigned int wait_for(const struct ingest *r)
{
	const struct ingest_options *o = r->o;

	if (o->udp || o->ack || o->flush == FLUSH_BYTES ||
	    o->flush == FLUSH_EVERY)
		return 1;
	return (unsigned int)(o->depth + 1) / 2;
}

static int run(struct ingest *r)
{
	while (!over(r)) {
		const uint64_t now = now_ns(CLOCK_MONOTONIC);
		const uint64_t next = timers(r, now);
		const uint64_t wait = next > now ? next - now : 0;
		struct io_uring_cqe *cqe;
		int err;

		if (over(r))
			break;
		err = session_wait(&r->ring, wait_for(r), wait);
		r->syscalls++;
		if (err < 0 && err != -ETIME && err != -EINTR &&
		    err != -EBUSY && err != -EAGAIN)
			return complain(IOU_EXIT_FAIL,
					"cannot wait for the ring: %s",
					strerror(-err));
		while (!io_uring_peek_cqe(&r->ring, &cqe)) {
			err = on_cqe(r, cqe);
			io_uring_cqe_seen(&r->ring, cqe);
			if (err)
				return err;
		}
	}
	return 0;
}

static int ingest(struct ingest *r)
{
	int err;

	r->start_ns = now_ns(CLOCK_REALTIME);
	err = set_up(r);
	if (err)
		return err;
	r->began_ns = now_ns(CLOCK_MONOTONIC);
	r->told_ns = r->began_ns;
	r->flush_ns = r->began_ns + r->o->flush_arg;
	poll_fd(r, r->signal_fd, TAG_SIGNAL);
	if (r->o->udp) {
		poll_fd(r, r->listen_fd, TAG_ACCEPT);
		r->accepting = true;
	} else {
		ingest_accept(r);
	}
	ingest_report_setup(r);
	err = run(r);
	if (!err && (r->failed || r->end == STREAM_ERROR))
		err = IOU_EXIT_FAIL;
	ingest_report_totals(r, err);
	return err;
}

int cmd_ingest(int argc, char **argv)
{
	struct ingest_options o;
	struct ingest *r;
	bool done;
	int err;

	err = ingest_parse(&o, argc, argv, &done);
	if (err || done)
		return err;
	r = calloc(1, sizeof(*r));
	if (!r)
		return complain(IOU_EXIT_FAIL, "out of memory");
	r->o = &o;
	r->fd = -1;
	r->signal_fd = -1;
	r->listen_fd = -1;
	err = ingest(r);
	tear_down(r);
	free(r);
	return err;
}
