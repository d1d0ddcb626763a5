// SPDX-License-Identifier: GPL-2.0
/*
 * What the drive is told: where the data is, in how many pieces, and how
 *
 * A BPF program looks at each NVMe command as it goes to the queue; the
 * addresses in it are compared with the physical pages of the region.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/disk.h"

#define KIB 1024u
#define MIB (1024u * KIB)

static struct t_region r;
static struct t_disk disk, part;
static int storage;

static void set_up(enum t_memory memory, u32 flags)
{
	const struct t_opt opt = { .memory = memory, .size = 8 * MIB };

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, &opt);
	storage = t_attach_storage(&r, disk.path, flags);
	t_trace_start(disk.name);
	t_trace_clear();
}

/* The address of piece @i of a request, as the drive sees it. */
static u64 piece(const struct nvme_trace_event *e, int i)
{
	return (e->page[i] - e->vmemmap) / 64 * 4096 + e->offset[i];
}

static void check_address(const struct nvme_trace_event *e, u64 addr)
{
	/* A PRP, or an SGL of one data block; else it points to a list. */
	if (!(e->flags & 0xc0) || !e->sgl_type)
		CHECK_EQ(e->dptr, t_phys(t_ptr(&r, addr)),
			 "the first address is not that of the region");
	CHECK_EQ(piece(e, 0), t_phys(t_ptr(&r, addr)));
}

/* One command of one segment, from the region's own memory. */
static void one_segment(void)
{
	const u32 *how = t_arg;
	static const u32 sizes[] = { 4096, 64 * KIB, 128 * KIB };
	struct nvme_trace_event e;
	struct t_res res;
	unsigned int i, w;
	u64 addr;

	set_up(T_MEM_HUGE, *how);
	CHECK(r.reg.chunk_size >= 2 * MIB, "chunk_size %llu", r.reg.chunk_size);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (w = 0; w < 2; w++) {
			addr = t_frame(&r, 40);
			res = t_io(&r,
				   w ? IO_UNIFIED_F_WRITE : IO_UNIFIED_F_READ,
				   storage, addr, sizes[i], MIB);
			CHECK_EQ(res.res, sizes[i]);
			REQUIRE(t_trace_next(&e, 2000), "no request was seen");
			CHECK_EQ(e.opcode, w ? 1 : 2);
			CHECK_EQ(e.bytes, sizes[i]);
			CHECK_EQ(e.slba, MIB / 512);
			CHECK_EQ(e.segments, 1);
			check_address(&e, addr);
			if (e.flags &
			    0xc0) /* SGL: one descriptor says it all */
				CHECK(e.sgl_length == sizes[i] && !e.sgl_type,
				      "SGL of %u, type %#x", e.sgl_length,
				      e.sgl_type);
			CHECK(!t_trace_next(&e, 0), "a second request");
		}
	}
	t_trace_stop();
	t_region_close(&r);
}

/* Whatever the memory, it is the region's pages that the drive is given. */
static void own_pages(void)
{
	struct nvme_trace_event e;
	struct t_res res;
	u64 addr, at, len;
	int i;

	set_up((enum t_memory)(uintptr_t)t_arg, 0);
	addr = t_frame(&r, 17);
	res = t_io(&r, IO_UNIFIED_F_WRITE, storage, addr, 32 * KIB, 0);
	CHECK_EQ(res.res, 32 * KIB);
	for (at = 0; at < 32 * KIB; at += e.bytes) {
		REQUIRE(t_trace_next(&e, 2000), "%llu bytes seen",
			(unsigned long long)at);
		REQUIRE(e.bytes);
		check_address(&e, addr + at);
		CHECK(e.segments >= 1 && e.segments <= 8);
		for (i = 0, len = 0; i < e.pieces; i++) {
			CHECK_EQ(piece(&e, i),
				 t_phys(t_ptr(&r, addr + at + len)), "piece %d",
				 i);
			len += e.length[i];
		}
		CHECK_EQ(len, e.bytes);
	}
	t_trace_stop();
	t_region_close(&r);
}

