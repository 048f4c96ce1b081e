/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /data/containers/<id>/state: what a container is, durable before its first process runs. Runs in
 * engine main, which reads only what it wrote itself.
 *
 *   offset 0   8 bytes "hoycont1"
 *          8   32 bytes SHA-256 over the rest
 *         40   i64 created (seconds since 1970), then the definition (def_wire.c)
 *
 * Written by fs_replace(): a state is there whole or not at all. One whose sum is wrong is damage:
 * the container is left alone and reported, never guessed at.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "engine/container/container.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

static const char state_magic[8] = { 'h', 'o', 'y', 'c', 'o', 'n', 't', '1' };

enum { STATE_HEAD = 8 + SHA256_SIZE };

static void state_sum(const void *data, size_t len, struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, data, len);
	sha256_end(&hash, ret_digest);
}

int container_state_write(struct container *container, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	static const char blank[STATE_HEAD];
	struct digest sum;

	buf_init(&file, DEF_BYTES_MAX);
	(void)buf_add(&file, blank, sizeof(blank));
	wire_put_i64(&file, container->created_s);
	container_def_encode(&container->def, &file);
	if (buf_error(&file))
		return err_set(err, buf_error(&file), "state of container %s", container->def.name);
	state_sum(file.data + STATE_HEAD, file.len - STATE_HEAD, &sum);
	memcpy(file.data, state_magic, sizeof(state_magic));
	memcpy(file.data + sizeof(state_magic), sum.bytes, SHA256_SIZE);
	return fs_replace(container->dir_fd, "state", file.data, file.len, 0600, err);
}

int container_state_read(struct container *container, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	struct digest sum;
	struct wire in;
	int r;

	buf_init(&file, DEF_BYTES_MAX);
	r = fs_read(container->dir_fd, "state", FS_BENEATH, DEF_BYTES_MAX, &file, err);
	if (r < 0)
		return r;
	if (file.len < STATE_HEAD || memcmp(file.data, state_magic, sizeof(state_magic)) != 0)
		return err_set(err, -EBADMSG, "state of container %s is not one of ours",
			       container->id);
	state_sum(file.data + STATE_HEAD, file.len - STATE_HEAD, &sum);
	if (memcmp(file.data + sizeof(state_magic), sum.bytes, SHA256_SIZE) != 0)
		return err_set(err, -EBADMSG, "state of container %s is damaged", container->id);
	wire_init(&in, file.data + STATE_HEAD, file.len - STATE_HEAD);
	container->created_s = wire_i64(&in);
	r = container_def_decode(&in, &container->arena, &container->def, err);
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
	r = fs_rename(containers, id, trash, id, err);
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
