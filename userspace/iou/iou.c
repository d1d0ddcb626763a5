// SPDX-License-Identifier: MIT
/* iou: the command */
#include <errno.h>
#include <stdarg.h>

#include "iou.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "info", cmd_info, "what this kernel and the module can do" },
	{ "record", cmd_record, "record packets to a block device" },
	{ "replay", cmd_replay, "send the packets of a capture" },
	{ "serve", cmd_serve, "serve objects of a device or of files by HTTP" },
	{ "ingest", cmd_ingest,
	  "take the bytes of connections to a block device or a file" },
	{ "cat", cmd_cat, "write a recording or a stream to standard output" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *f)
{
	size_t i;

	fprintf(f, "usage: iou COMMAND [OPTION]...\n\n");
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].what);
	fprintf(f, "  %-8s this, or 'iou help COMMAND'\n", "help");
	fprintf(f, "\nSee iou(1), and 'iou COMMAND --help' for options.\n");
}

int complain(enum iou_exit code, const char *fmt, ...)
{
	va_list ap;

	fputs("iou: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return (int)code;
}

int open_device(int *fd)
{
	const char *todo;

	*fd = iou_open();
	if (*fd >= 0)
		return 0;
	switch (*fd) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		todo = "load the module: modprobe io_unified";
		break;
	case -EACCES:
	case -EPERM:
		todo = "run as root, or join the group that owns it";
		break;
	case -EPROTO:
		todo = "the loaded module is older than this command: load the one of the same release";
		break;
	case -ENOTTY:
		todo = "it is not io_unified's: load the module";
		break;
	default:
		todo = "see the kernel log";
	}
	return complain(IOU_EXIT_UNAVAILABLE, "cannot open %s: %s: %s",
			IOU_DEVICE, strerror(-*fd), todo);
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int run(int argc, char **argv)
{
	char *ask_help[] = { NULL, (char *)"--help", NULL };
	const struct command *c;

	if (argc < 2) {
		help(stderr);
		return IOU_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		printf("iou %s\n", IOU_BUILD_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	    !strcmp(argv[1], "-h")) {
		if (argc < 3) {
			help(stdout);
			return 0;
		}
		c = find(argv[2]);
		if (c) {
			ask_help[0] = argv[2];
			return c->run(2, ask_help);
		}
		argv++;
	}
	c = find(argv[1]);
	if (!c)
		return complain(IOU_EXIT_USAGE,
				"there is no command '%s': see 'iou help'",
				argv[1]);
	return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int code = run(argc, argv);

	/* a full disk behind stdout must not pass for success, now or before */
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && !code)
		code = complain(
			IOU_EXIT_FAIL, "cannot write to standard output: %s",
			errno ? strerror(errno) : "a part of it is missing");
	return code;
}
