// SPDX-License-Identifier: GPL-2.0
/* What ops of the mix are about, the peers of it, and a thread that takes it away. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bpf/ops.h"
#include "leak.h"
#include "mix.h"

enum {
	REGION = 6 << 20,
	AROUND = 1 << 20,
	GUARD = 256 << 10, /* on the drive */
	DETACH_MS = 10000,
};

enum { READS, WRITES, BOTH, STOPS, MODES };

struct mix_world mix;

/* Windows of the drive: by requests, by bios, only to be read. Then the file's. */
static u64 window_at(int i)
{
	return (512ull << 20) + GUARD + i * (MIX_WINDOW + GUARD);
}

u64 mix_scale(void)
{
	return t_debug_kernel() ? 6 : 1;
}

/* ------------------------------------------------------------------- drives */

static void fill_drive(void)
{
	u8 *buf = malloc(MIX_WINDOW);
	int i, fd;

	REQUIRE(buf);
	t_fill(buf, MIX_WINDOW, 5);
	for (i = 0; i < 3; i++)
		t_disk_write(&mix.disk, buf, MIX_WINDOW, window_at(i));
	fd = open(T_MNT "/mix", O_RDWR | O_CREAT | O_TRUNC, 0600);
	REQUIRE(fd >= 0);
	REQUIRE(pwrite(fd, buf, MIX_WINDOW, GUARD) == (ssize_t)MIX_WINDOW);
	for (i = 0; i < 4; i++) {
		t_fill(buf, GUARD, 50 + i);
		t_disk_write(&mix.disk, buf, GUARD, window_at(i) - GUARD);
		if (i < 2)
			REQUIRE(pwrite(fd, buf, GUARD,
				       i * (GUARD + MIX_WINDOW)) == GUARD);
	}
	REQUIRE(!fsync(fd));
	close(fd);
	free(buf);
}

void mix_world_init(void)
{
	const struct t_way veth = { "veth", 0 };

	t_disk_nvme(&mix.disk, 512, 0);
	t_fs_make(&mix.fs, "ext4", 4096);
	fill_drive();
	t_link_open(&mix.link, &veth, 1500);
	mix.obj = t_bpf_open("ops", true);
	pthread_mutex_init(&mix.lock, NULL);
}

void mix_world_check(void)
{
	u8 *buf = malloc(MIX_WINDOW);
	int i;

	REQUIRE(buf);
	for (i = 0; i < 4; i++) {
		t_disk_read(&mix.disk, buf, GUARD, window_at(i) - GUARD);
		CHECK(t_filled(buf, GUARD, 50 + i), "guard %d of the drive", i);
	}
	t_disk_read(&mix.disk, buf, MIX_WINDOW, window_at(2));
	CHECK(t_filled(buf, MIX_WINDOW, 5), "what is only to be read");
	for (i = 0; i < 2; i++) {
		CHECK_EQ(t_file_read("mix", buf, GUARD,
				     i * (GUARD + MIX_WINDOW)),
			 GUARD);
		CHECK(t_filled(buf, GUARD, 50 + i), "guard %d of the file", i);
	}
	CHECK_EQ(t_file_size("mix"), 2 * GUARD + MIX_WINDOW);
	free(buf);
}

void mix_world_exit(void)
{
	bpf_object__close(mix.obj);
	t_link_close(&mix.link);
	t_fs_end(&mix.fs, "ext4");
}

/* --------------------------------------------------------------- attachments */

static void attach_storage(struct mix_place *p)
{
	static const u32 flags[MIX_STORAGE] = {
		IO_UNIFIED_ATTACH_PASSTHROUGH,
		IO_UNIFIED_ATTACH_BIO,
		IO_UNIFIED_ATTACH_RDONLY,
	};
	const int i = p - mix.place;
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_STORAGE,
		.flags = flags[i],
		.dev_start = i < 3 ? window_at(i) : GUARD,
		.dev_len = MIX_WINDOW,
	};

	if (i < 3)
		a.fd = open(mix.disk.path, O_RDWR);
	else
		a.fd = open(T_MNT "/mix", O_RDWR | O_DIRECT);
	REQUIRE(a.fd >= 0, "%s", p->name);
	REQUIRE_EQ(t_attach(&mix.r, &a), 0, "%s: reason %u", p->name, a.reason);
	close(a.fd);
	p->index = a.index;
}

