// SPDX-License-Identifier: GPL-2.0
/* blk_rq_poll() of 6.5: cookies of bio_poll() are numbers of hardware queues */
#include <linux/blk-mq.h>

int probe(struct request *rq);
int probe(struct request *rq)
{
	return blk_rq_poll(rq, NULL, 0);
}
