/* SPDX-License-Identifier: GPL-2.0 */
/* The drives of the VM, partitions, null_blk, and reading them another way. */
#ifndef IOU_TEST_DISK_H
#define IOU_TEST_DISK_H

#include "iou_test.h"

struct t_disk {
	char name[32]; /* nvme0n1 */
	char path[48]; /* /dev/nvme0n1 */
	u32 lba;
	u64 size;
};

/* The n-th NVMe namespace with blocks of @lba bytes; skips if there is none. */
void t_disk_nvme(struct t_disk *d, u32 lba, int n);
/* Skips unless NVMe drives have queues without interrupts. */
void t_disk_need_polled(void);
/* A partition of @start and @len bytes in @whole; it goes with the case. */
void t_disk_partition(struct t_disk *d, const struct t_disk *whole, int number,
		      u64 start, u64 len);
void t_disk_del_partition(const struct t_disk *whole, int number);
/* A null_blk device with memory behind it; @extra is "key=value ...". */
void t_disk_null_blk(struct t_disk *d, const char *name, u32 lba, u32 megabytes,
		     const char *extra);
/* One that an earlier case made. */
void t_disk_open_null_blk(struct t_disk *d, const char *name);
void t_disk_del_null_blk(const char *name);

/* O_DIRECT through the kernel's own path; fail the case on an error. */
void t_disk_read(const struct t_disk *d, void *p, size_t len, u64 offset);
void t_disk_write(const struct t_disk *d, const void *p, size_t len,
		  u64 offset);
void t_disk_zero(const struct t_disk *d, u64 offset, u64 len);

/* What a drive was asked for so far: positions in its stat file. */
enum t_disk_stat { T_DISK_WRITES = 4, T_DISK_FLUSHES = 15 };
u64 t_disk_stat(const struct t_disk *d, enum t_disk_stat which);

/*
 * @len bytes of the region from @addr to @offset of the attachment @storage, all
 * of @d, and back, read another way in between.
 */
void t_disk_round_trip(struct t_region *r, const struct t_disk *d, int storage,
		       u64 addr, u32 len, u64 offset, u64 seed);

#endif /* IOU_TEST_DISK_H */
