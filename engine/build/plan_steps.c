/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of a build plan: each instruction changes the stage's image record or becomes an
 * operation. Pure; runs in the api role. Must never let two instructions see different values of
 * one variable than Docker would.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/build/plan.h"
#include "engine/build/scope.h"
#include "lib/own.h"

enum { PLAN_PATH_MAX = 4096 };

/* One stage while its steps are read. */
struct staging {
	struct arena *arena;
	const struct build_inputs *inputs;
	const struct scope *global;
	struct build_plan *plan;
	struct build_stage *stage;
	struct scope scope;
	uint32_t room; /* of stage->ops */
	uint32_t step_number;
	bool cmd_set;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "Dockerfile is too big");
}

static int expand_all(struct staging *s, const struct image_texts *words, struct image_texts *ret,
		      struct err *err)
{
	*ret = (struct image_texts){ 0 };
	for (uint32_t i = 0; i < words->count; i++) {
		const char *text = "";
		int r = scope_expand(&s->scope, words->items[i], &text, err);
		if (r == 0)
			r = image_texts_add(s->arena, ret, text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_text(const struct image_texts *texts, const char *text)
{
	for (uint32_t i = 0; i < texts->count; i++)
		if (strcmp(texts->items[i], text) == 0)
			return true;
	return false;
}

static int add_once(struct staging *s, struct image_texts *texts, const char *text, struct err *err)
{
	return has_text(texts, text) ? 0 : image_texts_add(s->arena, texts, text, err);
}

/* A shell line as argv of the stage's SHELL; an exec form as it is. */
static int command(struct staging *s, const struct dockerfile_step *step, struct image_texts *ret,
		   struct err *err)
{
	*ret = (struct image_texts){ 0 };
	if (step->json) {
		*ret = step->words;
		return 0;
	}
	const struct image_texts *shell = &s->stage->image.shell;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < shell->count; i++)
		r = image_texts_add(s->arena, ret, shell->items[i], err);
	if (r == 0 && shell->count == 0) {
		r = image_texts_add(s->arena, ret, "/bin/sh", err);
		if (r == 0)
			r = image_texts_add(s->arena, ret, "-c", err);
	}
	return r < 0 ? r : image_texts_add(s->arena, ret, step->words.items[0], err);
}

/* path below base, cleaned; a slash at the end of path stays. */
static const char *join_path(struct staging *s, const char *base, const char *path)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str rest, part;
	bool slash = !*path || path[strlen(path) - 1] == '/' || strcmp(path, ".") == 0 ||
		     str_ends(str_from(path), STR("/.")) || strcmp(path, "..") == 0 ||
		     str_ends(str_from(path), STR("/.."));
	buf_init(&out, PLAN_PATH_MAX);
	const char *parts[2] = { *path == '/' ? "" : base, path };
	for (int i = 0; i < 2; i++) {
		rest = str_from(parts[i]);
		while (str_cut(&rest, '/', &part)) {
			if (part.len == 0 || str_is(part, "."))
				continue;
			if (str_is(part, "..")) {
				while (out.len > 0 && out.data[--out.len] != '/')
					;
				continue;
			}
			(void)buf_add_byte(&out, '/');
			(void)buf_add_str(&out, part);
		}
	}
	if (slash || out.len == 0)
		(void)buf_add_byte(&out, '/');
	return buf_error(&out) < 0 ? NULL : arena_text(s->arena, buf_str(&out));
}

static const char *current_dir(const struct staging *s)
{
	return *s->stage->image.workdir ? s->stage->image.workdir : "/";
}

/* ---- operations ---- */

static struct build_op *op_new(struct staging *s, const struct dockerfile_step *step,
			       enum build_op_kind kind, struct err *err)
{
	struct build_stage *stage = s->stage;
	if (stage->op_count == s->room) {
		uint32_t room = s->room ? s->room * 2 : 16;
		struct build_op *ops = arena_array(s->arena, room, sizeof(*ops));
		if (!ops) {
			no_memory(err);
			return NULL;
		}
		if (s->room)
			memcpy(ops, stage->ops, stage->op_count * sizeof(*ops));
		stage->ops = ops;
		s->room = room;
	}
	struct build_op *op = &stage->ops[stage->op_count++];
	*op = (struct build_op){
		.kind = kind,
		.line = step->line,
		.step = s->step_number,
		.history = stage->image.history_count, /* the entry that is added behind it */
		.title = step->text,
		.workdir = "",
		.user = "",
		.from = BUILD_CONTEXT,
		.dest = "",
		.chown = "",
		.chmod = "",
	};
	return op;
}

static int plan_run(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct build_op *op = op_new(s, step, BUILD_OP_RUN, err);
	int r = op ? command(s, step, &op->argv, err) : -ENOMEM;
	if (r < 0)
		return r;
	op->env = s->stage->image.env;
	for (uint32_t i = 0; r == 0 && i < s->scope.args.count; i++) {
		const struct image_pair *arg = &s->scope.args.items[i];
		if (!image_env_get(&op->env, arg->key))
			r = image_env_set(s->arena, &op->env, arg->key, arg->value, err);
	}
	op->workdir = current_dir(s);
	op->user = s->stage->image.user;
	return r;
}

static int plan_copy(struct staging *s, const struct dockerfile_step *step, int32_t from,
		     struct err *err)
{
	struct build_op *op = op_new(s, step, BUILD_OP_COPY, err);
	struct image_texts words;
	if (!op)
		return -ENOMEM;
	op->from = from;
	int r = expand_all(s, &step->words, &words, err);
	if (r == 0)
		r = scope_expand(&s->scope, step->chown, &op->chown, err);
	if (r == 0)
		r = scope_expand(&s->scope, step->chmod, &op->chmod, err);
	if (r < 0)
		return r;
	op->dest = join_path(s, current_dir(s), words.items[words.count - 1]);
	op->sources = (struct image_texts){ words.items, words.count - 1 };
	if (!op->dest)
		return err_set(err, -EINVAL, "the destination is longer than %d bytes",
			       PLAN_PATH_MAX - 1);
	for (uint32_t i = 0; i < op->sources.count; i++)
		if (strlen(op->sources.items[i]) >= PLAN_PATH_MAX)
			return err_set(err, -EINVAL, "a source is longer than %d bytes",
				       PLAN_PATH_MAX - 1);
	if (op->sources.count > 1 && !str_ends(str_from(op->dest), STR("/")))
		return err_set(err, -EINVAL,
			       "When using %s with more than one source file, the "
			       "destination must be a directory and end with a /",
			       dockerfile_kind_name(step->kind));
	return 0;
}

static int plan_workdir(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *path = "";
	int r = scope_expand(&s->scope, step->words.items[0], &path, err);
	if (r < 0)
		return r;
	if (!*path)
		return err_set(err, -EINVAL, "cannot normalize nothing: WORKDIR is empty");
	path = join_path(s, current_dir(s), path);
	if (!path)
		return err_set(err, -EINVAL, "WORKDIR is longer than %d bytes", PLAN_PATH_MAX - 1);
	size_t len = strlen(path);
	if (len > 1 && path[len - 1] == '/')
		path = arena_text(s->arena, str_make(path, len - 1));
	struct build_op *op = path ? op_new(s, step, BUILD_OP_DIR, err) : NULL;
	if (!op)
		return no_memory(err);
	op->workdir = s->stage->image.workdir = path;
	op->user = s->stage->image.user;
	return 0;
}

/* ---- what only changes the record ---- */

/* All values of one line are expanded before the first of them is set, as Docker does. */
static int plan_pairs(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image *image = &s->stage->image;
	struct image_texts words;
	int r = expand_all(s, &step->words, &words, err);
	for (uint32_t i = 0; r == 0 && i + 1 < words.count; i += 2) {
		if (!*words.items[i])
			return err_set(err, -EINVAL, "%s names can not be blank",
				       dockerfile_kind_name(step->kind));
		if (step->kind == DOCKERFILE_KIND_ENV)
			r = image_env_set(s->arena, &image->env, words.items[i], words.items[i + 1],
					  err);
		else
			r = image_pairs_set(s->arena, &image->labels, words.items[i],
					    words.items[i + 1], err);
	}
	return r;
}

/* "80", "80/tcp", "8000-8010/udp". */
static int add_port(struct staging *s, const char *word, struct err *err)
{
	struct str port = str_from(word), proto = STR("tcp"), low, high;
	uint64_t first = 0, last = 0;
	char shown[40];
	ptrdiff_t slash = str_find(port, '/');
	if (slash >= 0) {
		proto = str_skip(port, (size_t)slash + 1);
		port = str_head(port, (size_t)slash);
	}
	ptrdiff_t dash = str_find(port, '-');
	low = dash < 0 ? port : str_head(port, (size_t)dash);
	high = dash < 0 ? port : str_skip(port, (size_t)dash + 1);
	(void)str_escape(str_from(word), shown, sizeof(shown));
	if (str_to_u64(low, 1, 65535, &first) < 0 || str_to_u64(high, first, 65535, &last) < 0)
		return err_set(err, -EINVAL, "invalid containerPort: %s", shown);
	if (!str_is_nocase(proto, "tcp") && !str_is_nocase(proto, "udp") &&
	    !str_is_nocase(proto, "sctp"))
		return err_set(err, -EINVAL, "invalid proto: %s", shown);
	if (last - first >= IMAGE_TEXTS_MAX)
		return err_set(err, -EINVAL, "EXPOSE %s: more than %d ports", shown,
			       IMAGE_TEXTS_MAX);
	const char *name = str_is_nocase(proto, "udp")	  ? "udp"
			   : str_is_nocase(proto, "sctp") ? "sctp"
							  : "tcp";
	int r = 0;
	for (uint64_t p = first; r == 0 && p <= last; p++) {
		(void)snprintf(shown, sizeof(shown), "%u/%s", (unsigned)p, name);
		r = add_once(s, &s->stage->image.exposed_ports, shown, err);
	}
	return r;
}

static int plan_expose(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image_texts words = { 0 };
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++)
		r = dockerfile_expand_words(step->words.items[i], s->scope.escape, scope_lookup,
					    &s->scope, s->arena, &words, err);
	for (uint32_t i = 0; r == 0 && i < words.count; i++)
		r = add_port(s, words.items[i], err);
	return r;
}

