// SPDX-License-Identifier: GPL-2.0
/* vm_flags_clear(): the flags of a mapping are not written directly. */
#include <linux/mm.h>
void f(struct vm_area_struct *vma);
void f(struct vm_area_struct *vma)
{
	vm_flags_clear(vma, VM_MAYEXEC);
}
