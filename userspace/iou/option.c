// SPDX-License-Identifier: MIT
/* Options of commands, and their values */
#include <string.h>

#include <iounified.h>

#include "iou.h"
#include "option.h"

int option_parse(const struct option_set *set, void *o, int argc, char **argv,
		 bool *done)
{
	int c, err;

	*done = false;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", set->options, NULL)) != -1) {
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
		err = set->take(o, c, optarg);
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
		  int (*parse)(const char *s, uint64_t *out), uint64_t max,
		  const char *want, uint64_t *out)
{
	return option_within(option, value, parse, 1, max, want, out);
}

int option_within(const char *option, const char *value,
		  int (*parse)(const char *s, uint64_t *out), uint64_t min,
		  uint64_t max, const char *want, uint64_t *out)
{
	if (parse(value, out))
		return option_bad(option, value, want);
	if (*out >= min && *out <= max)
		return 0;
	if (*out > max)
		want = "is too large";
	else
		want = *out ? "is too small" : "must not be zero";
	return option_bad(option, value, want);
}

int option_repeated(const char *option, const char *value, const char **list,
		    unsigned int *nr)
{
	if (*nr == MAX_REPEATED)
		return option_bad(option, value, "is one too many");
	list[(*nr)++] = value;
	return 0;
}

int option_io(const char *value, unsigned int *flags)
{
	*flags = 0;
	if (!strcmp(value, "passthrough"))
		*flags = IO_UNIFIED_ATTACH_PASSTHROUGH;
	else if (!strcmp(value, "bio"))
		*flags = IO_UNIFIED_ATTACH_BIO;
	else if (strcmp(value, "auto"))
		return option_bad("io", value,
				  "is not auto, passthrough or bio");
	return 0;
}
