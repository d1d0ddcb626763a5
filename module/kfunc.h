/* SPDX-License-Identifier: GPL-2.0 */
/* Functions of ours that BPF programs call */
#ifndef IOU_KFUNC_H
#define IOU_KFUNC_H

#include <linux/types.h>

struct xdp_md;

/* For programs: their contract is in userspace/include/iounified_bpf.h. */
u8 *io_unified_slice(struct xdp_md *ctx, u64 off, const u32 rdwr_buf_size);
s64 io_unified_crc32c(struct xdp_md *ctx, u64 off, u64 len, u32 crc);

void iou_kfunc_init(void);
/* Programs can call them: IO_UNIFIED_FEAT_KFUNCS. */
bool iou_kfunc_usable(void);

#endif /* IOU_KFUNC_H */
