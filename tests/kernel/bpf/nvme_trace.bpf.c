// SPDX-License-Identifier: GPL-2.0
/*
 * Every request that starts on an NVMe queue, as the controller will see it
 *
 * blk_mq_start_request() is called by nvme_queue_rq() when the command is
 * complete and its data is mapped for DMA.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "nvme_trace.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)
struct page;

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
	unsigned int bv_offset;
};

struct bvec_iter {
	unsigned int bi_size;
	unsigned int bi_idx;
	unsigned int bi_offset;
};

struct bvec_iter___old {
	unsigned int bi_bvec_done;
};

struct bio {
	struct bio *bi_next;
	struct bio_vec *bi_io_vec;
	struct bvec_iter bi_iter;
};

struct gendisk {
	char disk_name[32];
};

struct request_queue {
	struct gendisk *disk;
};

struct request {
	struct request_queue *q;
	unsigned int __data_len;
	unsigned short nr_phys_segments;
	struct bio *bio;
};
#pragma clang attribute pop

struct nvme_command {
	unsigned char opcode;
	unsigned char flags;
	unsigned short id;
	unsigned int nsid;
	unsigned int cdw[4];
	unsigned long long dptr;
	unsigned int sgl_length;
	unsigned char rsvd[3];
	unsigned char sgl_type;
	unsigned long long slba;
	unsigned int cdw12;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

extern const void vmemmap_base __ksym;

SEC("kprobe/blk_mq_start_request")
int start_request(struct pt_regs *ctx)
{
	struct request *rq = (void *)PT_REGS_PARM1(ctx);
	struct gendisk *disk = BPF_CORE_READ(rq, q, disk);
	struct nvme_command c, *cmd;
	struct nvme_trace_event *e;
	struct bio *bio;
	unsigned int i, idx, skip, left;

	if (!disk)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	bpf_core_read_str(e->disk, sizeof(e->disk), &disk->disk_name);
	if (e->disk[0] != 'n' || e->disk[1] != 'v' || e->disk[2] != 'm') {
		bpf_ringbuf_discard(e, 0);
		return 0;
	}
	/* struct nvme_request follows the request; its command comes first. */
	bpf_probe_read_kernel(&cmd, sizeof(cmd),
			      (char *)rq + bpf_core_type_size(struct request));
	bpf_probe_read_kernel(&c, sizeof(c), cmd);
	e->opcode = c.opcode;
	e->flags = c.flags;
	e->dptr = c.dptr;
	e->sgl_length = c.sgl_length;
	e->sgl_type = c.sgl_type;
	e->slba = c.slba;
	e->cdw12 = c.cdw12;
	e->bytes = BPF_CORE_READ(rq, __data_len);
	e->segments = BPF_CORE_READ(rq, nr_phys_segments);
	bpf_probe_read_kernel(&e->vmemmap, sizeof(e->vmemmap), &vmemmap_base);
	bio = BPF_CORE_READ(rq, bio);
	if (bio) {
		struct bio_vec *vec = BPF_CORE_READ(bio, bi_io_vec);

		idx = BPF_CORE_READ(bio, bi_iter.bi_idx);
		if (bpf_core_field_exists(struct bvec_iter, bi_offset))
			skip = BPF_CORE_READ(bio, bi_iter.bi_offset);
		else
			skip = BPF_CORE_READ(
				(struct bvec_iter___old *)&bio->bi_iter,
				bi_bvec_done);
		left = BPF_CORE_READ(bio, bi_iter.bi_size);
		for (i = 0; i < NVME_TRACE_SEGMENTS && left; i++) {
			struct bio_vec *v =
				(void *)vec +
				(idx + i) * bpf_core_type_size(struct bio_vec);
			unsigned int len = BPF_CORE_READ(v, bv_len) - skip;

			if (len > left)
				len = left;
			e->page[i] = (unsigned long)BPF_CORE_READ(v, bv_page);
			e->offset[i] = BPF_CORE_READ(v, bv_offset) + skip;
			e->length[i] = len;
			e->pieces = i + 1;
			left -= len;
			skip = 0;
		}
	}
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
