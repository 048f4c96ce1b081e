/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the files of a container for other roles to work in. Runs in engine main. Must never read
 * a name or byte of them, nor leave a mount behind.
 */
#include "engine/role_main_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/store_msg.h"
#include "engine/api/unpack_msg.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/random.h"

struct container *tree_container(const struct tree_work *tree)
{
	struct engine_target target;

	if (!*tree->id || engine_target(tree->work.engine, tree->id, &target, NULL) < 0)
		return NULL;
	return engine_target_container(&target);
}

static void below_name(const struct tree_work *tree, char dst[CONTAINER_ID_LEN + 8])
{
	(void)snprintf(dst, CONTAINER_ID_LEN + 8, "%.60s.low", tree->id);
}

static void tree_done(struct engine_work *work)
{
	struct tree_work *tree = (struct tree_work *)work;
	struct container_env *env = &work->engine->containers;
	const struct container *container = tree_container(tree);
	char name[CONTAINER_ID_LEN + 8];

	layers_cancel(&tree->layers);
	worker_stop(&tree->files);
	worker_stop(&tree->unpack);
	image_tree_done(&tree->tree);
	image_layer_done(&tree->packing);
	if (tree->frozen && container)
		(void)cgroup_freeze(container->cgroup_fd, false, NULL);
	own_close(&tree->root_fd);
	own_close(&tree->upper_fd);
	own_close(&tree->below_fd);
	own_close(&tree->userns.userns_fd);
	below_name(tree, name);
	if (tree->below_mounted)
		(void)rootfs_umount(&env->rootfs, name, NULL);
	/* Started meanwhile: then the mount is the container's. */
	if (tree->mounted && !container)
		(void)rootfs_umount(&env->rootfs, tree->id, NULL);
	if (*tree->scratch)
		(void)container_remove(env, tree->scratch, NULL);
	image_lease_drop(&work->engine->leases, &tree->lease);
}

void *tree_new(struct msg_peer *peer, const struct msg *msg, size_t size)
{
	struct tree_work *tree = work_new(peer, msg, size, tree_done);

	if (tree) {
		tree->root_fd = tree->upper_fd = tree->below_fd = tree->userns.userns_fd = -1;
		tree->files.pidfd = tree->unpack.pidfd = -1;
	}
	return tree;
}

/* ---- the container ---- */

static int read_def(struct tree_work *tree, int dir_fd, struct err *err)
{
	struct buf file OWN(buf_done) = { 0 };
	int64_t created_s;
	int r;

	buf_init(&file, DEF_BYTES_MAX);
	r = fs_read(dir_fd, "state", FS_BENEATH, DEF_BYTES_MAX, &file, err);
	return r < 0 ? r
		     : container_state_decode(buf_str(&file), &tree->work.arena, &created_s,
					      &tree->def, err);
}

static void tree_ready(struct tree_work *tree, const struct err *err)
{
	struct err bad = { 0 };

	if (err)
		bad = *err;
	else
		(void)tree->ready(tree, &bad);
	if (bad.code)
		work_fail(&tree->work, &bad);
}

