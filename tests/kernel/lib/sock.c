// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

#include "sock.h"

#define NS_PATH "/run/netns/iouns"

/* ------------------------------------------------------------- namespace */

static int enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0, "%s", path);
	REQUIRE(!setns(fd, CLONE_NEWNET));
	return fd;
}

/* Addresses that need no questions: neither ARP nor duplicate detection. */
static void ns_addresses(const char *here, const char *there)
{
	REQUIRE(!t_sh(
		"echo 0 >/proc/sys/net/ipv6/conf/%s/disable_ipv6;"
		"ip netns exec iouns sh -c 'echo 0 >/proc/sys/net/ipv6/conf/%s/disable_ipv6';"
		"ip addr add 10.97.0.1/24 dev %s; ip addr add fd97::1/64 dev %s nodad; ip link set %s up;"
		"printf 'addr add 10.97.0.2/24 dev %s\\naddr add fd97::2/64 dev %s nodad\\nlink set %s up\\n' |"
		" ip -n iouns -batch -",
		here, there, here, here, here, there, there, there));
}

static void ns_make(void)
{
	if (!access(NS_PATH, F_OK))
		return;
	REQUIRE(!t_sh("ip netns add iouns && ip link add " T_NS_VETH
		      " type veth peer name iouv1 netns iouns"));
	ns_addresses(T_NS_VETH, "iouv1");
}

/* NICs, by their driver. */
static void nics(char names[2][IFNAMSIZ], int want)
{
	char path[320], driver[256];
	struct dirent **all;
	int i, n, found = 0;
	ssize_t len;

	n = scandir("/sys/class/net", &all, NULL, versionsort);
	for (i = 0; i < n && found < want; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver",
			 all[i]->d_name);
		len = readlink(path, driver, sizeof(driver) - 1);
		if (len < 0)
			continue;
		driver[len] = 0;
		if (!strcmp(strrchr(driver, '/') + 1, "e1000e"))
			snprintf(names[found++], IFNAMSIZ, "%.15s",
				 all[i]->d_name);
	}
	if (found < want)
		t_skip("no two e1000e");
}

void t_ns_two_nics(void)
{
	char names[2][IFNAMSIZ];
	int i;

	nics(names, 2);
	REQUIRE(!t_sh("ip netns add iouns && ip link set %s netns iouns",
		      names[1]));
	ns_addresses(names[0], names[1]);
	/* The link takes its time, at either end. */
	for (i = 0; t_sh("ip link show %s | grep -q LOWER_UP &&"
			 " ip -n iouns link show %s | grep -q LOWER_UP",
			 names[0], names[1]);
	     i++) {
		REQUIRE(i < 50, "no link");
		t_sleep_ms(100);
	}
}

const char *t_ns_nic_here(void)
{
	static char names[2][IFNAMSIZ];

	nics(names, 1);
	return names[0];
}

void t_ns_cut(bool cut)
{
	const char *state = cut ? "down" : "up";

	/* A veth would go down at both ends. */
	if (!t_sh("[ -e /sys/class/net/" T_NS_VETH " ]"))
		REQUIRE(!t_sh("tc qdisc %s dev " T_NS_VETH " root netem%s",
			      cut ? "add" : "del", cut ? " loss 100%" : ""));
	else
		REQUIRE(!t_sh(
			"ip -n iouns -o link | sed -n '/LOOPBACK/!s/^[0-9]*: \\([^:@]*\\).*/\\1/p' |"
			" while read dev; do ip -n iouns link set $dev %s; done",
			state));
}

void t_ns_del(void)
{
	/* A NIC stays here, and so would the way to it. */
	if (!access(NS_PATH, F_OK))
		t_sh("ip link del " T_NS_VETH
		     " 2>/dev/null; ip netns del iouns; ip addr flush to 10.97.0.0/24; ip addr flush to fd97::/64");
}

/* ----------------------------------------------------------- connections */

static socklen_t address(struct sockaddr_storage *a, int family,
			 enum t_where where, int port)
{
	struct sockaddr_in6 *six = (void *)a;
	struct sockaddr_in *four = (void *)a;

	memset(a, 0, sizeof(*a));
	a->ss_family = family;
	if (family == AF_INET6) {
		inet_pton(AF_INET6, where == T_NS ? "fd97::2" : "::1",
			  &six->sin6_addr);
		six->sin6_port = port;
		return sizeof(*six);
	}
	inet_pton(AF_INET, where == T_NS ? "10.97.0.2" : "127.0.0.1",
		  &four->sin_addr);
	four->sin_port = port;
	return sizeof(*four);
}

/* A bound socket there, where a peer is. */
static int bound(int family, int type, enum t_where where,
		 struct sockaddr_storage *a, socklen_t *len)
{
	int fd, i, own = -1;

	if (where == T_NS) {
		ns_make();
		own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		REQUIRE(own >= 0);
		close(enter(NS_PATH));
	}
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0);
	*len = address(a, family, where, 0);
	/* An IPv6 address may be tentative for a moment. */
	for (i = 0; bind(fd, (struct sockaddr *)a, *len) && i < 200; i++)
		t_sleep_ms(10);
	REQUIRE(!getsockname(fd, (struct sockaddr *)a, len));
	if (own >= 0) {
		REQUIRE(!setns(own, CLONE_NEWNET));
		close(own);
	}
	return fd;
}

