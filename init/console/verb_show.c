/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that show something: status, ps, health, images, network. Runs in the console program. Must
 * escape every byte that came from elsewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/script.h"
#include "init/console/verb_json.h"
#include "lib/mono.h"
#include "lib/own.h"
#include "netd/api/netd_msg.h"
#include "netd/api/netd_rows_msg.h"

/* ---- status ---- */

/* An engine that is being started again holds up its own line, not the others. */
enum { STATUS_WAIT_MS = 1000 };

static void show_units(struct console *console, const struct init_status *status)
{
	console_printf(console, "%-9s %-9s %-7s %-8s %s\n", "UNIT", "STATE", "PID", "RESTARTS",
		       "STATUS");
	for (uint32_t i = 0; i < status->unit_count; i++) {
		const struct init_unit_status *unit = &status->units[i];
		char text[64], why[80];

		(void)str_escape(str_head(str_from(unit->text), 40), text, sizeof(text));
		(void)str_escape(str_from(unit->exit_count ? unit->exits[0].reason : ""), why,
				 sizeof(why));
		console_printf(console, "%-9s %-9s %-7u %-8u %s%s%s\n", unit->name,
			       init_unit_state_name(unit->state), unit->pid, unit->restarts, text,
			       *why ? " last end: " : "", why);
	}
}

static void show_time(struct console *console, const struct init_status *status)
{
	time_t now = (time_t)status->wall_s;
	struct tm tm = { 0 };
	char text[40] = "?";

	if (gmtime_r(&now, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	console_printf(console, "clock     %s (%s)\n", text, init_clock_name(status->clock));
}

static void show_engine(struct console *console)
{
	struct msg reply OWN(msg_done) = { 0 };
	uint32_t running = 0, declared = 0, others = 0, count;
	struct buf ill OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct engine_row row;
	struct wire in;

	if (console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PS, STR(""),
				STATUS_WAIT_MS, &reply, &err) < 0) {
		console_printf(console, "services  %s\n", err_text(&err));
		return;
	}
	buf_init(&ill, 4096);
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		engine_row_get(&in, &row);
		declared += row.declared;
		if (!strcmp(row.state, "running"))
			row.declared ? running++ : others++;
		if (!strcmp(row.health, "unhealthy"))
			(void)buf_printf(&ill, " %s", row.name);
	}
	console_printf(console, "services  %u of %u running", running, declared);
	if (others)
		console_printf(console, ", and %u container%s of the Docker API", others,
			       others == 1 ? "" : "s");
	console_printf(console, "%s%s\n", ill.len ? "; unhealthy:" : "", buf_text(&ill));
}

int console_status(struct console *console, struct init_status *ret_status, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_STATUS_GET, STR(""), &reply,
			     err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	if (init_status_get(&in, ret_status) < 0)
		return err_set(err, -EBADMSG, "init: malformed answer");
	return 0;
}

int verb_status(struct console *console, const struct words *words, struct err *err)
{
	static struct init_status status;
	char text[320], span[SPAN_TEXT_MAX];
	int r = console_status(console, &status, err);

	(void)words;
	if (r < 0)
		return r;
	if (console->json) {
		console_json_status(console, &status);
		return 0;
	}
	console_printf(console, "machine   %s, Hoy %s, %s\n", status.hostname, status.version,
		       status.claimed ? "claimed" : "unclaimed: `claim` sets a password");
	(void)str_escape(str_from(status.boot_reason), text, sizeof(text));
	console_printf(console, "up        %s, started by: %s\n",
		       span_text(status.uptime_ms / 1000, span), text);
	show_time(console, &status);
	console_printf(console, "memory    %llu of %llu MiB available\n",
		       (unsigned long long)(status.mem_available_kib >> 10),
		       (unsigned long long)(status.mem_kib >> 10));
	(void)str_escape(str_from(status.data_text), text, sizeof(text));
	console_printf(console, "data      %s %s", init_data_state_name(status.data),
		       status.data_device);
	if (status.data == INIT_DATA_READY)
		console_printf(console, ", %llu of %llu MiB free\n",
			       (unsigned long long)(status.data_free_bytes >> 20),
			       (unsigned long long)(status.data_bytes >> 20));
	else
		console_printf(console, "\n          %s\n", text);
	show_engine(console);
	if (status.config_issues)
		console_printf(console, "config    %u mistakes: `config issues`\n",
			       status.config_issues);
	show_units(console, &status);
	return 0;
}

