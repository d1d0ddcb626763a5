// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Classic BPF filters as XDP programs
 *
 * Every classic instruction becomes a few of eBPF, with the meaning that
 * libpcap's interpreter gives it. A and X are 32 bits wide: all arithmetic and
 * all comparisons use the 32-bit forms, which leave the upper half zero.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>

#include "internal.h"

#ifndef BPF_MOD
#define BPF_MOD 0x90
#endif

enum {
	A = BPF_REG_0,
	T1 = BPF_REG_1,
	T2 = BPF_REG_2,
	T3 = BPF_REG_3,
	LEN = BPF_REG_6,
	X = BPF_REG_7,
	DATA = BPF_REG_8,
	END = BPF_REG_9,
};

/* The verifier follows packet pointers this far. */
#define MAX_OFFSET 0xffffu
#define MAX_FILTER BPF_MAXINSNS

/* Where a jump goes: a classic instruction, or the common "return 0". */
#define TO_DROP MAX_FILTER

struct translation {
	const struct sock_filter *filter;
	size_t nr;
	struct bpf_insn *insns;
	size_t room;
	size_t at;
	uint32_t start[MAX_FILTER + 1]; /* of a classic instruction; [TO_DROP] */
	bool reached[MAX_FILTER + 1];
	bool second_pass;
	uint32_t mem_used;
	bool len_used;
	bool far;
	const char *why;
};

static int refuse(struct translation *t, int err, const char *why)
{
	t->why = why;
	return err;
}

static void emit(struct translation *t, uint8_t code, int dst, int src,
		 int16_t off, int32_t imm)
{
	if (t->insns && t->at < t->room) {
		struct bpf_insn *i = &t->insns[t->at];

		memset(i, 0, sizeof(*i));
		i->code = code;
		i->dst_reg = (unsigned int)dst & 0xf;
		i->src_reg = (unsigned int)src & 0xf;
		i->off = off;
		i->imm = imm;
	}
	t->at++;
}

static void emit_mov_imm(struct translation *t, int dst, uint32_t k)
{
	emit(t, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)k);
}

