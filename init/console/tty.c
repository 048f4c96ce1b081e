/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the console: raw mode, size, output that never waits for ever, input that leaves
 * the process responsive to init. Runs in the console program.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/console/carrier.h"
#include "init/console/console.h"
#include "init/console/remote.h"
#include "init/console/script.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { TTY_WRITE_MS = 3000, TTY_SIZE_MS = 200, TTY_PRINT_MAX = 8192 };

static struct termios tty_before;
static bool tty_changed;

void console_tty_raw(struct console *console)
{
	struct termios raw;

	if (!console->is_tty || tcgetattr(console->in_fd, &raw) < 0)
		return;
	if (!tty_changed)
		tty_before = raw;
	tty_changed = true;
	/* IXON stays: a person may stop the screen with Ctrl-S; a break is ignored. */
	raw.c_iflag &= ~(tcflag_t)(INPCK | ISTRIP | INLCR | IGNCR | ICRNL | PARMRK);
	raw.c_iflag |= IGNBRK | IXON;
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ICANON | IEXTEN | ISIG);
	raw.c_oflag &= ~(tcflag_t)OPOST;
	raw.c_cflag |= CS8 | CREAD | CLOCAL;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(console->in_fd, TCSANOW, &raw);
}

void console_tty_restore(struct console *console)
{
	if (tty_changed)
		(void)tcsetattr(console->in_fd, TCSANOW, &tty_before);
}

void console_tty_carrier(struct console *console)
{
	struct termios modes;
	int lines;

	if (!console->is_tty || ioctl(console->in_fd, TIOCMGET, &lines) < 0 ||
	    tcgetattr(console->in_fd, &modes) < 0)
		return;
	modes.c_cflag = carrier_flags(modes.c_cflag, lines);
	(void)tcsetattr(console->in_fd, TCSANOW, &modes);
}

/* A console of init's is raw already; a terminal that somebody started `hoy top` on is not. */
void console_full_screen(struct console *console, bool on)
{
	char bottom[32];

	console->full_screen = on;
	if (on && !console->is_unit)
		console_tty_raw(console);
	if (on)
		return;
	(void)snprintf(bottom, sizeof(bottom), "\x1b[%u;1H\r\n", console->rows);
	console_raw(console, bottom, strlen(bottom));
	if (!console->is_unit)
		console_tty_restore(console);
}

ssize_t console_read(struct console *console, void *dst, size_t cap)
{
	return console->remote ? remote_read(console, dst, cap) : read(console->in_fd, dst, cap);
}

void console_bytes(struct console *console, int stream, const char *bytes, size_t len)
{
	int fd = stream == 2 ? STDERR_FILENO : console->out_fd;

	if (console->remote) {
		if (len && !console->quit &&
		    !remote_write(console->out_fd,
				  stream == 2 ? REMOTE_FRAME_ERRORS : REMOTE_FRAME_OUTPUT, bytes,
				  len))
			console->quit = console->interrupted = true;
		return;
	}
	while (len && !console->quit) {
		ssize_t n = write(fd, bytes, len);
		struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			(void)poll(&poll_fd, 1, -1);
		else if (n < 0 && errno != EINTR)
			console->quit = console->interrupted = true;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

void console_raw(struct console *console, const char *bytes, size_t len)
{
	struct mono end = mono_add_ms(mono_now(), TTY_WRITE_MS);

	if (console->capture) {
		(void)buf_add(console->capture, bytes, len);
		return;
	}
	if (console->remote) {
		console_bytes(console, 1, bytes, len);
		return;
	}
	while (len) {
		struct pollfd poll_fd = { .fd = console->out_fd, .events = POLLOUT };
		int64_t left = mono_diff_ms(end, mono_now());
		ssize_t n;

		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0)
			return; /* stopped or dead: what it does not take is lost */
		n = write(console->out_fd, bytes, len > 256 ? 256 : len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

void console_json(struct console *console, struct str members)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, TTY_PRINT_MAX + members.len);
	(void)buf_add_byte(&out, '{');
	(void)buf_add_str(&out, members);
	(void)buf_add_text(&out, console->is_tty && !console->capture ? "}\r\n" : "}\n");
	console_raw(console, buf_text(&out), out.len);
}

static void json_line(struct console *console)
{
	struct buf out OWN(buf_done) = { 0 };

	buf_init(&out, 8 * sizeof(console->json_line));
	script_put_string(&out, str_from(console->json_name ? console->json_name : "line"));
	(void)buf_add_byte(&out, ':');
	script_put_string(&out, str_make(console->json_line, console->json_len));
	console->json_len = 0;
	console_json(console, buf_str(&out));
}

void console_json_end(struct console *console)
{
	if (console->json && console->json_len)
		json_line(console);
}

static void json_write(struct console *console, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || console->json_len == sizeof(console->json_line))
			json_line(console);
		if (text[i] != '\n')
			console->json_line[console->json_len++] = text[i];
	}
}

