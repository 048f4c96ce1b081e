/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config edit: the candidate in a full-screen editor, looked through by the daemons whose keys it
 * holds whenever a person pauses. Runs in the console program. Must never change what is kept
 * before it is told to save.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/config_msg.h"
#include "init/api/init_msg.h"
#include "init/console/config.h"
#include "init/console/editor.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"

enum { EDIT_PAUSE_MS = 500, EDIT_WAIT_MS = 3000 };

static struct editor editor;
static uint32_t base; /* of the candidate that it began with; 0 = save over any */
static struct screen screen;

static void take_issues(struct wire *in)
{
	uint32_t count = wire_count(in, 65536);

	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct str issue = wire_str(in, 4096);

		if (str_starts(issue, STR("data:")))
			editor_issue_add(&editor, issue);
	}
	(void)wire_str(in, 1 << 20); /* what it would change */
}

static void ask_daemon(struct console *console, enum console_server server, uint16_t type,
		       int bodies)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct err err = { 0 };
	struct wire in;

	if (console_call_within(console, server, type, STR(""), EDIT_WAIT_MS, &reply, &err) < 0) {
		editor_issue_add(&editor, str_from(err_text(&err)));
		return;
	}
	wire_init(&in, reply.body.ptr, reply.body.len);
	for (int i = 0; i < bodies; i++)
		take_issues(&in);
}

/* The text on trial as it stands on the screen, saved or not. */
static void check(struct console *console)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct err err = { 0 };
	struct wire in;

	editor_issues_clear(&editor);
	if (console_config_try(console, str_make(editor.text, editor.len), &reply, &err) < 0) {
		editor_issue_add(&editor, str_from(err_text(&err)));
		return;
	}
	wire_init(&in, reply.body.ptr, reply.body.len);
	take_issues(&in);
	msg_done(&reply);
	reply = (struct msg){ 0 };
	ask_daemon(console, CONSOLE_SERVER_NETD, NETD_MSG_CHECK, 1);
	ask_daemon(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_CHECK, 2);
}

static void draw(struct console *console)
{
	struct buf out OWN(buf_done) = { 0 };
	unsigned row, column;

	buf_init(&out, 65536);
	editor_draw(&editor, &screen, &row, &column);
	screen_flush(&screen, &out);
	(void)buf_printf(&out, "\x1b[%u;%uH", row, column);
	console_raw(console, buf_text(&out), out.len);
}

static void save(struct console *console)
{
	struct buf kept OWN(buf_done) = { 0 };
	struct err err = { 0 };
	int r = console_config_put(console, str_make(editor.text, editor.len), base, &err);

	if (r < 0) {
		(void)snprintf(editor.note, sizeof(editor.note), "not saved: %s",
			       r == -EBUSY ? "somebody else changed it meanwhile; Ctrl-O again "
					     "saves over that"
					   : err_text(&err));
		base = r == -EBUSY ? 0 : base;
		return;
	}
	/* As it is kept: without its secrets. */
	base = console_config_candidate(console, &kept, &err) < 0 ? 0
								  : conf_text_sum(buf_str(&kept));
	editor.unsaved = false;
	(void)snprintf(editor.note, sizeof(editor.note),
		       "saved as the candidate; `config diff` and `config apply` come next");
}

/* True: the editor ends. Ctrl-X leaves at once what is saved, else at the second time. */
static bool leave(bool *asked)
{
	if (!editor.unsaved || *asked)
		return true;
	*asked = true;
	(void)snprintf(editor.note, sizeof(editor.note),
		       "not saved: Ctrl-O saves, Ctrl-X once more leaves without");
	return false;
}

static bool take_keys(struct console *console, bool *asked)
{
	unsigned char bytes[256];
	ssize_t n = console_read(console, bytes, sizeof(bytes));

	if (n < 0 && errno == EAGAIN)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		enum editor_event event = editor_feed(&editor, bytes[i]);

		if (event == EDITOR_EVENT_LEAVE && leave(asked))
			return true;
		if (event != EDITOR_EVENT_LEAVE && event != EDITOR_EVENT_NONE)
			*asked = false;
		if (event == EDITOR_EVENT_SAVE)
			save(console);
		if (event == EDITOR_EVENT_ANEW)
			screen.valid = false;
	}
	return n <= 0;
}

static void run(struct console *console)
{
	bool asked = false;

	for (;;) {
		draw(console);
		if (console_wait(console, -1, editor.checked ? -1 : EDIT_PAUSE_MS) & 1) {
			if (take_keys(console, &asked))
				return;
		} else if (console->quit) {
			return;
		} else if (!editor.checked) {
			check(console);
		}
	}
}

int console_config_edit(struct console *console, struct err *err)
{
	struct buf text OWN(buf_done) = { 0 };
	int r = console_config_candidate(console, &text, err);

	if (r < 0)
		return r;
	base = conf_text_sum(buf_str(&text));
	if (editor_init(&editor, buf_str(&text)) < 0)
		return err_set(err, -E2BIG, "a configuration has at most %d KiB",
			       CONF_TEXT_MAX / 1024);
	screen_init(&screen, console->rows, console->columns);
	console_full_screen(console, true);
	run(console);
	console_full_screen(console, false);
	console_printf(console, editor.unsaved ? "what was not saved is gone\n" : "done\n");
	return 0;
}
