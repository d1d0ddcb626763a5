// SPDX-License-Identifier: MIT
/* iou serve: its options */
#include "serve.h"

#define DEFAULT_MEMORY (64u << 20)
#define DEFAULT_CONNECTIONS 1024
#define DEFAULT_IDLE 30

static void help(FILE *f)
{
	fputs("usage: iou serve --listen [ADDRESS:]PORT OBJECTS [OPTION]...\n"
	      "\n"
	      "Serve objects that lie on a device or in files, by HTTP/1.1. Their bytes go\n"
	      "from the drive to the socket without passing through this process.\n"
	      "\n"
	      "Where:\n"
	      "  --listen [ADDRESS:]PORT  address and port; port 0: any that is free\n"
	      "Which objects, in any combination:\n"
	      "  --dir DIR                the files in and beneath DIR\n"
	      "  --device DEVICE,OFFSET,SIZE[,NAME]\n"
	      "                           bytes of a device as /NAME, or as / without one;\n"
	      "                           repeatable\n"
	      "  --objects MANIFEST       lines of NAME, PATH[,OFFSET[,SIZE]] and, if wanted,\n"
	      "                           content type, with tabs between\n"
	      "What becomes of them:\n"
	      "  --bpf FILE[:PROGRAM]     an XDP program edits what is read before it is sent\n"
	      "  --set NAME=VALUE         set a constant of that program; repeatable\n"
	      "How:\n"
	      "  --connections N          at once (1024)\n"
	      "  --idle TIME              how long a client may do nothing (30s)\n"
	      "  --chunk BYTES            read and sent at once (256K)\n"
	      "  --memory BYTES           of the region (64M)\n"
	      "  --hugepages              fail rather than do without huge pages\n"
	      "Output:\n"
	      "  --quiet                  no setup and totals\n"
	      "  --json                   totals as JSON on standard output\n"
	      "  --verbose                messages of the BPF loader and verifier\n"
	      "  --help                   this\n"
	      "\n"
	      "SIGINT or SIGTERM ends it. Sizes take K, M, G, T. See iou-serve(1).\n",
	      f);
}

/* 8080, 127.0.0.1:8080, [::1]:8080 */
static int take_listen(void *arg, const char *value)
{
	static const char want[] =
		"is not [ADDRESS:]PORT such as 8080, 127.0.0.1:8080 or [::1]:8080";
	const char *colon = strrchr(value, ':');
	const char *port = colon ? colon + 1 : value;
	size_t len = colon ? (size_t)(colon - value) : 0;
	struct serve_options *o = arg;
	uint64_t n;

	if (parse_count(port, &n) || n > 65535)
		return option_bad("listen", value, want);
	snprintf(o->port, sizeof(o->port), "%u", (unsigned int)n);
	if (len >= 2 && value[0] == '[' && colon[-1] == ']') {
		value++;
		len -= 2;
	} else if (colon && (!len || memchr(value, ':', len))) {
		return option_bad("listen", value, want);
	}
	if (len >= sizeof(o->host))
		return option_bad("listen", value, want);
	memcpy(o->host, value, len);
	o->host[len] = 0;
	return 0;
}

/* Whole seconds */
static int take_idle(void *arg, const char *value)
{
	struct serve_options *o = arg;
	uint64_t ns;
	int err = option_number("idle", value, &option_time, 1000000000ull,
				86400000000000ull, &ns);

	o->idle = ns / 1000000000ull;
	return err;
}

static const struct option_def options[] = {
	OPT_OTHER("listen", take_listen),
	OPT_TEXT("objects", struct serve_options, manifest),
	OPT_TEXT("dir", struct serve_options, dir),
	OPT_LIST("device", struct serve_options, device, nr_devices),
	OPT_TEXT("bpf", struct serve_options, bpf),
	OPT_LIST("set", struct serve_options, set, nr_set),
	OPT_NUMBER("connections", struct serve_options, connections,
		   option_count, 1, 65536),
	OPT_OTHER("idle", take_idle),
	OPT_NUMBER("chunk", struct serve_options, chunk, option_size,
		   SERVE_SMALL, 16u << 20),
	OPT_NUMBER("memory", struct serve_options, memory, option_size,
		   1u << 20, 1ull << 40),
	OPT_FLAG("hugepages", struct serve_options, hugepages),
	OPT_FLAG("quiet", struct serve_options, quiet),
	OPT_FLAG("json", struct serve_options, json),
	OPT_FLAG("verbose", struct serve_options, verbose),
	OPT_END,
};

/* What only all options together can show. */
static int check(const struct serve_options *o)
{
	const char *wrong = NULL;

	if (!o->port[0])
		wrong = "serve where? give --listen";
	else if (!o->manifest && !o->dir && !o->nr_devices)
		wrong = "serve what? give --dir, --device or --objects";
	else if (o->nr_set && !o->bpf)
		wrong = "--set needs --bpf";
	else if (o->chunk % SERVE_PAGE)
		wrong = "--chunk must be a multiple of 4096";
	else if (o->memory < 8 * o->chunk)
		wrong = "--memory must hold eight chunks at least";
	if (wrong)
		return complain(IOU_EXIT_USAGE, "%s (see 'iou serve --help')",
				wrong);
	return 0;
}

int serve_parse(struct serve_options *o, int argc, char **argv, bool *done)
{
	static const struct option_set set = {
		.help = help,
		.def = options,
	};
	int err;

	memset(o, 0, sizeof(*o));
	o->connections = DEFAULT_CONNECTIONS;
	o->idle = DEFAULT_IDLE;
	o->memory = DEFAULT_MEMORY;
	err = option_parse(&set, o, argc, argv, done);
	if (err || *done)
		return err;
	return check(o);
}