static int plan_volume(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image_texts words;
	int r = expand_all(s, &step->words, &words, err);
	for (uint32_t i = 0; r == 0 && i < words.count; i++) {
		if (!*words.items[i])
			return err_set(err, -EINVAL, "VOLUME specified can not be an empty string");
		r = add_once(s, &s->stage->image.volumes, words.items[i], err);
	}
	return r;
}

static int plan_arg(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++)
		r = scope_declare(&s->scope, s->global, step->words.items[i], err);
	return r;
}

static int plan_healthcheck(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image_health *health = &s->stage->image.health;
	*health = step->health;
	health->test = (struct image_texts){ 0 };
	if (step->words.count == 0)
		return image_texts_add(s->arena, &health->test, "NONE", err);
	int r = image_texts_add(s->arena, &health->test, step->json ? "CMD" : "CMD-SHELL", err);
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++)
		r = image_texts_add(s->arena, &health->test, step->words.items[i], err);
	return r;
}

static int plan_stopsignal(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	const char *text = "";
	uint64_t number = 0;
	int r = scope_expand(&s->scope, step->words.items[0], &text, err);
	if (r < 0)
		return r;
	if (str_to_u64(str_from(text), 1, 64, &number) < 0 &&
	    (strncmp(text, "SIG", 3) != 0 || strlen(text) > 16 || strlen(text) < 5)) {
		char shown[40];
		(void)str_escape(str_from(text), shown, sizeof(shown));
		return err_set(err, -EINVAL, "Invalid signal: %s", shown);
	}
	s->stage->image.stop_signal = text;
	return 0;
}

