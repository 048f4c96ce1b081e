/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of a build plan: stages, what they start from, which of them the target needs.
 * Pure; runs in the api role. Must never look at an image: that is the second half's.
 */
#include "engine/build/plan.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "engine/build/plan_lint.h"
#include "engine/build/scope.h"
#include "engine/oci/oci.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

int plan_fail(const struct dockerfile_step *step, struct err *err)
{
	if (err)
		(void)err_prefix(err, "Dockerfile:%u:%u", step->line, step->column);
	return -EINVAL;
}

int plan_fail_word(const struct build_inputs *inputs, const struct dockerfile_step *step,
		   uint32_t word, struct err *err)
{
	uint32_t line = step->line, column = step->column;
	if (!step->trigger && step->offsets && word < step->words.count)
		dockerfile_place(inputs->dockerfile, step->offsets[word], &line, &column);
	if (err)
		(void)err_prefix(err, "Dockerfile:%u:%u", line, column);
	return -EINVAL;
}

/* ---- variables ---- */

bool scope_is_proxy(const char *name)
{
	static const char *const names[] = { "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
					     "ALL_PROXY" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_is(str_from(name), names[i]) ||
		    (islower((unsigned char)name[0]) && str_is_nocase(str_from(name), names[i])))
			return true;
	return false;
}

void scope_init(struct scope *scope, const struct build_inputs *inputs, struct arena *arena,
		char escape)
{
	*scope = (struct scope){ .inputs = inputs, .arena = arena, .escape = escape };
}

static const char *find_pair(const struct image_pairs *pairs, struct str name)
{
	for (uint32_t i = 0; i < pairs->count; i++)
		if (str_is(name, pairs->items[i].key))
			return pairs->items[i].value;
	return NULL;
}

/* What every Dockerfile may name without declaring it: our own platform. */
static const char *platform_value(const struct scope *scope, struct str name)
{
	struct oci_platform own = oci_platform_own();
	struct arena *arena = scope->arena;
	if (str_is(name, "TARGETSTAGE"))
		return scope->inputs->target && *scope->inputs->target ? scope->inputs->target
		       : scope->last_stage && *scope->last_stage       ? scope->last_stage
								       : "default";
	if (str_is(name, "TARGETOS") || str_is(name, "BUILDOS"))
		return own.os;
	if (str_is(name, "TARGETARCH") || str_is(name, "BUILDARCH"))
		return own.architecture;
	if (str_is(name, "TARGETVARIANT") || str_is(name, "BUILDVARIANT"))
		return own.variant;
	if (str_is(name, "TARGETPLATFORM") || str_is(name, "BUILDPLATFORM"))
		return arena_printf(arena, "%s/%s%s%s", own.os, own.architecture,
				    *own.variant ? "/" : "", own.variant);
	return NULL;
}

static void add_miss(const struct scope *scope, struct str name)
{
	struct scope_misses *misses = scope->misses;
	for (uint32_t i = 0; i < misses->count; i++)
		if (str_is(name, misses->names[i]))
			return;
	if (misses->count == SCOPE_MISSES_MAX)
		return;
	misses->names[misses->count] = arena_text(scope->arena, name);
	misses->count += misses->names[misses->count] != NULL;
}

bool scope_is_later(const struct scope *scope, const char *name)
{
	for (uint32_t i = 0; i < scope->later.count; i++)
		if (strcmp(scope->later.items[i], name) == 0)
			return true;
	return false;
}

void scope_env_again(struct scope *scope, const char *name)
{
	for (uint32_t i = scope->later.count; i-- > 0;)
		if (strcmp(scope->later.items[i], name) == 0)
			scope->later.items[i] = scope->later.items[--scope->later.count];
}

const char *scope_lookup(const void *owner, struct str name)
{
	const struct scope *scope = owner;
	char text[256];
	const char *value = NULL;
	if (scope->env && str_copy(name, text, sizeof(text)) == 0 && !scope_is_later(scope, text))
		value = image_env_get(scope->env, text);
	if (!value)
		value = find_pair(&scope->args, name);
	if (!value && scope->global)
		value = platform_value(scope, name);
	if (!value && scope->misses)
		add_miss(scope, name);
	if (value && scope->masked && plan_is_secret(name))
		return "***";
	return value;
}

