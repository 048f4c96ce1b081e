/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a build does next. Runs in engine main. Must never do any of it itself, nor have two
 * actions under way at once.
 */
#include "engine/build/build_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/own.h"

enum { BUILD_ARENA_MAX = 256 << 20 };

const char *build_status(const struct build *build)
{
	return build->status;
}

void build_free(struct build *build)
{
	if (!build)
		return;
	arena_done(&build->arena);
	free(build->results);
	free(build);
}

static void say(struct build *build, enum build_note_kind kind, uint32_t step, const char *line)
{
	const struct build_note note = { .kind = kind, .step = step, .text = line };
	(void)snprintf(build->status, sizeof(build->status), "%s", line);
	build->exec->note(build->owner, &note);
}

static void say_step(struct build *build, uint32_t at)
{
	char line[BUILD_STATUS_MAX];
	if (build->step_told[at])
		return;
	build->step_told[at] = true;
	(void)snprintf(line, sizeof(line), "Step %u/%u : %s", at + 1, build->plan.step_count,
		       build->plan.steps.items[at]);
	say(build, BUILD_NOTE_STEP, at + 1, line);
}

/*
 * Each step is told once, also one that only changes the record: before the next one of its stage
 * that makes a layer. Stages run side by side, so only those of this stage are.
 */
static void say_steps(struct build *build, uint32_t step)
{
	uint32_t count = build->plan.steps.count, first;
	if (!build->step_told)
		build->step_told = arena_array(&build->arena, count + 1, sizeof(*build->step_told));
	if (!build->step_told || step > count)
		return;
	for (first = step; first > 0 && !build->step_told[first - 1]; first--)
		if (str_is_nocase(str_head(str_from(build->plan.steps.items[first - 1]), 4),
				  "FROM"))
			break;
	for (first = first ? first - 1 : 0; first < step; first++)
		say_step(build, first);
}

void build_fail(struct build *build, const struct err *err)
{
	build->error = *err;
	if (build->error.code == 0)
		build->error.code = -EIO;
	build->state = BUILD_STATE_ENDED;
}

/* ---- what the files role is asked ---- */

static uint32_t store_layers(const struct stage_result *result, struct store_layer *ret)
{
	for (uint32_t i = 0; i < result->count; i++)
		ret[i] = (struct store_layer){ .digest = result->layers[i].blob,
					       .diff = result->layers[i].diff,
					       .size = result->layers[i].size };
	return result->count;
}

/* What the context (build_op.from) leaves out. */
static void set_ignored(struct build *build, int32_t from)
{
	struct files_copy *copy = &build->copy;
	const struct build_patterns *patterns =
		&build->patterns[from < 0 ? BUILD_CONTEXT - from : 0];
	copy->ignore_count = from < 0 ? patterns->count : 0;
	for (uint32_t i = 0; i < copy->ignore_count; i++)
		copy->ignore[i] = patterns->items[i];
}

/* The body of a FILES_MSG_COPY or FILES_MSG_HASH for an operation. */
static int copy_body(struct build *build, const struct build_op *op, struct buf *out,
		     struct err *err)
{
	struct files_copy *copy = &build->copy;
	copy->source_count = 0;
	for (uint32_t i = 0; i < op->sources.count && i < FILES_SOURCES_MAX; i++)
		copy->sources[copy->source_count++] = str_from(op->sources.items[i]);
	copy->dest = str_from(op->dest);
	copy->chown = str_from(op->chown);
	copy->chmod = str_from(op->chmod);
	copy->context = op->from < 0;
	copy->parents = op->parents;
	copy->unpack = op->unpack;
	copy->exclude_count = copy->file_count = 0;
	for (uint32_t i = 0; i < op->excludes.count && i < FILES_EXCLUDES_MAX; i++) {
		struct str pattern = str_from(op->excludes.items[i]);
		bool except = str_starts(pattern, STR("!"));
		copy->excludes[copy->exclude_count++] =
			(struct files_ignore){ str_skip(pattern, except), except };
	}
	for (uint32_t i = 0; i < op->file_count && i < FILES_INLINE_MAX; i++)
		copy->files[copy->file_count++] =
			(struct files_inline){ str_from(op->files[i].name),
					       str_from(op->files[i].data) };
	set_ignored(build, op->from);
	files_copy_put(out, copy);
	return buf_error(out) < 0 ? err_set(err, -ENOMEM, "build: out of memory") : 0;
}

