/* SPDX-License-Identifier: MIT */
/* Options of commands, and their values. All complain and return an exit code. */
#ifndef IOU_OPTION_H
#define IOU_OPTION_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTION_HELP 'h'

/**
 * struct option_set - the options of a command
 * @help: prints them
 * @options: as of getopt_long(), --help as OPTION_HELP
 * @take: keeps an option in what option_parse() was given
 * @arguments: the command takes others, too: from argv[optind] on
 */
struct option_set {
	void (*help)(FILE *f);
	const struct option *options;
	int (*take)(void *o, int option, const char *value);
	bool arguments;
};

/* @done: help was all that was asked for. */
int option_parse(const struct option_set *set, void *o, int argc, char **argv,
		 bool *done);

#define MAX_REPEATED 32 /* of each such option */

/* "--OPTION 'VALUE': WANT" */
int option_bad(const char *option, const char *value, const char *want);
/* A number that is not zero, by one of the parsers of units.c. */
int option_number(const char *option, const char *value,
		  int (*parse)(const char *s, uint64_t *out), uint64_t max,
		  const char *want, uint64_t *out);
/* And not smaller than @min, either */
int option_within(const char *option, const char *value,
		  int (*parse)(const char *s, uint64_t *out), uint64_t min,
		  uint64_t max, const char *want, uint64_t *out);
/* One more of those that may be given up to MAX_REPEATED times */
int option_repeated(const char *option, const char *value, const char **list,
		    unsigned int *nr);
/* --io: how storage is attached, as IO_UNIFIED_ATTACH_* */
int option_io(const char *value, unsigned int *flags);

#endif /* IOU_OPTION_H */
