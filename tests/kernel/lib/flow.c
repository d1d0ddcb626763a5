// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

#include "flow.h"

void t_flow_reconnect(struct t_flow *f, enum t_where where)
{
	const bool ingest = f->d.flags & IO_UNIFIED_F_RX;

	t_connect(&f->c, AF_INET, SOCK_STREAM, where);
	f->sock = t_attach_sock(&f->r, f->c.end);
	*(ingest ? &f->d.net : &f->d.net_tx) = f->sock;
}

void t_flow_open(struct t_flow *f, const struct t_flow_opt *opt)
{
	const u32 window = opt->window ? opt->window : 1 << 20;
	struct t_opt ro = {
		.memory = opt->memory,
		.ring_flags = opt->ring_flags,
		.cq_entries = 1024,
		.size = window + (256 << 10),
	};

	memset(f, 0, sizeof(*f));
	t_disk_nvme(&f->disk, opt->lba ? opt->lba : 512, 0);
	if (opt->path)
		snprintf(f->disk.path, sizeof(f->disk.path), "%s", opt->path);
	t_region_open(&f->r, &ro);
	f->storage = t_attach_storage(&f->r, f->disk.path, opt->storage_flags);
	f->d = (struct io_unified_desc){
		.user_data = T_FLOW,
		.ops = IO_UNIFIED_OP_NETWORK | IO_UNIFIED_OP_NVME,
		.flags = IO_UNIFIED_F_SOCKET |
			 (opt->ingest ? IO_UNIFIED_F_RX | IO_UNIFIED_F_WRITE :
					IO_UNIFIED_F_READ | IO_UNIFIED_F_TX),
		.storage = f->storage,
		.addr = t_frame(&f->r, 0),
		.len = window,
		.dev_offset = T_FLOW_AT,
		.cookie = 0x700d,
	};
	f->p = (struct io_unified_stream){
		.flags = IO_UNIFIED_STREAM_PROGRESS,
		.layout = IO_UNIFIED_LAYOUT_BYTES,
		.range_len = 4 << 20,
		.batch_bytes = 65536,
	};
	t_flow_reconnect(f, opt->where);
}

void t_flow_close(struct t_flow *f)
{
	t_region_close(&f->r);
	t_disconnect(&f->c);
}

void t_flow_small_buffers(struct t_flow *f, int bytes)
{
	REQUIRE(!setsockopt(f->c.end, SOL_SOCKET, SO_SNDBUF, &bytes,
			    sizeof(bytes)));
	REQUIRE(!setsockopt(f->c.peer, SOL_SOCKET, SO_RCVBUF, &bytes,
			    sizeof(bytes)));
}

void t_flow_start(struct t_flow *f)
{
	f->entries = 0;
	t_queue_stream(&f->r, &f->d, &f->p);
	t_submit(&f->r);
}

void t_flow_cancel(struct t_flow *f)
{
	t_queue_cancel(&f->r, T_FLOW, T_FLOW_CANCEL);
	t_submit(&f->r);
}

void t_flow_end(struct t_flow *f, int want, u16 reason)
{
	struct io_unified_cqe e;

	do {
		REQUIRE(t_reap(&f->r, &f->res, 20000),
			"the stream does not end");
		if (f->res.user_data == T_FLOW_CANCEL)
			CHECK_EQ(f->res.res, 1, "found by cancel");
	} while (f->res.user_data != T_FLOW);
	for (;;) {
		REQUIRE(t_cq(&f->r, &e, 1000), "no last entry");
		if (e.user_data != T_FLOW)
			continue;
		CHECK_EQ(e.ops, f->d.ops);
		if (!(e.flags & IO_UNIFIED_CQE_MORE))
			break;
		if (f->entries < ARRAY_SIZE(f->entry))
			f->entry[f->entries] = e;
		f->entries++;
	}
	f->last = e;
	CHECK_EQ(f->res.res, want, "reason %u", f->res.reason);
	CHECK_EQ(f->res.reason, reason);
	CHECK_EQ(e.res, f->res.res);
	CHECK_EQ(e.reason, f->res.reason);
	CHECK_EQ(e.nvme_status, f->res.status);
	CHECK(want < 0 || (u64)want == e.count || want == INT32_MAX,
	      "%llu bytes", (unsigned long long)e.count);
	CHECK(!t_cq(&f->r, &e, 0), "an entry behind the last");
}

void t_flow_fill_disk(struct t_flow *f, u64 len)
{
	u8 *buf = aligned_alloc(4096, len);

	REQUIRE(buf);
	t_stream_fill(buf, len, 0);
	t_disk_write(&f->disk, buf, len, T_FLOW_AT);
	free(buf);
}

void t_flow_peer_gets(struct t_flow *f, u64 len, u64 offset)
{
	static u8 buf[65536];
	ssize_t n;

	while (len) {
		n = recv(f->c.peer, buf, MIN(sizeof(buf), len), 0);
		REQUIRE(n > 0, "%llu bytes are missing",
			(unsigned long long)len);
		REQUIRE(t_stream_is(buf, n, offset), "other bytes at %llu",
			(unsigned long long)offset);
		offset += n;
		len -= n;
	}
}

void t_flow_disk_has(struct t_flow *f, u64 len)
{
	u64 blocks = (len + f->disk.lba - 1) / f->disk.lba * f->disk.lba, i;
	u8 *buf;

	if (!len)
		return;
	buf = aligned_alloc(4096, (blocks + 4095) & ~4095ull);
	REQUIRE(buf);
	t_disk_read(&f->disk, buf, blocks, T_FLOW_AT);
	CHECK(t_stream_is(buf, len, 0), "other bytes on the drive");
	for (i = len; i < blocks; i++)
		REQUIRE(!buf[i], "no zero behind the end");
	free(buf);
}