void console_write(struct console *console, const char *text, size_t len)
{
	if (console->json) {
		json_write(console, text, len);
		return;
	}
	if (console->capture) {
		(void)buf_add(console->capture, text, len);
		return;
	}
	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t part = nl ? (size_t)(nl - text) : len;

		console_raw(console, text, part);
		if (!nl)
			return;
		console_raw(console, console->is_tty ? "\r\n" : "\n", console->is_tty ? 2 : 1);
		text = nl + 1;
		len -= part + 1;
	}
}

void console_printf(struct console *console, const char *fmt, ...)
{
	struct buf text OWN(buf_done) = { 0 };
	va_list ap;

	buf_init(&text, TTY_PRINT_MAX);
	va_start(ap, fmt);
	(void)buf_vprintf(&text, fmt, ap);
	va_end(ap);
	console_write(console, buf_text(&text), text.len);
}

/* Escaped, but tabs, quotes and backslashes are ordinary text on a screen. */
static size_t plain_text(struct str part, char *dst, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < part.len && at + 8 < cap; i++) {
		size_t run = i;

		while (run < part.len && !memchr("\t\"\\", part.ptr[run], 3))
			run++;
		if (run > i) {
			at += str_escape(str_make(part.ptr + i, run - i), dst + at, cap - at);
			i = run - 1;
		} else {
			dst[at++] = part.ptr[i];
		}
	}
	return at;
}

void console_foreign(struct console *console, struct str text)
{
	char line[4096];

	while (text.len) {
		ptrdiff_t nl = str_find(text, '\n');
		struct str part = nl < 0 ? text : str_head(text, (size_t)nl);
		size_t n;

		if (part.len && part.ptr[part.len - 1] == '\r')
			part.len--;
		if (part.len > 1000)
			part.len = 1000;
		n = plain_text(part, line, sizeof(line));
		console_write(console, line, n);
		console_write(console, "\n", 1);
		if (nl < 0)
			return;
		text = str_skip(text, (size_t)nl + 1);
	}
}

static void say_alive(struct console *console)
{
	struct msg msg = { .type = INIT_MSG_ALIVE };
	int64_t now_ms = mono_now().ns / 1000000;

	if (console->unit_fd < 0 || now_ms < console->alive_at_ms + INIT_ALIVE_EVERY_MS)
		return;
	console->alive_at_ms = now_ms;
	(void)msg_send(console->unit_fd, &msg, NULL);
}

/* What ran for whoever sat there ends; a stopped terminal is not gone. */
static bool hung_up(struct console *console, short events)
{
	if (!console->is_tty || !(events & (POLLHUP | POLLERR | POLLNVAL)))
		return false;
	console->hung_up = console->quit = console->interrupted = true;
	return true;
}

/* A login that nobody uses ends, whatever is on the screen; an open console has none. */
static bool idles(struct console *console, bool typed)
{
	int64_t now_ms = mono_now().ns / 1000000;

	if (typed || !console->logged_in || !console->typed_at_ms)
		console->typed_at_ms = now_ms;
	if (!console->idle_ms || now_ms < console->typed_at_ms + console->idle_ms)
		return false;
	console->idle = console->quit = console->interrupted = true;
	return true;
}

