/* SPDX-License-Identifier: MIT */
/* Between serve_object.c and serve_source.c. */
#ifndef IOU_SERVE_SOURCE_H
#define IOU_SERVE_SOURCE_H

struct serve;
struct serve_object;
struct stat;

/* As open(), but @path cannot lead out of @dir_fd, and is no symbolic link. */
int open_beneath(int dir_fd, const char *path, int flags);
/* Tag and dates of a file; its size is known. */
void object_describe(const struct serve *s, struct serve_object *object,
		     const struct stat *st);

#endif /* IOU_SERVE_SOURCE_H */
