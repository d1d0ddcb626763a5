// SPDX-License-Identifier: GPL-2.0
/* Send ops: what leaves, in which order, and when the bytes may be touched. */
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/net.h"
#include "lib/sq.h"

enum { MTU = 1500, MAX = MTU + T_HEADER };

static struct t_region r;
static struct t_link l;
static const struct t_way *way;
static int net;

static void set_up(void)
{
	struct t_opt opt = {
		.size = 16 << 20,
		.sq_entries = 1024,
		.cq_entries = 2048,
	};

	way = t_arg;
	t_link_open(&l, way, MTU);
	t_region_open(&r, &opt);
	net = t_attach_tx(&r, l.tx);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_link_close(&l);
}

static struct io_unified_desc tx_desc(u64 user_data, u64 addr, u32 len)
{
	return (struct io_unified_desc){
		.user_data = user_data,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_TX,
		.net_tx = net,
		.addr = addr,
		.len = len,
	};
}

/* Of every length, and at every place in its frame. */
static u32 len_of(u32 seq)
{
	return T_HEADER + 4 + seq * 397 % (MAX - T_HEADER - 3);
}

static u64 addr_of(u32 seq, u32 slot)
{
	return t_frame(&r, slot) + seq * 61 % 2500;
}

static u64 net_stat(enum io_unified_stat c)
{
	return t_stat(&r, IO_UNIFIED_KIND_NETDEV, net, c);
}

static void check_sent(const struct t_res *res, u32 len)
{
	CHECK_EQ(res->res, len, "reason %u", res->reason);
	CHECK_EQ(res->reason, 0);
	CHECK(res->flags & IO_UNIFIED_CQE_SENT);
}

/*
 * Packets @from to @to, each as it is, one after the other, and no others. A
 * VLAN tag may be in the packet or aside.
 */
static void expect(int sock, u32 from, u32 to)
{
	u8 room[4096 + 4], *buf;
	u32 seq;
	int n;

	for (seq = from; seq < to; seq++) {
		buf = room;
		n = t_receive(sock, buf, 4096, 5000);
		REQUIRE(n > 0, "packet %u is missing", seq);
		if (n == (int)len_of(seq) + 4) {
			memmove(buf + 4, buf, 12);
			buf += 4;
			n -= 4;
		}
		REQUIRE_EQ(t_packet_seq(buf), seq);
		CHECK_EQ(n, len_of(seq));
		CHECK(t_is_packet(buf, n, seq), "packet %u", seq);
	}
	CHECK(t_receive(sock, room, 4096, 50) < 0, "one too many");
}

/*
 * Sends @n packets, 48 at a time; what was sent is overwritten at once. Returns
 * how many were copied.
 */
static u32 send_many(u32 n)
{
	enum { SLOTS = 48 };
	struct io_unified_desc d;
	struct t_res res;
	u32 slot, seq = 0, done, copied = 0;
	u32 seq_of[SLOTS];

	for (slot = 0; slot < SLOTS && seq < n; slot++, seq++) {
		d = tx_desc(slot, addr_of(seq, slot), len_of(seq));
		t_packet(t_ptr(&r, d.addr), d.len, seq);
		seq_of[slot] = seq;
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (done = 0; done < n; done++) {
		REQUIRE(t_reap(&r, &res, 10000), "%u of %u", done, n);
		slot = res.user_data;
		REQUIRE(slot < SLOTS);
		check_sent(&res, len_of(seq_of[slot]));
		copied += !!(res.flags & IO_UNIFIED_CQE_COPIED);
		memset(t_ptr(&r, t_frame(&r, slot)), 0xee, r.frame_size);
		if (seq == n)
			continue;
		d = tx_desc(slot, addr_of(seq, slot), len_of(seq));
		t_packet(t_ptr(&r, d.addr), d.len, seq);
		seq_of[slot] = seq++;
		t_queue(&r, &d);
		t_submit(&r);
	}
	return copied;
}

static void check_counters(u32 n, u32 copied)
{
	u64 bytes = 0;
	u32 seq;

	for (seq = 0; seq < n; seq++)
		bytes += len_of(seq);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_PACKETS), n);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_BYTES), bytes);
	CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_DROPPED), 0);
	if (copied == n)
		CHECK_EQ(net_stat(IO_UNIFIED_STAT_TX_COPIED_BYTES), bytes);
}

