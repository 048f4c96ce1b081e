/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the container's log files, in the lines that Docker's json-file driver writes. Runs in the
 * shim. Must never wait for the disk to have room: a line that cannot be written is counted, and
 * the count goes into the log once there is room again. Must never leave half a line.
 */
#include "engine/run/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "lib/fs.h"
#include "lib/own.h"

enum {
	ESCAPE_WORST = 6, /* \u00XX */
	LINE_FRAME = 96,  /* keys, stream name and time */
	RETRY_MS = 1000,
	NAME_MAX_LEN = 32,
};

static void open_file(struct shim_log *log)
{
	struct stat st;
	char last;

	log->fd = fs_open(log->dir_fd, SHIM_LOG_FILE, FS_BENEATH,
			  O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0640, NULL);
	if (log->fd < 0)
		return;
	log->size = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	/* A power cut may have left half a line: it must not swallow the next one. */
	if (log->size > 0 && pread(log->fd, &last, 1, (off_t)log->size - 1) == 1 && last != '\n' &&
	    write(log->fd, "\n", 1) == 1)
		log->size++;
}

static void try_open(struct shim_log *log, int parent)
{
	if (log->dir_fd < 0)
		log->dir_fd = fs_open_dir(parent, SHIM_LOG_DIR, FS_BENEATH, 0750, NULL);
	if (log->dir_fd >= 0)
		open_file(log);
	log->retry = mono_add_ms(mono_now(), RETRY_MS);
}

void shim_log_open(struct shim_log *log, int dir_fd, uint64_t max_size, uint32_t max_file, bool off)
{
	log->dir_fd = log->fd = -1;
	log->max_size = max_size;
	log->max_file = max_file ? max_file : 1;
	log->off = off;
	if (!off)
		try_open(log, dir_fd);
}

static void numbered(char name[NAME_MAX_LEN], uint32_t number)
{
	(void)snprintf(name, NAME_MAX_LEN, number ? SHIM_LOG_FILE ".%u" : SHIM_LOG_FILE, number);
}

/* json.log.1 is the youngest old one; with one file only it starts again from nothing. */
static void rotate(struct shim_log *log)
{
	char from[NAME_MAX_LEN], to[NAME_MAX_LEN];

	if (log->max_file == 1) {
		if (ftruncate(log->fd, 0) == 0)
			log->size = 0;
		return;
	}
	for (uint32_t i = log->max_file - 1; i > 0; i--) {
		int r;

		numbered(from, i - 1);
		numbered(to, i);
		r = fs_rename(log->dir_fd, from, log->dir_fd, to, NULL);
		if (r < 0 && r != -ENOENT)
			return; /* goes on in the same file */
	}
	own_close(&log->fd);
	open_file(log);
}

/* All or nothing: what was written of a batch that does not fit is taken back. */
static bool write_all(struct shim_log *log, const char *data, size_t len)
{
	size_t done = 0;

	if (log->fd < 0)
		return false;
	while (done < len) {
		ssize_t n = write(log->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == len) {
		log->size += len;
		return true;
	}
	if (done > 0 && ftruncate(log->fd, (off_t)log->size) < 0)
		log->size += done;
	return false;
}

static size_t put_time(char *dst, size_t cap)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm))
		return 0;
	n = strftime(dst, cap, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(dst + n, cap - n, ".%09ldZ", now.tv_nsec);
}

/* Length of the valid UTF-8 sequence at the start of s (RFC 3629), 0 when there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const unsigned char least[] = { 0, 0, 0xc2, 0xe0, 0xf0 };
	size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] < least[n] || s[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static char *put_escaped(char *at, const char *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *s = (const unsigned char *)data;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = s[i];
		size_t n;

		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (c == '\n' || c == '\r' || c == '\t') {
			*at++ = '\\';
			*at++ = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
		} else if (c < 0x20 || c == 0x7f) {
			memcpy(at, "\\u00", 4);
			at[4] = digits[c >> 4];
			at[5] = digits[c & 15];
			at += ESCAPE_WORST;
		} else if (c < 0x80) {
			*at++ = (char)c;
		} else if ((n = utf8_len(s + i, len - i)) > 0) {
			memcpy(at, s + i, n);
			at += n;
			i += n - 1;
		} else {
			memcpy(at, "\\ufffd", ESCAPE_WORST);
			at += ESCAPE_WORST;
		}
	}
	return at;
}

static size_t format_line(char *dst, int stream, const char *data, size_t len)
{
	static const char head[] = "{\"log\":\"";
	char stamp[48];
	char *at = dst;

	memcpy(at, head, sizeof(head) - 1);
	at = put_escaped(at + sizeof(head) - 1, data, len);
	stamp[put_time(stamp, sizeof(stamp))] = '\0';
	at += snprintf(at, LINE_FRAME, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n",
		       stream ? "stderr" : "stdout", stamp);
	return (size_t)(at - dst);
}

/* Says how many lines are missing, at the place where they are missing. */
static bool say_dropped(struct shim_log *log)
{
	char text[96], line[sizeof(text) * 2 + LINE_FRAME];
	int n = snprintf(text, sizeof(text), "[%llu log lines are missing here: no room]\n",
			 (unsigned long long)log->dropped_unsaid);

	if (!write_all(log, line, format_line(line, 1, text, (size_t)n)))
		return false;
	log->dropped_unsaid = 0;
	return true;
}

static void write_out(struct shim_log *log)
{
	if (log->out_len == 0)
		return;
	if (log->fd < 0 && log->dir_fd >= 0 && !mono_before(mono_now(), log->retry))
		try_open(log, -1);
	if (log->fd >= 0 && log->max_size && log->size > 0 &&
	    log->size + log->out_len > log->max_size)
		rotate(log);
	if ((log->dropped_unsaid && !say_dropped(log)) ||
	    !write_all(log, log->room->out, log->out_len)) {
		log->dropped += log->out_lines;
		log->dropped_unsaid += log->out_lines;
	}
	log->out_len = log->out_lines = 0;
}

static void put_line(struct shim_log *log, int stream, const char *data, size_t len)
{
	size_t worst = len * ESCAPE_WORST + LINE_FRAME + 16;

	if (log->syslog && log->syslog->on)
		shim_syslog_add(log->syslog, stream, data, len);

	/* A batch must not outgrow a log file by more than a line. */
	if (log->out_len + worst > sizeof(log->room->out) ||
	    (log->max_size && log->size + log->out_len > log->max_size))
		write_out(log);
	log->out_len += format_line(log->room->out + log->out_len, stream, data, len);
	log->out_lines++;
}

void shim_log_add(struct shim_log *log, int stream, const char *data, size_t len)
{
	char *line = log->room->line[stream];
	size_t *have = &log->partial[stream];

	if (log->off)
		return;
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t take = end ? (size_t)(end - data) + 1 : len;

		if (take > SHIM_LINE_MAX - *have)
			take = SHIM_LINE_MAX - *have;
		memcpy(line + *have, data, take);
		*have += take;
		data += take;
		len -= take;
		if (line[*have - 1] == '\n' || *have == SHIM_LINE_MAX) {
			put_line(log, stream, line, *have);
			*have = 0;
		}
	}
}

void shim_log_flush(struct shim_log *log, bool last)
{
	if (log->off)
		return;
	for (int stream = 0; last && stream < 2; stream++) {
		if (log->partial[stream] > 0)
			put_line(log, stream, log->room->line[stream], log->partial[stream]);
		log->partial[stream] = 0;
	}
	write_out(log);
}