int scope_expand(const struct scope *scope, const char *word, const char **ret_text,
		 struct err *err)
{
	return dockerfile_expand(word, scope->escape, scope_lookup, scope, scope->arena, ret_text,
				 err);
}

/* ARG name[=default]: what --build-arg says, else the default, else the global one, else unset. */
int scope_declare(struct scope *scope, const struct scope *global, const char *word,
		  struct err *err)
{
	struct str name = str_from(word);
	ptrdiff_t equals = str_find(name, '=');
	const char *value = NULL, *key = NULL;
	int r = 0;
	if (equals >= 0) {
		r = scope_expand(scope, word + equals + 1, &value, err);
		name = str_head(name, (size_t)equals);
	}
	const char *raw = arena_text(scope->arena, name);
	if (!raw)
		return err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = scope_expand(scope, raw, &key, err);
	if (r < 0)
		return r;
	bool again = false;
	for (uint32_t i = 0; i < scope->declared.count && !again; i++)
		again = strcmp(scope->declared.items[i], key) == 0;
	r = again ? 0 : image_texts_add(scope->arena, &scope->declared, key, err);
	if (r < 0)
		return r;
	const char *given = find_pair(&scope->inputs->args, str_from(key));
	if (given)
		value = given;
	if (!value && global)
		value = find_pair(&global->args, str_from(key));
	if (!value)
		value = platform_value(scope, str_from(key));
	if (!value)
		return 0;
	if (scope->env && image_env_get(scope->env, key) && !scope_is_later(scope, key))
		r = image_texts_add(scope->arena, &scope->later, key, err);
	return r < 0 ? r : image_pairs_set(scope->arena, &scope->args, key, value, err);
}

/* ---- stages ---- */

int plan_find_stage(const struct build_plan *plan, const char *name, uint32_t before)
{
	for (uint32_t i = before; i-- > 0;)
		if (*plan->stages[i].name && str_is_nocase(str_from(name), plan->stages[i].name))
			return (int)i;
	return -1;
}

static int add_reference(struct arena *arena, struct build_plan *plan, const char *reference,
			 const char *platform, int32_t *ret_index, struct err *err)
{
	for (uint32_t i = 0; i < plan->references.count; i++) {
		if (strcmp(plan->references.items[i], reference) == 0 &&
		    strcmp(plan->platforms.items[i], platform) == 0) {
			*ret_index = (int32_t)i;
			return 0;
		}
	}
	char canonical[OCI_REFERENCE_MAX], shown[120];
	if (oci_reference_normalise(str_from(reference), canonical, NULL) < 0) {
		(void)str_escape(str_from(reference), shown, sizeof(shown));
		return err_set(err, -EINVAL,
			       "failed to parse stage name \"%s\": invalid reference format%s",
			       shown, plan_capitals(reference, arena));
	}
	*ret_index = (int32_t)plan->references.count;
	int r = image_texts_add(arena, &plan->references, reference, err);
	return r < 0 ? r : image_texts_add(arena, &plan->platforms, platform, err);
}

static struct build_stage *stage_new(struct build_plan *plan, struct err *err)
{
	if (plan->stage_count == BUILD_STAGES_MAX) {
		err_set(err, -EINVAL, "more than %d stages", BUILD_STAGES_MAX);
		return NULL;
	}
	struct build_stage *stage = &plan->stages[plan->stage_count++];
	*stage = (struct build_stage){ .name = "",
				       .base_stage = BUILD_NONE,
				       .base_image = BUILD_NONE,
				       .base_context = BUILD_NONE };
	image_init(&stage->image);
	return stage;
}

/* "x", "x:latest" and "docker.io/library/x" are one name. */
static bool is_same_name(const char *name, const char *other)
{
	char one[OCI_REFERENCE_MAX], two[OCI_REFERENCE_MAX];
	if (str_is_nocase(str_from(name), other))
		return true;
	return oci_reference_normalise(str_from(name), one, NULL) == 0 &&
	       oci_reference_normalise(str_from(other), two, NULL) == 0 && strcmp(one, two) == 0;
}

