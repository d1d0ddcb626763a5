/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fill and receive rings of an AF_XDP socket, used from inside the kernel
 *
 * A process could have these rings mapped too: nothing in them is trusted. Own
 * indices are kept aside, the kernel's are checked.
 */
#ifndef IOU_XSK_RING_H
#define IOU_XSK_RING_H

#include <linux/fs.h>
#include <linux/if_xdp.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct iou_ring - a ring, mapped
 * @producer: index
 * @consumer: index
 * @flags: XDP_RING_NEED_WAKEUP
 * @desc: u64 addresses (fill) or struct xdp_desc (receive)
 * @entries: a power of two
 * @own: the index that we move, as only we know it
 * @seen: fill ring: the consumer as it was when we last had to look
 * @shown: what of it the other side was shown
 * @base: where it is mapped
 * @pages: what is mapped
 * @nr_pages: how many
 * @pinned: the pages are pinned, not just referenced
 */
struct iou_ring {
	u32 *producer;
	u32 *consumer;
	u32 *flags;
	void *desc;
	u32 entries;
	u32 own;
	u32 seen;
	u32 shown;

	void *base;
	struct page **pages;
	unsigned int nr_pages;
	bool pinned;
};

/*
 * Map a ring of @file, whose socket is not bound yet, at @pgoff. In process
 * context with an mm.
 */
int iou_ring_map(struct iou_ring *ring, struct file *file, u64 pgoff,
		 const struct xdp_ring_offset *off, u32 entries,
		 size_t desc_size);
void iou_ring_unmap(struct iou_ring *ring);

/*
 * Produce one address, which iou_ring_publish() shows. False: the ring is full,
 * or its indices are nonsense.
 */
static inline bool iou_ring_fill(struct iou_ring *ring, u64 addr)
{
	u64 *desc = ring->desc;

	if (ring->own - ring->seen >= ring->entries) {
		/* An entry was read before its index was given back. */
		ring->seen = smp_load_acquire(ring->consumer);
		if (ring->own - ring->seen >= ring->entries)
			return false;
	}
	WRITE_ONCE(desc[ring->own & (ring->entries - 1)], addr);
	ring->own++;
	return true;
}

/* Show what was produced. True: the other side had taken all that was there. */
static inline bool iou_ring_publish(struct iou_ring *ring)
{
	bool drained = READ_ONCE(*ring->consumer) == ring->shown;

	ring->shown = ring->own;
	/* The entries are written before they can be seen. */
	smp_store_release(ring->producer, ring->own);
	return drained;
}

/* How many entries wait to be consumed; more than @entries is nonsense. */
static inline u32 iou_ring_ready(const struct iou_ring *ring)
{
	/* Before the entries are read */
	return smp_load_acquire(ring->producer) - ring->own;
}

static inline void iou_ring_read(const struct iou_ring *ring, u32 i,
				 struct xdp_desc *to)
{
	const struct xdp_desc *desc = ring->desc;

	desc += (ring->own + i) & (ring->entries - 1);
	to->addr = READ_ONCE(desc->addr);
	to->len = READ_ONCE(desc->len);
	to->options = READ_ONCE(desc->options);
}

static inline void iou_ring_consume(struct iou_ring *ring, u32 n)
{
	/* After the entries were read, for whoever looks at our own index */
	smp_store_release(&ring->own, ring->own + n);
	/* The same for the kernel */
	smp_store_release(ring->consumer, ring->own);
}

static inline bool iou_ring_need_wakeup(const struct iou_ring *ring)
{
	return READ_ONCE(*ring->flags) & XDP_RING_NEED_WAKEUP;
}

#endif /* IOU_XSK_RING_H */
