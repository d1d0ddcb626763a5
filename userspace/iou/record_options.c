// SPDX-License-Identifier: MIT
/* iou record: its options */
#include "record.h"

#define DEFAULT_MEMORY (32u << 20)

static void help(FILE *f)
{
	fputs("usage: iou record --net IF[:QUEUE] --to PATH[,OFFSET[,SIZE]] [OPTION]...\n"
	      "\n"
	      "Record packets to a block device or a file; 'iou cat' reads them back as\n"
	      "pcapng.\n"
	      "\n"
	      "From and to:\n"
	      "  --net IF[:QUEUE]        interface, and its receive queue (0)\n"
	      "  --to PATH[,OFF[,SIZE]]  block device or file, or a range of it; given\n"
	      "                          several times, --bpf chooses for each packet\n"
	      "  --force                 overwrite what is there\n"
	      "  --promisc               put the interface into promiscuous mode\n"
	      "Which packets:\n"
	      "  --filter EXPRESSION     in the language of pcap-filter(7)\n"
	      "  --bpf FILE[:PROGRAM]    an XDP program from an object file\n"
	      "  --set NAME=VALUE        set a constant of that program; repeatable\n"
	      "  --dump-map NAME         show a map of that program in the end; repeatable\n"
	      "  --snaplen BYTES         keep no more of a packet\n"
	      "Until when:\n"
	      "  --count N               packets recorded\n"
	      "  --duration TIME         such as 500ms, 30s, 5m, 1h\n"
	      "  --size BYTES            bytes on each device or file\n"
	      "  without them            until it is full, or SIGINT or SIGTERM\n"
	      "How:\n"
	      "  --rx auto|xsk|handler   receive by AF_XDP, or by the rx handler (auto)\n"
	      "  --require-zerocopy      fail rather than receive by copy\n"
	      "  --io auto|passthrough|bio\n"
	      "                          how to reach the device (auto)\n"
	      "  --memory BYTES          of the region (32M)\n"
	      "  --frames N              the same, in frames\n"
	      "  --frame-size BYTES      a packet must fit into one (4096)\n"
	      "  --hugepages             fail rather than do without huge pages\n"
	      "Output:\n"
	      "  --quiet                 no progress\n"
	      "  --json                  totals as JSON on standard output\n"
	      "  --verbose               messages of the BPF loader and verifier\n"
	      "  --help                  this\n"
	      "\n"
	      "Sizes take K, M, G, T. See iou-record(1).\n",
	      f);
}

enum {
	OPT_NET = 256,
	OPT_TO,
	OPT_FORCE,
	OPT_PROMISC,
	OPT_FILTER,
	OPT_BPF,
	OPT_SET,
	OPT_DUMP_MAP,
	OPT_SNAPLEN,
	OPT_COUNT,
	OPT_DURATION,
	OPT_SIZE,
	OPT_RX,
	OPT_ZEROCOPY,
	OPT_IO,
	OPT_MEMORY,
	OPT_FRAMES,
	OPT_FRAME_SIZE,
	OPT_HUGEPAGES,
	OPT_QUIET,
	OPT_JSON,
	OPT_VERBOSE,
};

static const struct option options[] = {
	{ "net", required_argument, NULL, OPT_NET },
	{ "to", required_argument, NULL, OPT_TO },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "promisc", no_argument, NULL, OPT_PROMISC },
	{ "filter", required_argument, NULL, OPT_FILTER },
	{ "bpf", required_argument, NULL, OPT_BPF },
	{ "set", required_argument, NULL, OPT_SET },
	{ "dump-map", required_argument, NULL, OPT_DUMP_MAP },
	{ "snaplen", required_argument, NULL, OPT_SNAPLEN },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "rx", required_argument, NULL, OPT_RX },
	{ "require-zerocopy", no_argument, NULL, OPT_ZEROCOPY },
	{ "io", required_argument, NULL, OPT_IO },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "frame-size", required_argument, NULL, OPT_FRAME_SIZE },
	{ "hugepages", no_argument, NULL, OPT_HUGEPAGES },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int add_target(struct options *o, const char *value)
{
	int err;

	if (o->nr_targets == MAX_TARGETS)
		return option_bad("to", value, "is one too many");
	err = window_parse(&o->target[o->nr_targets], value);
	if (err)
		return option_bad("to", value, "is not DEVICE[,OFFSET[,SIZE]]");
	o->nr_targets++;
	return 0;
}

