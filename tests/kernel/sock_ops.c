// SPDX-License-Identifier: GPL-2.0
/* Sockets in ops that read, write, or run a program, and in rings. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/sock.h"
#include "lib/sq.h"

enum { SLOT = 64 << 10 };

static struct t_region r;
static struct t_conn c;
static int sock;

static void set_up(void)
{
	struct t_opt opt = {
		.memory = T_MEM_MEMFD,
		.size = 8 << 20,
		.ring_flags = t_arg ? *(const u32 *)t_arg : 0,
	};

	t_region_open(&r, &opt);
	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

/* ---------------------------------------------------- storage and programs */

static void serve(void)
{
	enum { LEN = 49152, N = 12 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	int i, st, edit;
	u8 *got, *want;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	want = aligned_alloc(4096, LEN * N);
	t_stream_fill(want, LEN * N, 0);
	t_disk_write(&disk, want, LEN * N, 1 << 20);

	t_peer_read(&peer, c.peer, LEN * N, LEN, 0);
	for (i = 0; i < N; i++) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * SLOT, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = st;
		d.dev_offset = (1 << 20) + (u64)i * LEN;
		t_queue(&r, &d);
	}
	t_submit(&r);
	for (i = 0; i < N; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
		CHECK(res.flags & IO_UNIFIED_CQE_SENT);
	}
	t_peer_join(&peer);
	CHECK_EQ(peer.done, LEN * N);

	/* Through a program, which inverts the first bytes */
	edit = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	d.addr += 64;
	d.addr &= ~63ull;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = edit;
	d.len = 4096;
	d.dev_offset = 1 << 20;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	got = malloc(4096);
	REQUIRE(recv(c.peer, got, 4096, MSG_WAITALL) == 4096);
	for (i = 0; i < 32; i++)
		got[i] = ~got[i];
	CHECK(!memcmp(got, want, 4096));

	/* A read that fails sends nothing. */
	d.dev_offset = disk.size;
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ERANGE);
	CHECK(recv(c.peer, got, 1, MSG_DONTWAIT) < 0);
	tear_down();
	bpf_object__close(obj);
}

/* What was read is on its way: the drive is not needed any more. */
static void drive_goes(void)
{
	enum { LEN = 49152, N = 8 };
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	int i, st;
	u8 *want;
	u64 from;

	set_up();
	t_sndbuf(c.end, 64 << 10);
	t_rcvbuf(c.peer, 32 << 10);
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	want = aligned_alloc(4096, LEN);
	t_stream_fill(want, LEN, 0);
	t_disk_write(&disk, want, LEN, 1 << 20);
	for (i = 0; i < N; i++) {
		d = t_send_op(sock, i, r.reg.data_off + (u64)i * SLOT, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_READ;
		d.storage = st;
		d.dev_offset = 1 << 20;
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_sleep_ms(200);
	from = t_now_ms();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, st), 0);
	CHECK(t_now_ms() - from < 1000, "it waited for the peer");
	/* All of it comes: the same bytes, one time after the other. */
	for (i = 0; i < N; i++) {
		t_peer_read(&peer, c.peer, LEN, LEN, 0);
		t_peer_join(&peer);
		CHECK_EQ(peer.done, LEN);
	}
	for (i = 0; i < N; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, LEN, "reason %u", res.reason);
	}
	tear_down();
}

