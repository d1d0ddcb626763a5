// SPDX-License-Identifier: MIT
/*
 * iou replay: packets of a capture to an interface
 *
 * The capture is read into the region, and each packet is sent from where it lies
 * there, by a descriptor that says when. The module keeps the time: this process only
 * has to be ahead of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "replay.h"
#include "session.h"

/* What completions are named. A packet bears the number of its chunk. */
#define TAG_READ 0x100u
#define TAG_CANCEL 0x200u

/* The first packet leaves so much later than it is handed in. */
#define START_NS (10 * NSEC / 1000)
/* Packets are handed in so much ahead at most. */
#define AHEAD_NS (IO_UNIFIED_TX_TIME_MAX / 2)
/* How long a signal may wait */
#define WAIT_NS (NSEC / 10)

#define HEADER 14u /* of Ethernet */
#define TAG 4u /* of a VLAN, which the MTU does not count */
/* None is longer, whatever the interface. */
#define MAX_PACKET (UINT16_MAX + HEADER + TAG)
/* In front of a packet that is processed: the control block, and room to grow */
#define HEADROOM 256u
#define CTL_SIZE ((size_t)sizeof(struct io_unified_bpf_ctl))

/* ------------------------------------------------------------------- setup */

static unsigned int power_of_two(uint64_t n)
{
	unsigned int p = 64;

	while (p < n)
		p *= 2;
	return p;
}

static int make_region(struct player *p)
{
	uint64_t in_flight = p->o->in_flight;
	struct iou_region_params params = {
		.frames = NR_CHUNKS * CHUNK_FRAMES,
		.sq_entries = power_of_two(in_flight + NR_CHUNKS),
		.cq_entries = power_of_two(in_flight + 2 * NR_CHUNKS),
	};
	unsigned int i;
	int err;

	if (p->o->bpf) {
		/* a packet and its room, in whole frames */
		p->stage_size = (p->mtu + HEADER + TAG + HEADROOM + 4095) &
				~4095u;
		params.frames += (unsigned int)in_flight * p->stage_size / 4096;
		p->stage_free = calloc(in_flight, sizeof(*p->stage_free));
		if (!p->stage_free)
			return complain(IOU_EXIT_FAIL, "out of memory");
		for (i = 0; i < in_flight; i++)
			p->stage_free[i] = i;
		p->nr_stage_free = i;
	}
	err = iou_region_init(&p->region, p->fd, &params);
	if (err)
		return session_failed(&p->region, err, "no region");
	p->region_up = true;
	p->stage = iou_frame_addr(&p->region, NR_CHUNKS * CHUNK_FRAMES);
	err = iou_ring_init(&p->ring, &p->region, 0);
	return err ? session_failed(&p->region, err, "no ring") : 0;
}

static int load_program(struct player *p)
{
	const struct replay_options *o = p->o;

	if (!o->bpf)
		return 0;
	program_verbose(o->verbose);
	return session_program(&p->region, &p->program, o->bpf, o->set,
			       o->nr_set, &p->bpf);
}

static int attach_net(struct player *p)
{
	const struct netdev *n = &p->o->net;
	int err = iou_attach_netdev(&p->region, n->ifindex, n->queue,
				    IO_UNIFIED_ATTACH_SEND_ONLY, &p->net);

	return err ? session_failed(&p->region, err, n->name) : 0;
}

static int set_up(struct player *p)
{
	int err = source_open(&p->source);

	if (!err)
		err = open_device(&p->fd);
	if (!err)
		err = netdev_mtu(&p->o->net, &p->mtu);
	if (!err)
		err = make_region(p);
	if (!err)
		err = source_attach(&p->source);
	if (!err)
		err = load_program(p);
	if (!err)
		err = session_signals(&p->signal_fd);
	if (!err)
		err = attach_net(p);
	return err;
}

static void tear_down(struct player *p)
{
	if (p->region_up)
		iou_region_exit(&p->region);
	source_close(&p->source);
	program_close(&p->program);
	free(p->stage_free);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	if (p->fd >= 0)
		iou_close(p->fd);
}

