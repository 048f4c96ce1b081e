/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the rows that the engine answers with. Pure; linked by engine main, the api role and
 * the console. Must never allocate beyond the caller's buffer.
 */
#include <errno.h>
#include "engine/api/engine_msg.h"

void engine_row_put(struct buf *out, const struct engine_row *row)
{
	wire_put_text(out, row->id);
	wire_put_text(out, row->name);
	wire_put_text(out, row->image);
	wire_put_text(out, row->state);
	wire_put_text(out, row->status);
	wire_put_text(out, row->ports);
	wire_put_i64(out, row->created_s);
	wire_put_i64(out, row->pid);
	wire_put_i64(out, row->exit_code);
	wire_put_u32(out, row->restarts);
	wire_put_u8(out, row->declared);
	wire_put_text(out, row->health);
}

/* Travels as 64 bits; anything else than an int is no number of ours. */
static int32_t get_int(struct wire *in)
{
	int64_t number = wire_i64(in);

	if (number < INT32_MIN || number > INT32_MAX)
		in->error = -EBADMSG;
	return (int32_t)number;
}

void engine_row_get(struct wire *in, struct engine_row *ret_row)
{
	wire_text(in, ret_row->id, sizeof(ret_row->id));
	wire_text(in, ret_row->name, sizeof(ret_row->name));
	wire_text(in, ret_row->image, sizeof(ret_row->image));
	wire_text(in, ret_row->state, sizeof(ret_row->state));
	wire_text(in, ret_row->status, sizeof(ret_row->status));
	wire_text(in, ret_row->ports, sizeof(ret_row->ports));
	ret_row->created_s = wire_i64(in);
	ret_row->pid = get_int(in);
	ret_row->exit_code = get_int(in);
	ret_row->restarts = wire_u32(in);
	ret_row->declared = wire_bool(in);
	wire_text(in, ret_row->health, sizeof(ret_row->health));
}

void engine_health_put(struct buf *out, const struct engine_health *health)
{
	wire_put_text(out, health->state);
	wire_put_u32(out, health->streak);
	wire_put_u32(out, health->count);
	for (uint32_t i = 0; i < health->count; i++) {
		wire_put_i64(out, health->results[i].start_s);
		wire_put_i64(out, health->results[i].end_s);
		wire_put_i64(out, health->results[i].code);
		wire_put_text(out, health->results[i].output);
	}
}

void engine_health_get(struct wire *in, struct engine_health *ret_health)
{
	wire_text(in, ret_health->state, sizeof(ret_health->state));
	ret_health->streak = wire_u32(in);
	ret_health->count = wire_count(in, ENGINE_HEALTH_RESULTS_MAX);
	for (uint32_t i = 0; i < ret_health->count; i++) {
		ret_health->results[i].start_s = wire_i64(in);
		ret_health->results[i].end_s = wire_i64(in);
		ret_health->results[i].code = get_int(in);
		wire_text(in, ret_health->results[i].output, ENGINE_HEALTH_OUTPUT_MAX);
	}
}

void engine_image_put(struct buf *out, const struct engine_image *image)
{
	wire_put_text(out, image->reference);
	wire_put_text(out, image->digest);
	wire_put_text(out, image->created);
	wire_put_text(out, image->architecture);
	wire_put_u64(out, image->bytes);
	wire_put_u64(out, image->disk_bytes);
	wire_put_u32(out, image->layers);
}

void engine_image_get(struct wire *in, struct engine_image *ret_image)
{
	wire_text(in, ret_image->reference, sizeof(ret_image->reference));
	wire_text(in, ret_image->digest, sizeof(ret_image->digest));
	wire_text(in, ret_image->created, sizeof(ret_image->created));
	wire_text(in, ret_image->architecture, sizeof(ret_image->architecture));
	ret_image->bytes = wire_u64(in);
	ret_image->disk_bytes = wire_u64(in);
	ret_image->layers = wire_u32(in);
}

static void put_list(struct buf *out, const char *const *list)
{
	uint32_t count = 0;

	while (list[count])
		count++;
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		wire_put_text(out, list[i]);
}

void engine_exec_put(struct buf *out, const struct engine_exec_args *args)
{
	wire_put_text(out, args->name);
	wire_put_u8(out, args->tty);
	wire_put_u8(out, args->privileged);
	wire_put_u16(out, args->rows);
	wire_put_u16(out, args->columns);
	wire_put_text(out, args->user);
	wire_put_text(out, args->cwd);
	put_list(out, args->argv);
	put_list(out, args->env);
}

/* NULL when the arena is too small. */
static const char *const *get_list(struct wire *in, struct arena *arena)
{
	uint32_t count = wire_count(in, ENGINE_EXEC_TEXTS_MAX);
	const char **list = arena_array(arena, count + 1U, sizeof(*list));

	for (uint32_t i = 0; list && i < count; i++) {
		list[i] = arena_text(arena, wire_str(in, ENGINE_EXEC_TEXT_MAX));
		if (!list[i])
			return NULL;
	}
	return list;
}

int engine_exec_get(struct str body, struct arena *arena, struct engine_exec_args *ret_args,
		    struct err *err)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	wire_text(&in, ret_args->name, sizeof(ret_args->name));
	ret_args->tty = wire_bool(&in);
	ret_args->privileged = wire_bool(&in);
	ret_args->rows = wire_u16(&in);
	ret_args->columns = wire_u16(&in);
	wire_text(&in, ret_args->user, sizeof(ret_args->user));
	wire_text(&in, ret_args->cwd, sizeof(ret_args->cwd));
	ret_args->argv = get_list(&in, arena);
	ret_args->env = get_list(&in, arena);
	if (!ret_args->argv || !ret_args->env)
		return err_set(err, -ENOMEM, "no memory for an exec request");
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "malformed exec request");
	return 0;
}
