// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/param.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "leak.h"

static long field(const char *text, const char *name)
{
	const char *at = text;
	size_t len = strlen(name);

	while ((at = strstr(at, name))) {
		if ((at == text || at[-1] == '\n') &&
		    (at[len] == ':' || at[len] == ' '))
			return atol(at + len + 1);
		at += len;
	}
	return 0;
}

/*
 * Free pages that a CPU keeps on lists of its own are not in MemFree: /proc/zoneinfo
 * has them, a line "count: N" for each CPU and zone. Newer kernels let these lists
 * grow to an eighth of all memory.
 */
static long free_on_cpus_kb(void)
{
	char *text = t_read_file("/proc/zoneinfo");
	const char *at = text;
	long pages = 0;

	while ((at = strstr(at, "count:"))) {
		at += strlen("count:");
		pages += atol(at);
	}
	free(text);
	return pages * (getpagesize() / 1024);
}

static long count_ids(int (*next)(u32 id, u32 *next_id))
{
	u32 id = 0;
	long n = 0;

	while (!next(id, &id))
		n++;
	return n;
}

bool t_debug_kernel(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/*
 * KASAN keeps what is freed for a while, in its slabs, and every new stack that it
 * sees for ever. With it slabs and free memory count together, only a region of
 * memory that is lost in each round is seen, and kmemleak tells of the slabs. Pages
 * are for the other kernels to find.
 */
#define KASAN_KEEPS_KB 16384L

static void look(struct t_leak *l)
{
	struct dirent **names;
	char *text;

	text = t_read_file("/proc/meminfo");
	l->free_kb = field(text, "MemFree") + field(text, "Buffers") +
		     field(text, "Cached") + field(text, "SReclaimable") +
		     free_on_cpus_kb();
	l->slab_kb = field(text, "SUnreclaim");
	if (t_debug_kernel())
		l->free_kb += l->slab_kb;
	l->percpu_kb = field(text, "Percpu");
	l->vmalloc_kb = field(text, "VmallocUsed");
	free(text);
	text = t_read_file("/proc/vmstat");
	l->pinned = field(text, "nr_foll_pin_acquired") -
		    field(text, "nr_foll_pin_released");
	free(text);
	text = t_read_file("/proc/sys/fs/file-nr");
	l->files = atol(text);
	free(text);
	l->netdevs = scandir("/sys/class/net", &names, NULL, NULL);
	l->bpf = count_ids(bpf_prog_get_next_id) +
		 count_ids(bpf_map_get_next_id) +
		 count_ids(bpf_link_get_next_id);
}

void t_leak_start(struct t_leak *l)
{
	struct t_leak again;
	int i;

	look(l);
	/* RCU, work items and caches take their time: until it stands still. */
	t_sleep_ms(300);
	for (i = 0; i < 5; i++) {
		t_write_file("/proc/sys/vm/drop_caches", "3");
		t_write_file("/proc/sys/vm/compact_memory", "1");
		t_sleep_ms(100);
		look(&again);
		if (i && labs(again.free_kb - l->free_kb) < 128)
			break;
		*l = again;
	}
	*l = again;
}

/*
 * A page each round: less than anything that we could forget. But lists and counters
 * of CPUs hide a little, however few rounds there are.
 */
static long enough_kb(int rounds)
{
	return MAX(4L * rounds, 320L);
}

/* What of it went with each of @rounds rounds, or NULL. */
static const char *lost(const struct t_leak *before, const struct t_leak *now,
			int rounds)
{
	const long enough = enough_kb(rounds);
	const bool kept = t_debug_kernel();

	if (before->free_kb - now->free_kb >= (kept ? KASAN_KEEPS_KB : enough))
		return "memory is gone";
	if (!kept && now->slab_kb - before->slab_kb >= enough)
		return "slabs have grown";
	if (now->percpu_kb - before->percpu_kb >= enough)
		return "memory of CPUs has grown";
	if (now->vmalloc_kb - before->vmalloc_kb >= enough)
		return "vmalloc has grown";
	if (now->pinned - before->pinned >= rounds)
		return "pages are pinned";
	if (now->files - before->files >= MAX(rounds, 32L * get_nprocs()))
		return "files are open";
	if (now->netdevs > before->netdevs)
		return "interfaces are left";
	if (now->bpf > before->bpf)
		return "BPF programs, maps or links are left";
	return NULL;
}

/* The same as soon as there is nothing, or when it does not get so. */
static const char *settle(const struct t_leak *before, int rounds)
{
	struct t_leak now;
	const char *what;
	int i;

	/* io_uring takes rings down later, some of them by and by. */
	for (i = 0; i < 12; i++) {
		t_leak_start(&now);
		what = lost(before, &now, rounds);
		if (!what)
			break;
		t_sleep_ms(1000);
	}
	t_note("%d rounds: free %+ld kB, slab %+ld kB, percpu %+ld kB, vmalloc %+ld kB, pinned %+ld pages, files %+ld, bpf %+ld",
	       rounds, now.free_kb - before->free_kb,
	       now.slab_kb - before->slab_kb, now.percpu_kb - before->percpu_kb,
	       now.vmalloc_kb - before->vmalloc_kb, now.pinned - before->pinned,
	       now.files - before->files, now.bpf - before->bpf);
	return what;
}

void t_leak_check(const struct t_leak *before, int rounds)
{
	const char *what = settle(before, rounds);

	CHECK(!what, "%s", what);
}

/* What goes with so many rounds that we have no part in. */
static struct t_leak own_growth(void (*bare)(int round), int rounds)
{
	struct t_leak before, after, growth = {};
	int i;

	t_leak_start(&before);
	for (i = 0; i < rounds; i++)
		bare(i);
	t_leak_start(&after);
	growth.free_kb = MAX(before.free_kb - after.free_kb, 0L);
	growth.slab_kb = MAX(after.slab_kb - before.slab_kb, 0L);
	t_note("%d rounds without us: free %+ld kB, slab %+ld kB", rounds,
	       -growth.free_kb, growth.slab_kb);
	return growth;
}

void t_leak_rounds_over(void (*bare)(int round), void (*one)(int round),
			int warm_up, int rounds)
{
	const int refs = t_refcount();
	struct t_leak growth = {};
	const char *what = NULL;
	struct t_leak before;
	int i, measure;

	for (i = 0; i < warm_up; i++)
		one(i);
	if (bare)
		growth = own_growth(bare, rounds);
	for (measure = 0; measure < 3; measure++) {
		t_refcount_wait(refs);
		t_leak_start(&before);
		before.free_kb -= growth.free_kb;
		before.slab_kb += growth.slab_kb;
		for (i = 0; i < rounds; i++)
			one(i);
		t_refcount_wait(refs);
		what = settle(&before, rounds);
		if (!what)
			break;
	}
	CHECK(!what, "%s, three times", what);
}

void t_leak_rounds(void (*one)(int round), int warm_up, int rounds)
{
	t_leak_rounds_over(NULL, one, warm_up, rounds);
}

int t_refcount(void)
{
	char *text = t_read_file("/sys/module/io_unified/refcnt");
	int n = atoi(text);

	free(text);
	return n;
}

void t_refcount_wait(int n)
{
	u64 end = t_now_ms() + 10000;

	while (t_refcount() != n && t_now_ms() < end)
		t_sleep_ms(10);
	REQUIRE_EQ(t_refcount(), n, "references on the module");
}
