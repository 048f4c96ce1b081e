/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What takes the room: images, containers, volumes, build cache. Runs in engine main. Must never
 * wait for a disk: other roles look at the trees.
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
#include "engine/role_main_usage.h"
#include "lib/fs.h"
#include "lib/own.h"

void usage_fail(struct usage_work *usage, const struct err *err)
{
	buf_done(&usage->went);
	work_fail(&usage->tree.work, err);
}

/* ---- what there is ---- */

int usage_take_list(struct usage_work *usage, struct str body, struct err *err)
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
		(void)wire_i64(&in); /* when it was made */
		wire_init(&one, record.ptr, record.len);
		r = held->reference ? image_decode(&one, arena, &held->image, err) : -ENOMEM;
	}
	usage->count = count;
	if (r < 0 || !usage->images || wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "store: malformed list of images");
	return 0;
}

uint32_t usage_image_users(const struct engine *engine, const struct image *image)
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

int usage_list_volumes(struct usage_work *usage, struct err *err)
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
uint32_t usage_volume_users(const struct engine *engine, const char *name)
{
	uint32_t users = 0;

	for (const struct service *s = engine->manager.services; s; s = s->next)
		users += s->container && has_volume(&s->container->def, name);
	for (const struct table_entry *e = engine->table.first; e; e = e->next)
		users += has_volume(&e->def, name);
	return users;
}

/* ---- usage ---- */

/*
 * What an image has on the disk together with others: the part of its room there that its shared
 * layers have of all its layers. Never more than the whole, so that sums over images stay sane.
 */
static uint64_t shared_bytes(const struct usage_work *usage, const struct held *held)
{
	const struct image *image = &held->image;
	uint64_t bytes = 0, all = 0;

	for (uint32_t i = 0; i < image->layer_count; i++) {
		bool shared = false;

		for (uint32_t k = 0; !shared && k < usage->count; k++) {
			const struct image *other = &usage->images[k].image;

			for (uint32_t l = 0; other != image && l < other->layer_count; l++)
				shared |= !memcmp(&other->layers[l].blob, &image->layers[i].blob,
						  sizeof(struct digest));
		}
		bytes += shared ? image->layers[i].size : 0;
		all += image->layers[i].size;
	}
	return all ? (uint64_t)((double)held->disk * ((double)bytes / (double)all)) : 0;
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
		wire_put_u64(out, shared_bytes(usage, held));
		wire_put_u32(out, usage_image_users(usage->tree.work.engine, &held->image));
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
		wire_put_u32(out, usage_volume_users(usage->tree.work.engine, usage->names[i] + 8));
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
	r = usage_list_volumes(usage, &bad);
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

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct usage_work *usage = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply) {
		usage_fail(usage, err);
		return;
	}
	if (usage_take_list(usage, reply->body, &bad) < 0 ||
	    work_ask(&usage->tree.work, STORE_MSG_SPACE, STR(""), on_space, &bad) < 0)
		usage_fail(usage, &bad);
}

void engine_usage_call(struct msg_peer *peer, struct msg *msg)
{
	struct usage_work *usage = tree_new(peer, msg, sizeof(*usage));
	struct err err = { 0 };

	if (usage && work_ask(&usage->tree.work, STORE_MSG_IMAGE_LIST, STR(""), on_list, &err) < 0)
		usage_fail(usage, &err);
}
