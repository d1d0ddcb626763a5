// SPDX-License-Identifier: MIT
/*
 * iou record: packets to a block device or a file
 *
 * One command starts the stream; packets then go from the queue through the
 * program to storage inside the kernel. This process waits, and in the end
 * writes the frames that make a file of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "record.h"
#include "session.h"

#define FIRST_FRAME 1 /* of the stream; frame 0 is for headers */

enum tag { TAG_STREAM = 1, TAG_SIGNAL, TAG_CANCEL };

/* ------------------------------------------------------------------- setup */

static bool overlap(const struct window *a, const struct window *b)
{
	if (a->is_block != b->is_block || a->device != b->device ||
	    a->inode != b->inode)
		return false;
	/* one that grows has no end */
	return (b->grows || a->offset < b->offset + b->size) &&
	       (a->grows || b->offset < a->offset + a->size);
}

/* It can be opened exclusively once: its further windows share that. */
static int open_target(struct options *o, unsigned int n)
{
	struct window *w = &o->target[n];
	unsigned int i;
	int err;

	for (i = 0; i < n; i++)
		if (!strcmp(o->target[i].path, w->path))
			break;
	if (window_is_file(w->path))
		err = window_open_file(w, i < n);
	else
		err = window_open(w, i < n ? O_RDWR : O_RDWR | O_EXCL);
	if (err)
		return err;
	for (i = 0; i < n; i++)
		if (overlap(&o->target[i], w))
			return complain(
				IOU_EXIT_USAGE,
				"--to %s,%llu overlaps --to %s,%llu", w->path,
				(unsigned long long)w->offset,
				o->target[i].path,
				(unsigned long long)o->target[i].offset);
	if (w->is_block && w->block_size > o->frame_size)
		return complain(
			IOU_EXIT_USAGE,
			"%s has blocks of %u bytes: use a --frame-size of as many at least",
			w->path, w->block_size);
	/* header, one packet, trailer */
	if (w->size < 3 * o->frame_size)
		return complain(
			IOU_EXIT_USAGE,
			"%s: %llu bytes are too few, a recording needs three frames",
			w->path, (unsigned long long)w->size);
	return o->force ? 0 : window_check_free(w);
}

static int open_targets(struct options *o)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->nr_targets && !err; i++)
		err = open_target(o, i);
	return err;
}

static int make_ring(struct recorder *r)
{
	int err = session_ring(&r->ring, 8, 0);

	if (err)
		return err;
	r->ring_up = true;
	return 0;
}

static int make_region(struct recorder *r)
{
	struct iou_region_params p = {
		.frames = (unsigned int)r->o->frames + FIRST_FRAME,
		.frame_size = (unsigned int)r->o->frame_size,
		.flags = r->o->hugepages ? IOU_REGION_REQUIRE_HUGE : 0,
		.ring = &r->ring,
	};
	int err = iou_region_init(&r->region, r->fd, &p);

	if (err)
		return session_failed(&r->region, err, "no region");
	r->region_up = true;
	return 0;
}

static int attach_targets(struct recorder *r)
{
	unsigned int i;
	int err;

	for (i = 0; i < r->o->nr_targets; i++) {
		struct target *t = &r->target[i];

		err = iou_attach_storage(&r->region, t->window->fd,
					 r->o->storage_flags, t->window->offset,
					 t->window->size, &t->attach);
		if (err)
			return session_failed(&r->region, err, t->window->path);
	}
	return 0;
}

static int load_program(struct recorder *r)
{
	const struct options *o = r->o;
	unsigned int i;
	int err;

	if (!o->bpf && !o->filter)
		return 0;
	program_verbose(o->verbose);
	if (o->filter) {
		err = filter_load(&r->program, o->filter);
	} else {
		err = program_open(&r->program, o->bpf);
		/* what a placer asks for; --set has the last word */
		if (!err)
			err = program_set_number(&r->program, "lanes",
						 o->nr_targets);
		if (!err)
			err = program_set_number(
				&r->program, "first",
				(unsigned int)r->target[0].attach.index);
		for (i = 0; i < o->nr_set && !err; i++)
			err = program_set(&r->program, o->set[i]);
		for (i = 0; i < o->nr_dump_map && !err; i++)
			if (!program_has_map(&r->program, o->dump_map[i]))
				err = complain(IOU_EXIT_USAGE,
					       "%s has no map '%s'", o->bpf,
					       o->dump_map[i]);
		if (!err)
			err = program_load(&r->program);
	}
	if (err)
		return err;
	err = iou_attach_bpf(&r->region, r->program.fd, &r->bpf);
	return err ? session_failed(&r->region, err, r->program.file) : 0;
}

