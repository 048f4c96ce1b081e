/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of stages: what takes files from one that comes later, or from itself. Runs in the api
 * role; pure. Must never let a plan through whose stages wait for each other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/scope.h"
#include "engine/dockerfile/mount.h"
#include "lib/own.h"

/* Marks what `stage` takes anything from; it itself only when a way leads back to it. */
static void reach(const struct build_plan *plan, const struct plan_uses *uses, uint32_t stage,
		  bool reached[BUILD_STAGES_MAX])
{
	bool more = true;

	memset(reached, 0, BUILD_STAGES_MAX * sizeof(*reached));
	while (more) {
		more = false;
		for (uint32_t u = 0; u < uses->count; u++) {
			const struct plan_use *use = &uses->items[u];

			if ((use->stage == stage || reached[use->stage]) && use->from >= 0 &&
			    !reached[use->from])
				more = reached[use->from] = true;
		}
		for (uint32_t i = 0; i < plan->stage_count; i++) {
			const int32_t base = plan->stages[i].base_stage;

			if ((i == stage || reached[i]) && base >= 0 && !reached[base])
				more = reached[base] = true;
		}
	}
}

static const char *name_of(const struct build_plan *plan, uint32_t stage, char text[24])
{
	const char *name = plan->stages[stage].name;

	if (*name)
		return name;
	(void)snprintf(text, 24, "stage-%u", stage);
	return text;
}

static const char *target_of(const struct dockerfile_step *step, uint32_t mount, char text[80])
{
	struct arena arena OWN(arena_done) = { 0 };
	struct dockerfile_mount parsed = { .target = "" };

	arena_init(&arena, 64 << 10);
	(void)dockerfile_mount_parse(step->mounts.items[mount], '\\', NULL, NULL, &arena, &parsed,
				     NULL);
	str_escape(str_from(parsed.target ? parsed.target : ""), text, 80);
	return text;
}

static int fail_late(const struct build_plan *plan, const struct dockerfile_step *step,
		     const struct plan_use *use, struct err *err)
{
	char here[24], there[24], target[80];
	const char *from = name_of(plan, (uint32_t)use->from, there);

	if (use->mount != UINT32_MAX)
		err_set(err, -EINVAL,
			"cannot mount from stage \"%s\" to \"%s\", stage needs to be defined "
			"before "
			"current command",
			from, target_of(step, use->mount, target));
	else
		err_set(err, -EINVAL,
			"cannot copy from stage \"%s\", it needs to be defined before current "
			"stage \"%s\"",
			from, name_of(plan, use->stage, here));
	return plan_fail(step, err);
}

int plan_order(const struct dockerfile *file, const struct build_plan *plan, struct plan_uses *uses,
	       uint32_t stages, struct err *err)
{
	bool reached[BUILD_STAGES_MAX];
	char text[24];

	for (uint32_t i = 0; i < stages; i++) {
		const struct dockerfile_step *step = NULL;

		reach(plan, uses, i, reached);
		if (!reached[i])
			continue;
		/* It may be on the way by its base alone. */
		for (uint32_t u = 0; u < uses->count && !step; u++)
			if (reached[uses->items[u].stage] && uses->items[u].from >= 0 &&
			    reached[uses->items[u].from])
				step = &file->steps[uses->items[u].step];
		err_set(err, -EINVAL, "circular dependency detected on stage: %s",
			name_of(plan, i, text));
		return step ? plan_fail(step, err) : -EINVAL;
	}
	for (uint32_t u = 0; u < uses->count; u++) {
		struct plan_use *use = &uses->items[u];

		if (use->from < (int32_t)use->stage || use->from >= (int32_t)stages)
			continue;
		if (plan->stages[use->stage].needed)
			return fail_late(plan, &file->steps[use->step], use, err);
		use->from = BUILD_NONE; /* nobody builds it */
	}
	return 0;
}
