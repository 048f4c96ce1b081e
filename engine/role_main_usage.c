/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes the room: images, containers, volumes, build cache; and giving back what nothing uses.
 * Runs in engine main. Must never let go of what a service declares or a container runs from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/oci/reference.h"
#include "engine/role_main_tree.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { USAGE_REPLY_MAX = 8 << 20, USAGE_NAMES_MAX = 4096 };

/* An image of the store's list. */
struct held {
	struct image image;
	const char *reference; /* what the store calls it: "sha256:..." without a name */
	uint64_t disk;
};

struct usage_work {
	struct tree_work tree;
	struct held *images;
	uint32_t count, at;
	const char **names; /* trees that are measured, or names that go */
	uint64_t *bytes;
	uint32_t name_count;
	uint64_t layer_bytes;
	/* prune */
	enum engine_prune kind;
	bool all;
	int64_t until_s; /* 0 = any */
	const char *label, *not_label;
	uint32_t gone;
	struct buf went;
};

static void usage_fail(struct usage_work *usage, const struct err *err)
{
	work_fail(&usage->tree.work, err);
}

/* ---- what there is ---- */

static int take_list(struct usage_work *usage, struct str body, struct err *err)
{
	struct arena *arena = &usage->tree.work.arena;
	struct wire in, one;
	uint32_t count;
	int r = 0;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 65536);
	usage->images = arena_array(arena, count + 1, sizeof(*usage->images));
	for (uint32_t i = 0; r >= 0 && usage->images && i < count; i++) {
		struct held *held = &usage->images[i];
		struct str record;

		held->reference = arena_text(arena, wire_str(&in, STORE_REFERENCE_MAX));
		record = wire_blob(&in, STORE_RECORD_MAX);
		held->disk = wire_u64(&in);
		wire_init(&one, record.ptr, record.len);
		r = held->reference ? image_decode(&one, arena, &held->image, err) : -ENOMEM;
	}
	usage->count = count;
	if (r < 0 || !usage->images || wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "store: malformed list of images");
	return 0;
}

static uint32_t users_of(const struct engine *engine, const struct image *image)
{
	uint32_t users = 0;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		users += s->container &&
			 !memcmp(&s->container->def.image, &image->config, sizeof(image->config));
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		users += !memcmp(&e->def.image, &image->config, sizeof(image->config));
	return users;
}

static int add_name(struct usage_work *usage, const char *name, struct err *err)
{
	struct arena *arena = &usage->tree.work.arena;

	if (!usage->names) {
		usage->names = arena_array(arena, USAGE_NAMES_MAX, sizeof(*usage->names));
		usage->bytes = arena_array(arena, USAGE_NAMES_MAX, sizeof(*usage->bytes));
	}
	if (!usage->names || !usage->bytes || usage->name_count == USAGE_NAMES_MAX)
		return err_set(err, -E2BIG, "more than %d directories to look at", USAGE_NAMES_MAX);
	usage->names[usage->name_count] = arena_text(arena, str_from(name));
	return usage->names[usage->name_count++] ? 0 : err_set(err, -ENOMEM, "no memory");
}

static int add_volume(int dirfd, const char *name, unsigned char type, void *owner, struct err *err)
{
	char path[300];

	(void)dirfd;
	if (type != DT_DIR || *name == '.')
		return 0;
	(void)snprintf(path, sizeof(path), "volumes/%s", name);
	return add_name(owner, path, err);
}

static int list_volumes(struct usage_work *usage, struct err *err)
{
	int dir OWN_FD = fs_open_dir(usage->tree.work.engine->containers.data_fd, "volumes",
				     FS_BENEATH, 0711, err);

	return dir < 0 ? dir : fs_each(dir, add_volume, usage, err);
}

static bool has_volume(const struct container_def *def, const char *name)
{
	for (uint32_t i = 0; i < def->mount_count; i++)
		if (def->mounts[i].kind == DEF_MOUNT_VOLUME && !strcmp(def->mounts[i].source, name))
			return true;
	return false;
}

/* Containers that name it among their mounts. */
static uint32_t volume_users(const struct engine *engine, const char *name)
{
	uint32_t users = 0;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		users += s->container && has_volume(&s->container->def, name);
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		users += has_volume(&e->def, name);
	return users;
}

/* ---- usage ---- */

