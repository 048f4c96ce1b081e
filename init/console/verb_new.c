/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: a container out of an image, as docker's: the image is pulled when it is missing, and unless
 * it is detached its output is shown until it ends. Runs in the console program. Must never wait
 * without saying for what; without -t every byte of the container is escaped.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "engine/api/run_msg.h"
#include "init/console/console.h"
#include "init/console/run_words.h"
#include "init/console/script.h"
#include "init/console/typed.h"
#include "lib/own.h"

enum {
	RUN_SERIAL_ATTACH = 11,
	RUN_SERIAL_WAIT,
	RUN_SERIAL_START,
	RUN_SERIAL_ACT,
	RUN_BYTES = 16384,
	RUN_LINE_MAX = 8192,
	RUN_START_MS = 120 * 1000,
	RUN_SCRIPT_TRIES = 5, /* a person ends it, a script cannot */
	RUN_ROUND_MS = 1000,
	RUN_DRAIN_MS = 2000, /* what a container wrote last is on its way when it ended */
};

/* One stream's line until its end comes. */
struct run_line {
	char text[RUN_LINE_MAX];
	size_t len;
};

struct run {
	struct console *console;
	struct run_wish wish;
	char id[80], name[ENGINE_NAME_MAX];
	struct run_frames frames;
	struct run_line lines[2];
	int stream_fd;	       /* -1 = not there yet, or at its end */
	char input[RUN_BYTES]; /* what is on its way in */
	size_t input_at, input_len;
	bool input_over; /* its end was reached, or nobody wants more */
	bool bytes;	 /* its output is passed on as it is: no terminal shows it */
	unsigned interrupts;
	bool started, over, ended; /* over: its end was told; ended: and nothing else is to come */
	int32_t code;
};

/* ---- the image, and the container ---- */

static void put_texts(struct buf *body, const char *const *texts, uint32_t count)
{
	wire_put_u32(body, count);
	for (uint32_t i = 0; i < count; i++)
		wire_put_text(body, texts[i]);
}

static int create(struct console *console, struct run *run, struct str section, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct wire in;
	int r;

	buf_init(&body, 2 * ENGINE_RUN_SECTION_MAX);
	wire_put_text(&body, run->wish.name);
	wire_put_u8(&body, (uint8_t)((run->wish.remove ? ENGINE_RUN_REMOVE : 0) |
				     (run->wish.tty || run->wish.input ? ENGINE_RUN_STDIN : 0) |
				     (run->wish.publish ? ENGINE_RUN_PUBLISH : 0)));
	wire_put_str(&body, section);
	put_texts(&body, run->wish.ports, run->wish.port_count);
	put_texts(&body, run->wish.volumes, run->wish.volume_count);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_RUN, buf_str(&body), &reply,
			 err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	wire_text(&in, run->id, sizeof(run->id));
	wire_text(&in, run->name, sizeof(run->name));
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "engine: malformed answer") : 0;
}

/* Says why and until when, and waits; false = nobody wants it any more. */
static bool pause_pull(struct console *console, unsigned attempt, const struct err *why)
{
	int pause_ms = run_pause_ms(attempt);

	if (!console->is_tty && attempt + 1 >= RUN_SCRIPT_TRIES)
		return false;
	console_printf(console, "%s; next try in %d s%s\n", err_text(why), pause_ms / 1000,
		       console->is_tty ? ", Ctrl-C ends it" : "");
	for (int left = pause_ms; left > 0; left -= RUN_ROUND_MS) {
		(void)console_wait(console, -1, left < RUN_ROUND_MS ? left : RUN_ROUND_MS);
		if (console_interrupted(console) || console->quit)
			return false;
	}
	return true;
}

static int pull(struct console *console, const char *image, struct err *err)
{
	static const struct console_job job = { .type = ENGINE_MSG_PULL,
						.done = "",
						.background = "it goes on in the background",
						.one_line = true,
						.silence = "waiting for the registry to "
							   "answer" };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, image);
	console_printf(console, "%s is not here: pulling it\n", image);
	for (unsigned attempt = 0;; attempt++) {
		struct err why = { 0 };
		int r = console_follow(console, &job, buf_str(&body), &why);

		if (console->interrupted || console->quit)
			return err_set(err, -EINTR, "interrupted");
		if (r >= 0)
			return 0;
		if (run_retry_helps(r) && pause_pull(console, attempt, &why))
			continue;
		if (console->interrupted)
			return err_set(err, -EINTR, "interrupted");
		return err_set(err, r, "%s", err_text(&why));
	}
}

