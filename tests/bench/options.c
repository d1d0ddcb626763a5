// SPDX-License-Identifier: GPL-2.0
/* What iobench is told to do. */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "iobench.h"

static const char *const mode_names[] = {
	[RING_PLAIN] = "plain",
	[RING_DEFER] = "defer",
	[RING_SQPOLL] = "sqpoll",
	[RING_IOPOLL] = "iopoll",
};

struct options options = {
	.bs = 4096,
	.qd = 32,
	.batch = 16,
	.threads = 1,
	.ops = 20000,
	.warmup = 2000,
	.mode = RING_DEFER,
};

const char *mode_name(enum ring_mode mode)
{
	return mode_names[mode];
}

static const char usage[] =
	"usage: iobench --engine ENGINE --dev DEVICE [OPTION]...\n"
	"\n"
	"Random reads by one engine; prints what an op costs as a line of JSON.\n"
	"\n"
	"ENGINE    read, read_fixed      io_uring on the block device\n"
	"          ng, ng_fixed          io_uring on its NVMe character device\n"
	"          op                    io_unified, an SQE for each op\n"
	"          ring                  io_unified, an SQE for --batch descriptors\n"
	"          enter                 io_unified, no io_uring\n"
	"          nop                   io_uring's NOP, the device is not used\n"
	"\n"
	"  --ops N         ops of each thread that are measured (20000)\n"
	"  --warmup N      ops before those (2000)\n"
	"  --bs BYTES      of an op (4096)\n"
	"  --qd N          ops in flight, of each thread (32)\n"
	"  --wait N        completions that a system call waits for (half of --qd)\n"
	"  --batch N       engine ring: descriptors of a command (16)\n"
	"  --ring MODE     plain, defer, sqpoll, iopoll (defer where there is such)\n"
	"  --bio           io_unified: bios, also where passthrough would work\n"
	"  --small-cqe     op: CQEs of 16 bytes\n"
	"  --soak          all that the CPU does, not the thread alone (one CPU)\n"
	"  --threads N     each with rings of its own (1)\n"
	"  --mark FILE     gets 1 when the measured ops begin, 0 at their end\n"
	"\n"
	"Exit status 77: this kernel, module or device does not have it.\n";

static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (!n || *end || n > max)
		errx(2, "%s: not a number from 1 to %u", text, max);
	return (unsigned int)n;
}

static enum ring_mode ring_mode(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++)
		if (!strcmp(mode_names[i], name))
			return (enum ring_mode)i;
	errx(2, "--ring %s: see --help", name);
}

void parse_options(int argc, char **argv)
{
	enum {
		ENGINE,
		DEV,
		OPS,
		WARMUP,
		BS,
		QD,
		WAIT,
		BATCH,
		RING,
		BIO,
		SMALL,
		SOAK,
		THREADS,
		MARK,
		HELP
	};
	static const struct option longs[] = {
		{ "engine", 1, NULL, ENGINE },	 { "dev", 1, NULL, DEV },
		{ "ops", 1, NULL, OPS },	 { "warmup", 1, NULL, WARMUP },
		{ "bs", 1, NULL, BS },		 { "qd", 1, NULL, QD },
		{ "wait", 1, NULL, WAIT },	 { "batch", 1, NULL, BATCH },
		{ "ring", 1, NULL, RING },	 { "bio", 0, NULL, BIO },
		{ "small-cqe", 0, NULL, SMALL }, { "soak", 0, NULL, SOAK },
		{ "threads", 1, NULL, THREADS }, { "mark", 1, NULL, MARK },
		{ "help", 0, NULL, HELP },	 { 0 }
	};
	struct options *o = &options;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case ENGINE:
			o->engine = optarg;
			break;
		case DEV:
			o->dev = optarg;
			break;
		case OPS:
			o->ops = number(optarg, UINT32_MAX);
			break;
		case WARMUP:
			o->warmup = number(optarg, UINT32_MAX);
			break;
		case BS:
			o->bs = number(optarg, 65536);
			break;
		case QD:
			o->qd = number(optarg, MAX_QD);
			break;
		case WAIT:
			o->wait = number(optarg, MAX_QD);
			break;
		case BATCH:
			o->batch = number(optarg, MAX_QD);
			break;
		case RING:
			o->mode = ring_mode(optarg);
			break;
		case BIO:
			o->bio = true;
			break;
		case SMALL:
			o->small_cqe = true;
			break;
		case SOAK:
			o->soak = true;
			break;
		case THREADS:
			o->threads = number(optarg, IO_UNIFIED_MAX_RINGS);
			break;
		case MARK:
			o->mark = optarg;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (!o->engine || optind != argc)
		errx(2, "--engine ENGINE --dev DEVICE; see --help");
	if (!o->dev && strcmp(o->engine, "nop"))
		errx(2, "--dev DEVICE is missing");
	if (!o->wait)
		o->wait = (o->qd + 1) / 2;
	if (o->soak && o->threads != 1)
		errx(2, "--soak is for one thread");
	if (o->wait > o->qd)
		errx(2, "--wait %u is more than --qd %u", o->wait, o->qd);
}
