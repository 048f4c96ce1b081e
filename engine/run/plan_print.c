/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text form of a plan: golden tests compare it, support looks at it. Runs in engine main
 * and in tests. Must never be needed to start anything.
 */
#include "engine/run/plan.h"

#include "lib/own.h"

static const char *const op_names[PLAN_OP_KINDS] = {
	[PLAN_OP_PROC] = "proc",
	[PLAN_OP_SYSFS] = "sysfs",
	[PLAN_OP_CGROUP] = "cgroup",
	[PLAN_OP_DEV] = "dev",
	[PLAN_OP_PTS] = "pts",
	[PLAN_OP_SHM] = "shm",
	[PLAN_OP_MQUEUE] = "mqueue",
	[PLAN_OP_NODE] = "node",
	[PLAN_OP_LINK] = "link",
	[PLAN_OP_CONSOLE] = "console",
	[PLAN_OP_BIND] = "bind",
	[PLAN_OP_TMPFS] = "tmpfs",
	[PLAN_OP_SYSCTL] = "sysctl",
	[PLAN_OP_READONLY] = "readonly",
	[PLAN_OP_MASK] = "mask",
	[PLAN_OP_MASK_CPUS] = "mask-cpus",
	[PLAN_OP_ROOT_READONLY] = "root-readonly",
	[PLAN_OP_FILESYSTEM] = "filesystem",
	[PLAN_OP_NODE_BIND] = "node-bind",
	[PLAN_OP_NODE_MADE] = "node-made",
};

const char *plan_op_name(enum plan_op_kind kind)
{
	return kind > 0 && kind < PLAN_OP_KINDS ? op_names[kind] : "?";
}

static void print_text(struct buf *out, const char *label, const char *text)
{
	char shown[512];

	str_escape(str_from(text), shown, sizeof(shown));
	buf_printf(out, " %s=\"%s\"", label, shown);
}

static void print_flags(struct buf *out, const char *prefix, uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ RUN_MOUNT_FLAG_READONLY, "ro" },
		{ RUN_MOUNT_FLAG_NOSUID, "nosuid" },
		{ RUN_MOUNT_FLAG_NODEV, "nodev" },
		{ RUN_MOUNT_FLAG_NOEXEC, "noexec" },
		{ RUN_MOUNT_FLAG_RECURSIVE, "recursive" },
		{ RUN_MOUNT_FLAG_NOATIME, "noatime" },
		{ RUN_MOUNT_FLAG_RELATIME, "relatime" },
		{ RUN_MOUNT_FLAG_STRICTATIME, "strictatime" },
		{ RUN_MOUNT_FLAG_NODIRATIME, "nodiratime" },
		{ RUN_MOUNT_FLAG_NOSYMFOLLOW, "nosymfollow" },
		{ RUN_MOUNT_FLAG_COPY_UP, "copy-up" },
		{ RUN_MOUNT_FLAG_FOLLOW, "follow" },
		{ RUN_MOUNT_FLAG_NO_LINK, "no-link" },
		{ RUN_MOUNT_FLAG_OPTIONAL, "optional" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit)
			buf_printf(out, " %s%s", prefix, names[i].name);
}

static const char *const propagations[RUN_PROPAGATION_KINDS] = { "default", "private", "slave",
								 "shared", "unbindable" };

static void print_kinds(struct buf *out, const struct plan_op *op)
{
	static const char *const idmaps[RUN_IDMAP_KINDS] = { "none", "container", "listed",
							     "able" };

	if (op->type && op->type[0])
		print_text(out, "type", op->type);
	if (op->data && op->data[0])
		print_text(out, "data", op->data);
	if (op->propagation)
		buf_printf(out, " propagation=%s%s",
			   op->propagation & PLAN_PROPAGATION_BELOW ? "r" : "",
			   propagations[op->propagation & ~PLAN_PROPAGATION_BELOW]);
	if (op->idmap) {
		buf_printf(out, " idmap=%s%s", op->idmap & PLAN_IDMAP_BELOW ? "r" : "",
			   idmaps[op->idmap & ~PLAN_IDMAP_BELOW]);
		print_text(out, "uids", op->uid_map);
		print_text(out, "gids", op->gid_map);
	}
}

