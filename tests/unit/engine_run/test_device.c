/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/bpf.h>
#include "engine/run/device.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

/* What the kernel would answer: the few instructions that device.c uses. -1 = a bad program. */
static int answer(const struct buf *program, int type, uint32_t access, uint32_t major,
		  uint32_t minor)
{
	const struct bpf_insn *insn = (const void *)program->data;
	const size_t count = program->len / sizeof(*insn);
	const uint32_t context[3] = { access << 16 | (uint32_t)type, major, minor };
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insn[pc];
		const bool from = BPF_CLASS(i->code) == BPF_ALU64 && i->code & BPF_X;
		uint64_t *dst = &reg[i->dst_reg];
		const uint64_t value = from ? reg[i->src_reg] : (uint64_t)(int64_t)i->imm;

		switch (i->code & ~(from ? BPF_X : 0)) {
		case BPF_LDX | BPF_MEM | BPF_W:
			*dst = context[i->off / 4];
			break;
		case BPF_LD | BPF_DW | BPF_IMM:
			*dst = (uint64_t)(uint32_t)insn[pc + 1].imm << 32 | (uint32_t)i->imm;
			pc++;
			break;
		case BPF_ALU64 | BPF_MOV:
			*dst = value;
			break;
		case BPF_ALU64 | BPF_AND:
			*dst &= value;
			break;
		case BPF_ALU64 | BPF_OR:
			*dst |= value;
			break;
		case BPF_ALU64 | BPF_XOR:
			*dst ^= value;
			break;
		case BPF_ALU64 | BPF_SUB:
			*dst -= value;
			break;
		case BPF_ALU64 | BPF_NEG:
			*dst = 0 - *dst;
			break;
		case BPF_ALU64 | BPF_LSH:
			*dst <<= value;
			break;
		case BPF_ALU64 | BPF_RSH:
			*dst >>= value;
			break;
		case BPF_ALU64 | BPF_MUL:
			*dst *= value;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return -1;
		}
	}
	return -1;
}

/* What the rows say, computed plainly, one kind of access after the other. */
static int expected(const struct run_device_rule *rules, size_t count, bool rest, int type,
		    uint32_t access, uint32_t major, uint32_t minor)
{
	for (uint32_t bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = rest;

		for (size_t i = 0; i < count; i++) {
			const struct run_device_rule *rule = &rules[i];

			if ((rule->type == RUN_DEVICE_TYPE_ANY || (int)rule->type == type) &&
			    rule->access & bit &&
			    (rule->major < 0 || rule->major == (int64_t)major) &&
			    (rule->minor < 0 || rule->minor == (int64_t)minor))
				allowed = !rule->deny;
		}
		if (access & bit && !allowed)
			return 0;
	}
	return 1;
}

static void compare(const struct run_device_rule *rules, size_t count, bool rest, const char *what)
{
	static const uint32_t numbers[] = { 0,	1,  2,	3,  5,	 7,   8,   9,	   10,
					    11, 63, 64, 67, 136, 229, 254, 1048575 };
	struct buf program OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int wrong = 0, asked = 0;

	buf_init(&program, 1 << 20);
	is_int(device_program(rules, count, rest, &program, &err), 0, "%s: program %s", what,
	       err.text);
	note("%s: %zu instructions", what, program.len / 8);
	for (int type = BPF_DEVCG_DEV_BLOCK; type <= BPF_DEVCG_DEV_CHAR; type++)
		for (uint32_t access = 1; access <= 7; access++)
			for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
				for (size_t j = 0; j < ARRAY_LEN(numbers); j++, asked++)
					wrong += answer(&program, type, access, numbers[i],
							numbers[j]) !=
						 expected(rules, count, rest, type, access,
							  numbers[i], numbers[j]);
	is_int(wrong, 0, "%s: %d questions", what, asked);
}

