// SPDX-License-Identifier: MIT
/*
 * Filters as XDP programs: the kernel must say of every packet what libpcap's
 * interpreter says.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <iounified.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdlib.h>

#include "filter.h"
#include "packets.h"
#include "tap.h"

#define MAX_INSNS 65536

static struct bpf_insn insns[MAX_INSNS];
static struct packets packets;
static char verifier_log[65536];

static int load(size_t nr)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = verifier_log,
		    .log_size = sizeof(verifier_log), .log_level = 1);
	int fd;

	verifier_log[0] = 0;
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "GPL", insns, nr, &opts);
	return fd < 0 ? -errno : fd;
}

static int run(int fd, const struct packet *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data,
		    .data_size_in = p->len, .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	return (int)opts.retval;
}

/* Compares on all packets; prints one TAP line. */
static void compare(const char *name, struct sock_filter *filter, size_t nr)
{
	struct classic classic = { filter, nr };
	size_t nr_insns = MAX_INSNS;
	unsigned int kept = 0, wrong = 0;
	const char *why;
	size_t i;
	int fd, err;

	err = iou_xdp_from_cbpf(filter, nr, insns, &nr_insns, &why);
	if (err) {
		ok(false, "%s: translated: %s", name, why);
		return;
	}
	fd = load(nr_insns);
	if (fd == -EPERM) {
		skip(name, "bpf() is not permitted here");
		return;
	}
	if (fd < 0) {
		ok(false, "%s: loaded: %s", name, strerror(-fd));
		fprintf(stderr, "%s\n", verifier_log);
		return;
	}
	for (i = 0; i < packets.nr; i++) {
		const struct packet *p = &packets.p[i];
		int want = classic_match(&classic, p) ? XDP_PASS : XDP_DROP;
		int got = run(fd, p);

		kept += want == XDP_PASS;
		if (got != want && !wrong++)
			diag("packet %zu of %u bytes: %d, libpcap %d", i,
			     p->len, got, want);
	}
	close(fd);
	ok(!wrong, "%s: %u of %zu kept, as by libpcap", name, kept, packets.nr);
}

static void compare_expression(const char *expression)
{
	struct sock_filter *filter;
	char why[256];
	size_t nr;

	if (filter_compile(expression, &filter, &nr, why, sizeof(why))) {
		ok(false, "'%s' compiles: %s", expression, why);
		return;
	}
	compare(expression, filter, nr);
	free(filter);
}

static const char *const expressions[] = {
	"",
	"ip",
	"ip6",
	"arp",
	"not ip",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"sctp",
	"ip proto 47",
	"ip6 proto 17",
	"tcp port 80",
	"udp port 53",
	"port 443",
	"src port 53",
	"dst port 80",
	"portrange 1024-1050",
	"host 10.0.0.1",
	"src host 10.0.0.2 and dst host 10.0.0.1",
	"net 10.0.0.0/8",
	"net 10.0.0.0/30",
	"ip6 host 2001::1",
	"ip6 net 2001::/16",
	"ip6 src 2001::2",
	"ether host 02:00:00:00:00:01",
	"ether dst 02:00:00:00:00:02",
	"ether broadcast",
	"ether multicast",
	"ip multicast",
	"vlan",
	"vlan 100",
	"vlan and ip",
	"vlan 100 and tcp port 80",
	"vlan and vlan",
	"mpls",
	"pppoes",
	"greater 60",
	"less 100",
	"len > 64 and len < 90",
	"len = 66",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[13] & 16 != 0",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
	"ip[0] & 0xf != 5",
	"ip[6:2] & 0x1fff != 0",
	"ip[8] < 5",
	"ip[2:2] > 100",
	"ip[2:2] - ((ip[0] & 0xf) << 2) > 40",
	"udp[4:2] * 2 > 100",
	"ip[9] / 2 = 3",
	"ip[9] % 5 = 1",
	"100 / ip[9] = 16",
	"100 / (ip[9] - 6) > 2",
	"100 % ip[8] = 36",
	"1 << ip[8] = 0",
	"ip[12:4] >> ip[9] = 0",
	"ip[12:4] >> 31 = 0",
	"ip[0] ^ 0x45 = 0",
	"ip[0] | 0x80 = 0xc5",
	"-ip[9] = 4294967290",
	"ip[12:4] = 0xffffffff or ip[12:4] > 0x7fffffff",
	"ether[20:4] != 0xdeadbeef",
	"ether[60] = 0",
	"ether[1000] != 0",
	"ether[ether[14]] = 0",
	"ether[ether[14] * 4] != 0",
	"ether[ip[2:2]] = 0",
	"ether[ip[12:4]] = 0",
	"ether[ip[12:4] - 0x0a000000] = 0",
	"ip6[40] = 6",
	"ip6[6] = 17 and ip6[ip6[4:2]] != 1",
	"tcp port 80 or tcp port 443 or udp port 53 or icmp or arp",
	"(tcp or udp) and not (host 10.0.0.1 or host 10.0.0.2) and len < 1000",
	"ip and (tcp[2:2] = 80 or (udp[2:2] > 50 and udp[2:2] < 60))",
	"not (ip and tcp and port 80) and not (ip6 and udp)",
	"host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3 or host 10.0.0.4 or host 10.0.0.5 or net 192.168.0.0/16 or portrange 6000-7000",
};