static uint64_t shared_bytes(const struct usage_work *usage, const struct image *image)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < image->layer_count; i++) {
		bool shared = false;

		for (uint32_t k = 0; !shared && k < usage->count; k++) {
			const struct image *other = &usage->images[k].image;

			for (uint32_t l = 0; other != image && l < other->layer_count; l++)
				shared |= !memcmp(&other->layers[l].blob, &image->layers[i].blob,
						  sizeof(struct digest));
		}
		bytes += shared ? image->layers[i].size : 0;
	}
	return bytes;
}

static void put_images(const struct usage_work *usage, struct buf *out)
{
	char id[DIGEST_TEXT_MAX];

	wire_put_u32(out, usage->count);
	for (uint32_t i = 0; i < usage->count; i++) {
		const struct held *held = &usage->images[i];

		wire_put_text(out, held->reference);
		wire_put_text(out, digest_text(&held->image.config, id));
		wire_put_text(out, held->image.created);
		wire_put_u64(out, held->disk);
		wire_put_u64(out, shared_bytes(usage, &held->image));
		wire_put_u32(out, users_of(usage->tree.work.engine, &held->image));
	}
}

static uint64_t measured(const struct usage_work *usage, const char *name)
{
	for (uint32_t i = 0; i < usage->name_count; i++)
		if (!strcmp(usage->names[i], name))
			return usage->bytes[i];
	return 0;
}

static void put_container(const struct usage_work *usage, struct buf *out, const char *id,
			  const char *name, const char *image, const char *state, int64_t created_s)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "containers/%s/upper", id);
	wire_put_text(out, id);
	wire_put_text(out, name);
	wire_put_text(out, image);
	wire_put_text(out, state);
	wire_put_i64(out, created_s);
	wire_put_u64(out, measured(usage, path));
}

static void put_containers(const struct usage_work *usage, struct buf *out)
{
	const struct engine *engine = usage->tree.work.engine;
	uint32_t count = engine->table.count;
	struct engine_row row;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		count += *s->container_id != 0;
	wire_put_u32(out, count);
	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (!*s->container_id)
			continue;
		manager_row(s, &row);
		put_container(usage, out, s->container_id, row.name, row.image, row.state,
			      row.created_s);
	}
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		put_container(usage, out, e->id, e->def.name, e->def.reference,
			      e->state == TABLE_STATE_RUNNING ? "running" : "exited", e->created_s);
}

static void put_volumes(const struct usage_work *usage, struct buf *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < usage->name_count; i++)
		count += str_starts(str_from(usage->names[i]), STR("volumes/"));
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < usage->name_count; i++) {
		if (!str_starts(str_from(usage->names[i]), STR("volumes/")))
			continue;
		wire_put_text(out, usage->names[i] + 8);
		wire_put_u64(out, usage->bytes[i]);
		wire_put_u32(out, volume_users(usage->tree.work.engine, usage->names[i] + 8));
	}
}

static void put_usage(struct usage_work *usage)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, USAGE_REPLY_MAX);
	wire_put_u64(&body, usage->layer_bytes);
	put_images(usage, &body);
	put_containers(usage, &body);
	put_volumes(usage, &body);
	if (buf_error(&body) == 0) {
		work_reply(&usage->tree.work, buf_str(&body));
		return;
	}
	err_set(&err, -E2BIG, "the list is over %d bytes", USAGE_REPLY_MAX);
	usage_fail(usage, &err);
}

static void measure_next(struct usage_work *usage);

static void on_measured(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	struct usage_work *usage = owner;
	struct wire in;

	(void)peer;
	(void)err; /* a tree that went meanwhile takes nothing */
	if (reply) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		(void)wire_u64(&in);
		usage->bytes[usage->at] = wire_u64(&in);
	}
	usage->at++;
	measure_next(usage);
}

/* One tree after the other, by one files role each. */
static void measure_next(struct usage_work *usage)
{
	int data = usage->tree.work.engine->containers.data_fd;

	for (; usage->at < usage->name_count; usage->at++) {
		int dir OWN_FD = fs_open(data, usage->names[usage->at], FS_BENEATH,
					 O_RDONLY | O_DIRECTORY, 0, NULL);

		if (dir >= 0 && tree_files(&usage->tree, FILES_MSG_USAGE, STR(""), &dir, 1,
					   on_measured, NULL) >= 0)
			return;
	}
	put_usage(usage);
}

