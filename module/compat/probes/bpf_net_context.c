// SPDX-License-Identifier: GPL-2.0
/* Redirect state of BPF programs lives in the task. */
#include <linux/filter.h>
struct bpf_net_context *f(struct bpf_net_context *c);
struct bpf_net_context *f(struct bpf_net_context *c)
{
	c = bpf_net_ctx_set(c);
	bpf_net_ctx_clear(c);
	return c;
}
