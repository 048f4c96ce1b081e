/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose FILE: a Compose file as sections of services.ini, with a comment for each key that is not
 * taken; compose up, compose down: those sections into the configuration, or out of it. Runs in the
 * console program, which reads no YAML: the engine does.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/compose_msg.h"
#include "engine/api/engine_msg.h"
#include "init/conf_text.h"
#include "init/console/compose_text.h"
#include "init/console/config.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/fs.h"
#include "lib/own.h"

/* Files of one application, and what the engine makes of them. */
struct files {
	const char *const *names;
	int count;
	struct msg reply; /* keeps what `answer` points into */
	struct compose_answer answer;
};

static void files_done(struct files *files)
{
	msg_done(&files->reply);
}

/* A file into the request; one that cannot be read too, unless it has to be there. */
static int add_file(struct compose_request *request, const char *path, bool must, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	struct err why = { 0 };
	int r;

	buf_init(&text, COMPOSE_FILE_MAX);
	r = fs_read(-1, path, FS_HOST, COMPOSE_FILE_MAX, &text, &why);
	if (r < 0 && must)
		return err_set(err, why.code, "%s", err_text(&why));
	return compose_request_add(request, str_from(path), buf_str(&text), r < 0 ? &why : NULL,
				   err);
}

/* Paths within a file begin where it stands: it has to be said from the root on. */
static int add_named(struct compose_request *request, const char *name, struct err *err)
{
	char here[COMPOSE_PATH_MAX + 1] = "", path[COMPOSE_PATH_MAX + 1];
	struct buf whole OWN(buf_done) = { 0 };

	if (*name != '/' && !getcwd(here, sizeof(here)))
		return err_sys(err, -errno, "this directory");
	buf_init(&whole, COMPOSE_PATH_MAX);
	while (!strncmp(name, "./", 2))
		name += 2;
	(void)buf_printf(&whole, "%s%s%s", strcmp(here, "/") != 0 ? here : "",
			 *name == '/' ? "" : "/", name);
	if (buf_error(&whole) || str_copy(buf_str(&whole), path, sizeof(path)) < 0)
		return err_set(err, -ENAMETOOLONG, "%s: the path is too long", name);
	request->named++;
	return add_file(request, path, true, err);
}

/* The files through the engine, again with those that they name until none is missing. */
static int convert(struct console *console, struct files *files, struct err *err)
{
	struct compose_request request OWN(compose_request_done) = { 0 };
	char path[COMPOSE_PATH_MAX + 1];
	int r = 0;

	compose_request_init(&request);
	for (int i = 0; r >= 0 && i < files->count; i++)
		r = add_named(&request, files->names[i], err);
	for (unsigned round = 0; r >= 0; round++) {
		struct buf body OWN(buf_done) = { 0 };

		if (round == COMPOSE_ROUNDS_MAX)
			return err_set(err, -ELOOP, "files name further files without an end");
		buf_init(&body, COMPOSE_BODY_MAX);
		compose_request_encode(&request, &body);
		msg_done(&files->reply);
		r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_COMPOSE, buf_str(&body),
				 &files->reply, err);
		if (r >= 0)
			r = compose_answer_decode(files->reply.body, &files->answer, err);
		if (r < 0 || !files->answer.wanted_count)
			return r;
		while (r >= 0 && compose_answer_wanted(&files->answer, path))
			r = add_file(&request, path, false, err);
	}
	return r;
}

/* How many keys are not taken, each said on a line; so is what leaves nothing out. */
static unsigned print_notes(struct console *console, struct str notes)
{
	struct str line;
	unsigned count = 0;

	while (str_cut(&notes, '\n', &line)) {
		bool advice = str_starts(line, STR(COMPOSE_ADVICE));

		if (!line.len)
			continue;
		if (console->json)
			console_json_text(console, advice ? "note" : "not_taken",
					  str_skip(line, advice ? strlen(COMPOSE_ADVICE) : 0));
		else
			console_printf(console, "# %.*s\n", STR_ARG(line));
		count += !advice;
	}
	return count;
}

