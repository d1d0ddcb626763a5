// SPDX-License-Identifier: MIT
/* iou ingest: its options */
#include "ingest.h"
#include "option.h"

static void help(FILE *f)
{
	fputs("usage: iou ingest --listen tcp|udp:[ADDR:]PORT --to PATH[,OFFSET[,SIZE]] [OPTION]...\n"
	      "\n"
	      "Take the bytes of TCP connections, or datagrams, to a block device or a file.\n"
	      "\n"
	      "From and to:\n"
	      "  --listen tcp:[ADDR:]PORT, udp:[ADDR:]PORT\n"
	      "                          [ADDR] in brackets if it is IPv6; port 0: any\n"
	      "  --to PATH[,OFF[,SIZE]]  block device or file, or a range of it\n"
	      "  --connections N         N connections at a time, and others after them,\n"
	      "                          each to a stream or file (PATH.1, PATH.2, ...) of\n"
	      "                          its own; without it one, which PATH is for\n"
	      "  --force                 overwrite what is there\n"
	      "What is safe:\n"
	      "  --flush none|TIME|BYTES|every\n"
	      "                          500ms, 2s, 64K, ...; every: after each write (1s)\n"
	      "  --ack                   tell the client after each flush what is safe\n"
	      "Datagrams:\n"
	      "  --datagram-length       4 bytes of length in front of each (default)\n"
	      "  --frame-lines           a newline behind each, if it has none\n"
	      "Until when:\n"
	      "  --size BYTES            of a stream\n"
	      "  --duration TIME         such as 500ms, 30s, 5m, 1h\n"
	      "  --count N               connections, or datagrams\n"
	      "  without them            until it is full, or SIGINT or SIGTERM\n"
	      "How:\n"
	      "  --io auto|passthrough|bio\n"
	      "                          how to reach the device (auto)\n"
	      "  --chunk BYTES           of an op, a power of two (256K)\n"
	      "  --depth N               ops in flight of each connection (4)\n"
	      "  --hugepages             fail rather than do without huge pages\n"
	      "Output:\n"
	      "  --quiet                 no progress\n"
	      "  --json                  progress, ends and totals as lines of JSON on\n"
	      "                          standard output\n"
	      "  --help                  this\n"
	      "\n"
	      "Sizes take K, M, G, T. See iou-ingest(1).\n",
	      f);
}

enum {
	OPT_LISTEN = 256,
	OPT_TO,
	OPT_CONNECTIONS,
	OPT_FORCE,
	OPT_FLUSH,
	OPT_ACK,
	OPT_LENGTH,
	OPT_LINES,
	OPT_SIZE,
	OPT_DURATION,
	OPT_COUNT,
	OPT_IO,
	OPT_CHUNK,
	OPT_DEPTH,
	OPT_HUGEPAGES,
	OPT_QUIET,
	OPT_JSON,
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "to", required_argument, NULL, OPT_TO },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "flush", required_argument, NULL, OPT_FLUSH },
	{ "ack", no_argument, NULL, OPT_ACK },
	{ "datagram-length", no_argument, NULL, OPT_LENGTH },
	{ "frame-lines", no_argument, NULL, OPT_LINES },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "io", required_argument, NULL, OPT_IO },
	{ "chunk", required_argument, NULL, OPT_CHUNK },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "hugepages", no_argument, NULL, OPT_HUGEPAGES },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* "m" is minutes here: sizes have a capital letter. */
static int choose_flush(struct ingest_options *o, const char *value)
{
	const char last = *value ? value[strlen(value) - 1] : 0;
	int err;

	o->flush_arg = 0;
	if (!strcmp(value, "none")) {
		o->flush = FLUSH_NONE;
		return 0;
	}
	if (!strcmp(value, "every")) {
		o->flush = FLUSH_EVERY;
		return 0;
	}
	if (last && strchr("KMGTB", last)) {
		o->flush = FLUSH_BYTES;
		err = parse_size(value, &o->flush_arg);
	} else {
		o->flush = FLUSH_TIME;
		err = parse_duration(value, &o->flush_arg);
	}
	if (err || !o->flush_arg || o->flush_arg > INT64_MAX)
		return option_bad(
			"flush", value,
			"is not none, every, a time such as 500ms or 2s, or a size such as 64K");
	return 0;
}

