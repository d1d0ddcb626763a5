// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces whose blocks are not what they were taken for: a drive moves whole
 * blocks, however much memory there is. Formatted while attached, and with metadata.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/sq.h"

#define PLAIN_512 "-l 0"
#define PLAIN_4096 "-l 4"
#define BESIDE "-l 1 --ms=0 --pi=1"
#define WITHIN "-l 1 --ms=1 --pi=1"
#define WITHIN_RAW "-l 1 --ms=1 --pi=0"

#define MARK 0xa5

/* The drive is the others' as well: main() gives it its blocks back. */
static struct t_disk disk;
static struct t_region r;

static void format(const char *how)
{
	/* By its controller: it may have no blocks that could be read. */
	REQUIRE(!t_sh("c=%s; nvme format /dev/${c%%n*} -n ${c##*n} %s --force >/dev/null",
		      disk.name, how),
		"%s %s", disk.name, how);
}

static int attach(u32 flags, u32 path)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.flags = flags,
	};
	int fd = open(disk.path, O_RDWR);

	REQUIRE(fd >= 0, "%s", disk.path);
	a.fd = fd;
	REQUIRE_EQ(t_attach(&r, &a), 0, "reason %u", a.reason);
	REQUIRE_EQ(a.path, path);
	close(fd);
	return a.index;
}

static void mark(void)
{
	memset(t_ptr(&r, r.reg.data_off), MARK, 2 << 20);
}

static void check_mark(const char *what)
{
	const u8 *p = t_ptr(&r, r.reg.data_off);

	CHECK(p[0] == MARK && !memcmp(p, p + 1, (2 << 20) - 1),
	      "%s has written into the region", what);
}

static void refused(const char *what, int res, u32 reason)
{
	CHECK_EQ(res, -ESTALE, "%s: reason %u", what, reason);
	CHECK_EQ(reason, IO_UNIFIED_REASON_FORMATTED, "%s", what);
}

/* Each way to start a transfer, from the short ones to that of many commands. */
static void refuses_all(int storage, bool passthrough)
{
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_NVME,
		.storage = storage,
		.addr = t_frame(&r, 0),
		.len = 512,
	};
	static const struct {
		const char *name;
		u32 flags;
		u32 len;
	} ops[] = {
		{ "read", IO_UNIFIED_F_READ, 512 },
		{ "write", IO_UNIFIED_F_WRITE, 512 },
		{ "read of pages", IO_UNIFIED_F_READ, 65536 },
		{ "read of many", IO_UNIFIED_F_READ, 2 << 20 },
	};
	struct io_unified_cqe cqe;
	struct t_res res;
	u32 i;

	mark();
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		d.flags = ops[i].flags;
		d.len = ops[i].len;
		res = t_op(&r, &d);
		refused(ops[i].name, res.res, res.reason);
		REQUIRE(t_sq_put(&r, 0, &d));
		CHECK_EQ(t_ring(&r, 0, 0, 0).res, 1);
		REQUIRE(t_cq(&r, &cqe, 5000));
		refused(ops[i].name, cqe.res, cqe.reason);
	}
	d.len = 512;
	if (passthrough) {
		d.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_OPCODE;
		d.nvme_opcode = 2;
		res = t_op(&r, &d);
		refused("read by opcode", res.res, res.reason);
		d.nvme_opcode = 0;
	}
	d.flags = IO_UNIFIED_F_ZEROES;
	d.addr = 0;
	res = t_op(&r, &d);
	refused("write zeroes", res.res, res.reason);
	check_mark("an op");
}

struct path {
	u32 flags;
	u32 path;
};

static const struct path passthrough = { IO_UNIFIED_ATTACH_PASSTHROUGH,
					 IO_UNIFIED_PATH_PASSTHROUGH };
static const struct path bio = { IO_UNIFIED_ATTACH_BIO, IO_UNIFIED_PATH_BIO };

static void other_size(void)
{
	const struct path *p = t_arg;
	int storage;

	format(PLAIN_512);
	t_region_open(&r, NULL);
	storage = attach(p->flags, p->path);
	t_disk_round_trip(&r, &disk, storage, t_frame(&r, 0), 512, 512, 80);
	format(PLAIN_4096);
	refuses_all(storage, p == &passthrough);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage), 0);
	/* As it is now, it is as good as before. */
	storage = attach(p->flags, p->path);
	t_disk_round_trip(&r, &disk, storage, t_frame(&r, 0), 4096, 4096, 81);
	t_region_close(&r);
}

/* Blocks of the same size, with metadata now. */
static void metadata_comes(const char *how, int error, u16 reason)
{
	int storage;

	format(PLAIN_512);
	t_region_open(&r, NULL);
	storage = attach(IO_UNIFIED_ATTACH_PASSTHROUGH,
			 IO_UNIFIED_PATH_PASSTHROUGH);
	format(how);
	mark();
	t_ends(&r,
	       &(struct io_unified_desc){
		       .ops = IO_UNIFIED_OP_NVME,
		       .flags = IO_UNIFIED_F_READ,
		       .storage = storage,
		       .addr = t_frame(&r, 0),
		       .len = 4096,
	       },
	       error, reason);
	check_mark("a read");
	t_region_close(&r);
}

static void metadata_beside(void)
{
	metadata_comes(BESIDE, -ESTALE, IO_UNIFIED_REASON_FORMATTED);
}

/* The kernel has no use for such blocks: it is as if the drive had gone. */
static void metadata_within(void)
{
	metadata_comes(WITHIN_RAW, -ENODEV, IO_UNIFIED_REASON_IO);
}

/* Protection information: the driver's own commands see to it, ours do not. */
static void has_metadata(void)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.flags = IO_UNIFIED_ATTACH_PASSTHROUGH,
	};
	int storage;

	format(t_arg);
	t_region_open(&r, NULL);
	a.fd = open(disk.path, O_RDWR);
	REQUIRE(a.fd >= 0);
	CHECK_EQ(t_attach(&r, &a), -EOPNOTSUPP);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_METADATA);
	close(a.fd);
	storage = attach(0, IO_UNIFIED_PATH_BIO);
	t_disk_round_trip(&r, &disk, storage, t_frame(&r, 0), 65536, 4096, 82);
	t_region_close(&r);
}

static const struct t_case cases[] = {
	{ "blocks of another size, passthrough", other_size, 0, &passthrough },
	{ "blocks of another size, bios", other_size, 0, &bio },
	{ "metadata comes beside blocks", metadata_beside },
	{ "metadata comes into blocks", metadata_within },
	{ "protection information beside blocks", has_metadata, 0, BESIDE },
	{ "protection information within blocks", has_metadata, 0, WITHIN },
};

int main(int argc, char **argv)
{
	int ret;

	t_disk_nvme(&disk, 512, 0);
	ret = t_main(cases, ARRAY_SIZE(cases), argc, argv);
	format(PLAIN_512);
	return ret;
}
