// SPDX-License-Identifier: GPL-2.0
/* shmem_file_setup() takes vma_flags_t. */
#include <linux/shmem_fs.h>
struct file *f(void);
struct file *f(void)
{
	return shmem_file_setup("", 0, EMPTY_VMA_FLAGS);
}
