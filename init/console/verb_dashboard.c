/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dashboard: the machine on one screen, drawn again every two seconds until `q`. Runs in the
 * console program. Must stay usable while any daemon is away: then its part says so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/screen.h"
#include "init/console/top.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { DASHBOARD_EVERY_MS = 2000, DASHBOARD_WAIT_MS = 800, ERRORS_MAX = 4, ERRORS_LINES = 200 };

static struct screen screen;
static struct stats load;

/* ---- parts ---- */

static void put_units(const struct init_status *status)
{
	for (uint32_t i = 0; i < status->unit_count; i++) {
		const struct init_unit_status *unit = &status->units[i];

		screen_line(&screen, "%-9s %-9s %3u restarts  %.50s", unit->name,
			    init_unit_state_name(unit->state), unit->restarts, unit->text);
	}
}

/* Processors and network, as `top` has them; nothing while the engine is away. */
static void put_load(struct console *console)
{
	char line[200];

	if (top_sample(console, &load, DASHBOARD_WAIT_MS, NULL) < 0)
		return;
	top_machine(&load, line, sizeof(line));
	screen_line(&screen, "%s", line);
}

static void put_machine(struct console *console)
{
	static struct init_status status;
	struct msg reply OWN(msg_done) = { 0 };
	char span[SPAN_TEXT_MAX];
	struct err err = { 0 };
	struct wire in;

	if (console_call_within(console, CONSOLE_SERVER_INIT, INIT_MSG_STATUS_GET, STR(""),
				DASHBOARD_WAIT_MS, &reply, &err) < 0) {
		screen_line(&screen, "%s", err_text(&err));
		return;
	}
	wire_init(&in, reply.body.ptr, reply.body.len);
	if (init_status_get(&in, &status) < 0)
		return;
	screen_line(&screen, "%s  Hoy %s  up %s  clock %s  %s", status.hostname, status.version,
		    span_text(status.uptime_ms / 1000, span), init_clock_name(status.clock),
		    status.claimed ? "claimed" : "UNCLAIMED");
	screen_line(&screen, "memory %llu of %llu MiB free   data %s, %llu of %llu MiB free%s",
		    (unsigned long long)(status.mem_available_kib >> 10),
		    (unsigned long long)(status.mem_kib >> 10), init_data_state_name(status.data),
		    (unsigned long long)(status.data_free_bytes >> 20),
		    (unsigned long long)(status.data_bytes >> 20),
		    status.config_issues ? "   CONFIG HAS MISTAKES" : "");
	put_load(console);
	screen_line(&screen, "started by: %s", status.boot_reason);
	put_units(&status);
}

static void put_services(struct console *console)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct err err = { 0 };
	uint32_t count, left = 0;
	struct engine_row row;
	struct wire in;

	screen_line(&screen, "%s", "");
	if (console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PS, STR(""),
				DASHBOARD_WAIT_MS, &reply, &err) < 0) {
		screen_line(&screen, "%s", err_text(&err));
		return;
	}
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	screen_line(&screen, "%-16s %-10s %-10s %s", "SERVICE", "STATE", "HEALTH", "STATUS");
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_row_get(&in, &row);
		if (in.error)
			break;
		if (screen.row + ERRORS_MAX + 3 >= screen.rows)
			left++;
		else
			screen_line(&screen, "%-16.16s %-10s %-10s %.100s", row.name, row.state,
				    !strcmp(row.health, "none") ? "-" : row.health, row.status);
	}
	if (left)
		screen_line(&screen, "and %u more: `ps`", left);
}

/* The newest lines that are errors. */
static void put_errors(struct console *console)
{
	static char errors[ERRORS_MAX][160];
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	uint32_t count, found = 0;

	buf_init(&body, 64);
	wire_put_text(&body, "");
	wire_put_u32(&body, ERRORS_LINES);
	wire_put_u8(&body, 0);
	if (console_call_within(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG, buf_str(&body),
				DASHBOARD_WAIT_MS, &reply, NULL) < 0)
		return;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		char unit[32], line[INIT_LINE_MAX + 8];
		uint8_t prio;

		(void)wire_i64(&in);
		prio = wire_u8(&in);
		wire_text(&in, unit, sizeof(unit));
		wire_text(&in, line, sizeof(line));
		if (!in.error && prio <= LOG_PRIO_ERR)
			(void)snprintf(errors[found++ % ERRORS_MAX], sizeof(errors[0]),
				       "%s: %.120s", unit, line);
	}
	/* More replies may follow to this call: a new connection has none of them. */
	if (reply.flags & MSG_FLAG_MORE)
		console_drop(console, CONSOLE_SERVER_INIT);
	screen_line(&screen, "%s", "");
	screen_line(&screen, "%s", found ? "last errors" : "no errors");
	for (uint32_t i = found > ERRORS_MAX ? found - ERRORS_MAX : 0; i < found; i++)
		screen_line(&screen, "  %s", errors[i % ERRORS_MAX]);
}

/* ---- the verb ---- */

static void draw(struct console *console)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 65536);
	screen_clear(&screen);
	put_machine(console);
	put_services(console);
	put_errors(console);
	screen_last(&screen, "q ends, Ctrl-L draws again");
	screen_flush(&screen, &out);
	console_raw(console, buf_text(&out), out.len);
}

/* True: a key that ends it. */
static bool take_keys(struct console *console)
{
	unsigned char bytes[32];
	ssize_t n = console_read(console, bytes, sizeof(bytes));

	if (n < 0 && errno == EAGAIN)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == 'q' || bytes[i] == 3)
			return true;
		if (bytes[i] == 12)
			screen.valid = false;
	}
	return n <= 0;
}

int verb_dashboard(struct console *console, const struct words *words, struct err *err)
{

	(void)words;
	if (!console->keys || console->json || console->capture)
		return err_set(err, -EPERM,
			       "the dashboard needs a terminal; `status` and `ps` do "
			       "not");
	memset(&load, 0, sizeof(load));
	screen_init(&screen, console->rows, console->columns);
	console_full_screen(console, true);
	do
		draw(console);
	while (!console->quit &&
	       !((console_wait(console, -1, DASHBOARD_EVERY_MS) & 1) && take_keys(console)));
	console_full_screen(console, false);
	return 0;
}
