// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Recordings: pcapng on a range of storage, in frames
 *
 *   header frame    section header, interface description, local-use block
 *   packet frames   as the module writes them, see io_unified_layout
 *   trailer frame   local-use block, interface statistics, local-use block
 *
 * Every frame has a local-use block with the recording's id and a number, so
 * that what lies behind a recording, or an older one under it, is told apart.
 */
#include <errno.h>
#include <sys/random.h>

#include "internal.h"

#define SHB_TYPE 0x0a0d0d0au
#define IDB_TYPE 1u
#define ISB_TYPE 5u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define BYTE_ORDER_SWAPPED 0x4d3c2b1au
#define LINKTYPE_ETHERNET 1u
/* what a region's frames can be */
#define MIN_FRAME 2048u
#define MAX_FRAME 65536u

/* options: numbers are per block type */
#define OPT_END 0
#define SHB_HARDWARE 2
#define SHB_OS 3
#define SHB_USERAPPL 4
#define IF_NAME 2
#define IF_DESCRIPTION 3
#define IF_TSRESOL 9
#define IF_FILTER 11
#define ISB_STARTTIME 2
#define ISB_ENDTIME 3
#define ISB_IFRECV 4
#define ISB_IFDROP 5
#define ISB_FILTERACCEPT 6
#define ISB_OSDROP 7
#define ISB_USRDELIV 8

struct shb {
	uint32_t type;
	uint32_t len;
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint64_t section_len;
} __attribute__((packed));

struct idb {
	uint32_t type;
	uint32_t len;
	uint16_t linktype;
	uint16_t reserved;
	uint32_t snaplen;
} __attribute__((packed));

struct isb {
	uint32_t type;
	uint32_t len;
	uint32_t interface_id;
	uint32_t ts_high;
	uint32_t ts_low;
} __attribute__((packed));

/* Lays blocks one behind the other; too much sets @full and writes nothing. */
struct writer {
	unsigned char *buf;
	size_t size;
	size_t at;
	size_t block;
	bool full;
};

static void put(struct writer *w, const void *data, size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;

	if (w->full || padded > w->size - w->at) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->at, data, len);
	memset(w->buf + w->at + len, 0, padded - len);
	w->at += padded;
}

static void put_option(struct writer *w, uint16_t code, const void *data,
		       size_t len)
{
	uint16_t head[2] = { code, (uint16_t)len };

	if (len > UINT16_MAX) {
		w->full = true;
		return;
	}
	put(w, head, sizeof(head));
	put(w, data, len);
}

static void put_text(struct writer *w, uint16_t code, const char *text)
{
	if (text && *text)
		put_option(w, code, text, strlen(text));
}

static void put_u64(struct writer *w, uint16_t code, uint64_t value)
{
	put_option(w, code, &value, sizeof(value));
}

/* pcapng has timestamps as two words, the high one first */
static void put_time(struct writer *w, uint16_t code, uint64_t ns)
{
	uint32_t words[2] = { (uint32_t)(ns >> 32), (uint32_t)ns };

	put_option(w, code, words, sizeof(words));
}

static void begin_block(struct writer *w, const void *fixed, size_t len)
{
	w->block = w->at;
	put(w, fixed, len);
}

/* The total length stands at both ends of a block. */
static void end_block(struct writer *w)
{
	uint32_t len = (uint32_t)(w->at - w->block + 4);

	put(w, &len, sizeof(len));
	if (!w->full)
		memcpy(w->buf + w->block + 4, &len, sizeof(len));
}

/* A local-use block from here to the frame's end. */
static void put_padding(struct writer *w, const void *body, size_t body_len)
{
	uint32_t head[2] = { IO_UNIFIED_PCAPNG_BLOCK,
			     (uint32_t)(w->size - w->at) };

	if (w->full || w->size - w->at < sizeof(head) + body_len + 4) {
		w->full = true;
		return;
	}
	put(w, head, sizeof(head));
	put(w, body, body_len);
	memset(w->buf + w->at, 0, w->size - w->at - 4);
	w->at = w->size - 4;
	put(w, &head[1], 4);
}

