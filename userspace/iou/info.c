// SPDX-License-Identifier: MIT
/* iou info: what kernel and module can do, and who uses it */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "iou.h"
#include "option.h"

#define MAX_FEATURES 64

static void help(FILE *f)
{
	fputs("usage: iou info [OPTION]...\n"
	      "\n"
	      "Show what this kernel and the module can do, and who uses it.\n"
	      "\n"
	      "  --json   for programs\n"
	      "  --help   this\n"
	      "\n"
	      "See iou-info(1).\n",
	      f);
}

/* One line of a small file, or "". */
static void read_line(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");

	buf[0] = 0;
	if (!f)
		return;
	if (fgets(buf, (int)len, f))
		buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

/* ------------------------------------------------------------- its users */

/* Called with each line "iou-KEY: VALUE" of an open file's fdinfo. */
struct visitor {
	void (*file)(struct visitor *v, const char *pid, const char *fd,
		     const char *comm);
	void (*line)(struct visitor *v, const char *key, const char *value);
	void (*file_end)(struct visitor *v);
	struct json *json;
	unsigned int files;
};

static void visit_lines(struct visitor *v, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "iou-", 4) || !value)
			continue;
		*value++ = 0;
		while (isspace((unsigned char)*value))
			value++;
		value[strcspn(value, "\n")] = 0;
		v->line(v, line + 4, value);
	}
	fclose(f);
}

static void visit_process(struct visitor *v, const char *pid, dev_t device)
{
	char path[PATH_MAX], comm[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	/* gone, or another user's */
	if (!dir)
		return;
	while ((e = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, 0) ||
		    !S_ISCHR(st.st_mode) || st.st_rdev != device)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", pid);
		read_line(path, comm, sizeof(comm));
		v->files++;
		v->file(v, pid, e->d_name, comm);
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid,
			 e->d_name);
		visit_lines(v, path);
		v->file_end(v);
	}
	closedir(dir);
}

static void visit_all(struct visitor *v)
{
	char self[16];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (stat(IOU_DEVICE, &st))
		return;
	dir = opendir("/proc");
	if (!dir)
		return;
	snprintf(self, sizeof(self), "%d", getpid());
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    strcmp(e->d_name, self))
			visit_process(v, e->d_name, st.st_rdev);
	closedir(dir);
}

/* A process has any name that it wants: none is to tell a terminal what to do. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(isprint((unsigned char)*name) ? *name : '?');
}

static void text_file(struct visitor *v, const char *pid, const char *fd,
		      const char *comm)
{
	(void)v;
	printf("user       ");
	print_name(comm);
	printf("[%s], file %s\n", pid, fd);
}

static void text_line(struct visitor *v, const char *key, const char *value)
{
	(void)v;
	printf("           %s: %s\n", key, value);
}

static void text_end(struct visitor *v)
{
	(void)v;
}

static void json_file(struct visitor *v, const char *pid, const char *fd,
		      const char *comm)
{
	json_begin(v->json, NULL, '{');
	json_u64(v->json, "pid", strtoull(pid, NULL, 10));
	json_u64(v->json, "fd", strtoull(fd, NULL, 10));
	json_string(v->json, "command", comm);
	json_begin(v->json, "fdinfo", '[');
}

/* Keys may repeat, one line per attachment: a list keeps them all. */
static void json_line(struct visitor *v, const char *key, const char *value)
{
	json_begin(v->json, NULL, '{');
	json_string(v->json, "key", key);
	json_string(v->json, "value", value);
	json_end(v->json, '}');
}

static void json_file_end(struct visitor *v)
{
	json_end(v->json, ']');
	json_end(v->json, '}');
}

/* --------------------------------------------------------------- features */

static void print_features(uint64_t features, bool present)
{
	const char *name;
	unsigned int bit;
	int n = 0;

	for (bit = 0; (name = iou_feature_name(bit)); bit++)
		if (!(features & (1ull << bit)) != present) {
			printf("%s%s", n ? " " : "", name);
			n++;
		}
	printf("%s\n", n ? "" : "none");
}

static void print_text(const struct io_unified_info *info,
		       const struct utsname *u, const char *version)
{
	struct visitor v = { .file = text_file,
			     .line = text_line,
			     .file_end = text_end };
	char size[32];

	printf("device     %s, ABI %u\n", IOU_DEVICE, info->abi_version);
	printf("kernel     %s %s\n", u->release, u->machine);
	printf("module     %s\n", *version ? version : "of no version");
	printf("features   ");
	print_features(info->features, true);
	printf("missing    ");
	print_features(info->features, false);
	printf("region     up to %s, %u ring entries, %u io_urings\n",
	       format_size(info->max_region_size, size, sizeof(size)),
	       info->max_entries, info->max_links);
	printf("frames     %u to %u bytes\n", info->min_frame_size,
	       info->max_frame_size);
	printf("attached   up to %u of each kind, %u sockets\n",
	       info->max_attachments, info->max_sockets);
	visit_all(&v);
	if (!v.files)
		printf("user       none\n");
}

static void print_json(const struct io_unified_info *info,
		       const struct utsname *u, const char *version)
{
	struct json j = { .f = stdout };
	struct visitor v = { .file = json_file,
			     .line = json_line,
			     .file_end = json_file_end,
			     .json = &j };
	const char *name;
	unsigned int bit;

	json_begin(&j, NULL, '{');
	json_string(&j, "device", IOU_DEVICE);
	json_u64(&j, "abi_version", info->abi_version);
	json_string(&j, "kernel", u->release);
	json_string(&j, "machine", u->machine);
	json_string(&j, "module_version", version);
	json_begin(&j, "features", '{');
	for (bit = 0; (name = iou_feature_name(bit)); bit++)
		json_bool(&j, name, info->features & (1ull << bit));
	json_end(&j, '}');
	json_u64(&j, "max_region_size", info->max_region_size);
	json_u64(&j, "min_frame_size", info->min_frame_size);
	json_u64(&j, "max_frame_size", info->max_frame_size);
	json_u64(&j, "max_entries", info->max_entries);
	json_u64(&j, "max_links", info->max_links);
	json_u64(&j, "max_attachments", info->max_attachments);
	json_u64(&j, "max_sockets", info->max_sockets);
	json_begin(&j, "users", '[');
	visit_all(&v);
	json_end(&j, ']');
	json_end(&j, '}');
}

struct info_options {
	bool json;
};

int cmd_info(int argc, char **argv)
{
	static const struct option_def options[] = {
		OPT_FLAG("json", struct info_options, json),
		OPT_END,
	};
	static const struct option_set set = {
		.help = help,
		.def = options,
	};
	struct io_unified_info info;
	char version[64];
	struct utsname u;
	struct info_options o = { 0 };
	bool done;
	int fd, err;

	err = option_parse(&set, &o, argc, argv, &done);
	if (err || done)
		return err;
	err = open_device(&fd);
	if (err)
		return err;
	err = iou_get_info(fd, &info);
	iou_close(fd);
	if (err)
		return complain(IOU_EXIT_FAIL, "cannot ask %s: %s", IOU_DEVICE,
				strerror(-err));
	uname(&u);
	read_line("/sys/module/io_unified/version", version, sizeof(version));
	if (o.json)
		print_json(&info, &u, version);
	else
		print_text(&info, &u, version);
	return 0;
}
