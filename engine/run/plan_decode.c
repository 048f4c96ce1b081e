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

static void get_op(struct wire *in, struct plan_op *op)
{
	uint8_t kind = wire_u8(in);

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
	if (kind < PLAN_OP_PROC || kind >= PLAN_OP_KINDS ||
	    (op->flags & ~(uint32_t)RUN_MOUNT_FLAG_MASK) ||
	    (op->fd && (op->fd < SHIM_FD_EXTRA || op->fd > SHIM_FD_MAX)))
		in->error = -EBADMSG;
	op->kind = in->error ? PLAN_OP_PROC : (enum plan_op_kind)kind;
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
		    (mode == RUN_NS_MODE_FD && (fd < SHIM_FD_NETNS || fd > SHIM_FD_MAX)))
			in->error = -EBADMSG;
		plan->ns[i].mode = in->error ? RUN_NS_MODE_NEW : (enum run_ns_mode)mode;
		plan->ns[i].fd = fd;
	}
}

static void get_process(struct wire *in, struct plan *plan)
{
	plan->flags = wire_u32(in);
	plan->uid = wire_u32(in);
	plan->gid = wire_u32(in);
	plan->caps = wire_u64(in);
	plan->oom_score_adj = (int32_t)wire_u32(in);
	plan->rows = wire_u16(in);
	plan->columns = wire_u16(in);
	plan->groups = get_list(in, RUN_GROUPS_MAX, skip_u32);
	plan->rlimits = get_list(in, RUN_RLIMITS_MAX, skip_rlimit);
	plan->cwd = get_text(in, RUN_PATH_MAX);
	plan->argv = get_list(in, RUN_ARGS_MAX, skip_text);
	plan->env = get_list(in, RUN_ARGS_MAX, skip_text);
	plan->seccomp = get_program(in);
	if (plan->argv.count == 0 || (plan->flags & ~(uint32_t)PLAN_FLAG_MASK) ||
	    plan->uid == UINT32_MAX || plan->gid == UINT32_MAX || plan->cwd[0] != '/')
		in->error = -EBADMSG;
}

int plan_decode(const void *data, size_t len, struct plan *ret_plan, struct err *err)
{
	struct plan plan = { .hostname = "", .domainname = "" };
	struct wire in;
	uint8_t kind;

	wire_init(&in, data, len);
	if (wire_u32(&in) != PLAN_MAGIC)
		return err_set(err, -EBADMSG, "plan: not a plan");
	kind = wire_u8(&in);
	get_process(&in, &plan);
	if (kind == PLAN_KIND_CONTAINER) {
		plan.hostname = get_text(&in, 65);
		plan.domainname = get_text(&in, 65);
		get_namespaces(&in, &plan);
		plan.devices = get_program(&in);
		plan.ops = get_list(&in, PLAN_OPS_MAX, skip_op);
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
