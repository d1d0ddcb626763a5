// SPDX-License-Identifier: MIT
/* Interfaces: names, queues, MTU, promiscuous mode. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iou.h"
#include "netdev.h"

int netdev_parse(struct netdev *n, const char *arg)
{
	const char *colon = strrchr(arg, ':');
	size_t len = strlen(arg);
	uint64_t queue;

	memset(n, 0, sizeof(*n));
	if (colon) {
		if (parse_count(colon + 1, &queue) || queue > UINT32_MAX)
			return complain(
				IOU_EXIT_USAGE,
				"'%s' is not INTERFACE[:QUEUE]: '%s' is no number",
				arg, colon + 1);
		n->queue = (unsigned int)queue;
		n->queue_given = true;
		len = (size_t)(colon - arg);
	}
	if (!len || len >= sizeof(n->name))
		return complain(
			IOU_EXIT_USAGE,
			"'%s' is not INTERFACE[:QUEUE]: the name is empty or too long",
			arg);
	memcpy(n->name, arg, len);
	n->ifindex = if_nametoindex(n->name);
	if (!n->ifindex)
		return complain(IOU_EXIT_USAGE,
				"there is no interface '%s': see 'ip link'",
				n->name);
	return 0;
}

unsigned int netdev_rx_queues(const struct netdev *n)
{
	unsigned int count = 0;
	char path[64 + IF_NAMESIZE];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", n->name);
	dir = opendir(path);
	if (!dir)
		return 1;
	while ((e = readdir(dir)))
		if (!strncmp(e->d_name, "rx-", 3))
			count++;
	closedir(dir);
	return count ? count : 1;
}

int netdev_mtu(const struct netdev *n, unsigned int *mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };
	int err = 0;

	memcpy(req.ifr_name, n->name, sizeof(req.ifr_name));
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &req))
		err = complain(IOU_EXIT_FAIL, "cannot learn the MTU of %s: %s",
			       n->name, strerror(errno));
	else
		*mtu = (unsigned int)req.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return err;
}

int netdev_promisc(const struct netdev *n)
{
	struct packet_mreq req = {
		.mr_ifindex = (int)n->ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	/* protocol 0: the socket receives nothing */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req,
		       sizeof(req))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}
