/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build learns: takes the answers to its actions and moves it on. Runs in engine main. Must
 * never believe more of the api role's plan than what was checked: main follows its indexes.
 */
#include "engine/build/build_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"

static int keep_bytes(struct build *build, struct str bytes, struct str *ret, struct err *err)
{
	char *copy = arena_alloc(&build->arena, bytes.len + 1);
	if (!copy)
		return err_set(err, -ENOMEM, "build: out of memory");
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	*ret = str_make(copy, bytes.len);
	return 0;
}

/* ---- where it is in the plan ---- */

const struct build_op *build_current_op(const struct build *build, const struct build_track *track)
{
	return &build->plan.stages[track->stage].ops[track->op];
}

/* Layers and key of a stage before its first operation. */
static int begin_stage(struct build *build, uint32_t index, struct err *err)
{
	const struct build_stage *stage = &build->plan.stages[index];
	struct stage_result *result = &build->results[index];
	result->count = 0;
	if (stage->base_stage >= 0) {
		*result = build->results[stage->base_stage];
		result->done = false;
	}
	result->step_count = 0;
	result->steps = arena_array(&build->arena, stage->op_count + 1, sizeof(*result->steps));
	if (!result->steps)
		return err_set(err, -ENOMEM, "build: out of memory");
	if (stage->base_stage >= 0)
		return 0;
	if (stage->base_image >= 0) {
		const struct image *base = &build->bases[stage->base_image];
		if (base->layer_count > IMAGE_LAYERS_MAX)
			return err_set(err, -E2BIG, "build: base image has too many layers");
		if (base->layer_count > 0)
			memcpy(result->layers, base->layers,
			       base->layer_count * sizeof(*base->layers));
		result->count = base->layer_count;
	}
	build_key_root(result->layers, result->count, &result->key);
	return 0;
}

/* What a stage made nothing of, those upon it have nothing of either. */
static void inherit_history(struct build *build, uint32_t index)
{
	struct build_stage *stage = &build->plan.stages[index];
	const struct image *base = &build->plan.stages[stage->base_stage].image;
	for (uint32_t i = 0; i < base->history_count && i < stage->image.history_count; i++)
		stage->image.history[i].empty_layer = base->history[i].empty_layer;
}

static struct build_track *free_track(struct build *build)
{
	for (size_t i = 0; i < ARRAY_LEN(build->tracks); i++)
		if (!build->tracks[i].used)
			return &build->tracks[i];
	return NULL;
}

/* In their order: a stage only ever waits for those before it, so one of the lanes always moves. */
bool build_assign(struct build *build, struct err *err)
{
	for (uint32_t i = 0; i < build->plan.stage_count; i++) {
		const struct build_stage *stage = &build->plan.stages[i];
		struct stage_result *result = &build->results[i];
		struct build_track *track = free_track(build);
		if (!stage->needed || result->begun ||
		    (stage->base_stage >= 0 && !build->results[stage->base_stage].done))
			continue;
		if (stage->op_count > 0 && !track)
			break;
		if (begin_stage(build, i, err) < 0)
			return false;
		if (stage->base_stage >= 0)
			inherit_history(build, i);
		result->begun = true;
		result->done = stage->op_count == 0;
		if (!result->done)
			*track = (struct build_track){ .used = true,
						       .state = BUILD_STATE_FETCH,
						       .stage = i };
	}
	return build->results[build->plan.target].done;
}

static void next_op(struct build *build, struct build_track *track)
{
	track->state = BUILD_STATE_FETCH;
	track->hashed = 0;
	if (++track->op < build->plan.stages[track->stage].op_count)
		return;
	build->results[track->stage].done = true;
	track->used = false;
}

/* Stages that only stand for an image to copy from come last: their layers are needed before. */
static int begin_sources(struct build *build, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < build->plan.stage_count; i++) {
		if (build->plan.stages[i].op_count > 0 || build->plan.stages[i].base_stage >= 0)
			continue;
		r = begin_stage(build, i, err);
		build->results[i].begun = build->results[i].done = r == 0;
	}
	return r;
}

/* ---- answers ---- */

