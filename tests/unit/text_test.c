// SPDX-License-Identifier: MIT
/* Every number of the header has its words. */
#include <errno.h>
#include <iounified.h>
#include <ctype.h>

#include "names.h"
#include "tap.h"

static const char unknown[] =
	"the module gave a reason that this library is too old to know: update it";

static void reason(const char *name, unsigned int r)
{
	const char *s = iou_strreason(r);
	bool good = r == 0 ? !*s : strcmp(s, unknown) && strlen(s) > 10;

	/* one line, that goes on after a colon */
	good = good && !strchr(s, '\n') && (!*s || s[strlen(s) - 1] != '.');
	ok(good, "%s: %s", name, s);
}

static void path(const char *name, unsigned int p)
{
	ok(strcmp(iou_strpath(p), "unknown"), "%s: %s", name, iou_strpath(p));
}

/* The counter's name in the header, in lower case. */
static void stat_name(const char *name, unsigned int s)
{
	const char *want = name + strlen("IO_UNIFIED_STAT_");
	const char *got = iou_stat_name(s);
	size_t i;

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

#define REASON(x) reason(#x, x);
#define PATH(x) path(#x, x);
#define STAT(x)                      \
	if (x < IO_UNIFIED_STAT_MAX) \
		stat_name(#x, x);
#define FEATURE(x) feature(#x, x);

int main(void)
{
	struct iou_region r = { .step = "attach storage",
				.reason = IO_UNIFIED_REASON_NOT_NVME };
	struct iou_result res = { .res = -EIO,
				  .nvme_status = 0x281,
				  .reason = IO_UNIFIED_REASON_NVME_STATUS };
	char text[256], little[8];

	EACH_REASON(REASON)
	EACH_PATH(PATH)
	EACH_STAT(STAT)
	EACH_FEAT(FEATURE)
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
