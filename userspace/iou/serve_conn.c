// SPDX-License-Identifier: MIT
/*
 * iou serve: connections, from accept to close
 *
 * Requests are received into the connection's own buffer and answered in order.
 * Whatever is sent is sent by the module, so that its order is that in which it is
 * handed in; only the head before an op that reads and sends goes by the ring, and
 * then nothing else is under way.
 */
#include <errno.h>
#include <unistd.h>

#include "serve.h"

static unsigned int conn_index(const struct serve *s,
			       const struct serve_conn *c)
{
	return (unsigned int)(c - s->conns);
}

/* -------------------------------------------------------------------- closing */

void conn_die(struct serve *s, struct serve_conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	body_unwait(s, c);
	if (c->receiving) {
		s->stats.system_calls++;
		shutdown(c->fd, SHUT_RDWR);
	}
}

void conn_abort(struct serve *s, struct serve_conn *c)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (c->state == CONN_DEAD)
		return;
	/*
	 * Resets the connection and throws away what is not acknowledged, so that
	 * no op waits for a client that does not take it.
	 */
	s->stats.system_calls++;
	if (connect(c->fd, &none, sizeof(none)))
		shutdown(c->fd, SHUT_RDWR);
	conn_die(s, c);
}

void conn_settle(struct serve *s, struct serve_conn *c)
{
	if (c->state != CONN_DEAD || c->pending)
		return;
	body_drop(s, c);
	if (c->reply.active && c->reply.object)
		source_put(s, c->reply.object->source);
	if (c->socket >= 0) {
		s->stats.system_calls++;
		iou_detach(&s->region, IO_UNIFIED_KIND_SOCKET,
			   (unsigned int)c->socket);
	}
	s->stats.system_calls++;
	close(c->fd);
	c->state = CONN_FREE;
	c->next = s->free;
	s->free = c;
	s->open--;
	serve_accept(s);
}

/* -------------------------------------------------------------------- opening */

/* A full house: who has nothing to ask makes room for who may have. */
static void close_idle(struct serve *s)
{
	struct serve_conn *c, *oldest = NULL;
	unsigned int i;

	for (i = 0; i < s->o->connections; i++) {
		c = &s->conns[i];
		if (c->state == CONN_OPEN && c->requests && !c->nr &&
		    !c->reply.active && c->start == c->used &&
		    (!oldest || c->since < oldest->since))
			oldest = c;
	}
	if (oldest) {
		conn_die(s, oldest);
		conn_settle(s, oldest);
	}
}

void conn_open(struct serve *s, int fd)
{
	struct serve_conn *c = s->free;

	s->free = c->next;
	memset(c, 0, offsetof(struct serve_conn, slot));
	c->reply.active = false;
	c->state = CONN_OPEN;
	c->fd = fd;
	c->socket = -1;
	c->since = s->now;
	s->open++;
	s->stats.connections++;
	conn_pump(s, c);
	conn_settle(s, c);
	if (!s->free)
		close_idle(s);
}

/* For the first response. Returns false: this connection is over. */
static bool attach(struct serve *s, struct serve_conn *c)
{
	struct io_unified_attach a;
	char text[SERVE_HEAD];
	int err;

	if (c->socket >= 0)
		return true;
	s->stats.system_calls++;
	err = iou_attach_socket(&s->region, c->fd, 0, &a);
	if (!err) {
		c->socket = a.index;
		return true;
	}
	if (s->region.reason == IO_UNIFIED_REASON_NOT_CONNECTED) {
		s->stats.resets++;
		conn_die(s, c);
		return false;
	}
	if (!s->complained)
		complain(IOU_EXIT_FAIL, "a connection is refused: %s",
			 iou_region_strerror(&s->region, err, text,
					     sizeof(text)));
	s->complained = true;
	s->stats.refused++;
	s->stats.status[5]++;
	s->stats.system_calls++;
	send(c->fd, text, reply_failure(s, 503, text),
	     MSG_DONTWAIT | MSG_NOSIGNAL);
	c->start = c->used;
	c->closing = true;
	return true;
}

/* ------------------------------------------------------------------- receiving */

