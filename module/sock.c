// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets: attaching, rights, the wait queue, the way out
 *
 * An attached socket is like a registered file: who has the fd may send and
 * receive, and it stays open. The application may go on using it. So whatever it
 * does there, shut it down, change its options, put a layer on it, is something
 * that the next sendmsg() or recvmsg() tells, and nothing that is assumed not to
 * happen.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "sock.h"

/* How long sends may take to end when the attachment or the region goes */
#define IOU_SOCK_LINGER HZ

/* ---------------------------------------------------------------- errors */

u16 iou_sock_reason(int error)
{
	switch (error) {
	case -ECONNRESET:
	case -ECONNABORTED:
		return IO_UNIFIED_REASON_RESET;
	case -EPIPE:
		return IO_UNIFIED_REASON_SHUT;
	case -ETIMEDOUT:
		return IO_UNIFIED_REASON_PEER_TIMEOUT;
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENETUNREACH:
	case -ENETDOWN:
	case -ENOPROTOOPT:
		return IO_UNIFIED_REASON_UNREACHABLE;
	case -EMSGSIZE:
		return IO_UNIFIED_REASON_DATAGRAM;
	case -ENOTCONN:
	case -EDESTADDRREQ:
		return IO_UNIFIED_REASON_NOT_CONNECTED;
	case -EOPNOTSUPP:
		return IO_UNIFIED_REASON_SOCKET_ULP;
	default:
		return IO_UNIFIED_REASON_SOCKET;
	}
}

/*
 * TCP tells an error once, to whoever asks first. After that sending is -EPIPE,
 * and receiving looks like the orderly end of the stream, which it is not.
 */
int iou_sock_error(struct iou_sock *s, int error)
{
	if (!s->stream || inet_sk_state_load(s->sock->sk) != TCP_CLOSE)
		return error;
	if (error && error != -EPIPE && error != -ENOTCONN) {
		WRITE_ONCE(s->error, error);
		return error;
	}
	return READ_ONCE(s->error) ?: error;
}

/* ------------------------------------------------------------- wait queue */

