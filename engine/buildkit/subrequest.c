/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers about a Dockerfile that nothing is built for. Pure; runs in the api role. Must never say
 * of a target what only another one takes.
 */
#include "engine/buildkit/subrequest.h"

#include <errno.h>
#include <string.h>
#include "engine/docker/base64.h"
#include "engine/json/json.h"
#include "lib/own.h"

enum { SUBREQUEST_DATA_MAX = 2 << 20 };

int subrequest_parse(const char *id, enum subrequest *ret_kind, struct err *err)
{
	static const char *const ids[] = { "", "frontend.lint", "frontend.outline",
					   "frontend.targets" };

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		if (strcmp(id, ids[i]) != 0)
			continue;
		*ret_kind = (enum subrequest)i;
		return 0;
	}
	return err_set(err, -EINVAL, "unsupported request %.100s", id);
}

/* ---- places ---- */

static void put_line(struct json_writer *w, const char *key, uint32_t line)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_u64(w, "line", line);
	json_end_object(w);
}

static void put_place(struct json_writer *w, uint32_t line)
{
	json_key(w, "location");
	json_begin_object(w);
	json_key(w, "ranges");
	json_begin_array(w);
	if (line) {
		json_begin_object(w);
		put_line(w, "start", line);
		put_line(w, "end", line);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}

static void put_data(struct json_writer *w, struct str text)
{
	struct buf data OWN(buf_done) = { 0 };

	buf_init(&data, SUBREQUEST_DATA_MAX);
	docker_base64_encode(text, &data);
	json_put_str(w, buf_str(&data));
}

static void put_some(struct json_writer *w, const char *key, const char *text)
{
	if (*text)
		json_member_text(w, key, text);
}

/* ---- what is wrong ---- */

static void put_warning(struct json_writer *w, const struct subrequest_warning *warning)
{
	json_begin_object(w);
	json_member_text(w, "ruleName", warning->rule);
	put_some(w, "description", warning->description);
	put_some(w, "url", warning->url);
	put_some(w, "detail", warning->detail);
	put_place(w, warning->line);
	json_end_object(w);
}

void subrequest_put_lint(struct buf *out, const struct subrequest_lint *lint)
{
	struct json_writer w;

	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "warnings");
	json_begin_array(&w);
	for (uint32_t i = 0; i < lint->count; i++)
		put_warning(&w, &lint->warnings[i]);
	json_end_array(&w);
	json_key(&w, "sources");
	json_begin_array(&w);
	json_begin_object(&w);
	json_member_text(&w, "filename", lint->filename);
	json_member_text(&w, "language", "Dockerfile");
	json_key(&w, "data");
	put_data(&w, lint->dockerfile);
	json_end_object(&w);
	json_end_array(&w);
	if (*lint->error) {
		json_key(&w, "buildError");
		json_begin_object(&w);
		json_member_text(&w, "message", lint->error);
		put_place(&w, lint->error_line);
		json_end_object(&w);
	}
	json_end_object(&w);
}

/* ---- stages ---- */

/* "# name what it is", right in front of an instruction. */
static struct str description(const struct dockerfile_step *step, const char *name)
{
	struct str rest = step->comments, line, found = STR("");
	size_t len = strlen(name);

	while (str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (!len || !str_starts(line, STR("#")))
			continue;
		line = str_trim(str_skip(line, 1));
		if (line.len > len && !memcmp(line.ptr, name, len) && line.ptr[len] == ' ')
			found = str_trim(str_skip(line, len));
	}
	return found;
}

static void put_description(struct json_writer *w, const struct dockerfile_step *step,
			    const char *name)
{
	struct str text = description(step, name);

	if (text.len)
		json_member_str(w, "description", text);
}

struct asked {
	const struct build_inputs *inputs;
	const struct dockerfile *file;
	const struct build_plan *plan;
	struct arena *arena;
	struct json_writer w;
};

static void put_targets(struct asked *a)
{
	uint32_t stage = 0;

	json_key(&a->w, "targets");
	json_begin_array(&a->w);
	for (uint32_t i = 0; i < a->file->step_count; i++) {
		const struct dockerfile_step *step = &a->file->steps[i];

		if (step->kind != DOCKERFILE_KIND_FROM)
			continue;
		json_begin_object(&a->w);
		put_some(&a->w, "name", step->stage);
		if (++stage == a->plan->stage_count)
			json_member_bool(&a->w, "default", true);
		put_description(&a->w, step, step->stage);
		put_some(&a->w, "base", step->words.count ? step->words.items[0] : "");
		put_some(&a->w, "platform", step->platform);
		put_place(&a->w, step->line);
		json_end_object(&a->w);
	}
	json_end_array(&a->w);
}

/* ---- what the target takes ---- */

