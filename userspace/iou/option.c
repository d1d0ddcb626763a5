// SPDX-License-Identifier: MIT
/* Options of commands, and their values */
#include <assert.h>
#include <string.h>

#include <iounified.h>

#include "iou.h"
#include "option.h"

#define MAX_OPTIONS 40 /* of a command */
#define OPTION_HELP 'h'
#define OPTION_FIRST 256 /* no letter */

const struct option_unit option_count = {
	.parse = parse_count,
	.want = "is not a number",
};

const struct option_unit option_size = {
	.parse = parse_size,
	.want = "is not a size such as 4096, 64K or 1G",
};

const struct option_unit option_time = {
	.parse = parse_duration,
	.want = "is not a time such as 500ms, 30s, 5m or 1h",
};

static bool has_value(const struct option_def *d)
{
	switch (d->kind) {
	case OPTION_FLAG:
	case OPTION_FLAGS:
	case OPTION_CALL:
		return false;
	default:
		return true;
	}
}

static int add_to_list(const struct option_def *d, char *o, const char *value)
{
	const char **list = (const char **)(o + d->at);
	unsigned int *nr = (unsigned int *)(o + d->nr);

	if (*nr == MAX_REPEATED)
		return option_bad(d->name, value, "is one too many");
	list[(*nr)++] = value;
	return 0;
}

static int take(const struct option_def *d, char *o, const char *value)
{
	void *at = o + d->at;

	switch (d->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		return 0;
	case OPTION_FLAGS:
		*(unsigned int *)at |= d->flags;
		return 0;
	case OPTION_TEXT:
		*(const char **)at = value;
		return 0;
	case OPTION_LIST:
		return add_to_list(d, o, value);
	case OPTION_NUMBER:
		return option_number(d->name, value, d->unit, d->min, d->max,
				     at);
	case OPTION_CALL:
	case OPTION_OTHER:
		return d->take(at, value);
	case OPTION_END:
		break;
	}
	return IOU_EXIT_USAGE;
}

int option_parse(const struct option_set *set, void *o, int argc, char **argv,
		 bool *done)
{
	struct option options[MAX_OPTIONS + 2] = {
		{ "help", no_argument, NULL, OPTION_HELP },
	};
	int c, i, err;

	for (i = 0; set->def[i].kind != OPTION_END; i++) {
		assert(i < MAX_OPTIONS);
		options[i + 1] = (struct option){
			.name = set->def[i].name,
			.has_arg = has_value(&set->def[i]) ? required_argument :
							     no_argument,
			.val = OPTION_FIRST + i,
		};
	}

	*done = false;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == OPTION_HELP) {
			set->help(stdout);
			*done = true;
			return 0;
		}
		if (c == '?' || c == ':')
			return complain(IOU_EXIT_USAGE,
					"%s '%s': see 'iou %s --help'",
					c == ':' ? "a value is missing behind" :
						   "there is no option",
					argv[optind - 1], argv[0]);
		err = take(&set->def[c - OPTION_FIRST], o, optarg);
		if (err)
			return err;
	}
	if (optind < argc && !set->arguments)
		return complain(
			IOU_EXIT_USAGE,
			"%s takes no argument '%s': see 'iou %s --help'",
			argv[0], argv[optind], argv[0]);
	return 0;
}

int option_bad(const char *option, const char *value, const char *want)
{
	return complain(IOU_EXIT_USAGE, "--%s '%s': %s", option, value, want);
}

int option_number(const char *option, const char *value,
		  const struct option_unit *unit, uint64_t min, uint64_t max,
		  uint64_t *out)
{
	if (unit->parse(value, out))
		return option_bad(option, value, unit->want);
	if (*out > max)
		return option_bad(option, value, "is too large");
	if (*out < min)
		return option_bad(option, value,
				  *out ? "is too small" : "must not be zero");
	return 0;
}

int option_io(void *flags, const char *value)
{
	unsigned int *out = flags;

	*out = 0;
	if (!strcmp(value, "passthrough"))
		*out = IO_UNIFIED_ATTACH_PASSTHROUGH;
	else if (!strcmp(value, "bio"))
		*out = IO_UNIFIED_ATTACH_BIO;
	else if (strcmp(value, "auto"))
		return option_bad("io", value,
				  "is not auto, passthrough or bio");
	return 0;
}
