// SPDX-License-Identifier: GPL-2.0
/*
 * Network transmit: from packets of the region to the driver
 *
 * Many packets at once: what the device and the queue are like is looked at once, the
 * driver's lock is taken once, and the driver is told that there are more to come.
 *
 * A packet is a small linear part, in a page that is used again and again, and the
 * region's pages; a short one has only the former. Where it is known that the interface
 * makes a copy of these anyway, all of it is linear: that is the same copy, but without
 * the pages that the stack would allocate for it. It is known from the device's
 * features, or from the packets before, of which some still tell.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/mpls.h>

#include "compat/net.h"
#include "netq.h"
#include "xsk_tx.h"

/* Bytes of each packet that are copied: drivers and the stack read headers. */
#define IOU_TX_LINEAR 64u

/*
 * To copy a short one costs less than a second piece to map for DMA, with a descriptor,
 * references, and the word that they are gone.
 */
static uint tx_copy = 512;
module_param(tx_copy, uint, 0644);
MODULE_PARM_DESC(tx_copy,
		 "Packets of up to so many bytes are copied to be sent (512)");

/* Of those that we copied one in so many tells when it is back, and if it was copied. */
#define IOU_TX_MARK 32u

/**
 * struct iou_tx_to - what the device is like, for a batch of packets
 * @dev: the device
 * @reserve: bytes in front of a packet
 * @room: and behind it, with these
 * @max: bytes of a packet without a VLAN tag
 * @sg: it takes pages, whatever is in the packet
 */
struct iou_tx_to {
	struct net_device *dev;
	u32 reserve;
	u32 room;
	u32 max;
	bool sg;
};

int iou_tx_refuse(struct iou_tx *tx, int error, u16 reason)
{
	tx->error = error;
	tx->reason = reason;
	return error;
}

/* What the device and the queue are like may change with every batch. */
static int iou_tx_check(struct iou_netq *q, const struct net_device *dev,
			u16 *reason)
{
	*reason = IO_UNIFIED_REASON_NONE;
	if (READ_ONCE(q->tx.closed)) {
		*reason = IO_UNIFIED_REASON_GONE;
		return -ECANCELED;
	}
	if (!dev) {
		*reason = IO_UNIFIED_REASON_NET_GONE;
		return -ENODEV;
	}
	if (!netif_running(dev)) {
		*reason = IO_UNIFIED_REASON_NET_DOWN;
		return -ENETDOWN;
	}
	if (!netif_carrier_ok(dev)) {
		*reason = IO_UNIFIED_REASON_NO_CARRIER;
		return -ENETDOWN;
	}
	if (q->queue >= READ_ONCE(dev->real_num_tx_queues)) {
		*reason = IO_UNIFIED_REASON_QUEUE;
		return -EINVAL;
	}
	return 0;
}

/* ------------------------------------------------------------ one packet */

/* As a packet socket: a VLAN tag is not counted. */
static noinline bool iou_tx_has_tag(const struct iou_tx *tx,
				    const struct sk_buff *skb,
				    const struct iou_tx_to *to)
{
	return skb->protocol == htons(ETH_P_8021Q) &&
	       tx->len <= to->max + VLAN_HLEN;
}

/*
 * Bytes from @addr on, @len at most, that one reference keeps: the page's, or the huge
 * page's.
 */
static u32 iou_tx_piece(const struct iou_mem *mem, u64 addr, u32 len)
{
	struct page *const *pages = &mem->pages[addr >> PAGE_SHIFT];
	u32 part = PAGE_SIZE - offset_in_page(addr), i;

	for (i = 1; part < len; part += PAGE_SIZE, i++)
		if (pages[i] != pages[0] + i ||
		    compound_head(pages[i]) != compound_head(pages[0]))
			break;
	return min(part, len);
}

