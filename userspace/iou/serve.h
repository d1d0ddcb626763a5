/* SPDX-License-Identifier: MIT */
/* Shared by the parts of iou serve. */
#ifndef IOU_SERVE_H
#define IOU_SERVE_H

#include <sys/socket.h>

#include "http.h"
#include "iou.h"
#include "option.h"
#include "program.h"

#define SERVE_PAGE 4096u
#define SERVE_SMALL (16u << 10) /* bytes of a small buffer */
#define SERVE_SLOTS 16 /* pieces under way of one connection */
#define SERVE_CHUNKS 4 /* of them in large buffers */
#define SERVE_BUFFER 16384 /* requests of a connection that are not answered */
#define SERVE_HEAD 1024 /* bytes of a response's head */
#define SERVE_LINGER 2 /* seconds to wait for a client to close */

/* ------------------------------------------------------------------ options */

struct serve_options {
	char host[64]; /* "": all addresses */
	char port[8];
	const char *manifest;
	const char *dir;
	const char *device[MAX_REPEATED];
	unsigned int nr_devices;
	const char *bpf;
	const char *set[MAX_REPEATED];
	unsigned int nr_set;
	uint64_t connections;
	uint64_t idle; /* seconds */
	uint64_t chunk; /* 0: as large as is good */
	uint64_t memory;
	bool hugepages;
	bool quiet;
	bool json;
	bool verbose;
};

/*
 * serve_options.c: complains and returns an exit code; @done: help was shown
 */
int serve_parse(struct serve_options *o, int argc, char **argv, bool *done);

/* ------------------------------------------------------------------ objects */

/* Something to read from: a device, or a file that is opened when it is asked for. */
struct serve_source {
	char *path;
	bool beneath; /* relative to --dir, and not to leave it */
	bool is_block;
	bool no_attach; /* was tried in vain */
	int fd; /* -1: not open */
	int attach; /* storage attachment, -1: none */
	uint32_t block_size;
	unsigned int users; /* pieces and replies */
	uint64_t used; /* when, in seconds */
	/* of those open, the one used last first */
	struct serve_source *newer;
	struct serve_source *older;
	struct serve_source *next; /* of all */
};

struct serve_object {
	char *name; /* path in the URL, without percent signs */
	const char *type;
	struct serve_source *source;
	uint64_t offset;
	uint64_t size;
	bool whole; /* the file, as long as it is */
	time_t modified;
	uint64_t version; /* changes when the file does */
	char etag[64];
	char modified_text[HTTP_DATE_LEN + 1];
	struct serve_object *next; /* of the same hash */
};

struct serve_objects {
	struct serve_object **table;
	size_t buckets;
	size_t count;
	struct serve_object *list; /* until the table is made */
	struct serve_source *sources;
	struct serve_source *newest;
	struct serve_source *oldest;
	unsigned int open;
	unsigned int max_open;
	unsigned int attached;
	unsigned int max_attached;
	uint64_t wanted; /* reads since the last tick that found no attachment */
	int dir_fd;
	uint64_t start_ns; /* since 1970 */
};

/* ------------------------------------------------------------------- memory */

/*
 * Buffers of one size. A page in front of each is for the head of a response and
 * for the program's control block.
 */
struct serve_pool {
	uint64_t base;
	uint32_t size;
	unsigned int nr;
	unsigned int nr_free;
	unsigned int *free;
	struct serve_conn *first_waiting;
	struct serve_conn *last_waiting;
};

enum { POOL_SMALL, POOL_LARGE, NR_POOLS };

/* -------------------------------------------------------------- connections */

enum slot_state {
	SLOT_DONE,
	SLOT_READING, /* an op reads; what was read is sent by another */
	SLOT_EDITING, /* was read by the ring, and is with the program */
	SLOT_READY, /* to be sent when those before it are under way */
	SLOT_SENDING,
	SLOT_COMBINED, /* one op reads and sends */
};

/* A piece of a response, in a buffer of its own. */
struct serve_slot {
	enum slot_state state;
	unsigned int pool;
	unsigned int buffer;
	bool drop; /* not to be sent any more */
	bool ring; /* read by the ring */
	bool instead; /* the head is all there is: what was read is not sent */
	uint16_t head_len; /* of the head that goes before it */
	uint32_t skip; /* bytes that were read and are not to be sent */
	uint32_t len; /* bytes to send, without the head */
	uint32_t read_len;
	uint64_t cookie; /* offset in the object of what is read */
	uint64_t size; /* of the object */
	struct serve_source *source; /* NULL: nothing but the head */
};

/* The response that is being cut into pieces. */
struct serve_reply {
	bool active;
	uint16_t head_len; /* 0: it is on its way */
	struct serve_object *object; /* NULL: there is nothing but the head */
	uint64_t pos;
	uint64_t end;
	char head[SERVE_HEAD];
};

enum conn_state {
	CONN_FREE,
	CONN_OPEN,
	CONN_LINGER, /* all is sent; the client is to close */
	CONN_DEAD, /* its last op is to end */
};

