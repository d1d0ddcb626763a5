// SPDX-License-Identifier: GPL-2.0
/* Descriptors: each kind that the uapi has, most of them right, some off by one thing. */
#include <stdlib.h>
#include <time.h>

#include "mix.h"

#define NVME IO_UNIFIED_OP_NVME
#define BPF IO_UNIFIED_OP_BPF
#define NET IO_UNIFIED_OP_NETWORK
#define F(flag) IO_UNIFIED_F_##flag

struct kind {
	const char *name;
	u32 ops, flags;
};

static const struct kind kinds[] = {
	{ "read", NVME, F(READ) },
	{ "write", NVME, F(WRITE) },
	{ "write FUA", NVME, F(WRITE) | F(FUA) },
	{ "flush", NVME, F(FLUSH) },
	{ "discard", NVME, F(DISCARD) },
	{ "zeroes", NVME, F(ZEROES) },
	{ "opcode", NVME, F(OPCODE) },
	{ "opcode, read", NVME, F(OPCODE) | F(READ) },
	{ "opcode, write", NVME, F(OPCODE) | F(WRITE) },
	{ "read, BPF", NVME | BPF, F(READ) },
	{ "BPF, write", NVME | BPF, F(WRITE) },
	{ "BPF, write FUA", NVME | BPF, F(WRITE) | F(FUA) },
	{ "BPF", BPF, 0 },
	{ "rx", NET, F(RX) },
	{ "tx", NET, F(TX) },
	{ "tx timed", NET, F(TX) | F(TIMED) },
	{ "rx, tx", NET, F(RX) | F(TX) },
	{ "rx, tx timed", NET, F(RX) | F(TX) | F(TIMED) },
	{ "rx, BPF", NET | BPF, F(RX) },
	{ "BPF, tx", NET | BPF, F(TX) },
	{ "BPF, tx timed", NET | BPF, F(TX) | F(TIMED) },
	{ "rx, BPF, tx", NET | BPF, F(RX) | F(TX) },
	{ "rx, write", NET | NVME, F(RX) | F(WRITE) },
	{ "rx, write FUA", NET | NVME, F(RX) | F(WRITE) | F(FUA) },
	{ "rx, BPF, write", NET | BPF | NVME, F(RX) | F(WRITE) },
	{ "read, tx", NET | NVME, F(READ) | F(TX) },
	{ "read, tx timed", NET | NVME, F(READ) | F(TX) | F(TIMED) },
	{ "read, BPF, tx", NET | BPF | NVME, F(READ) | F(TX) },
	{ "read, BPF, tx timed", NET | BPF | NVME, F(READ) | F(TX) | F(TIMED) },
	{ "rx, write, tx", NET | NVME, F(RX) | F(WRITE) | F(TX) },
	{ "rx, BPF, write, tx", NET | BPF | NVME, F(RX) | F(WRITE) | F(TX) },
	{ "rx, BPF, write, tx timed", NET | BPF | NVME,
	  F(RX) | F(WRITE) | F(TX) | F(TIMED) },
	{ "record", NET | NVME, F(RX) | F(WRITE) | F(STREAM) },
	{ "record, BPF", NET | BPF | NVME, F(RX) | F(WRITE) | F(STREAM) },
	{ "play", NET | NVME, F(READ) | F(TX) | F(STREAM) },
	{ "play, BPF", NET | BPF | NVME, F(READ) | F(TX) | F(STREAM) },
	{ "receive", NET, F(SOCKET) | F(RX) },
	{ "receive all", NET, F(SOCKET) | F(RX) | F(WAITALL) },
	{ "send", NET, F(SOCKET) | F(TX) },
	{ "receive, BPF", NET | BPF, F(SOCKET) | F(RX) },
	{ "receive all, BPF", NET | BPF, F(SOCKET) | F(RX) | F(WAITALL) },
	{ "BPF, send", NET | BPF, F(SOCKET) | F(TX) },
	{ "receive, write", NET | NVME, F(SOCKET) | F(RX) | F(WRITE) },
	{ "receive all, write FUA", NET | NVME,
	  F(SOCKET) | F(RX) | F(WRITE) | F(WAITALL) | F(FUA) },
	{ "receive, BPF, write", NET | BPF | NVME,
	  F(SOCKET) | F(RX) | F(WRITE) },
	{ "read, send", NET | NVME, F(SOCKET) | F(READ) | F(TX) },
	{ "read, BPF, send", NET | BPF | NVME, F(SOCKET) | F(READ) | F(TX) },
	{ "read, send led", NET | NVME, F(SOCKET) | F(READ) | F(TX) | F(LEAD) },
	{ "ingest", NET | NVME, F(SOCKET) | F(RX) | F(WRITE) | F(STREAM) },
	{ "ingest FUA", NET | NVME,
	  F(SOCKET) | F(RX) | F(WRITE) | F(STREAM) | F(FUA) },
	{ "ingest, BPF", NET | BPF | NVME,
	  F(SOCKET) | F(RX) | F(WRITE) | F(STREAM) },
	{ "serve", NET | NVME, F(SOCKET) | F(READ) | F(TX) | F(STREAM) },
	{ "serve, BPF", NET | BPF | NVME,
	  F(SOCKET) | F(READ) | F(TX) | F(STREAM) },
	{ "cancel", 0, F(CANCEL) },
};