static void receive(struct serve *s, struct serve_conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->receiving)
		return;
	if (c->start) {
		c->used -= c->start;
		memmove(c->buffer, c->buffer + c->start, c->used);
		c->start = 0;
	}
	sqe = serve_sqe(s, 1);
	io_uring_prep_recv(sqe, c->fd, c->buffer + c->used,
			   SERVE_BUFFER - c->used, 0);
	serve_tag(sqe, TAG_RECV, conn_index(s, c), 0);
	c->receiving = true;
	c->pending++;
}

/*
 * All is sent. Closed with bytes that nobody has read a connection is reset, and
 * the client may lose what it has not read: so it closes first, if it does soon.
 */
static void linger(struct serve *s, struct serve_conn *c)
{
	if (c->eof) {
		conn_die(s, c);
		return;
	}
	c->state = CONN_LINGER;
	c->since = s->now;
	s->stats.system_calls++;
	shutdown(c->fd, SHUT_WR);
	c->start = 0;
	c->used = 0;
	receive(s, c);
}

void conn_received(struct serve *s, struct serve_conn *c, int res)
{
	c->receiving = false;
	if (c->state == CONN_DEAD)
		return;
	if (c->state == CONN_LINGER) {
		if (res > 0)
			receive(s, c);
		else
			conn_die(s, c);
		return;
	}
	if (res < 0) {
		s->stats.resets++;
		conn_abort(s, c);
		return;
	}
	/* a head has its time from its first byte on, not from its last */
	if (c->start == c->used)
		c->since = s->now;
	c->used += (size_t)res;
	c->eof = !res;
	conn_pump(s, c);
}

/* Returns false: it is not there yet, or has to wait. */
static bool next_request(struct serve *s, struct serve_conn *c)
{
	struct http_request q;
	int n = 0;

	/* answers that the client does not take are no reason to read on */
	if (c->nr == SERVE_SLOTS)
		return false;
	if (c->used > c->start)
		n = http_parse(&q, c->buffer + c->start, c->used - c->start,
			       &c->scanned);
	if (!n && !c->eof) {
		receive(s, c);
		return false;
	}
	if (!n) {
		c->closing = true;
		return true;
	}
	if (!attach(s, c))
		return false;
	if (c->closing)
		return true;
	c->scanned = 0;
	c->requests++;
	s->stats.requests++;
	if (n > 0) {
		reply_start(s, c, &q);
		c->start += (size_t)n;
	} else {
		c->start = c->used;
		reply_status(s, c, -n, q.method == HTTP_HEAD, true);
	}
	return true;
}

void conn_pump(struct serve *s, struct serve_conn *c)
{
	while (c->state == CONN_OPEN) {
		body_send_ready(s, c);
		if (c->waiting)
			return;
		if (c->reply.active) {
			if (!body_next(s, c))
				return;
		} else if (c->closing || s->stopping) {
			if (!c->nr)
				linger(s, c);
			return;
		} else if (!next_request(s, c)) {
			return;
		}
	}
}

/* ----------------------------------------------------------------------- time */

static void time_out(struct serve *s, struct serve_conn *c)
{
	s->stats.timeouts++;
	if (c->nr) {
		/* it does not take what it asked for */
		conn_abort(s, c);
	} else if (c->start < c->used) {
		c->requests++;
		s->stats.requests++;
		c->start = c->used;
		if (attach(s, c) && !c->closing)
			reply_status(s, c, 408, false, true);
		conn_pump(s, c);
	} else {
		conn_die(s, c);
	}
}

void conn_tick(struct serve *s)
{
	unsigned int i;

	for (i = 0; i < s->o->connections; i++) {
		struct serve_conn *c = &s->conns[i];
		uint64_t limit =
			c->since +
			(c->state == CONN_LINGER ? SERVE_LINGER : s->o->idle);

		if (c->state == CONN_FREE || c->state == CONN_DEAD ||
		    s->now <= limit)
			continue;
		if (c->state == CONN_LINGER)
			conn_die(s, c);
		/* what waits for a drive or for a buffer is no fault of the client */
		else if (!c->waiting && (!c->nr || body_sending(c)))
			time_out(s, c);
		conn_settle(s, c);
	}
}

void conn_stop_all(struct serve *s, bool now)
{
	unsigned int i;

	for (i = 0; i < s->o->connections; i++) {
		struct serve_conn *c = &s->conns[i];

		if (c->state == CONN_FREE)
			continue;
		if (now)
			conn_abort(s, c);
		else if (c->state == CONN_OPEN && !c->nr && !c->reply.active)
			conn_die(s, c);
		conn_settle(s, c);
	}
}
