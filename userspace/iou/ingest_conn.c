// SPDX-License-Identifier: MIT
/*
 * iou ingest: one connection
 *
 * Its stream is cut into pieces, and each is one op: receive so many bytes, then
 * write them. Several wait in the socket, one behind the other. An op that ends
 * with fewer bytes leaves a piece with room, which is filled by receiving and
 * writing apart: what is there already stays in front.
 */
#include <errno.h>
#include <unistd.h>

#include "ingest.h"

uint64_t conn_addr(const struct conn *c, unsigned int n)
{
	const struct ingest_options *o = c->r->o;

	return iou_frame_addr(&c->r->region, 0) + TABLE_COPY +
	       (c->index * o->depth + n % o->depth) * o->chunk;
}

void conn_fail(struct conn *c, const char *what, const struct iou_result *res)
{
	if (c->end == STREAM_ERROR)
		return;
	c->end = STREAM_ERROR;
	c->failed = what;
	if (res)
		c->result = *res;
}

/* ------------------------------------------------------------------ submit */

static void submitted(struct conn *c, struct io_uring_sqe *sqe,
		      struct io_unified_desc *d, enum tag tag, unsigned int n)
{
	const unsigned int slot = n % c->track.depth;

	iou_desc_set_user_data(d, make_tag(tag, c->index, slot));
	io_uring_sqe_set_data64(sqe, make_tag(tag, c->index, slot));
	c->op[slot] = tag;
	c->in_flight++;
	c->r->ops++;
}

static void fused(struct conn *c, unsigned int n)
{
	const struct piece *p = track_piece(&c->track, n);
	struct io_uring_sqe *sqe = ingest_sqe(c->r);
	struct io_unified_desc *d;

	d = iou_prep_op(sqe, &c->r->region,
			IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
			IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET |
				IO_UNIFIED_F_WAITALL | IO_UNIFIED_F_WRITE,
			conn_addr(c, n), p->len);
	d->net = (uint16_t)c->at.index;
	d->storage = (uint16_t)c->sink->at.index;
	d->dev_offset = p->dev;
	submitted(c, sqe, d, TAG_FUSED, n);
}

static void receive(struct conn *c, unsigned int n)
{
	const struct piece *p = track_piece(&c->track, n);
	struct io_uring_sqe *sqe = ingest_sqe(c->r);
	struct io_unified_desc *d;

	d = iou_prep_recv(sqe, &c->r->region, (unsigned int)c->at.index,
			  conn_addr(c, n) + p->filled, p->len - p->filled);
	if (c->r->o->flush != FLUSH_EVERY)
		d->flags |= IO_UNIFIED_F_WAITALL;
	submitted(c, sqe, d, TAG_RECV, n);
}

/* From the block that is not whole to the last byte's, padded with zeros. */
void conn_write(struct conn *c, unsigned int n)
{
	struct piece *p = track_piece(&c->track, n);
	const uint32_t from = piece_from(p, c->sink->block);
	const uint32_t to = piece_to(p, c->sink->block);
	const uint64_t addr = conn_addr(c, n);
	struct io_uring_sqe *sqe = ingest_sqe(c->r);
	struct io_unified_desc *d;

	memset(iou_region_ptr(&c->r->region, addr + p->filled), 0,
	       to - p->filled);
	p->writing = p->filled;
	d = iou_prep_write(sqe, &c->r->region, (unsigned int)c->sink->at.index,
			   addr + from, to - from, p->dev + from);
	submitted(c, sqe, d, TAG_WRITE, n);
}

/* One more piece; or what the end will be when all that is planned is there. */
bool conn_plan(struct conn *c)
{
	const uint64_t size = c->r->o->size;
	uint64_t dev, len;

	if (track_full(&c->track))
		return false;
	len = sink_place(c, &dev);
	c->limit_by = STREAM_FULL;
	if (size && size - c->track.planned < len) {
		len = size - c->track.planned;
		c->limit_by = STREAM_SIZE;
	}
	c->limit = !len;
	return len && track_plan(&c->track, dev, (uint32_t)len);
}

