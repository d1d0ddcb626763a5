// SPDX-License-Identifier: GPL-2.0
/* Sockets that must not be attached, and ops on sockets that must be refused. */
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/net.h"
#include "lib/sock.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct t_region r;
static struct t_conn c;
static int sock;

static void set_up(void)
{
	t_region_open(&r, NULL);
	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

static void refuse(struct io_unified_desc d, int error, u16 reason,
		   const char *what)
{
	struct t_res res = t_op(&r, &d);
	char byte;

	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
	CHECK_EQ(res.flags, 0, "%s", what);
	CHECK(recv(c.peer, &byte, 1, MSG_DONTWAIT) < 0, "%s: it was sent",
	      what);
}

/* ------------------------------------------------------------- attachments */

static void refuse_attach(struct io_unified_attach a, int error, u32 reason,
			  const char *what)
{
	CHECK_EQ(t_attach(&r, &a), -error, "%s", what);
	CHECK_EQ(a.reason, reason, "%s", what);
	CHECK_EQ(a.index, -1, "%s", what);
}

#define REFUSE_ATTACH(error, why, ...)                            \
	do {                                                      \
		struct io_unified_attach a_ = {                   \
			.kind = IO_UNIFIED_KIND_SOCKET,           \
			.fd = c.end,                              \
		};                                                \
		struct io_unified_attach *a = &a_;                \
		__VA_ARGS__;                                      \
		refuse_attach(a_, error, IO_UNIFIED_REASON_##why, \
			      #__VA_ARGS__);                      \
	} while (0)

static int bound(int family, int type, int protocol)
{
	struct sockaddr_in6 a = { .sin6_family = family };
	int fd = socket(family, type, protocol);

	if (fd >= 0)
		REQUIRE(!bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static void fields(void)
{
	unsigned int i;

	set_up();
	for (i = 0; i < 32; i++)
		REFUSE_ATTACH(EINVAL, FLAGS, a->flags = 1u << i);
	for (i = 0; i < 6; i++)
		REFUSE_ATTACH(EINVAL, RESERVED, a->reserved[i] = 1);
	REFUSE_ATTACH(EINVAL, RESERVED, a->ifindex = 1);
	REFUSE_ATTACH(EINVAL, RESERVED, a->queue = 1);
	REFUSE_ATTACH(EINVAL, RESERVED, a->ring_entries = 64);
	REFUSE_ATTACH(EINVAL, RESERVED, a->dev_start = 512);
	REFUSE_ATTACH(EINVAL, RESERVED, a->dev_len = 512);
	tear_down();
}

static void no_sockets(void)
{
	int pipes[2];

	set_up();
	REQUIRE(!pipe(pipes));
	REFUSE_ATTACH(EBADF, BAD_FD, a->fd = -1);
	REFUSE_ATTACH(EBADF, BAD_FD, a->fd = 1000);
	REFUSE_ATTACH(EBADF, BAD_FD, a->fd = open("/", O_PATH));
	REFUSE_ATTACH(ENOTSOCK, NOT_SOCKET, a->fd = open("/", O_RDONLY));
	REFUSE_ATTACH(ENOTSOCK, NOT_SOCKET, a->fd = pipes[0]);
	REFUSE_ATTACH(ENOTSOCK, NOT_SOCKET, a->fd = memfd_create("x", 0));
	REFUSE_ATTACH(ENOTSOCK, NOT_SOCKET, a->fd = r.fd);
	REFUSE_ATTACH(ENOTSOCK, NOT_SOCKET, a->fd = r.ring.ring_fd);
	tear_down();
}

static void other_sockets(void)
{
	int pair[2], fd;

	set_up();
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = pair[0]);
	REQUIRE(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = pair[0]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = fd);
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = fd);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = fd);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = fd);
	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	if (fd >= 0)
		REFUSE_ATTACH(EPROTONOSUPPORT, SOCKET_TYPE, a->fd = fd);
	tear_down();
}

static void not_connected(void)
{
	int fd;

	set_up();
	fd = socket(AF_INET, SOCK_STREAM, 0);
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, a->fd = fd);
	fd = bound(AF_INET6, SOCK_STREAM, 0);
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, a->fd = fd);
	REQUIRE(!listen(fd, 1));
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, a->fd = fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, a->fd = fd);
	fd = bound(AF_INET6, SOCK_DGRAM, 0);
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, a->fd = fd);
	t_reset_peer(&c);
	t_sleep_ms(20);
	REFUSE_ATTACH(ENOTCONN, NOT_CONNECTED, (void)a);
	tear_down();
}