static int create_or_pull(struct console *console, struct run *run, struct str section,
			  struct err *err)
{
	struct err why = { 0 };
	int r = create(console, run, section, &why);

	if (r == -ENODATA) {
		r = pull(console, run->wish.image, err);
		return r < 0 ? r : create(console, run, section, err);
	}
	return r < 0 ? err_set(err, r, "%s", err_text(&why)) : 0;
}

/* What could not be started is of no use: its name is free again. */
static void drop(struct console *console, const struct run *run)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 256);
	wire_put_text(&body, run->id);
	wire_put_u8(&body, true);
	wire_put_u8(&body, true);
	(void)console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_REMOVE, buf_str(&body),
			   &reply, NULL);
}

static int start_detached(struct console *console, const struct run *run, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&body, 256);
	wire_put_text(&body, run->id);
	r = console_call_within(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_START, buf_str(&body),
				RUN_START_MS, &reply, err);
	if (r < 0) {
		drop(console, run);
		return r;
	}
	if (!console->json) {
		console_printf(console, "%s\n", run->name);
		return 0;
	}
	buf_clear(&body);
	script_put_text(&body, "name", run->name);
	script_put_text(&body, "id", run->id);
	console_json(console, buf_str(&body));
	return 0;
}

/* ---- its output ---- */

static void flush_line(struct run *run, struct run_line *line)
{
	if (line->len)
		console_foreign(run->console, str_make(line->text, line->len));
	line->len = 0;
}

static void add_bytes(struct run *run, int stream, struct str bytes)
{
	struct run_line *line = &run->lines[stream - 1];

	if (run->bytes) {
		console_bytes(run->console, stream, bytes.ptr, bytes.len);
		return;
	}
	for (size_t i = 0; i < bytes.len; i++) {
		if (bytes.ptr[i] != '\n' && line->len < sizeof(line->text)) {
			line->text[line->len++] = bytes.ptr[i];
			continue;
		}
		if (!line->len)
			console_write(run->console, "\n", 1);
		flush_line(run, line);
		if (bytes.ptr[i] != '\n')
			line->text[line->len++] = bytes.ptr[i];
	}
}

static void stream_end(struct run *run)
{
	flush_line(run, &run->lines[0]);
	flush_line(run, &run->lines[1]);
	own_close(&run->stream_fd);
	run->input_over = true;
	run->input_at = run->input_len;
}

static int take_output(struct run *run, struct err *err)
{
	static char bytes[RUN_BYTES];
	ssize_t n = read(run->stream_fd, bytes, sizeof(bytes));
	struct str rest = str_make(bytes, n > 0 ? (size_t)n : 0), piece;
	int stream = 1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		stream_end(run);
	else if (run->wish.tty)
		console_raw(run->console, bytes, (size_t)n);
	while (n > 0 && !run->wish.tty && rest.len) {
		int r = run_frames_next(&run->frames, &rest, &piece, &stream, err);

		if (r < 0)
			return r;
		if (piece.len)
			add_bytes(run, stream, piece);
	}
	return 0;
}

/* ---- a person ---- */

/* The first Ctrl-C asks it to stop, the next one kills it. */
static int interrupt(struct run *run, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	bool kill_it = run->interrupts++ > 0;
	int fd;

	if (!run->started && !kill_it)
		return 0; /* once it is */
	if (!run->started)
		return err_set(err, -EINTR, "interrupted");
	if (run->interrupts > 2)
		return err_set(err, -EINTR, "%s is left alone", run->name);
	console_printf(run->console,
		       kill_it ? "killing it\n" : "stopping it; Ctrl-C again kills it\n");
	buf_init(&body, 256);
	wire_put_text(&body, run->id);
	wire_put_u8(&body, kill_it ? ENGINE_ACT_KILL : ENGINE_ACT_STOP);
	wire_put_i64(&body, kill_it ? SIGKILL : -1);
	fd = console_send(run->console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_ACT, buf_str(&body),
			  RUN_SERIAL_ACT, err);
	return fd < 0 ? fd : 0;
}

