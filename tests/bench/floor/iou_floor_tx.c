// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's own part of a packet to an interface costs
 *
 * Packets that lie in pages get a socket buffer each and go to the driver, in batches,
 * with nothing around it: nobody asked for them, nobody is told, nothing is checked.
 * Their linear part is in pages that are used again and again. No way to send can be
 * cheaper than this and use the driver.
 *
 * insmod iou_floor_tx.ko dev=dummy len=1460 packets=100000, and read "sent" in
 * /sys/module/iou_floor_tx/parameters. Of each packet the first 64 bytes are copied,
 * and the rest is a reference on its page. Nobody waits for that: so an interface that
 * has another end has nothing to copy, either, as it must of pages that somebody wants
 * to use again. With copy=1 all of the packet is copied.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#define BATCH 32u
#define LINEAR 64u
#define PAGES 64u
#define HEADS 1024u

static char *dev = "dummy";
module_param(dev, charp, 0444);
static uint len = 60;
module_param(len, uint, 0444);
static ulong packets = 100000;
module_param(packets, ulong, 0444);
static bool copy;
module_param(copy, bool, 0444);
static ulong sent;
module_param(sent, ulong, 0444);

static struct page *pages[PAGES], *heads[HEADS];
static struct sk_buff *skbs[BATCH];
static u32 next_page, next_head, linear, head_size;

/* One that no packet uses any more */
static void *floor_head(void)
{
	struct page *page = heads[next_head];

	if (page_ref_count(page) != 1)
		return NULL;
	next_head = (next_head + 1) % HEADS;
	get_page(page);
	return page_address(page);
}

/* Not what gcc makes of a length that it does not know, which counts each byte. */
static void floor_copy(void *to, const void *from, u32 n)
{
	if (n == LINEAR)
		memcpy(to, from, LINEAR);
	else if (n == ETH_ZLEN)
		memcpy(to, from, ETH_ZLEN);
	else
		__memcpy(to, from, n);
}

static struct sk_buff *floor_skb(struct net_device *to)
{
	struct page *page = pages[next_page++ % PAGES];
	struct sk_buff *skb;
	void *head = floor_head();

	if (!head)
		return NULL;
	skb = napi_build_skb(head, head_size);
	if (!skb) {
		skb_free_frag(head);
		return NULL;
	}
	skb_reserve(skb, LL_RESERVED_SPACE(to));
	floor_copy(__skb_put(skb, linear), page_address(page), linear);
	skb->dev = to;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_queue_mapping(skb, 0);
	skb->protocol = eth_hdr(skb)->h_proto;
	if (len > linear) {
		get_page(page);
		skb_add_rx_frag(skb, 0, page, linear, len - linear,
				len - linear);
	}
	return skb;
}

/* Returns how many it took. */
static u32 floor_batch(struct net_device *to, u32 n)
{
	struct netdev_queue *txq = netdev_get_tx_queue(to, 0);
	u32 i;

	local_bh_disable();
	for (i = 0; i < n; i++) {
		skbs[i] = skbs[i] ?: floor_skb(to);
		if (!skbs[i])
			break;
	}
	n = i;
	HARD_TX_LOCK(to, txq, smp_processor_id());
	for (i = 0; i < n; i++) {
		if (netif_xmit_frozen_or_drv_stopped(txq) ||
		    netdev_start_xmit(skbs[i], to, txq, i + 1 < n) ==
			    NETDEV_TX_BUSY)
			break;
		skbs[i] = NULL;
	}
	HARD_TX_UNLOCK(to, txq);
	local_bh_enable();
	/* What was not taken is first the next time. */
	n -= i;
	if (n) {
		memmove(skbs, skbs + i, n * sizeof(skbs[0]));
		memset(skbs + n, 0, (BATCH - n) * sizeof(skbs[0]));
	}
	return i;
}

static int floor_loop(struct net_device *to)
{
	unsigned long end = jiffies + 60 * HZ;
	u32 n;

	while (sent < packets) {
		n = floor_batch(to, min_t(ulong, BATCH, packets - sent));
		sent += n;
		if (n)
			continue;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		/* The device is busy with them. */
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

static int floor_alloc(struct page **to, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		to[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!to[i])
			return -ENOMEM;
		/* to nobody, of a protocol for experiments */
		memcpy(page_address(to[i]), "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5",
		       ETH_HLEN);
	}
	return 0;
}

static void floor_free(struct page **of, u32 n)
{
	while (n--)
		if (of[n])
			put_page(of[n]);
}

static int __init floor_init(void)
{
	struct net_device *to = dev_get_by_name(&init_net, dev);
	int ret;
	u32 i;

	if (!to)
		return -ENODEV;
	linear = copy ? len : min(len, LINEAR);
	head_size = SKB_DATA_ALIGN(LL_RESERVED_SPACE(to) + linear +
				   to->needed_tailroom) +
		    SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	ret = -EINVAL;
	if (len >= ETH_HLEN && len <= to->mtu + ETH_HLEN &&
	    head_size <= PAGE_SIZE && netif_running(to))
		ret = floor_alloc(pages, PAGES) ?: floor_alloc(heads, HEADS);
	if (!ret)
		ret = floor_loop(to);
	for (i = 0; i < BATCH; i++)
		kfree_skb(skbs[i]);
	floor_free(pages, PAGES);
	floor_free(heads, HEADS);
	dev_put(to);
	return ret;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
}
module_exit(floor_exit);

MODULE_DESCRIPTION("What the kernel's own part of a packet costs");
MODULE_LICENSE("GPL");
