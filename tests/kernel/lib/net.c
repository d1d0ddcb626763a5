// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

/* ------------------------------------------------------------- rtnetlink */

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg i;
		struct tcmsg tc;
	};
	u8 room[512];
};

static struct rtattr *put(struct request *q, u16 type, const void *data,
			  u16 len)
{
	struct rtattr *a = (void *)((u8 *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct request *q, struct rtattr *a)
{
	a->rta_len = (u8 *)q + q->h.nlmsg_len - (u8 *)a;
}

static int talk(struct request *q)
{
	int sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		u8 more[1024];
	} answer;

	REQUIRE(sock >= 0);
	REQUIRE(send(sock, q, q->h.nlmsg_len, 0) == (ssize_t)q->h.nlmsg_len);
	REQUIRE(recv(sock, &answer, sizeof(answer), 0) > 0);
	close(sock);
	REQUIRE(answer.h.nlmsg_type == NLMSG_ERROR);
	return answer.e.error;
}

static struct request request(u16 type, u16 flags)
{
	return (struct request){
		.h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags },
		.i = { .ifi_family = AF_UNSPEC },
	};
}

void t_veth_add(int mtu)
{
	struct request q = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	const struct ifinfomsg quiet = {
		.ifi_flags = IFF_NOARP,
		.ifi_change = IFF_NOARP,
	};
	struct rtattr *info, *data, *peer;
	int ret;

	q.i.ifi_flags = quiet.ifi_flags;
	q.i.ifi_change = quiet.ifi_change;
	put(&q, IFLA_IFNAME, "iout0", 6);
	put(&q, IFLA_MTU, &mtu, 4);
	info = put(&q, IFLA_LINKINFO, NULL, 0);
	put(&q, IFLA_INFO_KIND, "veth", 4);
	data = put(&q, IFLA_INFO_DATA, NULL, 0);
	peer = put(&q, VETH_INFO_PEER, &quiet, sizeof(quiet));
	put(&q, IFLA_IFNAME, "iout1", 6);
	put(&q, IFLA_MTU, &mtu, 4);
	end(&q, peer);
	end(&q, data);
	end(&q, info);
	ret = talk(&q);
	REQUIRE_EQ(ret, 0, "veth pair");
	t_link_up("iout0", true);
	t_link_up("iout1", true);
}

bool t_link_del(const char *name)
{
	struct request q = request(RTM_DELLINK, 0);
	int ret;

	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	ret = talk(&q);
	REQUIRE(!ret || ret == -ENODEV, "deleting %s: %d", name, ret);
	return !ret;
}

void t_veth_del(void)
{
	REQUIRE(t_link_del("iout0"), "there is no veth pair");
}

void t_vlan_add(const char *name, const char *below, u16 id)
{
	struct request q = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	u32 link = if_nametoindex(below);
	struct rtattr *info, *data;
	int ret;

	q.i.ifi_flags = IFF_NOARP;
	q.i.ifi_change = IFF_NOARP;
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	put(&q, IFLA_LINK, &link, 4);
	info = put(&q, IFLA_LINKINFO, NULL, 0);
	put(&q, IFLA_INFO_KIND, "vlan", 4);
	data = put(&q, IFLA_INFO_DATA, NULL, 0);
	put(&q, IFLA_VLAN_ID, &id, 2);
	end(&q, data);
	end(&q, info);
	ret = talk(&q);
	REQUIRE_EQ(ret, 0, "%s", name);
	t_link_up(name, true);
}

void t_netem(const char *name, int ms)
{
	struct request q =
		ms < 0 ? request(RTM_DELQDISC, 0) :
			 request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
	const struct tc_netem_qopt opt = { .limit = 100000 };
	const s64 latency = ms * 1000000ll;
	struct rtattr *options;
	int ret;

	q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.tc));
	q.tc.tcm_ifindex = if_nametoindex(name);
	q.tc.tcm_parent = TC_H_ROOT;
	if (ms >= 0) {
		put(&q, TCA_KIND, "netem", 6);
		options = put(&q, TCA_OPTIONS, &opt, sizeof(opt));
		put(&q, TCA_NETEM_LATENCY64, &latency, 8);
		end(&q, options);
	}
	ret = talk(&q);
	REQUIRE_EQ(ret, 0, "no netem");
}

void t_link_up(const char *name, bool up)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
	REQUIRE(!ioctl(sock, SIOCGIFFLAGS, &r), "%s", name);
	r.ifr_flags = up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
	REQUIRE(!ioctl(sock, SIOCSIFFLAGS, &r), "%s", name);
	close(sock);
}

/* ----------------------------------------------------------------- links */

static bool is_up(const char *name, int mtu)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq flags = { 0 }, size = { 0 };
	bool up;

	snprintf(flags.ifr_name, IFNAMSIZ, "%s", name);
	snprintf(size.ifr_name, IFNAMSIZ, "%s", name);
	up = !ioctl(sock, SIOCGIFFLAGS, &flags) &&
	     !ioctl(sock, SIOCGIFMTU, &size) &&
	     (flags.ifr_flags & (IFF_UP | IFF_RUNNING | IFF_NOARP)) ==
		     (IFF_UP | IFF_RUNNING | IFF_NOARP) &&
	     size.ifr_mtu == mtu;
	close(sock);
	return up;
}

/* Nothing but the test's own packets: no IPv6, no ARP. */
static void quiet_up(const char *name, int mtu)
{
	int i;

	if (is_up(name, mtu))
		return;
	REQUIRE(!t_sh("echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6;"
		      "ip link set %s up arp off mtu %d",
		      name, name, mtu),
		"%s", name);
	for (i = 0; i < 500 && !is_up(name, mtu); i++)
		t_sleep_ms(10);
	REQUIRE(is_up(name, mtu), "%s is not running", name);
}