static void attach_net(struct mix_place *p)
{
	const struct t_way way = {
		"veth",
		mix_pick(&mix.rand, 4) ? IO_UNIFIED_ATTACH_RX_HANDLER :
					 IO_UNIFIED_ATTACH_XSK,
	};

	if (p == &mix.place[MIX_STORAGE])
		p->index = t_link_attach(&mix.r, &mix.link, &way);
	else
		p->index = t_attach_tx(&mix.r, mix.link.tx);
}

static void attach_sock(struct mix_place *p)
{
	pthread_mutex_lock(&mix.lock);
	t_connect(&p->conn, AF_INET, p->type, T_LO);
	/* Small enough to be full now and then. */
	t_sndbuf(p->conn.end, 32768);
	t_rcvbuf(p->conn.peer, 16384);
	pthread_mutex_unlock(&mix.lock);
	p->index = t_attach_sock(&mix.r, p->conn.end);
}

static void attach_bpf(struct mix_place *p)
{
	static const char *const names[] = { "edit", "verdict", "follow" };
	const int i = p - mix.place - (MIX_PLACES - MIX_PROGS);

	p->index = t_attach_bpf(&mix.r, t_bpf_prog(mix.obj, names[i]));
}

static void attach(struct mix_place *p)
{
	switch (p->kind) {
	case IO_UNIFIED_KIND_STORAGE:
		attach_storage(p);
		break;
	case IO_UNIFIED_KIND_NETDEV:
		attach_net(p);
		break;
	case IO_UNIFIED_KIND_SOCKET:
		attach_sock(p);
		break;
	default:
		attach_bpf(p);
	}
}

void mix_detach(struct mix_place *p)
{
	u64 start = t_now_ms(), took;
	int ret;

	mix.detaching = p;
	mix.detach_start = start;
	ret = t_detach(&mix.r, p->kind, p->index);
	mix.detaching = NULL;
	took = t_now_ms() - start;
	CHECK_EQ(ret, 0, "DETACH of %s", p->name);
	CHECK(took < DETACH_MS * mix_scale(), "DETACH of %s: %llu ms", p->name,
	      (unsigned long long)took);
	if (took > mix.longest_detach)
		mix.longest_detach = took;
	if (p == &mix.place[MIX_STORAGE])
		mix.net_detached++;
	if (p->kind != IO_UNIFIED_KIND_SOCKET)
		return;
	pthread_mutex_lock(&mix.lock);
	close(p->conn.end);
	if (p->conn.peer >= 0)
		close(p->conn.peer);
	p->conn.peer = -1;
	pthread_mutex_unlock(&mix.lock);
}

/* -------------------------------------------------------------------- peers */

static struct mix_place *sock_place(int i)
{
	return &mix.place[MIX_STORAGE + MIX_NETS + i];
}

