/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides what a build does next. Runs in engine main. Must never do any of it itself, nor have two
 * actions under way at once.
 */
#include "engine/build/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/oci/oci.h"
#include "lib/own.h"

enum { BUILD_ARENA_MAX = 256 << 20, BUILD_STATUS_MAX = 300 };

enum build_state {
	BUILD_STATE_READ,   /* the Dockerfile */
	BUILD_STATE_IGNORE, /* .dockerignore */
	BUILD_STATE_PATTERNS,
	BUILD_STATE_BASES, /* which images */
	BUILD_STATE_IMAGE, /* one of them */
	BUILD_STATE_PLAN,
	BUILD_STATE_HASH, /* of the files of one operation */
	BUILD_STATE_LOOK, /* into the cache */
	BUILD_STATE_MAKE,
	BUILD_STATE_KEEP, /* in the cache */
	BUILD_STATE_FINISH,
	BUILD_STATE_ENDED,
};

/* What a stage consists of so far. */
struct stage_result {
	struct image_layer layers[IMAGE_LAYERS_MAX];
	uint32_t count;
	struct digest key;
};

struct build {
	const struct build_exec *exec;
	void *owner;
	struct arena arena;
	struct build_params params;
	struct image_pairs args, labels;
	enum build_state state;
	bool waiting, driving; /* for an answer; inside of drive() */
	struct err error;      /* code 0 = none */
	struct str dockerfile, ignore;
	struct files_copy copy;
	struct build_plan plan;
	struct image *bases;
	uint32_t base, stage, op; /* where it is */
	struct stage_result *results;
	struct digest files, key;
	struct store_cached made;
	struct image image;
	char status[BUILD_STATUS_MAX];
};

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

static void say(struct build *build, const char *line)
{
	(void)snprintf(build->status, sizeof(build->status), "%s", line);
	build->exec->progress(build->owner, line);
}

static int fail(struct build *build, const struct err *err)
{
	build->error = *err;
	if (build->error.code == 0)
		build->error.code = -EIO;
	build->state = BUILD_STATE_ENDED;
	return build->error.code;
}

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

static const struct build_op *current_op(const struct build *build)
{
	return &build->plan.stages[build->stage].ops[build->op];
}

/* Layers and key of a stage before its first operation. */
static int begin_stage(struct build *build, uint32_t index, struct err *err)
{
	const struct build_stage *stage = &build->plan.stages[index];
	struct stage_result *result = &build->results[index];
	result->count = 0;
	if (stage->base_stage >= 0) {
		*result = build->results[stage->base_stage];
		return 0;
	}
	if (stage->base_image >= 0) {
		const struct image *base = &build->bases[stage->base_image];
		if (base->layer_count > IMAGE_LAYERS_MAX)
			return err_set(err, -E2BIG, "build: base image has too many layers");
		memcpy(result->layers, base->layers, base->layer_count * sizeof(*base->layers));
		result->count = base->layer_count;
	}
	build_key_root(result->layers, result->count, &result->key);
	return 0;
}

/* To the next operation that a needed stage has, or to the end. */
static void next_op(struct build *build, bool first)
{
	build->op += !first;
	while (build->stage < build->plan.stage_count) {
		const struct build_stage *stage = &build->plan.stages[build->stage];
		struct err err = { 0 };
		if (stage->needed && build->op == 0 && begin_stage(build, build->stage, &err) < 0) {
			(void)fail(build, &err);
			return;
		}
		if (stage->needed && build->op < stage->op_count) {
			build->state = BUILD_STATE_HASH;
			return;
		}
		build->stage++;
		build->op = 0;
	}
	build->state = BUILD_STATE_FINISH;
}

/* Stages that only stand for an image to copy from come last: their layers are needed before. */
static int begin_sources(struct build *build, struct err *err)
{
	int r = 0;
	for (uint32_t i = 0; r == 0 && i < build->plan.stage_count; i++)
		if (build->plan.stages[i].op_count == 0 && build->plan.stages[i].base_stage < 0)
			r = begin_stage(build, i, err);
	return r;
}

static uint32_t store_layers(const struct stage_result *result, struct store_layer *ret)
{
	for (uint32_t i = 0; i < result->count; i++)
		ret[i] = (struct store_layer){ .digest = result->layers[i].blob,
					       .diff = result->layers[i].diff,
					       .size = result->layers[i].size };
	return result->count;
}