/* Encryption would have to see the bytes. */
static void layers(void)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
		.info = { TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128 },
	};
	struct io_unified_desc d;
	struct t_res res;
	char buf[64];

	set_up();
	sock = t_attach_sock(&r, c.end);
	if (setsockopt(c.end, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		t_skip("this kernel has no kTLS");
	REFUSE_ATTACH(EOPNOTSUPP, SOCKET_ULP, (void)a);
	/* Without keys it lets all through, and what is attached goes on. */
	d = t_send_op(sock, 1, r.reg.data_off, 10);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 10, "reason %u", res.reason);
	REQUIRE(recv(c.peer, buf, sizeof(buf), 0) == 10);
	/* With keys nothing leaves that is not encrypted. */
	if (setsockopt(c.end, SOL_TLS, TLS_TX, &keys, sizeof(keys)))
		t_skip("this kernel has no AES-GCM for kTLS");
	refuse(d, EOPNOTSUPP, IO_UNIFIED_REASON_SOCKET_ULP, "kTLS");
	tear_down();
}

static void too_many(void)
{
	struct io_unified_info info;
	u32 i;

	set_up();
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_GET_INFO, &info));
	REQUIRE(info.max_sockets >= 500);
	for (i = 0; i < info.max_sockets; i++)
		REQUIRE_EQ(t_attach_sock(&r, c.end), i);
	REFUSE_ATTACH(ENOSPC, TABLE_FULL, (void)a);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, 7), 0);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, 7), -ENOENT);
	CHECK_EQ(t_attach_sock(&r, c.end), 7);
	tear_down();
}

/* --------------------------------------------------------------------- ops */

