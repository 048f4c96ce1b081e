/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build plan between the api role and engine main, and the keys of its operations. Pure. The
 * reader must never take an index that points outside of the plan: main follows them.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/build/plan.h"
#include "lib/own.h"

enum { WIRE_TEXT_MAX = IMAGE_TEXT_MAX, WIRE_OPS_MAX = DOCKERFILE_STEPS_MAX };

/* ---- pieces ---- */

static void put_texts(struct buf *out, const struct image_texts *texts)
{
	wire_put_u32(out, texts->count);
	for (uint32_t i = 0; i < texts->count; i++)
		wire_put_text(out, texts->items[i]);
}

static void put_pairs(struct buf *out, const struct image_pairs *pairs)
{
	wire_put_u32(out, pairs->count);
	for (uint32_t i = 0; i < pairs->count; i++) {
		wire_put_text(out, pairs->items[i].key);
		wire_put_text(out, pairs->items[i].value);
	}
}

/* "" and a sticky error where memory ran out. */
static const char *get_text(struct wire *in, struct arena *arena)
{
	const char *text = arena_text(arena, wire_str(in, WIRE_TEXT_MAX));
	if (!text)
		in->error = -EBADMSG;
	return text ? text : "";
}

static void get_texts(struct wire *in, struct arena *arena, struct image_texts *ret)
{
	uint32_t count = wire_count(in, IMAGE_TEXTS_MAX);
	const char **items = arena_array(arena, count + 1, sizeof(*items));
	if (!items)
		in->error = -EBADMSG;
	*ret = (struct image_texts){ .items = items };
	for (uint32_t i = 0; in->error == 0 && i < count; i++)
		items[ret->count++] = get_text(in, arena);
}

static void get_pairs(struct wire *in, struct arena *arena, struct image_pairs *ret, uint32_t max)
{
	uint32_t count = wire_count(in, max);
	struct image_pair *items = arena_array(arena, count + 1, sizeof(*items));
	if (!items)
		in->error = -EBADMSG;
	*ret = (struct image_pairs){ .items = items };
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		items[i].key = get_text(in, arena);
		items[i].value = get_text(in, arena);
		ret->count++;
	}
}

/* ---- inputs ---- */

void build_inputs_put(struct buf *out, const struct build_inputs *inputs)
{
	wire_put_str(out, inputs->dockerfile);
	put_pairs(out, &inputs->args);
	put_pairs(out, &inputs->labels);
	wire_put_text(out, inputs->target);
	put_pairs(out, &inputs->contexts);
	wire_put_u8(out, inputs->network_none);
	wire_put_str(out, inputs->ignore);
	wire_put_u8(out, inputs->host_allowed);
	wire_put_u8(out, inputs->network_host);
}

int build_inputs_get(struct wire *in, struct arena *arena, struct build_inputs *ret_inputs,
		     struct err *err)
{
	ret_inputs->dockerfile = wire_blob(in, DOCKERFILE_BYTES_MAX);
	get_pairs(in, arena, &ret_inputs->args, BUILD_ARGS_MAX);
	get_pairs(in, arena, &ret_inputs->labels, IMAGE_TEXTS_MAX);
	ret_inputs->target = get_text(in, arena);
	get_pairs(in, arena, &ret_inputs->contexts, BUILD_CONTEXTS_MAX);
	ret_inputs->network_none = wire_bool(in);
	ret_inputs->ignore = wire_blob(in, FILES_READ_MAX);
	ret_inputs->host_allowed = wire_bool(in);
	ret_inputs->network_host = wire_bool(in);
	return in->error == 0 ? 0 : err_set(err, -EBADMSG, "build: malformed request");
}

/* ---- plan ---- */

static void put_files(struct buf *out, const struct build_op *op)
{
	wire_put_u32(out, op->file_count);
	for (uint32_t i = 0; i < op->file_count; i++) {
		wire_put_text(out, op->files[i].name);
		wire_put_text(out, op->files[i].data);
	}
}

