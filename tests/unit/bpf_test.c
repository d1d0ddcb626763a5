// SPDX-License-Identifier: MIT
/* The BPF programs, run by the kernel over made packets. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <iounified.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "five_tuple.h"
#include "five_tuple.skel.h"
#include "packets.h"
#include "placer.h"
#include "placer.skel.h"
#include "tap.h"

#define KEEP XDP_PASS
#define DROP XDP_DROP
#define FAIL XDP_ABORTED

/* Does a test run take the 64 bytes of a control block in front? */
static bool has_ctl = true;

/* Returns the verdict or -errno. */
static int run(int fd, const struct packet *p, struct io_unified_bpf_ctl *ctl)
{
	static unsigned char in[sizeof(*ctl) + PACKET_MAX];
	static unsigned char out[sizeof(in)];
	struct xdp_md md = { .data = sizeof(*ctl) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &md,
		    .ctx_size_in = sizeof(md), .repeat = 1);

	ctl->len = ctl->orig_len = p->len;
	memcpy(in, ctl, sizeof(*ctl));
	memcpy(in + sizeof(*ctl), p->data, p->len);
	if (!has_ctl) {
		opts.data_in = p->data;
		opts.data_size_in = p->len;
		opts.ctx_in = NULL;
		opts.ctx_size_in = 0;
		return bpf_prog_test_run_opts(fd, &opts) ? -errno :
							   (int)opts.retval;
	}
	opts.data_size_in = (uint32_t)sizeof(*ctl) + p->len;
	md.data_end = opts.data_size_in;
	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	memcpy(ctl, out, sizeof(*ctl));
	return (int)opts.retval;
}

static int run_flow(int fd, const struct flow_spec *spec, unsigned int *lane)
{
	struct io_unified_bpf_ctl ctl = { .storage = 99 };
	static struct packet p;
	int verdict;

	packet_make(&p, spec);
	verdict = run(fd, &p, &ctl);
	if (lane)
		*lane = ctl.storage;
	return verdict;
}

static void is(const char *name, int fd, int want, struct flow_spec spec)
{
	int got = run_flow(fd, &spec, NULL);

	ok(got == want, "%s: verdict %d", name, got);
}

static struct flow_spec reversed(struct flow_spec s)
{
	uint8_t host = s.src;
	uint16_t port = s.src_port;

	s.src = s.dst;
	s.dst = host;
	s.src_port = s.dst_port;
	s.dst_port = port;
	return s;
}

/* ------------------------------------------------------------- five_tuple */

static void v4_mapped(__be32 *to, const char *text)
{
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	inet_pton(AF_INET, text, &to[3]);
}

#define FLOW(fam, s, d, pr, sp, dp, ...)                        \
	(struct flow_spec)                                      \
	{                                                       \
		.family = fam, .src = s, .dst = d, .proto = pr, \
		.src_port = sp, .dst_port = dp, ##__VA_ARGS__   \
	}

static void one_rule(void)
{
	struct five_tuple_bpf *skel = five_tuple_bpf__open();
	int fd;

	if (!skel) {
		ok(false, "five_tuple opens");
		return;
	}
	*(__u8 *)&skel->rodata->proto = 17;
	*(__u16 *)&skel->rodata->port = 53;
	v4_mapped((__be32 *)skel->rodata->addr, "10.0.0.0");
	*(__u8 *)&skel->rodata->addr_bits = 30;
	if (!ok(!five_tuple_bpf__load(skel), "five_tuple loads"))
		goto out;
	fd = bpf_program__fd(skel->progs.five_tuple);
	is("source port", fd, KEEP, FLOW(4, 1, 100, 17, 53, 9));
	is("destination port", fd, KEEP, FLOW(4, 1, 100, 17, 9, 53));
	is("address as destination", fd, KEEP, FLOW(4, 100, 3, 17, 9, 53));
	is("address outside the prefix", fd, DROP, FLOW(4, 4, 100, 17, 9, 53));
	is("another protocol", fd, DROP, FLOW(4, 1, 100, 6, 9, 53));
	is("another port", fd, DROP, FLOW(4, 1, 100, 17, 9, 54));
	is("IPv6", fd, DROP, FLOW(6, 1, 100, 17, 9, 53));
	is("one VLAN tag", fd, KEEP, FLOW(4, 1, 100, 17, 53, 9, .vlans = 1));
	is("two VLAN tags", fd, KEEP, FLOW(4, 1, 100, 17, 53, 9, .vlans = 2));
	is("three VLAN tags", fd, DROP, FLOW(4, 1, 100, 17, 53, 9, .vlans = 3));
	is("first fragment", fd, KEEP,
	   FLOW(4, 1, 100, 17, 53, 9, .fragment = 0x2000));
	is("later fragment, without ports", fd, DROP,
	   FLOW(4, 1, 100, 17, 53, 9, .fragment = 5));
out:
	five_tuple_bpf__destroy(skel);
}

