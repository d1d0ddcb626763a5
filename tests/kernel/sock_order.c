// SPDX-License-Identifier: GPL-2.0
/*
 * Sends that read first: they leave in the order of submission, whichever read ends
 * first, and nothing leaves behind a hole. One of the drives takes its time.
 */
#include <linux/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/fs.h"
#include "lib/sock.h"
#include "lib/sq.h"

enum {
	SLOT = 64 << 10,
	LEN = 20480,
	PIECES = 10,
	SLOW_MS = 200,
	AT = 1 << 20, /* of the stream's first byte on both drives */
	BAD = 4 << 20, /* on the slow one: cannot be read */
};

#define SLOW "iou_order"

struct way {
	int type;
	u32 ring_flags;
};

static struct t_region r;
static struct t_conn c;
static struct t_disk fast, slow;
static int sock, st_fast, st_slow;
static u8 *bytes;

static void fill(void)
{
	bytes = aligned_alloc(4096, PIECES * LEN);
	t_stream_fill(bytes, PIECES * LEN, 0);
}

static void prepare(void)
{
	t_disk_nvme(&fast, 512, 0);
	t_disk_null_blk(
		&slow, SLOW, 512, 8,
		"irqmode=2 completion_nsec=200000000 badblocks=+8192-8199");
	fill();
	t_disk_write(&fast, bytes, PIECES * LEN, AT);
	t_disk_write(&slow, bytes, PIECES * LEN, AT);
}

static void clean(void)
{
	t_disk_del_null_blk(SLOW);
}

static void set_up(void)
{
	const struct way *way = t_arg;
	struct t_opt opt = {
		.memory = T_MEM_MEMFD,
		.size = 8 << 20,
		.ring_flags = way ? way->ring_flags : 0,
	};

	t_region_open(&r, &opt);
	t_disk_nvme(&fast, 512, 0);
	t_disk_open_null_blk(&slow, SLOW);
	st_fast = t_attach_storage(&r, fast.path, 0);
	st_slow = t_attach_storage(&r, slow.path, 0);
	fill();
	t_connect(&c, AF_INET, way ? way->type : SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
	free(bytes);
}

static u64 slot_addr(u32 i)
{
	return r.reg.data_off + (u64)i * SLOT + 4096;
}

/* Piece @i of the stream from a drive, or from the region itself. */
static struct io_unified_desc piece(u32 i, int storage)
{
	struct io_unified_desc d = t_send_op(sock, i, slot_addr(i), LEN);

	if (storage < 0) {
		memcpy(t_ptr(&r, d.addr), bytes + i * LEN, LEN);
		return d;
	}
	d.ops |= IO_UNIFIED_OP_NVME;
	d.flags |= IO_UNIFIED_F_READ;
	d.storage = storage;
	d.dev_offset = AT + i * LEN;
	return d;
}

static void queue(u32 i, int storage)
{
	struct io_unified_desc d = piece(i, storage);

	t_queue(&r, &d);
}

/* Op @i has this result, whenever it comes. */
static struct t_res results[16];

static void reap(u32 n)
{
	struct t_res res;

	while (n--) {
		REQUIRE(t_reap(&r, &res, 10000), "nothing completes");
		REQUIRE(res.user_data < ARRAY_SIZE(results));
		results[res.user_data] = res;
	}
}

static void was(u32 i, int want, u16 reason)
{
	CHECK_EQ(results[i].res, want, "op %u, reason %u", i,
		 results[i].reason);
	CHECK_EQ(results[i].reason, reason, "op %u", i);
}

static void receive(u8 *to, u32 len)
{
	u32 n = 0;
	ssize_t ret;

	/* What is left of an op is done in this task, and interrupts this. */
	while (n < len) {
		ret = recv(c.peer, to + n, len - n, 0);
		REQUIRE(ret > 0 || (ret < 0 && errno == EINTR), "after %u", n);
		n += ret > 0 ? ret : 0;
	}
}

/* The peer has these bytes of the stream next. */
static void arrives(u32 from, u32 len)
{
	u8 *got = malloc(len);

	receive(got, len);
	CHECK(!memcmp(got, bytes + from, len), "other bytes than those of %u",
	      from);
	free(got);
}

static void nothing_arrives(void)
{
	u8 byte;

	CHECK(recv(c.peer, &byte, 1, MSG_DONTWAIT) < 0, "a byte of what?");
}

/* ------------------------------------------------------------------- order */

static void order(void)
{
	struct t_peer peer;
	u64 start;
	u32 i;

	set_up();
	t_peer_read(&peer, c.peer, PIECES * LEN, LEN, 0);
	start = t_now_ms();
	for (i = 0; i < PIECES; i++)
		queue(i, i == 2 ? -1 : i % 4 == 3 ? st_fast : st_slow);
	t_submit(&r);
	reap(PIECES);
	/* The slow ones, of which there are seven, at once */
	CHECK(t_now_ms() - start < 6 * SLOW_MS, "they read one by one");
	t_peer_join(&peer);
	CHECK_EQ(peer.done, PIECES * LEN);
	for (i = 0; i < PIECES; i++)
		was(i, LEN, 0);
	tear_down();
}

/* A header in front, and an end within a block: by one op. */
static void lead(void)
{
	static const char head[] = "what goes before: ";
	enum { HEAD = sizeof(head) - 1, CUT = 777 };
	struct io_unified_desc d;
	u8 got[HEAD];
	int i;

	set_up();
	for (i = 0; i < 2; i++) {
		d = piece(i, i ? st_fast : st_slow);
		memcpy(t_ptr(&r, d.addr - HEAD), head, HEAD);
		d.flags |= IO_UNIFIED_F_LEAD;
		d.arg = HEAD | (u64)CUT << 32;
		t_queue(&r, &d);
	}
	d = piece(2, st_fast);
	d.flags |= IO_UNIFIED_F_LEAD;
	t_queue(&r, &d);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		receive(got, HEAD);
		CHECK(!memcmp(got, head, HEAD));
		arrives(i * LEN, LEN - CUT);
	}
	arrives(2 * LEN, LEN);
	reap(3);
	was(0, HEAD + LEN - CUT, 0);
	was(1, HEAD + LEN - CUT, 0);
	was(2, LEN, 0);
	tear_down();
}

