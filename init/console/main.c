/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `hoy` program: the console that init starts on each terminal, and the command line when it is
 * started with a verb. No capability, own uid: it reads what operators type and what containers
 * log.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/console/login.h"
#include "init/console/remote.h"
#include "init/console/script.h"
#include "init/ship/ship.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/sandbox.h"

/* The line is cleared when we end: what was said last gets its time to leave. */
enum { CONSOLE_FD_UNIT = 3, CONSOLE_UID = 900, IDLE_GOODBYE_MS = 500 };

static struct console console = {
	.in_fd = 0, .out_fd = 1, .unit_fd = -1, .run_fd = -1, .servers = { -1, -1, -1 }
};

static void enter_sandbox(void)
{
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_TTY,
					 .uid = CONSOLE_UID,
					 .gid = INIT_CONSOLE_GID,
					 .files_max = 64 };
	struct err err = { 0 };

	console.run_fd = fs_open(-1, "/run/hoy", FS_HOST, O_RDONLY | O_DIRECTORY, 0, &err);
	if (console.run_fd < 0 || sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

static void prompt_text(char *dst, size_t cap)
{
	struct buf text OWN(buf_done) = { 0 };

	buf_init(&text, cap - 1);
	if (console.claimed)
		(void)buf_printf(&text, "%s> ", console.hostname);
	else
		(void)buf_add_text(&text, "hoy (unclaimed)> ");
	(void)str_copy(buf_str(&text), dst, cap);
}

static void begin_line(struct buf *out)
{
	char prompt[EDIT_PROMPT_MAX];

	prompt_text(prompt, sizeof(prompt));
	edit_begin(&console.edit, prompt, false, out);
	console.typing = &console.edit;
}

static void run_line(struct buf *out)
{
	console.typing = NULL;
	console_raw(&console, buf_text(out), out->len);
	buf_clear(out);
	edit_remember(&console.edit);
	(void)console_run(&console, console.edit.line);
	begin_line(out);
}

static void handle(enum edit_event event, struct buf *out)
{
	switch (event) {
	case EDIT_EVENT_NONE:
		break;
	case EDIT_EVENT_LINE:
		run_line(out);
		break;
	case EDIT_EVENT_TAB:
		console_complete(&console, out);
		break;
	case EDIT_EVENT_HELP:
		console_raw(&console, buf_text(out), out->len);
		buf_clear(out);
		console_raw(&console, "?\r\n", 3);
		console_help(&console, console.edit.line);
		edit_redraw(&console.edit, out);
		break;
	case EDIT_EVENT_INTERRUPT:
		(void)buf_add_text(out, "^C\r\n");
		begin_line(out);
		break;
	case EDIT_EVENT_END:
		(void)buf_add_text(out, "\r\n");
		console.quit = true;
		break;
	}
}

/* What was on the screen gives way to why it ends. */
static void say_idle(void)
{
	console.quit = false; /* the words get their time */
	console_printf(&console, "\nlogged out: nobody typed anything for a while\n");
	console.logged_in = false;
	(void)console_wait(&console, -1, IDLE_GOODBYE_MS);
	console.quit = true;
}

static enum init_audit how_it_ended(void)
{
	if (console.hung_up || !console.quit)
		return INIT_AUDIT_HANGUP;
	return console.idle ? INIT_AUDIT_IDLE : INIT_AUDIT_LOGOUT;
}

static void interact(void)
{
	struct buf out OWN(buf_done) = { 0 };
	unsigned char bytes[256];

	buf_init(&out, 262144);
	begin_line(&out);
	while (!console.quit) {
		ssize_t n;

		console_raw(&console, buf_text(&out), out.len);
		buf_clear(&out);
		if (!(console_wait(&console, -1, -1) & 1))
			continue;
		n = read(console.in_fd, bytes, sizeof(bytes));
		if (n <= 0)
			break; /* the terminal is gone: init starts a new console when it is back */
		for (ssize_t i = 0; i < n && !console.quit; i++)
			handle(edit_feed(&console.edit, bytes[i], &out), &out);
	}
	console_raw(&console, buf_text(&out), out.len);
	if (console.idle)
		say_idle();
}

static void read_hostname(void)
{
	if (gethostname(console.hostname, sizeof(console.hostname) - 1) < 0 || !*console.hostname)
		memcpy(console.hostname, "hoy", 4);
}

static void unit_ready(void)
{
	struct buf body OWN(buf_done) = { 0 };
	struct msg msg = { .type = INIT_MSG_READY };

	buf_init(&body, 32);
	wire_put_text(&body, "prompt");
	msg.body = buf_str(&body);
	(void)msg_send(console.unit_fd, &msg, NULL);
}

/* init prints its own lines until we take them over. */
static void take_lines(void)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 8);
	wire_put_u8(&body, LOG_PRIO_NOTICE);
	(void)console_unit_call(&console, INIT_MSG_LINES, buf_str(&body), &reply, NULL);
}

