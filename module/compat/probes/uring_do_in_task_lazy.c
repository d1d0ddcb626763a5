// SPDX-License-Identifier: GPL-2.0
/* Completion by task work that does not interrupt the task. */
#include <linux/io_uring/cmd.h>
void *f(void);
void *f(void)
{
	return (void *)&io_uring_cmd_do_in_task_lazy;
}
