// SPDX-License-Identifier: MIT
/*
 * Record what matches a list of rules, in both directions:
 *
 *	five_tuple eth0 /dev/nvme0n1 1000 tcp:10.0.0.1:443 udp:*:53
 */
#include <arpa/inet.h>

#include "common.h"
#include "five_tuple.h"
#include "five_tuple.skel.h"

/* PROTO:ADDRESS:PORT, "*" for any; IPv4 only, to keep it short */
static int parse_rule(char *text, struct five_tuple_rule *rule)
{
	char *proto = strtok(text, ":"), *addr = strtok(NULL, ":");
	char *port = strtok(NULL, ":");

	if (!port)
		return -1;
	memset(rule, 0, sizeof(*rule));
	rule->proto = !strcmp(proto, "tcp") ? 6 :
		      !strcmp(proto, "udp") ? 17 :
					      0;
	if (strcmp(addr, "*")) {
		rule->dst[2] = htonl(0xffff);
		rule->dst_bits = 128;
		if (inet_pton(AF_INET, addr, &rule->dst[3]) != 1)
			return -1;
	}
	rule->dst_port = (__u16)atoi(port);
	rule->both_ways = 1;
	rule->used = 1;
	return 0;
}

static void print_counts(struct five_tuple_bpf *skel, int rules, char **argv)
{
	int cpus = libbpf_num_possible_cpus(), i, cpu;
	struct five_tuple_count *c = calloc(cpus, sizeof(*c));

	for (i = 0; c && i < rules; i++) {
		__u64 packets = 0;

		bpf_map__lookup_elem(skel->maps.matches, &i, sizeof(i), c,
				     cpus * sizeof(*c), 0);
		for (cpu = 0; cpu < cpus; cpu++)
			packets += c[cpu].packets;
		printf("%s %llu packets\n", argv[i], packets);
	}
	free(c);
}

int main(int argc, char **argv)
{
	struct five_tuple_bpf *skel = five_tuple_bpf__open();
	struct recorder x = { 0 };
	struct iou_result res;
	unsigned int drive;
	int i;

	if (!skel || argc < 5) {
		fprintf(stderr,
			"usage: five_tuple INTERFACE DEVICE PACKETS PROTO:ADDRESS:PORT...\n");
		return 2;
	}
	*(__u8 *)&skel->rodata->one_rule = 0;
	if (five_tuple_bpf__load(skel))
		return 1;
	for (i = 0; i < argc - 4; i++) {
		struct five_tuple_rule rule;
		char *text = strdup(argv[4 + i]);

		if (!text || parse_rule(text, &rule) ||
		    bpf_map__update_elem(skel->maps.rules, &i, sizeof(i), &rule,
					 sizeof(rule), BPF_ANY)) {
			fprintf(stderr, "'%s' is not PROTO:ADDRESS:PORT\n",
				argv[4 + i]);
			return 2;
		}
		free(text);
	}
	recorder_open(&x);
	drive = recorder_target(&x, argv[2], 0, 0);
	res = recorder_run(&x, argv[1], bpf_program__fd(skel->progs.five_tuple),
			   drive, strtoull(argv[3], NULL, 10));
	print_counts(skel, argc - 4, argv + 4);
	five_tuple_bpf__destroy(skel);
	return recorder_close(&x, res);
}
