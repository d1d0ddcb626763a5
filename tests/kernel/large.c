// SPDX-License-Identifier: GPL-2.0
/* A region of 64 GiB of addresses: usable to its end, and registered in linear time. */
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/disk.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

enum { LEN = 128 << 10 };
static const u64 where = 700 * MIB;

static struct t_region r;
static struct t_disk disk;

static u64 cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/*
 * One page of @page bytes all over @size bytes of addresses: so it takes no memory
 * but what the region needs to know each of its pages.
 */
static u8 *map_again_and_again(u64 size, u64 page)
{
	int fd = memfd_create("io_unified-test",
			      MFD_CLOEXEC | MFD_HUGETLB |
				      (page == GIB ? MFD_HUGE_1GB :
						     MFD_HUGE_2MB));
	u64 at;
	u8 *p;

	REQUIRE(fd >= 0 && !ftruncate(fd, page));
	p = mmap(NULL, size + page, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(p != MAP_FAILED);
	p = (u8 *)(((uintptr_t)p + page - 1) & ~(page - 1));
	for (at = 0; at < size; at += page)
		REQUIRE(mmap(p + at, page, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, fd, 0) == p + at);
	close(fd);
	/* Zeroing the page is not what is measured. */
	*p = 1;
	return p;
}

/* What registering and unregistering @size bytes takes. */
static u64 register_once(u64 size, u64 page, bool use)
{
	const struct t_opt opt = {
		.base = map_again_and_again(size, page),
		.size = size,
	};
	u64 start = cpu_ms(), ms;
	int storage;

	t_region_open(&r, &opt);
	ms = cpu_ms() - start;
	CHECK_EQ(r.reg.chunk_size, 2 * MIB);
	if (use) {
		storage = t_attach_storage(&r, disk.path, 0);
		t_disk_round_trip(&r, &disk, storage, size - LEN, LEN, where,
				  7);
		t_disk_round_trip(&r, &disk, storage, size / 2 - 4096, LEN,
				  where, 8);
	}
	start = cpu_ms();
	t_region_close(&r);
	ms += cpu_ms() - start;
	t_note("%llu GiB: %llu ms", (unsigned long long)(size / GIB),
	       (unsigned long long)ms);
	return ms;
}

/* Eight times as much takes eight times as long, not sixty-four times. */
static void large(void)
{
	u64 page = (uintptr_t)t_arg, size = 64 * GIB, small, all;
	char *text = t_read_file("/proc/meminfo");
	u64 kb = strtoull(text + strlen("MemTotal:"), NULL, 10);

	/* The kernel maps no more pages at once than there are. */
	if (kb >> 10 <= size >> 20)
		t_skip("the VM has less than 64 GiB of (mostly unused) memory");
	free(text);
	t_disk_nvme(&disk, 512, 0);
	if (page == GIB)
		t_hugepage_1gb();
	else
		t_hugepages(1);
	register_once(GIB, page, false);
	small = register_once(size / 8, page, false);
	all = register_once(size, page, true);
	CHECK(all < 3 * 8 * small + 1000, "not linear");
}

#define ARG(x) ((const void *)(uintptr_t)(x))

static const struct t_case cases[] = {
	{ "64 GiB, by pages of 1 GiB", large, 300, ARG(GIB) },
	{ "64 GiB, by pages of 2 MiB", large, 300, ARG(2 * MIB) },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