/* ----------------------------------------------------------------- packets */

/* Centuries at most: it is not to overflow. */
static uint64_t clamp_ns(double ns)
{
	return ns < 0x1p62 ? (uint64_t)ns : 1ull << 62;
}

/* By the capture's clock, and never back. A new pass follows the one before. */
static uint64_t captured_ns(struct player *p)
{
	double ns;

	if (p->pass != p->from->pass || !p->packets) {
		p->pass = p->from->pass;
		p->pass_ns = p->last_ns;
		p->first_time = p->packet.time;
	}
	if (p->packet.time <= p->first_time)
		return p->last_ns;
	ns = (double)(p->packet.time - p->first_time) / p->o->rate;
	return clamp_ns(ns + (double)p->pass_ns);
}

/* When the packet leaves, since the first one did. */
static uint64_t offset_ns(struct player *p)
{
	uint64_t ns = 0;

	switch (p->o->pace) {
	case PACE_SPEED:
		ns = captured_ns(p);
		break;
	case PACE_PPS:
		ns = clamp_ns((double)p->packets / p->o->rate * 1e9);
		break;
	case PACE_MBPS:
		ns = clamp_ns((double)p->packet_bytes * 8e3 / p->o->rate);
		break;
	case PACE_TOP:
		break;
	}
	return ns > p->last_ns ? ns : p->last_ns;
}

/*
 * The program's control block is in front of its packet: does it reach into the one
 * before? A chunk's first has none before it.
 */
static bool needs_stage(const struct player *p)
{
	return p->o->bpf && p->behind && p->packet.data >= p->behind &&
	       p->packet.data - p->behind < (ptrdiff_t)CTL_SIZE;
}

/* Its address in the region. The program's packets have one each if need be. */
static uint64_t place(struct player *p)
{
	uint64_t addr;

	if (!needs_stage(p))
		return (uint64_t)(p->packet.data - p->region.base);
	addr = p->stage +
	       (uint64_t)p->stage_free[--p->nr_stage_free] * p->stage_size +
	       HEADROOM;
	memcpy(iou_region_ptr(&p->region, addr), p->packet.data,
	       p->packet.caplen);
	p->moved++;
	return addr;
}

/* What cannot be sent whatever the interface says. */
static bool cannot_be_sent(struct player *p)
{
	uint32_t max = MAX_PACKET;

	if (p->o->bpf)
		max = p->stage_size - HEADROOM;
	if (p->packet.caplen < HEADER)
		p->unsent[UNSENT_TOO_SHORT]++;
	else if (!p->packet.data || p->packet.caplen > max)
		p->unsent[UNSENT_TOO_LONG]++;
	else
		return false;
	return true;
}

static void hand_in(struct player *p, struct io_unified_desc *d, uint64_t when)
{
	uint64_t addr = place(p);

	iou_desc_tx(d, (unsigned int)p->net.index, addr, p->packet.caplen);
	iou_desc_set_user_data(d, (uint64_t)(p->from - p->source.chunk));
	if (p->o->bpf)
		iou_desc_set_bpf(d, (unsigned int)p->bpf.index);
	if (p->o->pace != PACE_TOP)
		iou_desc_set_time(d, when);
	p->from->in_flight++;
	p->in_flight++;
}

enum filled {
	FILLED_FULL, /* as many are in flight as may be */
	FILLED_EARLY, /* the next packet has time */
	FILLED_WAIT, /* for a read */
	FILLED_ALL, /* there are no more */
};

/* Takes the next packet, unless there is one that could not be handed in yet. */
static enum source_what take(struct player *p)
{
	enum source_what what;
	uint64_t ns;

	if (p->held)
		return SOURCE_PACKET;
	what = source_next(&p->source, &p->packet, &p->from, &p->code);
	if (what != SOURCE_PACKET)
		return what;
	p->held = true;
	if (p->o->pace != PACE_TOP) {
		ns = offset_ns(p);
		p->last_ns = ns;
	}
	return what;
}

