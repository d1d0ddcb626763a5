// SPDX-License-Identifier: GPL-2.0
/* Task work of a uring_cmd gets a struct io_tw_req and a token. */
#include <linux/io_uring/cmd.h>
struct io_uring_cmd *f(struct io_tw_req req);
struct io_uring_cmd *f(struct io_tw_req req)
{
	return io_uring_cmd_from_tw(req);
}
