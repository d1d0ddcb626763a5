/* SPDX-License-Identifier: MIT */
/* Shared by the parts of iou replay. */
#ifndef IOU_REPLAY_H
#define IOU_REPLAY_H

#include "capture.h"
#include "frames.h"
#include "iou.h"
#include "netdev.h"
#include "option.h"
#include "program.h"
#include "window.h"

/* ----------------------------------------------------------------- options */

enum pace { PACE_SPEED, PACE_PPS, PACE_MBPS, PACE_TOP };

struct replay_options {
	struct window from;
	bool from_stdin;
	bool from_range; /* an offset or a size was given */
	struct netdev net;
	const char *bpf;
	const char *set[MAX_REPEATED];
	unsigned int nr_set;
	enum pace pace;
	unsigned int paces; /* that were given: one at most */
	double rate; /* factor, packets or Mbit a second */
	uint64_t loops; /* 0 = until a signal */
	uint64_t count; /* packets, 0 = all */
	uint64_t in_flight;
	unsigned int storage_flags;
	bool quiet;
	bool json;
	bool verbose;
};

/*
 * replay_options.c: complains and returns an exit code; @done: help was shown
 */
int replay_parse(struct replay_options *o, int argc, char **argv, bool *done);

/* ------------------------------------------------------------------ source */

/*
 * replay_source.c: the capture, read into chunks of the region one behind the other.
 * Packets are sent from where they were read to; a chunk is used again when its last
 * packet is done. In front of each there is room for what of the chunk before is
 * the start of a packet that goes on in this one.
 */
#define CHUNK_SIZE (512u << 10)
#define NR_CHUNKS 8u
#define CHUNK_FRAMES ((CAPTURE_WINDOW + CHUNK_SIZE) / 4096)

struct chunk {
	uint64_t addr; /* of its bytes in the region, behind the room */
	uint64_t want; /* bytes that belong to the capture */
	uint32_t lead; /* bytes in front of it, for the sake of alignment */
	uint32_t len; /* bytes that were read, those included */
	uint64_t pass;
	unsigned int in_flight; /* its packets */
	bool ready;
	bool last; /* of its pass */
	struct iou_result error;
};

struct source {
	const struct replay_options *o;
	struct window *window;
	struct iou_region *region;
	struct io_unified_attach attach;
	bool direct; /* by the module; else by read(), that is copied */
	bool seekable;
	uint32_t align; /* of what is read */
	uint64_t start; /* offset of the capture in the attachment */
	uint64_t end; /* and of its end */
	uint64_t next; /* and of the next chunk */
	uint64_t read_pass;
	bool read_all; /* there is nothing more to read */
	struct iou_recording rec;
	bool open; /* the recording has no end but where its frames end */
	struct frames walk;

	struct chunk chunk[NR_CHUNKS];
	/* chunks counted from the first: free_at <= parse_at <= read_at */
	uint64_t free_at;
	uint64_t parse_at;
	uint64_t read_at;
	unsigned int reading;

	struct capture capture;
	struct chunk *current;
	const unsigned char *p;
	size_t left;
	uint64_t pass;

	uint64_t read_bytes;
	uint64_t moved_bytes; /* from one chunk to the next */
};

enum source_what {
	SOURCE_PACKET,
	SOURCE_WAIT, /* for a read */
	SOURCE_END,
	SOURCE_BAD, /* it was complained about; source.code */
};

/* Both complain and return an exit code. */
int source_open(struct source *s);
int source_attach(struct source *s);
void source_close(struct source *s);

/*
 * Puts reads for chunks that are free into the ring, named @tag + their number. By
 * read() it reads one, if there is one to be read at once.
 */
void source_read(struct source *s, struct iou_ring *ring, uint64_t tag,
		 int signal_fd);
/* Is there a chunk to be read, and something to be read into it? */
bool source_has_room(const struct source *s);
void source_was_read(struct source *s, unsigned int n,
		     const struct io_unified_cqe *cqe);

/* @code is set with SOURCE_BAD. */
enum source_what source_search(struct source *s, struct capture_packet *out,
			       struct chunk **from, int *code);

