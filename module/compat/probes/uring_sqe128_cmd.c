// SPDX-License-Identifier: GPL-2.0
/* io_uring_sqe128_cmd(sqe, type): typed access to the command bytes. */
#include <linux/io_uring/cmd.h>
const void *f(struct io_uring_cmd *cmd);
const void *f(struct io_uring_cmd *cmd)
{
	return io_uring_sqe128_cmd(cmd->sqe, u64);
}