/* The peer's socket is not read before everything was sent and overwritten. */
static void many(void)
{
	enum { N = 2000 };
	u32 copied;
	int sock;

	set_up();
	sock = t_listen(l.rx, false);
	copied = send_many(N);
	expect(sock, 0, N);
	check_counters(N, copied);
	/* What goes up the peer's stack has to be a copy. */
	if (!strcmp(way->link, "veth"))
		CHECK_EQ(copied, N);
	t_note("%u of %u copied", copied, N);
	close(sock);
	tear_down();
}

/* More than a NIC's ring holds, in one go. */
static void burst(void)
{
	enum { N = 1000, ROUNDS = 4 };
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	u32 seq = 0, i, round;
	int sock;

	set_up();
	sock = t_listen(l.rx, false);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < N; i++, seq++) {
			d = tx_desc(seq, addr_of(seq, i), len_of(seq));
			t_packet(t_ptr(&r, d.addr), d.len, seq);
			REQUIRE(t_sq_put(&r, 0, &d));
		}
		CHECK_EQ(t_ring(&r, 0, N, 0).res, N);
		for (i = 0; i < N; i++) {
			REQUIRE(t_cq(&r, &cqe, 0));
			CHECK_EQ(cqe.res, len_of(cqe.user_data), "reason %u",
				 cqe.reason);
			CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NETWORK);
			CHECK_EQ(cqe.count, 1);
			CHECK(cqe.flags & IO_UNIFIED_CQE_SENT);
		}
		memset(t_ptr(&r, t_frame(&r, 0)), 0xee, N * r.frame_size);
	}
	expect(sock, 0, seq);
	close(sock);
	tear_down();
}

/*
 * A VLAN device hands packets on to its lower device, whose taps get them too:
 * a tap on the sender that is not read before all was overwritten.
 */
static void tapped(void)
{
	enum { N = 500 };
	int peer, tap, i;
	u32 copied;

	set_up();
	if (t_sh("ip link add link %s name ioutv type vlan id 7", l.tx))
		t_skip("no VLANs in this kernel");
	t_write_file("/proc/sys/net/ipv6/conf/ioutv/disable_ipv6", "1");
	REQUIRE(!t_sh("ip link set ioutv up arp off"));
	for (i = 0;
	     i < 100 && !t_sh("ip link show ioutv | grep -q 'state DOWN'"); i++)
		t_sleep_ms(10);
	net = t_attach_tx(&r, "ioutv");
	peer = t_listen(l.rx, false);
	tap = t_listen(l.tx, true);
	copied = send_many(N);
	CHECK_EQ(copied, N, "a tap has a copy of its own");
	expect(tap, 0, N);
	expect(peer, 0, N);
	close(peer);
	close(tap);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net), 0);
	REQUIRE(!t_sh("ip link del ioutv"));
	tear_down();
}

