/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `hoy -H` while its command runs: frames of the machine to stdout and stderr, stdin and the
 * terminal's size to the machine. Runs in the console program as a client. Must never wait for the
 * machine to take input while it has something to say: both sides would wait for ever.
 */
#include "init/console/remote_talk.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "init/console/remote.h"
#include "init/console/remote_tls.h"

/* ^D: what ends the input of a terminal. */
#define END_OF_INPUT 4

static volatile sig_atomic_t resized, ended;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		ended = 1;
}

static void look_at_terminal(struct remote_talk *talk)
{
	struct winsize size = { 0 };
	bool keys = talk->need == REMOTE_NEED_KEYS || talk->need == REMOTE_NEED_SCREEN;

	talk->screen = (struct remote_screen){ 0 };
	if (!isatty(STDOUT_FILENO))
		return;
	talk->screen = (struct remote_screen){ 24, 80, keys && isatty(STDIN_FILENO) };
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row >= 2 && size.ws_col >= 20) {
		talk->screen.rows = size.ws_row;
		talk->screen.columns = size.ws_col;
	}
}

void remote_talk_init(struct remote_talk *talk, enum remote_need need)
{
	memset(talk, 0, sizeof(*talk));
	talk->need = need;
	look_at_terminal(talk);
	talk->input_over =
		need == REMOTE_NEED_NOTHING || (need == REMOTE_NEED_SCREEN && !talk->screen.keys);
}

/* ---- to the machine ---- */

static void put_frame(struct remote_talk *talk, enum remote_frame kind, const void *bytes,
		      size_t len)
{
	remote_head_put((unsigned char *)talk->out, kind, len);
	if (bytes)
		memcpy(talk->out + REMOTE_HEAD_SIZE, bytes, len);
	talk->out_at = 0;
	talk->out_len = REMOTE_HEAD_SIZE + len;
}

static void tell_size(struct remote_talk *talk)
{
	unsigned char screen[REMOTE_SCREEN_SIZE];

	resized = 0;
	look_at_terminal(talk);
	remote_screen_put(screen, &talk->screen);
	put_frame(talk, REMOTE_FRAME_SCREEN, screen, sizeof(screen));
}

/* What stdin has now. Behind an open line the first Ctrl-D only sends that line. */
static void take_input(struct remote_talk *talk)
{
	char *bytes = talk->out + REMOTE_HEAD_SIZE;
	ssize_t n = read(STDIN_FILENO, bytes, REMOTE_TALK_CHUNK);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	talk->input_over = n <= 0;
	if (n <= 0 && talk->need != REMOTE_NEED_BYTES) {
		bytes[0] = bytes[1] = END_OF_INPUT;
		n = talk->line_open ? 2 : 1;
	}
	if (n > 0)
		talk->line_open = bytes[n - 1] != '\n' && bytes[n - 1] != '\r';
	put_frame(talk, REMOTE_FRAME_INPUT, NULL, n > 0 ? (size_t)n : 0);
}

static int push(struct remote_talk *talk, struct err *err)
{
	ssize_t n = remote_tls_push(talk->tls, talk->out + talk->out_at,
				    talk->out_len - talk->out_at, err);

	if (n < 0)
		return (int)n;
	talk->out_at += (size_t)n;
	if (talk->out_at == talk->out_len)
		talk->out_at = talk->out_len = 0;
	return 0;
}

/* What is typed goes to the machine until something comes from there. */
static int wait_answer(struct remote_talk *talk, struct err *err)
{
	while (!remote_tls_pending(talk->tls)) {
		struct pollfd fds[2] = { { .fd = talk->fd, .events = POLLIN },
					 { .fd = -1, .events = POLLIN } };
		int r = 0;

		if (ended)
			return err_set(err, -EINTR, "ended by a signal");
		if (resized && !talk->out_len && talk->screen.keys)
			tell_size(talk);
		if (talk->out_len)
			fds[0].events |= POLLOUT;
		else if (!talk->input_over)
			fds[1].fd = STDIN_FILENO;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (fds[0].revents & ~POLLOUT)
			return 0;
		if (fds[1].revents)
			take_input(talk);
		if (talk->out_len)
			r = push(talk, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- from the machine ---- */

/* All of it; -EPIPE when the connection ends before. */
static int read_exactly(struct remote_talk *talk, void *dst, size_t len, struct err *err)
{
	char *at = dst;

	while (len) {
		ssize_t n = remote_tls_read(talk->tls, at, len, err);

		if (n < 0)
			return (int)n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_out(int fd, const char *bytes, size_t len, struct err *err)
{
	while (len) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EAGAIN)
			(void)poll(&poll_fd, 1, -1);
		else if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "write");
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int take_bytes(struct remote_talk *talk, int fd, size_t left, struct err *err)
{
	static char chunk[REMOTE_TALK_CHUNK];

	while (left) {
		size_t part = left < sizeof(chunk) ? left : sizeof(chunk);
		int r = read_exactly(talk, chunk, part, err);

		if (r >= 0)
			r = write_out(fd, chunk, part, err);
		if (r < 0)
			return r;
		left -= part;
	}
	return 0;
}

static int take_frame(struct remote_talk *talk, struct err *err)
{
	unsigned char head[REMOTE_HEAD_SIZE];
	enum remote_frame kind = REMOTE_FRAME_END;
	size_t size = 0;
	int r = read_exactly(talk, head, sizeof(head), err);

	if (r >= 0)
		r = remote_head_get(head, &kind, &size, err);
	if (r < 0)
		return r;
	if (kind == REMOTE_FRAME_END) {
		talk->done = true;
		return read_exactly(talk, &talk->code, 1, err);
	}
	if (kind != REMOTE_FRAME_OUTPUT && kind != REMOTE_FRAME_ERRORS)
		return err_set(err, -EBADMSG, "the machine sends no such frame");
	return take_bytes(talk, kind == REMOTE_FRAME_ERRORS ? STDERR_FILENO : STDOUT_FILENO, size,
			  err);
}

int remote_talk_begin(struct remote_talk *talk, struct err *err)
{
	return take_frame(talk, err);
}

/* ---- the terminal ---- */

static bool begin_keys(struct termios *before)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct termios keys;

	(void)sigaction(SIGWINCH, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	if (tcgetattr(STDIN_FILENO, before) < 0)
		return false;
	keys = *before;
	cfmakeraw(&keys);
	return tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

int remote_talk(struct remote_talk *talk, struct err *err)
{
	struct termios before;
	bool raw = talk->screen.keys && begin_keys(&before);
	int r = 0;

	while (r >= 0 && !talk->done) {
		r = wait_answer(talk, err);
		if (r >= 0)
			r = take_frame(talk, err);
	}
	if (raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return r < 0 ? r : talk->code;
}
