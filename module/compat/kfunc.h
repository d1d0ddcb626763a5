/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Registration of kfuncs as the newest kernel has it, on older ones
 */
#ifndef IOU_COMPAT_KFUNC_H
#define IOU_COMPAT_KFUNC_H

#include <linux/btf.h>
#include <linux/btf_ids.h>

/*
 * Kernels without are older than 6.9. 6.1 does not load a program that asks
 * whether a kfunc is there, so there is none, even if somebody makes BTF for it.
 */
#ifdef BTF_KFUNCS_START
#define IOU_KFUNCS true
#else
#define IOU_KFUNCS false
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name) BTF_SET8_END(name)
#endif

#ifndef __bpf_kfunc
#define __bpf_kfunc
#endif

#endif /* IOU_COMPAT_KFUNC_H */
