// SPDX-License-Identifier: MIT
/* Ranges of devices: parsing, opening, reading, and what is on them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ingest_table.h"
#include "iou.h"
#include "window.h"

/* Superblocks and tables of the usual formats are within this of either end. */
#define CHECK_SIZE (128u << 10)
/* No file system asks for more of direct I/O. */
#define FILE_ALIGN 4096u

int window_parse(struct window *w, const char *arg)
{
	uint64_t numbers[2];
	size_t len = strlen(arg);
	int n = 0;

	memset(w, 0, sizeof(*w));
	w->fd = -1;
	if (len >= sizeof(w->path))
		return -ENAMETOOLONG;
	memcpy(w->path, arg, len + 1);
	/* from the end: a path may hold commas too */
	while (n < 2) {
		char *comma = strrchr(w->path, ',');

		if (!comma || parse_size(comma + 1, &numbers[n]))
			break;
		*comma = 0;
		n++;
	}
	if (!w->path[0])
		return -EINVAL;
	if (n)
		w->offset = numbers[n - 1];
	if (n == 2) {
		w->size = numbers[0];
		if (!w->size)
			return -EINVAL;
	}
	return 0;
}

static int device_size(struct window *w, uint64_t *size)
{
	struct stat st;
	int block;

	if (fstat(w->fd, &st))
		return -errno;
	w->block_size = 1;
	if (S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return 0;
	}
	w->is_block = true;
	w->device = st.st_rdev;
	if (ioctl(w->fd, BLKGETSIZE64, size) || ioctl(w->fd, BLKSSZGET, &block))
		return -errno;
	w->block_size = (uint32_t)block;
	return 0;
}

/*
 * Raw I/O goes past the page cache, so the cache may be stale. Files have
 * no such problem, and not every file system has O_DIRECT.
 */
static int open_direct(const char *path, int flags)
{
	struct stat st;
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL && !stat(path, &st) &&
	    S_ISREG(st.st_mode))
		fd = open(path, flags | O_CLOEXEC);
	return fd;
}

static bool is_something_else(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode);
}

int window_open(struct window *w, int flags)
{
	uint64_t size;
	int err;

	if (is_something_else(w->path))
		return complain(IOU_EXIT_USAGE,
				"%s is neither a block device nor a file",
				w->path);
	w->fd = open_direct(w->path, flags);
	if (w->fd < 0) {
		if (errno == EBUSY)
			return complain(
				IOU_EXIT_REFUSED,
				"%s is in use: unmount it, or end what holds it ('lsblk' and 'fuser' tell)",
				w->path);
		return complain(errno == EACCES || errno == EPERM ?
					IOU_EXIT_UNAVAILABLE :
					IOU_EXIT_FAIL,
				"cannot open %s: %s", w->path, strerror(errno));
	}
	err = device_size(w, &size);
	if (err)
		err = complain(IOU_EXIT_FAIL, "cannot learn the size of %s: %s",
			       w->path, strerror(-err));
	else if (w->offset % w->block_size || w->size % w->block_size)
		err = complain(
			IOU_EXIT_USAGE,
			"%s: offset and size must be multiples of its block size, %u",
			w->path, w->block_size);
	else if (w->offset >= size)
		err = complain(IOU_EXIT_USAGE,
			       "%s: offset %llu is past its end, %llu", w->path,
			       (unsigned long long)w->offset,
			       (unsigned long long)size);
	else if (w->size > size - w->offset)
		err = complain(
			IOU_EXIT_USAGE,
			"%s: only %llu bytes are left behind offset %llu",
			w->path, (unsigned long long)(size - w->offset),
			(unsigned long long)w->offset);
	else if (!w->size)
		w->size = size - w->offset;
	if (err)
		window_close(w);
	return err;
}

bool window_is_file(const char *path)
{
	struct stat st;

	if (!stat(path, &st))
		return S_ISREG(st.st_mode);
	/* a device with a typing error in it is no file to be made */
	return errno == ENOENT && strncmp(path, "/dev/", 5);
}

/* What the file has, and what the file system has left. */
static int file_room(const struct window *w, const struct stat *st,
		     uint64_t *room)
{
	struct statvfs fs;

	if (fstatvfs(w->fd, &fs))
		return -errno;
	*room = (uint64_t)fs.f_bavail * fs.f_frsize +
		(uint64_t)st->st_blocks * 512;
	*room -= *room % FILE_ALIGN;
	return 0;
}

