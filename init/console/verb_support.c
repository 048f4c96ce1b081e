/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support collect and send, boot chart, metrics: the machine told to somebody who is not there.
 * Runs in the console program. Must never put a line into an archive that was not redacted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/api/send_msg.h"
#include "init/console/chart.h"
#include "init/console/console.h"
#include "init/console/log_reader.h"
#include "init/console/redact.h"
#include "init/console/ustar.h"
#include "init/console/verb_json.h"
#include "init/unit/logline.h"
#include "lib/fs.h"
#include "lib/mono.h"
#include "lib/own.h"

enum {
	SUPPORT_PATIENCE_MS = 5000,
	SUPPORT_FILE_MAX = 2 << 20,
	SUPPORT_PATH_MAX = 256,
	CHART_SVG_MAX = 1 << 20
};

/* ---- support collect ---- */

/* What the archive holds: a file, and the command whose output it is. */
static const struct part {
	const char *name, *command;
	enum console_server server; /* who answers it */
} parts[] = {
	{ "version.txt", "version", CONSOLE_SERVER_INIT },
	{ "status.json", "status --json", CONSOLE_SERVER_INIT },
	{ "status.txt", "status", CONSOLE_SERVER_INIT },
	{ "containers.txt", "ps", CONSOLE_SERVER_ENGINE },
	{ "containers.json", "ps --json", CONSOLE_SERVER_ENGINE },
	{ "images.txt", "images", CONSOLE_SERVER_ENGINE },
	{ "space.txt", "df", CONSOLE_SERVER_ENGINE },
	{ "starts.txt", "history", CONSOLE_SERVER_INIT },
	{ "config/issues.txt", "config issues", CONSOLE_SERVER_ENGINE },
	{ "config/hoy.txt", "config show hoy", CONSOLE_SERVER_INIT },
	{ "config/network.txt", "config show network", CONSOLE_SERVER_INIT },
	{ "config/engine.txt", "config show engine", CONSOLE_SERVER_INIT },
	{ "config/services.txt", "config show services", CONSOLE_SERVER_INIT },
	{ "config/history.txt", "config history", CONSOLE_SERVER_INIT },
	{ "network/links.txt", "network show links", CONSOLE_SERVER_NETD },
	{ "network/addrs.txt", "network show addrs", CONSOLE_SERVER_NETD },
	{ "network/routes.txt", "network show routes", CONSOLE_SERVER_NETD },
	{ "network/dns.txt", "network show dns", CONSOLE_SERVER_NETD },
	{ "network/leases.txt", "network show leases", CONSOLE_SERVER_NETD },
	{ "network/ports.txt", "network show ports", CONSOLE_SERVER_NETD },
	{ "network/time.txt", "network show time", CONSOLE_SERVER_NETD },
	{ "network/networks.txt", "network show networks", CONSOLE_SERVER_NETD },
	{ "network/firewall.txt", "network show firewall", CONSOLE_SERVER_NETD },
	{ "log/boots.txt", "log --boots", CONSOLE_SERVER_INIT },
	{ "log/this-boot.txt", "log --boot 0 -n 8000", CONSOLE_SERVER_INIT },
	{ "log/boot-before.txt", "log --boot -1 -n 4000", CONSOLE_SERVER_INIT },
	{ "log/memory.txt", "log -n 0", CONSOLE_SERVER_INIT },
	{ "log/kernel.txt", "log kernel -n 0", CONSOLE_SERVER_INIT },
};

static int write_all(int fd, const struct buf *data, struct err *err)
{
	return buf_error(data) ? err_set(err, buf_error(data), "support: out of memory")
			       : fs_write_fd(fd, data->data, data->len, err);
}

/* What a command prints, without secrets; an error of it is part of the picture. */
static int capture(struct console *console, const char *command, struct buf *out)
{
	struct buf raw OWN(buf_done) = { 0 };
	int r;

	buf_init(&raw, SUPPORT_FILE_MAX);
	console->capture = &raw;
	r = console_run(console, command);
	console->capture = NULL;
	redact_text(buf_str(&raw), out);
	if (buf_error(&raw))
		(void)buf_add_text(out, "(cut here: it is longer)\n");
	return r;
}

/* A daemon that did not answer once is not asked again: the archive is wanted most when it hangs.
 */
static int put_part(struct console *console, const struct part *part, const char *folder, int fd,
		    struct err *err)
{
	static bool away[CONSOLE_SERVER_COUNT];
	struct buf text OWN(buf_done) = { 0 }, file OWN(buf_done) = { 0 };
	char name[USTAR_NAME_MAX + 1];
	int r;

	(void)snprintf(name, sizeof(name), "%s/%s", folder, part->name);
	buf_init(&text, 2 * SUPPORT_FILE_MAX);
	buf_init(&file, 2 * SUPPORT_FILE_MAX + 4 * USTAR_BLOCK);
	if (part == parts)
		memset(away, 0, sizeof(away));
	if (away[part->server])
		(void)buf_add_text(&text, "not asked: it did not answer before\n");
	else
		away[part->server] = capture(console, part->command, &text) == -ETIMEDOUT;
	r = ustar_put_file(&file, name, buf_str(&text), wall_now_s());
	return r < 0 ? err_set(err, r, "support: %s", name) : write_all(fd, &file, err);
}