static void set_rule(struct five_tuple_bpf *skel, __u32 i,
		     struct five_tuple_rule rule)
{
	rule.used = 1;
	bpf_map__update_elem(skel->maps.rules, &i, sizeof(i), &rule,
			     sizeof(rule), BPF_ANY);
}

static uint64_t sum(struct bpf_map *map, __u32 key)
{
	int cpus = libbpf_num_possible_cpus();
	struct five_tuple_count *c = calloc((size_t)cpus, sizeof(*c));
	uint64_t n = 0;
	int i;

	if (c && !bpf_map__lookup_elem(map, &key, sizeof(key), c,
				       (size_t)cpus * sizeof(*c), 0))
		for (i = 0; i < cpus; i++)
			n += c[i].packets;
	free(c);
	return n;
}

static void rules(void)
{
	struct five_tuple_bpf *skel = five_tuple_bpf__open();
	struct five_tuple_rule to_two = { .dst_bits = 128, .proto = 6 };
	struct five_tuple_rule both = { .src_port = 1000,
					.dst_port = 2000,
					.both_ways = 1 };
	struct five_tuple_rule not_v6 = { .src_bits = 16, .drop = 1 };
	struct five_tuple_rule all_v6 = { .src_bits = 16 };
	struct flow_spec f = FLOW(4, 9, 8, 17, 1000, 2000);
	int fd;

	if (!skel)
		return;
	*(__u8 *)&skel->rodata->one_rule = 0;
	if (!ok(!five_tuple_bpf__load(skel), "five_tuple with rules loads"))
		goto out;
	fd = bpf_program__fd(skel->progs.five_tuple);
	is("no rule", fd, DROP, f);
	v4_mapped(to_two.dst, "10.0.0.2");
	set_rule(skel, 0, to_two);
	set_rule(skel, 2, both);
	inet_pton(AF_INET6, "2001::", not_v6.src);
	not_v6.dst_port = 25;
	set_rule(skel, 3, not_v6);
	inet_pton(AF_INET6, "2001::", all_v6.src);
	set_rule(skel, FIVE_TUPLE_RULES - 1, all_v6);

	is("to a host", fd, KEEP, FLOW(4, 1, 2, 6, 1, 2));
	is("to another host", fd, DROP, FLOW(4, 1, 3, 6, 1, 2));
	is("from that host", fd, DROP, FLOW(4, 2, 1, 6, 1, 2));
	is("both ways, there", fd, KEEP, f);
	is("both ways, back", fd, KEEP, reversed(f));
	is("ports mixed up", fd, DROP, FLOW(4, 9, 8, 17, 1000, 1000));
	is("the first that matches drops", fd, DROP, FLOW(6, 1, 2, 6, 9, 25));
	is("the last rule", fd, KEEP, FLOW(6, 1, 2, 6, 9, 26));
	is("extension headers", fd, DROP,
	   FLOW(6, 1, 2, 6, 9, 25, .extensions = 3));
	is("IPv6 fragment", fd, KEEP,
	   FLOW(6, 1, 2, 6, 9, 25, .fragment = 0x2005));
	ok(sum(skel->maps.matches, 0) == 1 && sum(skel->maps.matches, 2) == 2 &&
		   sum(skel->maps.matches, 1) == 0,
	   "rules count their packets");
	ok(sum(skel->maps.verdicts, FIVE_TUPLE_KEPT) == 5 &&
		   sum(skel->maps.verdicts, FIVE_TUPLE_DROPPED) == 6,
	   "verdicts are counted");
out:
	five_tuple_bpf__destroy(skel);
}

/* ----------------------------------------------------------------- placer */