/* Pages of the region's, as those of any user: nobody accounts for them here. */
static int iou_tx_add_frags(struct sk_buff *skb, const struct iou_mem *mem,
			    u64 addr, u32 len)
{
	struct skb_shared_info *info = skb_shinfo(skb);
	u32 rest = len, part;
	int i;

	for (i = 0; rest; i++, addr += part, rest -= part) {
		struct page *page = mem->pages[addr >> PAGE_SHIFT];

		if (unlikely(i == MAX_SKB_FRAGS))
			return -EMSGSIZE;
		part = iou_tx_piece(mem, addr, rest);
		folio_get(page_folio(page));
		__skb_fill_page_desc_noacc(info, i, page, offset_in_page(addr),
					   part);
		info->nr_frags = i + 1;
	}
	skb_len_add(skb, len);
	return 0;
}

static u32 iou_tx_head_size(const struct iou_tx_to *to, u32 linear)
{
	return SKB_DATA_ALIGN(to->room + linear) +
	       SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
}

/* How many bytes of a packet are copied by us. */
static u32 iou_tx_linear(const struct iou_txq *t, u32 len,
			 const struct iou_tx_to *to)
{
	if (len <= IOU_TX_LINEAR)
		return len;
	if ((len <= READ_ONCE(tx_copy) ||
	     READ_ONCE(t->copies) >= IOU_TX_COPIES ||
	     !(to->dev->features & NETIF_F_SG)) &&
	    iou_tx_head_size(to, len) <= PAGE_SIZE)
		return len;
	return IOU_TX_LINEAR;
}

/*
 * A page for the linear part that no packet uses any more: we have the only reference.
 * Who sends is alone here. NULL: the device keeps too many.
 */
static void *iou_tx_head(struct iou_txq *t)
{
	struct page *page;
	u32 i = t->next_head;

	page = t->nr_heads ? t->heads[i] : NULL;
	/* Who had it has put it after it was done: nothing is written before. */
	if (likely(page && page_ref_count(page) == 1)) {
		t->next_head = i + 1 == t->nr_heads ? 0 : i + 1;
	} else if (t->nr_heads < IOU_TX_HEADS) {
		page = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
		if (!page)
			return NULL;
		t->heads[t->nr_heads++] = page;
	} else {
		t->next_head = i + 1 == t->nr_heads ? 0 : i + 1;
		return NULL;
	}
	page_ref_inc(page);
	return page_address(page);
}

void iou_txq_exit(struct iou_txq *t)
{
	tasklet_kill(&t->reaper);
	while (t->nr_heads)
		put_page(t->heads[--t->nr_heads]);
}

static struct sk_buff *iou_tx_alloc(struct iou_txq *t,
				    const struct iou_tx_to *to, u32 linear)
{
	u32 size = iou_tx_head_size(to, linear);
	struct sk_buff *skb;
	void *head = NULL;

	if (likely(size <= PAGE_SIZE))
		head = iou_tx_head(t);
	if (unlikely(!head))
		head = napi_alloc_frag(size);
	if (unlikely(!head))
		return NULL;
	skb = napi_build_skb(head, size);
	if (unlikely(!skb)) {
		skb_free_frag(head);
		return NULL;
	}
	skb_reserve(skb, to->reserve);
	return skb;
}

static inline void iou_tx_copy(struct sk_buff *skb, const void *from, u32 len)
{
	void *to = __skb_put(skb, len);

	/* Of most packets; what is constant needs no call. */
	if (len == IOU_TX_LINEAR)
		memcpy(to, from, IOU_TX_LINEAR);
	else if (len == ETH_ZLEN)
		memcpy(to, from, ETH_ZLEN);
	else
		memcpy(to, from, len);
}

/*
 * What dev_queue_xmit() would do to it. Nothing, if it has no pages or the device
 * takes them; but a device may not want them behind all headers.
 */
static inline bool iou_tx_needs_look(const struct sk_buff *skb,
				     const struct iou_tx_to *to)
{
	if (!skb_is_nonlinear(skb))
		return false;
	return !to->sg || eth_type_vlan(skb->protocol) ||
	       eth_p_mpls(skb->protocol);
}

