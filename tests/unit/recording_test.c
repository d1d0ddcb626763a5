// SPDX-License-Identifier: MIT
/*
 * Recordings: headers, trailers, and telling their frames from others. Called
 * with a file name it makes a recording there, for the tests of iou cat:
 *
 *	recording_test FILE open|closed PACKETS [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <iounified.h>
#include <stdlib.h>

#include "tap.h"

#define FRAME 4096

static unsigned char frame[65536];

/* A packet's frame as the module makes it. */
static void make_packet(const struct iou_recording *rec, uint64_t seq,
			unsigned char *at)
{
	struct io_unified_frame_block mark = { .seq = seq };
	const uint32_t caplen = 60 + (uint32_t)seq % 1400;
	const uint32_t padded = (caplen + 3) & ~3u;
	const uint32_t off = 256;
	uint64_t ns = 1700000000000000000ull + seq * 1000;
	uint32_t epb[7] = {
		6,	32 + padded, 0, (uint32_t)(ns >> 32), (uint32_t)ns,
		caplen, caplen
	};
	uint32_t head[2] = { IO_UNIFIED_PCAPNG_BLOCK, off - 28 };
	uint32_t end = off + padded + 4;

	memset(at, 0, rec->frame_size);
	memcpy(mark.recording_id, rec->id, sizeof(rec->id));
	memcpy(at, head, 8);
	memcpy(at + 8, &mark, sizeof(mark));
	memcpy(at + head[1] - 4, &head[1], 4);
	memcpy(at + off - 28, epb, 28);
	memset(at + off, 0x5a, caplen);
	memcpy(at + off, "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5", 14);
	memcpy(at + off + padded, &epb[1], 4);
	head[1] = rec->frame_size - end;
	memcpy(at + end, head, 8);
	memcpy(at + rec->frame_size - 4, &head[1], 4);
}

static const struct iou_recording_text text = {
	.hardware = "test",
	.os = "none",
	.application = "recording_test",
	.if_name = "test0",
	.if_description = "made up",
	.filter = "udp port 53",
};

static int make_file(int argc, char **argv)
{
	bool closed = !strcmp(argv[2], "closed");
	uint64_t nr = strtoull(argv[3], NULL, 10), i;
	struct iou_recording_totals totals = {
		.start_ns = 1700000000000000000ull,
		.end_ns = 1700000001000000000ull,
		.received = nr + 2,
		.accepted = nr,
		.delivered = nr,
		.os_dropped = 2,
	};
	struct iou_recording rec;
	int fd = open(argv[1], O_RDWR | O_CREAT, 0644);

	if (fd < 0)
		return 1;
	iou_recording_init(&rec, FRAME, 0);
	if (argc > 4)
		memset(rec.id, atoi(argv[4]), sizeof(rec.id));
	iou_recording_header(&rec, &text, frame);
	if (pwrite(fd, frame, FRAME, 0) != FRAME)
		return 1;
	for (i = 0; i < nr; i++) {
		make_packet(&rec, i, frame);
		if (pwrite(fd, frame, FRAME, (off_t)((i + 1) * FRAME)) != FRAME)
			return 1;
	}
	if (closed) {
		iou_recording_trailer(&rec, &totals, frame);
		if (pwrite(fd, frame, FRAME, (off_t)((nr + 1) * FRAME)) !=
		    FRAME)
			return 1;
		iou_recording_close(&rec, nr);
		iou_recording_header(&rec, &text, frame);
		if (pwrite(fd, frame, FRAME, 0) != FRAME)
			return 1;
	}
	close(fd);
	return 0;
}

/* Do blocks follow each other, lengths at both ends, to the frame's end? */
static unsigned int walk(const unsigned char *p, size_t size)
{
	unsigned int blocks = 0;
	size_t at = 0;

	while (at < size) {
		uint32_t len, tail;

		memcpy(&len, p + at + 4, 4);
		if (len < 12 || len % 4 || len > size - at)
			return 0;
		memcpy(&tail, p + at + len - 4, 4);
		if (tail != len)
			return 0;
		at += len;
		blocks++;
	}
	return blocks;
}

static void check_headers(void)
{
	struct iou_recording_text none = { NULL, NULL, NULL, NULL, NULL, NULL };
	struct iou_recording rec, got;
	unsigned int size;

	for (size = 2048; size <= 65536; size *= 2) {
		ok(!iou_recording_init(&rec, size, 1000) &&
			   !iou_recording_header(&rec, &text, frame) &&
			   walk(frame, size) == 3,
		   "header of a frame of %u", size);
		ok(!iou_recording_parse(&got, frame, sizeof(frame)) &&
			   got.frame_size == size && got.snaplen == 1000 &&
			   got.section_len == IOU_RECORDING_OPEN &&
			   !memcmp(got.id, rec.id, 16),
		   "and read again");
		iou_recording_close(&rec, 10);
		ok(!iou_recording_header(&rec, &text, frame) &&
			   !iou_recording_parse(&got, frame, sizeof(frame)) &&
			   got.section_len + got.shb_len == 12ull * size,
		   "and closed");
	}
	iou_recording_init(&rec, FRAME, 0);
	ok(!iou_recording_header(&rec, &none, frame) && walk(frame, FRAME) == 3,
	   "header without strings");
}

