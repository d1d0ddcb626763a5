/* SPDX-License-Identifier: MIT */
/* What iou cat has for streams of iou ingest. */
#ifndef IOU_INGEST_CAT_H
#define IOU_INGEST_CAT_H

#include "window.h"

struct cat_options {
	uint64_t stream; /* 0: the only one */
	bool list;
};

/* @buf has room for @chunk bytes, TABLE_DATA at least. An exit code. */
int ingest_cat(const struct window *w, unsigned char *buf, size_t chunk,
	       const struct cat_options *o);

/* cat.c: to standard output; complains. */
int cat_write(const void *buf, size_t len);

#endif /* IOU_INGEST_CAT_H */
