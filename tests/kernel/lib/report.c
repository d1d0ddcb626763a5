// SPDX-License-Identifier: GPL-2.0
/* Cases in processes of their own, TAP lines, the exit status. */
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "iou_test.h"

#define EXIT_SKIP 77

static struct {
	char reason[256];
} * shared;

const void *t_arg;

#define MAX_FAILURES 12 /* that a case tells in full */

static unsigned int failed; /* in the child: checks that did */
static unsigned int done, bad, skipped;

void t_note(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (line[strspn(line, " ")] && failed <= MAX_FAILURES)
		printf("# %s\n", line);
	fflush(stdout);
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (failed++ == MAX_FAILURES)
		printf("# and more\n");
	if (failed > MAX_FAILURES)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# %s:%d: failed: %s\n", file, line, text);
	fflush(stdout);
}

void t_end_case(void)
{
	fflush(stdout);
	_exit(!!failed);
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (shared)
		vsnprintf(shared->reason, sizeof(shared->reason), fmt, ap);
	va_end(ap);
	fflush(stdout);
	_exit(failed ? 1 : EXIT_SKIP);
}

void t_result(bool ok, const char *name)
{
	done++;
	bad += !ok;
	printf("%sok %u - %s\n", ok ? "" : "not ", done, name);
	fflush(stdout);
}

int t_status(void)
{
	if (bad) {
		printf("# %u of %u failed\n", bad, done);
		return 1;
	}
	if (done && done == skipped) {
		printf("%s\n", shared->reason);
		return EXIT_SKIP;
	}
	return 0;
}

/*
 * A case that crashes says where: at what address, called from where, and what
 * was mapped. Not quite allowed in a signal handler, but there is nothing left
 * to lose. The signal then does what it does.
 */
static void crashed(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	void *frames[32];
	char buf[4096];
	ssize_t n;
	int fd;

	printf("# signal %d (code %d) in thread %d, address %p, at %#llx, stack at %#llx\n",
	       sig, info->si_code, gettid(), info->si_addr,
	       (unsigned long long)uc->uc_mcontext.gregs[REG_RIP],
	       (unsigned long long)uc->uc_mcontext.gregs[REG_RSP]);
	fflush(stdout);
	backtrace_symbols_fd(frames, backtrace(frames, 32), STDOUT_FILENO);
	fd = open("/proc/self/maps", O_RDONLY);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		if (write(STDOUT_FILENO, buf, n) != n)
			break;
}

static void explain_crashes(void)
{
	const struct sigaction sa = {
		.sa_sigaction = crashed,
		.sa_flags = SA_SIGINFO | SA_RESETHAND,
	};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
}

/* Where the threads of a process are. */
static void show_threads(pid_t pid)
{
	t_sh("for t in /proc/%d/task/*; do"
	     " echo \"$t: $(cat $t/comm), in syscall $(cat $t/syscall)\";"
	     " cat $t/stack; done | sed 's/^/# /'",
	     pid);
}

static void run_case(const struct t_case *c)
{
	int timeout = c->timeout ? c->timeout : 60;
	int status = 0, left = timeout * 100;
	u64 start = t_now_ms();
	pid_t pid, got;

	shared->reason[0] = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		explain_crashes();
		t_arg = c->arg;
		c->run();
		t_end_case();
	}
	while (!(got = waitpid(pid, &status, WNOHANG)) && left--)
		usleep(10000);
	if (!got) {
		printf("# no end after %d s\n", timeout);
		show_threads(pid);
		kill(-pid, SIGKILL);
		for (left = 1000; left && !waitpid(pid, &status, WNOHANG);
		     left--)
			usleep(10000);
		if (!left) {
			printf("# cannot be killed either\n");
			show_threads(pid);
			t_sh("echo w >/proc/sysrq-trigger");
			t_result(false, c->name);
			exit(1);
		}
		t_result(false, c->name);
		return;
	}
	/* What the case started and left running must not disturb the next. */
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status)) {
		printf("# killed by signal %d\n", WTERMSIG(status));
		t_result(false, c->name);
	} else if (WEXITSTATUS(status) == EXIT_SKIP) {
		done++;
		skipped++;
		printf("ok %u - %s # SKIP %s\n", done, c->name, shared->reason);
	} else {
		if (t_now_ms() - start > 2000)
			printf("# %s: %llu ms\n", c->name,
			       (unsigned long long)(t_now_ms() - start));
		t_result(!status, c->name);
	}
	fflush(stdout);
}

int t_main(const struct t_case *cases, size_t n, int argc, char **argv)
{
	bool wanted;
	size_t i;
	int a;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (i = 0; i < n; i++) {
		wanted = argc < 2;
		for (a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], cases[i].name);
		if (wanted)
			run_case(&cases[i]);
	}
	if (!done) {
		printf("# no case of that name\n");
		return 1;
	}
	printf("1..%u\n", done);
	return t_status();
}
