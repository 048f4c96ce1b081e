/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that do something or follow something: start stop restart kill logs log exec pull rmi
 * reboot poweroff. Runs in the console program.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "init/api/init_msg.h"
#include "init/console/console.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { RUN_LOG_CHUNK = 65536, RUN_LOG_TAIL = 40, RUN_FOLLOW_MS = 300, RUN_FDS_MAX = 8 };

/* ---- start stop restart kill ---- */

static const struct {
	const char *name;
	int number;
} signals[] = { { "KILL", SIGKILL }, { "TERM", SIGTERM }, { "HUP", SIGHUP },
		{ "INT", SIGINT },   { "QUIT", SIGQUIT }, { "USR1", SIGUSR1 },
		{ "USR2", SIGUSR2 }, { "STOP", SIGSTOP }, { "CONT", SIGCONT } };

static int signal_number(const char *name, struct err *err)
{
	uint64_t number;

	if (!strncmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (!strcmp(name, signals[i].name))
			return signals[i].number;
	}
	if (!str_to_u64(str_from(name), 1, 64, &number))
		return (int)number;
	return err_set(err, -EINVAL, "'%s' is no signal; KILL, TERM, HUP, INT, USR1 ...", name);
}

int verb_act(struct console *console, const struct words *words, struct err *err)
{
	static const struct {
		const char *verb;
		enum engine_act act;
	} acts[] = { { "start", ENGINE_ACT_START },
		     { "stop", ENGINE_ACT_STOP },
		     { "restart", ENGINE_ACT_RESTART },
		     { "kill", ENGINE_ACT_KILL } };
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	enum engine_act act = ENGINE_ACT_START;
	int64_t argument = -1;

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		act = !strcmp(words->items[0], acts[i].verb) ? acts[i].act : act;
	if (act == ENGINE_ACT_KILL) {
		argument = signal_number(words->count > 2 ? words->items[2] : "KILL", err);
		if (argument < 0)
			return (int)argument;
	}
	buf_init(&body, 512);
	wire_put_text(&body, words->items[1]);
	wire_put_u8(&body, (uint8_t)act);
	wire_put_i64(&body, argument);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_ACT, buf_str(&body), &reply,
			    err);
}

/* ---- logs of a container ---- */

static int parse_follow(const struct words *words, bool *ret_follow, uint64_t *ret_lines,
			const char **ret_name, struct err *err)
{
	for (int i = 1; i < words->count; i++) {
		if (!strcmp(words->items[i], "-f")) {
			*ret_follow = true;
		} else if (!strcmp(words->items[i], "-n") && i + 1 < words->count) {
			if (str_to_u64(str_from(words->items[++i]), 0, 1000000, ret_lines) < 0)
				return err_set(err, -EINVAL, "-n takes a number of lines");
		} else if (words->items[i][0] == '-' || *ret_name) {
			return err_set(err, -EINVAL, "usage: %s NAME [-f] [-n N]", words->items[0]);
		} else {
			*ret_name = words->items[i];
		}
	}
	return 0;
}

static int open_logs(struct console *console, const char *name, int *ret_fds, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int count = 0;
	int r;

	buf_init(&body, 512);
	wire_put_text(&body, name);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_LOGS, buf_str(&body), &reply,
			 err);
	for (size_t i = 0; r >= 0 && i < reply.nfds && count < RUN_FDS_MAX; i++)
		ret_fds[count++] = msg_take_fd(&reply, i);
	return r < 0 ? r : count;
}

static void print_log_line(struct console *console, struct str line)
{
	char text[4096];
	bool is_stderr;
	int len = log_line_text(line, text, sizeof(text), &is_stderr);

	if (len < 0)
		console_printf(console, "(a line that does not parse)\n");
	else
		console_foreign(console,
				str_make(text, (size_t)len - (len && text[len - 1] == '\n')));
}

/* The offset of the last `lines` lines of a file of `size` bytes. */
static off_t tail_offset(int fd, off_t size, uint64_t lines)
{
	static char chunk[RUN_LOG_CHUNK];
	uint64_t seen = 0;

	for (off_t end = size; end > 0;) {
		off_t start = end > (off_t)sizeof(chunk) ? end - (off_t)sizeof(chunk) : 0;
		ssize_t n = pread(fd, chunk, (size_t)(end - start), start);

		for (ssize_t i = n - 1; i >= 0; i--) {
			if (chunk[i] == '\n' && start + i + 1 < size && ++seen == lines)
				return start + i + 1;
		}
		if (n <= 0)
			break;
		end = start;
	}
	return 0;
}

/* Prints whole lines from *offset on; returns at the end of the file. */
static void print_from(struct console *console, int fd, off_t *offset)
{
	static char chunk[RUN_LOG_CHUNK];

	while (!console_interrupted(console)) {
		ssize_t n = pread(fd, chunk, sizeof(chunk), *offset);
		ssize_t start = 0;

		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != '\n')
				continue;
			print_log_line(console, str_make(chunk + start, (size_t)(i - start)));
			start = i + 1;
		}
		if (!start && n == (ssize_t)sizeof(chunk))
			start = n; /* a line longer than any we write: skip it */
		if (!start)
			return;
		*offset += start;
	}
}

