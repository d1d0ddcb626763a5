// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's own part of a read costs
 *
 * Reads at random, at a constant queue depth, with nothing around it: bios or
 * NVMe requests that were allocated before, in batches under a plug, completed
 * into a list. No interface can be cheaper than this and use the same layer.
 *
 * insmod iou_floor.ko dev=/dev/nvme0n1 passthrough=1, and read cpu_ns, wall_ns
 * and ops in /sys/module/iou_floor/parameters.
 */
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/nvme.h>
#include <linux/nvme_ioctl.h>
#include <linux/sched.h>
#include <linux/wait.h>

/* drivers/nvme/host/nvme.h */
void nvme_init_request(struct request *req, struct nvme_command *cmd);

#define QD 32
#define BATCH 16
#define BS 4096

static char *dev = "/dev/nullb0";
module_param(dev, charp, 0444);
static bool passthrough;
module_param(passthrough, bool, 0444);
static ulong ops = 20000;
module_param(ops, ulong, 0444);
static ulong cpu_ns;
module_param(cpu_ns, ulong, 0444);
static ulong wall_ns;
module_param(wall_ns, ulong, 0444);
static ulong errors;
module_param(errors, ulong, 0444);

static struct floor_slot {
	struct llist_node node;
	struct bio bio;
	struct bio_vec vec;
} slots[QD];

static LLIST_HEAD(done_list);
static atomic_t nr_done;
static DECLARE_WAIT_QUEUE_HEAD(wait);
static struct block_device *bdev;
static u64 nr_blocks, seed = 88172645463325252ULL;
static unsigned int lba_shift;
static u32 nsid;

static void floor_done(struct floor_slot *slot, blk_status_t status)
{
	if (status)
		errors++;
	llist_add(&slot->node, &done_list);
	if (atomic_inc_return(&nr_done) >= BATCH)
		wake_up(&wait);
}

static void floor_bio_end(struct bio *bio)
{
	floor_done(container_of(bio, struct floor_slot, bio), bio->bi_status);
}

/* An rq_end_io_fn has two parameters, or three in newer kernels. */
static enum rq_end_io_ret floor_rq_end2(struct request *rq, blk_status_t status)
{
	floor_done(rq->end_io_data, status);
	return RQ_END_IO_FREE;
}

static enum rq_end_io_ret floor_rq_end3(struct request *rq, blk_status_t status,
					const struct io_comp_batch *iob)
{
	return floor_rq_end2(rq, status);
}

#define FLOOR_RQ_END                                                        \
	__builtin_choose_expr(__builtin_types_compatible_p(                 \
				      rq_end_io_fn, typeof(floor_rq_end2)), \
			      floor_rq_end2, floor_rq_end3)

static u64 floor_offset(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return mul_u64_u64_shr(seed, nr_blocks, 64) * BS;
}

static void floor_bio(struct floor_slot *slot, struct block_device *to,
		      blk_opf_t opf)
{
	bio_init(&slot->bio, to, NULL, 0, opf);
	bio_set_flag(&slot->bio, BIO_CLONED);
	slot->bio.bi_io_vec = &slot->vec;
	slot->bio.bi_vcnt = 1;
	slot->bio.bi_iter.bi_size = BS;
}

static void floor_submit_bio(struct floor_slot *slot)
{
	/* at random, so that to look for one to merge it with is in vain */
	floor_bio(slot, bdev, REQ_OP_READ | REQ_NOMERGE);
	slot->bio.bi_end_io = floor_bio_end;
	slot->bio.bi_iter.bi_sector = floor_offset() >> SECTOR_SHIFT;
	submit_bio(&slot->bio);
}

