// SPDX-License-Identifier: GPL-2.0
/* Counters: percpu, added up when somebody asks */
#include <linux/percpu.h>

#include "iou.h"

void iou_counters_sum(struct iou_counters __percpu *s, u64 *sum)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		const struct iou_counters *c = per_cpu_ptr(s, cpu);

		for (i = 0; i < IO_UNIFIED_STAT_MAX; i++)
			sum[i] += READ_ONCE(c->c[i]);
	}
}