/* Received by the module, too, in the same region. */
static void to_frames(void)
{
	enum { N = 64 };
	struct io_unified_attach a;
	struct io_unified_desc d;
	struct t_res res;
	u32 i, seq, got = 0, sent = 0;
	bool seen[N] = { false };
	u8 *p;

	set_up();
	t_link_attach_as(&r, &l, way, &a);
	for (i = 0; i < N; i++) {
		d = (struct io_unified_desc){
			.user_data = 1000 + i,
			.ops = IO_UNIFIED_OP_NETWORK,
			.flags = IO_UNIFIED_F_RX,
			.net = a.index,
			.addr = t_frame(&r, 1000 + i),
			.len = r.frame_size,
		};
		t_queue(&r, &d);
		if (i % 32 == 31)
			t_submit(&r);
	}
	for (i = 0; i < N; i++) {
		d = tx_desc(i, addr_of(i, i), len_of(i));
		t_packet(t_ptr(&r, d.addr), d.len, i);
		t_queue(&r, &d);
		if (i % 32 == 31)
			t_submit(&r);
	}
	while (got + sent < 2 * N) {
		REQUIRE(t_reap(&r, &res, 10000), "%u sent, %u received", sent,
			got);
		if (res.user_data < 1000) {
			check_sent(&res, len_of(res.user_data));
			sent++;
			continue;
		}
		p = t_ptr(&r, t_frame(&r, res.user_data) + res.offset);
		seq = t_packet_seq(p);
		REQUIRE(seq < N && !seen[seq]);
		seen[seq] = true;
		CHECK_EQ(res.res, len_of(seq));
		CHECK(t_is_packet(p, res.res, seq), "packet %u", seq);
		CHECK(!(res.flags & IO_UNIFIED_CQE_SENT));
		got++;
	}
	tear_down();
}

static void programs(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	u8 want[600], got[1024];
	struct t_res res;
	int i, sock, other, verdict, edit, set;

	set_up();
	sock = t_listen(l.rx, false);
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	set = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	d = tx_desc(1, t_frame(&r, 3), sizeof(want));
	d.ops |= IO_UNIFIED_OP_BPF;

	/* Edited, then sent. */
	d.bpf = edit;
	t_packet(t_ptr(&r, d.addr), sizeof(want), 5);
	t_packet(want, sizeof(want), 5);
	for (i = 0; i < 32; i++)
		want[i] = ~want[i];
	res = t_op(&r, &d);
	check_sent(&res, sizeof(want));
	CHECK_EQ(t_receive(sock, got, sizeof(got), 5000), sizeof(want));
	CHECK(!memcmp(got, want, sizeof(want)));

	/* XDP_TX is as good as XDP_PASS here. */
	d.bpf = verdict;
	t_packet(t_ptr(&r, d.addr), sizeof(want), 6);
	for (i = XDP_PASS; i <= XDP_TX; i++) {
		t_bpf_configure(obj, &(struct ops_config){ .verdict = i });
		res = t_op(&r, &d);
		check_sent(&res, sizeof(want));
		CHECK_EQ(t_receive(sock, got, sizeof(got), 5000), sizeof(want));
		CHECK(t_is_packet(got, sizeof(want), 6));
	}
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_DROP });
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 0);
	CHECK_EQ(res.flags, IO_UNIFIED_CQE_DROPPED);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_REDIRECT });
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EOPNOTSUPP);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_BPF_REDIRECT);

	/* Shortened; to an attachment that is not there, then to another one. */
	d.bpf = set;
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .set = SET_LEN,
						   .len = 100 });
	res = t_op(&r, &d);
	check_sent(&res, 100);
	CHECK_EQ(t_receive(sock, got, sizeof(got), 5000), 100);
	CHECK(!memcmp(got, t_ptr(&r, d.addr), 100));
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .set = SET_NET });
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_CTL_INDEX);
	t_bpf_configure(obj,
			&(struct ops_config){ .verdict = XDP_TX,
					      .set = SET_FLAGS,
					      .flags = IO_UNIFIED_CTL_AGAIN });
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EINVAL);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_CTL_FLAGS);
	CHECK(t_receive(sock, got, sizeof(got), 100) < 0);

	other = t_attach_tx(&r, l.rx);
	CHECK(other != net);
	close(sock);
	sock = t_listen(l.tx, false);
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "choose_net"));
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .storage = other });
	res = t_op(&r, &d);
	check_sent(&res, sizeof(want));
	CHECK_EQ(t_receive(sock, got, sizeof(got), 5000), sizeof(want));
	CHECK(t_is_packet(got, sizeof(want), 6));
	close(sock);
	tear_down();
	bpf_object__close(obj);
}

