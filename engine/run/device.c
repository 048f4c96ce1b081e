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
 * Registers: r1 = context, r2 = type, r3 = access bits, r4 = major, r5 = minor. The context is
 * struct bpf_cgroup_dev_ctx {u32 access << 16 | type, u32 major, u32 minor}.
 */
static void emit(struct buf *out, unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
	struct bpf_insn insn = { .code = (__u8)code,
				 .dst_reg = dst & 15,
				 .src_reg = src & 15,
				 .off = (__s16)off,
				 .imm = imm };

	buf_add(out, &insn, sizeof(insn));
}

static void emit_load_context(struct buf *out)
{
	emit(out, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0);
	emit(out, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(out, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(out, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	emit(out, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
	emit(out, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
}

static void emit_answer(struct buf *out, int answer)
{
	emit(out, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer);
	emit(out, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Each test jumps over the rest of its row when it does not match: `left` instructions follow. */
static void emit_rule(struct buf *out, const struct run_device_rule *rule)
{
	bool type = rule->type != RUN_DEVICE_TYPE_ANY;
	int tail = rule->access == RUN_ACCESS_ALL ? 2 : rule->deny ? 5 : 4;
	int left = type + (rule->major >= 0) + (rule->minor >= 0) + tail;

	if (type)
		emit(out, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, --left,
		     rule->type == RUN_DEVICE_TYPE_BLOCK ? BPF_DEVCG_DEV_BLOCK
							 : BPF_DEVCG_DEV_CHAR);
	if (rule->major >= 0)
		emit(out, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, --left, (int32_t)rule->major);
	if (rule->minor >= 0)
		emit(out, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, --left, (int32_t)rule->minor);
	if (rule->access != RUN_ACCESS_ALL && rule->deny) {
		/* Any forbidden access that is asked for ends it. */
		emit(out, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		emit(out, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, (int32_t)rule->access);
		emit(out, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 2, 0);
	} else if (rule->access != RUN_ACCESS_ALL) {
		/* What this row allows need not be asked for any more; an earlier one may do the
		 * rest. */
		emit(out, BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0,
		     (int32_t)(RUN_ACCESS_ALL & ~rule->access));
		emit(out, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_3, 0, 2, 0);
	}
	emit_answer(out, !rule->deny);
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
		/* The kernel refuses a program with instructions that nothing reaches. */
		all = fits_all(&rules[i]);
	}
	if (!all)
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