void t_connect(struct t_conn *c, int family, int type, enum t_where where)
{
	struct sockaddr_storage a;
	socklen_t len;
	int fd = bound(family, type, where, &a, &len);

	c->end = socket(family, type | SOCK_CLOEXEC, 0);
	REQUIRE(c->end >= 0);
	if (type == SOCK_STREAM)
		REQUIRE(!listen(fd, 1));
	REQUIRE(!connect(c->end, (struct sockaddr *)&a, len));
	if (type == SOCK_STREAM) {
		c->peer = accept(fd, NULL, NULL);
		REQUIRE(c->peer >= 0);
		close(fd);
		return;
	}
	c->peer = fd;
	len = sizeof(a);
	REQUIRE(!getsockname(c->end, (struct sockaddr *)&a, &len));
	REQUIRE(!connect(fd, (struct sockaddr *)&a, len));
}

void t_disconnect(struct t_conn *c)
{
	close(c->end);
	close(c->peer);
}

void t_reset_peer(struct t_conn *c)
{
	const struct linger now = { .l_onoff = 1 };

	REQUIRE(!setsockopt(c->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(c->peer);
	c->peer = -1;
}

void t_sndbuf(int fd, int bytes)
{
	REQUIRE(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
}

void t_rcvbuf(int fd, int bytes)
{
	REQUIRE(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)));
}

/* ------------------------------------------------------------------- ops */

int t_attach_sock(struct t_region *r, int fd)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_SOCKET,
		.fd = fd,
	};
	int ret = t_attach(r, &a);

	REQUIRE_EQ(ret, 0, "socket %d: reason %u", fd, a.reason);
	return a.index;
}

struct io_unified_desc t_send_op(int sock, u64 user_data, u64 addr, u32 len)
{
	return (struct io_unified_desc){
		.user_data = user_data,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_TX | IO_UNIFIED_F_SOCKET,
		.net_tx = sock,
		.addr = addr,
		.len = len,
	};
}

struct io_unified_desc t_recv_op(int sock, u64 user_data, u64 addr, u32 len)
{
	return (struct io_unified_desc){
		.user_data = user_data,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET,
		.net = sock,
		.addr = addr,
		.len = len,
	};
}

/* --------------------------------------------------------------- streams */

/* No multiple of anything that a stream is cut into */
enum { PERIOD = 65521 };

static const u8 *pattern(void)
{
	static u8 *p;

	if (!p) {
		p = malloc(PERIOD);
		REQUIRE(p);
		t_fill(p, PERIOD, 0x5ea);
	}
	return p;
}

void t_stream_fill(void *to, size_t len, u64 offset)
{
	const u8 *p = pattern();
	u8 *at = to;

	while (len) {
		size_t from = offset % PERIOD;
		size_t n = len < PERIOD - from ? len : PERIOD - from;

		memcpy(at, p + from, n);
		at += n;
		offset += n;
		len -= n;
	}
}

bool t_stream_is(const void *bytes, size_t len, u64 offset)
{
	const u8 *p = pattern(), *at = bytes;

	while (len) {
		size_t from = offset % PERIOD;
		size_t n = len < PERIOD - from ? len : PERIOD - from;

		if (memcmp(at, p + from, n))
			return false;
		at += n;
		offset += n;
		len -= n;
	}
	return true;
}

static void *reader(void *arg)
{
	struct t_peer *p = arg;
	u8 *buf = malloc(p->piece);
	ssize_t n;

	while (p->done < p->total) {
		n = recv(p->fd, buf, MIN(p->piece, p->total - p->done), 0);
		if (n <= 0) {
			p->error = n ? errno : 0;
			break;
		}
		if (!t_stream_is(buf, n, p->done)) {
			p->wrong = true;
			break;
		}
		__atomic_add_fetch(&p->done, n, __ATOMIC_RELAXED);
		if (p->pause_us)
			usleep(p->pause_us);
	}
	free(buf);
	return NULL;
}

static void *writer(void *arg)
{
	struct t_peer *p = arg;
	u8 *buf = malloc(p->piece);
	u32 seed = 1;
	ssize_t n;

	while (p->done < p->total) {
		seed = seed * 1664525 + 1013904223;
		n = 1 + (seed >> 8) % p->piece;
		if ((u64)n > p->total - p->done)
			n = p->total - p->done;
		t_stream_fill(buf, n, p->done);
		n = send(p->fd, buf, n, MSG_NOSIGNAL);
		if (n < 0) {
			p->error = errno;
			break;
		}
		__atomic_add_fetch(&p->done, n, __ATOMIC_RELAXED);
		if (p->pause_us)
			usleep(p->pause_us);
	}
	free(buf);
	return NULL;
}

static void peer_start(struct t_peer *p, void *(*fn)(void *arg), int fd,
		       u64 total, u32 piece, int pause_us)
{
	*p = (struct t_peer){
		.fd = fd,
		.total = total,
		.piece = piece,
		.pause_us = pause_us,
	};
	pattern();
	REQUIRE(!pthread_create(&p->thread, NULL, fn, p));
}

void t_peer_read(struct t_peer *p, int fd, u64 total, u32 piece, int pause_us)
{
	peer_start(p, reader, fd, total, piece, pause_us);
}

void t_peer_write(struct t_peer *p, int fd, u64 total, u32 piece, int pause_us)
{
	peer_start(p, writer, fd, total, piece, pause_us);
}

void t_peer_join(struct t_peer *p)
{
	REQUIRE(!pthread_join(p->thread, NULL));
	CHECK(!p->wrong, "other bytes at %llu", (unsigned long long)p->done);
}
