/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Shared by mask.bpf.c and whoever takes the mask off. */
#ifndef MASK_H
#define MASK_H

#define MASK_WORD 8 /* bytes of the key */
#define MASK_STEP \
	512 /* masked at once: blocks of a drive are multiples of it */
#define MASK_MAX (16u << 20) /* bytes of an op, at most */
#define MASK_DIRECT (32u << 10) /* the same where there are no kfuncs */

#endif /* MASK_H */
