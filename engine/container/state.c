/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /data/containers/<id>/state: what a container is, durable before its first process runs. Runs in
 * engine main, which reads only what it wrote itself.
 * Its bytes are specified in state_wire.c. Written by fs_replace(): a state is there whole or not
 * at all. One whose sum is wrong is damage: the container is left alone and reported, never guessed
 * at.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "engine/container/parts.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

int container_state_write(struct container *container, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int r;

	buf_init(&file, DEF_BYTES_MAX);
	r = container_state_encode(&container->def, container->created_s, &file, err);
	if (r < 0)
		return r;
	return fs_replace(container->dir_fd, "state", file.data, file.len, 0600, err);
}

int container_define(struct container_env *env, const char *id, const struct container_def *def,
		     int64_t created_s, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 }, path OWN(buf_done) = { 0 };
	int dir OWN_FD = -1;
	int r;

	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s", id);
	buf_init(&file, DEF_BYTES_MAX);
	r = container_state_encode(def, created_s, &file, err);
	if (r < 0)
		return r;
	dir = fs_open_dir(env->data_fd, buf_text(&path), FS_BENEATH, 0700, err);
	if (dir < 0)
		return dir;
	return fs_replace(dir, "state", file.data, file.len, 0600, err);
}

int container_state_read(struct container *container, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int r;

	buf_init(&file, DEF_BYTES_MAX);
	r = fs_read(container->dir_fd, "state", FS_BENEATH, DEF_BYTES_MAX, &file, err);
	if (r < 0)
		return r;
	r = container_state_decode(buf_str(&file), &container->arena, &container->created_s,
				   &container->def, err);
	return r < 0 ? err_prefix(err, "container %s", container->id) : 0;
}

int container_remove(struct container_env *env, const char *id, struct err *err)
{
	int containers OWN_FD = fs_open_dir(env->data_fd, "containers", FS_BENEATH, 0700, err);
	int trash OWN_FD = -1;
	int r;

	if (containers < 0)
		return containers;
	trash = fs_open_dir(env->data_fd, "trash", FS_BENEATH, 0700, err);
	if (trash < 0)
		return trash;
	container_userns_forget(env, containers, id);
	r = fs_rename(containers, id, trash, id, err);
	if (r >= 0 && env->trashed)
		env->trashed(env->owner);
	return r == -ENOENT ? 0 : r;
}

int container_logs(struct container_env *env, const char *id, int *ret_fds, int max,
		   struct err *err)
{
	int count = 0;

	for (int n = max - 1; n >= 0; n--) {
		struct buf path OWN(buf_done) = { 0 };
		int fd;

		buf_init(&path, 256);
		(void)buf_printf(&path, "containers/%s/" SHIM_LOG_DIR "/" SHIM_LOG_FILE, id);
		if (n)
			(void)buf_printf(&path, ".%d", n);
		fd = fs_open(env->data_fd, buf_text(&path), FS_BENEATH, 0, 0, NULL);
		if (fd >= 0)
			ret_fds[count++] = fd;
	}
	if (!count)
		return err_set(err, -ENOENT, "it has not written a log yet");
	return count;
}