static int put_parts(struct console *console, const char *folder, int fd, struct err *err)
{
	struct buf end OWN(buf_done) = { 0 };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts) && r >= 0; i++) {
		r = put_part(console, &parts[i], folder, fd, err);
		if (console->interrupted || console->quit)
			return err_set(err, -EINTR, "interrupted");
	}
	buf_init(&end, 2 * USTAR_BLOCK);
	if (r >= 0 && ustar_put_end(&end) >= 0)
		r = write_all(fd, &end, err);
	return r;
}

static int collect(struct console *console, char path[SUPPORT_PATH_MAX], struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	bool full_screen = console->full_screen, json = console->json;
	char folder[64];
	int fd OWN_FD = -1;
	struct wire in;
	int r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_SUPPORT_FILE, STR(""), &reply,
			     err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	wire_text(&in, path, SUPPORT_PATH_MAX);
	if (wire_end(&in) < 0 || reply.nfds != 1)
		return err_set(err, -EBADMSG, "init: malformed answer");
	fd = msg_take_fd(&reply, 0);
	(void)snprintf(folder, sizeof(folder), "support-%.40s", console->hostname);
	console->full_screen = true; /* lines of the log stay out of what is captured */
	console->patience_ms = SUPPORT_PATIENCE_MS;
	r = put_parts(console, *console->hostname ? folder : "support", fd, err);
	console->full_screen = full_screen;
	console->json = json;
	console->patience_ms = 0;
	if (r >= 0 && console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("path", path));
	else if (r >= 0)
		console_printf(console,
			       "%s: passwords, tokens, keys and environments are "
			       "redacted; logs of containers are not in it\n",
			       path);
	return r;
}

/* ---- support send ---- */

/* "sent 1.5 of 3.2 MiB", drawn in place on a terminal. */
static void show_step(struct console *console, struct progress *progress, struct wire *in)
{
	uint64_t done = wire_u64(in), size = wire_u64(in);
	struct buf out OWN(buf_done) = { 0 };
	char line[80];

	if (wire_end(in) < 0)
		return;
	if (console->json) {
		CONSOLE_OBJECT(console, JSON_NUMBER("sent", (int64_t)done),
			       JSON_NUMBER("of", (int64_t)size));
		return;
	}
	(void)snprintf(line, sizeof(line), "support archive: %llu of %llu KiB are sent",
		       (unsigned long long)(done >> 10), (unsigned long long)(size >> 10));
	if (!console->is_tty || console->capture) {
		if (done == size)
			console_printf(console, "%s\n", line);
		return;
	}
	buf_init(&out, PROGRESS_ROWS_MAX * PROGRESS_TEXT_MAX * 2);
	progress_line(progress, str_from(line), &out);
	console_write(console, buf_text(&out), out.len);
}

/* Its words until it is there; whoever stops waiting stops it. */
static int follow_send(struct console *console, int fd, struct progress *progress, char *ret_text,
		       size_t cap, struct err *err)
{
	for (;;) {
		struct msg reply OWN(msg_done) = { 0 };
		struct wire in;
		int r;

		if (console_interrupted(console) || console->quit) {
			console_drop(console, CONSOLE_SERVER_INIT);
			console_printf(console, "not sent: it was interrupted\n");
			return -EINTR;
		}
		if (!(console_wait(console, fd, SUPPORT_PATIENCE_MS) & 2))
			continue;
		r = console_next(console, CONSOLE_SERVER_INIT, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		wire_init(&in, reply.body.ptr, reply.body.len);
		if (reply.flags & MSG_FLAG_MORE) {
			show_step(console, progress, &in);
			continue;
		}
		wire_text(&in, ret_text, cap);
		return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "init: malformed answer") : 0;
	}
}

static int send_archive(struct console *console, const char *path, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct progress progress;
	char text[ERR_TEXT_MAX];
	int fd, r;

	buf_init(&body, SUPPORT_PATH_MAX + 8);
	wire_put_text(&body, path);
	progress_init(&progress, console->rows, console->columns);
	fd = console_send(console, CONSOLE_SERVER_INIT, INIT_MSG_SUPPORT_SEND, buf_str(&body), 1,
			  err);
	r = fd < 0 ? fd : follow_send(console, fd, &progress, text, sizeof(text), err);
	if (r == -EINTR)
		return r;
	if (r < 0)
		return err_prefix(err, "%s was not sent", path);
	if (console->json)
		CONSOLE_OBJECT(console, JSON_TEXT("answer", text));
	else
		console_printf(console, "sent: %s\n", text);
	return 0;
}

