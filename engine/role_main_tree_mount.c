/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path of a container that lies in one of its volumes or binds: the tree to work in is that one
 * then, and not the directory of the root that it hides. Runs in engine main. Must never follow a
 * name of the container's: only the texts of its definition are compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "engine/container/volume_place.h"
#include "engine/role_main_tree.h"
#include "lib/fs.h"
#include "lib/own.h"

/* Below which mount a path lies: the longest target that it begins with. NULL = none. */
static const struct def_mount *find_mount(const struct tree_work *tree, struct str *ret_rest)
{
	const struct def_mount *found = NULL;
	struct str path = str_from(tree->path), rest = path, part;

	while (str_cut(&rest, '/', &part)) {
		if (str_is(part, ".."))
			return NULL; /* what it means depends on links */
	}
	for (uint32_t i = 0; i < tree->def.mount_count; i++) {
		const struct def_mount *mount = &tree->def.mounts[i];
		struct str target = str_from(mount->target);
		bool below = str_starts(path, target) &&
			     (path.len == target.len || path.ptr[target.len] == '/');

		if (!below || (found && strlen(found->target) >= target.len))
			continue;
		found = mount;
		*ret_rest = str_skip(path, target.len);
	}
	return found;
}

/* -ENOENT: a volume that nothing was mounted from is not there yet. */
static int open_source(const struct tree_work *tree, const struct def_mount *mount)
{
	if (mount->kind == DEF_MOUNT_BIND)
		return fs_open(AT_FDCWD, mount->source, FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	if (mount->kind != DEF_MOUNT_VOLUME)
		return -ENOTSUP;
	return container_volume_open(&tree->work.engine->containers, mount->source, NULL);
}

int tree_enter_mount(struct tree_work *tree, bool write, struct err *err)
{
	struct str rest = STR("");
	const struct def_mount *mount = find_mount(tree, &rest);
	const struct def_mount_more *more =
		mount && tree->def.mounts_more ? &tree->def.mounts_more[mount - tree->def.mounts]
					       : NULL;
	char inner[ENGINE_PATH_MAX];
	int fd;

	if (write && mount && mount->read_only)
		return err_set(err, -EACCES, "mounted volume is marked read-only");
	if (write && !mount && tree->def.read_only)
		return err_set(err, -EACCES, "container rootfs is marked read-only");
	if (!mount || (more && *more->subpath))
		return 0;
	fd = open_source(tree, mount);
	if (fd < 0) {
		tree->fresh = fd == -ENOENT && mount->kind == DEF_MOUNT_VOLUME &&
			      (!rest.len || str_is(rest, "/") || str_is(rest, "/."));
		return 0; /* what the root has in its place */
	}
	own_close(&tree->root_fd);
	own_close(&tree->userns.userns_fd); /* on the disk ids are as the container sees them */
	tree->root_fd = fd;
	(void)str_copy(str_from(tree->path), tree->shown, sizeof(tree->shown));
	(void)snprintf(inner, sizeof(inner), "/%.*s", STR_ARG(rest));
	(void)str_copy(str_from(inner), tree->path, sizeof(tree->path));
	return 0;
}