static void count_packet(struct player *p)
{
	p->held = false;
	p->packets++;
	p->packet_bytes += p->packet.caplen;
	p->cut += p->packet.caplen < p->packet.len;
	if (p->packet.data)
		p->behind = p->packet.data + p->packet.caplen;
}

/* How many packets may be handed in. */
static uint64_t room(const struct player *p)
{
	uint64_t n = p->ring.sq_mask + 1 - iou_ring_pending(&p->ring);

	if (n > p->o->in_flight - p->in_flight)
		n = p->o->in_flight - p->in_flight;
	if (p->o->count && n > p->o->count - p->packets)
		n = p->o->count - p->packets;
	return n;
}

/*
 * Packets that have no time and no program, and are where the one before ends, need no
 * more than a descriptor each. What they are not is left to fill().
 */
static void fill_plain(struct player *p)
{
	struct source *s = &p->source;
	const struct source_run run = source_run(s);
	const unsigned int net = (unsigned int)p->net.index;
	const unsigned char *base = p->region.base;
	struct iou_ring ring = p->ring;
	uint64_t n = 0, max, bytes = 0, cut = 0;
	struct capture_packet packet;
	size_t at = 0, used;

	if (p->o->pace != PACE_TOP || p->o->bpf || p->held || !run.len)
		return;
	for (max = room(p); n < max; n++, at += used) {
		struct io_unified_desc *d =
			&ring.sq[(ring.sq_tail + n) & ring.sq_mask];

		if (!capture_next_plain(run.tick, run.p + at, run.len - at,
					&used, &packet) ||
		    packet.caplen < HEADER || packet.caplen > MAX_PACKET)
			break;
		iou_desc_tx(d, net, (uint64_t)(packet.data - base),
			    packet.caplen);
		iou_desc_set_user_data(d, run.number);
		bytes += packet.caplen;
		cut += packet.caplen < packet.len;
	}
	source_advance(s, at);
	s->current->in_flight += (unsigned int)n;
	p->ring.sq_tail += (unsigned int)n;
	p->in_flight += n;
	p->packets += n;
	p->packet_bytes += bytes;
	p->cut += cut;
}

/* A whole pass has gone by without a packet: so will all others. */
static bool nothing_to_repeat(struct player *p)
{
	if (p->packets != p->full_packets) {
		p->full_packets = p->packets;
		p->full_pass = p->source.pass;
	}
	if (p->source.pass < p->full_pass + 2)
		return false;
	p->source.read_all = true;
	return true;
}

/* As many descriptors as there is room and time for. */
static enum filled fill(struct player *p, uint64_t now)
{
	struct io_unified_desc *d;

	while (p->end == REPLAY_NONE) {
		fill_plain(p);
		if (p->in_flight == p->o->in_flight)
			return FILLED_FULL;
		if (p->o->count && p->packets == p->o->count) {
			p->end = REPLAY_COUNT;
			break;
		}
		switch (take(p)) {
		case SOURCE_PACKET:
			break;
		case SOURCE_WAIT:
			if (!nothing_to_repeat(p))
				return FILLED_WAIT;
			p->end = REPLAY_DONE;
			return FILLED_ALL;
		case SOURCE_END:
			p->end = REPLAY_DONE;
			return FILLED_ALL;
		case SOURCE_BAD:
			p->end = REPLAY_ERROR;
			return FILLED_ALL;
		}
		if (!p->base_ns)
			p->base_ns = now + START_NS;
		if (cannot_be_sent(p)) {
			count_packet(p);
			continue;
		}
		if (p->o->pace != PACE_TOP &&
		    p->base_ns + p->last_ns > now + AHEAD_NS)
			return FILLED_EARLY;
		d = iou_ring_get_desc(&p->ring);
		if (!d)
			return FILLED_FULL;
		hand_in(p, d, p->base_ns + p->last_ns);
		count_packet(p);
	}
	return FILLED_ALL;
}

/* ------------------------------------------------------------- completions */

static void stop(struct player *p, enum replay_end why)
{
	p->end = why;
	p->source.read_all = true;
	p->to_cancel = (1u << NR_CHUNKS) - 1;
}

