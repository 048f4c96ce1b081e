/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's seccomp profile. Whatever is taken is a program that the kernel's bounds allow, and
 * one that does to a call that no rule can name what the profile says by default; what is refused
 * says why.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "engine/docker/create.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNKNOWN_CALL = 0x3ffffff, PROGRAM_MAX = 4096 };

static void require(bool good)
{
	if (!good)
		abort();
}

static bool jumps(const struct sock_filter *at, uint32_t value)
{
	switch (BPF_OP(at->code)) {
	case BPF_JEQ:
		return value == at->k;
	case BPF_JGT:
		return value > at->k;
	case BPF_JGE:
		return value >= at->k;
	case BPF_JSET:
		return value & at->k;
	default:
		abort();
	}
}

/* The few instructions that libseccomp writes; anything else, and a way out of it, is a crash. */
static uint32_t decide(const struct sock_filter *program, size_t count,
		       const struct seccomp_data *call)
{
	uint32_t value = 0;

	for (size_t i = 0; i < count; i++) {
		const struct sock_filter *at = &program[i];

		switch (BPF_CLASS(at->code)) {
		case BPF_LD:
			require(at->k % 4 == 0 && at->k < sizeof(*call));
			memcpy(&value, (const char *)call + at->k, sizeof(value));
			break;
		case BPF_ALU:
			require(BPF_OP(at->code) == BPF_AND);
			value &= at->k;
			break;
		case BPF_JMP:
			if (BPF_OP(at->code) == BPF_JA)
				i += at->k;
			else
				i += jumps(at, value) ? at->jt : at->jf;
			break;
		case BPF_RET:
			return at->k;
		default:
			abort();
		}
	}
	abort();
}

static void check_program(const struct def_host *host, bool allows)
{
	struct sock_filter program[PROGRAM_MAX];
	struct seccomp_data call = { .nr = UNKNOWN_CALL, .arch = seccomp_arch_native() };

	require(host->seccomp.len % sizeof(program[0]) == 0 &&
		host->seccomp.len / sizeof(program[0]) <= PROGRAM_MAX);
	memcpy(program, host->seccomp.ptr, host->seccomp.len);
	require((decide(program, host->seccomp.len / sizeof(program[0]), &call) ==
		 SECCOMP_RET_ALLOW) == allows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct arena arena OWN(arena_done) = { 0 };
	struct create create = { .arena = &arena };
	struct json_doc doc = { 0 };
	struct err err = { 0 };
	int r;

	if (size > 65536)
		return 0;
	arena_init(&arena, DOCKER_ARENA_MAX);
	def_host_init(&create.def.host);
	r = create_seccomp(&create, text, &err);
	require((r < 0) == (err.code != 0) && (r < 0) == !create.def.host.seccomp.len);
	if (r < 0) {
		require(*err.text);
		return 0;
	}
	require(json_parse(text, size, &doc, NULL) == 0);
	check_program(&create.def.host,
		      json_is(json_get(doc.root, "defaultAction"), "SCMP_ACT_ALLOW"));
	json_done(&doc);
	return 0;
}
