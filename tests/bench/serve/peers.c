// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own ways from a file to a socket, as servers of ranges
 *
 *	serve_peers ENGINE PORT FILE
 *
 * A thread for each connection, and nothing but what the way itself needs:
 *
 *	sendfile   sendfile(), through the page cache
 *	splice     io_uring: splice to a pipe, and from there, linked
 *	read_send  read() with O_DIRECT, send()
 *	fixed_zc   io_uring: READ_FIXED with O_DIRECT, SEND_ZC from the same buffer
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (256u << 10)

struct worker {
	int sock;
	int file;
	int pipe[2];
	unsigned char *buf;
	struct io_uring ring;
};

struct engine {
	const char *name;
	bool direct;
	bool ring;
	/* Sends a part; returns its bytes, 0 or less: it failed. */
	ssize_t (*send)(struct worker *w, uint64_t pos, size_t len);
};

static const struct engine *engine;
static const char *path;
static uint64_t size;

static void die(const char *what)
{
	fprintf(stderr, "serve_peers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool send_all(int fd, const void *p, size_t len, int flags)
{
	while (len) {
		ssize_t n = send(fd, p, len, flags | MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p = (const char *)p + n;
		len -= (size_t)n;
	}
	return true;
}

/* -------------------------------------------------------------------- engines */

static ssize_t by_sendfile(struct worker *w, uint64_t pos, size_t len)
{
	off_t off = (off_t)pos;

	return sendfile(w->sock, w->file, &off, len);
}

static ssize_t by_read_send(struct worker *w, uint64_t pos, size_t len)
{
	ssize_t n =
		pread(w->file, w->buf, len < CHUNK ? len : CHUNK, (off_t)pos);

	return n > 0 && send_all(w->sock, w->buf, (size_t)n, 0) ? n : -1;
}

/* Results of @nr SQEs, in order of their user_data. */
static int ring_run(struct worker *w, int *res, unsigned int nr)
{
	struct io_uring_cqe *cqe;
	unsigned int i;

	if (io_uring_submit_and_wait(&w->ring, nr) < 0)
		return -1;
	for (i = 0; i < nr; i++) {
		if (io_uring_wait_cqe(&w->ring, &cqe))
			return -1;
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&w->ring, cqe);
	}
	return 0;
}

static ssize_t by_splice(struct worker *w, uint64_t pos, size_t len)
{
	const unsigned int part = (unsigned int)(len < CHUNK ? len : CHUNK);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	int res[2], done;

	io_uring_prep_splice(sqe, w->file, (int64_t)pos, w->pipe[1], -1, part,
			     SPLICE_F_MOVE);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 0;
	sqe = io_uring_get_sqe(&w->ring);
	io_uring_prep_splice(sqe, w->pipe[0], -1, w->sock, -1, part,
			     SPLICE_F_MOVE);
	sqe->user_data = 1;
	if (ring_run(w, res, 2) || res[0] <= 0)
		return -1;
	/* what is still in the pipe; a short one broke the link */
	for (done = res[1] > 0 ? res[1] : 0; done < res[0];) {
		sqe = io_uring_get_sqe(&w->ring);
		io_uring_prep_splice(sqe, w->pipe[0], -1, w->sock, -1,
				     (unsigned int)(res[0] - done),
				     SPLICE_F_MOVE);
		sqe->user_data = 1;
		if (ring_run(w, res, 1) || res[1] <= 0)
			return -1;
		done += res[1];
	}
	return done;
}

static ssize_t by_fixed_zc(struct worker *w, uint64_t pos, size_t len)
{
	const unsigned int part = (unsigned int)(len < CHUNK ? len : CHUNK);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	struct io_uring_cqe *cqe;
	bool more = true;
	int res[2] = { 0 };

	io_uring_prep_read_fixed(sqe, w->file, w->buf, part, pos, 0);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = 0;
	sqe = io_uring_get_sqe(&w->ring);
	io_uring_prep_send_zc_fixed(sqe, w->sock, w->buf, part,
				    MSG_WAITALL | MSG_NOSIGNAL, 0, 0);
	sqe->user_data = 1;
	if (io_uring_submit_and_wait(&w->ring, 2) < 0)
		return -1;
	/* the buffer is ours again when the notification is there */
	while (more) {
		if (io_uring_wait_cqe(&w->ring, &cqe))
			return -1;
		if (!(cqe->flags & IORING_CQE_F_NOTIF))
			res[cqe->user_data] = cqe->res;
		if (cqe->user_data == 1)
			more = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(&w->ring, cqe);
	}
	return res[1] == (int)part ? res[1] : -1;
}

static const struct engine engines[] = {
	{ "sendfile", false, false, by_sendfile },
	{ "splice", false, true, by_splice },
	{ "read_send", true, false, by_read_send },
	{ "fixed_zc", true, true, by_fixed_zc },
};

/* ---------------------------------------------------------------- connections */

static void worker_init(struct worker *w)
{
	struct iovec iov;

	w->file = open(path, O_RDONLY | (engine->direct ? O_DIRECT : 0));
	if (w->file < 0)
		die(path);
	w->buf = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (w->buf == MAP_FAILED)
		die("mmap");
	if (pipe(w->pipe) || fcntl(w->pipe[1], F_SETPIPE_SZ, CHUNK) < 0)
		die("pipe");
	if (!engine->ring)
		return;
	errno = -io_uring_queue_init(8, &w->ring,
				     IORING_SETUP_SINGLE_ISSUER |
					     IORING_SETUP_DEFER_TASKRUN);
	if (errno)
		die("io_uring");
	iov.iov_base = w->buf;
	iov.iov_len = CHUNK;
	errno = -io_uring_register_buffers(&w->ring, &iov, 1);
	if (errno)
		die("io_uring_register_buffers");
}

static void worker_exit(struct worker *w)
{
	if (engine->ring)
		io_uring_queue_exit(&w->ring);
	munmap(w->buf, CHUNK);
	close(w->pipe[0]);
	close(w->pipe[1]);
	close(w->file);
	close(w->sock);
}

static bool respond(struct worker *w, const char *request)
{
	const char *range = strstr(request, "\r\nRange: bytes=");
	unsigned long long first, last;
	uint64_t pos, end;
	char head[256];
	int n;

	if (!range ||
	    sscanf(range, "\r\nRange: bytes=%llu-%llu", &first, &last) != 2 ||
	    last < first || last >= size)
		return false;
	pos = first;
	end = last + 1;
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 206 Partial Content\r\nContent-Length: %llu\r\n"
		     "Content-Range: bytes %llu-%llu/%llu\r\n\r\n",
		     (unsigned long long)(end - pos), first, last,
		     (unsigned long long)size);
	if (!send_all(w->sock, head, (size_t)n, MSG_MORE))
		return false;
	while (pos < end) {
		ssize_t done = engine->send(w, pos, (size_t)(end - pos));

		if (done <= 0)
			return false;
		pos += (uint64_t)done;
	}
	return true;
}

static void *work(void *arg)
{
	struct worker w = { .sock = (int)(intptr_t)arg };
	char request[4096];
	size_t len = 0;

	worker_init(&w);
	for (;;) {
		ssize_t n = recv(w.sock, request + len,
				 sizeof(request) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = 0;
		/* these clients wait for the answer before they ask again */
		if (!strstr(request, "\r\n\r\n"))
			continue;
		if (!respond(&w, request))
			break;
		len = 0;
	}
	worker_exit(&w);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener, one = 1;
	struct stat st;
	size_t i;

	if (argc != 4) {
		fputs("usage: serve_peers ENGINE PORT FILE\n", stderr);
		return 2;
	}
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (!strcmp(argv[1], engines[i].name))
			engine = &engines[i];
	path = argv[3];
	if (!engine || stat(path, &st))
		die(engine ? path : "no such engine");
	size = (uint64_t)st.st_size;
	signal(SIGPIPE, SIG_IGN);
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 1024))
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int sock = accept(listener, NULL, NULL);
		pthread_t thread;

		if (sock < 0)
			die("accept");
		if (pthread_create(&thread, NULL, work, (void *)(intptr_t)sock))
			die("pthread_create");
		pthread_detach(thread);
	}
}
