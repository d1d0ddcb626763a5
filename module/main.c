// SPDX-License-Identifier: GPL-2.0
/* io_unified: the device, its files and ioctls */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "attach.h"
#include "compat/compat.h"
#include "cq.h"
#include "defer.h"
#include "kfunc.h"
#include "main.h"
#include "net.h"
#include "pool.h"
#include "region.h"
#include "ring.h"
#include "storage.h"
#include "uring.h"
#include "waiting.h"

struct workqueue_struct *iou_wq;
struct workqueue_struct *iou_io_wq;

static u64 iou_features(void)
{
	u64 f = IO_UNIFIED_FEAT_USER_MEMORY | IO_UNIFIED_FEAT_MODULE_MEMORY |
		IO_UNIFIED_FEAT_MODULE_FIXED_BUF |
		IO_UNIFIED_FEAT_NVME_PASSTHROUGH | IO_UNIFIED_FEAT_BIO |
		IO_UNIFIED_FEAT_RX_HANDLER | IO_UNIFIED_FEAT_BPF |
		IO_UNIFIED_FEAT_STREAM | IO_UNIFIED_FEAT_RINGS |
		IO_UNIFIED_FEAT_IOPOLL | IO_UNIFIED_FEAT_CHAIN |
		IO_UNIFIED_FEAT_FILE | IO_UNIFIED_FEAT_TX |
		IO_UNIFIED_FEAT_SOCKET | IO_UNIFIED_FEAT_TX_TIME |
		IO_UNIFIED_FEAT_STREAM_SOCKET | IO_UNIFIED_FEAT_LEAD |
		IO_UNIFIED_FEAT_STREAM_PLAY;

	if (IS_ENABLED(CONFIG_XDP_SOCKETS))
		f |= IO_UNIFIED_FEAT_XSK;
	if (IOU_URING_F_CANCEL)
		f |= IO_UNIFIED_FEAT_URING_CANCEL;
	if (iou_kfunc_usable())
		f |= IO_UNIFIED_FEAT_KFUNCS;
	return f;
}

static int iou_ioctl_get_info(void __user *uarg)
{
	struct io_unified_info info = {
		.abi_version = IO_UNIFIED_ABI_VERSION,
		.max_attachments = IOU_MAX_ATTACHMENTS,
		.max_sockets = IOU_MAX_SOCKETS,
		.features = iou_features(),
		.max_region_size = IOU_MAX_REGION,
		.min_frame_size = IOU_MIN_FRAME,
		.max_frame_size = IOU_MAX_FRAME,
		.max_entries = IOU_MAX_ENTRIES,
		.max_links = IOU_MAX_LINKS,
	};

	return copy_to_user(uarg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int iou_do_register(struct iou_file *f, void *arg)
{
	return iou_region_register(f, arg);
}

static int iou_do_attach(struct iou_file *f, void *arg)
{
	struct io_unified_attach *a = arg;
	struct iou_region *r = iou_region_peek(f);

	a->reason = IO_UNIFIED_REASON_NO_REGION;
	return r ? iou_attach(r, a) : -ENXIO;
}

static int iou_do_detach(struct iou_file *f, void *arg)
{
	struct io_unified_detach *a = arg;
	struct iou_region *r = iou_region_peek(f);

	a->reason = IO_UNIFIED_REASON_NO_REGION;
	return r ? iou_detach(r, a) : -ENXIO;
}

static int iou_do_stats(struct iou_file *f, void *arg)
{
	struct io_unified_stats *a = arg;
	struct iou_region *r = iou_region_peek(f);

	a->reason = IO_UNIFIED_REASON_NO_REGION;
	return r ? iou_get_stats(r, a) : -ENXIO;
}

/*
 * Copy the argument in, do it, copy it out: also after a failure, because the
 * reason is in it. What cannot be copied out is undone.
 */
static int iou_ioctl_do(struct iou_file *f, void __user *uarg, size_t size,
			int (*fn)(struct iou_file *f, void *arg),
			void (*undo)(struct iou_file *f, void *arg))
{
	void *arg = memdup_user(uarg, size);
	int ret;

	if (IS_ERR(arg))
		return PTR_ERR(arg);
	/* Who has it may be detaching, and wait for a drive. */
	ret = mutex_lock_killable(&f->lock);
	if (ret)
		goto out;
	ret = fn(f, arg);
	if (copy_to_user(uarg, arg, size)) {
		if (!ret && undo)
			undo(f, arg);
		ret = -EFAULT;
	}
	mutex_unlock(&f->lock);
out:
	kfree(arg);
	return ret;
}

static void iou_undo_register(struct iou_file *f, void *arg)
{
	iou_region_unregister(f);
}

static void iou_undo_attach(struct iou_file *f, void *arg)
{
	struct io_unified_attach *a = arg;
	struct io_unified_detach d = { .kind = a->kind, .index = a->index };

	iou_detach(iou_region_peek(f), &d);
}

static int iou_ioctl_unregister(struct iou_file *f)
{
	int ret = mutex_lock_killable(&f->lock);

	if (ret)
		return ret;
	ret = iou_region_unregister(f);
	mutex_unlock(&f->lock);
	return ret;
}

/* Without the lock: it may wait for long, and others go on meanwhile. */
static int iou_ioctl_enter(struct iou_file *f, void __user *uarg)
{
	struct io_unified_enter arg;
	struct iou_region *r;
	int ret = -ENXIO;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	arg.reason = IO_UNIFIED_REASON_NO_REGION;
	r = iou_region_get(f);
	if (r) {
		ret = iou_ring_enter(r, &arg);
		iou_region_put(r);
	}
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : ret;
}

static long iou_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct iou_file *f = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IO_UNIFIED_GET_INFO:
		return iou_ioctl_get_info(uarg);
	case IO_UNIFIED_REGISTER_REGION:
		return iou_ioctl_do(f, uarg,
				    sizeof(struct io_unified_region_reg),
				    iou_do_register, iou_undo_register);
	case IO_UNIFIED_UNREGISTER_REGION:
		return iou_ioctl_unregister(f);
	case IO_UNIFIED_ATTACH:
		return iou_ioctl_do(f, uarg, sizeof(struct io_unified_attach),
				    iou_do_attach, iou_undo_attach);
	case IO_UNIFIED_DETACH:
		return iou_ioctl_do(f, uarg, sizeof(struct io_unified_detach),
				    iou_do_detach, NULL);
	case IO_UNIFIED_GET_STATS:
		return iou_ioctl_do(f, uarg, sizeof(struct io_unified_stats),
				    iou_do_stats, NULL);
	case IO_UNIFIED_ENTER:
		return iou_ioctl_enter(f, uarg);
	default:
		return -ENOTTY;
	}
}

