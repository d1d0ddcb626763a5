// SPDX-License-Identifier: GPL-2.0
/*
 * Rings of an AF_XDP socket, mapped into the kernel
 *
 * The kernel gives them away by mmap() only. So they are mapped into the
 * caller for a moment, their pages are taken and mapped where they stay.
 */
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat/net.h"
#include "xsk_ring.h"

/* Where a ring may begin in its mapping: behind its indices. */
#define IOU_RING_MAX_DESC PAGE_SIZE

static bool iou_ring_offset_ok(u64 offset, u64 desc)
{
	return IS_ALIGNED(offset, sizeof(u32)) && desc >= sizeof(u32) &&
	       offset <= desc - sizeof(u32);
}

static int iou_ring_get_pages(struct iou_ring *ring, struct file *file,
			      unsigned long addr, u64 pgoff)
{
	unsigned long size = (unsigned long)ring->nr_pages << PAGE_SHIFT;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long ret = -EFAULT;

	/* Another thread may have put something else there meanwhile. */
	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (!vma || vma->vm_file != file || vma->vm_start != addr ||
	    vma->vm_end != addr + size || vma->vm_pgoff != pgoff >> PAGE_SHIFT)
		goto out;

	ring->pinned = !(vma->vm_flags & VM_PFNMAP);
	if (!ring->pinned) {
		ret = iou_get_pfn_pages(vma, addr, ring->nr_pages, ring->pages);
		goto out;
	}
	ret = iou_pin_pages(addr, ring->nr_pages, ring->pages);
	if (ret >= 0 && ret != ring->nr_pages) {
		unpin_user_pages(ring->pages, ret);
		ret = -EFAULT;
	}
out:
	mmap_read_unlock(mm);
	return ret < 0 ? ret : 0;
}

static void iou_ring_put_pages(struct iou_ring *ring)
{
	unsigned int i;

	if (ring->pinned) {
		unpin_user_pages(ring->pages, ring->nr_pages);
		return;
	}
	for (i = 0; i < ring->nr_pages; i++)
		put_page(ring->pages[i]);
}

int iou_ring_map(struct iou_ring *ring, struct file *file, u64 pgoff,
		 const struct xdp_ring_offset *off, u32 entries,
		 size_t desc_size)
{
	unsigned long addr, size;
	int ret;

	if (off->desc > IOU_RING_MAX_DESC || !IS_ALIGNED(off->desc, 8) ||
	    !iou_ring_offset_ok(off->producer, off->desc) ||
	    !iou_ring_offset_ok(off->consumer, off->desc) ||
	    !iou_ring_offset_ok(off->flags, off->desc))
		return -EPROTO;

	size = PAGE_ALIGN(off->desc + entries * desc_size);
	ring->nr_pages = size >> PAGE_SHIFT;
	ring->pages = kvcalloc(ring->nr_pages, sizeof(*ring->pages),
			       GFP_KERNEL_ACCOUNT);
	if (!ring->pages)
		return -ENOMEM;

	addr = vm_mmap(file, 0, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, pgoff);
	if (IS_ERR_VALUE(addr)) {
		ret = (long)addr;
		goto err_free;
	}
	ret = iou_ring_get_pages(ring, file, addr, pgoff);
	vm_munmap(addr, size);
	if (ret)
		goto err_free;

	ring->base = vmap(ring->pages, ring->nr_pages, VM_MAP, PAGE_KERNEL);
	if (!ring->base) {
		ret = -ENOMEM;
		goto err_put;
	}

	ring->producer = ring->base + off->producer;
	ring->consumer = ring->base + off->consumer;
	ring->flags = ring->base + off->flags;
	ring->desc = ring->base + off->desc;
	ring->entries = entries;
	ring->own = 0;
	ring->seen = 0;
	return 0;

err_put:
	iou_ring_put_pages(ring);
err_free:
	kvfree(ring->pages);
	ring->pages = NULL;
	return ret;
}

void iou_ring_unmap(struct iou_ring *ring)
{
	if (!ring->pages)
		return;
	vunmap(ring->base);
	iou_ring_put_pages(ring);
	kvfree(ring->pages);
	ring->pages = NULL;
}
