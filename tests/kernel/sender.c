// SPDX-License-Identifier: GPL-2.0
/*
 * sender: streams that can be checked, and what becomes of them
 *
 *   sender send PORT [OPTION]...    to 127.0.0.1
 *   sender datagrams PORT [OPTION]...
 *   sender check [--min N] FILE...  each holds the first bytes of a stream
 *   sender records FILE             datagrams, each with its length in front
 *   sender lines FILE               datagrams, each on a line
 *   sender partition DEVICE NUMBER START LENGTH, or NUMBER alone to remove it
 *
 * A stream begins with its seed and its length; every 8 bytes of it tell seed and
 * place. So what is lost, doubled, misplaced or another's is found.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/iou_test.h"

enum { MAX_STREAMS = 64, MAX_WRITE = 256 << 10, DATAGRAM = 1400 };
enum { HEAD = 16 };

struct stream {
	int fd;
	u64 seed;
	u64 len;
	u64 sent;
	u64 durable;
	char line[64]; /* of an ack, as far as it is here */
	size_t line_len;
	bool ended;
};

static struct {
	u64 bytes;
	u64 seed;
	u64 max; /* bytes of a write */
	unsigned int pause_ms; /* between writes */
	unsigned int wait_ms; /* behind the first datagram */
	unsigned int connections;
	bool random; /* lengths */
	bool acks; /* read them, and wait for the last */
	bool each; /* wait after each write */
	bool reset; /* end by it */
	bool hang; /* never end */
	bool closed; /* the other side may close first */
	bool urgent; /* the last byte of each write */
	u64 min;
} o = { .bytes = 1 << 20, .seed = 1, .max = 65536, .connections = 1 };

static u64 word(const struct stream *s, u64 n)
{
	u64 x = s->seed * 0x9e3779b97f4a7c15ull + n * 0xbf58476d1ce4e5b9ull;

	if (n == 0)
		return s->seed;
	if (n == 1)
		return s->len;
	x ^= x >> 29;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 32;
}

static void fill(const struct stream *s, u64 pos, u8 *buf, size_t len)
{
	size_t i = 0;
	u64 w;

	while (i < len) {
		const size_t off = (pos + i) % 8;
		const size_t n = 8 - off < len - i ? 8 - off : len - i;

		w = word(s, (pos + i) / 8);
		memcpy(buf + i, (u8 *)&w + off, n);
		i += n;
	}
}

static void die(const char *what)
{
	fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connect_to(int type, const char *port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((u16)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || connect(fd, (void *)&to, sizeof(to)))
		die("connect");
	return fd;
}

/* --------------------------------------------------------------------- acks */

static void line_is(struct stream *s)
{
	unsigned long long n;

	if (sscanf(s->line, "durable %llu", &n) == 1) {
		if (n < s->durable || n > s->sent) {
			fprintf(stderr,
				"sender: durable %llu, after %llu and of %llu\n",
				n, (unsigned long long)s->durable,
				(unsigned long long)s->sent);
			exit(1);
		}
		s->durable = n;
	} else if (!strncmp(s->line, "end ", 4)) {
		s->ended = true;
	} else {
		fprintf(stderr, "sender: '%s' is no ack\n", s->line);
		exit(1);
	}
}

/* False: the other side is gone. */
static bool read_acks(struct stream *s, int timeout)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char buf[256];
	ssize_t n, i;

	if (poll(&p, 1, timeout) <= 0)
		return true;
	n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	for (i = 0; i < n; i++) {
		if (buf[i] != '\n') {
			if (s->line_len < sizeof(s->line) - 1)
				s->line[s->line_len++] = buf[i];
			continue;
		}
		s->line[s->line_len] = 0;
		s->line_len = 0;
		line_is(s);
	}
	return n > 0;
}

static void wait_durable(struct stream *s)
{
	const u64 start = t_now_ms();

	while (s->durable < s->sent) {
		if (!read_acks(s, 1000) && s->durable < s->sent)
			die("gone before all was durable");
		if (t_now_ms() - start > 20000) {
			fprintf(stderr,
				"sender: after 20 s %llu of %llu are durable\n",
				(unsigned long long)s->durable,
				(unsigned long long)s->sent);
			exit(1);
		}
	}
}

/* --------------------------------------------------------------------- send */

/* True: all is sent, or there is nobody who takes it. */
static bool send_some(struct stream *s, u8 *buf)
{
	u64 n = 1 + (u64)rand() % o.max;
	ssize_t sent;

	if (n > s->len - s->sent)
		n = s->len - s->sent;
	fill(s, s->sent, buf, n);
	while (n) {
		sent = send(s->fd, buf, n,
			    MSG_NOSIGNAL | (o.urgent ? MSG_OOB : 0));
		if (sent < 0 && o.closed &&
		    (errno == EPIPE || errno == ECONNRESET))
			return true;
		if (sent < 0)
			die("send");
		s->sent += (u64)sent;
		buf += sent;
		n -= (u64)sent;
	}
	if (o.each)
		wait_durable(s);
	else if (o.acks)
		read_acks(s, 0);
	return s->sent == s->len;
}

