/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that user space may write to meanwhile */
#ifndef IOU_SHARED_H
#define IOU_SHARED_H

#include <linux/compiler.h>
#include <linux/types.h>

/* Whole words, each of them read once: what is checked is what is used. */
static __always_inline void iou_read_shared(void *to, const void *from,
					    size_t size)
{
	const u64 *in = from;
	u64 *out = to;
	size_t i;

	/* One register for all: the compiler would compute each word's address. */
	OPTIMIZER_HIDE_VAR(in);
#pragma GCC unroll 16
	for (i = 0; i < size / sizeof(u64); i++)
		out[i] = READ_ONCE(in[i]);
}

#endif /* IOU_SHARED_H */
