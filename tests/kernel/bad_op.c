// SPDX-License-Identifier: GPL-2.0
/* Commands that must be refused, with errno and reason, and touch nothing. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/iou_test.h"

static struct t_region r;
static struct t_disk disk;
static int storage;

static void set_up(void)
{
	t_disk_nvme(&disk, 4096, 0);
	t_region_open(&r, NULL);
	storage = t_attach_storage(&r, disk.path, 0);
}

static struct io_unified_desc good(void)
{
	return (struct io_unified_desc){
		.user_data = 0xfeed,
		.ops = IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_READ,
		.storage = storage,
		.addr = t_frame(&r, 1),
		.len = 4096,
	};
}

static void works(void)
{
	struct io_unified_desc d = good();
	struct t_res res = t_op(&r, &d);

	CHECK_EQ(res.res, 4096, "reason %u", res.reason);
	CHECK_EQ(r.ctrl->ring[0].cq_prod, 0, "an entry that nobody asked for");
	t_region_close(&r);
}

static void refuse(struct io_unified_desc d, int error, u16 reason,
		   const char *what)
{
	struct t_res res;

	memset(t_ptr(&r, t_frame(&r, 0)), 0x5a, 4 * 4096);
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -error, "%s", what);
	CHECK_EQ(res.reason, reason, "%s", what);
	CHECK_EQ(res.status, 0, "%s", what);
	CHECK(*t_ptr(&r, t_frame(&r, 0)) == 0x5a &&
		      !memcmp(t_ptr(&r, t_frame(&r, 0)),
			      t_ptr(&r, t_frame(&r, 0)) + 1, 4 * 4096 - 1),
	      "%s: memory was touched", what);
}

#define REFUSE(error, why, ...)                                           \
	do {                                                              \
		struct io_unified_desc d_ = good();                       \
		struct io_unified_desc *d = &d_;                          \
		__VA_ARGS__;                                              \
		refuse(d_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)

static void fields(void)
{
	unsigned int i;

	set_up();
	for (i = 0; i < 2; i++)
		REFUSE(EINVAL, RESERVED, d->reserved0[i] = 1);
	REFUSE(EINVAL, RESERVED, d->max_hops = 1);
	REFUSE(EINVAL, RESERVED, d->net_tx = 1);
	REFUSE(EINVAL, RESERVED, d->net = 1);
	REFUSE(EINVAL, RESERVED, d->arg = 1ull << 63);
	for (i = 0; i < 32; i++) {
		/*
		 * Those that are known; LINK, STREAM, CANCEL are an SQ's, SOCKET,
		 * WAITALL, TIMED and LEAD have no meaning here.
		 */
		if (i <= 9 || (i >= 13 && i <= 16))
			continue;
		REFUSE(EINVAL, FLAGS, d->flags |= 1u << i);
	}
	/* Bits of ops that nobody knows have no meaning. */
	for (i = 3; i < 32; i++)
		REFUSE(EINVAL, OPS, d->ops |= 1u << i);
	works();
}