/* A filter of some hundred jumps, so that offsets get long. */
static void long_expression(void)
{
	static char text[16384];
	size_t at = 0;
	int i;

	for (i = 0; i < 200; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%sudp port %d", i ? " or " : "",
				       3000 + 7 * i);
	snprintf(text + at, sizeof(text) - at, " or tcp port 80");
	struct sock_filter *filter;
	char why[256];
	size_t nr;

	if (filter_compile(text, &filter, &nr, why, sizeof(why))) {
		ok(false, "201 ports compile: %s", why);
		return;
	}
	compare("201 ports", filter, nr);
	free(filter);
}

#define S BPF_STMT
#define J BPF_JUMP

/* What libpcap does not make, but its interpreter takes. */
static void by_hand(void)
{
	struct sock_filter scratch[] = {
		S(BPF_LD | BPF_W | BPF_ABS, 26),
		S(BPF_ST, 15),
		S(BPF_LD | BPF_B | BPF_ABS, 23),
		S(BPF_STX, 3),
		S(BPF_ST, 0),
		S(BPF_LDX | BPF_MEM, 15),
		S(BPF_LD | BPF_MEM, 0),
		S(BPF_ALU | BPF_XOR | BPF_X, 0),
		J(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		S(BPF_RET | BPF_K, 96),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter ret_a[] = {
		S(BPF_LD | BPF_B | BPF_ABS, 23),
		S(BPF_ALU | BPF_SUB | BPF_K, 6),
		S(BPF_RET | BPF_A, 0),
	};
	struct sock_filter compare_x[] = {
		S(BPF_LD | BPF_B | BPF_ABS, 23),
		S(BPF_MISC | BPF_TAX, 0),
		S(BPF_LD | BPF_B | BPF_ABS, 22),
		J(BPF_JMP | BPF_JGT | BPF_X, 0, 1, 0),
		S(BPF_RET | BPF_K, 1),
		S(BPF_MISC | BPF_TXA, 0),
		J(BPF_JMP | BPF_JGE | BPF_K, 17, 0, 2),
		J(BPF_JMP | BPF_JA, 0, 0, 0),
		S(BPF_RET | BPF_K, 1),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter length[] = {
		S(BPF_LDX | BPF_W | BPF_LEN, 0),
		S(BPF_LD | BPF_W | BPF_LEN, 0),
		S(BPF_ALU | BPF_SUB | BPF_X, 0),
		J(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		S(BPF_RET | BPF_K, 1),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter dead_code[] = {
		J(BPF_JMP | BPF_JA, 1, 0, 0),
		S(BPF_RET | BPF_K, 0),
		S(BPF_LD | BPF_IMM, 0xffffffff),
		J(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 0, 1),
		S(BPF_RET | BPF_K, 1),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter last_byte[] = {
		S(BPF_LD | BPF_W | BPF_LEN, 0),
		S(BPF_ALU | BPF_SUB | BPF_K, 1),
		S(BPF_MISC | BPF_TAX, 0),
		S(BPF_LD | BPF_B | BPF_IND, 0),
		J(BPF_JMP | BPF_JEQ | BPF_K, 0x50, 0, 1),
		S(BPF_RET | BPF_K, 1),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter past_end[] = {
		S(BPF_LDX | BPF_W | BPF_LEN, 0),
		S(BPF_LD | BPF_B | BPF_IND, 0),
		S(BPF_RET | BPF_K, 1),
	};
	struct sock_filter header_length[] = {
		S(BPF_LDX | BPF_B | BPF_MSH, 14),
		S(BPF_LD | BPF_H | BPF_IND, 14),
		J(BPF_JMP | BPF_JGE | BPF_K, 1024, 0, 1),
		S(BPF_RET | BPF_K, 1),
		S(BPF_RET | BPF_K, 0),
	};
	struct sock_filter wide[] = {
		S(BPF_LD | BPF_IMM, 0xffff0000),
		S(BPF_MISC | BPF_TAX, 0),
		S(BPF_LD | BPF_B | BPF_IND, 20),
		S(BPF_RET | BPF_K, 1),
	};

#define RUN(name) compare("by hand: " #name, name, sizeof(name) / sizeof(*name))
	RUN(scratch);
	RUN(ret_a);
	RUN(compare_x);
	RUN(length);
	RUN(dead_code);
	RUN(last_byte);
	RUN(past_end);
	RUN(header_length);
	RUN(wide);
#undef RUN
}

static void refused(const char *name, const struct sock_filter *filter,
		    size_t nr, int want)
{
	size_t nr_insns = MAX_INSNS;
	const char *why = NULL;
	int err = iou_xdp_from_cbpf(filter, nr, insns, &nr_insns, &why);

	ok(err == want && why, "refused: %s: %s (%d)", name, why ? why : "-",
	   err);
}

static void refusals(void)
{
	const struct sock_filter ret = S(BPF_RET | BPF_K, 1);
	const struct {
		const char *name;
		struct sock_filter first;
		int err;
	} cases[] = {
		{ "ancillary data",
		  S(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
		  -EOPNOTSUPP },
		{ "network offset", S(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF),
		  -EOPNOTSUPP },
		{ "far offset", S(BPF_LD | BPF_B | BPF_ABS, 65536),
		  -EOPNOTSUPP },
		{ "far indexed offset", S(BPF_LD | BPF_W | BPF_IND, 65532),
		  -EOPNOTSUPP },
		{ "division by zero", S(BPF_ALU | BPF_DIV | BPF_K, 0),
		  -EINVAL },
		{ "modulo zero", S(BPF_ALU | BPF_MOD | BPF_K, 0), -EINVAL },
		{ "scratch out of range", S(BPF_ST, 16), -EINVAL },
		{ "load from scratch out of range", S(BPF_LD | BPF_MEM, 16),
		  -EINVAL },
		{ "jump past the end", J(BPF_JMP | BPF_JA, 1, 0, 0), -EINVAL },
		{ "jump far past the end",
		  J(BPF_JMP | BPF_JA, 0xffffffff, 0, 0), -EINVAL },
		{ "branch past the end", J(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		  -EINVAL },
		{ "unknown load", S(BPF_LDX | BPF_W | BPF_ABS, 0), -EINVAL },
		{ "unknown operation", S(BPF_ALU | 0xb0, 0), -EINVAL },
		{ "unknown jump", S(BPF_JMP | 0x50, 0), -EINVAL },
		{ "unknown return", S(BPF_RET | BPF_X, 0), -EINVAL },
		{ "unknown misc", S(BPF_MISC | 0x40, 0), -EINVAL },
		{ "high bits", S(0x100 | BPF_ALU | BPF_ADD | BPF_K, 0),
		  -EINVAL },
	};
	struct sock_filter open_end = S(BPF_LD | BPF_IMM, 1);
	struct sock_filter *big;
	size_t i, nr = 1;
	const char *why;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sock_filter filter[2] = { cases[i].first, ret };

		refused(cases[i].name, filter, 2, cases[i].err);
	}
	refused("no return", &open_end, 1, -EINVAL);
	refused("empty", &ret, 0, -EINVAL);

	big = calloc(BPF_MAXINSNS + 1, sizeof(*big));
	if (!big)
		abort();
	for (i = 0; i < BPF_MAXINSNS; i++)
		big[i] = (struct sock_filter)S(BPF_LD | BPF_W | BPF_IND, 0);
	big[BPF_MAXINSNS - 1] = ret;
	refused("jumps too far", big, BPF_MAXINSNS, -E2BIG);
	refused("too long", big, BPF_MAXINSNS + 1, -EINVAL);
	free(big);

	ok(iou_xdp_from_cbpf(&ret, 1, insns, &nr, &why) == -ENOSPC,
	   "no room: refused, %zu needed", nr);
	ok(!iou_xdp_from_cbpf(&ret, 1, NULL, &nr, &why) && nr > 1 && !why,
	   "size asked for: %zu", nr);
}

int main(void)
{
	size_t i;

	packets_load(&packets, 40);
	diag("%zu packets, of %zu captures%s", packets.nr, packets.captures,
	     packets.captures ? "" : " (IOU_PCAPS names a folder of captures)");
	refusals();
	for (i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
		compare_expression(expressions[i]);
	long_expression();
	by_hand();
	packets_free(&packets);
	return tap_done();
}