static int iou_sock_woken(wait_queue_entry_t *wait, unsigned int mode, int sync,
			  void *key)
{
	struct iou_sock *s = container_of(wait, struct iou_sock, wait);
	__poll_t events = key_to_poll(key);

	/* Who wakes without saying for what means everything. */
	if (!events || events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		iou_sock_tx_wake(s);
	if (!events || events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		iou_sock_rx_wake(s);
	return 0;
}

static void iou_sock_queue_proc(struct file *file, wait_queue_head_t *wqh,
				poll_table *table)
{
	struct iou_sock *s = container_of(table, struct iou_sock, table);

	if (s->wqh)
		return;
	init_waitqueue_func_entry(&s->wait, iou_sock_woken);
	s->wqh = wqh;
	add_wait_queue(wqh, &s->wait);
}

static int iou_sock_listen(struct iou_sock *s)
{
	init_poll_funcptr(&s->table, iou_sock_queue_proc);
	vfs_poll(s->file, &s->table);
	return s->wqh ? 0 : -EIO;
}

/* ---------------------------------------------------------------- the end */

static void iou_sock_linger(struct iou_sock *s, unsigned long until)
{
	while (!iou_sock_tx_idle(s) && time_before(jiffies, until))
		usleep_range(500, 1000);
}

void iou_sock_stop_sending(struct iou_region *r)
{
	unsigned long until = jiffies + IOU_SOCK_LINGER;
	struct iou_att *att;

	/* The same second for all of them. */
	list_for_each_entry(att, &r->atts, node)
		if (att->kind == IO_UNIFIED_KIND_SOCKET)
			iou_sock_linger(iou_att_sock(att), until);
	list_for_each_entry(att, &r->atts, node)
		if (att->kind == IO_UNIFIED_KIND_SOCKET)
			iou_sock_tx_close(iou_att_sock(att));
}

static void iou_sock_stop(struct iou_att *att)
{
	struct iou_sock *s = iou_att_sock(att);

	/* What waits to be received was canceled, what waits to be sent too. */
	iou_sock_linger(s, jiffies + IOU_SOCK_LINGER);
	iou_sock_tx_close(s);
	remove_wait_queue(s->wqh, &s->wait);
}

static void iou_sock_close(struct iou_sock *s)
{
	cancel_delayed_work_sync(&s->tx.work);
	cancel_work_sync(&s->rx.work);
	fput(s->file);
}

static void iou_sock_free(struct iou_sock *s)
{
	iou_att_exit(&s->att);
	kfree(s);
}

static void iou_sock_free_rcu(struct rcu_head *rcu)
{
	iou_sock_free(container_of(rcu, struct iou_sock, rcu));
}

static void iou_sock_release(struct iou_att *att)
{
	struct iou_sock *s = iou_att_sock(att);

	iou_sock_close(s);
	iou_sock_free(s);
}

/* A server closes hundreds of connections in a second, in one thread. */
static void iou_sock_retire(struct iou_att *att)
{
	struct iou_sock *s = iou_att_sock(att);

	iou_sock_close(s);
	call_rcu(&s->rcu, iou_sock_free_rcu);
}

static void iou_sock_show(struct iou_att *att, struct seq_file *m)
{
	struct iou_sock *s = iou_att_sock(att);
	const struct sock *sk = s->sock->sk;
	u16 port = ntohs(inet_sk(sk)->inet_dport);

	seq_printf(m, "iou-socket-%u:\tprotocol=%s peer=", att->index,
		   s->stream ? "tcp" : "udp");
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		seq_printf(m, "[%pI6c]:%u", &sk->sk_v6_daddr, port);
	else
#endif
		seq_printf(m, "%pI4:%u", &inet_sk(sk)->inet_daddr, port);
	seq_printf(m, " sending=%u receiving=%u error=%d\n",
		   READ_ONCE(s->tx.nr), READ_ONCE(s->rx.nr),
		   READ_ONCE(s->error));
}

static const struct iou_att_ops iou_sock_ops = {
	.stop = iou_sock_stop,
	.release = iou_sock_release,
	.retire = iou_sock_retire,
	.show = iou_sock_show,
};

/* ---------------------------------------------------------------- attach */

static bool iou_sock_is_inet(const struct sock *sk)
{
	return sk->sk_family == AF_INET || sk->sk_family == AF_INET6;
}

static int iou_sock_refuse(struct io_unified_attach *arg, int error, u32 reason)
{
	arg->reason = reason;
	return error;
}

static int iou_sock_check(struct iou_sock *s, struct io_unified_attach *arg)
{
	struct sock *sk = s->sock->sk;
	const u32 connected = TCPF_ESTABLISHED | TCPF_CLOSE_WAIT |
			      TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2;

	if (!sk || !iou_sock_is_inet(sk))
		return iou_sock_refuse(arg, -EPROTONOSUPPORT,
				       IO_UNIFIED_REASON_SOCKET_TYPE);
	s->stream = s->sock->type == SOCK_STREAM &&
		    sk->sk_protocol == IPPROTO_TCP;
	if (!s->stream &&
	    !(s->sock->type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP))
		return iou_sock_refuse(arg, -EPROTONOSUPPORT,
				       IO_UNIFIED_REASON_SOCKET_TYPE);
	if (!(1 << inet_sk_state_load(sk) &
	      (s->stream ? connected : TCPF_ESTABLISHED)))
		return iou_sock_refuse(arg, -ENOTCONN,
				       IO_UNIFIED_REASON_NOT_CONNECTED);
	/* kTLS, a sockmap: they do not send the bytes that they are given. */
	if (s->stream && (inet_csk_has_ulp(sk) ||
			  READ_ONCE(sk->sk_prot)->sendmsg != tcp_sendmsg))
		return iou_sock_refuse(arg, -EOPNOTSUPP,
				       IO_UNIFIED_REASON_SOCKET_ULP);
	return 0;
}

struct iou_att *iou_sock_attach(struct iou_region *r,
				struct io_unified_attach *arg)
{
	struct iou_sock *s;
	int ret;

	if (arg->flags)
		return ERR_PTR(
			iou_sock_refuse(arg, -EINVAL, IO_UNIFIED_REASON_FLAGS));
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return ERR_PTR(-ENOMEM);

	s->file = fget(arg->fd);
	if (!s->file) {
		ret = iou_sock_refuse(arg, -EBADF, IO_UNIFIED_REASON_BAD_FD);
		goto err_free;
	}
	s->sock = sock_from_file(s->file);
	if (!s->sock) {
		ret = iou_sock_refuse(arg, -ENOTSOCK,
				      IO_UNIFIED_REASON_NOT_SOCKET);
		goto err_fput;
	}
	ret = iou_sock_check(s, arg);
	if (ret)
		goto err_fput;
	iou_sock_tx_init(s);
	iou_sock_rx_init(s);
	ret = iou_att_init(&s->att, r, &iou_sock_ops, IO_UNIFIED_KIND_SOCKET);
	if (ret)
		goto err_fput;
	ret = iou_sock_listen(s);
	if (ret)
		goto err_att;
	return &s->att;

err_att:
	iou_att_exit(&s->att);
err_fput:
	fput(s->file);
err_free:
	kfree(s);
	return ERR_PTR(ret);
}
