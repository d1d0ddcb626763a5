// SPDX-License-Identifier: GPL-2.0
/*
 * Zero-copy shown, and copies told
 *
 * A stream runs while a BPF program looks at every command that goes to the
 * NVMe queue: the addresses in it must be pages of the region, in which the
 * NIC wrote. Where the CPU copies, the completions and counters say so.
 */
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/stream.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

enum { PACKETS = 300 };

static struct t_stream s;
static const struct t_way nic = { "virtio", 0 };
static const struct t_way nic_zc = { "virtio", IO_UNIFIED_ATTACH_ZEROCOPY };
static const struct t_way nic_rxh = { "virtio", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };

static int compare(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The frames of the region by physical page. */
static u64 *region_pages(u32 *n)
{
	u64 *pages;
	u32 i;

	*n = s.r.size / 4096;
	pages = malloc(*n * sizeof(*pages));
	for (i = 0; i < *n; i++)
		pages[i] = t_phys(s.r.base + i * 4096ull);
	qsort(pages, *n, sizeof(*pages), compare);
	return pages;
}

static void check_requests(u64 *pages, u32 n)
{
	struct nvme_trace_event e;
	u64 page, bytes = 0, at;
	int i;

	while (t_trace_next(&e, 300)) {
		if (e.opcode != 1)
			continue;
		CHECK(e.slba * 512 >= T_RANGE);
		for (i = 0; i < e.pieces; i++) {
			at = (e.page[i] - e.vmemmap) / 64 * 4096 + e.offset[i];
			for (page = at & ~4095ull; page < at + e.length[i];
			     page += 4096)
				CHECK(bsearch(&page, pages, n, sizeof(page),
					      compare),
				      "%#llx is no page of the region",
				      (unsigned long long)page);
		}
		if (!(e.flags & 0xc0) || !e.sgl_type) {
			page = e.dptr & ~4095ull;
			CHECK(bsearch(&page, pages, n, sizeof(page), compare),
			      "the drive reads from %#llx",
			      (unsigned long long)e.dptr);
		}
		bytes += e.bytes;
	}
	CHECK_EQ(bytes, PACKETS * 4096ull, "bytes written that were seen");
}

static void run(const struct t_way *way, u32 path)
{
	const struct t_stream_opt opt = { .way = way, .memory = T_MEM_HUGE };
	bool copies = path != IO_UNIFIED_PATH_XSK_ZC;
	struct t_frame_data *f = calloc(PACKETS, sizeof(*f));
	struct io_unified_cqe e;
	u64 sent = 0, told = 0;
	u32 i, n;
	u64 *pages;
	u8 *data;

	t_stream_open(&s, &opt);
	CHECK_EQ(s.net.path, path);
	CHECK_EQ(s.net.reason == IO_UNIFIED_REASON_ZEROCOPY,
		 path == IO_UNIFIED_PATH_XSK_COPY, "reason %u", s.net.reason);
	pages = region_pages(&n);
	t_trace_start(s.disk.name);
	t_trace_clear();
	t_stream_start(&s);
	t_sleep_ms(50);
	for (i = 0; i < PACKETS; i++) {
		t_send(&s.l, 100 + i, i);
		sent += 100 + i;
		if (i % 16 == 15)
			t_sleep_ms(2);
	}
	while (told < PACKETS) {
		REQUIRE(t_cq(&s.r, &e, 5000), "%llu of %d packets told of",
			(unsigned long long)told, PACKETS);
		CHECK_EQ(!!(e.flags & IO_UNIFIED_CQE_COPIED), copies);
		told += e.count;
	}
	t_stream_cancel(&s);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_RX_BYTES), sent);
	CHECK_EQ(t_stream_stat(&s, IO_UNIFIED_STAT_RX_COPIED_BYTES),
		 copies ? sent : 0);
	check_requests(pages, n);
	t_trace_stop();
	t_frames_read(&s, T_RANGE, PACKETS, f, &data);
	for (i = 0; i < PACKETS; i++)
		CHECK(t_is_packet(f[i].packet, f[i].caplen,
				  t_packet_seq(f[i].packet)));
	free(pages);
	free(data);
	free(f);
	t_stream_close(&s);
}

/* The kernel can do it from 7.0 or so on, with this NIC and its options. */
static bool can_zerocopy(void)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = IO_UNIFIED_ATTACH_ZEROCOPY,
	};
	struct t_region r;
	struct t_link l;
	int ret;

	t_link_open(&l, &nic, 1500);
	t_region_open(&r, NULL);
	a.ifindex = if_nametoindex(l.rx);
	ret = t_attach(&r, &a);
	t_region_close(&r);
	t_link_close(&l);
	if (!ret)
		return true;
	CHECK_EQ(ret, -EOPNOTSUPP);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_ZEROCOPY);
	return false;
}

static bool must_zerocopy(void)
{
	const char *kernel = getenv("IO_UNIFIED_KERNEL");

	return kernel && kernel[0] == '7';
}