/* ----------------------------------------------------------- what is refused */

static void refuse(struct io_unified_desc d, int error, u16 reason,
		   const char *what)
{
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
	CHECK_EQ(res.flags, 0, "%s", what);
}

#define REFUSE(error, why, ...)                                              \
	do {                                                                 \
		struct io_unified_desc d_ = tx_desc(1, t_frame(&r, 1), 100); \
		struct io_unified_desc *d = &d_;                             \
		__VA_ARGS__;                                                 \
		refuse(d_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__);    \
	} while (0)

static void works(void)
{
	int sock = t_listen(l.rx, false);
	u8 late[4096];

	/* What was sent before is done, but may not have arrived. */
	while (t_receive(sock, late, sizeof(late), 50) >= 0)
		;
	send_many(3);
	expect(sock, 0, 3);
	close(sock);
}

static void refused(void)
{
	const u16 tag = 0x0081;
	struct io_unified_desc d;
	struct t_res res;
	u8 *p;

	set_up();
	REFUSE(EINVAL, SIZE, d->len = 0);
	REFUSE(EINVAL, TX_LEN, d->len = 1);
	REFUSE(EINVAL, TX_LEN, d->len = 13);
	REFUSE(EMSGSIZE, TX_LEN, d->len = MAX + 1);
	REFUSE(EMSGSIZE, TX_LEN, d->len = MAX + 4);
	REFUSE(EMSGSIZE, TX_LEN, d->len = MAX + 5);
	REFUSE(EMSGSIZE, TX_LEN, d->len = 8 << 20);
	REFUSE(EINVAL, SIZE, d->len = IO_UNIFIED_MAX_LEN + 1);
	REFUSE(EINVAL, ADDR, d->addr = r.reg.data_off - 1);
	REFUSE(EINVAL, ADDR, d->addr = r.reg.data_off + r.reg.data_size - 99);
	REFUSE(EINVAL, OVERFLOW, d->addr = ~0ull);
	REFUSE(ENOENT, INDEX, d->net_tx = 63);
	REFUSE(ENOENT, INDEX, d->net_tx = 0xffff);
	REFUSE(EINVAL, RESERVED, d->net = 1);
	REFUSE(EINVAL, RESERVED, d->storage = 1);
	REFUSE(EINVAL, RESERVED, d->dev_offset = 512);
	REFUSE(EINVAL, RESERVED, d->max_hops = 1);
	REFUSE(EINVAL, RESERVED, d->arg = 1);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_READ);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_WRITE);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_FUA);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_FLUSH);
	REFUSE(EINVAL, OPS, d->flags |= IO_UNIFIED_F_OPCODE);
	REFUSE(EINVAL, OPS, d->ops |= IO_UNIFIED_OP_NVME);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_NVME);
	REFUSE(EINVAL, OPS, d->ops = IO_UNIFIED_OP_BPF);
	REFUSE(EINVAL, OPS, d->ops |= IO_UNIFIED_OP_NVME;
	       d->flags |= IO_UNIFIED_F_READ | IO_UNIFIED_F_RX);
	REFUSE(EINVAL, OPS, d->ops |= IO_UNIFIED_OP_NVME;
	       d->flags |= IO_UNIFIED_F_WRITE);
	/* The attachment receives nothing. */
	REFUSE(EOPNOTSUPP, SEND_ONLY, d->flags = IO_UNIFIED_F_RX; d->net = net;
	       d->net_tx = 0; d->len = r.frame_size);

	/* As a packet socket: a tag is not counted. */
	d = tx_desc(1, t_frame(&r, 1), MAX + 4);
	p = t_ptr(&r, d.addr);
	t_packet(p, d.len, 1);
	memcpy(p + 12, &tag, 2);
	res = t_op(&r, &d);
	check_sent(&res, MAX + 4);
	d = tx_desc(1, t_frame(&r, 1), T_HEADER);
	t_packet(p, d.len, 1);
	res = t_op(&r, &d);
	check_sent(&res, T_HEADER);
	works();
	tear_down();
}

