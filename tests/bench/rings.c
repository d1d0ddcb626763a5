// SPDX-License-Identifier: GPL-2.0
/* Devices, memory and io_urings, the same for all engines. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "iobench.h"

#define HUGE_PAGE (2UL << 20)

int open_device(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %m", path);
	if (!S_ISBLK(st.st_mode))
		die("%s: not a block device", path);
	return fd;
}

uint64_t device_size(int fd)
{
	uint64_t size;

	if (ioctl(fd, BLKGETSIZE64, &size))
		die("BLKGETSIZE64: %m");
	return size;
}

unsigned int device_lba(int fd)
{
	int lba;

	if (ioctl(fd, BLKSSZGET, &lba))
		die("BLKSSZGET: %m");
	return (unsigned int)lba;
}

static unsigned int mode_flags(enum ring_mode mode)
{
	switch (mode) {
	case RING_DEFER:
		return IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	case RING_SQPOLL:
		return IORING_SETUP_SQPOLL;
	case RING_IOPOLL:
		return IORING_SETUP_IOPOLL;
	default:
		return 0;
	}
}

void ring_init(struct worker *w, unsigned int entries, unsigned int flags)
{
	struct io_uring_params p;
	int ret;

	w->mode = w->o->mode;
	for (;;) {
		memset(&p, 0, sizeof(p));
		p.flags = flags | mode_flags(w->mode);
		p.sq_thread_idle = 2000;
		ret = io_uring_queue_init_params(entries, &w->ring, &p);
		if (ret != -EINVAL || w->mode != RING_DEFER)
			break;
		w->mode = RING_PLAIN;
	}
	if (ret)
		die("io_uring_queue_init: %s", strerror(-ret));
	ret = io_uring_register_ring_fd(&w->ring);
	if (ret != 1)
		die("io_uring_register_ring_fd: %s", strerror(-ret));
}

void ring_register_file(struct worker *w, int fd)
{
	int ret = io_uring_register_files(&w->ring, &fd, 1);

	if (ret)
		die("io_uring_register_files: %s", strerror(-ret));
	w->fd = 0;
}

/* Huge pages for the peers, too, as far as there are any. */
unsigned char *map_buffers(size_t size)
{
	size_t room = (size + 2 * HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	unsigned char *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %m");
	p = (void *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(p, room - HUGE_PAGE, MADV_HUGEPAGE);
	memset(p, 0, size);
	return p;
}

void submit_and_wait(struct worker *w, unsigned int nr)
{
	int ret = io_uring_submit_and_wait(&w->ring, nr);

	if (ret < 0)
		die("io_uring_submit_and_wait: %s", strerror(-ret));
	w->syscalls++;
}

void slot_done(struct worker *w, unsigned int slot, int res, int want)
{
	if (res != want && !w->errors++)
		w->error = res;
	w->free[w->nr_free++] = slot;
	w->done++;
}
