// SPDX-License-Identifier: MIT
/* iou replay: what it says before, during and after */
#include "replay.h"

static const char *const unsent_names[] = {
	[UNSENT_TOO_LONG] = "too_long", [UNSENT_TOO_SHORT] = "too_short",
	[UNSENT_FILTERED] = "filtered", [UNSENT_BPF] = "bpf",
	[UNSENT_DROPPED] = "dropped",	[UNSENT_CANCELED] = "canceled",
	[UNSENT_FAILED] = "failed",
};

static const char *const ends[] = {
	[REPLAY_NONE] = "error",  [REPLAY_DONE] = "end",
	[REPLAY_COUNT] = "count", [REPLAY_SIGNAL] = "signal",
	[REPLAY_ERROR] = "error",
};

uint64_t replay_unsent(const struct player *p)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < NR_UNSENT; i++)
		sum += p->unsent[i];
	return sum;
}

static const char *source_name(const struct player *p)
{
	return p->o->from_stdin ? "standard input" : p->o->from.path;
}

static const char *source_path(const struct player *p)
{
	return p->source.direct ? iou_strpath(p->source.attach.path) : "read";
}

static void print_pace(const struct replay_options *o)
{
	switch (o->pace) {
	case PACE_SPEED:
		fprintf(stderr, "pace       as captured, times %g\n", o->rate);
		break;
	case PACE_PPS:
		fprintf(stderr, "pace       %g packets a second\n", o->rate);
		break;
	case PACE_MBPS:
		fprintf(stderr, "pace       %g Mbit a second\n", o->rate);
		break;
	case PACE_TOP:
		fprintf(stderr, "pace       as fast as possible\n");
		break;
	}
}

void replay_report_setup(const struct player *p)
{
	const struct window *w = &p->o->from;
	char size[32], chunk[32];

	if (p->o->quiet)
		return;
	if (p->source.seekable)
		fprintf(stderr, "from       %s, %s from byte %llu, by %s\n",
			w->path, format_size(w->size, size, sizeof(size)),
			(unsigned long long)w->offset, source_path(p));
	else
		fprintf(stderr, "from       %s, by %s\n", source_name(p),
			source_path(p));
	if (!p->source.direct)
		fprintf(stderr,
			"           the CPU copies what is read: it is a pipe, or its file system has no direct I/O\n");
	fprintf(stderr, "to         %s queue %u\n", p->o->net.name,
		p->o->net.queue);
	print_pace(p->o);
	fprintf(stderr, "memory     %s in %s, contiguous by %s\n",
		format_size(p->region.data_size, size, sizeof(size)),
		iou_strmemory(p->region.memory),
		format_size(p->region.chunk_size, chunk, sizeof(chunk)));
}

static void print_unsent(const struct player *p)
{
	const char *sep = " (";
	unsigned int i;

	for (i = 0; i < NR_UNSENT; i++) {
		if (!p->unsent[i])
			continue;
		fprintf(stderr, "%s%s %llu", sep, unsent_names[i],
			(unsigned long long)p->unsent[i]);
		sep = ", ";
	}
	fputs(*sep == ',' ? ")" : "", stderr);
}

static void print_line(const struct player *p, uint64_t now, uint64_t since,
		       uint64_t packets, uint64_t bytes)
{
	double interval = (double)(now - since) / 1e9;
	char size[32];

	fprintf(stderr,
		"%4.0f s  %llu packets  %s  %.0f packets/s  %.1f Mbit/s  not sent %llu",
		(double)(now - p->began_ns) / 1e9, (unsigned long long)p->sent,
		format_size(p->bytes, size, sizeof(size)),
		interval > 0 ? (double)(p->sent - packets) / interval : 0,
		interval > 0 ? (double)(p->bytes - bytes) * 8e-6 / interval : 0,
		(unsigned long long)replay_unsent(p));
	print_unsent(p);
	fputc('\n', stderr);
}

void replay_report_progress(struct player *p, uint64_t now)
{
	if (!p->o->quiet)
		print_line(p, now, p->told_ns, p->told_packets, p->told_bytes);
	p->told_ns = now;
	p->told_packets = p->sent;
	p->told_bytes = p->bytes;
}

void replay_report_totals(struct player *p)
{
	char read[32], moved[32];

	if (p->o->quiet)
		return;
	fprintf(stderr, "end by %s\n", ends[p->end]);
	print_line(p, p->ended_ns, p->began_ns, 0, 0);
	fprintf(stderr, "        read %s%s, of which %s were moved",
		format_size(p->source.read_bytes, read, sizeof(read)),
		p->source.direct ? "" : ", copied",
		format_size(p->source.moved_bytes, moved, sizeof(moved)));
	fprintf(stderr, "; %llu packets copied on their way out",
		(unsigned long long)p->copied);
	if (p->moved)
		fprintf(stderr, ", %llu for the program",
			(unsigned long long)p->moved);
	if (p->cut)
		fprintf(stderr, "; %llu packets are not whole in the capture",
			(unsigned long long)p->cut);
	fputc('\n', stderr);
}

void replay_report_json(const struct player *p, int code)
{
	const struct source *s = &p->source;
	double elapsed = (double)(p->ended_ns - p->began_ns) / 1e9;
	struct json j = { .f = stdout };
	char text[512];
	unsigned int i;

	json_begin(&j, NULL, '{');
	json_string(&j, "interface", p->o->net.name);
	json_u64(&j, "queue", p->o->net.queue);
	json_string(&j, "source", source_name(p));
	json_string(&j, "source_path", source_path(p));
	json_string(&j, "memory", iou_strmemory(p->region.memory));
	json_string(&j, "ended", ends[p->end]);
	json_string(&j, "error",
		    p->result.res ?
			    iou_strresult(&p->result, text, sizeof(text)) :
			    "");
	json_u64(&j, "exit_code", (uint64_t)code);
	json_double(&j, "elapsed", elapsed);
	json_u64(&j, "passes", s->pass);
	json_u64(&j, "packets", p->packets);
	json_u64(&j, "sent", p->sent);
	json_u64(&j, "bytes", p->bytes);
	json_begin(&j, "not_sent", '{');
	json_u64(&j, "total", replay_unsent(p));
	for (i = 0; i < NR_UNSENT; i++)
		json_u64(&j, unsent_names[i], p->unsent[i]);
	json_end(&j, '}');
	json_u64(&j, "cut", p->cut);
	json_u64(&j, "sent_copied", p->copied);
	json_u64(&j, "moved_packets", p->moved);
	json_u64(&j, "read_bytes", s->read_bytes);
	json_u64(&j, "read_copied_bytes", s->direct ? 0 : s->read_bytes);
	json_u64(&j, "moved_bytes", s->moved_bytes);
	json_double(&j, "packets_per_second",
		    elapsed > 0 ? (double)p->sent / elapsed : 0);
	json_double(&j, "mbps",
		    elapsed > 0 ? (double)p->bytes * 8e-6 / elapsed : 0);
	json_end(&j, '}');
}
