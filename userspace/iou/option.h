/* SPDX-License-Identifier: MIT */
/* Options of commands, and their values. All complain and return an exit code. */
#ifndef IOU_OPTION_H
#define IOU_OPTION_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_REPEATED 32 /* of each such option */

/* What a number is given as: a parser of units.c, and how it is complained about. */
struct option_unit {
	int (*parse)(const char *s, uint64_t *out);
	const char *want;
};

extern const struct option_unit option_count; /* 1000 */
extern const struct option_unit option_size; /* 64K */
extern const struct option_unit option_time; /* 500ms, in ns */

enum option_kind {
	OPTION_END = 0,
	OPTION_FLAG, /* has no value, sets a bool */
	OPTION_FLAGS, /* has no value, sets bits */
	OPTION_TEXT, /* keeps its value */
	OPTION_LIST, /* the same, up to MAX_REPEATED times */
	OPTION_NUMBER,
	OPTION_CALL, /* has no value, and calls */
	OPTION_OTHER, /* calls with its value */
};

/**
 * struct option_def - an option of a command
 * @name: what stands behind "--"
 * @kind: what becomes of its value
 * @at: where in the command's options
 * @nr: OPTION_LIST: where there it is counted
 * @flags: OPTION_FLAGS: those to set
 * @unit: OPTION_NUMBER: what it is given as
 * @min: OPTION_NUMBER: the smallest
 * @max: OPTION_NUMBER: and the largest one
 * @take: OPTION_CALL, OPTION_OTHER: gets what is at @at, and the value or NULL
 */
struct option_def {
	const char *name;
	enum option_kind kind;
	size_t at;
	size_t nr;
	unsigned int flags;
	const struct option_unit *unit;
	uint64_t min;
	uint64_t max;
	int (*take)(void *at, const char *value);
};

/* Compiles if @member is of that type. */
#define OPTION_AT(options, member, type) \
	_Generic((options){}.member, type : offsetof(options, member))

#define OPT(name_, kind_, at_, ...)                                        \
	{                                                                  \
		.name = (name_), .kind = (kind_), .at = (at_), __VA_ARGS__ \
	}
#define OPT_FLAG(name, options, member) \
	OPT(name, OPTION_FLAG, OPTION_AT(options, member, bool))
#define OPT_FLAGS(name, options, member, bits)                            \
	OPT(name, OPTION_FLAGS, OPTION_AT(options, member, unsigned int), \
	    .flags = (bits))
#define OPT_TEXT(name, options, member) \
	OPT(name, OPTION_TEXT, OPTION_AT(options, member, const char *))
#define OPT_LIST(name, options, member, count)                            \
	OPT(name, OPTION_LIST, OPTION_AT(options, member, const char **), \
	    .nr = OPTION_AT(options, count, unsigned int))
#define OPT_NUMBER(name, options, member, as, least, most)             \
	OPT(name, OPTION_NUMBER, OPTION_AT(options, member, uint64_t), \
	    .unit = &(as), .min = (least), .max = (most))
#define OPT_CALL(name, call) OPT(name, OPTION_CALL, 0, .take = (call))
#define OPT_OTHER(name, call) OPT(name, OPTION_OTHER, 0, .take = (call))
/* --io: how storage is attached, as IO_UNIFIED_ATTACH_* */
#define OPT_IO(options, member)                                           \
	OPT("io", OPTION_OTHER, OPTION_AT(options, member, unsigned int), \
	    .take = option_io)
#define OPT_END OPT(NULL, OPTION_END, 0)

/**
 * struct option_set - the options of a command
 * @help: prints them: --help is of each command
 * @def: each, and OPT_END
 * @arguments: the command takes others, too: from argv[optind] on
 */
struct option_set {
	void (*help)(FILE *f);
	const struct option_def *def;
	bool arguments;
};

/* @o: the command's options. @done: help was all that was asked for. */
int option_parse(const struct option_set *set, void *o, int argc, char **argv,
		 bool *done);

/* "--OPTION 'VALUE': WANT" */
int option_bad(const char *option, const char *value, const char *want);
/* A number within limits */
int option_number(const char *option, const char *value,
		  const struct option_unit *unit, uint64_t min, uint64_t max,
		  uint64_t *out);
int option_io(void *flags, const char *value);

#endif /* IOU_OPTION_H */
