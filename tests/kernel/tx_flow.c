// SPDX-License-Identifier: GPL-2.0
/* What was received or read goes out: reflect, forward, tee, play, XDP_TX. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/fs.h"
#include "lib/net.h"

enum { N = 48, PLACE = 1 << 20 };

static struct t_region r;
static struct t_link l;
static struct io_unified_attach net;
static const struct t_way *way;
static struct t_disk disk;
static int storage, sock;
static struct bpf_object *obj;

static void set_up(void)
{
	struct t_opt opt = { .size = 8 << 20, .cq_entries = 1024 };

	way = t_arg;
	t_link_open(&l, way, 1500);
	t_region_open(&r, &opt);
	t_link_attach_as(&r, &l, way, &net);
	t_disk_nvme(&disk, 512, 0);
	storage = t_attach_storage(&r, disk.path, 0);
	obj = t_bpf_open("ops", true);
	sock = t_listen(l.tx, false);
}

static void tear_down(void)
{
	close(sock);
	t_region_close(&r);
	t_link_close(&l);
	bpf_object__close(obj);
}

static void configure(struct ops_config config)
{
	t_bpf_configure(obj, &config);
}

static u32 len_of(u32 seq)
{
	return 60 + seq * 211 % 1400;
}

/* An op that receives into frame @i. */
static struct io_unified_desc rx_desc(u32 i)
{
	return (struct io_unified_desc){
		.user_data = i,
		.ops = IO_UNIFIED_OP_NETWORK,
		.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_CQ,
		.net = net.index,
		.addr = t_frame(&r, i),
		.len = r.frame_size,
	};
}

static void traffic(void)
{
	u32 i;

	t_submit(&r);
	for (i = 0; i < N; i++)
		t_send(&l, len_of(i), i);
}

/* Each op is done, and what it did is @ops and @flags. */
static void all_done(u32 ops, u32 flags)
{
	const u32 ours = IO_UNIFIED_CQE_SENT | IO_UNIFIED_CQE_DROPPED;
	struct io_unified_cqe cqe;
	s64 sum = 0; /* the two do not come in the same order */
	struct t_res res;
	u32 i;

	for (i = 0; i < N; i++) {
		REQUIRE(t_reap(&r, &res, 10000), "%u of %u", i, N);
		CHECK(res.res >= 0, "%d, reason %u", res.res, res.reason);
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.ops, ops);
		CHECK_EQ(cqe.flags & ours, flags);
		sum += cqe.res - res.res;
	}
	CHECK_EQ(sum, 0);
}

/* All packets come out of @s, once; with @edit, as the program leaves them. */
static void all_back(int s, bool edit)
{
	bool seen[N] = { false };
	u8 buf[4096];
	u32 i, seq;
	int n, j;

	for (i = 0; i < N; i++) {
		n = t_receive(s, buf, sizeof(buf), 5000);
		REQUIRE(n > 32, "%u of %u came back", i, N);
		for (j = 0; edit && j < 32; j++)
			buf[j] = ~buf[j];
		seq = t_packet_seq(buf);
		REQUIRE(seq < N && !seen[seq]);
		seen[seq] = true;
		CHECK_EQ(n, len_of(seq));
		CHECK(t_is_packet(buf, n, seq), "packet %u", seq);
	}
	CHECK(t_receive(s, buf, sizeof(buf), 50) < 0, "one too many");
}

static void reflect(void)
{
	const u32 nb = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF;
	struct io_unified_desc d;
	int edit;
	u32 i;

	set_up();
	for (i = 0; i < N; i++) {
		d = rx_desc(i);
		d.flags |= IO_UNIFIED_F_TX;
		d.net_tx = net.index;
		t_queue(&r, &d);
	}
	traffic();
	all_done(IO_UNIFIED_OP_NETWORK, IO_UNIFIED_CQE_SENT);
	all_back(sock, false);

	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	for (i = 0; i < N; i++) {
		d = rx_desc(i);
		d.ops = nb;
		d.flags |= IO_UNIFIED_F_TX;
		d.net_tx = net.index;
		d.bpf = edit;
		t_queue(&r, &d);
	}
	traffic();
	all_done(nb, IO_UNIFIED_CQE_SENT);
	all_back(sock, true);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_NETDEV, net.index,
			IO_UNIFIED_STAT_TX_PACKETS),
		 2 * N);
	tear_down();
}