static int open_file(struct window *w, bool locked)
{
	const int flags = O_RDWR | O_DIRECT | O_CLOEXEC;
	bool made = false;

	w->fd = open(w->path, flags);
	if (w->fd < 0 && errno == ENOENT) {
		w->fd = open(w->path, flags | O_CREAT | O_EXCL, 0666);
		made = true;
	}
	if (w->fd < 0) {
		int err = errno;

		/* without O_DIRECT it is made all the same */
		if (made && err == EINVAL)
			unlink(w->path);
		return complain(
			err == EACCES || err == EPERM ? IOU_EXIT_UNAVAILABLE :
							IOU_EXIT_FAIL,
			err == EINVAL ?
				"cannot open %s: %s: its file system has no direct I/O" :
				"cannot open %s: %s",
			w->path, strerror(err));
	}
	if (!locked && flock(w->fd, LOCK_EX | LOCK_NB))
		return complain(IOU_EXIT_REFUSED,
				"%s is in use: another recording holds it",
				w->path);
	return 0;
}

int window_open_file(struct window *w, bool locked)
{
	struct stat st;
	uint64_t room = 0;
	int err;

	err = open_file(w, locked);
	if (err)
		goto fail;
	w->block_size = FILE_ALIGN;
	err = fstat(w->fd, &st) ? -errno : file_room(w, &st, &room);
	if (err) {
		err = complain(IOU_EXIT_FAIL, "cannot learn the size of %s: %s",
			       w->path, strerror(-err));
		goto fail;
	}
	w->device = st.st_dev;
	w->inode = st.st_ino;
	if (w->offset % FILE_ALIGN || w->size % FILE_ALIGN) {
		err = complain(
			IOU_EXIT_USAGE,
			"%s: offset and size must be multiples of %u, for direct I/O",
			w->path, FILE_ALIGN);
		goto fail;
	}
	if (!w->size) {
		w->grows = true;
		w->size = room;
	}
	return 0;

fail:
	window_close(w);
	return err;
}

void window_close(struct window *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static ssize_t read_whole(int fd, void *buf, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done,
				  (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		/* the end of a file, and nothing that direct I/O could start at */
		if (!n || n % 512)
			break;
	}
	return (ssize_t)done;
}

/* A file may begin, or end, where direct I/O cannot: the blocks around it. */
static ssize_t read_around(int fd, void *buf, size_t len, uint64_t at)
{
	const size_t lead = at % FILE_ALIGN;
	const size_t whole =
		(lead + len + FILE_ALIGN - 1) / FILE_ALIGN * FILE_ALIGN;
	unsigned char *blocks = aligned_alloc(FILE_ALIGN, whole);
	ssize_t n;

	if (!blocks)
		return -ENOMEM;
	n = read_whole(fd, blocks, whole, at - lead);
	if (n >= 0) {
		n = (size_t)n > lead ? n - (ssize_t)lead : 0;
		if ((size_t)n > len)
			n = (ssize_t)len;
		memcpy(buf, blocks + lead, (size_t)n);
	}
	free(blocks);
	return n;
}

static ssize_t read_at(int fd, void *buf, size_t len, uint64_t at)
{
	return (at | len) % FILE_ALIGN ? read_around(fd, buf, len, at) :
					 read_whole(fd, buf, len, at);
}

ssize_t window_read(const struct window *w, void *buf, size_t len,
		    uint64_t offset)
{
	if (offset >= w->size)
		return 0;
	if (len > w->size - offset)
		len = w->size - offset;
	return read_at(w->fd, buf, len, w->offset + offset);
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* What an earlier run of this command left. */
static bool is_ours(const unsigned char *buf, size_t len)
{
	return iou_recording_is_frame(buf, len) || table_is(buf, len);
}

/* Complains unless there are only zeros or, with @recorded, what is ours. */
static int check_range(const struct window *w, unsigned char *buf, uint64_t at,
		       uint64_t len, bool recorded)
{
	ssize_t n = read_at(w->fd, buf, len, at);

	if (n < 0)
		return complain(IOU_EXIT_FAIL, "cannot read %s: %s", w->path,
				strerror((int)-n));
	if (all_zero(buf, (size_t)n) || (recorded && is_ours(buf, (size_t)n)))
		return 0;
	return complain(
		IOU_EXIT_REFUSED,
		"%s holds data at byte %llu that is no recording: use --force to overwrite it, or another device",
		w->path, (unsigned long long)at);
}

int window_check_free(const struct window *w)
{
	uint64_t len = w->size < CHECK_SIZE ? w->size : CHECK_SIZE;
	uint64_t before = w->offset < CHECK_SIZE ? w->offset : CHECK_SIZE;
	uint64_t last = w->offset + w->size - len;
	unsigned char *buf = aligned_alloc(4096, CHECK_SIZE);
	ssize_t n;
	int err = 0;

	if (!buf)
		return complain(IOU_EXIT_FAIL, "out of memory");
	/* a table at the device's start speaks for all of it */
	if (w->offset)
		err = check_range(w, buf, 0, before, true);
	if (!err)
		err = check_range(w, buf, w->offset, len, true);
	/* what an earlier recording left at the end is no reason to refuse */
	if (!err) {
		n = read_at(w->fd, buf, len, w->offset);
		if (n >= 0 && !is_ours(buf, (size_t)n))
			err = check_range(w, buf, last, len, false);
	}
	free(buf);
	return err;
}
