/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sessions`, `users` and `lock`: who may use this machine, and who does. Runs in the console
 * program. Must never show more of a credential than its name and its end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/access_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/login.h"
#include "init/console/script.h"
#include "init/console/verb_json.h"
#include "lib/own.h"

/* ---- sessions ---- */

static void put_session(struct console *console, const struct init_unit_status *unit,
			int64_t now_ms)
{
	int64_t seconds = (now_ms - unit->since_ms) / 1000;
	struct buf out OWN(buf_done) = { 0 };
	char text[240];

	(void)str_escape(str_from(unit->text), text, sizeof(text));
	if (!console->json) {
		console_printf(console, "%-10s %-7u %-10lld %s\n", unit->name, unit->pid,
			       (long long)seconds, text);
		return;
	}
	buf_init(&out, 1024);
	script_put_text(&out, "name", unit->name);
	script_put_number(&out, "pid", unit->pid);
	script_put_number(&out, "seconds", seconds);
	script_put_text(&out, "state", unit->text);
	console_json(console, buf_str(&out));
}

int verb_sessions(struct console *console, const struct words *words, struct err *err)
{
	static struct init_status status;
	int r = console_status(console, &status, err);

	(void)words;
	if (r < 0)
		return r;
	if (!console->json)
		console_printf(console, "%-10s %-7s %-10s %s\n", "SESSION", "PID", "SECONDS",
			       "STATE");
	for (uint32_t i = 0; i < status.unit_count; i++)
		if (status.units[i].pid &&
		    str_starts(str_from(status.units[i].name), STR("console")))
			put_session(console, &status.units[i], status.uptime_ms);
	return 0;
}

/* ---- users ---- */

static void put_user(struct console *console, const char *name, const char *by, const char *role,
		     const char *until, const char *state)
{
	struct buf out OWN(buf_done) = { 0 };

	if (!console->json) {
		console_printf(console, "%-24s %-12s %-9s %-11s %s\n", name, by, role, until,
			       state);
		return;
	}
	buf_init(&out, 2048);
	script_put_text(&out, "name", name);
	script_put_text(&out, "by", by);
	script_put_text(&out, "role", role);
	script_put_text(&out, "until", until);
	script_put_text(&out, "state", state);
	console_json(console, buf_str(&out));
}

/* Certificates that count; `access list` has those that do not any more as well. */
static void put_certificates(struct console *console, struct wire *in)
{
	uint32_t count = wire_count(in, ACCESS_ROWS_MAX);
	int64_t now_s = (int64_t)time(NULL);

	for (uint32_t i = 0; i < count && !in->error; i++) {
		struct access_row row;
		char until[16] = "?";
		struct tm tm = { 0 };
		time_t at;

		access_row_get(in, &row);
		if (in->error || row.revoked || row.until_s < now_s)
			continue;
		at = (time_t)row.until_s;
		if (gmtime_r(&at, &tm))
			(void)strftime(until, sizeof(until), "%Y-%m-%d", &tm);
		put_user(console, row.name, "certificate", gate_role_name(row.role), until,
			 "valid");
	}
}

int verb_users(struct console *console, const struct words *words, struct err *err)
{
	static struct init_status status;
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r = console_status(console, &status, err);

	(void)words;
	if (r < 0)
		return r;
	if (!console->json)
		console_printf(console, "%-24s %-12s %-9s %-11s %s\n", "NAME", "BY", "ROLE",
			       "UNTIL", "STATE");
	put_user(console, "console", "password", "admin", "-",
		 status.claimed ? "set" : "not set: `claim` sets one");
	r = console_call(console, CONSOLE_SERVER_ENGINE, ACCESS_MSG_LIST, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	put_certificates(console, &in);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "the engine's answer is malformed") : 0;
}

/* ---- lock ---- */

int verb_lock(struct console *console, const struct words *words, struct err *err)
{
	(void)words;
	return console_lock(console, err);
}