/* An ENTRYPOINT of the Dockerfile makes the base's CMD meaningless. */
static int plan_entrypoint(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	int r = command(s, step, &s->stage->image.entrypoint, err);
	if (r == 0 && !s->cmd_set)
		s->stage->image.cmd = (struct image_texts){ 0 };
	return r;
}

static int32_t source_of(const struct plan_uses *uses, uint32_t step)
{
	for (uint32_t i = 0; i < uses->count; i++)
		if (uses->items[i].step == step)
			return (int32_t)uses->items[i].from;
	return BUILD_CONTEXT;
}

static int plan_step(struct staging *s, const struct dockerfile_step *step, int32_t from,
		     struct err *err)
{
	struct image *image = &s->stage->image;
	switch (step->kind) {
	case DOCKERFILE_KIND_FROM:
		return 0;
	case DOCKERFILE_KIND_RUN:
		return plan_run(s, step, err);
	case DOCKERFILE_KIND_COPY:
	case DOCKERFILE_KIND_ADD:
		return plan_copy(s, step, from, err);
	case DOCKERFILE_KIND_WORKDIR:
		return plan_workdir(s, step, err);
	case DOCKERFILE_KIND_ENV:
	case DOCKERFILE_KIND_LABEL:
		return plan_pairs(s, step, err);
	case DOCKERFILE_KIND_EXPOSE:
		return plan_expose(s, step, err);
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
		return command(s, step, &image->cmd, err);
	case DOCKERFILE_KIND_SHELL:
		image->shell = step->words;
		return 0;
	case DOCKERFILE_KIND_USER:
		return scope_expand(&s->scope, step->words.items[0], &image->user, err);
	case DOCKERFILE_KIND_MAINTAINER:
		image->author = step->words.items[0];
		return 0;
	}
	return -EINVAL;
}

/* ---- stages ---- */

