/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from a profile that somebody wrote to a BPF program, by libseccomp. Runs in
 * hoy-oci's sandboxed parser and in the api role; pure but for the library. It must never let a
 * profile through that allows more than it says: what the library refuses is an error, but for
 * system calls that it does not know.
 */
#include "engine/run/seccomp_profile.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "engine/oci/runtime_config.h"
#include "engine/run/seccomp.h"
#include "lib/own.h"

enum { ARGS_MAX = 6, TREE_OPTIMIZE = 2, TREE_FROM = 32, ARCH_NAME_MAX = 32 };

static void release(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static uint32_t action_of(enum runtime_seccomp_action action, struct runtime_u64 code)
{
	uint32_t number = code.set ? (uint32_t)code.value : EPERM;

	switch (action) {
	case RUNTIME_SECCOMP_KILL:
	case RUNTIME_SECCOMP_KILL_THREAD:
		return SCMP_ACT_KILL_THREAD;
	case RUNTIME_SECCOMP_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case RUNTIME_SECCOMP_TRAP:
		return SCMP_ACT_TRAP;
	case RUNTIME_SECCOMP_ERRNO:
		return SCMP_ACT_ERRNO(number);
	case RUNTIME_SECCOMP_TRACE:
		return SCMP_ACT_TRACE(number);
	case RUNTIME_SECCOMP_ALLOW:
		return SCMP_ACT_ALLOW;
	case RUNTIME_SECCOMP_LOG:
		return SCMP_ACT_LOG;
	case RUNTIME_SECCOMP_NOTIFY:
		return SCMP_ACT_NOTIFY;
	case RUNTIME_SECCOMP_NONE:
		break;
	}
	return SCMP_ACT_KILL_PROCESS;
}

static struct scmp_arg_cmp compare_of(const struct runtime_seccomp_arg *arg)
{
	static const enum scmp_compare operators[] = {
		[RUNTIME_SECCOMP_CMP_NE] = SCMP_CMP_NE,
		[RUNTIME_SECCOMP_CMP_LT] = SCMP_CMP_LT,
		[RUNTIME_SECCOMP_CMP_LE] = SCMP_CMP_LE,
		[RUNTIME_SECCOMP_CMP_EQ] = SCMP_CMP_EQ,
		[RUNTIME_SECCOMP_CMP_GE] = SCMP_CMP_GE,
		[RUNTIME_SECCOMP_CMP_GT] = SCMP_CMP_GT,
		[RUNTIME_SECCOMP_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};

	return (struct scmp_arg_cmp){ .arg = arg->index,
				      .op = operators[arg->op],
				      .datum_a = arg->value,
				      .datum_b = arg->value_two };
}

/*
 * Conditions on different arguments have to hold together. Two on the same argument cannot stand in
 * one rule of the library: then each of them is a rule of its own, as in the other runtimes.
 */
static int add_call(scmp_filter_ctx ctx, uint32_t action, int call,
		    const struct runtime_seccomp_rule *rule)
{
	struct scmp_arg_cmp compare[ARGS_MAX];
	unsigned seen = 0;
	bool twice = false;
	int r = 0;

	for (size_t i = 0; i < rule->args.count; i++) {
		twice = twice || seen >> rule->args.items[i].index & 1;
		seen |= 1u << rule->args.items[i].index;
	}
	if (twice) {
		for (size_t i = 0; i < rule->args.count && r == 0; i++)
			r = seccomp_rule_add(ctx, action, call, 1,
					     compare_of(&rule->args.items[i]));
		return r;
	}
	for (size_t i = 0; i < rule->args.count; i++)
		compare[i] = compare_of(&rule->args.items[i]);
	return seccomp_rule_add_array(ctx, action, call, (unsigned)rule->args.count, compare);
}

/* `what` names the profile in messages. */
struct filling {
	scmp_filter_ctx ctx;
	const char *what;
	uint32_t otherwise;
};

static int add_rule(const struct filling *in, const struct runtime_seccomp_rule *rule, size_t index,
		    struct err *err)
{
	uint32_t action = action_of(rule->action, rule->errno_ret);

	if (rule->names.count == 0)
		return err_set(err, -EINVAL, "%s.syscalls[%zu].names: it is empty", in->what,
			       index);
	if (action == in->otherwise)
		return 0;
	for (size_t i = 0; i < rule->names.count; i++) {
		int call = seccomp_syscall_resolve_name(rule->names.items[i]);
		int r;

		/* Newer than the library, or of another machine: the default action holds. */
		if (call == __NR_SCMP_ERROR)
			continue;
		r = add_call(in->ctx, action, call, rule);
		if (r < 0 && r != -EEXIST)
			return err_sys(err, r, "%s.syscalls[%zu].names[%zu]: add %.60s", in->what,
				       index, i, rule->names.items[i]);
	}
	return 0;
}

/* "SCMP_ARCH_X86_64" -> "x86_64", the library's own name. */
uint32_t seccomp_profile_arch(const char *name)
{
	const char *tail = name + strlen("SCMP_ARCH_");
	char lower[ARCH_NAME_MAX];
	size_t n = 0;

	for (; tail[n] && n < sizeof(lower) - 1; n++)
		lower[n] = (char)(tail[n] >= 'A' && tail[n] <= 'Z' ? tail[n] | 0x20 : tail[n]);
	lower[n] = '\0';
	return seccomp_arch_resolve_name(lower);
}

const char *seccomp_profile_library(void)
{
	static char text[40];
	const struct scmp_version *version = seccomp_version();

	(void)snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor,
		       version->micro);
	return text;
}

static int add_arch(const struct filling *in, const char *name, struct err *err)
{
	uint32_t arch = seccomp_profile_arch(name);
	int r;

	if (arch == 0)
		return err_set(err, -ENOTSUP,
			       "%s.architectures: %s is unknown to the "
			       "seccomp library",
			       in->what, name);
	r = seccomp_arch_add(in->ctx, arch);
	return r < 0 && r != -EEXIST ? err_sys(err, r, "seccomp: add %s", name) : 0;
}

static int check_notify(const struct runtime_seccomp *profile, const char *what, bool *ret_listener,
			struct err *err)
{
	*ret_listener = false;
	if (profile->default_action == RUNTIME_SECCOMP_NOTIFY)
		return err_set(err, -EINVAL,
			       "%s.defaultAction: SCMP_ACT_NOTIFY cannot "
			       "be the default: the listener would never be handed over",
			       what);
	for (size_t i = 0; i < profile->rules.count; i++) {
		const struct runtime_seccomp_rule *rule = &profile->rules.items[i];

		if (rule->action != RUNTIME_SECCOMP_NOTIFY)
			continue;
		*ret_listener = true;
		for (size_t j = 0; j < rule->names.count; j++)
			if (strcmp(rule->names.items[j], "write") == 0)
				return err_set(
					err, -EINVAL,
					"%s.syscalls[%zu]: "
					"SCMP_ACT_NOTIFY cannot be used for the write syscall",
					what, i);
	}
	if (*ret_listener && (!profile->listener_path || !profile->listener_path[0]))
		return err_set(err, -EINVAL, "%s.listenerPath: SCMP_ACT_NOTIFY needs it", what);
	return 0;
}

/* A profile that refuses what it does not list says how for the calls of its own time only. */
static void put_prefix(const struct runtime_seccomp *profile, struct buf *out)
{
	int newest = 0;

	if (profile->default_action != RUNTIME_SECCOMP_ERRNO || profile->rules.count == 0 ||
	    (profile->default_errno.set && profile->default_errno.value == ENOSYS))
		return;
	for (size_t i = 0; i < profile->rules.count; i++)
		for (size_t j = 0; j < profile->rules.items[i].names.count; j++) {
			int call = seccomp_syscall_resolve_name(
				profile->rules.items[i].names.items[j]);

			newest = call > newest ? call : newest;
		}
	if (newest > 0)
		seccomp_put_prefix(out, (uint32_t)newest);
}

static int fill(const struct filling *in, const struct runtime_seccomp *profile, struct err *err)
{
	size_t calls = 0;
	int r = 0;

	for (size_t i = 0; runtime_seccomp_arches[i] && r == 0; i++)
		if (profile->arches >> i & 1)
			r = add_arch(in, runtime_seccomp_arches[i], err);
	for (size_t i = 0; i < profile->rules.count; i++)
		calls += profile->rules.items[i].names.count;
	/* With many calls a list would be walked with each call of the program. */
	if (r == 0 && calls > TREE_FROM)
		(void)seccomp_attr_set(in->ctx, SCMP_FLTATR_CTL_OPTIMIZE, TREE_OPTIMIZE);
	for (size_t i = 0; i < profile->rules.count && r == 0; i++)
		r = add_rule(in, &profile->rules.items[i], i, err);
	return r;
}

int seccomp_profile_compile(const struct runtime_seccomp *profile, const char *what,
			    struct buf *program, struct run_seccomp_filter *ret_filter,
			    struct err *err)
{
	static const uint32_t flags[] = { RUN_SECCOMP_FLAG_TSYNC, RUN_SECCOMP_FLAG_LOG,
					  RUN_SECCOMP_FLAG_SPEC_ALLOW,
					  RUN_SECCOMP_FLAG_WAIT_KILLABLE_RECV };
	uint32_t otherwise = action_of(profile->default_action, profile->default_errno);
	scmp_filter_ctx ctx OWN(release) = seccomp_init(otherwise);
	struct run_seccomp_filter filter = { 0 };
	int r;

	if (!ctx)
		return err_set(err, -ENOMEM, "seccomp: no memory for a filter");
	r = check_notify(profile, what, &filter.listener, err);
	if (r == 0)
		r = fill(&(struct filling){ ctx, what, otherwise }, profile, err);
	if (r < 0)
		return r;
	put_prefix(profile, program);
	r = seccomp_put_program(program, ctx, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		filter.flags |= profile->flags >> i & 1 ? flags[i] : 0;
	/* One thread only: TSYNC means nothing, and with a listener the kernel refuses it. */
	if (filter.listener)
		filter.flags &= ~(uint32_t)RUN_SECCOMP_FLAG_TSYNC;
	else
		filter.flags &= ~(uint32_t)RUN_SECCOMP_FLAG_WAIT_KILLABLE_RECV;
	filter.program = program->data;
	filter.size_bytes = program->len;
	*ret_filter = filter;
	return 0;
}
