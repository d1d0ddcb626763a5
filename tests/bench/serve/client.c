// SPDX-License-Identifier: GPL-2.0
/*
 * Asks an HTTP server for ranges of an object, and says what the machine did
 *
 *	serve_client ADDRESS PORT PATH OBJECT-SIZE BODY-SIZE COUNT CONNECTIONS
 *		SERVER-PID [PID]... [-- [PID]...]
 *
 * COUNT different ranges, in random order, so that a cold cache stays cold; before
 * that, a block for each connection, so that what a server does once for each is
 * not measured. The bytes are counted and thrown away by the stack. On one CPU a second thread takes
 * what is left of it, and so tells how much was work, interrupts included. What the
 * tasks of the other PIDs did of it is the client's: they poll its NIC. Those behind
 * -- poll the server's.
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
#define MAX_TASKS 16
#define WARM_UP 4096u
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

/* ------------------------------------------------------------- what others did */

struct tasks {
	int pid[MAX_TASKS];
	int nr;
};

static struct tasks client_nic, server_nic;

/* Of threads of the kernel: they have no clock. */
static uint64_t tasks_ns(const struct tasks *t)
{
	unsigned long long ns;
	uint64_t sum = 0;
	char path[64];
	FILE *f;
	int i;

	for (i = 0; i < t->nr; i++) {
		snprintf(path, sizeof(path), "/proc/%d/schedstat", t->pid[i]);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%llu", &ns) != 1)
			die("%s: %s", path, strerror(errno));
		fclose(f);
		sum += ns;
	}
	return sum;
}

/* ------------------------------------------------------------------- requests */

static void ask_range(struct conn *c, uint64_t first, uint64_t len)
{
	char text[512];
	int n;

	n = snprintf(
		text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=%llu-%llu\r\n\r\n",
		path, (unsigned long long)first,
		(unsigned long long)(first + len - 1));
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		die("send: %s", strerror(errno));
	c->in_head = true;
	c->len = 0;
	c->left = len;
}

static void ask(struct conn *c)
{
	ask_range(c, order[asked++] * body_size, body_size);
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

static void answer_all(int epoll, uint64_t want)
{
	while (answered < want) {
		struct epoll_event ev[64];
		int i, got = epoll_wait(epoll, ev, 64, 60000);

		if (got <= 0)
			die("nothing comes");
		for (i = 0; i < got; i++)
			readable(ev[i].data.ptr);
	}
}

/* The object's last range is for that, and for nothing else. */
static void warm_up(int epoll, struct conn *conns, int n, uint64_t object)
{
	const uint64_t asked_later = asked;
	int i;

	asked = count;
	for (i = 0; i < n; i++)
		ask_range(&conns[i], object - (uint64_t)(i + 1) * WARM_UP,
			  WARM_UP);
	answer_all(epoll, (uint64_t)n);
	asked = asked_later;
	answered = 0;
	bytes = 0;
	/* what is left to do for these is done */
	usleep(100000);
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
	uint64_t object, start, own, left, ranges, others, server, polls;
	int epoll = epoll_create1(0), n, i;
	struct tasks *t = &client_nic;
	clockid_t server_clock;

	if (argc < 9 || argc > 9 + MAX_TASKS)
		die("ADDRESS PORT PATH OBJECT-SIZE BODY-SIZE COUNT CONNECTIONS SERVER-PID [PID]...");
	if (clock_getcpuclockid(atoi(argv[8]), &server_clock))
		die("there is no process %s", argv[8]);
	for (i = 9; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			t = &server_nic;
		else
			t->pid[t->nr++] = atoi(argv[i]);
	}
	path = argv[3];
	body_size = strtoull(argv[5], NULL, 0);
	count = strtoull(argv[6], NULL, 0);
	n = atoi(argv[7]);
	object = strtoull(argv[4], NULL, 0);
	left = (uint64_t)n * WARM_UP;
	ranges = body_size && object > left ? (object - left) / body_size : 0;
	if (n < 1 || n > MAX_CONNS || count < (uint64_t)n || count > ranges)
		die("the object has not so many ranges, or so many connections make no sense");
	srandom((unsigned int)getpid());
	shuffle(ranges);
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		soak_start();
	for (i = 0; i < n; i++)
		conn_open(&conns[i], epoll, argv[1], argv[2]);

	warm_up(epoll, conns, n, object);
	start = now(CLOCK_MONOTONIC);
	own = now(CLOCK_THREAD_CPUTIME_ID);
	server = now(server_clock);
	others = tasks_ns(&client_nic);
	polls = tasks_ns(&server_nic);
	left = spare_now();
	for (i = 0; i < n; i++)
		ask(&conns[i]);
	answer_all(epoll, count);
	left = spare_now() - left;
	polls = tasks_ns(&server_nic) - polls;
	others = tasks_ns(&client_nic) - others;
	server = now(server_clock) - server;
	own = now(CLOCK_THREAD_CPUTIME_ID) - own;
	start = now(CLOCK_MONOTONIC) - start;
	printf("{\"requests\":%llu,\"bytes\":%llu,\"wall_ns\":%llu,\"client_ns\":%llu,\"client_nic_ns\":%llu,\"server_ns\":%llu,\"server_nic_ns\":%llu,\"busy_ns\":",
	       (unsigned long long)answered, (unsigned long long)bytes,
	       (unsigned long long)start, (unsigned long long)own,
	       (unsigned long long)others, (unsigned long long)server,
	       (unsigned long long)polls);
	if (ns_per_spare > 0)
		printf("%.0f}\n", (double)start - (double)left * ns_per_spare);
	else
		printf("null}\n");
	return 0;
}