static void fua_and_flush(void)
{
	const u32 *how = t_arg;
	struct nvme_trace_event e;
	struct t_res res;

	set_up(T_MEM_MEMFD, *how);
	res = t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 0), 4096, 0);
	CHECK_EQ(res.res, 4096);
	REQUIRE(t_trace_next(&e, 2000));
	CHECK_EQ(e.opcode, 1);
	CHECK(!(e.cdw12 & 1u << 30), "FUA was not asked for");
	res = t_io(&r, IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FUA, storage,
		   t_frame(&r, 0), 4096, 0);
	CHECK_EQ(res.res, 4096);
	REQUIRE(t_trace_next(&e, 2000));
	CHECK_EQ(e.opcode, 1);
	CHECK(e.cdw12 & 1u << 30, "FUA did not reach the drive");
	res = t_io(&r, IO_UNIFIED_F_FLUSH, storage, 0, 0, 0);
	CHECK_EQ(res.res, 0);
	REQUIRE(t_trace_next(&e, 2000), "the flush did not reach the drive");
	CHECK_EQ(e.opcode, 0);
	t_trace_stop();
	t_region_close(&r);
}

/* The bytes and blocks of a long op, command by command. */
static void split(void)
{
	const u32 *how = t_arg;
	struct nvme_trace_event e;
	bool seen[4 * MIB / 512] = { false };
	struct t_res res;
	u64 total = 0, i;

	set_up(T_MEM_HUGE, *how);
	res = t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 3), 4 * MIB,
		   MIB);
	CHECK_EQ(res.res, 4 * MIB);
	while (t_trace_next(&e, 200)) {
		total += e.bytes;
		REQUIRE(e.slba >= MIB / 512 &&
			e.slba + e.bytes / 512 <= 5 * MIB / 512);
		for (i = 0; i < e.bytes / 512; i++) {
			CHECK(!seen[e.slba - MIB / 512 + i], "a block twice");
			seen[e.slba - MIB / 512 + i] = true;
		}
		check_address(&e, t_frame(&r, 3) + e.slba * 512 - MIB);
	}
	CHECK_EQ(total, 4 * MIB);
	t_trace_stop();
	t_region_close(&r);
}

/* A partition's ops land inside it: its start is added. */
static void partition(void)
{
	struct nvme_trace_event e;

	set_up(T_MEM_MEMFD, 0);
	t_disk_partition(&part, &disk, 1, 16 * MIB, 16 * MIB);
	storage = t_attach_storage(&r, part.path, 0);
	t_trace_clear();
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 0), 4096,
		      8192)
			 .res,
		 4096);
	REQUIRE(t_trace_next(&e, 2000));
	CHECK_EQ(e.slba, (16 * MIB + 8192) / 512);
	check_address(&e, t_frame(&r, 0));
	t_trace_stop();
	t_region_close(&r);
	t_disk_del_partition(&disk, 1);
}

static const u32 passthrough = IO_UNIFIED_ATTACH_PASSTHROUGH;
static const u32 bio = IO_UNIFIED_ATTACH_BIO;

#define MEM(m) ((const void *)(uintptr_t)(m))

static const struct t_case cases[] = {
	{ "128 KiB is one segment, passthrough", one_segment, 0, &passthrough },
	{ "128 KiB is one segment, bio", one_segment, 0, &bio },
	{ "the drive gets the region's pages, memfd", own_pages, 0,
	  MEM(T_MEM_MEMFD) },
	{ "the drive gets the region's pages, module memory", own_pages, 0,
	  MEM(T_MEM_MODULE) },
	{ "the drive gets the region's pages, huge pages", own_pages, 0,
	  MEM(T_MEM_HUGE) },
	{ "FUA and flush reach the drive, passthrough", fua_and_flush, 0,
	  &passthrough },
	{ "FUA and flush reach the drive, bio", fua_and_flush, 0, &bio },
	{ "4 MiB are split, passthrough", split, 0, &passthrough },
	{ "4 MiB are split, bio", split, 0, &bio },
	{ "a partition's start is added", partition },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
