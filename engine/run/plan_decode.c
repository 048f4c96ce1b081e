/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading side of the plan (run/plan.h). Runs in the shim and in tests: a bounded cursor
 * over the mapped plan, no heap, no system call. Must never trust a count, a length or a kind: the
 * plan comes from engine main, and a mistake there shall stop at this door.
 */
#include "engine/run/plan.h"

#include <errno.h>
#include <string.h>
#include "engine/api/shim_msg.h"

static const char *get_text(struct wire *in, size_t max)
{
	struct str s = wire_blob(in, max);

	if (in->error)
		return "";
	if (s.len == 0 || memchr(s.ptr, 0, s.len) != s.ptr + s.len - 1) {
		in->error = -EBADMSG;
		return "";
	}
	return s.ptr;
}

static bool has_extras(enum plan_op_kind kind)
{
	return kind == PLAN_OP_BIND || kind == PLAN_OP_FILESYSTEM;
}

static void get_extras(struct wire *in, struct plan_op *op)
{
	op->clear = wire_u32(in);
	op->set_below = wire_u32(in);
	op->clear_below = wire_u32(in);
	op->propagation = wire_u8(in);
	op->idmap = wire_u8(in);
	op->tree = wire_u16(in);
	op->type = get_text(in, 64);
	op->data = get_text(in, PLAN_TEXT_MAX);
	op->uid_map = get_text(in, PLAN_MAP_MAX);
	op->gid_map = get_text(in, PLAN_MAP_MAX);
	if ((op->clear | op->set_below | op->clear_below) & ~(uint32_t)RUN_MOUNT_FLAG_ATTRIBUTES ||
	    (op->propagation & ~PLAN_PROPAGATION_BELOW) >= RUN_PROPAGATION_KINDS ||
	    (op->idmap & ~PLAN_IDMAP_BELOW) >= RUN_IDMAP_KINDS || op->tree >= RUN_MOUNTS_MAX ||
	    (op->kind == PLAN_OP_FILESYSTEM && !op->type[0]))
		in->error = -EBADMSG;
}

static void get_op(struct wire *in, struct plan_op *op)
{
	uint8_t kind = wire_u8(in);

	*op = (struct plan_op){ .kind = PLAN_OP_PROC };
	op->flags = wire_u32(in);
	op->fd = wire_u8(in);
	op->mode = wire_u32(in);
	op->uid = wire_u32(in);
	op->gid = wire_u32(in);
	op->major = wire_u32(in);
	op->minor = wire_u32(in);
	op->size = wire_u64(in);
	op->source = get_text(in, PLAN_TEXT_MAX);
	op->target = get_text(in, RUN_PATH_MAX);
	op->type = op->data = op->uid_map = op->gid_map = "";
	if (kind < PLAN_OP_PROC || kind >= PLAN_OP_KINDS ||
	    (op->flags & ~(uint32_t)RUN_MOUNT_FLAG_MASK) ||
	    (op->fd && (op->fd < SHIM_FD_EXTRA || op->fd > RUN_FD_MAX)))
		in->error = -EBADMSG;
	if (in->error)
		return;
	op->kind = (enum plan_op_kind)kind;
	if (has_extras(op->kind))
		get_extras(in, op);
}

static void skip_u32(struct wire *in)
{
	wire_u32(in);
}

static void skip_rlimit(struct wire *in)
{
	wire_u32(in);
	wire_u64(in);
	wire_u64(in);
}

static void skip_text(struct wire *in)
{
	get_text(in, PLAN_TEXT_MAX);
}

static void skip_op(struct wire *in)
{
	struct plan_op op;

	get_op(in, &op);
}

/* Remembers where the list begins and walks over it, so that every item is checked here. */
static struct plan_list get_list(struct wire *in, uint32_t max, void (*skip)(struct wire *in))
{
	struct plan_list list = { .count = wire_count(in, max) };

	list.items = *in;
	for (uint32_t i = 0; i < list.count && !in->error; i++)
		skip(in);
	if (in->error)
		list.count = 0;
	return list;
}

