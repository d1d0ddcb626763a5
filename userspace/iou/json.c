// SPDX-License-Identifier: MIT
/* JSON on a stream: just what the subcommands print. */
#include "iou.h"

/* Bytes of the character at @s that is not ASCII; 0: it is none of UTF-8. */
static size_t utf8_len(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	const size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c = p[0] & (0x7fu >> len);
	size_t i;

	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	/* longer than it has to be, half of a pair, past the last one */
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) ||
	    (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	return len;
}

/* Names of files and processes are any bytes; a reader takes UTF-8 alone. */
static void string(struct json *j, const char *s)
{
	size_t len;

	fputc('"', j->f);
	for (; *s; s += len) {
		unsigned char c = (unsigned char)*s;

		len = 1;
		if (c == '"' || c == '\\') {
			fprintf(j->f, "\\%c", c);
		} else if (c < 0x20 || c == 0x7f) {
			fprintf(j->f, "\\u%04x", c);
		} else if (c < 0x80) {
			fputc(c, j->f);
		} else {
			len = utf8_len(s);
			if (len)
				fwrite(s, 1, len, j->f);
			else
				fputs("\\ufffd", j->f);
			len += !len;
		}
	}
	fputc('"', j->f);
}

static void next(struct json *j, const char *key)
{
	if (j->depth) {
		if (j->more[j->depth])
			fputc(',', j->f);
		if (j->compact)
			fputs(j->more[j->depth] ? " " : "", j->f);
		else
			fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
		j->more[j->depth] = true;
	}
	if (key) {
		string(j, key);
		fputs(": ", j->f);
	}
}

void json_begin(struct json *j, const char *key, char bracket)
{
	next(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->more[j->depth] = false;
}

void json_end(struct json *j, char bracket)
{
	bool had = j->more[j->depth];

	j->depth--;
	if (had && !j->compact)
		fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
	fputc(bracket, j->f);
	if (!j->depth)
		fputc('\n', j->f);
}

void json_string(struct json *j, const char *key, const char *value)
{
	next(j, key);
	string(j, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	next(j, key);
	fprintf(j->f, "%llu", (unsigned long long)value);
}

void json_double(struct json *j, const char *key, double value)
{
	next(j, key);
	fprintf(j->f, "%.6f", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	next(j, key);
	fputs(value ? "true" : "false", j->f);
}