static int not_taken(unsigned count, struct err *err)
{
	return err_set(err, -ENOTSUP,
		       "%u of its keys %s not taken: the lines that begin with '#' say which",
		       count, count == 1 ? "is" : "are");
}

static int print(struct console *console, struct files *files, struct err *err)
{
	unsigned count;
	int r = convert(console, files, err);

	if (r < 0)
		return r;
	count = print_notes(console, files->answer.notes);
	if (console->json) {
		console_json_text(console, "text", files->answer.ini);
		return count ? not_taken(count, err) : 0;
	}
	if (files->answer.notes.len)
		console_write(console, "\n", 1);
	console_write(console, files->answer.ini.ptr, files->answer.ini.len);
	return count ? not_taken(count, err) : 0;
}

static int config(struct console *console, const char *act, const char *note, struct err *err)
{
	const struct words words = { .items = { "config", act, "-m", note },
				     .count = note ? 4 : 2 };

	return verb_config(console, &words, err);
}

/* Somebody else's edit must be neither applied nor thrown away with it. */
static int fresh_candidate(struct console *console, struct buf *text, struct err *err)
{
	struct buf current OWN(buf_done) = { 0 };
	int r = console_config_current(console, &current, err);

	if (r >= 0)
		r = console_config_candidate(console, text, err);
	if (r >= 0 && !str_eq(buf_str(&current), buf_str(text)))
		return err_set(err, -EBUSY,
			       "an edit waits: `config apply` or `config discard` first");
	return r;
}

/* The sections go into the configuration, or out of it, and that is applied. */
static int lay(struct console *console, struct files *files, bool up, bool force, struct err *err)
{
	struct buf ini OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 },
		       next OWN(buf_done) = { 0 };
	struct err ignored = { 0 };
	unsigned count;
	int r;

	r = convert(console, files, err);
	if (r < 0)
		return r;
	count = up ? print_notes(console, files->answer.notes) : 0;
	if (count && !force)
		return err_set(err, -ENOTSUP,
			       "nothing was changed: %u of its keys would not be taken; "
			       "`compose up --force FILE` goes on without",
			       count);
	buf_init(&ini, CONF_TEXT_MAX);
	if (buf_add_str(&ini, files->answer.ini) < 0)
		return err_set(err, -E2BIG, "%s makes too many sections", files->names[0]);
	msg_done(&files->reply);
	buf_init(&next, CONF_TEXT_MAX);
	r = fresh_candidate(console, &text, err);
	if (r >= 0)
		r = compose_text(buf_str(&text), buf_str(&ini), up, &next, err);
	if (r >= 0 && str_eq(buf_str(&text), buf_str(&next))) {
		console->json_name = "result";
		console_printf(console, "it stands in the configuration already\n");
		return 0;
	}
	if (r >= 0)
		r = console_config_put(console, buf_str(&next), conf_text_sum(buf_str(&text)), err);
	if (r >= 0)
		r = config(console, "diff", NULL, err);
	if (r < 0)
		return r;
	r = config(console, "apply", up ? "compose up" : "compose down", err);
	if (r < 0)
		(void)config(console, "discard", NULL, &ignored);
	return r;
}

int verb_compose(struct console *console, const struct words *words, struct err *err)
{
	const char *first = words->items[1];
	bool up = !strcmp(first, "up"), down = !strcmp(first, "down");
	bool force = up && words->count > 2 && !strcmp(words->items[2], "--force");
	int skip = 1 + (up || down) + force;
	struct files files OWN(files_done) = { .names = (const char *const *)words->items + skip,
					       .count = words->count - skip };

	bool word = !up && !down && !strpbrk(first, "./") && !fs_exists(-1, first, FS_HOST);

	if (files.count < 1 || word)
		return err_set(err, -EINVAL,
			       "%s%susage: compose FILE..., compose up [--force] FILE..., compose "
			       "down FILE...; `ps` lists what runs",
			       word ? first : "", word ? " is no file here; " : "");
	return up || down ? lay(console, &files, up, force, err) : print(console, &files, err);
}
