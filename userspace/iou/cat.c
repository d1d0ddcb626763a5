// SPDX-License-Identifier: MIT
/* iou cat: exactly the bytes of a recording, or of a stream */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "frames.h"
#include "ingest_cat.h"
#include "ingest_table.h"
#include "iou.h"
#include "option.h"
#include "window.h"

#define CHUNK (1u << 20)

static void help(FILE *f)
{
	fputs("usage: iou cat DEVICE[,OFFSET[,SIZE]] [OPTION]...\n"
	      "\n"
	      "Write a recording to standard output, as pcapng, or a stream of iou ingest, as\n"
	      "it came:\n"
	      "\n"
	      "  iou cat /dev/nvme0n1 | tcpdump -r -\n"
	      "\n"
	      "  --stream N   of several streams\n"
	      "  --list       streams, as JSON, and not what is in them\n"
	      "  --help       this\n"
	      "\n"
	      "See iou-cat(1).\n",
	      f);
}

int cat_write(const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(IOU_EXIT_FAIL,
					"cannot write to standard output: %s",
					strerror(errno));
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy_out(const struct window *win, const struct iou_recording *rec,
		    unsigned char *buf)
{
	struct frames walk = { .rec = rec };
	uint64_t total = rec->section_len;
	uint64_t at = 0;
	int err;

	if (total != IOU_RECORDING_OPEN)
		total += rec->shb_len;
	while (at < total) {
		ssize_t n = window_read(win, buf, CHUNK, at);
		size_t good;

		if (n < 0)
			return complain(IOU_EXIT_FAIL, "cannot read %s: %s",
					win->path, strerror((int)-n));
		if ((uint64_t)n > total - at)
			n = (ssize_t)(total - at);
		good = frames_valid(&walk, buf, (size_t)n);
		err = cat_write(buf, good);
		if (err)
			return err;
		at += good;
		if (good < CHUNK)
			break;
	}
	if (total == IOU_RECORDING_OPEN) {
		complain(
			IOU_EXIT_OK,
			"%s: the recording was not closed, its recorder runs or died: these are its first %llu packets",
			win->path,
			(unsigned long long)(walk.next - 1 - walk.trailer));
		return 0;
	}
	if (at != total)
		return complain(
			IOU_EXIT_DAMAGED,
			"%s: the recording is damaged at byte %llu of %llu: what is before it was written",
			win->path, (unsigned long long)at,
			(unsigned long long)total);
	return 0;
}

static int cat(struct window *win, const struct cat_options *o)
{
	unsigned char *buf = aligned_alloc(4096, CHUNK);
	struct iou_recording rec;
	ssize_t n;
	int err;

	if (!buf)
		return complain(IOU_EXIT_FAIL, "out of memory");
	n = window_read(win, buf, WINDOW_HEAD, 0);
	if (n < 0) {
		err = complain(IOU_EXIT_FAIL, "cannot read %s: %s", win->path,
			       strerror((int)-n));
		goto out;
	}
	/* the first copy of a table may be torn: then the second one tells */
	if (n >= 0 && table_is(buf, (size_t)n)) {
		err = ingest_cat(win, buf, CHUNK, o);
		goto out;
	}
	if (o->stream || o->list) {
		err = complain(
			IOU_EXIT_NO_RECORDING,
			"%s: no streams begin at byte %llu: give the offset that they were taken to",
			win->path, (unsigned long long)win->offset);
		goto out;
	}
	switch (iou_recording_parse(&rec, buf, (size_t)n)) {
	case 0:
		err = copy_out(win, &rec, buf);
		break;
	case -EPROTO:
		err = complain(
			IOU_EXIT_DAMAGED,
			"%s: there is a recording at byte %llu, but of another byte order or a later release: read it there; or its header is damaged",
			win->path, (unsigned long long)win->offset);
		break;
	default:
		err = complain(
			IOU_EXIT_NO_RECORDING,
			"%s: no recording begins at byte %llu: give the offset that it was made with",
			win->path, (unsigned long long)win->offset);
	}
out:
	free(buf);
	return err;
}

int cmd_cat(int argc, char **argv)
{
	static const struct option_def options[] = {
		OPT_NUMBER("stream", struct cat_options, stream, option_count,
			   1, UINT64_MAX),
		OPT_FLAG("list", struct cat_options, list),
		OPT_END,
	};
	static const struct option_set set = {
		.help = help,
		.def = options,
		.arguments = true,
	};
	struct cat_options o = { 0 };
	struct window win;
	bool done;
	int err;

	err = option_parse(&set, &o, argc, argv, &done);
	if (err || done)
		return err;
	if (optind + 1 != argc)
		return complain(IOU_EXIT_USAGE,
				"cat takes one device: see 'iou cat --help'");
	err = window_parse(&win, argv[optind]);
	if (err)
		return complain(IOU_EXIT_USAGE,
				"'%s' is not DEVICE[,OFFSET[,SIZE]]: %s",
				argv[optind], strerror(-err));
	if (!o.list && isatty(STDOUT_FILENO))
		return complain(
			IOU_EXIT_USAGE,
			"a recording is not for a terminal: pipe it, e.g. into 'tcpdump -r -'");
	err = window_open(&win, O_RDONLY);
	if (err)
		return err;
	err = cat(&win, &o);
	window_close(&win);
	return err;
}
