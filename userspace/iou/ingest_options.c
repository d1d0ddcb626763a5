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
	      "  --depth N               ops in flight of each connection (8)\n"
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

static int take_listen(void *arg, const char *value)
{
	return net_parse(arg, value);
}

static int take_to(void *arg, const char *value)
{
	struct ingest_options *o = arg;

	if (o->target.path[0])
		return option_bad("to", value, "is one too many");
	if (window_parse(&o->target, value))
		return option_bad("to", value, "is not PATH[,OFFSET[,SIZE]]");
	return 0;
}

static int take_connections(void *arg, const char *value)
{
	struct ingest_options *o = arg;
	uint64_t n = 0;
	int err = option_number("connections", value, &option_count, 1,
				MAX_CONNECTIONS, &n);

	o->connections = (unsigned int)n;
	o->many = true;
	return err;
}

/* "m" is minutes here: sizes have a capital letter. */
static int take_flush(void *arg, const char *value)
{
	const char last = *value ? value[strlen(value) - 1] : 0;
	struct ingest_options *o = arg;
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

static int take_length(void *arg, const char *value)
{
	(void)value;
	return choose_framing(arg, FRAMING_LENGTH);
}

static int take_lines(void *arg, const char *value)
{
	(void)value;
	return choose_framing(arg, FRAMING_LINES);
}

static const struct option_def options[] = {
	OPT_OTHER("listen", take_listen),
	OPT_OTHER("to", take_to),
	OPT_OTHER("connections", take_connections),
	OPT_FLAG("force", struct ingest_options, force),
	OPT_OTHER("flush", take_flush),
	OPT_FLAG("ack", struct ingest_options, ack),
	OPT_CALL("datagram-length", take_length),
	OPT_CALL("frame-lines", take_lines),
	OPT_NUMBER("size", struct ingest_options, size, option_size, 1,
		   INT64_MAX),
	OPT_NUMBER("duration", struct ingest_options, duration_ns, option_time,
		   1, INT64_MAX),
	OPT_NUMBER("count", struct ingest_options, count, option_count, 1,
		   UINT64_MAX),
	OPT_IO(struct ingest_options, storage_flags),
	OPT_NUMBER("chunk", struct ingest_options, chunk, option_size, 1,
		   16u << 20),
	OPT_NUMBER("depth", struct ingest_options, depth, option_count, 1,
		   TRACK_MAX),
	OPT_FLAG("hugepages", struct ingest_options, hugepages),
	OPT_FLAG("quiet", struct ingest_options, quiet),
	OPT_FLAG("json", struct ingest_options, json),
	OPT_END,
};

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
		.def = options,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->flush = FLUSH_TIME;
	o->flush_arg = NSEC;
	o->connections = 1;
	o->chunk = 256u << 10;
	/* one huge page for each connection */
	o->depth = 8;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
