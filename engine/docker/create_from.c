/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VolumesFrom of a create request: the volumes and binds of other containers. Runs in the api role.
 * Must never let a copied mount stand over one that the request itself names.
 */
#include <errno.h>
#include <string.h>
#include "engine/docker/create.h"
#include "lib/own.h"

const struct docker_box *create_other(const struct create *create, struct str name)
{
	const struct docker_boxes *boxes = create->others;
	const struct docker_box *found = NULL;

	if (!boxes)
		return NULL;
	for (uint32_t i = 0; i < boxes->count; i++) {
		const struct docker_box *box = &boxes->rows[i];

		if (str_eq(box->view.name, name) || str_eq(box->view.id, name))
			return box;
	}
	for (uint32_t i = 0; name.len && i < boxes->count; i++) {
		if (!str_starts(boxes->rows[i].view.id, name))
			continue;
		if (found)
			return NULL;
		found = &boxes->rows[i];
	}
	return found;
}

/* Docker copies what is shared: a tmpfs is each container's own. */
static int copy_mounts(struct create *create, const struct container_def *from, bool read_only,
		       struct err *err)
{
	static const struct def_mount_more none = { .subpath = "" };
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < from->mount_count; i++) {
		struct def_mount mount = from->mounts[i];
		struct def_mount_more more = from->host_set ? from->mounts_more[i] : none;

		if (mount.kind == DEF_MOUNT_TMPFS ||
		    create_mount_taken(create, str_from(mount.target)))
			continue;
		mount.read_only |= read_only;
		/* It stays the other's: it goes with that one. */
		more.flags &= ~(uint32_t)DEF_MOUNT_ANONYMOUS;
		r = create_mount_add(create, &mount, &more, err);
	}
	return r;
}

int create_volumes_from(struct create *create, struct err *err)
{
	const struct json *value;
	struct json_iter iter;
	struct str key, name;
	int r = 0;

	json_iter_init(&iter, json_get(create->host, "VolumesFrom"));
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		struct str mode = json_str(value);
		const struct docker_box *box;

		(void)str_cut(&mode, ':', &name);
		if (mode.len && !str_is(mode, "ro") && !str_is(mode, "rw") && !str_is(mode, "z") &&
		    !str_is(mode, "Z"))
			return err_set(err, -EINVAL, "invalid mode: %.*s", STR_ARG(mode));
		box = create_other(create, name);
		if (!box)
			/* 404 would say to the CLI that the image has to be pulled. */
			return err_set(err, -EINVAL, "No such container: %.*s", STR_ARG(name));
		if (box->has_def)
			r = copy_mounts(create, &box->def, str_is(mode, "ro"), err);
	}
	return r;
}