/* ---- input without a terminal of its own ---- */

static bool has_input(const struct run *run)
{
	return run->input_at < run->input_len;
}

/* As much as fits; behind the last byte its end is told. */
static void pass_input(struct run *run)
{
	while (has_input(run) && run->stream_fd >= 0) {
		ssize_t n = send(run->stream_fd, run->input + run->input_at,
				 run->input_len - run->input_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* it closed its standard input */
			run->input_over = true;
			run->input_at = run->input_len;
			return;
		}
		run->input_at += (size_t)n;
	}
	if (run->input_over && run->stream_fd >= 0)
		(void)shutdown(run->stream_fd, SHUT_WR);
}

/* Keys of a terminal that is raw for Ctrl-C: lines as a person sees them. */
static int take_typed(struct run *run, const char *bytes, size_t len, struct err *err)
{
	struct buf shown OWN(buf_done) = { 0 };
	enum typed_event event;

	buf_init(&shown, RUN_BYTES);
	event = typed_feed(str_make(bytes, len), run->input, sizeof(run->input), &run->input_len,
			   &shown);
	console_raw(run->console, buf_text(&shown), shown.len);
	run->input_over = run->input_over || event == TYPED_EVENT_END;
	return event == TYPED_EVENT_INTERRUPT ? interrupt(run, err) : 0;
}

/* A file is read only while nothing waits to be passed on. */
static int take_plain(struct run *run, struct err *err)
{
	char bytes[RUN_BYTES / 4];
	ssize_t n = console_read(run->console, bytes, sizeof(bytes));
	int r = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (!has_input(run))
		run->input_at = run->input_len = 0;
	if (n <= 0) {
		run->input_over = true;
	} else if (run->console->keys) {
		r = take_typed(run, bytes, (size_t)n, err);
	} else {
		memcpy(run->input, bytes, (size_t)n);
		run->input_len = (size_t)n;
	}
	pass_input(run);
	return r;
}

static int take_input(struct run *run, struct err *err)
{
	unsigned char bytes[256];
	ssize_t n = console_read(run->console, bytes, sizeof(bytes));

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0 && run->console->remote && !run->console->quit) {
		run->input_over = true; /* no more keys, but it goes on */
		return 0;
	}
	if (n <= 0)
		return err_set(err, -EINTR, "the terminal is gone; %s goes on", run->name);
	if (!run->wish.tty)
		return memchr(bytes, 3, (size_t)n) ? interrupt(run, err) : 0;
	if (run->stream_fd >= 0 && write(run->stream_fd, bytes, (size_t)n) < 0 && errno != EAGAIN)
		stream_end(run);
	return 0;
}

/* ---- the engine ---- */

static int take_message(struct run *run, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct err why = { 0 };
	int r = console_next(run->console, CONSOLE_SERVER_ENGINE, &reply, &why);
	struct wire in;

	if (r == -EAGAIN)
		return 0;
	/* Of two that fail the start says why; the other only that nothing runs. */
	if (r < 0 && reply.serial != RUN_SERIAL_START && reply.serial != 0)
		return 0;
	if (r <= 0)
		return err_set(err, r < 0 ? r : -EPIPE, "%s", err_text(&why));
	wire_init(&in, reply.body.ptr, reply.body.len);
	switch (reply.serial) {
	case RUN_SERIAL_ATTACH:
		run->stream_fd = msg_take_fd(&reply, 0);
		break;
	case RUN_SERIAL_START:
		run->started = true;
		if (!run->interrupts)
			break;
		run->interrupts = 0;
		r = interrupt(run, err);
		break;
	case RUN_SERIAL_WAIT:
		run->code = (int32_t)wire_u32(&in);
		run->over = true;
		break;
	default:
		break;
	}
	run->ended = run->started && run->over;
	return r < 0 ? r : 0;
}

