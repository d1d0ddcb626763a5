// SPDX-License-Identifier: MIT
/*
 * What a program counted: the entries of its maps
 *
 * Values of per-CPU maps are added up, word by word. A value that is a number,
 * or a structure of numbers, is shown with their names, anything else as bytes.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "iou.h"
#include "program.h"

static bool is_per_cpu(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return true;
	default:
		return false;
	}
}

bool program_has_map(const struct program *p, const char *map)
{
	return p->obj && bpf_object__find_map_by_name(p->obj, map);
}

static uint64_t load_number(const unsigned char *p, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		memcpy(&u64, p, 8);
		return u64;
	case 4:
		memcpy(&u32, p, 4);
		return u32;
	case 2:
		memcpy(&u16, p, 2);
		return u16;
	default:
		return p[0];
	}
}

static bool is_number(const struct btf *btf, uint32_t id, size_t *size)
{
	const struct btf_type *t =
		btf__type_by_id(btf, (uint32_t)btf__resolve_type(btf, id));

	if (!t || (!btf_is_int(t) && !btf_is_any_enum(t)) || t->size > 8)
		return false;
	*size = t->size;
	return true;
}

static void show_number(struct json *json, const char *name, uint64_t value)
{
	if (json)
		json_u64(json, name, value);
	else
		fprintf(stderr, " %s %llu", name, (unsigned long long)value);
}

static void show_bytes(struct json *json, const char *name,
		       const unsigned char *p, size_t size)
{
	char hex[2 * 64 + 1] = "";
	size_t i;

	for (i = 0; i < size && i < 64; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
	if (json)
		json_string(json, name, hex);
	else
		fprintf(stderr, " %s %s", name, hex);
}

/* A key or a value, by its type. */
static void show(struct json *json, const struct btf *btf, uint32_t id,
		 const char *name, const unsigned char *p, size_t size)
{
	const struct btf_type *t = NULL;
	const struct btf_member *m;
	size_t len;
	int i;

	if (btf && id)
		t = btf__type_by_id(btf, (uint32_t)btf__resolve_type(btf, id));
	if (t && is_number(btf, id, &len) && len <= size) {
		show_number(json, name, load_number(p, len));
		return;
	}
	if (!t || !btf_is_struct(t)) {
		show_bytes(json, name, p, size);
		return;
	}
	m = btf_members(t);
	for (i = 0; i < btf_vlen(t); i++, m++) {
		const char *field = btf__name_by_offset(btf, m->name_off);
		size_t at = btf_member_bit_offset(t, (uint32_t)i) / 8;
		int64_t field_size = btf__resolve_size(btf, m->type);

		if (btf_member_bitfield_size(t, (uint32_t)i) ||
		    field_size <= 0 || at + (size_t)field_size > size)
			continue;
		if (is_number(btf, m->type, &len))
			show_number(json, field, load_number(p + at, len));
		else
			show_bytes(json, field, p + at, (size_t)field_size);
	}
}

static bool all_zero(const unsigned char *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* The sum of all CPUs' words, in the place of the first CPU's. */
static void add_up(unsigned char *value, size_t stride, int cpus)
{
	uint64_t *words = (uint64_t *)(void *)value;
	size_t n = stride / sizeof(*words);
	size_t i;
	int cpu;

	for (cpu = 1; cpu < cpus; cpu++)
		for (i = 0; i < n; i++)
			words[i] += words[(size_t)cpu * n + i];
}

static void show_entry(struct json *json, const struct bpf_map *map,
		       const struct btf *btf, const unsigned char *key,
		       const unsigned char *value)
{
	if (json)
		json_begin(json, NULL, '{');
	else
		fprintf(stderr, "%s", bpf_map__name(map));
	show(json, btf, bpf_map__btf_key_type_id(map), "key", key,
	     bpf_map__key_size(map));
	show(json, btf, bpf_map__btf_value_type_id(map), "value", value,
	     bpf_map__value_size(map));
	if (json)
		json_end(json, '}');
	else
		fputc('\n', stderr);
}

int program_dump(const struct program *p, const char *name, struct json *json)
{
	struct bpf_map *map = bpf_object__find_map_by_name(p->obj, name);
	const struct btf *btf = bpf_object__btf(p->obj);
	int cpus = libbpf_num_possible_cpus();
	unsigned char *key, *value;
	size_t stride, key_size;
	void *prev = NULL;
	int fd, err = 0;

	if (!map || cpus < 1)
		return complain(IOU_EXIT_FAIL, "%s: cannot find map '%s'",
				p->file, name);
	if (!is_per_cpu(map))
		cpus = 1;
	fd = bpf_map__fd(map);
	key_size = bpf_map__key_size(map);
	stride = (bpf_map__value_size(map) + 7u) & ~(size_t)7;
	key = calloc(2, key_size);
	value = calloc((size_t)cpus, stride);
	if (!key || !value)
		err = complain(IOU_EXIT_FAIL, "out of memory");
	if (json)
		json_begin(json, name, '[');
	while (!err && !bpf_map_get_next_key(fd, prev, key)) {
		if (!bpf_map_lookup_elem(fd, key, value)) {
			add_up(value, stride, cpus);
			if (!all_zero(value, bpf_map__value_size(map)))
				show_entry(json, map, btf, key, value);
		}
		memcpy(key + key_size, key, key_size);
		prev = key + key_size;
	}
	if (json)
		json_end(json, ']');
	free(key);
	free(value);
	return err;
}
