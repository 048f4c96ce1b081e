/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the system's log, from PID 1's memory or from the files on the data partition. Runs in the
 * console program. Must escape what it reads from files: a disk may hold anything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/log_options.h"
#include "init/console/log_reader.h"
#include "init/console/script.h"
#include "init/console/verb_json.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { LOG_WAIT_MS = 20000, LOG_TEXT_MAX = 4 * INIT_LINE_MAX };

/* ---- printing ---- */

static void json_line(struct console *console, const struct logline *line, int64_t boot)
{
	struct buf out OWN(buf_done) = { 0 };
	time_t at = (time_t)line->wall_s;
	char when[32] = "";
	struct tm tm = { 0 };

	buf_init(&out, 65536);
	if (gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void)buf_printf(&out, "\"uptime_ms\":%lld", (long long)line->uptime_ms);
	script_put_text(&out, "time", when);
	script_put_number(&out, "boot", boot);
	script_put_number(&out, "priority", line->prio);
	(void)buf_add_text(&out, ",\"unit\":");
	script_put_string(&out, line->unit);
	(void)buf_add_text(&out, ",\"role\":");
	script_put_string(&out, line->role);
	(void)buf_add_text(&out, ",\"message\":");
	script_put_string(&out, line->text);
	console_json(console, buf_str(&out));
}

/* with_date: of another boot, or chosen by the wall clock. */
static void print_line(struct console *console, const struct logline *line, int64_t boot,
		       bool with_date)
{
	char role[64], text[LOG_TEXT_MAX], when[32] = "";
	time_t at = (time_t)line->wall_s;
	struct tm tm = { 0 };

	if (console->json) {
		json_line(console, line, boot);
		return;
	}
	(void)str_escape(line->role, role, sizeof(role));
	(void)str_escape(line->text, text, sizeof(text));
	if (with_date && gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S ", &tm);
	console_printf(console, "%s[%5lld.%03lld] %s: %s\n", when,
		       (long long)(line->uptime_ms / 1000), (long long)(line->uptime_ms % 1000),
		       role, text);
}

/* ---- from memory ---- */

/* One line of an answer of init; init has made its bytes harmless already. */
static bool next_of_list(struct wire *in, struct logline *ret_line, char *role, char *text)
{
	int64_t now_ms = mono_now().ns / 1000000;

	*ret_line = (struct logline){ .uptime_ms = wire_i64(in) };
	ret_line->prio = wire_u8(in);
	wire_text(in, role, 32);
	wire_text(in, text, INIT_LINE_MAX + 8);
	ret_line->role = str_from(role);
	ret_line->text = str_from(text);
	ret_line->wall_s = wall_now_s() - (now_ms - ret_line->uptime_ms) / 1000;
	return !in->error;
}

struct memory_log {
	const struct log_options *options;
	struct logline_filter filter;
	uint64_t matches; /* of the filter */
	uint64_t skip;	  /* of the next pass */
	bool print;
};

static void take_list(struct console *console, struct memory_log *log, struct str body)
{
	char role[32], text[INIT_LINE_MAX + 8];
	struct logline line;
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		if (!next_of_list(&in, &line, role, text) || !logline_wanted(&log->filter, &line))
			continue;
		if (log->matches++ >= log->skip && log->print)
			print_line(console, &line, 0, false);
	}
}