#define REFUSE_OP(op, error, why, ...)                                    \
	do {                                                              \
		struct io_unified_desc d_ =                               \
			op(sock, 1, t_frame(&r, 1) + 1, 1000);            \
		struct io_unified_desc *d = &d_;                          \
		__VA_ARGS__;                                              \
		refuse(d_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)
#define REFUSE_SEND(...) REFUSE_OP(t_send_op, __VA_ARGS__)
#define REFUSE_RECV(...) REFUSE_OP(t_recv_op, __VA_ARGS__)

static void combinations(void)
{
	const u32 nvme = IO_UNIFIED_OP_NVME;

	set_up();
	sock = t_attach_sock(&r, c.end);
	REFUSE_SEND(EINVAL, OPS, d->flags |= IO_UNIFIED_F_RX);
	REFUSE_SEND(EINVAL, OPS, d->flags |= IO_UNIFIED_F_WAITALL);
	REFUSE_SEND(EINVAL, OPS, d->flags |= IO_UNIFIED_F_READ);
	REFUSE_SEND(EINVAL, OPS, d->flags |= IO_UNIFIED_F_FUA);
	REFUSE_SEND(EINVAL, OPS, d->ops |= nvme);
	REFUSE_SEND(EINVAL, OPS, d->ops |= nvme;
		    d->flags |= IO_UNIFIED_F_WRITE);
	REFUSE_SEND(EINVAL, OPS, d->ops |= nvme;
		    d->flags |= IO_UNIFIED_F_WRITE | IO_UNIFIED_F_RX);
	REFUSE_SEND(EINVAL, OPS, d->ops = nvme);
	REFUSE_SEND(EINVAL, OPS, d->ops = IO_UNIFIED_OP_BPF);
	REFUSE_SEND(EINVAL, OPS, d->ops = 0);
	REFUSE_RECV(EINVAL, OPS, d->ops |= nvme; d->flags |= IO_UNIFIED_F_READ);
	REFUSE_RECV(EINVAL, OPS, d->flags |= IO_UNIFIED_F_TX);
	REFUSE_RECV(EINVAL, OPS, d->ops = nvme;
		    d->flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_SOCKET);
	REFUSE_RECV(EINVAL, OPS, d->flags = IO_UNIFIED_F_SOCKET);
	/* Without SOCKET they are numbers of queues. */
	REFUSE_RECV(EINVAL, OPS,
		    d->flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_WAITALL);
	REFUSE_SEND(ENOENT, INDEX, d->flags = IO_UNIFIED_F_TX);
	tear_down();
}

static void descriptors(void)
{
	struct io_unified_desc d;
	struct t_disk disk;
	u64 end;
	int st;

	set_up();
	sock = t_attach_sock(&r, c.end);
	end = r.reg.data_off + r.reg.data_size;
	REFUSE_SEND(ENOENT, INDEX, d->net_tx = 1);
	REFUSE_SEND(ENOENT, INDEX, d->net_tx = 64);
	REFUSE_SEND(ENOENT, INDEX, d->net_tx = 0xffff);
	REFUSE_RECV(ENOENT, INDEX, d->net = 63);
	REFUSE_SEND(EINVAL, RESERVED, d->net = 1);
	REFUSE_RECV(EINVAL, RESERVED, d->net_tx = 1);
	REFUSE_SEND(EINVAL, RESERVED, d->storage = 1);
	REFUSE_SEND(EINVAL, RESERVED, d->dev_offset = 512);
	REFUSE_SEND(EINVAL, RESERVED, d->bpf = 1);
	REFUSE_SEND(EINVAL, RESERVED, d->arg = 1);
	REFUSE_SEND(EINVAL, OPS, d->flags |= IO_UNIFIED_F_LEAD);
	REFUSE_RECV(EINVAL, OPS, d->flags |= IO_UNIFIED_F_LEAD);
	REFUSE_SEND(EINVAL, RESERVED, d->max_hops = 1);
	REFUSE_SEND(EINVAL, RESERVED, d->reserved0[0] = 1);
	REFUSE_SEND(EINVAL, SIZE, d->len = 0);
	REFUSE_RECV(EINVAL, SIZE, d->len = 0);
	REFUSE_SEND(EINVAL, SIZE, d->len = IO_UNIFIED_MAX_LEN + 1);
	REFUSE_SEND(EINVAL, ADDR, d->addr = 0);
	REFUSE_RECV(EINVAL, ADDR, d->addr = r.reg.cq_off);
	REFUSE_RECV(EINVAL, ADDR, d->addr = r.reg.data_off - 1);
	REFUSE_SEND(EINVAL, ADDR, d->addr = end - 999);
	REFUSE_RECV(EINVAL, ADDR, d->addr = end - 999);
	REFUSE_RECV(EINVAL, OVERFLOW, d->addr = ~0ull);
	/* The control block is in front of the bytes. */
	REFUSE_RECV(EINVAL, ADDR, d->ops |= IO_UNIFIED_OP_BPF;
		    d->addr = r.reg.data_off);
	REFUSE_RECV(ENOENT, INDEX, d->ops |= IO_UNIFIED_OP_BPF);

	/* What is written is whole blocks, inside of the window. */
	t_disk_nvme(&disk, 4096, 0);
	st = t_attach_storage(&r, disk.path, 0);
#define REFUSE_INGEST(error, why, ...)                               \
	REFUSE_RECV(error, why, d->ops |= IO_UNIFIED_OP_NVME;        \
		    d->flags |= IO_UNIFIED_F_WRITE; d->storage = st; \
		    d->addr = t_frame(&r, 1); d->len = 8192; __VA_ARGS__)
	REFUSE_INGEST(EINVAL, LBA_ALIGN, d->len = 1000);
	REFUSE_INGEST(EINVAL, LBA_ALIGN, d->dev_offset = 512);
	REFUSE_INGEST(EINVAL, ALIGN, d->addr++);
	REFUSE_INGEST(ERANGE, RANGE, d->dev_offset = disk.size - 4096);
	REFUSE_INGEST(ENOENT, INDEX, d->storage = 9);
	/* What is sent around it is the region's too, and something of it is sent. */
#define REFUSE_LEAD(error, why, ...)                                          \
	REFUSE_SEND(error, why, d->ops |= IO_UNIFIED_OP_NVME;                 \
		    d->flags |= IO_UNIFIED_F_READ | IO_UNIFIED_F_LEAD;        \
		    d->storage = st; d->addr = t_frame(&r, 1); d->len = 8192; \
		    __VA_ARGS__)
	REFUSE_LEAD(EINVAL, SIZE, d->arg = 8192ull << 32);
	REFUSE_LEAD(EINVAL, SIZE, d->arg = ~0ull);
	REFUSE_LEAD(EINVAL, SIZE, d->arg = IO_UNIFIED_MAX_LEN + 1);
	REFUSE_LEAD(EINVAL, ADDR, d->arg = t_frame(&r, 1) - r.reg.data_off + 1);
	REFUSE_LEAD(EINVAL, OPS, d->ops |= IO_UNIFIED_OP_BPF);
	REFUSE_LEAD(EINVAL, RESERVED, d->flags &= ~IO_UNIFIED_F_LEAD;
		    d->arg = 1);

	/* And what is right goes through. */
	d = t_send_op(sock, 1, end - 10, 10);
	CHECK_EQ(t_op(&r, &d).res, 10);
	tear_down();
}

/* ----------------------------------------------------------------- streams */

static void refuse_stream(const struct io_unified_desc *d,
			  const struct io_unified_stream *p, int error,
			  u16 reason, const char *what)
{
	struct t_res res;
	char byte;

	t_queue_stream(&r, d, p);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 5000), "%s was accepted", what);
	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
	CHECK(recv(c.peer, &byte, 1, MSG_DONTWAIT) < 0, "%s: it was sent",
	      what);
}

