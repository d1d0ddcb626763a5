// SPDX-License-Identifier: GPL-2.0
/*
 * Receive through an AF_XDP socket whose rings are consumed in the kernel
 *
 * The data area is the socket's UMEM, so that a NIC that can writes into it.
 * The socket belongs to nobody's descriptor table. Its wait queue schedules a
 * NAPI of our own, which empties the receive ring in the softirq that filled
 * it.
 *
 * A frame that was pushed to the fill ring cannot be taken back. One that its
 * owner recalls is marked in iou_netq.held until it comes out of the receive
 * ring, or until the next owner posts it and finds it with the NIC already.
 */
#include <linux/file.h>
#include <linux/if_xdp.h>
#include <linux/log2.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/timekeeping.h>
#include <net/sock.h>
#include <net/xdp_sock_drv.h>

#include "compat/net.h"
#include "netq.h"
#include "xdp.h"
#include "xsk_ring.h"
#include "xsk_tx.h"

#define IOU_XSK_MIN_RING 64u
#define IOU_XSK_MAX_RING 32768u

/* How long the kernel may take to let go of a queue, in ms */
#define IOU_XSK_RELEASE_MS 2000

struct iou_xsk_rx {
	struct iou_rx_owner *owner;
	struct iou_rx_pkt pkt;
};

/**
 * struct iou_xsk - an AF_XDP socket on a queue
 * @q: the queue
 * @sock: the socket; NULL once it is closed, under iou_netqs_lock and @wake_lock
 * @file: its file
 * @xdp: the program that sends packets to it
 * @fill: fill ring: frames to the NIC; producing is under iou_netq.lock
 * @rx: receive ring: packets from the NIC; consumed by @napi
 * @out: the sending half
 * @dummy: device that @napi needs to have
 * @napi: consumes @rx
 * @table: to get at the socket's wait queue
 * @wqh: the socket's wait queue
 * @wait: our entry there
 * @wake_lock: keeps @sock open while the driver is told about the fill ring
 * @kick: tells it later
 * @zerocopy: the NIC writes into the frames
 * @skip: the packet goes on in the next descriptor, and is dropped
 * @dropped: XDP_STATISTICS rx_dropped, when @sock is NULL
 * @ring_full: XDP_STATISTICS rx_ring_full, when @sock is NULL
 * @burst: packets that @napi takes in one go
 */
struct iou_xsk {
	struct iou_netq *q;
	struct socket *sock;
	struct file *file;
	struct iou_xdp *xdp;
	struct iou_ring fill;
	struct iou_ring rx;
	struct iou_xsk_tx out;
	struct net_device *dummy;
	struct napi_struct napi;
	poll_table table;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	struct mutex wake_lock; /* see above */
	struct delayed_work kick;
	bool zerocopy;
	bool skip;
	u64 dropped;
	u64 ring_full;
	struct iou_xsk_rx burst[NAPI_POLL_WEIGHT];
};

static struct xdp_sock *iou_xsk_xs(const struct socket *sock)
{
	return (struct xdp_sock *)sock->sk;
}

/* --------------------------------------------------------------- filling */

static void iou_xsk_wake(struct iou_xsk *x)
{
	struct msghdr msg = {};

	if (!iou_ring_need_wakeup(&x->fill))
		return;
	mutex_lock(&x->wake_lock);
	if (x->sock)
		kernel_recvmsg(x->sock, &msg, NULL, 0, 0, MSG_DONTWAIT);
	mutex_unlock(&x->wake_lock);
}

static void iou_xsk_kick_work(struct work_struct *work)
{
	iou_xsk_wake(container_of(to_delayed_work(work), struct iou_xsk, kick));
}

/*
 * Under iou_netq.lock: show the driver a burst of frames. All at once: one that
 * sees the first alone takes it, finds that it has what it wanted, and does not
 * look again before a packet came.
 */
static void iou_xsk_publish(struct iou_xsk *x)
{
	bool drained;

	if (x->fill.shown == x->fill.own)
		return;
	drained = iou_ring_publish(&x->fill);

	/*
	 * A driver that found the fill ring empty asks to be woken, in the very
	 * moment in which we may be looking whether it does. So look again a
	 * bit later: a queue whose frames are all posted has no other event
	 * that would start it. One that is being stopped is not to be started.
	 */
	if (x->zerocopy && !x->q->error && !delayed_work_pending(&x->kick)) {
		if (iou_ring_need_wakeup(&x->fill))
			queue_delayed_work(iou_net_wq, &x->kick, 0);
		else if (drained)
			queue_delayed_work(iou_net_wq, &x->kick, 1);
	}
}

