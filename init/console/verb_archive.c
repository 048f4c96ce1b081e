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

struct archive_words {
	const char *file, *names[WORDS_MAX];
	int count;
	bool oci;
};

/* The file stands first, or behind Docker's option for it; what is left are names. */
static int read_words(const struct words *words, const char *option, const char *long_option,
		      struct archive_words *ret_words, struct err *err)
{
	struct archive_words got = { 0 };
	const char *file = NULL;

	for (int i = 1; i < words->count; i++) {
		const char *word = words->items[i];

		if (!strcmp(word, option) || !strcmp(word, long_option))
			file = words->items[++i];
		else if (!strcmp(word, "--oci"))
			got.oci = true;
		else if (word[0] == '-')
			return err_set(err, -EINVAL, "no option %s; `help %s` lists them", word,
				       words->items[0]);
		else if (!file && !got.file)
			got.file = word;
		else
			got.names[got.count++] = word;
		if (i == words->count)
			return err_set(err, -EINVAL, "%s is followed by a file", word);
	}
	if (file && got.file) { /* Docker's order: names may stand in front of -o */
		memmove(got.names + 1, got.names, (size_t)got.count++ * sizeof(got.names[0]));
		got.names[0] = got.file;
	}
	got.file = file ? file : got.file;
	*ret_words = got;
	return got.file ? 0
			: err_set(err, -EINVAL, "`help %s` says what it needs", words->items[0]);
}

int verb_save(struct console *console, const struct words *words, struct err *err)
{
	const struct console_job job = { .type = ENGINE_MSG_SAVE,
					 .done = "",
					 .background = "the archive is written in the background\n",
					 .one_line = true };
	struct buf body OWN(buf_done) = { 0 };
	struct archive_words given;
	int r = read_words(words, "-o", "--output", &given, err);

	if (r < 0)
		return r;
	if (!given.count)
		return err_set(err, -EINVAL, "usage: save [--oci] [-o] FILE IMAGE...");
	buf_init(&body, ARCHIVE_CALL_MAX);
	wire_put_u8(&body, given.oci ? ENGINE_ARCHIVE_OCI : ENGINE_ARCHIVE_DOCKER);
	wire_put_u32(&body, (uint32_t)given.count);
	for (int i = 0; i < given.count; i++)
		wire_put_text(&body, given.names[i]);
	archive_put_path(&body, given.file);
	return console_follow(console, &job, buf_str(&body), err);
}

int verb_load(struct console *console, const struct words *words, struct err *err)
{
	const struct console_job job = { .type = ENGINE_MSG_LOAD,
					 .done = "",
					 .background = "the archive is read in the background\n" };
	struct buf body OWN(buf_done) = { 0 };
	struct archive_words given;
	int r = read_words(words, "-i", "--input", &given, err);

	if (r < 0)
		return r;
	if (given.oci || given.count > 1)
		return err_set(err, -EINVAL, "usage: load [-i] FILE [NAME]");
	buf_init(&body, ARCHIVE_CALL_MAX);
	wire_put_text(&body, given.count ? given.names[0] : "");
	archive_put_path(&body, given.file);
	return console_follow(console, &job, buf_str(&body), err);
}
