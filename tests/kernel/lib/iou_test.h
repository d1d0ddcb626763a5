/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The harness of the guest suites
 *
 * A test program is a table of cases. Each runs in a process of its own, with
 * a time limit, and gives one TAP line. The module is driven by ioctls and
 * liburing alone, so that no bug of the library can hide one of the module.
 */
#ifndef IOU_TEST_H
#define IOU_TEST_H

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../../../uapi/linux/io_unified.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21 << 26)
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB (30 << 26)
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define T_DEVICE "/dev/io_unified"

/* ---------------------------------------------------------------- reporting */

struct t_case {
	const char *name;
	void (*run)(void);
	int timeout; /* seconds, 0 = 60 */
	const void *arg;
};

extern const void *t_arg; /* that of the case which runs */

/* Runs the cases whose names are in argv, or all. Returns the exit status. */
int t_main(const struct t_case *cases, size_t n, int argc, char **argv);

/* For programs that are more than a table: the same lines, the same sum. */
void t_result(bool ok, const char *name);
int t_status(void);

void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void t_end_case(void) __attribute__((noreturn));
void t_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void t_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The case fails and goes on. */
#define CHECK(cond, ...)                                         \
	({                                                       \
		bool ok_ = !!(cond);                             \
		if (!ok_) {                                      \
			t_fail(__FILE__, __LINE__, "%s", #cond); \
			t_note("  " __VA_ARGS__);                \
		}                                                \
		ok_;                                             \
	})
#define CHECK_EQ(got, want, ...)                                              \
	({                                                                    \
		long long got_ = (long long)(got), want_ = (long long)(want); \
		if (got_ != want_) {                                          \
			t_fail(__FILE__, __LINE__,                            \
			       "%s: %lld (%#llx), not %lld (%#llx)", #got,    \
			       got_, got_, want_, want_);                     \
			t_note("  " __VA_ARGS__);                             \
		}                                                             \
		got_ == want_;                                                \
	})
/* The case ends. */
#define REQUIRE(cond, ...)                                                     \
	({                                                                     \
		if (!(cond)) {                                                 \
			int errno_ = errno;                                    \
			t_fail(__FILE__, __LINE__, "%s (errno %d, %s)", #cond, \
			       errno_, strerror(errno_));                      \
			t_note("  " __VA_ARGS__);                              \
			t_end_case();                                          \
		}                                                              \
	})
#define REQUIRE_EQ(got, want, ...)                       \
	({                                               \
		if (!CHECK_EQ(got, want, ##__VA_ARGS__)) \
			t_end_case();                    \
	})

/* ------------------------------------------------------------------ regions */

enum t_memory {
	T_MEM_MODULE, /* the module allocates, we mmap() */
	T_MEM_MEMFD,
	T_MEM_HUGE, /* memfd of 2 MiB pages */
	T_MEM_ANON, /* private anonymous */
};

struct t_opt {
	enum t_memory memory;
	u64 size; /* 0 = 4 MiB */
	u32 frame_size; /* 0 = 4096 */
	u32 sq_entries; /* 0 = 64 */
	u32 cq_entries; /* 0 = 256 */
	u32 pairs; /* of SQ and CQ, 0 = 1 */
	u32 ring_flags; /* besides SQE128 and CQE32 */
	bool no_ring; /* neither make nor link an io_uring */
	void *base; /* mapped already, instead of @memory */
};

struct t_region {
	int fd;
	int memfd;
	u8 *base;
	u64 size;
	struct io_unified_region_reg reg;
	struct io_unified_ctrl *ctrl;
	struct io_unified_cqe *cq;
	u32 frame_size;
	bool has_ring;
	struct io_uring ring;
};

/* How an op ended, from the CQE of io_uring. */
struct t_res {
	u64 user_data;
	int res;
	u16 status, reason, offset, flags;
};

int t_open(void);
void t_ring_init(struct io_uring *ring, u32 entries, u32 flags);
void *t_map(enum t_memory memory, u64 size, int *memfd);
/* Registers a region or fails the case. A NULL opt asks for the defaults. */
void t_region_open(struct t_region *r, const struct t_opt *opt);
void t_region_close(struct t_region *r);
/* The same where the region is unregistered already. */
void t_region_gone(struct t_region *r);
/* The same where fd and ring are closed already. */
void t_region_unmap(struct t_region *r);
/* As t_region_open() with everything given; returns 0 or -errno. */
int t_register(int fd, struct io_unified_region_reg *reg);

static inline u8 *t_ptr(struct t_region *r, u64 addr)
{
	return r->base + addr;
}

static inline u64 t_frame(struct t_region *r, u32 n)
{
	return r->reg.data_off + (u64)n * r->frame_size;
}

int t_attach(struct t_region *r, struct io_unified_attach *a);
int t_detach(struct t_region *r, u32 kind, u32 index);
/* These fail the case when the attachment fails; they return its index. */
int t_attach_storage(struct t_region *r, const char *path, u32 flags);
int t_attach_net(struct t_region *r, const char *ifname, u32 flags);
int t_attach_bpf(struct t_region *r, int prog_fd);
u64 t_stat(struct t_region *r, u32 kind, u32 index, enum io_unified_stat c);
void t_stats(struct t_region *r, u32 kind, u32 index, u64 *counters);

/* ---------------------------------------------------------------------- ops */

struct io_uring_sqe *t_sqe(struct t_region *r, u32 cmd_op, u64 user_data);
void t_queue(struct t_region *r, const struct io_unified_desc *desc);
void t_queue_stream(struct t_region *r, const struct io_unified_desc *desc,
		    const struct io_unified_stream *stream);
void t_queue_cancel(struct t_region *r, u64 target, u64 user_data);
void t_submit(struct t_region *r);
/* False: nothing came within the time. */
bool t_reap(struct t_region *r, struct t_res *res, int ms);
/* The next completion, which has to come. */
struct t_res t_next(struct t_region *r);
/* Nothing completes within the time. */
void t_silent(struct t_region *r, int ms);
/* The op ends with this. */
void t_ends(struct t_region *r, const struct io_unified_desc *desc, int want,
	    u16 reason);
/* One op from start to end. */
struct t_res t_op(struct t_region *r, const struct io_unified_desc *desc);
struct t_res t_io(struct t_region *r, u32 flags, int storage, u64 addr, u32 len,
		  u64 dev_offset);
/* The next entry of the region's CQ. False: none within the time. */
bool t_cq(struct t_region *r, struct io_unified_cqe *cqe, int ms);

/* -------------------------------------------------------------------- other */

/* A number below @below: the same ones in each run. */
u32 t_dice(u32 below);
/* The same bytes for the same seed. */
void t_fill(void *p, size_t len, u64 seed);
bool t_filled(const void *p, size_t len, u64 seed);
u64 t_now_ms(void);
u64 t_now_ns(void);
/* A number that the environment may give. */
u64 t_environment(const char *name, u64 otherwise);
void t_sleep_ms(int ms);
/* Runs a shell command line; returns its exit status. */
int t_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The path of a file that is installed with the tests. */
void t_beside(char *path, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The process becomes one that ends at once, with 0. */
void t_exec_nothing(void) __attribute__((noreturn));
/* A child is over within 20 s: @killed, or it ended by itself, with 0. */
void t_child_ends(pid_t pid, bool killed, int round);
/* Reads a whole (small) file; fails the case if there is none. */
char *t_read_file(const char *path);
void t_write_file(const char *path, const char *text);
/* Module parameters, features: true if the bit is there. */
bool t_feature(u64 bit);
void t_hugepages(unsigned int pages);
/* The same of one of 1 GiB, which only the kernel command line can make. */
void t_hugepage_1gb(void);
/*
 * How often what ends is to end: IOU_ROUNDS, or 200. With fewer than 80 a page
 * lost in each is less than t_leak_check() can tell from what memory does itself.
 */
int t_rounds(void);

#endif /* IOU_TEST_H */
