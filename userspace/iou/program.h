/* SPDX-License-Identifier: MIT */
/* BPF programs: from object files, and from filter expressions */
#ifndef IOU_PROGRAM_H
#define IOU_PROGRAM_H

#include <stdbool.h>

struct bpf_object;
struct bpf_program;
struct json;

struct program {
	struct bpf_object *obj; /* NULL: from a filter expression */
	struct bpf_program *prog;
	const char *file;
	int fd;
};

/* Show what libbpf and the verifier say? */
void program_verbose(bool on);

/* All complain and return an exit code. FILE[:PROGRAM] */
int program_open(struct program *p, const char *spec);
/* A constant, "name=value" */
int program_set(struct program *p, const char *assignment);
int program_load(struct program *p);
void program_close(struct program *p);

/* Sets a constant if the program has it. */
int program_set_number(struct program *p, const char *name,
		       unsigned long long value);
/* Does the program have this map? */
bool program_has_map(const struct program *p, const char *map);
/* All entries of a map that are not zero, on stderr, or into @json. */
int program_dump(const struct program *p, const char *map, struct json *json);

/* An expression in the language of libpcap, as a program. */
int filter_load(struct program *p, const char *expression);

#endif /* IOU_PROGRAM_H */