static int choose_framing(struct ingest_options *o, enum stream_framing f)
{
	if (o->framing && o->framing != f)
		return complain(
			IOU_EXIT_USAGE,
			"--frame-lines and --datagram-length exclude each other");
	o->framing = f;
	return 0;
}

static int take(void *arg, int option, const char *value)
{
	static const char size[] = "is not a size such as 4096, 64K or 1G";
	static const char count[] = "is not a number";
	struct ingest_options *o = arg;
	uint64_t n = 0;
	int err;

	switch (option) {
	case OPT_LISTEN:
		return net_parse(o, value);
	case OPT_TO:
		if (o->target.path[0])
			return option_bad("to", value, "is one too many");
		if (window_parse(&o->target, value))
			return option_bad("to", value,
					  "is not PATH[,OFFSET[,SIZE]]");
		return 0;
	case OPT_CONNECTIONS:
		err = option_number("connections", value, parse_count,
				    MAX_CONNECTIONS, count, &n);
		o->connections = (unsigned int)n;
		o->many = true;
		return err;
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_FLUSH:
		return choose_flush(o, value);
	case OPT_ACK:
		o->ack = true;
		return 0;
	case OPT_LENGTH:
		return choose_framing(o, FRAMING_LENGTH);
	case OPT_LINES:
		return choose_framing(o, FRAMING_LINES);
	case OPT_SIZE:
		return option_number("size", value, parse_size, INT64_MAX, size,
				     &o->size);
	case OPT_DURATION:
		return option_number(
			"duration", value, parse_duration, INT64_MAX,
			"is not a time such as 500ms, 30s, 5m or 1h",
			&o->duration_ns);
	case OPT_COUNT:
		return option_number("count", value, parse_count, UINT64_MAX,
				     count, &o->count);
	case OPT_IO:
		return option_io(value, &o->storage_flags);
	case OPT_CHUNK:
		return option_number("chunk", value, parse_size, 16u << 20,
				     size, &o->chunk);
	case OPT_DEPTH:
		return option_number("depth", value, parse_count, TRACK_MAX,
				     count, &o->depth);
	case OPT_HUGEPAGES:
		o->hugepages = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	}
	return IOU_EXIT_USAGE;
}

/* What only all options together can show. */
static int check(struct ingest_options *o)
{
	const char *wrong = NULL;

	if (!o->addr_len)
		wrong = "take bytes from where? give --listen";
	else if (!o->target.path[0])
		wrong = "and where to? give --to";
	else if (o->udp && o->many)
		wrong = "--connections is for TCP: datagrams of one sender are one stream";
	else if (!o->udp && o->framing)
		wrong = "--frame-lines and --datagram-length are for datagrams: TCP has none";
	else if (o->chunk < 4096 || o->chunk & (o->chunk - 1))
		wrong = "--chunk must be a power of two from 4096 to 16M";
	else if (o->count > 1 && !o->udp && !o->many)
		wrong = "--count of connections needs --connections, how many at a time";
	else if (o->connections * o->depth * o->chunk > 3ull << 30)
		wrong = "--connections times --depth times --chunk is more than 3 GiB of memory";
	if (wrong)
		return complain(IOU_EXIT_USAGE, "%s (see 'iou ingest --help')",
				wrong);
	o->file = window_is_file(o->target.path);
	if (o->file && o->many && (o->target.offset || o->target.size))
		return complain(
			IOU_EXIT_USAGE,
			"--connections makes a file for each: --to %s cannot have an offset and a size",
			o->target.path);
	if (!o->udp && !o->many)
		o->count = 1;
	if (o->udp && !o->framing)
		o->framing = FRAMING_LENGTH;
	return 0;
}

int ingest_parse(struct ingest_options *o, int argc, char **argv, bool *done)
{
	static const struct option_set set = {
		.help = help,
		.options = options,
		.take = take,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->flush = FLUSH_TIME;
	o->flush_arg = NSEC;
	o->connections = 1;
	o->chunk = 256u << 10;
	o->depth = 4;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
