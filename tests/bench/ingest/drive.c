// SPDX-License-Identifier: GPL-2.0
/*
 * drive ADDRESS PORT MIB NETNS PID COMMAND...: what it costs COMMAND to take MIB from a
 * connection
 *
 * Starts it, waits until it listens, sends from the network namespace NETNS, whose end
 * of the wire the thread PID polls, and waits until it closes: then all is on storage.
 * Prints a line of JSON, with the last line that COMMAND printed. What the receiving end
 * took is the CPU's time less what was left of it, which a thread of the lowest priority
 * counts, less what this process and PID took. One CPU.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 128 << 10 };

static uint64_t count;
static double ns_per_count;

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t left(void)
{
	return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

static void *soak(void *arg)
{
	const struct sched_param param = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &param))
		err(1, "SCHED_IDLE");
	for (;;)
		__atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
	return arg;
}

static void soak_start(void)
{
	uint64_t start, before;
	pthread_t thread;

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		errx(1, "this needs a single CPU");
	if (pthread_create(&thread, NULL, soak, NULL))
		err(1, "pthread_create");
	usleep(20000);
	start = now(CLOCK_MONOTONIC);
	before = left();
	usleep(200000);
	ns_per_count = (double)(now(CLOCK_MONOTONIC) - start) /
		       (double)(left() - before);
}

static pid_t start(char **argv, FILE **out)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		err(1, "pipe");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	close(fds[1]);
	*out = fdopen(fds[0], "r");
	return pid;
}

/* A thread of the kernel: it has no clock. */
static uint64_t task_ns(const char *pid)
{
	unsigned long long ns;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		err(1, "%s", path);
	fclose(f);
	return ns;
}

static void enter(const char *netns)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static int connect_to(const char *address, const char *port, pid_t pid)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = inet_addr(address),
	};
	int i, fd;

	for (i = 0; i < 300; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		if (!connect(fd, (void *)&to, sizeof(to)))
			return fd;
		close(fd);
		if (waitpid(pid, NULL, WNOHANG) == pid)
			errx(1, "it ended before it listened");
		usleep(100000);
	}
	errx(1, "it does not listen on port %s", port);
}

static void send_all(int fd, uint64_t bytes)
{
	static char buf[WRITE];
	char byte;

	memset(buf, 0x5a, sizeof(buf));
	while (bytes) {
		ssize_t n = send(fd, buf, bytes < WRITE ? bytes : WRITE,
				 MSG_NOSIGNAL);

		if (n < 0)
			err(1, "send");
		bytes -= (uint64_t)n;
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, &byte, 1, 0))
		err(1, "it did not close the connection");
}

int main(int argc, char **argv)
{
	char line[4096] = "", last[4096] = "null\n";
	uint64_t mib, wall, mine, nic, soaked;
	clockid_t clock;
	double busy;
	int fd, status;
	FILE *out;
	pid_t pid;

	if (argc < 7)
		errx(2, "usage: drive ADDRESS PORT MIB NETNS PID COMMAND...");
	mib = strtoull(argv[3], NULL, 0);
	pid = start(argv + 6, &out);
	soak_start();
	enter(argv[4]);
	fd = connect_to(argv[1], argv[2], pid);
	pthread_getcpuclockid(pthread_self(), &clock);
	/* it takes the connection, and is at rest */
	usleep(200000);
	soaked = left();
	wall = now(CLOCK_MONOTONIC);
	nic = task_ns(argv[5]);
	mine = now(clock);
	send_all(fd, mib << 20);
	mine = now(clock) - mine;
	wall = now(CLOCK_MONOTONIC) - wall;
	nic = task_ns(argv[5]) - nic;
	busy = (double)wall - (double)(left() - soaked) * ns_per_count;
	close(fd);
	while (fgets(line, sizeof(line), out))
		strcpy(last, line);
	waitpid(pid, &status, 0);
	if (status)
		errx(1, "exit status %#x: %s", status, last);
	last[strcspn(last, "\n")] = 0;
	printf("{\"mib\":%llu,\"wall_ns\":%.0f,\"busy_ns\":%.0f,\"sender_ns\":%.0f,\"receiver_ns\":%.0f,\"said\":%s}\n",
	       (unsigned long long)mib, (double)wall / (double)mib,
	       busy / (double)mib, (double)(mine + nic) / (double)mib,
	       (busy - (double)(mine + nic)) / (double)mib, last);
	return 0;
}
