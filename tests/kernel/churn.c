// SPDX-License-Identifier: GPL-2.0
/*
 * Ops of all kinds, by IO_UNIFIED_ENTER and by io_uring, while what they use is taken
 * away and comes back: attachments, the link. Nobody waits for long, each op ends,
 * and nothing is left.
 */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/disk.h"
#include "lib/leak.h"
#include "lib/life.h"
#include "lib/net.h"
#include "lib/sock.h"
#include "lib/sq.h"

#define NET IO_UNIFIED_OP_NETWORK
#define BPF IO_UNIFIED_OP_BPF
#define NVME IO_UNIFIED_OP_NVME
#define F(name) IO_UNIFIED_F_##name

#define SLOW "iou_churn"

enum {
	SECONDS = 5, /* of each way */
	BURST = 12,
	FRAMES = 900, /* of each thread */
	IN_FLIGHT = 300, /* ops of the io_uring */
	WAIT_MS =
		12000, /* for what a detach waits for, which is five seconds */
};

/* A thread that submits. */
struct sub {
	pthread_t thread;
	u32 pair;
	u64 seed;
	u64 submitted;
	u64 ended;
	u64 good;
};

static struct t_region r;
static struct t_link l;
static struct t_disk fast;
static struct t_conn c[2];
static struct bpf_object *obj;
static volatile bool stop;
static const struct t_way *way;

static const struct {
	u32 ops;
	u32 flags;
} kinds[] = {
	{ NET, F(TX) },
	{ NET, F(TX) },
	{ NET, F(TX) | F(TIMED) },
	{ NET | NVME, F(READ) | F(TX) },
	{ NET | NVME, F(READ) | F(TX) },
	{ NET | BPF, F(TX) },
	{ NET | BPF | NVME, F(READ) | F(TX) },
	{ NET, F(RX) },
	{ NET, F(RX) | F(TX) },
	{ NET | BPF, F(RX) },
	{ NET | BPF, F(RX) | F(TX) },
	{ NET | NVME, F(RX) | F(WRITE) },
	{ NET | NVME | BPF, F(RX) | F(WRITE) | F(TX) },
	{ NET, F(SOCKET) | F(TX) },
	{ NET, F(SOCKET) | F(RX) },
	{ NET, F(SOCKET) | F(RX) | F(WAITALL) },
	{ NET | NVME, F(SOCKET) | F(READ) | F(TX) },
	{ NET | NVME | BPF, F(SOCKET) | F(READ) | F(TX) },
	{ NET | NVME, F(SOCKET) | F(RX) | F(WRITE) },
	{ NVME, F(READ) },
	{ NVME | BPF, F(READ) },
	{ BPF, 0 },
};

static u32 roll(u64 *seed, u32 below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 33) % below;
}

static struct io_unified_desc random_op(struct sub *s)
{
	const u32 k = roll(&s->seed, ARRAY_SIZE(kinds));
	const u32 flags = kinds[k].flags;
	const bool frame = (flags & (F(RX) | F(SOCKET))) == F(RX);
	const u32 mask = (flags & F(SOCKET)) ? 1 : 0;
	struct io_unified_desc d = {
		.user_data = roll(&s->seed, 64),
		.ops = kinds[k].ops,
		.flags = flags,
		.addr = t_frame(&r, s->pair * FRAMES + roll(&s->seed, FRAMES)),
		.len = 4096,
	};

	if (!frame) {
		d.addr += 512;
		d.len = 512 << roll(&s->seed, 2);
	}
	if (d.ops & NVME) {
		d.storage = roll(&s->seed, 2);
		d.dev_offset = roll(&s->seed, 1000) * 4096;
	}
	if (flags & F(RX))
		d.net = mask ? roll(&s->seed, 2) : 0;
	if (flags & F(TX))
		d.net_tx = roll(&s->seed, 2);
	if (flags & F(TIMED))
		d.arg = t_now_ns() + roll(&s->seed, 3000000);
	return d;
}

static void ended(struct sub *s, int res)
{
	s->ended++;
	s->good += res >= 0;
}