static int attach_net(struct recorder *r)
{
	const struct options *o = r->o;
	int err;

	if (o->promisc) {
		r->promisc_fd = netdev_promisc(&o->net);
		if (r->promisc_fd < 0)
			return complain(IOU_EXIT_UNAVAILABLE,
					"cannot make %s promiscuous: %s",
					o->net.name, strerror(-r->promisc_fd));
	}
	err = iou_attach_netdev(&r->region, o->net.ifindex, o->net.queue,
				o->net_flags, &r->net);
	return err ? session_failed(&r->region, err, o->net.name) : 0;
}

static int set_up(struct recorder *r)
{
	int err = open_device(&r->fd);

	if (!err)
		err = make_ring(r);
	if (!err)
		err = make_region(r);
	if (!err)
		err = attach_targets(r);
	if (!err)
		err = load_program(r);
	if (!err)
		err = session_signals(&r->signal_fd);
	if (!err)
		err = attach_net(r);
	if (!err)
		err = record_write_headers(r);
	return err;
}

static void tear_down(struct recorder *r)
{
	if (r->region_up)
		iou_region_exit(&r->region);
	if (r->ring_up)
		io_uring_queue_exit(&r->ring);
	program_close(&r->program);
	if (r->promisc_fd >= 0)
		close(r->promisc_fd);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	if (r->fd >= 0)
		iou_close(r->fd);
}

/* ------------------------------------------------------------------ stream */

int record_stats(struct recorder *r)
{
	struct io_unified_stats now;
	unsigned int i;
	int err;

	err = iou_get_stats(&r->region, IO_UNIFIED_KIND_NETDEV,
			    (unsigned int)r->net.index, &now);
	if (err)
		return session_failed(&r->region, err, r->o->net.name);
	for (i = 0; i < IO_UNIFIED_STAT_MAX; i++)
		r->stats[i] = now.counters[i] - r->before.counters[i];

	/* what is on storage, storage knows */
	r->stats[IO_UNIFIED_STAT_WRITTEN_PACKETS] = 0;
	r->stats[IO_UNIFIED_STAT_WRITTEN_BYTES] = 0;
	r->stats[IO_UNIFIED_STAT_WRITES] = 0;
	for (i = 0; i < r->o->nr_targets; i++) {
		struct target *t = &r->target[i];

		err = iou_get_stats(&r->region, IO_UNIFIED_KIND_STORAGE,
				    (unsigned int)t->attach.index, &now);
		if (err)
			return session_failed(&r->region, err, t->window->path);
		/* a packet is a frame */
		t->packets = (now.counters[IO_UNIFIED_STAT_WRITTEN_BYTES] -
			      t->bytes_before) /
			     r->region.frame_size;
		t->writes =
			now.counters[IO_UNIFIED_STAT_WRITES] - t->writes_before;
		r->stats[IO_UNIFIED_STAT_WRITTEN_PACKETS] += t->packets;
		r->stats[IO_UNIFIED_STAT_WRITTEN_BYTES] +=
			t->packets * r->region.frame_size;
		r->stats[IO_UNIFIED_STAT_WRITES] += t->writes;
	}
	return 0;
}

/* All targets have the same range: that of the smallest, less two frames. */
static uint64_t range_len(const struct recorder *r)
{
	const uint64_t frame = r->region.frame_size;
	uint64_t len = r->o->target[0].size;
	unsigned int i;

	for (i = 1; i < r->o->nr_targets; i++)
		if (r->o->target[i].size < len)
			len = r->o->target[i].size;
	if (r->o->size && r->o->size < len)
		len = r->o->size;
	len = len / frame * frame;
	return len > 3 * frame ? len - 2 * frame : frame;
}

static void watch_signals(struct recorder *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	io_uring_prep_poll_add(sqe, r->signal_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, TAG_SIGNAL);
}

