/* SPDX-License-Identifier: MIT */
/* An interface and a queue of it: IF[:QUEUE] */
#ifndef IOU_NETDEV_H
#define IOU_NETDEV_H

#include <net/if.h>
#include <stdbool.h>

struct netdev {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	unsigned int queue;
	bool queue_given;
};

/* Looks the interface up; complains and returns an exit code. */
int netdev_parse(struct netdev *n, const char *arg);

/* Receive queues in use, or 1 where that cannot be known. */
unsigned int netdev_rx_queues(const struct netdev *n);

/* Complains and returns an exit code. */
int netdev_mtu(const struct netdev *n, unsigned int *mtu);

/*
 * Returns a file that keeps the interface promiscuous until it is closed, or
 * -errno.
 */
int netdev_promisc(const struct netdev *n);

#endif /* IOU_NETDEV_H */
