// SPDX-License-Identifier: MIT
/*
 * iou serve: the objects, by name, and what they are read from
 *
 * The table is made at the start, and nothing that is not in it can be asked for.
 * Devices are opened and attached at the start, files when they are asked for. There
 * are more files than attachments: those that find none left are read by the ring,
 * and sent by an op all the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve.h"
#include "serve_source.h"

#define FILE_ALIGN 4096u /* no file system asks for more of direct I/O */

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

struct serve_object *object_find(struct serve *s, const char *name)
{
	struct serve_objects *o = &s->objects;
	struct serve_object *object = o->table[hash(name) & (o->buckets - 1)];

	while (object && strcmp(object->name, name))
		object = object->next;
	return object;
}

/* --------------------------------------------------------- what they are made of */

/*
 * A program changes what is sent, and nobody knows its versions: then tags are good
 * as long as the server runs.
 */
static void describe(const struct serve *s, struct serve_object *object,
		     uint64_t version, time_t modified)
{
	uint64_t salt = s->o->bpf ? s->objects.start_ns : 0;

	object->version = version;
	object->modified = modified;
	http_date(modified, object->modified_text);
	snprintf(object->etag, sizeof(object->etag), "\"%llx-%llx-%llx\"",
		 (unsigned long long)(version ^ salt),
		 (unsigned long long)object->offset,
		 (unsigned long long)object->size);
}

static uint64_t version_of(const struct stat *st)
{
	return ((uint64_t)st->st_mtim.tv_sec * 1000000000ull +
		(uint64_t)st->st_mtim.tv_nsec) ^
	       ((uint64_t)st->st_ino << 20);
}

void object_describe(const struct serve *s, struct serve_object *object,
		     const struct stat *st)
{
	if (object->version != version_of(st))
		describe(s, object, version_of(st), st->st_mtim.tv_sec);
}

static int out_of_memory(void)
{
	return complain(IOU_EXIT_FAIL, "out of memory");
}

/* One for each path, so that a device is attached once. */
static struct serve_source *source_of(struct serve *s, const char *path,
				      bool beneath, bool fresh)
{
	struct serve_source *source = fresh ? NULL : s->objects.sources;

	while (source && (source->beneath || strcmp(source->path, path)))
		source = source->next;
	if (source)
		return source;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->path = strdup(path);
	if (!source->path) {
		free(source);
		return NULL;
	}
	source->beneath = beneath;
	source->fd = -1;
	source->attach = -1;
	source->next = s->objects.sources;
	s->objects.sources = source;
	return source;
}

static struct serve_object *add(struct serve *s, const char *name,
				struct serve_source *source, const char *type)
{
	struct serve_object *object = calloc(1, sizeof(*object));
	size_t len = strlen(name) + 2;

	if (!object)
		return NULL;
	object->name = malloc(len);
	if (!object->name) {
		free(object);
		return NULL;
	}
	snprintf(object->name, len, "%s%s", *name == '/' ? "" : "/", name);
	object->type = type ? strdup(type) : http_type(object->name);
	object->source = source;
	object->next = s->objects.list;
	s->objects.list = object;
	s->objects.count++;
	return object;
}

