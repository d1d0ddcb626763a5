/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The XDP program that sends a device's queues to AF_XDP sockets
 */
#ifndef IOU_XDP_H
#define IOU_XDP_H

#include <linux/fs.h>
#include <linux/netdevice.h>

struct iou_xdp;

/*
 * The program on @dev, attached now if no other queue of @dev has it. In the
 * driver, or with @generic in the stack where the driver cannot. In the context
 * of a process in @dev's network namespace. ERR_PTR: -EPERM, -EBUSY (a program
 * of somebody else), -EOPNOTSUPP, ...
 */
struct iou_xdp *iou_xdp_get(struct net_device *dev, bool generic);
void iou_xdp_put(struct iou_xdp *x);
/* @dev is being unregistered: whoever gets this address next is another. */
void iou_xdp_gone(const struct net_device *dev);

/* The program runs in the stack, not in the driver. */
bool iou_xdp_is_generic(const struct iou_xdp *x);

/* Packets of @queue go to the AF_XDP socket @file (bound), or on as before. */
int iou_xdp_set_queue(struct iou_xdp *x, u32 queue, struct file *file);
void iou_xdp_clear_queue(struct iou_xdp *x, u32 queue);

#endif /* IOU_XDP_H */
