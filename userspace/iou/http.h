/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1, as far as a server of GET and HEAD needs it
 *
 * Nothing is copied and nothing is allocated: what a request says are ranges of
 * the buffer that it was received into. The parser is strict. What two readers
 * could understand differently is refused.
 */
#ifndef IOU_HTTP_H
#define IOU_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HTTP_MAX_HEAD 8192 /* bytes of a request, to its empty line */
#define HTTP_MAX_LINE 4096 /* of its first line */
#define HTTP_MAX_FIELDS 100
#define HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_OTHER, /* known, and not for us: 405 */
	HTTP_UNKNOWN, /* 501 */
};

struct http_text {
	const char *at; /* NULL: there is none */
	size_t len;
};

struct http_request {
	enum http_method method;
	unsigned int minor; /* of the version: HTTP/1.minor */
	bool keep_alive;
	struct http_text path; /* as sent: see http_decode() */
	struct http_text range;
	struct http_text if_range;
	struct http_text if_match;
	struct http_text if_none_match;
	struct http_text if_modified_since;
	struct http_text if_unmodified_since;
};

/**
 * http_parse() - a request, if it is all there
 * @q: filled; on an error method and minor are as far as they are known
 * @buf: what was received
 * @len: bytes at @buf
 * @scanned: bytes that were looked at before; 0 for a new request
 *
 * Return: bytes of the request; 0: there is more to come; or the status that it
 * is to be refused with, negative. After that nothing is known of what follows.
 */
int http_parse(struct http_request *q, const char *buf, size_t len,
	       size_t *scanned);

/**
 * http_decode() - the path of a request, without query and percent signs
 * @path: from http_request.path
 * @out: where to, with a 0 behind it
 * @size: bytes at @out
 *
 * Return: its length, or -400, -414.
 */
int http_decode(struct http_text path, char *out, size_t size);

enum http_range {
	HTTP_RANGE_ALL, /* none, one that is not understood, or several */
	HTTP_RANGE_PART,
	HTTP_RANGE_OUTSIDE, /* 416 */
};

/**
 * http_range() - a single range of bytes
 * @range: the field's value
 * @size: bytes of the object
 * @first: out: the first byte
 * @end: out: behind the last byte
 */
enum http_range http_range(struct http_text range, uint64_t size,
			   uint64_t *first, uint64_t *end);

/**
 * http_etag_in() - is a tag in the list of a condition?
 * @list: the field's value
 * @etag: a strong one, with its quotes
 * @weak: a weak one in the list will do
 */
bool http_etag_in(struct http_text list, const char *etag, bool weak);

/* @out: HTTP_DATE_LEN bytes and a 0. */
void http_date(time_t t, char *out);
/* All three formats. Returns false: it is none. */
bool http_parse_date(struct http_text text, time_t *out);

/* "Not Found" */
const char *http_reason(int status);
/* By the extension of a name. */
const char *http_type(const char *name);

#endif /* IOU_HTTP_H */
