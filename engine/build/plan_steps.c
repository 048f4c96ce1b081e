/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of a build plan: each instruction changes the stage's image record or becomes an
 * operation. Pure; runs in the api role. Must never let two instructions see different values of
 * one variable than Docker would.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/build/plan_lint.h"
#include "engine/build/scope.h"
#include "engine/build/staging.h"
#include "lib/own.h"
#include "lib/signame.h"

static bool has_text(const struct image_texts *texts, const char *text)
{
	for (uint32_t i = 0; i < texts->count; i++)
		if (strcmp(texts->items[i], text) == 0)
			return true;
	return false;
}

int staging_once(struct staging *s, struct image_texts *texts, const char *text, struct err *err)
{
	return has_text(texts, text) ? 0 : image_texts_add(s->arena, texts, text, err);
}

/* ---- what only changes the record ---- */

/* All values of one line are expanded before the first of them is set, as Docker does. */
static int plan_pairs(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image *image = &s->stage->image;
	struct image_texts words;
	int r = staging_expand(s, &step->words, &words, err);
	s->pairs = words;
	for (uint32_t i = 0; r == 0 && i + 1 < words.count; i += 2) {
		if (!*words.items[i])
			return err_set(err, -EINVAL, "%s names can not be blank",
				       dockerfile_kind_name(step->kind));
		scope_env_again(&s->scope, step->kind == DOCKERFILE_KIND_ENV ? words.items[i] : "");
		if (step->kind == DOCKERFILE_KIND_ENV)
			r = image_env_set(s->arena, &image->env, words.items[i], words.items[i + 1],
					  err);
		else
			r = image_pairs_set(s->arena, &image->labels, words.items[i],
					    words.items[i + 1], err);
	}
	return r;
}

static int plan_volume(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image_texts words;
	int r = staging_expand(s, &step->words, &words, err);
	for (uint32_t i = 0; r == 0 && i < words.count; i++) {
		if (!*words.items[i])
			return err_set(err, -EINVAL, "VOLUME specified can not be an empty string");
		r = staging_once(s, &s->stage->image.volumes, words.items[i], err);
	}
	return r;
}

static int plan_arg(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++) {
		s->word = i;
		r = scope_declare(&s->scope, s->global, step->words.items[i], err);
	}
	return r;
}

static int plan_healthcheck(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image_health *health = &s->stage->image.health;
	*health = (struct image_health){ 0 };
	if (step->words.count == 0)
		return image_texts_add(s->arena, &health->test, "NONE", err);
	*health = step->health;
	health->test = (struct image_texts){ 0 };
	int r = image_texts_add(s->arena, &health->test, step->json ? "CMD" : "CMD-SHELL", err);
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++)
		r = image_texts_add(s->arena, &health->test, step->words.items[i], err);
	return r;
}

static int plan_stopsignal(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *text = "";
	char shown[40];
	int r = scope_expand(&s->scope, step->words.items[0], &text, err);
	if (r < 0)
		return r;
	(void)str_escape(str_from(text), shown, sizeof(shown));
	if (signame_number(str_from(text)) == 0)
		return err_set(err, -EINVAL, "invalid signal: %s", shown);
	s->stage->image.stop_signal = text;
	return 0;
}

/* An ENTRYPOINT of the Dockerfile makes the base's CMD meaningless. */
static int plan_entrypoint(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = staging_command(s, step, &s->stage->image.entrypoint, err);
	if (r == 0 && !s->cmd_set)
		s->stage->image.cmd = (struct image_texts){ 0 };
	return r;
}

static int plan_step(struct staging *s, const struct dockerfile_step *step, uint32_t index,
		     struct image_texts *ports, struct err *err)
{
	struct image *image = &s->stage->image;
	switch (step->kind) {
	case DOCKERFILE_KIND_FROM:
		return 0;
	case DOCKERFILE_KIND_RUN:
		return plan_run(s, step, index, err);
	case DOCKERFILE_KIND_COPY:
	case DOCKERFILE_KIND_ADD:
		return plan_copy(s, step, index, err);
	case DOCKERFILE_KIND_WORKDIR:
		return plan_workdir(s, step, err);
	case DOCKERFILE_KIND_ENV:
	case DOCKERFILE_KIND_LABEL:
		return plan_pairs(s, step, err);
	case DOCKERFILE_KIND_EXPOSE:
		return plan_expose(s, step, ports, err);
	case DOCKERFILE_KIND_VOLUME:
		return plan_volume(s, step, err);
	case DOCKERFILE_KIND_ARG:
		return plan_arg(s, step, err);
	case DOCKERFILE_KIND_HEALTHCHECK:
		return plan_healthcheck(s, step, err);
	case DOCKERFILE_KIND_STOPSIGNAL:
		return plan_stopsignal(s, step, err);
	case DOCKERFILE_KIND_ENTRYPOINT:
		return plan_entrypoint(s, step, err);
	case DOCKERFILE_KIND_CMD:
		s->cmd_set = true;
		return staging_command(s, step, &image->cmd, err);
	case DOCKERFILE_KIND_SHELL:
		image->shell = step->words;
		return 0;
	case DOCKERFILE_KIND_USER:
		return scope_expand(&s->scope, step->words.items[0], &image->user, err);
	case DOCKERFILE_KIND_MAINTAINER: /* the one line that takes no variables */
		image->author = step->words.items[0];
		return 0;
	case DOCKERFILE_KIND_ONBUILD:
		return image_texts_add(s->arena, &image->on_build, step->words.items[0], err);
	}
	return -EINVAL;
}

