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

static int take_net(void *arg, const char *value)
{
	struct options *o = arg;

	return netdev_parse(&o->net, value);
}

static int take_to(void *arg, const char *value)
{
	struct options *o = arg;
	int err;

	if (o->nr_targets == MAX_TARGETS)
		return option_bad("to", value, "is one too many");
	err = window_parse(&o->target[o->nr_targets], value);
	if (err)
		return option_bad("to", value, "is not DEVICE[,OFFSET[,SIZE]]");
	o->nr_targets++;
	return 0;
}

static int take_rx(void *arg, const char *value)
{
	struct options *o = arg;

	o->net_flags &= ~(IO_UNIFIED_ATTACH_XSK | IO_UNIFIED_ATTACH_RX_HANDLER);
	if (!strcmp(value, "xsk"))
		o->net_flags |= IO_UNIFIED_ATTACH_XSK;
	else if (!strcmp(value, "handler"))
		o->net_flags |= IO_UNIFIED_ATTACH_RX_HANDLER;
	else if (strcmp(value, "auto"))
		return option_bad("rx", value, "is not auto, xsk or handler");
	return 0;
}

static const struct option_def options[] = {
	OPT_OTHER("net", take_net),
	OPT_OTHER("to", take_to),
	OPT_FLAG("force", struct options, force),
	OPT_FLAG("promisc", struct options, promisc),
	OPT_TEXT("filter", struct options, filter),
	OPT_TEXT("bpf", struct options, bpf),
	OPT_LIST("set", struct options, set, nr_set),
	OPT_LIST("dump-map", struct options, dump_map, nr_dump_map),
	OPT_NUMBER("snaplen", struct options, snaplen, option_size, 1, 65535),
	OPT_NUMBER("count", struct options, count, option_count, 1, UINT64_MAX),
	OPT_NUMBER("duration", struct options, duration_ns, option_time, 1,
		   INT64_MAX),
	OPT_NUMBER("size", struct options, size, option_size, 1, INT64_MAX),
	OPT_OTHER("rx", take_rx),
	OPT_FLAGS("require-zerocopy", struct options, net_flags,
		  IO_UNIFIED_ATTACH_ZEROCOPY),
	OPT_IO(struct options, storage_flags),
	OPT_NUMBER("memory", struct options, memory, option_size, 1, INT64_MAX),
	OPT_NUMBER("frames", struct options, frames, option_count, 1,
		   INT32_MAX),
	OPT_NUMBER("frame-size", struct options, frame_size, option_size, 1,
		   65536),
	OPT_FLAG("hugepages", struct options, hugepages),
	OPT_FLAG("quiet", struct options, quiet),
	OPT_FLAG("json", struct options, json),
	OPT_FLAG("verbose", struct options, verbose),
	OPT_END,
};

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
		.def = options,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->frame_size = 4096;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