/* What is there of the chunk that is parsed, for capture_next_plain() */
struct source_run {
	const unsigned char *p;
	size_t len; /* 0: nothing */
	uint32_t tick;
	uint64_t number; /* of the chunk */
};

static inline struct source_run source_run(const struct source *s)
{
	struct source_run run = { .tick = capture_plain(&s->capture) };

	if (!s->current || !run.tick)
		return run;
	run.p = s->p;
	run.len = s->left;
	run.number = (uint64_t)(s->current - s->chunk);
	return run;
}

static inline void source_advance(struct source *s, size_t used)
{
	capture_advance(&s->capture, used);
	s->p += used;
	s->left -= used;
}

/* The same as source_search(). Most packets are where the one before ends. */
static inline enum source_what source_next(struct source *s,
					   struct capture_packet *out,
					   struct chunk **from, int *code)
{
	struct source_run run = source_run(s);
	size_t used;

	if (!run.len ||
	    !capture_next_plain(run.tick, run.p, run.len, &used, out))
		return source_search(s, out, from, code);
	source_advance(s, used);
	*from = s->current;
	return SOURCE_PACKET;
}

/* Chunks whose packets are done are free again. */
void source_free(struct source *s);

/* ------------------------------------------------------------------ player */

/* Why a packet was not sent */
enum unsent {
	UNSENT_TOO_LONG, /* for the interface's MTU */
	UNSENT_TOO_SHORT, /* for an Ethernet header */
	UNSENT_FILTERED, /* the program dropped it */
	UNSENT_BPF, /* the program failed */
	UNSENT_DROPPED, /* the interface dropped it */
	UNSENT_CANCELED, /* it waited when a signal came */
	UNSENT_FAILED, /* the interface went, or kept it */
	NR_UNSENT,
};

enum replay_end {
	REPLAY_NONE,
	REPLAY_DONE,
	REPLAY_COUNT,
	REPLAY_SIGNAL,
	REPLAY_ERROR,
};

struct player {
	const struct replay_options *o;
	int fd;
	int signal_fd;
	struct iou_region region;
	bool region_up;
	struct iou_ring ring;
	struct source source;
	struct program program;
	struct io_unified_attach bpf;
	struct io_unified_attach net;
	unsigned int mtu;

	/* with a program: where packets go that lie too close to others */
	uint64_t stage;
	uint32_t stage_size;
	uint32_t *stage_free;
	unsigned int nr_stage_free;
	const unsigned char *behind; /* end of the packet before */

	uint64_t base_ns; /* when the first packet leaves */
	uint64_t first_time; /* of the pass, by the capture's clock */
	uint64_t pass; /* that it is of */
	uint64_t pass_ns; /* since the base */
	uint64_t full_pass; /* the last that can have had a packet */
	uint64_t full_packets; /* as many as there were by then */
	uint64_t last_ns; /* of the packet before, since the base */
	bool held; /* a packet was taken from the source, and not handed in */
	struct capture_packet packet;
	struct chunk *from;

	uint64_t in_flight;
	uint64_t packets; /* taken from the capture */
	uint64_t packet_bytes;
	uint64_t sent;
	uint64_t bytes;
	uint64_t copied; /* sent, and copied on their way out */
	uint64_t moved; /* to be processed by the program */
	uint64_t cut; /* shorter than they were on the wire */
	uint64_t unsent[NR_UNSENT];

	uint64_t began_ns;
	uint64_t ended_ns;
	uint64_t told_ns;
	uint64_t told_packets;
	uint64_t told_bytes;
	enum replay_end end;
	unsigned int to_cancel; /* chunks, by bit */
	struct iou_result result; /* of what went wrong */
	int code;
};

/* replay_report.c */
uint64_t replay_unsent(const struct player *p);
void replay_report_setup(const struct player *p);
void replay_report_progress(struct player *p, uint64_t now);
void replay_report_totals(struct player *p);
void replay_report_json(const struct player *p, int code);

#endif /* IOU_REPLAY_H */
