// SPDX-License-Identifier: GPL-2.0
/* The ways of io_unified: an SQE for each op, or descriptors in the region. */
#include <stdlib.h>
#include <unistd.h>

#include "iobench.h"

static struct iou_region region;
static struct io_unified_attach disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void __attribute__((noreturn)) region_die(int err)
{
	char text[512];

	die("%s", iou_region_strerror(&region, err, text, sizeof(text)));
}

static unsigned int power_of_two(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static void region_open(const struct options *o)
{
	struct iou_region_params p = {
		.frames = o->qd * o->threads,
		.frame_size = o->bs < 4096 ? 4096 : o->bs,
		.sq_entries = power_of_two(o->qd),
		.cq_entries = power_of_two(2 * o->qd),
		.rings = o->threads,
	};
	int fd, dev, ret;

	fd = iou_open();
	if (fd < 0)
		unsupported("%s: %s", IOU_DEVICE, strerror(-fd));
	ret = iou_region_init(&region, fd, &p);
	if (ret)
		region_die(ret);
	dev = open_device(o->dev);
	ret = iou_attach_storage(
		&region, dev, o->bio ? IO_UNIFIED_ATTACH_BIO : 0, 0, 0, &disk);
	if (ret)
		region_die(ret);
	close(dev);
}

static void need_feature(uint64_t feature, const char *name)
{
	struct io_unified_info info = { 0 };
	int fd = iou_open(), ret;

	if (fd < 0)
		unsupported("%s: %s", IOU_DEVICE, strerror(-fd));
	ret = iou_get_info(fd, &info);
	if (ret)
		die("iou_get_info: %s", strerror(-ret));
	iou_close(fd);
	if (!(info.features & feature))
		unsupported("this module has no %s", name);
}

static void op_open(const struct options *o)
{
	if (o->mode == RING_IOPOLL)
		need_feature(IO_UNIFIED_FEAT_IOPOLL, "ops by IOPOLL");
	region_open(o);
}

static void rings_open(const struct options *o)
{
	need_feature(IO_UNIFIED_FEAT_RINGS, "rings of the region");
	op_open(o);
}

static void region_close(void)
{
	iou_region_exit(&region);
	iou_close(region.fd);
}

static void worker_init(struct worker *w)
{
	int ret;

	w->blocks = disk.size / w->o->bs;
	ret = iou_ring_init(&w->pair, &region, w->index);
	if (ret)
		die("iou_ring_init: %s", strerror(-ret));
}

/* Returns what the module says of this io_uring. */
static int link_ring(struct worker *w)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = iou_attach_ring(&region, &w->ring, NULL);
	pthread_mutex_unlock(&lock);
	return ret;
}

static void op_init(struct worker *w)
{
	unsigned int flags = IORING_SETUP_SQE128;
	int ret;

	if (!w->o->small_cqe)
		flags |= IORING_SETUP_CQE32;
	worker_init(w);
	ring_init(w, w->o->qd, flags);
	ret = link_ring(w);
	if (ret)
		region_die(ret);
	ring_register_file(w, region.fd);
}

static void ring_engine_init(struct worker *w)
{
	unsigned int nr = w->o->qd / w->o->batch;
	int ret;

	if (!nr || w->o->qd % w->o->batch)
		die("--batch %u: not a part of --qd %u", w->o->batch, w->o->qd);
	worker_init(w);
	ring_init(w, nr, 0);
	ret = link_ring(w);
	if (ret)
		region_die(ret);
	ring_register_file(w, region.fd);
}

static void uring_exit(struct worker *w)
{
	io_uring_queue_exit(&w->ring);
}

static uint64_t slot_addr(const struct worker *w, unsigned int slot)
{
	return iou_frame_addr(&region, w->index * w->o->qd + slot);
}

static void op_prep(struct worker *w, struct io_uring_sqe *sqe,
		    unsigned int slot)
{
	unsigned int bs = w->o->bs;

	iou_prep_read(sqe, &region, (unsigned int)disk.index,
		      slot_addr(w, slot), bs, random_block(w) * bs);
	sqe->fd = w->fd;
	sqe->flags = IOSQE_FIXED_FILE;
}

/* Fills at most @nr descriptors; returns how many. */
static unsigned int fill(struct worker *w, unsigned int nr)
{
	struct io_unified_desc *d;
	unsigned int i, slot, bs = w->o->bs;

	for (i = 0; i < nr && w->nr_free; i++) {
		d = iou_ring_get_desc(&w->pair);
		if (!d)
			break;
		slot = w->free[--w->nr_free];
		iou_desc_storage(d, IO_UNIFIED_F_READ, (unsigned int)disk.index,
				 slot_addr(w, slot), bs, random_block(w) * bs);
		iou_desc_set_user_data(d, slot);
	}
	iou_ring_publish(&w->pair);
	return i;
}

static void reap(struct worker *w)
{
	unsigned int i, nr = iou_ring_ready(&w->pair);
	unsigned int at = w->pair.ctrl->cq_cons;
	const struct io_unified_cqe *cqe;

	for (i = 0; i < nr; i++) {
		cqe = &w->pair.cq[(at + i) & w->pair.cq_mask];
		slot_done(w, (unsigned int)cqe->user_data, cqe->res,
			  (int)w->o->bs);
	}
	iou_ring_advance(&w->pair, nr);
}

/* A command for each batch of slots that are free. */
static void ring_step(struct worker *w)
{
	unsigned int batch = w->o->batch, head, nr = 0;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	while (w->nr_free >= batch) {
		sqe = io_uring_get_sqe(&w->ring);
		if (!sqe)
			break;
		if (fill(w, batch) != batch)
			die("the region's SQ is full");
		iou_prep_ring(sqe, &w->pair, batch, 0);
		sqe->fd = w->fd;
		sqe->flags = IOSQE_FIXED_FILE;
	}
	submit_and_wait(w, 1);
	io_uring_for_each_cqe(&w->ring, head, cqe) {
		if (cqe->res != (int)batch)
			die("a command of %u descriptors returned %d", batch,
			    cqe->res);
		nr++;
	}
	io_uring_cq_advance(&w->ring, nr);
	w->cqes += nr;
	reap(w);
}

static void enter_step(struct worker *w)
{
	unsigned int nr = fill(w, w->o->qd);
	int ret;

	ret = iou_enter(&w->pair, nr, w->o->wait, 0);
	if (ret < 0)
		region_die(ret);
	if (ret != (int)nr)
		die("iou_enter took %d of %u descriptors", ret, nr);
	w->syscalls++;
	reap(w);
}

static const char *region_path(void)
{
	return iou_strpath(disk.path);
}

const struct engine unified_engines[] = {
	{ .name = "op",
	  .open = op_open,
	  .init = op_init,
	  .exit = uring_exit,
	  .close = region_close,
	  .prep = op_prep,
	  .path = region_path,
	  .res_is_len = true },
	{ .name = "ring",
	  .open = rings_open,
	  .init = ring_engine_init,
	  .exit = uring_exit,
	  .close = region_close,
	  .step = ring_step,
	  .path = region_path },
	{ .name = "enter",
	  .open = rings_open,
	  .init = worker_init,
	  .close = region_close,
	  .step = enter_step,
	  .path = region_path },
	{ .name = NULL },
};
