// SPDX-License-Identifier: GPL-2.0
/* Receive ops: one posted frame, one packet, over every way to receive. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/net.h"

static struct t_region r;
static struct t_link l;
static struct io_unified_attach net;
static const struct t_way *way;

static void set_up(void)
{
	way = t_arg;
	t_link_open(&l, way, 1500);
	t_region_open(&r, NULL);
	t_link_attach_as(&r, &l, way, &net);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_link_close(&l);
}

static struct io_unified_desc rx_desc(u64 user_data, u32 frame)
{
	return (struct io_unified_desc){
		.user_data = user_data,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_RX,
		.net = net.index,
		.addr = t_frame(&r, frame),
		.len = r.frame_size,
	};
}

static void post(u64 user_data, u32 frame, u32 flags)
{
	struct io_unified_desc d = rx_desc(user_data, frame);

	d.flags |= flags;
	t_queue(&r, &d);
}

static bool copies(void)
{
	return net.path != IO_UNIFIED_PATH_XSK_ZC;
}

/* The packet of a completion is in the frame that was posted. */
static u32 check_packet(const struct t_res *res, u32 frame)
{
	const u8 *p = t_ptr(&r, t_frame(&r, frame) + res->offset);
	u32 seq;

	REQUIRE(res->res > T_HEADER, "%d, reason %u", res->res, res->reason);
	CHECK(res->offset >= 64 && res->offset + res->res <= (int)r.frame_size);
	seq = t_packet_seq(p);
	CHECK(t_is_packet(p, res->res, seq), "packet %u in frame %u", seq,
	      frame);
	CHECK_EQ(!!(res->flags & IO_UNIFIED_CQE_COPIED), copies());
	CHECK_EQ(res->reason, 0);
	return seq;
}

static u64 net_stat(enum io_unified_stat c)
{
	return t_stat(&r, IO_UNIFIED_KIND_NETDEV, net.index, c);
}

/* Many frames, posted in an order of their own; packets of many sizes. */
static void many(void)
{
	enum { FRAMES = 128, ROUNDS = 4 };
	struct io_unified_cqe cqe;
	struct t_res res;
	bool seen[FRAMES * ROUNDS] = { false };
	u32 seq = 0, got, bytes = 0;
	int i, round;

	set_up();
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < FRAMES; i++)
			post(i, (i * 37 + round) % 256, IO_UNIFIED_F_CQ);
		t_submit(&r);
		for (i = 0; i < FRAMES; i++) {
			t_send(&l, 60 + (seq + i) * 7 % 1400, seq + i);
			bytes += 60 + (seq + i) * 7 % 1400;
		}
		for (i = 0; i < FRAMES; i++) {
			REQUIRE(t_reap(&r, &res, 10000), "%d of %d in round %d",
				i, FRAMES, round);
			got = check_packet(&res,
					   (res.user_data * 37 + round) % 256);
			REQUIRE(got >= seq && got < seq + FRAMES && !seen[got]);
			seen[got] = true;
			CHECK_EQ(res.res, 60 + got * 7 % 1400);
			REQUIRE(t_cq(&r, &cqe, 1000));
			CHECK_EQ(cqe.res,
				 60 + (int)t_packet_seq(t_ptr(&r, cqe.addr)) *
						 7 % 1400);
			CHECK_EQ(cqe.len, cqe.res);
			CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NETWORK);
			CHECK(t_is_packet(t_ptr(&r, cqe.addr), cqe.len,
					  t_packet_seq(t_ptr(&r, cqe.addr))));
		}
		seq += FRAMES;
	}
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_RX_PACKETS), seq);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_RX_BYTES), bytes);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_RX_COPIED_BYTES),
		 copies() ? bytes : 0);
	tear_down();
}

/* More packets than frames: all are accounted for, none is delivered twice. */
static void too_few(void)
{
	enum { FRAMES = 16, PACKETS = 100 };
	static const enum io_unified_stat drops[] = {
		IO_UNIFIED_STAT_DROP_NO_OP, IO_UNIFIED_STAT_DROP_NO_FRAME,
		IO_UNIFIED_STAT_DROP_XSK,   IO_UNIFIED_STAT_DROP_XSK_RING,
		IO_UNIFIED_STAT_DROP_NIC,
	};
	bool seen[PACKETS] = { false };
	struct t_res res;
	u64 dropped = 0, sum, end;
	unsigned int i;
	u32 seq;

	set_up();
	for (i = 0; i < FRAMES; i++)
		post(i, i, 0);
	t_submit(&r);
	for (i = 0; i < PACKETS; i++)
		t_send(&l, 100, i);
	for (i = 0; i < FRAMES; i++) {
		REQUIRE(t_reap(&r, &res, 10000));
		seq = check_packet(&res, res.user_data);
		REQUIRE(seq < PACKETS && !seen[seq]);
		seen[seq] = true;
	}
	CHECK(!t_reap(&r, &res, 100), "a completion too many");
	/*
	 * A NIC's ring may keep packets until a frame comes: post some, so that
	 * it all gets through.
	 */
	end = t_now_ms() + 5000;
	do {
		post(1000, 100, 0);
		t_submit(&r);
		if (!t_reap(&r, &res, 200)) {
			t_queue_cancel(&r, 1000, 1);
			t_submit(&r);
			REQUIRE(t_reap(&r, &res, 5000));
			REQUIRE(t_reap(&r, &res, 5000));
		} else {
			dropped++;
		}
		sum = dropped;
		for (i = 0; i < ARRAY_SIZE(drops); i++)
			sum += net_stat(drops[i]);
	} while (sum < PACKETS - FRAMES && t_now_ms() < end);
	CHECK_EQ(sum, PACKETS - FRAMES,
		 "late %llu, no op %llu, xsk %llu, ring %llu, nic %llu",
		 (unsigned long long)dropped,
		 (unsigned long long)net_stat(IO_UNIFIED_STAT_DROP_NO_OP),
		 (unsigned long long)net_stat(IO_UNIFIED_STAT_DROP_XSK),
		 (unsigned long long)net_stat(IO_UNIFIED_STAT_DROP_XSK_RING),
		 (unsigned long long)net_stat(IO_UNIFIED_STAT_DROP_NIC));
	tear_down();
}