static int take_patterns(struct build *build, struct str bytes, struct build_patterns *ret,
			 struct err *err)
{
	struct wire in;
	struct str kept;
	int r = keep_bytes(build, bytes, &kept, err);
	if (r < 0)
		return r;
	wire_init(&in, kept.ptr, kept.len);
	uint32_t count = wire_count(&in, FILES_IGNORE_MAX);
	ret->items = arena_array(&build->arena, count + 1, sizeof(*ret->items));
	if (!ret->items)
		return err_set(err, -ENOMEM, "build: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		ret->items[i].except = wire_bool(&in);
		ret->items[i].pattern = wire_str(&in, FILES_PATH_MAX - 1);
	}
	ret->count = count;
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "build: malformed patterns") : 0;
}

/* The first context from `number` on that is a directory: repositories have no .dockerignore, as at
 * BuildKit. */
static void next_named(struct build *build, uint32_t number)
{
	const struct image_pairs *named = &build->contexts;
	while (number < named->count && number < BUILD_CONTEXTS_MAX &&
	       named->items[number].value[0] != '/' &&
	       !str_starts(str_from(named->items[number].value), STR("tar:")))
		number++;
	build->named = number;
	build->state = number < named->count && number < BUILD_CONTEXTS_MAX ? BUILD_STATE_NAMED
									    : BUILD_STATE_BASES;
}

static int took_named(struct build *build, const struct build_answer *answer, struct err *err)
{
	if (answer->found)
		build->state = BUILD_STATE_NAMED_PATTERNS;
	else
		next_named(build, build->named + 1);
	return keep_bytes(build, answer->bytes, &build->named_ignore, err);
}

static int took_patterns(struct build *build, const struct build_answer *answer, struct err *err)
{
	bool own = build->state == BUILD_STATE_PATTERNS;
	uint32_t number = own ? 0 : 1 + build->named;
	next_named(build, number);
	return take_patterns(build, answer->bytes, &build->patterns[number], err);
}

/* "context", or the name of one: the time of its commit in digits, "" of what is no repository. */
static const char *context_epoch(struct build *build, const char *text)
{
	const struct image_pairs *named = &build->contexts;
	int32_t from = strcmp(text, "context") == 0 ? BUILD_CONTEXT : 0;
	for (uint32_t i = 0; from == 0 && i < named->count; i++)
		if (strcmp(named->items[i].key, text) == 0)
			from = BUILD_NAMED - (int32_t)i;
	if (from == 0 || !build->exec->context_time)
		return text;
	int64_t time_s = build->exec->context_time(build->owner, from);
	return time_s < 0 ? "" : arena_printf(&build->arena, "%lld", (long long)time_s);
}

/* What the request says of it goes before what the Dockerfile does; steps see a number. */
static int take_epoch(struct build *build, struct err *err)
{
	const char *said = build->plan.epoch, *text;
	char created[BUILD_CREATED_MAX] = "";
	for (uint32_t i = 0; i < build->args.count; i++)
		if (strcmp(build->args.items[i].key, "SOURCE_DATE_EPOCH") == 0)
			said = build->args.items[i].value;
	if (!*said || *build->params.created || !build->exec->epoch)
		return 0;
	text = context_epoch(build, said);
	if (!text)
		return err_set(err, -ENOMEM, "build: out of memory");
	int r = build->exec->epoch(build->owner, text, created, err);
	build->params.created = arena_text(&build->arena, str_from(created));
	if (!build->params.created)
		return err_set(err, -ENOMEM, "build: out of memory");
	return r < 0 || text == said ? r
				     : image_pairs_set(&build->arena, &build->args,
						       "SOURCE_DATE_EPOCH", text, err);
}

static int take_plan(struct build *build, struct str bytes, struct err *err)
{
	struct wire in;
	wire_init(&in, bytes.ptr, bytes.len);
	int r = build_plan_get(&in, &build->arena, &build->plan, err);
	return r < 0 ? r : take_epoch(build, err);
}

static int take_image(struct build *build, struct str bytes, struct err *err)
{
	struct wire in;
	wire_init(&in, bytes.ptr, bytes.len);
	int r = image_decode(&in, &build->arena, &build->bases[build->base], err);
	if (r < 0)
		(void)err_prefix(err, "image %s", build->plan.references.items[build->base]);
	return r;
}

/* To the next image that a needed stage starts or copies from; others are not even asked for. */
static void next_base(struct build *build)
{
	const struct build_plan *plan = &build->plan;
	for (; build->base < plan->references.count; build->base++)
		for (uint32_t i = 0; i < plan->stage_count; i++)
			if (plan->stages[i].needed &&
			    plan->stages[i].base_image == (int32_t)build->base) {
				build->state = BUILD_STATE_IMAGE;
				return;
			}
	build->state = BUILD_STATE_PLAN;
}