static void end_stream(struct stream *s)
{
	const struct linger now = { .l_onoff = 1 };
	char byte;

	if (o.reset) {
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	} else {
		shutdown(s->fd, SHUT_WR);
		if (o.acks) {
			wait_durable(s);
			while (!s->ended)
				if (!read_acks(s, 5000) && !s->ended)
					die("no end");
		} else if (!o.closed && recv(s->fd, &byte, 1, 0)) {
			die("it was not closed in order");
		}
	}
	close(s->fd);
}

static int do_send(const char *port)
{
	static struct stream s[MAX_STREAMS];
	static u8 buf[MAX_WRITE];
	unsigned int i, open = o.connections;
	u64 total = 0;

	for (i = 0; i < o.connections; i++) {
		s[i].seed = o.seed + i;
		s[i].len = HEAD + o.bytes;
		if (o.random)
			s[i].len = HEAD + (u64)rand() % o.bytes;
		s[i].fd = connect_to(SOCK_STREAM, port);
	}
	while (open) {
		i = (unsigned int)rand() % o.connections;
		while (s[i].fd < 0)
			i = (i + 1) % o.connections;
		if (!send_some(&s[i], buf)) {
			if (o.pause_ms)
				usleep(o.pause_ms * 1000);
			continue;
		}
		if (o.hang) {
			if (o.acks)
				wait_durable(&s[i]);
			printf("%llu\n", (unsigned long long)s[i].sent);
			fflush(stdout);
			pause();
		}
		end_stream(&s[i]);
		s[i].fd = -1;
		total += s[i].sent;
		open--;
	}
	printf("%llu\n", (unsigned long long)total);
	return 0;
}

/* A datagram: its number, then the bytes of a stream of that seed. */
static u32 datagram(u32 n, u8 *buf)
{
	struct stream s = { .seed = n + 1000, .len = 4 + n * 37 % DATAGRAM };

	memcpy(buf, &n, 4);
	fill(&s, HEAD, buf + 4, s.len - 4);
	return (u32)s.len;
}

static int do_datagrams(const char *port)
{
	int fd = connect_to(SOCK_DGRAM, port);
	u8 buf[DATAGRAM + 8];
	u32 n;

	for (n = 0; n < o.bytes; n++) {
		const u32 len = datagram(n, buf);

		if (o.random) /* a line: digits only */
			snprintf((char *)buf, sizeof(buf), "line %08u%s", n,
				 n % 2 ? "\n" : "");
		if (send(fd, buf, o.random ? strlen((char *)buf) : len, 0) < 0)
			die("send");
		if (o.pause_ms)
			usleep(o.pause_ms * 1000);
		if (!n && o.wait_ms)
			usleep(o.wait_ms * 1000);
	}
	printf("%u\n", n);
	return 0;
}

/* -------------------------------------------------------------------- check */

static int check_file(const char *name)
{
	static u8 got[1 << 20], want[1 << 20];
	struct stream s = { 0 };
	FILE *f = strcmp(name, "-") ? fopen(name, "r") : stdin;
	u64 pos = 0;
	size_t n;

	if (!f)
		die(name);
	while ((n = fread(got, 1, sizeof(got), f)) > 0) {
		if (!pos && n >= HEAD) {
			memcpy(&s.seed, got, 8);
			memcpy(&s.len, got + 8, 8);
		}
		if (o.min && pos + n > o.min)
			n = o.min - pos;
		fill(&s, pos, want, n);
		if (memcmp(got, want, n)) {
			size_t i = 0;

			while (got[i] == want[i])
				i++;
			fprintf(stderr, "sender: %s: byte %llu is wrong\n",
				name, (unsigned long long)pos + i);
			return 1;
		}
		pos += n;
		if (o.min && pos == o.min)
			break;
	}
	if (pos < HEAD) {
		fprintf(stderr, "sender: %s: there is no stream\n", name);
		return 1;
	}
	printf("%llu %llu of %llu\n", (unsigned long long)s.seed,
	       (unsigned long long)pos, (unsigned long long)s.len);
	/* a prefix of so many bytes, or the stream as a whole */
	if (o.min ? pos < o.min : !o.closed && pos != s.len) {
		fprintf(stderr, "sender: %s: %llu bytes of %llu\n", name,
			(unsigned long long)pos,
			(unsigned long long)(o.min ? o.min : s.len));
		return 1;
	}
	if (f != stdin)
		fclose(f);
	return 0;
}

