// SPDX-License-Identifier: GPL-2.0
/* Registrations that must be refused, with errno, reason and nothing kept. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/iou_test.h"

#define PAGE 4096ull
#define SIZE (1ull << 20)

static u8 *memory;
static struct io_uring ring;
static int fd;

/* VmPin of this process in kB: what is charged for pinned pages. */
static long pinned_kb(void)
{
	char *text = t_read_file("/proc/self/status");
	char *line = strstr(text, "VmPin:");
	long kb = line ? atol(line + 6) : -1;

	free(text);
	return kb;
}

static struct io_unified_region_reg good(void)
{
	return (struct io_unified_region_reg){
		.region_size = SIZE,
		.user_addr = (uintptr_t)memory,
		.sq_entries = 64,
		.cq_entries = 64,
		.frame_size = 4096,
		.uring_fd = ring.ring_fd,
		.nvme_fd = -1,
		.numa_node = -1,
	};
}

static void set_up(void)
{
	int memfd;

	fd = t_open();
	t_ring_init(&ring, 8, 0);
	memory = t_map(T_MEM_MEMFD, 2 * SIZE, &memfd);
	close(memfd);
}

/* Refused, for this reason; and what is right still works afterwards. */
static void refuse(struct io_unified_region_reg reg, int error, u32 reason,
		   const char *what)
{
	long before = pinned_kb();

	CHECK_EQ(t_register(fd, &reg), -error, "%s", what);
	CHECK_EQ(reg.reason, reason, "%s", what);
	CHECK_EQ(pinned_kb(), before, "%s: pages still charged", what);
}

static void works(void)
{
	struct io_unified_region_reg reg = good();

	CHECK_EQ(t_register(fd, &reg), 0, "reason %u", reg.reason);
	CHECK(!ioctl(fd, IO_UNIFIED_UNREGISTER_REGION));
	CHECK_EQ(pinned_kb(), 0);
}

#define REFUSE(error, why, ...)                                             \
	do {                                                                \
		struct io_unified_region_reg reg_ = good();                 \
		struct io_unified_region_reg *g = &reg_;                    \
		__VA_ARGS__;                                                \
		refuse(reg_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)

static void sizes(void)
{
	set_up();
	REFUSE(EINVAL, SIZE, g->region_size = 0);
	REFUSE(EINVAL, SIZE, g->region_size = 1);
	REFUSE(EINVAL, SIZE, g->region_size = SIZE + 1);
	REFUSE(EINVAL, SIZE, g->region_size = SIZE - 512);
	REFUSE(EINVAL, SIZE, g->region_size = PAGE);
	REFUSE(EINVAL, SIZE, g->region_size = 2 * PAGE);
	REFUSE(EINVAL, SIZE, g->region_size = ~0ull & ~(PAGE - 1));
	REFUSE(EINVAL, SIZE, g->region_size = 1ull << 63);
	REFUSE(EINVAL, SIZE, g->region_size = 1ull << 63; g->user_addr = 0);
	REFUSE(EINVAL, SIZE, g->sq_entries = 0);
	REFUSE(EINVAL, SIZE, g->sq_entries = 63);
	REFUSE(EINVAL, SIZE, g->sq_entries = 1u << 31);
	REFUSE(EINVAL, SIZE, g->sq_entries = ~0u);
	REFUSE(EINVAL, SIZE, g->cq_entries = 0);
	REFUSE(EINVAL, SIZE, g->cq_entries = 65);
	REFUSE(EINVAL, SIZE, g->cq_entries = 1u << 31);
	REFUSE(EINVAL, SIZE, g->cq_entries = 32768);
	REFUSE(EINVAL, SIZE, g->frame_size = 0);
	REFUSE(EINVAL, SIZE, g->frame_size = 1024);
	REFUSE(EINVAL, SIZE, g->frame_size = 4095);
	REFUSE(EINVAL, SIZE, g->frame_size = 4096 + 2048);
	REFUSE(EINVAL, SIZE, g->frame_size = 131072);
	REFUSE(EINVAL, SIZE, g->frame_size = 1u << 31);
	works();
}

static void address(void)
{
	set_up();
	REFUSE(EINVAL, ALIGN, g->user_addr += 1);
	REFUSE(EINVAL, ALIGN, g->user_addr += 512);
	REFUSE(EOVERFLOW, OVERFLOW, g->user_addr = -(u64)SIZE / 2);
	REFUSE(EFAULT, PIN, g->user_addr = 0x10000);
	/* The second half is a hole. */
	munmap(memory + SIZE / 2, SIZE / 2);
	REFUSE(EFAULT, PIN, (void)g);
	/* Not writable. */
	REFUSE(EFAULT, PIN, mprotect(memory + SIZE, SIZE, PROT_READ);
	       g->user_addr += SIZE);
	mprotect(memory + SIZE, SIZE, PROT_READ | PROT_WRITE);
	memory += SIZE;
	works();
}

static void flags(void)
{
	unsigned int i;

	set_up();
	for (i = 0; i < 32; i++)
		REFUSE(EINVAL, FLAGS, g->flags = 1u << i);
	for (i = 0; i < ARRAY_SIZE(good().reserved); i++)
		REFUSE(EINVAL, RESERVED, g->reserved[i] = 1ull << (8 * i));
	works();
}

static void rings(void)
{
	int file, pipes[2], memfd;

	set_up();
	memfd = memfd_create("[io_uring]", 0);
	file = open("/tmp/[io_uring]", O_RDWR | O_CREAT, 0600);
	REQUIRE(memfd >= 0 && file >= 0 && !pipe(pipes));
	REFUSE(EBADF, BAD_FD, g->uring_fd = 1000);
	REFUSE(EBADF, BAD_FD, g->uring_fd = -2);
	REFUSE(EINVAL, NOT_URING, g->uring_fd = memfd);
	REFUSE(EINVAL, NOT_URING, g->uring_fd = file);
	REFUSE(EINVAL, NOT_URING, g->uring_fd = pipes[0]);
	REFUSE(EINVAL, NOT_URING, g->uring_fd = fd);
	close(pipes[0]);
	REFUSE(EBADF, BAD_FD, g->uring_fd = pipes[0]);
	unlink("/tmp/[io_uring]");
	works();
}

/* What the attachments inside a registration refuse, undoes all of it. */
static void attachments(void)
{
	struct t_disk disk;
	int file, closed;

	set_up();
	t_disk_nvme(&disk, 512, 0);
	file = memfd_create("x", 0);
	closed = dup(file);
	close(closed);
	REFUSE(EBADF, BAD_FD, g->nvme_fd = closed);
	REFUSE(EINVAL, DIRECT, g->nvme_fd = file);
	REFUSE(ENODEV, NO_NETDEV, g->net_ifindex = 0x7fffffff);
	REFUSE(ENODEV, NO_NETDEV, g->nvme_fd = open(disk.path, O_RDWR);
	       g->net_ifindex = ~0u);
	works();
}

static void node(void)
{
	set_up();
	REFUSE(EINVAL, NUMA, g->numa_node = 1000);
	REFUSE(EINVAL, NUMA, g->numa_node = -2);
	REFUSE(EINVAL, NUMA, g->numa_node = 0x7fffffff);
	works();
}

static void twice(void)
{
	struct io_unified_region_reg reg;

	set_up();
	reg = good();
	CHECK_EQ(t_register(fd, &reg), 0);
	reg = good();
	CHECK_EQ(t_register(fd, &reg), -EEXIST);
	CHECK_EQ(reg.reason, IO_UNIFIED_REASON_HAVE_REGION);
	CHECK(!ioctl(fd, IO_UNIFIED_UNREGISTER_REGION));
	CHECK(ioctl(fd, IO_UNIFIED_UNREGISTER_REGION) && errno == ENXIO,
	      "errno %d", errno);
	works();
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };

	REQUIRE(!setresgid(65534, 65534, 65534));
	REQUIRE(!setresuid(65534, 65534, 65534));
	REQUIRE(!syscall(SYS_capset, &head, none));
}

