/* SPDX-License-Identifier: GPL-2.0 */
/* Streams: starting one, its entries, and what it leaves on the drive. */
#ifndef IOU_TEST_STREAM_H
#define IOU_TEST_STREAM_H

#include "disk.h"
#include "net.h"

#define T_STREAM 0x57ea /* user_data of the stream */
#define T_CANCEL 0xca7c
#define T_RANGE (1ull << 20) /* where on the drive it starts */

struct t_stream {
	struct t_region r;
	struct t_link l;
	struct t_disk disk;
	struct io_unified_attach net;
	int storage;
	struct io_unified_desc d;
	struct io_unified_stream p;
	/* how it ended */
	struct t_res res;
	struct io_unified_cqe last;
	/* sums over its entries in the region's CQ */
	u64 entries, packets, bytes, folded;
};

/* A packet in a frame as it is on the drive. */
struct t_frame_data {
	struct io_unified_frame_block block;
	const u8 *packet;
	u32 caplen, orig_len, interface_id;
	u64 tstamp;
};

struct t_stream_opt {
	const struct t_way *way;
	u32 lba; /* 0 = 512 */
	u32 frame_size; /* 0 = 4096 */
	u32 cq_entries; /* 0 = 4096 */
	u32 frames; /* 0 = 512 */
	u32 storage_flags;
	const char *path; /* of the drive, instead of the NVMe one */
	enum t_memory memory; /* 0 = module memory */
};

/* Link, region, attachments, and a descriptor and parameters that are right. */
void t_stream_open(struct t_stream *s, const struct t_stream_opt *opt);
void t_stream_close(struct t_stream *s);
void t_stream_start(struct t_stream *s);
/* Takes entries from the region's CQ until one is the last, or it is silent. */
bool t_stream_entries(struct t_stream *s, int silence_ms);
/* Waits until so many packets were told of. */
void t_stream_wait(struct t_stream *s, u64 packets);
/* Waits for the end: the CQE of io_uring and the last entry, which agree. */
void t_stream_end(struct t_stream *s);
void t_stream_cancel(struct t_stream *s);

/* Parses a frame block by block; fails the case where it is not right. */
void t_frame_parse(const u8 *frame, u32 size, struct t_frame_data *f);
/* Reads @n frames from @offset of the drive and checks what all have. */
void t_frames_read(struct t_stream *s, u64 offset, u32 n,
		   struct t_frame_data *f, u8 **data);
u64 t_stream_stat(struct t_stream *s, enum io_unified_stat c);
/*
 * Packets that still wait in front of a NIC that has no frames: gives it some
 * and returns how many came. For when the stream is over.
 */
u64 t_stream_late(struct t_stream *s);
/* The sum of all DROP_* of the queue. */
u64 t_stream_drops(struct t_stream *s);

#endif /* IOU_TEST_STREAM_H */
