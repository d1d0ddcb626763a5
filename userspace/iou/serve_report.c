// SPDX-License-Identifier: MIT
/* iou serve: what it says */
#include "serve.h"

void serve_report_setup(const struct serve *s)
{
	const struct serve_source *source;
	char memory[32], chunk[32];

	if (s->o->quiet)
		return;
	for (source = s->objects.sources; source; source = source->next)
		if (source->is_block)
			fprintf(stderr, "device     %s, blocks of %u bytes\n",
				source->path, source->block_size);
	fprintf(stderr, "memory     %s of %s, in chunks of %s\n",
		format_size(s->region.size, memory, sizeof(memory)),
		iou_strmemory(s->region.memory),
		format_size(s->o->chunk, chunk, sizeof(chunk)));
	if (s->program.fd >= 0)
		fprintf(stderr, "program    %s\n", s->program.file);
	/* whoever waits for this line may connect */
	fprintf(stderr,
		"serving    %zu objects on %s  (SIGINT or SIGTERM ends it)\n",
		s->objects.count, s->address);
}

void serve_report_totals(const struct serve *s)
{
	const struct serve_stats *t = &s->stats;
	char bytes[32];

	if (s->o->quiet)
		return;
	fprintf(stderr, "served     %llu requests on %llu connections, %s\n",
		(unsigned long long)t->requests,
		(unsigned long long)t->connections,
		format_size(t->body_bytes, bytes, sizeof(bytes)));
	fprintf(stderr,
		"pieces     %llu combined, %llu split, of these %llu unattached\n",
		(unsigned long long)t->combined, (unsigned long long)t->split,
		(unsigned long long)t->unattached);
	if (t->refused || t->resets || t->aborted || t->timeouts)
		fprintf(stderr,
			"ended      %llu refused, %llu reset, %llu aborted, %llu timed out\n",
			(unsigned long long)t->refused,
			(unsigned long long)t->resets,
			(unsigned long long)t->aborted,
			(unsigned long long)t->timeouts);
}

void serve_report_json(const struct serve *s, int code)
{
	const struct serve_stats *t = &s->stats;
	struct json j = { .f = stdout };

	json_begin(&j, NULL, '{');
	json_u64(&j, "exit_code", (unsigned int)code);
	json_string(&j, "address", s->address);
	json_u64(&j, "objects", s->objects.count);
	json_u64(&j, "chunk", s->o->chunk);
	json_u64(&j, "memory", s->region.size);
	json_u64(&j, "connections", t->connections);
	json_u64(&j, "requests", t->requests);
	json_begin(&j, "status", '{');
	json_u64(&j, "2xx", t->status[2]);
	json_u64(&j, "3xx", t->status[3]);
	json_u64(&j, "4xx", t->status[4]);
	json_u64(&j, "5xx", t->status[5]);
	json_end(&j, '}');
	json_u64(&j, "body_bytes", t->body_bytes);
	json_begin(&j, "pieces", '{');
	json_u64(&j, "combined", t->combined);
	json_u64(&j, "split", t->split);
	json_u64(&j, "unattached", t->unattached);
	json_u64(&j, "copied", t->copied);
	json_end(&j, '}');
	json_u64(&j, "buffer_waits", t->waits);
	json_begin(&j, "ended", '{');
	json_u64(&j, "refused", t->refused);
	json_u64(&j, "reset", t->resets);
	json_u64(&j, "aborted", t->aborted);
	json_u64(&j, "timed_out", t->timeouts);
	json_end(&j, '}');
	json_u64(&j, "system_calls", t->system_calls);
	json_end(&j, '}');
}
