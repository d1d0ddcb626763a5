// SPDX-License-Identifier: GPL-2.0
/*
 * Queues of network devices: attaching, who has which frame, devices that go
 *
 * How packets get into the frames is up to xsk.c or rx_handler.c.
 */
#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/if_arp.h>
#include <linux/log2.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>

#include "netq.h"

#define IOU_NET_FLAGS                                         \
	(IO_UNIFIED_ATTACH_ZEROCOPY | IO_UNIFIED_ATTACH_XSK | \
	 IO_UNIFIED_ATTACH_RX_HANDLER | IO_UNIFIED_ATTACH_SEND_ONLY)

#define IOU_NET_MIN_RING 64
#define IOU_NET_MAX_RING 32768

/* The list, and whether a queue has its device. Inside of rtnl. */
DEFINE_MUTEX(iou_netqs_lock);
struct workqueue_struct *iou_net_wq;

static LIST_HEAD(iou_netqs);

/* ---------------------------------------------------------------- frames */

int iou_net_post(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner,
		 u16 *reason)
{
	int ret;

	spin_lock_bh(&q->lock);
	if (unlikely(q->error)) {
		*reason = q->reason;
		ret = q->error;
	} else if (unlikely(q->owners[frame])) {
		*reason = IO_UNIFIED_REASON_FRAME_BUSY;
		ret = -EBUSY;
	} else {
		ret = q->ops->post(q, frame);
		if (likely(!ret)) {
			q->owners[frame] = owner;
			WRITE_ONCE(q->posted, q->posted + 1);
		} else {
			*reason = q->send_only ? IO_UNIFIED_REASON_SEND_ONLY :
						 IO_UNIFIED_REASON_NONE;
		}
	}
	spin_unlock_bh(&q->lock);
	return ret;
}

void iou_net_kick(struct iou_netq *q)
{
	if (q->ops->kick)
		q->ops->kick(q);
}

bool iou_net_recall(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner)
{
	bool mine;

	spin_lock_bh(&q->lock);
	mine = q->owners[frame] == owner;
	if (mine) {
		iou_netq_take(q, frame);
		q->ops->recall(q, frame);
	}
	spin_unlock_bh(&q->lock);
	return mine;
}

void iou_netq_received(struct iou_netq *q, struct iou_rx_owner *owner,
		       const struct iou_rx_pkt *pkt)
{
	iou_count(q->att.stats, IO_UNIFIED_STAT_RX_PACKETS, 1);
	iou_count(q->att.stats, IO_UNIFIED_STAT_RX_BYTES, pkt->len);
	if (pkt->copied)
		iou_count(q->att.stats, IO_UNIFIED_STAT_RX_COPIED_BYTES,
			  pkt->len);
	owner->received(owner, q, pkt);
}

void iou_netq_dropped(struct iou_netq *q, enum io_unified_stat why,
		      unsigned int len)
{
	iou_count(q->att.stats, IO_UNIFIED_STAT_RX_PACKETS, 1);
	iou_count(q->att.stats, IO_UNIFIED_STAT_RX_BYTES, len);
	iou_count(q->att.stats, why, 1);
}

/* Nothing can be posted from now on, and what is posted goes back. */
static void iou_netq_fail(struct iou_netq *q, int error, u16 reason,
			  int posted_error, u16 posted_reason)
{
	struct iou_rx_owner *owner;
	u32 frame;

	spin_lock_bh(&q->lock);
	if (q->error != -ENODEV) {
		q->error = error;
		q->reason = reason;
	}
	spin_unlock_bh(&q->lock);

	for (frame = 0; frame < q->att.region->nr_frames; frame++) {
		if (!READ_ONCE(q->posted))
			break;
		spin_lock_bh(&q->lock);
		owner = iou_netq_take(q, frame);
		if (owner)
			q->ops->recall(q, frame);
		spin_unlock_bh(&q->lock);
		if (owner)
			owner->failed(owner, q, frame, posted_error,
				      posted_reason);
	}
}

/* -------------------------------------------------------------- counters */

/*
 * A packet that AF_XDP drops is counted by the socket, and the driver then
 * sees that its redirect failed. These drivers count that as rx_dropped, too.
 */
static bool iou_net_counts_redirects(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	const struct device *parent = dev->dev.parent;
	const struct device_driver *driver;

	if (ops && (!strcmp(ops->kind, "veth") || !strcmp(ops->kind, "tun")))
		return true;
	driver = parent ? READ_ONCE(parent->driver) : NULL;
	return driver && !strcmp(driver->name, "virtio_net");
}

