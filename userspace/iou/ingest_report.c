// SPDX-License-Identifier: MIT
/* iou ingest: what it says before, during and after */
#include "ingest.h"

static uint64_t sum_durable(const struct ingest *r)
{
	uint64_t sum = r->bytes;

	for (unsigned int i = 0; i < r->nr_conns; i++)
		if (r->conn[i].state != CONN_FREE)
			sum += r->conn[i].track.durable;
	return sum;
}

static uint64_t sum_received(const struct ingest *r)
{
	uint64_t sum = r->received;

	for (unsigned int i = 0; i < r->nr_conns; i++)
		if (r->conn[i].state != CONN_FREE)
			sum += r->conn[i].received;
	return sum;
}

static const char *flush_name(const struct ingest_options *o, char *buf,
			      size_t len)
{
	char size[32];

	switch (o->flush) {
	case FLUSH_NONE:
		snprintf(buf, len, "at the end of a stream");
		break;
	case FLUSH_EVERY:
		snprintf(buf, len, "after each write");
		break;
	case FLUSH_TIME:
		snprintf(buf, len, "every %g s", (double)o->flush_arg / 1e9);
		break;
	case FLUSH_BYTES:
		snprintf(buf, len, "every %s",
			 format_size(o->flush_arg, size, sizeof(size)));
		break;
	}
	return buf;
}

static void line_begin(struct json *j, const char *event)
{
	j->f = stdout;
	j->compact = true;
	json_begin(j, NULL, '{');
	json_string(j, "event", event);
}

static void line_end(struct json *j)
{
	json_end(j, '}');
	fflush(j->f);
}

void ingest_report_setup(const struct ingest *r)
{
	const struct ingest_options *o = r->o;
	const struct sink *s = &r->sink[0];
	struct json j = { 0 };
	char size[32], flush[64];

	if (!o->quiet) {
		if (o->file && o->many)
			fprintf(stderr, "to         files %s.1 and so on\n",
				o->target.path);
		else
			fprintf(stderr,
				"to         %s, %s from byte %llu, by %s\n",
				s->win.path,
				format_size(s->win.size, size, sizeof(size)),
				(unsigned long long)s->win.offset,
				iou_strpath(s->at.path));
		fprintf(stderr, "memory     %s in %s, flushed %s\n",
			format_size(r->region.data_size, size, sizeof(size)),
			iou_strmemory(r->region.memory),
			flush_name(o, flush, sizeof(flush)));
		/* it listens: whoever waits for that may connect */
		fprintf(stderr,
			"listening  on %s  (SIGINT or SIGTERM ends it)\n",
			o->listen);
	}
	if (!o->json)
		return;
	line_begin(&j, "start");
	json_string(&j, "listen", o->listen);
	json_string(&j, "to", o->target.path);
	json_string(&j, "path", iou_strpath(s->at.path));
	json_u64(&j, "chunk", o->chunk);
	json_u64(&j, "depth", o->depth);
	if (!o->file) {
		json_u64(&j, "data_offset",
			 s->win.offset + r->table.head.data_off);
		json_u64(&j, "extent_size", r->table.head.extent_size);
	}
	line_end(&j);
}

static void json_progress(const struct ingest *r, uint64_t now)
{
	struct json j = { 0 };

	line_begin(&j, "progress");
	json_double(&j, "elapsed", (double)(now - r->began_ns) / 1e9);
	json_u64(&j, "connections", r->active);
	json_u64(&j, "streams", r->streams);
	json_u64(&j, "received", sum_received(r));
	json_u64(&j, "durable", sum_durable(r));
	json_begin(&j, "open", '[');
	for (unsigned int i = 0; i < r->nr_conns; i++) {
		const struct conn *c = &r->conn[i];

		if (c->state == CONN_FREE)
			continue;
		json_begin(&j, NULL, '{');
		json_u64(&j, "stream", c->stream + 1);
		json_string(&j, "peer", c->peer_name);
		json_u64(&j, "received", c->received);
		json_u64(&j, "written", c->track.complete);
		json_u64(&j, "durable", c->track.durable);
		if (r->o->udp)
			json_u64(&j, "dropped",
				 net_drops(c) - c->udp.drops_before);
		json_end(&j, '}');
	}
	json_end(&j, ']');
	line_end(&j);
}

void ingest_report_progress(struct ingest *r, uint64_t now)
{
	const uint64_t bytes = sum_received(r);
	const double interval = (double)(now - r->told_ns) / 1e9;
	char size[32], safe[32];

	if (r->o->json)
		json_progress(r, now);
	if (!r->o->quiet)
		fprintf(stderr,
			"%4.0f s  %u of %u streams  %s  %.1f MB/s  durable %s\n",
			(double)(now - r->began_ns) / 1e9, r->active,
			r->streams, format_size(bytes, size, sizeof(size)),
			interval > 0 ? (double)(bytes - r->told_bytes) /
					       interval / 1e6 :
				       0,
			format_size(sum_durable(r), safe, sizeof(safe)));
	r->told_bytes = bytes;
}

