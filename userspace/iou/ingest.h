/* SPDX-License-Identifier: MIT */
/* Shared by the parts of iou ingest. */
#ifndef IOU_INGEST_H
#define IOU_INGEST_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "ingest_table.h"
#include "ingest_track.h"
#include "iou.h"
#include "session.h"
#include "window.h"

#define MAX_CONNECTIONS 200 /* attachments of a kind are fewer than 256 */
#define MAX_DATAGRAM 65536u /* and a few bytes more than UDP can have */
#define DATAGRAMS 32 /* receives of datagrams in flight */
#define ACK_MAX 64

enum flush_policy { FLUSH_NONE, FLUSH_TIME, FLUSH_BYTES, FLUSH_EVERY };

struct ingest_options {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	bool any_addr; /* no address was given */
	bool udp;
	char listen[128]; /* as it was given */
	struct window target;
	bool file;
	enum flush_policy flush;
	uint64_t flush_arg; /* ns, or bytes */
	unsigned int connections; /* at a time */
	bool many; /* streams one after the other, each apart */
	enum stream_framing framing;
	uint64_t size; /* of a stream */
	uint64_t duration_ns;
	uint64_t count; /* streams; datagrams */
	uint64_t chunk;
	uint64_t depth;
	unsigned int storage_flags;
	bool ack;
	bool force;
	bool quiet;
	bool json;
	bool hugepages;
};

/* ingest_options.c: as record_parse() */
int ingest_parse(struct ingest_options *o, int argc, char **argv, bool *done);

struct ingest;

/* Where bytes go: the device for all streams, or a file for one. */
struct sink {
	struct window win;
	struct io_unified_attach at;
	uint32_t block;
	unsigned int index;
	bool open;
	bool failed;
	bool wanted; /* a flush */
	bool busy; /* with one */
	uint64_t since; /* bytes that were written after the last one began */
	uint64_t flushes;
};

/* What a CQE is of. */
enum tag {
	TAG_NONE = 0,
	TAG_SIGNAL,
	TAG_ACCEPT,
	TAG_CANCEL,
	TAG_FUSED, /* receive and write */
	TAG_RECV,
	TAG_WRITE,
	TAG_DATAGRAM,
	TAG_FLUSH,
	TAG_TABLE,
};

enum conn_state {
	CONN_FREE = 0,
	CONN_RUNNING,
	CONN_PAUSING, /* what is not full is called back, for a flush */
	CONN_STOPPING, /* called back for good */
	CONN_CLOSING, /* all is on storage: the last flush is to come */
};

/* A datagram on its way from its slot into a piece. */
struct datagrams {
	bool done[DATAGRAMS];
	int res[DATAGRAMS];
	bool truncated[DATAGRAMS];
	unsigned int head; /* numbers that only grow */
	unsigned int tail;
	uint32_t copied; /* of the one at the head, its frame included */
	uint64_t packets;
	uint64_t cut;
	uint64_t foreign; /* from others than the peer */
	uint64_t left; /* received, and no place for them: it was the end */
	uint64_t packed; /* bytes that the CPU copied into pieces */
	uint32_t drops_before; /* of the socket, when it was attached */
	uint32_t drops;
};

struct conn {
	struct ingest *r;
	unsigned int index;
	enum conn_state state;
	int fd;
	struct io_unified_attach at;
	bool attached;
	struct sink *sink;
	struct track track;
	unsigned int in_flight;
	enum tag op[TRACK_MAX]; /* under way for each piece */
	bool short_read; /* an op got less than it was for */
	bool covered; /* by the flush under way, its end included */
	bool limit; /* nothing more may be planned: @limit_by */
	enum stream_state limit_by;
	enum stream_state end;
	struct iou_result result; /* of what failed */
	const char *failed; /* what did */
	unsigned int stream; /* from 0 */
	struct sockaddr_storage peer;
	char peer_name[80];
	uint64_t received;
	uint64_t unread; /* in the socket when it was closed */
	uint64_t began_ns;
	uint64_t moved; /* ops that ended */
	uint64_t moved_before; /* at the last tick of --flush SECONDS */
	char ack[ACK_MAX];
	size_t ack_len;
	size_t ack_sent;
	uint64_t acked;
	struct datagrams udp;
	/* the extent that was looked up last */
	uint64_t place_pos;
	uint64_t place_off;
	uint64_t place_room;
};

