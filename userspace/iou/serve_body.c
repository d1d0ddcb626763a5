// SPDX-License-Identifier: MIT
/*
 * iou serve: bodies, in pieces, from the drive to the socket
 *
 * A piece has a buffer of the region. One op reads it and sends it, with the head of
 * the response in front of the first, and has its place in the socket's queue from
 * the start, so that as many as there are buffers read side by side. Where a range
 * starts within a block, one op reads, and another sends the bytes that were asked
 * for: the piece is split. Both are counted.
 *
 * A program may shorten or drop a piece, and then nothing may follow it. So there is
 * one op at a time that reads, runs it and sends, if the piece is of whole blocks;
 * what goes behind it is read meanwhile, and handed in when it is over. The head is
 * sent by the ring then, in a send that tells that there is more.
 */
#include <errno.h>
#include <stdlib.h>

#include "serve.h"

/* ------------------------------------------------------------------- buffers */

static int pool_init(struct serve_pool *p, uint64_t base, uint64_t bytes,
		     uint32_t size)
{
	unsigned int i;

	p->base = base;
	p->size = size;
	p->nr = (unsigned int)(bytes / (size + SERVE_PAGE));
	p->nr_free = p->nr;
	p->free = calloc(p->nr, sizeof(*p->free));
	if (!p->free)
		return complain(IOU_EXIT_FAIL, "out of memory");
	for (i = 0; i < p->nr; i++)
		p->free[i] = p->nr - 1 - i;
	return 0;
}

int pools_init(struct serve *s)
{
	const uint64_t base = s->region.data_off;
	const uint64_t small =
		s->region.data_size / 4 / SERVE_PAGE * SERVE_PAGE;
	int err;

	err = pool_init(&s->pool[POOL_SMALL], base, small, SERVE_SMALL);
	if (!err)
		err = pool_init(&s->pool[POOL_LARGE], base + small,
				s->region.data_size - small,
				(uint32_t)s->o->chunk);
	return err;
}

void pools_free(struct serve *s)
{
	free(s->pool[POOL_SMALL].free);
	free(s->pool[POOL_LARGE].free);
}

static uint64_t buffer_addr(const struct serve *s,
			    const struct serve_slot *slot)
{
	const struct serve_pool *p = &s->pool[slot->pool];

	return p->base + (uint64_t)slot->buffer * (p->size + SERVE_PAGE) +
	       SERVE_PAGE;
}

/* Where its head is until the piece is read. */
static void *head_ptr(const struct serve *s, const struct serve_slot *slot)
{
	return iou_region_ptr(&s->region, buffer_addr(s, slot) - SERVE_PAGE);
}

static void wait_for(struct serve *s, struct serve_conn *c, unsigned int pool)
{
	struct serve_pool *p = &s->pool[pool];

	s->stats.waits++;
	c->waiting = true;
	c->next = NULL;
	if (p->last_waiting)
		p->last_waiting->next = c;
	else
		p->first_waiting = c;
	p->last_waiting = c;
}

void body_unwait(struct serve *s, struct serve_conn *c)
{
	unsigned int i;

	if (!c->waiting)
		return;
	c->waiting = false;
	for (i = 0; i < NR_POOLS; i++) {
		struct serve_pool *p = &s->pool[i];
		struct serve_conn *w, *last = NULL;

		for (w = p->first_waiting; w && w != c; w = w->next)
			last = w;
		if (!w)
			continue;
		if (last)
			last->next = c->next;
		else
			p->first_waiting = c->next;
		if (p->last_waiting == c)
			p->last_waiting = last;
	}
}

void body_wake(struct serve *s)
{
	unsigned int i;

	for (i = 0; i < NR_POOLS; i++) {
		struct serve_pool *p = &s->pool[i];
		struct serve_conn *c;

		while (p->nr_free && (c = p->first_waiting)) {
			body_unwait(s, c);
			c->granted = true;
			conn_pump(s, c);
			c->granted = false;
			conn_settle(s, c);
		}
	}
}

/* --------------------------------------------------------------------- slots */

static struct serve_slot *slot_at(struct serve_conn *c, unsigned int n)
{
	return &c->slot[(c->first + n) % SERVE_SLOTS];
}

static unsigned int slot_index(const struct serve_conn *c,
			       const struct serve_slot *slot)
{
	return (unsigned int)(slot - c->slot);
}

static void slot_free(struct serve *s, struct serve_conn *c,
		      struct serve_slot *slot)
{
	struct serve_pool *p = &s->pool[slot->pool];

