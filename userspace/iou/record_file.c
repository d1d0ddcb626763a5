// SPDX-License-Identifier: MIT
/* iou record: the frames before and behind the packets, on every target */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

/* The region's first frame is not the stream's: headers pass through it. */
#define SCRATCH 0

enum io { IO_READ, IO_WRITE, IO_FLUSH };

static int do_io(struct recorder *r, const struct target *t, enum io io,
		 uint64_t offset)
{
	const uint32_t len = t->rec.frame_size;
	const uint64_t addr = iou_frame_addr(&r->region, SCRATCH);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	struct iou_result res;
	char text[512];

	switch (io) {
	case IO_READ:
		iou_prep_read(sqe, &r->region, (unsigned int)t->attach.index,
			      addr, len, offset);
		break;
	case IO_WRITE:
		iou_prep_write(sqe, &r->region, (unsigned int)t->attach.index,
			       addr, len, offset);
		break;
	case IO_FLUSH:
		iou_prep_flush(sqe, &r->region, (unsigned int)t->attach.index);
		break;
	}
	res = iou_submit_and_wait(&r->ring);
	if (res.res < 0)
		return complain(
			IOU_EXIT_FAIL, "cannot %s %s at byte %llu: %s",
			io == IO_READ  ? "read" :
			io == IO_WRITE ? "write" :
					 "flush",
			t->window->path,
			(unsigned long long)(t->window->offset + offset),
			iou_strresult(&res, text, sizeof(text)));
	return 0;
}

static int make_header(struct recorder *r, struct target *t)
{
	char os[256], description[128];
	struct iou_recording_text text = {
		.application = "iou " IOU_BUILD_VERSION,
		.if_name = r->o->net.name,
		.if_description = description,
		.filter = r->o->filter,
		.os = os,
	};
	struct utsname u;

	uname(&u);
	snprintf(os, sizeof(os), "%s %s", u.sysname, u.release);
	text.hardware = u.machine;
	snprintf(description, sizeof(description), "queue %u, by %s",
		 r->o->net.queue, iou_strpath(r->net.path));
	if (iou_recording_header(&t->rec, &text,
				 iou_frame(&r->region, SCRATCH)))
		return complain(
			IOU_EXIT_USAGE,
			"the filter expression is too long to be kept in the recording: use a larger --frame-size");
	return 0;
}

int record_write_headers(struct recorder *r)
{
	unsigned int i;
	int err;

	for (i = 0; i < r->o->nr_targets; i++) {
		struct target *t = &r->target[i];

		/* a stream has one id, so that all its targets share it */
		if (i)
			t->rec = r->target[0].rec;
		else if (iou_recording_init(&t->rec, r->region.frame_size,
					    (unsigned int)r->o->snaplen))
			return complain(IOU_EXIT_FAIL,
					"the kernel has no random numbers");
		err = make_header(r, t);
		if (!err)
			err = do_io(r, t, IO_WRITE, 0);
		if (!err)
			err = do_io(r, t, IO_FLUSH, 0);
		if (err)
			return err;
	}
	return 0;
}

/* What the counters say must be what is on the device. */
static int verify_last(struct recorder *r, const struct target *t)
{
	uint64_t seq;
	int err;

	if (!t->packets)
		return 0;
	err = do_io(r, t, IO_READ, t->packets * t->rec.frame_size);
	if (err)
		return err;
	seq = iou_recording_seq(&t->rec, iou_frame(&r->region, SCRATCH));
	if (seq != t->packets - 1)
		return complain(
			IOU_EXIT_FAIL,
			"%s: packet %llu is not where it should be: the recording is left open, 'iou cat' gives what is whole",
			t->window->path, (unsigned long long)t->packets - 1);
	return 0;
}

/* Of one target only its own packets are known, drops are the queue's. */
static void totals_of(const struct recorder *r, const struct target *t,
		      struct iou_recording_totals *totals)
{
	const uint64_t *s = r->stats;
	uint64_t nic = s[IO_UNIFIED_STAT_DROP_NIC];
	uint64_t all = record_dropped(r);

	totals->start_ns = r->start_ns;
	totals->end_ns = r->start_ns + (r->ended_ns - r->began_ns);
	totals->delivered = t->packets;
	totals->if_dropped = nic;
	totals->os_dropped = all - nic;
	totals->accepted = s[IO_UNIFIED_STAT_WRITTEN_PACKETS];
	totals->received = totals->accepted + all + s[IO_UNIFIED_STAT_FILTERED];
}

/* What an earlier recording left behind the end is none of this one. */
static int cut_file(const struct target *t)
{
	const struct window *w = t->window;
	uint64_t size = w->offset + (t->packets + 2) * t->rec.frame_size;

	if (ftruncate(w->fd, (off_t)size) || fsync(w->fd))
		return complain(IOU_EXIT_FAIL,
				"cannot cut %s to its %llu bytes: %s", w->path,
				(unsigned long long)size, strerror(errno));
	return 0;
}

static int close_target(struct recorder *r, struct target *t)
{
	struct iou_recording_totals totals;
	int err;

	err = verify_last(r, t);
	if (err)
		return err;
	totals_of(r, t, &totals);
	iou_recording_trailer(&t->rec, &totals, iou_frame(&r->region, SCRATCH));
	err = do_io(r, t, IO_WRITE, (t->packets + 1) * t->rec.frame_size);
	/* the header promises what must be on the medium before it is */
	if (!err)
		err = do_io(r, t, IO_FLUSH, 0);
	if (err)
		return err;
	iou_recording_close(&t->rec, t->packets);
	err = make_header(r, t);
	if (!err)
		err = do_io(r, t, IO_WRITE, 0);
	if (!err)
		err = do_io(r, t, IO_FLUSH, 0);
	if (t->window->is_block)
		/*
		 * The page cache knows nothing of all this. Without the right to
		 * drop it other readers may see old bytes; iou cat does not.
		 */
		ioctl(t->window->fd, BLKFLSBUF, 0);
	else if (!err && t->window->grows)
		err = cut_file(t);
	return err;
}

int record_finish(struct recorder *r)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < r->o->nr_targets; i++) {
		int e = close_target(r, &r->target[i]);

		if (!err)
			err = e;
	}
	return err;
}