/* False: it is freed. */
static noinline bool iou_tx_look(struct sk_buff *skb,
				 const struct iou_tx_to *to)
{
	bool again = false;

	return validate_xmit_skb_list(skb, to->dev, &again) == skb;
}

/* A device that was busy has room again when one of ours comes back. */
static bool iou_tx_is_marked(struct iou_txq *t)
{
	if (likely(++t->unmarked < IOU_TX_MARK))
		return false;
	t->unmarked = 0;
	return true;
}

static int iou_tx_build(struct iou_tx *tx, const struct iou_tx_to *to)
{
	const struct iou_region *r = tx->q->att.region;
	struct sk_buff *skb;
	u32 linear, rest;

	if (unlikely(tx->len < ETH_HLEN))
		return iou_tx_refuse(tx, -EINVAL, IO_UNIFIED_REASON_TX_LEN);
	linear = iou_tx_linear(&tx->q->tx, tx->len, to);
	skb = iou_tx_alloc(&tx->q->tx, to, linear);
	if (unlikely(!skb))
		return -ENOMEM;
	iou_tx_copy(skb, iou_ptr(r, tx->addr), linear);
	skb->dev = to->dev;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_queue_mapping(skb, tx->q->queue);
	skb->protocol = eth_hdr(skb)->h_proto;

	rest = tx->len - linear;
	if ((rest && iou_tx_add_frags(skb, &r->mem, tx->addr + linear, rest)) ||
	    (unlikely(tx->len > to->max) && !iou_tx_has_tag(tx, skb, to))) {
		kfree_skb(skb);
		return iou_tx_refuse(tx, -EMSGSIZE, IO_UNIFIED_REASON_TX_LEN);
	}

	tx->copied = !rest;
	/* Who copies is done with the bytes at once: there is nothing to wait for. */
	tx->watched = !tx->copied || iou_tx_is_marked(&tx->q->tx);
	if (tx->watched) {
		/* Ours, and the packet's: nobody else knows it yet. */
		refcount_set(&tx->ubuf.refcnt, 2);
		skb_zcopy_init(skb, &tx->ubuf);
	}
	if (unlikely(iou_tx_needs_look(skb, to)) && !iou_tx_look(skb, to))
		return iou_tx_refuse(tx, -ENOBUFS,
				     IO_UNIFIED_REASON_TX_DROPPED);
	tx->skb = skb;
	return 0;
}

/* It was too busy for it the last time. */
static void iou_tx_rebuild(struct iou_tx *tx, const struct iou_tx_to *to)
{
	if (!iou_tx_needs_look(tx->skb, to) || iou_tx_look(tx->skb, to))
		return;
	tx->skb = NULL;
	iou_tx_refuse(tx, -ENOBUFS, IO_UNIFIED_REASON_TX_DROPPED);
}

/* ------------------------------------------------------------- a batch */

static void iou_tx_look_at(struct iou_tx_to *to, struct net_device *dev)
{
	const struct net_device_ops *ops = dev->netdev_ops;

	to->dev = dev;
	to->reserve = LL_RESERVED_SPACE(dev);
	to->room = to->reserve + dev->needed_tailroom;
	to->max = READ_ONCE(dev->mtu) + dev->hard_header_len;
	to->sg = !IS_ENABLED(CONFIG_HIGHMEM) && dev->features & NETIF_F_SG &&
		 (!ops->ndo_features_check ||
		  ops->ndo_features_check == passthru_features_check);
}

/*
 * Packets get their socket buffers, or errors. Returns how many, and with *last the
 * one behind the last that has a buffer: there may be no memory for more.
 */