/* What the stack in front of the protocols dropped. */
static u64 iou_net_core_dropped(const struct net_device *dev)
{
	const struct net_device_core_stats __percpu *stats;
	u64 n = 0;
	int cpu;

	stats = READ_ONCE(dev->core_stats);
	if (stats)
		for_each_possible_cpu(cpu)
			n += READ_ONCE(per_cpu_ptr(stats, cpu)->rx_dropped);
	return n;
}

static u64 iou_netq_xsk_dropped(struct iou_netq *q)
{
	u64 dropped = 0, ring_full = 0;

	if (q->ops && q->ops->drops)
		q->ops->drops(q, &dropped, &ring_full);
	return dropped + ring_full;
}

/*
 * Packets that the device dropped so far, without those that the sockets on it
 * count already. What the stack drops did not come from a queue that AF_XDP
 * takes in the driver; for all others it is the backlog that was full.
 */
static u64 iou_netq_nic_now(const struct iou_netq *q)
{
	struct rtnl_link_stats64 stats;
	struct iou_netq *other;
	u64 n, counted = 0;

	dev_get_stats(q->dev, &stats);
	n = stats.rx_dropped + stats.rx_missed_errors;
	if (q->in_driver)
		n -= min(n, iou_net_core_dropped(q->dev));

	if (iou_net_counts_redirects(q->dev))
		list_for_each_entry(other, &iou_netqs, node)
			if (other->dev == q->dev && other->in_driver)
				counted += iou_netq_xsk_dropped(other);
	return n - min(n, counted);
}

static u64 iou_netq_nic_drops(const struct iou_netq *q)
{
	u64 now;

	if (!q->dev)
		return q->nic_drops;
	now = iou_netq_nic_now(q);
	return now - min(now, q->nic_base);
}

/*
 * Devices do not say which queue a drop was of: of the queues of a device that
 * one region has, the first counts them all.
 */
static bool iou_netq_counts_nic(const struct iou_netq *q)
{
	const struct iou_netq *other;

	if (!q->dev || q->send_only)
		return !q->send_only;
	list_for_each_entry(other, &iou_netqs, node)
		if (other->dev == q->dev && !other->send_only &&
		    other->att.region == q->att.region)
			return other == q;
	return true;
}

static void iou_net_counters(struct iou_att *att, u64 *sum)
{
	struct iou_netq *q = iou_att_netq(att);
	u64 dropped = 0, ring_full = 0;

	mutex_lock(&iou_netqs_lock);
	if (q->ops->drops)
		q->ops->drops(q, &dropped, &ring_full);
	sum[IO_UNIFIED_STAT_DROP_XSK] += dropped;
	sum[IO_UNIFIED_STAT_DROP_XSK_RING] += ring_full;
	if (iou_netq_counts_nic(q))
		sum[IO_UNIFIED_STAT_DROP_NIC] += iou_netq_nic_drops(q);
	mutex_unlock(&iou_netqs_lock);
}

static void iou_net_show(struct iou_att *att, struct seq_file *m)
{
	static const char *const paths[] = {
		[IO_UNIFIED_PATH_XSK_ZC] = "xsk-zc",
		[IO_UNIFIED_PATH_XSK_COPY] = "xsk-copy",
		[IO_UNIFIED_PATH_RX_HANDLER] = "rx-handler",
		[IO_UNIFIED_PATH_SEND_ONLY] = "send-only",
	};
	struct iou_netq *q = iou_att_netq(att);

	seq_printf(
		m,
		"iou-net-%u:\tdev=%s queue=%u path=%s tx=%s posted=%u error=%d\n",
		att->index, q->name, q->queue, paths[q->path],
		q->xsk_tx ? "xsk-zc" : "skb", READ_ONCE(q->posted),
		READ_ONCE(q->error));
}

/* ------------------------------------------------------ list of queues */

static bool iou_netq_exists(const struct iou_netq *q)
{
	return q->queue < (q->send_only ? q->dev->real_num_tx_queues :
					  q->dev->real_num_rx_queues);
}

