// SPDX-License-Identifier: GPL-2.0
/*
 * Rings, control page and frames full of garbage while everything runs
 *
 * The region is shared with a program that may be wrong or evil. Whatever it
 * writes, the module must neither crash nor touch what is not the region's.
 */
#include <linux/bpf.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/ops.h"
#include "lib/bpf.h"
#include "lib/leak.h"
#include "lib/life.h"

static struct t_life life;
static volatile bool stop;
static const struct t_way veth = { "veth", 0 };

static u64 random_word(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Every word in front of the data area, over and over; and all of it. */
static void *scribble(void *arg)
{
	static const u64 evil[] = {
		0,
		1,
		~0ull,
		0x8000000000000000ull,
		0x7fffffffffffffffull,
		0xffffffff,
		0x100000000ull,
		4095,
		4096,
	};
	bool frames = arg;
	u64 x = 88172645463325252ull, *words = (u64 *)life.r.base;
	u64 first = 0, n = life.r.reg.data_off / 8, i;

	if (frames) {
		first = n;
		n = life.r.size / 8;
	}
	while (!stop) {
		for (i = first; i < n && !stop; i += 1 + (frames ? x % 61 : 0))
			words[i] = random_word(&x) % 3 ?
					   x :
					   evil[x % ARRAY_SIZE(evil)];
		if (!frames)
			usleep(100);
	}
	return NULL;
}

/* The CQ's indices are garbage: completions of io_uring are what counts. */
static void run(bool frames, bool bpf)
{
	struct io_unified_desc d = {
		.ops = IO_UNIFIED_OP_BPF,
		.len = 1000,
		.user_data = 9,
	};
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct t_leak before;
	u64 end, done = 0;
	pthread_t thread;
	struct t_res res;
	int prog = 0;

	t_disk_nvme(&life.disk, 512, 0);
	t_link_open(&life.l, &veth, 1500);
	t_leak_start(&before);
	t_traffic_start("iout1");
	t_life_open(&life, bpf ? 2 : 0);
	if (bpf)
		prog = t_attach_bpf(&life.r, t_bpf_prog(obj, "place"));
	REQUIRE(!pthread_create(&thread, NULL, scribble,
				frames ? (void *)1 : NULL));
	t_life_start(&life);
	end = t_now_ms() + 4000;
	while (t_now_ms() < end) {
		if (bpf) {
			d.bpf = prog;
			d.addr = t_frame(&life.r, 200);
			t_queue(&life.r, &d);
			life.waiting++;
			t_submit(&life.r);
		}
		REQUIRE(life.waiting, "nothing runs any more");
		if (!t_reap(&life.r, &res, 1000))
			continue;
		life.waiting--;
		done++;
		if ((res.user_data & 0xff) == LIFE_IO) {
			struct io_unified_desc io = {
				.user_data = LIFE_IO,
				.ops = IO_UNIFIED_OP_NVME,
				.flags = IO_UNIFIED_F_WRITE | IO_UNIFIED_F_CQ,
				.storage = done % 2 ? life.bio : life.storage,
				.addr = t_frame(&life.r, 300),
				.len = 8192,
				.dev_offset = 512 << 20,
			};

			if (done % 3)
				io.flags &= ~IO_UNIFIED_F_CQ;
			t_queue(&life.r, &io);
			life.waiting++;
			t_submit(&life.r);
		} else if (res.user_data == LIFE_STREAM) {
			t_note("the stream ended: %d, reason %u", res.res,
			       res.reason);
		}
	}
	CHECK(done > 20, "%llu", (unsigned long long)done);
	REQUIRE(!ioctl(life.r.fd, IO_UNIFIED_UNREGISTER_REGION));
	while (life.waiting) {
		REQUIRE(t_reap(&life.r, &res, 10000), "%d have not ended",
			life.waiting);
		life.waiting--;
	}
	stop = true;
	pthread_join(thread, NULL);
	t_region_gone(&life.r);
	t_traffic_stop();
	bpf_object__close(obj);
	t_note("%llu completions", (unsigned long long)done);
	t_leak_check(&before, 1500);
}

static void rings(void)
{
	run(false, false);
}

static void frames(void)
{
	run(true, false);
}

static void rings_bpf(void)
{
	run(false, true);
}

static void frames_bpf(void)
{
	run(true, true);
}

static const struct t_case cases[] = {
	{ "garbage in rings and control page", rings, 120 },
	{ "garbage in frames", frames, 120 },
	{ "garbage in rings, programs run", rings_bpf, 120 },
	{ "garbage in frames, programs run", frames_bpf, 120 },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
