// SPDX-License-Identifier: MIT
/* iou replay: its options */
#include "replay.h"

#define MAX_IN_FLIGHT 16384
#define DEFAULT_IN_FLIGHT 512

static void help(FILE *f)
{
	fputs("usage: iou replay --from PATH[,OFFSET[,SIZE]] --net IF[:QUEUE] [OPTION]...\n"
	      "\n"
	      "Send the packets of a capture, pcapng or pcap, to an interface.\n"
	      "\n"
	      "From and to:\n"
	      "  --from PATH[,OFF[,SIZE]]  device or file, or a range of it; a pipe; - is\n"
	      "                          standard input\n"
	      "  --net IF[:QUEUE]        interface, and its transmit queue (0)\n"
	      "How fast:\n"
	      "  --speed FACTOR          as captured, or so many times faster (1)\n"
	      "  --pps N                 packets a second\n"
	      "  --mbps N                Mbit a second\n"
	      "  --top                   as fast as possible\n"
	      "Which packets:\n"
	      "  --loop N                the capture so many times; 0 = until a signal (1)\n"
	      "  --count N               packets, at most\n"
	      "  --bpf FILE[:PROGRAM]    an XDP program from an object file: may change them\n"
	      "  --set NAME=VALUE        set a constant of that program; repeatable\n"
	      "How:\n"
	      "  --in-flight N           packets handed in at once, at most (512)\n"
	      "  --io auto|passthrough|bio\n"
	      "                          how to reach the device (auto)\n"
	      "Output:\n"
	      "  --quiet                 no progress\n"
	      "  --json                  totals as JSON on standard output\n"
	      "  --verbose               messages of the BPF loader and verifier\n"
	      "  --help                  this\n"
	      "\n"
	      "Sizes take K, M, G, T. See iou-replay(1).\n",
	      f);
}

static int take_from(void *arg, const char *value)
{
	struct replay_options *o = arg;

	o->from_stdin = !strcmp(value, "-");
	if (window_parse(&o->from, value))
		return option_bad("from", value, "is not PATH[,OFFSET[,SIZE]]");
	o->from_range = o->from.offset || o->from.size;
	return 0;
}

static int take_net(void *arg, const char *value)
{
	struct replay_options *o = arg;

	return netdev_parse(&o->net, value);
}

static int set_pace(struct replay_options *o, enum pace pace,
		    const char *option, const char *value)
{
	o->paces++;
	o->pace = pace;
	if (value && parse_factor(value, &o->rate))
		return option_bad(option, value,
				  "is not a number above 0, such as 2 or 0.5");
	return 0;
}

static int take_speed(void *arg, const char *value)
{
	return set_pace(arg, PACE_SPEED, "speed", value);
}

static int take_pps(void *arg, const char *value)
{
	return set_pace(arg, PACE_PPS, "pps", value);
}

static int take_mbps(void *arg, const char *value)
{
	return set_pace(arg, PACE_MBPS, "mbps", value);
}

static int take_top(void *arg, const char *value)
{
	return set_pace(arg, PACE_TOP, "top", value);
}

static const struct option_def options[] = {
	OPT_OTHER("from", take_from),
	OPT_OTHER("net", take_net),
	OPT_OTHER("speed", take_speed),
	OPT_OTHER("pps", take_pps),
	OPT_OTHER("mbps", take_mbps),
	OPT_CALL("top", take_top),
	OPT_NUMBER("loop", struct replay_options, loops, option_count, 0,
		   UINT64_MAX),
	OPT_NUMBER("count", struct replay_options, count, option_count, 1,
		   UINT64_MAX),
	OPT_TEXT("bpf", struct replay_options, bpf),
	OPT_LIST("set", struct replay_options, set, nr_set),
	OPT_NUMBER("in-flight", struct replay_options, in_flight, option_count,
		   1, MAX_IN_FLIGHT),
	OPT_IO(struct replay_options, storage_flags),
	OPT_FLAG("quiet", struct replay_options, quiet),
	OPT_FLAG("json", struct replay_options, json),
	OPT_FLAG("verbose", struct replay_options, verbose),
	OPT_END,
};

/* What only all options together can show. */
static int check(const struct replay_options *o)
{
	const char *wrong = NULL;

	if (!o->from.path[0])
		wrong = "replay what? give --from";
	else if (!o->net.ifindex)
		wrong = "replay where? give --net";
	else if (o->paces > 1)
		wrong = "--speed, --pps, --mbps and --top exclude each other: give one";
	else if (o->nr_set && !o->bpf)
		wrong = "--set needs --bpf";
	if (wrong)
		return complain(IOU_EXIT_USAGE, "%s (see 'iou replay --help')",
				wrong);
	return 0;
}

int replay_parse(struct replay_options *o, int argc, char **argv, bool *done)
{
	static const struct option_set set = {
		.help = help,
		.def = options,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->pace = PACE_SPEED;
	o->rate = 1;
	o->loops = 1;
	o->in_flight = DEFAULT_IN_FLIGHT;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