static int iou_netq_add(struct iou_netq *q, u32 *reason)
{
	struct iou_netq *other;
	int ret = 0;

	rtnl_lock();
	mutex_lock(&iou_netqs_lock);
	if (q->dev->reg_state != NETREG_REGISTERED) {
		*reason = IO_UNIFIED_REASON_NO_NETDEV;
		ret = -ENODEV;
	} else if (!iou_netq_exists(q)) {
		*reason = IO_UNIFIED_REASON_QUEUE;
		ret = -EINVAL;
	} else if (!(q->dev->flags & IFF_UP)) {
		*reason = IO_UNIFIED_REASON_NET_DOWN;
		ret = -ENETDOWN;
	}
	list_for_each_entry(other, &iou_netqs, node) {
		if (ret || q->send_only)
			break;
		if (other->dev == q->dev && other->queue == q->queue &&
		    !other->send_only) {
			*reason = IO_UNIFIED_REASON_QUEUE_BUSY;
			ret = -EBUSY;
		}
	}
	if (!ret)
		list_add_tail(&q->node, &iou_netqs);
	mutex_unlock(&iou_netqs_lock);
	rtnl_unlock();
	return ret;
}

/* The notifier does not find it any more. Returns the device, or NULL. */
static struct net_device *iou_netq_del(struct iou_netq *q)
{
	struct net_device *dev;
	struct iou_netq *other;
	u64 dropped;

	mutex_lock(&iou_netqs_lock);
	dev = q->dev;
	if (dev && q->ops) {
		q->nic_drops = iou_netq_nic_drops(q);
		/* Its drops leave what the others subtract. */
		dropped = iou_netq_xsk_dropped(q);
		if (q->in_driver && iou_net_counts_redirects(dev))
			list_for_each_entry(other, &iou_netqs, node)
				if (other->dev == dev && other != q)
					other->nic_base += dropped;
	}
	WRITE_ONCE(q->dev, NULL);
	list_del_init(&q->node);
	mutex_unlock(&iou_netqs_lock);
	return dev;
}

/* Under rtnl. */
static void iou_netq_gone(struct iou_netq *q)
{
	struct net_device *dev = q->dev;

	spin_lock_bh(&q->lock);
	q->error = -ENODEV;
	q->reason = IO_UNIFIED_REASON_NET_GONE;
	spin_unlock_bh(&q->lock);
	if (q->attaching)
		return; /* it looks for the error when it is through */

	q->nic_drops = iou_netq_nic_drops(q);
	q->ops->gone(q, dev);
	iou_netq_fail(q, -ENODEV, IO_UNIFIED_REASON_NET_GONE, -ENODEV,
		      IO_UNIFIED_REASON_NET_GONE);
	iou_txq_purge(q, -ENODEV, IO_UNIFIED_REASON_NET_GONE);
	WRITE_ONCE(q->dev, NULL);
	dev_put(dev);
}

static void iou_netq_down(struct iou_netq *q)
{
	u16 reason = IO_UNIFIED_REASON_NET_DOWN;
	int error = -ENETDOWN;

	/* A device that is deleted goes down first. */
	if (q->dev->dismantle) {
		reason = IO_UNIFIED_REASON_NET_GONE;
		error = -ENODEV;
	}
	if (!q->attaching) {
		iou_netq_fail(q, error, reason, error, reason);
		iou_txq_purge(q, error, reason);
		return;
	}
	spin_lock_bh(&q->lock);
	q->error = error;
	q->reason = reason;
	spin_unlock_bh(&q->lock);
}

static void iou_netq_up(struct iou_netq *q)
{
	spin_lock_bh(&q->lock);
	if (q->error == -ENETDOWN) {
		q->error = 0;
		q->reason = IO_UNIFIED_REASON_NONE;
	}
	spin_unlock_bh(&q->lock);
}

/*
 * Called under rtnl. A device that moves to another network namespace is
 * unregistered from this one: it is gone, too.
 */