static void iou_xsk_kick(struct iou_netq *q)
{
	struct iou_xsk *x = q->priv;

	spin_lock_bh(&q->lock);
	iou_xsk_publish(x);
	spin_unlock_bh(&q->lock);
	iou_xsk_wake(x);
}

/* Shown by iou_xsk_kick(), or when the packets at hand are dealt with. */
static int iou_xsk_post(struct iou_netq *q, u32 frame)
{
	struct iou_xsk *x = q->priv;

	if (__test_and_clear_bit(frame, q->held))
		return 0;
	if (!iou_ring_fill(&x->fill, (u64)frame << q->att.region->frame_shift))
		return -ENOBUFS;
	return 0;
}

static void iou_xsk_recall(struct iou_netq *q, u32 frame)
{
	__set_bit(frame, q->held);
}

/* ------------------------------------------------------------- receiving */

/* Under iou_netq.lock. True: *rx is a packet with an owner. */
static bool iou_xsk_take(struct iou_xsk *x, const struct xdp_desc *desc,
			 struct iou_xsk_rx *rx)
{
	struct iou_netq *q = x->q;
	struct iou_region *r = q->att.region;
	u32 size = iou_frame_size(r);
	u64 frame = desc->addr >> r->frame_shift;
	bool skip = x->skip;

	if (frame >= r->nr_frames || !desc->len ||
	    desc->len > size - (desc->addr & (size - 1)) ||
	    (desc->options & ~XDP_PKT_CONTD) ||
	    (!q->owners[frame] && !test_bit(frame, q->held))) {
		/* Nothing that the kernel writes looks like this. */
		iou_count(q->att.stats, IO_UNIFIED_STAT_ERRORS, 1);
		return false;
	}

	x->skip = desc->options & XDP_PKT_CONTD;
	if (skip || x->skip) {
		/* One of many pieces: the frame goes back to the NIC. */
		if (!x->skip)
			iou_netq_dropped(q, IO_UNIFIED_STAT_DROP_TOO_LONG,
					 desc->len);
		if (!iou_ring_fill(&x->fill, frame << r->frame_shift))
			iou_count(q->att.stats, IO_UNIFIED_STAT_ERRORS, 1);
		return false;
	}

	rx->owner = iou_netq_take(q, frame);
	if (!rx->owner) {
		__clear_bit(frame, q->held);
		iou_netq_dropped(q, IO_UNIFIED_STAT_DROP_STOPPED, desc->len);
		return false;
	}

	rx->pkt.addr = r->data_off + desc->addr;
	rx->pkt.tstamp = ktime_get_real_ns();
	rx->pkt.frame = frame;
	rx->pkt.len = desc->len;
	rx->pkt.orig_len = desc->len;
	rx->pkt.copied = !x->zerocopy;
	return true;
}

static int iou_xsk_poll(struct napi_struct *napi, int budget)
{
	struct iou_xsk *x = container_of(napi, struct iou_xsk, napi);
	struct iou_netq *q = x->q;
	struct xdp_desc desc;
	u32 n, i, taken = 0;

	iou_xsk_tx_drain(&x->out);
	if (!budget)
		return 0;

	n = iou_ring_ready(&x->rx);
	if (unlikely(n > x->rx.entries)) {
		iou_count(q->att.stats, IO_UNIFIED_STAT_ERRORS, 1);
		iou_ring_consume(&x->rx, n);
		n = 0;
	}
	n = min3(n, (u32)budget, (u32)ARRAY_SIZE(x->burst));

	spin_lock(&q->lock);
	for (i = 0; i < n; i++) {
		iou_ring_read(&x->rx, i, &desc);
		if (iou_xsk_take(x, &desc, &x->burst[taken]))
			taken++;
	}
	spin_unlock(&q->lock);
	iou_ring_consume(&x->rx, n);

	for (i = 0; i < taken; i++)
		iou_netq_received(q, x->burst[i].owner, &x->burst[i].pkt);

	/* Frames that were dropped, or posted again by who got a packet */
	spin_lock(&q->lock);
	iou_xsk_publish(x);
	spin_unlock(&q->lock);

	if (n < budget)
		napi_complete_done(napi, n);
	return n;
}