static void get_files(struct wire *in, struct arena *arena, struct build_op *ret)
{
	uint32_t count = wire_count(in, FILES_INLINE_MAX);
	ret->files = arena_array(arena, count + 1, sizeof(*ret->files));
	if (!ret->files)
		in->error = -EBADMSG;
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		struct build_file *file = &ret->files[ret->file_count++];
		file->name = get_text(in, arena);
		file->data = arena_text(arena, wire_str(in, DOCKERFILE_BYTES_MAX));
		if (!file->data)
			in->error = -EBADMSG;
	}
}

/* An index of a stage or image, or one of the negative marks; stage_is_sound() knows the bounds. */
static int32_t get_index(struct wire *in)
{
	int64_t index = wire_i64(in);
	if (index < INT32_MIN || index > INT32_MAX)
		in->error = -EBADMSG;
	return (int32_t)index;
}

static void put_mounts(struct buf *out, const struct build_op *op)
{
	wire_put_u32(out, op->mount_count);
	for (uint32_t i = 0; i < op->mount_count; i++) {
		const struct build_mount *mount = &op->mounts[i];
		wire_put_u8(out, (uint8_t)mount->type);
		wire_put_u8(out, (uint8_t)mount->sharing);
		wire_put_i64(out, mount->from);
		wire_put_text(out, mount->source);
		wire_put_text(out, mount->target);
		wire_put_text(out, mount->id);
		wire_put_text(out, mount->env);
		wire_put_u8(out, mount->read_only);
		wire_put_u8(out, mount->required);
		wire_put_u32(out, mount->mode);
		wire_put_u32(out, mount->uid);
		wire_put_u32(out, mount->gid);
		wire_put_u64(out, mount->size_bytes);
	}
}

static void get_mounts(struct wire *in, struct arena *arena, struct build_op *ret)
{
	uint32_t count = wire_count(in, DOCKERFILE_MOUNTS_MAX);
	ret->mounts = arena_array(arena, count + 1, sizeof(*ret->mounts));
	if (!ret->mounts)
		in->error = -EBADMSG;
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		struct build_mount *mount = &ret->mounts[ret->mount_count++];
		uint8_t type = wire_u8(in), sharing = wire_u8(in);
		if (type > DOCKERFILE_MOUNT_SSH || sharing > DOCKERFILE_SHARING_LOCKED)
			in->error = -EBADMSG;
		mount->type = (enum dockerfile_mount_type)type;
		mount->sharing = (enum dockerfile_sharing)sharing;
		mount->from = get_index(in);
		mount->source = get_text(in, arena);
		mount->target = get_text(in, arena);
		mount->id = get_text(in, arena);
		mount->env = get_text(in, arena);
		mount->read_only = wire_bool(in);
		mount->required = wire_bool(in);
		mount->mode = wire_u32(in);
		mount->uid = wire_u32(in);
		mount->gid = wire_u32(in);
		mount->size_bytes = wire_u64(in);
	}
}

static void put_remotes(struct buf *out, const struct build_op *op)
{
	wire_put_u8(out, op->unpack_remotes);
	wire_put_u32(out, op->remote_count);
	for (uint32_t i = 0; i < op->remote_count; i++) {
		wire_put_text(out, op->remotes[i].url);
		wire_put_text(out, op->remotes[i].name);
		wire_put_text(out, op->remotes[i].checksum);
		wire_put_u8(out, op->remotes[i].git);
		wire_put_u8(out, op->remotes[i].keep);
		wire_put_u8(out, op->remotes[i].no_submodules);
		wire_put_text(out, op->remotes[i].ref);
		wire_put_text(out, op->remotes[i].subdir);
	}
}

