/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of a volume are: in its directory below /data/volumes, in the path of the machine
 * that its options bind, or in the file system that they name. Such a one is mounted at
 * volumes/NAME in the run directory when a container first uses it, and gone with the last one:
 * users/NAME/ID says who does, so that an engine that starts again knows it, too. Runs in engine
 * main, which never looks into any of them. Must never take a mount away that somebody uses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "engine/container/parts.h"
#include "engine/container/volume_place.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { PLACE_PATH_MAX = 256 };

void container_volume_options(char name[CONTAINER_MARK_MAX], const char *volume)
{
	(void)snprintf(name, CONTAINER_MARK_MAX, ".mount-%s", volume);
}

/* 1 = it has some, 0 = none. */
static int read_options(const struct container_env *env, const char *volume, struct arena *arena,
			struct volume_mount *ret_mount, struct err *err)
{
	int state OWN_FD =
		fs_open(env->data_fd, "state/volumes", FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	struct buf bytes OWN(buf_done) = { 0 };
	char name[CONTAINER_MARK_MAX];
	int r;

	container_volume_options(name, volume);
	buf_init(&bytes, VOLUME_MOUNT_BYTES_MAX);
	if (state < 0 || !fs_exists(state, name, FS_BENEATH))
		return 0;
	r = fs_read(state, name, FS_BENEATH, VOLUME_MOUNT_BYTES_MAX, &bytes, err);
	if (r >= 0)
		r = volume_mount_decode(buf_str(&bytes), arena, ret_mount, err);
	return r < 0 ? err_prefix(err, "volume %s", volume) : 1;
}

static bool is_mounted(int dir, const char *volume)
{
	struct stat above, st;

	return fstat(dir, &above) == 0 && fs_stat(dir, volume, FS_BENEATH_XDEV, &st, NULL) >= 0 &&
	       st.st_dev != above.st_dev;
}

/* In Docker's words, which scripts match. */
static int mount_fault(const char *place, const struct volume_mount *mount, int code,
		       struct err *err)
{
	return err_set(err, code,
		       "error while mounting volume '%s': failed to mount local volume: mount "
		       "%s:%s, flags: 0x%x%s%s: %s",
		       place, mount->device, place, mount->flags, *mount->data ? ", data: " : "",
		       mount->data, strerror(-code));
}

static int mount_at(const struct container_env *env, const char *volume,
		    const struct volume_mount *mount, struct err *err)
{
	int dir OWN_FD = fs_open_dir(env->run_fd, "volumes", FS_BENEATH, 0700, err);
	char place[PLACE_PATH_MAX];
	struct err why = { 0 };
	int at OWN_FD = -1;
	int r;

	if (dir < 0 || is_mounted(dir, volume))
		return dir < 0 ? dir : 0;
	at = fs_open_dir(dir, volume, FS_BENEATH, 0755, err);
	if (at < 0)
		return at;
	r = fs_mount(mount->device, at, mount->type, mount->flags, mount->data, &why);
	(void)snprintf(place, sizeof(place), "%s/volumes/%s", env->data_path, volume);
	return r < 0 ? mount_fault(place, mount, r, err) : 0;
}

/* Before it is mounted: one that nobody is said to use goes. */
static int add_user(const struct container *container, const char *volume, struct err *err)
{
	char path[PLACE_PATH_MAX];
	int dir OWN_FD = -1;

	(void)snprintf(path, sizeof(path), "users/%s/%s", volume, container->id);
	dir = fs_open_dir(container->env->run_fd, path, FS_BENEATH, 0700, err);
	return dir < 0 ? dir : 0;
}

const char *container_volume_place(struct container *container, const char *volume,
				   uint32_t *ret_flags, struct err *err)
{
	struct container_env *env = container->env;
	struct volume_mount mount = { 0 };
	const char *path = NULL;
	int r = read_options(env, volume, &container->arena, &mount, err);

	*ret_flags = r > 0 ? mount.flags : 0;
	if (r > 0 && mount.flags & MS_BIND) {
		if (fs_exists(AT_FDCWD, mount.device, FS_HOST))
			return mount.device;
		path = arena_printf(&container->arena, "%s/volumes/%s", env->data_path, volume);
		(void)mount_fault(path ? path : volume, &mount, -ENOENT, err);
		return NULL;
	}
	if (r > 0) {
		r = add_user(container, volume, err);
		if (r >= 0)
			r = mount_at(env, volume, &mount, err);
		if (r >= 0)
			r = 1;
	}
	if (r < 0)
		return NULL;
	path = arena_printf(&container->arena, "%s/volumes/%s", r ? env->run_path : env->data_path,
			    volume);
	if (!path)
		err_set(err, -ENOMEM, "no memory for volume %s", volume);
	return path;
}

int container_volume_open(const struct container_env *env, const char *volume, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct volume_mount mount = { 0 };
	char path[PLACE_PATH_MAX];
	int dir OWN_FD = -1;
	int r;

	arena_init(&arena, VOLUME_MOUNT_BYTES_MAX * 2);
	r = read_options(env, volume, &arena, &mount, err);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "volumes/%s", volume);
	if (!r)
		return fs_open(env->data_fd, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (mount.flags & MS_BIND)
		return fs_open(AT_FDCWD, mount.device, FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	dir = fs_open_dir(env->run_fd, "volumes", FS_BENEATH, 0700, err);
	if (dir < 0 || !is_mounted(dir, volume))
		return err_set(err, -ENOTSUP, "volume %s: nothing is mounted there now", volume);
	return fs_open(dir, volume, FS_BENEATH_XDEV, O_RDONLY | O_DIRECTORY, 0, err);
}

static void leave(const struct container *container, int users, const char *volume)
{
	const struct container_env *env = container->env;
	int of OWN_FD = fs_open(users, volume, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, NULL);
	int dir OWN_FD = -1;
	struct err err = { 0 };

	if (of < 0)
		return;
	(void)fs_rmdir(of, container->id, NULL);
	if (fs_rmdir(users, volume, NULL) < 0) /* somebody else has it */
		return;
	dir = fs_open_dir(env->run_fd, "volumes", FS_BENEATH, 0700, NULL);
	if (dir < 0)
		return;
	if (is_mounted(dir, volume) && fs_umount(dir, volume, MNT_DETACH, &err) < 0)
		log_warn("volume %s: %s", volume, err_text(&err));
	(void)fs_rmdir(dir, volume, NULL);
}

void container_volumes_leave(const struct container *container)
{
	const struct container_def *def = &container->def;
	int users OWN_FD = -1;

	for (uint32_t i = 0; i < def->mount_count; i++) {
		if (def->mounts[i].kind != DEF_MOUNT_VOLUME)
			continue;
		if (users < 0)
			users = fs_open(container->env->run_fd, "users", FS_BENEATH,
					O_RDONLY | O_DIRECTORY, 0, NULL);
		if (users < 0) /* no volume has been mounted since the boot */
			return;
		leave(container, users, def->mounts[i].source);
	}
}
