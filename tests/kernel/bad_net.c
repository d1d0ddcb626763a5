// SPDX-License-Identifier: GPL-2.0
/* Queues that must not be attached: rights, numbers, devices, others. */
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/net.h"

static struct t_region r;
static struct t_link l;
static const struct t_way veth = { "veth", 0 };

static void set_up(void)
{
	t_link_open(&l, &veth, 1500);
	t_region_open(&r, NULL);
}

static struct io_unified_attach good(void)
{
	return (struct io_unified_attach){
		.kind = IO_UNIFIED_KIND_NETDEV,
		.ifindex = if_nametoindex(l.rx),
	};
}

static void refuse(struct io_unified_attach a, int error, u32 reason,
		   const char *what)
{
	CHECK_EQ(t_attach(&r, &a), -error, "%s", what);
	CHECK_EQ(a.reason, reason, "%s", what);
}

#define REFUSE(error, why, ...)                                           \
	do {                                                              \
		struct io_unified_attach a_ = good();                     \
		struct io_unified_attach *a = &a_;                        \
		__VA_ARGS__;                                              \
		refuse(a_, error, IO_UNIFIED_REASON_##why, #__VA_ARGS__); \
	} while (0)

static void works(void)
{
	CHECK_EQ(t_link_attach(&r, &l, &veth), 0);
	t_region_close(&r);
	t_link_close(&l);
}

static void numbers(void)
{
	set_up();
	REFUSE(ENODEV, NO_NETDEV, a->ifindex = 0);
	REFUSE(ENODEV, NO_NETDEV, a->ifindex = 0x7fffffff);
	REFUSE(ENODEV, NO_NETDEV, a->ifindex = ~0u);
	REFUSE(EINVAL, QUEUE, a->queue = 1);
	REFUSE(EINVAL, QUEUE, a->queue = 1000);
	REFUSE(EINVAL, QUEUE, a->queue = ~0u);
	REFUSE(EINVAL, SIZE, a->ring_entries = 1);
	REFUSE(EINVAL, SIZE, a->ring_entries = 63);
	REFUSE(EINVAL, SIZE, a->ring_entries = 96);
	REFUSE(EINVAL, SIZE, a->ring_entries = 65536);
	REFUSE(EINVAL, SIZE, a->ring_entries = 1u << 31);
	REFUSE(EINVAL, RESERVED, a->fd = 3);
	REFUSE(EINVAL, RESERVED, a->dev_start = 4096);
	REFUSE(EINVAL, RESERVED, a->dev_len = 4096);
	REFUSE(EINVAL, RESERVED, a->reserved[5] = 1);
	REFUSE(EINVAL, FLAGS, a->flags = IO_UNIFIED_ATTACH_PASSTHROUGH);
	REFUSE(EINVAL, FLAGS, a->flags = IO_UNIFIED_ATTACH_RDONLY);
	REFUSE(EINVAL, FLAGS, a->flags = 1u << 31);
	REFUSE(EINVAL, FLAGS,
	       a->flags = IO_UNIFIED_ATTACH_RX_HANDLER | IO_UNIFIED_ATTACH_XSK);
	REFUSE(EINVAL, FLAGS,
	       a->flags = IO_UNIFIED_ATTACH_RX_HANDLER |
			  IO_UNIFIED_ATTACH_ZEROCOPY);
	works();
}

static void devices(void)
{
	set_up();
	REFUSE(EINVAL, NOT_ETHERNET, a->ifindex = if_nametoindex("lo"));
	t_link_up(l.rx, false);
	REFUSE(ENETDOWN, NET_DOWN, (void)a);
	REFUSE(ENETDOWN, NET_DOWN, a->flags = IO_UNIFIED_ATTACH_RX_HANDLER);
	t_link_up(l.rx, true);
	works();
}

static void bound_already(void)
{
	static const u32 flags[] = {
		IO_UNIFIED_ATTACH_XSK,
		IO_UNIFIED_ATTACH_RX_HANDLER,
	};
	struct io_unified_attach a;
	struct t_region other;
	unsigned int i, j;

	set_up();
	t_region_open(&other, NULL);
	for (i = 0; i < 2; i++) {
		a = good();
		a.flags = flags[i];
		REQUIRE_EQ(t_attach(&other, &a), 0, "reason %u", a.reason);
		for (j = 0; j < 2; j++)
			REFUSE(EBUSY, QUEUE_BUSY, a->flags = flags[j]);
		REFUSE(EBUSY, QUEUE_BUSY, (void)a);
		REQUIRE_EQ(t_detach(&other, IO_UNIFIED_KIND_NETDEV, a.index),
			   0);
	}
	t_region_close(&other);
	works();
}

/* Somebody else has the device: a bridge, an XDP program. */
static void taken_by_others(void)
{
	set_up();
	if (t_sh("ip link add ioutbr type bridge"))
		t_skip("no bridges in this kernel");
	REQUIRE(!t_sh("ip link set %s master ioutbr", l.rx));
	REFUSE(EBUSY, QUEUE_BUSY, a->flags = IO_UNIFIED_ATTACH_RX_HANDLER);
	t_sh("ip link del ioutbr");
	works();
}

static void drop(u64 capabilities)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	REQUIRE(!syscall(SYS_capget, &head, data));
	data[0].effective &= ~(u32)capabilities;
	data[1].effective &= ~(u32)(capabilities >> 32);
	data[0].permitted &= ~(u32)capabilities;
	data[1].permitted &= ~(u32)(capabilities >> 32);
	REQUIRE(!syscall(SYS_capset, &head, data));
}

