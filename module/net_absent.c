// SPDX-License-Identifier: GPL-2.0
/* Network attachments are refused, until net.c is there. */
#include "net.h"

struct iou_att *iou_net_attach(struct iou_region *r,
			       struct io_unified_attach *arg)
{
	arg->reason = IO_UNIFIED_REASON_UNSUPPORTED;
	return ERR_PTR(-EOPNOTSUPP);
}

int iou_net_post(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner,
		 u16 *reason)
{
	return -EOPNOTSUPP;
}

void iou_net_kick(struct iou_netq *q)
{
}

bool iou_net_recall(struct iou_netq *q, u32 frame, struct iou_rx_owner *owner)
{
	return false;
}

int iou_net_init(void)
{
	return 0;
}

void iou_net_exit(void)
{
}
