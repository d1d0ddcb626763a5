/* SPDX-License-Identifier: GPL-2.0 */
/* What kfunc.bpf.c and kfunc.c share. */
#ifndef KFUNC_H
#define KFUNC_H

#define KFUNC_WINDOW (192u << 10) /* bytes of one slice */
#define KFUNC_PIECE 4096u /* what is inverted at a time */

struct kfunc_config {
	unsigned long long off;
	unsigned long long len;
	unsigned int at; /* in the window */
	unsigned int crc;
	int head; /* for bpf_xdp_adjust_head() */
	int tail;
};

struct kfunc_result {
	unsigned long long own; /* runs on packets of io_unified */
	unsigned long long other; /* and on those of a NIC */
	unsigned long long own_slices;
	unsigned long long other_slices;
	long long crc; /* last result */
	unsigned int slices; /* how many of the last run there were */
	unsigned char byte[4];
};

#endif /* KFUNC_H */