static bool makes_layer(enum dockerfile_kind kind)
{
	return kind == DOCKERFILE_KIND_RUN || kind == DOCKERFILE_KIND_COPY ||
	       kind == DOCKERFILE_KIND_ADD || kind == DOCKERFILE_KIND_WORKDIR;
}

static int add_history(struct staging *s, const struct dockerfile_step *step, struct err *err)
{
	struct image *image = &s->stage->image;
	if (image->history_count >= IMAGE_HISTORY_MAX)
		return err_set(err, -EINVAL, "the image's history has more than %d entries",
			       IMAGE_HISTORY_MAX);
	struct image_history *list = arena_array(s->arena, image->history_count + 1, sizeof(*list));
	if (!list)
		return no_memory(err);
	if (image->history_count)
		memcpy(list, image->history, image->history_count * sizeof(*list));
	list[image->history_count] = (struct image_history){
		.created = "",
		.created_by = step->text,
		.author = "",
		.comment = "",
		.empty_layer = !makes_layer(step->kind),
	};
	image->history = list;
	image->history_count++;
	return 0;
}

/* The stage begins with what its base says; layers and digests are not the plan's. */
static int begin_stage(struct staging *s, const struct image *bases, struct err *err)
{
	struct build_stage *stage = s->stage;
	const struct image *base = NULL;
	if (stage->base_stage >= 0)
		base = &s->plan->stages[stage->base_stage].image;
	if (stage->base_image >= 0)
		base = &bases[stage->base_image];
	if (!base)
		return 0;
	int r = image_copy(s->arena, base, &stage->image, err);
	if (r < 0)
		return r;
	if (base->on_build.count > 0)
		return err_set(err, -ENOTSUP,
			       "%s has ONBUILD triggers (%s ...), which are not carried out here: "
			       "write them into this Dockerfile",
			       s->plan->references.items[stage->base_image],
			       base->on_build.items[0]);
	struct image *image = &stage->image;
	image->reference = "";
	image->layers = NULL;
	image->layer_count = 0;
	memset(&image->source, 0, sizeof(image->source));
	memset(&image->manifest, 0, sizeof(image->manifest));
	memset(&image->config, 0, sizeof(image->config));
	image->manifest_size = image->config_size = 0;
	return 0;
}

static int plan_stage(struct staging *s, const struct dockerfile *file, uint32_t first,
		      const struct plan_uses *uses, const struct image *bases, struct err *err)
{
	const struct dockerfile_step *from = &file->steps[first];
	scope_init(&s->scope, s->inputs, s->arena, file->escape);
	s->scope.env = &s->stage->image.env;
	s->room = 0;
	s->cmd_set = false;
	s->step_number++;
	int r = begin_stage(s, bases, err);
	if (r < 0)
		return r == -ENOMEM ? r : plan_fail(from, err);
	for (uint32_t i = first + 1; i < file->step_count; i++) {
		const struct dockerfile_step *step = &file->steps[i];
		if (step->kind == DOCKERFILE_KIND_FROM)
			break;
		s->step_number++;
		r = plan_step(s, step, source_of(uses, i), err);
		if (r == 0)
			r = add_history(s, step, err);
		if (r < 0)
			return r == -ENOMEM ? r : plan_fail(step, err);
	}
	return 0;
}

/* --build-arg that no ARG takes is most often a typing error. */
static int warn_unused(struct staging *s, const struct dockerfile *file, struct err *err)
{
	for (uint32_t a = 0; a < s->inputs->args.count; a++) {
		const char *key = s->inputs->args.items[a].key;
		bool used = false;
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
		int r = used	? 0
			: !line ? no_memory(err)
				: image_texts_add(s->arena, &s->plan->warnings, line, err);
		if (r < 0)
			return r;
	}
	return 0;
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
	struct dockerfile file;
	struct plan_uses uses;
	struct scope global;
	int r = plan_read(inputs, arena, &file, ret_plan, &global, &uses, err);
	if (r < 0)
		return r;
	if (base_count != ret_plan->references.count)
		return err_set(err, -EINVAL, "build: %u images for %u references", base_count,
			       ret_plan->references.count);
	struct staging s = {
		.arena = arena, .inputs = inputs, .global = &global, .plan = ret_plan
	};
	uint32_t stage = 0;
	for (uint32_t i = 0; r == 0 && i < file.step_count; i++) {
		if (file.steps[i].kind != DOCKERFILE_KIND_FROM)
			continue;
		s.stage = &ret_plan->stages[stage++];
		if (s.stage->needed)
			r = plan_stage(&s, &file, i, &uses, bases, err);
	}
	if (r == 0)
		r = warn_unused(&s, &file, err);
	return r < 0 ? r : finish_target(&s, err);
}
