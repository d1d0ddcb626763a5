// SPDX-License-Identifier: MIT
/* iou record: what it says before, during and after */
#include "record.h"

static const unsigned int drops[] = {
	IO_UNIFIED_STAT_DROP_NO_FRAME, IO_UNIFIED_STAT_DROP_NO_OP,
	IO_UNIFIED_STAT_DROP_BPF,      IO_UNIFIED_STAT_DROP_TOO_LONG,
	IO_UNIFIED_STAT_DROP_WRITE,    IO_UNIFIED_STAT_DROP_STOPPED,
	IO_UNIFIED_STAT_DROP_XSK,      IO_UNIFIED_STAT_DROP_XSK_RING,
	IO_UNIFIED_STAT_DROP_NIC,
};

#define NR_DROPS (sizeof(drops) / sizeof(drops[0]))

static const char *const ends[] = {
	[END_NONE] = "error",	     [END_SIGNAL] = "signal",
	[END_DURATION] = "duration", [END_COUNT] = "count",
	[END_FULL] = "full",	     [END_ERROR] = "error",
};

uint64_t record_dropped(const struct recorder *r)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < NR_DROPS; i++)
		sum += r->stats[drops[i]];
	return sum;
}

/* "drop_no_frame" is "no_frame" among drops. */
static const char *drop_name(size_t i)
{
	return iou_stat_name(drops[i]) + strlen("drop_");
}

static bool copies(const struct recorder *r)
{
	return r->net.path != IO_UNIFIED_PATH_XSK_ZC;
}

void report_setup(const struct recorder *r)
{
	const struct options *o = r->o;
	unsigned int queues = netdev_rx_queues(&o->net);
	char size[32], chunk[32];
	unsigned int i;

	if (o->quiet)
		return;
	fprintf(stderr, "from       %s queue %u, by %s: %s\n", o->net.name,
		o->net.queue, iou_strpath(r->net.path),
		copies(r) ? "the CPU copies every packet once" :
			    "zero-copy, the NIC writes into the region");
	if (copies(r) && r->net.reason)
		fprintf(stderr, "           copies because %s\n",
			iou_strreason(r->net.reason));
	if (queues > 1 && r->net.path != IO_UNIFIED_PATH_RX_HANDLER)
		fprintf(stderr,
			"           only queue %u of %u is recorded: steer traffic there with 'ethtool -L' or '-N'\n",
			o->net.queue, queues);
	for (i = 0; i < o->nr_targets; i++) {
		const struct target *t = &r->target[i];

		fprintf(stderr, "to         %s, %s from byte %llu, by %s\n",
			t->window->path,
			format_size(t->window->size, size, sizeof(size)),
			(unsigned long long)t->window->offset,
			iou_strpath(t->attach.path));
	}
	fprintf(stderr,
		"memory     %u frames of %u bytes in %s, contiguous by %s\n",
		r->region.frames, r->region.frame_size,
		iou_strmemory(r->region.memory),
		format_size(r->region.chunk_size, chunk, sizeof(chunk)));
}

static void print_drops(const struct recorder *r)
{
	const char *sep = " (";
	size_t i;

	for (i = 0; i < NR_DROPS; i++) {
		if (!r->stats[drops[i]])
			continue;
		fprintf(stderr, "%s%s %llu", sep, drop_name(i),
			(unsigned long long)r->stats[drops[i]]);
		sep = ", ";
	}
	fputs(*sep == ',' ? ")" : "", stderr);
}

void report_progress(const struct recorder *r, uint64_t now_ns,
		     uint64_t since_ns, uint64_t since_bytes)
{
	double seconds = (double)(now_ns - r->began_ns) / 1e9;
	double interval = (double)(now_ns - since_ns) / 1e9;
	uint64_t bytes = r->stats[IO_UNIFIED_STAT_WRITTEN_BYTES];
	char size[32];

	if (r->o->quiet)
		return;
	fprintf(stderr,
		"%4.0f s  %llu packets  %s  %.1f MB/s  filtered %llu  dropped %llu",
		seconds,
		(unsigned long long)r->stats[IO_UNIFIED_STAT_WRITTEN_PACKETS],
		format_size(bytes, size, sizeof(size)),
		interval > 0 ? (double)(bytes - since_bytes) / interval / 1e6 :
			       0,
		(unsigned long long)r->stats[IO_UNIFIED_STAT_FILTERED],
		(unsigned long long)record_dropped(r));
	print_drops(r);
	fputc('\n', stderr);
}

