// SPDX-License-Identifier: GPL-2.0
/* __io_uring_cmd_done() is told whether the CQE has 32 bytes. */
#include <linux/io_uring/cmd.h>
void f(struct io_uring_cmd *cmd);
void f(struct io_uring_cmd *cmd)
{
	__io_uring_cmd_done(cmd, 0, 0, 0, true);
}
