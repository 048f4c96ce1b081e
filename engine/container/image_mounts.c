/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are mounted in a container (Docker's mounts of type "image"): read-only views of
 * their layers beside the container's own root, mnt/ID-N for the N-th mount, taken away with it.
 * Runs in engine main, which never looks into them. Must never give one a layer that may be
 * written.
 */
#include <errno.h>
#include <stdio.h>
#include "engine/container/launch.h"
#include "engine/container/parts.h"
#include "lib/log.h"
#include "lib/own.h"

enum { VIEW_NAME_MAX = CONTAINER_ID_LEN + 16, LEASE_ARENA_MAX = 4 << 20 };

int container_lease(struct image_leases *leases, struct image_lease *lease,
		    const struct container_def *def, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct digest *layers;
	uint32_t count;

	arena_init(&arena, LEASE_ARENA_MAX);
	layers = container_def_layers(def, &arena, &count);
	if (!layers)
		return err_set(err, -ENOMEM, "no memory for the layers of %s", def->name);
	return image_lease_add(leases, lease, layers, count, err);
}

static const char *view_name(const struct container *container, uint32_t index,
			     char name[VIEW_NAME_MAX])
{
	(void)snprintf(name, VIEW_NAME_MAX, "%s-%u", container->id, index);
	return name;
}

int container_images_mount(struct container *container, struct err *err)
{
	const struct container_def *def = &container->def;
	char name[VIEW_NAME_MAX];

	for (uint32_t i = 0; i < def->mount_count; i++) {
		const struct def_mount_more *more;
		int fd OWN_FD = -1;

		if (def->mounts[i].kind != DEF_MOUNT_IMAGE)
			continue;
		more = &def->mounts_more[i];
		(void)view_name(container, i, name);
		if (container_mapping(container))
			fd = layers_root_mapped(&container->env->rootfs, name, more->layers,
						more->layer_count, -1, container_mapping(container),
						err);
		else
			fd = layers_root(&container->env->rootfs, name, more->layers,
					 more->layer_count, -1, -1, err);
		if (fd < 0)
			return err_prefix(err, "image %s", def->mounts[i].source);
	}
	return 0;
}

void container_images_umount(struct container *container)
{
	const struct container_def *def = &container->def;
	char name[VIEW_NAME_MAX];

	for (uint32_t i = 0; i < def->mount_count; i++) {
		struct err err = { 0 };

		if (def->mounts[i].kind == DEF_MOUNT_IMAGE &&
		    rootfs_umount(&container->env->rootfs, view_name(container, i, name), &err) < 0)
			log_warn("container %s: %s", def->name, err_text(&err));
	}
}

const char *container_image_path(struct container *container, const struct def_mount *mount,
				 struct err *err)
{
	uint32_t index = (uint32_t)(mount - container->def.mounts);
	const char *subpath = container->def.mounts_more[index].subpath;
	char name[VIEW_NAME_MAX];
	char *path;

	if (!launch_subpath_stays(subpath)) {
		err_set(err, -EINVAL, "subpath must be a relative path within the image: %s",
			subpath);
		return NULL;
	}
	path = arena_printf(&container->arena, "%s/mnt/%s", container->env->run_path,
			    view_name(container, index, name));
	if (!path)
		err_set(err, -ENOMEM, "no memory for a mount of %s", mount->source);
	return !path || !*subpath ? path : launch_subpath(container, path, subpath, err);
}
