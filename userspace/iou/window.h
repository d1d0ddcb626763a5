/* SPDX-License-Identifier: MIT */
/* A range of a device or a file: PATH[,OFFSET[,SIZE]] */
#ifndef IOU_WINDOW_H
#define IOU_WINDOW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WINDOW_HEAD 65536 /* the largest frame: a header is within it */

struct window {
	char path[PATH_MAX];
	uint64_t offset;
	uint64_t size; /* once open never 0 */
	uint32_t block_size;
	bool is_block;
	bool grows; /* a file to be written, whose size was not given */
	dev_t device;
	ino_t inode; /* of a file */
	int fd;
};

/* Returns 0 or -EINVAL, -ENAMETOOLONG. */
int window_parse(struct window *w, const char *arg);

/*
 * Opens it, past the page cache, and fixes offset and size. @flags are
 * open()'s. Complains; returns an exit code.
 */
int window_open(struct window *w, int flags);
/*
 * The same for writing a file through the region: made if it is not there,
 * locked, and without a size as large as the file system has room for. @locked:
 * by another window.
 */
int window_open_file(struct window *w, bool locked);
/* Is it a file, or nothing yet, rather than a device? */
bool window_is_file(const char *path);
void window_close(struct window *w);

/*
 * Reads at any offset inside the window, into memory aligned to 4096. Returns bytes,
 * fewer only at the end, or -errno.
 */
ssize_t window_read(const struct window *w, void *buf, size_t len,
		    uint64_t offset);

/*
 * Complains if something other than zeros or a recording would be overwritten.
 * Returns an exit code.
 */
int window_check_free(const struct window *w);

#endif /* IOU_WINDOW_H */
