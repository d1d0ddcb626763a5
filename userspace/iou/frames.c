// SPDX-License-Identifier: MIT
/* A walk over the frames of a recording. */
#include "frames.h"

size_t frames_valid(struct frames *w, const unsigned char *buf, size_t len)
{
	const size_t step = w->rec->frame_size;
	size_t at;

	for (at = 0; at + step <= len && !w->trailer; at += step) {
		uint64_t seq = iou_recording_seq(w->rec, buf + at);
		uint64_t want = w->next ? w->next - 1 :
					  IOU_RECORDING_SEQ_HEADER;

		if (w->next && seq == IOU_RECORDING_SEQ_TRAILER)
			w->trailer = true;
		else if (seq != want)
			break;
		w->next++;
	}
	return at;
}