int console_wait(struct console *console, int fd, int timeout_ms)
{
	struct mono end = mono_add_ms(mono_now(), timeout_ms < 0 ? 0 : timeout_ms);
	/* What is no terminal is read where it is asked for; /dev/null is ready for ever. */
	bool typed =
		console->keys || console->is_unit || console->remote || (fd < 0 && timeout_ms < 0);

	for (;;) {
		/* Of a client that types nothing only that it has left. */
		bool left_only = console->remote && (!console->keys || console->input.over);
		struct pollfd fds[3] = { { .fd = typed ? console->in_fd : -1,
					   .events = left_only ? 0 : POLLIN },
					 { .fd = fd, .events = POLLIN },
					 { .fd = console->unit_fd, .events = POLLIN } };
		int64_t left = timeout_ms < 0 ? 5000 : mono_diff_ms(end, mono_now());
		int ready;

		say_alive(console);
		ready = poll(fds, 3, (int)(left < 0 ? 0 : left > 5000 ? 5000 : left));
		if (ready > 0 && fds[2].revents)
			console_serve_init(console);
		if (ready > 0 && console->remote && fds[0].revents & ~POLLIN) {
			console->quit = console->interrupted = true;
			fds[0].revents = 0;
		}
		if (ready > 0 && hung_up(console, fds[0].revents))
			return 0;
		if (idles(console, ready > 0 && fds[0].revents))
			return 0;
		if (ready > 0 && (fds[0].revents || fds[1].revents))
			return (fds[0].revents ? 1 : 0) | (fds[1].revents ? 2 : 0);
		if (console->quit || (timeout_ms >= 0 && mono_diff_ms(end, mono_now()) <= 0))
			return 0;
	}
}

bool console_interrupted(struct console *console)
{
	struct pollfd poll_fd = { .fd = console->in_fd, .events = POLLIN };
	unsigned char bytes[64];

	while (console->keys && poll(&poll_fd, 1, 0) > 0) {
		ssize_t n = console_read(console, bytes, sizeof(bytes));

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0) {
			(void)hung_up(console, poll_fd.revents);
			break;
		}
		console->typed_at_ms = mono_now().ns / 1000000;
		for (ssize_t i = 0; i < n; i++)
			console->interrupted = console->interrupted || bytes[i] == 3;
	}
	return console->interrupted;
}

/* "ESC [ rows ; columns R" after the cursor was sent far down and right. */
void console_tty_size(struct console *console)
{
	static const char ask[] = "\x1b"
				  "7\x1b[999;999H\x1b[6n\x1b"
				  "8";
	struct mono end = mono_add_ms(mono_now(), TTY_SIZE_MS);
	struct winsize size = { 0 };
	char answer[32];
	unsigned rows, columns;
	size_t len = 0;

	console->rows = 24;
	console->columns = 80;
	if (!console->is_tty)
		return;
	if (console->remote) {
		remote_take_screen(console);
		return;
	}
	if (!ioctl(console->out_fd, TIOCGWINSZ, &size) && size.ws_row && size.ws_col > 20) {
		console->rows = size.ws_row;
		console->columns = size.ws_col;
		return;
	}
	console_raw(console, ask, sizeof(ask) - 1);
	while (len < sizeof(answer) - 1) {
		struct pollfd poll_fd = { .fd = console->in_fd, .events = POLLIN };
		int64_t left = mono_diff_ms(end, mono_now());

		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0 ||
		    read(console->in_fd, answer + len, 1) != 1)
			return;
		answer[++len] = 0;
		if (answer[len - 1] == 'R')
			break;
	}
	if (sscanf(answer, "\x1b[%3u;%3uR", &rows, &columns) == 2 && rows >= 10 && columns >= 40) {
		console->rows = rows;
		console->columns = columns;
	}
}

/* False at Ctrl-C, at the end of the input, and for what does not fit. */
static bool take_line(struct console *console, struct edit *edit, struct buf *out, char *dst,
		      size_t cap)
{
	for (;;) {
		unsigned char byte;
		enum edit_event event;

		console_raw(console, buf_text(out), out->len);
		buf_clear(out);
		if (!(console_wait(console, -1, -1) & 1) || console_read(console, &byte, 1) != 1)
			return false;
		event = edit_feed(edit, byte, out);
		if (event == EDIT_EVENT_INTERRUPT || event == EDIT_EVENT_END)
			break;
		if (event == EDIT_EVENT_HELP)
			edit_insert(edit, "?", 1, out);
		if (event != EDIT_EVENT_LINE)
			continue;
		console_raw(console, buf_text(out), out->len);
		return str_copy(str_make(edit->line, edit->len), dst, cap) >= 0;
	}
	console_raw(console, "\r\n", 2);
	return false;
}

bool console_ask(struct console *console, const char *prompt, bool hidden, char *dst, size_t cap)
{
	struct buf out OWN(buf_done) = { 0 };
	static struct edit edit;
	bool taken;

	if (console->capture) /* nobody would see what is asked */
		return false;
	buf_init(&out, 16384);
	edit_init(&edit, console->columns);
	edit_begin(&edit, prompt, hidden, &out);
	console->typing = &edit;
	taken = take_line(console, &edit, &out, dst, cap);
	console->typing = NULL;
	return taken;
}