void conn_fill(struct conn *c)
{
	const bool every = c->r->o->flush == FLUSH_EVERY;

	if (c->r->o->udp) {
		udp_fill(c);
		return;
	}
	while (c->state == CONN_RUNNING && !c->short_read && !c->limit &&
	       !(every && c->in_flight) && conn_plan(c)) {
		const unsigned int n = c->track.tail - 1;

		/* an op that writes has whole blocks */
		if (every || track_piece(&c->track, n)->len % c->sink->block)
			receive(c, n);
		else
			fused(c, n);
	}
}

/* -------------------------------------------------------------------- start */

static void forget(struct conn *c)
{
	struct ingest *r = c->r;

	if (c->attached)
		iou_detach(&r->region, IO_UNIFIED_KIND_SOCKET,
			   (unsigned int)c->at.index);
	close(c->fd);
	c->attached = false;
	c->fd = -1;
	c->state = CONN_FREE;
	r->active--;
}

static void refuse(struct conn *c)
{
	c->r->refused++;
	forget(c);
	ingest_accept_later(c->r);
}

int conn_start(struct ingest *r, struct conn *c, int fd)
{
	const unsigned int index = c->index;
	char what[128];
	int err;

	memset(c, 0, sizeof(*c));
	c->r = r;
	c->index = index;
	c->fd = fd;
	c->state = CONN_RUNNING;
	r->active++;
	net_peer(c);
	err = iou_attach_socket(&r->region, fd, 0, &c->at);
	if (err == -ENOTCONN && !r->o->udp) {
		/* gone again before anybody looked: no stream */
		r->ended[STREAM_RESET]++;
		forget(c);
		return 0;
	}
	if (err) {
		snprintf(what, sizeof(what), "%s is turned away", c->peer_name);
		session_failed(&r->region, err, what);
		refuse(c);
		return 0;
	}
	c->attached = true;
	track_init(&c->track, (unsigned int)r->o->depth);
	c->began_ns = now_ns(CLOCK_MONOTONIC);
	c->stream = r->streams;
	c->udp.drops_before = r->o->udp ? net_drops(c) : 0;
	c->sink = sink_get(r, c);
	if (!c->sink) {
		refuse(c);
		return IOU_EXIT_FAIL;
	}
	r->streams++;
	return 0;
}

/* --------------------------------------------------------------------- ends */

/* The ops that wait: the last one first, so that none gets what is another's. */
static void call_back(struct conn *c)
{
	const unsigned int depth = c->track.depth;
	unsigned int n;

	for (n = c->track.tail; n != c->track.head; n--) {
		const unsigned int slot = (n - 1) % depth;
		struct io_uring_sqe *sqe;

		if (c->op[slot] != TAG_FUSED && c->op[slot] != TAG_RECV)
			continue;
		sqe = ingest_sqe(c->r);
		iou_prep_cancel(sqe, &c->r->region,
				make_tag(c->op[slot], c->index, slot));
		io_uring_sqe_set_data64(sqe, make_tag(TAG_CANCEL, 0, 0));
	}
	for (n = c->udp.tail; n != c->udp.head; n--) {
		struct io_uring_sqe *sqe = ingest_sqe(c->r);
		const unsigned int slot = (n - 1) % DATAGRAMS;

		iou_prep_cancel(sqe, &c->r->region,
				make_tag(TAG_DATAGRAM, c->index, slot));
		io_uring_sqe_set_data64(sqe, make_tag(TAG_CANCEL, 0, 0));
	}
}

void conn_pause(struct conn *c)
{
	unsigned int slack;

	if (c->state != CONN_RUNNING)
		return;
	if (c->r->o->udp) {
		udp_flush(c);
		return;
	}
	/* what waits in the socket, for more to come, is called back too */
	if (!c->in_flight || net_arrived(c, &slack) <= c->received + slack)
		return;
	c->state = CONN_PAUSING;
	call_back(c);
}