static void *by_enter(void *arg)
{
	struct sub *s = arg;
	struct io_unified_desc d;
	struct io_unified_cqe e;
	int i;

	while (!stop) {
		struct io_unified_enter enter = {
			.ring = s->pair,
			.to_submit = BURST,
		};

		for (i = 0; i < BURST; i++) {
			d = random_op(s);
			if (!roll(&s->seed, 8))
				d.flags |= F(LINK);
			if (!roll(&s->seed, 8))
				d = (struct io_unified_desc){
					.user_data = 1000,
					.flags = F(CANCEL),
					.arg = roll(&s->seed, 64),
				};
			if (!t_sq_put(&r, s->pair, &d))
				break;
		}
		t_enter(&r, &enter);
		s->submitted += enter.submitted;
		while (t_cq_of(&r, s->pair, &e, 0))
			ended(s, e.res);
	}
	return NULL;
}

static void reap(struct sub *s)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&r.ring, &cqe)) {
		ended(s, cqe->res);
		io_uring_cqe_seen(&r.ring, cqe);
	}
}

static void *by_uring(void *arg)
{
	struct sub *s = arg;
	struct io_unified_desc d;
	int i;

	while (!stop) {
		for (i = 0; i < BURST; i++) {
			if (s->submitted - s->ended > IN_FLIGHT) {
				t_queue_cancel(&r, roll(&s->seed, 64), 1000);
			} else {
				d = random_op(s);
				t_queue(&r, &d);
			}
			s->submitted++;
		}
		t_submit(&r);
		reap(s);
	}
	return NULL;
}

/* The other end of the sockets */
static void *peer(void *arg)
{
	static char buf[32768];
	int i;

	while (!stop) {
		for (i = 0; i < 2; i++) {
			recv(c[i].peer, buf, sizeof(buf), MSG_DONTWAIT);
			send(c[i].peer, buf, 3000, MSG_DONTWAIT | MSG_NOSIGNAL);
		}
		usleep(500);
	}
	return NULL;
}

static void attach_bpf(void)
{
	REQUIRE_EQ(t_attach_bpf(&r, t_bpf_prog(obj, "verdict")), 0);
}

static void attach_storage(u32 i)
{
	struct t_disk slow;

	if (i)
		t_disk_open_null_blk(&slow, SLOW);
	REQUIRE_EQ(t_attach_storage(&r, i ? slow.path : fast.path, 0), i);
}

static void attach_net(u32 i)
{
	if (i)
		REQUIRE_EQ(t_attach_tx(&r, l.tx), i);
	else
		REQUIRE_EQ(t_link_attach(&r, &l, way), i);
}

static void attach_sock(u32 i)
{
	REQUIRE_EQ(t_attach_sock(&r, c[i].end), i);
}

static void verdict(u64 *seed)
{
	static const u32 verdicts[] = { XDP_PASS, XDP_PASS, XDP_TX, XDP_DROP };
	const struct ops_config config = {
		.verdict = verdicts[roll(seed, 4)],
	};

	t_bpf_configure(obj, &config);
}

static void detach(u32 kind, u32 i)
{
	const u64 from = t_now_ms();

	REQUIRE_EQ(t_detach(&r, kind, i), 0);
	CHECK(t_now_ms() - from < WAIT_MS, "%u %u: it took %llu ms", kind, i,
	      (unsigned long long)(t_now_ms() - from));
}

static void churn(u64 *seed)
{
	const u32 i = roll(seed, 2);

	verdict(seed);
	switch (roll(seed, 6)) {
	case 0:
	case 1:
		detach(IO_UNIFIED_KIND_NETDEV, i);
		attach_net(i);
		break;
	case 2:
		detach(IO_UNIFIED_KIND_SOCKET, i);
		attach_sock(i);
		break;
	case 3:
		detach(IO_UNIFIED_KIND_STORAGE, i);
		attach_storage(i);
		break;
	case 4:
		detach(IO_UNIFIED_KIND_BPF, 0);
		attach_bpf();
		break;
	default:
		t_link_up(i ? l.rx : l.tx, false);
		t_link_up(i ? l.rx : l.tx, true);
	}
	usleep(roll(seed, 20000));
}

