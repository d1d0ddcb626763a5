// SPDX-License-Identifier: GPL-2.0
/* io_uring cancels long-lived uring_cmds. */
#include <linux/io_uring/cmd.h>
void f(struct io_uring_cmd *cmd, unsigned int flags);
void f(struct io_uring_cmd *cmd, unsigned int flags)
{
	io_uring_cmd_mark_cancelable(cmd, flags | IO_URING_F_CANCEL);
}
