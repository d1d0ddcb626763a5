// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "life.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif

static struct {
	pthread_t thread;
	char ifname[16];
	volatile bool stop;
} traffic;

void t_life_open(struct t_life *f, int round)
{
	static const u32 rings[] = {
		0,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		0,
		IORING_SETUP_SQPOLL,
	};
	static const enum t_memory memories[] = {
		T_MEM_MODULE,
		T_MEM_MEMFD,
		T_MEM_ANON,
	};
	static const struct t_way ways[] = {
		{ "veth", IO_UNIFIED_ATTACH_RX_HANDLER },
		{ "veth", IO_UNIFIED_ATTACH_XSK },
	};
	const struct t_opt opt = {
		.memory = memories[round % 3],
		.ring_flags = rings[round % 4],
		.size = 2 << 20,
	};

	t_region_open(&f->r, &opt);
	f->net = t_link_attach(&f->r, &f->l, &ways[round / 2 % 2]);
	f->storage = t_attach_storage(&f->r, f->disk.path, 0);
	f->bio = t_attach_storage(&f->r, f->disk.path, IO_UNIFIED_ATTACH_BIO);
	f->waiting = 0;
}

static void start_io(struct t_life *f, int i)
{
	struct io_unified_desc d = {
		.user_data = LIFE_IO | (u64)i << 8,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = i % 4 == 3 ? IO_UNIFIED_F_WRITE : IO_UNIFIED_F_READ,
		.storage = i % 2 ? f->bio : f->storage,
		.addr = t_frame(&f->r, 256 + i * 8),
		.len = 32768,
		.dev_offset = (256 << 20) + i * 65536,
	};

	t_queue(&f->r, &d);
	f->waiting++;
}

void t_life_start(struct t_life *f)
{
	struct io_unified_desc d = {
		.user_data = LIFE_STREAM,
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE,
		.net = f->net,
		.storage = f->storage,
		.addr = t_frame(&f->r, 0),
		.len = 128 * 4096,
	};
	int i;

	f->p = (struct io_unified_stream){
		.layout = IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = 128 << 20,
		.batch_bytes = 16384,
	};
	t_queue_stream(&f->r, &d, &f->p);
	f->waiting++;
	for (i = 0; i < LIFE_RX_OPS; i++) {
		d = (struct io_unified_desc){
			.user_data = LIFE_RX,
			.ops = IO_UNIFIED_OP_NETWORK,
			.flags = IO_UNIFIED_F_RX,
			.net = f->net,
			.addr = t_frame(&f->r, 128 + i),
			.len = 4096,
		};
		t_queue(&f->r, &d);
		f->waiting++;
	}
	for (i = 0; i < LIFE_IO_OPS; i++)
		start_io(f, i);
	t_submit(&f->r);
}

bool t_life_reap(struct t_life *f, int ms, bool again)
{
	struct io_unified_cqe e;
	struct t_res res;
	u64 end = t_now_ms() + ms;

	while (f->waiting) {
		while (t_cq(&f->r, &e, 0))
			;
		if (!t_reap(&f->r, &res, 5)) {
			if (t_now_ms() >= end)
				return false;
			continue;
		}
		f->waiting--;
		if (again && (res.user_data & 0xff) == LIFE_IO) {
			start_io(f, res.user_data >> 8);
			t_submit(&f->r);
		}
		if (again && t_now_ms() >= end)
			return false;
	}
	return true;
}

static void *send_packets(void *arg)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	int sock = socket(AF_PACKET, SOCK_RAW, 0);
	u8 buf[300];
	u32 seq = 0;

	while (!traffic.stop) {
		addr.sll_ifindex = if_nametoindex(traffic.ifname);
		t_packet(buf, sizeof(buf), seq++);
		if (!addr.sll_ifindex ||
		    sendto(sock, buf, sizeof(buf), 0, (void *)&addr,
			   sizeof(addr)) < 0 ||
		    seq % 8 == 0)
			usleep(1000);
	}
	close(sock);
	return arg;
}

void t_traffic_start(const char *ifname)
{
	snprintf(traffic.ifname, sizeof(traffic.ifname), "%s", ifname);
	traffic.stop = false;
	REQUIRE(!pthread_create(&traffic.thread, NULL, send_packets, NULL));
}

void t_traffic_stop(void)
{
	traffic.stop = true;
	pthread_join(traffic.thread, NULL);
}

#define EXPEDITED "/sys/kernel/rcu_expedited"
#define DISPATCHER_PAIRS 24 /* it has room for 48 programs */

void t_around_fill(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char name[16];
	int i, fd;

	t_write_file(EXPEDITED, "1");
	t_sh("for i in $(seq 0 %d); do echo link add ioud$i type veth peer name ioue$i; done | ip -batch -",
	     DISPATCHER_PAIRS - 1);
	for (i = 0; i < 2 * DISPATCHER_PAIRS; i++) {
		snprintf(name, sizeof(name), "iou%c%d", "de"[i % 2], i / 2);
		fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass,
				   ARRAY_SIZE(pass), NULL);
		REQUIRE(fd >= 0);
		REQUIRE(!bpf_xdp_attach(if_nametoindex(name), fd,
					XDP_FLAGS_DRV_MODE, NULL),
			"%s", name);
		close(fd);
	}
}

void t_around_empty(void)
{
	t_sh("for i in $(seq 0 %d); do echo link del ioud$i; done | ip -batch -",
	     DISPATCHER_PAIRS - 1);
	t_write_file(EXPEDITED, "0");
}
