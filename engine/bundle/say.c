/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns hoy-oci's messages: stderr and the log file. Runs in the command's process. It must never
 * write an unescaped byte of a config, and never more than one write per line.
 */
#include "engine/bundle/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "engine/json/json.h"
#include "lib/fs.h"
#include "lib/own.h"

enum { LINE_MAX_BYTES = 2048, TIME_MAX = 40 };

static struct {
	int fd; /* 0 = none */
	bool json, debug, quiet;
} out;

int say_init(const char *log_path, bool json, bool debug, struct err *err)
{
	int fd;

	out.json = json;
	out.debug = debug;
	if (!log_path || !*log_path)
		return 0;
	/* The operator's own path. */
	fd = fs_open(AT_FDCWD, log_path, FS_HOST, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644,
		     err);
	if (fd < 0)
		return err_prefix(err, "--log");
	out.fd = fd;
	return 0;
}

void say_quiet(void)
{
	out.quiet = true;
}

static const char *now_text(char dst[TIME_MAX])
{
	struct timespec now = { 0 };
	struct tm tm = { 0 };
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	n = strftime(dst, TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + n, TIME_MAX - n, ".%09ldZ", now.tv_nsec);
	return dst;
}

static void write_log(int fd, enum say_level level, const char *text)
{
	static const char *const names[] = { "debug", "info", "warning", "error", "error" };
	struct buf line OWN(buf_done) = { 0 };
	char when[TIME_MAX], escaped[LINE_MAX_BYTES];
	struct json_writer w;

	buf_init(&line, 4 * LINE_MAX_BYTES);
	if (out.json) {
		json_writer_init(&w, &line);
		json_begin_object(&w);
		json_member_text(&w, "level", names[level]);
		json_member_text(&w, "msg", text);
		json_member_text(&w, "time", now_text(when));
		json_end_object(&w);
		buf_add_byte(&line, '\n');
	} else {
		str_escape(str_from(text), escaped, sizeof(escaped));
		buf_printf(&line, "time=\"%s\" level=%s msg=\"%s\"\n", now_text(when), names[level],
			   escaped);
	}
	(void)!write(fd, line.data, line.len);
}

void say(enum say_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (level == SAY_LEVEL_DEBUG && !out.debug)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (out.fd)
		write_log(out.fd, level, text);
	if (out.quiet || (out.fd && level < SAY_LEVEL_ERROR))
		return;
	if (level == SAY_LEVEL_DEBUG) {
		write_log(STDERR_FILENO, level, text);
		return;
	}
	n = snprintf(line, sizeof(line), "%s%s%s\n", level == SAY_LEVEL_PROGRAM ? "" : "hoy-oci: ",
		     level == SAY_LEVEL_WARNING ? "warning: " : "", text);
	if (n > 0)
		(void)!write(STDERR_FILENO, line, (size_t)n);
}
