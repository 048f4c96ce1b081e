/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named volumes as the Docker API sees them. A volume is a directory below /data/volumes; what a
 * client said about one when it made it (labels, options) stands in /data/state/volumes/NAME as the
 * api role wrote it, unread here; what it said is mounted there stands beside it. Runs in engine
 * main; must never remove one that a container has.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/api/view_msg.h"
#include "engine/container/volume_place.h"
#include "engine/role_main.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"

enum { VOLUME_NAME_MAX = 128, VOLUME_API_MAX = 256 << 10, VOLUMES_REPLY_MAX = 15 << 20 };

static bool def_has(const struct container_def *def, const char *name)
{
	for (uint32_t i = 0; i < def->mount_count; i++) {
		if (def->mounts[i].kind == DEF_MOUNT_VOLUME && !strcmp(def->mounts[i].source, name))
			return true;
	}
	return false;
}

/* How many containers have it; *ret_id (may be NULL) the last one's id. */
static uint32_t volume_users(const struct engine *engine, const char *name, const char **ret_id)
{
	uint32_t count = 0;

	for (const struct table_entry *e = engine->table.first; e; e = e->next) {
		if (!def_has(&e->def, name))
			continue;
		count++;
		if (ret_id)
			*ret_id = e->id;
	}
	for (const struct service *s = engine->manager.services; s; s = s->next) {
		bool has = false;

		for (uint32_t i = 0; s->spec && i < s->spec->volume_count; i++)
			has |= s->spec->volumes[i].kind == SERVICE_VOLUME_NAMED &&
			       !strcmp(s->spec->volumes[i].source, name);
		if (!has)
			continue;
		count++;
		if (ret_id)
			*ret_id = *s->container_id ? s->container_id : s->name;
	}
	return count;
}

/* ---- list ---- */

struct volume_list {
	struct engine *engine;
	struct buf *rows;
	uint32_t count;
};

static int list_one(int dirfd, const char *name, unsigned char d_type, void *owner, struct err *err)
{
	struct volume_list *list = owner;
	struct container_env *env = &list->engine->containers;
	struct buf api OWN(buf_done) = { 0 }, path OWN(buf_done) = { 0 };
	struct engine_volume row = { .name = str_from(name) };
	struct stat st = { 0 };

	(void)d_type;
	(void)err;
	if (name[0] == '.' || strlen(name) >= VOLUME_NAME_MAX)
		return 0;
	buf_init(&api, VOLUME_API_MAX);
	buf_init(&path, 4096);
	(void)buf_printf(&path, "state/volumes/%s", name);
	(void)fs_read(env->data_fd, buf_text(&path), FS_BENEATH, VOLUME_API_MAX, &api, NULL);
	(void)fs_stat(dirfd, name, FS_BENEATH, &st, NULL);
	buf_clear(&path);
	(void)buf_printf(&path, "%s/volumes/%s", env->data_path, name);
	row.path = buf_str(&path);
	row.api = buf_str(&api);
	row.created_s = st.st_ctime;
	row.users = volume_users(list->engine, name, NULL);
	engine_volume_put(list->rows, &row);
	list->count++;
	return 0;
}

void engine_volumes_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct buf rows OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct volume_list list = { engine, &rows, 0 };
	struct err err = { 0 };
	int dir OWN_FD = -1;

	buf_init(&rows, VOLUMES_REPLY_MAX);
	buf_init(&body, VOLUMES_REPLY_MAX);
	if (!engine->data_ready)
		err_set(&err, -EAGAIN, "the data partition is not there");
	else
		dir = fs_open_dir(engine->containers.data_fd, "volumes", FS_BENEATH, 0755, &err);
	if (dir >= 0)
		(void)fs_each(dir, list_one, &list, &err);
	if (err.code) {
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	wire_put_u32(&body, list.count);
	(void)buf_add_str(&body, buf_str(&rows));
	(void)msg_reply(peer, msg->type, msg->serial, buf_str(&body), NULL, 0);
}

/* ---- make and remove ---- */

static int write_api(const struct engine *engine, const char *name, struct str api,
		     struct str options, struct err *err)
{
	int dir OWN_FD =
		fs_open_dir(engine->containers.data_fd, "state/volumes", FS_BENEATH, 0700, err);

	char mark[CONTAINER_MARK_MAX];
	int r = dir < 0 ? dir : fs_replace(dir, name, api.ptr, api.len, 0600, err);

	if (r >= 0 && options.len) {
		container_volume_options(mark, name);
		return fs_replace(dir, mark, options.ptr, options.len, 0600, err);
	}
	container_volume_mark(mark, name);
	return r < 0 ? r : fs_replace(dir, mark, "", 0, 0600, err);
}

/* An empty directory under that name, unless there is a volume of it. */
static int volume_make(struct engine *engine, const char *name, struct str api, struct str options,
		       struct err *err)
{
	int dir OWN_FD = fs_open_dir(engine->containers.data_fd, "volumes", FS_BENEATH, 0755, err);
	int r = dir;

