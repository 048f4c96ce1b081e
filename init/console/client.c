/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console's connections to init, netd and the engine. Runs in the console program. Must stay
 * usable when any of them is away: then it says which one, and that it is being started again.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"
#include "lib/mono.h"
#include "lib/own.h"

enum {
	CLIENT_TIMEOUT_MS = 20000,
	CLIENT_JOB_SERIAL = 2,
	CLIENT_LINE_MAX = 2048,
	CLIENT_SILENCE_MS = 5000,
	CLIENT_DOUBT_MS = 1000, /* without an answer: then init says whether it runs at all */
};

static const char *const server_names[] = { "init", "the network helper", "the engine" };
static const char *const server_sockets[] = { "init.sock", "netd.sock", "engine.sock" };

static int connect_to(struct console *console, enum console_server server, struct err *err)
{
	struct err why = { 0 };
	int fd;

	if (console->servers[server] >= 0)
		return console->servers[server];
	fd = msg_connect(console->run_fd, server_sockets[server], &why);
	/* No socket yet is nothing that a person named: the daemon is away. */
	if (fd < 0)
		return err_set(err, fd == -ENOENT ? -ECONNREFUSED : fd,
			       "%s cannot be reached (%s); `status` tells its state",
			       server_names[server], err_name(fd));
	console->servers[server] = fd;
	return fd;
}

void console_drop(struct console *console, enum console_server server)
{
	own_close(&console->servers[server]);
}

int console_send(struct console *console, enum console_server server, uint16_t type,
		 struct str body, uint32_t serial, struct err *err)
{
	struct msg msg = { .type = type, .flags = MSG_FLAG_CALL, .serial = serial, .body = body };
	int fd = connect_to(console, server, err);
	int r;

	if (fd < 0)
		return fd;
	r = msg_send(fd, &msg, err);
	if (r == -EPIPE || r == -ECONNRESET) { /* it was started again since we spoke last */
		console_drop(console, server);
		fd = connect_to(console, server, err);
		if (fd < 0)
			return fd;
		r = msg_send(fd, &msg, err);
	}
	return r < 0 ? r : fd;
}

static int read_error(const struct msg *msg, struct err *err)
{
	char text[ERR_TEXT_MAX];
	struct wire in;
	int code;

	wire_init(&in, msg->body.ptr, msg->body.len);
	code = (int)wire_u32(&in);
	wire_text(&in, text, sizeof(text));
	/* -EAGAIN means here that nothing has come yet: whoever waits would wait on. */
	return err_set(err, code == -EAGAIN ? -EBUSY : code < 0 ? code : -EIO, "%s", text);
}

int console_next(struct console *console, enum console_server server, struct msg *ret_reply,
		 struct err *err)
{
	int r = msg_recv(console->servers[server], ret_reply, err);

	if (r == 0 || (r < 0 && r != -EAGAIN)) {
		console_drop(console, server);
		if (!r)
			err_set(err, -EPIPE, "%s went away while it answered",
				server_names[server]);
		return r < 0 ? r : 0;
	}
	if (r > 0 && ret_reply->flags & MSG_FLAG_ERROR) {
		uint32_t serial = ret_reply->serial;

		r = read_error(ret_reply, err);
		msg_done(ret_reply);
		ret_reply->serial = serial;
	}
	return r;
}

/* A daemon whose socket takes calls may still be none that runs: init keeps both ends of it. */
static int does_run(struct console *console, enum console_server server, struct err *err)
{
	static const char *const units[] = { "init", "netd", "engine" };
	static struct init_status status;

	if (server == CONSOLE_SERVER_INIT || console_status(console, &status, NULL) < 0)
		return 0;
	for (uint32_t i = 0; i < status.unit_count; i++) {
		const struct init_unit_status *unit = &status.units[i];
		char text[2 * sizeof(unit->text)];

		if (strcmp(unit->name, units[server]) != 0 ||
		    (unit->state != INIT_UNIT_STOPPED && unit->state != INIT_UNIT_BACKOFF))
			continue;
		(void)str_escape(str_from(unit->text), text, sizeof(text));
		console_drop(console, server);
		return err_set(err, -ECONNREFUSED, "%s does not run%s%s; `status` tells its state",
			       server_names[server], *text ? ": " : "", text);
	}
	return 0;
}