void conn_stop(struct conn *c, enum stream_state why)
{
	if (c->state != CONN_RUNNING && c->state != CONN_PAUSING)
		return;
	c->limit_by = why;
	c->state = CONN_STOPPING;
	call_back(c);
	if (!c->in_flight)
		conn_finish(c);
}

/* Bytes that were taken from the socket and are not ours are a failure. */
static void check_lost(struct conn *c)
{
	unsigned int slack;
	uint64_t consumed;

	c->unread = net_unread(c);
	if (c->r->o->udp)
		return;
	consumed = net_consumed(c, &slack);
	if (consumed <= c->received + slack)
		return;
	if (c->end == STREAM_ERROR) {
		/* what a failed op had received */
		c->received = consumed - slack;
		return;
	}
	c->end = STREAM_LOST;
	c->failed = "bytes were taken from the socket and did not arrive";
	c->unread += consumed - c->received - slack;
}

static void closing(struct conn *c, enum stream_state why)
{
	if (c->end == STREAM_OPEN)
		c->end = why;
	check_lost(c);
	c->state = CONN_CLOSING;
	sink_want(c->sink);
}

/*
 * An op that is called back need not tell of the bytes that it had got already.
 * They are in the piece that it was for: the stack knows how many they are.
 */
static bool recover(struct conn *c)
{
	struct track *t = &c->track;
	unsigned int n, slack;
	struct piece *p = NULL;
	uint64_t got;

	got = net_consumed(c, &slack);
	if (c->end != STREAM_OPEN || got <= c->received + slack)
		return false;
	got -= c->received + slack;
	for (n = t->head; n != t->tail; n++) {
		p = track_piece(t, n);
		if (p->filled < p->len)
			break;
	}
	/* then they are lost, and closing() says so */
	if (n == t->tail || got > p->len - p->filled)
		return false;
	p->filled += (uint32_t)got;
	c->received += got;
	conn_write(c, n);
	return true;
}

/* Nothing is under way: what is there, and how does it go on? */
void conn_finish(struct conn *c)
{
	struct piece *p;
	bool hole;

	if (c->in_flight || c->state == CONN_CLOSING || c->state == CONN_FREE)
		return;
	if (c->r->o->udp) {
		if (udp_settle(c))
			closing(c, c->limit_by);
		return;
	}
	if (c->state != CONN_RUNNING && recover(c))
		return;
	p = track_shrink(&c->track, &hole);
	if (hole && c->end != STREAM_ERROR)
		conn_fail(c, "bytes came behind a gap", NULL);
	c->short_read = false;
	if (c->state == CONN_STOPPING || c->end != STREAM_OPEN) {
		closing(c, c->limit_by);
		return;
	}
	if (c->state == CONN_PAUSING) {
		c->state = CONN_RUNNING;
		sink_want(c->sink);
	}
	c->limit = false;
	if (p)
		receive(c, c->track.tail - 1);
	conn_fill(c);
	if (!c->in_flight)
		closing(c, c->limit_by);
}

void conn_close(struct conn *c)
{
	struct ingest *r = c->r;
	const struct datagrams *u = &c->udp;

	if (r->o->ack)
		net_ack(c, true);
	if (r->o->udp)
		c->udp.drops = net_drops(c) - u->drops_before;
	r->ended[c->end]++;
	/* the end of the only stream is that of all */
	if (!r->o->many && r->end == STREAM_OPEN)
		r->end = c->end;
	r->bytes += c->track.durable;
	r->received += c->received;
	r->unread += c->unread;
	r->datagrams += u->packets;
	r->cut += u->cut;
	r->foreign += u->foreign;
	r->left += u->left;
	r->packed += u->packed;
	r->dropped += u->drops;
	if (c->end == STREAM_ERROR || c->end == STREAM_LOST)
		r->failed = true;
	sink_put(r, c);
	ingest_report_stream(c);
	forget(c);
	r->accept_ns = 0;
	ingest_accept(r);
}