static void combinations(void)
{
	const u32 n = IO_UNIFIED_OP_NETWORK, b = IO_UNIFIED_OP_BPF,
		  s = IO_UNIFIED_OP_NVME;
	const u32 rd = IO_UNIFIED_F_READ, wr = IO_UNIFIED_F_WRITE,
		  fl = IO_UNIFIED_F_FLUSH, rx = IO_UNIFIED_F_RX,
		  tx = IO_UNIFIED_F_TX, fua = IO_UNIFIED_F_FUA,
		  oc = IO_UNIFIED_F_OPCODE;
	static const u32 none;
	const u32 bad[][2] = {
		{ none, none },
		{ none, rd },
		{ s, none },
		{ s, rd | wr },
		{ s, rd | fl },
		{ s, wr | fl },
		{ s, rx },
		{ s, rx | rd },
		{ s, rx | wr },
		{ s, fua },
		{ s, rd | IO_UNIFIED_F_DISCARD },
		{ s, IO_UNIFIED_F_DISCARD | IO_UNIFIED_F_ZEROES },
		{ s, IO_UNIFIED_F_ZEROES | fua },
		{ s | b, IO_UNIFIED_F_DISCARD },
		{ b, IO_UNIFIED_F_ZEROES },
		{ s, rd | fua },
		{ s, fl | fua },
		{ s, oc | fl },
		{ s, oc | rd | wr },
		{ b, rd },
		{ b, wr },
		{ b, fl },
		{ b, rx },
		{ b, fua },
		{ b, oc },
		{ n, none },
		{ n, rd },
		{ n, wr },
		{ n, rx | rd },
		{ n, rx | wr },
		{ n, rx | fua },
		{ n, rx | oc },
		{ n | b, none },
		{ n | b, wr },
		{ n | b, rx | wr },
		{ n | s, rx },
		{ n | s, wr },
		{ n | s, rx | rd },
		{ n | s, rx | fl },
		{ n | s, rx | wr | fl },
		{ n | s, rx | wr | oc },
		{ n | s, rx | rd | wr },
		{ n | b | s, rx },
		{ n | b | s, wr },
		{ n | b | s, rx | rd },
		{ n, tx | rd },
		{ n, tx | wr },
		{ n, tx | fl },
		{ n, tx | fua },
		{ n, tx | rx | wr },
		{ n | b, tx | rd },
		{ n | b, tx | oc },
		{ n | s, tx },
		{ n | s, tx | wr },
		{ n | s, tx | rx },
		{ n | s, tx | rx | rd },
		{ n | s, tx | rd | wr },
		{ n | s, tx | rd | fua },
		{ n | b | s, tx | wr },
		{ b, tx },
		{ s, tx | rd },
		{ s, tx | wr },
		{ b | s, tx | rd },
		{ b | s, none },
		{ b | s, rd | wr },
		{ b | s, rd | fua },
		{ b | s, rx | wr },
		{ b | s, fl },
		{ b | s, oc },
		{ s, rd | IO_UNIFIED_F_SOCKET },
		{ s, rd | IO_UNIFIED_F_WAITALL },
		{ b, IO_UNIFIED_F_SOCKET },
	};
	struct io_unified_desc d;
	struct t_res res;
	unsigned int i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		d = good();
		d.ops = bad[i][0];
		d.flags = bad[i][1];
		res = t_op(&r, &d);
		CHECK_EQ(res.res, -EINVAL, "ops %#x flags %#x", d.ops, d.flags);
		CHECK(res.reason == IO_UNIFIED_REASON_OPS ||
			      res.reason == IO_UNIFIED_REASON_FLAGS,
		      "ops %#x flags %#x: reason %u", d.ops, d.flags,
		      res.reason);
	}
	/* An opcode that goes with its direction, and what is a socket's */
	REFUSE(EINVAL, OPS, d->nvme_opcode = 2;
	       d->flags |= oc | IO_UNIFIED_F_SOCKET);
	REFUSE(EINVAL, OPS, d->nvme_opcode = 2;
	       d->flags |= oc | IO_UNIFIED_F_LEAD);
	REFUSE(EINVAL, OPS, d->nvme_opcode = 2;
	       d->flags |= oc | IO_UNIFIED_F_WAITALL);
	REFUSE(EINVAL, OPS, d->flags = oc | IO_UNIFIED_F_SOCKET; d->addr = 0;
	       d->len = 0);
	works();
}

static void addresses(void)
{
	u64 end;

	set_up();
	end = r.reg.data_off + r.reg.data_size;
	REFUSE(EINVAL, ADDR, d->addr = 0);
	REFUSE(EINVAL, ADDR, d->addr = r.reg.sq_off);
	REFUSE(EINVAL, ADDR, d->addr = r.reg.data_off - 4096);
	REFUSE(EINVAL, ADDR, d->addr = end);
	REFUSE(EINVAL, ADDR, d->addr = end - 4096; d->len = 8192);
	REFUSE(EINVAL, ADDR, d->addr = 1ull << 40);
	REFUSE(EINVAL, ADDR, d->addr = 1ull << 63);
	REFUSE(EINVAL, ADDR, d->addr = -8192ull);
	REFUSE(EINVAL, OVERFLOW, d->addr = -4096ull);
	REFUSE(EINVAL, OVERFLOW, d->addr = -4096ull; d->len = 8192);
	REFUSE(EINVAL, SIZE, d->len = 0xfffff000);
	REFUSE(EINVAL, SIZE, d->len = IO_UNIFIED_MAX_LEN + 4096);
	REFUSE(EINVAL, ADDR, d->len = IO_UNIFIED_MAX_LEN);
	REFUSE(EINVAL, SIZE, d->len = 0);
	REFUSE(EINVAL, ALIGN, d->addr += 1);
	REFUSE(EINVAL, LBA_ALIGN, d->len = 512);
	REFUSE(EINVAL, LBA_ALIGN, d->len = 4097);
	REFUSE(EINVAL, LBA_ALIGN, d->dev_offset = 512);
	REFUSE(EINVAL, LBA_ALIGN, d->dev_offset = 1);
	REFUSE(ERANGE, RANGE, d->dev_offset = disk.size);
	REFUSE(ERANGE, RANGE, d->dev_offset = disk.size - 4096; d->len = 8192);
	REFUSE(ERANGE, RANGE, d->dev_offset = 1ull << 62);
	REFUSE(ERANGE, RANGE, d->dev_offset = -4096ull);
	REFUSE(ERANGE, RANGE, d->dev_offset = -4096ull; d->len = 8192);
	/* A flush has neither memory nor a place. */
	REFUSE(EINVAL, ADDR, d->flags = IO_UNIFIED_F_FLUSH; d->len = 0);
	REFUSE(EINVAL, ADDR, d->flags = IO_UNIFIED_F_FLUSH; d->addr = 0);
	REFUSE(EINVAL, ADDR, d->flags = IO_UNIFIED_F_FLUSH; d->addr = 0;
	       d->len = 0; d->dev_offset = 4096);
	works();
}

