// SPDX-License-Identifier: MIT
/* iou ingest: sockets, and what is sent back */
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ingest.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/* tcp_info.tcpi_state; <netinet/tcp.h> has them, and a shorter tcp_info */
#define TCPI_ESTABLISHED 1
#define TCPI_FIN_WAIT1 4
#define TCPI_FIN_WAIT2 5

/* --------------------------------------------------------------- addresses */

int net_parse(struct ingest_options *o, const char *arg)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *ai = NULL;
	char buf[sizeof(o->listen)];
	char *host = buf + 4, *port, *end;
	int err;

	if (strlen(arg) >= sizeof(buf) ||
	    (strncmp(arg, "tcp:", 4) && strncmp(arg, "udp:", 4)))
		return complain(
			IOU_EXIT_USAGE,
			"--listen '%s': is not tcp:[ADDR:]PORT or udp:[ADDR:]PORT",
			arg);
	strcpy(buf, arg);
	strcpy(o->listen, arg);
	o->udp = arg[0] == 'u';
	hints.ai_socktype = o->udp ? SOCK_DGRAM : SOCK_STREAM;
	port = strrchr(host, ':');
	if (port) {
		*port++ = 0;
		end = host + strlen(host) - 1;
		if (*host == '[' && *end == ']') {
			*end = 0;
			host++;
		}
	} else {
		port = host;
		host = (char *)"::";
		o->any_addr = true;
	}
	err = !*port || getaddrinfo(host, port, &hints, &ai);
	if (!err) {
		memcpy(&o->addr, ai->ai_addr, ai->ai_addrlen);
		o->addr_len = ai->ai_addrlen;
	}
	if (ai)
		freeaddrinfo(ai);
	if (err)
		return complain(
			IOU_EXIT_USAGE,
			"--listen '%s': is not a numeric address and a port (IPv6 in brackets)",
			arg);
	return 0;
}

static void name_of(const struct sockaddr_storage *a, socklen_t len, char *buf,
		    size_t size)
{
	char host[64], port[16];

	if (getnameinfo((const struct sockaddr *)a, len, host, sizeof(host),
			port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(buf, size, "unknown");
	else if (!strncmp(host, "::ffff:", 7))
		snprintf(buf, size, "%s:%s", host + 7, port);
	else
		snprintf(buf, size,
			 a->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
			 port);
}

void net_peer(struct conn *c)
{
	socklen_t len = sizeof(c->peer);

	memset(&c->peer, 0, sizeof(c->peer));
	getpeername(c->fd, (struct sockaddr *)&c->peer, &len);
	name_of(&c->peer, len, c->peer_name, sizeof(c->peer_name));
}

/* A host without IPv6 has a wildcard too. */
static int any_v4(struct ingest_options *o)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&o->addr;
	struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_port = v6->sin6_port,
	};

	memset(&o->addr, 0, sizeof(o->addr));
	memcpy(&o->addr, &v4, sizeof(v4));
	o->addr_len = sizeof(v4);
	return socket(AF_INET,
		      (o->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
}

/* A client that is gone without a word is not to keep its place for ever. */
static void keep_alive(int fd)
{
	const int one = 1, idle = 60, each = 10, times = 6;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each, sizeof(each));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

int net_listen(struct ingest *r)
{
	struct ingest_options *o = r->o;
	const int one = 1, zero = 0;
	socklen_t len = sizeof(o->addr);
	int fd;

	fd = socket(o->addr.ss_family,
		    (o->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT && o->any_addr)
		fd = any_v4(o);
	if (fd < 0)
		return complain(IOU_EXIT_FAIL, "cannot make a socket: %s",
				strerror(errno));
	r->listen_fd = fd;
	if (!o->udp) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		/*
		 * Of its connections, too. Urgent bytes that are left out would be
		 * in what TCP counts and not in what it gives.
		 */
		setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
		keep_alive(fd);
	}
	if (o->any_addr && o->addr.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&o->addr, o->addr_len) ||
	    (!o->udp && listen(fd, 1024)) ||
	    getsockname(fd, (struct sockaddr *)&o->addr, &len))
		return complain(errno == EACCES || errno == EPERM ?
					IOU_EXIT_UNAVAILABLE :
					IOU_EXIT_FAIL,
				"cannot listen on %s: %s", o->listen,
				strerror(errno));
	snprintf(o->listen, 5, "%s", o->udp ? "udp:" : "tcp:");
	name_of(&o->addr, len, o->listen + 4, sizeof(o->listen) - 4);
	return 0;
}

/* --------------------------------------------------------------------- UDP */

static bool same_peer(const struct sockaddr_storage *a,
		      const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port &&
	       !memcmp(&a6->sin6_addr, &b6->sin6_addr, 16);
}

/*
 * From when the socket is connected it takes the peer's only; what came before
 * may be anybody's. It is no more than the socket's buffer holds.
 */
static void take_earlier(struct conn *c)
{
	unsigned int slot = 0;
	uint64_t held = 0;
	int buffer = 0;
	socklen_t len = sizeof(buffer);

	getsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &buffer, &len);
	while (slot < DATAGRAMS && held <= (uint64_t)buffer) {
		struct sockaddr_storage from;
		ssize_t n;

		len = sizeof(from);
		n = recvfrom(c->fd,
			     iou_region_ptr(&c->r->region, udp_addr(c, slot)),
			     MAX_DATAGRAM, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &len);
		if (n < 0)
			break;
		/* each takes this much of the buffer at least */
		held += (uint64_t)n + 512;
		if (!same_peer(&from, &c->peer)) {
			c->udp.foreign++;
			continue;
		}
		udp_take(c, slot++, (uint32_t)n);
		if (slot < DATAGRAMS)
			continue;
		udp_pack(c);
		if (c->udp.head != c->udp.tail)
			return;
		slot = 0;
	}
	udp_pack(c);
}