	if (dir < 0 || fs_exists(dir, name, FS_BENEATH))
		return dir < 0 ? dir : 0;
	r = write_api(engine, name, api, options, err);
	if (r >= 0)
		r = fs_mkdir(dir, name, 0755, err);
	if (r >= 0)
		r = fs_sync_dir(dir, err);
	if (r >= 0)
		engine_event(engine, "volume", "create", name, name, NULL, 0);
	return r;
}

int engine_volumes_make(struct engine *engine, const struct container_def *def, struct err *err)
{
	/* What the API keeps and shows of a volume that nobody has named. */
	static const char unnamed[] = "{\"Labels\":{\"com.docker.volume.anonymous\":\"\"}}";
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < def->mount_count; i++) {
		bool anonymous =
			def->mounts_more && def->mounts_more[i].flags & DEF_MOUNT_ANONYMOUS;

		if (def->mounts[i].kind == DEF_MOUNT_VOLUME)
			r = volume_make(engine, def->mounts[i].source,
					anonymous ? STR(unnamed) : STR(""), STR(""), err);
	}
	return r;
}

void engine_volume_make_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	char name[VOLUME_NAME_MAX];
	struct err err = { 0 };
	struct arena arena OWN(arena_done) = { 0 };
	struct volume_mount mount;
	struct str api, options;
	struct wire in;
	int r = 0;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	api = wire_str(&in, VOLUME_API_MAX);
	options = wire_blob(&in, VOLUME_MOUNT_BYTES_MAX);
	arena_init(&arena, VOLUME_MOUNT_BYTES_MAX * 2);
	if (wire_end(&in) < 0 || !str_is_name(str_from(name)))
		r = err_set(&err, -EBADMSG, "malformed request");
	else if (!engine->data_ready)
		r = err_set(&err, -EAGAIN, "the data partition is not there");
	if (r >= 0 && options.len)
		r = volume_mount_decode(options, &arena, &mount, &err);
	if (r >= 0)
		r = volume_make(engine, name, api, options, &err);
	engine_answer(peer, msg, r, &err);
}

enum { VOLUME_TRASH_DIGITS = 32 };

static int volume_drop(struct engine *engine, const char *name, struct err *err)
{
	int data = engine->containers.data_fd;
	int volumes OWN_FD = fs_open_dir(data, "volumes", FS_BENEATH, 0755, err);
	int trash OWN_FD = fs_open_dir(data, "trash", FS_BENEATH, 0700, err);
	int state OWN_FD = fs_open_dir(data, "state/volumes", FS_BENEATH, 0700, err);
	char to[VOLUME_TRASH_DIGITS + 1], mark[CONTAINER_MARK_MAX];
	int r;

	if (volumes < 0 || trash < 0 || state < 0)
		return err ? err->code : -EIO;
	r = random_hex(to, VOLUME_TRASH_DIGITS, "a name in the trash", err);
	if (r >= 0)
		r = fs_rename(volumes, name, trash, to, err);
	if (r >= 0)
		r = fs_sync_dir(volumes, err);
	(void)fs_unlink(state, name, NULL);
	container_volume_mark(mark, name);
	(void)fs_unlink(state, mark, NULL);
	container_volume_options(mark, name);
	(void)fs_unlink(state, mark, NULL);
	engine_trashed(engine);
	if (r >= 0)
		engine_event(engine, "volume", "destroy", name, name, NULL, 0);
	return r;
}

void engine_volume_remove_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	const char *user = "";
	char name[VOLUME_NAME_MAX];
	struct err err = { 0 };
	int volumes OWN_FD = -1;
	struct wire in;
	int r = 0;

	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		r = err_set(&err, -EBADMSG, "malformed request");
	else if (!engine->data_ready)
		r = err_set(&err, -EAGAIN, "the data partition is not there");
	if (r >= 0)
		r = volumes =
			fs_open_dir(engine->containers.data_fd, "volumes", FS_BENEATH, 0755, &err);
	if (r >= 0 && (!str_is_name(str_from(name)) || !fs_exists(volumes, name, FS_BENEATH)))
		r = err_set(&err, -ENOENT, "get %s: no such volume", name);
	if (r >= 0 && volume_users(engine, name, &user))
		r = err_set(&err, -EEXIST, "remove %s: volume is in use - [%s]", name, user);
	if (r >= 0)
		r = volume_drop(engine, name, &err);
	engine_answer(peer, msg, r, &err);
}

/* Those that nobody named go with their container. */
void engine_volumes_drop(struct engine *engine, const struct container_def *def)
{
	for (uint32_t i = 0; i < def->mount_count; i++) {
		struct err err = { 0 };

		if (def->mounts[i].kind != DEF_MOUNT_VOLUME ||
		    !(def->mounts_more[i].flags & DEF_MOUNT_ANONYMOUS) ||
		    volume_users(engine, def->mounts[i].source, NULL) > 1)
			continue;
		if (volume_drop(engine, def->mounts[i].source, &err) < 0 && err.code != -ENOENT)
			log_warn("volume %s: %s", def->mounts[i].source, err_text(&err));
	}
}
