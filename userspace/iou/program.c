// SPDX-License-Identifier: MIT
/* BPF programs: opening, constants, loading. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <unistd.h>

#include "filter.h"
#include "iou.h"
#include "program.h"

static bool verbose;
static char last_warning[256];

/* The last line is kept for the complaint; all of them are for --verbose. */
static int keep_message(enum libbpf_print_level level, const char *fmt,
			va_list ap)
{
	va_list again;

	va_copy(again, ap);
	if (level == LIBBPF_WARN) {
		vsnprintf(last_warning, sizeof(last_warning), fmt, ap);
		last_warning[strcspn(last_warning, "\n")] = 0;
	}
	if (verbose && level != LIBBPF_DEBUG)
		vfprintf(stderr, fmt, again);
	va_end(again);
	return 0;
}

void program_verbose(bool on)
{
	verbose = on;
	libbpf_set_print(keep_message);
}

static const char *warning(void)
{
	return last_warning[0] ? last_warning : "no more is known";
}

static bool is_xdp(const struct bpf_program *prog)
{
	return bpf_program__type(prog) == BPF_PROG_TYPE_XDP;
}

static struct bpf_program *pick(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog = NULL;

	while ((prog = bpf_object__next_program(obj, prog)))
		if (name ? !strcmp(bpf_program__name(prog), name) :
			   is_xdp(prog))
			return prog;
	return NULL;
}

int program_open(struct program *p, const char *spec)
{
	char *file = strdup(spec);
	char *colon, *name = NULL;
	struct bpf_program *prog;
	int err = 0;

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	if (!file)
		return complain(IOU_EXIT_FAIL, "out of memory");
	p->file = spec;
	/* a file of that name, colons and all, comes first */
	colon = strrchr(file, ':');
	if (colon && access(file, F_OK)) {
		*colon = 0;
		name = colon + 1;
	}
	p->obj = bpf_object__open_file(file, NULL);
	if (!p->obj) {
		err = complain(IOU_EXIT_USAGE,
			       "cannot open BPF object %s: %s (%s)", file,
			       strerror(errno), warning());
		goto out;
	}
	p->prog = pick(p->obj, name);
	if (!p->prog)
		err = complain(
			IOU_EXIT_USAGE,
			name ? "%s has no program '%s'" :
			       "%s has no program of type XDP: put one in section \"xdp\"",
			file, name);
	else if (!is_xdp(p->prog))
		err = complain(
			IOU_EXIT_USAGE,
			"%s: program '%s' is not of type XDP: put it in section \"xdp\"",
			file, bpf_program__name(p->prog));
	/* others in the same file may need what is not there */
	for (prog = NULL; (prog = bpf_object__next_program(p->obj, prog));)
		bpf_program__set_autoload(prog, prog == p->prog);
out:
	free(file);
	if (err)
		program_close(p);
	return err;
}

void program_close(struct program *p)
{
	if (p->obj)
		bpf_object__close(p->obj);
	else if (p->fd >= 0)
		close(p->fd);
	p->obj = NULL;
	p->fd = -1;
}

/* --------------------------------------------------------------- constants */

/* A variable of section .rodata, and where its initial value is. */
struct constant {
	const struct btf *btf;
	const struct btf_type *type;
	unsigned char *value;
	uint32_t size;
};

static unsigned char *rodata(const struct program *p, size_t *size)
{
	static const char suffix[] = ".rodata";
	struct bpf_map *map = NULL;

	while ((map = bpf_object__next_map(p->obj, map))) {
		const char *name = bpf_map__name(map);
		size_t len = strlen(name);

		if (bpf_map__is_internal(map) && len >= sizeof(suffix) - 1 &&
		    !strcmp(name + len - (sizeof(suffix) - 1), suffix))
			/* before loading it is ours to write */
			return (unsigned char *)(uintptr_t)
				bpf_map__initial_value(map, size);
	}
	return NULL;
}

static bool find_constant(const struct program *p, const char *name,
			  struct constant *out)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_var_secinfo *v;
	const struct btf_type *section;
	unsigned char *data;
	size_t size = 0;
	int i, id;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) :
		   -ENOENT;
	data = rodata(p, &size);
	if (id < 0 || !data)
		return false;
	section = btf__type_by_id(btf, (uint32_t)id);
	v = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, v++) {
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name) ||
		    (size_t)v->offset + v->size > size)
			continue;
		out->btf = btf;
		out->type = btf__type_by_id(
			btf, (uint32_t)btf__resolve_type(btf, var->type));
		out->value = data + v->offset;
		out->size = v->size;
		return true;
	}
	return false;
}

static bool is_signed(const struct constant *c)
{
	return btf_is_int(c->type) &&
	       (btf_int_encoding(c->type) & BTF_INT_SIGNED);
}