int console_call_within(struct console *console, enum console_server server, uint16_t type,
			struct str body, int timeout_ms, struct msg *ret_reply, struct err *err)
{
	static uint32_t last_serial = 100;
	const uint32_t serial = ++last_serial; /* init is asked in between */
	struct mono end = mono_add_ms(mono_now(), timeout_ms);
	bool doubted = timeout_ms <= CLIENT_DOUBT_MS;
	int fd = console_send(console, server, type, body, serial, err);
	int r;

	while (fd >= 0) {
		int64_t left = mono_diff_ms(end, mono_now());
		int64_t trust = left - (doubted ? 0 : timeout_ms - CLIENT_DOUBT_MS);

		if (left > 0 && trust <= 0) {
			doubted = true;
			if (does_run(console, server, err) < 0)
				return -ECONNREFUSED;
			continue;
		}
		if (left <= 0) {
			console_drop(console, server);
			return err_set(err, -ETIMEDOUT,
				       "%s does not answer; `status` tells its state",
				       server_names[server]);
		}
		if (!(console_wait(console, fd, (int)trust) & 2)) {
			if (console_interrupted(console))
				return err_set(err, -EINTR, "interrupted");
			if (console->quit)
				return err_set(err, -ECANCELED, "the console ends");
			continue;
		}
		r = console_next(console, server, ret_reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		if (ret_reply->serial == serial)
			return 0;
		msg_done(ret_reply); /* of a call that was interrupted */
	}
	return fd;
}

int console_call(struct console *console, enum console_server server, uint16_t type,
		 struct str body, struct msg *ret_reply, struct err *err)
{
	int patience_ms = console->patience_ms ? console->patience_ms : CLIENT_TIMEOUT_MS;

	return console_call_within(console, server, type, body, patience_ms, ret_reply, err);
}

/* ---- jobs ---- */

/* Nothing more within the time, and nobody waits any more: the job is left to itself. */
static bool leaves(struct console *console, const struct console_job *job)
{
	if (!console_interrupted(console) && !console->quit)
		return false;
	console_drop(console, CONSOLE_SERVER_ENGINE);
	console_printf(console, "%s\n", job->background);
	return true;
}

/* In place: on a terminal that nothing else takes what is printed from. */
static bool draws(const struct console *console, const struct console_job *job)
{
	return job->one_line && console->is_tty && !console->capture && !console->json;
}

static void draw(struct console *console, struct progress *progress, struct str line)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, PROGRESS_ROWS_MAX * PROGRESS_TEXT_MAX * 2);
	progress_line(progress, line, &out);
	console_write(console, buf_text(&out), out.len);
	console->progress = progress;
}

/* Nothing has come yet: who waits is told for what, and for how long already. */
static void say_silence(struct console *console, const struct console_job *job, int silent_ms)
{
	if (job->silence && silent_ms && silent_ms % CLIENT_SILENCE_MS == 0)
		console_printf(console, "%s, %d s\n", job->silence, silent_ms / 1000);
}

static int follow(struct console *console, const struct console_job *job, struct str body,
		  struct progress *progress, struct err *err)
{
	int fd = console_send(console, CONSOLE_SERVER_ENGINE, job->type, body, CLIENT_JOB_SERIAL,
			      err);
	int silent_ms = 0;

	console->json_name = "progress"; /* what is said while nothing comes */

	while (fd >= 0) {
		struct msg reply OWN(msg_done) = { 0 };
		char text[CLIENT_LINE_MAX];
		struct wire in;
		bool more;
		int r;

		if (!(console_wait(console, fd, CLIENT_SILENCE_MS) & 2)) {
			if (leaves(console, job))
				return 0;
			if (!silent_ms && does_run(console, CONSOLE_SERVER_ENGINE, err) < 0)
				return -ECONNREFUSED;
			silent_ms += silent_ms >= 0 ? CLIENT_SILENCE_MS : 0;
			if (silent_ms > 0)
				say_silence(console, job, silent_ms);
			continue;
		}
		r = console_next(console, CONSOLE_SERVER_ENGINE, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		silent_ms = -1;
		wire_init(&in, reply.body.ptr, reply.body.len);
		more = (reply.flags & MSG_FLAG_MORE) != 0;
		if (more && job->more) {
			job->more(console, job->owner, &in);
			continue;
		}
		wire_text(&in, text, sizeof(text));
		if (!more && job->more)
			job->more(console, job->owner, NULL);
		if (!more && job->last)
			(void)str_copy(str_from(text), job->last, job->last_cap);
		if (console->json && (!more || !job->quiet))
			console_json_text(console,
					  more	      ? "progress"
					  : job->name ? job->name
						      : "text",
					  str_from(text));
		else if (more && !job->quiet && draws(console, job))
			draw(console, progress, str_from(text));
		else if (!more || !job->quiet)
			console_printf(console, "%s%s\n", more || job->quiet ? "" : job->done,
				       text);
		if (!more)
			return 0;
	}
	return fd;
}

int console_follow(struct console *console, const struct console_job *job, struct str body,
		   struct err *err)
{
	struct progress progress;
	int r;

