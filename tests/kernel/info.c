// SPDX-License-Identifier: GPL-2.0
/* What the device tells: limits, counters, fdinfo, tracepoints; who may open. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bpf.h"
#include "lib/leak.h"
#include "lib/stream.h"

#define TRACING "/sys/kernel/tracing"

static const struct t_way veth = { "veth", IO_UNIFIED_ATTACH_RX_HANDLER };

static void limits(void)
{
	struct io_unified_info i;
	int fd = t_open();
	size_t n;

	memset(&i, 0xff, sizeof(i));
	REQUIRE(!ioctl(fd, IO_UNIFIED_GET_INFO, &i));
	CHECK_EQ(i.abi_version, IO_UNIFIED_ABI_VERSION);
	CHECK(i.max_attachments >= 16);
	CHECK(i.max_region_size >= 1ull << 30);
	CHECK_EQ(i.min_frame_size, 2048);
	CHECK_EQ(i.max_frame_size, 65536);
	CHECK(i.max_entries >= 4096 && !(i.max_entries & (i.max_entries - 1)));
	CHECK(i.max_links >= 1);
	CHECK(!(i.features >> 21), "unknown features %#llx", i.features);
	for (n = 0; n < ARRAY_SIZE(i.reserved); n++)
		CHECK_EQ(i.reserved[n], 0);
	/* These every kernel has. */
	CHECK_EQ(~i.features & (IO_UNIFIED_FEAT_USER_MEMORY |
				IO_UNIFIED_FEAT_MODULE_MEMORY |
				IO_UNIFIED_FEAT_NVME_PASSTHROUGH |
				IO_UNIFIED_FEAT_BIO | IO_UNIFIED_FEAT_XSK |
				IO_UNIFIED_FEAT_RX_HANDLER |
				IO_UNIFIED_FEAT_BPF | IO_UNIFIED_FEAT_STREAM),
		 0);
	close(fd);
}

