// SPDX-License-Identifier: GPL-2.0
/* The kernel's own ways to read: io_uring, NVMe passthrough, and nothing. */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "iobench.h"

#ifndef IORING_URING_CMD_FIXED
#define IORING_URING_CMD_FIXED (1U << 0)
#endif

#define NVME_READ 0x02

static int dev_fd = -1, ng_fd = -1;
static uint64_t dev_blocks;
static unsigned int lbas;
static int nsid;

static void dev_open(const struct options *o)
{
	dev_fd = open_device(o->dev);
	dev_blocks = device_size(dev_fd) / o->bs;
	lbas = o->bs / device_lba(dev_fd);
}

/* /dev/nvme0n1 is /dev/ng0n1 as a character device. */
static void ng_open(const struct options *o)
{
	char path[64];

	if (strncmp(o->dev, "/dev/nvme", 9))
		unsupported("%s is not an NVMe namespace", o->dev);
	dev_open(o);
	snprintf(path, sizeof(path), "/dev/ng%s", o->dev + 9);
	ng_fd = open(path, O_RDONLY);
	if (ng_fd < 0)
		unsupported("%s: %m", path);
	nsid = ioctl(ng_fd, NVME_IOCTL_ID);
	if (nsid <= 0)
		die("%s: NVME_IOCTL_ID: %m", path);
}

static void dev_close(void)
{
	close(dev_fd);
	if (ng_fd >= 0)
		close(ng_fd);
}

static void register_buffers(struct worker *w)
{
	struct iovec iov[MAX_QD];
	unsigned int i;
	int ret;

	for (i = 0; i < w->o->qd; i++) {
		iov[i].iov_base = w->buf + (size_t)i * w->o->bs;
		iov[i].iov_len = w->o->bs;
	}
	ret = io_uring_register_buffers(&w->ring, iov, w->o->qd);
	if (ret)
		die("io_uring_register_buffers: %s", strerror(-ret));
}

static void peer_init(struct worker *w, int fd, unsigned int flags, bool fixed)
{
	ring_init(w, w->o->qd, flags);
	w->buf = map_buffers((size_t)w->o->qd * w->o->bs);
	w->blocks = dev_blocks;
	ring_register_file(w, fd);
	if (fixed)
		register_buffers(w);
}

static void read_init(struct worker *w)
{
	peer_init(w, dev_fd, 0, false);
}

static void read_fixed_init(struct worker *w)
{
	peer_init(w, dev_fd, 0, true);
}

static void ng_init(struct worker *w)
{
	peer_init(w, ng_fd, IORING_SETUP_SQE128 | IORING_SETUP_CQE32, false);
}

static void ng_fixed_init(struct worker *w)
{
	peer_init(w, ng_fd, IORING_SETUP_SQE128 | IORING_SETUP_CQE32, true);
}

static void nop_init(struct worker *w)
{
	ring_init(w, w->o->qd, 0);
}

static void peer_exit(struct worker *w)
{
	io_uring_queue_exit(&w->ring);
}

static void read_prep(struct worker *w, struct io_uring_sqe *sqe,
		      unsigned int slot)
{
	unsigned int bs = w->o->bs;

	io_uring_prep_read(sqe, w->fd, w->buf + (size_t)slot * bs, bs,
			   random_block(w) * bs);
	sqe->flags = IOSQE_FIXED_FILE;
}

static void read_fixed_prep(struct worker *w, struct io_uring_sqe *sqe,
			    unsigned int slot)
{
	unsigned int bs = w->o->bs;

	io_uring_prep_read_fixed(sqe, w->fd, w->buf + (size_t)slot * bs, bs,
				 random_block(w) * bs, (int)slot);
	sqe->flags = IOSQE_FIXED_FILE;
}

static void ng_prep(struct worker *w, struct io_uring_sqe *sqe,
		    unsigned int slot)
{
	struct nvme_uring_cmd *cmd = (void *)((char *)sqe + IOU_SQE_CMD_OFFSET);
	uint64_t slba = random_block(w) * lbas;

	memset((void *)sqe, 0, IOU_SQE_SIZE);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = w->fd;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->cmd_op = NVME_URING_CMD_IO;
	cmd->opcode = NVME_READ;
	cmd->nsid = (uint32_t)nsid;
	cmd->addr = (uint64_t)(uintptr_t)(w->buf + (size_t)slot * w->o->bs);
	cmd->data_len = w->o->bs;
	cmd->cdw10 = (uint32_t)slba;
	cmd->cdw11 = (uint32_t)(slba >> 32);
	cmd->cdw12 = lbas - 1;
}

static void ng_fixed_prep(struct worker *w, struct io_uring_sqe *sqe,
			  unsigned int slot)
{
	ng_prep(w, sqe, slot);
	/* the flags of a command, by the name that all headers have */
	sqe->rw_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = (uint16_t)slot;
}

static void nop_prep(struct worker *w, struct io_uring_sqe *sqe,
		     unsigned int slot)
{
	io_uring_prep_nop(sqe);
}

static const char *block_path(void)
{
	return "block";
}

static const char *passthrough_path(void)
{
	return "passthrough";
}

const struct engine peer_engines[] = {
	{ .name = "read_fixed",
	  .open = dev_open,
	  .init = read_fixed_init,
	  .exit = peer_exit,
	  .close = dev_close,
	  .prep = read_fixed_prep,
	  .path = block_path,
	  .res_is_len = true },
	{ .name = "read",
	  .open = dev_open,
	  .init = read_init,
	  .exit = peer_exit,
	  .close = dev_close,
	  .prep = read_prep,
	  .path = block_path,
	  .res_is_len = true },
	{ .name = "ng_fixed",
	  .open = ng_open,
	  .init = ng_fixed_init,
	  .exit = peer_exit,
	  .close = dev_close,
	  .prep = ng_fixed_prep,
	  .path = passthrough_path },
	{ .name = "ng",
	  .open = ng_open,
	  .init = ng_init,
	  .exit = peer_exit,
	  .close = dev_close,
	  .prep = ng_prep,
	  .path = passthrough_path },
	{ .name = "nop", .init = nop_init, .exit = peer_exit, .prep = nop_prep },
	{ .name = NULL },
};
