/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named volumes: a new one is given what the image holds at its path. Runs in engine main, which
 * only makes, names and drops directories; what is in them is the files role's.
 *
 * volumes/.fill-NAME is filled and written to the disk, then renamed to NAME. So a volume is there
 * whole or not at all: after a power cut in between it is filled again from the start. A volume
 * that is there is never touched, empty or not; one that was made by its name alone and that
 * nothing has been mounted from is not there yet: state/volumes/.new-NAME says so, and goes once
 * the filled directory has taken the empty one's place. One is filled at a time; whoever comes
 * meanwhile, maybe for the same one, waits its turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/container/parts.h"
#include "engine/run/user_namespace.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"

#define FILL_PREFIX ".fill-"

enum { FILL_NAME_MAX = 256, FILL_DIGITS = 32 };

static int volumes_open(const struct container_env *env, struct err *err)
{
	return fs_open_dir(env->data_fd, "volumes", FS_BENEATH, 0755, err);
}

/* "volumes/.fill-NAME": no volume's name begins with a dot. */
static int fill_name(const char *volume, char name[FILL_NAME_MAX], struct err *err)
{
	size_t len = strlen(volume);

	if (len + sizeof(FILL_PREFIX) > FILL_NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "volume %s: the name is too long", volume);
	memcpy(name, FILL_PREFIX, sizeof(FILL_PREFIX) - 1);
	memcpy(name + sizeof(FILL_PREFIX) - 1, volume, len + 1);
	return 0;
}

/* A directory that never became a volume goes to the trash; one that is not there is fine. */
static int fill_discard(struct container_env *env, int volumes, const char *name, struct err *err)
{
	int trash OWN_FD = fs_open_dir(env->data_fd, "trash", FS_BENEATH, 0700, err);
	char to[FILL_DIGITS + 1];
	struct err why = { 0 };
	int r;

	if (trash < 0)
		return trash;
	r = random_hex(to, FILL_DIGITS, "a name in the trash", err);
	if (r < 0)
		return r;
	r = fs_rename(volumes, name, trash, to, &why);
	if (r >= 0 && env->trashed)
		env->trashed(env->owner);
	return r == -ENOENT || r >= 0 ? 0 : err_set(err, r, "%s", err_text(&why));
}

static int discard_stale(int dirfd, const char *name, unsigned char d_type, void *owner,
			 struct err *err)
{
	struct container_env *env = owner;

	(void)d_type;
	if (!str_starts(str_from(name), STR(FILL_PREFIX)))
		return 0;
	return fill_discard(env, dirfd, name, err);
}

int container_volumes_clean(struct container_env *env, struct err *err)
{
	int volumes OWN_FD = volumes_open(env, err);

	return volumes < 0 ? volumes : fs_each(volumes, discard_stale, env, err);
}

/* ---- one container's volumes ---- */

static void volumes_wake(struct loop_timer *timer)
{
	struct container *container = timer->owner;
	struct err err = { 0 };
	int r = container_volumes(container, &err);

	if (r < 0)
		container_fail(container, &err);
	else if (!r)
		container_volumes_done(container);
}

/* The turn goes to who has waited longest. */
static void turn_over(struct container_env *env)
{
	struct container *next = env->volume_queue;

	if (!next)
		return;
	loop_timer_set(env->loop, &next->stop_timer, 0, volumes_wake, next);
}

static void queue_leave(struct container *container)
{
	struct container **at = &container->env->volume_queue;
	bool first = *at == container;

	while (*at && *at != container)
		at = &(*at)->volume_next;
	if (!*at)
		return;
	*at = container->volume_next;
	container->volume_next = NULL;
	if (first)
		turn_over(container->env);
}

/* Whether it is this one's turn; puts it into the queue. */
static bool queue_enter(struct container *container)
{
	struct container **at = &container->env->volume_queue;

	while (*at && *at != container)
		at = &(*at)->volume_next;
	*at = container;
	return container->env->volume_queue == container;
}

void container_volumes_cancel(struct container *container)
{
	const struct container_def *def = &container->def;
	char name[FILL_NAME_MAX];
	int volumes OWN_FD = -1;

	if (container->env->volume_queue == container && container->volume < def->mount_count &&
	    fill_name(def->mounts[container->volume].source, name, NULL) >= 0) {
		if (worker_running(&container->files))
			msg_peer_forget(&container->files.peer, container);
		worker_stop(&container->files);
		volumes = volumes_open(container->env, NULL);
		if (volumes >= 0)
			(void)fill_discard(container->env, volumes, name, NULL);
	}
	queue_leave(container);
}

void container_volume_mark(char name[CONTAINER_MARK_MAX], const char *volume)
{
	(void)snprintf(name, CONTAINER_MARK_MAX, ".new-%s", volume);
}