static int floor_submit_request(struct floor_slot *slot)
{
	struct nvme_command c = {};
	struct request *rq;

	rq = blk_mq_alloc_request(bdev_get_queue(bdev), REQ_OP_DRV_IN, 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	c.rw.opcode = nvme_cmd_read;
	c.rw.nsid = cpu_to_le32(nsid);
	c.rw.slba = cpu_to_le64(floor_offset() >> lba_shift);
	c.rw.length = cpu_to_le16((BS >> lba_shift) - 1);
	nvme_init_request(rq, &c);
	floor_bio(slot, NULL, REQ_OP_DRV_IN);
	/* a page: one segment, within every limit */
	rq->nr_phys_segments = 1;
	rq->__data_len = BS;
	rq->bio = &slot->bio;
	rq->biotail = &slot->bio;
	rq->end_io = FLOOR_RQ_END;
	rq->end_io_data = slot;
	blk_execute_rq_nowait(rq, false);
	return 0;
}

/* Submits what is done, until @n were; then nothing is in flight if @last. */
static int floor_loop(u64 n, bool last)
{
	struct floor_slot *slot, *next;
	struct llist_node *list;
	struct blk_plug plug;
	int nr, err, ret = 0;

	while (n && !ret) {
		wait_event(wait, atomic_read(&nr_done) >= BATCH);
		list = llist_del_all(&done_list);
		blk_start_plug(&plug);
		/* as io_uring does: so many requests are allocated at once */
		plug.nr_ios = atomic_read(&nr_done);
		nr = 0;
		llist_for_each_entry_safe(slot, next, list, node) {
			nr++;
			atomic_dec(&nr_done);
			err = 0;
			if (passthrough)
				err = floor_submit_request(slot);
			else
				floor_submit_bio(slot);
			if (err) {
				ret = err;
				floor_done(slot, BLK_STS_RESOURCE);
			}
		}
		blk_finish_plug(&plug);
		n -= min_t(u64, n, nr);
	}
	while (last && atomic_read(&nr_done) < QD)
		msleep(10);
	return ret;
}

/* The scheduler brings it up to date when a task stops running. */
static u64 floor_cpu_ns(void)
{
	msleep(20);
	return current->se.sum_exec_runtime;
}

static int floor_open(struct file **file)
{
	int id;

	*file = filp_open(dev, O_RDONLY | O_DIRECT, 0);
	if (IS_ERR(*file))
		return PTR_ERR(*file);
	if (!S_ISBLK(file_inode(*file)->i_mode))
		return -ENOTBLK;
	bdev = I_BDEV((*file)->f_mapping->host);
	nr_blocks = bdev_nr_sectors(bdev) / (BS >> SECTOR_SHIFT);
	lba_shift = ilog2(bdev_logical_block_size(bdev));
	if (!passthrough)
		return 0;
	if (!bdev->bd_disk->fops->ioctl)
		return -EOPNOTSUPP;
	id = bdev->bd_disk->fops->ioctl(bdev, 0, NVME_IOCTL_ID, 0);
	nsid = id;
	return id > 0 ? 0 : -EOPNOTSUPP;
}

static int __init floor_init(void)
{
	struct file *file;
	int i, ret;
	u64 start;

	ret = floor_open(&file);
	if (ret) {
		if (!IS_ERR(file))
			fput(file);
		return ret;
	}
	for (i = 0; i < QD; i++) {
		slots[i].vec.bv_page = alloc_page(GFP_KERNEL);
		slots[i].vec.bv_len = BS;
		if (!slots[i].vec.bv_page)
			ret = -ENOMEM;
		llist_add(&slots[i].node, &done_list);
	}
	atomic_set(&nr_done, QD);
	if (!ret)
		ret = floor_loop(1000, false);
	if (!ret) {
		cpu_ns = floor_cpu_ns();
		start = ktime_get_ns();
		ret = floor_loop(ops, false);
		wall_ns = ktime_get_ns() - start;
		cpu_ns = floor_cpu_ns() - cpu_ns;
	}
	if (ret != -ENOMEM)
		floor_loop(0, true);
	for (i = 0; i < QD; i++)
		if (slots[i].vec.bv_page)
			__free_page(slots[i].vec.bv_page);
	fput(file);
	return ret;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
}
module_exit(floor_exit);

MODULE_DESCRIPTION("What the kernel's own part of a read costs");
MODULE_LICENSE("GPL");