struct mix_slot mix_slots[MIX_SLOTS];

static u8 pattern[MIX_MOST];
static u64 last_user_data;

void mix_seed(struct mix_rand *rand, u64 seed)
{
	rand->x = (seed + 1) * 0x9e3779b97f4a7c15ull | 1;
}

u32 mix_pick(struct mix_rand *rand, u32 below)
{
	rand->x ^= rand->x << 13;
	rand->x ^= rand->x >> 7;
	rand->x ^= rand->x << 17;
	return (rand->x >> 11) % below;
}

/* -------------------------------------------------------------------- memory */

/* Where a stream's parameters are, for a stream from an SQ. */
static u64 params_of(const struct mix_slot *s)
{
	const struct mix_slot *last = &mix_slots[MIX_SLOTS - 1];

	return last->mem + last->size + (s - mix_slots) * 256;
}

void mix_slots_init(void)
{
	u64 at = mix.r.reg.data_off;
	struct mix_slot *s;
	u32 i;

	t_fill(pattern, sizeof(pattern), 77);
	/* Each block's first word is an offset: a chain of reads goes on there. */
	for (i = 0; i < sizeof(pattern); i += 512)
		*(u64 *)(pattern + i) = *(u64 *)(pattern + i) %
					(MIX_WINDOW / MIX_BLOCK) * MIX_BLOCK;
	for (s = mix_slots; s < mix_slots + MIX_SLOTS; s++) {
		memset(s, 0, sizeof(*s));
		s->mem = at;
		s->size = (2 + 2) * MIX_FRAME;
		if (s - mix_slots >= MIX_SMALL)
			s->size = (1 + 2) * MIX_FRAME;
		if (s - mix_slots >= MIX_SMALL + MIX_FRAMES)
			s->size = (MIX_LARGE_FRAMES + 2) * MIX_FRAME;
		memcpy(t_ptr(&mix.r, at), pattern, s->size);
		at += s->size;
	}
	REQUIRE(params_of(s) <= mix.r.size);
}

bool mix_memory_is_whole(const struct mix_slot *s)
{
	const u8 *p = t_ptr(&mix.r, s->mem);
	u64 lo = s->mem, hi = s->mem;

	if (s->user_data) {
		lo = s->lo;
		hi = s->hi;
	}
	/* A NIC's frame is its own, whatever was said of it last. */
	if (s->kept || s->size == (1 + 2) * MIX_FRAME) {
		const u64 frame = s->mem + MIX_FRAME;
		const u64 end = s->mem + s->size - MIX_FRAME;

		lo = lo > s->mem && lo < frame ? lo : frame;
		hi = hi > end ? hi : end;
	}
	return !memcmp(p, pattern, lo - s->mem) &&
	       !memcmp(p + (hi - s->mem), pattern + (hi - s->mem),
		       s->size - (hi - s->mem));
}

void mix_free(struct mix_slot *s)
{
	if (!s->kept)
		memcpy(t_ptr(&mix.r, s->lo), pattern + (s->lo - s->mem),
		       s->hi - s->lo);
	s->user_data = 0;
}

