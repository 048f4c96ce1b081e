/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading logs by lines. Runs in the console program, on files that others opened for it. Must
 * never keep more of a file than a chunk.
 */
#include "init/console/log_reader.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/own.h"

enum { READER_CHUNK = 65536, READER_MAX = 2 * READER_CHUNK };

static void take_fds(struct log_reader *reader, struct msg *msg)
{
	reader->count = 0;
	for (size_t i = 0; i < msg->nfds; i++)
		reader->fds[reader->count++] = msg_take_fd(msg, i);
}

void log_reader_init(struct log_reader *reader, struct msg *msg)
{
	*reader = (struct log_reader){ 0 };
	buf_init(&reader->data, READER_MAX);
	take_fds(reader, msg);
}

static void close_all(struct log_reader *reader)
{
	while (reader->count > 0)
		own_close(&reader->fds[--reader->count]);
}

void log_reader_done(struct log_reader *reader)
{
	close_all(reader);
	buf_done(&reader->data);
}

static void begin_file(struct log_reader *reader, size_t at, off_t offset)
{
	reader->at = at;
	reader->offset = offset;
	reader->taken = reader->line = 0;
	buf_clear(&reader->data);
}

void log_reader_rewind(struct log_reader *reader)
{
	begin_file(reader, 0, 0);
}

/* More of the file; false when it has no more now. */
static bool fill(struct log_reader *reader)
{
	ssize_t n;

	if (reader->taken > 0)
		buf_consume(&reader->data, reader->taken);
	reader->taken = 0;
	if (reader->data.len >= READER_CHUNK) /* a line longer than any we write */
		buf_clear(&reader->data);
	if (buf_reserve(&reader->data, READER_CHUNK) < 0)
		return false;
	n = pread(reader->fds[reader->at], reader->data.data + reader->data.len, READER_CHUNK,
		  reader->offset);
	if (n <= 0)
		return false;
	reader->data.len += (size_t)n;
	reader->offset += n;
	return true;
}

bool log_reader_line(struct log_reader *reader, struct str *ret_line)
{
	while (reader->line == 0) {
		struct str rest = str_skip(buf_str(&reader->data), reader->taken);
		ptrdiff_t newline = str_find(rest, '\n');

		if (newline >= 0) {
			reader->line = (size_t)newline + 1;
		} else if (reader->at >= reader->count) {
			return false;
		} else if (!fill(reader)) {
			if (reader->at + 1 >= reader->count)
				return false;
			begin_file(reader, reader->at + 1, 0);
		}
	}
	*ret_line = str_make(reader->data.data + reader->taken, reader->line - 1);
	return true;
}

void log_reader_next(struct log_reader *reader)
{
	reader->taken += reader->line;
	reader->line = 0;
}

/* The offset of the last lines of a file, and how many they are: *lines, or all that it has. */
static off_t tail_offset(int fd, uint64_t lines, uint64_t *ret_lines)
{
	static char chunk[READER_CHUNK];
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t seen = 0;

	for (off_t end = size; end > 0;) {
		off_t start = end > READER_CHUNK ? end - READER_CHUNK : 0;
		ssize_t n = pread(fd, chunk, (size_t)(end - start), start);

		for (ssize_t i = n - 1; i >= 0; i--) {
			if (chunk[i] != '\n' || start + i + 1 >= size || ++seen < lines)
				continue;
			*ret_lines = lines;
			return start + i + 1;
		}
		if (n <= 0)
			break;
		end = start;
	}
	*ret_lines = size > 0 ? seen + 1 : 0;
	return 0;
}

void log_reader_tail(struct log_reader *reader, uint64_t lines)
{
	size_t at = reader->count;
	off_t offset = 0;

	if (lines == 0 && at > 0)
		offset = lseek(reader->fds[--at], 0, SEEK_END);
	while (lines > 0 && at > 0) {
		uint64_t found;

		offset = tail_offset(reader->fds[--at], lines, &found);
		lines -= found < lines ? found : lines;
	}
	begin_file(reader, at, offset);
}

void log_reader_renew(struct log_reader *reader, struct msg *msg)
{
	struct stat old, now;
	size_t at;

	if (reader->count > 0 && fstat(reader->fds[reader->at], &old) < 0)
		return;
	if (reader->count == 0) {
		take_fds(reader, msg);
		begin_file(reader, 0, 0);
		return;
	}
	close_all(reader);
	take_fds(reader, msg);
	for (at = 0; at < reader->count; at++)
		if (fstat(reader->fds[at], &now) == 0 && now.st_ino == old.st_ino &&
		    now.st_dev == old.st_dev)
			break;
	if (at < reader->count)
		reader->at = at;
	else /* what was read is gone already: the oldest that is left comes next */
		begin_file(reader, 0, 0);
}
