// SPDX-License-Identifier: GPL-2.0
/*
 * A client of iou serve that is everything from polite to hostile
 *
 *	http_client PORT NAME DATA OFFSET SIZE CASE [N]
 *
 * The object NAME has SIZE bytes from OFFSET on of the file DATA, and every byte
 * that comes is compared. The exit status tells; what was wrong is on stdout.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/iou_test.h"

#define MAX_CONNS 1000
#define PATIENCE 30 /* seconds */

static u16 port;
static const char *name;
static const u8 *data;
static u64 size;
static u64 key; /* of the mask that is over the bodies */

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void die(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

/* --------------------------------------------------------------- connections */

struct conn {
	int fd;
	size_t at, len;
	char buf[65536];
};

struct response {
	int status;
	u64 length;
	bool has_length;
	bool close;
	u64 first, last, whole; /* Content-Range */
	char etag[64];
	char modified[40];
	char type[64];
};

static void conn_open(struct conn *c)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct timeval patience = { .tv_sec = PATIENCE };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect: %m");
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->at = 0;
	c->len = 0;
}

static void conn_close(struct conn *c)
{
	close(c->fd);
}

static void conn_reset(struct conn *c)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
}

static void conn_send(struct conn *c, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			die("send: %m");
		p += n;
		len -= (size_t)n;
	}
}

static void say(struct conn *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct conn *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_send(c, text, (size_t)n);
}

/* More bytes; false at the end of the stream, or when it was reset. */
static bool fill(struct conn *c)
{
	ssize_t n;

	if (c->at) {
		c->len -= c->at;
		memmove(c->buf, c->buf + c->at, c->len);
		c->at = 0;
	}
	if (c->len == sizeof(c->buf))
		die("a head of more than 64 KiB");
	n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, 0);
	if (n < 0 && errno != ECONNRESET)
		die("recv: %m");
	if (n <= 0)
		return false;
	c->len += (size_t)n;
	return true;
}

static const char *field(const char *head, const char *want)
{
	const char *p = strcasestr(head, want);

	return p ? p + strlen(want) : NULL;
}

static void copy_field(const char *head, const char *want, char *out,
		       size_t len)
{
	const char *p = field(head, want);
	size_t n = p ? strcspn(p, "\r") : 0;

	if (n >= len)
		n = len - 1;
	memcpy(out, p ? p : "", n);
	out[n] = 0;
}

/* The head of the next response; false: there is none. */
static bool head(struct conn *c, struct response *r)
{
	char *end;
	const char *p;
	unsigned long long a, b, d;

	memset(r, 0, sizeof(*r));
	for (;;) {
		end = memmem(c->buf + c->at, c->len - c->at, "\r\n\r\n", 4);
		if (end)
			break;
		if (!fill(c))
			return false;
	}
	end[2] = 0;
	if (sscanf(c->buf + c->at, "HTTP/1.1 %d ", &r->status) != 1)
		die("no status in '%.60s'", c->buf + c->at);
	p = c->buf + c->at;
	if (field(p, "\r\nContent-Length: ")) {
		r->has_length = true;
		r->length =
			strtoull(field(p, "\r\nContent-Length: "), NULL, 10);
	}
	if (field(p, "\r\nContent-Range: bytes ") &&
	    sscanf(field(p, "\r\nContent-Range: bytes "), "%llu-%llu/%llu", &a,
		   &b, &d) == 3) {
		r->first = a;
		r->last = b;
		r->whole = d;
	}
	if (!field(p, "\r\nDate: "))
		die("no date");
	r->close = field(p, "\r\nConnection: close") != NULL;
	copy_field(p, "\r\nETag: ", r->etag, sizeof(r->etag));
	copy_field(p, "\r\nLast-Modified: ", r->modified, sizeof(r->modified));
	copy_field(p, "\r\nContent-Type: ", r->type, sizeof(r->type));
	c->at = (size_t)(end + 4 - c->buf);
	return true;
}