static void cancel(void)
{
	struct t_res res;
	int i, canceled = 0, found = -1;

	set_up();
	for (i = 0; i < 20; i++)
		post(i < 12 ? 77 : 78, i, 0);
	t_submit(&r);
	CHECK(!t_reap(&r, &res, 50));
	t_queue_cancel(&r, 77, 5);
	t_submit(&r);
	for (i = 0; i < 13; i++) {
		REQUIRE(t_reap(&r, &res, 5000), "%d", i);
		if (res.user_data == 5) {
			found = res.res;
			continue;
		}
		CHECK_EQ(res.user_data, 77);
		CHECK_EQ(res.res, -ECANCELED);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_CANCELED);
		canceled++;
	}
	CHECK_EQ(found, 12);
	CHECK_EQ(canceled, 12);
	/* The others still wait; canceled frames can be posted again. */
	for (i = 0; i < 12; i++)
		post(100 + i, i, 0);
	t_submit(&r);
	for (i = 0; i < 20; i++)
		t_send(&l, 200, i);
	for (i = 0; i < 20; i++) {
		REQUIRE(t_reap(&r, &res, 5000), "%d of 20", i);
		CHECK_EQ(res.res, 200);
		CHECK_EQ(res.reason, 0);
	}
	tear_down();
}

static void frame_busy(void)
{
	struct t_res res;

	set_up();
	post(1, 5, 0);
	t_submit(&r);
	post(2, 5, 0);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.user_data, 2);
	CHECK_EQ(res.res, -EBUSY);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_FRAME_BUSY);
	t_send(&l, 64, 0);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.user_data, 1);
	CHECK_EQ(res.res, 64);
	tear_down();
}

static void refused(void)
{
	struct io_unified_desc d;
	struct t_res res;

	set_up();
	d = rx_desc(1, 0);
	d.addr += 64;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_ALIGN);
	d = rx_desc(1, 0);
	d.len = 2048;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	d = rx_desc(1, 0);
	d.len *= 2;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_SIZE);
	d = rx_desc(1, 0);
	d.addr = r.reg.data_off + r.reg.data_size;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_ADDR);
	d = rx_desc(1, 0);
	d.dev_offset = 4096;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	tear_down();
}

/* All ops that wait end, whatever the queue's end is. */
static void expect_all(int n, int error, u16 reason)
{
	struct t_res res;
	int i;

	for (i = 0; i < n; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%d of %d", i, n);
		CHECK_EQ(res.res, -error);
		CHECK_EQ(res.reason, reason);
	}
}

static void post_some(int n)
{
	int i;

	for (i = 0; i < n; i++)
		post(i, i, 0);
	t_submit(&r);
}

static void link_down(void)
{
	struct io_unified_desc d;
	struct t_res res;
	int i;

	set_up();
	post_some(32);
	t_link_up(l.rx, false);
	expect_all(32, ENETDOWN, IO_UNIFIED_REASON_NET_DOWN);
	d = rx_desc(1, 0);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ENETDOWN);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NET_DOWN);
	/* Up again: frames can be posted again and are filled. */
	t_link_up(l.rx, true);
	t_sleep_ms(100);
	post_some(32);
	for (i = 0; i < 32; i++)
		t_send(&l, 300, i);
	for (i = 0; i < 32; i++) {
		REQUIRE(t_reap(&r, &res, 5000),
			"%d of 32 after the link came back", i);
		CHECK_EQ(res.res, 300);
	}
	tear_down();
}

static void netdev_gone(void)
{
	struct io_unified_desc d;
	struct t_res res;

	set_up();
	if (strcmp(way->link, "veth"))
		t_skip("only a veth is deleted");
	post_some(32);
	t_veth_del();
	expect_all(32, ENODEV, IO_UNIFIED_REASON_NET_GONE);
	d = rx_desc(1, 0);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ENODEV);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NET_GONE);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
	t_region_close(&r);
}

