/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What placer.bpf.c and those who read its maps share. */
#ifndef IOU_PLACER_H
#define IOU_PLACER_H

#include <linux/types.h>

#define PLACER_LANES 16

/**
 * struct placer_lane - what a lane was given
 * @packets: packets
 * @bytes: bytes on the wire
 */
struct placer_lane {
	__u64 packets;
	__u64 bytes;
};

#endif /* IOU_PLACER_H */