#define REFUSE_STREAM(error, why, ...)                                  \
	do {                                                            \
		struct io_unified_desc d_ = right;                      \
		struct io_unified_stream p_ = {                         \
			.layout = IO_UNIFIED_LAYOUT_BYTES,              \
			.range_len = 65536,                             \
			.batch_bytes = 16384,                           \
		};                                                      \
		struct io_unified_stream *p = &p_;                      \
		struct io_unified_desc *d = &d_;                        \
		(void)p, (void)d;                                       \
		__VA_ARGS__;                                            \
		refuse_stream(&d_, &p_, error, IO_UNIFIED_REASON_##why, \
			      #__VA_ARGS__);                            \
	} while (0)

static void streams(void)
{
	struct io_unified_attach wo_fd = { .kind = IO_UNIFIED_KIND_STORAGE };
	const bool serve = t_arg;
	struct io_unified_desc right, op;
	struct t_disk disk;
	struct t_conn udp;
	int i, ro, wo;

	set_up();
	sock = t_attach_sock(&r, c.end);
	t_connect(&udp, AF_INET, SOCK_DGRAM, T_LO);
	t_disk_nvme(&disk, 512, 0);
	right = (serve ? t_send_op : t_recv_op)(sock, 5, t_frame(&r, 0), 65536);
	right.ops |= IO_UNIFIED_OP_NVME;
	right.flags |= serve ? IO_UNIFIED_F_READ : IO_UNIFIED_F_WRITE;
	right.storage = t_attach_storage(&r, disk.path, 0);
	ro = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_RDONLY);
	wo_fd.fd = open(disk.path, O_WRONLY);
	REQUIRE(!t_attach(&r, &wo_fd));
	wo = wo_fd.index;

	for (i = 0; i < 32; i++)
		if (i != 1 && (serve || i != 2))
			REFUSE_STREAM(EINVAL, FLAGS, p->flags = 1u << i);
	REFUSE_STREAM(EINVAL, RESERVED, p->pace = 1);
	for (i = 0; i < 4; i++)
		REFUSE_STREAM(EINVAL, RESERVED, p->reserved[i] = 1);
	REFUSE_STREAM(EINVAL, RESERVED, p->snaplen = 1);
	REFUSE_STREAM(EINVAL, RESERVED, p->interface_id = 1);
	REFUSE_STREAM(EINVAL, RESERVED, p->max_packets = 1);
	REFUSE_STREAM(EINVAL, RESERVED, p->recording_id[15] = 1);
	REFUSE_STREAM(EINVAL, LAYOUT, p->layout = 0);
	REFUSE_STREAM(EINVAL, LAYOUT, p->layout = IO_UNIFIED_LAYOUT_ALIGNED);
	REFUSE_STREAM(EINVAL, LAYOUT, p->layout = 3);
	REFUSE_STREAM(EINVAL, SIZE, p->range_len = 0);
	REFUSE_STREAM(EINVAL, SIZE, p->batch_bytes = 65536 + 512);
	REFUSE_STREAM(EINVAL, SIZE, p->batch_bytes = ~511u);
	REFUSE_STREAM(EINVAL, ALIGN, p->batch_bytes = 1000);
	REFUSE_STREAM(EINVAL, SIZE, p->batch_bytes = 0; d->len = 511);
	REFUSE_STREAM(ERANGE, RANGE, p->range_len = disk.size + 1);
	REFUSE_STREAM(ERANGE, RANGE, p->range_len = ~0ull);
	REFUSE_STREAM(ERANGE, RANGE, p->range_len = ~511ull;
		      d->dev_offset = 512);
	REFUSE_STREAM(ERANGE, RANGE, d->dev_offset = disk.size);
	REFUSE_STREAM(ERANGE, RANGE, d->dev_offset = ~511ull);
	REFUSE_STREAM(EINVAL, ALIGN, d->addr++);
	REFUSE_STREAM(EINVAL, SIZE, d->len = 0);
	REFUSE_STREAM(EINVAL, ADDR, d->addr = 0);
	REFUSE_STREAM(EINVAL, ADDR, d->addr += r.reg.data_size);
	REFUSE_STREAM(EINVAL, RESERVED, d->arg = 8);
	REFUSE_STREAM(EINVAL, RESERVED, d->reserved0[1] = 1);
	REFUSE_STREAM(EINVAL, RESERVED, d->max_hops = 1);
	REFUSE_STREAM(EINVAL, OPS,
		      d->flags |= IO_UNIFIED_F_RX | IO_UNIFIED_F_TX);
	REFUSE_STREAM(EINVAL, OPS, d->flags |= IO_UNIFIED_F_WAITALL);
	REFUSE_STREAM(EINVAL, OPS, d->flags |= IO_UNIFIED_F_TIMED);
	REFUSE_STREAM(EINVAL, OPS,
		      d->flags ^= IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE);
	REFUSE_STREAM(EINVAL, OPS, d->ops = IO_UNIFIED_OP_NETWORK;
		      d->storage = 0;
		      d->flags &= ~(IO_UNIFIED_F_READ | IO_UNIFIED_F_WRITE));
	REFUSE_STREAM(ENOENT, INDEX, d->storage = 40);
	REFUSE_STREAM(ENOENT, INDEX, d->ops |= IO_UNIFIED_OP_BPF; d->bpf = 9);
	if (serve) {
		REFUSE_STREAM(EINVAL, OPS, d->flags |= IO_UNIFIED_F_FUA);
		REFUSE_STREAM(EINVAL, RESERVED, p->flush_usec = 1);
		REFUSE_STREAM(EINVAL, RESERVED, p->flush_bytes = 1);
		REFUSE_STREAM(ENOENT, INDEX, d->net_tx = 40);
		REFUSE_STREAM(EBADF, WRITE_ONLY, d->storage = wo);
		REFUSE_STREAM(EOPNOTSUPP, SOCKET_TYPE,
			      d->net_tx = t_attach_sock(&r, udp.end));
	} else {
		REFUSE_STREAM(EINVAL, SIZE, p->flush_usec = 60000001);
		REFUSE_STREAM(EINVAL, LBA_ALIGN, d->dev_offset = 100);
		REFUSE_STREAM(ENOENT, INDEX, d->net = 40);
		REFUSE_STREAM(EBADF, READ_ONLY, d->storage = ro);
		REFUSE_STREAM(EOPNOTSUPP, SOCKET_TYPE,
			      d->net = t_attach_sock(&r, udp.end));
	}
	/* Nothing of it was kept. */
	op = t_send_op(sock, 1, r.reg.data_off, 10);
	CHECK_EQ(t_op(&r, &op).res, 10);
	t_disconnect(&udp);
	tear_down();
}

static void polled(void)
{
	struct t_opt opt = { .ring_flags = IORING_SETUP_IOPOLL };

	t_region_open(&r, &opt);
	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
	REFUSE_SEND(EOPNOTSUPP, IOPOLL, (void)d);
	REFUSE_RECV(EOPNOTSUPP, IOPOLL, (void)d);
	tear_down();
}

static const struct t_case cases[] = {
	{ "flags and fields", fields },
	{ "what is no socket", no_sockets },
	{ "other sockets", other_sockets },
	{ "not connected", not_connected },
	{ "a layer on the socket", layers },
	{ "too many", too_many },
	{ "combinations", combinations },
	{ "descriptors", descriptors },
	{ "streams to a socket", streams, 0, "" },
	{ "streams from a socket", streams },
	{ "a ring that polls", polled },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
