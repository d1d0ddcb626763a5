// SPDX-License-Identifier: GPL-2.0
/* Ops: from a descriptor to an SQE, from a CQE to a result. */
#include "sq.h"

#define SQE_CMD_OFFSET 48 /* where the command bytes of an SQE128 are */

struct io_uring_sqe *t_sqe(struct t_region *r, u32 cmd_op, u64 user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	REQUIRE(sqe, "submission queue is full");
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->fd;
	sqe->off = cmd_op; /* cmd_op and a pad of zero */
	sqe->user_data = user_data;
	return sqe;
}

static struct io_unified_cmd *cmd_of(struct io_uring_sqe *sqe)
{
	return (void *)((u8 *)sqe + SQE_CMD_OFFSET);
}

void t_queue(struct t_region *r, const struct io_unified_desc *desc)
{
	struct io_uring_sqe *sqe = t_sqe(r, IO_UNIFIED_CMD_OP, desc->user_data);

	cmd_of(sqe)->desc = *desc;
}

void t_queue_stream(struct t_region *r, const struct io_unified_desc *desc,
		    const struct io_unified_stream *stream)
{
	struct io_uring_sqe *sqe =
		t_sqe(r, IO_UNIFIED_CMD_STREAM, desc->user_data);

	cmd_of(sqe)->desc = *desc;
	cmd_of(sqe)->stream = (uintptr_t)stream;
}

void t_queue_cancel(struct t_region *r, u64 target, u64 user_data)
{
	struct io_uring_sqe *sqe = t_sqe(r, IO_UNIFIED_CMD_CANCEL, user_data);
	struct io_unified_cancel *cancel = (void *)cmd_of(sqe);

	cancel->user_data = target;
}

void t_submit(struct t_region *r)
{
	int ret = io_uring_submit(&r->ring);

	REQUIRE(ret >= 0, "io_uring_submit: %s", strerror(-ret));
}

bool t_reap(struct t_region *r, struct t_res *res, int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000LL,
	};
	u64 end = t_now_ms() + ms;
	struct io_uring_cqe *cqe;
	int ret;

	do {
		ret = io_uring_wait_cqe_timeout(&r->ring, &cqe, &ts);
	} while (ret == -EINTR || (ret == -ETIME && t_now_ms() < end));
	if (ret == -ETIME)
		return false;
	REQUIRE_EQ(ret, 0);
	*res = (struct t_res){
		.user_data = cqe->user_data,
		.res = cqe->res,
		.status = IO_UNIFIED_RES2_STATUS(cqe->big_cqe[0]),
		.reason = IO_UNIFIED_RES2_REASON(cqe->big_cqe[0]),
		.offset = IO_UNIFIED_RES2_OFFSET(cqe->big_cqe[0]),
		.flags = IO_UNIFIED_RES2_FLAGS(cqe->big_cqe[0]),
	};
	io_uring_cqe_seen(&r->ring, cqe);
	return true;
}

struct t_res t_op(struct t_region *r, const struct io_unified_desc *desc)
{
	struct t_res res;

	t_queue(r, desc);
	t_submit(r);
	REQUIRE(t_reap(r, &res, 20000), "op never completed: ops %#x flags %#x",
		desc->ops, desc->flags);
	CHECK_EQ(res.user_data, desc->user_data);
	return res;
}

struct t_res t_next(struct t_region *r)
{
	struct t_res res;

	REQUIRE(t_reap(r, &res, 10000), "nothing completes");
	return res;
}

void t_silent(struct t_region *r, int ms)
{
	struct t_res res;

	CHECK(!t_reap(r, &res, ms), "op %llu: %d, reason %u",
	      (unsigned long long)res.user_data, res.res, res.reason);
}

void t_ends(struct t_region *r, const struct io_unified_desc *desc, int want,
	    u16 reason)
{
	struct t_res res = t_op(r, desc);

	CHECK_EQ(res.res, want, "reason %u", res.reason);
	CHECK_EQ(res.reason, reason);
}

struct t_res t_io(struct t_region *r, u32 flags, int storage, u64 addr, u32 len,
		  u64 dev_offset)
{
	static u64 user_data = 0x1000;
	struct io_unified_desc desc = {
		.user_data = user_data,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = flags,
		.storage = storage,
		.addr = addr,
		.len = len,
		.dev_offset = dev_offset,
	};

	user_data++;
	return t_op(r, &desc);
}

bool t_cq(struct t_region *r, struct io_unified_cqe *cqe, int ms)
{
	return t_cq_of(r, 0, cqe, ms);
}