static int iou_xsk_woken(wait_queue_entry_t *wait, unsigned int mode, int sync,
			 void *key)
{
	struct iou_xsk *x = container_of(wait, struct iou_xsk, wait);

	if (key_to_poll(key) & (EPOLLIN | EPOLLOUT))
		napi_schedule(&x->napi);
	return 0;
}

static void iou_xsk_queue_proc(struct file *file, wait_queue_head_t *wqh,
			       poll_table *table)
{
	struct iou_xsk *x = container_of(table, struct iou_xsk, table);

	if (x->wqh)
		return;
	init_waitqueue_func_entry(&x->wait, iou_xsk_woken);
	x->wqh = wqh;
	add_wait_queue(wqh, &x->wait);
}

static int iou_xsk_listen(struct iou_xsk *x)
{
	x->dummy = alloc_netdev_dummy(0);
	if (!x->dummy)
		return -ENOMEM;
	netif_napi_add(x->dummy, &x->napi, iou_xsk_poll);
	napi_enable(&x->napi);

	init_poll_funcptr(&x->table, iou_xsk_queue_proc);
	vfs_poll(x->file, &x->table);
	return x->wqh ? 0 : -EIO;
}

static void iou_xsk_unlisten(struct iou_xsk *x)
{
	if (!x->dummy)
		return;
	if (x->wqh)
		remove_wait_queue(x->wqh, &x->wait);
	napi_disable(&x->napi);
	netif_napi_del(&x->napi);
	iou_free_netdev_dummy(x->dummy);
	x->dummy = NULL;
}

/* ---------------------------------------------------------------- set up */

static int iou_xsk_setsockopt(struct iou_xsk *x, int optname, void *val,
			      unsigned int len)
{
	return x->sock->ops->setsockopt(x->sock, SOL_XDP, optname,
					KERNEL_SOCKPTR(val), len);
}

static int iou_xsk_open(struct iou_xsk *x)
{
	struct socket *sock;
	struct file *file;
	int ret;

	ret = sock_create(PF_XDP, SOCK_RAW, 0, &sock);
	if (ret)
		return ret;
	file = sock_alloc_file(sock, O_CLOEXEC, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	x->sock = sock;
	x->file = file;
	return 0;
}

/* The data area becomes the UMEM, which pins its pages a second time. */
static int iou_xsk_reg_umem(struct iou_xsk *x)
{
	struct iou_region *r = x->q->att.region;
	struct xdp_umem_reg umem = {
		.len = r->data_size,
		.chunk_size = iou_frame_size(r),
	};
	unsigned long addr = 0;
	int ret;

	if (r->mem.shmem) {
		addr = vm_mmap(r->mem.shmem, 0, r->data_size,
			       PROT_READ | PROT_WRITE, MAP_SHARED, r->data_off);
		if (IS_ERR_VALUE(addr))
			return (long)addr;
		umem.addr = addr;
	} else {
		/* Only the process that has it mapped can have it pinned. */
		if (current->mm != r->mem.mm)
			return -EXDEV;
		umem.addr = r->mem.user_addr + r->data_off;
	}

	ret = iou_xsk_setsockopt(x, XDP_UMEM_REG, &umem, sizeof(umem));
	if (addr)
		vm_munmap(addr, r->data_size);
	return ret;
}

static int iou_xsk_make_rings(struct iou_xsk *x, int entries)
{
	struct xdp_mmap_offsets off = {};
	int sends = IOU_XSK_TX_RING;
	int ret;

	ret = iou_xsk_setsockopt(x, XDP_UMEM_FILL_RING, &entries,
				 sizeof(entries));
	if (!ret)
		ret = iou_xsk_setsockopt(x, XDP_UMEM_COMPLETION_RING, &sends,
					 sizeof(sends));
	if (!ret)
		ret = iou_xsk_setsockopt(x, XDP_TX_RING, &sends, sizeof(sends));
	if (!ret)
		ret = iou_xsk_setsockopt(x, XDP_RX_RING, &entries,
					 sizeof(entries));
	if (!ret)
		ret = iou_getsockopt(x->sock, SOL_XDP, XDP_MMAP_OFFSETS, &off,
				     sizeof(off));
	if (!ret)
		ret = iou_ring_map(&x->fill, x->file, XDP_UMEM_PGOFF_FILL_RING,
				   &off.fr, entries, sizeof(u64));
	if (!ret)
		ret = iou_ring_map(&x->rx, x->file, XDP_PGOFF_RX_RING, &off.rx,
				   entries, sizeof(struct xdp_desc));
	if (!ret)
		ret = iou_ring_map(&x->out.tx, x->file, XDP_PGOFF_TX_RING,
				   &off.tx, sends, sizeof(struct xdp_desc));
	if (!ret)
		ret = iou_ring_map(&x->out.done, x->file,
				   XDP_UMEM_PGOFF_COMPLETION_RING, &off.cr,
				   sends, sizeof(u64));
	return ret;
}

static int iou_xsk_bind(struct iou_xsk *x, bool zerocopy)
{
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_USE_NEED_WAKEUP,
		.sxdp_ifindex = x->q->ifindex,
		.sxdp_queue_id = x->q->queue,
	};

	/* Without either flag the kernel takes zero-copy if it can. */
	if (zerocopy)
		addr.sxdp_flags |= XDP_ZEROCOPY;
	else if (iou_xdp_is_generic(x->xdp))
		addr.sxdp_flags |= XDP_COPY;
	return kernel_bind(x->sock, (void *)&addr, sizeof(addr));
}

