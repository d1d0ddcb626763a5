// SPDX-License-Identifier: GPL-2.0
/*
 * TCP at length: streams of IOU_BYTES in ops of random sizes, over loopback, veth and
 * two e1000e, to a peer that compares each byte. On its way it becomes slow and stops
 * for a while; others reset the connection, or are not there any more.
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/sock.h"

enum {
	SLOTS = 48,
	SLOT = 64 << 10,
	MAX = SLOT - 4096,
	PIECE = 64 << 10, /* that the peer reads */
	STOP_MS = 500,
	MAX_QUEUED = 16 << 20,
	MAX_MEMORY_KB =
		96 << 10, /* that all of it may take, buffers of NICs too */
};

static struct t_region r;
static struct t_conn c;
static int sock;
static u64 total = 3 << 20;
static u32 rested; /* how often nothing completed for a while */

/* Is what is sent while the peer rests more than all buffers hold? */
static bool fills_all(void)
{
	return total >= 64 << 20;
}

static void set_up(void)
{
	struct t_opt opt = {
		.memory = T_MEM_MEMFD,
		.size = 4 << 20,
		.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			      IORING_SETUP_DEFER_TASKRUN,
	};

	t_region_open(&r, &opt);
	t_connect(&c, AF_INET, SOCK_STREAM, *(const enum t_where *)t_arg);
	sock = t_attach_sock(&r, c.end);
}

static void tear_down(void)
{
	t_region_close(&r);
	t_disconnect(&c);
}

/* -------------------------------------------------------------------- the peer */

/* Reads up to @until, or the end. Slow and stopping in the middle if @moody. */
struct reader {
	pthread_t thread;
	u64 until;
	bool moody;
	u64 done;
	bool resting;
	bool wrong;
};

/* Buffers may grow so far that they are full only after a while. */
static void rest(void)
{
	const u64 end = t_now_ms() + 10000;

	t_sleep_ms(STOP_MS);
	while (fills_all() && !__atomic_load_n(&rested, __ATOMIC_RELAXED) &&
	       t_now_ms() < end)
		t_sleep_ms(10);
}

static void pause_at(struct reader *p, u64 before)
{
	const u64 stop = total / 4 * 3;

	if (p->done > total / 2 && p->done < total / 8 * 5)
		usleep(1000);
	if (before >= stop || p->done < stop)
		return;
	__atomic_store_n(&p->resting, true, __ATOMIC_RELAXED);
	rest();
	__atomic_store_n(&p->resting, false, __ATOMIC_RELAXED);
}

static void *reader(void *arg)
{
	static u8 buf[PIECE];
	struct reader *p = arg;
	u64 before;
	ssize_t n;

	while (p->done < p->until) {
		n = recv(c.peer, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		if (!t_stream_is(buf, n, p->done)) {
			p->wrong = true;
			break;
		}
		before = p->done;
		__atomic_store_n(&p->done, before + n, __ATOMIC_RELAXED);
		if (p->moody)
			pause_at(p, before);
	}
	return NULL;
}

static void reader_start(struct reader *p, u64 until, bool moody)
{
	*p = (struct reader){ .until = until, .moody = moody };
	/* The pattern is made once, not by two at once. */
	t_stream_is(NULL, 0, 0);
	REQUIRE(!pthread_create(&p->thread, NULL, reader, p));
}

static void reader_join(struct reader *p)
{
	REQUIRE(!pthread_join(p->thread, NULL));
	CHECK(!p->wrong, "other bytes at %llu", (unsigned long long)p->done);
}

/* ---------------------------------------------------------------------- memory */

static long available_kb(void)
{
	char *text = t_read_file("/proc/meminfo");
	char *at = strstr(text, "MemAvailable:");
	long kb = at ? atol(at + 13) : 0;

	free(text);
	REQUIRE(kb);
	return kb;
}

static long least_kb;
static int most_queued;

static void look(void)
{
	long kb = available_kb();
	int queued;

	if (kb < least_kb)
		least_kb = kb;
	if (!ioctl(c.end, SIOCOUTQ, &queued) && queued > most_queued)
		most_queued = queued;
}

/* --------------------------------------------------------------------- streams */

static u32 len[SLOTS];

static void queue(u32 slot, u64 *at)
{
	struct io_unified_desc d = t_send_op(sock, slot,
					     r.reg.data_off + (u64)slot * SLOT +
						     t_dice(SLOT - MAX),
					     1 + t_dice(MAX));

	t_stream_fill(t_ptr(&r, d.addr), d.len, *at);
	t_queue(&r, &d);
	len[slot] = d.len;
	*at += d.len;
}

/* Sends @bytes at least, with all slots in flight. Returns how many. */
static u64 send_all(u64 bytes)
{
	u32 slot, flying, looked = 0;
	long before = available_kb();
	struct t_res res;
	u64 at = 0;

	least_kb = before;
	most_queued = 0;
	for (slot = 0; slot < SLOTS; slot++)
		queue(slot, &at);
	t_submit(&r);
	for (flying = SLOTS; flying;) {
		/* While the peer rests what is under way comes to a stop. */
		if (!t_reap(&r, &res, STOP_MS / 4)) {
			REQUIRE(__atomic_fetch_add(&rested, 1,
						   __ATOMIC_RELAXED) < 100,
				"nothing completes");
			look();
			continue;
		}
		REQUIRE(res.user_data < SLOTS);
		slot = res.user_data;
		CHECK_EQ(res.res, len[slot], "reason %u", res.reason);
		if (!(looked++ % 64))
			look();
		if (at >= bytes) {
			flying--;
			continue;
		}
		queue(slot, &at);
		t_submit(&r);
	}
	if (fills_all())
		CHECK(rested, "it never stopped");
	CHECK(most_queued <= MAX_QUEUED, "%d bytes are in flight", most_queued);
	CHECK(before - least_kb <= MAX_MEMORY_KB, "it took %ld KiB of memory",
	      before - least_kb);
	return at;
}

static void stream(void)
{
	struct reader p;
	u64 n;

	set_up();
	rested = 0;
	reader_start(&p, ~0ull, true);
	n = send_all(total);
	shutdown(c.end, SHUT_WR);
	reader_join(&p);
	CHECK_EQ(p.done, n);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_SOCKET, sock,
			IO_UNIFIED_STAT_TX_BYTES),
		 n);
	tear_down();
}

