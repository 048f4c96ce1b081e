/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the process section of config.json, or the file of an exec, means to engine/run. Runs
 * in hoy-oci's sandboxed parser; pure. It must never give a capability that no list names.
 */
#include "engine/bundle/convert.h"

#include <errno.h>
#include <string.h>
#include "engine/run/seccomp_profile.h"
#include "lib/own.h"
#include "lib/str.h"

enum { UMASK_DEFAULT = 022, SECCOMP_PROGRAM_MAX = 4096 * 8, MEMORY_FLAGS_SHIFT = 13 };

/* A name that this kernel does not know is passed over with a warning, as config.md asks for. */
static uint64_t caps_of(struct convert *c, const char *set, const struct runtime_texts *names)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < names->count; i++) {
		uint64_t bit = 0;
		char shown[64];

		if (strncmp(names->items[i], "CAP_", 4) == 0 &&
		    run_caps_parse(names->items[i], &bit, NULL) == 0) {
			bits |= bit;
			continue;
		}
		str_escape(str_from(names->items[i]), shown, sizeof(shown));
		convert_warn(c, "process.capabilities.%s[%zu]: unknown capability %s left out", set,
			     i, shown);
	}
	return bits;
}

static int convert_caps(struct convert *c, const struct runtime_caps *given,
			struct run_process *ret)
{
	struct run_caps *sets = arena_alloc(c->arena, sizeof(*sets));

	if (!sets)
		return convert_no_memory(c);
	*sets = (struct run_caps){
		.bounding = caps_of(c, "bounding", &given->bounding),
		.permitted = caps_of(c, "permitted", &given->permitted),
		.effective = caps_of(c, "effective", &given->effective),
		.inheritable = caps_of(c, "inheritable", &given->inheritable),
		.ambient = caps_of(c, "ambient", &given->ambient),
	};
	for (unsigned cap = 0; run_cap_name(cap); cap++)
		if (sets->ambient >> cap & 1 & ~(sets->permitted & sets->inheritable) >> cap)
			convert_warn(c,
				     "process.capabilities.ambient: can't raise ambient capability "
				     "%s: it is not both permitted and inheritable",
				     run_cap_name(cap));
	ret->cap_sets = sets;
	return 0;
}

static int convert_rlimits(struct convert *c, const struct runtime_process *process,
			   struct run_process *ret)
{
	size_t count = process->rlimits.count;
	struct run_rlimit *list = arena_array(c->arena, count + 1, sizeof(*list));

	if (!list)
		return convert_no_memory(c);
	for (size_t i = 0; i < count; i++)
		list[i] = (struct run_rlimit){ .resource = (int)process->rlimits.items[i].type - 1,
					       .soft = process->rlimits.items[i].soft,
					       .hard = process->rlimits.items[i].hard };
	ret->rlimits = list;
	ret->rlimit_count = count;
	return 0;
}

static int convert_priorities(struct convert *c, const struct runtime_process *process,
			      struct run_process *ret)
{
	const struct runtime_scheduler *given = &process->scheduler;

	if (given->policy != RUNTIME_POLICY_NONE) {
		struct run_scheduler *sched = arena_alloc(c->arena, sizeof(*sched));

		if (!sched)
			return convert_no_memory(c);
		*sched = (struct run_scheduler){ .policy = (uint32_t)given->policy - 1,
						 .nice = given->nice,
						 .priority = (uint32_t)given->priority,
						 .flags = given->flags,
						 .runtime_ns = given->runtime,
						 .deadline_ns = given->deadline,
						 .period_ns = given->period };
		ret->scheduler = sched;
	}
	if (process->io_priority.set) {
		struct run_ioprio *ioprio = arena_alloc(c->arena, sizeof(*ioprio));

		if (!ioprio)
			return convert_no_memory(c);
		*ioprio = (struct run_ioprio){ .class = (uint8_t)process->io_priority.class,
					       .level = (uint8_t)process->io_priority.priority };
		ret->ioprio = ioprio;
	}
	return 0;
}

