/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Networking of the newest kernel, on older ones
 */
#ifndef IOU_COMPAT_NET_H
#define IOU_COMPAT_NET_H

#include <linux/hrtimer.h>
#include <linux/if_xdp.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "config.h"

#ifdef IOU_HAVE_NET_GSO_HEADER
#include <net/gso.h>
#endif

/* The namespace of kern_sys_bpf(), where the kernel has namespaces for it. */
#ifdef IOU_HAVE_IMPORT_NS_TOKEN
#define IOU_IMPORT_BPF MODULE_IMPORT_NS(BPF_INTERNAL)
#else
#define IOU_IMPORT_BPF MODULE_IMPORT_NS("BPF_INTERNAL")
#endif

/* Exported for light skeletons, which declare it themselves. */
int kern_sys_bpf(int cmd, union bpf_attr *attr, unsigned int size);

/* Packets in more than one piece: never seen by a kernel without them. */
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

#ifndef IOU_HAVE_ALLOC_NETDEV_DUMMY
static inline struct net_device *alloc_netdev_dummy(int sizeof_priv)
{
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
}

static inline void iou_free_netdev_dummy(struct net_device *dev)
{
	kfree(dev);
}
#else
static inline void iou_free_netdev_dummy(struct net_device *dev)
{
	free_netdev(dev);
}
#endif

#ifndef IOU_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*fn)(struct hrtimer *t),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#endif

#ifndef IOU_HAVE_UBUF_INFO_OPS
struct ubuf_info_ops {
	void (*complete)(struct sk_buff *skb, struct ubuf_info *ubuf,
			 bool zerocopy_success);
};
#endif

/*
 * Pages with an owner, who has the first reference. What may go back up a stack
 * or to a tap is copied then.
 */
static inline void iou_ubuf_init(struct ubuf_info *ubuf,
				 const struct ubuf_info_ops *ops)
{
#ifdef IOU_HAVE_UBUF_INFO_OPS
	ubuf->ops = ops;
#else
	ubuf->callback = ops->complete;
#endif
	ubuf->flags = SKBFL_ZEROCOPY_FRAG;
	refcount_set(&ubuf->refcnt, 1);
}

/*
 * Without getsockopt_iter() an option can only be read into user memory: a
 * page of the caller's is mapped for it. Another thread may write there, so
 * the result is only as good as anything from user space.
 */
static inline int iou_getsockopt_user(struct socket *sock, int level,
				      int optname, void *val, int len)
{
	unsigned long page;
	int __user *optlen;
	int ret;

	page = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(page))
		return (long)page;
	optlen = (int __user *)(page + PAGE_SIZE / 2);
	ret = -EFAULT;
	if (put_user(len, optlen))
		goto out;
	ret = sock->ops->getsockopt(sock, level, optname, (char __user *)page,
				    optlen);
	if (!ret && copy_from_user(val, (void __user *)page, len))
		ret = -EFAULT;
out:
	vm_munmap(page, PAGE_SIZE);
	return ret;
}

static inline int iou_getsockopt(struct socket *sock, int level, int optname,
				 void *val, int len)
{
#ifdef IOU_HAVE_GETSOCKOPT_ITER
	struct kvec vec = { .iov_base = val, .iov_len = len };
	sockopt_t opt = { .optlen = len };

	if (sock->ops->getsockopt_iter) {
		iov_iter_kvec(&opt.iter_out, ITER_DEST, &vec, 1, len);
		iov_iter_kvec(&opt.iter_in, ITER_SOURCE, &vec, 1, len);
		return sock->ops->getsockopt_iter(sock, level, optname, &opt);
	}
#endif
	return iou_getsockopt_user(sock, level, optname, val, len);
}

static inline long iou_pin_pages(unsigned long addr, unsigned int nr,
				 struct page **pages)
{
	unsigned int flags = FOLL_WRITE | FOLL_LONGTERM;

#ifdef IOU_HAVE_PIN_USER_PAGES_VMAS
	return pin_user_pages(addr, nr, flags, pages, NULL);
#else
	return pin_user_pages(addr, nr, flags, pages);
#endif
}

/*
 * The pages of a mapping that cannot be pinned because it is one of page frame
 * numbers: AF_XDP rings that are compound pages. Under mmap_read_lock, and
 * only for a mapping that is known to be a ring.
 */
static inline int iou_get_pfn_pages(struct vm_area_struct *vma,
				    unsigned long addr, unsigned int nr,
				    struct page **pages)
{
#ifdef IOU_HAVE_FOLLOW_PFN
	unsigned long pfn;
	unsigned int i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = follow_pfn(vma, addr + ((unsigned long)i << PAGE_SHIFT),
				 &pfn);
		if (!ret && !pfn_valid(pfn))
			ret = -EFAULT;
		if (ret)
			break;
		pages[i] = pfn_to_page(pfn);
		get_page(pages[i]);
	}
	if (i == nr)
		return 0;
	while (i--)
		put_page(pages[i]);
	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

#endif /* IOU_COMPAT_NET_H */
