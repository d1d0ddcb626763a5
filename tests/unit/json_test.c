// SPDX-License-Identifier: MIT
/* JSON: strings of any bytes are strings of UTF-8. */
#include <stdlib.h>

#include "iou.h"
#include "tap.h"

static void string(const char *s, const char *want)
{
	struct json j = { .compact = true };
	char *got = NULL;
	size_t len = 0;

	j.f = open_memstream(&got, &len);
	json_begin(&j, NULL, '[');
	json_string(&j, NULL, s);
	json_end(&j, ']');
	fclose(j.f);
	ok(!strncmp(got, "[\"", 2) && !strncmp(got + 2, want, strlen(want)) &&
		   !strcmp(got + 2 + strlen(want), "\"]\n"),
	   "a string becomes %s", want);
	free(got);
}

int main(void)
{
	string("", "");
	string("nvme0n1", "nvme0n1");
	string("\"\\\n\x1b[1m\x7f", "\\\"\\\\\\u000a\\u001b[1m\\u007f");
	string("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	string("\xe2\x82\xac \xf0\x9f\x8c\x8d",
	       "\xe2\x82\xac \xf0\x9f\x8c\x8d");
	/* no byte may begin so, and none follows */
	string("a\x80z", "a\\ufffdz");
	string("\xff\xfe", "\\ufffd\\ufffd");
	string("\xc3", "\\ufffd");
	string("\xc3z", "\\ufffdz");
	string("\xe2\x82", "\\ufffd\\ufffd");
	/* longer than they have to be */
	string("\xc0\xaf", "\\ufffd\\ufffd");
	string("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd");
	string("\xf0\x80\x80\xaf", "\\ufffd\\ufffd\\ufffd\\ufffd");
	/* half of a pair, and past the last one */
	string("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");
	string("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
	string("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
	return tap_done();
}
