/* SPDX-License-Identifier: MIT */
/* Shared by the subcommands of iou. */
#ifndef IOU_IOU_H
#define IOU_IOU_H

#include <iounified.h>
#include <stdio.h>

/* Exit codes, documented in iou(1). */
enum iou_exit {
	IOU_EXIT_OK = 0,
	IOU_EXIT_FAIL = 1, /* something failed on the way */
	IOU_EXIT_USAGE = 2, /* wrong options */
	IOU_EXIT_NO_RECORDING = 3, /* cat, replay: nothing recorded there */
	IOU_EXIT_DAMAGED = 4, /* cat, replay: recording is not whole */
	IOU_EXIT_REFUSED = 5, /* target is in use or holds other data */
	IOU_EXIT_UNAVAILABLE = 6, /* no module, no right, no such path */
};

int cmd_info(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_ingest(int argc, char **argv);
int cmd_cat(int argc, char **argv);

/* "iou: ..." on stderr, one line; returns @code for the caller to return. */
int complain(enum iou_exit code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* iou_open(), with a complaint that says what to do; @fd is set. */
int open_device(int *fd);

/* units.c: 0, or -EINVAL, -ERANGE */
int parse_size(const char *s, uint64_t *out); /* 512, 4K, 1.5G */
int parse_duration(const char *s, uint64_t *ns); /* 500ms, 10, 10s, 5m, 1h */
int parse_count(const char *s, uint64_t *out);
int parse_factor(const char *s, double *out); /* 2, 0.1; more than 0 */
/* "1.5 GiB"; @buf of 16 bytes at least */
const char *format_size(uint64_t n, char *buf, size_t len);

/* json.c: objects and arrays on one stream, commas done right */
struct json {
	FILE *f;
	unsigned int depth;
	bool compact; /* on one line */
	bool more[16];
};

void json_begin(struct json *j, const char *key, char bracket);
void json_end(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_double(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);

#endif /* IOU_IOU_H */