static int choose_rx(struct options *o, const char *value)
{
	o->net_flags &= ~(IO_UNIFIED_ATTACH_XSK | IO_UNIFIED_ATTACH_RX_HANDLER);
	if (!strcmp(value, "xsk"))
		o->net_flags |= IO_UNIFIED_ATTACH_XSK;
	else if (!strcmp(value, "handler"))
		o->net_flags |= IO_UNIFIED_ATTACH_RX_HANDLER;
	else if (strcmp(value, "auto"))
		return option_bad("rx", value, "is not auto, xsk or handler");
	return 0;
}

static int take(void *arg, int option, const char *value)
{
	static const char size[] = "is not a size such as 4096, 64K or 1G";
	struct options *o = arg;

	switch (option) {
	case OPT_NET:
		return netdev_parse(&o->net, value);
	case OPT_TO:
		return add_target(o, value);
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_PROMISC:
		o->promisc = true;
		return 0;
	case OPT_FILTER:
		o->filter = value;
		return 0;
	case OPT_BPF:
		o->bpf = value;
		return 0;
	case OPT_SET:
		return option_repeated("set", value, o->set, &o->nr_set);
	case OPT_DUMP_MAP:
		return option_repeated("dump-map", value, o->dump_map,
				       &o->nr_dump_map);
	case OPT_SNAPLEN:
		return option_number("snaplen", value, parse_size, 65535, size,
				     &o->snaplen);
	case OPT_COUNT:
		return option_number("count", value, parse_count, UINT64_MAX,
				     "is not a number", &o->count);
	case OPT_DURATION:
		return option_number(
			"duration", value, parse_duration, INT64_MAX,
			"is not a time such as 500ms, 30s, 5m or 1h",
			&o->duration_ns);
	case OPT_SIZE:
		return option_number("size", value, parse_size, INT64_MAX, size,
				     &o->size);
	case OPT_RX:
		return choose_rx(o, value);
	case OPT_ZEROCOPY:
		o->net_flags |= IO_UNIFIED_ATTACH_ZEROCOPY;
		return 0;
	case OPT_IO:
		return option_io(value, &o->storage_flags);
	case OPT_MEMORY:
		return option_number("memory", value, parse_size, INT64_MAX,
				     size, &o->memory);
	case OPT_FRAMES:
		return option_number("frames", value, parse_count, INT32_MAX,
				     "is not a number", &o->frames);
	case OPT_FRAME_SIZE:
		return option_number("frame-size", value, parse_size, 65536,
				     size, &o->frame_size);
	case OPT_HUGEPAGES:
		o->hugepages = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_VERBOSE:
		o->verbose = true;
		return 0;
	}
	return IOU_EXIT_USAGE;
}

/* What only all options together can show. */
static int check(struct options *o)
{
	const char *wrong = NULL;

	if (!o->net.ifindex)
		wrong = "record from where? give --net";
	else if (!o->nr_targets)
		wrong = "record to where? give --to";
	else if (o->bpf && o->filter)
		wrong = "--bpf and --filter exclude each other: one program decides";
	else if (o->nr_targets > 1 && !o->bpf)
		wrong = "several --to need a --bpf program that chooses, such as placer.bpf.o";
	else if ((o->nr_set || o->nr_dump_map) && !o->bpf)
		wrong = "--set and --dump-map need --bpf";
	else if (o->net_flags & IO_UNIFIED_ATTACH_RX_HANDLER &&
		 o->net_flags & IO_UNIFIED_ATTACH_ZEROCOPY)
		wrong = "--rx handler copies: it excludes --require-zerocopy";
	else if (o->memory && o->frames)
		wrong = "--memory and --frames say the same: give one";
	else if (o->frame_size & (o->frame_size - 1) || o->frame_size < 2048)
		wrong = "--frame-size must be a power of two from 2048 to 65536";
	if (wrong)
		return complain(IOU_EXIT_USAGE, "%s (see 'iou record --help')",
				wrong);
	if (!o->frames)
		o->frames = (o->memory ? o->memory : DEFAULT_MEMORY) /
			    o->frame_size;
	/* cmd.desc.len has 32 bits */
	if (o->frames < 64 || o->frames * o->frame_size > UINT32_MAX)
		return complain(
			IOU_EXIT_USAGE,
			"--memory must hold 64 frames at least, and less than 4 GiB");
	return 0;
}

int record_parse(struct options *o, int argc, char **argv, bool *done)
{
	static const struct option_set set = {
		.help = help,
		.options = options,
		.take = take,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->frame_size = 4096;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