static void memlock(void)
{
	struct rlimit limit = { SIZE, SIZE };
	struct io_unified_region_reg reg;
	int other;

	set_up();
	/* The device is open already: its mode is not what is asked here. */
	other = t_open();
	REQUIRE(!setrlimit(RLIMIT_MEMLOCK, &limit));
	drop_capabilities();
	REFUSE(ENOMEM, MEMLOCK, g->region_size = SIZE + PAGE);
	REFUSE(ENOMEM, MEMLOCK, g->region_size = SIZE + PAGE; g->user_addr = 0);
	/* Exactly the limit is right, and is charged. */
	reg = good();
	CHECK_EQ(t_register(fd, &reg), 0, "reason %u", reg.reason);
	reg = good();
	reg.region_size = SIZE / 2;
	CHECK_EQ(t_register(other, &reg), -ENOMEM);
	CHECK_EQ(reg.reason, IO_UNIFIED_REASON_MEMLOCK);
	CHECK(!ioctl(fd, IO_UNIFIED_UNREGISTER_REGION));
	reg = good();
	CHECK_EQ(t_register(other, &reg), 0, "the charge was not given back");
}

static void numbers(void)
{
	struct io_unified_info info;
	struct io_unified_region_reg reg;
	unsigned int nr;

	set_up();
	for (nr = 0; nr < 256; nr++) {
		if (nr <= 5)
			continue;
		CHECK(ioctl(fd,
			    _IOC(_IOC_READ | _IOC_WRITE, IO_UNIFIED_MAGIC, nr,
				 sizeof(reg)),
			    &reg) == -1 &&
			      errno == ENOTTY,
		      "number %u: errno %d", nr, errno);
	}
	/* A known number with another size is another number. */
	CHECK(ioctl(fd, _IOWR(IO_UNIFIED_MAGIC, 1, char), &reg) == -1 &&
	      errno == ENOTTY);
	CHECK(ioctl(fd, _IOC(_IOC_READ, IO_UNIFIED_MAGIC, 0, sizeof(info) - 8),
		    &info) == -1 &&
	      errno == ENOTTY);
	CHECK(ioctl(fd, IO_UNIFIED_GET_INFO, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, IO_UNIFIED_REGISTER_REGION, (void *)1) == -1 &&
	      errno == EFAULT);
	CHECK(ioctl(fd, IO_UNIFIED_ATTACH, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, IO_UNIFIED_DETACH, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, IO_UNIFIED_GET_STATS, NULL) == -1 && errno == EFAULT);
	works();
}

/* The structure cannot be written back: the region must not stay. */
static void read_only_argument(void)
{
	struct io_unified_region_reg *reg;

	set_up();
	reg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*reg = good();
	mprotect(reg, PAGE, PROT_READ);
	CHECK(ioctl(fd, IO_UNIFIED_REGISTER_REGION, reg) == -1 &&
	      errno == EFAULT);
	works();
}

static const struct t_case cases[] = {
	{ "sizes", sizes },
	{ "address", address },
	{ "flags and reserved fields", flags },
	{ "fds that are no io_uring", rings },
	{ "attachments of a registration", attachments },
	{ "NUMA node", node },
	{ "a second region", twice },
	{ "RLIMIT_MEMLOCK", memlock },
	{ "ioctl numbers and pointers", numbers },
	{ "argument that cannot be written", read_only_argument },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
