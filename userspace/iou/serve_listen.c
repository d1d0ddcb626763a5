// SPDX-License-Identifier: MIT
/* iou serve: the socket that connections come from */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "serve.h"

static int try_one(const struct addrinfo *a, const struct serve_options *o)
{
	const int one = 1, zero = 0;
	const unsigned int ms = (unsigned int)o->idle * 1000;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	/* each connection inherits these: none has to be asked for */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 4096)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static void tell_address(struct serve *s)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64], port[8];

	if (getsockname(s->listen_fd, (struct sockaddr *)&addr, &len) ||
	    getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(s->address, sizeof(s->address),
		 strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int serve_listen(struct serve *s)
{
	const struct serve_options *o = s->o;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *list, *a;
	int pass, fd = -EADDRNOTAVAIL, err;

	err = getaddrinfo(o->host[0] ? o->host : NULL, o->port, &hints, &list);
	if (err)
		return complain(IOU_EXIT_USAGE, "cannot listen on '%s': %s",
				o->host, gai_strerror(err));
	/* a socket of IPv6 takes both */
	for (pass = 0; pass < 2 && fd < 0; pass++)
		for (a = list; a && fd < 0; a = a->ai_next)
			if ((a->ai_family == AF_INET6) == !pass)
				fd = try_one(a, o);
	freeaddrinfo(list);
	if (fd < 0)
		return complain(fd == -EADDRINUSE ? IOU_EXIT_REFUSED :
				fd == -EACCES	  ? IOU_EXIT_UNAVAILABLE :
						    IOU_EXIT_FAIL,
				"cannot listen on %s%sport %s: %s", o->host,
				o->host[0] ? " " : "", o->port, strerror(-fd));
	s->listen_fd = fd;
	tell_address(s);
	return 0;
}
