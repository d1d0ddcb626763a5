// SPDX-License-Identifier: GPL-2.0
/* rq_end_io_fn gets the batch that a polled completion belongs to. */
#include <linux/blk-mq.h>
enum rq_end_io_ret f(struct request *rq, blk_status_t s,
		     const struct io_comp_batch *iob);
rq_end_io_fn *p = f;