static void ingest(void)
{
	enum { LEN = 65536, N = 8, REST = 1000 };
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_peer peer;
	struct t_disk disk;
	struct t_res res;
	u8 *got, *want;
	int i, st;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	st = t_attach_storage(&r, disk.path, 0);
	t_disk_zero(&disk, 2 << 20, LEN * (N + 1));
	want = calloc(1, LEN * (N + 1));
	t_stream_fill(want, LEN * N + REST, 0);
	got = aligned_alloc(4096, LEN * (N + 1));

	for (i = 0; i <= N; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + (u64)i * LEN, LEN);
		d.ops |= IO_UNIFIED_OP_NVME;
		d.flags |= IO_UNIFIED_F_WRITE | IO_UNIFIED_F_WAITALL;
		d.storage = st;
		d.dev_offset = (2 << 20) + (u64)i * LEN;
		memset(t_ptr(&r, d.addr), 0xee, LEN);
		t_queue(&r, &d);
	}
	t_submit(&r);
	t_peer_write(&peer, c.peer, LEN * N + REST, 30000, 0);
	t_peer_join(&peer);
	shutdown(c.peer, SHUT_WR);
	for (i = 0; i <= N; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, res.user_data < N ? LEN : REST, "reason %u",
			 res.reason);
	}
	t_disk_read(&disk, got, LEN * (N + 1), 2 << 20);
	/* The rest of its last block is zeros. */
	CHECK(!memcmp(got, want, LEN * (N + 1)));
	d.user_data = 50;
	t_ends(&r, &d, 0, 0);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	t_disconnect(&c);

	t_connect(&c, AF_INET, SOCK_STREAM, T_LO);
	sock = t_attach_sock(&r, c.end);
	d.net = sock;
	/* Canceled, what was received is written all the same. */
	t_disk_zero(&disk, d.dev_offset, LEN);
	REQUIRE(send(c.peer, want + 3, REST, 0) == REST);
	t_queue(&r, &d);
	t_submit(&r);
	t_silent(&r, 50);
	t_queue_cancel(&r, d.user_data, 51);
	t_submit(&r);
	for (i = 0; i < 2; i++) {
		res = t_next(&r);
		CHECK_EQ(res.res, res.user_data == 51 ? 1 : REST);
		CHECK_EQ(res.reason,
			 res.user_data == 51 ? 0 : IO_UNIFIED_REASON_CANCELED);
	}
	t_disk_read(&disk, got, 4096, d.dev_offset);
	CHECK(!memcmp(got, want + 3, REST));

	/* A program drops, and says where to. */
	d.addr = r.reg.data_off + 4096;
	d.len = 512;
	d.dev_offset = 2 << 20;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "set"));
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_DROP });
	REQUIRE(send(c.peer, got, 512, 0) == 512);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, 0);
	CHECK(res.flags & IO_UNIFIED_CQE_DROPPED);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .set = SET_DEV_OFFSET,
						   .dev_offset = 3 << 20 });
	REQUIRE(send(c.peer, want + 512, 512, 0) == 512);
	t_ends(&r, &d, 512, 0);
	t_disk_read(&disk, got, 512, 3 << 20);
	CHECK(!memcmp(got, want + 512, 512));
	/* There is nothing to send back with. */
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_TX });
	REQUIRE(send(c.peer, got, 512, 0) == 512);
	t_ends(&r, &d, -EOPNOTSUPP, IO_UNIFIED_REASON_BPF_TX);
	tear_down();
	bpf_object__close(obj);
}

/* A program looks at what is received, edits what is sent, and says where to. */
static void programs(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct io_unified_desc d;
	struct t_conn other;
	struct t_res res;
	u8 got[600], want[600];
	int i, second;

	set_up();
	t_stream_fill(want, sizeof(want), 3);
	d = t_recv_op(sock, 1, r.reg.data_off + 4096, sizeof(want));
	d.flags |= IO_UNIFIED_F_WAITALL;
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	REQUIRE(send(c.peer, want, sizeof(want), 0) == sizeof(want));
	res = t_op(&r, &d);
	CHECK_EQ(res.res, sizeof(want), "reason %u", res.reason);
	memcpy(got, t_ptr(&r, d.addr), sizeof(got));
	for (i = 0; i < 32; i++)
		got[i] = ~got[i];
	CHECK(!memcmp(got, want, sizeof(want)));

	t_connect(&other, AF_INET, SOCK_STREAM, T_LO);
	second = t_attach_sock(&r, other.end);
	d = t_send_op(sock, 2, r.reg.data_off + 4096, sizeof(want));
	t_stream_fill(t_ptr(&r, d.addr), sizeof(want), 3);
	d.ops |= IO_UNIFIED_OP_BPF;
	d.bpf = t_attach_bpf(&r, t_bpf_prog(obj, "choose_net"));
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .storage = second });
	t_ends(&r, &d, sizeof(want), 0);
	REQUIRE(recv(other.peer, got, sizeof(got), MSG_WAITALL) == sizeof(got));
	CHECK(!memcmp(got, want, sizeof(want)));
	CHECK(recv(c.peer, got, 1, MSG_DONTWAIT) < 0);
	t_bpf_configure(obj, &(struct ops_config){ .verdict = XDP_PASS,
						   .storage = 60 });
	t_ends(&r, &d, -EINVAL, IO_UNIFIED_REASON_CTL_INDEX);
	tear_down();
	t_disconnect(&other);
	bpf_object__close(obj);
}

/* ------------------------------------------------------------------- rings */

