// SPDX-License-Identifier: MIT
/* Filter expressions: libpcap compiles them, libiounified makes XDP of them. */
#include <pcap/pcap.h>
#include <stdint.h>

#include "filter.h"

/* As in <linux/filter.h>, which does not go together with libpcap's header. */
struct sock_filter {
	uint16_t code;
	uint8_t jt;
	uint8_t jf;
	uint32_t k;
};

_Static_assert(sizeof(struct sock_filter) == sizeof(struct bpf_insn),
	       "classic BPF has one layout");

int filter_compile(const char *expression, struct sock_filter **out, size_t *nr,
		   char *why, size_t len)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
	struct bpf_program prog;

	if (!pcap) {
		snprintf(why, len, "out of memory");
		return -1;
	}
	if (pcap_compile(pcap, &prog, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(why, len, "%s", pcap_geterr(pcap));
		pcap_close(pcap);
		return -1;
	}
	pcap_close(pcap);
	*nr = prog.bf_len;
	*out = malloc(prog.bf_len * sizeof(**out));
	if (*out)
		memcpy(*out, prog.bf_insns, prog.bf_len * sizeof(**out));
	else
		snprintf(why, len, "out of memory");
	pcap_freecode(&prog);
	return *out ? 0 : -1;
}