struct ingest {
	struct ingest_options *o;
	int fd;
	struct io_uring ring;
	bool ring_up;
	struct iou_region region;
	bool region_up;
	int signal_fd;
	int listen_fd;
	bool accepting;
	uint64_t accept_ns; /* after something failed: not before; 0: at once */
	int accept_err; /* what accept() failed with, and was told */
	struct table table;
	bool table_writing;
	struct sink *sink; /* one for the device, or one for each connection */
	unsigned int nr_sinks;
	struct conn *conn;
	unsigned int nr_conns;
	unsigned int active;
	unsigned int streams; /* so far */
	enum stream_state end;
	bool stopping;
	bool signaled;
	bool timed_out;
	bool failed; /* something did, and it was told */
	uint64_t ended[STREAM_STATES];
	uint64_t bytes; /* of streams that are over, on the medium */
	uint64_t received; /* the same, from the socket */
	uint64_t unread;
	uint64_t flushes;
	uint64_t datagrams;
	uint64_t cut;
	uint64_t foreign;
	uint64_t refused; /* connections; datagrams of who cannot be connected to */
	uint64_t left;
	uint64_t packed;
	uint64_t dropped;
	uint64_t acks_held; /* not sent at once: the client does not read them */
	uint64_t copied; /* bytes, as the module counts them */
	uint64_t ops;
	uint64_t syscalls;
	uint64_t began_ns;
	uint64_t start_ns; /* since 1970 */
	uint64_t told_ns;
	uint64_t told_bytes;
	uint64_t flush_ns; /* when the next tick of --flush SECONDS is */
};

static inline uint64_t make_tag(enum tag tag, unsigned int index,
				unsigned int slot)
{
	return (uint64_t)tag << 56 | (uint64_t)index << 32 | slot;
}

/* ingest.c */
struct io_uring_sqe *ingest_sqe(struct ingest *r);
/* No further connections, and those that are end by @why. */
void ingest_stop(struct ingest *r, enum stream_state why);
void ingest_accept(struct ingest *r);
/* Not again until a stream ends or a while has passed: what failed may still be so. */
void ingest_accept_later(struct ingest *r);

/* ingest_net.c */
int net_parse(struct ingest_options *o, const char *arg);
int net_listen(struct ingest *r);
/*
 * Connects to who sent the first datagram. -EAGAIN: there is none, or one of a sender
 * that cannot be connected to.
 */
int net_connect(struct ingest *r, struct conn *c);
void net_peer(struct conn *c);
/*
 * Bytes that TCP has got, and that it gave out, as the stack counts them. @slack: one
 * of them may be the end of the stream.
 */
uint64_t net_arrived(const struct conn *c, unsigned int *slack);
uint64_t net_consumed(const struct conn *c, unsigned int *slack);
uint64_t net_unread(const struct conn *c);
uint32_t net_drops(const struct conn *c);
/* "durable N": what is not taken at once is sent with the next one. */
void net_ack(struct conn *c, bool last);

/* ingest_sink.c */
int sink_open(struct ingest *r);
int sink_check(struct ingest *r);
int sink_start(struct ingest *r);
/* The sink of a new stream, or NULL, with a complaint. */
struct sink *sink_get(struct ingest *r, struct conn *c);
/* Where the next piece goes; bytes that it can have, or 0: full. */
uint32_t sink_place(struct conn *c, uint64_t *dev);
/* Bytes of a stream that has all of it. */
uint64_t sink_capacity(const struct conn *c);
void sink_want(struct sink *s);
void sink_try(struct ingest *r, struct sink *s);
void sink_flushed(struct ingest *r, struct sink *s, enum tag tag,
		  const struct iou_result *res);
/* Cuts a file to what is in it; takes back extents that were not used. */
void sink_put(struct ingest *r, struct conn *c);
void sink_close(struct ingest *r);

/* ingest_conn.c */
/* An exit code: there is no sink. A peer that is gone or is refused leaves @c free. */
int conn_start(struct ingest *r, struct conn *c, int fd);
void conn_cqe(struct conn *c, enum tag tag, unsigned int slot,
	      const struct iou_result *res);
void conn_fill(struct conn *c);
void conn_stop(struct conn *c, enum stream_state why);
/* Has it bytes that wait for more? Then they are called back. */
void conn_pause(struct conn *c);
void conn_close(struct conn *c);
void conn_write(struct conn *c, unsigned int n);
bool conn_plan(struct conn *c);
void conn_finish(struct conn *c);
void conn_fail(struct conn *c, const char *what, const struct iou_result *res);
uint64_t conn_addr(const struct conn *c, unsigned int n);

/* ingest_udp.c */
void udp_fill(struct conn *c);
void udp_cqe(struct conn *c, unsigned int slot, const struct iou_result *res);
/* A datagram that was received by another way than an op. */
void udp_take(struct conn *c, unsigned int slot, uint32_t len);
void udp_pack(struct conn *c);
/* Writes what is there, if it is not being written. */
void udp_flush(struct conn *c);
/* Nothing is under way; true: and nothing is to come. */
bool udp_settle(struct conn *c);
uint64_t udp_addr(const struct conn *c, unsigned int slot);

/* ingest_report.c */
void ingest_report_setup(const struct ingest *r);
void ingest_report_progress(struct ingest *r, uint64_t now);
void ingest_report_stream(const struct conn *c);
void ingest_report_totals(struct ingest *r, int code);

#endif /* IOU_INGEST_H */
