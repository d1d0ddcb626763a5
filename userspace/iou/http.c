// SPDX-License-Identifier: MIT
/* What the fields of a request mean: paths, ranges, tags, dates */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int http_decode(struct http_text path, char *out, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < path.len && path.at[i] != '?' && path.at[i] != '#';
	     i++) {
		int c = (unsigned char)path.at[i];

		if (c == '%') {
			int high = i + 2 < path.len ? hex(path.at[i + 1]) : -1;
			int low = i + 2 < path.len ? hex(path.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -400;
			c = high * 16 + low;
			i += 2;
		}
		if (!c)
			return -400;
		if (n + 1 >= size)
			return -414;
		out[n++] = (char)c;
	}
	out[n] = 0;
	return (int)n;
}

/* ------------------------------------------------------------------- ranges */

/* Digits up to a character that is none; too large is as large as can be. */
static bool number(struct http_text *t, uint64_t *out)
{
	size_t i;

	*out = 0;
	for (i = 0; i < t->len && t->at[i] >= '0' && t->at[i] <= '9'; i++)
		if (__builtin_mul_overflow(*out, (uint64_t)10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(t->at[i] - '0'),
					   out))
			*out = UINT64_MAX / 100;
	t->at += i;
	t->len -= i;
	return i > 0;
}

enum http_range http_range(struct http_text range, uint64_t size,
			   uint64_t *first, uint64_t *end)
{
	struct http_text t = range;
	uint64_t last;
	bool suffix;

	*first = 0;
	*end = size;
	if (!t.at || t.len < 7 || strncasecmp(t.at, "bytes=", 6))
		return HTTP_RANGE_ALL;
	t.at += 6;
	t.len -= 6;
	suffix = !number(&t, first);
	if (!t.len || *t.at != '-')
		goto all;
	t.at++;
	t.len--;
	if (!number(&t, &last)) {
		if (suffix || t.len)
			goto all;
		last = UINT64_MAX - 1;
	} else if (t.len || (!suffix && last < *first)) {
		goto all;
	}
	if (suffix) {
		if (!last || !size)
			return HTTP_RANGE_OUTSIDE;
		*first = last < size ? size - last : 0;
		return HTTP_RANGE_PART;
	}
	if (*first >= size)
		return HTTP_RANGE_OUTSIDE;
	*end = last < size ? last + 1 : size;
	return HTTP_RANGE_PART;

all:
	*first = 0;
	return HTTP_RANGE_ALL;
}

/* --------------------------------------------------------------------- tags */

bool http_etag_in(struct http_text list, const char *etag, bool weak)
{
	const char *p = list.at, *end = list.at + list.len;
	size_t len = strlen(etag);

	if (list.len == 1 && *p == '*')
		return true;
	while (p < end) {
		bool is_weak = false;
		const char *close;

		if (*p == ',' || *p == ' ' || *p == '\t') {
			p++;
			continue;
		}
		if (end - p > 2 && p[0] == 'W' && p[1] == '/') {
			is_weak = true;
			p += 2;
		}
		close = *p == '"' && p + 1 < end ?
				memchr(p + 1, '"', (size_t)(end - p - 1)) :
				NULL;
		if (!close)
			return false;
		if ((weak || !is_weak) && (size_t)(close + 1 - p) == len &&
		    !memcmp(p, etag, len))
			return true;
		p = close + 1;
	}
	return false;
}

/* -------------------------------------------------------------------- dates */

void http_date(time_t t, char *out)
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, HTTP_DATE_LEN + 1, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

bool http_parse_date(struct http_text text, time_t *out)
{
	/* the one that is sent, and two that were sent long ago */
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %e %H:%M:%S %Y",
	};
	char copy[48];
	size_t i;

	if (!text.at || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(copy, formats[i], &tm);

		if (end && !*end) {
			*out = timegm(&tm);
			return true;
		}
	}
	return false;
}

/* -------------------------------------------------------------------- words */

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

const char *http_type(const char *name)
{
	static const struct {
		const char *extension;
		const char *type;
	} types[] = {
		{ "html", "text/html" },
		{ "htm", "text/html" },
		{ "css", "text/css" },
		{ "js", "text/javascript" },
		{ "mjs", "text/javascript" },
		{ "json", "application/json" },
		{ "xml", "application/xml" },
		{ "txt", "text/plain" },
		{ "md", "text/markdown" },
		{ "csv", "text/csv" },
		{ "svg", "image/svg+xml" },
		{ "png", "image/png" },
		{ "jpg", "image/jpeg" },
		{ "jpeg", "image/jpeg" },
		{ "gif", "image/gif" },
		{ "webp", "image/webp" },
		{ "avif", "image/avif" },
		{ "ico", "image/vnd.microsoft.icon" },
		{ "mp4", "video/mp4" },
		{ "webm", "video/webm" },
		{ "mkv", "video/matroska" },
		{ "ts", "video/mp2t" },
		{ "mp3", "audio/mpeg" },
		{ "m4a", "audio/mp4" },
		{ "ogg", "audio/ogg" },
		{ "flac", "audio/flac" },
		{ "wav", "audio/wav" },
		{ "m3u8", "application/vnd.apple.mpegurl" },
		{ "mpd", "application/dash+xml" },
		{ "pdf", "application/pdf" },
		{ "gz", "application/gzip" },
		{ "zst", "application/zstd" },
		{ "zip", "application/zip" },
		{ "tar", "application/x-tar" },
		{ "wasm", "application/wasm" },
		{ "woff2", "font/woff2" },
		{ "woff", "font/woff" },
	};
	const char *dot = strrchr(name, '.');
	size_t i;

	if (dot && !strchr(dot, '/'))
		for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (!strcasecmp(dot + 1, types[i].extension))
				return types[i].type;
	return "application/octet-stream";
}
