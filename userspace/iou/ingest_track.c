// SPDX-License-Identifier: MIT
/* iou ingest: what is received, on storage, on the medium */
#include <string.h>

#include "ingest_track.h"

void track_init(struct track *t, unsigned int depth)
{
	memset(t, 0, sizeof(*t));
	t->depth = depth;
}

struct piece *track_plan(struct track *t, uint64_t dev, uint32_t len)
{
	struct piece *p;

	if (track_full(t))
		return NULL;
	p = track_piece(t, t->tail++);
	memset(p, 0, sizeof(*p));
	p->pos = t->planned;
	p->dev = dev;
	p->len = len;
	t->planned += len;
	return p;
}

void track_written(struct track *t, struct piece *p, uint32_t sub)
{
	p->written = sub;
	while (t->head != t->tail) {
		p = track_piece(t, t->head);
		t->complete = p->pos + p->written;
		if (p->written < p->len)
			break;
		t->head++;
	}
}

struct piece *track_shrink(struct track *t, bool *hole)
{
	struct piece *p = NULL;
	unsigned int n;

	*hole = false;
	while (t->tail != t->head) {
		p = track_piece(t, t->tail - 1);
		if (p->filled)
			break;
		t->planned = p->pos;
		t->tail--;
		p = NULL;
	}
	for (n = t->head; n != t->tail; n++)
		if (track_piece(t, n)->filled < track_piece(t, n)->len &&
		    n + 1 != t->tail)
			*hole = true;
	return p && p->filled < p->len ? p : NULL;
}

uint64_t track_received(struct track *t)
{
	const struct piece *p;
	unsigned int n;

	for (n = t->head; n != t->tail; n++) {
		p = track_piece(t, n);
		if (p->filled < p->len)
			return p->pos + p->filled;
	}
	return t->planned;
}

void track_flush_begin(struct track *t)
{
	t->flushing = t->complete;
	t->in_flush = true;
}

void track_flush_end(struct track *t, bool good)
{
	if (good && t->in_flush)
		t->durable = t->flushing;
	t->in_flush = false;
}
