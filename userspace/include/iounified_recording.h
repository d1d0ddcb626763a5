/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Recordings: the frames around the packets that a stream writes
 *
 * A part of <iounified.h>. The functions work on memory; reading and writing is
 * the caller's.
 */
#ifndef IOUNIFIED_RECORDING_H
#define IOUNIFIED_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A packet takes a frame; these take one as well and count by other numbers. */
#define IOU_RECORDING_SEQ_HEADER (~0ull)
#define IOU_RECORDING_SEQ_TRAILER (~0ull - 1)
#define IOU_RECORDING_SEQ_NONE (~0ull - 2)
#define IOU_RECORDING_FORMAT 1
#define IOU_RECORDING_OPEN (~0ull)

/**
 * struct iou_recording_block - body of the local-use block in the header frame
 * @recording_id: random, marks every frame of the recording
 * @seq: IOU_RECORDING_SEQ_HEADER
 * @frame_size: bytes of a frame
 * @format: IOU_RECORDING_FORMAT
 *
 * The same bytes as struct io_unified_frame_block.
 */
struct iou_recording_block {
	uint8_t recording_id[16];
	uint64_t seq;
	uint64_t frame_size;
	uint64_t format;
};

/**
 * struct iou_recording - what a recording's header says
 * @id: marks every frame of the recording
 * @frame_size: bytes of a frame
 * @snaplen: bytes kept of a packet; 0 = no limit
 * @shb_len: bytes of the section header block
 * @reserved: zero
 * @section_len: bytes of the section behind the section header block, or
 *	IOU_RECORDING_OPEN while it is written, or if the writer died
 */
struct iou_recording {
	uint8_t id[16];
	uint32_t frame_size;
	uint32_t snaplen;
	uint32_t shb_len;
	uint32_t reserved;
	uint64_t section_len;
};

/**
 * struct iou_recording_text - strings for a recording's header; NULL = leave out
 * @hardware: the machine
 * @os: the operating system
 * @application: what recorded
 * @if_name: interface
 * @if_description: how packets were received
 * @filter: filter expression in the language of libpcap
 */
struct iou_recording_text {
	const char *hardware;
	const char *os;
	const char *application;
	const char *if_name;
	const char *if_description;
	const char *filter;
};

/**
 * struct iou_recording_totals - for a recording's trailer
 * @start_ns: when it began, ns since 1970
 * @end_ns: when it ended
 * @received: packets that reached the interface
 * @if_dropped: dropped by the interface
 * @accepted: packets that the filter let pass
 * @os_dropped: dropped by the system
 * @delivered: packets in the recording
 */
struct iou_recording_totals {
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t received;
	uint64_t if_dropped;
	uint64_t accepted;
	uint64_t os_dropped;
	uint64_t delivered;
};

/**
 * iou_recording_init() - begin a recording: a new id, nothing else
 * @rec: filled
 * @frame_size: bytes of a frame
 * @snaplen: bytes kept of a packet; 0 = no limit
 *
 * Return: 0, or -errno of getrandom().
 */
int iou_recording_init(struct iou_recording *rec, unsigned int frame_size,
		       unsigned int snaplen);

/**
 * iou_recording_header() - write the header frame
 * @rec: its shb_len is set
 * @text: strings
 * @frame: @rec->frame_size bytes
 *
 * Called with @rec->section_len set by iou_recording_close() it makes the
 * header of a finished recording.
 *
 * Return: 0, or -ENAMETOOLONG: the strings do not fit into a frame.
 */
int iou_recording_header(struct iou_recording *rec,
			 const struct iou_recording_text *text, void *frame);

/**
 * iou_recording_trailer() - write the frame that follows the last packet
 * @rec: recording
 * @totals: for the interface statistics block
 * @frame: @rec->frame_size bytes
 */
void iou_recording_trailer(const struct iou_recording *rec,
			   const struct iou_recording_totals *totals,
			   void *frame);

/**
 * iou_recording_close() - set the section's length
 * @rec: recording, its header written before
 * @packets: frames between header and trailer
 */
void iou_recording_close(struct iou_recording *rec, uint64_t packets);

/**
 * iou_recording_parse() - read a header frame
 * @rec: filled
 * @buf: the window's first bytes, 64 KiB or what there is
 * @len: how many
 *
 * Return: 0. -ENODATA: no recording begins here. -EPROTO: one does, but in
 * the other byte order, of a later format, or damaged.
 */
int iou_recording_parse(struct iou_recording *rec, const void *buf, size_t len);

/**
 * iou_recording_seq() - which frame of the recording is this?
 * @rec: recording
 * @frame: @rec->frame_size bytes
 *
 * Return: the packet's number from 0, IOU_RECORDING_SEQ_HEADER, _TRAILER, or
 * IOU_RECORDING_SEQ_NONE: not a frame of this recording.
 */
uint64_t iou_recording_seq(const struct iou_recording *rec, const void *frame);

/**
 * iou_recording_is_frame() - is this a frame of any recording?
 * @frame: a frame's first bytes
 * @len: how many
 */
bool iou_recording_is_frame(const void *frame, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* IOUNIFIED_RECORDING_H */