int verb_logs(struct console *console, const struct words *words, struct err *err)
{
	uint64_t lines = RUN_LOG_TAIL;
	const char *name = NULL;
	bool follow = false;
	int fds[RUN_FDS_MAX], count = 0;
	off_t offset = 0;
	int r = parse_follow(words, &follow, &lines, &name, err);

	if (r < 0)
		return r;
	if (!name)
		return err_set(err, -EINVAL, "usage: logs NAME [-f] [-n N]");
	count = open_logs(console, name, fds, err);
	if (count < 0)
		return count;
	if (count) {
		int last = fds[count - 1];
		off_t size = lseek(last, 0, SEEK_END);

		offset = lines ? tail_offset(last, size, lines) : size;
		print_from(console, last, &offset);
		while (follow && !console_interrupted(console) && !console->quit) {
			(void)console_wait(console, -1, RUN_FOLLOW_MS);
			print_from(console, last, &offset);
		}
	}
	while (count > 0)
		close(fds[--count]);
	return 0;
}

/* ---- the system's log ---- */

static void print_log_list(struct console *console, struct str body)
{
	struct wire in;
	uint32_t count;

	wire_init(&in, body.ptr, body.len);
	count = wire_count(&in, 65536);
	for (uint32_t i = 0; i < count && !in.error; i++) {
		int64_t at_ms = wire_i64(&in);
		char unit[32], line[INIT_LINE_MAX + 8];

		(void)wire_u8(&in);
		wire_text(&in, unit, sizeof(unit));
		wire_text(&in, line, sizeof(line));
		if (!in.error)
			console_printf(console, "[%5lld.%03lld] %s: %s\n",
				       (long long)(at_ms / 1000), (long long)(at_ms % 1000), unit,
				       line);
	}
}

int verb_log(struct console *console, const struct words *words, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	uint64_t lines = RUN_LOG_TAIL;
	const char *unit = NULL;
	bool follow = false, more = true;
	int r = parse_follow(words, &follow, &lines, &unit, err);
	int fd;

	if (r < 0)
		return r;
	buf_init(&body, 256);
	wire_put_text(&body, unit ? unit : "");
	wire_put_u32(&body, (uint32_t)lines);
	wire_put_u8(&body, follow);
	fd = console_send(console, CONSOLE_SERVER_INIT, INIT_MSG_LOG, buf_str(&body), 1, err);
	if (fd < 0)
		return fd;
	while (more && !console_interrupted(console) && !console->quit) {
		struct msg reply OWN(msg_done) = { 0 };

		if (!(console_wait(console, fd, 20000) & 2))
			continue;
		r = console_next(console, CONSOLE_SERVER_INIT, &reply, err);
		if (r == -EAGAIN)
			continue;
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		print_log_list(console, reply.body);
		more = (reply.flags & MSG_FLAG_MORE) != 0;
	}
	if (more) /* answers may still come: a new connection has none of them */
		console_drop(console, CONSOLE_SERVER_INIT);
	return 0;
}

/* ---- images ---- */

static const struct console_job pull_job = { ENGINE_MSG_PULL, "", "it goes on in the background",
					     true };
static const struct console_job push_job = { ENGINE_MSG_PUSH, "", "it goes on in the background",
					     true };

int verb_pull(struct console *console, const struct words *words, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, words->items[1]);
	return console_follow(console, &pull_job, buf_str(&body), err);
}

int verb_push(struct console *console, const struct words *words, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 2048);
	wire_put_text(&body, words->items[1]);
	wire_put_text(&body, words->count > 2 ? words->items[2] : "");
	return console_follow(console, &push_job, buf_str(&body), err);
}

int verb_rmi(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 1024);
	wire_put_text(&body, words->items[1]);
	return console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_IMAGE_REMOVE, buf_str(&body),
			    &reply, err);
}

int verb_prune(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	uint64_t bytes;
	uint32_t files;
	int r;

	if (words->count > 1)
		return verb_prune_kind(console, words, err);
	r = console_call(console, CONSOLE_SERVER_ENGINE, ENGINE_MSG_PRUNE, STR(""), &reply, err);
	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	bytes = wire_u64(&in);
	files = wire_u32(&in);
	(void)wire_u32(&in);
	if (wire_end(&in) < 0)
		return err_set(err, -EBADMSG, "engine: malformed answer");
	console_printf(console, "%llu KiB in %u unused files are given back\n",
		       (unsigned long long)(bytes >> 10), files);
	return 0;
}

/* ---- power ---- */

/* Only on the machine's own console, and only with the words typed out. */
static int factory_reset(struct console *console, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	char typed[64];
	int r;

	if (!console->is_unit)
		return err_set(err, -EPERM, "only on the machine's own console");
	console_printf(console, "All images, volumes, logs and the password are erased.\n");
	if (!console_ask(console, "type \"erase all data\" to go on: ", false, typed,
			 sizeof(typed)) ||
	    strcmp(typed, "erase all data") != 0)
		return err_set(err, -ECANCELED, "nothing was changed");
	buf_init(&body, 128);
	wire_put_u8(&body, INIT_POWER_ACT_FACTORY_RESET);
	wire_put_text(&body, typed);
	r = console_unit_call(console, INIT_MSG_POWER, buf_str(&body), &reply, err);
	if (r >= 0)
		console_printf(console, "services are being stopped\n");
	return r;
}

int verb_power(struct console *console, const struct words *words, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	bool reboot = !strcmp(words->items[0], "reboot");
	int r;

	if (!strcmp(words->items[0], "factory-reset"))
		return factory_reset(console, err);

	buf_init(&body, 64);
	wire_put_u8(&body, reboot ? INIT_POWER_ACT_REBOOT : INIT_POWER_ACT_POWEROFF);
	wire_put_text(&body, "");
	r = console_call(console, CONSOLE_SERVER_INIT, INIT_MSG_POWER, buf_str(&body), &reply, err);
	if (r >= 0)
		console_printf(console, "services are being stopped\n");
	return r;
}