static void placer(unsigned int lanes)
{
	struct placer_bpf *skel = placer_bpf__open();
	unsigned int used[PLACER_LANES] = { 0 };
	unsigned int split = 0, outside = 0, i, empty = 0, lane, back;
	int fd;

	if (!skel)
		return;
	*(__u16 *)&skel->rodata->lanes = (__u16)lanes;
	*(__u16 *)&skel->rodata->first = 3;
	if (!ok(!placer_bpf__load(skel), "placer with %u lanes loads", lanes))
		goto out;
	fd = bpf_program__fd(skel->progs.placer);
	for (i = 0; i < 512; i++) {
		struct flow_spec s = FLOW(i & 1 ? 6 : 4, (uint8_t)(i * 7),
					  (uint8_t)(i / 3), i % 3 ? 6 : 17,
					  (uint16_t)(1024 + i), 443);
		struct flow_spec r = reversed(s);

		if (run_flow(fd, &s, &lane) != KEEP ||
		    run_flow(fd, &r, &back) != KEEP || lane < 3 ||
		    lane >= 3 + lanes) {
			outside++;
			continue;
		}
		split += lane != back;
		used[lane - 3]++;
	}
	for (i = 0; i < lanes; i++)
		empty += !used[i];
	ok(!outside, "lanes are among the %u", lanes);
	ok(!split, "a flow has one lane, in both directions");
	ok(!empty, "all lanes are used");
out:
	placer_bpf__destroy(skel);
}

static void placer_edges(void)
{
	struct io_unified_bpf_ctl ctl = { .storage = 99 };
	struct placer_bpf *skel = placer_bpf__open();
	struct packet p = { .len = 60 };
	unsigned int a = 0, b = 1;
	struct flow_spec s = FLOW(4, 1, 2, 17, 1000, 2000);
	int fd;

	if (!skel)
		return;
	*(__u16 *)&skel->rodata->lanes = 8;
	*(__u8 *)&skel->rodata->ports = 0;
	if (placer_bpf__load(skel))
		goto out;
	fd = bpf_program__fd(skel->progs.placer);
	ok(run(fd, &p, &ctl) == KEEP && ctl.storage == 0,
	   "what is not IP goes to the first lane");
	run_flow(fd, &s, &a);
	s.fragment = 7;
	run_flow(fd, &s, &b);
	ok(a == b, "without ports, fragments stay with their flow");
out:
	placer_bpf__destroy(skel);
	skel = placer_bpf__open();
	if (!skel)
		return;
	*(__u16 *)&skel->rodata->lanes = 0;
	if (!placer_bpf__load(skel))
		ok(run(bpf_program__fd(skel->progs.placer), &p, &ctl) == FAIL,
		   "no lanes: the packet fails, it is not misplaced");
	placer_bpf__destroy(skel);
}

/* Without a control block, as on an interface: the packet must not pass. */
static void placer_elsewhere(void)
{
	struct placer_bpf *skel = placer_bpf__open_and_load();
	struct io_unified_bpf_ctl ctl = { 0 };
	struct packet p = { .len = 60 };
	bool had = has_ctl;

	if (!ok(skel != NULL, "placer loads"))
		return;
	has_ctl = false;
	ok(run(bpf_program__fd(skel->progs.placer), &p, &ctl) == FAIL,
	   "placer without a control block: the packet fails");
	has_ctl = had;
	placer_bpf__destroy(skel);
}

static bool is_permitted(void)
{
	struct io_unified_bpf_ctl ctl = { 0 };
	struct placer_bpf *skel = placer_bpf__open_and_load();
	struct packet p = { .len = 60 };

	if (!skel)
		return errno != EPERM;
	/* older kernels take 32 bytes only */
	has_ctl = run(bpf_program__fd(skel->progs.placer), &p, &ctl) >= 0;
	placer_bpf__destroy(skel);
	return true;
}

int main(void)
{
	if (!is_permitted()) {
		skip("BPF programs", "bpf() is not permitted here");
		return tap_done();
	}
	one_rule();
	rules();
	placer_elsewhere();
	if (!has_ctl) {
		skip("lanes",
		     "this kernel's test run takes no 64 bytes of metadata");
		return tap_done();
	}
	placer(1);
	placer(4);
	placer(PLACER_LANES);
	placer_edges();
	return tap_done();
}
