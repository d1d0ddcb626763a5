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
/* Fails the case if something went with each of @rounds rounds. */
void t_leak_check(const struct t_leak *before, int rounds);
/*
 * The same for @rounds rounds of @one, after @warm_up of them that fill caches and
 * tables. Caches that still grow look like a leak, but not each time: what went is
 * measured again, twice, before it fails the case.
 */
void t_leak_rounds(void (*one)(int round), int warm_up, int rounds);
/*
 * The same where the kernel itself loses something each time: what goes with as many
 * rounds of @bare, which we have no part in, may go with ours, too.
 */
void t_leak_rounds_over(void (*bare)(int round), void (*one)(int round),
			int warm_up, int rounds);
/* Does this kernel look for errors of its own, and take its time? */
bool t_debug_kernel(void);
/* References on the module. */
int t_refcount(void);
/* Waits until there are none but @n. */
void t_refcount_wait(int n);

#endif /* IOU_TEST_LEAK_H */