static void zerocopy(void)
{
	bool can = can_zerocopy();

	CHECK(can || !must_zerocopy(), "this kernel can receive by zero-copy");
	if (!can)
		t_skip("this kernel's virtio-net has no zero-copy receive");
	run(&nic_zc, IO_UNIFIED_PATH_XSK_ZC);
	/* And it is what one gets without asking. */
	run(&nic, IO_UNIFIED_PATH_XSK_ZC);
}

static void nic_copies(void)
{
	run(&nic_rxh, IO_UNIFIED_PATH_RX_HANDLER);
}

static void veth_copies(void)
{
	run(&veth_xsk, IO_UNIFIED_PATH_XSK_COPY);
	run(&veth_rxh, IO_UNIFIED_PATH_RX_HANDLER);
}

static void required(void)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = IO_UNIFIED_ATTACH_ZEROCOPY,
	};
	struct t_region r;
	struct t_link l;

	t_link_open(&l, &veth_xsk, 1500);
	t_region_open(&r, NULL);
	a.ifindex = if_nametoindex(l.rx);
	CHECK_EQ(t_attach(&r, &a), -EOPNOTSUPP);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_ZEROCOPY);
	/* Nothing was kept: the same queue by copy. */
	t_link_attach(&r, &l, &veth_xsk);
	t_region_close(&r);
	t_link_close(&l);
}

/* Frames of 8192 do not fit AF_XDP; the rx handler takes them. */
static void big_frames(void)
{
	const struct t_opt opt = { .memory = T_MEM_MODULE, .frame_size = 8192 };
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = IO_UNIFIED_ATTACH_XSK,
	};
	struct t_region r;
	struct t_link l;

	t_link_open(&l, &veth_xsk, 1500);
	t_region_open(&r, &opt);
	a.ifindex = if_nametoindex(l.rx);
	CHECK(t_attach(&r, &a) < 0);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_FRAME_SIZE);
	a.flags = 0;
	a.fd = 0;
	CHECK_EQ(t_attach(&r, &a), 0);
	CHECK_EQ(a.path, IO_UNIFIED_PATH_RX_HANDLER);
	CHECK_EQ(a.reason, IO_UNIFIED_REASON_FRAME_SIZE, "why it copies");
	t_region_close(&r);
	t_link_close(&l);
}

/*
 * The same memory at once: region with a queue attached by AF_XDP, UMEM of a
 * socket of our own, fixed buffer of io_uring, and target of a read.
 */
static void all_at_once(void)
{
	const struct t_opt opt = { .memory = (enum t_memory)(uintptr_t)t_arg };
	struct xdp_umem_reg umem;
	struct io_uring_sqe *sqe;
	struct t_region r;
	struct t_disk disk;
	struct t_link l;
	struct iovec iov;
	struct t_res res;
	int sock, fd, storage, ret;
	u64 data;

	t_disk_nvme(&disk, 512, 0);
	t_link_open(&l, &veth_xsk, 1500);
	t_region_open(&r, &opt);
	t_link_attach(&r, &l, &veth_xsk);
	storage = t_attach_storage(&r, disk.path, 0);

	data = r.reg.data_off;
	umem = (struct xdp_umem_reg){
		.addr = (uintptr_t)r.base + data,
		.len = r.size - data,
		.chunk_size = 4096,
	};
	sock = socket(AF_XDP, SOCK_RAW, 0);
	REQUIRE(sock >= 0);
	REQUIRE(!setsockopt(sock, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)));
	iov = (struct iovec){ r.base, r.size };
	ret = io_uring_register_buffers(&r.ring, &iov, 1);
	REQUIRE_EQ(ret, 0);

	t_fill(t_ptr(&r, t_frame(&r, 1)), 65536, 5);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, storage, t_frame(&r, 1), 65536, 0)
			 .res,
		 65536);
	fd = open(disk.path, O_RDONLY | O_DIRECT);
	sqe = io_uring_get_sqe(&r.ring);
	memset(sqe, 0, 128);
	io_uring_prep_read_fixed(sqe, fd, t_ptr(&r, t_frame(&r, 100)), 65536, 0,
				 0);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.res, 65536);
	CHECK(t_filled(t_ptr(&r, t_frame(&r, 100)), 65536, 5));
	close(sock);
	close(fd);
	t_region_close(&r);
	t_link_close(&l);
}

#define MEM(m) ((const void *)(uintptr_t)(m))

static const struct t_case cases[] = {
	{ "NIC, zero-copy: the drive reads where the NIC wrote", zerocopy,
	  120 },
	{ "NIC, rx handler: copies are told", nic_copies },
	{ "veth: copies are told", veth_copies },
	{ "zero-copy required where there is none", required },
	{ "frames too big for AF_XDP", big_frames },
	{ "region, UMEM and fixed buffer at once, memfd", all_at_once, 0,
	  MEM(T_MEM_MEMFD) },
	{ "region, UMEM and fixed buffer at once, huge pages", all_at_once, 0,
	  MEM(T_MEM_HUGE) },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
