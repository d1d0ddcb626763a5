// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets over a NIC that gathers: nothing is copied on the way out, and what was
 * sent may be overwritten at once. Two of e1000e on one hub, the other one in a
 * network namespace of its own.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/sock.h"

enum { SLOTS = 24, SLOT = 64 << 10, TOTAL = 8 << 20 };

static struct t_region r;
static struct t_conn c;
static int sock;

/*
 * The emulated NIC cuts segments of IPv6 into what nobody can put together. The
 * kernel does it as well, and does not copy either.
 */
static void segment_in_kernel(const char *name)
{
	struct ethtool_value off = { .cmd = ETHTOOL_STSO };
	struct ifreq req = { .ifr_data = (void *)&off };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(req.ifr_name, IFNAMSIZ, "%.15s", name);
	REQUIRE(!ioctl(fd, SIOCETHTOOL, &req), "%s", name);
	close(fd);
}

static void set_up(int type)
{
	struct t_opt opt = { .memory = T_MEM_MEMFD, .size = 4 << 20 };

	if (access("/run/netns/iouns", F_OK))
		t_skip("no two e1000e");
	t_region_open(&r, &opt);
	t_connect(&c, *(const int *)t_arg, type, T_NS);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

static u32 queue(u32 slot, u64 at)
{
	struct io_unified_desc d =
		t_send_op(sock, slot, t_frame(&r, 0) + slot * SLOT + at % 4000,
			  1 + at * 7919 % (SLOT - 4096));

	t_stream_fill(t_ptr(&r, d.addr), d.len, at);
	t_queue(&r, &d);
	return d.len;
}

static void stream(void)
{
	u32 len[SLOTS], slot, flying = 0, copied = 0;
	struct t_peer peer;
	struct t_res res;
	u64 at = 0;

	set_up(SOCK_STREAM);
	if (*(const int *)t_arg == AF_INET6)
		segment_in_kernel(t_ns_nic_here());
	t_peer_read(&peer, c.peer, ~0ull, 100000, 0);
	for (slot = 0; slot < SLOTS; slot++, flying++) {
		len[slot] = queue(slot, at);
		at += len[slot];
	}
	t_submit(&r);
	while (flying) {
		REQUIRE(t_reap(&r, &res, 10000));
		slot = res.user_data;
		CHECK_EQ(res.res, len[slot], "reason %u", res.reason);
		copied += !!(res.flags & IO_UNIFIED_CQE_COPIED);
		memset(t_ptr(&r, t_frame(&r, 0) + slot * SLOT), 0xee, SLOT);
		if (at >= TOTAL) {
			flying--;
			continue;
		}
		len[slot] = queue(slot, at);
		at += len[slot];
		t_submit(&r);
	}
	shutdown(c.end, SHUT_WR);
	t_peer_join(&peer);
	CHECK_EQ(peer.done, at);
	CHECK_EQ(copied, 0);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_SOCKET, sock,
			IO_UNIFIED_STAT_TX_BYTES),
		 at);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_SOCKET, sock,
			IO_UNIFIED_STAT_TX_COPIED_BYTES),
		 0);
	tear_down();
}

static void datagrams(void)
{
	struct io_unified_desc d;
	struct t_res res;
	u8 buf[2000];
	int i;

	set_up(SOCK_DGRAM);
	for (i = 0; i < 50; i++) {
		d = t_send_op(sock, i, t_frame(&r, 1) + i, 100 + i * 25);
		t_stream_fill(t_ptr(&r, d.addr), d.len, i);
		res = t_op(&r, &d);
		CHECK_EQ(res.res, d.len, "reason %u", res.reason);
		CHECK(!(res.flags & IO_UNIFIED_CQE_COPIED), "%u bytes", d.len);
		memset(t_ptr(&r, t_frame(&r, 0)), 0xee, 3 * 4096);
		REQUIRE_EQ(recv(c.peer, buf, sizeof(buf), 0), d.len);
		CHECK(t_stream_is(buf, d.len, i), "%d", i);
	}
	/* More than a frame is put together by the CPU, and says so. */
	d = t_send_op(sock, 99, t_frame(&r, 1), 8000);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 8000, "reason %u", res.reason);
	CHECK(res.flags & IO_UNIFIED_CQE_COPIED);
	tear_down();
}

static void clean(void)
{
	t_ns_del();
}

static const int four = AF_INET, six = AF_INET6;

static const struct t_case cases[] = {
	{ "two NICs", t_ns_two_nics },
	{ "TCP, IPv4", stream, 0, &four },
	{ "TCP, IPv6", stream, 0, &six },
	{ "UDP, IPv4", datagrams, 0, &four },
	{ "UDP, IPv6", datagrams, 0, &six },
	{ "nothing is left", clean },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
