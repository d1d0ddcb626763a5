// SPDX-License-Identifier: MIT
/*
 * Spread flows over lanes of a drive; a conversation stays in its lane:
 *
 *	placer eth0 /dev/nvme0n1 1000 4
 *	iou cat /dev/nvme0n1,256M,256M | tcpdump -r -
 */
#include "common.h"
#include "placer.h"
#include "placer.skel.h"

#define LANE_SIZE (256ull << 20)

int main(int argc, char **argv)
{
	struct placer_bpf *skel = placer_bpf__open();
	int lanes = argc > 4 ? atoi(argv[4]) : 0;
	struct recorder x = { 0 };
	unsigned int first = 0;
	int i;

	if (!skel || lanes < 1 || lanes > PLACER_LANES) {
		fprintf(stderr,
			"usage: placer INTERFACE DEVICE PACKETS LANES\n");
		return 2;
	}
	recorder_open(&x);
	/* attachments are numbered in order: lane n is first + n */
	for (i = 0; i < lanes; i++) {
		unsigned int st =
			recorder_target(&x, argv[2], i * LANE_SIZE, LANE_SIZE);

		if (!i)
			first = st;
	}
	*(__u16 *)&skel->rodata->lanes = (__u16)lanes;
	*(__u16 *)&skel->rodata->first = (__u16)first;
	if (placer_bpf__load(skel))
		return 1;
	return recorder_close(&x,
			      recorder_run(&x, argv[1],
					   bpf_program__fd(skel->progs.placer),
					   first, strtoull(argv[3], NULL, 10)));
}
