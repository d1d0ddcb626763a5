// SPDX-License-Identifier: GPL-2.0
/* <linux/io_uring/cmd.h>: uring_cmd has a header of its own. */
#include <linux/io_uring/cmd.h>