void report_totals(const struct recorder *r)
{
	const struct options *o = r->o;
	unsigned int i;

	if (!o->quiet) {
		fprintf(stderr, "end by %s\n", ends[r->end]);
		report_progress(r, r->ended_ns, r->began_ns, 0);
		if (o->nr_targets > 1)
			for (i = 0; i < o->nr_targets; i++)
				fprintf(stderr,
					"        %s,%llu: %llu packets\n",
					r->target[i].window->path,
					(unsigned long long)r->target[i]
						.window->offset,
					(unsigned long long)r->target[i]
						.packets);
	}
	/* asked for by name, so in quiet too */
	if (!o->json)
		for (i = 0; i < o->nr_dump_map; i++)
			program_dump(&r->program, o->dump_map[i], NULL);
}

static void json_targets(const struct recorder *r, struct json *j)
{
	unsigned int i;

	json_begin(j, "targets", '[');
	for (i = 0; i < r->o->nr_targets; i++) {
		const struct target *t = &r->target[i];

		json_begin(j, NULL, '{');
		json_string(j, "device", t->window->path);
		json_u64(j, "offset", t->window->offset);
		json_u64(j, "size", t->window->size);
		json_string(j, "path", iou_strpath(t->attach.path));
		json_u64(j, "recorded", t->packets);
		json_u64(j, "recording_bytes",
			 t->rec.section_len == IOU_RECORDING_OPEN ?
				 0 :
				 t->rec.section_len + t->rec.shb_len);
		json_bool(j, "closed",
			  t->rec.section_len != IOU_RECORDING_OPEN);
		json_u64(j, "writes", t->writes);
		json_end(j, '}');
	}
	json_end(j, ']');
}

int report_json(const struct recorder *r, int code)
{
	struct json j = { .f = stdout };
	const struct options *o = r->o;
	const uint64_t *s = r->stats;
	char text[512];
	unsigned int i;
	size_t d;

	json_begin(&j, NULL, '{');
	json_string(&j, "interface", o->net.name);
	json_u64(&j, "queue", o->net.queue);
	json_string(&j, "path", iou_strpath(r->net.path));
	json_bool(&j, "zerocopy", !copies(r));
	json_string(&j, "copies_because",
		    copies(r) ? iou_strreason(r->net.reason) : "");
	json_string(&j, "storage_path", iou_strpath(r->target[0].attach.path));
	json_string(&j, "memory", iou_strmemory(r->region.memory));
	json_u64(&j, "chunk_size", r->region.chunk_size);
	json_u64(&j, "frame_size", r->region.frame_size);
	json_string(&j, "ended", ends[r->end]);
	json_string(&j, "error",
		    r->end == END_ERROR ?
			    iou_strresult(&r->result, text, sizeof(text)) :
			    "");
	json_u64(&j, "exit_code", (uint64_t)code);
	json_double(&j, "elapsed", (double)(r->ended_ns - r->began_ns) / 1e9);
	json_u64(&j, "received",
		 s[IO_UNIFIED_STAT_WRITTEN_PACKETS] +
			 s[IO_UNIFIED_STAT_FILTERED] + record_dropped(r));
	json_u64(&j, "recorded", s[IO_UNIFIED_STAT_WRITTEN_PACKETS]);
	json_u64(&j, "filtered", s[IO_UNIFIED_STAT_FILTERED]);
	json_u64(&j, "truncated", s[IO_UNIFIED_STAT_TRUNCATED]);
	json_begin(&j, "dropped", '{');
	json_u64(&j, "total", record_dropped(r));
	for (d = 0; d < NR_DROPS; d++)
		json_u64(&j, drop_name(d), s[drops[d]]);
	json_end(&j, '}');
	json_u64(&j, "rx_bytes", s[IO_UNIFIED_STAT_RX_BYTES]);
	json_u64(&j, "rx_copied_bytes", s[IO_UNIFIED_STAT_RX_COPIED_BYTES]);
	json_u64(&j, "bytes", s[IO_UNIFIED_STAT_WRITTEN_BYTES]);
	json_u64(&j, "writes", s[IO_UNIFIED_STAT_WRITES]);
	json_targets(r, &j);
	if (o->nr_dump_map) {
		json_begin(&j, "maps", '{');
		for (i = 0; i < o->nr_dump_map; i++)
			program_dump(&r->program, o->dump_map[i], &j);
		json_end(&j, '}');
	}
	json_end(&j, '}');
	return code;
}