static void not_sent(struct player *p, const struct io_unified_cqe *cqe)
{
	enum unsent why = UNSENT_FAILED;

	switch (cqe->reason) {
	case IO_UNIFIED_REASON_TX_LEN:
		why = cqe->res == -EMSGSIZE ? UNSENT_TOO_LONG :
					      UNSENT_TOO_SHORT;
		break;
	case IO_UNIFIED_REASON_TX_DROPPED:
		why = UNSENT_DROPPED;
		break;
	case IO_UNIFIED_REASON_CANCELED:
		if (p->end == REPLAY_SIGNAL || p->end == REPLAY_ERROR)
			why = UNSENT_CANCELED;
		break;
	default:
		if (cqe->reason >= IO_UNIFIED_REASON_BPF_ABORTED &&
		    cqe->reason <= IO_UNIFIED_REASON_CTL_ALIGN)
			why = UNSENT_BPF;
	}
	p->unsent[why]++;
	if (why != UNSENT_FAILED || p->result.res)
		return;
	p->result.res = cqe->res;
	p->result.reason = cqe->reason;
	if (p->end != REPLAY_SIGNAL)
		stop(p, REPLAY_ERROR);
}

static void packet_done(struct player *p, const struct io_unified_cqe *cqe)
{
	p->source.chunk[cqe->user_data].in_flight--;
	p->in_flight--;
	if (p->o->bpf && cqe->addr >= p->stage)
		p->stage_free[p->nr_stage_free++] =
			(uint32_t)((cqe->addr - p->stage) / p->stage_size);
	if (cqe->res < 0) {
		not_sent(p, cqe);
	} else if (cqe->flags & IO_UNIFIED_CQE_SENT) {
		p->sent++;
		p->bytes += (uint32_t)cqe->res;
		p->copied += !!(cqe->flags & IO_UNIFIED_CQE_COPIED);
	} else {
		p->unsent[UNSENT_FILTERED]++;
	}
}

/* The first @n, as far as they are packets that were sent. Returns how many. */
static unsigned int reap_sent(struct player *p, unsigned int first,
			      unsigned int n)
{
	const struct iou_ring ring = p->ring;
	struct chunk *chunk = p->source.chunk;
	uint64_t bytes = 0, copied = 0;
	unsigned int i;

	if (p->o->bpf)
		return 0;
	for (i = 0; i < n; i++) {
		const struct io_unified_cqe *cqe =
			&ring.cq[(first + i) & ring.cq_mask];

		if (cqe->user_data >= NR_CHUNKS || cqe->res < 0 ||
		    !(cqe->flags & IO_UNIFIED_CQE_SENT))
			break;
		chunk[cqe->user_data].in_flight--;
		bytes += (uint32_t)cqe->res;
		copied += !!(cqe->flags & IO_UNIFIED_CQE_COPIED);
	}
	p->in_flight -= i;
	p->sent += i;
	p->bytes += bytes;
	p->copied += copied;
	return i;
}

static void reap(struct player *p)
{
	unsigned int n = iou_ring_ready(&p->ring), i;
	unsigned int first = p->ring.ctrl->cq_cons;

	for (i = reap_sent(p, first, n); i < n;
	     i++, i += reap_sent(p, first + i, n - i)) {
		const struct io_unified_cqe *cqe =
			&p->ring.cq[(first + i) & p->ring.cq_mask];

		if (cqe->user_data < NR_CHUNKS)
			packet_done(p, cqe);
		else if (cqe->user_data - TAG_READ < NR_CHUNKS)
			source_was_read(
				&p->source,
				(unsigned int)(cqe->user_data - TAG_READ), cqe);
	}
	iou_ring_advance(&p->ring, n);
	source_free(&p->source);
}