uint32_t build_stage_layers(const struct build *build, int32_t stage,
			    struct store_layer ret[IMAGE_LAYERS_MAX])
{
	return store_layers(&build->results[stage], ret);
}

int build_context_copy(struct build *build, int32_t from, const char *source, struct buf *out,
		       struct err *err)
{
	struct files_copy *copy = &build->copy;
	copy->sources[0] = str_from(*source ? source : ".");
	copy->source_count = 1;
	copy->dest = STR("/");
	copy->chown = copy->chmod = STR("");
	copy->context = copy->parents = true;
	copy->unpack = false;
	copy->exclude_count = copy->file_count = 0;
	set_ignored(build, from);
	files_copy_put(out, copy);
	return buf_error(out) < 0 ? err_set(err, -ENOMEM, "build: out of memory") : 0;
}

/* ---- actions ---- */

static int ask(struct build *build, enum build_msg type, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct build_inputs inputs = {
		.dockerfile = build->dockerfile,
		.args = build->args,
		.labels = build->labels,
		.target = build->params.target,
		.contexts = build->contexts,
		.network_none = build->params.network_none,
		.network_host = build->params.network_host,
		.host_allowed = build->params.host_allowed,
		.ignore = build->ignore,
	};
	buf_init(&body, BUILD_BODY_MAX);
	if (type == BUILD_MSG_IGNORE) {
		wire_put_str(&body, build->state == BUILD_STATE_NAMED_PATTERNS ? build->named_ignore
									       : build->ignore);
	} else {
		build_inputs_put(&body, &inputs);
	}
	if (type == BUILD_MSG_PLAN) {
		wire_put_u32(&body, build->plan.references.count);
		for (uint32_t i = 0; i < build->plan.references.count; i++) {
			struct buf record OWN(buf_done) = { 0 };
			buf_init(&record, IMAGE_RECORD_MAX);
			image_encode(&build->bases[i], &record);
			wire_put_str(&body, buf_str(&record));
		}
	}
	if (buf_error(&body) < 0)
		return err_set(err, -E2BIG, "build: Dockerfile and base images are too big");
	return build->exec->ask(build->owner, type, buf_str(&body), err);
}

static int ask_image(struct build *build, struct err *err)
{
	char line[BUILD_STATUS_MAX];
	const char *reference = build->plan.references.items[build->base];
	(void)snprintf(line, sizeof(line), "FROM %s", reference);
	say(build, BUILD_NOTE_TEXT, 0, line);
	return build->exec->base(build->owner, reference, build->plan.platforms.items[build->base],
				 err);
}

/* Whether a RUN mounts files of a context, and this mount is the first that does of its own. */
static bool begins_context(const struct build_op *op, uint32_t mount)
{
	const int32_t from = op->mounts[mount].from;
	if (!build_mount_of_context(&op->mounts[mount]))
		return false;
	for (uint32_t i = 0; i < mount; i++)
		if (build_mount_of_context(&op->mounts[i]) && op->mounts[i].from == from)
			return false;
	return true;
}

bool build_context_of(const struct build_op *op, uint32_t number, int32_t *ret_from)
{
	for (uint32_t i = 0; i < op->mount_count; i++) {
		if (!begins_context(op, i) || number-- > 0)
			continue;
		*ret_from = op->mounts[i].from;
		return true;
	}
	return false;
}