	if (slot->state == SLOT_DONE)
		return;
	slot->state = SLOT_DONE;
	p->free[p->nr_free++] = slot->buffer;
	c->large -= slot->pool == POOL_LARGE;
	if (slot->source)
		source_put(s, slot->source);
}

/* They are over in whatever order, and leave in that of their bytes. */
static void pop_done(struct serve_conn *c)
{
	while (c->sent && slot_at(c, 0)->state == SLOT_DONE) {
		c->first = (c->first + 1) % SERVE_SLOTS;
		c->nr--;
		c->sent--;
	}
}

/* A new slot with a buffer; NULL: the connection has to wait. */
static struct serve_slot *slot_new(struct serve *s, struct serve_conn *c,
				   unsigned int pool)
{
	struct serve_pool *p = &s->pool[pool];
	struct serve_slot *slot;

	if (c->nr == SERVE_SLOTS ||
	    (pool == POOL_LARGE && c->large == SERVE_CHUNKS))
		return NULL;
	/* who waits already comes first */
	if (!p->nr_free || (p->first_waiting && !c->granted)) {
		wait_for(s, c, pool);
		return NULL;
	}
	slot = slot_at(c, c->nr++);
	memset(slot, 0, sizeof(*slot));
	slot->pool = pool;
	slot->buffer = p->free[--p->nr_free];
	c->large += pool == POOL_LARGE;
	return slot;
}

bool body_sending(const struct serve_conn *c)
{
	return c->sent > 0;
}

void body_drop(struct serve *s, struct serve_conn *c)
{
	while (c->nr) {
		slot_free(s, c, slot_at(c, 0));
		c->first = (c->first + 1) % SERVE_SLOTS;
		c->nr--;
	}
	c->sent = 0;
	c->combined = 0;
}

/* ----------------------------------------------------------------------- ops */

static void submit(struct serve *s, struct serve_conn *c,
		   const struct serve_slot *slot, struct io_uring_sqe *sqe)
{
	serve_tag(sqe, TAG_SLOT, (unsigned int)(c - s->conns),
		  slot_index(c, slot));
	c->pending++;
}

static bool has_program(const struct serve *s)
{
	return s->program.fd >= 0;
}

/* What the program finds in its control block */
static void tell_program(const struct serve_slot *slot,
			 struct io_unified_desc *d)
{
	iou_desc_set_cookie(d, slot->cookie);
	d->arg = slot->size;
}

static void add_program(const struct serve *s, const struct serve_slot *slot,
			struct io_unified_desc *d)
{
	if (!has_program(s))
		return;
	iou_desc_set_bpf(d, (unsigned int)s->bpf.index);
	tell_program(slot, d);
}

static void add_lead(const struct serve *s, const struct serve_slot *slot,
		     struct io_unified_desc *d)
{
	const uint64_t addr = buffer_addr(s, slot) - slot->head_len;

	memmove(iou_region_ptr(&s->region, addr), head_ptr(s, slot),
		slot->head_len);
	iou_desc_set_lead(d, slot->head_len, slot->read_len - slot->len);
}

/* The head, by the ring; the op behind it starts when it is out. */
static void send_head(struct serve *s, struct serve_conn *c,
		      const struct serve_slot *slot)
{
	struct io_uring_sqe *sqe = serve_sqe(s, 2);

	io_uring_prep_send(sqe, c->fd, head_ptr(s, slot), slot->head_len,
			   MSG_MORE | MSG_WAITALL | MSG_NOSIGNAL);
	/* where it fails, the op is canceled, and tells */
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	serve_tag(sqe, TAG_NONE, 0, 0);
}

static void start_combined(struct serve *s, struct serve_conn *c,
			   struct serve_slot *slot, uint64_t from)
{
	struct io_unified_desc *d;
	struct io_uring_sqe *sqe;

	if (has_program(s) && slot->head_len) {
		send_head(s, c, slot);
		slot->head_len = 0;
	}
	sqe = serve_sqe(s, 1);
	d = iou_prep_read(sqe, &s->region, (unsigned int)slot->source->attach,
			  buffer_addr(s, slot), slot->read_len, from);
	add_program(s, slot, d);
	iou_desc_set_send(d, (unsigned int)c->socket);
	if (!has_program(s))
		add_lead(s, slot, d);
	submit(s, c, slot, sqe);
	slot->state = SLOT_COMBINED;
	c->sent++;
	c->combined++;
	s->stats.combined++;
}

static void start_read(struct serve *s, struct serve_conn *c,
		       struct serve_slot *slot, uint64_t from)
{
	struct io_uring_sqe *sqe = serve_sqe(s, 1);
	const uint64_t addr = buffer_addr(s, slot);