/* ---- ps, images ---- */

enum { PS_ROW_MAX = 4096, PS_STATE = 10, PS_STATUS = 14, PS_BLANKS = 4, PS_IMAGE_MIN = 16 };

struct ps_widths {
	int name, image;
};

static int wider(int width, const char *text, int max)
{
	int len = (int)strlen(text);

	return len > width && len <= max ? len : width;
}

/* How wide the columns are, within bounds: the rest of a row is not pushed about. An image's name
 * gives way to what a running one's state and ports take. */
static struct ps_widths measure(struct str body, unsigned columns)
{
	struct ps_widths widths = { 12, PS_IMAGE_MIN };
	int room, tail = PS_STATUS; /* status and ports of one row */
	struct engine_row row;
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 2 * ENGINE_ROWS_MAX);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		int len;

		engine_row_get(&in, &row);
		widths.name = wider(widths.name, row.name, 32);
		widths.image = wider(widths.image, row.image, 40);
		if (strcmp(row.state, "running") != 0)
			continue;
		len = (int)(strlen(row.status) + (*row.ports ? 1 + strlen(row.ports) : 0));
		tail = len > tail ? len : tail;
	}
	room = (int)columns - widths.name - PS_STATE - tail - PS_BLANKS;
	if (columns && widths.image > room)
		widths.image = room > PS_IMAGE_MIN ? room : PS_IMAGE_MIN;
	return widths;
}

/* A terminal's line holds a row of its own: what does not fit is cut, and two dots say so. */
static void put_row(struct console *console, unsigned columns, const char *text)
{
	size_t len = strlen(text);

	if (columns >= 40 && len > columns)
		console_printf(console, "%.*s..\n", (int)columns - 2, text);
	else
		console_printf(console, "%s\n", text);
}

/* What runs fits; why another does not, or runs as it was before, is never cut. */
static void show_rows(struct console *console, struct wire *in, struct str body, unsigned columns)
{
	char status[ENGINE_STATUS_MAX * 2], image[ENGINE_REF_MAX], text[PS_ROW_MAX];
	struct ps_widths widths = measure(body, columns);
	struct engine_row row;
	uint32_t count = wire_count(in, 2 * ENGINE_ROWS_MAX);

	if (!console->json)
		console_printf(console, "%-*s %-*s %-10s %-14s %s\n", widths.name, "NAME",
			       widths.image, "IMAGE", "STATE", "STATUS", "PORTS");
	for (uint32_t i = 0; i < count && !in->error; i++) {
		bool runs;

		engine_row_get(in, &row);
		if (console->json) {
			console_json_row(console, &row);
			continue;
		}
		runs = !strcmp(row.state, "running") && !strstr(row.status, "; ");
		(void)str_escape(str_from(row.status), status, sizeof(status));
		(void)str_escape(str_from(row.image), image, sizeof(image));
		if (columns && (int)strlen(image) > widths.image)
			(void)snprintf(image + widths.image - 2, 3, "..");
		(void)snprintf(text, sizeof(text), "%-*s %-*s %-10s %-14s%s%s", widths.name,
			       row.name, widths.image, *image ? image : "-", row.state, status,
			       *row.ports ? " " : "", row.ports);
		put_row(console, runs ? columns : 0, text);
	}
}