static void indices(void)
{
	set_up();
	REFUSE(ENOENT, INDEX, d->storage = storage + 1);
	REFUSE(ENOENT, INDEX, d->storage = 64);
	REFUSE(ENOENT, INDEX, d->storage = 0xffff);
	REFUSE(ENOENT, INDEX, d->ops = IO_UNIFIED_OP_BPF; d->flags = 0);
	REFUSE(ENOENT, INDEX, d->ops = IO_UNIFIED_OP_BPF; d->flags = 0;
	       d->bpf = 0xffff);
	REFUSE(ENOENT, INDEX, d->ops = IO_UNIFIED_OP_NETWORK;
	       d->flags = IO_UNIFIED_F_RX);
	REFUSE(ENOENT, INDEX, d->ops = IO_UNIFIED_OP_NETWORK;
	       d->flags = IO_UNIFIED_F_RX; d->net = 63);
	/* What an op does not use is 0. */
	REFUSE(EINVAL, RESERVED, d->net = 1);
	REFUSE(EINVAL, RESERVED, d->bpf = 1);
	REFUSE(EINVAL, RESERVED, d->nvme_opcode = 2);
	works();
}

static void detached(void)
{
	struct io_unified_desc d;
	struct t_res res;

	set_up();
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, storage), 0);
	d = good();
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ENOENT);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_INDEX);
	storage = t_attach_storage(&r, disk.path, 0);
	works();
}

static void rights(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_STORAGE };
	u8 before[4096], after[4096];
	int ro, wo, ro_bio, forced;

	set_up();
	t_fill(before, 4096, 61);
	t_disk_write(&disk, before, 4096, 0);
	a.fd = open(disk.path, O_RDONLY);
	REQUIRE_EQ(t_attach(&r, &a), 0);
	ro = a.index;
	a.flags = IO_UNIFIED_ATTACH_BIO;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	ro_bio = a.index;
	a.flags = 0;
	a.fd = open(disk.path, O_WRONLY);
	REQUIRE_EQ(t_attach(&r, &a), 0);
	wo = a.index;
	a.flags = IO_UNIFIED_ATTACH_RDONLY;
	a.fd = open(disk.path, O_RDWR);
	REQUIRE_EQ(t_attach(&r, &a), 0);
	forced = a.index;

	t_fill(t_ptr(&r, t_frame(&r, 1)), 4096, 60);
	REFUSE(EBADF, READ_ONLY, d->storage = ro;
	       d->flags = IO_UNIFIED_F_WRITE);
	REFUSE(EBADF, READ_ONLY, d->storage = ro_bio;
	       d->flags = IO_UNIFIED_F_WRITE);
	REFUSE(EBADF, READ_ONLY, d->storage = forced;
	       d->flags = IO_UNIFIED_F_WRITE);
	REFUSE(EBADF, READ_ONLY, d->storage = forced;
	       d->flags = IO_UNIFIED_F_WRITE | IO_UNIFIED_F_FUA);
	REFUSE(EBADF, READ_ONLY, d->storage = ro; d->flags = IO_UNIFIED_F_FLUSH;
	       d->addr = 0; d->len = 0);
	REFUSE(EBADF, WRITE_ONLY, d->storage = wo);
	/* The same by opcode: write 1, write zeroes 8, read 2, compare 5. */
	REFUSE(EBADF, READ_ONLY, d->storage = ro; d->nvme_opcode = 1;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE);
	REFUSE(EBADF, READ_ONLY, d->storage = ro; d->nvme_opcode = 8;
	       d->flags = IO_UNIFIED_F_OPCODE; d->addr = 0);
	REFUSE(EBADF, READ_ONLY, d->storage = forced; d->nvme_opcode = 0;
	       d->flags = IO_UNIFIED_F_OPCODE; d->addr = 0; d->len = 0);
	REFUSE(EBADF, WRITE_ONLY, d->storage = wo; d->nvme_opcode = 2;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_READ);
	REFUSE(EBADF, WRITE_ONLY, d->storage = wo; d->nvme_opcode = 5;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE);
	/* A direction that contradicts the opcode. */
	REFUSE(EINVAL, OPCODE, d->nvme_opcode = 1;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_READ);
	REFUSE(EINVAL, OPCODE, d->nvme_opcode = 2;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_WRITE);
	/* Zeroes, uncorrectable and verify: no block is one for the drive. */
	REFUSE(EINVAL, SIZE, d->nvme_opcode = 8; d->flags = IO_UNIFIED_F_OPCODE;
	       d->addr = 0; d->len = 0; d->dev_offset = 65536);
	REFUSE(EINVAL, SIZE, d->nvme_opcode = 4; d->flags = IO_UNIFIED_F_OPCODE;
	       d->addr = 0; d->len = 0);
	REFUSE(EINVAL, SIZE, d->nvme_opcode = 12;
	       d->flags = IO_UNIFIED_F_OPCODE; d->addr = 0; d->len = 0);
	t_disk_read(&disk, after, 4096, 0);
	CHECK(!memcmp(before, after, 4096), "something was written");
	works();
}

