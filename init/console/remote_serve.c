/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's side of `hoy -H`: engine main starts it for a client that the gate has verified.
 * Runs in the console program, behind the same sandbox as any `hoy`. Must never run a command
 * before its role was looked at, and never wait for a client that has left.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "init/console/alias.h"
#include "init/console/console.h"
#include "init/console/remote.h"
#include "init/console/script.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/own.h"

enum { REMOTE_REQUEST_MS = 15000, REMOTE_WRITE_MS = 60000, REMOTE_LEAVE_MS = 5000 };

/* All of it within the time, or false. */
static bool read_all(int fd, void *dst, size_t len, struct mono end)
{
	char *at = dst;

	while (len) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int64_t left = mono_diff_ms(end, mono_now());
		ssize_t n;

		if (left <= 0 || poll(&poll_fd, 1, (int)left) < 0)
			return false;
		n = read(fd, at, len);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t len, struct mono end)
{
	const char *at = bytes;

	while (len) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
		int64_t left = mono_diff_ms(end, mono_now());
		ssize_t n;

		if (left <= 0 || poll(&poll_fd, 1, (int)left) < 0)
			return false;
		n = write(fd, at, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

bool remote_write(int fd, enum remote_frame kind, const char *bytes, size_t len)
{
	struct mono end = mono_add_ms(mono_now(), REMOTE_WRITE_MS);
	unsigned char head[REMOTE_HEAD_SIZE];

	while (len > REMOTE_FRAME_MAX) {
		if (!remote_write(fd, kind, bytes, REMOTE_FRAME_MAX))
			return false;
		bytes += REMOTE_FRAME_MAX;
		len -= REMOTE_FRAME_MAX;
	}
	remote_head_put(head, kind, len);
	return write_all(fd, head, sizeof(head), end) && write_all(fd, bytes, len, end);
}

static int read_request(int fd, struct words *words, struct remote_screen *ret_screen,
			struct err *err)
{
	struct mono end = mono_add_ms(mono_now(), REMOTE_REQUEST_MS);
	char body[REMOTE_REQUEST_MAX];
	unsigned char head[4], screen[REMOTE_SCREEN_SIZE];
	size_t size = 0;
	int r;

	if (!read_all(fd, head, sizeof(head), end))
		return err_set(err, -ETIMEDOUT, "no command came");
	r = remote_request_size(head, &size, err);
	if (r < 0)
		return r;
	if (!read_all(fd, body, size, end))
		return err_set(err, -ETIMEDOUT, "half a command came");
	r = remote_request_get(str_make(body, size), words, err);
	if (r < 0)
		return r;
	if (!read_all(fd, screen, sizeof(screen), end))
		return err_set(err, -ETIMEDOUT, "half a command came");
	remote_screen_get(screen, ret_screen);
	return 0;
}

static void audit(const struct words *words, const char *role, const char *who, const char *how)
{
	struct buf line OWN(buf_done) = { 0 };
	char shown[900];

	buf_init(&line, 2 * WORDS_TEXT_MAX);
	for (int i = 0; i < words->count; i++)
		(void)buf_printf(&line, "%s%s", i ? " " : "", words->items[i]);
	(void)str_escape(buf_str(&line), shown, sizeof(shown));
	log_notice("audit: %s (%s): hoy %s: %s", who, role, shown, how);
}

void remote_take_screen(struct console *console)
{
	const struct remote_screen *screen = &console->input.screen;

	console->is_tty = screen->rows && screen->columns;
	console->keys = console->is_tty && screen->keys;
	console->rows = console->is_tty ? screen->rows : 24;
	console->columns = console->is_tty ? screen->columns : 80;
}

ssize_t remote_read(struct console *console, void *dst, size_t cap)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = console->in_fd, .events = POLLIN };
		ssize_t n;
		int got;

		if (console->input.over)
			return 0;
		n = read(console->in_fd, dst, remote_input_want(&console->input, cap));
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			(void)poll(&poll_fd, 1, -1);
			continue;
		}
		got = n > 0 ? remote_input_take(&console->input, dst, (size_t)n, NULL) : -EPIPE;
		if (got < 0) { /* gone, or no client of ours */
			console->quit = console->interrupted = true;
			return 0;
		}
		if (got == REMOTE_GOT_BYTES)
			return n;
		if (got != REMOTE_GOT_SCREEN)
			continue;
		remote_take_screen(console);
		console->resized = true;
		errno = EAGAIN;
		return -1;
	}
}

/* What was sent and nobody read would take the end away from a client that has not read it yet. */
static void see_off(int fd)
{
	struct mono end = mono_add_ms(mono_now(), REMOTE_LEAVE_MS);
	char bytes[4096];

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int64_t left = mono_diff_ms(end, mono_now());

		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0 ||
		    read(fd, bytes, sizeof(bytes)) <= 0)
			return;
	}
}

void remote_serve(struct console *console, const char *role, const char *who)
{
	static struct words words;
	struct err err = { 0 };
	unsigned char code;
	int r = read_request(console->in_fd, &words, &console->input.screen, &err);

	console->remote = true;
	remote_take_screen(console);
	if (r < 0) {
		log_warn("%s (%s): %s", who, role, err_text(&err));
	} else {
		/* Nothing, as a sign of life: the client waits for a silent machine 15 s only. */
		(void)remote_write(console->out_fd, REMOTE_FRAME_OUTPUT, "", 0);
		alias_expand(&words);
		r = remote_may(&words, gate_role_read(str_from(role)), &err);
		audit(&words, role, who, r < 0 ? "refused" : "begun");
	}
	console->json = words.count && (!strcmp(words.items[0], "--json") ||
					!strcmp(words.items[words.count - 1], "--json"));
	if (r < 0)
		console_error(console, r, &err);
	else
		r = console_run_words(console, words.items, words.count);
	code = (unsigned char)(r < 0 ? (int)script_exit_code(r) : console->exit_code);
	if (remote_write(console->out_fd, REMOTE_FRAME_END, (const char *)&code, 1))
		see_off(console->in_fd);
}
