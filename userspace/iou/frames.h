/* SPDX-License-Identifier: MIT */
/* A walk over the frames of a recording, which may end anywhere. */
#ifndef IOU_FRAMES_H
#define IOU_FRAMES_H

#include <iounified.h>

/* How far it has come. */
struct frames {
	const struct iou_recording *rec;
	uint64_t next; /* number of the frame to come; the header is 0 */
	bool trailer;
};

/* Bytes of @buf, whole frames, that belong to the recording. */
size_t frames_valid(struct frames *w, const unsigned char *buf, size_t len);

#endif /* IOU_FRAMES_H */
