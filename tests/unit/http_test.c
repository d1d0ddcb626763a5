// SPDX-License-Identifier: MIT
/* Requests as they should be, and as they should not. */
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "tap.h"

#define HOST "Host: a\r\n"

/* In memory of its own size, so that a tool sees what is read behind it. */
static int parse(struct http_request *q, const char *text, size_t len)
{
	static char *copy;
	size_t scanned = 0;

	free(copy);
	copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	return http_parse(q, copy, len, &scanned);
}

static void good(const char *what, const char *text)
{
	struct http_request q;
	int n = parse(&q, text, strlen(text));

	ok(n == (int)strlen(text), "%s is accepted (%d)", what, n);
}

static void bad_bytes(const char *what, const char *text, size_t len, int want)
{
	struct http_request q;
	int n = parse(&q, text, len);

	ok(n == -want, "%s is refused with %d (%d)", what, want, -n);
}

static void bad(const char *what, const char *text, int want)
{
	bad_bytes(what, text, strlen(text), want);
}

static bool text_is(struct http_text t, const char *want)
{
	return t.at && t.len == strlen(want) && !memcmp(t.at, want, t.len);
}

/* ------------------------------------------------------------------ parsing */

static void test_valid(void)
{
	static const char all[] =
		"GET /a%20b?q HTTP/1.1\r\nhOsT:  x:80 \r\nRange: bytes=1-2\r\n"
		"If-Range: \"r\"\r\nIf-Match: \"m\"\r\nIf-None-Match: \"n\"\r\n"
		"If-Modified-Since: d1\r\nIf-Unmodified-Since: d2\r\n"
		"X-Odd:\tvalue \xff\r\n\r\n";
	struct http_request q;

	ok(parse(&q, all, strlen(all)) == (int)strlen(all), "many fields");
	ok(q.method == HTTP_GET && q.minor == 1 && q.keep_alive, "GET, 1.1");
	ok(text_is(q.path, "/a%20b?q"), "path");
	ok(text_is(q.range, "bytes=1-2"), "range");
	ok(text_is(q.if_range, "\"r\""), "if-range");
	ok(text_is(q.if_match, "\"m\""), "if-match");
	ok(text_is(q.if_none_match, "\"n\""), "if-none-match");
	ok(text_is(q.if_modified_since, "d1"), "if-modified-since");
	ok(text_is(q.if_unmodified_since, "d2"), "if-unmodified-since");

	good("no field but Host", "GET / HTTP/1.1\r\n" HOST "\r\n");
	good("HEAD", "HEAD / HTTP/1.1\r\n" HOST "\r\n");
	good("1.0 without Host", "GET / HTTP/1.0\r\n\r\n");
	good("a minor version to come", "GET / HTTP/1.7\r\n" HOST "\r\n");
	good("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n");
	good("an empty line before", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
	good("Content-Length: 0",
	     "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	good("Expect: 100-continue",
	     "GET / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n\r\n");
	good("a URL", "GET http://a/b HTTP/1.1\r\n" HOST "\r\n");

	parse(&q, "GET http://a/b HTTP/1.1\r\n" HOST "\r\n", 36);
	ok(text_is(q.path, "/b"), "path of a URL");
	parse(&q, "GET http://a HTTP/1.1\r\n" HOST "\r\n", 34);
	ok(text_is(q.path, "/"), "path of a URL without one");
}

static bool keeps(const char *line, const char *fields)
{
	struct http_request q;
	char text[256];

	snprintf(text, sizeof(text), "GET / %s\r\n" HOST "%s\r\n", line,
		 fields);
	return parse(&q, text, strlen(text)) > 0 && q.keep_alive;
}

static void test_keep_alive(void)
{
	ok(keeps("HTTP/1.1", ""), "1.1 keeps the connection");
	ok(!keeps("HTTP/1.1", "Connection: close\r\n"), "unless close");
	ok(!keeps("HTTP/1.1", "Connection: x , CLOSE\r\n"), "in a list");
	ok(!keeps("HTTP/1.1", "Connection: x\r\nConnection: close\r\n"),
	   "in a second field");
	ok(keeps("HTTP/1.1", "Connection: closed\r\n"), "closed is not close");
	ok(!keeps("HTTP/1.0", ""), "1.0 does not");
	ok(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"),
	   "unless keep-alive");
	ok(!keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"),
	   "close has the last word");
}

static void test_malformed(void)
{
	static const char nul[] = "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n";
	static const char nul_line[] = "GET /\0 HTTP/1.1\r\n" HOST "\r\n";

	bad("an empty request", "\r\n\r\n", 400);
	bad("no version", "GET /\r\n\r\n", 400);
	bad("no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("no method", " / HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("a tab in the target", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("a space behind", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400);
	bad("a target without slash", "GET a HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("a URL without host", "GET http:///a HTTP/1.1\r\n" HOST "\r\n",
	    400);
	bad("a method that is no token", "G@T / HTTP/1.1\r\n" HOST "\r\n", 400);
	bad("a protocol that is not", "GET / HTTQ/1.1\r\n" HOST "\r\n", 400);
	bad("a lower-case protocol", "GET / http/1.1\r\n" HOST "\r\n", 400);
	bad("a long version", "GET / HTTP/1.11\r\n" HOST "\r\n", 400);
	bad("version 2", "GET / HTTP/2.0\r\n" HOST "\r\n", 505);
	bad("what opens HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
	bad("version 0", "GET / HTTP/0.9\r\n\r\n", 505);
	bad("a method of others", "POST / HTTP/1.1\r\n" HOST "\r\n", 405);
	bad("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405);
	bad("CONNECT", "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 405);
	bad("a method of nobody", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501);
	bad("a lower-case method", "get / HTTP/1.1\r\n" HOST "\r\n", 501);
	bad("no Host", "GET / HTTP/1.1\r\n\r\n", 400);
	bad("two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400);
	bad("a field without colon", "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n",
	    400);
	bad("a field without name", "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n",
	    400);
	bad("a space before the colon",
	    "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400);
	bad("a control character", "GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n",
	    400);
	bad_bytes("a 0 in a field", nul, sizeof(nul) - 1, 400);
	bad_bytes("a 0 in the line", nul_line, sizeof(nul_line) - 1, 400);
	bad("two Ranges",
	    "GET / HTTP/1.1\r\n" HOST "Range: a\r\nRange: b\r\n\r\n", 400);
	bad("an expectation", "GET / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n",
	    417);
	bad("a TLS hello", "\x16\x03\x01\x02", 0);
	bad_bytes("a TLS hello in full", "\x16\x03\x01\x02\x00\x01", 6, 400);
}

/* What two readers could take for different requests. */
static void test_smuggling(void)
{
#define TRY(what, fields, want) \
	bad(what, "GET / HTTP/1.1\r\n" HOST fields "\r\n", want)
	TRY("a body", "Content-Length: 5\r\n", 413);
	TRY("two lengths", "Content-Length: 0\r\nContent-Length: 0\r\n", 400);
	TRY("two different lengths",
	    "Content-Length: 0\r\nContent-Length: 5\r\n", 400);
	TRY("a list of lengths", "Content-Length: 0, 0\r\n", 400);
	TRY("a negative length", "Content-Length: -1\r\n", 400);
	TRY("a length with a sign", "Content-Length: +0\r\n", 400);
	TRY("a hexadecimal length", "Content-Length: 0x5\r\n", 400);
	TRY("an empty length", "Content-Length:\r\n", 400);
	TRY("a length beyond 64 bits",
	    "Content-Length: 18446744073709551616\r\n", 400);
	TRY("chunks", "Transfer-Encoding: chunked\r\n", 501);
	TRY("chunks and a length",
	    "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400);
	TRY("chunks in disguise", "Transfer-Encoding: xchunked\r\n", 501);
	TRY("chunks behind a space", "Transfer-Encoding : chunked\r\n", 400);
	TRY("a folded field", "A: b\r\n c\r\n", 400);
	TRY("a field folded by a tab", "A: b\r\n\tContent-Length: 5\r\n", 400);
	TRY("a LF alone", "A: b\nContent-Length: 5\r\n", 400);
	TRY("a CR alone", "A: b\rContent-Length: 5\r\n", 400);
	TRY("CR CR LF", "A: b\r\r\n", 400);
#undef TRY
	bad("LFs alone", "GET / HTTP/1.1\nHost: a\n\n", 400);
	bad("a folded first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
	bad("chunks in 1.0",
	    "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
	bad("a body of POST",
	    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 405);
}

static void test_truncated(void)
{
	static const char text[] = "\r\nGET /a HTTP/1.1\r\n" HOST
				   "Range: bytes=1-2\r\n\r\n";
	size_t len = strlen(text), n, scanned = 0;
	struct http_request q;
	bool all = true;

	for (n = 0; n < len; n++)
		all = all && parse(&q, text, n) == 0;
	ok(all, "a request without its end is waited for, wherever it ends");
	/* as it comes, byte by byte, and never from its start again */
	for (n = 0; n < len; n++)
		all = all && !http_parse(&q, text, n, &scanned) &&
		      scanned + 1 >= n;
	ok(all && http_parse(&q, text, len, &scanned) == (int)len,
	   "byte by byte");
}

static void test_huge(void)
{
	const size_t size = 4 * HTTP_MAX_HEAD;
	char *text = malloc(size);
	struct http_request q;
	size_t n;
	int i;

	memset(text, 'a', size);
	memcpy(text, "GET /", 5);
	ok(parse(&q, text, HTTP_MAX_LINE) == 0, "a line of %d is waited for",
	   HTTP_MAX_LINE);
	ok(parse(&q, text, HTTP_MAX_LINE + 1) == -414, "a longer one is not");
	ok(parse(&q, text, size) == -414, "nor a huge one");
	memcpy(text + HTTP_MAX_LINE - 9, " HTTP/1.1\r\n" HOST "\r\n", 22);
	ok(parse(&q, text, HTTP_MAX_LINE + 13) == HTTP_MAX_LINE + 13,
	   "the longest line");

	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" HOST "A: ");
	memset(text + n, 'a', size - n);
	ok(parse(&q, text, HTTP_MAX_HEAD) == 0, "%d bytes are waited for",
	   HTTP_MAX_HEAD);
	ok(parse(&q, text, HTTP_MAX_HEAD + 1) == -431, "more are not");
	memcpy(text + HTTP_MAX_HEAD - 4, "\r\n\r\n", 4);
	ok(parse(&q, text, HTTP_MAX_HEAD) == HTTP_MAX_HEAD,
	   "the longest request");

	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" HOST);
	for (i = 1; i < HTTP_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "A: %d\r\n", i);
	strcpy(text + n, "\r\n");
	ok(parse(&q, text, n + 2) == (int)n + 2, "%d fields", HTTP_MAX_FIELDS);
	strcpy(text + n, "B:\r\n\r\n");
	ok(parse(&q, text, n + 6) == -431, "one more");
	free(text);
}

static void test_pipelined(void)
{
	static const char one[] = "GET /1 HTTP/1.1\r\n" HOST "\r\n";
	const int len = (int)strlen(one);
	struct http_request q;
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s", one, one, "BAD\r\n\r\n");
	ok(parse(&q, text, strlen(text)) == len, "the first of three");
	ok(parse(&q, text + len, strlen(text + len)) == len, "the second");
	ok(parse(&q, text + 2 * len, strlen(text + 2 * len)) == -400,
	   "the third is bad");
	snprintf(text, sizeof(text), "%sG", one);
	ok(parse(&q, text, strlen(text)) == len, "one, and a byte of another");
	/* what is wrong behind it does not matter yet */
	snprintf(text, sizeof(text), "%s\n", one);
	ok(parse(&q, text, strlen(text)) == len, "one, and a wrong byte");
}

/* ------------------------------------------------------------------ meaning */

static void decodes(const char *path, const char *want)
{
	struct http_text t = { path, strlen(path) };
	char out[32];
	int n = http_decode(t, out, sizeof(out));

	ok(n == (int)strlen(want) && !strcmp(out, want), "'%s' is '%s'", path,
	   want);
}

static void no_path(const char *path, int want)
{
	struct http_text t = { path, strlen(path) };
	char out[32];

	ok(http_decode(t, out, sizeof(out)) == -want, "'%s' is refused", path);
}

static void test_decode(void)
{
	decodes("/", "/");
	decodes("/a%20b", "/a b");
	decodes("/a%2fb%41", "/a/bA");
	decodes("/a?b#c", "/a");
	decodes("/%25%32%65", "/%2e");
	decodes("/+", "/+");
	no_path("/%", 400);
	no_path("/%2", 400);
	no_path("/%2g", 400);
	no_path("/%00", 400);
	no_path("/a%00.html", 400);
	no_path("/%u0041", 400);
	no_path("/2345678901234567890123456789012", 414);
	decodes("/234567890123456789012345678901",
		"/234567890123456789012345678901");
}

static void range(const char *text, enum http_range want, uint64_t from,
		  uint64_t to)
{
	struct http_text t = { text, strlen(text) };
	uint64_t first, end;
	enum http_range got = http_range(t, 1000, &first, &end);

	ok(got == want &&
		   (want == HTTP_RANGE_OUTSIDE || (first == from && end == to)),
	   "'%s' of 1000", text);
}

static void test_range(void)
{
	struct http_text t = { "bytes=-5", 8 }, none = { NULL, 0 };
	uint64_t first, end;

	range("bytes=0-0", HTTP_RANGE_PART, 0, 1);
	range("bytes=10-19", HTTP_RANGE_PART, 10, 20);
	range("Bytes=10-", HTTP_RANGE_PART, 10, 1000);
	range("bytes=999-", HTTP_RANGE_PART, 999, 1000);
	range("bytes=0-5000", HTTP_RANGE_PART, 0, 1000);
	range("bytes=0-99999999999999999999999", HTTP_RANGE_PART, 0, 1000);
	range("bytes=-1", HTTP_RANGE_PART, 999, 1000);
	range("bytes=-5000", HTTP_RANGE_PART, 0, 1000);
	range("bytes=-0", HTTP_RANGE_OUTSIDE, 0, 0);
	range("bytes=1000-", HTTP_RANGE_OUTSIDE, 0, 0);
	range("bytes=99999999999999999999999-", HTTP_RANGE_OUTSIDE, 0, 0);
	range("bytes=5-4", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=0-1,5-6", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=-", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=a-b", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=1-2x", HTTP_RANGE_ALL, 0, 1000);
	range("bytes=1", HTTP_RANGE_ALL, 0, 1000);
	range("lines=1-2", HTTP_RANGE_ALL, 0, 1000);
	ok(http_range(none, 10, &first, &end) == HTTP_RANGE_ALL && !first &&
		   end == 10,
	   "no range");
	ok(http_range(t, 0, &first, &end) == HTTP_RANGE_OUTSIDE,
	   "of nothing there is no end");
}

static void in_list(const char *list, bool weak, bool want)
{
	struct http_text t = { list, strlen(list) };

	ok(http_etag_in(t, "\"a,b\"", weak) == want, "\"a,b\" is %sin %s%s",
	   want ? "" : "not ", list, weak ? ", weak" : "");
}

static void test_etag(void)
{
	in_list("*", true, true);
	in_list("\"a,b\"", false, true);
	in_list("\"x\", \"a,b\"", false, true);
	in_list("\"x\",W/\"a,b\"", true, true);
	in_list("W/\"a,b\"", false, false);
	in_list("\"a,b", true, false);
	in_list("a,b", true, false);
	in_list("\"a\",\"b\"", true, false);
	in_list("\"a,b\"x", true, true);
	in_list("\"", true, false);
	in_list("W/", true, false);
	in_list("", true, false);
}

static void date(const char *text, bool want)
{
	struct http_text t = { text, strlen(text) };
	time_t got = 0;
	bool is = http_parse_date(t, &got);

	ok(is == want && (!want || got == 784111777), "'%s' is %sa date", text,
	   want ? "" : "not ");
}

static void test_date(void)
{
	char out[HTTP_DATE_LEN + 1];

	http_date(784111777, out);
	ok(!strcmp(out, "Sun, 06 Nov 1994 08:49:37 GMT"), "%s", out);
	date("Sun, 06 Nov 1994 08:49:37 GMT", true);
	date("Sunday, 06-Nov-94 08:49:37 GMT", true);
	date("Sun Nov  6 08:49:37 1994", true);
	date("Sun, 06 Nov 1994 08:49:37", false);
	date("Sun, 06 Nov 1994 08:49:37 GMT and more", false);
	date("yesterday", false);
	date("", false);
	date("Sun, 06 Nov 1994 08:49:37 GMT                                   ",
	     false);
}

static void test_words(void)
{
	ok(!strcmp(http_type("/a.HTML"), "text/html"), "type of a.HTML");
	ok(!strcmp(http_type("/a.tar.gz"), "application/gzip"), "of a.tar.gz");
	ok(!strcmp(http_type("/a.html/b"), "application/octet-stream"),
	   "of a.html/b");
	ok(!strcmp(http_type("/a"), "application/octet-stream"), "of a");
	ok(!strcmp(http_reason(416), "Range Not Satisfiable"), "reason of 416");
}

/* Whatever comes, it is judged inside its bounds. */
static void test_random(void)
{
	static const char seed_text[] =
		"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
		"Range: bytes=1-2\r\nConnection: close\r\n\r\n";
	unsigned int seed = 1, i, statuses = 0;
	char text[sizeof(seed_text)];
	struct http_request q;

	for (i = 0; i < 200000; i++) {
		size_t at = (size_t)rand_r(&seed) % (sizeof(text) - 1);
		int n;

		memcpy(text, seed_text, sizeof(text));
		text[at] = (char)rand_r(&seed);
		text[(size_t)rand_r(&seed) % (sizeof(text) - 1)] =
			"\r\n :,\0"[rand_r(&seed) % 6];
		n = parse(&q, text, (size_t)rand_r(&seed) % sizeof(text));
		statuses += n < 0 && n > -400;
		statuses += n < -505 || n > (int)sizeof(text);
	}
	ok(!statuses, "200000 damaged requests end with a status or a length");
}

int main(void)
{
	test_valid();
	test_keep_alive();
	test_malformed();
	test_smuggling();
	test_truncated();
	test_huge();
	test_pipelined();
	test_decode();
	test_range();
	test_etag();
	test_date();
	test_words();
	test_random();
	return tap_done();
}
