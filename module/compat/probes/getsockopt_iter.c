// SPDX-License-Identifier: GPL-2.0
/* Socket options can be read into kernel memory. */
#include <linux/net.h>
int f(struct socket *sock, sockopt_t *opt);
int f(struct socket *sock, sockopt_t *opt)
{
	return sock->ops->getsockopt_iter(sock, 0, 0, opt);
}