static void must_head(struct conn *c, struct response *r, int status)
{
	if (!head(c, r))
		die("no response, instead of %d", status);
	if (r->status != status)
		die("status %d, not %d", r->status, status);
}

static void unmask(u8 *p, size_t len, u64 offset)
{
	size_t i;

	for (i = 0; key && i < len; i++)
		p[i] ^= (u8)(key >> (8 * ((offset + i) % 8)));
}

/* @len bytes of the body, which must be those of the object from @from on. */
static void body(struct conn *c, u64 from, u64 len)
{
	while (len) {
		size_t n = c->len - c->at;

		if (!n) {
			if (!fill(c))
				die("%llu bytes are missing",
				    (unsigned long long)len);
			continue;
		}
		if (n > len)
			n = (size_t)len;
		unmask((u8 *)c->buf + c->at, n, from);
		if (memcmp(c->buf + c->at, data + from, n))
			die("wrong bytes at %llu", (unsigned long long)from);
		c->at += n;
		from += n;
		len -= n;
	}
}

static void skip_body(struct conn *c, u64 len)
{
	while (len) {
		u64 n = c->len - c->at;

		if (!n && !fill(c))
			die("%llu bytes are missing", (unsigned long long)len);
		if (n > len)
			n = len;
		c->at += (size_t)n;
		len -= n;
	}
}

static void must_end(struct conn *c)
{
	if (c->at < c->len || fill(c))
		die("the connection was to be closed, but there is more");
}

/* Nothing came of what was done: an ordinary request still gets its answer. */
static void must_live(void)
{
	struct conn *c = malloc(sizeof(*c));
	struct response r;

	conn_open(c);
	say(c, "GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n", name);
	must_head(c, &r, 206);
	body(c, 0, 10);
	conn_close(c);
	free(c);
}

static void range(u64 *first, u64 *len, u64 max)
{
	*first = (u64)random() % size;
	*len = 1 + (u64)random() % max;
	if (*len > size - *first)
		*len = size - *first;
}

/* -------------------------------------------------------------------- cases */

static struct conn one;

