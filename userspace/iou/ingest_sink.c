// SPDX-License-Identifier: MIT
/*
 * iou ingest: where bytes go, and when they are on the medium
 *
 * A flush covers the bytes that were on storage when it began. On a device the
 * table follows it, with their lengths, past the drive's cache: only then does a
 * reader find them, and only then are they called durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest.h"

static struct conn *of_sink(struct ingest *r, const struct sink *s,
			    unsigned int *i)
{
	for (; *i < r->nr_conns; (*i)++)
		if (r->conn[*i].state != CONN_FREE && r->conn[*i].sink == s)
			return &r->conn[(*i)++];
	return NULL;
}

/* -------------------------------------------------------------------- open */

static int attach(struct ingest *r, struct sink *s)
{
	int err = iou_attach_storage(&r->region, s->win.fd, r->o->storage_flags,
				     s->win.offset, s->win.size, &s->at);

	if (err)
		return session_failed(&r->region, err, s->win.path);
	s->open = true;
	s->block = s->at.block_size > 512 ? s->at.block_size : 512;
	if (s->at.mem_align > s->block)
		s->block = s->at.mem_align;
	if (s->block > r->o->chunk)
		return complain(
			IOU_EXIT_USAGE,
			"%s has blocks of %u bytes: use a larger --chunk",
			s->win.path, s->block);
	return 0;
}

static int open_file(struct ingest *r, struct sink *s)
{
	const uint64_t size = r->o->target.size;
	struct stat st;
	int err;

	s->win.offset = r->o->target.offset;
	s->win.size = size;
	err = window_open_file(&s->win, false);
	if (err)
		return err;
	if (fstat(s->win.fd, &st))
		err = complain(IOU_EXIT_FAIL, "cannot learn the size of %s: %s",
			       s->win.path, strerror(errno));
	else if ((uint64_t)st.st_size > s->win.offset && !r->o->force)
		err = complain(
			IOU_EXIT_REFUSED,
			"%s holds %llu bytes: use --force to overwrite it, or another file",
			s->win.path, (unsigned long long)st.st_size);
	else if (s->win.grows && ftruncate(s->win.fd, (off_t)s->win.offset))
		err = complain(IOU_EXIT_FAIL, "cannot empty %s: %s",
			       s->win.path, strerror(errno));
	if (err)
		window_close(&s->win);
	return err;
}

/* Before anything else is set up: can it be had at all? */
int sink_open(struct ingest *r)
{
	struct ingest_options *o = r->o;
	int err;

	r->nr_sinks = o->file ? o->connections : 1;
	r->sink = calloc(r->nr_sinks, sizeof(*r->sink));
	if (!r->sink)
		return complain(IOU_EXIT_FAIL, "out of memory");
	for (unsigned int i = 0; i < r->nr_sinks; i++) {
		r->sink[i].index = i;
		r->sink[i].win = o->target;
	}
	if (o->file)
		return o->many ? 0 : open_file(r, &r->sink[0]);
	err = window_open(&r->sink[0].win, O_RDWR | O_EXCL);
	if (!err && r->sink[0].win.size < TABLE_DATA + o->chunk)
		err = complain(
			IOU_EXIT_USAGE,
			"%s: %llu bytes are too few, the table alone takes %u",
			r->sink[0].win.path,
			(unsigned long long)r->sink[0].win.size, TABLE_DATA);
	if (!err && !o->force)
		err = window_check_free(&r->sink[0].win);
	return err;
}

/* What an older table says of itself, so that the new one is newer. */
static int old_table(struct ingest *r)
{
	const struct window *w = &r->sink[0].win;
	void *buf = aligned_alloc(4096, TABLE_DATA);
	ssize_t n;

	if (!buf)
		return complain(IOU_EXIT_FAIL, "out of memory");
	n = window_read(w, buf, TABLE_DATA, 0);
	if (n < 0) {
		free(buf);
		return complain(IOU_EXIT_FAIL, "cannot read %s: %s", w->path,
				strerror((int)-n));
	}
	if (table_read(&r->table, buf, (size_t)n)) {
		r->table.head.seq = 0;
		r->table.copy = 1;
	}
	free(buf);
	return 0;
}

static void prep_table(struct ingest *r)
{
	const uint64_t addr = iou_frame_addr(&r->region, 0);
	const struct sink *s = &r->sink[0];
	struct io_uring_sqe *sqe = ingest_sqe(r);
	struct io_unified_desc *d;
	size_t n;

	n = table_encode(&r->table, iou_region_ptr(&r->region, addr));
	n = (n + s->block - 1) / s->block * s->block;
	d = iou_prep_write(sqe, &r->region, (unsigned int)s->at.index, addr,
			   (uint32_t)n, r->table.copy * (uint64_t)TABLE_COPY);
	iou_desc_set_fua(d);
	io_uring_sqe_set_data64(sqe, make_tag(TAG_TABLE, 0, 0));
}