static void complain_failed(const struct conn *c, char *text, size_t len)
{
	char why[400];

	snprintf(text, len, "%s%s%s", c->failed ? c->failed : "",
		 c->result.res < 0 ? " failed: " : "",
		 c->result.res < 0 ?
			 iou_strresult(&c->result, why, sizeof(why)) :
			 "");
	complain(
		IOU_EXIT_FAIL,
		"stream %u from %s to %s: %s: its first %llu bytes are safe, %llu were received",
		c->stream + 1, c->peer_name, c->sink->win.path, text,
		(unsigned long long)c->track.durable,
		(unsigned long long)c->received);
}

void ingest_report_stream(const struct conn *c)
{
	const struct ingest_options *o = c->r->o;
	const uint64_t now = now_ns(CLOCK_MONOTONIC);
	struct json j = { 0 };
	char text[512] = "", size[32];

	if (c->end == STREAM_ERROR || c->end == STREAM_LOST)
		complain_failed(c, text, sizeof(text));
	if (!o->quiet) {
		fprintf(stderr,
			"stream %u  from %s: %llu bytes (%s), end by %s",
			c->stream + 1, c->peer_name,
			(unsigned long long)c->track.durable,
			format_size(c->track.durable, size, sizeof(size)),
			stream_state_name(c->end));
		if (c->received != c->track.durable)
			fprintf(stderr, ", %llu received",
				(unsigned long long)c->received);
		if (c->unread)
			fprintf(stderr, ", %llu not taken",
				(unsigned long long)c->unread);
		if (o->udp)
			fprintf(stderr, ", %llu datagrams, %u dropped",
				(unsigned long long)c->udp.packets,
				c->udp.drops);
		fputc('\n', stderr);
	}
	if (!o->json)
		return;
	line_begin(&j, "stream");
	json_u64(&j, "stream", c->stream + 1);
	json_string(&j, "peer", c->peer_name);
	json_string(&j, "to", c->sink->win.path);
	json_u64(&j, "bytes", c->track.durable);
	json_u64(&j, "received", c->received);
	json_u64(&j, "unread", c->unread);
	json_string(&j, "ended", stream_state_name(c->end));
	json_string(&j, "error", text);
	json_double(&j, "elapsed", (double)(now - c->began_ns) / 1e9);
	line_end(&j);
}

static void print_totals(struct ingest *r)
{
	char size[32];

	fprintf(stderr, "end by %s\n", stream_state_name(r->end));
	fprintf(stderr, "%4.0f s  %u streams  %s on the medium",
		(double)(now_ns(CLOCK_MONOTONIC) - r->began_ns) / 1e9,
		r->streams, format_size(r->bytes, size, sizeof(size)));
	for (unsigned int i = 0; i < STREAM_STATES; i++)
		if (r->ended[i])
			fprintf(stderr, "  %s %llu", stream_state_name(i),
				(unsigned long long)r->ended[i]);
	fputc('\n', stderr);
	if (r->received != r->bytes || r->unread)
		fprintf(stderr,
			"        %llu bytes received, %llu more not taken from sockets\n",
			(unsigned long long)r->received,
			(unsigned long long)r->unread);
	if (r->o->udp)
		fprintf(stderr,
			"        %llu datagrams, dropped %llu, cut %llu, after the end %llu, from others %llu, no way back %llu\n",
			(unsigned long long)r->datagrams,
			(unsigned long long)r->dropped,
			(unsigned long long)r->cut, (unsigned long long)r->left,
			(unsigned long long)r->foreign,
			(unsigned long long)r->refused);
	else if (r->refused)
		fprintf(stderr, "        %llu connections turned away\n",
			(unsigned long long)r->refused);
}

void ingest_report_totals(struct ingest *r, int code)
{
	struct json j = { 0 };

	if (r->end == STREAM_OPEN)
		r->end = code ? STREAM_ERROR : STREAM_EOF;
	if (!r->o->quiet)
		print_totals(r);
	if (!r->o->json)
		return;
	line_begin(&j, "totals");
	json_string(&j, "ended", stream_state_name(r->end));
	json_u64(&j, "exit_code", (uint64_t)code);
	json_double(&j, "elapsed",
		    (double)(now_ns(CLOCK_MONOTONIC) - r->began_ns) / 1e9);
	json_u64(&j, "streams", r->streams);
	json_u64(&j, "bytes", r->bytes);
	json_u64(&j, "received", r->received);
	json_u64(&j, "unread", r->unread);
	json_begin(&j, "ends", '{');
	for (unsigned int i = 1; i < STREAM_STATES; i++)
		json_u64(&j, stream_state_name(i), r->ended[i]);
	json_end(&j, '}');
	json_u64(&j, "datagrams", r->datagrams);
	json_u64(&j, "dropped", r->dropped);
	json_u64(&j, "cut", r->cut);
	json_u64(&j, "after_end", r->left);
	json_u64(&j, "foreign", r->foreign);
	json_u64(&j, "refused", r->refused);
	json_u64(&j, "packed_bytes", r->packed);
	json_u64(&j, "copied_bytes", r->copied);
	json_u64(&j, "flushes", r->flushes);
	json_u64(&j, "acks_held", r->acks_held);
	json_u64(&j, "ops", r->ops);
	json_u64(&j, "syscalls", r->syscalls);
	line_end(&j);
}
