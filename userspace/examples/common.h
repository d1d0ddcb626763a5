/* SPDX-License-Identifier: MIT */
/* What the recording examples share: one region, a drive, a queue, a stream. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <fcntl.h>
#include <iounified.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES 4096

struct recorder {
	int fd;
	struct io_uring ring;
	struct iou_region r;
	struct io_unified_attach net;
	struct iou_recording rec;
	uint64_t room; /* behind the header, on the smallest target */
};

static inline void check(struct iou_region *r, int err, const char *what)
{
	char text[512];

	if (!err)
		return;
	fprintf(stderr, "%s: %s\n", what,
		iou_region_strerror(r, err, text, sizeof(text)));
	exit(1);
}

static inline void recorder_open(struct recorder *x)
{
	struct iou_region_params params = { .frames = FRAMES,
					    .ring = &x->ring };

	x->fd = iou_open();
	if (x->fd < 0 ||
	    io_uring_queue_init(8, &x->ring,
				IORING_SETUP_SQE128 | IORING_SETUP_CQE32)) {
		perror(IOU_DEVICE);
		exit(1);
	}
	check(&x->r, iou_region_init(&x->r, x->fd, &params), "region");
	if (iou_recording_init(&x->rec, x->r.frame_size, 0))
		exit(1);
}

/* A window of a block device, with the header of a recording at its start. */
static inline unsigned int recorder_target(struct recorder *x, const char *dev,
					   uint64_t start, uint64_t len)
{
	struct iou_recording_text text = { .application =
						   "io_unified example" };
	int fd = open(dev, O_RDWR);
	struct io_unified_attach st;

	check(&x->r, iou_attach_storage(&x->r, fd, 0, start, len, &st), dev);
	close(fd);
	len = st.size / x->r.frame_size * x->r.frame_size - x->r.frame_size;
	if (!x->room || len < x->room)
		x->room = len;
	iou_recording_header(&x->rec, &text, iou_frame(&x->r, 0));
	iou_prep_write(io_uring_get_sqe(&x->ring), &x->r, st.index,
		       iou_frame_addr(&x->r, 0), x->r.frame_size, 0);
	if (iou_submit_and_wait(&x->ring).res < 0) {
		fprintf(stderr, "%s: cannot write the header\n", dev);
		exit(1);
	}
	return (unsigned int)st.index;
}

/* Receives until @packets were written or the range is full; waits for that. */
static inline struct iou_result recorder_run(struct recorder *x,
					     const char *interface, int prog_fd,
					     unsigned int storage,
					     uint64_t packets)
{
	struct io_unified_stream s = {
		.layout = IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = x->room,
		.max_packets = packets,
	};
	struct io_unified_attach bpf;
	struct io_unified_desc *d;

	memcpy(s.recording_id, x->rec.id, sizeof(s.recording_id));
	check(&x->r,
	      iou_attach_netdev(&x->r, if_nametoindex(interface), 0, 0,
				&x->net),
	      interface);
	d = iou_prep_stream(io_uring_get_sqe(&x->ring), &x->r, &s, x->net.index,
			    storage, x->r.frame_size, 1, FRAMES - 1);
	if (prog_fd >= 0) {
		check(&x->r, iou_attach_bpf(&x->r, prog_fd, &bpf), "program");
		iou_desc_set_bpf(d, bpf.index);
	}
	return iou_submit_and_wait(&x->ring);
}

static inline int recorder_close(struct recorder *x, struct iou_result res)
{
	bool good = res.reason == IO_UNIFIED_REASON_LIMIT ||
		    res.reason == IO_UNIFIED_REASON_FULL;

	fprintf(stderr, "received by %s, ended: %s\n", iou_strpath(x->net.path),
		iou_strreason(res.reason));
	iou_region_exit(&x->r);
	io_uring_queue_exit(&x->ring);
	iou_close(x->fd);
	return good ? 0 : 1;
}

#endif /* EXAMPLES_COMMON_H */
