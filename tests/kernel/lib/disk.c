// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "disk.h"

static void open_disk(struct t_disk *d, const char *name)
{
	int fd, lba;

	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%.31s", name);
	snprintf(d->path, sizeof(d->path), "/dev/%.40s", d->name);
	fd = open(d->path, O_RDONLY);
	REQUIRE(fd >= 0, "%s", d->path);
	REQUIRE(!ioctl(fd, BLKSSZGET, &lba));
	REQUIRE(!ioctl(fd, BLKGETSIZE64, &d->size));
	d->lba = lba;
	close(fd);
}

static int is_namespace(const struct dirent *e)
{
	int c, n, end = 0;

	return sscanf(e->d_name, "nvme%dn%d%n", &c, &n, &end) == 2 &&
	       !e->d_name[end];
}

void t_disk_nvme(struct t_disk *d, u32 lba, int n)
{
	struct dirent **names;
	int count, i, nth = n;

	count = scandir("/sys/block", &names, is_namespace, versionsort);
	for (i = 0; i < count; i++) {
		open_disk(d, names[i]->d_name);
		if (d->lba == lba && !nth--)
			return;
	}
	t_skip("no NVMe namespace %d with blocks of %u bytes", n, lba);
}

void t_disk_need_polled(void)
{
	char *text = t_read_file("/sys/module/nvme/parameters/poll_queues");

	if (atoi(text) < 1)
		t_skip("the nvme module has no poll_queues here");
	free(text);
}

void t_disk_del_partition(const struct t_disk *whole, int number)
{
	struct blkpg_partition part = { .pno = number };
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_DEL_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};
	int fd = open(whole->path, O_RDWR);

	REQUIRE(fd >= 0);
	ioctl(fd, BLKPG, &arg);
	close(fd);
}

void t_disk_partition(struct t_disk *d, const struct t_disk *whole, int number,
		      u64 start, u64 len)
{
	struct blkpg_partition part = {
		.pno = number,
		.start = start,
		.length = len,
	};
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_ADD_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};
	char name[48];
	int fd;

	t_disk_del_partition(whole, number);
	fd = open(whole->path, O_RDWR);
	REQUIRE(fd >= 0);
	REQUIRE(!ioctl(fd, BLKPG, &arg), "partition %d of %s", number,
		whole->path);
	close(fd);
	snprintf(name, sizeof(name), "%sp%d", whole->name, number);
	open_disk(d, name);
	REQUIRE_EQ(d->size, len);
}

void t_disk_del_null_blk(const char *name)
{
	t_sh("d=/sys/kernel/config/nullb/%s; if [ -d $d ]; then echo 0 >$d/power; rmdir $d; fi",
	     name);
}

void t_disk_open_null_blk(struct t_disk *d, const char *name)
{
	char number[32], path[128], *text;

	snprintf(path, sizeof(path), "/sys/kernel/config/nullb/%s/index", name);
	text = t_read_file(path);
	/* By name on newer kernels, by number on older ones. */
	if (access("/sys/block", F_OK) || t_sh("[ -e /sys/block/%s ]", name))
		snprintf(number, sizeof(number), "nullb%d", atoi(text));
	else
		snprintf(number, sizeof(number), "%s", name);
	free(text);
	open_disk(d, number);
}

void t_disk_null_blk(struct t_disk *d, const char *name, u32 lba, u32 megabytes,
		     const char *extra)
{
	t_sh("modprobe configfs; mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config");
	if (t_sh("modprobe null_blk nr_devices=0"))
		t_skip("no null_blk in this kernel");
	t_disk_del_null_blk(name);
	REQUIRE(!t_sh(
		"set -e; d=/sys/kernel/config/nullb/%s; mkdir $d; cd $d;"
		"for kv in blocksize=%u size=%u memory_backed=1 %s power=1; do"
		" echo ${kv#*=} >${kv%%=*}; done",
		name, lba, megabytes, extra ? extra : ""));
	t_disk_open_null_blk(d, name);
}

static void *aligned(size_t len)
{
	void *p;

	REQUIRE(!posix_memalign(&p, 4096, len));
	return p;
}

void t_disk_read(const struct t_disk *d, void *p, size_t len, u64 offset)
{
	void *buf = aligned(len);
	int fd = open(d->path, O_RDONLY | O_DIRECT);
	ssize_t n;

	REQUIRE(fd >= 0, "%s", d->path);
	n = pread(fd, buf, len, offset);
	REQUIRE(n == (ssize_t)len, "%s: read %zd of %zu at %llu", d->path, n,
		len, (unsigned long long)offset);
	memcpy(p, buf, len);
	close(fd);
	free(buf);
}

void t_disk_write(const struct t_disk *d, const void *p, size_t len, u64 offset)
{
	void *buf = aligned(len);
	int fd = open(d->path, O_WRONLY | O_DIRECT);
	ssize_t n;

	REQUIRE(fd >= 0, "%s", d->path);
	memcpy(buf, p, len);
	n = pwrite(fd, buf, len, offset);
	REQUIRE(n == (ssize_t)len, "%s: wrote %zd of %zu at %llu", d->path, n,
		len, (unsigned long long)offset);
	close(fd);
	free(buf);
}

void t_disk_zero(const struct t_disk *d, u64 offset, u64 len)
{
	void *zeros = calloc(1, 1 << 20);
	u64 n;

	REQUIRE(zeros);
	for (; len; offset += n, len -= n) {
		n = len < 1 << 20 ? len : 1 << 20;
		t_disk_write(d, zeros, n, offset);
	}
	free(zeros);
}

u64 t_disk_stat(const struct t_disk *d, enum t_disk_stat which)
{
	char path[64], *text, *at;
	u64 n = 0;
	u32 i;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", d->name);
	text = t_read_file(path);
	at = text;
	for (i = 0; i <= which; i++)
		n = strtoull(at, &at, 10);
	free(text);
	return n;
}

void t_disk_round_trip(struct t_region *r, const struct t_disk *d, int storage,
		       u64 addr, u32 len, u64 offset, u64 seed)
{
	u8 *buf = malloc(len), *p = t_ptr(r, addr);

	REQUIRE(buf);
	t_fill(p, len, seed);
	CHECK_EQ(t_io(r, IO_UNIFIED_F_WRITE, storage, addr, len, offset).res,
		 (int)len);
	t_disk_read(d, buf, len, offset);
	CHECK(t_filled(buf, len, seed), "on the drive");
	memset(p, 0, len);
	CHECK_EQ(t_io(r, IO_UNIFIED_F_READ, storage, addr, len, offset).res,
		 (int)len);
	CHECK(t_filled(p, len, seed), "read back");
	free(buf);
}
