/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `commit`, `cp`, `diff`, `export`, `import`: the files of containers. Runs in the console program,
 * which names files and never opens one. Must never print a container's names unescaped.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "init/console/archive.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/own.h"

enum { TREE_WAIT_MS = 3600 * 1000, TREE_CALL_MAX = 256 << 10 };

static int call(struct console *console, uint16_t type, const struct buf *body,
		struct msg *ret_reply, struct err *err)
{
	if (buf_error(body) < 0)
		return err_set(err, -E2BIG, "too many arguments");
	return console_call_within(console, CONSOLE_SERVER_ENGINE, type, buf_str(body),
				   TREE_WAIT_MS, ret_reply, err);
}

/* ---- diff ---- */

int verb_diff(struct console *console, const struct words *words, struct err *err)
{
	static const char kinds[] = "CAD";
	static const char *const words_of[] = { "changed", "added", "deleted" };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	uint32_t count;
	int r;

	buf_init(&body, 4096);
	wire_put_text(&body, words->items[1]);
	r = call(console, ENGINE_MSG_CHANGES, &body, &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, ENGINE_CHANGES_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		uint8_t kind = wire_u8(&in);
		char path[ENGINE_PATH_MAX];
		struct str raw = wire_str(&in, ENGINE_PATH_MAX);

		if (console->json) {
			CONSOLE_OBJECT(console,
				       JSON_TEXT("kind", kind <= ENGINE_CHANGE_DELETED
								 ? words_of[kind]
								 : "?"),
				       JSON_STR("path", raw));
			continue;
		}
		(void)str_escape(raw, path, sizeof(path));
		console_printf(console, "%c %s\n",
			       kind <= ENGINE_CHANGE_DELETED ? kinds[kind] : '?', path);
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}

/* ---- commit, import ---- */

static int print_id(struct console *console, const struct msg *reply, struct err *err)
{
	char id[128];
	struct wire in;

	wire_init(&in, reply->body.ptr, reply->body.len);
	wire_text(&in, id, sizeof(id));
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "the engine's answer is malformed");
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("id", id));
	else
		console_printf(console, "%s\n", id);
	return 0;
}

int verb_commit(struct console *console, const struct words *words, struct err *err)
{
	struct engine_new_image wanted = { .container = words->items[1],
					   .reference = words->count > 2 ? words->items[2] : "",
					   .author = "",
					   .comment = "",
					   .pause = true };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&body, TREE_CALL_MAX);
	image_init(&wanted.config);
	engine_new_image_put(&body, &wanted);
	r = call(console, ENGINE_MSG_COMMIT, &body, &reply, err);
	return r < 0 ? r : print_id(console, &reply, err);
}

int verb_import(struct console *console, const struct words *words, struct err *err)
{
	struct engine_new_image wanted = { .container = "",
					   .reference = words->count > 2 ? words->items[2] : "",
					   .author = "",
					   .comment = "" };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&body, TREE_CALL_MAX);
	image_init(&wanted.config);
	engine_new_image_put(&body, &wanted);
	archive_put_path(&body, words->items[1]);
	r = call(console, ENGINE_MSG_IMPORT, &body, &reply, err);
	return r < 0 ? r : print_id(console, &reply, err);
}

/* ---- export, cp ---- */

int verb_export(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	uint64_t bytes;
	int r;

	buf_init(&body, TREE_CALL_MAX);
	wire_put_text(&body, words->items[1]);
	archive_put_path(&body, words->items[2]);
	r = call(console, ENGINE_MSG_EXPORT, &body, &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	bytes = wire_u64(&in);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_NUMBER("bytes", bytes));
	else
		console_printf(console, "%llu bytes\n", (unsigned long long)bytes);
	return 0;
}

/* One of the two is CONTAINER:/PATH. */
int verb_cp(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	bool into = !strstr(words->items[1], ":/");
	struct str inside = str_from(words->items[into ? 2 : 1]), name;
	struct wire in;
	uint64_t files, bytes;
	int r;

	if (into == !strstr(words->items[2], ":/") || !str_cut(&inside, ':', &name))
		return err_set(err, -EINVAL, "one of the two has to be CONTAINER:/PATH");
	buf_init(&body, TREE_CALL_MAX);
	wire_put_str(&body, name);
	wire_put_str(&body, inside);
	wire_put_u8(&body, into);
	archive_put_path(&body, words->items[into ? 1 : 2]);
	r = call(console, ENGINE_MSG_COPY, &body, &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	files = wire_u64(&in);
	bytes = wire_u64(&in);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_NUMBER("files", files), JSON_NUMBER("bytes", bytes));
	else
		console_printf(console, "%llu files, %llu bytes\n", (unsigned long long)files,
			       (unsigned long long)bytes);
	return 0;
}