/* The body of a FILES_MSG_COPY or FILES_MSG_HASH for the current operation. */
static int copy_body(struct build *build, struct buf *out, struct err *err)
{
	const struct build_op *op = current_op(build);
	struct files_copy *copy = &build->copy;
	uint32_t patterns = copy->ignore_count;
	copy->source_count = 0;
	for (uint32_t i = 0; i < op->sources.count && i < FILES_SOURCES_MAX; i++)
		copy->sources[copy->source_count++] = str_from(op->sources.items[i]);
	copy->dest = str_from(op->dest);
	copy->chown = str_from(op->chown);
	copy->chmod = str_from(op->chmod);
	copy->context = op->from == BUILD_CONTEXT;
	if (!copy->context)
		copy->ignore_count = 0;
	files_copy_put(out, copy);
	copy->ignore_count = patterns;
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
	};
	buf_init(&body, BUILD_BODY_MAX);
	if (type == BUILD_MSG_IGNORE) {
		wire_put_str(&body, build->ignore);
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
	say(build, line);
	return build->exec->base(build->owner, reference, build->plan.platforms.items[build->base],
				 err);
}

/* What goes into the key besides the operation: files of the context, or the stage they are from.
 */
static int hash(struct build *build, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	const struct build_op *op = current_op(build);
	char line[BUILD_STATUS_MAX];
	(void)snprintf(line, sizeof(line), "Step %u/%u : %s", op->step, build->plan.step_count,
		       op->title);
	say(build, line);
	if (op->kind != BUILD_OP_COPY || op->from != BUILD_CONTEXT) {
		struct build_answer answer = { 0 };
		if (op->kind == BUILD_OP_COPY)
			answer.digest = build->results[op->from].key;
		build_answer(build, &answer, NULL);
		return 0;
	}
	buf_init(&body, 8 << 20);
	int r = copy_body(build, &body, err);
	return r < 0 ? r : build->exec->hash(build->owner, buf_str(&body), err);
}

static int look(struct build *build, struct err *err)
{
	const struct digest *parent = &build->results[build->stage].key;
	struct build_answer none = { .found = false };
	build_key_next(parent, current_op(build), &build->files, &build->key);
	if (!build->params.no_cache)
		return build->exec->cache_get(build->owner, &build->key, err);
	build_answer(build, &none, NULL);
	return 0;
}

static int make(struct build *build, struct err *err)
{
	static struct store_layer layers[IMAGE_LAYERS_MAX], from[IMAGE_LAYERS_MAX];
	struct buf body OWN(buf_done) = { 0 };
	const struct build_op *op = current_op(build);
	const struct build_exec *exec = build->exec;
	uint32_t count = store_layers(&build->results[build->stage], layers);
	uint32_t from_count = 0;
	if (count >= IMAGE_LAYERS_MAX)
		return err_set(err, -E2BIG, "the image would have more than %d layers",
			       IMAGE_LAYERS_MAX);
	if (op->kind == BUILD_OP_RUN)
		return exec->run(build->owner, op, layers, count, err);
	if (op->kind == BUILD_OP_DIR)
		return exec->dir(build->owner, op, layers, count, err);
	if (op->from != BUILD_CONTEXT)
		from_count = store_layers(&build->results[op->from], from);
	buf_init(&body, 8 << 20);
	int r = copy_body(build, &body, err);
	if (r < 0)
		return r;
	return exec->copy(build->owner, op, buf_str(&body), op->from == BUILD_CONTEXT ? NULL : from,
			  from_count, layers, count, err);
}

/* ---- the result ---- */

static void fill_history(struct build *build, struct image *image)
{
	for (uint32_t i = 0; i < image->history_count; i++)
		if (!*image->history[i].created)
			image->history[i].created = build->params.created;
}

/* The image's id is the digest of its OCI config, as everywhere. */
static int fill_digests(struct image *image, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct sha256 sum;
	buf_init(&text, OCI_DOCUMENT_MAX);
	int r = oci_config_write(image, &text, err);
	if (r < 0)
		return r;
	sha256_init(&sum);
	sha256_add(&sum, text.data, text.len);
	sha256_end(&sum, &image->config);
	image->config_size = text.len;
	image->config_type = OCI_MEDIA_CONFIG;
	buf_clear(&text);
	r = oci_manifest_write(image, &text, err);
	if (r < 0)
		return r;
	sha256_init(&sum);
	sha256_add(&sum, text.data, text.len);
	sha256_end(&sum, &image->manifest);
	image->source = image->manifest;
	image->manifest_size = text.len;
	image->manifest_type = OCI_MEDIA_MANIFEST;
	return 0;
}

