// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf.h"

#define EVENTS 16384

static struct {
	struct bpf_object *obj;
	struct bpf_link *link;
	struct ring_buffer *ring;
	char disk[32];
	struct nvme_trace_event *events;
	unsigned int first, count;
} trace;

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_DEBUG)
		return 0;
	printf("# ");
	return vprintf(fmt, ap);
}

struct bpf_object *t_bpf_open(const char *name, bool load)
{
	char path[512];
	struct bpf_object *obj;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(print);
	t_beside(path, sizeof(path), "bpf/%s.bpf.o", name);
	obj = bpf_object__open_file(path, NULL);
	REQUIRE(obj && !libbpf_get_error(obj), "%s", path);
	if (load)
		REQUIRE(!bpf_object__load(obj), "%s", path);
	return obj;
}

int t_bpf_prog(struct bpf_object *obj, const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(obj, name);

	REQUIRE(p && bpf_program__fd(p) >= 0, "program %s", name);
	return bpf_program__fd(p);
}

struct bpf_map *t_bpf_map(struct bpf_object *obj, const char *name)
{
	struct bpf_map *m = bpf_object__find_map_by_name(obj, name);

	REQUIRE(m, "map %s", name);
	return m;
}

void t_bpf_configure(struct bpf_object *obj, const void *config)
{
	u32 zero = 0;

	REQUIRE(!bpf_map_update_elem(bpf_map__fd(t_bpf_map(obj, "config")),
				     &zero, config, 0));
}

static int take(void *ctx, void *data, size_t size)
{
	const struct nvme_trace_event *e = data;

	if (strcmp(e->disk, trace.disk))
		return 0;
	REQUIRE(trace.count < EVENTS, "too many requests to keep");
	trace.events[trace.count++] = *e;
	return 0;
}

void t_trace_start(const char *disk)
{
	struct bpf_program *p;

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		t_skip("no BTF in this kernel, which the tracer needs");
	snprintf(trace.disk, sizeof(trace.disk), "%s", disk);
	trace.events = calloc(EVENTS, sizeof(*trace.events));
	trace.obj = t_bpf_open("nvme_trace", true);
	p = bpf_object__find_program_by_name(trace.obj, "start_request");
	trace.link = bpf_program__attach(p);
	REQUIRE(trace.link && !libbpf_get_error(trace.link),
		"kprobe on blk_mq_start_request");
	trace.ring = ring_buffer__new(
		bpf_map__fd(t_bpf_map(trace.obj, "events")), take, NULL, NULL);
	REQUIRE(trace.ring && trace.events);
}

bool t_trace_next(struct nvme_trace_event *e, int ms)
{
	if (trace.first == trace.count)
		ring_buffer__poll(trace.ring, ms);
	if (trace.first == trace.count)
		return false;
	*e = trace.events[trace.first++];
	return true;
}

void t_trace_clear(void)
{
	ring_buffer__consume(trace.ring);
	trace.first = trace.count = 0;
}

void t_trace_stop(void)
{
	ring_buffer__free(trace.ring);
	bpf_link__destroy(trace.link);
	bpf_object__close(trace.obj);
	free(trace.events);
	memset(&trace, 0, sizeof(trace));
}

u64 t_phys(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry = 0;

	/* Touched, or it has no page yet. */
	(void)*(volatile const u8 *)p;
	REQUIRE(fd >= 0);
	REQUIRE(pread(fd, &entry, 8, (uintptr_t)p / 4096 * 8) == 8);
	close(fd);
	REQUIRE(entry >> 63, "no page at %p", p);
	return (entry & ((1ull << 55) - 1)) * 4096 + (uintptr_t)p % 4096;
}
