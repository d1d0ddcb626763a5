// SPDX-License-Identifier: MIT
/* Values of options */
#include <string.h>

#include <iounified.h>

#include "iou.h"
#include "option.h"

int option_bad(const char *option, const char *value, const char *want)
{
	return complain(IOU_EXIT_USAGE, "--%s '%s': %s", option, value, want);
}

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