/* What an op of that descriptor may change, within its slot. */
static void set_range(struct mix_slot *s)
{
	const struct io_unified_desc *d = &s->d;
	const u64 end = s->mem + s->size;

	s->lo = s->mem;
	s->hi = s->mem;
	if (!(d->flags & (F(READ) | F(RX))) && !(d->ops & BPF))
		return;
	if (d->addr < s->mem + 64 || d->addr > end)
		return;
	s->lo = d->addr;
	s->hi = d->len < end - d->addr ? d->addr + d->len : end;
	/* The control block; in a frame and in a stream it is inside. */
	if (d->ops & BPF && !(d->flags & F(STREAM)) &&
	    (d->flags & (F(RX) | F(SOCKET))) != F(RX))
		s->lo -= 64;
}

/* -------------------------------------------------------------- descriptors */

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The user_data of an op that is under way, or of none. */
static u64 some_user_data(struct mix_rand *rand)
{
	u32 i = mix_pick(rand, MIX_SLOTS), n;

	for (n = 0; n < MIX_SLOTS; n++, i = (i + 1) % MIX_SLOTS)
		if (mix_slots[i].user_data)
			return mix_slots[i].user_data;
	return 0;
}

static u32 some_len(struct mix_rand *rand, const struct mix_slot *s)
{
	static const u32 blocks[] = { 512, 4096, 4096, 4096, 8192 };
	static const u32 bytes[] = { 1, 2, 63, 64, 512, 1500, 4096, 8192 };
	static const u32 packets[] = { 14, 60, 64, 300, 512, 1514, 1514, 60 };
	static const u32 odd[] = { 0,	1,    13,	511,
				   513, 9000, 64 << 20, (64 << 20) + 1,
				   ~0u };
	const struct io_unified_desc *d = &s->d;

	if (!mix_pick(rand, 64))
		return MIX_ONE_OF(rand, odd);
	if (d->flags & (F(DISCARD) | F(ZEROES)))
		return (1 + mix_pick(rand, 64)) * MIX_BLOCK;
	if (s->size == (MIX_LARGE_FRAMES + 2) * MIX_FRAME)
		return (1 + mix_pick(rand, MIX_LARGE_FRAMES)) * MIX_FRAME;
	if ((d->flags & (F(RX) | F(SOCKET))) == F(RX))
		return MIX_FRAME;
	/* Drives have one kind of block, a NIC has a limit of its own. */
	if (d->ops & NVME && d->flags & F(TX) && !(d->flags & F(SOCKET)))
		return d->storage == 3 ? MIX_BLOCK :
					 512 * (1 + mix_pick(rand, 2));
	if (d->ops & NVME && !(d->flags & F(RX)))
		return d->storage == 3 ? (1 + mix_pick(rand, 2)) * MIX_BLOCK :
					 MIX_ONE_OF(rand, blocks);
	if (d->ops & NVME)
		return (1 + mix_pick(rand, 2)) * MIX_BLOCK;
	if (d->flags & F(TX) && !(d->flags & F(SOCKET)))
		return MIX_ONE_OF(rand, packets);
	return MIX_ONE_OF(rand, bytes);
}

static u64 some_addr(struct mix_rand *rand, const struct mix_slot *s)
{
	const u32 room = s->size - 2 * MIX_FRAME;
	const struct io_unified_desc *d = &s->d;
	u64 addr = s->mem + MIX_FRAME;
	u32 step = 1;

	if (d->flags & F(STREAM) || (d->flags & (F(RX) | F(SOCKET))) == F(RX))
		return addr;
	/* A file asks for as much as its drive. */
	if (d->ops & NVME)
		step = d->storage == 3	 ? MIX_BLOCK :
		       mix_pick(rand, 4) ? 512 :
					   4;
	if (d->len < room)
		addr += mix_pick(rand, (room - d->len) / step + 1) * step;
	return addr;
}

static u64 some_offset(struct mix_rand *rand, const struct io_unified_desc *d)
{
	static const u64 odd[] = {
		MIX_WINDOW - 512, MIX_WINDOW, 1, 1ull << 63, -512ull, -4096ull,
	};

	if (!mix_pick(rand, 64))
		return MIX_ONE_OF(rand, odd);
	return (u64)mix_pick(rand, MIX_WINDOW / MIX_BLOCK - MIX_LARGE_FRAMES) *
	       MIX_BLOCK;
}