/* ---- stages ---- */

static int add_entry(struct staging *s, const struct image_history *entry, struct err *err)
{
	struct image *image = &s->stage->image;
	if (image->history_count >= IMAGE_HISTORY_MAX)
		return err_set(err, -EINVAL, "the image's history has more than %d entries",
			       IMAGE_HISTORY_MAX);
	struct image_history *list = arena_array(s->arena, image->history_count + 1, sizeof(*list));
	if (!list)
		return staging_no_memory(err);
	if (image->history_count)
		memcpy(list, image->history, image->history_count * sizeof(*list));
	list[image->history_count] = *entry;
	image->history = list;
	image->history_count++;
	return 0;
}

static int add_history(struct staging *s, const struct dockerfile_step *step,
		       const struct image_texts *ports, bool layer, struct err *err)
{
	struct image_history entry = {
		.created = "",
		.created_by = plan_history(s, step, ports),
		.author = "",
		.comment = "buildkit.dockerfile.v0",
		.empty_layer = !layer,
	};
	if (!entry.created_by)
		return staging_no_memory(err);
	return *entry.created_by ? add_entry(s, &entry, err) : 0;
}

/* A directory as a base: all of it is the first layer. */
static int add_context(struct staging *s, const struct dockerfile_step *from, struct err *err)
{
	const uint32_t number = (uint32_t)(BUILD_NAMED - s->stage->base_context);
	struct image_history entry = {
		.created = "",
		.created_by = arena_printf(s->arena, "local source for %s",
					   s->inputs->contexts.items[number].key),
		.author = "",
		.comment = "buildkit.exporter.image.v0",
	};
	int r = plan_copy_context(s, from, err);
	if (r == 0 && !entry.created_by)
		return staging_no_memory(err);
	return r < 0 ? r : add_entry(s, &entry, err);
}

#define PLAN_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The stage begins with what its base says; layers and digests are not the plan's. */
static int begin_stage(struct staging *s, const struct image *bases, struct err *err)
{
	struct build_stage *stage = s->stage;
	const struct image *base = NULL;
	if (stage->base_stage >= 0)
		base = &s->plan->stages[stage->base_stage].image;
	if (stage->base_image >= 0)
		base = &bases[stage->base_image];
	s->base_known = stage->base_image < 0 || base->layer_count > 0 || *base->os;
	if (!base) { /* scratch: what every program may count on */
		stage->image.workdir = "/";
		return image_texts_add(s->arena, &stage->image.env, "PATH=" PLAN_PATH, err);
	}
	int r = image_copy(s->arena, base, &stage->image, err);
	if (r < 0)
		return r;
	struct image *image = &stage->image;
	image->on_build = (struct image_texts){ 0 }; /* they are steps by now */
	if (s->base_known && !image_env_get(&image->env, "PATH"))
		r = image_texts_add(s->arena, &image->env, "PATH=" PLAN_PATH, err);
	image->reference = "";
	image->layers = NULL;
	image->layer_count = 0;
	memset(&image->source, 0, sizeof(image->source));
	memset(&image->manifest, 0, sizeof(image->manifest));
	memset(&image->config, 0, sizeof(image->config));
	image->manifest_size = image->config_size = 0;
	return r;
}

static int copy_texts(struct staging *s, const struct image_texts *from, struct image_texts *to,
		      struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < from->count; i++)
		r = image_texts_add(s->arena, to, from->items[i], err);
	return r;
}

/* Arguments of the stage that this one begins with are its own too. */
static int begin_scope(struct staging *s, const struct dockerfile *file, struct err *err)
{
	int r = 0;
	scope_init(&s->scope, s->inputs, s->arena, file->escape);
	s->scope.env = &s->stage->image.env;
	s->scope.last_stage = s->global->last_stage;
	s->scope.misses = &s->misses;
	s->workdir_set = false;
	if (s->stage->base_stage < 0)
		return 0;
	const struct staging_end *base = &s->ends[s->stage->base_stage];
	s->workdir_set = base->workdir_set;
	for (uint32_t i = 0; r == 0 && i < base->args.count; i++)
		r = image_pairs_set(s->arena, &s->scope.args, base->args.items[i].key,
				    base->args.items[i].value, err);
	if (r == 0)
		r = copy_texts(s, &base->declared, &s->scope.declared, err);
	return r < 0 ? r : copy_texts(s, &base->later, &s->scope.later, err);
}