/* -------------------------------------------------------------------- holes */

static void hole(void)
{
	struct io_unified_desc d;
	u32 i;

	set_up();
	queue(0, -1);
	d = piece(1, st_slow);
	d.dev_offset = BAD;
	t_queue(&r, &d);
	queue(2, st_fast);
	queue(3, -1);
	queue(4, st_slow);
	t_submit(&r);
	arrives(0, LEN);
	reap(5);
	was(0, LEN, 0);
	CHECK_EQ(results[1].res, -EIO, "reason %u", results[1].reason);
	for (i = 2; i < 5; i++)
		was(i, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	/* Nor what comes later, until it is attached anew. */
	queue(5, -1);
	queue(6, st_fast);
	t_submit(&r);
	reap(2);
	was(5, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	was(6, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	nothing_arrives();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	sock = t_attach_sock(&r, c.end);
	queue(7, st_fast);
	t_submit(&r);
	arrives(7 * LEN, LEN);
	reap(1);
	was(7, LEN, 0);
	tear_down();
}

/* Datagrams have nothing to do with each other. */
static void hole_of_datagrams(void)
{
	struct io_unified_desc d;

	set_up();
	queue(0, -1);
	d = piece(1, st_slow);
	d.dev_offset = BAD;
	t_queue(&r, &d);
	queue(2, st_fast);
	t_submit(&r);
	arrives(0, LEN);
	arrives(2 * LEN, LEN);
	reap(3);
	was(0, LEN, 0);
	CHECK_EQ(results[1].res, -EIO, "reason %u", results[1].reason);
	was(2, LEN, 0);
	tear_down();
}

static u16 checksum(const void *p, size_t len)
{
	const u16 *word = p;
	u32 sum = 0;

	for (; len; len -= 2)
		sum += *word++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static u32 next_seq(void)
{
	int on = 1, off = -1, queue = TCP_SEND_QUEUE;
	socklen_t len = sizeof(u32);
	u32 seq;

	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue,
			    sizeof(queue)));
	REQUIRE(!getsockopt(c.end, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len));
	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)));
	return seq;
}

