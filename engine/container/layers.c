/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layer files from the store to mounts, and the directory above them that a container writes to.
 * Runs in engine main, which mounts what the store has checked and reads nothing of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/api/store_msg.h"
#include "engine/container/layers.h"
#include "engine/run/quota.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LAYERS_HEX = SHA256_SIZE * 2 + 1 };

static void layers_next(struct layers_job *job);

static void layers_end(struct layers_job *job, const struct err *err)
{
	void (*done)(void *owner, const struct err *err) = job->done;

	job->done = NULL;
	if (done)
		done(job->owner, err);
}

static void on_layer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct layers_job *job = owner;
	char hex[LAYERS_HEX];
	int fd OWN_FD = -1;
	struct err bad = { 0 };

	(void)peer;
	if (!job->done)
		return;
	if (!reply) {
		layers_end(job, err);
		return;
	}
	fd = msg_take_fd(reply, 0);
	str_hex(job->layers[job->next].bytes, SHA256_SIZE, hex);
	if (fd < 0)
		err_set(&bad, -EBADMSG, "store: no file came with layer %s", hex);
	else
		(void)rootfs_layer_mount(job->rootfs, hex, fd, &bad);
	if (bad.code) {
		layers_end(job, &bad);
		return;
	}
	job->next++;
	layers_next(job);
}

static void layers_next(struct layers_job *job)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	char hex[LAYERS_HEX];

	for (; job->next < job->count; job->next++) {
		str_hex(job->layers[job->next].bytes, SHA256_SIZE, hex);
		if (!rootfs_layer_mounted(job->rootfs, hex))
			break;
	}
	if (job->next == job->count) {
		layers_end(job, NULL);
		return;
	}
	buf_init(&body, 64);
	store_digest_put(&body, &job->layers[job->next]);
	if (msg_peer_call(job->store, STORE_MSG_LAYER_OPEN, buf_str(&body), NULL, 0, on_layer, job,
			  &err) < 0)
		layers_end(job, &err);
}

void layers_mount(struct layers_job *job, struct msg_peer *store, struct rootfs *rootfs,
		  const struct digest *layers, uint32_t count,
		  void (*done)(void *owner, const struct err *err), void *owner)
{
	*job = (struct layers_job){ store, rootfs, layers, count, 0, done, owner };
	layers_next(job);
}

void layers_cancel(struct layers_job *job)
{
	job->done = NULL;
	if (job->store && msg_peer_alive(job->store))
		msg_peer_forget(job->store, job);
}

/*
 * The project's number is that of the container's directory, which is nobody else's for as long as
 * it is there. When another gets the number later, it sets a limit of its own or has no project.
 */
static int in_project(int container_fd, int dir_fd, int64_t disk_limit, struct err *err)
{
	struct stat st;
	int r;

	if (!disk_limit)
		return 0;
	if (fstat(container_fd, &st) < 0)
		return err_sys(err, -errno, "look at the container's directory");
	if (!st.st_ino || st.st_ino > UINT32_MAX)
		return err_set(err, -EOPNOTSUPP, "disk_limit: its file system is none of Hoy's");
	r = quota_limit(dir_fd, (uint32_t)st.st_ino, (uint64_t)disk_limit, err);
	if (r == 0)
		r = quota_join(dir_fd, (uint32_t)st.st_ino, err);
	return r < 0 ? err_prefix(err, "disk_limit") : 0;
}

static int open_own(int container_fd, const char *name, mode_t mode, int64_t disk_limit,
		    struct err *err)
{
	OWN_FD int fd = fs_open_dir(container_fd, name, FS_BENEATH, mode, err);
	int r = fd < 0 ? fd : in_project(container_fd, fd, disk_limit, err);

	return r < 0 ? r : take_fd(&fd);
}

int layers_upper(int container_fd, int64_t disk_limit, struct err *err)
{
	return open_own(container_fd, "upper", 0755, disk_limit, err);
}

int layers_work(int container_fd, int64_t disk_limit, struct err *err)
{
	return open_own(container_fd, "work", 0700, disk_limit, err);
}

struct layer_names {
	char hex[ROOTFS_LAYERS_MAX][LAYERS_HEX];
	const char *names[ROOTFS_LAYERS_MAX];
};

/*
 * An overlay takes no directory twice. Of a layer that an image has twice (COPY of the same file
 * over itself makes one) the upper counts: it hides all that the lower one shows.
 */
static bool comes_again(const struct digest *layers, uint32_t count, uint32_t i)
{
	for (uint32_t j = i + 1; j < count; j++)
		if (memcmp(&layers[i], &layers[j], sizeof(layers[i])) == 0)
			return true;
	return false;
}

/* Their number, each once. */
static int name_layers(const struct digest *layers, uint32_t count, struct layer_names *ret_names,
		       struct err *err)
{
	uint32_t used = 0;

	if (count > ROOTFS_LAYERS_MAX)
		return err_set(err, -E2BIG, "an image of %u layers, at most %d are supported",
			       count, ROOTFS_LAYERS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (comes_again(layers, count, i))
			continue;
		str_hex(layers[i].bytes, SHA256_SIZE, ret_names->hex[used]);
		ret_names->names[used] = ret_names->hex[used];
		used++;
	}
	return (int)used;
}

int layers_root(struct rootfs *rootfs, const char *id, const struct digest *layers, uint32_t count,
		int upper_fd, int work_fd, struct err *err)
{
	struct layer_names names;
	int r = name_layers(layers, count, &names, err);

	return r < 0 ? r : rootfs_mount(rootfs, id, names.names, (size_t)r, upper_fd, work_fd, err);
}

int layers_root_scratch(struct rootfs *rootfs, const char *id, const struct digest *layers,
			uint32_t count, int upper_fd, int work_fd, struct err *err)
{
	struct layer_names names;
	int r = name_layers(layers, count, &names, err);

	return r < 0 ? r
		     : rootfs_mount_scratch(rootfs, id, names.names, (size_t)r, upper_fd, work_fd,
					    err);
}

int layers_root_mapped(struct rootfs *rootfs, const char *id, const struct digest *layers,
		       uint32_t count, int dir_fd, const struct rootfs_mapping *mapping,
		       struct err *err)
{
	struct layer_names names;
	int r = name_layers(layers, count, &names, err);

	return r < 0 ? r
		     : rootfs_mount_mapped(rootfs, id, names.names, (size_t)r, dir_fd, mapping,
					   err);
}
