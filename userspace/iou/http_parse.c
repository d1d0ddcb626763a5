// SPDX-License-Identifier: MIT
/* The head of a request: a line, fields, an empty line */
#include <string.h>
#include <strings.h>

#include "http.h"

static bool is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is(struct http_text t, const char *word)
{
	return t.len == strlen(word) && !memcmp(t.at, word, t.len);
}

static bool is_like(struct http_text t, const char *word)
{
	return t.len == strlen(word) && !strncasecmp(t.at, word, t.len);
}

static struct http_text trim(struct http_text t)
{
	while (t.len && (*t.at == ' ' || *t.at == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* The next of a list with commas between; returns false at its end. */
static bool next_word(struct http_text *list, struct http_text *word)
{
	const char *comma;

	do {
		if (!list->len)
			return false;
		comma = memchr(list->at, ',', list->len);
		word->at = list->at;
		word->len = comma ? (size_t)(comma - list->at) : list->len;
		list->at += word->len + (comma ? 1 : 0);
		list->len -= word->len + (comma ? 1 : 0);
		*word = trim(*word);
	} while (!word->len);
	return true;
}

/* ------------------------------------------------------------- where it ends */

/*
 * Line ends are CR LF. A LF or CR alone, a 0: others may see another request in
 * it than we do. This is known before the request is there in full.
 */
static int find_end(const char *buf, size_t len, size_t *scanned)
{
	size_t i;

	for (i = *scanned; i < len; i++) {
		if (i == HTTP_MAX_HEAD)
			return -431;
		if (!buf[i])
			return -400;
		if (buf[i] == '\r') {
			if (i + 1 == len)
				break;
			if (buf[i + 1] != '\n')
				return -400;
		} else if (buf[i] == '\n') {
			if (!i || buf[i - 1] != '\r')
				return -400;
			if (i >= 3 && buf[i - 2] == '\n')
				return (int)i + 1;
		}
	}
	*scanned = i;
	return 0;
}

/* ------------------------------------------------------------ the first line */

static enum http_method method_of(struct http_text t)
{
	static const char *const others[] = {
		"POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH",
	};
	size_t i;

	if (is(t, "GET"))
		return HTTP_GET;
	if (is(t, "HEAD"))
		return HTTP_HEAD;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is(t, others[i]))
			return HTTP_OTHER;
	return HTTP_UNKNOWN;
}

static int parse_version(struct http_request *q, struct http_text t)
{
	if (t.len != 8 || memcmp(t.at, "HTTP/", 5) || t.at[6] != '.' ||
	    t.at[5] < '0' || t.at[5] > '9' || t.at[7] < '0' || t.at[7] > '9')
		return -400;
	if (t.at[5] != '1')
		return -505;
	q->minor = (unsigned int)(t.at[7] - '0');
	return 0;
}

/* A path, or a whole URL as for a proxy, of which only the path counts. */
static int parse_target(struct http_request *q, struct http_text t)
{
	const char *slash;
	size_t i;

	if (!t.len)
		return -400;
	for (i = 0; i < t.len; i++)
		if ((unsigned char)t.at[i] <= ' ' || t.at[i] == 0x7f)
			return -400;
	if (t.len > 7 && !strncasecmp(t.at, "http://", 7)) {
		static const char root[] = "/";

		slash = memchr(t.at + 7, '/', t.len - 7);
		if (slash == t.at + 7)
			return -400;
		q->path.at = slash ? slash : root;
		q->path.len = slash ? (size_t)(t.at + t.len - slash) : 1;
		return 0;
	}
	/* what OPTIONS and CONNECT have there is refused with them */
	if (*t.at != '/' && (q->method == HTTP_GET || q->method == HTTP_HEAD))
		return -400;
	q->path = t;
	return 0;
}

static int parse_line(struct http_request *q, struct http_text line)
{
	struct http_text method, target, version;
	const char *a = memchr(line.at, ' ', line.len);
	const char *b = memrchr(line.at, ' ', line.len);
	size_t i;
	int err;

	if (line.len > HTTP_MAX_LINE)
		return -414;
	if (!a || a == b)
		return -400;
	method.at = line.at;
	method.len = (size_t)(a - line.at);
	target.at = a + 1;
	target.len = (size_t)(b - a - 1);
	version.at = b + 1;
	version.len = (size_t)(line.at + line.len - b - 1);
	if (!method.len)
		return -400;
	for (i = 0; i < method.len; i++)
		if (!is_token((unsigned char)method.at[i]))
			return -400;
	q->method = method_of(method);
	err = parse_version(q, version);
	return err ? err : parse_target(q, target);
}

/* ------------------------------------------------------------------- fields */

struct seen {
	unsigned int hosts;
	bool length;
	bool coding;
	bool body;
	bool close;
	bool keep;
	bool expects;
};

/* A body would have to be read: that it is 0 bytes must be beyond doubt. */
static int content_length(struct seen *seen, struct http_text value)
{
	size_t i;

	if (seen->length || !value.len || value.len > 19)
		return -400;
	seen->length = true;
	for (i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return -400;
		if (value.at[i] != '0')
			seen->body = true;
	}
	return 0;
}

static void connection(struct seen *seen, struct http_text value)
{
	struct http_text word;

	while (next_word(&value, &word)) {
		if (is_like(word, "close"))
			seen->close = true;
		else if (is_like(word, "keep-alive"))
			seen->keep = true;
	}
}

static int keep(struct http_text *where, struct http_text value)
{
	/* a list may be sent in parts; none that we read is worth joining */
	if (where->at)
		return -400;
	*where = value;
	return 0;
}

static int take_field(struct http_request *q, struct seen *seen,
		      struct http_text name, struct http_text value)
{
	if (is_like(name, "host"))
		return seen->hosts++ ? -400 : 0;
	if (is_like(name, "content-length"))
		return content_length(seen, value);
	if (is_like(name, "transfer-encoding"))
		seen->coding = true;
	else if (is_like(name, "connection"))
		connection(seen, value);
	else if (is_like(name, "expect"))
		seen->expects = !is_like(value, "100-continue");
	else if (is_like(name, "range"))
		return keep(&q->range, value);
	else if (is_like(name, "if-range"))
		return keep(&q->if_range, value);
	else if (is_like(name, "if-match"))
		return keep(&q->if_match, value);
	else if (is_like(name, "if-none-match"))
		return keep(&q->if_none_match, value);
	else if (is_like(name, "if-modified-since"))
		return keep(&q->if_modified_since, value);
	else if (is_like(name, "if-unmodified-since"))
		return keep(&q->if_unmodified_since, value);
	return 0;
}

static int parse_field(struct http_request *q, struct seen *seen,
		       struct http_text line)
{
	struct http_text name, value;
	const char *colon = memchr(line.at, ':', line.len);
	size_t i;

	/* a line that goes on with the one before it has a space here, too */
	if (!colon || colon == line.at)
		return -400;
	name.at = line.at;
	name.len = (size_t)(colon - line.at);
	for (i = 0; i < name.len; i++)
		if (!is_token((unsigned char)name.at[i]))
			return -400;
	value.at = colon + 1;
	value.len = line.len - name.len - 1;
	for (i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return -400;
	}
	return take_field(q, seen, name, trim(value));
}

/* What only all fields together can show. */
static int judge(struct http_request *q, const struct seen *seen)
{
	if (!seen->hosts && q->minor)
		return -400;
	/* who sends both wants two readers to disagree */
	if (seen->coding && (seen->length || !q->minor))
		return -400;
	if (q->method == HTTP_UNKNOWN)
		return -501;
	if (q->method == HTTP_OTHER)
		return -405;
	if (seen->coding)
		return -501;
	if (seen->body)
		return -413;
	if (seen->expects)
		return -417;
	q->keep_alive = !seen->close && (q->minor || seen->keep);
	return 0;
}

static struct http_text line_of(const char *at, const char *end)
{
	struct http_text line = { at, 0 };
	const char *cr = memchr(at, '\r', (size_t)(end - at));

	line.len = (size_t)(cr - at);
	return line;
}

/* @at: its first line; @end: behind the empty line. */
static int parse_head(struct http_request *q, const char *at, const char *end)
{
	struct http_text line = line_of(at, end);
	struct seen seen = { 0 };
	unsigned int fields = 0;
	int err;

	err = parse_line(q, line);
	for (;;) {
		at = line.at + line.len + 2;
		line = line_of(at, end);
		if (err || !line.len)
			break;
		if (fields++ == HTTP_MAX_FIELDS)
			err = -431;
		else
			err = parse_field(q, &seen, line);
	}
	return err ? err : judge(q, &seen);
}

int http_parse(struct http_request *q, const char *buf, size_t len,
	       size_t *scanned)
{
	size_t skip = 0;
	int end, err;

	memset(q, 0, sizeof(*q));
	q->method = HTTP_UNKNOWN;
	q->minor = 1;
	/* an empty line behind a request of old was nothing unusual */
	if (len >= 2 && buf[0] == '\r' && buf[1] == '\n')
		skip = 2;
	if (*scanned < skip)
		*scanned = skip;
	end = find_end(buf, len, scanned);
	if (end == -431 && !memchr(buf + skip, '\r', HTTP_MAX_LINE))
		end = -414;
	if (end == 0 && len - skip > HTTP_MAX_LINE &&
	    !memchr(buf + skip, '\r', HTTP_MAX_LINE))
		end = -414;
	if (end <= 0)
		return end;
	/* two empty lines, and nothing else */
	if ((size_t)end <= skip + 2)
		return -400;
	err = parse_head(q, buf + skip, buf + end);
	return err ? err : end;
}
