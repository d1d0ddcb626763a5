/* SPDX-License-Identifier: GPL-2.0 */
/* A file system on a drive of the VM, which is overwritten. */
#ifndef IOU_TEST_FS_H
#define IOU_TEST_FS_H

#include "disk.h"

#define T_MNT "/tmp/iou-fs"

/* Makes and mounts one of type ext4 or xfs; skips if the drive is not there. */
void t_fs_make(struct t_disk *d, const char *type, u32 lba);
void t_fs_mount(const struct t_disk *d);
/* Returns the exit status of umount. */
int t_fs_umount(void);
/* Unmounts, within some seconds, and fails the case if fsck finds something. */
void t_fs_end(const struct t_disk *d, const char *type);

/* Attaches T_MNT/@name, opened O_DIRECT; fails the case or returns its index. */
int t_attach_file(struct t_region *r, const char *name, int open_flags,
		  struct io_unified_attach *a);
/* Bytes of a file, through the page cache: as many as there are, up to @len. */
size_t t_file_read(const char *name, void *p, size_t len, u64 offset);
u64 t_file_size(const char *name);

#endif /* IOU_TEST_FS_H */
