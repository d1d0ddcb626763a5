// SPDX-License-Identifier: GPL-2.0
/* A timer and its function are set up in one call. */
#include <linux/hrtimer.h>
void f(struct hrtimer *t, enum hrtimer_restart (*fn)(struct hrtimer *t));
void f(struct hrtimer *t, enum hrtimer_restart (*fn)(struct hrtimer *t))
{
	hrtimer_setup(t, fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
}
