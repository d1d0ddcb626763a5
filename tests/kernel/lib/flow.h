/* SPDX-License-Identifier: GPL-2.0 */
/* Streams between a drive and a socket: starting one, and how it ended. */
#ifndef IOU_TEST_FLOW_H
#define IOU_TEST_FLOW_H

#include "disk.h"
#include "sock.h"

#define T_FLOW 0xf10 /* user_data of the stream */
#define T_FLOW_AT (1ull << 20) /* where on the drive the bytes are */
#define T_FLOW_CANCEL 0xca7c

struct t_flow {
	struct t_region r;
	struct t_conn c;
	struct t_disk disk;
	int sock, storage;
	struct io_unified_desc d;
	struct io_unified_stream p;
	/* how it ended */
	struct t_res res;
	struct io_unified_cqe last;
	/* its entries but the last, as far as there was room */
	struct io_unified_cqe entry[1024];
	u32 entries;
};

struct t_flow_opt {
	bool ingest; /* else it serves */
	u32 lba; /* 0 = 512 */
	const char *path; /* of the drive, instead of the NVMe one */
	u32 storage_flags;
	u32 window; /* 0 = 1 MiB */
	u32 ring_flags;
	enum t_memory memory;
	enum t_where where;
};

/* Region, connection, attachments; a descriptor and parameters that are right. */
void t_flow_open(struct t_flow *f, const struct t_flow_opt *opt);
void t_flow_close(struct t_flow *f);
/* Another connection in place of the one there was. */
void t_flow_reconnect(struct t_flow *f, enum t_where where);
void t_flow_start(struct t_flow *f);
void t_flow_cancel(struct t_flow *f);
/* Waits for the end: the CQE of io_uring and the last entry, which agree. */
void t_flow_end(struct t_flow *f, int res, u16 reason);
/* Fills the drive: byte @i of the range is byte @i of the stream of bytes. */
void t_flow_fill_disk(struct t_flow *f, u64 len);
/* Receives @len bytes at the peer, which are those from @offset on. */
void t_flow_peer_gets(struct t_flow *f, u64 len, u64 offset);
/* The drive has the first @len bytes of the stream, and zeros up to a block. */
void t_flow_disk_has(struct t_flow *f, u64 len);
void t_flow_small_buffers(struct t_flow *f, int bytes);

#endif /* IOU_TEST_FLOW_H */