static int run_unit(void)
{
	console.is_unit = true;
	console.unit_fd = CONSOLE_FD_UNIT;
	console_tty_raw(&console);
	console_tty_size(&console);
	edit_init(&console.edit, console.columns);
	read_hostname();
	unit_ready();
	console_printf(&console, "\nHoy %s on %s. `help` lists the commands.\n", HOY_VERSION,
		       console.hostname);
	take_lines();
	console_login(&console);
	read_hostname();
	if (!console.quit) {
		interact();
		console_logout(&console, how_it_ended());
	}
	console_tty_restore(&console);
	return 0;
}

int console_run_words(struct console *at, const char *const *words, int count)
{
	struct buf line OWN(buf_done) = { 0 };

	buf_init(&line, EDIT_LINE_MAX - 1);
	for (int i = 0; i < count; i++) {
		(void)buf_add_text(&line, i ? " '" : "'");
		for (const char *c = words[i]; *c; c++)
			(void)buf_add_text(&line, *c == '\'' ? "'\\''" : (char[]){ *c, 0 });
		(void)buf_add_text(&line, "'");
	}
	if (buf_error(&line)) {
		console_printf(at, "the command line is too long\n");
		return -E2BIG;
	}
	return console_run(at, buf_text(&line));
}

static int run_words(int argc, char **argv)
{
	int r;

	console.rows = 24;
	console.columns = 80;
	r = console_run_words(&console, (const char *const *)argv + 1, argc - 1);
	return r < 0 ? (int)script_exit_code(r) : console.exit_code;
}

/* Started by engine main: the client's stream on 0 to 2, the log on 3. */
static int serve(const char *role, const char *who)
{
	(void)dup2(CONSOLE_FD_UNIT, STDERR_FILENO);
	enter_sandbox();
	remote_serve(&console, role, who);
	return 0;
}

int main(int argc, char **argv)
{
	int type = 0;
	socklen_t len = sizeof(type);

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	log_init("console", LOG_PRIO_NOTICE);
	if (argc == 2 && !strcmp(argv[1], "--syslog"))
		return ship_main("/usr/bin/hoy");
	if (argc == 2 && !strcmp(argv[1], "--support-send"))
		return send_main();
	if (argc == 2 && !strcmp(argv[1], "--syslog-files"))
		return ship_files_main();
	if (argc > 1 && !strcmp(argv[1], "-H"))
		return remote_client(argc, argv);
	if (argc == 4 && !strcmp(argv[1], "--serve"))
		return serve(argv[2], argv[3]);
	console.is_tty = console.keys = isatty(0) && isatty(1);
	(void)ttyname_r(0, console.terminal, sizeof(console.terminal));
	enter_sandbox();
	/* "console" is how init calls it; by hand it ends here for want of init's socket. */
	if (argc > 1 && strcmp(argv[1], "console") != 0)
		return run_words(argc, argv);
	if (getsockopt(CONSOLE_FD_UNIT, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		fatal("usage: hoy COMMAND...; without one it is started by init on a terminal");
	return run_unit();
}