static u32 iou_tx_build_many(struct iou_tx **txs, u32 n,
			     const struct iou_tx_to *to, u32 *last)
{
	u32 i;

	*last = 0;
	for (i = 0; i < n; i++) {
		struct iou_tx *tx = txs[i];

		if (unlikely(tx->skb))
			iou_tx_rebuild(tx, to);
		else if (iou_tx_build(tx, to) == -ENOMEM)
			break;
		if (likely(tx->skb))
			*last = i + 1;
	}
	return i;
}

/* Returns how many it took, or refused. */
static u32 iou_tx_xmit(struct iou_netq *q, struct iou_tx **txs, u32 n,
		       struct net_device *dev, u32 last)
{
	struct netdev_queue *txq = netdev_get_tx_queue(dev, q->queue);
	struct sk_buff *skb;
	struct iou_tx *tx;
	int ret;
	u32 i;

	dev_xmit_recursion_inc();
	HARD_TX_LOCK(dev, txq, smp_processor_id());
	for (i = 0; i < n; i++) {
		tx = txs[i];
		skb = tx->skb;
		if (unlikely(!skb))
			continue;
		if (unlikely(netif_xmit_frozen_or_drv_stopped(txq)))
			break;
		ret = netdev_start_xmit(skb, dev, txq, i + 1 < last);
		if (unlikely(ret == NETDEV_TX_BUSY))
			break;
		tx->skb = NULL;
		if (unlikely(ret != NETDEV_TX_OK && ret != NET_XMIT_CN))
			iou_tx_refuse(tx, -ENOBUFS,
				      IO_UNIFIED_REASON_TX_DROPPED);
	}
	HARD_TX_UNLOCK(dev, txq);
	dev_xmit_recursion_dec();
	return i;
}

/* Returns how many the driver took, or are refused. */
static u32 iou_tx_to_driver(struct iou_netq *q, struct iou_tx **txs, u32 n,
			    const struct iou_tx_to *to)
{
	u32 last;

	n = iou_tx_build_many(txs, n, to, &last);
	return last ? iou_tx_xmit(q, txs, n, to->dev, last) : n;
}

/* Can the NIC read it from its frame? */
static bool iou_tx_is_framed(const struct iou_xsk_tx *x,
			     const struct iou_tx *tx,
			     const struct iou_tx_to *to)
{
	return !tx->skb && tx->len >= ETH_HLEN && tx->len <= to->max &&
	       iou_xsk_tx_fits(x, tx);
}

/* The same by AF_XDP. What cannot go that way, goes the other one in its turn. */
static u32 iou_tx_to_xsk(struct iou_netq *q, struct iou_tx **txs, u32 n,
			 const struct iou_tx_to *to)
{
	struct iou_xsk_tx *x = q->xsk_tx;
	u32 i = 0, run, took;

	for (; i < n; i += took) {
		run = 0;
		while (i + run < n && iou_tx_is_framed(x, txs[i + run], to))
			run++;
		if (run) {
			took = iou_xsk_tx_put(x, to->dev, txs + i, run);
			if (took < run)
				return i + took;
			continue;
		}
		if (!iou_xsk_tx_is_empty(x))
			return i;
		took = iou_tx_to_driver(q, txs + i, 1, to);
		if (!took)
			return i;
	}
	return i;
}

u32 iou_tx_hand_over(struct iou_netq *q, struct iou_tx **txs, u32 n)
{
	struct net_device *dev = READ_ONCE(q->dev);
	struct iou_tx_to to;
	u16 reason;
	int ret;
	u32 i;

	ret = iou_tx_check(q, dev, &reason);
	if (unlikely(ret)) {
		for (i = 0; i < n; i++)
			iou_tx_refuse(txs[i], ret, reason);
		return n;
	}
	iou_tx_look_at(&to, dev);
	n = q->xsk_tx ? iou_tx_to_xsk(q, txs, n, &to) :
			iou_tx_to_driver(q, txs, n, &to);
	if (n)
		WRITE_ONCE(q->tx.moved, jiffies);
	return n;
}