struct serve_conn {
	enum conn_state state;
	int fd;
	int socket; /* attachment, -1: none yet */
	bool closing; /* no more requests are read */
	bool eof; /* the client sends no more */
	bool receiving; /* an op receives into the buffer */
	bool waiting; /* for a buffer of a pool */
	bool granted; /* it has waited: it is its turn */
	unsigned int pending; /* ops in flight, of the ring and of the module */
	unsigned int large; /* slots with large buffers */
	unsigned int first; /* slot, the oldest */
	unsigned int nr; /* slots in use */
	unsigned int sent; /* of them those whose bytes are on their way */
	unsigned int combined; /* of these, by ops that read first */
	unsigned int requests;
	uint64_t since; /* when something moved last, in seconds */
	size_t start; /* of what is not parsed in the buffer */
	size_t used;
	size_t scanned;
	struct serve_conn *next; /* free, or waiting for a buffer */
	struct serve_slot slot[SERVE_SLOTS];
	struct serve_reply reply;
	char buffer[SERVE_BUFFER];
};

/* ----------------------------------------------------------------- the server */

struct serve_stats {
	uint64_t connections;
	uint64_t refused; /* no attachment left */
	uint64_t resets; /* broken off by the client */
	uint64_t aborted; /* broken off by the server: an op failed */
	uint64_t timeouts;
	uint64_t requests;
	uint64_t status[6]; /* by hundreds */
	uint64_t body_bytes; /* sent and acknowledged */
	uint64_t combined; /* read and sent by one op */
	uint64_t split; /* read by one, sent by another */
	uint64_t unattached; /* of these, read by the ring: no attachment left */
	uint64_t copied; /* sends that the stack copied */
	uint64_t waits; /* for a buffer */
	uint64_t system_calls;
};

enum serve_tag { TAG_NONE, TAG_ACCEPT, TAG_SIGNAL, TAG_RECV, TAG_SLOT };

struct serve {
	const struct serve_options *o;
	int fd;
	int listen_fd;
	int signal_fd;
	struct io_uring ring;
	bool ring_up;
	struct iou_region region;
	bool region_up;
	struct program program;
	struct io_unified_attach bpf;
	struct serve_objects objects;
	struct serve_pool pool[NR_POOLS];
	struct serve_conn *conns;
	struct serve_conn *free;
	unsigned int open; /* connections */
	bool accepting;
	int accept_err; /* what accept() failed with, and was told */
	bool stopping;
	bool hasty; /* told to stop twice */
	bool complained;
	uint64_t now; /* seconds, monotonic */
	uint64_t stop_at;
	char date[HTTP_DATE_LEN + 1];
	char address[96]; /* that it listens on */
	struct serve_stats stats;
};

/* serve.c */
/* An SQE; @more: so many are wanted in a row, and must not be torn apart. */
struct io_uring_sqe *serve_sqe(struct serve *s, unsigned int more);
void serve_tag(struct io_uring_sqe *sqe, enum serve_tag tag, unsigned int conn,
	       unsigned int slot);
void serve_accept(struct serve *s);

/* serve_object.c: those that return int complain and return an exit code */
int objects_load(struct serve *s);
/* Attaches devices; files are attached when they are asked for. */
int objects_attach(struct serve *s);
void objects_free(struct serve *s);
struct serve_object *object_find(struct serve *s, const char *name);
/*
 * Opens what it is read from, and looks whether it changed. Returns 0, and the
 * source is held until source_put(), or the status to refuse with.
 */
int object_open(struct serve *s, struct serve_object *object);
void source_put(struct serve *s, struct serve_source *source);
/* Once a second: attachments of idle files go where they were missed. */
void objects_tick(struct serve *s);

/* serve_listen.c: complains and returns an exit code */
int serve_listen(struct serve *s);

/* serve_conn.c */
void conn_open(struct serve *s, int fd);
void conn_received(struct serve *s, struct serve_conn *c, int res);
/* Goes on with all that can go on. */
void conn_pump(struct serve *s, struct serve_conn *c);
/* Breaks it off; what was not acknowledged is lost. */
void conn_abort(struct serve *s, struct serve_conn *c);
/* No more of this; what is under way ends. */
void conn_die(struct serve *s, struct serve_conn *c);
/* Frees it, if it is dead and nothing of it is in flight. */
void conn_settle(struct serve *s, struct serve_conn *c);
/* Once a second: who is too slow, and who is idle for too long. */
void conn_tick(struct serve *s);
/* No more requests; with @now no more anything. */
void conn_stop_all(struct serve *s, bool now);

/* serve_reply.c */
void reply_start(struct serve *s, struct serve_conn *c,
		 const struct http_request *q);
/* A status and its name; the connection is closed behind it if @close. */
void reply_status(struct serve *s, struct serve_conn *c, int status,
		  bool head_only, bool close);
/*
 * A whole response that ends the connection, into @out of SERVE_HEAD bytes;
 * returns its length.
 */
size_t reply_failure(struct serve *s, int status, char *out);

/* serve_body.c */
int pools_init(struct serve *s);
void pools_free(struct serve *s);
/* The reply's next piece. Returns false: it has to wait. */
bool body_next(struct serve *s, struct serve_conn *c);
/* Sends what is read and whose turn it is. */
void body_send_ready(struct serve *s, struct serve_conn *c);
void body_done(struct serve *s, struct serve_conn *c, unsigned int slot,
	       const struct iou_result *res);
/* Gives up all buffers; nothing is in flight. */
void body_drop(struct serve *s, struct serve_conn *c);
/* Whether something of it is with the client. */
bool body_sending(const struct serve_conn *c);
/* Forgets that it waits for a buffer. */
void body_unwait(struct serve *s, struct serve_conn *c);
/* Goes on with those that waited for buffers which are free now. */
void body_wake(struct serve *s);

/* serve_report.c */
void serve_report_setup(const struct serve *s);
void serve_report_totals(const struct serve *s);
void serve_report_json(const struct serve *s, int code);

#endif /* IOU_SERVE_H */
