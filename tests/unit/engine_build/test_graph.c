/* SPDX-License-Identifier: Apache-2.0 */
/* Dockerfiles of the shapes that well-known projects have: which stages the target needs, what each
 * takes from where, and the configuration of the result: graphs.table. */
#include <fcntl.h>
#include <string.h>
#include "engine/build/plan.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

#define TABLE "tests/unit/engine_build/graphs.table"

static struct build_plan plan;

static void put_source(struct buf *out, int32_t from)
{
	if (from <= BUILD_NAMED || from == BUILD_CONTEXT)
		(void)buf_add_text(out, " context");
	else if (*plan.stages[from].name)
		(void)buf_printf(out, " %s", plan.stages[from].name);
	else if (plan.stages[from].op_count == 0 && plan.stages[from].base_image >= 0)
		(void)buf_printf(out, " %s", plan.references.items[plan.stages[from].base_image]);
	else
		(void)buf_printf(out, " %d", (int)from);
}

/* "2 build < golang:1 ops 3 from context deps" */
static void put_stage(struct buf *out, uint32_t index)
{
	const struct build_stage *stage = &plan.stages[index];
	(void)buf_printf(out, "%u %s <", index, *stage->name ? stage->name : "-");
	if (stage->base_stage >= 0)
		put_source(out, stage->base_stage);
	else
		(void)buf_printf(out, " %s",
				 stage->base_image >= 0 ? plan.references.items[stage->base_image]
							: "scratch");
	(void)buf_printf(out, " ops %u from", stage->op_count);
	for (uint32_t i = 0; i < stage->op_count; i++) {
		const struct build_op *op = &stage->ops[i];
		if (op->kind == BUILD_OP_COPY && (op->sources.count || op->remote_count))
			put_source(out, op->from);
		for (uint32_t m = 0; m < op->mount_count; m++)
			if (op->mounts[m].type == DOCKERFILE_MOUNT_BIND)
				put_source(out, op->mounts[m].from);
	}
	(void)buf_add_byte(out, '\n');
}

static void put_list(struct buf *out, const char *name, const struct image_texts *list)
{
	if (list->count == 0)
		return;
	(void)buf_printf(out, " %s=", name);
	for (uint32_t i = 0; i < list->count; i++)
		(void)buf_printf(out, "%s%s", i ? "|" : "", list->items[i]);
}

static void put_config(struct buf *out)
{
	const struct image *image = &plan.stages[plan.target].image;
	(void)buf_add_text(out, "=>");
	put_list(out, "entrypoint", &image->entrypoint);
	put_list(out, "cmd", &image->cmd);
	put_list(out, "env", &image->env);
	put_list(out, "ports", &image->exposed_ports);
	put_list(out, "volumes", &image->volumes);
	if (*image->workdir)
		(void)buf_printf(out, " workdir=%s", image->workdir);
	if (*image->user)
		(void)buf_printf(out, " user=%s", image->user);
	if (*image->stop_signal)
		(void)buf_printf(out, " stop=%s", image->stop_signal);
	for (uint32_t i = 0; i < image->labels.count; i++)
		(void)buf_printf(out, " %s=%s", image->labels.items[i].key,
				 image->labels.items[i].value);
	(void)buf_add_byte(out, '\n');
}

static void describe(struct str file, const char *target, struct buf *out)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct build_inputs inputs = { .dockerfile = file, .target = target };
	struct image bases[16];
	struct err err = { 0 };
	arena_init(&arena, 16 << 20);
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		image_init(&bases[i]);
		bases[i].os = "linux"; /* a base that is known and sets nothing */
	}
	int r = build_plan_bases(&inputs, &arena, &plan, &err);
	if (r == 0 && plan.references.count <= ARRAY_LEN(bases))
		r = build_plan_make(&inputs, bases, plan.references.count, &arena, &plan, &err);
	if (r < 0) {
		(void)buf_printf(out, "%s\n", err_text(&err));
		return;
	}
	for (uint32_t i = 0; i < plan.stage_count; i++)
		if (plan.stages[i].needed && (plan.stages[i].op_count || i <= plan.target))
			put_stage(out, i);
	put_config(out);
}

/* One row: "== NAME [target=STAGE]", the file, "--", what it comes to. */
static void check(struct str row)
{
	struct buf out OWN(buf_done) = { 0 };
	char name[120] = "", target[40] = "";
	struct str head, rest = row;
	(void)str_cut(&rest, '\n', &head);
	ptrdiff_t at = str_find(head, '=');
	if (at >= 0) {
		(void)str_copy(str_skip(head, (size_t)at + 1), target, sizeof(target));
		head = str_head(head, (size_t)at - 7);
	}
	(void)str_copy(head, name, sizeof(name));
	const char *cut = memmem(rest.ptr, rest.len, "\n--\n", 4);
	if (!ok(cut != NULL, "%s: a row has an expectation", name))
		return;
	struct str file = str_head(rest, (size_t)(cut + 1 - rest.ptr));
	struct str wanted = str_skip(rest, file.len + 3);
	while (str_ends(wanted, STR("\n\n")))
		wanted = str_head(wanted, wanted.len - 1);
	buf_init(&out, 64 << 10);
	describe(file, target, &out);
	(void)buf_add_byte(&out, '\0');
	char text[4096];
	is_text((const char *)out.data, str_copy(wanted, text, sizeof(text)) < 0 ? "" : text, "%s",
		name);
}

int main(void)
{
	struct buf table OWN(buf_done) = { 0 };
	struct err err = { 0 };
	unsigned rows = 0;
	buf_init(&table, 256 << 10);
	is_int(fs_read(AT_FDCWD, TABLE, FS_BENEATH_XDEV, 256 << 10, &table, &err), 0, "%s: %s",
	       TABLE, err.text);
	struct str rest = buf_str(&table);
	const char *next = memmem(rest.ptr, rest.len, "== ", 3);
	while (next) {
		rest = str_skip(rest, (size_t)(next - rest.ptr) + 3);
		next = memmem(rest.ptr, rest.len, "\n== ", 4);
		check(next ? str_head(rest, (size_t)(next + 1 - rest.ptr)) : rest);
		next = next ? next + 1 : NULL;
		rows++;
	}
	ok(rows >= 30, "thirty shapes of projects and more");
	return tap_done();
}