/* Attached is not started: what was counted in between does not belong. */
static int stats_before(struct recorder *r)
{
	struct io_unified_stats now;
	unsigned int i;
	int err;

	for (i = 0; i < r->o->nr_targets; i++) {
		struct target *t = &r->target[i];

		err = iou_get_stats(&r->region, IO_UNIFIED_KIND_STORAGE,
				    (unsigned int)t->attach.index, &now);
		if (err)
			return session_failed(&r->region, err, t->window->path);
		t->bytes_before = now.counters[IO_UNIFIED_STAT_WRITTEN_BYTES];
		t->writes_before = now.counters[IO_UNIFIED_STAT_WRITES];
	}
	err = iou_get_stats(&r->region, IO_UNIFIED_KIND_NETDEV,
			    (unsigned int)r->net.index, &r->before);
	return err ? session_failed(&r->region, err, r->o->net.name) : 0;
}

static int start(struct recorder *r)
{
	struct io_unified_stream *s = &r->stream;
	struct io_unified_desc *d;
	struct io_uring_sqe *sqe;
	int err;

	s->layout = IO_UNIFIED_LAYOUT_ALIGNED;
	s->range_len = range_len(r);
	s->snaplen = (uint32_t)r->o->snaplen;
	s->max_packets = r->o->count;
	memcpy(s->recording_id, r->target[0].rec.id, sizeof(s->recording_id));

	err = stats_before(r);
	if (err)
		return err;
	sqe = io_uring_get_sqe(&r->ring);
	d = iou_prep_stream(sqe, &r->region, s, (unsigned int)r->net.index,
			    (unsigned int)r->target[0].attach.index,
			    r->region.frame_size, FIRST_FRAME,
			    (unsigned int)r->o->frames);
	iou_desc_set_user_data(d, TAG_STREAM);
	if (r->program.fd >= 0)
		iou_desc_set_bpf(d, (unsigned int)r->bpf.index);
	io_uring_sqe_set_data64(sqe, TAG_STREAM);
	watch_signals(r);

	r->start_ns = now_ns(CLOCK_REALTIME);
	r->began_ns = now_ns(CLOCK_MONOTONIC);
	r->told_ns = r->began_ns;
	err = io_uring_submit(&r->ring);
	if (err < 0)
		return complain(IOU_EXIT_FAIL, "cannot submit the stream: %s",
				strerror(-err));
	/* it runs: whoever waits for that may send */
	if (!r->o->quiet)
		fprintf(stderr, "recording  (SIGINT or SIGTERM ends it)\n");
	return 0;
}

static void cancel(struct recorder *r, enum record_end why)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	r->end = why;
	iou_prep_cancel(sqe, &r->region, TAG_STREAM);
	io_uring_sqe_set_data64(sqe, TAG_CANCEL);
	io_uring_submit(&r->ring);
}

/* Returns false on the second signal: the user waits no longer. */
static bool on_signal(struct recorder *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) > 0)
		;
	if (r->end != END_NONE)
		return false;
	cancel(r, END_SIGNAL);
	watch_signals(r);
	io_uring_submit(&r->ring);
	return true;
}

static void on_stream_end(struct recorder *r, const struct io_uring_cqe *cqe)
{
	r->ended_ns = now_ns(CLOCK_MONOTONIC);
	r->result = iou_cqe_result(&r->ring, cqe);
	switch (r->result.reason) {
	case IO_UNIFIED_REASON_FULL:
		r->end = END_FULL;
		break;
	case IO_UNIFIED_REASON_LIMIT:
		r->end = END_COUNT;
		break;
	default:
		/* cancelled by somebody else is an error too */
		if (r->end == END_NONE ||
		    (r->result.res < 0 && r->result.res != -ECANCELED))
			r->end = END_ERROR;
	}
}

/* The next second, or the end of --duration if that is sooner. */
static uint64_t next_wake(const struct recorder *r, uint64_t now)
{
	uint64_t second = (now - r->began_ns) / NSEC + 1;
	uint64_t next = r->began_ns + second * NSEC;
	uint64_t end = r->began_ns + r->o->duration_ns;

	if (r->o->duration_ns && r->end == END_NONE && end < next)
		return end > now ? end : now;
	return next;
}

