// SPDX-License-Identifier: GPL-2.0
/* A dummy net_device for private NAPIs is allocated, not embedded. */
#include <linux/netdevice.h>
struct net_device *f(void);
struct net_device *f(void)
{
	return alloc_netdev_dummy(0);
}