/* ps [-a] [--no-trunc]: whole rows where no person looks at them, too. */
int verb_ps(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	bool whole = !console->is_tty || console->capture;
	struct wire in;
	int r;

	for (int i = 1; i < words->count; i++) {
		bool no_trunc = !strcmp(words->items[i], "--no-trunc");

		if (!no_trunc && strcmp(words->items[i], "-a") != 0)
			return err_set(err, -EINVAL, "usage: ps [-a] [--no-trunc]");
		whole |= no_trunc;
	}
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PS, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	show_rows(console, &in, reply.body, whole ? 0 : console->columns);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "engine: malformed answer") : 0;
}

int verb_health(struct console *console, const struct words *words, struct err *err)
{
	static struct engine_health health;
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	int r;

	buf_init(&body, 512);
	wire_put_text(&body, words->items[1]);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_HEALTH, buf_str(&body), &reply,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	engine_health_get(&in, &health);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	if (console->json) {
		console_json_health(console, &health);
		return 0;
	}
	if (!strcmp(health.state, "none")) {
		console_printf(console, "%s has no health check or does not run\n",
			       words->items[1]);
		return 0;
	}
	console_printf(console, "%s, %u failures in a row\n", health.state, health.streak);
	for (uint32_t i = 0; i < health.count; i++) {
		console_printf(console, "%lld s ago, %lld s long, exit %d\n",
			       (long long)(wall_now_s() - health.results[i].start_s),
			       (long long)(health.results[i].end_s - health.results[i].start_s),
			       health.results[i].code);
		if (*health.results[i].output)
			console_foreign(console, str_from(health.results[i].output));
	}
	return 0;
}

/* ---- history ---- */

enum { WHEN_LEN = 19 }; /* "2026-11-21 21:55:36" */

static void show_when(struct console *console, int64_t at_s, const char *what)
{
	time_t at = (time_t)at_s;
	char when[40] = "?", text[200];
	struct tm tm = { 0 };

	if (gmtime_r(&at, &tm))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	(void)str_escape(str_from(what), text, sizeof(text));
	if (console->json)
		CONSOLE_OBJECT(console, JSON_NUMBER("time", at_s), JSON_TEXT("reason", what));
	else
		console_printf(console, "%s  %s\n", when, text);
}

static int history_of(struct console *console, const char *name, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	char text[128];
	struct wire in;
	uint64_t total;
	uint32_t count;
	int r;

	buf_init(&body, 512);
	wire_put_text(&body, name);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_ENDS, buf_str(&body), &reply,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	total = wire_u64(&in);
	count = wire_count(&in, 64);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("name", name), JSON_NUMBER("ends", total));
	else
		console_printf(console, "%s ended %llu times\n", name, (unsigned long long)total);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		int64_t at_s = wire_i64(&in);

		wire_text(&in, text, sizeof(text));
		if (!in.error)
			show_when(console, at_s, text);
	}
	return 0;
}

/* Why the machine started, or how a service ended; both over reboots. */
int verb_history(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	struct str text, line;
	int r;

	if (words->count > 1)
		return history_of(console, words->items[1], err);
	r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_BOOTS, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	text = wire_str(&in, 65536);
	while (console->json && str_cut(&text, '\n', &line)) {
		size_t at = line.len < WHEN_LEN ? line.len : WHEN_LEN;

		if (line.len)
			CONSOLE_OBJECT(console, JSON_STR("when", str_head(line, at)),
				       JSON_STR("reason", str_trim(str_skip(line, at))));
	}
	if (text.len)
		console_foreign(console, str_head(text, text.len - 1));
	return 0;
}

