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
	REG_RESULT = BPF_REG_0,
	REG_BOTH = BPF_REG_1, /* major << 32 | minor; before it is that, the context */
	REG_TYPE = BPF_REG_2, /* free once the context is read */
	REG_SPARE = BPF_REG_2,
	REG_ASKED = BPF_REG_3, /* access that was asked for and that no row has decided yet */
	REG_MAJOR = BPF_REG_4,
	REG_MINOR = BPF_REG_5,
	REG_DENIED = BPF_REG_6,
	REG_APART = BPF_REG_7,	   /* not 0: the row does not fit; then its bits, or 0 */
	REG_NOT_CHAR = BPF_REG_8,  /* 0 for a character device */
	REG_NOT_BLOCK = BPF_REG_9, /* 0 for a block device */
	ASKED_AT_ALL = 8,	   /* a bit beside the three: even who asks for nothing asks */
	TOP_BIT = 63,
	MINORS = 64, /* one bit each */
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

static void emit_both_halves(struct buf *out, unsigned dst, uint64_t number)
{
	emit(out, BPF_LD | BPF_DW | BPF_IMM, dst, 0, 0, (int32_t)(uint32_t)number);
	emit(out, 0, 0, 0, 0, (int32_t)(uint32_t)(number >> 32));
}

/* REG_APART: the bits in which the device differs from the row's numbers and type. */
static void emit_difference(struct buf *out, const struct run_device_rule *rule)
{
	if (rule->major >= 0 && rule->minor >= 0) {
		emit_both_halves(out, REG_APART,
				 (uint64_t)rule->major << 32 | (uint32_t)rule->minor);
		emit_register(out, BPF_XOR, REG_APART, REG_BOTH);
	} else if (rule->major >= 0 || rule->minor >= 0) {
		emit_register(out, BPF_MOV, REG_APART, rule->major >= 0 ? REG_MAJOR : REG_MINOR);
		emit_number(out, BPF_XOR, REG_APART,
			    (int32_t)(rule->major >= 0 ? rule->major : rule->minor));
	} else {
		emit_number(out, BPF_MOV, REG_APART, 0);
	}
}

/* The same for rows that differ in nothing but their minor numbers. */
static void emit_differences(struct buf *out, int64_t major, uint64_t minors)
{
	emit_register(out, BPF_MOV, REG_SPARE, REG_MINOR);
	emit_number(out, BPF_AND, REG_SPARE, MINORS - 1);
	emit_both_halves(out, REG_APART, ~minors);
	emit_register(out, BPF_RSH, REG_APART, REG_SPARE);
	emit_number(out, BPF_AND, REG_APART, 1);
	emit_register(out, BPF_MOV, REG_SPARE, REG_MINOR);
	emit_number(out, BPF_RSH, REG_SPARE, 6);
	emit_register(out, BPF_OR, REG_APART, REG_SPARE);
	emit_register(out, BPF_MOV, REG_SPARE, REG_MAJOR);
	emit_number(out, BPF_XOR, REG_SPARE, (int32_t)major);
	emit_register(out, BPF_OR, REG_APART, REG_SPARE);
}

/* What the row, or several, makes of what was asked for. */
static void emit_decision(struct buf *out, const struct run_device_rule *rule)
{
	const bool all = rule->access == RUN_ACCESS_ALL;
	const unsigned type = rule->type == RUN_DEVICE_TYPE_BLOCK ? REG_NOT_BLOCK : REG_NOT_CHAR;

	if (rule->type != RUN_DEVICE_TYPE_ANY)
		emit_register(out, BPF_OR, REG_APART, type);
	/* Device numbers of the kernel have 32 bits, so x - 1 has the top bit only if x is 0. As a
	 * mask of ones the verifier would try both. */
	emit_number(out, BPF_SUB, REG_APART, 1);
	emit_number(out, BPF_RSH, REG_APART, TOP_BIT);
	emit_number(out, BPF_MUL, REG_APART,
		    (int32_t)rule->access | (all || !rule->deny ? ASKED_AT_ALL : 0));
	if (rule->deny) {
		/* Any forbidden access that is asked for ends it. */
		emit_register(out, BPF_AND, REG_APART, REG_ASKED);
		emit_register(out, BPF_OR, REG_DENIED, REG_APART);
	} else {
		/* What this row allows need not be asked for any more; an earlier one may do the
		 * rest. */
		emit_number(out, BPF_XOR, REG_APART, -1);
		emit_register(out, BPF_AND, REG_ASKED, REG_APART);
	}
}

static bool same_but_minor(const struct run_device_rule *a, const struct run_device_rule *b)
{
	return a->type == b->type && a->major == b->major && a->access == b->access &&
	       a->deny == b->deny && a->major >= 0 && b->minor >= 0 && b->minor < MINORS;
}

/* The last of `count` rows, and those before it that say the same of other minors: how many. */
static size_t emit_last(struct buf *out, const struct run_device_rule *rules, size_t count)
{
	const struct run_device_rule *last = &rules[count - 1];
	uint64_t minors = 0;
	size_t n = 0;

	while (n < count && same_but_minor(last, &rules[count - 1 - n]) && last->minor >= 0 &&
	       last->minor < MINORS)
		minors |= (uint64_t)1 << rules[count - 1 - n++].minor;
	if (n > 1)
		emit_differences(out, last->major, minors);
	else
		emit_difference(out, last);
	emit_decision(out, last);
	return n > 1 ? n : 1;
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
	size_t left = count;

	for (size_t i = 0; i < count; i++)
		if (rules[i].major > INT32_MAX || rules[i].minor > INT32_MAX ||
		    (rules[i].access & ~(uint32_t)RUN_ACCESS_ALL) || rules[i].access == 0)
			return err_set(err, -EINVAL,
				       "device rule %zu: number or access out of range", i);
	emit_load_context(out);
	/* The last row that fits decides, so it is asked first; behind one that fits all nothing is
	 * left for those before it. */
	while (left > 0) {
		const struct run_device_rule *last = &rules[left - 1];

		left -= emit_last(out, rules, left);
		if (fits_all(last))
			break;
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
