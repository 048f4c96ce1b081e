/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a command in a container, its fds handed to this process. Without -t the output is escaped
 * line by line; with -t the container's bytes go to the terminal as they are, which is what a
 * person asks for with it. Runs in the console program.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/console/console.h"
#include "lib/own.h"

enum { EXEC_SERIAL = 3, EXEC_BYTES = 4096, EXEC_LINE_MAX = 8192 };

/* Output that is gathered until a line is complete. */
struct exec_output {
	int fd; /* -1 = closed */
	char line[EXEC_LINE_MAX];
	size_t len;
};

struct exec_run {
	struct console *console;
	bool tty, ended;
	bool mute; /* what is no terminal came to its end: nobody types */
	int32_t code;
	int stdin_fd;
	struct exec_output outputs[2];
};

/* "exec [-t] [-u USER] NAME COMMAND..." */
static int parse(const struct console *console, const struct words *words,
		 struct engine_exec_args *args, struct err *err)
{
	static const char *const no_env[] = { NULL };
	static const char usage[] = "usage: exec [-t] [--user NAME|UID[:GROUP]] NAME COMMAND...";
	int at = 1;

	for (; at < words->count && words->items[at][0] == '-'; at++) {
		const char *word = words->items[at];
		bool user = !strcmp(word, "-u") || !strcmp(word, "--user");

		if (!strcmp(word, "-t") || !strcmp(word, "-it") || !strcmp(word, "-i"))
			args->tty = true;
		else if (!user || ++at == words->count)
			return err_set(err, -EINVAL, "%s", usage);
		else if (!*words->items[at] ||
			 str_copy(str_from(words->items[at]), args->user, sizeof(args->user)) < 0)
			return err_set(err, -EINVAL, "--user: a name or number is expected");
	}
	if (words->count - at < 2 ||
	    str_copy(str_from(words->items[at]), args->name, sizeof(args->name)) < 0)
		return err_set(err, -EINVAL, "%s", usage);
	args->rows = (uint16_t)console->rows;
	args->columns = (uint16_t)console->columns;
	args->argv = words->items + at + 1; /* NULL behind the last */
	args->env = no_env;
	return 0;
}

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
	if (run->tty) {
		console_raw(run->console, bytes, (size_t)n);
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

/* What is typed goes in; without -t only Ctrl-C counts. False = interrupted. */
static bool take_input(struct exec_run *run)
{
	unsigned char bytes[256];
	ssize_t n = read(run->console->in_fd, bytes, sizeof(bytes));

	if (n == 0 && !run->tty && !run->console->is_tty && !run->console->remote)
		return run->mute = true;
	if (n <= 0)
		return false;
	if (run->tty && run->stdin_fd >= 0)
		return write(run->stdin_fd, bytes, (size_t)n) >= 0 || errno == EAGAIN;
	return !memchr(bytes, 3, (size_t)n);
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
	if (!(reply.flags & MSG_FLAG_MORE)) {
		wire_init(&in, reply.body.ptr, reply.body.len);
		run->code = (int32_t)wire_u32(&in);
		run->ended = true;
		return 0;
	}
	if (run->tty) {
		run->outputs[0].fd = msg_take_fd(&reply, 0);
		run->stdin_fd = run->outputs[0].fd >= 0 ? dup(run->outputs[0].fd) : -1;
		return 0;
	}
	run->outputs[0].fd = msg_take_fd(&reply, 1);
	run->outputs[1].fd = msg_take_fd(&reply, 2);
	return 0;
}

/* Looks at everything once; 1 = go on, 0 = finished, else an error. */
static int exec_round(struct exec_run *run, int engine_fd, struct err *err)
{
	/* What a client types before the container's fds are here waits in its stream. */
	bool early = run->console->remote && run->stdin_fd < 0;
	struct pollfd fds[4] = { { .fd = run->mute ? -1 : run->console->in_fd,
				   .events = early ? 0 : POLLIN },
				 { .fd = run->outputs[0].fd, .events = POLLIN },
				 { .fd = run->outputs[1].fd, .events = POLLIN },
				 { .fd = run->ended ? -1 : engine_fd, .events = POLLIN } };
	int ready = poll(fds, 4, run->ended ? 200 : 5000);
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
	if (ready > 0 && fds[0].revents && !take_input(run))
		return err_set(err, -EINTR, "interrupted");
	if (ready > 0 && fds[3].revents) {
		r = take_message(run, err);
		if (r < 0)
			return r;
	}
	return !run->ended || run->outputs[0].fd >= 0 || run->outputs[1].fd >= 0;
}

int verb_exec(struct console *console, const struct words *words, struct err *err)
{
	static struct exec_run run;
	struct engine_exec_args args = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int fd, r = parse(console, words, &args, err);

	if (r < 0)
		return r;
	if (args.tty && console->capture)
		return err_set(err, -EPERM, "exec -t has no pipe behind it");
	buf_init(&body, 65536);
	engine_exec_put(&body, &args);
	memset(&run, 0, sizeof(run));
	run = (struct exec_run){ .console = console, .tty = args.tty, .stdin_fd = -1 };
	run.outputs[0].fd = run.outputs[1].fd = -1;
	fd = console_send(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_EXEC, buf_str(&body),
			  EXEC_SERIAL, err);
	if (fd < 0)
		return fd;
	do {
		r = exec_round(&run, fd, err);
	} while (r > 0 && !console->quit);
	own_close(&run.stdin_fd);
	own_close(&run.outputs[0].fd);
	own_close(&run.outputs[1].fd);
	if (!run.ended) /* its end is not ours to wait for any more */
		console_drop(console, CONSOLE_SERVER_ENGINE);
	if (r < 0)
		return r;
	console->exit_code = run.code;
	if (run.code)
		console_printf(console, "exit %d\n", run.code);
	return 0;
}