static void without_sys_admin(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };
	/* Unknown, reservation, dataset management, vendor. */
	static const u8 denied[] = { 0x03, 0x0d, 0x0e, 0x11, 0x15,
				     0x09, 0x19, 0x7d, 0x80, 0xff };
	struct t_disk part;
	unsigned int i;
	int p;

	set_up();
	t_disk_partition(&part, &disk, 1, 1 << 20, 1 << 20);
	p = t_attach_storage(&r, part.path, 0);
	REFUSE(EOPNOTSUPP, NOT_NVME, d->storage = p; d->nvme_opcode = 2;
	       d->flags = IO_UNIFIED_F_OPCODE | IO_UNIFIED_F_READ);
	REQUIRE(!syscall(SYS_capset, &head, none));
	for (i = 0; i < ARRAY_SIZE(denied); i++)
		REFUSE(EPERM, OPCODE, d->nvme_opcode = denied[i];
		       d->flags = IO_UNIFIED_F_OPCODE; d->addr = 0; d->len = 0);
	works();
}

/* Commands that come the wrong way. */
static struct io_uring_sqe *raw(struct io_uring *ring, u32 cmd_op, int sqe_size)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	memset(sqe, 0, sqe_size);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r.fd;
	sqe->off = cmd_op;
	return sqe;
}

static void refuse_raw(struct io_uring *ring, int error, int reason)
{
	struct io_uring_cqe *cqe;

	REQUIRE(io_uring_submit(ring) == 1);
	REQUIRE(!io_uring_wait_cqe(ring, &cqe));
	CHECK_EQ(cqe->res, -error);
	if (reason >= 0)
		CHECK_EQ(IO_UNIFIED_RES2_REASON(cqe->big_cqe[0]), reason);
	io_uring_cqe_seen(ring, cqe);
}

static void small_sqe(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_uring small, plain;

	set_up();
	REQUIRE(!io_uring_queue_init(8, &small, IORING_SETUP_CQE32));
	REQUIRE(!io_uring_queue_init(8, &plain, 0));
	a.fd = small.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	a.fd = plain.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	raw(&small, IO_UNIFIED_CMD_OP, 64);
	refuse_raw(&small, EINVAL, IO_UNIFIED_REASON_NEED_SQE128);
	raw(&small, IO_UNIFIED_CMD_STREAM, 64);
	refuse_raw(&small, EINVAL, IO_UNIFIED_REASON_NEED_SQE128);
	raw(&plain, IO_UNIFIED_CMD_OP, 64);
	refuse_raw(&plain, EINVAL, -1);
	works();
}

