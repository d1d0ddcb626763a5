/* SPDX-License-Identifier: GPL-2.0 */
/* A packet in its frame becomes pcapng blocks, where it is */
#ifndef IOU_PCAPNG_H
#define IOU_PCAPNG_H

#include <linux/types.h>

#include "../uapi/linux/io_unified.h"

/**
 * struct iou_pcapng_pkt - a packet in a frame
 * @frame: the frame
 * @frame_size: its bytes
 * @off: in and out: where the packet starts
 * @caplen: in and out: bytes that are kept
 * @orig_len: bytes on the wire
 * @interface_id: pcapng interface
 * @tstamp: ns since 1970
 * @block: body of the block that opens the frame
 */
struct iou_pcapng_pkt {
	u8 *frame;
	u32 frame_size;
	u32 off;
	u32 caplen;
	u32 orig_len;
	u32 interface_id;
	u64 tstamp;
	struct io_unified_frame_block block;
};

/*
 * Fill the frame around the packet: opening block, Enhanced Packet Block,
 * padding block. What does not fit is cut from the packet. True: the packet
 * had to be moved, since blocks start on multiples of four.
 */
bool iou_pcapng_wrap(struct iou_pcapng_pkt *p);

#endif /* IOU_PCAPNG_H */
