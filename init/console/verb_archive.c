/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tag`, `steps`, `save`, `load`: images as a whole. Runs in the console program, which names
 * files of the machine and never opens one. Must never print what an image says unescaped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "init/console/archive.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/own.h"

enum { ARCHIVE_CALL_MAX = 64 << 10 };

void archive_put_path(struct buf *body, const char *file)
{
	char path[ENGINE_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s%s", strchr(file, '/') ? "" : "/data/transfer/",
		       file);
	wire_put_text(body, path);
}

/* ---- tag, steps ---- */

int verb_tag(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 4096);
	wire_put_text(&body, words->items[1]);
	wire_put_text(&body, words->items[2]);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_TAG, buf_str(&body), &reply,
			    err);
}

static void print_step(struct console *console, const struct engine_history *row)
{
	char date[48], by[512], id[16] = "-";

	if (console->json) {
		CONSOLE_OBJECT(
			console, JSON_TEXT("id", row->id), JSON_TEXT("created", row->created),
			JSON_TEXT("created_by", row->created_by), JSON_NUMBER("bytes", row->bytes));
		return;
	}
	if (strlen(row->id) > 19)
		(void)str_copy(str_head(str_from(row->id + 7), 12), id, sizeof(id));
	(void)str_escape(str_head(str_from(row->created), 10), date, sizeof(date));
	(void)str_escape(str_head(str_from(row->created_by), 200), by, sizeof(by));
	console_printf(console, "%-13s %-10s %8.1f MiB  %s\n", id, *date ? date : "-",
		       (double)row->bytes / (1 << 20), by);
}

int verb_steps(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct engine_history row;
	struct wire in;
	uint32_t count;
	int r;

	arena_init(&arena, 16 << 20);
	buf_init(&body, 4096);
	wire_put_text(&body, words->items[1]);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_HISTORY, buf_str(&body), &reply,
			 err);
	if (r < 0)
		return r;
	if (!console->json)
		console_printf(console, "IMAGE         CREATED         SIZE      CREATED BY\n");
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, IMAGE_HISTORY_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_history_get(&in, &arena, &row);
		if (!in.error)
			print_step(console, &row);
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}

/* ---- save, load ---- */

int verb_save(struct console *console, const struct words *words, struct err *err)
{
	const struct console_job job = { .type = ENGINE_MSG_SAVE,
					 .done = "",
					 .background = "the archive is written in the background\n",
					 .one_line = true,
					 false,
					 NULL,
					 0 };
	bool oci = !strcmp(words->items[1], "--oci");
	struct buf body OWN(buf_done) = { 0 };
	int first = oci ? 3 : 2;

	if (words->count <= first)
		return err_set(err, -EINVAL, "usage: save [--oci] FILE IMAGE...");
	buf_init(&body, ARCHIVE_CALL_MAX);
	wire_put_u8(&body, oci ? ENGINE_ARCHIVE_OCI : ENGINE_ARCHIVE_DOCKER);
	wire_put_u32(&body, (uint32_t)(words->count - first));
	for (int i = first; i < words->count; i++)
		wire_put_text(&body, words->items[i]);
	archive_put_path(&body, words->items[first - 1]);
	return console_follow(console, &job, buf_str(&body), err);
}

int verb_load(struct console *console, const struct words *words, struct err *err)
{
	const struct console_job job = { .type = ENGINE_MSG_LOAD,
					 .done = "",
					 .background = "the archive is read in the background\n" };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, ARCHIVE_CALL_MAX);
	wire_put_text(&body, words->count > 2 ? words->items[2] : "");
	archive_put_path(&body, words->items[1]);
	return console_follow(console, &job, buf_str(&body), err);
}