/* The overlay of a container that does not run, under its own name: a start would find it. */
static int mount_root(struct tree_work *tree, struct err *err)
{
	struct container_env *env = &tree->work.engine->containers;
	const struct container_def *def = &tree->def;
	char path[CONTAINER_ID_LEN + 16];
	int dir_fd OWN_FD = -1, work_fd OWN_FD = -1;
	int r;

	(void)snprintf(path, sizeof(path), "containers/%s", tree->id);
	dir_fd = fs_open(env->data_fd, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	if (dir_fd < 0)
		return dir_fd;
	work_fd = layers_work(dir_fd, def->disk_limit, err);
	if (work_fd < 0)
		return work_fd;
	if (container_userns_wanted(env, def)) {
		r = container_userns_open(env, dir_fd, &tree->userns, err);
		if (r < 0)
			return r;
		tree->root_fd = layers_root_mapped(&env->rootfs, tree->id, def->layers,
						   def->layer_count, dir_fd, &tree->userns, err);
	} else {
		tree->root_fd = layers_root(&env->rootfs, tree->id, def->layers, def->layer_count,
					    tree->upper_fd, work_fd, err);
	}
	tree->mounted = tree->root_fd >= 0;
	return tree->root_fd < 0 ? tree->root_fd : 0;
}

static void on_layers(void *owner, const struct err *err)
{
	struct tree_work *tree = owner;
	struct err bad = { 0 };

	if (err)
		bad = *err;
	else if (tree->root_fd < 0 && tree->wants_root)
		(void)mount_root(tree, &bad);
	tree_ready(tree, bad.code ? &bad : NULL);
}

int tree_open(struct tree_work *tree, const char *name, bool root,
	      int (*ready)(struct tree_work *tree, struct err *err), struct err *err)
{
	struct engine *engine = tree->work.engine;
	struct container_env *env = &engine->containers;
	const struct container *container;
	struct engine_target target;
	char path[CONTAINER_ID_LEN + 16];
	int dir_fd OWN_FD = -1;
	int r = engine_target(engine, name, &target, err);

	if (r < 0)
		return r;
	(void)str_copy(str_from(engine_target_id(&target)), tree->id, sizeof(tree->id));
	if (!*tree->id)
		return err_set(err, -ENOENT, "%s has no container yet", name);
	container = engine_target_container(&target);
	(void)snprintf(path, sizeof(path), "containers/%s", tree->id);
	dir_fd = fs_open(env->data_fd, path, FS_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	r = dir_fd < 0 ? dir_fd : read_def(tree, dir_fd, err);
	if (r >= 0) /* one that never started has none yet */
		r = tree->upper_fd = layers_upper(dir_fd, tree->def.disk_limit, err);
	if (r >= 0)
		r = image_lease_add(&engine->leases, &tree->lease, tree->def.layers,
				    tree->def.layer_count, err);
	if (r < 0)
		return r;
	if (root && container && container->root_fd >= 0) {
		tree->root_fd = fcntl(container->root_fd, F_DUPFD_CLOEXEC, 0);
		if (container_mapping(container))
			tree->userns.userns_fd =
				fcntl(container->userns.userns_fd, F_DUPFD_CLOEXEC, 3);
	}
	tree->ready = ready;
	tree->wants_root = root;
	layers_mount(&tree->layers, env->store, &env->rootfs, tree->def.layers,
		     tree->def.layer_count, on_layers, tree);
	return 0;
}

int tree_open_image(struct tree_work *tree, const struct image *image,
		    int (*ready)(struct tree_work *tree, struct err *err), struct err *err)
{
	struct container_env *env = &tree->work.engine->containers;
	int r;

	/* nobody's: two may look at one image */
	r = random_hex(tree->id, CONTAINER_ID_LEN, "a mount's name", err);
	if (r < 0)
		return r;
	tree->def.layers =
		arena_array(&tree->work.arena, image->layer_count + 1, sizeof(struct digest));
	if (!tree->def.layers)
		return err_set(err, -ENOMEM, "no memory for the layers of an image");
	tree->def.layer_count = image->layer_count;
	for (uint32_t i = 0; i < image->layer_count; i++)
		tree->def.layers[i] = image->layers[i].blob;
	r = image_lease_add(&tree->work.engine->leases, &tree->lease, tree->def.layers,
			    tree->def.layer_count, err);
	if (r < 0)
		return r;
	tree->ready = ready;
	layers_mount(&tree->layers, env->store, &env->rootfs, tree->def.layers,
		     tree->def.layer_count, on_layers, tree);
	return 0;
}

int tree_open_below(struct tree_work *tree, struct err *err)
{
	struct container_env *env = &tree->work.engine->containers;
	char name[CONTAINER_ID_LEN + 8];

	below_name(tree, name);
	tree->below_fd = layers_root(&env->rootfs, name, tree->def.layers, tree->def.layer_count,
				     -1, -1, err);
	tree->below_mounted = tree->below_fd >= 0;
	return tree->below_fd < 0 ? tree->below_fd : 0;
}

int tree_scratch(struct tree_work *tree, struct err *err)
{
	int data = tree->work.engine->containers.data_fd;
	struct buf path OWN(buf_done) = { 0 };
	int r = random_hex(tree->scratch, CONTAINER_ID_LEN, "a directory's name", err);

	if (r < 0)
		return r;
	buf_init(&path, 128);
	(void)buf_printf(&path, "containers/%s/upper", tree->scratch);
	tree->upper_fd = fs_open_dir(data, buf_text(&path), FS_BENEATH, 0755, err);
	return tree->upper_fd < 0 ? tree->upper_fd : 0;
}

/* ---- other roles ---- */

int tree_files(struct tree_work *tree, uint16_t type, struct str body, const int *fds, size_t nfds,
	       msg_reply_fn *fn, struct err *err)
{
	int64_t r;

	worker_stop(&tree->files);
	r = worker_start(&tree->files, &tree->work.engine->loop, "files", NULL, 0,
			 &tree->userns.userns_fd, tree->userns.userns_fd >= 0 ? 1 : 0, NULL, tree,
			 err);
	if (r >= 0)
		r = msg_peer_call(&tree->files.peer, type, body, fds, nfds, fn, tree, err);
	return r < 0 ? (int)r : 0;
}

static void extract_heard(struct tree_work *tree, bool unpack, const struct err *err)
{
	/* What unpack says is nearer to the cause than "the stream just stopped". */
	if (err && (unpack || !tree->error.code))
		tree->error = *err;
	if (--tree->pending == 0)
		tree_ready(tree, NULL);
}

static void on_unpacked(struct msg_peer *peer, void *owner, struct msg *reply,
			const struct err *err)
{
	(void)peer;
	extract_heard(owner, true, reply ? NULL : err);
}

static void on_extracted(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	(void)peer;
	extract_heard(owner, false, reply ? NULL : err);
}

int tree_extract(struct tree_work *tree, int root_fd, const char *dest, const char *owner,
		 int (*ready)(struct tree_work *tree, struct err *err), struct err *err)
{
	const struct unpack_start start = {
		.flags = UNPACK_FLAG_WHOLE | (tree->text_ok ? (uint32_t)UNPACK_FLAG_TEXT : 0) |
			 (tree->empty_ok ? (uint32_t)UNPACK_FLAG_EMPTY : 0)
	};
	struct buf call OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	int read_fd OWN_FD = -1, write_fd OWN_FD = -1, fds[2];
	int64_t r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe for an archive");
	read_fd = fds[0];
	write_fd = fds[1];
	tree->ready = ready;
	tree->pending = 2;
	buf_init(&call, 4096);
	buf_init(&body, 2 * ENGINE_PATH_MAX);
	unpack_start_encode(&start, &call);
	wire_put_text(&body, dest);
	wire_put_text(&body, owner);
	fds[0] = read_fd;
	fds[1] = root_fd;
	r = tree_files(tree, FILES_MSG_EXTRACT, buf_str(&body), fds, 2, on_extracted, err);
	if (r >= 0)
		r = worker_start(&tree->unpack, &tree->work.engine->loop, "unpack", NULL, 0, NULL,
				 0, NULL, tree, err);
	fds[0] = tree->work.file_fd;
	fds[1] = write_fd;
	if (r >= 0)
		r = msg_peer_call(&tree->unpack.peer, UNPACK_MSG_START, buf_str(&call), fds, 2,
				  on_unpacked, tree, err);
	own_close(&tree->work.file_fd);
	return r < 0 ? (int)r : 0;
}
