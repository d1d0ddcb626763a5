/* SPDX-License-Identifier: MIT */
#ifndef IOU_FILTER_H
#define IOU_FILTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sock_filter;

/*
 * Compiles an expression for Ethernet into classic BPF, to be freed. Returns 0,
 * or -1 with the reason in @why. Apart from its caller, for <pcap.h> and
 * <linux/bpf.h> both have a struct bpf_insn, and they differ.
 */
int filter_compile(const char *expression, struct sock_filter **out, size_t *nr,
		   char *why, size_t len);

#endif /* IOU_FILTER_H */