static void test_default_golden(void)
{
	const struct run_device_rule *rules;
	size_t count = device_default_rules(&rules);
	struct buf program OWN(buf_done) = { 0 };

	compare(rules, count, false, "standard rows");
	buf_init(&program, 1 << 16);
	(void)device_program(rules, count, false, &program, NULL);
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 6, 1, 3), 1, "null is open");
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 2, 1, 1), 0, "mem is not");
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 2, 1, 11), 0, "kmsg is not");
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 2, 10, 229), 0, "fuse is not");
	is_int(answer(&program, BPF_DEVCG_DEV_BLOCK, 2, 254, 0), 0, "a disk is not");
	is_int(answer(&program, BPF_DEVCG_DEV_BLOCK, 1, 254, 0), 1, "its node may be made");
	is_int(answer(&program, BPF_DEVCG_DEV_BLOCK, 3, 254, 0), 0, "but not opened with it");
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 6, 136, 9), 1, "pts/9 is open");
	is_int(answer(&program, BPF_DEVCG_DEV_CHAR, 0, 1, 3), 1, "who wants nothing of null may");
	/* 15 to load the context, 18 for the five of major 1 and the three of 5, 8 for pts, 6 for
	 * mknod of all, 5 for the answer. */
	is_int((int)(program.len / 8), 70, "its length");
}

int main(void)
{
	static const struct run_device_rule mixed[] = {
		{ RUN_DEVICE_TYPE_BLOCK, 8, -1, RUN_ACCESS_READ, false },
		{ RUN_DEVICE_TYPE_CHAR, -1, 3, RUN_ACCESS_READ | RUN_ACCESS_WRITE, false },
		{ RUN_DEVICE_TYPE_ANY, 10, 229, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_BLOCK, 254, 1048575, RUN_ACCESS_WRITE, false },
	};
	static const struct run_device_rule ordered[] = {
		{ RUN_DEVICE_TYPE_CHAR, 9, -1, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_ANY, -1, -1, RUN_ACCESS_ALL, true },
		{ RUN_DEVICE_TYPE_CHAR, -1, -1, RUN_ACCESS_MKNOD, false },
		{ RUN_DEVICE_TYPE_CHAR, 10, -1, RUN_ACCESS_READ | RUN_ACCESS_WRITE, false },
		{ RUN_DEVICE_TYPE_CHAR, 10, 229, RUN_ACCESS_WRITE, true },
		{ RUN_DEVICE_TYPE_BLOCK, 8, 1, RUN_ACCESS_READ, false },
		{ RUN_DEVICE_TYPE_BLOCK, 8, 1, RUN_ACCESS_WRITE, false },
		{ RUN_DEVICE_TYPE_BLOCK, 254, -1, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_BLOCK, 254, 3, RUN_ACCESS_ALL, true },
	};
	/* What says the same of several minors becomes one, but not over a row that says more. */
	static const struct run_device_rule joined[] = {
		{ RUN_DEVICE_TYPE_CHAR, 1, 3, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 0, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 63, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 64, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 7, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_CHAR, 1, 3, RUN_ACCESS_WRITE, true },
		{ RUN_DEVICE_TYPE_CHAR, 1, 8, RUN_ACCESS_WRITE, true },
		{ RUN_DEVICE_TYPE_CHAR, 2, 8, RUN_ACCESS_WRITE, true },
		{ RUN_DEVICE_TYPE_CHAR, 2, 9, RUN_ACCESS_WRITE, false },
		{ RUN_DEVICE_TYPE_ANY, 10, 9, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_ANY, 10, 11, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_ANY, 10, -1, RUN_ACCESS_READ, false },
	};
	static const struct run_device_rule all = { RUN_DEVICE_TYPE_ANY, -1, -1, RUN_ACCESS_ALL,
						    false };
	static const struct run_device_rule bad[] = {
		{ RUN_DEVICE_TYPE_ANY, 1LL << 33, 0, RUN_ACCESS_ALL, false },
		{ RUN_DEVICE_TYPE_ANY, 1, 1, 8, false },
		{ RUN_DEVICE_TYPE_ANY, 1, 1, 0, false },
	};
	struct buf program OWN(buf_done) = { 0 };
	struct err err = { 0 };

	test_default_golden();
	compare(mixed, ARRAY_LEN(mixed), false, "mixed rows");
	compare(ordered, ARRAY_LEN(ordered), false, "rows that deny and allow in turns");
	compare(ordered, ARRAY_LEN(ordered), true, "the same, and the rest is allowed");
	compare(joined, ARRAY_LEN(joined), false, "rows of one major");
	compare(joined, ARRAY_LEN(joined), true, "the same, and the rest is allowed");
	compare(&all, 1, false, "all");
	compare(NULL, 0, false, "no row");
	compare(NULL, 0, true, "no row, the rest is allowed");
	buf_init(&program, 1 << 16);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(device_program(&bad[i], 1, false, &program, &err), -EINVAL, "bad row %zu",
		       i);
	return tap_done();
}