/* From one interface to another; the verdict decides otherwise. */
static void forward(void)
{
	const u32 nb = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF;
	struct io_unified_desc d;
	int out, verdict, far, act;
	u8 buf[4096];
	u32 i;

	set_up();
	REQUIRE(!t_sh(
		"ip link add iout2 arp off type veth peer name iout3 arp off; "
		"ip link set iout2 up; ip link set iout3 up"));
	out = t_attach_tx(&r, "iout2");
	far = t_listen("iout3", false);
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	for (act = XDP_DROP; act <= XDP_TX; act++) {
		configure((struct ops_config){ .verdict = act });
		for (i = 0; i < N; i++) {
			d = rx_desc(i);
			d.ops = nb;
			d.flags |= IO_UNIFIED_F_TX;
			d.net_tx = out;
			d.bpf = verdict;
			t_queue(&r, &d);
		}
		traffic();
		all_done(nb, act == XDP_DROP ? IO_UNIFIED_CQE_DROPPED :
					       IO_UNIFIED_CQE_SENT);
		if (act == XDP_PASS)
			all_back(far, false);
		else if (act == XDP_TX)
			all_back(sock, false);
		CHECK(t_receive(far, buf, sizeof(buf), 50) < 0);
		CHECK(t_receive(sock, buf, sizeof(buf), 50) < 0);
	}
	close(far);
	t_region_close(&r);
	t_sh("ip link del iout2");
	close(sock);
	t_link_close(&l);
	bpf_object__close(obj);
}

/* XDP_TX needs no flag where a packet was received, and stops a write. */
static void verdict_tx(void)
{
	const u32 nb = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_BPF;
	const u32 wr[] = { 0, IO_UNIFIED_F_WRITE,
			   IO_UNIFIED_F_WRITE | IO_UNIFIED_F_TX };
	struct io_unified_desc d;
	struct t_res res;
	u8 was[512], is[512];
	int verdict;
	u32 i, j;

	set_up();
	verdict = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
	memset(was, 0x5c, sizeof(was));
	t_disk_write(&disk, was, sizeof(was), PLACE);
	configure((struct ops_config){ .verdict = XDP_TX });
	for (j = 0; j < ARRAY_SIZE(wr); j++) {
		for (i = 0; i < N; i++) {
			d = rx_desc(i);
			d.ops = nb;
			d.bpf = verdict;
			d.flags |= wr[j];
			if (wr[j]) {
				d.ops |= IO_UNIFIED_OP_NVME;
				d.storage = storage;
				d.dev_offset = PLACE;
			}
			if (wr[j] & IO_UNIFIED_F_TX)
				d.net_tx = net.index;
			t_queue(&r, &d);
		}
		traffic();
		all_done(nb, IO_UNIFIED_CQE_SENT);
		all_back(sock, false);
	}
	t_disk_read(&disk, is, sizeof(is), PLACE);
	CHECK(!memcmp(was, is, sizeof(is)), "it was written");

	/* Where nothing was received and nothing is sent it means nothing. */
	d = (struct io_unified_desc){
		.ops = IO_UNIFIED_OP_BPF | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ,
		.storage = storage,
		.bpf = verdict,
		.dev_offset = PLACE,
		.addr = t_frame(&r, 1),
		.len = 512,
	};
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EOPNOTSUPP);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_BPF_TX);
	tear_down();
}

/* Written, then sent. */
static void record_and_send(void)
{
	const u32 nn = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	u8 *buf = malloc(N * 4096);
	struct io_unified_desc d;
	bool seen[N] = { false };
	int edit;
	u32 i, j, seq;

	set_up();
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	for (j = 0; j < 2; j++) {
		memset(buf, 0xcc, N * 4096);
		memset(seen, 0, sizeof(seen));
		t_disk_write(&disk, buf, N * 4096, PLACE);
		for (i = 0; i < N; i++) {
			d = rx_desc(i);
			d.ops = nn;
			d.flags |= IO_UNIFIED_F_WRITE | IO_UNIFIED_F_TX;
			if (j) {
				d.ops |= IO_UNIFIED_OP_BPF;
				d.bpf = edit;
			}
			d.net_tx = net.index;
			d.storage = storage;
			d.dev_offset = PLACE + i * 4096;
			t_queue(&r, &d);
		}
		traffic();
		all_done(nn | (j ? IO_UNIFIED_OP_BPF : 0), IO_UNIFIED_CQE_SENT);
		all_back(sock, j);
		t_disk_read(&disk, buf, N * 4096, PLACE);
		for (i = 0; i < N; i++) {
			u8 *p = buf + i * 4096;
			u32 k;

			for (k = 0; j && k < 32; k++)
				p[k] = ~p[k];
			seq = t_packet_seq(p);
			REQUIRE(seq < N && !seen[seq], "packet in block %u", i);
			seen[seq] = true;
			CHECK(t_is_packet(p, len_of(seq), seq));
			CHECK_EQ(p[(len_of(seq) + 511) / 512 * 512], 0xcc);
		}
	}
	free(buf);
	tear_down();
}

