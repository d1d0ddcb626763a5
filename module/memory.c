// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a region: the caller's, pinned, or a shmem file of our own
 *
 * Module memory is a shmem file because its mapping is then an ordinary shmem
 * mapping: io_uring takes it as a fixed buffer on every kernel, it outlives
 * our file without pinning it, and its pages are refcounted one by one.
 */
#include <linux/cred.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include "compat/compat.h"
#include "iou.h"

/* Pinned in pieces: a signal or a reschedule need not wait for 64 GiB. */
#define IOU_PIN_BATCH 4096UL

static int iou_mem_account(struct iou_mem *mem)
{
	unsigned long limit, cur, new;

	mem->user = get_uid(current_user());
	if (!capable(CAP_IPC_LOCK)) {
		limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
		cur = atomic_long_read(&mem->user->locked_vm);
		do {
			new = cur + mem->nr_pages;
			if (new > limit) {
				free_uid(mem->user);
				mem->user = NULL;
				return -ENOMEM;
			}
		} while (!atomic_long_try_cmpxchg(&mem->user->locked_vm, &cur,
						  new));
		mem->accounted = true;
	}
	mmgrab(current->mm);
	mem->mm = current->mm;
	atomic64_add(mem->nr_pages, &mem->mm->pinned_vm);
	return 0;
}

static void iou_mem_unaccount(struct iou_mem *mem)
{
	if (!mem->user)
		return;
	if (mem->accounted)
		atomic_long_sub(mem->nr_pages, &mem->user->locked_vm);
	atomic64_sub(mem->nr_pages, &mem->mm->pinned_vm);
	mmdrop(mem->mm);
	free_uid(mem->user);
	mem->user = NULL;
}

/* Returns how many pages were had; fewer than asked for is an error. */
static unsigned long iou_mem_pin(struct iou_mem *mem)
{
	unsigned long done = 0;
	long n;

	while (done < mem->nr_pages) {
		if (fatal_signal_pending(current))
			break;
		n = pin_user_pages_fast(
			mem->user_addr + (done << PAGE_SHIFT),
			min(mem->nr_pages - done, IOU_PIN_BATCH),
			FOLL_WRITE | FOLL_LONGTERM, mem->pages + done);
		if (n <= 0)
			break;
		done += n;
		cond_resched();
	}
	return done;
}

static unsigned long iou_mem_alloc(struct iou_mem *mem)
{
	struct address_space *mapping;
	unsigned long done;
	struct page *page;

	mem->shmem = iou_shmem_file("io_unified", mem->size);
	if (IS_ERR(mem->shmem)) {
		mem->shmem = NULL;
		return 0;
	}
	mapping = mem->shmem->f_mapping;
	mapping_set_unevictable(mapping);

	for (done = 0; done < mem->nr_pages; done++) {
		if (fatal_signal_pending(current))
			break;
		page = shmem_read_mapping_page(mapping, done);
		if (IS_ERR(page))
			break;
		mem->pages[done] = page;
		cond_resched();
	}
	return done;
}

/*
 * Somebody may have it mapped still, and it is not accounted any more: from now on it
 * can be swapped out.
 */
static void iou_mem_make_evictable(struct iou_mem *mem, unsigned long nr)
{
	struct folio_batch batch;
	unsigned long i;

	mapping_clear_unevictable(mem->shmem->f_mapping);
	folio_batch_init(&batch);
	for (i = 0; i < nr; i++) {
		if (folio_batch_add(&batch, page_folio(mem->pages[i])) &&
		    i + 1 < nr)
			continue;
		check_move_unevictable_folios(&batch);
		folio_batch_init(&batch);
		cond_resched();
	}
}

static void iou_mem_put_pages(struct iou_mem *mem, unsigned long nr)
{
	unsigned long i;

	if (!mem->shmem) {
		unpin_user_pages_dirty_lock(mem->pages, nr, true);
		return;
	}
	iou_mem_make_evictable(mem, nr);
	for (i = 0; i < nr; i++) {
		set_page_dirty_lock(mem->pages[i]);
		put_page(mem->pages[i]);
	}
}

/*
 * Memory of a file in a file system is not for us: the device would write behind
 * the back of who writes the file out. Newer kernels do not pin it either.
 */
static bool iou_mem_pinnable(const struct iou_mem *mem)
{
	struct address_space *mapping;
	struct folio *folio;
	unsigned long i;

	for (i = 0; i < mem->nr_pages; i++) {
		folio = page_folio(mem->pages[i]);
		if (folio_test_anon(folio) || folio_test_hugetlb(folio))
			continue;
		mapping = READ_ONCE(folio->mapping);
		if (!mapping || !shmem_mapping(mapping))
			return false;
	}
	return true;
}

