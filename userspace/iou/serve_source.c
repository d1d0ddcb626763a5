// SPDX-License-Identifier: MIT
/* iou serve: opening and attaching what objects are read from */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve.h"
#include "serve_source.h"

#define IDLE_SECONDS \
	2 /* a file that is not asked for gives its attachment up */

static void unlink_open(struct serve_objects *o, struct serve_source *source)
{
	if (source->newer)
		source->newer->older = source->older;
	else
		o->newest = source->older;
	if (source->older)
		source->older->newer = source->newer;
	else
		o->oldest = source->newer;
}

static void link_open(struct serve_objects *o, struct serve_source *source)
{
	source->newer = NULL;
	source->older = o->newest;
	if (o->newest)
		o->newest->newer = source;
	else
		o->oldest = source;
	o->newest = source;
}

static void touch(struct serve *s, struct serve_source *source)
{
	source->used = s->now;
	if (source->is_block || s->objects.newest == source)
		return;
	unlink_open(&s->objects, source);
	link_open(&s->objects, source);
}

/* ---------------------------------------------------------------- attachments */

static int attach(struct serve *s, struct serve_source *source)
{
	struct io_unified_attach a;
	int err;

	s->stats.system_calls++;
	err = iou_attach_storage(&s->region, source->fd,
				 IO_UNIFIED_ATTACH_RDONLY, 0, 0, &a);
	if (err)
		return err;
	source->attach = a.index;
	source->block_size = a.block_size;
	if (source->block_size < a.mem_align)
		source->block_size = a.mem_align;
	return 0;
}

static void detach(struct serve *s, struct serve_source *source)
{
	s->stats.system_calls++;
	iou_detach(&s->region, IO_UNIFIED_KIND_STORAGE,
		   (unsigned int)source->attach);
	source->attach = -1;
	source->block_size = SERVE_PAGE;
	s->objects.attached--;
}

static void attach_file(struct serve *s, struct serve_source *source)
{
	struct serve_objects *o = &s->objects;

	if (source->no_attach || o->attached >= o->max_attached)
		return;
	if (attach(s, source))
		source->no_attach = s->region.reason !=
				    IO_UNIFIED_REASON_TABLE_FULL;
	else
		o->attached++;
}

int objects_attach(struct serve *s)
{
	struct serve_source *source;
	struct io_unified_info info;
	unsigned int devices = 0;
	char text[512];
	int err;

	for (source = s->objects.sources; source; source = source->next) {
		if (!source->is_block)
			continue;
		err = attach(s, source);
		if (err)
			return complain(
				IOU_EXIT_UNAVAILABLE, "%s: %s", source->path,
				iou_region_strerror(&s->region, err, text,
						    sizeof(text)));
		devices++;
	}
	err = iou_get_info(s->fd, &info);
	if (err)
		return complain(IOU_EXIT_FAIL,
				"cannot ask the module what it can do: %s",
				strerror(-err));
	if (info.max_attachments > devices)
		s->objects.max_attached = info.max_attachments - devices;
	return 0;
}

/* ------------------------------------------------------------------ open files */

static void close_file(struct serve *s, struct serve_source *source)
{
	if (source->attach >= 0)
		detach(s, source);
	s->stats.system_calls++;
	close(source->fd);
	source->fd = -1;
	unlink_open(&s->objects, source);
	s->objects.open--;
}

/* The one that was not asked for for the longest time; better one not attached. */
static bool make_room(struct serve *s)
{
	struct serve_source *source, *victim = NULL;
	unsigned int looked = 0;

	for (source = s->objects.oldest; source && looked < 64;
	     source = source->newer, looked++) {
		if (source->users)
			continue;
		if (!victim)
			victim = source;
		if (source->attach < 0) {
			victim = source;
			break;
		}
	}
	if (!victim)
		return false;
	close_file(s, victim);
	return true;
}

static int status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
		return 404;
	case EACCES:
	case EPERM:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return 503;
	default:
		return 500;
	}
}

static int open_file(struct serve *s, struct serve_source *source)
{
	/* it may have become a pipe, that nobody writes to */
	const int flags = O_RDONLY | O_DIRECT | O_NONBLOCK;
	struct serve_objects *o = &s->objects;

	if (o->open >= o->max_open && !make_room(s))
		return 503;
	s->stats.system_calls++;
	source->fd = source->beneath ?
			     open_beneath(o->dir_fd, source->path, flags) :
			     open(source->path, flags | O_CLOEXEC);
	if (source->fd < 0) {
		int err = errno;

		if (status_of(err) == 500 && !s->complained) {
			complain(IOU_EXIT_FAIL, "cannot open %s: %s%s",
				 source->path, strerror(err),
				 err == EINVAL ?
					 ": its file system has no direct I/O" :
					 "");
			s->complained = true;
		}
		return status_of(err);
	}
	o->open++;
	link_open(o, source);
	return 0;
}

/*
 * A file that was changed since has another size, date and tag. One that another has
 * taken the place of has no name any more: -ESTALE.
 */
static int look(struct serve *s, struct serve_object *object)
{
	struct stat st;

	s->stats.system_calls++;
	if (fstat(object->source->fd, &st))
		return 500;
	if (!S_ISREG(st.st_mode))
		return 404;
	if (!st.st_nlink)
		return -ESTALE;
	if (object->whole) {
		/* what is attached ends where the file ended */
		if (object->size != (uint64_t)st.st_size &&
		    object->source->attach >= 0)
			detach(s, object->source);
		object->size = (uint64_t)st.st_size;
	} else if (object->offset + object->size > (uint64_t)st.st_size) {
		return 404;
	}
	object_describe(s, object, &st);
	return 0;
}

/* Leaves it open only if it can be served. */
static int look_open(struct serve *s, struct serve_object *object)
{
	struct serve_source *source = object->source;
	int status = source->fd < 0 ? open_file(s, source) : 0;

	if (status)
		return status;
	status = look(s, object);
	if (status)
		close_file(s, source);
	return status;
}

int object_open(struct serve *s, struct serve_object *object)
{
	struct serve_source *source = object->source;
	int status = 0;

	/* held by a response, it is as that began */
	if (!source->is_block && !source->users) {
		status = look_open(s, object);
		if (status == -ESTALE)
			status = look_open(s, object);
		if (status)
			return status < 0 ? 404 : status;
	}
	if (source->attach < 0) {
		if (!source->users && object->size)
			attach_file(s, source);
		if (source->attach < 0)
			s->objects.wanted++;
	}
	touch(s, source);
	source->users++;
	return 0;
}

void source_put(struct serve *s, struct serve_source *source)
{
	source->users--;
	source->used = s->now;
}

/*
 * To take an attachment away costs a grace period, in which nothing else goes on:
 * not while a request waits, and not one for each of many.
 */
void objects_tick(struct serve *s)
{
	struct serve_objects *o = &s->objects;
	struct serve_source *source = o->oldest;

	while (o->wanted && source && o->attached >= o->max_attached) {
		struct serve_source *newer = source->newer;

		if (source->attach >= 0 && !source->users &&
		    s->now - source->used >= IDLE_SECONDS) {
			detach(s, source);
			break;
		}
		source = newer;
	}
	o->wanted = 0;
}
