// SPDX-License-Identifier: GPL-2.0
/* call_mmap() became vfs_mmap(). */
#include <linux/fs.h>
int f(struct file *file, struct vm_area_struct *vma);
int f(struct file *file, struct vm_area_struct *vma)
{
	return vfs_mmap(file, vma);
}