/* A name is one component: main makes a file of it. */
static bool name_is_sound(const char *name)
{
	return *name && strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static void get_remotes(struct wire *in, struct arena *arena, struct build_op *ret)
{
	ret->unpack_remotes = wire_bool(in);
	uint32_t count = wire_count(in, BUILD_REMOTES_MAX);
	ret->remotes = arena_array(arena, count + 1, sizeof(*ret->remotes));
	if (!ret->remotes)
		in->error = -EBADMSG;
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		struct build_remote *remote = &ret->remotes[ret->remote_count++];
		remote->url = get_text(in, arena);
		remote->name = get_text(in, arena);
		remote->checksum = get_text(in, arena);
		remote->git = wire_bool(in);
		remote->keep = wire_bool(in);
		remote->no_submodules = wire_bool(in);
		remote->ref = get_text(in, arena);
		remote->subdir = get_text(in, arena);
		if (!name_is_sound(remote->name))
			in->error = -EBADMSG;
	}
}

static void put_op(struct buf *out, const struct build_op *op)
{
	wire_put_u8(out, (uint8_t)op->kind);
	wire_put_u32(out, op->line);
	wire_put_u32(out, op->step);
	wire_put_u32(out, op->history);
	wire_put_text(out, op->title);
	put_texts(out, &op->argv);
	put_texts(out, &op->env);
	wire_put_text(out, op->workdir);
	wire_put_text(out, op->user);
	wire_put_text(out, op->hostname);
	wire_put_i64(out, op->from);
	put_texts(out, &op->sources);
	wire_put_text(out, op->dest);
	wire_put_text(out, op->chown);
	wire_put_text(out, op->chmod);
	put_texts(out, &op->excludes);
	wire_put_u8(out, op->link);
	wire_put_u8(out, op->parents);
	wire_put_u8(out, op->unpack);
	put_files(out, op);
	put_remotes(out, op);
	put_mounts(out, op);
	put_texts(out, &op->proxy);
	wire_put_u8(out, (uint8_t)op->network);
}

static void get_op(struct wire *in, struct arena *arena, struct build_op *ret)
{
	uint8_t kind = wire_u8(in);
	if (kind > BUILD_OP_DIR)
		in->error = -EBADMSG;
	ret->kind = (enum build_op_kind)kind;
	ret->line = wire_u32(in);
	ret->step = wire_u32(in);
	ret->history = wire_u32(in);
	ret->title = get_text(in, arena);
	get_texts(in, arena, &ret->argv);
	get_texts(in, arena, &ret->env);
	ret->workdir = get_text(in, arena);
	ret->user = get_text(in, arena);
	ret->hostname = get_text(in, arena);
	ret->from = get_index(in);
	get_texts(in, arena, &ret->sources);
	ret->dest = get_text(in, arena);
	ret->chown = get_text(in, arena);
	ret->chmod = get_text(in, arena);
	get_texts(in, arena, &ret->excludes);
	ret->link = wire_bool(in);
	ret->parents = wire_bool(in);
	ret->unpack = wire_bool(in);
	get_files(in, arena, ret);
	get_remotes(in, arena, ret);
	get_mounts(in, arena, ret);
	get_texts(in, arena, &ret->proxy);
	uint8_t network = wire_u8(in);
	if (network > BUILD_NETWORK_HOST)
		in->error = -EBADMSG;
	ret->network = (enum build_network)network;
}

static void put_stage(struct buf *out, const struct build_stage *stage)
{
	wire_put_text(out, stage->name);
	wire_put_i64(out, stage->base_stage);
	wire_put_i64(out, stage->base_image);
	wire_put_u8(out, stage->needed);
	wire_put_u32(out, stage->op_count);
	for (uint32_t i = 0; i < stage->op_count; i++)
		put_op(out, &stage->ops[i]);
	image_encode(&stage->image, out);
}

static int get_stage(struct wire *in, struct arena *arena, struct build_stage *ret, struct err *err)
{
	ret->name = get_text(in, arena);
	ret->base_stage = get_index(in);
	ret->base_image = get_index(in);
	ret->needed = wire_bool(in);
	uint32_t count = wire_count(in, WIRE_OPS_MAX);
	ret->ops = arena_array(arena, count + 1, sizeof(*ret->ops));
	if (!ret->ops)
		return err_set(err, -ENOMEM, "build: plan is too big");
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		get_op(in, arena, &ret->ops[i]);
		ret->op_count++;
	}
	if (in->error != 0)
		return err_set(err, -EBADMSG, "build: malformed plan");
	return image_decode(in, arena, &ret->image, err);
}