/* A trigger of a base may need a stage that nothing else does. */
static int check_fetched(const struct build *build, struct err *err)
{
	for (uint32_t i = 0; i < build->plan.stage_count; i++) {
		const struct build_stage *stage = &build->plan.stages[i];
		if (stage->needed && stage->base_image >= 0 && !build->fetched[stage->base_image])
			return err_set(err, -ENOTSUP,
				       "build: an ONBUILD trigger takes files from stage %u (%s), "
				       "which the Dockerfile does not use itself",
				       i, build->plan.references.items[stage->base_image]);
	}
	return 0;
}

/* The warnings go out; whether the build goes on. */
static int tell_warnings(struct build *build, struct err *err)
{
	const struct dockerfile_warnings *list = &build->plan.warnings;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct dockerfile_warning *one = &list->items[i];
		const char *line = dockerfile_warning_line(one, &build->arena);
		char url[160];
		dockerfile_rule_url(one->rule, url, sizeof(url));
		const struct build_note note = {
			.kind = BUILD_NOTE_WARNING,
			.text = line ? arena_printf(&build->arena, "warning: %s", line) : NULL,
			.line = one->line,
			.column = one->column,
			.rule = dockerfile_rule_name(one->rule),
			.description = dockerfile_rule_description(one->rule),
			.url = url,
		};
		if (!note.text)
			return err_set(err, -ENOMEM, "build: out of memory");
		build->exec->note(build->owner, &note);
	}
	return *build->plan.violation ? err_set(err, -EINVAL, "%s", build->plan.violation) : 0;
}

static int take_bases(struct build *build, struct str bytes, struct err *err)
{
	int r = take_plan(build, bytes, err);
	if (r == 0 && *build->plan.violation)
		r = tell_warnings(build, err);
	if (r < 0)
		return r;
	uint32_t count = build->plan.references.count;
	build->bases = arena_array(&build->arena, count + 1, sizeof(*build->bases));
	build->fetched = arena_array(&build->arena, count + 1, sizeof(*build->fetched));
	if (!build->bases || !build->fetched)
		return err_set(err, -ENOMEM, "build: out of memory");
	for (uint32_t i = 0; i < count; i++)
		image_init(&build->bases[i]);
	next_base(build);
	return 0;
}

/* An operation is done, from the cache or by itself. */
static void take_layer(struct build *build, struct build_track *track,
		       const struct store_cached *made, bool foreign)
{
	struct stage_result *result = &build->results[track->stage];
	struct build_stage *stage = &build->plan.stages[track->stage];
	if (made->has_layer)
		result->layers[result->count++] = (struct image_layer){
			.blob = made->layer.digest,
			.diff = made->layer.diff,
			.size = made->layer.size,
			.media_type = BUILD_LAYER_TYPE,
		};
	else
		stage->image.history[build_current_op(build, track)->history].empty_layer = true;
	result->key = track->key;
	result->foreign |= foreign || track->foreign;
	result->steps[result->step_count++] = (struct oci_cache_step){ .key = track->key,
								       .parent = -1,
								       .has_layer = made->has_layer,
								       .layer = made->layer.digest,
								       .size = made->layer.size };
	next_op(build, track);
}

static int took_dockerfile(struct build *build, const struct build_answer *answer, struct err *err)
{
	if (!answer->found)
		return err_set(err, -ENOENT, "Cannot locate specified Dockerfile: %s",
			       build->params.dockerfile);
	build->state = BUILD_STATE_IGNORE_OWN;
	return keep_bytes(build, answer->bytes, &build->dockerfile, err);
}

static int took_look(struct build *build, struct build_track *track,
		     const struct build_answer *answer, struct err *err)
{
	if (!answer->found) {
		track->state = BUILD_STATE_MAKE;
		return 0;
	}
	if (answer->layer.has_layer && build->results[track->stage].count >= IMAGE_LAYERS_MAX)
		return err_set(err, -E2BIG, "the image would have more than %d layers",
			       IMAGE_LAYERS_MAX);
	const struct build_note note = { .kind = BUILD_NOTE_CACHED,
					 .step = build_current_op(build, track)->step,
					 .text = " ---> Using cache" };
	build->exec->note(build->owner, &note);
	take_layer(build, track, &answer->layer, answer->foreign);
	return 0;
}

