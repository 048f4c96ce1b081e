/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a command in a container, its fds handed to this process. Without -t the output is escaped
 * line by line where a terminal shows it; with -t the container's bytes go to the terminal as they
 * are, which is what a person asks for with it; with -i what is read goes in. Runs in the console
 * program. Must never wait for a process that reads nothing: what it writes is taken meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "init/console/exec_words.h"
#include "init/console/typed.h"
#include "lib/own.h"

/* A pipe that is ready takes EXEC_BYTES without waiting: PIPE_BUF of pipe(7). */
enum {
	EXEC_SERIAL = 3,
	EXEC_SIZE_SERIAL,
	EXEC_BYTES = 4096,
	EXEC_LINE_MAX = 8192,
	EXEC_ROUND_MS = 5000
};

/* Output that is gathered until a line is complete. */
struct exec_output {
	int fd; /* -1 = closed */
	char line[EXEC_LINE_MAX];
	size_t len;
};

struct exec_run {
	struct console *console;
	bool tty, ended;
	bool input; /* -i: what is read goes in */
	bool bytes; /* its output is passed on as it is: no terminal shows it */
	bool begun; /* the fds are here */
	bool mute;  /* nobody types any more, or nobody reads it */
	int32_t code;
	int stdin_fd;
	char waiting[EXEC_BYTES]; /* to go in */
	size_t waiting_at, waiting_len;
	struct exec_output outputs[2];
};

static void put_args(const struct console *console, const struct exec_wish *wish, struct buf *body)
{
	struct engine_exec_args args = { .tty = wish->tty,
					 .privileged = wish->privileged,
					 .rows = (uint16_t)console->rows,
					 .columns = (uint16_t)console->columns,
					 .argv = wish->command,
					 .env = wish->env };

	(void)str_copy(str_from(wish->name), args.name, sizeof(args.name));
	(void)str_copy(str_from(wish->user), args.user, sizeof(args.user));
	(void)str_copy(str_from(wish->cwd), args.cwd, sizeof(args.cwd));
	engine_exec_put(body, &args);
}

static int check_lengths(const struct exec_wish *wish, struct err *err)
{
	const struct engine_exec_args *args;

	if (strlen(wish->name) >= sizeof(args->name))
		return err_set(err, -ENOENT, "no container has so long a name");
	if (strlen(wish->user) >= sizeof(args->user))
		return err_set(err, -EINVAL, "--user: the name is too long");
	if (strlen(wish->cwd) >= sizeof(args->cwd))
		return err_set(err, -EINVAL, "--workdir: the path is too long");
	return 0;
}

/* ---- its output ---- */

static void flush_line(struct exec_run *run, struct exec_output *output)
{
	if (output->len)
		console_foreign(run->console, str_make(output->line, output->len));
	output->len = 0;
}

static void take_output(struct exec_run *run, struct exec_output *output)
{
	char bytes[EXEC_BYTES];
	ssize_t n = read(output->fd, bytes, sizeof(bytes));

	if (n <= 0) {
		flush_line(run, output);
		own_close(&output->fd);
		return;
	}
	if (run->tty || run->bytes) {
		if (run->tty)
			console_raw(run->console, bytes, (size_t)n);
		else
			console_bytes(run->console, output == &run->outputs[1] ? 2 : 1, bytes,
				      (size_t)n);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != '\n' && output->len < sizeof(output->line) - 1) {
			output->line[output->len++] = bytes[i];
			continue;
		}
		if (!output->len)
			console_write(run->console, "\n", 1);
		flush_line(run, output);
	}
}

/* ---- its input ---- */

static bool has_waiting(const struct exec_run *run)
{
	return run->waiting_at < run->waiting_len;
}

static void close_input(struct exec_run *run)
{
	run->mute = true;
	run->waiting_at = run->waiting_len = 0;
	if (!run->tty)
		own_close(&run->stdin_fd);
}

/* As much as it takes now; behind the last byte its end is told. What is typed before the fds are
 * here waits for them. */
static void pass_waiting(struct exec_run *run)
{
	if (!run->begun)
		return;
	while (has_waiting(run)) {
		ssize_t n = write(run->stdin_fd, run->waiting + run->waiting_at,
				  run->waiting_len - run->waiting_at);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) { /* it closed its standard input */
			close_input(run);
			return;
		}
		run->waiting_at += (size_t)n;
	}
	run->waiting_at = run->waiting_len = 0;
	if (run->mute)
		close_input(run);
}

/* Lines as a person types them on a terminal that is raw. False = interrupted. */
static bool take_line(struct exec_run *run, const char *bytes, size_t len)
{
	struct buf shown OWN(buf_done) = { 0 };
	enum typed_event event;

	buf_init(&shown, 8192);
	event = typed_feed(str_make(bytes, len), run->waiting, sizeof(run->waiting),
			   &run->waiting_len, &shown);
	console_raw(run->console, buf_text(&shown), shown.len);
	run->mute = run->mute || event == TYPED_EVENT_END;
	return event != TYPED_EVENT_INTERRUPT;
}

/* What is read goes in; of a person's keys without -t and -i only Ctrl-C counts. False =
 * interrupted. */
static bool take_input(struct exec_run *run)
{
	char bytes[EXEC_BYTES / 4];
	ssize_t n = console_read(run->console, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0 && (run->console->keys || run->console->quit))
		return false;
	if (n <= 0) {
		run->mute = true;
	} else if (run->console->keys && !run->tty) {
		if (!run->input)
			return !memchr(bytes, 3, (size_t)n);
		if (!take_line(run, bytes, (size_t)n))
			return false;
	} else {
		memcpy(run->waiting, bytes, (size_t)n);
		run->waiting_len = (size_t)n;
	}
	pass_waiting(run);
	return true;
}

