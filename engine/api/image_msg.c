/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the engine messages about images as archives and containers as trees. Pure; linked by
 * engine main, the api role and the console. Must never trust a length or count of a message.
 */
#include "engine/api/image_msg.h"

#include <errno.h>

enum { TEXT_MAX = 64 << 10, COMMENT_MAX = 4096 };

static const char *get_text(struct wire *in, struct arena *arena, size_t max)
{
	struct str s = wire_str(in, max);
	const char *text = in->error ? "" : arena_text(arena, s);

	if (!text)
		in->error = -EBADMSG;
	return text ? text : "";
}

void engine_history_put(struct buf *out, const struct engine_history *row)
{
	wire_put_text(out, row->id);
	wire_put_text(out, row->created);
	wire_put_text(out, row->created_by);
	wire_put_text(out, row->comment);
	wire_put_u64(out, row->bytes);
}

void engine_history_get(struct wire *in, struct arena *arena, struct engine_history *ret_row)
{
	ret_row->id = get_text(in, arena, DIGEST_TEXT_MAX);
	ret_row->created = get_text(in, arena, TEXT_MAX);
	ret_row->created_by = get_text(in, arena, IMAGE_TEXT_MAX);
	ret_row->comment = get_text(in, arena, IMAGE_TEXT_MAX);
	ret_row->bytes = wire_u64(in);
}

void engine_new_image_put(struct buf *out, const struct engine_new_image *wanted)
{
	wire_put_text(out, wanted->container);
	wire_put_text(out, wanted->reference);
	wire_put_text(out, wanted->author);
	wire_put_text(out, wanted->comment);
	wire_put_u8(out, wanted->pause);
	wire_put_u32(out, wanted->set);
	image_encode(&wanted->config, out);
}

int engine_new_image_get(struct wire *in, struct arena *arena, struct engine_new_image *ret_wanted,
			 struct err *err)
{
	int r;

	ret_wanted->container = get_text(in, arena, ENGINE_NAME_MAX);
	ret_wanted->reference = get_text(in, arena, ENGINE_REF_MAX);
	ret_wanted->author = get_text(in, arena, COMMENT_MAX);
	ret_wanted->comment = get_text(in, arena, COMMENT_MAX);
	ret_wanted->pause = wire_bool(in);
	ret_wanted->set = wire_u32(in);
	r = in->error ? -EBADMSG : image_decode(in, arena, &ret_wanted->config, err);
	if (r == 0)
		return 0;
	return r == -ENOMEM ? r : err_set(err, -EBADMSG, "malformed request");
}

void engine_path_stat_put(struct buf *out, const struct engine_path_stat *st)
{
	wire_put_text(out, st->name);
	wire_put_u64(out, st->size);
	wire_put_u32(out, st->mode);
	wire_put_i64(out, st->mtime_s);
	wire_put_text(out, st->link);
}

void engine_path_stat_get(struct wire *in, struct arena *arena, struct engine_path_stat *ret_st)
{
	ret_st->name = get_text(in, arena, ENGINE_PATH_MAX);
	ret_st->size = wire_u64(in);
	ret_st->mode = wire_u32(in);
	ret_st->mtime_s = wire_i64(in);
	ret_st->link = get_text(in, arena, ENGINE_PATH_MAX);
}
