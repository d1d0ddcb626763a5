/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Plain sends to an interface: the short way
 *
 * As plain.h, for ops from an SQ that send bytes of the region as they are, without
 * a time. Such an op uses of struct iou_op no more than @tx, @pool, @free, @r, @d,
 * @cmd and @pair, and has a reference on its attachment.
 */
#ifndef IOU_PLAIN_TX_H
#define IOU_PLAIN_TX_H

#include <linux/types.h>

struct iou_pair;
struct iou_ring_take;

/*
 * Take up to @nr descriptors from an SQ and send their packets, as long as they are
 * plain and of one attachment. There is room for them in the CQ. Returns how many.
 */
u32 iou_plain_tx_take(struct iou_pair *p, u32 nr,
		      const struct iou_ring_take *take);

#endif /* IOU_PLAIN_TX_H */