/* From the drive, in the order in which the ops are submitted one by one. */
static void play(void)
{
	const u32 nn = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	struct io_unified_desc d;
	u8 *buf = malloc(N * 1024), got[2048];
	struct t_res res;
	int out, tail, n;
	bool seen[N] = { false };
	u32 i, seq;

	set_up();
	close(sock);
	sock = t_listen(l.rx, false);
	out = t_attach_tx(&r, l.tx);
	tail = t_attach_bpf(&r, t_bpf_prog(obj, "tail"));
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_NETDEV, net.index), 0);
	for (i = 0; i < N; i++)
		t_packet(buf + i * 1024, 1024, i);
	t_disk_write(&disk, buf, N * 1024, PLACE);

	/* Many at a time: which is read first is sent first. */
	for (i = 0; i < N; i++) {
		d = (struct io_unified_desc){
			.user_data = i,
			.ops = nn,
			.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_TX |
				 IO_UNIFIED_F_CQ,
			.storage = storage,
			.net_tx = out,
			.dev_offset = PLACE + i * 1024,
			.addr = t_frame(&r, i),
			.len = 1024,
		};
		t_queue(&r, &d);
	}
	t_submit(&r);
	all_done(nn, IO_UNIFIED_CQE_SENT);
	memset(t_ptr(&r, t_frame(&r, 0)), 0xee, N * 4096);
	for (i = 0; i < N; i++) {
		REQUIRE_EQ(t_receive(sock, got, sizeof(got), 5000), 1024);
		seq = t_packet_seq(got);
		REQUIRE(seq < N && !seen[seq]);
		seen[seq] = true;
		CHECK(t_is_packet(got, 1024, seq));
	}

	/* A program cuts what is beyond the packet. */
	for (i = 0; i < N; i++) {
		configure((struct ops_config){
			.verdict = XDP_PASS, .delta = -(int)(1024 - 100 - i) });
		d = (struct io_unified_desc){
			.ops = nn | IO_UNIFIED_OP_BPF,
			.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_TX,
			.storage = storage,
			.bpf = tail,
			.net_tx = out,
			.dev_offset = PLACE + i * 1024,
			.addr = t_frame(&r, i) + 512,
			.len = 1024,
		};
		res = t_op(&r, &d);
		CHECK_EQ(res.res, 100 + i, "reason %u", res.reason);
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
		n = t_receive(sock, got, sizeof(got), 5000);
		REQUIRE_EQ(n, 100 + i);
		CHECK(!memcmp(got, buf + i * 1024, n));
	}

	/* Read, and then too long to be sent. */
	d.ops = nn;
	d.bpf = 0;
	d.len = 4096;
	d.dev_offset = PLACE;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -EMSGSIZE);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_TX_LEN);
	CHECK(!memcmp(t_ptr(&r, d.addr), buf, 4096), "it was read");
	free(buf);
	tear_down();
}

/* Behind the end of a file nothing is read, and nothing is there to be sent. */
static void play_nothing(void)
{
	const u32 nn = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME;
	struct io_unified_attach a = { .dev_len = 65536 };
	struct io_unified_desc d;
	struct t_disk fs;
	struct t_res res;
	u8 got[2048];
	int i;

	set_up();
	t_fs_make(&fs, "ext4", 4096);
	REQUIRE(!t_sh("head -c 4096 /dev/urandom >" T_MNT "/short; sync"));
	d = (struct io_unified_desc){
		.ops = nn,
		.flags = IO_UNIFIED_F_READ | IO_UNIFIED_F_TX,
		.storage = t_attach_file(&r, "short", O_RDWR, &a),
		.net_tx = net.index,
		.dev_offset = 8192,
		.addr = t_frame(&r, 1),
		.len = 4096,
	};
	for (i = 0; i < 2; i++) {
		res = t_op(&r, &d);
		CHECK_EQ(res.res, 0);
		CHECK_EQ(res.reason, 0);
		CHECK_EQ(res.flags, 0);
		d.ops |= IO_UNIFIED_OP_BPF;
		d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "verdict"));
		configure((struct ops_config){ .verdict = XDP_PASS });
	}
	CHECK(t_receive(sock, got, sizeof(got), 50) < 0, "it was sent");
	tear_down();
	t_fs_end(&fs, "ext4");
}

static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way nic = { "virtio", 0 };

#define EACH(text, fn)                                               \
	{ text ", AF_XDP on veth", fn, 120, &veth_xsk },             \
		{ text ", rx handler on veth", fn, 120, &veth_rxh }, \
	{                                                            \
		text ", NIC", fn, 120, &nic                          \
	}

static const struct t_case cases[] = {
	EACH("reflect", reflect),
	EACH("forward", forward),
	EACH("the verdict XDP_TX", verdict_tx),
	EACH("written and sent", record_and_send),
	{ "read and sent, veth", play, 120, &veth_rxh },
	{ "read and sent, NIC", play, 120, &nic },
	{ "nothing read, nothing sent", play_nothing, 120, &veth_rxh },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