static void no_net_raw(void)
{
	set_up();
	drop(1ull << CAP_NET_RAW);
	REFUSE(EPERM, CAP_NET_RAW, (void)a);
	REFUSE(EPERM, CAP_NET_RAW, a->flags = IO_UNIFIED_ATTACH_RX_HANDLER);
	t_region_close(&r);
}

static void no_net_admin(void)
{
	set_up();
	drop(1ull << CAP_NET_ADMIN | 1ull << CAP_SYS_ADMIN);
	REFUSE(EPERM, CAP_NET_ADMIN, (void)a);
	REFUSE(EPERM, CAP_NET_ADMIN, a->flags = IO_UNIFIED_ATTACH_RX_HANDLER);
	t_region_close(&r);
}

/* Without CAP_BPF there is no AF_XDP; the rx handler remains. */
static void no_bpf(void)
{
	struct io_unified_attach a;

	set_up();
	t_sh("sysctl -qw kernel.unprivileged_bpf_disabled=2");
	drop(1ull << CAP_BPF | 1ull << CAP_SYS_ADMIN);
	a = good();
	a.flags = IO_UNIFIED_ATTACH_XSK;
	CHECK_EQ(t_attach(&r, &a), -EPERM);
	CHECK(a.reason == IO_UNIFIED_REASON_XDP ||
		      a.reason == IO_UNIFIED_REASON_XSK,
	      "reason %u", a.reason);
	a = good();
	CHECK_EQ(t_attach(&r, &a), 0);
	CHECK_EQ(a.path, IO_UNIFIED_PATH_RX_HANDLER);
	CHECK(a.reason, "why it copies");
	t_region_close(&r);
}

/* Root of a user namespace has no rights over this network namespace. */
static void user_namespace(void)
{
	set_up();
	if (unshare(CLONE_NEWUSER))
		t_skip("no user namespaces");
	REFUSE(EPERM, CAP_NET_RAW, (void)a);
	t_region_close(&r);
}

/* What is not in the process's network namespace is not there. */
static void net_namespace(void)
{
	u32 index;

	set_up();
	index = if_nametoindex(l.rx);
	REQUIRE(!unshare(CLONE_NEWNET));
	REFUSE(ENODEV, NO_NETDEV, a->ifindex = index + 100);
	t_region_close(&r);
}

static const struct t_case cases[] = {
	{ "numbers and flags", numbers },
	{ "devices that will not do", devices },
	{ "bound already", bound_already },
	{ "a bridge has it", taken_by_others },
	{ "without CAP_NET_RAW", no_net_raw },
	{ "without CAP_NET_ADMIN", no_net_admin },
	{ "without CAP_BPF", no_bpf },
	{ "from a user namespace", user_namespace },
	{ "from a network namespace", net_namespace },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
