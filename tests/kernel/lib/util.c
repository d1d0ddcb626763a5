// SPDX-License-Identifier: GPL-2.0
/* Patterns, time, files, shell. */
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "iou_test.h"

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

u32 t_dice(u32 below)
{
	static u32 seed = 7;

	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

void t_fill(void *p, size_t len, u64 seed)
{
	u8 *b = p;
	size_t i;
	u64 word;

	for (i = 0; i < len; i += 8) {
		word = mix(mix(seed) + i);
		memcpy(b + i, &word, len - i < 8 ? len - i : 8);
	}
}

bool t_filled(const void *p, size_t len, u64 seed)
{
	const u8 *b = p;
	size_t i, n;
	u64 word;

	for (i = 0; i < len; i += 8) {
		n = len - i < 8 ? len - i : 8;
		word = mix(mix(seed) + i);
		if (memcmp(b + i, &word, n)) {
			t_note("differs from the pattern in the 8 bytes at %zu of %zu",
			       i, len);
			return false;
		}
	}
	return true;
}

void t_beside(char *path, size_t size, const char *fmt, ...)
{
	char exe[256] = { 0 };
	size_t n;
	va_list ap;

	REQUIRE(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	n = snprintf(path, size, "%s/", dirname(exe));
	REQUIRE(n < size);
	va_start(ap, fmt);
	vsnprintf(path + n, size - n, fmt, ap);
	va_end(ap);
}

void t_exec_nothing(void)
{
	char path[512];

	t_beside(path, sizeof(path), "lib/exec/nothing");
	execl(path, "nothing", NULL);
	_exit(101);
}

void t_child_ends(pid_t pid, bool killed, int round)
{
	u64 until = t_now_ms() + 20000;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		REQUIRE(t_now_ms() < until, "round %d: it does not die", round);
		usleep(500);
	}
	CHECK(killed ? WIFSIGNALED(status) :
		       WIFEXITED(status) && !WEXITSTATUS(status),
	      "round %d: status %#x", round, status);
}

u64 t_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

u64 t_environment(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

u64 t_now_ms(void)
{
	return t_now_ns() / 1000000;
}

void t_sleep_ms(int ms)
{
	usleep(ms * 1000);
}

int t_sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fflush(stdout);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

char *t_read_file(const char *path)
{
	size_t size = 0, room = 65536;
	char *text = malloc(room + 1);
	int fd = open(path, O_RDONLY);
	ssize_t n;

	REQUIRE(fd >= 0 && text, "%s", path);
	while ((n = read(fd, text + size, room - size)) > 0)
		size += n;
	close(fd);
	text[size] = 0;
	return text;
}

void t_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	ssize_t n;

	REQUIRE(fd >= 0, "%s", path);
	n = write(fd, text, strlen(text));
	REQUIRE(n == (ssize_t)strlen(text), "%s > %s", text, path);
	close(fd);
}

/* Sees to it that so many huge pages are free. */
void t_hugepages(unsigned int pages)
{
	static const char path[] =
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
	static const char free_path[] =
		"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	unsigned int all, unused;
	char *text, number[32];

	if (access(path, R_OK))
		t_skip("no pages of 2 MiB in this kernel");
	text = t_read_file(path);
	all = atoi(text);
	free(text);
	text = t_read_file(free_path);
	unused = atoi(text);
	free(text);
	if (unused >= pages)
		return;
	t_sh("echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory");
	snprintf(number, sizeof(number), "%u", all + pages - unused);
	t_write_file(path, number);
	text = t_read_file(free_path);
	unused = atoi(text);
	free(text);
	if (unused < pages)
		t_skip("no %u free pages of 2 MiB", pages);
}

void t_hugepage_1gb(void)
{
	static const char path[] =
		"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages";
	char *text;

	if (access(path, R_OK))
		t_skip("no pages of 1 GiB on this CPU");
	text = t_read_file(path);
	if (!atoi(text))
		t_skip("no page of 1 GiB is free: hugepagesz=1G hugepages=1");
	free(text);
}

int t_rounds(void)
{
	const char *text = getenv("IOU_ROUNDS");

	return text ? atoi(text) : 200;
}