/* Addresses: IPv4 into 4 bytes; both into 16, IPv4 as ::ffff:a.b.c.d. */
static bool set_address(struct constant *c, const char *text)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (c->size == 4)
		return inet_pton(AF_INET, text, c->value) == 1;
	if (c->size != 16)
		return false;
	if (inet_pton(AF_INET6, text, c->value) == 1)
		return true;
	if (inet_pton(AF_INET, text, c->value + 12) != 1)
		return false;
	memcpy(c->value, mapped, sizeof(mapped));
	return true;
}

static bool set_integer(struct constant *c, uint64_t value, bool negative)
{
	unsigned int bits = 8 * c->size;
	uint64_t limit;

	if ((!btf_is_int(c->type) && !btf_is_any_enum(c->type)) || c->size > 8)
		return false;
	limit = bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
	if (is_signed(c))
		limit = (limit >> 1) + negative;
	if (value > limit || (negative && !is_signed(c)))
		return false;
	if (negative)
		value = -value;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	memcpy(c->value, (unsigned char *)&value + 8 - c->size, c->size);
#else
	memcpy(c->value, &value, c->size);
#endif
	return true;
}

static bool set_text(struct constant *c, const char *text)
{
	bool negative = *text == '-';
	uint64_t value;
	char *end;

	if (set_address(c, text))
		return true;
	text += negative;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	return !errno && !*end && set_integer(c, value, negative);
}

int program_set(struct program *p, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	struct constant c;
	char name[128];
	size_t len;

	len = equals ? (size_t)(equals - assignment) : 0;
	if (!len || len >= sizeof(name))
		return complain(IOU_EXIT_USAGE, "'%s' is not NAME=VALUE",
				assignment);
	memcpy(name, assignment, len);
	name[len] = 0;
	if (!find_constant(p, name, &c))
		return complain(
			IOU_EXIT_USAGE,
			"%s has no constant '%s': declare it 'const volatile', and compile with -g",
			p->file, name);
	if (!set_text(&c, equals + 1))
		return complain(
			IOU_EXIT_USAGE,
			"'%s' does not fit constant '%s' of %u bytes: give a number, or an address for 4 or 16 bytes",
			equals + 1, name, c.size);
	return 0;
}

int program_set_number(struct program *p, const char *name,
		       unsigned long long value)
{
	struct constant c;

	if (!find_constant(p, name, &c))
		return 0;
	if (!set_integer(&c, value, false))
		return complain(IOU_EXIT_USAGE,
				"%s: %llu does not fit constant '%s'", p->file,
				value, name);
	return 0;
}

/* ----------------------------------------------------------------- loading */

static int refused(int err, const char *what)
{
	return complain(err == -EPERM ? IOU_EXIT_UNAVAILABLE : IOU_EXIT_USAGE,
			"cannot load %s: %s: %s", what, strerror(-err),
			err == -EPERM ?
				"it needs CAP_BPF and CAP_NET_ADMIN, or root" :
				"the kernel refused it, --verbose shows why");
}

int program_load(struct program *p)
{
	int err = bpf_object__load(p->obj);

	if (err)
		return refused(err, p->file);
	p->fd = bpf_program__fd(p->prog);
	return 0;
}

static int load_insns(const struct bpf_insn *insns, size_t nr)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP);
	char *log;
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "iou_filter", "GPL", insns, nr,
			   &opts);
	if (fd >= 0 || !verbose || errno == EPERM)
		return fd < 0 ? -errno : fd;
	/* once more, for the log */
	log = calloc(1, 1 << 20);
	if (!log)
		return -ENOMEM;
	opts.log_buf = log;
	opts.log_size = 1 << 20;
	opts.log_level = 1;
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "iou_filter", "GPL", insns, nr,
			   &opts);
	if (fd < 0)
		fd = -errno;
	fputs(log, stderr);
	free(log);
	return fd;
}

int filter_load(struct program *p, const char *expression)
{
	struct bpf_insn *insns = NULL;
	struct sock_filter *filter;
	size_t nr_filter, nr = 0;
	const char *refusal;
	char why[256];
	int err;

	memset(p, 0, sizeof(*p));
	p->fd = -1;
	p->file = "the filter";
	if (filter_compile(expression, &filter, &nr_filter, why, sizeof(why)))
		return complain(IOU_EXIT_USAGE, "filter '%s': %s", expression,
				why);
	err = iou_xdp_from_cbpf(filter, nr_filter, NULL, &nr, &refusal);
	if (!err) {
		insns = calloc(nr, sizeof(*insns));
		err = insns ? iou_xdp_from_cbpf(filter, nr_filter, insns, &nr,
						&refusal) :
			      -ENOMEM;
	}
	free(filter);
	if (err) {
		free(insns);
		return complain(IOU_EXIT_USAGE,
				"filter '%s' cannot be an XDP program: %s",
				expression,
				err == -ENOMEM ? "out of memory" : refusal);
	}
	p->fd = load_insns(insns, nr);
	free(insns);
	if (p->fd < 0)
		return refused(p->fd, p->file);
	return 0;
}
