// SPDX-License-Identifier: MIT
/* Every number of the header has its words. */
#include <errno.h>
#include <iounified.h>
#include <ctype.h>

#include "tap.h"

struct name {
	const char *name;
	unsigned long long value;
};

#include "names.h"

#define EACH(list, check) each(list, sizeof(list) / sizeof(list[0]), check)

static const char unknown[] =
	"the module gave a reason that this library is too old to know: update it";

static void reason(const char *name, unsigned long long value)
{
	const char *s = iou_strreason((unsigned int)value);
	bool good = value == 0 ? !*s : strcmp(s, unknown) && strlen(s) > 10;

	/* one line, that goes on after a colon */
	good = good && !strchr(s, '\n') && (!*s || s[strlen(s) - 1] != '.');
	ok(good, "%s: %s", name, s);
}

static void path(const char *name, unsigned long long value)
{
	const char *s = iou_strpath((unsigned int)value);

	ok(strcmp(s, "unknown"), "%s: %s", name, s);
}

/* The counter's name in the header, in lower case. */
static void stat_name(const char *name, unsigned long long value)
{
	const char *want = name + strlen("IO_UNIFIED_STAT_");
	const char *got = iou_stat_name((unsigned int)value);
	size_t i;

	/* that is their number, not one of them */
	if (value == IO_UNIFIED_STAT_MAX)
		return;

	for (i = 0; got && got[i] && tolower(want[i]) == got[i]; i++)
		;
	ok(got && !got[i] && !want[i], "%s: %s", name, got ? got : "NULL");
}

static void feature(const char *name, unsigned long long mask)
{
	const char *want = name + strlen("IO_UNIFIED_FEAT_");
	const char *got = iou_feature_name((unsigned int)__builtin_ctzll(mask));
	size_t i;

	for (i = 0; got && got[i] && tolower(want[i]) == got[i]; i++)
		;
	ok(got && !got[i] && !want[i], "%s: %s", name, got ? got : "NULL");
}

static void each(const struct name *list, size_t nr,
		 void (*check)(const char *name, unsigned long long value))
{
	size_t i;

	for (i = 0; i < nr; i++)
		check(list[i].name, list[i].value);
}

int main(void)
{
	struct iou_region r = { .step = "attach storage",
				.reason = IO_UNIFIED_REASON_NOT_NVME };
	struct iou_result res = { .res = -EIO,
				  .nvme_status = 0x281,
				  .reason = IO_UNIFIED_REASON_NVME_STATUS };
	char text[256], little[8];

	EACH(all_REASON, reason);
	EACH(all_PATH, path);
	EACH(all_STAT, stat_name);
	EACH(all_FEAT, feature);
	ok(!strcmp(iou_strreason(9999), unknown), "a reason of the future");
	ok(!strcmp(iou_strpath(9999), "unknown"), "a path of the future");
	ok(!iou_stat_name(9999), "a counter of the future");
	ok(!iou_feature_name(63), "a feature of the future");
	iou_region_strerror(&r, -EINVAL, text, sizeof(text));
	ok(!strncmp(text,
		    "cannot attach storage: Invalid argument: passthrough", 52),
	   "%s", text);
	iou_strresult(&res, text, sizeof(text));
	ok(strstr(text, "NVMe status 0x281"), "%s", text);
	iou_strresult(&res, little, sizeof(little));
	ok(strlen(little) == sizeof(little) - 1, "cut to the buffer: %s",
	   little);
	iou_region_strerror(&r, -EINVAL, little, sizeof(little));
	ok(strlen(little) == sizeof(little) - 1, "cut to the buffer: %s",
	   little);
	return tap_done();
}
