// SPDX-License-Identifier: MIT
/* Sizes, durations and counts as people write them. */
#include <errno.h>
#include <stdlib.h>

#include "iou.h"

static const struct unit {
	const char *name;
	double factor;
} size_units[] = {
	{ "", 1 },
	{ "K", 0x1p10 }, { "M", 0x1p20 }, { "G", 0x1p30 }, { "T", 0x1p40 },
	{ "k", 0x1p10 }, { "m", 0x1p20 }, { "g", 0x1p30 }, { "t", 0x1p40 },
	{ "KiB", 0x1p10 }, { "MiB", 0x1p20 }, { "GiB", 0x1p30 },
	{ "TiB", 0x1p40 }, { NULL, 0 },
}, time_units[] = {
	{ "", 1e9 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 },
	{ "h", 3600e9 }, { NULL, 0 },
};

/* Whole numbers are exact up to 2^64; a fraction goes through a double. */
static int parse_unit(const char *s, const struct unit *units, uint64_t *out)
{
	const struct unit *u;
	uint64_t whole;
	double value;
	char *end, *end_whole;

	/* strtoull() would take spaces, signs and negative numbers */
	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	whole = strtoull(s, &end_whole, 10);
	if (errno)
		return -ERANGE;
	end = end_whole;
	if (*end == '.') {
		if (end[1] < '0' || end[1] > '9')
			return -EINVAL;
		for (end++; *end >= '0' && *end <= '9'; end++)
			;
	}
	for (u = units; u->name; u++)
		if (!strcmp(end, u->name))
			break;
	if (!u->name)
		return -EINVAL;
	if (end == end_whole)
		return __builtin_mul_overflow(whole, (uint64_t)u->factor, out) ?
			       -ERANGE :
			       0;
	value = strtod(s, NULL) * u->factor;
	if (value >= 0x1p63)
		return -ERANGE;
	*out = (uint64_t)(value + 0.5);
	return 0;
}

int parse_size(const char *s, uint64_t *out)
{
	return parse_unit(s, size_units, out);
}

int parse_duration(const char *s, uint64_t *ns)
{
	return parse_unit(s, time_units, ns);
}

int parse_count(const char *s, uint64_t *out)
{
	static const struct unit none[] = { { "", 1 }, { NULL, 0 } };

	if (strchr(s, '.'))
		return -EINVAL;
	return parse_unit(s, none, out);
}

int parse_factor(const char *s, double *out)
{
	char *end;

	/* strtod() would take "nan", "0x1" and signs */
	if (s[strspn(s, "0123456789.")] || *s == '.' || !*s)
		return -EINVAL;
	*out = strtod(s, &end);
	if (*end || end[-1] == '.')
		return -EINVAL;
	return *out > 0 && *out < 1e15 ? 0 : -ERANGE;
}

const char *format_size(uint64_t n, char *buf, size_t len)
{
	static const char *const names[] = { "bytes", "KiB", "MiB", "GiB",
					     "TiB",   "PiB", "EiB" };
	double value = (double)n;
	size_t i = 0;

	while (value >= 1024 && i + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		i++;
	}
	snprintf(buf, len, i && value < 100 ? "%.1f %s" : "%.0f %s", value,
		 names[i]);
	return buf;
}