static void on_space(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;
	struct err bad = { 0 };
	char path[128];
	struct wire in;
	int r;

	(void)peer;
	if (!reply) {
		usage_fail(usage, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	usage->layer_bytes = wire_u64(&in);
	usage->layer_bytes += wire_u64(&in);
	r = list_volumes(usage, &bad);
	for (const struct table_entry *e = usage->tree.work.engine->table.first; r >= 0 && e;
	     e = e->next) {
		(void)snprintf(path, sizeof(path), "containers/%s/upper", e->id);
		r = add_name(usage, path, &bad);
	}
	for (const struct service *s = usage->tree.work.engine->manager.services; r >= 0 && s;
	     s = s->next) {
		(void)snprintf(path, sizeof(path), "containers/%s/upper", s->container_id);
		r = *s->container_id ? add_name(usage, path, &bad) : 0;
	}
	if (r < 0)
		usage_fail(usage, &bad);
	else
		measure_next(usage);
}

static void prune_images(struct usage_work *usage);

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		usage_fail(usage, err);
		return;
	}
	if (take_list(usage, reply->body, &bad) < 0 ||
	    (usage->tree.work.type == ENGINE_MSG_USAGE &&
	     work_ask(&usage->tree.work, STORE_MSG_SPACE, STR(""), on_space, &bad) < 0))
		usage_fail(usage, &bad);
	else if (usage->tree.work.type != ENGINE_MSG_USAGE)
		prune_images(usage);
}

void engine_usage_call(struct msg_peer *peer, struct msg *msg)
{
	struct usage_work *usage = tree_new(peer, msg, sizeof(*usage));
	struct err err = { 0 };

	if (usage && work_ask(&usage->tree.work, STORE_MSG_IMAGE_LIST, STR(""), on_list, &err) < 0)
		usage_fail(usage, &err);
}

/* ---- prune ---- */

static void prune_end(struct usage_work *usage, uint64_t bytes)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, USAGE_REPLY_MAX);
	wire_put_u64(&body, bytes);
	wire_put_u32(&body, usage->gone);
	wire_put_bytes(&body, usage->went.data, usage->went.len);
	buf_done(&usage->went);
	work_reply(&usage->tree.work, buf_str(&body));
}

