// SPDX-License-Identifier: MIT
/* Values of options */
#include "iou.h"
#include "option.h"

int option_bad(const char *option, const char *value, const char *want)
{
	return complain(IOU_EXIT_USAGE, "--%s '%s': %s", option, value, want);
}

/* A number that is not zero, by one of the parsers of units.c. */
int option_number(const char *option, const char *value,
		  int (*parse)(const char *s, uint64_t *out), uint64_t max,
		  const char *want, uint64_t *out)
{
	if (parse(value, out))
		return option_bad(option, value, want);
	if (!*out || *out > max)
		return option_bad(option, value,
				  *out ? "is too large" : "must not be zero");
	return 0;
}

int option_repeated(const char *option, const char *value, const char **list,
		    unsigned int *nr)
{
	if (*nr == MAX_REPEATED)
		return option_bad(option, value, "is one too many");
	list[(*nr)++] = value;
	return 0;
}
