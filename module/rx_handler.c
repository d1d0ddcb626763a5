// SPDX-License-Identifier: GPL-2.0
/*
 * Receive through the rx handler: any Ethernet device, one copy
 *
 * The packet is taken from the stack before any protocol sees it, and copied
 * into the frame that was posted first. What is copied are the bytes of the
 * wire: packets that were merged are taken apart, a VLAN tag that was stripped
 * and a checksum that was left to the hardware are put back.
 *
 * A device has one rx handler, so its queues share one struct iou_rxh.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/checksum.h>

#include "compat/net.h"
#include "netq.h"

#define IOU_RXH_NONE U32_MAX

/**
 * struct iou_rxh - the rx handler of a device; under rtnl
 * @nr: queues of the device
 * @users: queues that are attached
 * @queues: by number, or NULL
 */
struct iou_rxh {
	u32 nr;
	u32 users;
	struct iou_netq __rcu *queues[];
};

struct iou_rxh_link {
	u32 next;
	u32 prev;
};

/**
 * struct iou_rxh_fifo - posted frames of a queue, first to last
 * @head: the one to fill next
 * @tail: the last
 * @links: by frame: its neighbours, so that any can be recalled
 */
struct iou_rxh_fifo {
	u32 head;
	u32 tail;
	struct iou_rxh_link links[];
};

/* ------------------------------------------------------------------ fifo */

static int iou_rxh_post(struct iou_netq *q, u32 frame)
{
	struct iou_rxh_fifo *f = q->priv;

	f->links[frame].next = IOU_RXH_NONE;
	f->links[frame].prev = f->tail;
	if (f->tail == IOU_RXH_NONE)
		f->head = frame;
	else
		f->links[f->tail].next = frame;
	f->tail = frame;
	return 0;
}

static void iou_rxh_unlink(struct iou_netq *q, u32 frame)
{
	struct iou_rxh_fifo *f = q->priv;
	struct iou_rxh_link *l = &f->links[frame];

	if (l->prev == IOU_RXH_NONE)
		f->head = l->next;
	else
		f->links[l->prev].next = l->next;
	if (l->next == IOU_RXH_NONE)
		f->tail = l->prev;
	else
		f->links[l->next].prev = l->prev;
}

static struct iou_rx_owner *iou_rxh_pop(struct iou_netq *q, u32 *frame)
{
	struct iou_rxh_fifo *f = q->priv;
	struct iou_rx_owner *owner = NULL;

	spin_lock(&q->lock);
	*frame = f->head;
	if (*frame != IOU_RXH_NONE) {
		iou_rxh_unlink(q, *frame);
		owner = iou_netq_take(q, *frame);
	}
	spin_unlock(&q->lock);
	return owner;
}

/* --------------------------------------------------------------- packets */

/*
 * The packet at @to is complete but for the checksum that hardware would have
 * filled in: @start is where it begins to cover, @where its own offset.
 */
static void iou_rxh_checksum(u8 *to, u32 len, u32 start, u32 where)
{
	__sum16 sum;

	if (start > len || len - start < sizeof(sum) ||
	    where > len - start - sizeof(sum))
		return;
	sum = csum_fold(csum_partial(to + start, len - start, 0));
	if (!sum)
		sum = CSUM_MANGLED_0;
	memcpy(to + start + where, &sum, sizeof(sum));
}

static void iou_rxh_copy(struct sk_buff *skb, u8 *to, u32 len)
{
	int mac = skb_mac_offset(skb);
	u32 tag = 0;

	if (skb_vlan_tag_present(skb) && skb->len - mac >= ETH_HLEN) {
		struct vlan_hdr *vlan = (void *)(to + 2 * ETH_ALEN);
		__be16 proto = skb->vlan_proto;

		/* TPID where the type was, then TCI, then the type. */
		tag = VLAN_HLEN;
		skb_copy_bits(skb, mac, to, 2 * ETH_ALEN);
		memcpy(vlan, &proto, sizeof(proto));
		proto = htons(skb_vlan_tag_get(skb));
		memcpy((u8 *)vlan + 2, &proto, sizeof(proto));
		skb_copy_bits(skb, mac + 2 * ETH_ALEN,
			      to + 2 * ETH_ALEN + VLAN_HLEN,
			      skb->len - mac - 2 * ETH_ALEN);
	} else {
		skb_copy_bits(skb, mac, to, skb->len - mac);
	}

	if (skb->ip_summed == CHECKSUM_PARTIAL && !skb_csum_is_sctp(skb))
		iou_rxh_checksum(to, len,
				 skb_checksum_start_offset(skb) - mac + tag,
				 skb->csum_offset);
}

static void iou_rxh_one(struct iou_netq *q, struct sk_buff *skb)
{
	struct iou_region *r = q->att.region;
	struct iou_rx_owner *owner;
	struct iou_rx_pkt pkt;
	ktime_t stamp;

	pkt.len = skb->len - skb_mac_offset(skb);
	if (skb_vlan_tag_present(skb) && pkt.len >= ETH_HLEN)
		pkt.len += VLAN_HLEN;
	pkt.orig_len = pkt.len;
	if (pkt.len > iou_frame_size(r) - IOU_NET_HEADROOM) {
		iou_netq_dropped(q, IO_UNIFIED_STAT_DROP_TOO_LONG, pkt.len);
		return;
	}

	owner = iou_rxh_pop(q, &pkt.frame);
	if (!owner) {
		iou_netq_dropped(q,
				 READ_ONCE(q->streaming) ?
					 IO_UNIFIED_STAT_DROP_NO_FRAME :
					 IO_UNIFIED_STAT_DROP_NO_OP,
				 pkt.len);
		return;
	}

	stamp = skb_tstamp(skb);
	pkt.tstamp = stamp ? ktime_to_ns(stamp) : ktime_get_real_ns();
	pkt.addr = iou_frame_addr(r, pkt.frame) + IOU_NET_HEADROOM;
	pkt.copied = true;
	iou_rxh_copy(skb, iou_ptr(r, pkt.addr), pkt.len);

	/* The same queue may be busy on other CPUs too. */
	spin_lock(&q->rx_lock);
	iou_netq_received(q, owner, &pkt);
	spin_unlock(&q->rx_lock);
}