static u64 some_time(struct mix_rand *rand)
{
	static const u64 ahead[] = { 0,	       1000,	   1000000,
				     20000000, 1000000000, 59000000000ull };

	if (!mix_pick(rand, 16))
		return mix_pick(rand, 2) ? ~0ull : 1;
	return now_ns() + MIX_ONE_OF(rand, ahead);
}

/* What a command has in its opcode that nobody takes for something else. */
static void set_opcode(struct mix_rand *rand, struct io_unified_desc *d)
{
	static const u8 none[] = { 0x00, 0x08,
				   0x0c }; /* flush, zeroes, verify */
	static const u8 writes[] = { 0x01, 0x01, 0x05 }; /* compare */

	if (d->flags & F(READ))
		d->nvme_opcode = 0x02;
	else if (d->flags & F(WRITE))
		d->nvme_opcode = MIX_ONE_OF(rand, writes);
	else
		d->nvme_opcode = MIX_ONE_OF(rand, none);
}

static void set_stream(struct mix_rand *rand, struct mix_slot *s)
{
	static const u32 batches[] = { 0, 0, 4096, 8192, 65536 };
	const bool sock = s->d.flags & F(SOCKET);
	struct io_unified_stream *p = &s->p;

	*p = (struct io_unified_stream){
		.layout = sock ? IO_UNIFIED_LAYOUT_BYTES :
				 IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = (1 + mix_pick(rand, 256)) * MIX_BLOCK,
		.batch_bytes = MIX_ONE_OF(rand, batches),
	};
	if (sock && mix_pick(rand, 2))
		p->range_len -= mix_pick(rand, 4000);
	if (mix_pick(rand, 2))
		p->flags = sock ? IO_UNIFIED_STREAM_PROGRESS :
				  IO_UNIFIED_STREAM_PER_PACKET;
	if (sock && s->d.flags & F(RX)) {
		p->flush_usec = mix_pick(rand, 2) ? mix_pick(rand, 50000) : 0;
		p->flush_bytes = mix_pick(rand, 2) ? MIX_BLOCK : 0;
	}
	if (!sock && !mix_pick(rand, 4))
		p->max_packets = 1 + mix_pick(rand, 50);
	memcpy(t_ptr(&mix.r, params_of(s)), p, sizeof(*p));
	s->d.arg = params_of(s);
}

/* One thing of it becomes another one. */
static void spoil(struct mix_rand *rand, struct mix_slot *s)
{
	struct io_unified_desc *d = &s->d;

	switch (mix_pick(rand, 10)) {
	case 0:
	case 1:
	case 2:
		d->flags ^= 1u << mix_pick(rand, 17);
		break;
	case 3:
		d->ops ^= 1u << mix_pick(rand, 3);
		break;
	case 4:
		d->net = mix_pick(rand, 5);
		break;
	case 5:
		d->net_tx = mix_pick(rand, 5);
		break;
	case 6:
		d->storage = mix_pick(rand, 2) ? mix_pick(rand, 6) : 0xffff;
		break;
	case 7:
		d->bpf = mix_pick(rand, 5);
		break;
	case 8:
		d->addr += mix_pick(rand, 2) ? 1 : 64;
		break;
	case 9:
		d->max_hops = mix_pick(rand, 256);
		break;
	}
	/* Not what another command means: some of these are for ever. */
	if (d->flags & F(OPCODE) && !d->nvme_opcode)
		set_opcode(rand, d);
}

static struct mix_slot *find_slot(struct mix_rand *rand, u32 flags)
{
	u32 i = 0, end = MIX_SMALL;
	struct mix_slot *s;

	if (flags & F(STREAM) || !mix_pick(rand, 24)) {
		i = MIX_SMALL + MIX_FRAMES;
		end = MIX_SLOTS;
	} else if ((flags & (F(RX) | F(SOCKET))) == F(RX)) {
		i = MIX_SMALL;
		end = MIX_SMALL + MIX_FRAMES;
	}
	for (; i < end; i++) {
		s = &mix_slots[i];
		if (s->kept && s->kept <= mix.net_detached) {
			s->kept = 0;
			memcpy(t_ptr(&mix.r, s->mem), pattern, s->size);
		}
		if (!s->user_data && !s->kept)
			return s;
	}
	return NULL;
}

