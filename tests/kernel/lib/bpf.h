/* SPDX-License-Identifier: GPL-2.0 */
/* BPF objects of the suites, the tracer of NVMe requests, physical addresses. */
#ifndef IOU_TEST_BPF_H
#define IOU_TEST_BPF_H

#include <bpf/libbpf.h>

#include "../bpf/nvme_trace.h"
#include "iou_test.h"

/* Opens bpf/@name.bpf.o next to the test program; loads it if @load. */
struct bpf_object *t_bpf_open(const char *name, bool load);
/* The fd of a program; fails the case if there is none. */
int t_bpf_prog(struct bpf_object *obj, const char *name);
struct bpf_map *t_bpf_map(struct bpf_object *obj, const char *name);
/* What its programs are to do: the first entry of its map "config". */
void t_bpf_configure(struct bpf_object *obj, const void *config);

/* Traces requests on the NVMe queues of the disk of that name. */
void t_trace_start(const char *disk);
/* The next request, oldest first. False: none within the time. */
bool t_trace_next(struct nvme_trace_event *e, int ms);
/* Forgets what came so far. */
void t_trace_clear(void);
void t_trace_stop(void);

/* The physical address behind @p, through /proc/self/pagemap. */
u64 t_phys(const void *p);

#endif /* IOU_TEST_BPF_H */