static int ask(struct run *run, uint16_t type, uint32_t serial, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 256);
	wire_put_text(&body, run->id);
	if (type == ENGINE_MSG_ATTACH)
		wire_put_u8(&body, run->wish.tty || run->wish.input);
	if (type == ENGINE_MSG_TTY) {
		wire_put_u16(&body, (uint16_t)run->console->rows);
		wire_put_u16(&body, (uint16_t)run->console->columns);
	}
	return console_send(run->console, CONSOLE_SERVER_ENGINE, type, buf_str(&body), serial, err);
}

/* Looks at everything once; 1 = go on, 0 = finished, else an error. */
static int round_once(struct run *run, int engine_fd, struct err *err)
{
	bool plain = run->wish.input && !run->wish.tty && run->stream_fd >= 0 && !run->input_over;
	bool keys = (run->console->keys || run->wish.tty) && !run->console->input.over;
	bool typed = keys || plain;
	struct pollfd fds[3] = {
		{ .fd = typed && (keys || !has_input(run)) ? run->console->in_fd : -1,
		  .events = POLLIN },
		{ .fd = run->stream_fd, .events = has_input(run) ? POLLIN | POLLOUT : POLLIN },
		{ .fd = run->ended ? -1 : engine_fd, .events = POLLIN }
	};
	int ready, r = 0;

	if (run->ended && run->stream_fd < 0)
		return 0;
	ready = poll(fds, 3, run->ended ? RUN_DRAIN_MS : RUN_ROUND_MS);
	if (ready < 0 && errno != EINTR)
		return err_sys(err, -errno, "poll");
	if (run->ended && !ready)
		return 0;
	(void)console_wait(run->console, -1, 0);
	if (ready > 0 && fds[1].revents & POLLOUT)
		pass_input(run);
	if (ready > 0 && fds[1].revents & ~POLLOUT)
		r = take_output(run, err);
	if (r >= 0 && ready > 0 && fds[0].revents)
		r = plain ? take_plain(run, err) : take_input(run, err);
	if (r >= 0 && ready > 0 && fds[2].revents)
		r = take_message(run, err);
	return r < 0 ? r : 1;
}

static int stay(struct console *console, struct run *run, struct err *err)
{
	int fd = ask(run, ENGINE_MSG_ATTACH, RUN_SERIAL_ATTACH, err), r;

	if (fd >= 0)
		fd = ask(run, ENGINE_MSG_WAIT, RUN_SERIAL_WAIT, err);
	if (fd >= 0)
		fd = ask(run, ENGINE_MSG_START, RUN_SERIAL_START, err);
	for (r = fd; r >= 0 && !console->quit;) {
		bool before = run->started;

		r = round_once(run, fd, err);
		if (r == 0)
			break;
		if (r > 0 && run->started && run->wish.tty && (!before || console->resized))
			(void)ask(run, ENGINE_MSG_TTY, RUN_SERIAL_ACT, NULL);
		console->resized = false;
	}
	stream_end(run);
	if (!run->ended) /* its end is not ours to wait for any more */
		console_drop(console, CONSOLE_SERVER_ENGINE);
	if (r < 0 && !run->started)
		drop(console, run);
	if (r < 0)
		return r;
	console->exit_code = run->code;
	if (run->code && !run->bytes)
		console_printf(console, "exit %d\n", run->code);
	return 0;
}

int verb_run(struct console *console, const struct words *words, struct err *err)
{
	static struct run run;
	struct buf section OWN(buf_done) = { 0 };
	int r;

	memset(&run, 0, sizeof(run));
	run.console = console;
	run.stream_fd = -1;
	buf_init(&section, RUN_SECTION_MAX);
	r = run_words_parse(words, &run.wish, &section, err);
	if (r < 0)
		return r;
	if (run.wish.tty && (console->capture || console->json))
		return err_set(err, -EPERM, "run -t is for a terminal: no pipe, no JSON");
	run.bytes = run.wish.input && !console->is_tty && !console->json && !console->capture;
	if (console->keys && run.wish.input && !run.wish.tty)
		typed_begin(console->columns);
	if (!console->is_unit) /* where Ctrl-C would end this program, and nothing else */
		console_tty_raw(console);
	r = create_or_pull(console, &run, buf_str(&section), err);
	if (r >= 0 && run.wish.detach)
		r = start_detached(console, &run, err);
	else if (r >= 0)
		r = stay(console, &run, err);
	if (!console->is_unit)
		console_tty_restore(console);
	return r;
}