/* Where there is one that can: the second one only reads, the first has opcodes. */
static u32 some_storage(struct mix_rand *rand, u32 flags)
{
	u32 i = mix_pick(rand, MIX_STORAGE);

	if (!mix_pick(rand, 8))
		return i;
	if (flags & F(OPCODE))
		return 0;
	return i == 2 && !(flags & (F(READ) | F(FLUSH))) ? 1 : i;
}

/* The last one asks for the next read. */
static u32 some_prog(struct mix_rand *rand, const struct io_unified_desc *d)
{
	u32 i = mix_pick(rand, MIX_PROGS);

	return !(d->ops & NVME && d->flags & F(READ)) && mix_pick(rand, 8) ?
		       i % 2 :
		       i;
}

static void fill_in(struct mix_rand *rand, struct mix_slot *s)
{
	struct io_unified_desc *d = &s->d;
	const u32 flags = d->flags;
	u32 net = flags & F(SOCKET) ? MIX_SOCKS : MIX_NETS;

	if (flags & F(CANCEL)) {
		d->arg = some_user_data(rand);
		return;
	}
	if (d->ops & NVME) {
		d->storage = some_storage(rand, flags);
		d->dev_offset = some_offset(rand, d);
	}
	if (flags & F(RX))
		d->net = flags & F(SOCKET) ? mix_pick(rand, net) : 0;
	if (flags & F(TX))
		d->net_tx = mix_pick(rand, net);
	if (d->ops & BPF) {
		d->bpf = some_prog(rand, d);
		d->cookie = rand->x;
	}
	if ((d->ops & (BPF | NVME)) == (BPF | NVME) && flags & F(READ) &&
	    !(flags & F(STREAM)))
		d->max_hops = mix_pick(rand, 2) ? mix_pick(rand, 20) : 0;
	if (flags & F(FLUSH)) {
		d->dev_offset = 0;
		return;
	}
	if (flags & F(OPCODE))
		set_opcode(rand, d);
	d->len = some_len(rand, s);
	if (flags & (F(DISCARD) | F(ZEROES)))
		return;
	if ((flags & (F(OPCODE) | F(READ) | F(WRITE))) == F(OPCODE)) {
		if (!d->nvme_opcode)
			d->len = d->dev_offset = 0;
		return;
	}
	d->addr = some_addr(rand, s);
	if (flags & F(TIMED))
		d->arg = some_time(rand);
	if (flags & F(LEAD))
		d->arg = mix_pick(rand, 500) |
			 (u64)mix_pick(rand, d->len / 2 + 1) << 32;
	if (flags & F(STREAM))
		set_stream(rand, s);
}

static const struct kind *some_kind(struct mix_rand *rand, u32 avoid)
{
	const struct kind *k = &MIX_ONE_OF(rand, kinds);
	int i;

	/* A stream has what it has for long: not too many of them. */
	if (mix_pick(rand, 4))
		avoid |= F(STREAM);
	for (i = 0; i < 6 && k->flags & avoid; i++)
		k = &MIX_ONE_OF(rand, kinds);
	return k;
}

struct mix_slot *mix_make(struct mix_rand *rand, u32 avoid)
{
	const struct kind *k = some_kind(rand, avoid);
	struct mix_slot *s;

	s = find_slot(rand, k->flags);
	if (!s)
		return NULL;
	*s = (struct mix_slot){
		.mem = s->mem,
		.size = s->size,
		.name = k->name,
		.user_data = ++last_user_data << 8 | (s - mix_slots),
		.ring = -1,
		.pair = -1,
		.since = t_now_ms(),
	};
	s->d = (struct io_unified_desc){
		.user_data = s->user_data,
		.ops = k->ops,
		.flags = k->flags,
	};
	fill_in(rand, s);
	if (!mix_pick(rand, 20))
		spoil(rand, s);
	set_range(s);
	return s;
}