static int iou_net_event(struct notifier_block *nb, unsigned long event,
			 void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct iou_netq *q;

	if (event != NETDEV_DOWN && event != NETDEV_UP &&
	    event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;

	mutex_lock(&iou_netqs_lock);
	list_for_each_entry(q, &iou_netqs, node) {
		if (q->dev != dev)
			continue;
		if (event == NETDEV_UNREGISTER)
			iou_netq_gone(q);
		else if (event == NETDEV_DOWN)
			iou_netq_down(q);
		else
			iou_netq_up(q);
	}
	mutex_unlock(&iou_netqs_lock);
	return NOTIFY_DONE;
}

static struct notifier_block iou_net_notifier = {
	.notifier_call = iou_net_event,
};

/* -------------------------------------------------------- attach, detach */

static void iou_net_stop(struct iou_att *att)
{
	struct iou_netq *q = iou_att_netq(att);
	struct net_device *dev;

	iou_txq_close(q);
	dev = iou_netq_del(q);

	/* Nothing is posted behind the back of what is being stopped. */
	spin_lock_bh(&q->lock);
	q->error = -ENODEV;
	q->reason = IO_UNIFIED_REASON_GONE;
	spin_unlock_bh(&q->lock);

	/* While the socket is there: it may have what is on its way out. */
	iou_txq_stop(q);
	q->ops->stop(q, dev);
	iou_netq_fail(q, -ENODEV, IO_UNIFIED_REASON_GONE, -ECANCELED,
		      IO_UNIFIED_REASON_CANCELED);
	dev_put(dev);
}

void iou_net_stop_sending(struct iou_region *r)
{
	struct iou_att *att;

	/* All are closed before the first is waited for. */
	list_for_each_entry(att, &r->atts, node)
		if (att->kind == IO_UNIFIED_KIND_NETDEV)
			iou_txq_close(iou_att_netq(att));
	list_for_each_entry(att, &r->atts, node)
		if (att->kind == IO_UNIFIED_KIND_NETDEV)
			iou_txq_stop(iou_att_netq(att));
}

static void iou_netq_free(struct iou_netq *q)
{
	iou_txq_exit(&q->tx);
	bitmap_free(q->held);
	kvfree(q->owners);
	kfree(q);
}

static void iou_net_release(struct iou_att *att)
{
	struct iou_netq *q = iou_att_netq(att);

	q->ops->release(q);
	iou_att_exit(att);
	iou_netq_free(q);
}

static const struct iou_att_ops iou_net_att_ops = {
	.stop = iou_net_stop,
	.release = iou_net_release,
	.counters = iou_net_counters,
	.show = iou_net_show,
};

static int iou_net_check(const struct net_device *dev, u32 *reason)
{
	struct user_namespace *ns = dev_net(dev)->user_ns;

	if (!ns_capable(ns, CAP_NET_RAW)) {
		*reason = IO_UNIFIED_REASON_CAP_NET_RAW;
		return -EPERM;
	}
	if (!ns_capable(ns, CAP_NET_ADMIN)) {
		*reason = IO_UNIFIED_REASON_CAP_NET_ADMIN;
		return -EPERM;
	}
	if (dev->type != ARPHRD_ETHER) {
		*reason = IO_UNIFIED_REASON_NOT_ETHERNET;
		return -EINVAL;
	}
	return 0;
}

static struct iou_netq *iou_netq_alloc(struct iou_region *r,
				       struct net_device *dev, u32 queue)
{
	struct iou_netq *q;

	q = kzalloc(sizeof(*q), GFP_KERNEL_ACCOUNT);
	if (!q)
		return NULL;
	q->owners =
		kvcalloc(r->nr_frames, sizeof(*q->owners), GFP_KERNEL_ACCOUNT);
	q->held = bitmap_zalloc(r->nr_frames, GFP_KERNEL_ACCOUNT);
	if (!q->owners || !q->held) {
		iou_netq_free(q);
		return NULL;
	}
	spin_lock_init(&q->lock);
	spin_lock_init(&q->rx_lock);
	iou_txq_init(&q->tx);
	INIT_LIST_HEAD(&q->node);
	q->dev = dev;
	q->ifindex = dev->ifindex;
	strscpy(q->name, dev->name, sizeof(q->name));
	q->queue = queue;
	q->attaching = true;
	return q;
}

/* -------------------------------------------------------------- send only */

static int iou_send_only_post(struct iou_netq *q, u32 frame)
{
	return -EOPNOTSUPP;
}

static void iou_send_only_end(struct iou_netq *q, struct net_device *dev)
{
}

static void iou_send_only_release(struct iou_netq *q)
{
}

/* No frame is posted, so none is recalled. */
static const struct iou_netq_ops iou_send_only_ops = {
	.post = iou_send_only_post,
	.stop = iou_send_only_end,
	.gone = iou_send_only_end,
	.release = iou_send_only_release,
};

/* AF_XDP if it can be had and nothing else is asked for, else the rx handler. */
static int iou_netq_start(struct iou_netq *q, struct io_unified_attach *arg)
{
	u32 why = IO_UNIFIED_REASON_NONE;
	int ret;

	if (q->send_only) {
		q->path = IO_UNIFIED_PATH_SEND_ONLY;
		q->ops = &iou_send_only_ops;
		return 0;
	}
	if (!(arg->flags & IO_UNIFIED_ATTACH_RX_HANDLER)) {
		ret = iou_xsk_attach(q, arg, &why);
		if (!ret && q->path != IO_UNIFIED_PATH_XSK_ZC)
			arg->reason = IO_UNIFIED_REASON_ZEROCOPY;
		if (!ret)
			return 0;
		/*
		 * The verifier gives up when the task has anything to do before
		 * it returns, and a ring that was just closed is enough. Do it,
		 * and come again.
		 */
		if (ret == -EAGAIN && signal_pending(current))
			return -ERESTARTNOINTR;
		if (why == IO_UNIFIED_REASON_QUEUE_BUSY ||
		    arg->flags & (IO_UNIFIED_ATTACH_XSK |
				  IO_UNIFIED_ATTACH_ZEROCOPY)) {
			arg->reason = why;
			return ret;
		}
	}

	ret = iou_rxh_attach(q, &arg->reason);
	if (!ret)
		arg->reason = why;
	return ret;
}

/* The notifier takes care of it from now on, unless it is too late. */
static int iou_netq_started(struct iou_netq *q, u32 *reason)
{
	int ret = 0;

	mutex_lock(&iou_netqs_lock);
	q->attaching = false;
	if (q->error == -ENODEV) {
		*reason = IO_UNIFIED_REASON_NET_GONE;
		ret = -ENODEV;
	} else {
		q->nic_base = iou_netq_nic_now(q);
	}
	mutex_unlock(&iou_netqs_lock);
	return ret;
}

struct iou_att *iou_net_attach(struct iou_region *r,
			       struct io_unified_attach *arg)
{
	const u32 alone = IO_UNIFIED_ATTACH_RX_HANDLER |
			  IO_UNIFIED_ATTACH_SEND_ONLY;
	struct net_device *dev;
	struct iou_netq *q;
	int ret;

	if (arg->flags & ~IOU_NET_FLAGS ||
	    (arg->flags & alone && arg->flags & (arg->flags - 1))) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return ERR_PTR(-EINVAL);
	}
	if (arg->ring_entries && (!is_power_of_2(arg->ring_entries) ||
				  arg->ring_entries < IOU_NET_MIN_RING ||
				  arg->ring_entries > IOU_NET_MAX_RING ||
				  arg->flags & IO_UNIFIED_ATTACH_SEND_ONLY)) {
		arg->reason = IO_UNIFIED_REASON_SIZE;
		return ERR_PTR(-EINVAL);
	}

	dev = dev_get_by_index(current->nsproxy->net_ns, arg->ifindex);
	if (!dev) {
		arg->reason = IO_UNIFIED_REASON_NO_NETDEV;
		return ERR_PTR(-ENODEV);
	}
	ret = iou_net_check(dev, &arg->reason);
	if (ret)
		goto err_dev;

	ret = -ENOMEM;
	q = iou_netq_alloc(r, dev, arg->queue);
	if (!q)
		goto err_dev;
	q->send_only = arg->flags & IO_UNIFIED_ATTACH_SEND_ONLY;
	ret = iou_att_init(&q->att, r, &iou_net_att_ops,
			   IO_UNIFIED_KIND_NETDEV);
	if (ret)
		goto err_free;
	ret = iou_netq_add(q, &arg->reason);
	if (ret)
		goto err_att;
	ret = iou_netq_start(q, arg);
	if (ret)
		goto err_del;
	ret = iou_netq_started(q, &arg->reason);
	if (ret)
		goto err_stop;

	arg->path = q->path;
	arg->headroom = q->send_only ? 0 : IOU_NET_HEADROOM;
	return &q->att;

err_stop:
	iou_net_stop(&q->att);
	iou_net_release(&q->att);
	return ERR_PTR(ret);
err_del:
	iou_netq_del(q);
err_att:
	iou_att_exit(&q->att);
err_free:
	iou_netq_free(q);
err_dev:
	dev_put(dev);
	return ERR_PTR(ret);
}

int iou_net_init(void)
{
	int ret;

	iou_net_wq = alloc_workqueue("iou_net", WQ_UNBOUND, 0);
	if (!iou_net_wq)
		return -ENOMEM;
	ret = register_netdevice_notifier(&iou_net_notifier);
	if (ret)
		destroy_workqueue(iou_net_wq);
	return ret;
}

void iou_net_exit(void)
{
	unregister_netdevice_notifier(&iou_net_notifier);
	destroy_workqueue(iou_net_wq);
}