/* Every second: counters, a line, and the region's CQ emptied. */
static int tick(struct recorder *r, uint64_t now)
{
	uint64_t bytes = r->stats[IO_UNIFIED_STAT_WRITTEN_BYTES];
	int err = record_stats(r);

	if (err)
		return err;
	report_progress(r, now, r->told_ns, bytes);
	r->told_ns = now;
	/* entries are for those who follow single writes: here counters do */
	iou_cq_advance(&r->region, iou_cq_ready(&r->region));
	return 0;
}

static int run(struct recorder *r)
{
	uint64_t now = r->began_ns;
	uint64_t wake = next_wake(r, now);
	int err;

	for (;;) {
		struct __kernel_timespec ts;
		struct io_uring_cqe *cqe = NULL;
		uint64_t tag;

		now = now_ns(CLOCK_MONOTONIC);
		if (now >= wake) {
			if (r->o->duration_ns && r->end == END_NONE &&
			    now >= r->began_ns + r->o->duration_ns)
				cancel(r, END_DURATION);
			else if ((err = tick(r, now)))
				return err;
			wake = next_wake(r, now);
		}
		ts.tv_sec = (int64_t)((wake > now ? wake - now : 0) / NSEC);
		ts.tv_nsec = (int64_t)((wake > now ? wake - now : 0) % NSEC);
		err = io_uring_wait_cqe_timeout(&r->ring, &cqe, &ts);
		if (err == -ETIME || err == -EINTR || (!err && !cqe))
			continue;
		if (err)
			return complain(IOU_EXIT_FAIL,
					"cannot wait for the stream: %s",
					strerror(-err));
		tag = cqe->user_data;
		if (tag == TAG_STREAM)
			on_stream_end(r, cqe);
		io_uring_cqe_seen(&r->ring, cqe);
		if (tag == TAG_STREAM)
			return 0;
		if (tag == TAG_SIGNAL && !on_signal(r))
			return complain(
				IOU_EXIT_FAIL,
				"interrupted twice: the recording is left open, 'iou cat' gives what is whole");
	}
}

/* Poll and cancel may still be under way: nothing else may be in the ring. */
static void drain(struct recorder *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	struct io_uring_cqe *cqe;
	struct __kernel_timespec second = { .tv_sec = 1 };
	bool polling = true;

	io_uring_prep_poll_remove(sqe, TAG_SIGNAL);
	io_uring_sqe_set_data64(sqe, 0);
	io_uring_submit(&r->ring);
	while (polling && !io_uring_wait_cqe_timeout(&r->ring, &cqe, &second)) {
		polling = cqe->user_data != TAG_SIGNAL;
		io_uring_cqe_seen(&r->ring, cqe);
	}
	while (!io_uring_peek_cqe(&r->ring, &cqe))
		io_uring_cqe_seen(&r->ring, cqe);
}

static int record(struct recorder *r)
{
	char text[512];
	int err, code = 0;

	err = set_up(r);
	if (err)
		return err;
	report_setup(r);
	err = start(r);
	if (!err)
		err = run(r);
	if (err)
		return err;
	if (r->end == END_ERROR)
		code = complain(IOU_EXIT_FAIL, "the stream ended: %s",
				iou_strresult(&r->result, text, sizeof(text)));
	drain(r);
	err = record_stats(r);
	if (!err)
		err = record_finish(r);
	if (!code)
		code = err;
	report_totals(r);
	if (r->o->json)
		report_json(r, code);
	return code;
}

int cmd_record(int argc, char **argv)
{
	struct options o;
	struct recorder r = {
		.o = &o,
		.fd = -1,
		.promisc_fd = -1,
		.signal_fd = -1,
		.program.fd = -1,
	};
	unsigned int i;
	bool done;
	int err;

	err = record_parse(&o, argc, argv, &done);
	if (err || done)
		return err;
	for (i = 0; i < o.nr_targets; i++)
		r.target[i].window = &o.target[i];
	err = open_targets(&o);
	if (!err) {
		err = record(&r);
		tear_down(&r);
	}
	for (i = 0; i < o.nr_targets; i++)
		window_close(&o.target[i]);
	return err;
}
