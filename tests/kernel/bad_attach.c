// SPDX-License-Identifier: GPL-2.0
/* Attachments, detachments and statistics that must be refused. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/iou_test.h"

static struct t_region r;
static struct t_disk disk;
static int disk_fd;

static void set_up(void)
{
	t_disk_nvme(&disk, 4096, 0);
	t_region_open(&r, NULL);
	disk_fd = open(disk.path, O_RDWR);
	REQUIRE(disk_fd >= 0);
}

static struct io_unified_attach storage(void)
{
	return (struct io_unified_attach){
		.kind = IO_UNIFIED_KIND_STORAGE,
		.fd = disk_fd,
	};
}

static void refuse(struct io_unified_attach a, int error, u32 reason,
		   const char *what)
{
	CHECK_EQ(t_attach(&r, &a), -error, "%s", what);
	CHECK_EQ(a.reason, reason, "%s", what);
}

/* Nothing has taken an index, and everything goes. */
static void works(void)
{
	struct io_unified_attach a = storage();

	CHECK_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	CHECK_EQ(a.index, 0);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, 0), 0);
	t_region_close(&r);
}

#define REFUSE(error, why, ...)                                           \
	do {                                                              \
		struct io_unified_attach a_ = storage();                  \
		struct io_unified_attach *a = &a_;                        \
		__VA_ARGS__;                                              \
		refuse(a_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)

static void kinds(void)
{
	static const u32 bad[] = { 0,  3,	   7,	       8,  9,
				   64, 0x7fffffff, 0x80000000, ~0u };
	unsigned int i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		REFUSE(EINVAL, KIND, a->kind = bad[i]);
	works();
}

static void fields(void)
{
	unsigned int i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(((struct io_unified_attach *)0)->reserved);
	     i++)
		REFUSE(EINVAL, RESERVED, a->reserved[i] = 1ull << (9 * i));
	for (i = 6; i < 32; i++)
		REFUSE(EINVAL, FLAGS, a->flags = 1u << i);
	/* Flags of another kind, and contradictions. */
	REFUSE(EINVAL, FLAGS, a->flags = IO_UNIFIED_ATTACH_ZEROCOPY);
	REFUSE(EINVAL, FLAGS, a->flags = IO_UNIFIED_ATTACH_XSK);
	REFUSE(EINVAL, FLAGS, a->flags = IO_UNIFIED_ATTACH_RX_HANDLER);
	REFUSE(EINVAL, FLAGS,
	       a->flags = IO_UNIFIED_ATTACH_PASSTHROUGH |
			  IO_UNIFIED_ATTACH_BIO);
	REFUSE(EINVAL, FLAGS, a->kind = IO_UNIFIED_KIND_RING;
	       a->fd = r.ring.ring_fd; a->flags = 1);
	REFUSE(EINVAL, FLAGS, a->kind = IO_UNIFIED_KIND_BPF; a->flags = 1);
	works();
}

static void fds(void)
{
	int pipes[2], memfd, dir, chr;

	set_up();
	REQUIRE(!pipe(pipes));
	memfd = memfd_create("x", 0);
	dir = open("/tmp", O_RDONLY);
	chr = open("/dev/zero", O_RDWR);
	REFUSE(EBADF, BAD_FD, a->fd = -1);
	REFUSE(EBADF, BAD_FD, a->fd = 1000);
	REFUSE(EINVAL, DIRECT, a->fd = memfd);
	REFUSE(ENOTBLK, NOT_BLOCK, a->fd = dir);
	REFUSE(ENOTBLK, NOT_BLOCK, a->fd = chr);
	REFUSE(ENOTBLK, NOT_BLOCK, a->fd = pipes[0]);
	REFUSE(ENOTBLK, NOT_BLOCK, a->fd = r.fd);
	REFUSE(ENOTBLK, NOT_BLOCK, a->fd = r.ring.ring_fd);
	REFUSE(EBADF, BAD_FD, a->fd = open(disk.path, O_PATH));
	REFUSE(EINVAL, NOT_URING, a->kind = IO_UNIFIED_KIND_RING);
	REFUSE(EINVAL, NOT_URING, a->kind = IO_UNIFIED_KIND_RING;
	       a->fd = memfd);
	REFUSE(EBADF, BAD_FD, a->kind = IO_UNIFIED_KIND_RING; a->fd = 1000);
	REFUSE(EBADF, BAD_FD, a->kind = IO_UNIFIED_KIND_BPF; a->fd = 1000);
	works();
}