static int finish(struct build *build, struct err *err)
{
	struct stage_result *result = &build->results[build->plan.target];
	struct oci_platform own = oci_platform_own();
	struct image *image = &build->image;
	*image = build->plan.stages[build->plan.target].image;
	image->reference = build->params.reference;
	image->created = build->params.created;
	image->layers = result->layers;
	image->layer_count = result->count;
	if (!*image->os)
		image->os = own.os;
	if (!*image->architecture) {
		image->architecture = own.architecture;
		image->variant = own.variant;
	}
	fill_history(build, image);
	int r = fill_digests(image, err);
	return r < 0 ? r : build->exec->finish(build->owner, image, err);
}

/* ---- driving ---- */

static int start(struct build *build, struct err *err)
{
	const char *path = build->params.dockerfile;
	switch (build->state) {
	case BUILD_STATE_READ:
		return build->exec->read(build->owner, path, DOCKERFILE_BYTES_MAX, err);
	case BUILD_STATE_IGNORE:
		return build->exec->read(build->owner, ".dockerignore", FILES_READ_MAX, err);
	case BUILD_STATE_PATTERNS:
		return ask(build, BUILD_MSG_IGNORE, err);
	case BUILD_STATE_BASES:
		return ask(build, BUILD_MSG_BASES, err);
	case BUILD_STATE_IMAGE:
		return ask_image(build, err);
	case BUILD_STATE_PLAN:
		return ask(build, BUILD_MSG_PLAN, err);
	case BUILD_STATE_HASH:
		return hash(build, err);
	case BUILD_STATE_LOOK:
		return look(build, err);
	case BUILD_STATE_MAKE:
		return make(build, err);
	case BUILD_STATE_KEEP:
		return build->exec->cache_set(build->owner, &build->key, &build->made, err);
	case BUILD_STATE_FINISH:
		return finish(build, err);
	case BUILD_STATE_ENDED:
		break;
	}
	return 0;
}

/* An error during an operation says which one. */
static void fail_here(struct build *build, const struct err *err)
{
	struct err full = *err;
	if (build->state >= BUILD_STATE_HASH && build->state <= BUILD_STATE_KEEP) {
		const struct build_op *op = current_op(build);
		(void)err_prefix(&full, "Dockerfile:%u: %.120s", op->line, op->title);
	}
	(void)fail(build, &full);
}

static void drive(struct build *build)
{
	if (build->driving)
		return;
	build->driving = true;
	while (!build->waiting && build->state != BUILD_STATE_ENDED) {
		struct err err = { 0 };
		build->waiting = true;
		if (start(build, &err) < 0) {
			build->waiting = false;
			fail_here(build, &err);
		}
	}
	build->driving = false;
	if (build->state == BUILD_STATE_ENDED && !build->waiting) {
		bool good = build->error.code == 0;
		build->exec->done(build->owner, good ? &build->image : NULL,
				  good ? NULL : &build->error);
	}
}

/* ---- answers ---- */

static int take_patterns(struct build *build, struct str bytes, struct err *err)
{
	struct wire in;
	struct str kept;
	int r = keep_bytes(build, bytes, &kept, err);
	if (r < 0)
		return r;
	wire_init(&in, kept.ptr, kept.len);
	uint32_t count = wire_count(&in, FILES_IGNORE_MAX);
	for (uint32_t i = 0; i < count; i++) {
		build->copy.ignore[i].except = wire_bool(&in);
		build->copy.ignore[i].pattern = wire_str(&in, FILES_PATH_MAX - 1);
	}
	build->copy.ignore_count = count;
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "build: malformed patterns") : 0;
}