static void rights(void)
{
	struct stat st;

	REQUIRE(!stat(T_DEVICE, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_mode & 07, 0, "mode %o", st.st_mode);
	REQUIRE(!setresgid(65534, 65534, 65534));
	REQUIRE(!setresuid(65534, 65534, 65534));
	CHECK(open(T_DEVICE, O_RDWR) == -1 && errno == EACCES);
}

static bool has(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static bool has(const char *text, const char *fmt, ...)
{
	char want[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	if (strstr(text, want))
		return true;
	t_note("no '%s' in:", want);
	return false;
}

static void fdinfo(void)
{
	struct bpf_object *obj = t_bpf_open("ops", true);
	struct t_region r;
	struct t_disk disk;
	struct t_link l;
	char path[64];
	char *text;
	int fd;

	t_disk_nvme(&disk, 512, 0);
	t_link_open(&l, &veth, 1500);
	t_region_open(&r, NULL);
	t_attach_storage(&r, disk.path, 0);
	t_attach_storage(&r, disk.path,
			 IO_UNIFIED_ATTACH_BIO | IO_UNIFIED_ATTACH_RDONLY);
	t_link_attach(&r, &l, &veth);
	t_attach_bpf(&r, t_bpf_prog(obj, "edit"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r.fd);
	text = t_read_file(path);
	if (!CHECK(has(text, "iou-region:\tsize=%llu",
		       (unsigned long long)r.size) &&
		   has(text, "frame_size=4096") && has(text, "memory=user") &&
		   has(text, "sq=64 cq=256 rings=1") &&
		   has(text, "iou-storage-0:\tdev=%s path=passthrough",
		       disk.name) &&
		   has(text, "iou-storage-1:\tdev=%s path=bio", disk.name) &&
		   has(text, "rights=r\n") && has(text, "rights=rw\n") &&
		   has(text, "iou-net-0:\tdev=iout0 queue=0 path=rx-handler") &&
		   has(text, "iou-bpf-0:\tprog_id=") && has(text, "name=edit")))
		printf("# %s\n", text);
	free(text);
	t_region_close(&r);
	/* A file without a region tells nothing, and does not crash. */
	fd = t_open();
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = t_read_file(path);
	CHECK(!strstr(text, "iou-region"));
	free(text);
	close(fd);
	t_link_close(&l);
}

static void tracepoints(void)
{
	static const struct t_stream_opt opt = { .way = &veth };
	static struct t_stream s;
	char *text;
	int i;

	t_stream_open(&s, &opt);
	if (access(TRACING "/events/io_unified", F_OK))
		t_fail(__FILE__, __LINE__, "no events/io_unified");
	t_write_file(TRACING "/trace", "");
	t_write_file(TRACING "/events/io_unified/enable", "1");
	CHECK_EQ(t_io(&s.r, IO_UNIFIED_F_READ, s.storage, t_frame(&s.r, 600),
		      4096, 0)
			 .res,
		 4096);
	t_stream_start(&s);
	t_sleep_ms(50);
	for (i = 0; i < 5; i++)
		t_send(&s.l, 100, i);
	t_stream_wait(&s, 5);
	t_stream_cancel(&s);
	t_write_file(TRACING "/events/io_unified/enable", "0");
	text = t_read_file(TRACING "/trace");
	if (!CHECK(has(text, "io_unified_submit") &&
		   has(text, "io_unified_complete") &&
		   has(text, "io_unified_stage") &&
		   has(text, "user_data=0x%x", T_STREAM) &&
		   has(text, "res=4096") && has(text, "res=%d", -ECANCELED)))
		printf("%s\n", text);
	free(text);
	t_write_file(TRACING "/trace", "");
	t_stream_close(&s);
}

/* The region's counters are the sum of all, also of what was detached. */
static void counters(void)
{
	struct t_region r;
	struct t_disk disk;
	int a, b;

	t_disk_nvme(&disk, 512, 0);
	t_region_open(&r, NULL);
	a = t_attach_storage(&r, disk.path, 0);
	b = t_attach_storage(&r, disk.path, IO_UNIFIED_ATTACH_BIO);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_READ, a, t_frame(&r, 0), 8192, 0).res,
		 8192);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_READ, b, t_frame(&r, 0), 4096, 0).res,
		 4096);
	CHECK_EQ(t_io(&r, IO_UNIFIED_F_WRITE, b, t_frame(&r, 0), 512, 0).res,
		 512);
	CHECK(t_io(&r, IO_UNIFIED_F_READ, b, 0, 512, 0).res < 0);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, a,
			IO_UNIFIED_STAT_READ_BYTES),
		 8192);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, b,
			IO_UNIFIED_STAT_READ_BYTES),
		 4096);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_STORAGE, b,
			IO_UNIFIED_STAT_WRITTEN_BYTES),
		 512);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_REGION, 0,
			IO_UNIFIED_STAT_READ_BYTES),
		 12288);
	CHECK_EQ(t_detach(&r, IO_UNIFIED_KIND_STORAGE, a), 0);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_REGION, 0,
			IO_UNIFIED_STAT_READ_BYTES),
		 12288);
	CHECK_EQ(t_stat(&r, IO_UNIFIED_KIND_REGION, 0, IO_UNIFIED_STAT_OPS), 3);
	t_region_close(&r);
}

/* Open files hold the module, and nothing else does. */
static void references(void)
{
	int before = t_refcount();
	struct t_region r;
	int fd = t_open();

	CHECK_EQ(t_refcount(), before + 1);
	close(fd);
	t_refcount_wait(before);
	t_region_open(&r, NULL);
	CHECK(t_refcount() > before);
	t_region_close(&r);
	t_refcount_wait(before);
}

static const struct t_case cases[] = {
	{ "limits and features", limits },
	{ "who may open it", rights },
	{ "fdinfo", fdinfo },
	{ "tracepoints", tracepoints },
	{ "counters add up", counters },
	{ "references on the module", references },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