static int open_device_source(struct serve_source *source, uint64_t *size)
{
	int block;

	if (source->fd < 0)
		source->fd =
			open(source->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (source->fd < 0)
		return complain(errno == EACCES || errno == EPERM ?
					IOU_EXIT_UNAVAILABLE :
					IOU_EXIT_FAIL,
				"cannot open %s: %s", source->path,
				strerror(errno));
	if (ioctl(source->fd, BLKGETSIZE64, size) ||
	    ioctl(source->fd, BLKSSZGET, &block))
		return complain(IOU_EXIT_FAIL,
				"cannot learn the size of %s: %s", source->path,
				strerror(errno));
	source->is_block = true;
	source->block_size = (uint32_t)block;
	return 0;
}

/* @size 0: all that there is. */
static int add_range(struct serve *s, const char *name, const char *path,
		     const char *type, uint64_t offset, uint64_t size)
{
	struct serve_source *source = source_of(s, path, false, false);
	struct serve_object *object;
	uint64_t there, version;
	time_t modified;
	struct stat st;
	int err;

	if (!source)
		return out_of_memory();
	if (stat(path, &st))
		return complain(IOU_EXIT_FAIL, "cannot open %s: %s", path,
				strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		err = open_device_source(source, &there);
		if (err)
			return err;
		/* nobody can tell when a device changed: not while we run */
		version = s->objects.start_ns;
		modified = (time_t)(s->objects.start_ns / 1000000000ull);
	} else if (S_ISREG(st.st_mode)) {
		source->block_size = FILE_ALIGN;
		there = (uint64_t)st.st_size;
		version = version_of(&st);
		modified = st.st_mtim.tv_sec;
	} else {
		return complain(IOU_EXIT_USAGE,
				"%s is neither a block device nor a file",
				path);
	}
	if (offset % source->block_size)
		return complain(
			IOU_EXIT_USAGE,
			"%s: the offset %llu is not a multiple of its block size, %u",
			path, (unsigned long long)offset, source->block_size);
	if (offset > there || size > there - offset)
		return complain(
			IOU_EXIT_USAGE,
			"%s: %llu bytes at %llu are not all there, it has %llu",
			path, (unsigned long long)size,
			(unsigned long long)offset, (unsigned long long)there);
	object = add(s, name, source, type);
	if (!object || !object->type)
		return out_of_memory();
	object->offset = offset;
	object->size = size ? size : there - offset;
	object->whole = !size && !source->is_block;
	describe(s, object, version, modified);
	return 0;
}

/* DEVICE,OFFSET,SIZE[,NAME] */
static int add_device(struct serve *s, const char *arg)
{
	uint64_t numbers[2];
	char *copy = strdup(arg), *field[4] = { NULL };
	int n, err;

	if (!copy)
		return out_of_memory();
	field[0] = copy;
	for (n = 1; n < 4; n++) {
		char *comma = strchr(field[n - 1], ',');

		if (!comma)
			break;
		*comma = 0;
		field[n] = comma + 1;
	}
	if (n < 3 || !field[0][0] || parse_size(field[1], &numbers[0]) ||
	    parse_size(field[2], &numbers[1]) || !numbers[1])
		err = complain(
			IOU_EXIT_USAGE,
			"--device '%s': is not DEVICE,OFFSET,SIZE[,NAME]", arg);
	else
		err = add_range(s, field[3] ? field[3] : "/", field[0], NULL,
				numbers[0], numbers[1]);
	free(copy);
	return err;
}

/* PATH[,OFFSET[,SIZE]], numbers from the end: a path may hold commas too. */
static void split_range(char *path, uint64_t *offset, uint64_t *size)
{
	uint64_t numbers[2];
	int n = 0;

	while (n < 2) {
		char *comma = strrchr(path, ',');

		if (!comma || parse_size(comma + 1, &numbers[n]))
			break;
		*comma = 0;
		n++;
	}
	*offset = n ? numbers[n - 1] : 0;
	*size = n == 2 ? numbers[0] : 0;
}

static int add_line(struct serve *s, const char *manifest, unsigned int nr,
		    char *line)
{
	char *name, *path, *type, *rest = line;
	uint64_t offset, size;

	line[strcspn(line, "\r\n")] = 0;
	if (!*line || *line == '#')
		return 0;
	name = strsep(&rest, "\t");
	path = strsep(&rest, "\t");
	type = strsep(&rest, "\t");
	if (!*name || !path || !*path || rest)
		return complain(
			IOU_EXIT_USAGE,
			"%s, line %u: is not NAME, PATH[,OFFSET[,SIZE]] and perhaps a content type, with one tab between",
			manifest, nr);
	if (type && (!*type || strlen(type) > 100 ||
		     strspn(type, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789!#$&^_.+-/; =\"") != strlen(type)))
		return complain(IOU_EXIT_USAGE,
				"%s, line %u: '%s' is no content type",
				manifest, nr, type);
	split_range(path, &offset, &size);
	return add_range(s, name, path, type, offset, size);
}

static int load_manifest(struct serve *s)
{
	const char *manifest = s->o->manifest;
	FILE *f = fopen(manifest, "re");
	unsigned int nr = 0;
	char *line = NULL;
	size_t len = 0;
	int err = 0;

	if (!f)
		return complain(IOU_EXIT_FAIL, "cannot open %s: %s", manifest,
				strerror(errno));
	while (!err && getline(&line, &len, f) >= 0)
		err = add_line(s, manifest, ++nr, line);
	if (!err && ferror(f))
		err = complain(IOU_EXIT_FAIL, "cannot read %s: %s", manifest,
			       strerror(errno));
	free(line);
	fclose(f);
	return err;
}

/* --------------------------------------------------------------- directories */

int open_beneath(int dir_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

static int load_dir(struct serve *s, const char *path, unsigned int depth);

static int add_entry(struct serve *s, const char *path, unsigned int depth)
{
	struct serve_source *source;
	struct serve_object *object;
	struct stat st;

	/* gone meanwhile, or a link that leads somewhere: not ours */
	if (fstatat(s->objects.dir_fd, path, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (S_ISDIR(st.st_mode))
		return load_dir(s, path, depth + 1);
	if (!S_ISREG(st.st_mode))
		return 0;
	source = source_of(s, path, true, true);
	object = source ? add(s, path, source, NULL) : NULL;
	if (!object)
		return out_of_memory();
	source->block_size = FILE_ALIGN;
	object->whole = true;
	object->size = (uint64_t)st.st_size;
	describe(s, object, version_of(&st), st.st_mtim.tv_sec);
	return 0;
}

/* @path: beneath --dir, "" for itself */
static int load_dir(struct serve *s, const char *path, unsigned int depth)
{
	char full[PATH_MAX];
	struct dirent *e;
	int fd, n, err = 0;
	DIR *dir;

	if (depth > 64)
		return complain(IOU_EXIT_FAIL, "%s/%s: is nested too deeply",
				s->o->dir, path);
	fd = open_beneath(s->objects.dir_fd, *path ? path : ".",
			  O_RDONLY | O_DIRECTORY);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = complain(IOU_EXIT_FAIL, "cannot read %s/%s: %s",
			       s->o->dir, path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(dir))) {
		/* . and .., and what is hidden */
		if (e->d_name[0] == '.')
			continue;
		n = snprintf(full, sizeof(full), "%s%s%s", path,
			     *path ? "/" : "", e->d_name);
		if (n < (int)sizeof(full))
			err = add_entry(s, full, depth);
	}
	closedir(dir);
	return err;
}

/* ------------------------------------------------------------------ the table */

static int make_table(struct serve *s)
{
	struct serve_objects *o = &s->objects;
	struct serve_object *object;

	for (o->buckets = 16; o->buckets < 2 * o->count; o->buckets *= 2)
		;
	o->table = calloc(o->buckets, sizeof(struct serve_object *));
	if (!o->table)
		return out_of_memory();
	while ((object = o->list)) {
		struct serve_object **bucket =
			&o->table[hash(object->name) & (o->buckets - 1)];

		if (object_find(s, object->name))
			return complain(IOU_EXIT_USAGE,
					"two objects have the name %s",
					object->name);
		o->list = object->next;
		object->next = *bucket;
		*bucket = object;
	}
	return 0;
}

/* A file stays open while it is asked for, as far as there is room. */
static void limit_files(struct serve *s)
{
	const uint64_t others = s->o->connections + 64;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	s->objects.max_open = 16;
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > others + 16)
		s->objects.max_open =
			limit.rlim_cur - others > 65536 ?
				65536 :
				(unsigned int)(limit.rlim_cur - others);
}

int objects_load(struct serve *s)
{
	const struct serve_options *o = s->o;
	unsigned int i;
	int err = 0;

	limit_files(s);
	for (i = 0; i < o->nr_devices && !err; i++)
		err = add_device(s, o->device[i]);
	if (!err && o->manifest)
		err = load_manifest(s);
	if (!err && o->dir) {
		s->objects.dir_fd =
			open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = s->objects.dir_fd < 0 ?
			      complain(IOU_EXIT_FAIL, "cannot open %s: %s",
				       o->dir, strerror(errno)) :
			      load_dir(s, "", 0);
	}
	if (!err && !s->objects.count)
		err = complain(IOU_EXIT_FAIL, "there is nothing to serve");
	return err ? err : make_table(s);
}

void objects_free(struct serve *s)
{
	struct serve_objects *o = &s->objects;
	struct serve_source *source;
	struct serve_object *object;
	size_t i;

	for (i = 0; i <= o->buckets; i++) {
		struct serve_object **list = i < o->buckets ? &o->table[i] :
							      &o->list;

		while ((object = *list)) {
			*list = object->next;
			free(object->name);
			free(object);
		}
	}
	free(o->table);
	while ((source = o->sources)) {
		o->sources = source->next;
		if (source->fd >= 0)
			close(source->fd);
		free(source->path);
		free(source);
	}
	if (o->dir_fd >= 0)
		close(o->dir_fd);
}