static bool is_needed(const struct asked *a, uint32_t at)
{
	uint32_t stages = 0;

	for (uint32_t i = 0; i <= at; i++)
		stages += a->file->steps[i].kind == DOCKERFILE_KIND_FROM;
	/* In front of the first stage: for all of them. */
	return !stages || (stages <= a->plan->stage_count && a->plan->stages[stages - 1].needed);
}

static const char *given(const struct asked *a, const char *name)
{
	for (uint32_t i = 0; i < a->inputs->args.count; i++) {
		if (!strcmp(a->inputs->args.items[i].key, name))
			return a->inputs->args.items[i].value;
	}
	return NULL;
}

/* "NAME" and "NAME=default" */
static void put_argument(struct asked *a, const struct dockerfile_step *step, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *name = arena_text(a->arena, str_make(word, len));
	const char *value = name ? given(a, name) : "";

	if (!name)
		return;
	if (!value)
		value = word[len] ? word + len + 1 : "";
	json_begin_object(&a->w);
	json_member_text(&a->w, "name", name);
	put_description(&a->w, step, name);
	put_some(&a->w, "value", value);
	put_place(&a->w, step->line);
	json_end_object(&a->w);
}

static void put_arguments(struct asked *a)
{
	json_key(&a->w, "args");
	json_begin_array(&a->w);
	for (uint32_t i = 0; i < a->file->step_count; i++) {
		const struct dockerfile_step *step = &a->file->steps[i];

		if (step->kind != DOCKERFILE_KIND_ARG || !is_needed(a, i))
			continue;
		for (uint32_t n = 0; n < step->words.count; n++)
			put_argument(a, step, step->words.items[n]);
	}
	json_end_array(&a->w);
}

static void put_mount(struct asked *a, const struct dockerfile_step *step,
		      const struct dockerfile_mount *mount)
{
	const char *last = strrchr(mount->target, '/');
	const char *id = *mount->id ? mount->id : last ? last + 1 : mount->target;

	if (mount->type == DOCKERFILE_MOUNT_SSH && !*mount->id)
		id = "default";
	if (mount->type == DOCKERFILE_MOUNT_CACHE && !*mount->id)
		id = mount->target;
	json_begin_object(&a->w);
	json_member_text(&a->w, mount->type == DOCKERFILE_MOUNT_CACHE ? "ID" : "name", id);
	if (mount->required)
		json_member_bool(&a->w, "required", true);
	put_place(&a->w, step->line);
	json_end_object(&a->w);
}

static void put_mounts(struct asked *a, const char *key, enum dockerfile_mount_type type)
{
	struct dockerfile_mount mount;

	json_key(&a->w, key);
	json_begin_array(&a->w);
	for (uint32_t i = 0; i < a->file->step_count; i++) {
		const struct dockerfile_step *step = &a->file->steps[i];

		for (uint32_t n = 0; is_needed(a, i) && n < step->mounts.count; n++) {
			if (dockerfile_mount_parse(step->mounts.items[n], a->file->escape, NULL,
						   NULL, a->arena, &mount, NULL) >= 0 &&
			    mount.type == type)
				put_mount(a, step, &mount);
		}
	}
	json_end_array(&a->w);
}

static void put_outline(struct asked *a)
{
	uint32_t stage = 0;

	for (uint32_t i = 0; i < a->file->step_count; i++) {
		const struct dockerfile_step *step = &a->file->steps[i];

		if (step->kind != DOCKERFILE_KIND_FROM || stage++ != a->plan->target)
			continue;
		put_some(&a->w, "name", step->stage);
		put_description(&a->w, step, step->stage);
	}
	put_arguments(a);
	put_mounts(a, "secrets", DOCKERFILE_MOUNT_SECRET);
	put_mounts(a, "ssh", DOCKERFILE_MOUNT_SSH);
	put_mounts(a, "cache", DOCKERFILE_MOUNT_CACHE);
}

int subrequest_put(struct buf *out, enum subrequest kind, const struct build_inputs *inputs,
		   struct arena *arena, struct err *err)
{
	struct build_plan *plan = arena_alloc(arena, sizeof(*plan));
	struct dockerfile *file = arena_alloc(arena, sizeof(*file));
	struct asked asked = { .inputs = inputs, .file = file, .plan = plan, .arena = arena };
	int r;

	if (!plan || !file)
		return err_set(err, -ENOMEM, "no memory for a request");
	r = build_plan_bases(inputs, arena, plan, err);
	if (r >= 0)
		r = dockerfile_parse(inputs->dockerfile, arena, file, err);
	if (r < 0)
		return r;
	json_writer_init(&asked.w, out);
	json_begin_object(&asked.w);
	if (kind == SUBREQUEST_TARGETS)
		put_targets(&asked);
	else
		put_outline(&asked);
	json_key(&asked.w, "sources");
	json_begin_array(&asked.w);
	put_data(&asked.w, inputs->dockerfile);
	json_end_array(&asked.w);
	json_end_object(&asked.w);
	return buf_error(out) ? err_set(err, -E2BIG, "the Dockerfile is too long") : 0;
}