static int first_table(struct ingest *r)
{
	const struct window *w = &r->sink[0].win;
	struct iou_result res;
	uint64_t seq;
	unsigned int copy;
	char text[512];
	int err;

	err = old_table(r);
	if (err)
		return err;
	seq = r->table.head.seq;
	copy = r->table.copy;
	table_init(&r->table, w->size, r->o->chunk);
	r->table.head.seq = seq;
	r->table.copy = copy;
	r->table.head.created_ns = r->start_ns;
	if (getrandom(r->table.head.id, sizeof(r->table.head.id), 0) !=
	    sizeof(r->table.head.id))
		return complain(IOU_EXIT_FAIL,
				"the kernel has no random numbers");
	prep_table(r);
	res = iou_submit_and_wait(&r->ring);
	if (res.res < 0)
		return complain(IOU_EXIT_FAIL,
				"cannot write the table of %s: %s", w->path,
				iou_strresult(&res, text, sizeof(text)));
	return 0;
}

/* With a ring that has nothing else to do. */
int sink_start(struct ingest *r)
{
	int err = 0;

	if (r->o->file && r->o->many)
		return 0;
	err = attach(r, &r->sink[0]);
	if (!err && !r->o->file)
		err = first_table(r);
	return err;
}

/* ----------------------------------------------------------------- streams */

static struct sink *next_file(struct ingest *r, struct conn *c)
{
	struct sink *s = &r->sink[c->index];
	int n;

	n = snprintf(s->win.path, sizeof(s->win.path), "%s.%u",
		     r->o->target.path, c->stream + 1);
	if (n < 0 || (size_t)n >= sizeof(s->win.path)) {
		complain(IOU_EXIT_FAIL, "the name of file %u is too long",
			 c->stream + 1);
		return NULL;
	}
	s->failed = false;
	s->wanted = false;
	s->busy = false;
	s->since = 0;
	if (open_file(r, s))
		return NULL;
	if (attach(r, s)) {
		if (s->open)
			iou_detach(&r->region, IO_UNIFIED_KIND_STORAGE,
				   (unsigned int)s->at.index);
		s->open = false;
		window_close(&s->win);
		return NULL;
	}
	return s;
}

static void peer_bytes(const struct sockaddr_storage *a, uint8_t out[16],
		       uint16_t *port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

	memset(out, 0, 16);
	if (a->ss_family == AF_INET6) {
		memcpy(out, &v6->sin6_addr, 16);
		*port = ntohs(v6->sin6_port);
		return;
	}
	out[10] = 0xff;
	out[11] = 0xff;
	memcpy(out + 12, &v4->sin_addr, 4);
	*port = ntohs(v4->sin_port);
}

struct sink *sink_get(struct ingest *r, struct conn *c)
{
	struct table_stream *s;

	if (r->o->file)
		return r->o->many ? next_file(r, c) : &r->sink[0];
	s = &r->table.stream[r->table.head.nr_streams++];
	memset(s, 0, sizeof(*s));
	s->start_ns = now_ns(CLOCK_REALTIME);
	s->framing = r->o->framing;
	s->protocol = r->o->udp ? IPPROTO_UDP : IPPROTO_TCP;
	peer_bytes(&c->peer, s->peer, &s->port);
	return &r->sink[0];
}

uint64_t sink_capacity(const struct conn *c)
{
	const struct ingest_options *o = c->r->o;
	uint64_t n = c->sink->win.size - (o->file ? 0 : TABLE_DATA);

	return o->size && o->size < n ? o->size : n;
}

uint32_t sink_place(struct conn *c, uint64_t *dev)
{
	const uint64_t pos = c->track.planned, chunk = c->r->o->chunk;
	uint64_t room = 0;

	if (c->r->o->file) {
		*dev = pos;
		room = c->sink->win.size - pos;
	} else if (pos >= c->place_pos && pos - c->place_pos < c->place_room) {
		*dev = c->place_off + (pos - c->place_pos);
		room = c->place_room - (pos - c->place_pos);
	} else if (table_place(&c->r->table, c->stream, pos, true, dev,
			       &room)) {
		c->place_pos = pos;
		c->place_off = *dev;
		c->place_room = room;
	}
	return (uint32_t)(room < chunk ? room : chunk);
}