/* ---- the engine ---- */

static void take_fds(struct exec_run *run, struct msg *reply)
{
	run->begun = true;
	if (run->tty) {
		run->outputs[0].fd = msg_take_fd(reply, 0);
		run->stdin_fd = run->outputs[0].fd >= 0 ? dup(run->outputs[0].fd) : -1;
		return;
	}
	if (run->input)
		run->stdin_fd = msg_take_fd(reply, 0);
	run->outputs[0].fd = msg_take_fd(reply, 1);
	run->outputs[1].fd = msg_take_fd(reply, 2);
	pass_waiting(run);
}

static int take_message(struct exec_run *run, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	int r = console_next(run->console, CONSOLE_SERVER_ENGINE, &reply, err);
	struct wire in;

	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	if (reply.serial != EXEC_SERIAL) /* of its terminal's size */
		return 0;
	if (!(reply.flags & MSG_FLAG_MORE)) {
		wire_init(&in, reply.body.ptr, reply.body.len);
		run->code = (int32_t)wire_u32(&in);
		run->ended = true;
		return 0;
	}
	take_fds(run, &reply);
	return 0;
}

/* Its client's terminal is another one. */
static void tell_size(struct exec_run *run)
{
	struct buf body OWN(buf_done) = { 0 };

	run->console->resized = false;
	buf_init(&body, 16);
	wire_put_u32(&body, EXEC_SERIAL);
	wire_put_u16(&body, (uint16_t)run->console->rows);
	wire_put_u16(&body, (uint16_t)run->console->columns);
	(void)console_send(run->console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_RESIZE, buf_str(&body),
			   EXEC_SIZE_SERIAL, NULL);
}

/* What is to be read now: keys at any time, bytes while none wait and somebody takes them. */
static int input_fd(const struct exec_run *run)
{
	bool bytes = run->begun && run->stdin_fd >= 0 && !has_waiting(run);

	if (run->mute)
		return -1;
	return bytes || (run->console->keys && !run->tty) ? run->console->in_fd : -1;
}

/* Looks at everything once; 1 = go on, 0 = finished, else an error. */
static int exec_round(struct exec_run *run, int engine_fd, struct err *err)
{
	struct pollfd fds[5] = { { .fd = input_fd(run), .events = POLLIN },
				 { .fd = run->outputs[0].fd, .events = POLLIN },
				 { .fd = run->outputs[1].fd, .events = POLLIN },
				 { .fd = run->ended ? -1 : engine_fd, .events = POLLIN },
				 { .fd = has_waiting(run) ? run->stdin_fd : -1,
				   .events = POLLOUT } };
	int ready = poll(fds, 5, run->ended ? 200 : EXEC_ROUND_MS);
	int r;

	if (ready < 0 && errno != EINTR)
		return err_sys(err, -errno, "poll");
	if (!ready && run->ended)
		return 0; /* a grandchild may hold the pipes open for ever */
	(void)console_wait(run->console, -1, 0);
	for (size_t i = 0; ready > 0 && i < 2; i++) {
		if (fds[1 + i].revents)
			take_output(run, &run->outputs[i]);
	}
	if (ready > 0 && fds[4].revents)
		pass_waiting(run);
	if (ready > 0 && fds[0].revents && !take_input(run))
		return err_set(err, -EINTR, "interrupted");
	if (run->tty && run->console->resized && run->begun)
		tell_size(run);
	if (ready > 0 && fds[3].revents) {
		r = take_message(run, err);
		if (r < 0)
			return r;
	}
	return !run->ended || run->outputs[0].fd >= 0 || run->outputs[1].fd >= 0;
}

static void begin(struct exec_run *run, struct console *console, const struct exec_wish *wish)
{
	memset(run, 0, sizeof(*run));
	*run = (struct exec_run){ .console = console, .tty = wish->tty, .stdin_fd = -1 };
	run->input = wish->input;
	run->bytes = wish->input && !wish->tty && !console->is_tty && !console->json &&
		     !console->capture;
	run->outputs[0].fd = run->outputs[1].fd = -1;
}

static int stay(struct exec_run *run, int fd, struct err *err)
{
	struct console *console = run->console;
	int r;

	do {
		r = exec_round(run, fd, err);
	} while (r > 0 && !console->quit);
	own_close(&run->stdin_fd);
	own_close(&run->outputs[0].fd);
	own_close(&run->outputs[1].fd);
	if (!run->ended) /* its end is not ours to wait for any more */
		console_drop(console, CONSOLE_SERVER_ENGINE);
	if (r < 0)
		return r;
	console->exit_code = run->code;
	if (run->code && !run->bytes)
		console_printf(console, "exit %d\n", run->code);
	return 0;
}

int verb_exec(struct console *console, const struct words *words, struct err *err)
{
	static struct exec_run run;
	struct exec_wish wish;
	struct buf body OWN(buf_done) = { 0 };
	int fd, r = exec_words_parse(words, &wish, err);

	if (r >= 0)
		r = check_lengths(&wish, err);
	if (r < 0)
		return r;
	if (wish.tty && console->capture)
		return err_set(err, -EPERM, "exec -t has no pipe behind it");
	buf_init(&body, 65536);
	put_args(console, &wish, &body);
	begin(&run, console, &wish);
	if (console->keys && wish.input && !wish.tty)
		typed_begin(console->columns);
	fd = console_send(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_EXEC, buf_str(&body),
			  EXEC_SERIAL, err);
	if (fd < 0)
		return fd;
	if (!console->is_unit &&
	    (wish.tty || wish.input)) /* a terminal that somebody started `hoy exec` on */
		console_tty_raw(console);
	r = stay(&run, fd, err);
	if (!console->is_unit)
		console_tty_restore(console);
	return r;
}
