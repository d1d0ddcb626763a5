// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's own part of taking a connection to a drive costs
 *
 * Takes one connection, receives its bytes in whole chunks into memory of its own, and
 * writes each by a bio, several at a time: TCP, one copy and the block layer, with
 * nothing around them. The stack wakes it for @lowat bytes, or for each segment.
 *
 * A file that grows is written by its file system one write at a time, which is waited
 * for. So all chunks are received first, and one write takes them all.
 *
 * insmod iou_floor_ingest.ko port=9000 dev=/dev/nullb0, which returns when the peer has
 * closed the connection and all is written.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/sock.h>

#define DEPTH 4
#define BLOCK 4096

static char *dev = "/dev/nullb0";
module_param(dev, charp, 0444);
static ushort port = 9000;
module_param(port, ushort, 0444);
static uint chunk = 256 << 10;
module_param(chunk, uint, 0444);
static int lowat;
module_param(lowat, int, 0444);

static struct floor_slot {
	struct page *pages;
	struct completion idle;
	struct bio bio;
	struct bio_vec vec;
} slots[DEPTH];

static int errors;

static void floor_written(struct bio *bio)
{
	struct floor_slot *slot = container_of(bio, struct floor_slot, bio);

	if (bio->bi_status)
		errors++;
	complete(&slot->idle);
}

static void floor_write(struct block_device *bdev, struct floor_slot *slot,
			u64 pos, u32 len)
{
	struct bio *bio = &slot->bio;

	bio_init(bio, bdev, &slot->vec, 1, REQ_OP_WRITE | REQ_SYNC | REQ_IDLE);
	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	bio->bi_end_io = floor_written;
	__bio_add_page(bio, slot->pages, len, 0);
	submit_bio(bio);
}

/* Returns bytes: less than a chunk at the end of the stream. */
static int floor_receive(struct socket *sock, struct floor_slot *slot)
{
	struct kvec vec = {
		.iov_base = page_address(slot->pages),
		.iov_len = chunk,
	};
	struct msghdr msg = {};

	return kernel_recvmsg(sock, &msg, &vec, 1, chunk, MSG_WAITALL);
}

static int floor_take(struct socket *sock, struct block_device *bdev)
{
	u64 pos = 0;
	int i, n = 0;

	do {
		struct floor_slot *slot = &slots[pos / chunk % DEPTH];

		wait_for_completion(&slot->idle);
		n = floor_receive(sock, slot);
		if (n <= 0) {
			complete(&slot->idle);
			break;
		}
		memset(page_address(slot->pages) + n, 0,
		       round_up(n, BLOCK) - n);
		floor_write(bdev, slot, pos, round_up(n, BLOCK));
		pos += n;
	} while (n == chunk);
	for (i = 0; i < DEPTH; i++)
		wait_for_completion(&slots[i].idle);
	return n < 0 ? n : blkdev_issue_flush(bdev);
}

/* The chunks in the slots, of which the last may be padded, as one write */
static int floor_write_file(struct file *file, u64 pos, size_t len)
{
	struct bio_vec vec[DEPTH];
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;
	int i;

	for (i = 0; i < DEPTH; i++)
		vec[i] = (struct bio_vec){ slots[i].pages, chunk, 0 };
	iov_iter_bvec(&iter, ITER_SOURCE, vec, DEPTH, len);
	init_sync_kiocb(&iocb, file);
	iocb.ki_flags |= IOCB_WRITE;
	iocb.ki_pos = pos;
	file_start_write(file);
	ret = file->f_op->write_iter(&iocb, &iter);
	file_end_write(file);
	if (ret < 0)
		return ret;
	return ret == len ? 0 : -EIO;
}

static int floor_take_file(struct socket *sock, struct file *file)
{
	int ret, n = chunk;
	u64 pos = 0;
	size_t len;

	while (n == chunk) {
		for (len = 0; n == chunk && len < DEPTH * chunk; len += n) {
			n = floor_receive(sock, &slots[len / chunk]);
			if (n < 0)
				return n;
		}
		if (n < chunk)
			memset(page_address(slots[len / chunk].pages) + n, 0,
			       round_up(n, BLOCK) - n);
		len = round_up(len, BLOCK);
		ret = len ? floor_write_file(file, pos, len) : 0;
		if (ret)
			return ret;
		pos += len;
	}
	return vfs_fsync(file, 1);
}

static int floor_accept(struct socket **conn)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	struct socket *sock;
	int ret;

	ret = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, IPPROTO_TCP,
			       &sock);
	if (ret)
		return ret;
	sock_set_reuseaddr(sock->sk);
	/* The type of an address differs between kernels. */
	ret = kernel_bind(sock, (void *)&at, sizeof(at));
	if (!ret)
		ret = kernel_listen(sock, 1);
	if (!ret)
		ret = kernel_accept(sock, conn, 0);
	sock_release(sock);
	if (ret || !lowat)
		return ret;
	lock_sock((*conn)->sk);
	ret = (*conn)->ops->set_rcvlowat((*conn)->sk, lowat);
	release_sock((*conn)->sk);
	return ret;
}

static int floor_alloc(void)
{
	int i;

	for (i = 0; i < DEPTH; i++) {
		init_completion(&slots[i].idle);
		complete(&slots[i].idle);
		slots[i].pages =
			alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(chunk));
		if (!slots[i].pages)
			return -ENOMEM;
	}
	return 0;
}

static int __init floor_init(void)
{
	struct socket *conn;
	struct file *file;
	int i, ret;

	if (!chunk || chunk % BLOCK)
		return -EINVAL;
	file = filp_open(dev, O_RDWR | O_DIRECT, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = floor_alloc();
	if (!ret)
		ret = floor_accept(&conn);
	if (!ret) {
		ret = S_ISBLK(file_inode(file)->i_mode) ?
			      floor_take(conn, I_BDEV(file->f_mapping->host)) :
			      floor_take_file(conn, file);
		sock_release(conn);
	}
	if (!ret && errors)
		ret = -EIO;
	for (i = 0; i < DEPTH; i++)
		if (slots[i].pages)
			__free_pages(slots[i].pages, get_order(chunk));
	fput(file);
	return ret;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
}
module_exit(floor_exit);

MODULE_DESCRIPTION("What the kernel's own part of an ingest costs");
MODULE_LICENSE("GPL");
