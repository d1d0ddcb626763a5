// SPDX-License-Identifier: MIT
/* iou cat: a stream that iou ingest took to a device */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest_cat.h"
#include "ingest_table.h"
#include "iou.h"

static void print_list(const struct table *t)
{
	struct json j = { .f = stdout };
	unsigned int i;

	json_begin(&j, NULL, '[');
	for (i = 0; i < t->head.nr_streams; i++) {
		const struct table_stream *s = &t->stream[i];
		uint64_t off = 0, room;

		table_place((struct table *)t, i, 0, false, &off, &room);
		json_begin(&j, NULL, '{');
		json_u64(&j, "stream", i + 1);
		json_u64(&j, "bytes", s->length);
		json_string(&j, "ended", stream_state_name(s->state));
		json_u64(&j, "start_ns", s->start_ns);
		json_u64(&j, "end_ns", s->end_ns);
		json_u64(&j, "offset", off);
		json_end(&j, '}');
	}
	json_end(&j, ']');
}

static int write_stream(const struct window *w, struct table *t, unsigned int s,
			unsigned char *buf, size_t chunk)
{
	uint64_t pos = 0, len = t->stream[s].length, off, room;

	while (pos < len) {
		size_t n = chunk;
		ssize_t got;
		int err;

		if (!table_place(t, s, pos, false, &off, &room))
			return complain(
				IOU_EXIT_DAMAGED,
				"%s: the table has no place for byte %llu of stream %u",
				w->path, (unsigned long long)pos, s + 1);
		if (n > room)
			n = room;
		/* whole blocks: the rest of the last one is padding */
		got = window_read(w, buf, n, off);
		if (got < 0)
			return complain(IOU_EXIT_FAIL, "cannot read %s: %s",
					w->path, strerror((int)-got));
		if ((uint64_t)got > len - pos)
			got = (ssize_t)(len - pos);
		if (!got)
			return complain(
				IOU_EXIT_DAMAGED,
				"%s: it ends at byte %llu of %llu of stream %u",
				w->path, (unsigned long long)pos,
				(unsigned long long)len, s + 1);
		err = cat_write(buf, (size_t)got);
		if (err)
			return err;
		pos += (uint64_t)got;
	}
	if (t->stream[s].state == STREAM_OPEN)
		complain(
			IOU_EXIT_OK,
			"%s: stream %u was not ended, its ingest runs or died: these are the %llu bytes that were safe",
			w->path, s + 1, (unsigned long long)len);
	return 0;
}

int ingest_cat(const struct window *w, unsigned char *buf, size_t chunk,
	       const struct cat_options *o)
{
	struct table *t = calloc(1, sizeof(*t));
	const uint64_t which = o->stream ? o->stream : 1;
	ssize_t n;
	int err;

	if (!t)
		return complain(IOU_EXIT_FAIL, "out of memory");
	n = window_read(w, buf, TABLE_DATA, 0);
	err = n < 0 ? (int)n : table_read(t, buf, (size_t)n);
	if (err == -EPROTO)
		err = complain(
			IOU_EXIT_DAMAGED,
			"%s: there are streams at byte %llu, but of another byte order or a later release: read them there",
			w->path, (unsigned long long)w->offset);
	else if (err)
		err = complain(IOU_EXIT_DAMAGED,
			       "%s: neither copy of the table is whole: %s",
			       w->path, strerror(-err));
	else if (o->list)
		print_list(t);
	else if (which > t->head.nr_streams)
		err = complain(IOU_EXIT_NO_RECORDING,
			       "%s: there is no stream %llu, but %u in all",
			       w->path, (unsigned long long)which,
			       t->head.nr_streams);
	else if (!o->stream && t->head.nr_streams > 1)
		err = complain(
			IOU_EXIT_USAGE,
			"%s holds %u streams: say which by --stream, or see --list",
			w->path, t->head.nr_streams);
	else
		err = write_stream(w, t, (unsigned int)which - 1, buf, chunk);
	free(t);
	return err;
}