static void windows(void)
{
	struct io_unified_attach a;
	u64 size;

	set_up();
	size = disk.size;
	REFUSE(EINVAL, LBA_ALIGN, a->dev_start = 512);
	REFUSE(EINVAL, LBA_ALIGN, a->dev_len = 512);
	REFUSE(EINVAL, LBA_ALIGN, a->dev_len = 4097);
	REFUSE(ERANGE, RANGE, a->dev_start = size);
	REFUSE(ERANGE, RANGE, a->dev_len = size + 4096);
	REFUSE(ERANGE, RANGE, a->dev_start = 4096; a->dev_len = size);
	REFUSE(ERANGE, RANGE, a->dev_start = 1ull << 63);
	REFUSE(ERANGE, RANGE, a->dev_start = -4096ull; a->dev_len = 8192);
	REFUSE(ERANGE, RANGE, a->dev_start = 8192; a->dev_len = -4096ull);
	/* The last block is a window. */
	a = storage();
	a.dev_start = size - 4096;
	CHECK_EQ(t_attach(&r, &a), 0);
	CHECK_EQ(a.size, 4096);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, a.index), 0);
	works();
}

/* An op stays inside its window, and lands where the window is. */
static void window_io(void)
{
	struct io_unified_attach a;
	struct t_res res;
	u8 *buf = malloc(16384);

	set_up();
	memset(buf, 0, 16384);
	t_disk_write(&disk, buf, 16384, 1 << 20);
	a = storage();
	a.dev_start = (1 << 20) + 4096;
	a.dev_len = 8192;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	CHECK_EQ(a.size, 8192);
	t_fill(t_ptr(&r, t_frame(&r, 0)), 12288, 50);
	res = t_io(&r, IO_UNIFIED_F_WRITE, a.index, t_frame(&r, 0), 12288, 0);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_RANGE);
	res = t_io(&r, IO_UNIFIED_F_WRITE, a.index, t_frame(&r, 0), 4096, 8192);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_RANGE);
	res = t_io(&r, IO_UNIFIED_F_WRITE, a.index, t_frame(&r, 0), 8192, 4096);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_RANGE);
	res = t_io(&r, IO_UNIFIED_F_WRITE, a.index, t_frame(&r, 0), 4096,
		   -4096ull);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_RANGE);
	t_disk_read(&disk, buf, 16384, 1 << 20);
	CHECK(!buf[0] && !memcmp(buf, buf + 1, 16383), "something was written");
	res = t_io(&r, IO_UNIFIED_F_WRITE, a.index, t_frame(&r, 0), 8192, 0);
	CHECK_EQ(res.res, 8192);
	t_disk_read(&disk, buf, 16384, 1 << 20);
	CHECK(t_filled(buf + 4096, 8192, 50));
	CHECK(!buf[0] && !buf[4095] && !buf[12288]);
	free(buf);
	t_region_close(&r);
}

static void partition(void)
{
	struct t_disk part;

	set_up();
	t_disk_partition(&part, &disk, 1, 1 << 20, 1 << 20);
	REFUSE(EACCES, PARTITION, a->fd = open(part.path, O_RDWR);
	       a->flags = IO_UNIFIED_ATTACH_PASSTHROUGH);
	REFUSE(ERANGE, RANGE, a->fd = open(part.path, O_RDWR);
	       a->dev_len = 2 << 20);
	works();
}

static void not_nvme(void)
{
	struct t_disk null;

	set_up();
	t_disk_null_blk(&null, "iout", 512, 16, NULL);
	REFUSE(EOPNOTSUPP, NOT_NVME, a->fd = open(null.path, O_RDWR);
	       a->flags = IO_UNIFIED_ATTACH_PASSTHROUGH);
	works();
}

static void table_full(void)
{
	struct io_unified_info info;
	struct io_unified_attach a;
	unsigned int i;

	set_up();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_GET_INFO, &info));
	CHECK(info.max_attachments >= 1);
	for (i = 0; i < info.max_attachments; i++) {
		a = storage();
		REQUIRE_EQ(t_attach(&r, &a), 0);
		REQUIRE_EQ(a.index, i);
	}
	REFUSE(ENOSPC, TABLE_FULL, (void)a);
	/* A hole is used again. */
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, 5), 0);
	a = storage();
	CHECK_EQ(t_attach(&r, &a), 0);
	CHECK_EQ(a.index, 5);
	for (i = 0; i < info.max_attachments; i++)
		CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, i), 0);
	works();
}

static void links_full(void)
{
	struct io_unified_info info;
	struct io_uring extra[64];
	unsigned int i;

	set_up();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_GET_INFO, &info));
	REQUIRE(info.max_links >= 2 && info.max_links <= ARRAY_SIZE(extra));
	for (i = 0; i < info.max_links; i++) {
		struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };

		t_ring_init(&extra[i], 4, 0);
		a.fd = extra[i].ring_fd;
		if (i + 1 < info.max_links) {
			CHECK_EQ(t_attach(&r, &a), 0, "link %u", i);
			continue;
		}
		CHECK_EQ(t_attach(&r, &a), -ENOSPC);
		CHECK_EQ(a.reason, IO_UNIFIED_REASON_TABLE_FULL);
	}
	t_region_close(&r);
}