static bool is_unused(const struct container_env *env, const char *volume)
{
	int state OWN_FD =
		fs_open(env->data_fd, "state/volumes", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	char mark[CONTAINER_MARK_MAX];

	container_volume_mark(mark, volume);
	return state >= 0 && fs_exists(state, mark, FS_BENEATH);
}

/* An error ends the start: with the mark left, another fill would replace what is in use. */
static int set_used(const struct container_env *env, const char *volume, struct err *err)
{
	int state OWN_FD =
		fs_open(env->data_fd, "state/volumes", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	char mark[CONTAINER_MARK_MAX];

	container_volume_mark(mark, volume);
	if (state < 0 || !fs_exists(state, mark, FS_BENEATH))
		return 0; /* as is_unused() sees it */
	return fs_unlink(state, mark, err);
}

/* The name makes it a volume; the directory is on the disk before anybody is told. */
static int fill_publish(struct container *container, struct err *err)
{
	const char *volume = container->def.mounts[container->volume].source;
	int volumes OWN_FD = volumes_open(container->env, err);
	char name[FILL_NAME_MAX];
	int r = volumes < 0 ? volumes : fill_name(volume, name, err);

	if (r >= 0)
		r = fs_rename(volumes, name, volumes, volume, err);
	/* Somebody put files into it before anything was mounted from it: they stay. */
	if (r == -ENOTEMPTY || r == -EEXIST) {
		*err = (struct err){ 0 };
		r = fill_discard(container->env, volumes, name, err);
	}
	if (r >= 0)
		r = fs_sync_dir(volumes, err);
	if (r >= 0)
		r = set_used(container->env, volume, err);
	return r;
}

static void on_filled(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct container *container = owner;
	const char *volume = container->def.mounts[container->volume].source;
	struct err bad = { 0 };
	struct wire in;
	bool found;

	(void)peer;
	if (container->phase != CONTAINER_PHASE_VOLUMES)
		return;
	if (!reply) {
		bad = *err;
	} else {
		wire_init(&in, reply->body.ptr, reply->body.len);
		found = wire_bool(&in);
		(void)wire_u64(&in);
		(void)wire_u64(&in);
		if (wire_end(&in) < 0)
			err_set(&bad, -EBADMSG, "role files: malformed answer");
		else if (fill_publish(container, &bad) >= 0 && found)
			log_notice("volume %s: filled from the image %s", volume,
				   container->def.reference);
	}
	if (bad.code) {
		err_prefix(&bad, "volume %s", volume);
		container_fail(container, &bad);
		return;
	}
	worker_stop(&container->files);
	container->volume++;
	loop_timer_set(container->env->loop, &container->stop_timer, 0, volumes_wake, container);
}

static int fill_start(struct container *container, int volumes, struct err *err)
{
	const struct def_mount *mount = &container->def.mounts[container->volume];
	struct buf body OWN(buf_done) = { 0 };
	char name[FILL_NAME_MAX];
	int dir OWN_FD = -1;
	const struct rootfs_mapping *mapping = container_mapping(container);
	int64_t r = fill_name(mount->source, name, err);

	if (r >= 0)
		r = fill_discard(container->env, volumes, name, err);
	if (r >= 0)
		r = fs_mkdir(volumes, name, 0755, err);
	if (r >= 0)
		r = dir = fs_open(volumes, name, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (r >= 0 && mapping) {
		int seen = user_namespace_view_dir(mapping->userns_fd, dir, err);

		own_close(&dir);
		r = dir = seen;
	}
	if (r >= 0)
		r = worker_start(&container->files, container->env->loop, "files", NULL, 0,
				 mapping ? &mapping->userns_fd : NULL, mapping ? 1 : 0, NULL,
				 container, err);
	buf_init(&body, FILES_PATH_MAX + 64);
	wire_put_text(&body, mount->target);
	if (r >= 0) {
		const int fds[2] = { container->root_fd, dir };

		r = msg_peer_call(&container->files.peer, FILES_MSG_FILL, buf_str(&body), fds, 2,
				  on_filled, container, err);
	}
	return r < 0 ? err_prefix(err, "volume %s", mount->source) : 0;
}

int container_volumes(struct container *container, struct err *err)
{
	const struct container_def *def = &container->def;
	int volumes OWN_FD = -1;
	int r;

	for (; container->volume < def->mount_count; container->volume++) {
		const struct def_mount *mount = &def->mounts[container->volume];

		if (mount->kind != DEF_MOUNT_VOLUME)
			continue;
		if (volumes < 0)
			volumes = volumes_open(container->env, err);
		if (volumes < 0)
			return volumes;
		if (fs_exists(volumes, mount->source, FS_BENEATH) &&
		    !is_unused(container->env, mount->source))
			continue;
		if (def->host_set &&
		    def->mounts_more[container->volume].flags & DEF_MOUNT_NO_COPY) {
			r = set_used(container->env, mount->source, err);
			if (r < 0)
				return r;
			continue; /* made empty when it is mounted */
		}
		if (!queue_enter(container))
			return 1;
		r = fill_start(container, volumes, err);
		return r < 0 ? r : 1;
	}
	queue_leave(container);
	return 0;
}