	progress_init(&progress, console->rows, console->columns);
	r = follow(console, job, body, &progress, err);
	console->progress = NULL;
	return r;
}

/* ---- the pair with init ---- */

/* Not into what a filter reads, or json: a line of the log is no part of any command's output. */
static void show_line(struct console *console, int64_t at_ms, const char *unit, const char *line)
{
	struct buf *capture = console->capture;

	if (console->json)
		return; /* a script reads this terminal: `log` has the line */
	console->capture = NULL;
	console_raw(console, "\r\x1b[K", 4);
	console_printf(console, "[%5lld.%03lld] %s: %s\n", (long long)(at_ms / 1000),
		       (long long)(at_ms % 1000), unit, line);
	console->capture = capture;
}

/* What init says on its own: log lines go above the prompt. */
static void serve_message(struct console *console, struct msg *msg)
{
	char unit[32], line[INIT_LINE_MAX + 8];
	struct buf out OWN(buf_done) = { 0 };
	struct wire in;
	int64_t at_ms;

	if (msg->type == INIT_MSG_STOP)
		console->quit = true;
	if (msg->type != INIT_MSG_LINE)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	at_ms = wire_i64(&in);
	(void)wire_u8(&in);
	wire_text(&in, unit, sizeof(unit));
	wire_text(&in, line, sizeof(line));
	if (wire_end(&in) < 0 || console->full_screen)
		return;
	if (console->progress)
		progress_lost(console->progress);
	show_line(console, at_ms, unit, line);
	if (!console->typing)
		return;
	buf_init(&out, 8192);
	edit_redraw(console->typing, &out);
	console_raw(console, buf_text(&out), out.len);
}

void console_serve_init(struct console *console)
{
	struct msg msg = { 0 };
	int r = msg_recv(console->unit_fd, &msg, NULL);

	if (r == 0) {
		console->unit_fd = -1;
		console->quit = true;
	}
	if (r <= 0)
		return;
	serve_message(console, &msg);
	msg_done(&msg);
}

int console_own_call(struct console *console, uint16_t type, struct str body, struct msg *ret_reply,
		     struct err *err)
{
	return console->is_unit
		       ? console_unit_call(console, type, body, ret_reply, err)
		       : console_call(console, CONSOLE_SERVER_INIT, type, body, ret_reply, err);
}

int console_unit_call(struct console *console, uint16_t type, struct str body,
		      struct msg *ret_reply, struct err *err)
{
	struct msg call = { .type = type, .flags = MSG_FLAG_CALL, .serial = 1, .body = body };
	int r = msg_send(console->unit_fd, &call, err);

	while (r >= 0) {
		struct pollfd poll_fd = { .fd = console->unit_fd, .events = POLLIN };

		if (poll(&poll_fd, 1, CLIENT_TIMEOUT_MS) <= 0)
			return err_set(err, -ETIMEDOUT, "init does not answer");
		r = msg_recv(console->unit_fd, ret_reply, err);
		if (r == 0)
			return err_set(err, -EPIPE, "init went away");
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r < 0) {
			r = 0;
			continue;
		}
		if (!(ret_reply->flags & MSG_FLAG_REPLY)) {
			serve_message(console, ret_reply);
			msg_done(ret_reply);
			continue;
		}
		if (ret_reply->flags & MSG_FLAG_ERROR) {
			r = read_error(ret_reply, err);
			msg_done(ret_reply);
			return r;
		}
		return 0;
	}
	return r;
}