static void emit_mov(struct translation *t, int dst, int src)
{
	emit(t, BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void emit_mov64(struct translation *t, int dst, int src)
{
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void emit_add64_imm(struct translation *t, int dst, uint32_t k)
{
	emit(t, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, (int32_t)k);
}

/* Targets lie ahead: the first pass learns where, the second one jumps there. */
static void emit_jump(struct translation *t, uint8_t code, int dst, int src,
		      uint32_t k, size_t target)
{
	int64_t off = 0;

	t->reached[target] = true;
	if (t->second_pass)
		off = (int64_t)t->start[target] - (int64_t)t->at - 1;
	if (off > INT16_MAX)
		t->far = true;
	emit(t, code, dst, src, (int16_t)off, (int32_t)k);
}

static void emit_return(struct translation *t, int verdict)
{
	emit_mov_imm(t, BPF_REG_0, (uint32_t)verdict);
	emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int16_t mem_slot(uint32_t k)
{
	return (int16_t)(-4 * ((int)k + 1));
}

static void emit_prologue(struct translation *t)
{
	uint32_t k;

	emit(t, BPF_LDX | BPF_MEM | BPF_W, DATA, BPF_REG_1,
	     offsetof(struct xdp_md, data), 0);
	emit(t, BPF_LDX | BPF_MEM | BPF_W, END, BPF_REG_1,
	     offsetof(struct xdp_md, data_end), 0);
	if (t->len_used) {
		emit_mov64(t, LEN, END);
		emit(t, BPF_ALU64 | BPF_SUB | BPF_X, LEN, DATA, 0, 0);
	}
	emit_mov_imm(t, A, 0);
	emit_mov_imm(t, X, 0);
	for (k = 0; k < BPF_MEMWORDS; k++)
		if (t->mem_used & (1u << k))
			emit(t, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0,
			     mem_slot(k), 0);
}

static unsigned int load_size(uint16_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	default:
		return 4;
	}
}

/*
 * Leaves in T1 a pointer at offset @k, plus X where @indexed, after which
 * @size bytes may be read.
 */
static int emit_bounds(struct translation *t, uint32_t k, unsigned int size,
		       bool indexed)
{
	if (k >= (uint32_t)SKF_AD_OFF)
		return refuse(
			t, -EOPNOTSUPP,
			"it asks for what only Linux sockets know (ancillary data)");
	if (k >= (uint32_t)SKF_LL_OFF)
		return refuse(t, -EOPNOTSUPP,
			      "it uses offsets relative to a socket's headers");
	if (k + size > MAX_OFFSET)
		return refuse(t, -EOPNOTSUPP,
			      "it looks at packet offsets beyond 64 KiB");
	if (indexed) {
		emit_mov(t, T3, X);
		emit_jump(t, BPF_JMP | BPF_JGT | BPF_K, T3, 0,
			  MAX_OFFSET - k - size, TO_DROP);
		emit_add64_imm(t, T3, k);
		emit_mov64(t, T1, DATA);
		emit(t, BPF_ALU64 | BPF_ADD | BPF_X, T1, T3, 0, 0);
	} else {
		emit_mov64(t, T1, DATA);
		if (k)
			emit_add64_imm(t, T1, k);
	}
	emit_mov64(t, T2, T1);
	emit_add64_imm(t, T2, size);
	emit_jump(t, BPF_JMP | BPF_JGT | BPF_X, T2, END, 0, TO_DROP);
	return 0;
}

static int translate_load(struct translation *t, const struct sock_filter *f)
{
	int reg = BPF_CLASS(f->code) == BPF_LD ? A : X;
	unsigned int size = load_size(f->code);
	int err;

	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
	case BPF_LD | BPF_H | BPF_IND:
	case BPF_LD | BPF_B | BPF_IND:
		err = emit_bounds(t, f->k, size, BPF_MODE(f->code) == BPF_IND);
		if (err)
			return err;
		emit(t, BPF_LDX | BPF_MEM | BPF_SIZE(f->code), A, T1, 0, 0);
		if (size > 1)
			emit(t, BPF_ALU | BPF_END | BPF_TO_BE, A, 0, 0,
			     (int32_t)size * 8);
		return 0;
	case BPF_LDX | BPF_B | BPF_MSH:
		err = emit_bounds(t, f->k, 1, false);
		if (err)
			return err;
		emit(t, BPF_LDX | BPF_MEM | BPF_B, X, T1, 0, 0);
		emit(t, BPF_ALU | BPF_AND | BPF_K, X, 0, 0, 0xf);
		emit(t, BPF_ALU | BPF_LSH | BPF_K, X, 0, 0, 2);
		return 0;
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
		emit_mov_imm(t, reg, f->k);
		return 0;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
		t->len_used = true;
		emit_mov(t, reg, LEN);
		return 0;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
		if (f->k >= BPF_MEMWORDS)
			break;
		t->mem_used |= 1u << f->k;
		emit(t, BPF_LDX | BPF_MEM | BPF_W, reg, BPF_REG_10,
		     mem_slot(f->k), 0);
		return 0;
	}
	return refuse(t, -EINVAL, "it has an unknown load instruction");
}

static int translate_store(struct translation *t, const struct sock_filter *f)
{
	if ((f->code != BPF_ST && f->code != BPF_STX) || f->k >= BPF_MEMWORDS)
		return refuse(t, -EINVAL,
			      "it has an unknown store instruction");
	t->mem_used |= 1u << f->k;
	emit(t, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10,
	     f->code == BPF_ST ? A : X, mem_slot(f->k), 0);
	return 0;
}

static int translate_alu(struct translation *t, const struct sock_filter *f)
{
	bool by_x = BPF_SRC(f->code) == BPF_X;
	uint8_t op = (uint8_t)BPF_OP(f->code);
	uint8_t code = BPF_ALU | op | BPF_SRC(f->code);

	if (f->code & ~0xff)
		return refuse(t, -EINVAL,
			      "it has an unknown arithmetic instruction");
	switch (op) {
	case BPF_NEG:
		emit(t, BPF_ALU | BPF_NEG, A, 0, 0, 0);
		return 0;
	case BPF_DIV:
	case BPF_MOD:
		if (by_x)
			emit_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, X, 0, 0,
				  TO_DROP);
		else if (!f->k)
			return refuse(t, -EINVAL, "it divides by zero");
		break;
	case BPF_LSH:
	case BPF_RSH:
		/* all bits are gone; eBPF would take the count modulo 32 */
		if (!by_x && f->k > 31) {
			emit_mov_imm(t, A, 0);
			return 0;
		}
		if (by_x) {
			emit(t, BPF_JMP32 | BPF_JLE | BPF_K, X, 0, 2, 31);
			emit_mov_imm(t, A, 0);
			emit(t, BPF_JMP | BPF_JA, 0, 0, 1, 0);
		}
		break;
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		break;
	default:
		return refuse(t, -EINVAL,
			      "it has an unknown arithmetic instruction");
	}
	emit(t, code, A, by_x ? X : 0, 0, by_x ? 0 : (int32_t)f->k);
	return 0;
}

static int translate_jump(struct translation *t, const struct sock_filter *f,
			  size_t i)
{
	bool by_x = BPF_SRC(f->code) == BPF_X;
	uint8_t op = (uint8_t)BPF_OP(f->code);
	size_t yes = i + 1 + f->jt;
	size_t no = i + 1 + f->jf;

	if (f->code == (BPF_JMP | BPF_JA)) {
		if (f->k >= t->nr - i - 1)
			return refuse(t, -EINVAL, "it jumps past its end");
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, i + 1 + f->k);
		return 0;
	}
	if (f->code & ~0xff ||
	    (op != BPF_JEQ && op != BPF_JGT && op != BPF_JGE && op != BPF_JSET))
		return refuse(t, -EINVAL, "it has an unknown jump instruction");
	if (yes >= t->nr || no >= t->nr)
		return refuse(t, -EINVAL, "it jumps past its end");
	/* without a choice: the verifier calls what a constant skips dead */
	if (yes != no)
		emit_jump(t, BPF_JMP32 | op | BPF_SRC(f->code), A, by_x ? X : 0,
			  by_x ? 0 : f->k, yes);
	t->reached[no] = true;
	if (no != i + 1)
		emit_jump(t, BPF_JMP | BPF_JA, 0, 0, 0, no);
	return 0;
}