/* The named context of this name: its number, or -1. */
static int find_context(const struct build_inputs *inputs, const char *name)
{
	for (uint32_t i = 0; i < inputs->contexts.count; i++)
		if (is_same_name(name, inputs->contexts.items[i].key))
			return (int)i;
	return -1;
}

/* "docker-image://REFERENCE" of a named context, NULL when it is a directory. */
static const char *context_image(const struct build_inputs *inputs, int context)
{
	static const struct str scheme = STR("docker-image://");
	const char *where = inputs->contexts.items[context].value;
	return str_starts(str_from(where), scheme) ? where + scheme.len : NULL;
}

static int lint_from(struct build_plan *plan, const struct scope *global,
		     const struct dockerfile *file, const struct dockerfile_step *step,
		     struct err *err)
{
	struct scope_misses misses = { 0 };
	struct scope scope = *global;
	scope.misses = &misses;
	return plan_lint_from(file, &scope, step, plan, err);
}

struct base_wanted {
	const char *image, *platform;
};

/* What the stage begins with. A named context of the stage's own name is the whole of it. */
static int set_base(struct arena *arena, struct build_plan *plan, const struct build_inputs *inputs,
		    struct base_wanted wanted, struct build_stage *stage, struct err *err)
{
	int context = *stage->name ? find_context(inputs, stage->name) : -1;
	stage->replaced = context >= 0;
	if (context < 0 && strcmp(wanted.image, "scratch") != 0)
		context = find_context(inputs, wanted.image);
	const char *image = context >= 0 ? context_image(inputs, context) : wanted.image;
	if (!image) {
		stage->base_context = BUILD_NAMED - context;
		return 0;
	}
	if (context < 0)
		stage->base_stage = plan_find_stage(plan, image, plan->stage_count - 1);
	if (stage->base_stage >= 0 || strcmp(image, "scratch") == 0)
		return 0;
	return add_reference(arena, plan, image, wanted.platform, &stage->base_image, err);
}

static int add_stage(struct arena *arena, struct build_plan *plan, const struct scope *global,
		     const struct dockerfile *file, const struct dockerfile_step *step,
		     struct err *err)
{
	const char *image = "", *platform = "";
	int r = lint_from(plan, global, file, step, err);
	if (r == 0)
		r = scope_expand(global, step->words.items[0], &image, err);
	if (r < 0)
		return plan_fail_word(global->inputs, step, 0, err);
	r = scope_expand(global, step->platform, &platform, err);
	struct build_stage *stage = r == 0 ? stage_new(plan, err) : NULL;
	if (!stage)
		return plan_fail(step, err);
	stage->name = step->stage;
	if (!*image) {
		err_set(err, -EINVAL, "base name (%s) should not be blank", step->words.items[0]);
		return plan_fail_word(global->inputs, step, 0, err);
	}
	if (*step->platform && !*platform) {
		const char *near = plan_lint_near(global, step->platform);
		err_set(err, -EINVAL, "empty platform value from expression %s%s%s%s",
			step->platform, near ? " (did you mean " : "", near ? near : "",
			near ? "?)" : "");
		return plan_fail(step, err);
	}
	if (*platform && plan_platform(global, step->platform, platform, err) < 0)
		return plan_fail(step, err);
	r = set_base(arena, plan, global->inputs, (struct base_wanted){ image, platform }, stage,
		     err);
	return r == -EINVAL ? plan_fail_word(global->inputs, step, 0, err) : r;
}

struct use_reading {
	const struct build_inputs *inputs;
	struct arena *arena;
	struct build_plan *plan;
	struct plan_uses *uses;
	uint32_t stages, room;
};