/* From an SQ: a batch of both directions, and a group that waits for a peer. */
static void from_rings(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	int i, n = 0;
	char buf[64];

	set_up();
	t_stream_fill(t_ptr(&r, r.reg.data_off), 8000, 0);
	for (i = 0; i < 8; i++) {
		d = t_send_op(sock, i, r.reg.data_off + i * 1000, 1000);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	d = t_recv_op(sock, 8, r.reg.data_off + SLOT, 100);
	REQUIRE(t_sq_put(&r, 0, &d));
	REQUIRE(send(c.peer, "ping", 4, 0) == 4);
	CHECK_EQ(t_ring(&r, 0, 9, 0).res, 9);
	for (i = 0; i < 9; i++) {
		REQUIRE(t_cq(&r, &cqe, 1000));
		CHECK_EQ(cqe.res, cqe.user_data == 8 ? 4 : 1000, "reason %u",
			 cqe.reason);
		CHECK_EQ(cqe.ops, IO_UNIFIED_OP_NETWORK);
	}

	/* The answer follows the question. */
	d.user_data = 20;
	d.flags |= IO_UNIFIED_F_LINK;
	REQUIRE(t_sq_put(&r, 0, &d));
	d = t_send_op(sock, 21, r.reg.data_off + SLOT, 4);
	REQUIRE(t_sq_put(&r, 0, &d));
	CHECK_EQ(t_ring(&r, 0, 2, IO_UNIFIED_RING_SUBMIT).res, 2);
	CHECK(!t_cq(&r, &cqe, 50));
	for (i = 0; i < 8000; i += n) {
		n = recv(c.peer, buf, 64, 0);
		REQUIRE(n > 0 && t_stream_is(buf, n, i));
	}
	REQUIRE(send(c.peer, "echo", 4, 0) == 4);
	for (i = 0; i < 2; i++) {
		REQUIRE(t_cq(&r, &cqe, 5000));
		CHECK_EQ(cqe.user_data, 20 + i);
		CHECK_EQ(cqe.res, 4);
	}
	REQUIRE(recv(c.peer, buf, 64, 0) == 4);
	CHECK(!memcmp(buf, "echo", 4));

	/* After the end of the stream nothing of the group goes on. */
	d = t_recv_op(sock, 30, r.reg.data_off, 100);
	d.flags |= IO_UNIFIED_F_LINK;
	REQUIRE(t_sq_put(&r, 0, &d));
	d = t_send_op(sock, 31, r.reg.data_off, 4);
	REQUIRE(t_sq_put(&r, 0, &d));
	shutdown(c.peer, SHUT_WR);
	CHECK_EQ(t_ring(&r, 0, 2, 0).res, 2);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, 0);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.res, -ECANCELED);
	CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_LINK);

	/* Without io_uring */
	d.user_data = 40;
	cqe = t_enter_op(&r, 0, &d);
	CHECK_EQ(cqe.res, 4);
	tear_down();
}

/* A command for many that wait, canceled one by one and all at once. */
static void ring_waits(void)
{
	struct io_unified_cqe cqe;
	struct io_unified_desc d;
	struct t_res res;
	int i;

	set_up();
	for (i = 0; i < 4; i++) {
		d = t_recv_op(sock, i, r.reg.data_off + i * 1000, 1000);
		REQUIRE(t_sq_put(&r, 0, &d));
	}
	t_queue_ring(&r, &r.ring, 0, 4, 0, 99);
	t_submit(&r);
	t_silent(&r, 20);
	t_queue_cancel(&r, 2, 98);
	t_submit(&r);
	res = t_next(&r);
	CHECK_EQ(res.user_data, 98);
	CHECK_EQ(res.res, 1);
	REQUIRE(t_cq(&r, &cqe, 1000));
	CHECK_EQ(cqe.user_data, 2);
	CHECK_EQ(cqe.res, -ECANCELED);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_SOCKET, sock), 0);
	res = t_next(&r);
	CHECK_EQ(res.user_data, 99);
	CHECK_EQ(res.res, 4);
	for (i = 0; i < 3; i++) {
		REQUIRE(t_cq(&r, &cqe, 0));
		CHECK_EQ(cqe.res, -ECANCELED);
		CHECK_EQ(cqe.reason, IO_UNIFIED_REASON_GONE);
	}
	tear_down();
}

static const u32 deferred = IORING_SETUP_SINGLE_ISSUER |
			    IORING_SETUP_DEFER_TASKRUN;

static const struct t_case cases[] = {
	{ "from storage to the peer", serve },
	{ "from storage to the peer, DEFER_TASKRUN", serve, 0, &deferred },
	{ "the drive goes", drive_goes },
	{ "from the peer to storage", ingest },
	{ "programs", programs },
	{ "from an SQ", from_rings },
	{ "a command for many that wait", ring_waits },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
