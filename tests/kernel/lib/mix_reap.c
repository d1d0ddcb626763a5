// SPDX-License-Identifier: GPL-2.0
/* Completions of the mix: each op has one, that says why if it failed. */
#include "mix.h"
#include "sq.h"

struct mix_ring mix_rings[MIX_RINGS];
struct mix_count mix_count;

void mix_tell(const struct mix_slot *s, const char *what)
{
	t_note("%s: %s, ops %#x flags %#x addr %#llx len %u offset %#llx storage %u net %u net_tx %u bpf %u arg %#llx, %s %d, %llu ms old%s",
	       what, s->name, s->d.ops, s->d.flags,
	       (unsigned long long)s->d.addr, s->d.len,
	       (unsigned long long)s->d.dev_offset, s->d.storage, s->d.net,
	       s->d.net_tx, s->d.bpf, (unsigned long long)s->d.arg,
	       s->ring >= 0 ? "ring" : "pair", s->ring >= 0 ? s->ring : s->pair,
	       (unsigned long long)(t_now_ms() - s->since),
	       s->canceled ? ", canceled" : "");
}

static bool documented(s32 res)
{
	static const int errnos[] = {
		EINVAL,	     ENOENT,	   EBUSY,      EPERM,	 EACCES,
		EOPNOTSUPP,  ERANGE,	   EOVERFLOW,  EMSGSIZE, ECANCELED,
		EIO,	     ENODATA,	   ENOSPC,     ENETDOWN, ENODEV,
		ENOBUFS,     ETIMEDOUT,	   ECONNRESET, EPIPE,	 EHOSTUNREACH,
		ENETUNREACH, ECONNREFUSED, ENOTCONN,   EFAULT,	 EREMOTEIO,
		ENXIO,	     EILSEQ,	   EBADF,      ELOOP,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (res == -errnos[i])
			return true;
	return false;
}

/* As many bytes as it was to move, where nobody but a drive has a say. */
static void check_length(const struct mix_slot *s, s32 res)
{
	const u32 flags = s->d.flags;
	u32 want = s->d.len;

	if (flags & IO_UNIFIED_F_CANCEL) {
		CHECK(res > 0 && res <= MIX_SLOTS, "cancel: %d", res);
		return;
	}
	if (flags & IO_UNIFIED_F_STREAM)
		return;
	if (flags & IO_UNIFIED_F_LEAD)
		want += (u32)s->d.arg - (u32)(s->d.arg >> 32);
	if (s->d.ops == IO_UNIFIED_OP_NVME && s->d.storage < 3 &&
	    !CHECK_EQ(res, want))
		mix_tell(s, "has another length");
	if (!CHECK((u32)res <= want))
		mix_tell(s, "is longer than it was asked for");
}

void mix_end(struct mix_slot *s, s32 res, u16 reason)
{
	const u32 flags = s->d.flags;

	/* io_uring itself ends what is linked, or canceled before it began. */
	const bool not_ours = res == -ECANCELED && !reason &&
			      (s->chained || s->recalled);

	if (res < 0) {
		mix_count.failed++;
		mix_count.by_reason[reason & 0xff]++;
		if (!CHECK(documented(res), "errno %d, reason %u", -res,
			   reason))
			mix_tell(s, "ended");
		if (!not_ours &&
		    !CHECK(reason || res == -ENOMEM || res == -EFAULT ||
				   (flags & IO_UNIFIED_F_CANCEL &&
				    res == -ENOENT),
			   "errno %d without a reason", -res))
			mix_tell(s, "ended");
	} else {
		check_length(s, res);
	}
	if ((flags & (IO_UNIFIED_F_RX | IO_UNIFIED_F_SOCKET)) ==
		    IO_UNIFIED_F_RX &&
	    s->d.ops & IO_UNIFIED_OP_NETWORK && s->size != (1 + 2) * MIX_FRAME)
		s->kept = mix.net_detached + 1;
	if (!CHECK(mix_memory_is_whole(s), "memory around an op"))
		mix_tell(s, "changed it");
	if (s->chained && s->ring >= 0)
		mix_rings[s->ring].chained--;
	mix_free(s);
	mix_count.ended++;
	mix_count.busy--;
}

static struct mix_slot *slot_of(u64 user_data)
{
	struct mix_slot *s = &mix_slots[user_data & 0xff];

	REQUIRE((user_data & 0xff) < MIX_SLOTS && user_data &&
			s->user_data == user_data,
		"a completion of nothing, or a second one: %#llx",
		(unsigned long long)user_data);
	return s;
}

static void take_entry(int pair, const struct io_unified_cqe *e)
{
	struct mix_slot *s = slot_of(e->user_data);

	if (e->flags & IO_UNIFIED_CQE_MORE)
		return;
	REQUIRE_EQ(s->pair, pair);
	REQUIRE(!s->has_entry, "a second entry");
	s->has_entry = true;
	s->res = e->res;
	s->reason = e->reason;
	/* io_uring has yet to tell of it. */
	if (s->ring < 0 || s->lost)
		mix_end(s, e->res, e->reason);
}

bool mix_reap_pair(int pair)
{
	struct io_unified_cqe e;
	bool any = false;

	while (t_cq_of(&mix.r, pair, &e, 0)) {
		take_entry(pair, &e);
		any = true;
	}
	return any;
}

static void take_cqe(struct mix_ring *ring, u64 user_data, s32 res, u16 reason)
{
	struct mix_slot *s;

	if (user_data & MIX_RING_CMD) {
		ring->cmds--;
		CHECK(res >= 0 || res == -EBUSY || res == -ECANCELED ||
			      res == -EOPNOTSUPP,
		      "CMD_RING: %d, reason %u", res, reason);
		return;
	}
	if (user_data & MIX_OTHER) {
		ring->others--;
		return;
	}
	s = slot_of(user_data);
	REQUIRE_EQ(s->ring, ring - mix_rings);
	/* The entry comes first, if one comes: refused ones have none. */
	if (s->pair >= 0)
		mix_reap_pair(s->pair);
	if (s->pair >= 0 && !s->has_entry)
		CHECK(res < 0, "no entry in the region's CQ");
	/* That of a stream that is long has no room for all of it. */
	if (s->has_entry && !(s->d.flags & IO_UNIFIED_F_STREAM)) {
		CHECK_EQ(s->res, res);
		CHECK_EQ(s->reason, reason);
	}
	mix_end(s, res, reason);
}

bool mix_reap_ring(struct mix_ring *ring)
{
	struct io_uring_cqe *cqe;
	bool any = false;
	u64 user_data;
	s32 res;
	u16 reason;

	if (!(ring->flags & IORING_SETUP_SQPOLL))
		io_uring_get_events(&ring->uring);
	while (!io_uring_peek_cqe(&ring->uring, &cqe)) {
		user_data = cqe->user_data;
		res = cqe->res;
		reason = IO_UNIFIED_RES2_REASON(cqe->big_cqe[0]);
		io_uring_cqe_seen(&ring->uring, cqe);
		take_cqe(ring, user_data, res, reason);
		any = true;
	}
	return any;
}

bool mix_reap(void)
{
	bool any = false;
	int i;

	for (i = 0; i < MIX_RINGS; i++)
		any |= mix_reap_ring(&mix_rings[i]);
	for (i = 0; i < MIX_PAIRS; i++)
		any |= mix_reap_pair(i);
	return any;
}