/* The body of a FILES_MSG_HASH for what a RUN mounts of one context. */
static void run_body(struct build *build, const struct build_op *op, int32_t from, struct buf *out)
{
	struct files_copy *copy = &build->copy;
	copy->source_count = copy->exclude_count = copy->file_count = 0;
	for (uint32_t i = 0; i < op->mount_count && copy->source_count < FILES_SOURCES_MAX; i++)
		if (build_mount_of_context(&op->mounts[i]) && op->mounts[i].from == from)
			copy->sources[copy->source_count++] =
				str_from(*op->mounts[i].source ? op->mounts[i].source : ".");
	copy->dest = STR("/");
	copy->chown = copy->chmod = STR("");
	copy->context = true;
	copy->parents = copy->unpack = false;
	set_ignored(build, from);
	files_copy_put(out, copy);
}

static unsigned number_of(const struct build *build, const struct build_track *track)
{
	return (unsigned)(track - build->tracks);
}

/* Those that all have a checksum are known by it: a cached step downloads nothing. */
static int fetch(struct build *build, struct build_track *track, struct err *err)
{
	struct build_answer answer = { 0 };
	const struct build_op *op = build_current_op(build, track);
	unsigned number = number_of(build, track);
	struct sha256 key;
	say_steps(build, op->step);
	sha256_init(&key);
	for (uint32_t i = 0; i < op->remote_count; i++) {
		struct digest sum;
		if (digest_parse(str_from(op->remotes[i].checksum), &sum, NULL) < 0)
			return build->exec->fetch(build->owner, number, op, err);
		build_remote_key(&key, op->remotes[i].name, &sum);
	}
	if (op->remote_count > 0)
		sha256_end(&key, &answer.digest);
	build_answer(build, number, &answer, NULL);
	return 0;
}

/* What goes into the key besides the operation: files of the context, or the stage they are from.
 */
static int hash(struct build *build, struct build_track *track, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	const struct build_op *op = build_current_op(build, track);
	unsigned number = number_of(build, track);
	bool plain = op->remote_count > 0 && op->sources.count == 0 && op->file_count == 0;
	int32_t from;
	buf_init(&body, 8 << 20);
	if (op->kind == BUILD_OP_RUN && build_context_of(op, track->hashed, &from)) {
		run_body(build, op, from, &body);
		if (buf_error(&body) < 0)
			return err_set(err, -ENOMEM, "build: out of memory");
		return build->exec->hash(build->owner, number, from, buf_str(&body), err);
	}
	if (op->kind != BUILD_OP_COPY || op->from >= 0 || plain) {
		struct build_answer answer = { 0 };
		if (op->kind == BUILD_OP_COPY && op->from >= 0)
			answer.digest = build->results[op->from].key;
		build_answer(build, number, &answer, NULL);
		return 0;
	}
	int r = copy_body(build, op, &body, err);
	return r < 0 ? r : build->exec->hash(build->owner, number, op->from, buf_str(&body), err);
}

static int look(struct build *build, struct build_track *track, struct err *err)
{
	struct build_answer none = { .found = false };
	unsigned number = number_of(build, track);
	build_track_keys(build, track);
	if (!build->params.no_cache)
		return build->exec->cache_get(build->owner, number, &track->store_key, &track->key,
					      err);
	build_answer(build, number, &none, NULL);
	return 0;
}

static int make(struct build *build, struct build_track *track, struct err *err)
{
	static struct store_layer layers[IMAGE_LAYERS_MAX], from[IMAGE_LAYERS_MAX];
	struct buf body OWN(buf_done) = { 0 };
	const struct build_op *op = build_current_op(build, track);
	const struct build_exec *exec = build->exec;
	unsigned number = number_of(build, track);
	uint32_t count = store_layers(&build->results[track->stage], layers);
	uint32_t from_count = 0;
	if (count >= IMAGE_LAYERS_MAX)
		return err_set(err, -E2BIG, "the image would have more than %d layers",
			       IMAGE_LAYERS_MAX);
	if (op->kind == BUILD_OP_RUN)
		return exec->run(build->owner, number, op, layers, count, err);
	if (op->kind == BUILD_OP_DIR)
		return exec->dir(build->owner, number, op, layers, count, err);
	if (op->from >= 0)
		from_count = store_layers(&build->results[op->from], from);
	buf_init(&body, 8 << 20);
	int r = copy_body(build, op, &body, err);
	if (r < 0)
		return r;
	return exec->copy(build->owner, number, op, buf_str(&body), op->from < 0 ? NULL : from,
			  from_count, layers, count, err);
}

