// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The device node: open, close, features. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iounified.h>

int iou_get_info(int fd, struct io_unified_info *info)
{
	memset(info, 0, sizeof(*info));
	return ioctl(fd, IO_UNIFIED_GET_INFO, info) ? -errno : 0;
}

int iou_open(void)
{
	struct io_unified_info info;
	int fd = open(IOU_DEVICE, O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = iou_get_info(fd, &info);
	if (!err && info.abi_version < IO_UNIFIED_ABI_VERSION)
		err = -EPROTO;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

void iou_close(int fd)
{
	close(fd);
}