static void print_op(struct buf *out, const struct plan_op *op)
{
	buf_printf(out, "op %s", plan_op_name(op->kind));
	if (op->target[0])
		print_text(out, "target", op->target);
	if (op->source[0])
		print_text(out, "source", op->source);
	if (op->fd)
		buf_printf(out, " fd=%u", op->fd);
	print_flags(out, "", op->flags);
	print_flags(out, "-", op->clear);
	print_flags(out, "below:", op->set_below);
	print_flags(out, "below:-", op->clear_below);
	print_kinds(out, op);
	if (op->mode)
		buf_printf(out, " mode=%o", op->mode);
	if (op->kind == PLAN_OP_NODE || op->kind == PLAN_OP_NODE_BIND ||
	    op->kind == PLAN_OP_NODE_MADE)
		buf_printf(out, " %u:%u uid=%u gid=%u", op->major, op->minor, op->uid, op->gid);
	if (op->size)
		buf_printf(out, " size=%llu", (unsigned long long)op->size);
	buf_add_byte(out, '\n');
}

static void print_texts(struct buf *out, const char *label, struct plan_list list)
{
	const char *text;

	while ((text = plan_next_text(&list))) {
		buf_add_text(out, label);
		print_text(out, "value", text);
		buf_add_byte(out, '\n');
	}
}

static void print_caps(struct buf *out, const struct plan *plan)
{
	const struct run_caps *caps = &plan->caps;

	buf_printf(out, "\ncaps 0x%llx", (unsigned long long)caps->bounding);
	if (plan->flags & PLAN_FLAG_CAP_SETS)
		buf_printf(out,
			   " permitted 0x%llx effective 0x%llx inheritable 0x%llx "
			   "ambient 0x%llx",
			   (unsigned long long)caps->permitted, (unsigned long long)caps->effective,
			   (unsigned long long)caps->inheritable,
			   (unsigned long long)caps->ambient);
	buf_add_byte(out, '\n');
}

static void print_cpus(struct buf *out, const char *label, struct str mask)
{
	const char *before = label;

	for (size_t i = 0; i < mask.len * 8; i++) {
		if ((unsigned char)mask.ptr[i / 8] >> i % 8 & 1) {
			buf_printf(out, "%s%zu", before, i);
			before = ",";
		}
	}
	if (mask.len)
		buf_add_byte(out, '\n');
}

/* What most plans leave as it is. */
static void print_details(struct buf *out, const struct plan *plan)
{
	const struct run_scheduler *s = &plan->scheduler;

	buf_printf(out, "umask %03o\n", plan->umask);
	if (plan->owner != plan->uid)
		buf_printf(out, "owner %u\n", plan->owner);
	if (plan->preserve_fds)
		buf_printf(out, "preserve %u fds\n", plan->preserve_fds);
	if (plan->flags & PLAN_FLAG_PERSONALITY)
		buf_printf(out, "personality %#x\n", plan->personality);
	if (plan->ioprio.class)
		buf_printf(out, "ioprio %u:%u\n", plan->ioprio.class, plan->ioprio.level);
	if (plan->flags & PLAN_FLAG_SCHEDULER)
		buf_printf(out, "scheduler %u nice %d priority %u flags %#llx %llu/%llu/%llu\n",
			   s->policy, s->nice, s->priority, (unsigned long long)s->flags,
			   (unsigned long long)s->runtime_ns, (unsigned long long)s->deadline_ns,
			   (unsigned long long)s->period_ns);
	print_cpus(out, "cpus first ", plan->cpus_first);
	print_cpus(out, "cpus ", plan->cpus);
	if (plan->flags & PLAN_FLAG_MEMORY_POLICY)
		buf_printf(out, "memory policy %#x\n", plan->memory_mode);
	print_cpus(out, "memory nodes ", plan->memory_nodes);
}

