/* SPDX-License-Identifier: GPL-2.0 */
/* What the system has before and after many rounds of the same. */
#ifndef IOU_TEST_LEAK_H
#define IOU_TEST_LEAK_H

#include "iou_test.h"

/* Pages and files, once everything that can be given back is. */
struct t_leak {
	long free_kb; /* with what each CPU keeps for itself */
	long slab_kb; /* unreclaimable */
	long percpu_kb;
	long vmalloc_kb;
	long pinned; /* pages: nr_foll_pin_acquired - released */
	long files;
	long netdevs;
	long bpf; /* programs, maps and links in the kernel */
};

void t_leak_start(struct t_leak *l);
/*
 * Did nothing go with each of @rounds rounds? Caches that grow look the same as a
 * leak, but once only.
 */
bool t_leak_none(const struct t_leak *before, int rounds);
/* Fails the case if something did. */
void t_leak_check(const struct t_leak *before, int rounds);
/* References on the module. */
int t_refcount(void);
/* Waits until there are none but @n. */
void t_refcount_wait(int n);

#endif /* IOU_TEST_LEAK_H */