/* ------------------------------------------------------------- tear down */

struct iou_xsk_close {
	struct work_struct work;
	struct file *file;
};

static void iou_xsk_close_work(struct work_struct *work)
{
	__fput_sync(container_of(work, struct iou_xsk_close, work)->file);
}

/*
 * Close the socket and wait until the device has let go of the frames. A put
 * by a process is done when it returns to user space, and one that is done
 * synchronously is only for kernel threads: hence the work.
 */
static void iou_xsk_close(struct iou_xsk *x, struct net_device *dev)
{
	struct iou_xsk_close c = { .file = x->file };
	struct xsk_buff_pool *pool;
	unsigned int ms;

	if (!x->file)
		return;

	pool = iou_xsk_xs(x->sock)->pool;
	mutex_lock(&iou_netqs_lock);
	x->dropped = READ_ONCE(iou_xsk_xs(x->sock)->rx_dropped);
	x->ring_full = READ_ONCE(iou_xsk_xs(x->sock)->rx_queue_full);
	mutex_lock(&x->wake_lock);
	x->sock = NULL;
	mutex_unlock(&x->wake_lock);
	mutex_unlock(&iou_netqs_lock);
	x->file = NULL;

	INIT_WORK_ONSTACK(&c.work, iou_xsk_close_work);
	queue_work(iou_net_wq, &c.work);
	flush_work(&c.work);
	destroy_work_on_stack(&c.work);

	if (!dev || !pool)
		return;
	for (ms = 0; ms < IOU_XSK_RELEASE_MS; ms++) {
		if (xsk_get_pool_from_qid(dev, x->q->queue) != pool)
			return;
		usleep_range(500, 1000);
	}
}

static void iou_xsk_stop(struct iou_netq *q, struct net_device *dev)
{
	struct iou_xsk *x = q->priv;

	if (x->xdp)
		iou_xdp_clear_queue(x->xdp, q->queue);
	iou_xsk_unlisten(x);
	cancel_delayed_work_sync(&x->kick);
	iou_xsk_close(x, dev);
	iou_xsk_tx_stop(&x->out);
	if (x->xdp) {
		iou_xdp_put(x->xdp);
		x->xdp = NULL;
	}
}

static void iou_xsk_release(struct iou_netq *q)
{
	struct iou_xsk *x = q->priv;

	iou_xsk_tx_exit(&x->out);
	iou_ring_unmap(&x->rx);
	iou_ring_unmap(&x->fill);
	kvfree(x);
}

static void iou_xsk_drops(struct iou_netq *q, u64 *dropped, u64 *ring_full)
{
	struct iou_xsk *x = q->priv;

	*dropped = x->dropped;
	*ring_full = x->ring_full;
	if (x->sock) {
		*dropped = READ_ONCE(iou_xsk_xs(x->sock)->rx_dropped);
		*ring_full = READ_ONCE(iou_xsk_xs(x->sock)->rx_queue_full);
	}
}

static void iou_xsk_gone(struct iou_netq *q, struct net_device *dev)
{
	struct iou_xsk *x = q->priv;

	/* One that is in another namespace now still has the program. */
	iou_xdp_clear_queue(x->xdp, q->queue);
	iou_xdp_gone(dev);
}

static const struct iou_netq_ops iou_xsk_ops = {
	.post = iou_xsk_post,
	.recall = iou_xsk_recall,
	.kick = iou_xsk_kick,
	.stop = iou_xsk_stop,
	.gone = iou_xsk_gone,
	.drops = iou_xsk_drops,
	.release = iou_xsk_release,
};

