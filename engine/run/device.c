/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the device program: allow rows in, BPF instructions out. Runs in engine main and in tests;
 * pure. Must never produce a program that allows what no row names.
 */
#include "engine/run/device.h"

#include <errno.h>
#include <linux/bpf.h>
#include "lib/own.h"

/*
 * The context is struct bpf_cgroup_dev_ctx {u32 access << 16 | type, u32 major, u32 minor}. There
 * is not one jump in the program: the kernel's verifier follows each way that a jump could take,
 * and with one for each number of each row this took longer than all mounts of a container.
 */
enum {
	REG_RESULT = BPF_REG_0, /* also what a row says: its bits, or 0 if it does not fit */
	REG_BOTH = BPF_REG_1,	/* major << 32 | minor; before it is that, the context */
	REG_TYPE = BPF_REG_2,
	REG_ASKED = BPF_REG_3, /* access that was asked for and that no row has decided yet */
	REG_MAJOR = BPF_REG_4,
	REG_MINOR = BPF_REG_5,
	REG_DENIED = BPF_REG_6,
	REG_APART = BPF_REG_7,	   /* not 0: the row does not fit */
	REG_NOT_CHAR = BPF_REG_8,  /* 0 for a character device */
	REG_NOT_BLOCK = BPF_REG_9, /* 0 for a block device */
	ASKED_AT_ALL = 8,	   /* a bit beside the three: even who asks for nothing asks */
	TOP_BIT = 63,
};

static void emit(struct buf *out, unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
	struct bpf_insn insn = { .code = (__u8)code,
				 .dst_reg = dst & 15,
				 .src_reg = src & 15,
				 .off = (__s16)off,
				 .imm = imm };

	buf_add(out, &insn, sizeof(insn));
}

static void emit_number(struct buf *out, unsigned operation, unsigned dst, int32_t number)
{
	emit(out, BPF_ALU64 | operation | BPF_K, dst, 0, 0, number);
}

static void emit_register(struct buf *out, unsigned operation, unsigned dst, unsigned src)
{
	emit(out, BPF_ALU64 | operation | BPF_X, dst, src, 0, 0);
}

static void emit_load_context(struct buf *out)
{
	emit(out, BPF_LDX | BPF_MEM | BPF_W, REG_TYPE, BPF_REG_1, 0, 0);
	emit(out, BPF_LDX | BPF_MEM | BPF_W, REG_MAJOR, BPF_REG_1, 4, 0);
	emit(out, BPF_LDX | BPF_MEM | BPF_W, REG_MINOR, BPF_REG_1, 8, 0);
	emit_register(out, BPF_MOV, REG_ASKED, REG_TYPE);
	emit_number(out, BPF_AND, REG_TYPE, 0xffff);
	emit_number(out, BPF_RSH, REG_ASKED, 16);
	emit_number(out, BPF_OR, REG_ASKED, ASKED_AT_ALL);
	emit_register(out, BPF_MOV, REG_BOTH, REG_MAJOR);
	emit_number(out, BPF_LSH, REG_BOTH, 32);
	emit_register(out, BPF_OR, REG_BOTH, REG_MINOR);
	emit_register(out, BPF_MOV, REG_NOT_CHAR, REG_TYPE);
	emit_number(out, BPF_XOR, REG_NOT_CHAR, BPF_DEVCG_DEV_CHAR);
	emit_register(out, BPF_MOV, REG_NOT_BLOCK, REG_TYPE);
	emit_number(out, BPF_XOR, REG_NOT_BLOCK, BPF_DEVCG_DEV_BLOCK);
	emit_number(out, BPF_MOV, REG_DENIED, 0);
}

/* REG_APART: the bits in which the device differs from the row's numbers and type. */
static void emit_difference(struct buf *out, const struct run_device_rule *rule)
{
	const unsigned type = rule->type == RUN_DEVICE_TYPE_BLOCK ? REG_NOT_BLOCK : REG_NOT_CHAR;

	if (rule->major >= 0 && rule->minor >= 0) { /* a number of 64 bits is two instructions */
		emit(out, BPF_LD | BPF_DW | BPF_IMM, REG_APART, 0, 0, (int32_t)rule->minor);
		emit(out, 0, 0, 0, 0, (int32_t)rule->major);
		emit_register(out, BPF_XOR, REG_APART, REG_BOTH);
	} else if (rule->major >= 0 || rule->minor >= 0) {
		emit_register(out, BPF_MOV, REG_APART, rule->major >= 0 ? REG_MAJOR : REG_MINOR);
		emit_number(out, BPF_XOR, REG_APART,
			    (int32_t)(rule->major >= 0 ? rule->major : rule->minor));
	} else {
		emit_number(out, BPF_MOV, REG_APART, 0);
	}
	if (rule->type != RUN_DEVICE_TYPE_ANY)
		emit_register(out, BPF_OR, REG_APART, type);
}