static int plan_stage(struct staging *s, const struct dockerfile *file, uint32_t first,
		      const struct image *bases, struct err *err)
{
	const struct dockerfile_step *from = &file->steps[first];
	s->misses.count = 0;
	s->last_cmd = s->last_entrypoint = s->last_healthcheck = NULL;
	s->room = 0;
	s->cmd_set = false;
	s->step_number++;
	int r = image_texts_add(s->arena, &s->plan->steps, from->text, err);
	if (r == 0)
		r = begin_stage(s, bases, err);
	if (r == 0)
		r = begin_scope(s, file, err);
	if (r == 0 && s->stage->base_image >= 0)
		r = plan_lint_base(s, from, &bases[s->stage->base_image], err);
	if (r == 0 && s->stage->base_context != BUILD_NONE)
		r = add_context(s, from, err);
	if (r < 0)
		return r == -ENOMEM ? r : plan_fail(from, err);
	for (uint32_t i = first + 1; i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		if (step->kind == DOCKERFILE_KIND_FROM || s->stage->replaced)
			break;
		s->step_number++;
		s->word = UINT32_MAX;
		struct image_texts ports = { 0 };
		uint32_t ops = s->stage->op_count;
		s->declared_before = s->scope.declared.count;
		r = image_texts_add(s->arena, &s->plan->steps, step->text, err);
		if (r == 0)
			r = plan_step(s, step, i, &ports, err);
		if (r == 0)
			r = plan_lint_step(s, step, err);
		if (r == 0)
			r = add_history(s, step, &ports, s->stage->op_count > ops, err);
		s->misses.count = 0;
		if (r < 0)
			return r == -ENOMEM ? r : plan_fail_word(s->inputs, step, s->word, err);
	}
	s->ends[s->stage - s->plan->stages] =
		(struct staging_end){ s->scope.args, s->scope.declared, s->scope.later,
				      s->workdir_set };
	return 0;
}

/* --build-arg that no ARG takes is most often a typing error. */
static int warn_unused(struct staging *s, const struct dockerfile *file, struct err *err)
{
	for (uint32_t a = 0; a < s->inputs->args.count; a++) {
		const char *key = s->inputs->args.items[a].key;
		bool used = scope_is_proxy(key) || str_starts(str_from(key), STR("BUILDKIT_")) ||
			    str_is(str_from(key), "SOURCE_DATE_EPOCH");
		for (uint32_t i = 0; i < file->step_count && !used; i++) {
			const struct dockerfile_step *step = &file->steps[i];
			for (uint32_t w = 0;
			     step->kind == DOCKERFILE_KIND_ARG && w < step->words.count && !used;
			     w++) {
				struct str name = str_from(step->words.items[w]);
				ptrdiff_t equals = str_find(name, '=');
				used = str_is(equals < 0 ? name : str_head(name, (size_t)equals),
					      key);
			}
		}
		const char *line = arena_printf(s->arena, "build arg %s was not consumed", key);
		struct dockerfile_warning warning = { .text = line };
		int r = used ? 0
			     : dockerfile_warn(&s->plan->warnings, s->arena, &file->checks, warning,
					       err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "# check=error=true": the build fails once the warnings are told. */
static int note_violation(struct staging *s, const struct dockerfile *file)
{
	struct err why = { 0 };
	if (dockerfile_warnings_fail(&s->plan->warnings, &file->checks, &why) < 0)
		s->plan->violation = arena_text(s->arena, str_from(why.text));
	return s->plan->violation ? 0 : -ENOMEM;
}

static int finish_target(struct staging *s, struct err *err)
{
	struct image *image = &s->plan->stages[s->plan->target].image;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < s->inputs->labels.count; i++)
		r = image_pairs_set(s->arena, &image->labels, s->inputs->labels.items[i].key,
				    s->inputs->labels.items[i].value, err);
	s->plan->step_count = s->step_number;
	return r;
}

int build_plan_make(const struct build_inputs *inputs, const struct image *bases,
		    uint32_t base_count, struct arena *arena, struct build_plan *ret_plan,
		    struct err *err)
{
	struct plan_reading reading;
	int r = plan_read(inputs, bases, arena, ret_plan, &reading, err);
	const struct dockerfile *file = &reading.file;
	if (r < 0)
		return r;
	if (base_count != ret_plan->references.count)
		return err_set(err, -EINVAL, "build: %u images for %u references", base_count,
			       ret_plan->references.count);
	struct staging s = {
		.arena = arena,
		.inputs = inputs,
		.file = file,
		.global = &reading.global,
		.plan = ret_plan,
		.uses = &reading.uses,
		.ends = arena_array(arena, BUILD_STAGES_MAX, sizeof(struct staging_end)),
	};
	if (!s.ends)
		return staging_no_memory(err);
	uint32_t stage = 0;
	for (uint32_t i = 0; r == 0 && i < file->step_count; i++) {
		if (file->steps[i].kind != DOCKERFILE_KIND_FROM)
			continue;
		s.stage = &ret_plan->stages[stage++];
		if (s.stage->needed)
			r = plan_stage(&s, file, i, bases, err);
	}
	if (r == 0)
		r = warn_unused(&s, file, err);
	if (r == 0)
		r = note_violation(&s, file);
	dockerfile_warnings_sort(&ret_plan->warnings);
	return r < 0 ? r : finish_target(&s, err);
}