static int detach(u32 kind, u32 index, u32 flags, u64 reserved, u32 *reason)
{
	struct io_unified_detach d = {
		.kind = kind,
		.index = index,
		.flags = flags,
		.reserved = { 0, reserved },
	};
	int ret = ioctl(r.fd, IO_UNIFIED_DETACH, &d) ? -errno : 0;

	*reason = d.reason;
	return ret;
}

static void detaching(void)
{
	static const u32 kinds_[] = {
		IO_UNIFIED_KIND_STORAGE, IO_UNIFIED_KIND_NETDEV,
		IO_UNIFIED_KIND_SOCKET,	 IO_UNIFIED_KIND_BPF,
		IO_UNIFIED_KIND_RING,
	};
	unsigned int i;
	u32 reason;

	set_up();
	for (i = 0; i < ARRAY_SIZE(kinds_); i++) {
		CHECK_EQ(detach(kinds_[i], 1, 0, 0, &reason), -ENOENT);
		CHECK_EQ(reason, IO_UNIFIED_REASON_INDEX);
		CHECK_EQ(detach(kinds_[i], 64, 0, 0, &reason), -ENOENT);
		CHECK_EQ(detach(kinds_[i], ~0u, 0, 0, &reason), -ENOENT);
		CHECK_EQ(detach(kinds_[i], 0, 1, 0, &reason), -EINVAL);
		CHECK_EQ(reason, IO_UNIFIED_REASON_FLAGS);
		CHECK_EQ(detach(kinds_[i], 0, 0, 1, &reason), -EINVAL);
		CHECK_EQ(reason, IO_UNIFIED_REASON_RESERVED);
	}
	CHECK_EQ(detach(IO_UNIFIED_KIND_REGION, 0, 0, 0, &reason), -EINVAL);
	CHECK_EQ(reason, IO_UNIFIED_REASON_KIND);
	CHECK_EQ(detach(99, 0, 0, 0, &reason), -EINVAL);
	CHECK_EQ(reason, IO_UNIFIED_REASON_KIND);
	works();
}

static void statistics(void)
{
	struct io_unified_stats s;

	set_up();
	s = (struct io_unified_stats){ .kind = IO_UNIFIED_KIND_STORAGE };
	CHECK(ioctl(r.fd, IO_UNIFIED_GET_STATS, &s) == -1 && errno == ENOENT);
	CHECK_EQ(s.reason, IO_UNIFIED_REASON_INDEX);
	s = (struct io_unified_stats){ .kind = 77 };
	CHECK(ioctl(r.fd, IO_UNIFIED_GET_STATS, &s) == -1 && errno == EINVAL);
	CHECK_EQ(s.reason, IO_UNIFIED_REASON_KIND);
	s = (struct io_unified_stats){ .kind = 0, .reserved = 1 };
	CHECK(ioctl(r.fd, IO_UNIFIED_GET_STATS, &s) == -1 && errno == EINVAL);
	CHECK_EQ(s.reason, IO_UNIFIED_REASON_RESERVED);
	s = (struct io_unified_stats){ .kind = 0, .index = 1 };
	CHECK(ioctl(r.fd, IO_UNIFIED_GET_STATS, &s) == -1);
	works();
}

static void without_region(void)
{
	struct io_unified_attach a;
	struct io_unified_detach d = { .kind = IO_UNIFIED_KIND_STORAGE };
	struct io_unified_stats s = { .kind = 0 };
	int fd = t_open();

	set_up();
	a = storage();
	CHECK(ioctl(fd, IO_UNIFIED_ATTACH, &a) == -1 && errno == ENXIO);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_NO_REGION);
	CHECK(ioctl(fd, IO_UNIFIED_DETACH, &d) == -1 && errno == ENXIO);
	CHECK_EQ(d.reason, IO_UNIFIED_REASON_NO_REGION);
	CHECK(ioctl(fd, IO_UNIFIED_GET_STATS, &s) == -1 && errno == ENXIO);
	CHECK_EQ(s.reason, IO_UNIFIED_REASON_NO_REGION);
	CHECK(ioctl(fd, IO_UNIFIED_UNREGISTER_REGION) == -1 && errno == ENXIO);
	close(fd);
	works();
}

static const struct t_case cases[] = {
	{ "kinds", kinds },
	{ "flags and reserved fields", fields },
	{ "fds of other kinds", fds },
	{ "windows that do not fit", windows },
	{ "ops stay in their window", window_io },
	{ "passthrough on a partition", partition },
	{ "passthrough on what is no NVMe", not_nvme },
	{ "too many attachments", table_full },
	{ "too many rings", links_full },
	{ "detaching what is not there", detaching },
	{ "statistics of what is not there", statistics },
	{ "without a region", without_region },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
