/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONBUILD: what a base asks of those who build upon it becomes steps of the stage. Pure; runs in
 * the api role. Must never take a trigger of an image for text of the Dockerfile: its place is the
 * FROM that brought it.
 */
#include <errno.h>
#include <string.h>
#include "engine/build/scope.h"

struct trigger_list {
	const struct build_plan *plan;
	const struct image *bases;
	struct arena *arena;
	const struct dockerfile *file;
	struct dockerfile_step *steps;
	uint32_t count;
};

static int add_trigger(struct trigger_list *list, const struct dockerfile_step *from,
		       const char *text, struct err *err)
{
	struct dockerfile_step step;
	if (list->count >= DOCKERFILE_STEPS_MAX)
		return err_set(err, -EINVAL, "more than %d instructions with the ONBUILD triggers",
			       DOCKERFILE_STEPS_MAX);
	int r = dockerfile_parse_trigger(str_from(text), list->arena, &step, err);
	if (r < 0) {
		(void)err_prefix(err, "ONBUILD trigger");
		return r == -ENOMEM ? r : plan_fail(from, err);
	}
	step.line = from->line;
	step.column = from->column;
	step.trigger = true;
	list->steps[list->count++] = step;
	return 0;
}

/* What the stage's base asks for: an image's record, or the instructions of an earlier stage. */
static int add_triggers(struct trigger_list *list, const struct build_stage *stage,
			const struct dockerfile_step *from, struct err *err)
{
	int32_t at = -1;
	int r = 0;
	if (stage->base_image >= 0) {
		const struct image_texts *texts = &list->bases[stage->base_image].on_build;
		for (uint32_t i = 0; r == 0 && i < texts->count; i++)
			r = add_trigger(list, from, texts->items[i], err);
	}
	for (uint32_t i = 0; r == 0 && stage->base_stage >= 0 && i < list->file->step_count; i++) {
		const struct dockerfile_step *step = &list->file->steps[i];
		at += step->kind == DOCKERFILE_KIND_FROM;
		if (at == stage->base_stage && step->kind == DOCKERFILE_KIND_ONBUILD)
			r = add_trigger(list, from, step->words.items[0], err);
	}
	return r;
}

int plan_triggers(const struct build_plan *plan, const struct image *bases, struct arena *arena,
		  struct dockerfile *file, struct err *err)
{
	struct trigger_list list = { plan, bases, arena, file, NULL, 0 };
	uint32_t stage = 0;
	list.steps = arena_array(arena, DOCKERFILE_STEPS_MAX + 1, sizeof(*list.steps));
	if (!list.steps)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		if (list.count >= DOCKERFILE_STEPS_MAX) {
			err_set(err, -EINVAL, "more than %d instructions with the ONBUILD triggers",
				DOCKERFILE_STEPS_MAX);
			return plan_fail(step, err);
		}
		list.steps[list.count++] = *step;
		if (step->kind != DOCKERFILE_KIND_FROM)
			continue;
		const struct build_stage *now = &plan->stages[stage++];
		int r = now->replaced ? 0 : add_triggers(&list, now, step, err);
		if (r < 0)
			return r;
	}
	file->steps = list.steps;
	file->step_count = list.count;
	return 0;
}