/* A --from that names no stage is an image: a stage without steps stands for it. */
static int add_source(const struct use_reading *u, const struct dockerfile_step *step,
		      const char *name, uint32_t stage, int32_t *ret_from, struct err *err)
{
	struct build_plan *plan = u->plan;
	int32_t reference = BUILD_NONE;
	uint64_t number = 0;
	int context = find_context(u->inputs, name);
	const char *image = context >= 0 ? context_image(u->inputs, context) : NULL;
	if (context >= 0 && !image) {
		*ret_from = BUILD_NAMED - context;
		return 0;
	}
	name = image ? image : name;
	/* The last of that name; plan_order() looks where it is. */
	int found = image ? -1 : plan_find_stage(plan, name, u->stages);
	if (found < 0 && !image && str_to_u64(str_from(name), 0, UINT32_MAX, &number) == 0) {
		if (number >= stage) {
			err_set(err, -EINVAL,
				"invalid from flag value %s: invalid stage index %s: there are "
				"only %u stages before",
				name, name, stage);
			return plan_fail(step, err);
		}
		found = (int)number;
	}
	*ret_from = found;
	if (found >= 0)
		return 0;
	if (strcmp(name, "scratch") != 0) {
		int r = add_reference(u->arena, plan, name, "", &reference, err);
		if (r < 0)
			return plan_fail(step, err);
	}
	for (uint32_t i = u->stages; i < plan->stage_count; i++)
		if (plan->stages[i].base_image == reference)
			*ret_from = (int32_t)i;
	if (*ret_from >= 0)
		return 0;
	struct build_stage *source = stage_new(plan, err);
	if (!source)
		return plan_fail(step, err);
	source->base_image = reference;
	*ret_from = (int32_t)plan->stage_count - 1;
	return 0;
}

/* ---- the target and what it needs ---- */

