/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose FILE: a Compose file as sections of services.ini, with a comment for each key that is not
 * taken; compose up, compose down: those sections into the configuration, or out of it. Runs in the
 * console program, which reads no YAML: the engine does.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/compose_msg.h"
#include "engine/api/engine_msg.h"
#include "init/conf_text.h"
#include "init/console/compose_text.h"
#include "init/console/config.h"
#include "init/console/console.h"
#include "lib/fs.h"
#include "lib/own.h"

/* The file through the engine: *reply keeps the sections and the notes. */
static int convert(struct console *console, const char *file, struct msg *reply,
		   struct str *ret_ini, struct str *ret_notes, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct wire in;
	int r;

	buf_init(&text, COMPOSE_BODY_MAX - 64);
	buf_init(&body, COMPOSE_BODY_MAX);
	r = fs_read(-1, file, FS_HOST, COMPOSE_BODY_MAX - 64, &text, err);
	if (r < 0)
		return r;
	wire_put_str(&body, buf_str(&text));
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_COMPOSE, buf_str(&body), reply,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, reply->body.ptr, reply->body.len);
	*ret_ini = wire_blob(&in, reply->body.len);
	*ret_notes = wire_blob(&in, reply->body.len);
	(void)wire_blob(&in, reply->body.len); /* the same with its places */
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "a malformed answer of the engine") : 0;
}

/* How many keys are not taken, each said on a line. */
static unsigned print_notes(struct console *console, struct str notes)
{
	struct str line;
	unsigned count = 0;

	while (str_cut(&notes, '\n', &line)) {
		if (!line.len)
			continue;
		console_printf(console, "# %.*s\n", STR_ARG(line));
		count++;
	}
	return count;
}

static int not_taken(unsigned count, struct err *err)
{
	return err_set(err, -ENOTSUP,
		       "%u of its keys %s not taken: the lines that begin with '#' say which",
		       count, count == 1 ? "is" : "are");
}

static int print(struct console *console, const char *file, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct str ini, notes;
	unsigned count;
	int r = convert(console, file, &reply, &ini, &notes, err);

	if (r < 0)
		return r;
	count = print_notes(console, notes);
	if (count)
		console_write(console, "\n", 1);
	console_write(console, ini.ptr, ini.len);
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
static int lay(struct console *console, const char *file, bool up, bool force, struct err *err)
{
	struct buf ini OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 },
		       next OWN(buf_done) = { 0 };
	struct err ignored = { 0 };
	int r;

	{
		struct msg reply OWN(msg_done) = { 0 };
		struct str sections, notes;
		unsigned count;

		r = convert(console, file, &reply, &sections, &notes, err);
		if (r < 0)
			return r;
		count = up ? print_notes(console, notes) : 0;
		if (count && !force)
			return err_set(err, -ENOTSUP,
				       "nothing was changed: %u of its keys would not be taken; "
				       "`compose up --force FILE` goes on without",
				       count);
		buf_init(&ini, CONF_TEXT_MAX);
		if (buf_add_str(&ini, sections) < 0)
			return err_set(err, -E2BIG, "%s makes too many sections", file);
	}
	buf_init(&next, CONF_TEXT_MAX);
	r = fresh_candidate(console, &text, err);
	if (r >= 0)
		r = compose_text(buf_str(&text), buf_str(&ini), up, &next, err);
	if (r >= 0 && str_eq(buf_str(&text), buf_str(&next))) {
		console_printf(console, "it stands in the configuration already\n");
		return 0;
	}
	if (r >= 0)
		r = console_config_put(console, buf_str(&next), err);
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
	const char *first = words->items[1], *last = words->items[words->count - 1];
	bool up = !strcmp(first, "up"), down = !strcmp(first, "down");
	bool force = up && words->count == 4 && !strcmp(words->items[2], "--force");

	if (words->count == 2 && !up && !down)
		return print(console, first, err);
	if ((!up && !down) || words->count != 3 + force)
		return err_set(err, -EINVAL,
			       "usage: compose FILE, compose up [--force] FILE, compose down FILE");
	return lay(console, last, up, force, err);
}