	if (slot->source->attach >= 0) {
		struct io_unified_desc *d = iou_prep_read(
			sqe, &s->region, (unsigned int)slot->source->attach,
			addr, slot->read_len, from);

		add_program(s, slot, d);
	} else {
		io_uring_prep_read(sqe, slot->source->fd,
				   iou_region_ptr(&s->region, addr),
				   slot->read_len, from);
		slot->ring = true;
		s->stats.unattached++;
	}
	submit(s, c, slot, sqe);
	slot->state = SLOT_READING;
	s->stats.split++;
}

static void start_program(struct serve *s, struct serve_conn *c,
			  struct serve_slot *slot, uint32_t len)
{
	struct io_uring_sqe *sqe = serve_sqe(s, 1);
	struct io_unified_desc *d = iou_prep_bpf(sqe, &s->region,
						 (unsigned int)s->bpf.index,
						 buffer_addr(s, slot), len);

	tell_program(slot, d);
	submit(s, c, slot, sqe);
	slot->read_len = len;
	slot->state = SLOT_EDITING;
}

static void start_send(struct serve *s, struct serve_conn *c,
		       struct serve_slot *slot)
{
	const uint64_t addr =
		buffer_addr(s, slot) + slot->skip - slot->head_len;
	struct io_uring_sqe *sqe = serve_sqe(s, 1);

	/* over what was read and is not asked for */
	if (slot->head_len)
		memmove(iou_region_ptr(&s->region, addr), head_ptr(s, slot),
			slot->head_len);
	iou_prep_send(sqe, &s->region, (unsigned int)c->socket, addr,
		      slot->head_len + slot->len);
	submit(s, c, slot, sqe);
	slot->state = SLOT_SENDING;
	c->sent++;
}

/* The attachment sends no more. All that was sent before is acknowledged. */
static void send_instead(struct serve *s, struct serve_conn *c,
			 struct serve_slot *slot)
{
	ssize_t n;

	s->stats.system_calls++;
	n = send(c->fd, head_ptr(s, slot), slot->head_len,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == slot->head_len) {
		slot_free(s, c, slot);
		c->sent++;
		return;
	}
	s->stats.aborted++;
	conn_abort(s, c);
}

/* Returns false: not yet, or not any more. */
static bool send_next(struct serve *s, struct serve_conn *c,
		      struct serve_slot *slot)
{
	if (slot->state == SLOT_READY && slot->drop)
		slot_free(s, c, slot);
	if (slot->state == SLOT_DONE) {
		c->sent++;
		return true;
	}
	if (slot->state != SLOT_READY)
		return false;
	if (slot->instead) {
		if (slot_index(c, slot) == c->first)
			send_instead(s, c, slot);
		return slot->state == SLOT_DONE;
	}
	/* what the program makes of the one before may be less than it should be */
	if (c->combined && has_program(s))
		return false;
	start_send(s, c, slot);
	return true;
}

void body_send_ready(struct serve *s, struct serve_conn *c)
{
	while (c->sent < c->nr && send_next(s, c, slot_at(c, c->sent)))
		;
	pop_done(c);
}

/* -------------------------------------------------------------------- pieces */

/* Can one op read and send it? Everything before it has to be in the socket's queue. */
static bool combinable(const struct serve *s, const struct serve_conn *c,
		       const struct serve_slot *slot)
{
	if (slot->source->attach < 0 || slot->skip || c->sent + 1 != c->nr)
		return false;
	return !has_program(s) ||
	       (slot->len == slot->read_len && !c->combined &&
		(!slot->head_len || !c->sent));
}

/* The piece at the reply's position, as long as a buffer. */
static void cut(struct serve *s, struct serve_conn *c, struct serve_slot *slot,
		uint32_t skip)
{
	struct serve_reply *r = &c->reply;
	struct serve_object *object = r->object;
	const uint32_t block = object->source->block_size;
	const uint32_t room = s->pool[slot->pool].size;
	const uint64_t want = skip + (r->end - r->pos);
	const uint64_t from = object->offset + r->pos - skip;

	slot->source = object->source;
	slot->source->users++;
	slot->skip = skip;
	slot->cookie = r->pos - skip;
	slot->size = object->size;
	slot->len = (uint32_t)(want < room ? want : room) - skip;
	slot->read_len = (skip + slot->len + block - 1) / block * block;
	slot->head_len = r->head_len;
	memcpy(head_ptr(s, slot), r->head, r->head_len);
	r->head_len = 0;
	r->pos += slot->len;

	if (combinable(s, c, slot))
		start_combined(s, c, slot, from);
	else
		start_read(s, c, slot, from);
}

