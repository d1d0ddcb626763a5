/* SPDX-License-Identifier: GPL-2.0 */
/* What ops.bpf.c and the tests share. */
#ifndef OPS_H
#define OPS_H

/* Fields of the control block that the program "set" writes. */
#define SET_DEV_OFFSET (1u << 0)
#define SET_COOKIE (1u << 1)
#define SET_LEN (1u << 2)
#define SET_FLAGS (1u << 3)
#define SET_STORAGE (1u << 4)
#define SET_NET (1u << 5)
#define SET_REST (1u << 6) /* everything that is only handed in */

struct ops_config {
	unsigned int verdict;
	unsigned int set;
	unsigned long long dev_offset;
	unsigned long long cookie;
	unsigned int len;
	unsigned int flags;
	unsigned int storage;
	int delta; /* of adjust_head, adjust_tail, adjust_meta */
};

struct ops_result {
	unsigned long long runs;
	unsigned long long packet_len;
	long long adjusted; /* what the helper returned */
	unsigned char ctl[64]; /* as it was handed in */
};

#endif /* OPS_H */