static int find_target(struct build_plan *plan, const char *target, uint32_t stages,
		       struct err *err)
{
	const char *names[BUILD_STAGES_MAX];
	uint64_t number = 0;
	plan->target = stages - 1;
	if (!*target)
		return 0;
	int found = plan_find_stage(plan, target, stages);
	if (found < 0 && str_to_u64(str_from(target), 0, stages - 1, &number) == 0)
		found = (int)number;
	if (found < 0) {
		char shown[80];
		(void)str_escape(str_from(target), shown, sizeof(shown));
		for (uint32_t i = 0; i < stages; i++)
			names[i] = plan->stages[i].name;
		const char *near = dockerfile_nearest(str_from(target), names, stages);
		return err_set(err, -EINVAL, "target stage \"%s\" could not be found%s%s%s", shown,
			       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
	plan->target = (uint32_t)found;
	return 0;
}

/* Stages only look back, so one pass from the target down marks all (sources of COPY are later ones
 * and need nothing themselves). */
static void mark_needed(struct build_plan *plan, const struct plan_uses *uses)
{
	plan->stages[plan->target].needed = true;
	for (uint32_t i = plan->target + 1; i-- > 0;) {
		const struct build_stage *stage = &plan->stages[i];
		if (!stage->needed)
			continue;
		if (stage->base_stage >= 0)
			plan->stages[stage->base_stage].needed = true;
		for (uint32_t u = 0; u < uses->count; u++)
			if (uses->items[u].stage == i && uses->items[u].from >= 0)
				plan->stages[uses->items[u].from].needed = true;
	}
}

static int read_stages(const struct build_inputs *inputs, struct arena *arena,
		       const struct dockerfile *file, struct build_plan *plan, struct scope *global,
		       struct err *err)
{
	int r = 0;
	struct build_inputs *plain = arena_alloc(arena, sizeof(*plain));
	struct scope *defaults = arena_alloc(arena, sizeof(*defaults));
	if (!plain || !defaults)
		return err_set(err, -ENOMEM, "out of memory");
	*plain = *inputs;
	plain->args = (struct image_pairs){ 0 };
	scope_init(defaults, plain, arena, file->escape);
	scope_init(global, inputs, arena, file->escape);
	defaults->global = global->global = true;
	for (uint32_t i = 0; i < file->step_count; i++)
		if (file->steps[i].kind == DOCKERFILE_KIND_FROM)
			defaults->last_stage = global->last_stage = file->steps[i].stage;
	global->defaults = defaults;
	for (uint32_t i = 0; r == 0 && i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		if (step->kind == DOCKERFILE_KIND_FROM)
			r = add_stage(arena, plan, global, file, step, err);
		for (uint32_t w = 0; r == 0 && plan->stage_count == 0 && w < step->words.count; w++)
			if (scope_declare(defaults, NULL, step->words.items[w], err) < 0 ||
			    scope_declare(global, NULL, step->words.items[w], err) < 0)
				r = plan_fail_word(inputs, step, w, err);
	}
	return r;
}

static int add_use(struct use_reading *u, const struct dockerfile_step *step, const char *name,
		   struct plan_use use, struct err *err)
{
	int32_t from = BUILD_NONE;
	int r = add_source(u, step, name, use.stage, &from, err);
	if (r < 0)
		return r;
	if (u->uses->count == u->room) {
		uint32_t room = u->room ? u->room * 2 : 16;
		struct plan_use *items = arena_array(u->arena, room, sizeof(*items));
		if (!items)
			return err_set(err, -ENOMEM, "out of memory");
		if (u->room > 0)
			memcpy(items, u->uses->items, u->room * sizeof(*items));
		u->uses->items = items;
		u->room = room;
	}
	use.from = from;
	u->uses->items[u->uses->count++] = use;
	return 0;
}

/* The stages that mounts are taken from: their names hold no variables. */
static int read_mounts(struct use_reading *u, const struct dockerfile_step *step, char escape,
		       struct plan_use use, struct err *err)
{
	for (uint32_t i = 0; i < step->mounts.count; i++) {
		struct dockerfile_mount mount;
		int r = dockerfile_mount_parse(step->mounts.items[i], escape, NULL, NULL, u->arena,
					       &mount, err);
		use.mount = i;
		if (r == 0 && *mount.from)
			r = add_use(u, step, mount.from, use, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_uses(const struct build_inputs *inputs, struct arena *arena,
		     const struct dockerfile *file, struct build_plan *plan, struct plan_uses *uses,
		     struct err *err)
{
	struct use_reading u = { .inputs = inputs,
				 .arena = arena,
				 .plan = plan,
				 .uses = uses,
				 .stages = plan->stage_count };
	uint32_t stage = UINT32_MAX;
	for (uint32_t i = 0; i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		int r = 0;
		stage += step->kind == DOCKERFILE_KIND_FROM;
		struct plan_use use = { .step = i, .stage = stage, .mount = UINT32_MAX };
		if (stage < u.stages && plan->stages[stage].replaced)
			continue;
		if (*step->from)
			r = add_use(&u, step, step->from, use, err);
		if (r == 0)
			r = read_mounts(&u, step, file->escape, use, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int plan_read(const struct build_inputs *inputs, const struct image *bases, struct arena *arena,
	      struct build_plan *plan, struct plan_reading *ret, struct err *err)
{
	memset(plan, 0, sizeof(*plan));
	*ret = (struct plan_reading){ 0 };
	int r = dockerfile_parse(inputs->dockerfile, arena, &ret->file, err);
	plan->warnings = ret->file.warnings;
	if (r == 0)
		r = read_stages(inputs, arena, &ret->file, plan, &ret->global, err);
	uint32_t stages = plan->stage_count;
	if (r == 0 && bases)
		r = plan_triggers(plan, bases, arena, &ret->file, err);
	if (r == 0)
		r = read_uses(inputs, arena, &ret->file, plan, &ret->uses, err);
	if (r == 0)
		r = find_target(plan, inputs->target ? inputs->target : "", stages, err);
	if (r < 0)
		return r;
	mark_needed(plan, &ret->uses);
	const char *epoch = find_pair(&ret->global.args, STR("SOURCE_DATE_EPOCH"));
	plan->epoch = epoch ? epoch : "";
	plan->violation = "";
	return plan_order(&ret->file, plan, &ret->uses, stages, err);
}

int build_plan_bases(const struct build_inputs *inputs, struct arena *arena,
		     struct build_plan *ret_plan, struct err *err)
{
	struct plan_reading reading;
	return plan_read(inputs, NULL, arena, ret_plan, &reading, err);
}
