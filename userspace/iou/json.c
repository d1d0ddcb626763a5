// SPDX-License-Identifier: MIT
/* JSON on a stream: just what the subcommands print. */
#include "iou.h"

static void string(struct json *j, const char *s)
{
	fputc('"', j->f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(j->f, "\\%c", c);
		else if (c < 0x20)
			fprintf(j->f, "\\u%04x", c);
		else
			fputc(c, j->f);
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