static void all(void)
{
	struct sub s[2] = { { .pair = 0, .seed = 17 },
			    { .pair = 1, .seed = 4711 } };
	struct t_opt opt = {
		.size = 8 << 20,
		.pairs = 2,
		.sq_entries = 256,
		.cq_entries = 1024,
	};
	u64 seed = 42, end, rounds = 0;
	struct t_disk slow;
	pthread_t other;
	u32 i;

	way = t_arg;
	t_link_open(&l, way, 1500);
	t_disk_nvme(&fast, 512, 0);
	t_disk_null_blk(&slow, SLOW, 512, 16,
			"irqmode=2 completion_nsec=20000000");
	t_region_open(&r, &opt);
	obj = t_bpf_open("ops", true);
	verdict(&seed);
	attach_bpf();
	for (i = 0; i < 2; i++) {
		t_connect(&c[i], AF_INET, SOCK_STREAM, T_LO);
		attach_sock(i);
		attach_storage(i);
		attach_net(i);
	}
	stop = false;
	t_traffic_start(l.tx);
	REQUIRE(!pthread_create(&other, NULL, peer, NULL));
	REQUIRE(!pthread_create(&s[0].thread, NULL, by_enter, &s[0]));
	REQUIRE(!pthread_create(&s[1].thread, NULL, by_uring, &s[1]));
	for (end = t_now_ms() + SECONDS * 1000; t_now_ms() < end; rounds++)
		churn(&seed);
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(s[i].thread, NULL);
	pthread_join(other, NULL);
	t_traffic_stop();

	/* The rest ends with the region. */
	REQUIRE(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	for (end = t_now_ms() + 5000;
	     s[1].ended < s[1].submitted && t_now_ms() < end; t_sleep_ms(1))
		reap(&s[1]);
	CHECK_EQ(s[1].ended, s[1].submitted);
	CHECK(s[0].good > 100 && s[1].good > 100);
	t_note("%llu rounds, %llu and %llu ops, %llu and %llu well",
	       (unsigned long long)rounds, (unsigned long long)s[0].submitted,
	       (unsigned long long)s[1].submitted,
	       (unsigned long long)s[0].good, (unsigned long long)s[1].good);
	t_region_gone(&r);
	for (i = 0; i < 2; i++)
		t_disconnect(&c[i]);
	bpf_object__close(obj);
	t_link_close(&l);
	t_refcount_wait(0);
	t_disk_del_null_blk(SLOW);
}

/*
 * Thousands of reads of a drive that does one at a time, handed in by who does not
 * wait. An op of another region does not stand behind them.
 */
static void slow_drive(void)
{
	enum { READS = 3000, MS = 5 };
	struct t_opt opt = { .sq_entries = 4096, .cq_entries = 4096 };
	struct io_unified_desc d;
	struct io_unified_cqe e;
	struct t_region other;
	struct t_disk slow;
	struct t_res res;
	u64 from, took;
	int i;

	t_disk_null_blk(
		&slow, SLOW, 512, 16,
		"irqmode=2 completion_nsec=5000000 submit_queues=1 hw_queue_depth=1");
	t_region_open(&other, &opt);
	t_region_open(&r, NULL);
	t_disk_nvme(&fast, 512, 0);
	obj = t_bpf_open("ops", true);
	attach_bpf();
	attach_storage(0);
	REQUIRE_EQ(t_attach_storage(&other, slow.path, 0), 0);
	d = (struct io_unified_desc){
		.ops = NVME,
		.flags = F(READ),
		.addr = t_frame(&other, 0),
		.len = 4096,
	};
	for (i = 0; i < READS; i++)
		REQUIRE(t_sq_put(&other, 0, &d));
	t_queue_ring(&other, &other.ring, 0, 0, IO_UNIFIED_RING_SUBMIT, 1);
	t_submit(&other);
	res = t_next(&other);
	CHECK_EQ(res.res, READS);

	from = t_now_ms();
	d.ops |= BPF;
	d.addr = t_frame(&r, 1);
	e = t_enter_op(&r, 0, &d);
	took = t_now_ms() - from;
	t_note("%llu ms, result %d", (unsigned long long)took, e.res);
	CHECK(took < READS * MS / 5);
	t_region_close(&r);
	t_region_close(&other);
	bpf_object__close(obj);
	t_disk_del_null_blk(SLOW);
}

static const struct t_way veth_rxh = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };
static const struct t_way veth_xsk = { "veth", IO_UNIFIED_ATTACH_XSK };
static const struct t_way nic = { "virtio", 0 };

static const struct t_case cases[] = {
	{ "the kernel's dispatcher is full", t_around_fill, 120 },
	{ "rx handler on veth", all, 120, &veth_rxh },
	{ "AF_XDP on veth", all, 120, &veth_xsk },
	{ "NIC", all, 120, &nic },
	{ "a slow drive holds up nobody else", slow_drive, 120 },
	{ "the kernel's dispatcher is empty", t_around_empty, 120 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