int iou_recording_init(struct iou_recording *rec, unsigned int frame_size,
		       unsigned int snaplen)
{
	memset(rec, 0, sizeof(*rec));
	rec->frame_size = frame_size;
	rec->snaplen = snaplen;
	rec->section_len = IOU_RECORDING_OPEN;
	if (getrandom(rec->id, sizeof(rec->id), 0) != sizeof(rec->id))
		return -errno;
	return 0;
}

int iou_recording_header(struct iou_recording *rec,
			 const struct iou_recording_text *text, void *frame)
{
	struct writer w = { .buf = frame, .size = rec->frame_size };
	struct shb shb = {
		.type = SHB_TYPE,
		.magic = BYTE_ORDER_MAGIC,
		.major = 1,
		.section_len = rec->section_len,
	};
	struct idb idb = {
		.type = IDB_TYPE,
		.linktype = LINKTYPE_ETHERNET,
		.snaplen = rec->snaplen,
	};
	struct iou_recording_block mark = {
		.seq = IOU_RECORDING_SEQ_HEADER,
		.frame_size = rec->frame_size,
		.format = IOU_RECORDING_FORMAT,
	};
	const uint8_t nanoseconds = 9;

	memcpy(mark.recording_id, rec->id, sizeof(rec->id));

	begin_block(&w, &shb, sizeof(shb));
	put_text(&w, SHB_HARDWARE, text->hardware);
	put_text(&w, SHB_OS, text->os);
	put_text(&w, SHB_USERAPPL, text->application);
	put_option(&w, OPT_END, "", 0);
	end_block(&w);
	rec->shb_len = (uint32_t)w.at;

	begin_block(&w, &idb, sizeof(idb));
	put_text(&w, IF_NAME, text->if_name);
	put_text(&w, IF_DESCRIPTION, text->if_description);
	put_option(&w, IF_TSRESOL, &nanoseconds, 1);
	if (text->filter && *text->filter) {
		/* the first byte says what language it is in: 0 is libpcap's */
		char filter[UINT16_MAX];
		size_t len = strlen(text->filter);

		if (len >= sizeof(filter))
			return -ENAMETOOLONG;
		filter[0] = 0;
		memcpy(filter + 1, text->filter, len);
		put_option(&w, IF_FILTER, filter, len + 1);
	}
	put_option(&w, OPT_END, "", 0);
	end_block(&w);

	put_padding(&w, &mark, sizeof(mark));
	return w.full ? -ENAMETOOLONG : 0;
}

void iou_recording_trailer(const struct iou_recording *rec,
			   const struct iou_recording_totals *totals,
			   void *frame)
{
	struct writer w = { .buf = frame, .size = rec->frame_size };
	struct io_unified_frame_block mark = {
		.seq = IOU_RECORDING_SEQ_TRAILER,
		.dropped = totals->os_dropped + totals->if_dropped,
	};
	uint32_t head[2] = { IO_UNIFIED_PCAPNG_BLOCK, 0 };
	struct isb isb = {
		.type = ISB_TYPE,
		.ts_high = (uint32_t)(totals->end_ns >> 32),
		.ts_low = (uint32_t)totals->end_ns,
	};

	memcpy(mark.recording_id, rec->id, sizeof(rec->id));
	begin_block(&w, head, sizeof(head));
	put(&w, &mark, sizeof(mark));
	end_block(&w);

	begin_block(&w, &isb, sizeof(isb));
	put_time(&w, ISB_STARTTIME, totals->start_ns);
	put_time(&w, ISB_ENDTIME, totals->end_ns);
	put_u64(&w, ISB_IFRECV, totals->received);
	put_u64(&w, ISB_IFDROP, totals->if_dropped);
	put_u64(&w, ISB_FILTERACCEPT, totals->accepted);
	put_u64(&w, ISB_OSDROP, totals->os_dropped);
	put_u64(&w, ISB_USRDELIV, totals->delivered);
	put_option(&w, OPT_END, "", 0);
	end_block(&w);
	put_padding(&w, "", 0);
}

void iou_recording_close(struct iou_recording *rec, uint64_t packets)
{
	rec->section_len = (packets + 2) * rec->frame_size - rec->shb_len;
}

