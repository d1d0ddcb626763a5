// SPDX-License-Identifier: GPL-2.0
/*
 * recv_write PORT FILE CHUNK DEPTH: what iou ingest does, by io_uring alone
 *
 * Each chunk is a recv with MSG_WAITALL, linked to a write from the same registered
 * buffer. One recv at a time waits, since two would share what comes; as many writes
 * are under way as there are buffers. Ends, after a flush, with the connection.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_DEPTH = 64,
	BLOCK = 4096,
	HUGE_PAGE = 2 << 20,
	SOCKET = 0,
	STORAGE = 1
};

static struct io_uring ring;
static unsigned char *buf;
static size_t chunk;
static unsigned int depth, nr_free, slots[MAX_DEPTH];
static uint64_t pos, bytes, syscalls;
static unsigned int writes; /* under way */
static bool receiving, eof;
static uint32_t got[MAX_DEPTH];

static int accept_one(const char *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	const int one = 1;
	int fd, conn;

	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (void *)&at, sizeof(at)) || listen(fd, 1))
		err(1, "listen");
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	close(fd);
	return conn;
}

static void set_up(const int *fds)
{
	const unsigned int flags = IORING_SETUP_SINGLE_ISSUER |
				   IORING_SETUP_DEFER_TASKRUN;
	struct iovec iov;
	unsigned int i;

	/* whole huge pages, so that a buffer is one segment */
	iov.iov_len = (chunk * depth + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	buf = aligned_alloc(HUGE_PAGE, iov.iov_len);
	if (!buf)
		err(1, "buffers");
	madvise(buf, iov.iov_len, MADV_HUGEPAGE);
	memset(buf, 0, iov.iov_len);
	iov.iov_base = buf;
	if (io_uring_queue_init(2 * MAX_DEPTH, &ring, flags) ||
	    io_uring_register_files(&ring, fds, 2) ||
	    io_uring_register_buffers(&ring, &iov, 1))
		errx(1, "io_uring");
	io_uring_register_ring_fd(&ring);
	for (i = 0; i < depth; i++)
		slots[nr_free++] = i;
}

static void prep_write(unsigned int slot, size_t len, unsigned int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_write_fixed(sqe, STORAGE, buf + slot * chunk,
				  (unsigned int)len, pos, 0);
	sqe->flags |= IOSQE_FIXED_FILE | flags;
	sqe->user_data = 2 * slot + 1;
	writes++;
}

/* Receives a chunk, and writes it if it is whole. */
static void next(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	const unsigned int slot = slots[--nr_free];

	io_uring_prep_recv(sqe, SOCKET, buf + slot * chunk, chunk, MSG_WAITALL);
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe->user_data = 2 * slot;
	receiving = true;
	prep_write(slot, chunk, 0);
}

static void on_recv(unsigned int slot, int res)
{
	receiving = false;
	if (res < 0)
		errx(1, "recv: %s", strerror(-res));
	got[slot] = (uint32_t)res;
	bytes += (uint32_t)res;
	if ((size_t)res == chunk) {
		pos += chunk;
		return;
	}
	eof = true;
}

static void on_write(unsigned int slot, int res)
{
	size_t len = (got[slot] + BLOCK - 1) / BLOCK * BLOCK;

	writes--;
	if (res == -ECANCELED && got[slot] < chunk) {
		/* what the last recv fell short of */
		if (len) {
			memset(buf + slot * chunk + got[slot], 0,
			       len - got[slot]);
			prep_write(slot, len, 0);
			got[slot] = (uint32_t)chunk;
		}
		return;
	}
	if (res <= 0)
		errx(1, "write: %s", strerror(-res));
	slots[nr_free++] = slot;
}

int main(int argc, char **argv)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n;
	int fds[2];

	if (argc != 5)
		errx(2, "usage: recv_write PORT FILE CHUNK DEPTH");
	chunk = strtoul(argv[3], NULL, 0);
	depth = (unsigned int)atoi(argv[4]);
	if (depth < 2 || depth > MAX_DEPTH || !chunk || chunk % BLOCK)
		errx(2, "chunks are of blocks, depth is from 2 to 64");
	fds[STORAGE] = open(argv[2], O_WRONLY | O_DIRECT);
	if (fds[STORAGE] < 0)
		err(1, "%s", argv[2]);
	fds[SOCKET] = accept_one(argv[1]);
	set_up(fds);
	while (!eof || writes) {
		if (!receiving && !eof && nr_free)
			next();
		io_uring_submit_and_wait(&ring, 1);
		syscalls++;
		n = 0;
		io_uring_for_each_cqe(&ring, head, cqe) {
			const unsigned int slot =
				(unsigned int)cqe->user_data / 2;

			if (cqe->user_data % 2)
				on_write(slot, cqe->res);
			else
				on_recv(slot, cqe->res);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
	if (fsync(fds[STORAGE]))
		err(1, "fsync");
	printf("{\"bytes\":%llu,\"syscalls\":%llu}\n",
	       (unsigned long long)bytes, (unsigned long long)syscalls);
	fflush(stdout);
	close(fds[SOCKET]);
	/* the ring keeps it open else */
	io_uring_queue_exit(&ring);
	return 0;
}
