// SPDX-License-Identifier: MIT
/* iou replay: a capture, chunk by chunk, from a device, a file or a pipe */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay.h"
#include "session.h"

/* What direct I/O of files asks for at most, and a page */
#define ALIGN 4096u

static unsigned char *chunk_bytes(const struct source *s, const struct chunk *c)
{
	return iou_region_ptr(s->region, c->addr);
}

/* ------------------------------------------------------------------- setup */

static bool is_pipe(const char *path)
{
	struct stat st;

	return !stat(path, &st) &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static int open_pipe(struct source *s)
{
	struct window *w = s->window;

	s->end = UINT64_MAX;
	if (s->o->from_stdin) {
		w->fd = STDIN_FILENO;
		return 0;
	}
	w->fd = open(w->path, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0)
		return complain(IOU_EXIT_FAIL, "cannot open %s: %s", w->path,
				strerror(errno));
	return 0;
}

/*
 * A recording says where it ends, or its frames do. A file without more may have
 * anything behind it that is pcapng too.
 */
static int find_recording(struct source *s)
{
	unsigned char *buf;
	ssize_t n;
	int err;

	if (s->window->offset % ALIGN)
		return 0;
	buf = aligned_alloc(4096, WINDOW_HEAD);
	if (!buf)
		return complain(IOU_EXIT_FAIL, "out of memory");
	n = window_read(s->window, buf, WINDOW_HEAD, 0);
	err = n < 0 ? (int)n : iou_recording_parse(&s->rec, buf, (size_t)n);
	free(buf);
	if (n < 0)
		return complain(IOU_EXIT_FAIL, "cannot read %s: %s",
				s->window->path, strerror((int)-n));
	if (err)
		return 0;
	s->open = s->rec.section_len == IOU_RECORDING_OPEN;
	if (!s->open && (s->window->is_block || s->o->from_range) &&
	    s->rec.section_len <= s->window->size - s->rec.shb_len)
		s->end = s->rec.shb_len + s->rec.section_len;
	return 0;
}

int source_open(struct source *s)
{
	struct window *w = s->window;
	int err;

	capture_init(&s->capture);
	s->walk.rec = &s->rec;
	if (s->o->from_stdin || is_pipe(w->path)) {
		if (s->o->loops != 1)
			return complain(
				IOU_EXIT_USAGE,
				"what comes through a pipe comes once: --loop needs a file or a device");
		if (s->o->from_range)
			return complain(
				IOU_EXIT_USAGE,
				"a pipe has no ranges: give an offset with a file or a device");
		return open_pipe(s);
	}
	s->seekable = true;
	err = window_open(w, O_RDONLY);
	if (err)
		return err;
	s->end = w->size;
	return find_recording(s);
}

static bool is_direct(const struct window *w)
{
	int flags = fcntl(w->fd, F_GETFL);

	return flags >= 0 && flags & O_DIRECT;
}

/* read() is to give all of a file, which ends where direct I/O cannot. */
static int not_direct(const struct window *w)
{
	int flags = fcntl(w->fd, F_GETFL);

	if (flags >= 0 && !fcntl(w->fd, F_SETFL, flags & ~O_DIRECT))
		return 0;
	return complain(IOU_EXIT_FAIL, "cannot read %s without direct I/O: %s",
			w->path, strerror(errno));
}

/* Only a file may start or end between blocks. */
int source_attach(struct source *s)
{
	const struct window *w = s->window;
	uint64_t from = w->offset;
	unsigned int i;
	int err;

	for (i = 0; i < NR_CHUNKS; i++)
		s->chunk[i].addr = iou_frame_addr(s->region, i * CHUNK_FRAMES) +
				   CAPTURE_WINDOW;
	s->align = 1;
	if (!s->seekable || !is_direct(w))
		return 0;
	if (!w->is_block)
		from -= from % ALIGN;
	err = iou_attach_storage(s->region, w->fd,
				 s->o->storage_flags | IO_UNIFIED_ATTACH_RDONLY,
				 from, w->is_block ? w->size : 0, &s->attach);
	if (err && !w->is_block &&
	    s->region->reason == IO_UNIFIED_REASON_DIRECT)
		return not_direct(w);
	if (err)
		return session_failed(s->region, err, w->path);
	s->direct = true;
	s->align = s->attach.block_size;
	s->start = w->offset - from;
	s->end += s->start;
	s->next = 0;
	return 0;
}

void source_close(struct source *s)
{
	if (!s->o->from_stdin)
		window_close(s->window);
	capture_exit(&s->capture);
}

/* -------------------------------------------------------------------- read */

bool source_has_room(const struct source *s)
{
	return !s->read_all && s->read_at - s->free_at < NR_CHUNKS;
}

static struct chunk *chunk_to_read(struct source *s)
{
	struct chunk *c;

	if (!source_has_room(s))
		return NULL;
	c = &s->chunk[s->read_at % NR_CHUNKS];
	c->ready = false;
	c->last = false;
	c->len = 0;
	c->lead = !s->next ? (uint32_t)s->start : 0;
	c->pass = s->read_pass;
	memset(&c->error, 0, sizeof(c->error));
	return c;
}

/* The reads of a pass are out: on with the next one, if there is one. */
static void next_pass(struct source *s)
{
	s->next = 0;
	s->read_pass++;
	if (!s->seekable || (s->o->loops && s->read_pass == s->o->loops))
		s->read_all = true;
}

static void read_direct(struct source *s, struct iou_ring *ring, uint64_t tag)
{
	struct io_unified_desc *d;
	struct chunk *c;
	uint32_t len;

	while ((c = chunk_to_read(s))) {
		d = iou_ring_get_desc(ring);
		if (!d)
			return;
		c->want = s->end - s->next;
		if (c->want > CHUNK_SIZE)
			c->want = CHUNK_SIZE;
		c->last = s->next + c->want == s->end;
		len = (uint32_t)(c->want + s->align - 1) / s->align * s->align;
		iou_desc_storage(d, IO_UNIFIED_F_READ,
				 (unsigned int)s->attach.index, c->addr, len,
				 s->next);
		iou_desc_set_user_data(d, tag + s->read_at % NR_CHUNKS);
		s->next += c->want;
		s->read_at++;
		s->reading++;
		if (c->last)
			next_pass(s);
	}
}

void source_was_read(struct source *s, unsigned int n,
		     const struct io_unified_cqe *cqe)
{
	struct chunk *c = &s->chunk[n];

	s->reading--;
	c->ready = true;
	if (cqe->res < 0) {
		c->error.res = cqe->res;
		c->error.reason = cqe->reason;
		c->error.nvme_status = cqe->nvme_status;
		return;
	}
	/* a file that has become shorter meanwhile */
	if ((uint64_t)cqe->res < c->want) {
		c->error.res = -ENODATA;
		return;
	}
	/* what is behind the window is not ours */
	c->len = (uint32_t)c->want;
	s->read_bytes += c->len;
}

/* Is there something to read, or a signal that comes first? */
static bool readable(const struct source *s, int signal_fd)
{
	struct pollfd fds[2] = {
		{ .fd = s->window->fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};

	/* nothing is left to be sent without it */
	int ms = s->parse_at + !!s->current == s->read_at ? 100 : 0;

	return poll(fds, 2, ms) > 0 && fds[0].revents;
}

static ssize_t read_some(const struct source *s, unsigned char *to, size_t len)
{
	const struct window *w = s->window;

	if (!s->seekable)
		return read(w->fd, to, len);
	if (len > s->end - s->next)
		len = (size_t)(s->end - s->next);
	return pread(w->fd, to, len, (off_t)(w->offset + s->next));
}

/* A chunk of a pipe is what is there; a file gives as much as it has. */
static void read_copied(struct source *s, int signal_fd)
{
	struct chunk *c = chunk_to_read(s);
	ssize_t n;

	if (!c || (!s->seekable && !readable(s, signal_fd)))
		return;
	do
		n = read_some(s, chunk_bytes(s, c), CHUNK_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		c->error.res = -errno;
	else
		c->len = (uint32_t)n;
	c->ready = true;
	s->read_bytes += c->len;
	s->next += c->len;
	s->read_at++;
	c->last = n <= 0 || (s->seekable && s->next == s->end);
	if (c->last)
		next_pass(s);
}

void source_read(struct source *s, struct iou_ring *ring, uint64_t tag,
		 int signal_fd)
{
	if (s->direct)
		read_direct(s, ring, tag);
	else
		read_copied(s, signal_fd);
}

/* ------------------------------------------------------------------- parse */

static enum source_what bad_capture(struct source *s, int *code)
{
	const char *name = s->o->from_stdin ? "standard input" :
					      s->window->path;

	/* at its start it is something else, later it is not whole */
	*code = complain(
		s->capture.at < 64 ? IOU_EXIT_NO_RECORDING : IOU_EXIT_DAMAGED,
		"%s: at byte %llu: %s", name,
		(unsigned long long)(s->window->offset + s->capture.at),
		s->capture.why);
	return SOURCE_BAD;
}

/* The recorder died: as far as its frames go. */
static void cut_chunk(struct source *s, struct chunk *c)
{
	size_t good = frames_valid(&s->walk, chunk_bytes(s, c), c->len);

	if (good == c->len && !s->walk.trailer && !c->last)
		return;
	/* what was read behind it is none of it */
	if (!c->last && s->read_pass == c->pass)
		next_pass(s);
	c->len = (uint32_t)good;
	c->last = true;
}

/* What is left of the chunk before goes in front of this one. */
static void begin_chunk(struct source *s, struct chunk *c)
{
	unsigned char *start = chunk_bytes(s, c);
	size_t rest = s->current ? s->left : 0;

	if (s->open)
		cut_chunk(s, c);
	if (rest)
		memcpy(start - rest, s->p, rest);
	s->moved_bytes += rest;
	s->left = c->len > c->lead ? c->len - c->lead : 0;
	s->p = start + c->lead;
	if (rest) {
		s->p = start - rest;
		s->left += rest;
	}
	if (s->current)
		s->parse_at++;
	s->current = c;
}

static void end_pass(struct source *s)
{
	s->parse_at++;
	s->current = NULL;
	s->left = 0;
	s->pass++;
	capture_exit(&s->capture);
	s->walk.next = 0;
	s->walk.trailer = false;
}

/* The next chunk, behind the one that is parsed. */
static enum source_what next_chunk(struct source *s, int *code)
{
	uint64_t n = s->parse_at + !!s->current;
	struct chunk *c = &s->chunk[n % NR_CHUNKS];
	char text[512];

	if (n == s->read_at)
		return s->read_all && !s->current ? SOURCE_END : SOURCE_WAIT;
	if (!c->ready)
		return SOURCE_WAIT;
	if (c->pass < s->pass) {
		s->parse_at++;
		return SOURCE_PACKET;
	}
	if (c->error.res) {
		*code = complain(IOU_EXIT_FAIL, "cannot read %s: %s",
				 s->window->path,
				 iou_strresult(&c->error, text, sizeof(text)));
		return SOURCE_BAD;
	}
	begin_chunk(s, c);
	return SOURCE_PACKET;
}

enum source_what source_search(struct source *s, struct capture_packet *out,
			       struct chunk **from, int *code)
{
	enum source_what what = SOURCE_PACKET;
	enum capture_what found;
	size_t used;

	do {
		if (!s->current)
			what = next_chunk(s, code);
		if (what != SOURCE_PACKET || !s->current)
			continue;
		found = capture_next(&s->capture, s->p, s->left, &used, out);
		s->p += used;
		s->left -= used;
		if (found == CAPTURE_PACKET) {
			*from = s->current;
			return SOURCE_PACKET;
		}
		if (found == CAPTURE_BAD)
			return bad_capture(s, code);
		assert(s->left <= CAPTURE_WINDOW);
		if (!s->current->last) {
			what = next_chunk(s, code);
			continue;
		}
		if (!capture_ends(&s->capture, s->left))
			return bad_capture(s, code);
		end_pass(s);
	} while (what == SOURCE_PACKET);
	return what;
}

void source_free(struct source *s)
{
	while (s->free_at < s->parse_at &&
	       !s->chunk[s->free_at % NR_CHUNKS].in_flight)
		s->free_at++;
}
