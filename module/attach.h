/* SPDX-License-Identifier: GPL-2.0 */
/* Attachments: tables, lifetime, counters */
#ifndef IOU_ATTACH_H
#define IOU_ATTACH_H

#include "iou.h"

/* Both under iou_file.lock. 0 or -errno; the structure has the reason. */
int iou_attach(struct iou_region *r, struct io_unified_attach *arg);
int iou_detach(struct iou_region *r, struct io_unified_detach *arg);
/* Wait for the last of what uses an attachment, or the region. Under the same lock. */
void iou_att_wait(struct iou_region *r, struct completion *done);
/* End all attachments of a region that nobody uses any more. */
void iou_detach_all(struct iou_region *r);

/* An fd that must be an io_uring: its identity, or NULL. */
void *iou_uring_identity(int fd, u16 *reason);

/* The link of an io_uring, or NULL; with NULL, one that is free. */
static inline struct iou_link *iou_ring_link(struct iou_region *r,
					     const void *ring)
{
	struct iou_link *link;

	for (link = r->links; link < r->links + IOU_MAX_LINKS; link++)
		if (READ_ONCE(link->ring) == ring)
			return link;
	return NULL;
}

int iou_get_stats(struct iou_region *r, struct io_unified_stats *arg);
/* Everything that is attached, a line each. */
void iou_attach_show(struct iou_region *r, struct seq_file *m);

#endif /* IOU_ATTACH_H */
