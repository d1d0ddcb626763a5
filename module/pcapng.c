// SPDX-License-Identifier: GPL-2.0
/*
 * A packet in its frame becomes pcapng blocks, where it is
 *
 *   0            off - 28       off                             frame_size
 *   | local block | EPB header  | packet, pad, length | local block |
 *
 * Every byte of the frame is written: what an earlier packet left there, maybe
 * one that the filter dropped, does not end up in the recording.
 */
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "pcapng.h"

#define PCAPNG_EPB 6
#define PCAPNG_BLOCK_MIN 12 /* type, length, length */

struct pcapng_epb {
	u32 type;
	u32 total_len;
	u32 interface_id;
	u32 ts_high;
	u32 ts_low;
	u32 caplen;
	u32 orig_len;
};

/* The least room that opening block and EPB header need. */
#define IOU_PCAPNG_OFF_MIN                                                \
	((u32)(PCAPNG_BLOCK_MIN + sizeof(struct io_unified_frame_block) + \
	       sizeof(struct pcapng_epb)))
/* Behind the packet: length of its block, at least an empty block. */
#define IOU_PCAPNG_TAIL ((u32)sizeof(u32) + PCAPNG_BLOCK_MIN)

/* A local-use block of @len bytes whose body starts with @body. */
static void iou_pcapng_local(u8 *at, u32 len, const void *body, u32 body_len)
{
	u32 head[2] = { IO_UNIFIED_PCAPNG_BLOCK, len };
	u32 body_end = sizeof(head) + body_len;

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), body, body_len);
	memset(at + body_end, 0, len - sizeof(len) - body_end);
	memcpy(at + len - sizeof(len), &len, sizeof(len));
}

bool iou_pcapng_wrap(struct iou_pcapng_pkt *p)
{
	struct pcapng_epb epb;
	bool moved = false;
	u32 padded, end, off;
	u8 *data;

	/* Moved rather than cut, cut only where the frame is too small. */
	p->caplen = min(p->caplen,
			p->frame_size - IOU_PCAPNG_OFF_MIN - IOU_PCAPNG_TAIL);
	off = min(p->off,
		  p->frame_size - IOU_PCAPNG_TAIL - ALIGN(p->caplen, 4));
	off = max(ALIGN_DOWN(off, 4), IOU_PCAPNG_OFF_MIN);
	if (off != p->off) {
		memmove(p->frame + off, p->frame + p->off, p->caplen);
		p->off = off;
		moved = true;
	}
	padded = ALIGN(p->caplen, 4);
	data = p->frame + p->off;

	epb.type = PCAPNG_EPB;
	epb.total_len = sizeof(epb) + padded + sizeof(u32);
	epb.interface_id = p->interface_id;
	epb.ts_high = upper_32_bits(p->tstamp);
	epb.ts_low = lower_32_bits(p->tstamp);
	epb.caplen = p->caplen;
	epb.orig_len = p->orig_len;

	iou_pcapng_local(p->frame, p->off - sizeof(epb), &p->block,
			 sizeof(p->block));
	memcpy(data - sizeof(epb), &epb, sizeof(epb));
	memset(data + p->caplen, 0, padded - p->caplen);
	memcpy(data + padded, &epb.total_len, sizeof(u32));
	end = p->off + padded + sizeof(u32);
	iou_pcapng_local(p->frame + end, p->frame_size - end, NULL, 0);
	return moved;
}