static void serve_peer(int i, u8 *buf, u32 size)
{
	u32 mode = mix.drain ? READS : mix.peer_mode[i];
	struct mix_place *p = sock_place(i);
	int n;

	pthread_mutex_lock(&mix.lock);
	if (p->conn.peer >= 0) {
		for (n = 0; n < 8 && (mode == READS || mode == BOTH); n++)
			if (recv(p->conn.peer, buf, size, MSG_DONTWAIT) <= 0)
				break;
		if (mode == WRITES || mode == BOTH)
			send(p->conn.peer, buf, 1 + size / 16,
			     MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	pthread_mutex_unlock(&mix.lock);
}

static void *peers(void *arg)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	static u8 buf[16384];
	u8 packet[200];
	u32 seq = 0;
	int i;

	to.sll_ifindex = if_nametoindex(mix.link.tx);
	while (!mix.stop_peers) {
		for (i = 0; i < MIX_SOCKS; i++)
			serve_peer(i, buf, sizeof(buf));
		for (i = 0; i < 3 && !mix.drain; i++) {
			t_packet(packet, sizeof(packet), seq++);
			/* The link may be down. */
			sendto(mix.link.sock, packet, sizeof(packet), 0,
			       (void *)&to, sizeof(to));
		}
		usleep(2000);
	}
	return NULL;
}

/* ------------------------------------------------------------- taking it away */

static void set_verdict(u32 verdict)
{
	t_bpf_configure(mix.obj, &(struct ops_config){ .verdict = verdict });
}

static void reset_peer(struct mix_place *p)
{
	pthread_mutex_lock(&mix.lock);
	if (p->conn.peer >= 0)
		t_reset_peer(&p->conn);
	pthread_mutex_unlock(&mix.lock);
	mix.resets++;
}

static void take_one(void)
{
	static const u32 verdicts[] = { XDP_PASS,    XDP_PASS, XDP_DROP,
					XDP_TX,	     XDP_TX,   XDP_ABORTED,
					XDP_REDIRECT };
	struct mix_rand *rand = &mix.rand;
	struct mix_place *p = &MIX_ONE_OF(rand, mix.place);

	switch (mix_pick(rand, 10)) {
	case 0:
		set_verdict(MIX_ONE_OF(rand, verdicts));
		return;
	case 1:
	case 2:
		mix.peer_mode[mix_pick(rand, MIX_SOCKS)] =
			mix_pick(rand, MODES);
		return;
	case 3:
		if (mix_pick(rand, 3))
			return;
		t_link_up(mix.link.rx, false);
		mix.downs++;
		usleep(mix_pick(rand, 5000));
		t_link_up(mix.link.rx, true);
		return;
	}
	if (p->kind == IO_UNIFIED_KIND_SOCKET && mix_pick(rand, 2)) {
		reset_peer(p);
		usleep(mix_pick(rand, 20000));
	}
	mix_detach(p);
	mix.taken[p - mix.place]++;
	usleep(mix_pick(rand, 4) ? 0 : mix_pick(rand, 10000));
	attach(p);
}

static void *taker(void *arg)
{
	while (!mix.stop_taker) {
		take_one();
		usleep(1000 + mix_pick(&mix.rand, 20000));
	}
	return NULL;
}

/* ----------------------------------------------------------------- one round */

static void open_around(void)
{
	struct t_opt opt = { .size = REGION, .pairs = MIX_PAIRS };
	const u64 size = REGION + 2 * AROUND;
	int memfd = memfd_create("io_unified-test", MFD_CLOEXEC);

	REQUIRE(memfd >= 0 && !ftruncate(memfd, size));
	mix.around =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	REQUIRE(mix.around != MAP_FAILED);
	close(memfd);
	t_fill(mix.around, AROUND, 31);
	t_fill(mix.around + AROUND + REGION, AROUND, 32);
	opt.base = mix.around + AROUND;
	opt.no_ring = true;
	t_region_open(&mix.r, &opt);
}

void mix_world_open(void)
{
	static const char *const names[MIX_PLACES] = {
		"namespace", "bio",   "read only", "file", "receiver", "sender",
		"TCP",	     "TCP 2", "UDP",	   "edit", "verdict",  "follow",
	};
	static const u32 kinds[MIX_PLACES] = {
		IO_UNIFIED_KIND_STORAGE, IO_UNIFIED_KIND_STORAGE,
		IO_UNIFIED_KIND_STORAGE, IO_UNIFIED_KIND_STORAGE,
		IO_UNIFIED_KIND_NETDEV,	 IO_UNIFIED_KIND_NETDEV,
		IO_UNIFIED_KIND_SOCKET,	 IO_UNIFIED_KIND_SOCKET,
		IO_UNIFIED_KIND_SOCKET,	 IO_UNIFIED_KIND_BPF,
		IO_UNIFIED_KIND_BPF,	 IO_UNIFIED_KIND_BPF,
	};
	int i;

	open_around();
	for (i = 0; i < MIX_SOCKS; i++)
		mix.peer_mode[i] = BOTH;
	sock_place(0)->type = SOCK_STREAM;
	sock_place(1)->type = SOCK_STREAM;
	sock_place(2)->type = SOCK_DGRAM;
	set_verdict(XDP_PASS);
	for (i = 0; i < MIX_PLACES; i++) {
		mix.place[i].name = names[i];
		mix.place[i].kind = kinds[i];
		attach(&mix.place[i]);
	}
}

void mix_world_start(void)
{
	mix.stop_taker = mix.stop_peers = mix.drain = false;
	REQUIRE(!pthread_create(&mix.peers, NULL, peers, NULL));
	REQUIRE(!pthread_create(&mix.taker, NULL, taker, NULL));
}

bool mix_world_calm(void)
{
	mix.stop_taker = true;
	if (pthread_tryjoin_np(mix.taker, NULL))
		return false;
	mix.drain = true;
	return true;
}

void mix_world_stop(void)
{
	int i;

	mix.stop_peers = true;
	REQUIRE(!pthread_join(mix.peers, NULL));
	CHECK(t_filled(mix.around, AROUND, 31), "memory before the region");
	CHECK(t_filled(mix.around + AROUND + REGION, AROUND, 32),
	      "memory behind the region");
	for (i = 0; i < MIX_SOCKS; i++)
		if (sock_place(i)->conn.peer >= 0)
			t_disconnect(&sock_place(i)->conn);
	/* The region's own part is unmapped with it. */
	munmap(mix.around, AROUND);
	munmap(mix.around + AROUND + REGION, AROUND);
}