static void get_hook(struct wire *in, struct plan_hook *hook)
{
	uint8_t point = wire_u8(in);

	*hook = (struct plan_hook){ .timeout_s = wire_u32(in) };
	hook->path = get_text(in, RUN_PATH_MAX);
	hook->argv = get_list(in, RUN_ARGS_MAX, skip_text);
	hook->env = get_list(in, RUN_ARGS_MAX, skip_text);
	if (point >= RUN_HOOK_POINTS || hook->path[0] != '/' || hook->argv.count == 0)
		in->error = -EBADMSG;
	hook->point = in->error ? RUN_HOOK_PRESTART : (enum run_hook_point)point;
}

static void skip_hook(struct wire *in)
{
	struct plan_hook hook;

	get_hook(in, &hook);
}

static struct str get_program(struct wire *in)
{
	struct str s = wire_blob(in, PLAN_FILTER_MAX);

	if (s.len % 8)
		in->error = -EBADMSG;
	return s;
}

static void get_namespaces(struct wire *in, struct plan *plan)
{
	for (int i = 0; i < PLAN_NS_COUNT; i++) {
		uint8_t mode = wire_u8(in), fd = wire_u8(in);

		if (mode > RUN_NS_MODE_FD ||
		    (mode == RUN_NS_MODE_FD && (fd < SHIM_FD_MAIN || fd > RUN_FD_MAX)))
			in->error = -EBADMSG;
		plan->ns[i].mode = in->error ? RUN_NS_MODE_NEW : (enum run_ns_mode)mode;
		plan->ns[i].fd = fd;
	}
}

static void get_schedule(struct wire *in, struct plan *plan)
{
	struct run_scheduler *scheduler = &plan->scheduler;

	plan->ioprio.class = wire_u8(in);
	plan->ioprio.level = wire_u8(in);
	scheduler->policy = wire_u32(in);
	scheduler->nice = (int32_t)wire_u32(in);
	scheduler->priority = wire_u32(in);
	scheduler->flags = wire_u64(in);
	scheduler->runtime_ns = wire_u64(in);
	scheduler->deadline_ns = wire_u64(in);
	scheduler->period_ns = wire_u64(in);
	plan->cpus_first = wire_blob(in, PLAN_CPUS_BYTES);
	plan->cpus = wire_blob(in, PLAN_CPUS_BYTES);
	if (plan->flags & PLAN_FLAG_MEMORY_POLICY) {
		plan->memory_mode = wire_u32(in);
		plan->memory_nodes = wire_blob(in, PLAN_CPUS_BYTES);
	}
	if (plan->ioprio.class > 3 || plan->ioprio.level > 7)
		in->error = -EBADMSG;
}

static void get_process(struct wire *in, struct plan *plan)
{
	plan->flags = wire_u32(in);
	plan->uid = wire_u32(in);
	plan->gid = wire_u32(in);
	plan->owner = wire_u32(in);
	plan->caps.bounding = wire_u64(in);
	plan->caps.permitted = wire_u64(in);
	plan->caps.effective = wire_u64(in);
	plan->caps.inheritable = wire_u64(in);
	plan->caps.ambient = wire_u64(in);
	plan->oom_score_adj = (int32_t)wire_u32(in);
	plan->rows = wire_u16(in);
	plan->columns = wire_u16(in);
	plan->umask = wire_u32(in);
	plan->preserve_fds = wire_u32(in);
	plan->personality = wire_u32(in);
	plan->seccomp_flags = wire_u32(in);
	get_schedule(in, plan);
	plan->groups = get_list(in, RUN_GROUPS_MAX, skip_u32);
	plan->rlimits = get_list(in, RUN_RLIMITS_MAX, skip_rlimit);
	plan->cwd = get_text(in, RUN_PATH_MAX);
	plan->argv = get_list(in, RUN_ARGS_MAX, skip_text);
	plan->env = get_list(in, RUN_ARGS_MAX, skip_text);
	plan->seccomp = get_program(in);
	if (plan->argv.count == 0 || (plan->flags & ~(uint32_t)PLAN_FLAG_MASK) ||
	    plan->uid == UINT32_MAX || plan->gid == UINT32_MAX || plan->cwd[0] != '/' ||
	    plan->umask > 0777 || plan->preserve_fds > RUN_PRESERVE_MAX ||
	    (plan->seccomp_flags & ~(uint32_t)RUN_SECCOMP_FLAG_MASK))
		in->error = -EBADMSG;
}