/* A router says that it cannot reach the peer, which TCP survives. */
static void cannot_be_reached(void)
{
	struct {
		struct icmphdr icmp;
		struct iphdr ip;
		u16 ports[2];
		u32 seq;
	} m = {
		.icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH },
		.ip = {
			.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
		},
	};
	struct sockaddr_in from, to;
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	REQUIRE(fd >= 0);
	REQUIRE(!getsockname(c.end, (struct sockaddr *)&from, &len));
	REQUIRE(!getpeername(c.end, (struct sockaddr *)&to, &len));
	m.ip.saddr = from.sin_addr.s_addr;
	m.ip.daddr = to.sin_addr.s_addr;
	m.ip.tot_len = htons(sizeof(m) - sizeof(m.icmp));
	m.ports[0] = from.sin_port;
	m.ports[1] = to.sin_port;
	m.seq = htonl(next_seq());
	m.icmp.checksum = checksum(&m, sizeof(m));
	from.sin_port = 0;
	REQUIRE(sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&from,
		       sizeof(from)) == sizeof(m));
	close(fd);
}

/* A send fails, and the connection lives: it would go on with what is behind. */
static void failed_send(void)
{
	int on = 1;
	u32 i;

	set_up();
	REQUIRE(!setsockopt(c.end, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	queue(0, st_slow);
	for (i = 1; i < 4; i++)
		queue(i, i == 3 ? st_fast : -1);
	t_submit(&r);
	cannot_be_reached();
	reap(4);
	was(0, -EHOSTUNREACH, IO_UNIFIED_REASON_UNREACHABLE);
	for (i = 1; i < 4; i++)
		was(i, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	queue(4, -1);
	t_submit(&r);
	reap(1);
	was(4, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	nothing_arrives();
	tear_down();
}

/* A file that became shorter: its bytes go, what is behind them does not. */
static void short_file(void)
{
	enum { HEAD = 100, REST = 5000 };
	struct io_unified_attach a = { .flags = IO_UNIFIED_ATTACH_RDONLY };
	struct io_unified_desc d;
	struct t_disk disk;
	int fd, st;

	set_up();
	t_fs_make(&disk, "ext4", 4096);
	fd = open(T_MNT "/short", O_RDWR | O_CREAT, 0600);
	REQUIRE(write(fd, bytes, LEN) == LEN && !fsync(fd));
	st = t_attach_file(&r, "short", O_RDONLY, &a);
	REQUIRE(!ftruncate(fd, REST));
	queue(0, st_slow);
	d = piece(1, st);
	d.dev_offset = 0;
	d.flags |= IO_UNIFIED_F_LEAD;
	d.arg = HEAD | 10ull << 32;
	memcpy(t_ptr(&r, d.addr - HEAD), bytes + LEN, HEAD);
	t_queue(&r, &d);
	queue(2, -1);
	t_submit(&r);
	arrives(0, LEN + HEAD);
	arrives(0, REST);
	reap(3);
	was(1, HEAD + REST, 0);
	was(2, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	nothing_arrives();
	close(fd);
	tear_down();
	t_fs_end(&disk, "ext4");
}

/* ---------------------------------------------------------- places given up */

static void canceled(void)
{
	u64 start;
	u32 i;

	set_up();
	queue(0, st_slow);
	queue(1, st_fast);
	t_queue_cancel(&r, 0, 2);
	t_submit(&r);
	/* Nobody misses what was not wanted. */
	arrives(LEN, LEN);
	reap(3);
	was(0, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
	was(1, LEN, 0);
	was(2, 1, 0);

	/* The drive of one goes, then the socket of all: as soon as they are read. */
	queue(3, st_slow);
	queue(4, st_fast);
	queue(5, -1);
	t_submit(&r);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, st_slow), 0);
	reap(3);
	was(3, -ECANCELED, IO_UNIFIED_REASON_GONE);
	was(4, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	was(5, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	nothing_arrives();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	sock = t_attach_sock(&r, c.end);
	st_slow = t_attach_storage(&r, slow.path, 0);
	for (i = 6; i < 9; i++)
		queue(i, i == 8 ? -1 : st_slow);
	t_submit(&r);
	start = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	CHECK(t_now_ms() - start < 2000, "it waited for more than a read");
	reap(3);
	for (i = 6; i < 9; i++)
		was(i, -ECANCELED, IO_UNIFIED_REASON_GONE);
	nothing_arrives();
	tear_down();
}

static struct io_unified_desc with(struct io_unified_desc d, int bpf)
{
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = bpf;
	return d;
}

/* A program drops a piece, fails, or sends it elsewhere. */
static void programs(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_conn other;
	int verdict, elsewhere, second;
	u8 *got = malloc(LEN);

	set_up();
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	elsewhere = t_attach_bpf(&r, t_bpf_prog(obj, "choose_net"));
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_DROP });
	d = with(piece(0, st_slow), verdict);
	t_queue(&r, &d);
	queue(1, st_fast);
	t_submit(&r);
	arrives(LEN, LEN);
	reap(2);
	was(0, 0, IO_UNIFIED_REASON_BPF_DROP);
	CHECK(results[0].flags & IO_UNIFIED_CQE_DROPPED);
	was(1, LEN, 0);

	t_connect(&other, AF_INET, SOCK_STREAM, T_LO);
	second = t_attach_sock(&r, other.end);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .storage = second });
	d = with(piece(2, st_slow), elsewhere);
	t_queue(&r, &d);
	queue(3, st_fast);
	t_submit(&r);
	arrives(3 * LEN, LEN);
	reap(2);
	REQUIRE_EQ(recv(other.peer, got, LEN, MSG_WAITALL), LEN);
	CHECK(!memcmp(got, bytes + 2 * LEN, LEN));
	was(2, LEN, 0);
	was(3, LEN, 0);

	/* What was canceled goes nowhere. */
	d = with(piece(6, st_slow), elsewhere);
	t_queue(&r, &d);
	t_queue_cancel(&r, 6, 7);
	t_submit(&r);
	reap(2);
	was(6, -ECANCELED, IO_UNIFIED_REASON_CANCELED);
	was(7, 1, 0);
	CHECK(recv(other.peer, got, LEN, MSG_DONTWAIT) < 0);

	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_ABORTED });
	d = with(piece(4, st_slow), verdict);
	t_queue(&r, &d);
	queue(5, st_fast);
	t_submit(&r);
	reap(2);
	CHECK(results[4].res < 0, "%d", results[4].res);
	was(5, -ECANCELED, IO_UNIFIED_REASON_SOCKET_GAP);
	nothing_arrives();
	tear_down();
	t_disconnect(&other);
	bpf_object__close(obj);
	free(got);
}

