// SPDX-License-Identifier: GPL-2.0
/*
 * Asks an HTTP server for ranges of an object, and says what the machine did
 *
 *	serve_client ADDRESS PORT PATH OBJECT-SIZE BODY-SIZE COUNT CONNECTIONS
 *
 * COUNT different ranges, in random order, so that a cold cache stays cold. The
 * bytes are counted and thrown away by the stack: what the client costs is little,
 * and the same for every server. On one CPU a second thread takes what is left of
 * it, and so tells how much was work, interrupts included.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS 256
#define HEAD 2048

struct conn {
	int fd;
	bool in_head;
	uint64_t left; /* of the body */
	size_t len;
	char head[HEAD];
};

static const char *path;
static uint64_t body_size, count, asked, answered, bytes;
static uint32_t *order;

static void die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("serve_client: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ----------------------------------------------------------- what is left over */

static uint64_t spare;
static double ns_per_spare;

static void *soak(void *arg)
{
	const struct sched_param param = { 0 };

	(void)arg;
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		die("SCHED_IDLE: %s", strerror(errno));
	for (;;)
		__atomic_store_n(&spare, spare + 1, __ATOMIC_RELAXED);
	return NULL;
}

static uint64_t spare_now(void)
{
	return __atomic_load_n(&spare, __ATOMIC_RELAXED);
}

static void soak_start(void)
{
	uint64_t start, before;
	pthread_t thread;

	if (pthread_create(&thread, NULL, soak, NULL))
		die("no thread");
	usleep(20000);
	start = now(CLOCK_MONOTONIC);
	before = spare_now();
	usleep(200000);
	before = spare_now() - before;
	ns_per_spare = (double)(now(CLOCK_MONOTONIC) - start) / (double)before;
}

/* ------------------------------------------------------------------- requests */

static void ask(struct conn *c)
{
	uint64_t first = order[asked++] * body_size;
	char text[512];
	int n;

	n = snprintf(
		text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=%llu-%llu\r\n\r\n",
		path, (unsigned long long)first,
		(unsigned long long)(first + body_size - 1));
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		die("send: %s", strerror(errno));
	c->in_head = true;
	c->len = 0;
	c->left = body_size;
}

static void over(struct conn *c)
{
	answered++;
	if (asked < count)
		ask(c);
}

/* Only the head is looked at: its bytes, and no more, are taken from the socket. */
static bool read_head(struct conn *c)
{
	char *end;
	ssize_t n = recv(c->fd, c->head + c->len, HEAD - 1 - c->len,
			 MSG_PEEK | MSG_DONTWAIT);
	size_t take;

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		die("the server closed the connection");
	c->head[c->len + (size_t)n] = 0;
	end = strstr(c->head, "\r\n\r\n");
	take = end ? (size_t)(end + 4 - c->head) - c->len : (size_t)n;
	if (recv(c->fd, c->head + c->len, take, MSG_DONTWAIT) != (ssize_t)take)
		die("recv: %s", strerror(errno));
	c->len += take;
	if (!end)
		return c->len < HEAD - 1;
	if (strncmp(c->head, "HTTP/1.1 206 ", 13))
		die("not a range: %.40s", c->head);
	c->in_head = false;
	return true;
}

static bool read_body(struct conn *c)
{
	/* MSG_TRUNC: the bytes go nowhere */
	ssize_t n = recv(c->fd, NULL, c->left, MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		die("the server closed the connection");
	bytes += (uint64_t)n;
	c->left -= (uint64_t)n;
	if (!c->left)
		over(c);
	return c->in_head || c->left;
}

static void readable(struct conn *c)
{
	while (c->in_head ? read_head(c) : c->left && read_body(c))
		;
}

static void shuffle(uint64_t ranges)
{
	uint64_t i;

	order = calloc(ranges, sizeof(*order));
	if (!order)
		die("out of memory");
	for (i = 0; i < ranges; i++) {
		uint64_t k = (uint64_t)random() % (i + 1);

		order[i] = order[k];
		order[k] = (uint32_t)i;
	}
}

static void conn_open(struct conn *c, int epoll, const char *address,
		      const char *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	inet_pton(AF_INET, address, &addr.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect: %s", strerror(errno));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev))
		die("epoll: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct conn conns[MAX_CONNS];
	uint64_t start, own, left, ranges;
	int epoll = epoll_create1(0), n, i;

	if (argc != 8)
		die("ADDRESS PORT PATH OBJECT-SIZE BODY-SIZE COUNT CONNECTIONS");
	path = argv[3];
	body_size = strtoull(argv[5], NULL, 0);
	count = strtoull(argv[6], NULL, 0);
	n = atoi(argv[7]);
	ranges = body_size ? strtoull(argv[4], NULL, 0) / body_size : 0;
	if (n < 1 || n > MAX_CONNS || count < (uint64_t)n || count > ranges)
		die("the object has not so many ranges, or so many connections make no sense");
	srandom((unsigned int)getpid());
	shuffle(ranges);
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		soak_start();
	for (i = 0; i < n; i++)
		conn_open(&conns[i], epoll, argv[1], argv[2]);

	start = now(CLOCK_MONOTONIC);
	own = now(CLOCK_THREAD_CPUTIME_ID);
	left = spare_now();
	for (i = 0; i < n; i++)
		ask(&conns[i]);
	while (answered < count) {
		struct epoll_event ev[64];
		int got = epoll_wait(epoll, ev, 64, 60000);

		if (got <= 0)
			die("nothing comes");
		for (i = 0; i < got; i++)
			readable(ev[i].data.ptr);
	}
	start = now(CLOCK_MONOTONIC) - start;
	own = now(CLOCK_THREAD_CPUTIME_ID) - own;
	left = spare_now() - left;
	printf("{\"requests\":%llu,\"bytes\":%llu,\"wall_ns\":%llu,\"client_ns\":%llu,\"busy_ns\":",
	       (unsigned long long)answered, (unsigned long long)bytes,
	       (unsigned long long)start, (unsigned long long)own);
	if (ns_per_spare > 0)
		printf("%.0f}\n", (double)start - (double)left * ns_per_spare);
	else
		printf("null}\n");
	return 0;
}