static void attachments(void)
{
	struct io_unified_attach a;
	struct t_region other;
	unsigned int i;
	const u32 with[] = {
		IO_UNIFIED_ATTACH_ZEROCOPY,
		IO_UNIFIED_ATTACH_XSK,
		IO_UNIFIED_ATTACH_RX_HANDLER,
		IO_UNIFIED_ATTACH_PASSTHROUGH,
	};

	set_up();
	for (i = 0; i <= ARRAY_SIZE(with); i++) {
		a = (struct io_unified_attach){
			.kind = IO_UNIFIED_KIND_NETDEV,
			.flags = IO_UNIFIED_ATTACH_SEND_ONLY,
			.ifindex = if_nametoindex(l.tx),
		};
		if (i < ARRAY_SIZE(with))
			a.flags |= with[i];
		else
			a.queue = 1000;
		CHECK_EQ(t_attach(&r, &a), -EINVAL, "%u", i);
		CHECK_EQ(a.reason, i < ARRAY_SIZE(with) ?
					   IO_UNIFIED_REASON_FLAGS :
					   IO_UNIFIED_REASON_QUEUE);
	}
	a.queue = 0;
	a.ring_entries = 64;
	CHECK_EQ(t_attach(&r, &a), -EINVAL);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_SIZE);
	/* Others may send there, too, and one may receive. */
	t_region_open(&other, NULL);
	t_attach_tx(&other, l.tx);
	t_attach_tx(&r, l.tx);
	t_attach_net(&other, l.tx, 0);
	t_attach_tx(&other, l.tx);
	works();
	t_region_close(&other);
	works();
	tear_down();
}

/* What ends elsewhere is not found by a ring that polls. */
static void polled(void)
{
	struct t_opt opt = { .ring_flags = IORING_SETUP_IOPOLL };

	t_link_open(&l, t_arg, MTU);
	t_region_open(&r, &opt);
	net = t_attach_tx(&r, l.tx);
	REFUSE(EOPNOTSUPP, IOPOLL, (void)d);
	tear_down();
}

/* One that fails has nothing of the op that had its memory before. */
static void nothing_left(void)
{
	struct io_unified_desc d;
	struct io_unified_cqe e;
	struct t_disk disk;
	int i;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	for (i = 0; i < 8; i++) {
		d = (struct io_unified_desc){
			.ops = IO_UNIFIED_OP_NVME,
			.flags = IO_UNIFIED_F_READ,
			.storage = i ? 0 : t_attach_storage(&r, disk.path, 0),
			.addr = t_frame(&r, 0),
			.len = 65536,
			.dev_offset = 1 << 20,
		};
		e = t_enter_op(&r, 0, &d);
		CHECK_EQ(e.res, 65536);
		d = tx_desc(1, t_frame(&r, 0), MAX + 100);
		e = t_enter_op(&r, 0, &d);
		CHECK_EQ(e.res, -EMSGSIZE);
		CHECK_EQ(e.dev_offset, 0);
	}
	tear_down();
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };

#define EACH(text, fn)                         \
	{ text ", veth", fn, 120, &veth_rxh }, \
	{                                      \
		text ", NIC", fn, 120, &nic    \
	}

static const struct t_case cases[] = {
	{ "one that fails says nothing of others", nothing_left, 0, &veth_rxh },
	EACH("many packets", many),
	EACH("more than the device takes", burst),
	EACH("a tap on the sender", tapped),
	EACH("into frames", to_frames),
	{ "into frames, AF_XDP on veth", to_frames, 0, &veth_xsk },
	EACH("after a program", programs),
	EACH("ops that are refused", refused),
	EACH("attachments to send with", attachments),
	EACH("a ring that polls", polled),
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