/* ---- driving ---- */

static int start(struct build *build, struct err *err)
{
	const char *path = build->params.dockerfile;
	switch (build->state) {
	case BUILD_STATE_READ:
		/* Given with the request: on with what stands beside it. */
		if (build->params.text.ptr) {
			build->state = BUILD_STATE_IGNORE_OWN;
			return start(build, err);
		}
		return build->exec->read(build->owner, BUILD_CONTEXT, path, DOCKERFILE_BYTES_MAX,
					 err);
	case BUILD_STATE_IGNORE_OWN:
		path = arena_printf(&build->arena, "%s.dockerignore", path);
		if (!path)
			return err_set(err, -ENOMEM, "build: out of memory");
		return build->exec->read(build->owner, BUILD_CONTEXT, path, FILES_READ_MAX, err);
	case BUILD_STATE_IGNORE:
		return build->exec->read(build->owner, BUILD_CONTEXT, ".dockerignore",
					 FILES_READ_MAX, err);
	case BUILD_STATE_NAMED:
		return build->exec->read(build->owner, BUILD_NAMED - (int32_t)build->named,
					 ".dockerignore", FILES_READ_MAX, err);
	case BUILD_STATE_PATTERNS:
	case BUILD_STATE_NAMED_PATTERNS:
		return ask(build, BUILD_MSG_IGNORE, err);
	case BUILD_STATE_BASES:
		return ask(build, BUILD_MSG_BASES, err);
	case BUILD_STATE_IMAGE:
		return ask_image(build, err);
	case BUILD_STATE_PLAN:
		return ask(build, BUILD_MSG_PLAN, err);
	case BUILD_STATE_FINISH:
		for (uint32_t i = 1; i <= build->plan.steps.count; i++)
			say_steps(build, i);
		return build_finish(build, err);
	case BUILD_STATE_STEPS:
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

static int start_step(struct build *build, struct build_track *track, struct err *err)
{
	if (track->state == BUILD_STATE_FETCH)
		return fetch(build, track, err);
	if (track->state == BUILD_STATE_HASH)
		return hash(build, track, err);
	if (track->state == BUILD_STATE_LOOK)
		return look(build, track, err);
	if (track->state == BUILD_STATE_MAKE)
		return make(build, track, err);
	return build->exec->cache_set(build->owner, number_of(build, track), &track->store_key,
				      &track->made, err);
}

/* An error during an operation says which one. */
static void fail_here(struct build *build, const struct build_track *track, const struct err *err)
{
	struct err full = *err;
	if (build->state == BUILD_STATE_STEPS) {
		const struct build_op *op = build_current_op(build, track);
		(void)err_prefix(&full, "Dockerfile:%u: %.120s", op->line, op->title);
	}
	build_fail(build, &full);
}

/* The stages that the operation takes files from are built. */
static bool can_start(const struct build *build, const struct build_track *track)
{
	const struct build_op *op = build_current_op(build, track);
	bool good = op->from < 0 || build->results[op->from].done;
	for (uint32_t i = 0; good && i < op->mount_count; i++)
		good = op->mounts[i].from < 0 || build->results[op->mounts[i].from].done;
	return good;
}

/* Starts what can be started; whether anything was. */
static bool drive_once(struct build *build)
{
	bool moved = false;
	struct err err = { 0 };
	if (build->state == BUILD_STATE_STEPS && build_assign(build, &err))
		build->state = BUILD_STATE_FINISH;
	if (err.code)
		build_fail(build, &err);
	for (size_t i = 0; i < ARRAY_LEN(build->tracks); i++) {
		struct build_track *track = &build->tracks[i];
		bool steps = build->state == BUILD_STATE_STEPS;
		if (build->state == BUILD_STATE_ENDED)
			break;
		if (track->waiting || (steps ? !track->used || !can_start(build, track) : i > 0))
			continue;
		track->waiting = moved = true;
		if ((steps ? start_step(build, track, &err) : start(build, &err)) < 0) {
			track->waiting = false;
			fail_here(build, track, &err);
		}
	}
	return moved;
}

static void drive(struct build *build)
{
	if (build->driving)
		return;
	build->driving = true;
	while (build->state != BUILD_STATE_ENDED && drive_once(build))
		;
	build->driving = false;
	if (build->state == BUILD_STATE_ENDED && !build->told) {
		bool good = build->error.code == 0;
		build->told = true;
		build->exec->done(build->owner, good && !build->params.check ? &build->image : NULL,
				  good ? NULL : &build->error);
	}
}

/* ---- answers ---- */

void build_answer(struct build *build, unsigned lane, const struct build_answer *answer,
		  const struct err *err)
{
	struct build_track *track = &build->tracks[lane];
	struct err why = { 0 };
	if (!track->waiting || build->state == BUILD_STATE_ENDED)
		return;
	track->waiting = false;
	if (!answer) {
		if (err)
			why = *err;
		else
			err_set(&why, -EIO, "build: an action failed without a reason");
		fail_here(build, track, &why);
	} else if (build_take(build, track, answer, &why) < 0) {
		fail_here(build, track, &why);
	}
	drive(build);
}

/* ---- starting ---- */

static int copy_pairs(struct arena *arena, const struct image_pairs *from, struct image_pairs *to,
		      struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && from && i < from->count; i++)
		r = image_pairs_set(arena, to, from->items[i].key, from->items[i].value, err);
	return r;
}

static int copy_params(struct build *build, const struct build_params *params, struct err *err)
{
	struct arena *arena = &build->arena;
	const char *path = params->dockerfile ? params->dockerfile : "Dockerfile";
	build->params.reference = arena_text(arena, str_from(params->reference));
	build->params.dockerfile = arena_text(arena, str_from(path));
	build->params.target = arena_text(arena, str_from(params->target));
	build->params.created = arena_text(arena, str_from(params->created));
	build->params.no_cache = params->no_cache;
	build->params.network_none = params->network_none;
	build->params.network_host = params->network_host;
	build->params.host_allowed = params->host_allowed;
	build->params.check = params->check;
	if (!build->params.reference || !build->params.dockerfile || !build->params.target ||
	    !build->params.created)
		return err_set(err, -ENOMEM, "build: out of memory");
	int r = copy_pairs(arena, params->args, &build->args, err);
	if (r == 0)
		r = copy_pairs(arena, params->labels, &build->labels, err);
	if (r == 0)
		r = copy_pairs(arena, params->contexts, &build->contexts, err);
	if (r == 0 && params->text.ptr) {
		build->dockerfile = str_make(arena_text(arena, params->text), params->text.len);
		build->params.text = build->dockerfile;
	}
	return r < 0 ? r : 0;
}

struct build *build_new(const struct build_params *params, const struct build_exec *exec,
			void *owner, struct err *err)
{
	struct build *build = calloc(1, sizeof(*build));
	if (build)
		build->results = calloc(BUILD_STAGES_MAX, sizeof(*build->results));
	if (!build || !build->results) {
		build_free(build);
		err_set(err, -ENOMEM, "build: out of memory");
		return NULL;
	}
	arena_init(&build->arena, BUILD_ARENA_MAX);
	build->exec = exec;
	build->owner = owner;
	build->tracks[0].waiting = true;
	if (copy_params(build, params, err) < 0 || start(build, err) < 0) {
		build_free(build);
		return NULL;
	}
	return build;
}