/* From an SQ, in one command; and the whole region goes meanwhile. */
static void rings(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	struct t_peer peer;
	u32 i;

	set_up();
	t_peer_read(&peer, c.peer, 6 * LEN, LEN, 0);
	for (i = 0; i < 6; i++) {
		d = piece(i, i % 3 ? st_fast : st_slow);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	CHECK_EQ(t_ring(&r, 0, 6, 0).res, 6);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, 6 * LEN);
	for (i = 0; i < 6; i++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.res, LEN, "reason %u", cqe.reason);
	}
	for (i = 0; i < 6; i++)
		queue(i, i % 3 ? st_fast : st_slow);
	t_submit(&r);
	tear_down();
}

static const struct way datagram = { SOCK_DGRAM };
static const struct way deferred = {
	SOCK_STREAM, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
};

static const struct t_case cases[] = {
	{ "two drives", prepare },
	{ "the order of submission", order },
	{ "the order of submission, DEFER_TASKRUN", order, 0, &deferred },
	{ "a header in front", lead },
	{ "a read that fails", hole },
	{ "a read that fails, datagrams", hole_of_datagrams, 0, &datagram },
	{ "a send that fails", failed_send },
	{ "a file that became shorter", short_file },
	{ "canceled, detached", canceled },
	{ "programs", programs },
	{ "from an SQ, and the region goes", rings },
	{ "nothing is left", clean },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
