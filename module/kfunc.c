// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of ours that BPF programs call, where the module has BTF
 *
 * They are there for each XDP program of the system, so they look first whether
 * the packet is one that we made: see iou_bpf_runs(). And no more is taken from
 * it than the limits that the program itself has, data and data_end, which hold
 * for packets of anybody.
 */
#include <linux/bpf.h>
#include <linux/crc32c.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>
#include <net/xdp.h>

#include "bpf.h"
#include "compat/kfunc.h"
#include "kfunc.h"

/* The bytes at *start of the packet of an op. 0 or -errno. */
static int iou_kfunc_range(struct xdp_md *ctx, u64 off, u64 len, u8 **start)
{
	const struct xdp_buff *xdp = (const void *)ctx;
	u64 have;

	if (!iou_bpf_runs(xdp))
		return -EINVAL;
	have = xdp->data_end - xdp->data;
	if (off > have || len > have - off)
		return -ERANGE;
	*start = xdp->data + off;
	return 0;
}

/*
 * The verifier knows the last parameter by its name: what is returned has that
 * many bytes. Except for 0, which it takes for the size of the type.
 *
 * The bytes are the op's and stay so until it ends: no helper that moves the
 * packet's head or tail makes a slice invalid.
 */
__bpf_kfunc u8 *io_unified_slice(struct xdp_md *ctx, u64 off,
				 const u32 rdwr_buf_size)
{
	u8 *start;

	if (!rdwr_buf_size || iou_kfunc_range(ctx, off, rdwr_buf_size, &start))
		return NULL;
	return start;
}

__bpf_kfunc s64 io_unified_crc32c(struct xdp_md *ctx, u64 off, u64 len, u32 crc)
{
	u8 *start;
	int ret = iou_kfunc_range(ctx, off, len, &start);

	if (ret)
		return ret;
	return (u32)~crc32c(~crc, start, len);
}

BTF_KFUNCS_START(iou_kfunc_ids)
BTF_ID_FLAGS(func, io_unified_slice, KF_RET_NULL)
BTF_ID_FLAGS(func, io_unified_crc32c)
BTF_KFUNCS_END(iou_kfunc_ids)

static const struct btf_kfunc_id_set iou_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &iou_kfunc_ids,
};

static bool iou_kfunc_registered;

/*
 * Whether the kernel took our BTF. It does not tell: without, registration does
 * nothing and succeeds. But user space finds BTF here, and so do we.
 */
static bool iou_kfunc_has_btf(void)
{
	struct kernfs_node *dir, *file;

	dir = sysfs_get_dirent(kernel_kobj->sd, "btf");
	if (!dir)
		return false;
	file = sysfs_get_dirent(dir, KBUILD_MODNAME);
	sysfs_put(dir);
	if (!file)
		return false;
	sysfs_put(file);
	return true;
}

void iou_kfunc_init(void)
{
	int ret;

	/* On RT, who has BH off may be preempted by another who has. */
	if (!IOU_KFUNCS || IS_ENABLED(CONFIG_PREEMPT_RT) ||
	    !iou_kfunc_has_btf())
		return;
	ret = register_btf_kfunc_id_set(BPF_PROG_TYPE_XDP, &iou_kfunc_set);
	if (ret)
		pr_warn("io_unified: no kfuncs for BPF programs: %d\n", ret);
	iou_kfunc_registered = !ret;
}

bool iou_kfunc_usable(void)
{
	return iou_kfunc_registered;
}