static int iou_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct iou_file *f = file->private_data;
	struct iou_region *r = iou_region_get(f);
	struct file *shmem;
	u64 end;
	int ret;

	if (!r)
		return -ENXIO;
	shmem = r->mem.shmem;
	end = ((u64)vma->vm_pgoff << PAGE_SHIFT) + vma->vm_end - vma->vm_start;
	/* Memory of the caller is the caller's to map. */
	ret = -ENODEV;
	if (!shmem)
		goto out;
	ret = -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || end > r->mem.size)
		goto out;
	/* Data from a network is nothing to run. */
	ret = -EPERM;
	if (vma->vm_flags & VM_EXEC)
		goto out;
	vm_flags_clear(vma, VM_MAYEXEC);
	vma_set_file(vma, shmem);
	ret = vfs_mmap(shmem, vma);
out:
	iou_region_put(r);
	return ret;
}

static __poll_t iou_poll(struct file *file, struct poll_table_struct *wait)
{
	struct iou_file *f = file->private_data;
	struct iou_region *r;
	__poll_t mask = 0;
	u32 i;

	poll_wait(file, &f->poll_wait, wait);
	r = iou_region_get(f);
	if (!r)
		return EPOLLERR;
	for (i = 0; i < r->nr_pairs && !mask; i++)
		if (iou_cq_count(&r->pairs[i]))
			mask = EPOLLIN | EPOLLRDNORM;
	iou_region_put(r);
	return mask;
}

static void iou_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct iou_file *f = file->private_data;
	struct iou_region *r;

	if (mutex_lock_killable(&f->lock))
		return;
	r = iou_region_peek(f);
	if (r)
		iou_region_show(r, m);
	mutex_unlock(&f->lock);
}

static int iou_open(struct inode *inode, struct file *file)
{
	struct iou_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	init_waitqueue_head(&f->poll_wait);
	spin_lock_init(&f->wait_lock);
	INIT_LIST_HEAD(&f->waiting);
	iou_watch_init(f);
	iou_defer_init(f);
	file->private_data = f;
	return 0;
}

static int iou_release(struct inode *inode, struct file *file)
{
	struct iou_file *f = file->private_data;

	/* No command is in flight: each holds the file. */
	mutex_lock(&f->lock);
	iou_region_unregister(f);
	mutex_unlock(&f->lock);
	iou_watch_exit(f);
	kfree(f);
	return 0;
}

static const struct file_operations iou_fops = {
	.owner = THIS_MODULE,
	.open = iou_open,
	.release = iou_release,
	.unlocked_ioctl = iou_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = iou_mmap,
	.poll = iou_poll,
	.show_fdinfo = iou_show_fdinfo,
	.uring_cmd = iou_uring_cmd,
	.uring_cmd_iopoll = iou_uring_cmd_iopoll,
};

static struct miscdevice iou_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "io_unified",
	.fops = &iou_fops,
	.mode = 0600,
};

static int __init iou_init(void)
{
	int ret = -ENOMEM;

	iou_wq = alloc_workqueue("io_unified",
				 WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!iou_wq)
		return ret;
	iou_io_wq = alloc_workqueue(
		"io_unified_io", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!iou_io_wq)
		goto err_wq;
	ret = iou_file_init();
	if (ret)
		goto err_io_wq;
	ret = iou_pool_init();
	if (ret)
		goto err_file;
	ret = iou_net_init();
	if (ret)
		goto err_pool;
	iou_kfunc_init();
	ret = misc_register(&iou_misc);
	if (ret)
		goto err_net;
	return 0;

err_net:
	iou_net_exit();
err_pool:
	iou_pool_exit();
err_file:
	iou_file_exit();
err_io_wq:
	destroy_workqueue(iou_io_wq);
err_wq:
	destroy_workqueue(iou_wq);
	return ret;
}

static void __exit iou_exit(void)
{
	misc_deregister(&iou_misc);
	iou_net_exit();
	iou_file_exit();
	destroy_workqueue(iou_io_wq);
	destroy_workqueue(iou_wq);
	/*
	 * Percpu references, regions, sockets, and what tx.c and sock_tx.c lent:
	 * they are freed by RCU.
	 */
	rcu_barrier();
	iou_pool_exit();
}

module_init(iou_init);
module_exit(iou_exit);

MODULE_DESCRIPTION("One memory region for network, BPF and storage");
MODULE_AUTHOR("The io_unified developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(IOU_VERSION);