static int check_records(const char *name)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "r") : stdin;
	u8 got[DATAGRAM + 8], want[DATAGRAM + 8];
	u32 count = 0, next = 0, n, len;

	if (!f)
		die(name);
	while (fread(&len, 1, 4, f) == 4) {
		if (len < 4 || len >= DATAGRAM + 4 ||
		    fread(got, 1, len, f) != len) {
			fprintf(stderr, "sender: record %u: length %u\n", count,
				len);
			return 1;
		}
		memcpy(&n, got, 4);
		if (n < next || datagram(n, want) != len ||
		    memcmp(got, want, len)) {
			fprintf(stderr, "sender: record %u is wrong\n", count);
			return 1;
		}
		next = n + 1;
		count++;
	}
	printf("%u\n", count);
	return 0;
}

static int check_lines(const char *name)
{
	FILE *f = fopen(name, "r");
	char line[64], want[64];
	u32 n = 0;

	if (!f)
		die(name);
	while (fgets(line, sizeof(line), f)) {
		snprintf(want, sizeof(want), "line %08u\n", n);
		if (strcmp(line, want)) {
			fprintf(stderr, "sender: line %u is wrong\n", n);
			return 1;
		}
		n++;
	}
	printf("%u\n", n);
	return 0;
}

static int partition(char **arg, int n)
{
	struct t_disk whole = { 0 }, part;

	snprintf(whole.path, sizeof(whole.path), "%s", arg[0]);
	snprintf(whole.name, sizeof(whole.name), "%s", arg[0] + 5);
	if (n == 2)
		t_disk_del_partition(&whole, atoi(arg[1]));
	else
		t_disk_partition(&part, &whole, atoi(arg[1]),
				 strtoull(arg[2], NULL, 0),
				 strtoull(arg[3], NULL, 0));
	return 0;
}

static const struct option options[] = {
	{ "bytes", required_argument, NULL, 'b' },
	{ "seed", required_argument, NULL, 's' },
	{ "max", required_argument, NULL, 'm' },
	{ "pause", required_argument, NULL, 'p' },
	{ "wait", required_argument, NULL, 'w' },
	{ "connections", required_argument, NULL, 'c' },
	{ "random", no_argument, NULL, 'r' },
	{ "acks", no_argument, NULL, 'a' },
	{ "each", no_argument, NULL, 'e' },
	{ "reset", no_argument, NULL, 'R' },
	{ "hang", no_argument, NULL, 'h' },
	{ "closed", no_argument, NULL, 'C' },
	{ "urgent", no_argument, NULL, 'u' },
	{ "min", required_argument, NULL, 'M' },
	{ NULL, 0, NULL, 0 },
};

static void take(int c)
{
	switch (c) {
	case 'b':
		o.bytes = strtoull(optarg, NULL, 0);
		break;
	case 's':
		o.seed = strtoull(optarg, NULL, 0);
		break;
	case 'm':
		o.max = strtoull(optarg, NULL, 0);
		break;
	case 'p':
		o.pause_ms = (unsigned int)atoi(optarg);
		break;
	case 'w':
		o.wait_ms = (unsigned int)atoi(optarg);
		break;
	case 'c':
		o.connections = (unsigned int)atoi(optarg);
		break;
	case 'r':
		o.random = true;
		break;
	case 'a':
		o.acks = true;
		break;
	case 'e':
		o.each = o.acks = true;
		break;
	case 'R':
		o.reset = true;
		break;
	case 'h':
		o.hang = true;
		break;
	case 'C':
		o.closed = true;
		break;
	case 'u':
		o.urgent = true;
		break;
	case 'M':
		o.min = strtoull(optarg, NULL, 0);
		break;
	default:
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int c, failed = 0;

	argc--;
	argv++;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		take(c);
	if (optind >= argc || !o.bytes || o.max > MAX_WRITE ||
	    o.connections > MAX_STREAMS) {
		fprintf(stderr, "usage: sender WHAT [OPTION]... ARGUMENT...\n");
		return 2;
	}
	srand((unsigned int)o.seed);
	if (!strcmp(what, "send"))
		return do_send(argv[optind]);
	if (!strcmp(what, "datagrams"))
		return do_datagrams(argv[optind]);
	if (!strcmp(what, "records"))
		return check_records(argv[optind]);
	if (!strcmp(what, "lines"))
		return check_lines(argv[optind]);
	if (!strcmp(what, "partition"))
		return partition(argv + optind, argc - optind);
	for (; optind < argc; optind++)
		failed |= check_file(argv[optind]);
	return failed;
}