/* Without an archive's path it makes one first. */
int verb_support(struct console *console, const struct words *words, struct err *err)
{
	bool sends = !strcmp(words->items[1], "send");
	char path[SUPPORT_PATH_MAX] = "";
	int r = 0;

	if ((!sends && strcmp(words->items[1], "collect") != 0) || (!sends && words->count > 2))
		return err_set(err, -EINVAL, "usage: support collect, support send [ARCHIVE]");
	if (words->count > 2 && str_copy(str_from(words->items[2]), path, sizeof(path)) < 0)
		return err_set(err, -ENAMETOOLONG, "the path of the archive is too long");
	if (words->count < 3)
		r = collect(console, path, err);
	return r < 0 || !sends ? r : send_archive(console, path, err);
}

/* ---- boot chart ---- */

/* From memory where the whole boot is still in it, which init says by its first lines. */
static int read_marks(struct console *console, struct chart *chart, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	bool more = true;
	int fd, r;

	buf_init(&body, 64);
	wire_put_text(&body, "");
	wire_put_u32(&body, 0);
	wire_put_u8(&body, 0);
	fd = console_send(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG, buf_str(&body), 1, err);
	while (fd >= 0 && more) {
		struct msg reply OWN(msg_done) = { 0 };
		char role[32], text[INIT_LINE_MAX + 8];
		struct wire in;
		uint32_t count;

		if (console->quit || console_interrupted(console))
			return err_set(err, -EINTR, "interrupted");
		if (!(console_wait(console, fd, SUPPORT_PATIENCE_MS) & 2))
			continue;
		r = console_next(console, CONSOLE_SERVER_INIT, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		wire_init(&in, reply.body.ptr, reply.body.len);
		count = wire_count(&in, 65536);
		for (uint32_t i = 0; i < count && !in.error; i++) {
			(void)wire_i64(&in);
			(void)wire_u8(&in);
			wire_text(&in, role, sizeof(role));
			wire_text(&in, text, sizeof(text));
			if (!in.error)
				chart_take(chart, str_from(role), str_from(text));
		}
		more = (reply.flags & MSG_FLAG_MORE) != 0;
	}
	return fd < 0 ? fd : 0;
}

/* The newest boot in the files comes last: each beginning starts the picture anew. */
static int read_files(struct console *console, struct chart *chart, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct logline_boots boots = { 0 };
	struct log_reader reader;
	struct logline line;
	struct str text;
	int r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG_FILES, STR(""), &reply,
			     err);

	if (r < 0)
		return r;
	log_reader_init(&reader, &reply);
	for (; log_reader_line(&reader, &text); log_reader_next(&reader)) {
		if (!logline_parse(text, &line))
			continue;
		if (logline_boots_pass(&boots, &line))
			*chart = (struct chart){ 0 };
		chart_take(chart, line.role, line.text);
	}
	log_reader_done(&reader);
	return 0;
}

static bool has_start(const struct chart *chart)
{
	return chart->count > 0 && !strcmp(chart->rows[0].name, "pid1");
}

int verb_boot(struct console *console, const struct words *words, struct err *err)
{
	static struct chart chart;
	struct buf svg OWN(buf_done) = { 0 };
	char title[160];
	int r;

	if (strcmp(words->items[1], "chart") != 0)
		return err_set(err, -EINVAL, "usage: boot chart");
	chart = (struct chart){ 0 };
	r = read_marks(console, &chart, err);
	if (r >= 0 && !has_start(&chart))
		r = read_files(console, &chart, err);
	if (r < 0)
		return r;
	for (size_t i = 0; console->json && i < chart.count; i++)
		CONSOLE_OBJECT(console, JSON_TEXT("name", chart.rows[i].name),
			       JSON_BOOL("service", chart.rows[i].service),
			       JSON_NUMBER("from_ms", chart.rows[i].from_ms),
			       JSON_NUMBER("to_ms", chart.rows[i].to_ms));
	if (console->json && chart.count)
		return 0;
	buf_init(&svg, CHART_SVG_MAX);
	(void)snprintf(title, sizeof(title), "%s, Hoy %s: ms since the kernel started",
		       *console->hostname ? console->hostname : "this machine", HOY_VERSION);
	r = chart_svg(&chart, title, &svg);
	if (r < 0)
		return err_set(err, r, "the log holds no marks of this boot any more");
	console_write(console, buf_text(&svg), svg.len);
	return 0;
}

/* ---- metrics ---- */

/* "name{label=\"value\"} 3.5", a row each; the value stays a text: a number of it may be NaN. */
static void metrics_json(struct console *console, struct str text)
{
	struct str line;

	while (str_cut(&text, '\n', &line)) {
		size_t end = line.len, name = 0;

		if (!line.len || line.ptr[0] == '#')
			continue;
		while (end > 0 && line.ptr[end - 1] != ' ')
			end--;
		while (name < end && line.ptr[name] != '{' && line.ptr[name] != ' ')
			name++;
		CONSOLE_OBJECT(console, JSON_STR("name", str_head(line, name)),
			       JSON_STR("labels", str_trim(str_skip(str_head(line, end), name))),
			       JSON_STR("value", str_skip(line, end)));
	}
}

int verb_metrics(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	struct str text;
	int r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_METRICS, STR(""), &reply,
			     err);

	(void)words;
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	text = wire_str(&in, reply.body.len);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	if (console->json)
		metrics_json(console, text);
	else
		console_write(console, text.ptr, text.len);
	return 0;
}