/* -------------------------------------------------------------- completions */

static enum stream_state socket_end(const struct iou_result *res)
{
	switch (res->reason) {
	case IO_UNIFIED_REASON_RESET:
	case IO_UNIFIED_REASON_SHUT:
		return STREAM_RESET;
	case IO_UNIFIED_REASON_PEER_TIMEOUT:
		return STREAM_TIMEOUT;
	case IO_UNIFIED_REASON_UNREACHABLE:
		return STREAM_UNREACHABLE;
	default:
		return STREAM_ERROR;
	}
}

/* An op that did not get all it was for; false if it got something. */
static bool got_nothing(struct conn *c, const struct iou_result *res)
{
	enum stream_state end;

	if (res->res > 0)
		return false;
	c->short_read = true;
	if (!res->res) {
		if (c->end == STREAM_OPEN)
			c->end = STREAM_EOF;
	} else if (res->res != -ECANCELED || c->state == CONN_RUNNING) {
		end = socket_end(res);
		if (end == STREAM_ERROR)
			conn_fail(c, "an op", res);
		else if (c->end == STREAM_OPEN)
			c->end = end;
	}
	return true;
}

static void on_storage(struct conn *c, struct piece *p, uint32_t sub)
{
	struct sink *s = c->sink;

	s->since += sub - p->written;
	track_written(&c->track, p, sub);
	if (c->r->o->flush == FLUSH_EVERY ||
	    (c->r->o->flush == FLUSH_BYTES && s->since >= c->r->o->flush_arg))
		sink_want(s);
}

static void on_fused(struct conn *c, struct piece *p,
		     const struct iou_result *res)
{
	if (got_nothing(c, res))
		return;
	p->filled = (uint32_t)res->res;
	c->received += p->filled;
	if (p->filled < p->len)
		c->short_read = true;
	on_storage(c, p, p->filled);
}

static void on_recv(struct conn *c, struct piece *p, unsigned int slot,
		    const struct iou_result *res)
{
	if (got_nothing(c, res))
		return;
	p->filled += (uint32_t)res->res;
	c->received += (uint32_t)res->res;
	if (p->filled < p->len)
		c->short_read = true;
	conn_write(c, slot);
}

static void on_write(struct conn *c, struct piece *p,
		     const struct iou_result *res)
{
	const uint32_t block = c->sink->block;
	struct piece was = *p;

	was.filled = p->writing;
	if (res->res != (int)(piece_to(&was, block) - piece_from(p, block))) {
		c->short_read = true;
		conn_fail(c, res->res < 0 ? "a write" : "a write fell short",
			  res);
		return;
	}
	on_storage(c, p, p->writing);
	if (!c->r->o->udp)
		return;
	if (c->state == CONN_PAUSING) {
		c->state = CONN_RUNNING;
		sink_want(c->sink);
	}
	udp_pack(c);
}

void conn_cqe(struct conn *c, enum tag tag, unsigned int slot,
	      const struct iou_result *res)
{
	struct piece *p = &c->track.piece[slot % TRACK_MAX];

	c->in_flight--;
	c->moved++;
	if (res->flags & IO_UNIFIED_CQE_COPIED && res->res > 0)
		c->r->copied += (uint32_t)res->res;
	if (tag == TAG_DATAGRAM) {
		udp_cqe(c, slot, res);
	} else {
		c->op[slot] = TAG_NONE;
		if (tag == TAG_FUSED)
			on_fused(c, p, res);
		else if (tag == TAG_RECV)
			on_recv(c, p, slot, res);
		else
			on_write(c, p, res);
	}
	/* nothing is to wait for bytes that have no place any more */
	if (c->end != STREAM_OPEN && c->end != STREAM_EOF)
		conn_stop(c, c->end);
	if (!c->in_flight)
		conn_finish(c);
	else
		conn_fill(c);
	sink_try(c->r, c->sink);
}
