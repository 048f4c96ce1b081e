/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engine main has measured of images, containers and volumes. Runs in the api role. Pure.
 */
#include "engine/docker/usage.h"

#include <errno.h>
#include "engine/api/image_msg.h"
#include "lib/own.h"

enum { USAGE_ROWS_MAX = 65536, USAGE_TEXT_MAX = 4096 };

static struct docker_usage_row *rows_new(struct wire *in, struct arena *arena, uint32_t *ret_count)
{
	*ret_count = wire_count(in, USAGE_ROWS_MAX);
	return arena_array(arena, *ret_count + 1U, sizeof(struct docker_usage_row));
}

static bool read_images(struct wire *in, struct arena *arena, struct docker_usage *usage)
{
	usage->images = rows_new(in, arena, &usage->image_count);
	for (uint32_t i = 0; usage->images && i < usage->image_count && !in->error; i++) {
		(void)wire_str(in, USAGE_TEXT_MAX); /* reference */
		usage->images[i].name = arena_text(arena, wire_str(in, USAGE_TEXT_MAX));
		(void)wire_str(in, USAGE_TEXT_MAX); /* created */
		usage->images[i].bytes = wire_u64(in);
		usage->images[i].shared = wire_u64(in);
		(void)wire_u32(in); /* containers */
		if (!usage->images[i].name)
			return false;
	}
	return usage->images != NULL;
}

static bool read_boxes(struct wire *in, struct arena *arena, struct docker_usage *usage)
{
	usage->boxes = rows_new(in, arena, &usage->box_count);
	for (uint32_t i = 0; usage->boxes && i < usage->box_count && !in->error; i++) {
		usage->boxes[i].name = arena_text(arena, wire_str(in, USAGE_TEXT_MAX));
		for (int k = 0; k < 3; k++)
			(void)wire_str(in, USAGE_TEXT_MAX); /* name, image, state */
		(void)wire_i64(in);
		usage->boxes[i].bytes = wire_u64(in);
		if (!usage->boxes[i].name)
			return false;
	}
	return usage->boxes != NULL;
}

static bool read_volumes(struct wire *in, struct arena *arena, struct docker_usage *usage)
{
	usage->volumes = rows_new(in, arena, &usage->volume_count);
	for (uint32_t i = 0; usage->volumes && i < usage->volume_count && !in->error; i++) {
		usage->volumes[i].name = arena_text(arena, wire_str(in, USAGE_TEXT_MAX));
		usage->volumes[i].bytes = wire_u64(in);
		(void)wire_u32(in); /* containers */
		if (!usage->volumes[i].name)
			return false;
	}
	return usage->volumes != NULL;
}

int docker_usage_read(struct str body, struct arena *arena, struct docker_usage *ret_usage,
		      struct err *err)
{
	struct docker_usage usage = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	usage.layer_bytes = wire_u64(&in);
	if (!read_images(&in, arena, &usage) || !read_boxes(&in, arena, &usage) ||
	    !read_volumes(&in, arena, &usage))
		return err_set(err, -ENOMEM, "no memory for a request");
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed answer of what takes the room");
	*ret_usage = usage;
	return 0;
}

static const struct docker_usage_row *row_of(const struct docker_usage_row *rows, uint32_t count,
					     struct str name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (str_is(name, rows[i].name))
			return &rows[i];
	}
	return NULL;
}

const struct docker_usage_row *docker_usage_image(const struct docker_usage *usage, const char *id)
{
	return row_of(usage->images, usage->image_count, str_from(id));
}

const struct docker_usage_row *docker_usage_box(const struct docker_usage *usage, struct str id)
{
	return row_of(usage->boxes, usage->box_count, id);
}

const struct docker_usage_row *docker_usage_volume(const struct docker_usage *usage,
						   struct str name)
{
	return row_of(usage->volumes, usage->volume_count, name);
}
