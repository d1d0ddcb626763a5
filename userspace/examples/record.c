// SPDX-License-Identifier: MIT
/*
 * Record packets of an interface to a drive, inside the kernel:
 *
 *	record eth0 /dev/nvme0n1 1000
 *	iou cat /dev/nvme0n1 | tcpdump -r -
 */
#include "common.h"

int main(int argc, char **argv)
{
	struct recorder x = { 0 };
	unsigned int drive;

	if (argc < 4) {
		fprintf(stderr, "usage: record INTERFACE DEVICE PACKETS\n");
		return 2;
	}
	recorder_open(&x);
	drive = recorder_target(&x, argv[2], 0, 0);
	return recorder_close(&x, recorder_run(&x, argv[1], -1, drive,
					       strtoull(argv[3], NULL, 10)));
}
