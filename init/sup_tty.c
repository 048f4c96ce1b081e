/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the terminals as far as PID 1 writes to them. Must never block on one: what a slow or dead
 * terminal does not take is dropped and counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>
#include "init/sup_calls.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { DRAIN_MS = 500 };

/* Names of the kernel's consoles; tty0 means the first virtual terminal. */
static size_t console_names(char names[SUP_TTYS_MAX][16])
{
	char text[128];
	struct str rest, name;
	size_t count = 0;
	ssize_t n = -1;
	OWN_FD int fd =
		fs_open(AT_FDCWD, "/sys/class/tty/console/active", FS_HOST, O_RDONLY, 0, NULL);

	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	rest = str_make(text, n > 0 ? (size_t)n : 0);
	while (rest.len > 0 && (unsigned char)rest.ptr[rest.len - 1] <= ' ')
		rest.len--;
	while (count < SUP_TTYS_MAX && str_cut(&rest, ' ', &name)) {
		if (str_is(name, "tty0"))
			name = STR("tty1");
		if (name.len > 0 && str_copy(name, names[count], 16) == 0)
			count++;
	}
	if (count == 0)
		snprintf(names[count++], 16, "ttyS0");
	return count;
}

static void set_modes(int fd)
{
	struct termios modes;

	if (tcgetattr(fd, &modes) < 0)
		return;
	modes.c_iflag = BRKINT | ICRNL | IXON | IUTF8;
	modes.c_oflag = OPOST | ONLCR;
	modes.c_cflag = (modes.c_cflag & ~(tcflag_t)(PARENB | CSTOPB | CRTSCTS)) | CS8 | CREAD |
			CLOCAL | HUPCL;
	modes.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN;
	(void)tcsetattr(fd, TCSANOW, &modes);
}

static int open_tty(const char *name)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/%.15s", name);
	fd = fs_open(AT_FDCWD, path, FS_HOST, O_RDWR | O_NOCTTY | O_NONBLOCK, 0, NULL);
	if (fd >= 0)
		set_modes(fd);
	return fd;
}

void sup_tty_reopen(struct sup *sup, struct sup_tty *tty)
{
	int fd = open_tty(tty->name);

	if (fd < 0)
		return;
	loop_remove(&sup->loop, &tty->io);
	own_close(&tty->fd);
	tty->fd = fd;
}

void sup_tty_open(struct sup *sup)
{
	char names[SUP_TTYS_MAX][16];
	size_t count = console_names(names);

	for (size_t i = 0; i < count; i++) {
		struct sup_tty *tty = &sup->ttys[sup->tty_count];

		tty->fd = open_tty(names[i]);
		if (tty->fd < 0)
			continue;
		snprintf(tty->name, sizeof(tty->name), "%.15s", names[i]);
		sup->tty_count++;
	}
}

static bool flush(struct sup_tty *tty)
{
	ssize_t n = 0;

	while (tty->len > 0 && (n = write(tty->fd, tty->pending, tty->len)) > 0) {
		tty->len -= (size_t)n;
		memmove(tty->pending, tty->pending + n, tty->len);
	}
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* False once nothing more is to be written: done, or the terminal is dead. */
static bool flush_or_reopen(struct sup *sup, struct sup_tty *tty)
{
	if (flush(tty))
		return tty->len > 0;
	sup_tty_reopen(sup, tty); /* hung up with the console that ended */
	if (!flush(tty))
		tty->len = 0;
	return tty->len > 0;
}

static void tty_writable(struct loop_io *io, uint32_t events)
{
	struct sup *sup = io->owner;
	struct sup_tty *tty = CONTAINER_OF(io, struct sup_tty, io);

	(void)events;
	if (!flush_or_reopen(sup, tty))
		loop_remove(&sup->loop, io);
}

static void queue(struct sup *sup, struct sup_tty *tty, const char *text, size_t len)
{
	if (len > sizeof(tty->pending) - tty->len) {
		tty->dropped++;
		return;
	}
	memcpy(tty->pending + tty->len, text, len);
	tty->len += len;
	if (flush_or_reopen(sup, tty) && tty->io.fn == NULL)
		(void)loop_add(&sup->loop, &tty->io, tty->fd, EPOLLOUT, tty_writable, sup, NULL);
}

/* The console on this terminal prints for itself: hand the line over, never wait for it. */
static void hand_over(const struct sup *sup, struct sup_unit *unit, const struct ring_line *line)
{
	/* Not sup_body(): a line can be added while somebody builds a reply there. */
	static char memory[RING_TEXT_MAX + 128];
	struct buf body = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) - 1 };

	if (line->prio > (sup->prio_given ? sup->console_prio : unit->lines_prio))
		return;
	sup_log_put(&body, line);
	(void)msg_peer_send(&unit->peer, INIT_MSG_LINE, buf_str(&body), NULL, 0, NULL);
}

void sup_tty_line(struct sup *sup, const struct ring_line *line)
{
	char text[RING_TEXT_MAX + 32];
	int n = snprintf(text, sizeof(text), "[%5lld.%03lld] %s\r\n",
			 (long long)(line->uptime_ms / 1000), (long long)(line->uptime_ms % 1000),
			 line->text);

	for (size_t i = 0; i < sup->tty_count; i++) {
		struct sup_unit *unit = &sup->units[SUP_CONSOLE + i];

		if (unit->lines_taken && msg_peer_alive(&unit->peer))
			hand_over(sup, unit, line);
		else if (line->prio <= sup->console_prio)
			queue(sup, &sup->ttys[i], text, (size_t)n);
	}
}

void sup_tty_drain(struct sup *sup)
{
	for (size_t i = 0; i < sup->tty_count; i++) {
		struct pollfd poll_fd = { .fd = sup->ttys[i].fd, .events = POLLOUT };

		while (sup->ttys[i].len > 0 && poll(&poll_fd, 1, DRAIN_MS) == 1) {
			size_t before = sup->ttys[i].len;

			(void)flush(&sup->ttys[i]);
			if (sup->ttys[i].len == before)
				break;
		}
	}
}
