// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"

#define MNT_PATH(name)                                             \
	({                                                         \
		static char path_[128];                            \
		snprintf(path_, sizeof(path_), T_MNT "/%s", name); \
		path_;                                             \
	})

void t_fs_mount(const struct t_disk *d)
{
	REQUIRE(!t_sh("mount %s " T_MNT, d->path));
}

void t_fs_make(struct t_disk *d, const char *type, u32 lba)
{
	t_disk_nvme(d, lba, 0);
	t_sh("mkdir -p " T_MNT "; umount -q " T_MNT);
	REQUIRE(!t_sh("mkfs.%s -q %s %s >&2", type,
		      strcmp(type, "xfs") ? "-Fm 0" : "-f", d->path),
		"mkfs.%s", type);
	t_fs_mount(d);
}

int t_fs_umount(void)
{
	return t_sh("umount " T_MNT);
}

void t_fs_end(const struct t_disk *d, const char *type)
{
	u64 end = t_now_ms() + 10000;

	/* What held it may have been killed a moment ago. */
	while (t_sh("umount " T_MNT " 2>/dev/null")) {
		REQUIRE(t_now_ms() < end, "%s is still busy", T_MNT);
		t_sleep_ms(50);
	}
	if (!strcmp(type, "xfs"))
		CHECK(!t_sh("xfs_repair -n %s >/dev/null 2>&1", d->path));
	else
		CHECK(!t_sh("e2fsck -fn %s >/dev/null 2>&1", d->path));
}

int t_attach_file(struct t_region *r, const char *name, int open_flags,
		  struct io_unified_attach *a)
{
	struct io_unified_attach none = {};
	int ret;

	if (!a)
		a = &none;
	a->kind = IO_UNIFIED_KIND_STORAGE;
	a->fd = open(MNT_PATH(name), open_flags | O_DIRECT, 0600);
	REQUIRE(a->fd >= 0, "%s", name);
	ret = t_attach(r, a);
	REQUIRE_EQ(ret, 0, "%s: reason %u", name, a->reason);
	CHECK_EQ(a->path, IO_UNIFIED_PATH_FILE);
	close(a->fd);
	return a->index;
}

size_t t_file_read(const char *name, void *p, size_t len, u64 offset)
{
	int fd = open(MNT_PATH(name), O_RDONLY);
	size_t done = 0;
	ssize_t n;

	REQUIRE(fd >= 0, "%s", name);
	while (done < len) {
		n = pread(fd, (char *)p + done, len - done, offset + done);
		REQUIRE(n >= 0, "%s at %llu", name,
			(unsigned long long)(offset + done));
		if (!n)
			break;
		done += n;
	}
	close(fd);
	return done;
}

u64 t_file_size(const char *name)
{
	struct stat st;

	REQUIRE(!stat(MNT_PATH(name), &st), "%s", name);
	return st.st_size;
}