static bool has_port(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ?
		       ((const struct sockaddr_in6 *)a)->sin6_port :
		       ((const struct sockaddr_in *)a)->sin_port;
}

/*
 * Who sent it may be made up: no way goes there, or it has no port. Anybody can send
 * that, so it is no reason to end; and one line is told, not one for each.
 */
static int leave_out(struct ingest *r, const struct sockaddr_storage *from,
		     socklen_t len, const char *why)
{
	char name[80], byte;

	name_of(from, len, name, sizeof(name));
	if (!r->refused++)
		complain(
			IOU_EXIT_OK,
			"%s: a datagram is from %s, which cannot be connected to: %s: it is left out, and so are others like it",
			r->o->listen, name, why);
	recv(r->listen_fd, &byte, 1, MSG_DONTWAIT);
	return -EAGAIN;
}

int net_connect(struct ingest *r, struct conn *c)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char byte;
	int fd, err;

	if (recvfrom(r->listen_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT,
		     (struct sockaddr *)&from, &len) < 0)
		return errno == EAGAIN ?
			       -EAGAIN :
			       complain(IOU_EXIT_FAIL,
					"cannot receive on %s: %s",
					r->o->listen, strerror(errno));
	if (!has_port(&from))
		return leave_out(r, &from, len, "it has no port");
	if (connect(r->listen_fd, (struct sockaddr *)&from, len))
		return leave_out(r, &from, len, strerror(errno));
	fd = r->listen_fd;
	r->listen_fd = -1;
	err = conn_start(r, c, fd);
	/* there is no other socket to wait on */
	if (!err && c->state == CONN_FREE)
		err = IOU_EXIT_FAIL;
	if (!err)
		take_earlier(c);
	return err;
}

uint32_t net_drops(const struct conn *c)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (getsockopt(c->fd, SOL_SOCKET, SO_MEMINFO, mem, &len))
		return 0;
	return mem[SK_MEMINFO_DROPS];
}

/* --------------------------------------------------------------------- TCP */

uint64_t net_unread(const struct conn *c)
{
	int n = 0;

	if (ioctl(c->fd, SIOCINQ, &n) || n < 0)
		return 0;
	return (uint64_t)n;
}

/* The end of the stream counts as a byte; not so where it can still come. */
uint64_t net_arrived(const struct conn *c, unsigned int *slack)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	*slack = 0;
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return 0;
	*slack = info.tcpi_state != TCPI_ESTABLISHED &&
		 info.tcpi_state != TCPI_FIN_WAIT1 &&
		 info.tcpi_state != TCPI_FIN_WAIT2;
	return info.tcpi_bytes_received;
}

uint64_t net_consumed(const struct conn *c, unsigned int *slack)
{
	uint64_t unread, before, arrived;
	unsigned int n = 0;

	/* bytes that come in between would be in one number and not the other */
	unread = net_unread(c);
	do {
		before = unread;
		arrived = net_arrived(c, slack);
		unread = net_unread(c);
	} while (unread != before && ++n < 1000);
	return arrived > unread ? arrived - unread : 0;
}

/* -------------------------------------------------------------------- acks */

static bool send_rest(struct conn *c)
{
	ssize_t n = send(c->fd, c->ack + c->ack_sent, c->ack_len - c->ack_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	c->r->syscalls++;
	if (n > 0)
		c->ack_sent += (size_t)n;
	return c->ack_sent == c->ack_len;
}

void net_ack(struct conn *c, bool last)
{
	/* a line that was begun is ended first; a later one says all it said */
	if (c->ack_sent && c->ack_sent < c->ack_len && !send_rest(c)) {
		c->r->acks_held++;
		return;
	}
	c->ack_len = (size_t)snprintf(c->ack, sizeof(c->ack),
				      last ? "durable %llu\nend %s\n" :
					     "durable %llu\n",
				      (unsigned long long)c->track.durable,
				      stream_state_name(c->end));
	c->ack_sent = 0;
	c->acked = c->track.durable;
	if (!send_rest(c))
		c->r->acks_held++;
}