static void on_collected(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct usage_work *usage = owner;
	struct wire in;

	(void)peer;
	if (!reply) {
		buf_done(&usage->went);
		usage_fail(usage, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	prune_end(usage, wire_u64(&in));
}

static void collect(struct usage_work *usage)
{
	const uint8_t what = usage->kind == ENGINE_PRUNE_CACHE ? STORE_GC_CACHE : STORE_GC_BEFORE;
	struct err err = { 0 };

	engine_unmount_unused(usage->tree.work.engine);
	if (work_ask(&usage->tree.work, STORE_MSG_GC, str_make(&what, 1), on_collected, &err) < 0)
		usage_fail(usage, &err);
}

static bool label_fits(const struct image_pairs *labels, const char *filter)
{
	struct str rest = str_from(filter), key = { 0 };

	(void)str_cut(&rest, '=', &key);
	for (uint32_t i = 0; i < labels->count; i++)
		if (str_is(key, labels->items[i].key) &&
		    (key.len == strlen(filter) || str_is(rest, labels->items[i].value)))
			return true;
	return false;
}

/* A service that is declared may need it at any time: its image is in use. */
bool engine_image_declared(const struct engine *engine, const char *reference)
{
	char name[OCI_REFERENCE_MAX];

	for (const struct service *s = engine->manager.services; s; s = s->next) {
		if (s->image.reference && !strcmp(s->image.reference, reference))
			return true;
		if (s->spec && *s->spec->image &&
		    oci_reference_normalise(str_from(s->spec->image), name, NULL) >= 0 &&
		    !strcmp(name, reference))
			return true;
	}
	return false;
}

/* RFC 3339 texts in UTC are in the order of their times; one that says none is old. */
static bool is_younger(const char *created, int64_t until_s)
{
	time_t until = (time_t)until_s;
	char text[32];
	struct tm tm;

	(void)gmtime_r(&until, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return *created && strncmp(created, text, 19) >= 0;
}

static bool may_go(const struct usage_work *usage, const struct held *held)
{
	const struct engine *engine = usage->tree.work.engine;

	if ((!usage->all && *held->image.reference) || users_of(engine, &held->image) ||
	    engine_image_declared(engine, held->reference))
		return false;
	if (usage->until_s && is_younger(held->image.created, usage->until_s))
		return false;
	if (usage->label && !label_fits(&held->image.labels, usage->label))
		return false;
	return !usage->not_label || !label_fits(&held->image.labels, usage->not_label);
}

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;

	(void)peer;
	(void)err; /* removed by somebody else */
	if (reply) {
		wire_put_text(&usage->went, usage->images[usage->at].reference);
		usage->gone++;
	}
	usage->at++;
	prune_images(usage);
}

static void prune_images(struct usage_work *usage)
{
	struct buf body OWN(buf_done) = { 0 };

	while (usage->at < usage->count && !may_go(usage, &usage->images[usage->at]))
		usage->at++;
	buf_init(&body, 1024);
	if (usage->at < usage->count)
		wire_put_text(&body, usage->images[usage->at].reference);
	if (usage->at == usage->count || work_ask(&usage->tree.work, STORE_MSG_IMAGE_REMOVE,
						  buf_str(&body), on_removed, NULL) < 0)
		collect(usage);
}

static bool declares_volume(const struct service_spec *spec, const char *name)
{
	for (uint32_t i = 0; i < spec->volume_count; i++)
		if (*spec->volumes[i].source != '/' && !strcmp(spec->volumes[i].source, name))
			return true;
	return false;
}

/* Volumes that no container has; their trees go the way of all trees. */
static void prune_volumes(struct usage_work *usage)
{
	struct engine *engine = usage->tree.work.engine;
	int data = engine->containers.data_fd;
	int volumes OWN_FD = fs_open_dir(data, "volumes", FS_BENEATH, 0711, NULL);
	int trash OWN_FD = fs_open_dir(data, "trash", FS_BENEATH, 0700, NULL);
	struct err err = { 0 };
	char name[320];

	if (volumes < 0 || trash < 0 || list_volumes(usage, &err) < 0) {
		usage_fail(usage, &err);
		return;
	}
	for (uint32_t i = 0; i < usage->name_count; i++) {
		const char *volume = usage->names[i] + 8;
		bool used = volume_users(engine, volume) > 0;

		for (const struct service *s = engine->manager.services; !used && s; s = s->next)
			used = s->spec && declares_volume(s->spec, volume);
		(void)snprintf(name, sizeof(name), "volume-%lld-%s", (long long)time(NULL), volume);
		if (used || fs_rename(volumes, volume, trash, name, NULL) < 0)
			continue;
		wire_put_text(&usage->went, volume);
		usage->gone++;
	}
	(void)fs_sync_dir(volumes, NULL);
	engine_trashed(engine);
	prune_end(usage, 0);
}

static int take_filter(struct usage_work *usage, struct str key, struct str value, struct err *err)
{
	const char *text = arena_text(&usage->tree.work.arena, value);

	if (!text)
		return err_set(err, -ENOMEM, "no memory for a filter");
	if (str_is(key, "until"))
		return str_to_i64(value, 0, INT64_C(253402300799), &usage->until_s) < 0
			       ? err_set(err, -EINVAL, "until has to be a number of seconds")
			       : 0;
	if (str_is(key, "dangling"))
		usage->all = str_is(value, "false") || str_is(value, "0");
	else if (str_is(key, "label"))
		usage->label = text;
	else if (str_is(key, "label!"))
		usage->not_label = text;
	else
		return err_set(err, -EINVAL, "there is no filter %.*s", STR_ARG(key));
	return 0;
}

void engine_prune_kind_call(struct msg_peer *peer, struct msg *msg)
{
	struct usage_work *usage = tree_new(peer, msg, sizeof(*usage));
	struct err err = { 0 };
	struct wire in;
	uint32_t count;
	int r = 0;

	if (!usage)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	usage->kind = (enum engine_prune)wire_u8(&in);
	count = wire_count(&in, ENGINE_FILTERS_MAX);
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		struct str key = wire_str(&in, 64);

		r = take_filter(usage, key, wire_str(&in, 4096), &err);
	}
	if (r >= 0 && (wire_end(&in) < 0 || usage->kind > ENGINE_PRUNE_CACHE))
		r = err_set(&err, -EBADMSG, "malformed request");
	buf_init(&usage->went, USAGE_REPLY_MAX - 64);
	if (r >= 0 && usage->kind == ENGINE_PRUNE_IMAGES)
		r = work_ask(&usage->tree.work, STORE_MSG_IMAGE_LIST, STR(""), on_list, &err);
	else if (r >= 0 && usage->kind == ENGINE_PRUNE_VOLUMES)
		prune_volumes(usage);
	else if (r >= 0)
		collect(usage);
	if (r < 0)
		usage_fail(usage, &err);
}