/* The largest power of two of which all aligned pieces are contiguous. */
static unsigned int iou_mem_chunk_shift(const struct iou_mem *mem)
{
	unsigned long i, mask = ~0UL;

	/*
	 * A break between pages i - 1 and i may only be at a chunk's start:
	 * the chunk cannot be larger than the lowest set bit of i.
	 */
	for (i = 1; i < mem->nr_pages; i++)
		if (page_to_pfn(mem->pages[i]) !=
		    page_to_pfn(mem->pages[i - 1]) + 1)
			mask &= i ^ (i - 1);

	/* Not larger than a huge page: a longer bvec gains nothing. */
	return PAGE_SHIFT + min_t(unsigned int, fls64((u64)mask & 1023) - 1,
				  PMD_SHIFT - PAGE_SHIFT);
}

static int iou_mem_make_bvec(struct iou_mem *mem)
{
	unsigned long i, per, nr;

	mem->chunk_shift = iou_mem_chunk_shift(mem);
	per = 1UL << (mem->chunk_shift - PAGE_SHIFT);
	nr = DIV_ROUND_UP(mem->nr_pages, per);
	mem->bvec = kvcalloc(nr, sizeof(*mem->bvec), GFP_KERNEL_ACCOUNT);
	if (!mem->bvec)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		mem->bvec[i].bv_page = mem->pages[i * per];
		mem->bvec[i].bv_len = min(per, mem->nr_pages - i * per)
				      << PAGE_SHIFT;
	}
	return 0;
}

static bool iou_mem_on_node(const struct iou_mem *mem, int node)
{
	unsigned long i;

	for (i = 0; i < mem->nr_pages; i++)
		if (page_to_nid(mem->pages[i]) != node)
			return false;
	return true;
}

int iou_mem_init(struct iou_mem *mem, struct io_unified_region_reg *reg)
{
	unsigned long had;
	int ret;

	mem->size = reg->region_size;
	mem->nr_pages = mem->size >> PAGE_SHIFT;
	mem->user_addr = reg->user_addr;

	ret = iou_mem_account(mem);
	if (ret) {
		reg->reason = IO_UNIFIED_REASON_MEMLOCK;
		return ret;
	}

	ret = -ENOMEM;
	mem->pages = kvmalloc_array(mem->nr_pages, sizeof(*mem->pages),
				    GFP_KERNEL_ACCOUNT);
	if (!mem->pages)
		goto err_unaccount;

	had = mem->user_addr ? iou_mem_pin(mem) : iou_mem_alloc(mem);
	if (had < mem->nr_pages) {
		reg->reason = mem->user_addr ? IO_UNIFIED_REASON_PIN :
					       IO_UNIFIED_REASON_NONE;
		ret = fatal_signal_pending(current) ? -EINTR :
		      mem->user_addr		    ? -EFAULT :
						      -ENOMEM;
		goto err_pages;
	}

	ret = -EOPNOTSUPP;
	if (mem->user_addr && !iou_mem_pinnable(mem)) {
		reg->reason = IO_UNIFIED_REASON_PIN;
		goto err_pages;
	}

	ret = -EINVAL;
	if (reg->numa_node >= 0 && !iou_mem_on_node(mem, reg->numa_node)) {
		reg->reason = IO_UNIFIED_REASON_NUMA;
		goto err_pages;
	}

	ret = iou_mem_make_bvec(mem);
	if (ret)
		goto err_pages;

	ret = -ENOMEM;
	mem->kaddr = vmap(mem->pages, mem->nr_pages, VM_MAP, PAGE_KERNEL);
	if (!mem->kaddr)
		goto err_bvec;
	return 0;

err_bvec:
	kvfree(mem->bvec);
err_pages:
	iou_mem_put_pages(mem, had);
	if (mem->shmem)
		fput(mem->shmem);
	kvfree(mem->pages);
err_unaccount:
	iou_mem_unaccount(mem);
	return ret;
}

void iou_mem_exit(struct iou_mem *mem)
{
	vunmap(mem->kaddr);
	kvfree(mem->bvec);
	iou_mem_put_pages(mem, mem->nr_pages);
	if (mem->shmem)
		fput(mem->shmem);
	kvfree(mem->pages);
	iou_mem_unaccount(mem);
}
