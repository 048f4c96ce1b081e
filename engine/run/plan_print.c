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

static void print_flags(struct buf *out, uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ RUN_MOUNT_FLAG_READONLY, "ro" },	   { RUN_MOUNT_FLAG_NOSUID, "nosuid" },
		{ RUN_MOUNT_FLAG_NODEV, "nodev" },	   { RUN_MOUNT_FLAG_NOEXEC, "noexec" },
		{ RUN_MOUNT_FLAG_RECURSIVE, "recursive" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit)
			buf_printf(out, " %s", names[i].name);
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
	print_flags(out, op->flags);
	if (op->mode)
		buf_printf(out, " mode=%o", op->mode);
	if (op->kind == PLAN_OP_NODE)
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

static void print_process(struct buf *out, const struct plan *plan)
{
	struct plan_list groups = plan->groups, rlimits = plan->rlimits;
	struct run_rlimit limit;
	uint32_t group;

	buf_printf(out, "kind %s%s%s%s%s\n",
		   plan->kind == PLAN_KIND_CONTAINER ? "container" : "exec",
		   plan->flags & PLAN_FLAG_TTY ? " tty" : "",
		   plan->flags & PLAN_FLAG_STDIN ? " stdin" : "",
		   plan->flags & PLAN_FLAG_NO_NEW_PRIVS ? " no_new_privs" : "",
		   plan->flags & PLAN_FLAG_PRIVILEGED ? " privileged" : "");
	buf_printf(out, "user %u:%u", plan->uid, plan->gid);
	while (plan_next_u32(&groups, &group))
		buf_printf(out, " %u", group);
	buf_printf(out, "\ncaps 0x%llx\noom_score_adj %d\ntty %ux%u\n",
		   (unsigned long long)plan->caps, plan->oom_score_adj, plan->rows, plan->columns);
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

int plan_print(const struct plan *plan, struct buf *out)
{
	static const char *const ns_names[PLAN_NS_COUNT] = { "pid", "ipc",    "uts",
							     "net", "cgroup", "time" };
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
	buf_printf(out, "\ndevice program %zu instructions\n", plan->devices.len / 8);
	while (plan_next_op(&ops, &op))
		print_op(out, &op);
	return buf_error(out);
}