static int read_memory(struct console *console, struct memory_log *log, const char *unit,
		       uint32_t lines, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	bool more = true;
	int fd, r;

	log->matches = 0;
	buf_init(&body, 256);
	wire_put_text(&body, unit);
	wire_put_u32(&body, lines);
	wire_put_u8(&body, log->options->follow);
	fd = console_send(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG, buf_str(&body), 1, err);
	if (fd < 0)
		return fd;
	while (more && !console_interrupted(console) && !console->quit) {
		struct msg reply OWN(msg_done) = { 0 };

		if (!(console_wait(console, fd, LOG_WAIT_MS) & 2))
			continue;
		r = console_next(console, CONSOLE_SERVER_INIT, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		take_list(console, log, reply.body);
		more = (reply.flags & MSG_FLAG_MORE) != 0;
	}
	if (more) /* answers may still come: a new connection has none of them */
		console_drop(console, CONSOLE_SERVER_INIT);
	return more ? -EINTR : 0;
}

/* Chosen lines are counted first, so that -n means the newest of them. */
static int show_memory(struct console *console, const struct log_options *options, const char *unit,
		       struct err *err)
{
	struct memory_log log = { .options = options, .filter = options->filter };
	bool chosen = log_options_filtered(options) || log.filter.unit;
	int r;

	if (chosen && options->lines && !options->follow) {
		r = read_memory(console, &log, unit, 0, err);
		if (r < 0)
			return r;
		log.skip = log.matches > options->lines ? log.matches - options->lines : 0;
	}
	log.print = true;
	r = read_memory(console, &log, unit, chosen ? 0 : (uint32_t)options->lines, err);
	if (log.filter.unit && !log.matches && r == 0)
		return err_set(err, -ENOENT,
			       "nothing of '%s' is in the log; units are init, disk, "
			       "netd, engine, console and kernel",
			       log.filter.unit);
	return r;
}

/* A role such as dhcp is no unit: then all lines come and the role's are kept. */
static int from_memory(struct console *console, const struct log_options *options, struct err *err)
{
	const char *unit = options->count ? options->names[0] : "";
	struct log_options by_role = *options;
	int r = -ENOENT;

	if (strcmp(unit, "system") != 0)
		r = show_memory(console, options, unit, err);
	if (r != -ENOENT || !*unit)
		return r == -EINTR ? 0 : r;
	by_role.filter.unit = unit;
	r = show_memory(console, &by_role, "", err);
	return r == -EINTR ? 0 : r;
}

/* ---- from the disk ---- */

struct disk_log {
	struct log_reader reader;
	const struct log_options *options;
	struct logline_filter filter;
	int64_t boots; /* begun in the files */
};

/* A line that is wanted, and which boot it belongs to: 0 is the newest. */
static bool wanted(const struct disk_log *log, const struct logline *line, int64_t boot)
{
	return (!log->options->boot_given || boot == log->options->boot) &&
	       logline_wanted(&log->filter, line);
}

static void count_boots(struct disk_log *log)
{
	struct logline_boots boots = { 0 };
	struct logline line;
	struct str text;

	log_reader_rewind(&log->reader);
	for (; log_reader_line(&log->reader, &text); log_reader_next(&log->reader))
		if (logline_parse(text, &line))
			(void)logline_boots_pass(&boots, &line);
	log->boots = boots.count;
}

/* Prints what is wanted behind the first `skip` of it; returns how many are wanted. */
static uint64_t pass(struct console *console, struct disk_log *log, uint64_t skip, bool print)
{
	struct logline_boots boots = { 0 };
	struct logline line;
	uint64_t found = 0;
	struct str text;

	log_reader_rewind(&log->reader);
	for (; log_reader_line(&log->reader, &text); log_reader_next(&log->reader)) {
		int64_t boot;

		if (console_interrupted(console))
			break;
		if (!logline_parse(text, &line))
			continue;
		(void)logline_boots_pass(&boots, &line);
		boot = (int64_t)boots.count - log->boots;
		if (!wanted(log, &line, boot))
			continue;
		if (found++ >= skip && print)
			print_line(console, &line, boot, true);
	}
	return found;
}

static void put_boot(struct console *console, int64_t boot, int64_t began_s, int64_t last_ms)
{
	time_t at = (time_t)began_s;
	char when[32] = "?";
	struct tm tm = { 0 };

	if (gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	if (console->json) {
		CONSOLE_OBJECT(console, JSON_NUMBER("boot", boot), JSON_NUMBER("time", began_s),
			       JSON_NUMBER("seconds", last_ms / 1000));
		return;
	}
	console_printf(console, "%4lld  %s  up to %lld s after its start\n", (long long)boot, when,
		       (long long)(last_ms / 1000));
}

static void list_boots(struct console *console, struct disk_log *log)
{
	struct logline_boots boots = { 0 };
	int64_t began_s = 0, last_ms = 0;
	struct logline line;
	struct str text;

	log_reader_rewind(&log->reader);
	for (; log_reader_line(&log->reader, &text); log_reader_next(&log->reader)) {
		if (!logline_parse(text, &line))
			continue;
		if (logline_boots_pass(&boots, &line)) {
			if (boots.count > 1)
				put_boot(console, (int64_t)boots.count - 1 - log->boots, began_s,
					 last_ms);
			began_s = line.wall_s;
		}
		last_ms = line.uptime_ms;
	}
	if (boots.count)
		put_boot(console, 0, began_s, last_ms);
}

static int show_disk(struct console *console, struct disk_log *log, struct err *err)
{
	uint64_t skip = 0, found;

	count_boots(log);
	if (log->options->list_boots) {
		list_boots(console, log);
		return 0;
	}
	if (log->options->boot_given && -log->options->boot >= log->boots)
		return err_set(err, -ENOENT, "the log holds %lld boots; `log --boots` lists them",
			       (long long)log->boots);
	if (log->options->lines) {
		found = pass(console, log, 0, false);
		skip = found > log->options->lines ? found - log->options->lines : 0;
	}
	(void)pass(console, log, skip, true);
	return 0;
}

static int from_disk(struct console *console, const struct log_options *options, struct err *err)
{
	struct disk_log log = { .options = options, .filter = options->filter };
	struct msg reply OWN(msg_done) = { 0 };
	int r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG_FILES, STR(""), &reply,
			     err);

	if (r < 0)
		return r;
	if (options->count)
		log.filter.unit = options->names[0];
	log_reader_init(&log.reader, &reply);
	r = show_disk(console, &log, err);
	log_reader_done(&log.reader);
	return r;
}

int verb_log(struct console *console, const struct words *words, struct err *err)
{
	struct log_options options;
	int r = log_options_parse(words, wall_now_s(), &options, err);

	if (r < 0)
		return r;
	if (options.count > 1)
		return err_set(err, -EINVAL, "log: one unit, or none for all");
	if (options.list_boots || options.boot_given || options.filter.since_s ||
	    options.filter.until_s) {
		if (!options.follow)
			return from_disk(console, &options, err);
	}
	return from_memory(console, &options, err);
}