static void close_file(struct ingest *r, struct sink *s, uint64_t len,
		       struct conn *c)
{
	iou_detach(&r->region, IO_UNIFIED_KIND_STORAGE,
		   (unsigned int)s->at.index);
	s->open = false;
	/* the last block was padded; a range keeps what is behind it */
	if (s->win.grows &&
	    (ftruncate(s->win.fd, (off_t)(s->win.offset + len)) ||
	     fsync(s->win.fd))) {
		complain(IOU_EXIT_FAIL, "cannot cut %s to its %llu bytes: %s",
			 s->win.path, (unsigned long long)len, strerror(errno));
		conn_fail(c, "cutting the file to its length", NULL);
		r->failed = true;
	}
	window_close(&s->win);
}

void sink_put(struct ingest *r, struct conn *c)
{
	if (r->o->file)
		close_file(r, c->sink, c->track.complete, c);
	else
		table_release(&r->table, c->stream);
}

void sink_close(struct ingest *r)
{
	for (unsigned int i = 0; i < r->nr_sinks; i++) {
		struct window *w = &r->sink[i].win;

		/* The page cache knows nothing of all this. */
		if (w->is_block && r->sink[i].open)
			ioctl(w->fd, BLKFLSBUF, 0);
		if (r->region_up && r->sink[i].open)
			iou_detach(&r->region, IO_UNIFIED_KIND_STORAGE,
				   (unsigned int)r->sink[i].at.index);
		r->sink[i].open = false;
		window_close(w);
	}
	free(r->sink);
	r->sink = NULL;
}

/* ------------------------------------------------------------------- flush */

void sink_want(struct sink *s)
{
	s->wanted = true;
}

static void sink_fails(struct ingest *r, struct sink *s, const char *what,
		       const struct iou_result *res)
{
	unsigned int i = 0;
	struct conn *c;

	s->failed = true;
	while ((c = of_sink(r, s, &i)))
		conn_fail(c, what, res);
	if (!r->o->file)
		ingest_stop(r, STREAM_ERROR);
	i = 0;
	while ((c = of_sink(r, s, &i)))
		conn_stop(c, STREAM_ERROR);
}

/* There is no flush that could cover the rest. */
static void close_failed(struct ingest *r, struct sink *s)
{
	unsigned int i = 0;
	struct conn *c;

	while ((c = of_sink(r, s, &i)))
		if (c->state == CONN_CLOSING)
			conn_close(c);
}

void sink_try(struct ingest *r, struct sink *s)
{
	struct io_uring_sqe *sqe;
	unsigned int i = 0;
	struct conn *c;

	if (!s || !s->open || !s->wanted || s->busy)
		return;
	if (s->failed) {
		close_failed(r, s);
		return;
	}
	while ((c = of_sink(r, s, &i)))
		if (c->state == CONN_PAUSING)
			return;
	i = 0;
	while ((c = of_sink(r, s, &i))) {
		track_flush_begin(&c->track);
		c->covered = c->state == CONN_CLOSING;
	}
	s->wanted = false;
	s->busy = true;
	s->since = 0;
	sqe = ingest_sqe(r);
	iou_prep_flush(sqe, &r->region, (unsigned int)s->at.index);
	io_uring_sqe_set_data64(sqe, make_tag(TAG_FLUSH, s->index, 0));
}

/* What the flush covered is what the table may tell. */
static void fill_table(struct ingest *r, const struct sink *s)
{
	unsigned int i = 0;
	struct conn *c;

	while ((c = of_sink(r, s, &i))) {
		struct table_stream *t = &r->table.stream[c->stream];

		if (c->track.in_flush)
			t->length = c->track.flushing;
		if (c->covered) {
			t->state = c->end;
			t->end_ns = now_ns(CLOCK_REALTIME);
		}
	}
}

void sink_flushed(struct ingest *r, struct sink *s, enum tag tag,
		  const struct iou_result *res)
{
	const bool good = res->res >= 0;
	unsigned int i = 0;
	struct conn *c;

	if (good && tag == TAG_FLUSH && !r->o->file) {
		fill_table(r, s);
		prep_table(r);
		return;
	}
	s->busy = false;
	s->flushes++;
	r->flushes++;
	if (!good)
		sink_fails(r, s, tag == TAG_TABLE ? "the table" : "a flush",
			   res);
	while ((c = of_sink(r, s, &i))) {
		const uint64_t before = c->track.durable;

		track_flush_end(&c->track, good);
		if (r->o->ack && c->track.durable > before && !c->covered)
			net_ack(c, false);
		if (c->covered && good) {
			c->covered = false;
			conn_close(c);
		}
	}
	if (!good)
		s->wanted = true;
	sink_try(r, s);
}