int verb_images(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint32_t count;
	int r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGES, STR(""), &reply,
			     err);

	(void)words;
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	count = wire_count(&in, 65536);
	if (!console->json)
		console_printf(console, "%-36s %-12s %-10s %-6s %10s\n", "IMAGE", "DIGEST",
			       "CREATED", "ARCH", "DISK KIB");
	for (uint32_t i = 0; i < count && !in.error; i++) {
		char created[48], architecture[48];
		struct engine_image image;

		engine_image_get(&in, &image);
		if (console->json) {
			console_json_image(console, &image);
			continue;
		}
		/* Of the time the day; both are the image's own words. */
		(void)str_escape(str_head(str_from(image.created), 10), created, sizeof(created));
		(void)str_escape(str_from(image.architecture), architecture, sizeof(architecture));
		console_printf(console, "%-36s %-12.12s %-10s %-6s %10llu\n",
			       strncmp(image.reference, "sha256:", 7) ? image.reference : "<none>",
			       strlen(image.digest) > 7 ? image.digest + 7 : image.digest,
			       *created ? created : "-", *architecture ? architecture : "-",
			       (unsigned long long)((image.disk_bytes + 1023) >> 10));
	}
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "engine: malformed answer") : 0;
}

/* ---- network, config ---- */

/* A row of netd's as one object; names and texts are netd's, and escaped by the writer. */
static int network_json(struct console *console, struct str what, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 }, out OWN(buf_done) = { 0 };
	struct netd_field field;
	struct wire in;
	int r;

	buf_init(&body, 256);
	wire_put_str(&body, what);
	r = console_call(console, CONSOLE_SERVER_NETD, NETD_MSG_ROWS, buf_str(&body), &reply, err);
	if (r < 0)
		return r;
	buf_init(&out, NETD_SHOW_MAX);
	wire_init(&in, reply.body.ptr, reply.body.len);
	while (netd_row_next(&in, &field)) {
		if (field.kind == NETD_FIELD_END) {
			console_json(console, buf_str(&out));
			buf_clear(&out);
			continue;
		}
		(void)buf_add_text(&out, out.len ? "," : "");
		script_put_string(&out, field.name);
		(void)buf_add_byte(&out, ':');
		if (field.kind == NETD_FIELD_TEXT)
			script_put_string(&out, field.text);
		else if (field.kind == NETD_FIELD_NUMBER)
			(void)buf_printf(&out, "%lld", (long long)field.number);
		else
			(void)buf_add_text(&out, field.number ? "true" : "false");
	}
	return in.error ? err_set(err, in.error, "netd answered with nonsense") : 0;
}

static int network_usage(struct err *err)
{
	struct buf names OWN(buf_done) = { 0 };

	buf_init(&names, 512);
	for (const char *const *name = netd_show_names; *name; name++)
		(void)buf_printf(&names, " %s", *name);
	return err_set(err, -EINVAL,
		       "usage: network [show] WHAT, network why ADDRESS:PORT[/udp], network trace "
		       "SRC -> ADDRESS:PORT[/udp]; WHAT is one of%s",
		       buf_text(&names));
}

int verb_network(struct console *console, const struct words *words, struct err *err)
{
	const char *first = words->count > 1 ? words->items[1] : "";
	bool trace = !strcmp(first, "trace");
	bool why = trace || !strcmp(first, "why");
	bool show = !strcmp(first, "show");
	/* `show` may be left out. */
	const char *what = words->count > 2 ? words->items[2] : show ? "links" : first;
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	struct buf question OWN(buf_done) = { 0 };
	int r;

	if (!*first || ((words->count > 2) != why && !show) || (words->count > 3 && !trace))
		return network_usage(err);
	buf_init(&question, 160);
	(void)buf_printf(&question, "%s%s", !why ? "" : trace ? "trace " : "why ", what);
	for (int i = 3; trace && i < words->count; i++)
		(void)buf_printf(&question, " %s", words->items[i]);
	if (buf_error(&question))
		return err_set(err, -EINVAL, "network: that is too long");
	if (console->json)
		return network_json(console, buf_str(&question), err);
	buf_init(&body, 256);
	wire_put_str(&body, buf_str(&question));
	r = console_call(console, CONSOLE_SERVER_NETD, NETD_MSG_SHOW, buf_str(&body), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	console_foreign(console, wire_str(&in, NETD_SHOW_MAX));
	return 0;
}
