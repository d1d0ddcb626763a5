// SPDX-License-Identifier: GPL-2.0
/* AF_XDP rings that are PFN mappings need follow_pfn(). */
#include <linux/mm.h>
int f(struct vm_area_struct *vma, unsigned long *pfn);
int f(struct vm_area_struct *vma, unsigned long *pfn)
{
	return follow_pfn(vma, 0, pfn);
}