static void find_virtio(struct t_link *l)
{
	struct dirent **names;
	char path[320], *text;
	int i, n, found = 0;

	n = scandir("/sys/class/net", &names, NULL, versionsort);
	for (i = 0; i < n && found < 2; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/address",
			 names[i]->d_name);
		if (names[i]->d_name[0] == '.' || access(path, R_OK))
			continue;
		text = t_read_file(path);
		if (!strncmp(text, "52:54:00:12:34:", 15)) {
			snprintf(found ? l->tx : l->rx, sizeof(l->rx), "%.15s",
				 names[i]->d_name);
			found++;
		}
		free(text);
	}
	if (found < 2)
		t_skip("no two NICs on a hub");
}

void t_link_open(struct t_link *l, const struct t_way *way, int mtu)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	int one = 1;

	memset(l, 0, sizeof(*l));
	if (!strcmp(way->link, "veth")) {
		snprintf(l->rx, sizeof(l->rx), "iout0");
		snprintf(l->tx, sizeof(l->tx), "iout1");
		t_write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6",
			     "1");
		if (!if_nametoindex(l->rx))
			t_veth_add(mtu);
	} else {
		find_virtio(l);
	}
	quiet_up(l->rx, mtu);
	quiet_up(l->tx, mtu);
	l->sock = socket(AF_PACKET, SOCK_RAW, 0);
	REQUIRE(l->sock >= 0);
	addr.sll_ifindex = if_nametoindex(l->tx);
	REQUIRE(!bind(l->sock, (struct sockaddr *)&addr, sizeof(addr)));
	setsockopt(l->sock, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
}

void t_link_close(struct t_link *l)
{
	/* The link stays for the next case: making one takes its time. */
	close(l->sock);
}

int t_link_attach_as(struct t_region *r, const struct t_link *l,
		     const struct t_way *way, struct io_unified_attach *a)
{
	u64 end = t_now_ms() + 5000;
	int ret;

	do {
		memset(a, 0, sizeof(*a));
		a->kind = IO_UNIFIED_KIND_NETDEV;
		a->flags = way->flags;
		a->ifindex = if_nametoindex(l->rx);
		ret = t_attach(r, a);
		if (ret != -EBUSY)
			break;
		t_sleep_ms(20);
	} while (t_now_ms() < end);
	REQUIRE_EQ(ret, 0, "%s, flags %#x: reason %u", l->rx, way->flags,
		   a->reason);
	return a->index;
}

int t_link_attach(struct t_region *r, const struct t_link *l,
		  const struct t_way *way)
{
	struct io_unified_attach a;

	return t_link_attach_as(r, l, way, &a);
}

void t_packet(u8 *buf, u32 len, u32 seq)
{
	const u16 type = htons(T_ETHERTYPE);

	memset(buf, 0xff, 6);
	memcpy(buf + 6, "\x02iout", 5);
	buf[11] = 1;
	memcpy(buf + 12, &type, 2);
	if (len > T_HEADER + 4)
		t_fill(buf + T_HEADER + 4, len - T_HEADER - 4, seq);
	memcpy(buf + T_HEADER, &seq, 4);
}

bool t_is_packet(const u8 *buf, u32 len, u32 seq)
{
	u8 *want = malloc(len);
	bool same;

	t_packet(want, len, seq);
	same = !memcmp(buf, want, len);
	free(want);
	return same;
}

u32 t_packet_seq(const u8 *buf)
{
	u32 seq;

	memcpy(&seq, buf + T_HEADER, 4);
	return seq;
}

void t_send_raw(struct t_link *l, const void *buf, u32 len)
{
	u64 end = t_now_ms() + 5000;
	ssize_t n;

	do {
		n = send(l->sock, buf, len, 0);
	} while (n < 0 && errno == ENOBUFS && t_now_ms() < end);
	REQUIRE(n == (ssize_t)len, "send on %s", l->tx);
}

void t_send(struct t_link *l, u32 len, u32 seq)
{
	u8 buf[65536];

	t_packet(buf, len, seq);
	t_send_raw(l, buf, len);
}

int t_listen(const char *ifname, bool outgoing)
{
	struct packet_mreq mr = { .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(ifname),
	};
	int sock = socket(AF_PACKET, SOCK_RAW, 0);
	int room = 64 << 20, ignore = !outgoing;

	REQUIRE(sock >= 0);
	REQUIRE(!setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room,
			    sizeof(room)));
	REQUIRE(!setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore,
			    sizeof(ignore)));
	REQUIRE(!bind(sock, (struct sockaddr *)&addr, sizeof(addr)), "%s",
		ifname);
	mr.mr_ifindex = addr.sll_ifindex;
	REQUIRE(!setsockopt(sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr,
			    sizeof(mr)));
	/* A driver may tell its NIC later. */
	t_sleep_ms(200);
	return sock;
}

int t_receive(int sock, void *buf, u32 len, int ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	if (poll(&p, 1, ms) != 1)
		return -1;
	return recv(sock, buf, len, MSG_DONTWAIT);
}

int t_attach_tx(struct t_region *r, const char *ifname)
{
	struct io_unified_attach a = {
		.kind = IO_UNIFIED_KIND_NETDEV,
		.flags = IO_UNIFIED_ATTACH_SEND_ONLY,
		.ifindex = if_nametoindex(ifname),
	};

	REQUIRE_EQ(t_attach(r, &a), 0, "%s: reason %u", ifname, a.reason);
	CHECK_EQ(a.path, IO_UNIFIED_PATH_SEND_ONLY);
	return a.index;
}