/* ---------------------------------------------------------------- attach */

static bool iou_xsk_taken(const struct iou_netq *q)
{
	bool taken;

	rtnl_lock();
	taken = xsk_get_pool_from_qid(q->dev, q->queue);
	rtnl_unlock();
	return taken;
}

static int iou_xsk_start(struct iou_xsk *x, const struct io_unified_attach *arg,
			 u32 *reason)
{
	bool zerocopy = arg->flags & IO_UNIFIED_ATTACH_ZEROCOPY;
	struct iou_netq *q = x->q;
	struct iou_region *r = q->att.region;
	u32 entries = arg->ring_entries;
	int ret;

	if (!entries)
		entries = clamp(roundup_pow_of_two(r->nr_frames),
				IOU_XSK_MIN_RING, IOU_XSK_MAX_RING);

	/* Its owner has a program there too: say what is more to the point. */
	if (iou_xsk_taken(q)) {
		*reason = IO_UNIFIED_REASON_QUEUE_BUSY;
		return -EBUSY;
	}

	*reason = IO_UNIFIED_REASON_XSK;
	ret = iou_xsk_open(x);
	if (ret)
		return ret;

	/* In the stack AF_XDP costs more than the rx handler. */
	x->xdp = iou_xdp_get(q->dev,
			     arg->flags & IO_UNIFIED_ATTACH_XSK && !zerocopy);
	if (IS_ERR(x->xdp)) {
		ret = PTR_ERR(x->xdp);
		x->xdp = NULL;
		*reason = IO_UNIFIED_REASON_XDP;
		if (zerocopy && ret == -EOPNOTSUPP)
			*reason = IO_UNIFIED_REASON_ZEROCOPY;
		return ret;
	}

	ret = iou_xsk_reg_umem(x);
	if (ret == -ENOBUFS) {
		*reason = IO_UNIFIED_REASON_MEMLOCK;
		return -ENOMEM;
	}
	if (!ret)
		ret = iou_xsk_make_rings(x, entries);
	if (ret)
		return ret;

	ret = iou_xsk_bind(x, zerocopy);
	if (ret == -EBUSY) {
		*reason = IO_UNIFIED_REASON_QUEUE_BUSY;
	} else if (ret && zerocopy) {
		*reason = IO_UNIFIED_REASON_ZEROCOPY;
		ret = -EOPNOTSUPP;
	}
	if (ret)
		return ret;

	x->zerocopy = iou_xsk_xs(x->sock)->zc;
	x->out.on = x->zerocopy;
	if (!x->zerocopy)
		iou_xsk_tx_exit(&x->out);
	ret = iou_xsk_listen(x);
	if (ret)
		return ret;

	/* The map refuses what is not bound. Now packets may come. */
	return iou_xdp_set_queue(x->xdp, q->queue, x->file);
}

int iou_xsk_attach(struct iou_netq *q, const struct io_unified_attach *arg,
		   u32 *reason)
{
	struct iou_xsk *x;
	int ret;

	if (iou_frame_size(q->att.region) > PAGE_SIZE) {
		*reason = IO_UNIFIED_REASON_FRAME_SIZE;
		return -EINVAL;
	}
	*reason = IO_UNIFIED_REASON_XSK;
	if (!IS_ENABLED(CONFIG_XDP_SOCKETS) || !current->mm)
		return -EOPNOTSUPP;

	x = kvzalloc(sizeof(*x), GFP_KERNEL_ACCOUNT);
	if (!x)
		return -ENOMEM;
	x->q = q;
	mutex_init(&x->wake_lock);
	INIT_DELAYED_WORK(&x->kick, iou_xsk_kick_work);
	iou_xsk_tx_init(&x->out, q);

	q->priv = x;
	ret = iou_xsk_start(x, arg, reason);
	if (ret) {
		iou_xsk_stop(q, q->dev);
		iou_xsk_release(q);
		q->priv = NULL;
		return ret;
	}

	q->in_driver = !iou_xdp_is_generic(x->xdp);
	q->path = x->zerocopy ? IO_UNIFIED_PATH_XSK_ZC :
				IO_UNIFIED_PATH_XSK_COPY;
	q->xsk_tx = x->zerocopy ? &x->out : NULL;
	q->ops = &iou_xsk_ops;
	return 0;
}
