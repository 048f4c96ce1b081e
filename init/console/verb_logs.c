/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: what containers wrote, one or several, in the order of its time. Runs in the console
 * program. Must escape every byte: all of it is the containers'.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "init/console/log_options.h"
#include "init/console/log_reader.h"
#include "init/console/script.h"
#include "init/unit/boxline.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { LOGS_FOLLOW_MS = 300, LOGS_RENEW_EVERY = 7, LOGS_STAMP_LEN = 19, LOGS_TEXT_MAX = 4096 };

struct source {
	const char *name;
	struct log_reader reader;
};

struct logs {
	const struct log_options *options;
	struct source sources[LOG_NAMES_MAX];
	int count;
};

/* ---- sources ---- */

static int ask_files(struct console *console, const char *name, struct msg *ret_reply,
		     struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 512);
	wire_put_text(&body, name);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_LOGS, buf_str(&body),
			    ret_reply, err);
}

static void close_sources(struct logs *logs)
{
	while (logs->count > 0)
		log_reader_done(&logs->sources[--logs->count].reader);
}

static int open_sources(struct console *console, struct logs *logs, struct err *err)
{
	for (int i = 0; i < logs->options->count; i++) {
		struct msg reply OWN(msg_done) = { 0 };
		int r = ask_files(console, logs->options->names[i], &reply, err);

		if (r < 0)
			return r;
		logs->sources[i].name = logs->options->names[i];
		log_reader_init(&logs->sources[i].reader, &reply);
		logs->count++;
	}
	return 0;
}

/* A log that was rotated goes on in another file. */
static void renew_sources(struct console *console, struct logs *logs)
{
	for (int i = 0; i < logs->count; i++) {
		struct msg reply OWN(msg_done) = { 0 };

		if (ask_files(console, logs->sources[i].name, &reply, NULL) >= 0)
			log_reader_renew(&logs->sources[i].reader, &reply);
	}
}

/* ---- lines ---- */

/* Whole seconds, without the fraction that the shim writes. */
static int64_t seconds_of(struct str when)
{
	int64_t at_s = 0;

	(void)logline_time(str_head(when, when.len < LOGS_STAMP_LEN ? when.len : LOGS_STAMP_LEN), 0,
			   &at_s);
	return at_s;
}

static bool wanted(const struct logs *logs, struct str line)
{
	const struct logline_filter *filter = &logs->options->filter;
	int64_t at_s;

	/* The line as it stands in the file: escapes of JSON are part of what is searched. */
	if (filter->grep && !logline_holds(line, str_from(filter->grep)))
		return false;
	if (!filter->since_s && !filter->until_s)
		return true;
	at_s = seconds_of(boxline_time(line));
	return (!filter->since_s || at_s >= filter->since_s) &&
	       (!filter->until_s || at_s <= filter->until_s);
}

static void json_line(struct console *console, const char *name, struct str when, struct str text,
		      bool is_stderr)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 65536);
	(void)buf_printf(&out, "\"stream\":\"%s\"", is_stderr ? "stderr" : "stdout");
	script_put_text(&out, "name", name);
	(void)buf_add_text(&out, ",\"time\":");
	script_put_string(&out, when);
	(void)buf_add_text(&out, ",\"text\":");
	script_put_string(&out, text);
	console_json(console, buf_str(&out));
}

static void print_line(struct console *console, const struct logs *logs,
		       const struct source *source, struct str line)
{
	static char text[LOGS_TEXT_MAX];
	struct str shown;
	bool is_stderr;
	int len = boxline_text(line, text, sizeof(text), &is_stderr);

	if (len < 0) {
		console_printf(console, "(a line that does not parse)\n");
		return;
	}
	shown = str_make(text, (size_t)len - (len && text[len - 1] == '\n'));
	if (console->json) {
		json_line(console, source->name, boxline_time(line), shown, is_stderr);
		return;
	}
	if (logs->count > 1)
		console_printf(console, "%-12s | ", source->name);
	console_foreign(console, shown);
}

/* The source whose next line is the oldest; NULL when none has one now. */
static struct source *oldest(struct logs *logs, struct str *ret_line)
{
	struct source *first = NULL;
	struct str line, first_when = { 0 };

	for (int i = 0; i < logs->count; i++) {
		struct source *source = &logs->sources[i];
		struct str when;

		if (!log_reader_line(&source->reader, &line))
			continue;
		when = boxline_time(line);
		if (first && str_cmp(when, first_when) >= 0)
			continue;
		first = source;
		first_when = when;
		*ret_line = line;
	}
	return first;
}

/* All that is there now, behind the first `skip` wanted lines; returns how many were wanted. */
static uint64_t print_all(struct console *console, struct logs *logs, uint64_t skip, bool print)
{
	struct source *source;
	uint64_t found = 0;
	struct str line;

	while (!console_interrupted(console) && (source = oldest(logs, &line))) {
		if (wanted(logs, line) && found++ >= skip && print)
			print_line(console, logs, source, line);
		log_reader_next(&source->reader);
	}
	return found;
}

static void print_newest(struct console *console, struct logs *logs)
{
	uint64_t lines = logs->options->lines, skip = 0, found;

	if (log_options_filtered(logs->options)) {
		if (lines) {
			found = print_all(console, logs, 0, false);
			skip = found > lines ? found - lines : 0;
			for (int i = 0; i < logs->count; i++)
				log_reader_rewind(&logs->sources[i].reader);
		}
	} else {
		for (int i = 0; i < logs->count; i++)
			log_reader_tail(&logs->sources[i].reader, lines);
	}
	(void)print_all(console, logs, skip, true);
}

static int show(struct console *console, const struct log_options *options, struct err *err)
{
	static struct logs logs;
	int r;

	logs = (struct logs){ .options = options };
	r = open_sources(console, &logs, err);
	if (r >= 0)
		print_newest(console, &logs);
	for (unsigned n = 1; r >= 0 && options->follow; n++) {
		if (console_interrupted(console) || console->quit)
			break;
		(void)console_wait(console, -1, LOGS_FOLLOW_MS);
		if (n % LOGS_RENEW_EVERY == 0)
			renew_sources(console, &logs);
		(void)print_all(console, &logs, 0, true);
	}
	close_sources(&logs);
	return r;
}

int verb_logs(struct console *console, const struct words *words, struct err *err)
{
	struct log_options options;
	int r = log_options_parse(words, wall_now_s(), &options, err);

	if (r < 0)
		return r;
	if (!options.count || options.boot_given || options.list_boots ||
	    options.filter.prio_max < 7)
		return err_set(err, -EINVAL,
			       "usage: logs NAME... [-f] [-n N] [--since TIME] [--grep TEXT]");
	return show(console, &options, err);
}

/* logs -f -n 0. */
int verb_follow(struct console *console, const struct words *words, struct err *err)
{
	struct log_options options;
	int r = log_options_parse(words, wall_now_s(), &options, err);

	if (r < 0)
		return r;
	options.follow = true;
	options.lines = options.lines_given ? options.lines : 0;
	return show(console, &options, err);
}