static void detach(void)
{
	struct io_unified_desc d;
	struct t_res res;

	set_up();
	post_some(32);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
	expect_all(32, ECANCELED, IO_UNIFIED_REASON_GONE);
	d = rx_desc(1, 0);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ENOENT);
	/* And on again, in the same place. */
	CHECK_EQ(t_link_attach(&r, &l, way), net.index);
	post_some(8);
	t_send(&l, 64, 3);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.res, 64);
	tear_down();
}

static void unregister(void)
{
	set_up();
	post_some(32);
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	expect_all(32, ECANCELED, IO_UNIFIED_REASON_GONE);
	t_link_close(&l);
}

/* Straight to the drive: padded with zeros to whole blocks. */
static void to_storage(void)
{
	enum { PACKETS = 32 };
	struct io_unified_desc d;
	struct io_unified_cqe cqe;
	struct t_disk disk;
	struct t_res res;
	u8 *buf = malloc(PACKETS * 4096);
	bool seen[PACKETS] = { false };
	u32 i, j, len, where, seq;
	int storage;

	t_disk_nvme(&disk, 512, 0);
	set_up();
	storage = t_attach_storage(&r, disk.path, 0);
	memset(buf, 0xcc, PACKETS * 4096);
	t_disk_write(&disk, buf, PACKETS * 4096, 1 << 20);
	for (i = 0; i < PACKETS; i++) {
		memset(t_ptr(&r, t_frame(&r, i)), 0xdd, r.frame_size);
		d = rx_desc(i, i);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_WRITE | IO_UNIFIED_F_CQ;
		d.storage = storage;
		d.dev_offset = (1 << 20) + i * 4096;
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (i = 0; i < PACKETS; i++)
		t_send(&l, 64 + i * 44, i);
	for (i = 0; i < PACKETS; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%u", i);
		CHECK_EQ(res.reason, 0);
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME);
		CHECK(cqe.res > 0);
	}
	t_disk_read(&disk, buf, PACKETS * 4096, 1 << 20);
	for (i = 0; i < PACKETS; i++) {
		/* Which frame takes which packet is up to the NIC. */
		where = i * 4096;
		seq = t_packet_seq(buf + where);
		REQUIRE(seq < PACKETS && !seen[seq]);
		seen[seq] = true;
		len = 64 + seq * 44;
		CHECK(t_is_packet(buf + where, len, seq));
		for (j = len; j % 512; j++)
			if (buf[where + j])
				break;
		CHECK_EQ(j % 512, 0, "padding of packet %u", i);
		CHECK_EQ(buf[where + j], 0xcc, "one block too many");
	}
	free(buf);
	tear_down();
}

/* The packet gets to the stack of the namespace that the interface is in now. */
static void passes(int sock, u32 seq)
{
	u8 buf[2048];
	int n;

	t_send(&l, 300, seq);
	n = t_receive(sock, buf, sizeof(buf), 3000);
	CHECK(n == 300 && t_is_packet(buf, n, seq), "%d bytes", n);
}

/* An interface that moves to another namespace is gone, and that one's. */
static void netdev_moved(void)
{
	const int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct t_res res;
	int ns, sock, i;

	set_up();
	post_some(32);
	REQUIRE(!t_sh("ip netns add ioumove && ip link set %s netns ioumove",
		      l.rx));
	for (i = 0; i < 32; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%d of 32", i);
		CHECK(res.res == -ENETDOWN || res.res == -ENODEV, "%d",
		      res.res);
	}
	ns = open("/run/netns/ioumove", O_RDONLY | O_CLOEXEC);
	REQUIRE(own >= 0 && ns >= 0 && !setns(ns, CLONE_NEWNET));
	t_link_up(l.rx, true);
	sock = t_listen(l.rx, false);
	REQUIRE(!setns(own, CLONE_NEWNET));
	passes(sock, 1);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
	passes(sock, 2);
	close(sock);
	close(ns);
	close(own);
	REQUIRE(t_link_del(l.tx));
	REQUIRE(!t_sh("ip netns del ioumove"));
	tear_down();
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };
static const struct t_way nic_rxh = { "virtio", IO_UNIFIED_ATTACH_RX_HANDLER };

#define EACH(text, fn)                                             \
	{ text ", AF_XDP on veth", fn, 0, &veth_xsk },             \
		{ text ", rx handler on veth", fn, 0, &veth_rxh }, \
		{ text ", NIC", fn, 0, &nic },                     \
	{                                                          \
		text ", rx handler on NIC", fn, 0, &nic_rxh        \
	}

static const struct t_case cases[] = {
	EACH("many frames", many),
	EACH("more packets than frames", too_few),
	EACH("cancel", cancel),
	EACH("a frame posted twice", frame_busy),
	EACH("ops that are refused", refused),
	EACH("link down and up", link_down),
	EACH("interface deleted", netdev_gone),
	{ "interface moved to another namespace, AF_XDP", netdev_moved, 0,
	  &veth_xsk },
	{ "interface moved to another namespace, rx handler", netdev_moved, 0,
	  &veth_rxh },
	EACH("detach", detach),
	EACH("unregister", unregister),
	EACH("packets to storage", to_storage),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