bool body_next(struct serve *s, struct serve_conn *c)
{
	struct serve_reply *r = &c->reply;
	struct serve_slot *slot;
	uint32_t skip = 0;
	uint64_t want = 0;

	if (r->object) {
		skip = (uint32_t)((r->object->offset + r->pos) %
				  r->object->source->block_size);
		want = skip + (r->end - r->pos);
	}
	slot = slot_new(s, c, want > SERVE_SMALL ? POOL_LARGE : POOL_SMALL);
	if (!slot)
		return false;
	if (!r->object) {
		slot->head_len = r->head_len;
		memcpy(head_ptr(s, slot), r->head, r->head_len);
		slot->state = SLOT_READY;
		r->active = false;
		return true;
	}
	cut(s, c, slot, skip);
	if (r->pos == r->end) {
		source_put(s, r->object->source);
		r->active = false;
	}
	return true;
}

/* ------------------------------------------------------------------ their end */

/*
 * It cannot be read. While the head is still here, another can take its place;
 * once that is out, all that is left is to break the connection off.
 */
static void read_failed(struct serve *s, struct serve_conn *c,
			struct serve_slot *slot, const struct iou_result *res)
{
	unsigned int n = (slot_index(c, slot) - c->first) % SERVE_SLOTS;
	char text[512];

	if (!s->complained && res->res < 0) {
		complain(IOU_EXIT_FAIL, "cannot read %s: %s",
			 slot->source->path,
			 iou_strresult(res, text, sizeof(text)));
		s->complained = true;
	}
	if (!slot->head_len) {
		s->stats.aborted++;
		conn_abort(s, c);
		return;
	}
	/* it was in the queue: the stream has a hole, but not without its head */
	slot->instead = slot->state == SLOT_COMBINED;
	if (slot->instead)
		c->sent = n;
	slot->head_len = (uint16_t)reply_failure(
		s, (res->flags & IO_UNIFIED_CQE_DROPPED) ? 403 : 500,
		head_ptr(s, slot));
	slot->skip = 0;
	slot->len = 0;
	slot->state = SLOT_READY;
	while (++n < c->nr)
		slot_at(c, n)->drop = true;
	if (c->reply.active) {
		if (c->reply.object)
			source_put(s, c->reply.object->source);
		c->reply.active = false;
	}
	c->closing = true;
}

static void read_done(struct serve *s, struct serve_conn *c,
		      struct serve_slot *slot, const struct iou_result *res)
{
	/*
	 * A file ends where it ends, a program may not change the length, nor where the
	 * bytes begin.
	 */
	if (slot->drop)
		slot->state = SLOT_READY;
	else if (res->res < 0 || (uint32_t)res->res < slot->skip + slot->len ||
		 (uint32_t)res->res > slot->read_len || res->offset)
		read_failed(s, c, slot, res);
	else if (slot->ring && slot->state == SLOT_READING && has_program(s))
		start_program(s, c, slot, (uint32_t)res->res);
	else
		slot->state = SLOT_READY;
}

static void send_done(struct serve *s, struct serve_conn *c,
		      struct serve_slot *slot, const struct iou_result *res)
{
	const uint32_t want = slot->head_len + slot->len;

	if (slot->state == SLOT_COMBINED)
		c->combined--;
	if (res->res == (int)want) {
		s->stats.body_bytes += slot->len;
		s->stats.copied += !!(res->flags & IO_UNIFIED_CQE_COPIED);
		slot_free(s, c, slot);
		pop_done(c);
		return;
	}
	/* the one before it that failed tells what becomes of the connection */
	if (res->reason == IO_UNIFIED_REASON_SOCKET_GAP) {
		slot_free(s, c, slot);
		pop_done(c);
		return;
	}
	if (slot->state == SLOT_COMBINED && res->reason &&
	    res->reason < IO_UNIFIED_REASON_NOT_SOCKET) {
		read_failed(s, c, slot, res);
		if (slot->instead)
			return;
	}
	if (c->state != CONN_DEAD) {
		if (res->res >= 0)
			s->stats.aborted++;
		else
			s->stats.resets++;
		conn_abort(s, c);
	}
}

void body_done(struct serve *s, struct serve_conn *c, unsigned int index,
	       const struct iou_result *res)
{
	struct serve_slot *slot = &c->slot[index];

	/* its buffers go when nothing of it is in flight */
	if (c->state == CONN_DEAD)
		return;
	c->since = s->now;
	if (slot->state == SLOT_READING || slot->state == SLOT_EDITING)
		read_done(s, c, slot, res);
	else
		send_done(s, c, slot, res);
}
