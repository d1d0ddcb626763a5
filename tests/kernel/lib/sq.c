// SPDX-License-Identifier: GPL-2.0
#include <sys/ioctl.h>

#include "sq.h"

#define SQE_CMD_OFFSET 48

static struct io_unified_desc *slot(struct t_region *r, u32 pair, u32 i)
{
	struct io_unified_desc *sq = (void *)(r->base + r->reg.sq_off);

	return &sq[pair * r->reg.sq_entries + (i & (r->reg.sq_entries - 1))];
}

bool t_sq_put(struct t_region *r, u32 pair, const struct io_unified_desc *desc)
{
	struct io_unified_ring *p = t_pair(r, pair);
	u32 prod = p->sq_prod;

	if (prod - __atomic_load_n(&p->sq_cons, __ATOMIC_ACQUIRE) >=
	    r->reg.sq_entries)
		return false;
	*slot(r, pair, prod) = *desc;
	__atomic_store_n(&p->sq_prod, prod + 1, __ATOMIC_RELEASE);
	return true;
}

void t_queue_ring(struct t_region *r, struct io_uring *ring, u32 pair, u32 nr,
		  u32 flags, u64 user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_unified_ring_cmd *cmd;

	REQUIRE(sqe, "submission queue is full");
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->fd;
	sqe->off = IO_UNIFIED_CMD_RING;
	sqe->user_data = user_data;
	cmd = (void *)((u8 *)sqe + SQE_CMD_OFFSET);
	cmd->nr = nr;
	cmd->ring = pair;
	cmd->flags = flags;
	cmd->reserved = 0;
}

struct t_res t_ring(struct t_region *r, u32 pair, u32 nr, u32 flags)
{
	struct t_res res;

	t_queue_ring(r, &r->ring, pair, nr, flags, 0x5ca1e);
	t_submit(r);
	REQUIRE(t_reap(r, &res, 20000), "CMD_RING never completed");
	CHECK_EQ(res.user_data, 0x5ca1e);
	return res;
}

int t_enter(struct t_region *r, struct io_unified_enter *e)
{
	return ioctl(r->fd, IO_UNIFIED_ENTER, e) ? -errno : 0;
}

bool t_cq_of(struct t_region *r, u32 pair, struct io_unified_cqe *cqe, int ms)
{
	struct io_unified_ring *p = t_pair(r, pair);
	struct io_unified_cqe *cq = r->cq + pair * r->reg.cq_entries;
	u32 cons = p->cq_cons;
	u64 end = t_now_ms() + ms;

	while (__atomic_load_n(&p->cq_prod, __ATOMIC_ACQUIRE) == cons) {
		if (t_now_ms() >= end)
			return false;
		t_sleep_ms(1);
	}
	*cqe = cq[cons & (r->reg.cq_entries - 1)];
	__atomic_store_n(&p->cq_cons, cons + 1, __ATOMIC_RELEASE);
	return true;
}

struct io_unified_cqe t_enter_op(struct t_region *r, u32 pair,
				 const struct io_unified_desc *desc)
{
	struct io_unified_enter e = {
		.ring = pair,
		.to_submit = 1,
		.min_complete = 1,
		.timeout_nsec = 20 * 1000000000ull,
	};
	struct io_unified_cqe cqe;

	REQUIRE(t_sq_put(r, pair, desc));
	REQUIRE_EQ(t_enter(r, &e), 0, "reason %u", e.reason);
	CHECK_EQ(e.submitted, 1);
	REQUIRE(t_cq_of(r, pair, &cqe, 0), "op never completed");
	CHECK_EQ(cqe.user_data, desc->user_data);
	return cqe;
}
