/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of the records in the files role's messages. Pure; linked by engine main and the files
 * role. Must never allocate beyond the caller's buffer.
 */
#include "engine/api/files_msg.h"

static void put_patterns(struct buf *out, const struct files_ignore *list, uint32_t count)
{
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_u8(out, list[i].except);
		wire_put_str(out, list[i].pattern);
	}
}

static uint32_t get_patterns(struct wire *in, struct files_ignore *list, uint32_t max)
{
	uint32_t count = wire_count(in, max);
	for (uint32_t i = 0; i < count; i++) {
		list[i].except = wire_bool(in);
		list[i].pattern = wire_str(in, FILES_PATH_MAX - 1);
	}
	return count;
}

void files_copy_put(struct buf *out, const struct files_copy *copy)
{
	wire_put_u32(out, copy->source_count);
	for (uint32_t i = 0; i < copy->source_count; i++)
		wire_put_str(out, copy->sources[i]);
	wire_put_str(out, copy->dest);
	wire_put_str(out, copy->chown);
	wire_put_str(out, copy->chmod);
	wire_put_u8(out, copy->context);
	put_patterns(out, copy->ignore, copy->ignore_count);
	put_patterns(out, copy->excludes, copy->exclude_count);
	wire_put_u32(out, copy->file_count);
	for (uint32_t i = 0; i < copy->file_count; i++) {
		wire_put_str(out, copy->files[i].name);
		wire_put_str(out, copy->files[i].data);
	}
	wire_put_u8(out, copy->parents);
	wire_put_u8(out, copy->unpack);
	wire_put_i64(out, copy->time);
}

void files_copy_get(struct wire *in, struct files_copy *ret_copy)
{
	ret_copy->source_count = wire_count(in, FILES_SOURCES_MAX);
	for (uint32_t i = 0; i < ret_copy->source_count; i++)
		ret_copy->sources[i] = wire_str(in, FILES_PATH_MAX - 1);
	ret_copy->dest = wire_str(in, FILES_PATH_MAX - 1);
	ret_copy->chown = wire_str(in, FILES_USER_MAX - 1);
	ret_copy->chmod = wire_str(in, FILES_USER_MAX - 1);
	ret_copy->context = wire_bool(in);
	ret_copy->ignore_count = get_patterns(in, ret_copy->ignore, FILES_IGNORE_MAX);
	ret_copy->exclude_count = get_patterns(in, ret_copy->excludes, FILES_EXCLUDES_MAX);
	ret_copy->file_count = wire_count(in, FILES_INLINE_MAX);
	for (uint32_t i = 0; i < ret_copy->file_count; i++) {
		ret_copy->files[i].name = wire_str(in, 255);
		ret_copy->files[i].data = wire_blob(in, FILES_READ_MAX);
	}
	ret_copy->parents = wire_bool(in);
	ret_copy->unpack = wire_bool(in);
	ret_copy->time = wire_i64(in);
}

void files_user_put(struct buf *out, const struct files_user *user)
{
	wire_put_u32(out, user->uid);
	wire_put_u32(out, user->gid);
	wire_put_u32(out, user->group_count);
	for (uint32_t i = 0; i < user->group_count; i++)
		wire_put_u32(out, user->groups[i]);
	wire_put_text(out, user->home);
	wire_put_text(out, user->name);
}

void files_user_get(struct wire *in, struct files_user *ret_user)
{
	ret_user->uid = wire_u32(in);
	ret_user->gid = wire_u32(in);
	ret_user->group_count = wire_count(in, FILES_GROUPS_MAX);
	for (uint32_t i = 0; i < ret_user->group_count; i++)
		ret_user->groups[i] = wire_u32(in);
	wire_text(in, ret_user->home, sizeof(ret_user->home));
	wire_text(in, ret_user->name, sizeof(ret_user->name));
}
