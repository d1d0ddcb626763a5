// SPDX-License-Identifier: MIT
/* iou serve: from a request to a status, a head and a range of bytes */
#include <stdarg.h>

#include "serve.h"

/* What a response is made of. */
struct answer {
	int status;
	struct serve_object *object; /* NULL: only words */
	uint64_t first;
	uint64_t end;
};

__attribute__((format(printf, 3, 4))) static void
line(struct serve_reply *r, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->head + r->head_len, size - r->head_len, fmt, ap);
	va_end(ap);
	/* it was made for all that there can be */
	if (n > 0 && (size_t)n < size - r->head_len)
		r->head_len = (uint16_t)(r->head_len + n);
}

#define LINE(r, ...) line(r, sizeof((r)->head), __VA_ARGS__)

static void count(struct serve *s, int status)
{
	s->stats.status[status / 100 % 6]++;
}

static void begin(struct serve *s, struct serve_conn *c, int status,
		  unsigned int minor)
{
	struct serve_reply *r = &c->reply;

	count(s, status);
	r->active = true;
	r->object = NULL;
	r->head_len = 0;
	LINE(r, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: iou\r\n", status,
	     http_reason(status), s->date);
	if (c->closing)
		LINE(r, "Connection: close\r\n");
	else if (!minor)
		LINE(r, "Connection: keep-alive\r\n");
}

static void words(struct serve_reply *r, int status, bool head_only)
{
	const char *reason = http_reason(status);

	LINE(r, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
	     strlen(reason) + 5);
	if (!head_only)
		LINE(r, "%d %s\n", status, reason);
}

void reply_status(struct serve *s, struct serve_conn *c, int status,
		  bool head_only, bool close)
{
	c->closing |= close;
	begin(s, c, status, 1);
	if (status == 405)
		LINE(&c->reply, "Allow: GET, HEAD\r\n");
	words(&c->reply, status, head_only);
}

size_t reply_failure(struct serve *s, int status, char *out)
{
	const char *reason = http_reason(status);

	return (size_t)snprintf(
		out, SERVE_HEAD,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nServer: iou\r\n"
		"Connection: close\r\nContent-Type: text/plain\r\n"
		"Content-Length: %zu\r\n\r\n%d %s\n",
		status, reason, s->date, strlen(reason) + 5, status, reason);
}

/* ------------------------------------------------------------------ conditions */

static bool not_after(const struct serve_object *object, struct http_text date,
		      bool otherwise)
{
	time_t t;

	return http_parse_date(date, &t) ? object->modified <= t : otherwise;
}

/* Returns 200, or the status of who need not or must not be served. */
static int conditions(const struct http_request *q,
		      const struct serve_object *object)
{
	if (q->if_match.at) {
		if (!http_etag_in(q->if_match, object->etag, false))
			return 412;
	} else if (q->if_unmodified_since.at &&
		   !not_after(object, q->if_unmodified_since, true)) {
		return 412;
	}
	if (q->if_none_match.at)
		return http_etag_in(q->if_none_match, object->etag, true) ?
			       304 :
			       200;
	if (q->if_modified_since.at &&
	    not_after(object, q->if_modified_since, false))
		return 304;
	return 200;
}

/* Is a part of what the client has still a part of what there is? */
static bool same_as_before(const struct http_request *q,
			   const struct serve_object *object)
{
	time_t t;

	if (!q->if_range.at)
		return true;
	if (q->if_range.len && q->if_range.at[0] == '"')
		return q->if_range.len == strlen(object->etag) &&
		       !memcmp(q->if_range.at, object->etag, q->if_range.len);
	return http_parse_date(q->if_range, &t) && t == object->modified;
}

static void choose_range(const struct http_request *q, struct answer *a)
{
	a->first = 0;
	a->end = a->object->size;
	if (a->status != 200 || q->method != HTTP_GET ||
	    !same_as_before(q, a->object))
		return;
	switch (http_range(q->range, a->object->size, &a->first, &a->end)) {
	case HTTP_RANGE_ALL:
		break;
	case HTTP_RANGE_PART:
		a->status = 206;
		break;
	case HTTP_RANGE_OUTSIDE:
		a->status = 416;
		break;
	}
}

/* ------------------------------------------------------------------- the answer */

static struct serve_object *find(struct serve *s, const struct http_request *q,
				 int *status)
{
	static const char index[] = "index.html";
	static char path[HTTP_MAX_LINE + sizeof(index)];
	struct serve_object *object;
	int n = http_decode(q->path, path, sizeof(path) - sizeof(index));

	*status = n < 0 ? -n : 404;
	if (n < 0)
		return NULL;
	object = object_find(s, path);
	if (!object && n && path[n - 1] == '/') {
		memcpy(path + n, index, sizeof(index));
		object = object_find(s, path);
	}
	if (object)
		*status = object_open(s, object);
	return *status ? NULL : object;
}

static void describe(struct serve_reply *r, const struct answer *a)
{
	const struct serve_object *o = a->object;

	LINE(r, "ETag: %s\r\nLast-Modified: %s\r\n", o->etag, o->modified_text);
	if (a->status == 304)
		return;
	LINE(r, "Accept-Ranges: bytes\r\nContent-Type: %s\r\n", o->type);
	LINE(r, "Content-Length: %llu\r\n",
	     (unsigned long long)(a->end - a->first));
	if (a->status == 206)
		LINE(r, "Content-Range: bytes %llu-%llu/%llu\r\n",
		     (unsigned long long)a->first,
		     (unsigned long long)(a->end - 1),
		     (unsigned long long)o->size);
}

static void answer(struct serve *s, struct serve_conn *c,
		   const struct http_request *q, const struct answer *a)
{
	struct serve_reply *r = &c->reply;
	bool body = q->method == HTTP_GET && a->status != 304 &&
		    a->first < a->end;

	begin(s, c, a->status, q->minor);
	describe(r, a);
	LINE(r, "\r\n");
	if (body) {
		r->object = a->object;
		r->pos = a->first;
		r->end = a->end;
	} else {
		source_put(s, a->object->source);
	}
}

void reply_start(struct serve *s, struct serve_conn *c,
		 const struct http_request *q)
{
	struct answer a = { .status = 0 };
	bool head_only = q->method == HTTP_HEAD;

	c->closing |= !q->keep_alive;
	a.object = find(s, q, &a.status);
	if (!a.object) {
		begin(s, c, a.status, q->minor);
		words(&c->reply, a.status, head_only);
		return;
	}
	a.status = conditions(q, a.object);
	choose_range(q, &a);
	if (a.status == 200 || a.status == 206 || a.status == 304) {
		answer(s, c, q, &a);
		return;
	}
	begin(s, c, a.status, q->minor);
	if (a.status == 416)
		LINE(&c->reply, "Content-Range: bytes */%llu\r\n",
		     (unsigned long long)a.object->size);
	words(&c->reply, a.status, head_only);
	source_put(s, a.object->source);
}
