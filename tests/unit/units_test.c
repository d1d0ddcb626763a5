// SPDX-License-Identifier: MIT
/* Sizes, durations and counts from the command line. */
#include <errno.h>

#include "iou.h"
#include "tap.h"

typedef int parser(const char *s, uint64_t *out);

static void good(const char *name, parser *parse, const char *s, uint64_t want)
{
	uint64_t got = 0;
	int err = parse(s, &got);

	ok(!err && got == want, "%s '%s' = %llu", name, s,
	   (unsigned long long)got);
}

static void bad(const char *name, parser *parse, const char *s, int want)
{
	uint64_t got = 0;
	int err = parse(s, &got);

	ok(err == want, "%s '%s' is refused (%d)", name, s, err);
}

static void formatted(uint64_t n, const char *want)
{
	char buf[32];

	format_size(n, buf, sizeof(buf));
	ok(!strcmp(buf, want), "%llu is '%s'", (unsigned long long)n, buf);
}

static void factor(const char *s, int want, double value)
{
	double got = 0;
	int err = parse_factor(s, &got);

	ok(err == want && (err || got == value), "factor '%s' (%d)", s, want);
}

int main(void)
{
	good("size", parse_size, "0", 0);
	good("size", parse_size, "4096", 4096);
	good("size", parse_size, "4K", 4096);
	good("size", parse_size, "4k", 4096);
	good("size", parse_size, "4KiB", 4096);
	good("size", parse_size, "1.5G", 3ull << 29);
	good("size", parse_size, "2T", 2ull << 40);
	good("size", parse_size, "18446744073709551615", UINT64_MAX);
	good("size", parse_size, "9007199254740993", 9007199254740993);
	bad("size", parse_size, "", -EINVAL);
	bad("size", parse_size, "-1", -EINVAL);
	bad("size", parse_size, "+1", -EINVAL);
	bad("size", parse_size, " 1", -EINVAL);
	bad("size", parse_size, "1 K", -EINVAL);
	bad("size", parse_size, "1X", -EINVAL);
	bad("size", parse_size, "1.K", -EINVAL);
	bad("size", parse_size, ".5K", -EINVAL);
	bad("size", parse_size, "0x10", -EINVAL);
	bad("size", parse_size, "nan", -EINVAL);
	bad("size", parse_size, "18446744073709551616", -ERANGE);
	bad("size", parse_size, "99999999999T", -ERANGE);
	bad("size", parse_size, "9999999999.5T", -ERANGE);
	good("duration", parse_duration, "10", 10000000000ull);
	good("duration", parse_duration, "10s", 10000000000ull);
	good("duration", parse_duration, "500ms", 500000000);
	good("duration", parse_duration, "1.5m", 90000000000ull);
	good("duration", parse_duration, "2h", 7200000000000ull);
	bad("duration", parse_duration, "1d", -EINVAL);
	good("count", parse_count, "12", 12);
	bad("count", parse_count, "1.5", -EINVAL);
	bad("count", parse_count, "1K", -EINVAL);
	formatted(0, "0 bytes");
	formatted(1023, "1023 bytes");
	formatted(1536, "1.5 KiB");
	formatted(300ull << 20, "300 MiB");
	formatted(UINT64_MAX, "16.0 EiB");
	factor("1", 0, 1);
	factor("0.25", 0, 0.25);
	factor("1000000", 0, 1e6);
	factor("0", -ERANGE, 0);
	factor("0.0", -ERANGE, 0);
	factor("9999999999999999", -ERANGE, 0);
	factor("", -EINVAL, 0);
	factor("-1", -EINVAL, 0);
	factor(".5", -EINVAL, 0);
	factor("1.", -EINVAL, 0);
	factor("1.2.3", -EINVAL, 0);
	factor("1e3", -EINVAL, 0);
	factor("nan", -EINVAL, 0);
	factor("2x", -EINVAL, 0);
	return tap_done();
}