/*
 * Sends until the peer has read @bytes of it and has no room for more; then @end
 * happens. What was told to be sent has been read, or was in the peer's buffer; all
 * else ends with the reason.
 */
static void broken(u64 bytes, void (*end)(void), int error, u16 reason)
{
	u64 at = 0, sent = 0;
	struct reader p;
	struct t_res res;
	bool ended = false;
	u32 flying, slot;

	set_up();
	/* Not room for all that is under way, once nobody reads. */
	t_rcvbuf(c.peer, 128 << 10);
	reader_start(&p, bytes, false);
	for (slot = 0; slot < SLOTS; slot++)
		queue(slot, &at);
	t_submit(&r);
	for (flying = SLOTS; flying;) {
		if (!t_reap(&r, &res, ended ? 20000 : 100)) {
			REQUIRE(!ended, "%u ops do not end", flying);
			/* Once nobody reads, its buffer is full now. */
			if (__atomic_load_n(&p.done, __ATOMIC_RELAXED) < bytes)
				continue;
			reader_join(&p);
			end();
			ended = true;
			continue;
		}
		slot = res.user_data;
		if (res.res == (int)len[slot]) {
			sent += len[slot];
			if (!ended) {
				queue(slot, &at);
				t_submit(&r);
				continue;
			}
		} else {
			CHECK(ended, "%d, reason %u", res.res, res.reason);
			CHECK_EQ(res.res, -error, "reason %u", res.reason);
			CHECK_EQ(res.reason, reason);
		}
		flying--;
	}
	CHECK(sent + MAX >= p.done, "%llu bytes were sent, and %llu read",
	      (unsigned long long)sent, (unsigned long long)p.done);
	CHECK(sent < at, "nothing failed");
	tear_down();
}

static void reset(void)
{
	t_reset_peer(&c);
}

static void resets(void)
{
	broken(total / 8, reset, ECONNRESET, IO_UNIFIED_REASON_RESET);
}

static void cut(void)
{
	int ms = 1500;

	REQUIRE(!setsockopt(c.end, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
			    sizeof(ms)));
	t_ns_cut(true);
}

static void dies(void)
{
	broken(total / 8, cut, ETIMEDOUT, IO_UNIFIED_REASON_PEER_TIMEOUT);
	t_ns_cut(false);
}

static void clean(void)
{
	t_ns_del();
}

static const enum t_where lo = T_LO, ns = T_NS;

static struct t_case cases[] = {
	{ "loopback", stream, 0, &lo },
	{ "loopback, the peer resets", resets, 0, &lo },
	{ "veth", stream, 0, &ns },
	{ "veth, the peer resets", resets, 0, &ns },
	{ "veth, the peer dies", dies, 0, &ns },
	{ "no veth any more", clean },
	{ "two NICs", t_ns_two_nics },
	{ "e1000e", stream, 0, &ns },
	{ "e1000e, the peer resets", resets, 0, &ns },
	{ "e1000e, the peer dies", dies, 0, &ns },
	{ "nothing is left", clean },
};

int main(int argc, char **argv)
{
	const char *bytes = getenv("IOU_BYTES");
	size_t i;

	if (bytes && *bytes)
		total = strtoull(bytes, NULL, 0);
	/* A MiB in two seconds, on a host that is slow */
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		cases[i].timeout = 60 + (total >> 19);
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
