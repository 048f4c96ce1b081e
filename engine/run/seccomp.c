/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from the profile's table to a BPF program. Runs in engine main, through libseccomp;
 * the shim only loads the result. Must never make a filter that allows by default.
 */
#include "engine/run/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include "engine/run/seccomp_default.h"
#include "lib/own.h"

enum {
	SYSCALL_NAME_MAX = 48,
	TREE_OPTIMIZE = 2,
	SECCOMP_KEPT = 4,
	SECCOMP_PROGRAM_MAX = 256 << 10,
};

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static bool has_cap(uint64_t caps, int cap)
{
	return caps >> cap & 1;
}

/* The profile's conditions look at the machine's own architecture, not at the sub-architectures. */
static bool applies(const struct seccomp_rule *rule, uint64_t caps, uint32_t arch)
{
	if (rule->arches && !(rule->arches & arch))
		return false;
	if (rule->with_cap >= 0 && !has_cap(caps, rule->with_cap))
		return false;
	return rule->without_cap < 0 || !has_cap(caps, rule->without_cap);
}

static int add_call(scmp_filter_ctx ctx, const struct seccomp_rule *rule, int call)
{
	static const enum scmp_compare compares[] = {
		[SECCOMP_COMPARE_LESS] = SCMP_CMP_LT,
		[SECCOMP_COMPARE_EQUAL] = SCMP_CMP_EQ,
		[SECCOMP_COMPARE_GREATER] = SCMP_CMP_GT,
		[SECCOMP_COMPARE_MASKED] = SCMP_CMP_MASKED_EQ,
	};
	uint32_t action = rule->deny_errno ? SCMP_ACT_ERRNO(rule->deny_errno) : SCMP_ACT_ALLOW;
	struct scmp_arg_cmp arg = { .arg = rule->argument,
				    .op = compares[rule->compare],
				    .datum_a = rule->value };

	if (rule->compare == SECCOMP_COMPARE_NONE)
		return seccomp_rule_add_array(ctx, action, call, 0, NULL);
	return seccomp_rule_add_array(ctx, action, call, 1, &arg);
}

/* A name that this libseccomp does not know stays unlisted: the call is refused. */
static int add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *rule, struct err *err)
{
	struct str rest = str_from(rule->names), part;
	char name[SYSCALL_NAME_MAX];
	int r, call;

	while (str_cut(&rest, ' ', &part)) {
		if (str_copy(part, name, sizeof(name)) < 0)
			return err_set(err, -EINVAL, "seccomp: name too long in the table");
		call = seccomp_syscall_resolve_name(name);
		if (call == __NR_SCMP_ERROR)
			continue;
		r = add_call(ctx, rule, call);
		/* EEXIST: allowed without a condition already. */
		if (r < 0 && r != -EEXIST)
			return err_sys(err, r, "seccomp: add %s", name);
	}
	return 0;
}

static int newest_call(uint32_t native)
{
	int newest = 0;

	for (size_t i = 0; i < seccomp_table_count; i++) {
		struct str rest = str_from(seccomp_table[i].names), part;
		char name[SYSCALL_NAME_MAX];

		while (str_cut(&rest, ' ', &part)) {
			int call;

			if (str_copy(part, name, sizeof(name)) < 0)
				continue;
			call = seccomp_syscall_resolve_name_arch(native, name);
			if (call > newest)
				newest = call;
		}
	}
	return newest;
}

static int add_arches(scmp_filter_ctx ctx, uint32_t native, uint32_t *ret_arch)
{
	int r = 0;

	if (native == SCMP_ARCH_X86_64) {
		*ret_arch = SECCOMP_ARCH_AMD64;
		r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
		if (r == 0)
			r = seccomp_arch_add(ctx, SCMP_ARCH_X32);
	} else if (native == SCMP_ARCH_AARCH64) {
		*ret_arch = SECCOMP_ARCH_ARM64;
		r = seccomp_arch_add(ctx, SCMP_ARCH_ARM);
	} else {
		*ret_arch = SECCOMP_ARCH_OTHER;
	}
	return r;
}

int seccomp_compile_fresh(uint64_t caps, struct buf *out, struct err *err)
{
	scmp_filter_ctx ctx OWN(release) = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	uint32_t native = seccomp_arch_native(), arch = 0;
	int r;

	if (!ctx)
		return err_set(err, -ENOMEM, "seccomp: no memory for a filter");
	r = add_arches(ctx, native, &arch);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree: the depth of 370 calls in a list would be paid with each call. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, TREE_OPTIMIZE);
	if (r < 0)
		return err_sys(err, r, "seccomp: prepare the filter");
	for (size_t i = 0; i < seccomp_table_count && r == 0; i++)
		if (applies(&seccomp_table[i], caps, arch))
			r = add_rule(ctx, &seccomp_table[i], err);
	if (r < 0)
		return r;
	seccomp_put_prefix(out, (uint32_t)newest_call(native));
	return seccomp_put_program(out, ctx, err);
}

/*
 * Nearly all containers have the default capabilities, whose program was made when Hoy was built.
 * For others compiling takes longer than all the rest of a start: the last few programs are kept.
 * Freed never: they live as long as engine main.
 */
static struct {
	bool set;
	uint64_t caps;
	struct buf program;
} kept[SECCOMP_KEPT];
static unsigned kept_next;

int seccomp_compile(uint64_t caps, struct buf *out, struct err *err)
{
	struct str built_in = seccomp_default_find(caps, seccomp_arch_native());
	unsigned slot = kept_next;
	int r;

	if (built_in.len > 0)
		return buf_add_str(out, built_in);
	for (unsigned i = 0; i < SECCOMP_KEPT; i++) {
		if (kept[i].set && kept[i].caps == caps)
			return buf_add_str(out, buf_str(&kept[i].program));
	}
	buf_done(&kept[slot].program);
	buf_init(&kept[slot].program, SECCOMP_PROGRAM_MAX);
	kept[slot].set = false;
	r = seccomp_compile_fresh(caps, &kept[slot].program, err);
	if (r < 0)
		return r;
	kept[slot].set = true;
	kept[slot].caps = caps;
	kept_next = (slot + 1) % SECCOMP_KEPT;
	return buf_add_str(out, buf_str(&kept[slot].program));
}
