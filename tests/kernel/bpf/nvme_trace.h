/* SPDX-License-Identifier: GPL-2.0 */
/* What nvme_trace.bpf.c tells of each request that goes to an NVMe queue. */
#ifndef NVME_TRACE_H
#define NVME_TRACE_H

#define NVME_TRACE_SEGMENTS 8

struct nvme_trace_event {
	unsigned long long dptr; /* first address in the command: PRP1 or SGL */
	unsigned long long slba;
	unsigned int bytes;
	unsigned int sgl_length; /* with an SGL: of its first descriptor */
	unsigned int cdw12;
	unsigned short segments; /* DMA segments of the request */
	unsigned char opcode;
	unsigned char flags; /* of the command: bits 6, 7: SGL */
	unsigned char sgl_type;
	unsigned char queue;
	unsigned short pieces; /* how many of the next are filled in */
	unsigned long long page[NVME_TRACE_SEGMENTS]; /* struct page */
	unsigned int offset[NVME_TRACE_SEGMENTS]; /* from its start */
	unsigned int length[NVME_TRACE_SEGMENTS];
	unsigned long long vmemmap;
	char disk[32];
};

#endif /* NVME_TRACE_H */