/* Take a merged packet apart; NULL if it is one packet after all. */
static struct sk_buff *iou_rxh_segment(struct sk_buff *skb)
{
	struct sk_buff *segs;

	__skb_push(skb, skb->data - skb_mac_header(skb));
	segs = __skb_gso_segment(skb, NETIF_F_SG, false);
	return IS_ERR(segs) ? NULL : segs;
}

static rx_handler_result_t iou_rxh_handle(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb, *segs = NULL, *next;
	struct iou_rxh *rxh;
	struct iou_netq *q = NULL;
	u32 queue = 0;

	if (skb->pkt_type == PACKET_LOOPBACK)
		return RX_HANDLER_PASS;

	rxh = rcu_dereference(skb->dev->rx_handler_data);
	if (skb_rx_queue_recorded(skb))
		queue = skb_get_rx_queue(skb);
	if (queue < rxh->nr)
		q = rcu_dereference(rxh->queues[queue]);
	if (!q)
		return RX_HANDLER_PASS;

	/* Few packets have to be written to; all others are copied as they are. */
	if (skb_is_gso(skb) || skb_csum_is_sctp(skb)) {
		skb = skb_share_check(skb, GFP_ATOMIC);
		if (!skb) {
			iou_netq_dropped(q, IO_UNIFIED_STAT_DROP_NO_FRAME, 0);
			return RX_HANDLER_CONSUMED;
		}
		if (skb_is_gso(skb))
			segs = iou_rxh_segment(skb);
		else if (skb->ip_summed == CHECKSUM_PARTIAL)
			skb_csum_hwoffload_help(skb, 0);
	}
	if (!segs)
		iou_rxh_one(q, skb);
	for (; segs; segs = next) {
		next = segs->next;
		skb_mark_not_on_list(segs);
		iou_rxh_one(q, segs);
		consume_skb(segs);
	}
	consume_skb(skb);
	return RX_HANDLER_CONSUMED;
}

/* -------------------------------------------------------- attach, detach */

/* The rx handler of @dev if it is ours. Under rtnl. */
static struct iou_rxh *iou_rxh_of(const struct net_device *dev)
{
	if (rtnl_dereference(dev->rx_handler) != iou_rxh_handle)
		return NULL;
	return rtnl_dereference(dev->rx_handler_data);
}

static int iou_rxh_add(struct iou_netq *q)
{
	struct net_device *dev = q->dev;
	struct iou_rxh *rxh = iou_rxh_of(dev);
	int ret;

	if (!rxh) {
		rxh = kvzalloc(struct_size(rxh, queues, dev->num_rx_queues),
			       GFP_KERNEL_ACCOUNT);
		if (!rxh)
			return -ENOMEM;
		rxh->nr = dev->num_rx_queues;
		ret = netdev_rx_handler_register(dev, iou_rxh_handle, rxh);
		if (ret) {
			kvfree(rxh);
			return ret;
		}
	}
	rcu_assign_pointer(rxh->queues[q->queue], q);
	rxh->users++;
	return 0;
}

/* Under rtnl. No packet is in the queue any more when it returns. */
static void iou_rxh_gone(struct iou_netq *q, struct net_device *dev)
{
	struct iou_rxh *rxh = iou_rxh_of(dev);

	if (!rxh || rtnl_dereference(rxh->queues[q->queue]) != q)
		return;
	RCU_INIT_POINTER(rxh->queues[q->queue], NULL);
	if (--rxh->users) {
		synchronize_net();
		return;
	}
	netdev_rx_handler_unregister(dev);
	synchronize_net();
	kvfree(rxh);
}

static void iou_rxh_stop(struct iou_netq *q, struct net_device *dev)
{
	if (!dev)
		return;
	rtnl_lock();
	iou_rxh_gone(q, dev);
	rtnl_unlock();
}

static void iou_rxh_release(struct iou_netq *q)
{
	kvfree(q->priv);
}

static const struct iou_netq_ops iou_rxh_ops = {
	.post = iou_rxh_post,
	.recall = iou_rxh_unlink,
	.stop = iou_rxh_stop,
	.gone = iou_rxh_gone,
	.release = iou_rxh_release,
};

int iou_rxh_attach(struct iou_netq *q, u32 *reason)
{
	struct iou_rxh_fifo *f;
	int ret;

	*reason = IO_UNIFIED_REASON_NONE;
	f = kvzalloc(struct_size(f, links, q->att.region->nr_frames),
		     GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->head = IOU_RXH_NONE;
	f->tail = IOU_RXH_NONE;
	q->priv = f;

	rtnl_lock();
	if (q->dev->reg_state == NETREG_REGISTERED)
		ret = iou_rxh_add(q);
	else
		ret = -ENODEV;
	rtnl_unlock();
	if (ret) {
		if (ret == -EBUSY)
			*reason = IO_UNIFIED_REASON_QUEUE_BUSY;
		else if (ret == -ENODEV)
			*reason = IO_UNIFIED_REASON_NET_GONE;
		kvfree(f);
		q->priv = NULL;
		return ret;
	}

	q->path = IO_UNIFIED_PATH_RX_HANDLER;
	q->ops = &iou_rxh_ops;
	return 0;
}
