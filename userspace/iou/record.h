/* SPDX-License-Identifier: MIT */
/* Shared by the parts of iou record. */
#ifndef IOU_RECORD_H
#define IOU_RECORD_H

#include "iou.h"
#include "netdev.h"
#include "option.h"
#include "program.h"
#include "window.h"

#define MAX_TARGETS 16

struct options {
	struct netdev net;
	const char *bpf;
	const char *filter;
	const char *set[MAX_REPEATED];
	unsigned int nr_set;
	const char *dump_map[MAX_REPEATED];
	unsigned int nr_dump_map;
	struct window target[MAX_TARGETS];
	unsigned int nr_targets;
	uint64_t snaplen;
	uint64_t count;
	uint64_t duration_ns;
	uint64_t size;
	uint64_t memory;
	uint64_t frames;
	uint64_t frame_size;
	unsigned int net_flags;
	unsigned int storage_flags;
	bool promisc;
	bool hugepages;
	bool force;
	bool quiet;
	bool json;
	bool verbose;
};

/*
 * record_options.c: complains and returns an exit code; @done: help was shown
 */
int record_parse(struct options *o, int argc, char **argv, bool *done);

/* Where packets go, and what came of it. */
struct target {
	struct window *window;
	struct io_unified_attach attach;
	struct iou_recording rec;
	/* its counters when the stream began */
	uint64_t bytes_before;
	uint64_t writes_before;
	/* and what the stream added */
	uint64_t packets;
	uint64_t writes;
};

enum record_end {
	END_NONE,
	END_SIGNAL,
	END_DURATION,
	END_COUNT,
	END_FULL,
	END_ERROR,
};

struct recorder {
	const struct options *o;
	int fd;
	struct io_uring ring;
	bool ring_up;
	struct iou_region region;
	bool region_up;
	struct program program;
	struct io_unified_attach bpf;
	struct io_unified_attach net;
	struct target target[MAX_TARGETS];
	int promisc_fd;
	int signal_fd;
	struct io_unified_stream stream;
	uint64_t start_ns; /* since 1970 */
	uint64_t began_ns; /* monotonic */
	uint64_t ended_ns;
	uint64_t told_ns; /* when the last line of progress was written */
	/* of the queue: when the stream began, and now less that */
	struct io_unified_stats before;
	uint64_t stats[IO_UNIFIED_STAT_MAX];
	enum record_end end;
	struct iou_result result;
};

/* record.c */
uint64_t record_dropped(const struct recorder *r);
int record_stats(struct recorder *r);

/* record_file.c: the frames around the packets */
int record_write_headers(struct recorder *r);
int record_finish(struct recorder *r);

/* record_report.c */
void report_setup(const struct recorder *r);
/* One line; the rate is that since @since_ns, when @since_bytes were written. */
void report_progress(const struct recorder *r, uint64_t now_ns,
		     uint64_t since_ns, uint64_t since_bytes);
void report_totals(const struct recorder *r);
int report_json(const struct recorder *r, int code);

#endif /* IOU_RECORD_H */