static int took_plan(struct build *build, struct str bytes, struct err *err)
{
	int r = take_plan(build, bytes, err);
	/* Made of the bases it was given, and of no other: their number is the array's. */
	if (r == 0 && !*build->plan.violation && build->plan.references.count != build->base)
		r = err_set(err, -EBADMSG, "build: malformed plan");
	if (r == 0)
		r = tell_warnings(build, err);
	if (r == 0 && build->params.check) {
		build->state = BUILD_STATE_ENDED;
		return 0;
	}
	if (r == 0)
		r = check_fetched(build, err);
	if (r == 0)
		r = begin_sources(build, err);
	if (r == 0)
		build->state = BUILD_STATE_STEPS;
	return r;
}

static void tell_done(struct build *build, const struct build_track *track)
{
	const struct build_note note = { .kind = BUILD_NOTE_DONE,
					 .step = build_current_op(build, track)->step,
					 .text = "" };
	build->exec->note(build->owner, &note);
}

/* A RUN may mount files of several contexts: one after the other. */
static void took_hash(struct build *build, struct build_track *track, const struct digest *digest)
{
	const struct build_op *op = build_current_op(build, track);
	int32_t from;
	if (track->hashed < ARRAY_LEN(track->contexts))
		track->contexts[track->hashed] = *digest;
	if (track->hashed++ == 0)
		track->files = *digest;
	else
		build_mix(&track->files, digest);
	if (op->kind != BUILD_OP_RUN || !build_context_of(op, track->hashed, &from))
		track->state = BUILD_STATE_LOOK;
}

static int take_step(struct build *build, struct build_track *track,
		     const struct build_answer *answer, struct err *err)
{
	if (track->state == BUILD_STATE_FETCH) {
		track->remotes = answer->digest;
		track->state = BUILD_STATE_HASH;
	} else if (track->state == BUILD_STATE_HASH) {
		took_hash(build, track, &answer->digest);
	} else if (track->state == BUILD_STATE_LOOK) {
		return took_look(build, track, answer, err);
	} else if (track->state == BUILD_STATE_MAKE) {
		track->made = answer->layer;
		track->state = BUILD_STATE_KEEP;
	} else {
		tell_done(build, track);
		take_layer(build, track, &track->made, false);
	}
	return 0;
}

int build_take(struct build *build, struct build_track *track, const struct build_answer *answer,
	       struct err *err)
{
	switch (build->state) {
	case BUILD_STATE_READ:
		return took_dockerfile(build, answer, err);
	case BUILD_STATE_IGNORE_OWN:
		build->state = answer->found ? BUILD_STATE_PATTERNS : BUILD_STATE_IGNORE;
		return keep_bytes(build, answer->bytes, &build->ignore, err);
	case BUILD_STATE_IGNORE:
		next_named(build, 0);
		build->state = answer->found ? BUILD_STATE_PATTERNS : build->state;
		return keep_bytes(build, answer->bytes, &build->ignore, err);
	case BUILD_STATE_NAMED:
		return took_named(build, answer, err);
	case BUILD_STATE_PATTERNS:
	case BUILD_STATE_NAMED_PATTERNS:
		return took_patterns(build, answer, err);
	case BUILD_STATE_BASES:
		return take_bases(build, answer->bytes, err);
	case BUILD_STATE_IMAGE:
		/* Only looked at: what is not here has an empty record. */
		if (!(answer->bytes.len == 0 && build->params.check) &&
		    take_image(build, answer->bytes, err) < 0)
			return -EBADMSG;
		build->fetched[build->base++] = true;
		next_base(build);
		return 0;
	case BUILD_STATE_PLAN:
		return took_plan(build, answer->bytes, err);
	case BUILD_STATE_STEPS:
		return take_step(build, track, answer, err);
	case BUILD_STATE_FINISH:
		build->state = BUILD_STATE_ENDED;
		return 0;
	case BUILD_STATE_FETCH:
	case BUILD_STATE_HASH:
	case BUILD_STATE_LOOK:
	case BUILD_STATE_MAKE:
	case BUILD_STATE_KEEP:
	case BUILD_STATE_ENDED:
		break;
	}
	return 0;
}
