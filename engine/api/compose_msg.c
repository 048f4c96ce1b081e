/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding of Compose files and of what becomes of them. Pure; linked by engine main, the roles
 * that read YAML, and the console. Must never look into a file.
 */
#include "engine/api/compose_msg.h"

#include <errno.h>

void compose_request_init(struct compose_request *request)
{
	*request = (struct compose_request){ 0 };
	buf_init(&request->files, COMPOSE_BODY_MAX - 64);
}

void compose_request_done(struct compose_request *request)
{
	if (request)
		buf_done(&request->files);
}

int compose_request_add(struct compose_request *request, struct str path, struct str bytes,
			const struct err *why, struct err *err)
{
	if (request->count == COMPOSE_FILES_MAX)
		return err_set(err, -E2BIG, "more than %d files", COMPOSE_FILES_MAX);
	wire_put_str(&request->files, path);
	wire_put_u8(&request->files, !why);
	wire_put_str(&request->files, why ? str_from(err_text(why)) : bytes);
	if (buf_error(&request->files))
		return err_set(err, -E2BIG, "more than %d KiB of files", COMPOSE_BODY_MAX >> 10);
	request->count++;
	return 0;
}

void compose_request_encode(const struct compose_request *request, struct buf *out)
{
	wire_put_u32(out, request->named);
	wire_put_u32(out, request->count);
	(void)buf_add_str(out, buf_str(&request->files));
}

int compose_answer_decode(struct str body, struct compose_answer *ret_answer, struct err *err)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	ret_answer->wanted_count = wire_count(&in, COMPOSE_FILES_MAX);
	ret_answer->wanted = in;
	for (uint32_t i = 0; i < ret_answer->wanted_count; i++)
		(void)wire_str(&in, COMPOSE_PATH_MAX);
	ret_answer->ini = wire_blob(&in, body.len);
	ret_answer->notes = wire_blob(&in, body.len);
	ret_answer->places = wire_blob(&in, body.len);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "a malformed answer about Compose files")
				 : 0;
}

bool compose_answer_wanted(struct compose_answer *answer, char ret_path[COMPOSE_PATH_MAX + 1])
{
	if (!answer->wanted_count)
		return false;
	answer->wanted_count--;
	wire_text(&answer->wanted, ret_path, COMPOSE_PATH_MAX + 1);
	return !answer->wanted.error;
}