static const char *some(const char *text)
{
	return text && text[0] ? text : NULL;
}

/* It stands in linux, but each process has one: also that of an exec. */
static int convert_memory_policy(struct convert *c, struct run_process *ret)
{
	const struct runtime_linux *lin = &c->config->linux_;
	struct run_memory_policy *policy;

	if (!lin->memory_policy.set)
		return 0;
	policy = arena_alloc(c->arena, sizeof(*policy));
	if (!policy)
		return convert_no_memory(c);
	*policy = (struct run_memory_policy){
		.mode = (uint32_t)(lin->memory_policy.mode - 1) |
			(uint32_t)(lin->memory_policy.flags << MEMORY_FLAGS_SHIFT),
		.nodes = some(lin->memory_policy.nodes),
	};
	ret->memory_policy = policy;
	return 0;
}

/* `create` makes the container, `start` says that there is nothing to execute (runtime.md). */
static int convert_no_process(struct run_process *ret)
{
	static const char *const nothing[] = { "-", NULL };

	*ret = (struct run_process){ .argv = nothing,
				     .cwd = "/",
				     .umask = UMASK_DEFAULT,
				     .seccomp = RUN_SECCOMP_UNCONFINED,
				     .stdin_open = true,
				     .oom_score_inherit = true,
				     .no_program = true };
	return 0;
}

static int convert_filter(struct convert *c, struct run_process *ret)
{
	const struct runtime_seccomp *profile = &c->config->linux_.seccomp;
	struct run_seccomp_filter *filter;
	struct buf program OWN(buf_done) = { 0 };
	int r;

	ret->seccomp = RUN_SECCOMP_UNCONFINED;
	if (!profile->set)
		return 0;
	filter = arena_alloc(c->arena, sizeof(*filter));
	if (!filter)
		return convert_no_memory(c);
	buf_init(&program, SECCOMP_PROGRAM_MAX);
	r = seccomp_profile_compile(profile, "config.json: linux.seccomp", &program, filter,
				    c->err);
	if (r < 0)
		return r;
	filter->program = arena_text(c->arena, buf_str(&program));
	if (!filter->program)
		return convert_no_memory(c);
	ret->seccomp = RUN_SECCOMP_GIVEN;
	ret->seccomp_filter = filter;
	return 0;
}

int convert_process(struct convert *c, const struct runtime_process *process,
		    struct run_process *ret)
{
	int r = convert_caps(c, &process->caps, ret);

	if (!process->set && c->may_miss_process)
		return convert_no_process(ret);
	if (!process->set)
		return err_set(c->err, -EINVAL, "config.json: process: missing");
	ret->argv = process->args.items;
	ret->env = process->env.items;
	ret->cwd = convert_path(c, "", process->cwd);
	if (!ret->cwd)
		return convert_no_memory(c);
	ret->uid = process->uid;
	ret->gid = process->gid;
	ret->groups = process->groups.items;
	ret->group_count = process->groups.count;
	ret->umask = process->umask.set ? (uint32_t)process->umask.value : UMASK_DEFAULT;
	ret->no_new_privs = process->no_new_privs;
	ret->tty = process->terminal;
	ret->stdin_open = true; /* what the caller of hoy-oci gives is handed on */
	ret->rows = (uint16_t)process->rows;
	ret->columns = (uint16_t)process->columns;
	ret->oom_score_inherit = !process->oom_score_adj.set;
	ret->oom_score_adj = (int)process->oom_score_adj.value;
	ret->cpus_first = some(process->affinity_initial);
	ret->cpus = some(process->affinity_final);
	ret->apparmor_profile = some(process->apparmor);
	ret->selinux_label = some(process->selinux);
	if (r == 0)
		r = convert_rlimits(c, process, ret);
	if (r == 0)
		r = convert_priorities(c, process, ret);
	if (r == 0)
		r = convert_memory_policy(c, ret);
	return r < 0 ? r : convert_filter(c, ret);
}
