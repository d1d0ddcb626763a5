// SPDX-License-Identifier: GPL-2.0
/* Must always compile: the probing itself works. */
#include <linux/module.h>
#include <linux/blk-mq.h>
