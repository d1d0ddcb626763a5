// SPDX-License-Identifier: MIT
/*
 * iou ingest: datagrams
 *
 * Each is received by an op of its own into a slot; several wait. What came is
 * packed into the pieces of the stream, one behind the other, and the pieces are
 * written as those of a connection are.
 */
#include <endian.h>
#include <errno.h>

#include "ingest.h"

uint64_t udp_addr(const struct conn *c, unsigned int slot)
{
	return conn_addr(c, 0) + c->r->o->depth * c->r->o->chunk +
	       (uint64_t)slot * MAX_DATAGRAM;
}

static const unsigned char *slot_ptr(const struct conn *c, unsigned int slot)
{
	return iou_region_ptr(&c->r->region, udp_addr(c, slot));
}

void udp_fill(struct conn *c)
{
	struct datagrams *u = &c->udp;

	if (c->state != CONN_RUNNING && c->state != CONN_PAUSING)
		return;
	while (u->tail - u->head < DATAGRAMS) {
		const unsigned int slot = u->tail % DATAGRAMS;
		const uint64_t tag = make_tag(TAG_DATAGRAM, c->index, slot);
		struct io_uring_sqe *sqe = ingest_sqe(c->r);
		struct io_unified_desc *d;

		u->done[slot] = false;
		d = iou_prep_recv(sqe, &c->r->region, (unsigned int)c->at.index,
				  udp_addr(c, slot), MAX_DATAGRAM);
		iou_desc_set_user_data(d, tag);
		io_uring_sqe_set_data64(sqe, tag);
		u->tail++;
		c->in_flight++;
		c->r->ops++;
	}
}

/* --------------------------------------------------------------------- pack */

struct frame {
	unsigned char front[4];
	uint32_t front_len;
	uint32_t len; /* of the datagram */
	uint32_t back_len; /* a newline */
};

static struct frame frame_of(const struct conn *c, unsigned int slot)
{
	struct frame f = { .len = (uint32_t)c->udp.res[slot] };
	const uint32_t le = htole32(f.len);

	if (c->r->o->framing == FRAMING_LENGTH) {
		memcpy(f.front, &le, sizeof(le));
		f.front_len = sizeof(le);
	} else if (!f.len || slot_ptr(c, slot)[f.len - 1] != '\n') {
		f.back_len = 1;
	}
	return f;
}

/* Bytes [@from, @from + @n) of the frame. */
static void copy_part(const struct conn *c, unsigned int slot,
		      const struct frame *f, uint32_t from, uint32_t n,
		      unsigned char *to)
{
	const unsigned char *data = slot_ptr(c, slot);

	while (n && from < f->front_len) {
		*to++ = f->front[from++];
		n--;
	}
	if (n && from < f->front_len + f->len) {
		const uint32_t at = from - f->front_len;
		const uint32_t len = n < f->len - at ? n : f->len - at;

		memcpy(to, data + at, len);
		to += len;
		n -= len;
	}
	if (n)
		*to = '\n';
}

/* The piece that is being filled, or a new one; NULL: all are in use. */
static struct piece *current(struct conn *c, unsigned int *n)
{
	struct track *t = &c->track;
	struct piece *p;

	if (t->tail != t->head) {
		*n = t->tail - 1;
		p = track_piece(t, *n);
		if (p->filled < p->len)
			return p;
	}
	if (!conn_plan(c))
		return NULL;
	*n = t->tail - 1;
	return track_piece(t, *n);
}

static void write_if_idle(struct conn *c, unsigned int n)
{
	const struct piece *p = track_piece(&c->track, n);

	if (c->op[n % c->track.depth] == TAG_NONE && p->written < p->filled)
		conn_write(c, n);
}

