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

enum {
	OPT_FROM = 256,
	OPT_NET,
	OPT_SPEED,
	OPT_PPS,
	OPT_MBPS,
	OPT_TOP,
	OPT_LOOP,
	OPT_COUNT,
	OPT_BPF,
	OPT_SET,
	OPT_IN_FLIGHT,
	OPT_IO,
	OPT_QUIET,
	OPT_JSON,
	OPT_VERBOSE,
};

static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "net", required_argument, NULL, OPT_NET },
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "pps", required_argument, NULL, OPT_PPS },
	{ "mbps", required_argument, NULL, OPT_MBPS },
	{ "top", no_argument, NULL, OPT_TOP },
	{ "loop", required_argument, NULL, OPT_LOOP },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "bpf", required_argument, NULL, OPT_BPF },
	{ "set", required_argument, NULL, OPT_SET },
	{ "in-flight", required_argument, NULL, OPT_IN_FLIGHT },
	{ "io", required_argument, NULL, OPT_IO },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* The options, and what only check() asks for */
struct parsed {
	struct replay_options *o;
	unsigned int paces;
	bool from;
};

static int set_from(struct parsed *parsed, const char *value)
{
	struct replay_options *o = parsed->o;

	parsed->from = true;
	o->from_stdin = !strcmp(value, "-");
	if (window_parse(&o->from, value))
		return option_bad("from", value, "is not PATH[,OFFSET[,SIZE]]");
	o->from_range = o->from.offset || o->from.size;
	return 0;
}

static int set_pace(struct parsed *parsed, enum pace pace, const char *option,
		    const char *value)
{
	parsed->paces++;
	parsed->o->pace = pace;
	if (value && parse_factor(value, &parsed->o->rate))
		return option_bad(option, value,
				  "is not a number above 0, such as 2 or 0.5");
	return 0;
}

static int take(void *arg, int option, const char *value)
{
	static const char count[] = "is not a number";
	struct parsed *parsed = arg;
	struct replay_options *o = parsed->o;

	switch (option) {
	case OPT_FROM:
		return set_from(parsed, value);
	case OPT_NET:
		return netdev_parse(&o->net, value);
	case OPT_SPEED:
		return set_pace(parsed, PACE_SPEED, "speed", value);
	case OPT_PPS:
		return set_pace(parsed, PACE_PPS, "pps", value);
	case OPT_MBPS:
		return set_pace(parsed, PACE_MBPS, "mbps", value);
	case OPT_TOP:
		return set_pace(parsed, PACE_TOP, "top", NULL);
	case OPT_LOOP:
		return parse_count(value, &o->loops) ?
			       option_bad("loop", value, count) :
			       0;
	case OPT_COUNT:
		return option_number("count", value, parse_count, UINT64_MAX,
				     count, &o->count);
	case OPT_BPF:
		o->bpf = value;
		return 0;
	case OPT_SET:
		return option_repeated("set", value, o->set, &o->nr_set);
	case OPT_IN_FLIGHT:
		return option_number("in-flight", value, parse_count,
				     MAX_IN_FLIGHT, count, &o->in_flight);
	case OPT_IO:
		return option_io(value, &o->storage_flags);
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
static int check(const struct parsed *parsed)
{
	const struct replay_options *o = parsed->o;
	const char *wrong = NULL;

	if (!parsed->from)
		wrong = "replay what? give --from";
	else if (!o->net.ifindex)
		wrong = "replay where? give --net";
	else if (parsed->paces > 1)
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
	struct parsed parsed = { .o = o };
	static const struct option_set set = {
		.help = help,
		.options = options,
		.take = take,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->pace = PACE_SPEED;
	o->rate = 1;
	o->loops = 1;
	o->in_flight = DEFAULT_IN_FLIGHT;
	err = option_parse(&set, &parsed, argc, argv, done);
	if (err || *done)
		return err;
	return check(&parsed);
}