static void emit_rule(struct buf *out, const struct run_device_rule *rule)
{
	const bool all = rule->access == RUN_ACCESS_ALL;

	emit_difference(out, rule);
	/* The top bit of x | -x is set if x is not 0. As a mask of ones the verifier would try
	 * both. */
	emit_register(out, BPF_MOV, REG_RESULT, REG_APART);
	emit_number(out, BPF_NEG, REG_RESULT, 0);
	emit_register(out, BPF_OR, REG_RESULT, REG_APART);
	emit_number(out, BPF_RSH, REG_RESULT, TOP_BIT);
	emit_number(out, BPF_XOR, REG_RESULT, 1);
	emit_number(out, BPF_MUL, REG_RESULT,
		    (int32_t)rule->access | (all || !rule->deny ? ASKED_AT_ALL : 0));
	if (rule->deny) {
		/* Any forbidden access that is asked for ends it. */
		emit_register(out, BPF_AND, REG_RESULT, REG_ASKED);
		emit_register(out, BPF_OR, REG_DENIED, REG_RESULT);
	} else {
		/* What this row allows need not be asked for any more; an earlier one may do the
		 * rest. */
		emit_number(out, BPF_XOR, REG_RESULT, -1);
		emit_register(out, BPF_AND, REG_ASKED, REG_RESULT);
	}
}

/* 1 when nothing was denied, and nothing is left that was asked for, or the rest is allowed. */
static void emit_answer(struct buf *out, bool rest)
{
	emit_register(out, BPF_MOV, REG_RESULT, REG_DENIED);
	if (!rest)
		emit_register(out, BPF_OR, REG_RESULT, REG_ASKED);
	emit_number(out, BPF_SUB, REG_RESULT, 1);
	emit_number(out, BPF_RSH, REG_RESULT, TOP_BIT);
	emit(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static bool fits_all(const struct run_device_rule *rule)
{
	return rule->type == RUN_DEVICE_TYPE_ANY && rule->access == RUN_ACCESS_ALL &&
	       rule->major < 0 && rule->minor < 0;
}

int device_program(const struct run_device_rule *rules, size_t count, bool rest, struct buf *out,
		   struct err *err)
{
	_Static_assert((int)RUN_ACCESS_MKNOD == (int)BPF_DEVCG_ACC_MKNOD &&
			       (int)RUN_ACCESS_READ == (int)BPF_DEVCG_ACC_READ &&
			       (int)RUN_ACCESS_WRITE == (int)BPF_DEVCG_ACC_WRITE,
		       "access bits are the kernel's");
	bool all = false;

	emit_load_context(out);
	/* The last row that fits decides, so it is asked first. */
	for (size_t i = count; i-- > 0 && !all;) {
		if (rules[i].major > INT32_MAX || rules[i].minor > INT32_MAX ||
		    (rules[i].access & ~(uint32_t)RUN_ACCESS_ALL) || rules[i].access == 0)
			return err_set(err, -EINVAL,
				       "device rule %zu: number or access out of range", i);
		emit_rule(out, &rules[i]);
		all = fits_all(&rules[i]); /* nothing is left for those before it */
	}
	emit_answer(out, rest);
	if (buf_error(out))
		return err_set(err, buf_error(out), "device rules: too many (%zu)", count);
	return 0;
}

size_t device_default_rules(const struct run_device_rule **ret_rules)
{
	static const struct run_device_rule rules[] = {
		{ RUN_DEVICE_TYPE_ANY, -1, -1, RUN_ACCESS_MKNOD, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 3, RUN_ACCESS_ALL, false },	  /* null */
		{ RUN_DEVICE_TYPE_CHAR, 1, 5, RUN_ACCESS_ALL, false },	  /* zero */
		{ RUN_DEVICE_TYPE_CHAR, 1, 7, RUN_ACCESS_ALL, false },	  /* full */
		{ RUN_DEVICE_TYPE_CHAR, 1, 8, RUN_ACCESS_ALL, false },	  /* random */
		{ RUN_DEVICE_TYPE_CHAR, 1, 9, RUN_ACCESS_ALL, false },	  /* urandom */
		{ RUN_DEVICE_TYPE_CHAR, 5, 0, RUN_ACCESS_ALL, false },	  /* tty */
		{ RUN_DEVICE_TYPE_CHAR, 5, 1, RUN_ACCESS_ALL, false },	  /* console */
		{ RUN_DEVICE_TYPE_CHAR, 5, 2, RUN_ACCESS_ALL, false },	  /* ptmx */
		{ RUN_DEVICE_TYPE_CHAR, 136, -1, RUN_ACCESS_ALL, false }, /* pts/N */
	};

	*ret_rules = rules;
	return ARRAY_LEN(rules);
}