/* Returns false where it has to wait for a piece. */
static bool pack_one(struct conn *c, unsigned int slot)
{
	const struct frame f = frame_of(c, slot);
	const uint32_t total = f.front_len + f.len + f.back_len;
	struct datagrams *u = &c->udp;

	/* a record is whole or is not there */
	if (!u->copied && total > sink_capacity(c) - c->received) {
		c->limit_by = c->r->o->size ? STREAM_SIZE : STREAM_FULL;
		conn_stop(c, c->limit_by);
		return false;
	}
	while (u->copied < total) {
		unsigned int n;
		struct piece *p = current(c, &n);
		uint32_t len;

		if (!p)
			return false;
		len = total - u->copied;
		if (len > p->len - p->filled)
			len = p->len - p->filled;
		copy_part(c, slot, &f, u->copied, len,
			  (unsigned char *)iou_region_ptr(&c->r->region,
							  conn_addr(c, n)) +
				  p->filled);
		p->filled += len;
		u->copied += len;
		c->received += len;
		if (p->filled == p->len)
			write_if_idle(c, n);
	}
	u->packed += f.len;
	u->copied = 0;
	u->packets++;
	if (u->truncated[slot])
		u->cut++;
	return true;
}

void udp_pack(struct conn *c)
{
	struct datagrams *u = &c->udp;
	const uint64_t count = c->r->o->count;
	unsigned int n;

	if (c->end != STREAM_OPEN)
		return;
	/* one may have become full while its first half was written */
	for (n = c->track.head; n != c->track.tail; n++)
		if (track_piece(&c->track, n)->filled ==
		    track_piece(&c->track, n)->len)
			write_if_idle(c, n);
	while (u->head != u->tail && u->done[u->head % DATAGRAMS]) {
		const unsigned int slot = u->head % DATAGRAMS;

		if (count && u->packets == count) {
			conn_stop(c, STREAM_COUNT);
			break;
		}
		if (u->res[slot] >= 0 && !pack_one(c, slot))
			break;
		u->head++;
	}
	if (count && u->packets == count)
		conn_stop(c, STREAM_COUNT);
	if (c->r->o->flush == FLUSH_EVERY && c->track.tail != c->track.head)
		write_if_idle(c, c->track.tail - 1);
}

void udp_cqe(struct conn *c, unsigned int slot, const struct iou_result *res)
{
	struct datagrams *u = &c->udp;

	u->done[slot] = true;
	u->res[slot] = res->res;
	u->truncated[slot] = res->flags & IO_UNIFIED_CQE_TRUNC;
	/* nobody listens at the peer's: it does not mean that it sends no more */
	if (res->res < 0 && res->res != -ECANCELED &&
	    res->reason != IO_UNIFIED_REASON_UNREACHABLE)
		conn_fail(c, "receiving a datagram", res);
	udp_pack(c);
}

void udp_take(struct conn *c, unsigned int slot, uint32_t len)
{
	struct datagrams *u = &c->udp;

	u->done[slot] = true;
	u->res[slot] = (int)len;
	u->truncated[slot] = false;
	u->tail++;
}

void udp_flush(struct conn *c)
{
	struct track *t = &c->track;
	const struct piece *p;

	if (t->head == t->tail)
		return;
	p = track_piece(t, t->tail - 1);
	if (p->written == p->filled)
		return;
	write_if_idle(c, t->tail - 1);
	if (c->state == CONN_RUNNING)
		c->state = CONN_PAUSING;
}

bool udp_settle(struct conn *c)
{
	struct datagrams *u = &c->udp;
	const bool stop = c->state == CONN_STOPPING || c->end != STREAM_OPEN;

	if (!stop) {
		udp_fill(c);
		return false;
	}
	/* what was received before the end belongs to it */
	if (c->end == STREAM_OPEN) {
		udp_pack(c);
		udp_flush(c);
	}
	if (c->in_flight)
		return false;
	/* and what has no place any more is counted */
	for (; u->head != u->tail; u->head++)
		if (u->res[u->head % DATAGRAMS] >= 0)
			u->left++;
	return true;
}