static void check_long_text(void)
{
	struct iou_recording_text large = text;
	static char filter[70000];
	struct iou_recording rec;
	unsigned int n;
	bool good = true;

	iou_recording_init(&rec, FRAME, 0);
	large.filter = filter;
	for (n = 1; n < sizeof(filter); n = n < 4200 ? n + 1 : n * 2) {
		int err;

		memset(filter, 'x', n);
		filter[n] = 0;
		memset(frame, 0xee, sizeof(frame));
		err = iou_recording_header(&rec, &large, frame);
		good = good && frame[FRAME] == 0xee &&
		       (err ? err == -ENAMETOOLONG && n > 3000 :
			      walk(frame, FRAME) == 3);
	}
	ok(good, "strings of any length fit or are refused");
}

static void check_trailer(void)
{
	struct iou_recording_totals totals = { .received = 5, .delivered = 4 };
	struct iou_recording rec;

	iou_recording_init(&rec, 2048, 0);
	memset(frame, 0xee, sizeof(frame));
	iou_recording_trailer(&rec, &totals, frame);
	ok(walk(frame, 2048) == 3 && frame[2048] == 0xee,
	   "trailer is three blocks and ends with its frame");
	ok(iou_recording_seq(&rec, frame) == IOU_RECORDING_SEQ_TRAILER,
	   "trailer is known as one");
}

static void check_seq(void)
{
	struct iou_recording rec, other;
	unsigned char keep;

	iou_recording_init(&rec, FRAME, 0);
	iou_recording_init(&other, FRAME, 0);
	ok(memcmp(rec.id, other.id, sizeof(rec.id)) != 0, "ids differ");
	iou_recording_header(&rec, &text, frame);
	ok(iou_recording_seq(&rec, frame) == IOU_RECORDING_SEQ_HEADER,
	   "header is known as one");
	ok(iou_recording_seq(&other, frame) == IOU_RECORDING_SEQ_NONE,
	   "header of another recording is not");
	make_packet(&rec, 17, frame);
	ok(iou_recording_seq(&rec, frame) == 17, "packet 17 is 17");
	ok(iou_recording_is_frame(frame, 512),
	   "its first block is enough to know a frame");
	ok(iou_recording_seq(&other, frame) == IOU_RECORDING_SEQ_NONE,
	   "packet of another recording is none");
	keep = frame[224];
	frame[224] ^= 1;
	ok(iou_recording_seq(&rec, frame) == IOU_RECORDING_SEQ_NONE,
	   "block whose lengths differ is none");
	frame[224] = keep;
	frame[7] = 0xff;
	ok(iou_recording_seq(&rec, frame) == IOU_RECORDING_SEQ_NONE,
	   "block of 4 GiB is none");
	memset(frame, 0, sizeof(frame));
	ok(iou_recording_seq(&rec, frame) == IOU_RECORDING_SEQ_NONE &&
		   !iou_recording_is_frame(frame, 4096),
	   "zeros are none");
}

static void put32(size_t at, uint32_t v)
{
	memcpy(frame + at, &v, sizeof(v));
}

static void check_damage(void)
{
	struct iou_recording rec, got;
	size_t i;
	bool good = true;

	iou_recording_init(&rec, 2048, 0);
	iou_recording_header(&rec, &text, frame);
	ok(iou_recording_parse(&got, frame, 10) == -ENODATA, "too short");
	ok(iou_recording_parse(&got, frame, 1000) == -ENODATA,
	   "cut within the header");
	rec.section_len = -(uint64_t)rec.shb_len;
	iou_recording_header(&rec, &text, frame);
	ok(iou_recording_parse(&got, frame, 2048) == -EPROTO,
	   "a length that leads round to the start");
	rec.section_len = IOU_RECORDING_OPEN;
	for (i = 1024; i <= 3072; i += 2048) {
		rec.frame_size = (uint32_t)i;
		iou_recording_header(&rec, &text, frame);
		ok(iou_recording_parse(&got, frame, sizeof(frame)) == -EPROTO,
		   "frames of %zu bytes", i);
	}
	rec.frame_size = 2048;
	iou_recording_header(&rec, &text, frame);
	put32(8, 0x4d3c2b1a);
	ok(iou_recording_parse(&got, frame, 2048) == -EPROTO,
	   "other byte order");
	memset(frame, 0, 2048);
	ok(iou_recording_parse(&got, frame, 2048) == -ENODATA, "zeros");

	/* whatever byte is wrong: no crash, no frame size that is not there */
	for (i = 0; i < 2048; i++) {
		int err;

		iou_recording_header(&rec, &text, frame);
		frame[i] ^= 0xff;
		err = iou_recording_parse(&got, frame, 2048);
		good = good && (err || got.frame_size == 2048);
	}
	ok(good, "each byte damaged in turn");
}

int main(int argc, char **argv)
{
	if (argc > 3)
		return make_file(argc, argv);
	check_headers();
	check_long_text();
	check_trailer();
	check_seq();
	check_damage();
	return tap_done();
}