static void print_process(struct buf *out, const struct plan *plan)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} flags[] = {
		{ PLAN_FLAG_TTY, "tty" },
		{ PLAN_FLAG_STDIN, "stdin" },
		{ PLAN_FLAG_NO_NEW_PRIVS, "no_new_privs" },
		{ PLAN_FLAG_PRIVILEGED, "privileged" },
		{ PLAN_FLAG_LISTED, "listed" },
		{ PLAN_FLAG_OOM_INHERIT, "oom-inherit" },
		{ PLAN_FLAG_USER_NS, "user-ns" },
		{ PLAN_FLAG_SCHEDULER, "scheduler" },
		{ PLAN_FLAG_PERSONALITY, "personality" },
		{ PLAN_FLAG_LISTENER, "listener" },
		{ PLAN_FLAG_INIT, "init" },
		{ PLAN_FLAG_NO_PIVOT, "no-pivot" },
		{ PLAN_FLAG_NO_KEYRING, "no-keyring" },
		{ PLAN_FLAG_TIME_OFFSETS, "time-offsets" },
		{ PLAN_FLAG_CAP_SETS, "cap-sets" },
		{ PLAN_FLAG_MEMORY_POLICY, "memory-policy" },
		{ PLAN_FLAG_NO_PROGRAM, "no-program" },
		{ PLAN_FLAG_PTS_INSIDE, "pts-inside" },
		{ PLAN_FLAG_HOST_MOUNTS, "host-mounts" },
	};
	struct plan_list groups = plan->groups, rlimits = plan->rlimits;
	struct run_rlimit limit;
	uint32_t group;

	buf_printf(out, "kind %s", plan->kind == PLAN_KIND_CONTAINER ? "container" : "exec");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (plan->flags & flags[i].bit)
			buf_printf(out, " %s", flags[i].name);
	buf_add_byte(out, '\n');
	buf_printf(out, "user %u:%u", plan->uid, plan->gid);
	while (plan_next_u32(&groups, &group))
		buf_printf(out, " %u", group);
	print_caps(out, plan);
	buf_printf(out, "oom_score_adj %d\ntty %ux%u\n", plan->oom_score_adj, plan->rows,
		   plan->columns);
	print_details(out, plan);
	while (plan_next_rlimit(&rlimits, &limit))
		buf_printf(out, "rlimit %d %llu %llu\n", limit.resource,
			   (unsigned long long)limit.soft, (unsigned long long)limit.hard);
	buf_add_text(out, "cwd");
	print_text(out, "value", plan->cwd);
	buf_add_byte(out, '\n');
	print_texts(out, "argv", plan->argv);
	print_texts(out, "env", plan->env);
	buf_printf(out, "seccomp %s\n", plan->seccomp.len ? "filter" : "none");
}

static void print_hooks(struct buf *out, const struct plan *plan)
{
	static const char *const points[RUN_HOOK_POINTS] = { "prestart",	 "create-runtime",
							     "create-container", "start-container",
							     "poststart",	 "poststop" };
	struct plan_list hooks = plan->hooks;
	struct plan_hook hook;

	while (plan_next_hook(&hooks, &hook)) {
		buf_printf(out, "hook %s timeout=%u", points[hook.point], hook.timeout_s);
		print_text(out, "path", hook.path);
		buf_add_byte(out, '\n');
		print_texts(out, "hook argv", hook.argv);
		print_texts(out, "hook env", hook.env);
	}
}

static void print_places(struct buf *out, const struct plan *plan)
{
	if (plan->uid_map[0]) {
		buf_add_text(out, "maps");
		print_text(out, "uids", plan->uid_map);
		print_text(out, "gids", plan->gid_map);
		buf_add_byte(out, '\n');
	}
	if (plan->flags & PLAN_FLAG_TIME_OFFSETS)
		buf_printf(out, "time monotonic=%lld.%09u boottime=%lld.%09u\n",
			   (long long)plan->monotonic.secs, plan->monotonic.nanosecs,
			   (long long)plan->boottime.secs, plan->boottime.nanosecs);
	if (plan->root_propagation)
		buf_printf(out, "root propagation %s%s\n",
			   plan->root_propagation & PLAN_PROPAGATION_BELOW ? "r" : "",
			   propagations[plan->root_propagation & ~PLAN_PROPAGATION_BELOW]);
}

int plan_print(const struct plan *plan, struct buf *out)
{
	static const char *const ns_names[PLAN_NS_COUNT] = { "pid",    "ipc",  "uts",  "net",
							     "cgroup", "time", "user", "mount" };
	static const char *const modes[] = { "new", "host", "fd" };
	struct plan_list ops = plan->ops;
	struct plan_op op;

	print_process(out, plan);
	if (plan->kind == PLAN_KIND_EXEC)
		return buf_error(out);
	buf_add_text(out, "names");
	print_text(out, "host", plan->hostname);
	print_text(out, "domain", plan->domainname);
	buf_add_text(out, "\nnamespaces");
	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		buf_printf(out, " %s=%s", ns_names[i], modes[plan->ns[i].mode]);
		if (plan->ns[i].mode == RUN_NS_MODE_FD)
			buf_printf(out, ":%d", plan->ns[i].fd);
	}
	buf_add_byte(out, '\n');
	print_places(out, plan);
	buf_printf(out, "device program %zu instructions\n", plan->devices.len / 8);
	while (plan_next_op(&ops, &op))
		print_op(out, &op);
	print_hooks(out, plan);
	return buf_error(out);
}