static int translate_one(struct translation *t, const struct sock_filter *f,
			 size_t i)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
	case BPF_LDX:
		return translate_load(t, f);
	case BPF_ST:
	case BPF_STX:
		return translate_store(t, f);
	case BPF_ALU:
		return translate_alu(t, f);
	case BPF_JMP:
		return translate_jump(t, f, i);
	case BPF_RET:
		if (f->code == (BPF_RET | BPF_K)) {
			emit_return(t, f->k ? XDP_PASS : XDP_DROP);
			return 0;
		}
		if (f->code == (BPF_RET | BPF_A)) {
			emit_jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, A, 0, 0,
				  TO_DROP);
			emit_return(t, XDP_PASS);
			return 0;
		}
		break;
	case BPF_MISC:
		if (f->code == (BPF_MISC | BPF_TAX)) {
			emit_mov(t, X, A);
			return 0;
		}
		if (f->code == (BPF_MISC | BPF_TXA)) {
			emit_mov(t, A, X);
			return 0;
		}
		break;
	}
	return refuse(t, -EINVAL, "it has an unknown instruction");
}

/* Both passes emit the same; only jump offsets differ. */
static int pass(struct translation *t)
{
	size_t i;
	int err;

	memset(t->reached, 0, sizeof(t->reached));
	t->reached[0] = true;
	t->at = 0;
	emit_prologue(t);
	for (i = 0; i < t->nr; i++) {
		const struct sock_filter *f = &t->filter[i];

		t->start[i] = (uint32_t)t->at;
		/* the verifier refuses programs with dead code */
		if (!t->reached[i])
			continue;
		err = translate_one(t, f, i);
		if (err)
			return err;
		if (BPF_CLASS(f->code) != BPF_RET &&
		    BPF_CLASS(f->code) != BPF_JMP) {
			if (i + 1 == t->nr)
				return refuse(t, -EINVAL,
					      "it does not end with a return");
			t->reached[i + 1] = true;
		}
	}
	t->start[TO_DROP] = (uint32_t)t->at;
	if (t->reached[TO_DROP])
		emit_return(t, XDP_DROP);
	return 0;
}

int iou_xdp_from_cbpf(const struct sock_filter *filter, size_t nr_filter,
		      struct bpf_insn *insns, size_t *nr_insns,
		      const char **why)
{
	struct translation t = {
		.filter = filter,
		.nr = nr_filter,
	};
	int err = 0;
	int round;

	if (!nr_filter || nr_filter > MAX_FILTER)
		err = refuse(&t, -EINVAL, "it is empty or too long");
	/* one to learn what is used, one for positions, one that counts */
	for (round = 0; !err && round < 3; round++) {
		t.second_pass = round == 2;
		if (t.second_pass) {
			t.insns = insns;
			t.room = insns ? *nr_insns : 0;
		}
		err = pass(&t);
	}
	if (!err && t.far)
		err = refuse(&t, -E2BIG, "it is too large for BPF's jumps");
	if (!err && insns && t.at > t.room)
		err = refuse(&t, -ENOSPC, "there is no room for the program");
	*nr_insns = t.at;
	*why = t.why;
	return err;
}