static void case_get(int n)
{
	struct response r;

	conn_open(&one);
	while (n--) {
		say(&one, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
		must_head(&one, &r, 200);
		if (r.length != size || !*r.etag || !*r.modified)
			die("length %llu, tag %s, %s",
			    (unsigned long long)r.length, r.etag, r.modified);
		body(&one, 0, size);
	}
	conn_close(&one);
}

static void case_ranges(int n)
{
	struct response r;
	u64 first, len;

	conn_open(&one);
	while (n--) {
		range(&first, &len, n % 8 ? 40000 : 2000000);
		say(&one,
		    "GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=%llu-%llu\r\n\r\n",
		    name, (unsigned long long)first,
		    (unsigned long long)(first + len - 1));
		must_head(&one, &r, 206);
		if (r.length != len || r.first != first ||
		    r.last != first + len - 1 || r.whole != size)
			die("another range");
		body(&one, first, len);
	}
	conn_close(&one);
}

/* What request number @i of a pipeline is; the same for who asks and who reads. */
static void ask(char *out, size_t len, int i, u64 *first, u64 *bytes)
{
	srandom((unsigned int)i);
	range(first, bytes, i % 50 ? 300 : 100000);
	switch (i % 10) {
	case 3:
		snprintf(out, len, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
		break;
	case 6:
		snprintf(out, len, "GET /absent HTTP/1.1\r\nHost: a\r\n\r\n");
		break;
	case 8:
		snprintf(
			out, len,
			"GET %s HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
			name);
		break;
	default:
		snprintf(
			out, len,
			"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=%llu-%llu\r\n\r\n",
			name, (unsigned long long)*first,
			(unsigned long long)(*first + *bytes - 1));
	}
}

static void answer(struct conn *c, int i)
{
	struct response r;
	u64 first, bytes;
	char text[512];

	ask(text, sizeof(text), i, &first, &bytes);
	switch (i % 10) {
	case 3:
		must_head(c, &r, 200);
		if (r.length != size)
			die("HEAD: length %llu", (unsigned long long)r.length);
		break;
	case 6:
		must_head(c, &r, 404);
		skip_body(c, r.length);
		break;
	case 8:
		must_head(c, &r, 304);
		break;
	default:
		must_head(c, &r, 206);
		if (r.first != first || r.length != bytes)
			die("answer %d is another one's", i);
		body(c, first, bytes);
	}
}

/* A child asks, as fast as it can; the answers come in its order. */
static void case_pipeline(int n)
{
	char text[512];
	u64 first, len;
	int i;

	conn_open(&one);
	if (!fork()) {
		for (i = 0; i < n; i++) {
			ask(text, sizeof(text), i, &first, &len);
			conn_send(&one, text, strlen(text));
		}
		_exit(0);
	}
	for (i = 0; i < n; i++)
		answer(&one, i);
	conn_close(&one);
}

/* All are connected, and stay so until each has had its second answer. */
static void case_many(int n)
{
	struct conn **c = calloc((size_t)n, sizeof(*c));
	u64 first, len;
	char text[512];
	int i, round;

	for (i = 0; i < n; i++) {
		c[i] = malloc(sizeof(**c));
		conn_open(c[i]);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < n; i++) {
			ask(text, sizeof(text), 7 * i + round, &first, &len);
			conn_send(c[i], text, strlen(text));
		}
		for (i = n; i--;)
			answer(c[i], 7 * i + round);
	}
	for (i = 0; i < n; i++)
		conn_close(c[i]);
}

/* Sent and answered in vain: the client has gone meanwhile. */
static void case_abandon(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		conn_open(&one);
		say(&one, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
		if (i % 4)
			fill(&one);
		if (i % 2)
			conn_reset(&one);
		else
			conn_close(&one);
	}
	must_live();
}

#define HOST "Host: a\r\n"
#define LINE "GET / HTTP/1.1\r\n"

static const struct bad {
	const char *text;
	int status;
} bads[] = {
	{ "\r\n\r\n", 400 },
	{ "GET\r\n\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
	{ LINE HOST HOST "\r\n", 400 },
	{ LINE HOST " folded: x\r\n\r\n", 400 },
	{ LINE HOST "A : b\r\n\r\n", 400 },
	{ LINE HOST "A\r\n\r\n", 400 },
	{ LINE HOST "A: \x01\r\n\r\n", 400 },
	{ LINE HOST "Content-Length: 5\r\n\r\nhello", 413 },
	{ LINE HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
	  400 },
	{ LINE HOST
	  "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  400 },
	{ LINE HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 405 },
	{ "DELETE / HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "BREW / HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	{ "GET /%zz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400 },
	{ "GET /%00 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 400 },
	{ "GET /../etc/passwd HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
	  404 },
	{ "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" HOST
	  "Connection: close\r\n\r\n",
	  404 },
	{ "GET //etc/passwd HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
	  404 },
	{ LINE HOST "Expect: a miracle\r\n\r\n", 417 },
};

static void bad_one(const char *text, size_t len, int status)
{
	struct response r;

	conn_open(&one);
	conn_send(&one, text, len);
	if (!head(&one, &r))
		die("no answer to '%.40s'", text);
	if (r.status != status || !r.close)
		die("%d to '%.40s', not %d", r.status, text, status);
	skip_body(&one, r.length);
	must_end(&one);
	conn_close(&one);
}

static void case_bad(int n)
{
	char *huge = malloc(1 << 20);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bads); i++)
		bad_one(bads[i].text, strlen(bads[i].text), bads[i].status);
	bad_one("GET /\0 HTTP/1.1\r\n" HOST "\r\n", 28, 400);
	/* what opens TLS */
	bad_one("\x16\x03\x01\x02\x00\x01", 6, 400);
	memset(huge, 'a', 1 << 20);
	memcpy(huge, "GET /", 5);
	bad_one(huge, 20000, 414);
	memcpy(huge, LINE HOST "A: ", 28);
	bad_one(huge, 20000, 431);
	free(huge);
	/* whatever it is, an answer or an end, and nothing else comes of it */
	for (i = 0; i < (size_t)n; i++) {
		char noise[600];
		struct response r;
		size_t k;

		for (k = 0; k < sizeof(noise); k++)
			noise[k] = (char)random();
		noise[0] = 'G';
		noise[500] = 0;
		conn_open(&one);
		conn_send(&one, noise, sizeof(noise));
		must_head(&one, &r, 400);
		conn_close(&one);
	}
	must_live();
}

/* @n: the server's --idle */
static void case_slow(int n)
{
	char text[512];
	struct response r;
	struct conn *deaf = malloc(sizeof(*deaf));
	struct conn *idle = malloc(sizeof(*idle));
	int small = 4096;
	u64 start;
	size_t i;

	/* byte by byte is slow, and no fault */
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n",
		 name);
	conn_open(&one);
	for (i = 0; text[i]; i++) {
		conn_send(&one, text + i, 1);
		t_sleep_ms(5);
	}
	must_head(&one, &r, 200);
	body(&one, 0, size);
	conn_close(&one);

	/* one that asks for all, and takes nothing */
	conn_open(deaf);
	setsockopt(deaf->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	say(deaf, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
	/* one that says nothing */
	conn_open(idle);
	/* one that never gets to the end, though it never stops either */
	conn_open(&one);
	start = t_now_ms();
	say(&one, "GET / HTTP/1.1\r\n");
	while (t_now_ms() - start < (u64)n * 1000 - 500) {
		say(&one, "A: b\r\n");
		t_sleep_ms(200);
	}
	must_head(&one, &r, 408);
	if (t_now_ms() - start > (u64)n * 1000 + 5000)
		die("408 only after %llu ms",
		    (unsigned long long)(t_now_ms() - start));
	skip_body(&one, r.length);
	must_end(&one);
	conn_close(&one);
	must_end(idle);
	conn_close(idle);
	/*
	 * What is in its buffers is there, and not in full. That it was cut off the
	 * server's totals tell: TCP may give up without a word to who took nothing.
	 */
	if (size > 4 << 20) {
		ssize_t got;
		u64 sum = 0;

		t_sleep_ms(3000);
		while ((got = recv(deaf->fd, deaf->buf, sizeof(deaf->buf),
				   MSG_DONTWAIT)) > 0)
			sum += (u64)got;
		if (sum >= size)
			die("a client that takes nothing was not cut off");
	}
	conn_close(deaf);
	must_live();
}

static void expect(int status, u64 first, u64 len, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void expect(int status, u64 first, u64 len, const char *fmt, ...)
{
	struct response r;
	char fields[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fields, sizeof(fields), fmt, ap);
	va_end(ap);
	say(&one, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", name, fields);
	if (!head(&one, &r))
		die("no response to %s", fields);
	if (r.status != status)
		die("%d, not %d to %s", r.status, status, fields);
	if (status == 304)
		return;
	if (status != 200 && status != 206) {
		skip_body(&one, r.length);
		return;
	}
	if (r.length != len)
		die("%llu bytes, not %llu to %s", (unsigned long long)r.length,
		    (unsigned long long)len, fields);
	body(&one, first, len);
}

static void case_conditions(int n)
{
	static const char old[] = "Sun, 06 Nov 1994 08:49:37 GMT";
	struct response r;

	conn_open(&one);
	say(&one, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
	must_head(&one, &r, 200);
	if (r.length != size)
		die("HEAD has another length");
	expect(304, 0, 0, "If-None-Match: %s\r\n", r.etag);
	expect(304, 0, 0, "If-None-Match: \"x\", W/%s\r\n", r.etag);
	expect(304, 0, 0, "If-None-Match: *\r\n");
	expect(200, 0, size, "If-None-Match: \"x\"\r\n");
	expect(304, 0, 0, "If-Modified-Since: %s\r\n", r.modified);
	expect(200, 0, size, "If-Modified-Since: %s\r\n", old);
	expect(200, 0, size, "If-Modified-Since: some day\r\n");
	/* the tag has the last word */
	expect(200, 0, size,
	       "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", r.modified);
	expect(200, 0, size, "If-Match: %s\r\n", r.etag);
	expect(412, 0, 0, "If-Match: \"x\"\r\n");
	expect(412, 0, 0, "If-Unmodified-Since: %s\r\n", old);
	expect(206, 5, 10, "Range: bytes=5-14\r\n");
	expect(206, size - 7, 7, "Range: bytes=-7\r\n");
	expect(206, size - 7, 7, "Range: bytes=%llu-\r\n",
	       (unsigned long long)size - 7);
	expect(206, 0, size, "Range: bytes=0-99999999999999\r\n");
	expect(416, 0, 0, "Range: bytes=%llu-\r\n", (unsigned long long)size);
	expect(416, 0, 0, "Range: bytes=-0\r\n");
	expect(200, 0, size, "Range: bytes=1-2,4-5\r\n");
	expect(200, 0, size, "Range: bytes=2-1\r\n");
	expect(206, 5, 10, "Range: bytes=5-14\r\nIf-Range: %s\r\n", r.etag);
	expect(206, 5, 10, "Range: bytes=5-14\r\nIf-Range: %s\r\n", r.modified);
	expect(200, 0, size, "Range: bytes=5-14\r\nIf-Range: \"x\"\r\n");
	expect(200, 0, size, "Range: bytes=5-14\r\nIf-Range: %s\r\n", old);
	expect(304, 0, 0, "Range: bytes=5-14\r\nIf-None-Match: %s\r\n", r.etag);
	conn_close(&one);

	/* HTTP/1.0, and a client that wants no more */
	conn_open(&one);
	say(&one, "GET %s HTTP/1.0\r\n\r\n", name);
	must_head(&one, &r, 200);
	body(&one, 0, size);
	must_end(&one);
	conn_close(&one);
	conn_open(&one);
	say(&one, "GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", name);
	must_head(&one, &r, 200);
	body(&one, 0, size);
	expect(200, 0, size, "Connection: close\r\n");
	must_end(&one);
	conn_close(&one);

	/* half closed: what it asked for it gets */
	conn_open(&one);
	say(&one, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", name);
	shutdown(one.fd, SHUT_WR);
	must_head(&one, &r, 200);
	body(&one, 0, size);
	must_end(&one);
	conn_close(&one);
}

/* @n files of SIZE bytes each, NAME000 and so on, as split(1) makes them of DATA */
static void case_files(int n)
{
	struct response r;
	int i;

	conn_open(&one);
	for (i = 0; i < n; i++)
		say(&one, "GET %s%03d HTTP/1.1\r\nHost: a\r\n\r\n", name, i);
	for (i = 0; i < n; i++) {
		must_head(&one, &r, 200);
		if (r.length != size)
			die("file %d has %llu bytes", i,
			    (unsigned long long)r.length);
		body(&one, (u64)i * size, size);
	}
	conn_close(&one);
}

static const struct {
	const char *name;
	void (*run)(int n);
} cases[] = {
	{ "get", case_get },	       { "ranges", case_ranges },
	{ "pipeline", case_pipeline }, { "many", case_many },
	{ "abandon", case_abandon },   { "bad", case_bad },
	{ "slow", case_slow },	       { "conditions", case_conditions },
	{ "files", case_files },
};

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct stat st;
	size_t i;
	int fd;

	if (argc < 7)
		die("http_client PORT NAME DATA OFFSET SIZE CASE [N]");
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	port = (u16)atoi(argv[1]);
	name = argv[2];
	size = strtoull(argv[5], NULL, 0);
	if (getenv("MASK_KEY"))
		key = strtoull(getenv("MASK_KEY"), NULL, 0);
	fd = open(argv[3], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", argv[3]);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die("mmap: %m");
	data += strtoull(argv[4], NULL, 0);
	srandom(1);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(argv[6], cases[i].name)) {
			cases[i].run(argc > 7 ? atoi(argv[7]) : 1);
			return 0;
		}
	die("no case '%s'", argv[6]);
}