static void get_offset(struct wire *in, struct run_time_offset *offset)
{
	offset->secs = wire_i64(in);
	offset->nanosecs = wire_u32(in);
}

static void get_container(struct wire *in, struct plan *plan)
{
	struct plan_list hooks;
	struct plan_hook hook;

	plan->hostname = get_text(in, 65);
	plan->domainname = get_text(in, 65);
	get_namespaces(in, plan);
	plan->uid_map = get_text(in, PLAN_MAP_MAX);
	plan->gid_map = get_text(in, PLAN_MAP_MAX);
	plan->root_propagation = wire_u8(in);
	plan->root_path = get_text(in, RUN_PATH_MAX);
	get_offset(in, &plan->monotonic);
	get_offset(in, &plan->boottime);
	plan->devices = get_program(in);
	plan->ops = get_list(in, PLAN_OPS_MAX, skip_op);
	plan->hooks = get_list(in, PLAN_HOOKS_MAX, skip_hook);
	for (int i = 0; i < RUN_HOOK_POINTS; i++) {
		plan->state_head[i] = get_text(in, PLAN_TEXT_MAX);
		plan->state_tail[i] = get_text(in, PLAN_TEXT_MAX);
	}
	for (hooks = plan->hooks; plan_next_hook(&hooks, &hook);)
		plan->hook_points |= 1u << hook.point;
	if ((plan->root_propagation & ~PLAN_PROPAGATION_BELOW) >= RUN_PROPAGATION_KINDS)
		in->error = -EBADMSG;
}

int plan_decode(const void *data, size_t len, struct plan *ret_plan, struct err *err)
{
	struct plan plan = {
		.hostname = "", .domainname = "", .uid_map = "", .gid_map = "", .root_path = ""
	};
	struct wire in;
	uint8_t kind;

	wire_init(&in, data, len);
	if (wire_u32(&in) != PLAN_MAGIC)
		return err_set(err, -EBADMSG, "plan: not a plan");
	kind = wire_u8(&in);
	get_process(&in, &plan);
	if (kind == PLAN_KIND_CONTAINER) {
		get_container(&in, &plan);
	} else if (kind != PLAN_KIND_EXEC) {
		return err_set(err, -EBADMSG, "plan: unknown kind %u", kind);
	}
	if (wire_end(&in))
		return err_set(err, -EBADMSG, "plan: damaged, %zu bytes before its end", in.left);
	plan.kind = (enum plan_kind)kind;
	*ret_plan = plan;
	return 0;
}

const char *plan_next_text(struct plan_list *list)
{
	if (list->count == 0)
		return NULL;
	list->count--;
	return get_text(&list->items, PLAN_TEXT_MAX);
}

bool plan_next_u32(struct plan_list *list, uint32_t *ret_value)
{
	if (list->count == 0)
		return false;
	list->count--;
	*ret_value = wire_u32(&list->items);
	return true;
}

bool plan_next_rlimit(struct plan_list *list, struct run_rlimit *ret_limit)
{
	if (list->count == 0)
		return false;
	list->count--;
	ret_limit->resource = (int)(wire_u32(&list->items) & 0xff);
	ret_limit->soft = wire_u64(&list->items);
	ret_limit->hard = wire_u64(&list->items);
	return true;
}

bool plan_next_op(struct plan_list *list, struct plan_op *ret_op)
{
	if (list->count == 0)
		return false;
	list->count--;
	get_op(&list->items, ret_op);
	return true;
}

bool plan_next_hook(struct plan_list *list, struct plan_hook *ret_hook)
{
	if (list->count == 0)
		return false;
	list->count--;
	get_hook(&list->items, ret_hook);
	return true;
}