static int take_plan(struct build *build, struct str bytes, struct err *err)
{
	struct wire in;
	wire_init(&in, bytes.ptr, bytes.len);
	return build_plan_get(&in, &build->arena, &build->plan, err);
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

static int take_bases(struct build *build, struct str bytes, struct err *err)
{
	int r = take_plan(build, bytes, err);
	if (r < 0)
		return r;
	uint32_t count = build->plan.references.count;
	for (uint32_t i = 0; i < build->plan.warnings.count; i++) {
		char line[BUILD_STATUS_MAX];
		(void)snprintf(line, sizeof(line), "warning: %s", build->plan.warnings.items[i]);
		build->exec->progress(build->owner, line);
	}
	build->bases = arena_array(&build->arena, count + 1, sizeof(*build->bases));
	if (!build->bases)
		return err_set(err, -ENOMEM, "build: out of memory");
	for (uint32_t i = 0; i < count; i++)
		image_init(&build->bases[i]);
	build->state = count > 0 ? BUILD_STATE_IMAGE : BUILD_STATE_PLAN;
	return 0;
}

/* An operation is done, from the cache or by itself. */
static void take_layer(struct build *build, const struct store_cached *made)
{
	struct stage_result *result = &build->results[build->stage];
	struct build_stage *stage = &build->plan.stages[build->stage];
	if (made->has_layer)
		result->layers[result->count++] = (struct image_layer){
			.blob = made->layer.digest,
			.diff = made->layer.diff,
			.size = made->layer.size,
			.media_type = BUILD_LAYER_TYPE,
		};
	else
		stage->image.history[current_op(build)->history].empty_layer = true;
	result->key = build->key;
	next_op(build, false);
}

static int took_dockerfile(struct build *build, const struct build_answer *answer, struct err *err)
{
	if (!answer->found)
		return err_set(err, -ENOENT, "build: there is no %s in the build context",
			       build->params.dockerfile);
	build->state = BUILD_STATE_IGNORE;
	return keep_bytes(build, answer->bytes, &build->dockerfile, err);
}

static int took_look(struct build *build, const struct build_answer *answer, struct err *err)
{
	if (!answer->found) {
		build->state = BUILD_STATE_MAKE;
		return 0;
	}
	if (answer->layer.has_layer && build->results[build->stage].count >= IMAGE_LAYERS_MAX)
		return err_set(err, -E2BIG, "the image would have more than %d layers",
			       IMAGE_LAYERS_MAX);
	build->exec->progress(build->owner, " ---> Using cache");
	take_layer(build, &answer->layer);
	return 0;
}

static int took_plan(struct build *build, struct str bytes, struct err *err)
{
	int r = take_plan(build, bytes, err);
	if (r == 0 && build->plan.references.count > 0 && !build->bases)
		r = err_set(err, -EBADMSG, "build: malformed plan");
	if (r == 0)
		r = begin_sources(build, err);
	if (r == 0)
		next_op(build, true);
	return r;
}

static int take(struct build *build, const struct build_answer *answer, struct err *err)
{
	switch (build->state) {
	case BUILD_STATE_READ:
		return took_dockerfile(build, answer, err);
	case BUILD_STATE_IGNORE:
		build->state = answer->found ? BUILD_STATE_PATTERNS : BUILD_STATE_BASES;
		return keep_bytes(build, answer->bytes, &build->ignore, err);
	case BUILD_STATE_PATTERNS:
		build->state = BUILD_STATE_BASES;
		return take_patterns(build, answer->bytes, err);
	case BUILD_STATE_BASES:
		return take_bases(build, answer->bytes, err);
	case BUILD_STATE_IMAGE:
		if (take_image(build, answer->bytes, err) < 0)
			return -EBADMSG;
		if (++build->base == build->plan.references.count)
			build->state = BUILD_STATE_PLAN;
		return 0;
	case BUILD_STATE_PLAN:
		return took_plan(build, answer->bytes, err);
	case BUILD_STATE_HASH:
		build->files = answer->digest;
		build->state = BUILD_STATE_LOOK;
		return 0;
	case BUILD_STATE_LOOK:
		return took_look(build, answer, err);
	case BUILD_STATE_MAKE:
		build->made = answer->layer;
		build->state = BUILD_STATE_KEEP;
		return 0;
	case BUILD_STATE_KEEP:
		take_layer(build, &build->made);
		return 0;
	case BUILD_STATE_FINISH:
		build->state = BUILD_STATE_ENDED;
		return 0;
	case BUILD_STATE_ENDED:
		break;
	}
	return 0;
}

void build_answer(struct build *build, const struct build_answer *answer, const struct err *err)
{
	struct err why = { 0 };
	if (!build->waiting)
		return;
	build->waiting = false;
	if (!answer) {
		if (err)
			why = *err;
		else
			err_set(&why, -EIO, "build: an action failed without a reason");
		fail_here(build, &why);
	} else if (take(build, answer, &why) < 0) {
		fail_here(build, &why);
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
	if (!build->params.reference || !build->params.dockerfile || !build->params.target ||
	    !build->params.created)
		return err_set(err, -ENOMEM, "build: out of memory");
	int r = copy_pairs(arena, params->args, &build->args, err);
	return r < 0 ? r : copy_pairs(arena, params->labels, &build->labels, err);
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
	build->waiting = true;
	if (copy_params(build, params, err) < 0 || start(build, err) < 0) {
		build_free(build);
		return NULL;
	}
	return build;
}