static void put_warnings(struct buf *out, const struct dockerfile_warnings *list)
{
	wire_put_u32(out, list->count);
	for (uint32_t i = 0; i < list->count; i++) {
		wire_put_u8(out, (uint8_t)list->items[i].rule);
		wire_put_u32(out, list->items[i].line);
		wire_put_u32(out, list->items[i].column);
		wire_put_text(out, list->items[i].text);
	}
}

static void get_warnings(struct wire *in, struct arena *arena, struct dockerfile_warnings *ret)
{
	uint32_t count = wire_count(in, DOCKERFILE_WARNINGS_MAX);
	ret->items = arena_array(arena, count + 1, sizeof(*ret->items));
	if (!ret->items)
		in->error = -EBADMSG;
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		struct dockerfile_warning *warning = &ret->items[ret->count++];
		uint8_t rule = wire_u8(in);
		if (rule >= DOCKERFILE_RULE_COUNT)
			in->error = -EBADMSG;
		warning->rule = (enum dockerfile_rule)rule;
		warning->line = wire_u32(in);
		warning->column = wire_u32(in);
		warning->text = get_text(in, arena);
	}
}

void build_plan_put(struct buf *out, const struct build_plan *plan)
{
	put_texts(out, &plan->references);
	put_texts(out, &plan->platforms);
	put_warnings(out, &plan->warnings);
	wire_put_text(out, plan->epoch);
	wire_put_text(out, plan->violation);
	put_texts(out, &plan->steps);
	wire_put_u32(out, plan->target);
	wire_put_u32(out, plan->step_count);
	wire_put_u32(out, plan->stage_count);
	for (uint32_t i = 0; i < plan->stage_count; i++)
		put_stage(out, &plan->stages[i]);
}

/* The stage that files come from is built before stage `index`, or is an image's. */
static bool source_is_sound(const struct build_plan *plan, int32_t from, uint32_t index)
{
	return (from <= BUILD_CONTEXT && from > BUILD_NAMED - BUILD_CONTEXTS_MAX) ||
	       (from >= 0 && from < (int32_t)plan->stage_count &&
		(from < (int32_t)index || plan->stages[from].op_count == 0));
}

/* Bases stand before their stage; an image to copy from is a stage without operations. */
static bool stage_is_sound(const struct build_plan *plan, uint32_t index)
{
	const struct build_stage *stage = &plan->stages[index];
	bool good = stage->base_stage >= BUILD_NONE && stage->base_stage < (int32_t)index &&
		    stage->base_image >= BUILD_NONE &&
		    stage->base_image < (int32_t)plan->references.count;
	for (uint32_t i = 0; good && i < stage->op_count; i++) {
		const struct build_op *op = &stage->ops[i];
		good = source_is_sound(plan, op->from, index) &&
		       op->history < stage->image.history_count &&
		       op->sources.count <= FILES_SOURCES_MAX &&
		       op->excludes.count <= FILES_EXCLUDES_MAX;
		for (uint32_t m = 0; good && m < op->mount_count; m++)
			good = source_is_sound(plan, op->mounts[m].from, index);
	}
	return good;
}

int build_plan_get(struct wire *in, struct arena *arena, struct build_plan *ret_plan,
		   struct err *err)
{
	memset(ret_plan, 0, sizeof(*ret_plan));
	get_texts(in, arena, &ret_plan->references);
	get_texts(in, arena, &ret_plan->platforms);
	get_warnings(in, arena, &ret_plan->warnings);
	ret_plan->epoch = get_text(in, arena);
	ret_plan->violation = get_text(in, arena);
	get_texts(in, arena, &ret_plan->steps);
	ret_plan->target = wire_u32(in);
	ret_plan->step_count = wire_u32(in);
	uint32_t count = wire_count(in, BUILD_STAGES_MAX);
	for (uint32_t i = 0; in->error == 0 && i < count; i++) {
		int r = get_stage(in, arena, &ret_plan->stages[i], err);
		if (r < 0)
			return r;
		ret_plan->stage_count++;
	}
	bool good = wire_end(in) == 0 && ret_plan->target < ret_plan->stage_count &&
		    ret_plan->references.count == ret_plan->platforms.count;
	for (uint32_t i = 0; good && i < ret_plan->stage_count; i++)
		good = stage_is_sound(ret_plan, i);
	return good ? 0 : err_set(err, -EBADMSG, "build: malformed plan");
}