/* One block of at least @fixed bytes at @at; returns its length, or 0. */
static size_t block_at(const unsigned char *buf, size_t len, size_t at,
		       uint32_t type, size_t fixed)
{
	uint32_t head[2], tail;

	if (at > len || len - at < sizeof(head))
		return 0;
	memcpy(head, buf + at, sizeof(head));
	if (head[0] != type || head[1] < fixed + 4 || head[1] % 4 ||
	    head[1] > len - at)
		return 0;
	memcpy(&tail, buf + at + head[1] - 4, sizeof(tail));
	return tail == head[1] ? head[1] : 0;
}

static bool can_be_frame(uint64_t size)
{
	return size >= MIN_FRAME && size <= MAX_FRAME && !(size & (size - 1));
}

int iou_recording_parse(struct iou_recording *rec, const void *buf, size_t len)
{
	struct iou_recording_block mark;
	size_t shb_len, idb_len, mark_len;
	struct shb shb;
	struct idb idb;

	memset(rec, 0, sizeof(*rec));
	if (len < sizeof(shb))
		return -ENODATA;
	memcpy(&shb, buf, sizeof(shb));
	if (shb.type != SHB_TYPE)
		return -ENODATA;
	if (shb.magic == BYTE_ORDER_SWAPPED)
		return -EPROTO;
	shb_len = block_at(buf, len, 0, SHB_TYPE, sizeof(shb));
	if (shb.magic != BYTE_ORDER_MAGIC || !shb_len)
		return -ENODATA;
	idb_len = block_at(buf, len, shb_len, IDB_TYPE, sizeof(idb));
	if (!idb_len)
		return -ENODATA;
	mark_len = block_at(buf, len, shb_len + idb_len,
			    IO_UNIFIED_PCAPNG_BLOCK, 8 + sizeof(mark));
	if (!mark_len)
		return -ENODATA;
	memcpy(&idb, (const unsigned char *)buf + shb_len, sizeof(idb));
	memcpy(&mark, (const unsigned char *)buf + shb_len + idb_len + 8,
	       sizeof(mark));
	if (mark.seq != IOU_RECORDING_SEQ_HEADER)
		return -ENODATA;
	if (mark.format != IOU_RECORDING_FORMAT ||
	    mark.frame_size != shb_len + idb_len + mark_len ||
	    !can_be_frame(mark.frame_size) ||
	    (shb.section_len != IOU_RECORDING_OPEN &&
	     (shb.section_len > UINT64_MAX - shb_len ||
	      (shb.section_len + shb_len) % mark.frame_size)))
		return -EPROTO;
	memcpy(rec->id, mark.recording_id, sizeof(rec->id));
	rec->frame_size = (uint32_t)mark.frame_size;
	rec->snaplen = idb.snaplen;
	rec->shb_len = (uint32_t)shb_len;
	rec->section_len = shb.section_len;
	return 0;
}

uint64_t iou_recording_seq(const struct iou_recording *rec, const void *frame)
{
	struct io_unified_frame_block mark;
	struct iou_recording other;

	if (!block_at(frame, rec->frame_size, 0, IO_UNIFIED_PCAPNG_BLOCK,
		      8 + sizeof(mark))) {
		if (!iou_recording_parse(&other, frame, rec->frame_size) &&
		    !memcmp(other.id, rec->id, sizeof(rec->id)))
			return IOU_RECORDING_SEQ_HEADER;
		return IOU_RECORDING_SEQ_NONE;
	}
	memcpy(&mark, (const unsigned char *)frame + 8, sizeof(mark));
	if (memcmp(mark.recording_id, rec->id, sizeof(rec->id)))
		return IOU_RECORDING_SEQ_NONE;
	return mark.seq;
}

bool iou_recording_is_frame(const void *frame, size_t len)
{
	struct iou_recording rec;
	uint32_t head[2];

	if (len < sizeof(head))
		return false;
	memcpy(head, frame, sizeof(head));
	/* the block may end behind what the caller has, so only its head counts */
	if (head[0] == IO_UNIFIED_PCAPNG_BLOCK && head[1] % 4 == 0 &&
	    head[1] >= 12 + sizeof(struct io_unified_frame_block) &&
	    head[1] <= 65536)
		return true;
	return iou_recording_parse(&rec, frame, len) != -ENODATA;
}