/* Those that wait for their time, chunk by chunk: they end at once. */
static void put_cancels(struct player *p)
{
	struct io_unified_desc *d;
	unsigned int i;

	for (i = 0; i < NR_CHUNKS; i++) {
		if (!(p->to_cancel & 1u << i))
			continue;
		d = iou_ring_get_desc(&p->ring);
		if (!d)
			return;
		iou_desc_op(d, 0, IO_UNIFIED_F_CANCEL, 0, 0);
		d->arg = i;
		iou_desc_set_user_data(d, TAG_CANCEL);
		p->to_cancel &= ~(1u << i);
	}
}

/* ---------------------------------------------------------------------- run */

/* Returns false on the second signal: the user waits no longer. */
static bool look_for_signals(struct player *p)
{
	struct signalfd_siginfo info;
	bool any = false;

	while (read(p->signal_fd, &info, sizeof(info)) > 0)
		any = true;
	if (!any)
		return true;
	if (p->end == REPLAY_SIGNAL)
		return false;
	stop(p, REPLAY_SIGNAL);
	return true;
}

/* Until something has to be done, but not longer than a signal may wait. */
static int wait_for_more(struct player *p, enum filled filled, uint64_t now)
{
	unsigned int want = 1;
	uint64_t ns = WAIT_NS, due;
	int n;

	/* in batches, as long as nothing else is to be done */
	if (filled == FILLED_FULL)
		want = (unsigned int)(p->o->in_flight + 1) / 2;
	/* a pipe was waited for already */
	if (filled == FILLED_WAIT && !p->source.direct &&
	    source_has_room(&p->source))
		want = 0;
	if (filled == FILLED_ALL)
		want = (unsigned int)p->in_flight + p->source.reading;
	due = p->told_ns + NSEC;
	if (due - now < ns)
		ns = due > now ? due - now : 1;
	n = iou_enter(&p->ring, iou_ring_pending(&p->ring), want, ns);
	if (n >= 0 || n == -ETIME || n == -EINTR)
		return 0;
	return session_failed(&p->region, n, "cannot run the ring");
}

static bool is_over(const struct player *p)
{
	return p->end != REPLAY_NONE && !p->in_flight && !p->source.reading &&
	       !iou_ring_pending(&p->ring);
}

static int run(struct player *p)
{
	enum filled filled;
	uint64_t now;
	int err;

	p->began_ns = now_ns(CLOCK_MONOTONIC);
	p->told_ns = p->began_ns;
	if (!p->o->quiet)
		fprintf(stderr, "playing    (SIGINT or SIGTERM ends it)\n");
	do {
		if (!look_for_signals(p))
			return complain(
				IOU_EXIT_FAIL,
				"interrupted twice: %llu packets are still on their way",
				(unsigned long long)p->in_flight);
		now = now_ns(CLOCK_MONOTONIC);
		if (now - p->told_ns >= NSEC)
			replay_report_progress(p, now);
		put_cancels(p);
		source_read(&p->source, &p->ring, TAG_READ, p->signal_fd);
		filled = fill(p, now);
		iou_ring_publish(&p->ring);
		if (is_over(p))
			break;
		err = wait_for_more(p, filled, now);
		if (err)
			return err;
		reap(p);
	} while (1);
	p->ended_ns = now_ns(CLOCK_MONOTONIC);
	return 0;
}

static int replay(struct player *p)
{
	char text[512];
	int err;

	err = set_up(p);
	if (err)
		return err;
	replay_report_setup(p);
	err = run(p);
	if (err)
		return err;
	if (p->result.res)
		p->code =
			complain(IOU_EXIT_FAIL, "%s: %s", p->o->net.name,
				 iou_strresult(&p->result, text, sizeof(text)));
	replay_report_totals(p);
	if (p->o->json)
		replay_report_json(p, p->code);
	return p->code;
}

int cmd_replay(int argc, char **argv)
{
	struct replay_options o;
	struct player p = {
		.o = &o,
		.fd = -1,
		.signal_fd = -1,
		.program.fd = -1,
		.source = { .o = &o, .window = &o.from },
	};
	bool done;
	int err;

	err = replay_parse(&o, argc, argv, &done);
	if (err || done)
		return err;
	p.source.region = &p.region;
	err = replay(&p);
	tear_down(&p);
	return err;
}
