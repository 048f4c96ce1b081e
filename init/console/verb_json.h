/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_VERB_JSON_H
#define HOY_INIT_CONSOLE_VERB_JSON_H

#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "lib/str.h"

/* An object of its own: CONSOLE_OBJECT(console, JSON_TEXT("name", name), JSON_NUMBER("bytes", n)).
 */
struct json_field {
	const char *name;
	enum { JSON_KIND_TEXT, JSON_KIND_NUMBER, JSON_KIND_BOOL } kind;
	struct str text;
	int64_t number;
};

/* clang-format off */
#define JSON_STR(name, str)	  { (name), JSON_KIND_TEXT, (str), 0 }
#define JSON_TEXT(name, text)	  JSON_STR(name, str_from(text))
#define JSON_NUMBER(name, number) { (name), JSON_KIND_NUMBER, { NULL, 0 }, (int64_t)(number) }
#define JSON_BOOL(name, value)	  { (name), JSON_KIND_BOOL, { NULL, 0 }, (value) }
/* clang-format on */
#define CONSOLE_OBJECT(console, ...)                                             \
	console_json_fields(console, (const struct json_field[]){ __VA_ARGS__ }, \
			    sizeof((const struct json_field[]){ __VA_ARGS__ }) / \
				    sizeof(struct json_field))
void console_json_fields(struct console *console, const struct json_field *fields, size_t count);
/* A text as one member, however many lines it has. */
void console_json_text(struct console *console, const char *name, struct str text);
/* A mistake in the configuration, "file:line:column: what": its parts and the whole. */
void console_json_issue(struct console *console, struct str issue);

/* Revisions, "3     2026-11-21 21:55:36  counts               a note" on each line. */
void console_json_history(struct console *console, struct str text);

/* One object on one line for each of these, with --json. Names stay; new ones may come. */
void console_json_row(struct console *console, const struct engine_row *row);
void console_json_image(struct console *console, const struct engine_image *image);
void console_json_health(struct console *console, const struct engine_health *health);
void console_json_status(struct console *console, const struct init_status *status);
/* What it prints, and other verbs need: asked of init (verb_show.c). */
int console_status(struct console *console, struct init_status *ret_status, struct err *err);

#endif