/* ---- keys ---- */

static void add_u64(struct sha256 *hash, uint64_t v)
{
	uint8_t raw[8];
	for (unsigned i = 0; i < 8; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	sha256_add(hash, raw, sizeof(raw));
}

static void add_text(struct sha256 *hash, const char *text)
{
	add_u64(hash, strlen(text));
	sha256_add(hash, text, strlen(text));
}

static void add_texts(struct sha256 *hash, const struct image_texts *texts)
{
	add_u64(hash, texts->count);
	for (uint32_t i = 0; i < texts->count; i++)
		add_text(hash, texts->items[i]);
}

void build_key_root(const struct image_layer *layers, uint32_t count, struct digest *ret_key)
{
	struct sha256 hash;
	sha256_init(&hash);
	add_text(&hash, "hoy build key 3");
	add_u64(&hash, count);
	for (uint32_t i = 0; i < count; i++)
		sha256_add(&hash, layers[i].blob.bytes, sizeof(layers[i].blob.bytes));
	sha256_end(&hash, ret_key);
}

void build_remote_key(struct sha256 *key, const char *name, const struct digest *sum)
{
	add_text(key, name);
	sha256_add(key, sum->bytes, sizeof(sum->bytes));
}

/* Secrets count by their place, never by what is in them, as everywhere. */
static void add_mounts(struct sha256 *hash, const struct build_op *op)
{
	add_u64(hash, op->mount_count);
	for (uint32_t i = 0; i < op->mount_count; i++) {
		const struct build_mount *mount = &op->mounts[i];
		add_u64(hash, (uint64_t)mount->type);
		add_u64(hash, mount->from < 0);
		add_text(hash, mount->source);
		add_text(hash, mount->target);
		add_text(hash, mount->id);
		add_text(hash, mount->env);
		add_u64(hash, mount->read_only);
		add_u64(hash, mount->required);
		add_u64(hash, (uint64_t)mount->mode << 32 | mount->uid);
		add_u64(hash, mount->gid);
	}
}

void build_key_next(const struct digest *parent, const struct build_op *op,
		    const struct digest *files, struct digest *ret_key)
{
	static const struct digest none = { { 0 } };
	struct sha256 hash;
	sha256_init(&hash);
	sha256_add(&hash, parent->bytes, sizeof(parent->bytes));
	add_u64(&hash, (uint64_t)op->kind);
	add_texts(&hash, &op->argv);
	add_texts(&hash, &op->env);
	add_text(&hash, op->workdir);
	add_text(&hash, op->user);
	if (*op->hostname)
		add_text(&hash, op->hostname);
	add_u64(&hash, op->from < 0);
	add_texts(&hash, &op->sources);
	add_text(&hash, op->dest);
	add_text(&hash, op->chown);
	add_text(&hash, op->chmod);
	add_texts(&hash, &op->excludes);
	add_u64(&hash, (op->link ? 1U : 0U) | (op->parents ? 2U : 0U) | (op->unpack ? 4U : 0U) |
			       (op->unpack_remotes ? 8U : 0U) | (uint64_t)op->network << 8);
	add_u64(&hash, op->file_count);
	for (uint32_t i = 0; i < op->file_count; i++) {
		add_text(&hash, op->files[i].name);
		add_text(&hash, op->files[i].data);
	}
	add_mounts(&hash, op);
	sha256_add(&hash, files ? files->bytes : none.bytes, sizeof(none.bytes));
	sha256_end(&hash, ret_key);
}