static void foreign_ring(void)
{
	struct io_unified_attach a = { .kind = IO_UNIFIED_KIND_RING };
	struct io_unified_desc d;
	struct io_uring other;

	set_up();
	d = good();
	t_ring_init(&other, 8, 0);
	memcpy((u8 *)raw(&other, IO_UNIFIED_CMD_OP, 128) + 48, &d, sizeof(d));
	refuse_raw(&other, EPERM, IO_UNIFIED_REASON_FOREIGN_RING);
	raw(&other, IO_UNIFIED_CMD_CANCEL, 128);
	refuse_raw(&other, EPERM, IO_UNIFIED_REASON_FOREIGN_RING);
	/* Linked, it may; unlinked, it may not any more. */
	a.fd = other.ring_fd;
	REQUIRE_EQ(t_attach(&r, &a), 0);
	memcpy((u8 *)raw(&other, IO_UNIFIED_CMD_OP, 128) + 48, &d, sizeof(d));
	refuse_raw(&other, -4096, 0);
	REQUIRE_EQ(t_detach(&r, IO_UNIFIED_KIND_RING, a.index), 0);
	memcpy((u8 *)raw(&other, IO_UNIFIED_CMD_OP, 128) + 48, &d, sizeof(d));
	refuse_raw(&other, EPERM, IO_UNIFIED_REASON_FOREIGN_RING);
	works();
}

static void commands(void)
{
	static const u32 numbers[] = {
		0,
		1,
		0x40,
		0xffffffff,
		_IO(IO_UNIFIED_MAGIC, 0x40),
		_IOW(IO_UNIFIED_MAGIC, 0x41, struct io_unified_cmd),
		_IOW(IO_UNIFIED_MAGIC, 0x44, struct io_unified_cmd)
	};
	struct io_unified_cmd *cmd;
	struct io_uring_sqe *sqe;
	unsigned int i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		raw(&r.ring, numbers[i], 128);
		refuse_raw(&r.ring, EOPNOTSUPP, -1);
	}
	for (i = 0; i < 2; i++) {
		sqe = raw(&r.ring, IO_UNIFIED_CMD_OP, 128);
		cmd = (void *)((u8 *)sqe + 48);
		cmd->desc = good();
		*(i ? &cmd->stream : &cmd->reserved) = 1;
		refuse_raw(&r.ring, EINVAL, IO_UNIFIED_REASON_RESERVED);
	}
	works();
}

static void cancels(void)
{
	struct io_unified_cancel *c;
	struct t_res res;

	set_up();
	t_queue_cancel(&r, 12345, 1);
	t_submit(&r);
	REQUIRE(t_reap(&r, &res, 5000));
	CHECK_EQ(res.res, -ENOENT);
	c = (void *)((u8 *)raw(&r.ring, IO_UNIFIED_CMD_CANCEL, 128) + 48);
	c->flags = 1;
	refuse_raw(&r.ring, EINVAL, IO_UNIFIED_REASON_FLAGS);
	c = (void *)((u8 *)raw(&r.ring, IO_UNIFIED_CMD_CANCEL, 128) + 48);
	c->reserved = 1;
	refuse_raw(&r.ring, EINVAL, IO_UNIFIED_REASON_RESERVED);
	works();
}

/* An opcode has neither a source nor a sink that a stream could be of. */
static void streams(void)
{
	struct io_unified_stream p = {
		.layout = IO_UNIFIED_LAYOUT_ALIGNED,
		.range_len = 4 * 4096,
	};
	const u32 dirs[] = { 0, IO_UNIFIED_F_READ, IO_UNIFIED_F_WRITE };
	struct io_unified_desc d;
	struct t_res res;
	unsigned int i;

	set_up();
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		d = good();
		d.flags = IO_UNIFIED_F_OPCODE | dirs[i];
		d.addr = dirs[i] ? d.addr : 0;
		t_queue_stream(&r, &d, &p);
		t_submit(&r);
		REQUIRE(t_reap(&r, &res, 5000));
		CHECK_EQ(res.res, -EINVAL, "flags %#x", d.flags);
		CHECK_EQ(res.reason, IO_UNIFIED_REASON_OPS, "flags %#x",
			 d.flags);
	}
	works();
}

static void no_region(void)
{
	struct io_unified_desc d;
	struct t_res res;

	set_up();
	d = good();
	CHECK(!ioctl(r.fd, IO_UNIFIED_UNREGISTER_REGION));
	res = t_op(&r, &d);
	CHECK_EQ(res.res, -ENXIO);
	CHECK_EQ(res.reason, IO_UNIFIED_REASON_NO_REGION);
}

static const struct t_case cases[] = {
	{ "flags and reserved fields", fields },
	{ "ops without a meaning", combinations },
	{ "addresses, lengths, offsets", addresses },
	{ "attachments that are not there", indices },
	{ "an attachment that has gone", detached },
	{ "rights of the fd", rights },
	{ "opcodes without CAP_SYS_ADMIN", without_sys_admin },
	{ "a ring of small SQEs", small_sqe },
	{ "a ring that is not linked", foreign_ring },
	{ "numbers of commands", commands },
	{ "cancel", cancels },
	{ "a stream of an opcode", streams },
	{ "no region", no_region },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
