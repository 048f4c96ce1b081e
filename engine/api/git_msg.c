/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of UNPACK_MSG_GIT, between engine main and the unpack role. Pure, both sides.
 */
#include <errno.h>
#include "engine/api/git_msg.h"
#include "lib/wire.h"

void unpack_git_encode(const struct unpack_git *wanted, struct buf *out)
{
	wire_put_text(out, wanted->oid);
	wire_put_text(out, wanted->name);
	wire_put_text(out, wanted->remote);
	wire_put_text(out, wanted->subdir);
	wire_put_u8(out, wanted->keep);
	wire_put_u64(out, wanted->bytes_max);
	wire_put_u32(out, wanted->entries_max);
}

int unpack_git_decode(struct str body, struct unpack_git *ret_wanted, struct err *err)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	wire_text(&in, ret_wanted->oid, sizeof(ret_wanted->oid));
	wire_text(&in, ret_wanted->name, sizeof(ret_wanted->name));
	wire_text(&in, ret_wanted->remote, sizeof(ret_wanted->remote));
	wire_text(&in, ret_wanted->subdir, sizeof(ret_wanted->subdir));
	ret_wanted->keep = wire_bool(&in);
	ret_wanted->bytes_max = wire_u64(&in);
	ret_wanted->entries_max = wire_u32(&in);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "malformed request for a repository") : 0;
}

void unpack_git_result_encode(const struct unpack_git_result *result, struct buf *out)
{
	wire_put_text(out, result->commit);
	wire_put_i64(out, result->time_s);
	wire_put_u64(out, result->entries);
	wire_put_u64(out, result->bytes);
	wire_put_u32(out, result->module_count);
	for (uint32_t i = 0; i < result->module_count; i++) {
		wire_put_text(out, result->modules[i].path);
		wire_put_text(out, result->modules[i].url);
		wire_put_text(out, result->modules[i].commit);
	}
}

int unpack_git_result_decode(struct str body, struct unpack_git_result *ret_result, struct err *err)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	wire_text(&in, ret_result->commit, sizeof(ret_result->commit));
	ret_result->time_s = wire_i64(&in);
	ret_result->entries = wire_u64(&in);
	ret_result->bytes = wire_u64(&in);
	ret_result->module_count = wire_count(&in, UNPACK_GIT_MODULES_MAX);
	for (uint32_t i = 0; i < ret_result->module_count; i++) {
		struct unpack_git_module *module = &ret_result->modules[i];

		wire_text(&in, module->path, sizeof(module->path));
		wire_text(&in, module->url, sizeof(module->url));
		wire_text(&in, module->commit, sizeof(module->commit));
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "malformed answer of role unpack") : 0;
}
