// SPDX-License-Identifier: GPL-2.0
/* UDP sockets: a datagram for each op, whole, cut, or too long. */
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/sock.h"

/* Each op has a slot of the region, and may be anywhere in it. */
enum { SLOTS = 32, SLOT = 64 << 10 };

static struct t_region r;
static struct t_conn c;
static int sock;
static void set_up(void)
{
	struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 8 << 20 };

	t_region_open(&r, &opt);
	t_connect(&c, *(const int *)t_arg, SOCK_DGRAM, T_LO);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

static u64 sock_stat(enum io_unified_stat s)
{
	return t_stat(&r, IO_UNIFIED_KIND_SOCKET, sock, s);
}

static u64 slot_addr(u32 slot)
{
	return r.reg.data_off + (u64)slot * SLOT + t_dice(4096);
}

static void datagrams(void)
{
	enum { N = 200 };
	static u8 buf[70000];
	struct io_unified_desc d;
	struct t_res res;
	u32 len[SLOTS], i, k, n;
	ssize_t got;

	set_up();
	t_rcvbuf(c.peer, 4 << 20);
	t_rcvbuf(c.end, 4 << 20);
	for (i = 0; i < N; i += SLOTS) {
		n = N - i < SLOTS ? N - i : SLOTS;
		for (k = 0; k < n; k++) {
			len[k] = 1 + t_dice(k % 4 ? 1400 : 9000);
			d = t_send_op(sock, k, slot_addr(k), len[k]);
			t_stream_fill(t_ptr(&r, d.addr), len[k], i + k);
			t_queue(&r, &d);
		}
		t_submit(&r);
		/* Not read before all was sent and overwritten */
		for (k = 0; k < n; k++) {
			res = t_next(&r);
			CHECK_EQ(res.res, len[res.user_data], "reason %u",
				 res.reason);
			CHECK(res.flags & IO_UNIFIED_CQE_SENT);
			memset(t_ptr(&r, r.reg.data_off + res.user_data * SLOT),
			       0xee, SLOT);
		}
		for (k = 0; k < n; k++) {
			got = recv(c.peer, buf, sizeof(buf), MSG_DONTWAIT);
			REQUIRE_EQ(got, len[k], "datagram %u", i + k);
			CHECK(t_stream_is(buf, got, i + k), "datagram %u",
			      i + k);
		}
	}
	CHECK_EQ(sock_stat(IO_UNIFIED_STAT_TX_PACKETS), N);

	/* And back: one each, cut if the op has no room for it. */
	for (i = 0; i < 8; i++) {
		d = t_recv_op(sock, i, slot_addr(i), 1000);
		t_queue(&r, &d);
		len[i] = d.addr - r.reg.data_off;
	}
	t_submit(&r);
	t_silent(&r, 20);
	for (i = 0; i < 8; i++) {
		t_stream_fill(buf, 3000, i);
		REQUIRE(send(c.peer, buf, i * 300, 0) == (ssize_t)i * 300);
	}
	for (i = 0; i < 8; i++) {
		res = t_next(&r);
		k = res.user_data;
		n = k * 300 < 1000 ? k * 300 : 1000;
		CHECK_EQ(res.res, n, "reason %u", res.reason);
		CHECK_EQ(!!(res.flags & IO_UNIFIED_CQE_TRUNC), k * 300 > 1000);
		CHECK(t_stream_is(t_ptr(&r, r.reg.data_off + len[k]), n, k));
	}

	d = t_send_op(sock, 1, r.reg.data_off, 65536);
	t_ends(&r, &d, -EMSGSIZE, IO_UNIFIED_REASON_DATAGRAM);
	d = t_recv_op(sock, 1, r.reg.data_off, 1000);
	d.flags |= IO_UNIFIED_F_WAITALL;
	t_ends(&r, &d, -EOPNOTSUPP, IO_UNIFIED_REASON_SOCKET_TYPE);

	/* Nobody is there: told to who waits. */
	d = t_recv_op(sock, 77, r.reg.data_off, 1000);
	t_queue(&r, &d);
	t_submit(&r);
	t_silent(&r, 20);
	close(c.peer);
	d = t_send_op(sock, 78, r.reg.data_off + SLOT, 100);
	t_queue(&r, &d);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = t_next(&r);
		if (res.user_data == 78)
			continue;
		CHECK_EQ(res.res, -ECONNREFUSED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_UNREACHABLE);
	}
	tear_down();
}

static const int four = AF_INET, six = AF_INET6;

static const struct t_case cases[] = {
	{ "IPv4", datagrams, 0, &four },
	{ "IPv6", datagrams, 0, &six },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
