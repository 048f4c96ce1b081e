/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_LOG_READER_H
#define HOY_INIT_CONSOLE_LOG_READER_H

#include <stdbool.h>
#include <sys/types.h>
#include "lib/buf.h"
#include "lib/msg.h"

/* Whole lines out of the files of a log, oldest file first, that somebody passed as fds. */
struct log_reader {
	int fds[MSG_FDS_MAX];
	size_t count, at; /* the file that is read */
	off_t offset;	  /* of what is read next */
	struct buf data;
	size_t taken; /* bytes of data that were lines already */
	size_t line;  /* length of the line in front, its newline with it; 0 = not looked for */
};

/* Takes the fds out of the message. */
void log_reader_init(struct log_reader *reader, struct msg *msg);
void log_reader_done(struct log_reader *reader); /* closes them */

/* The line in front, without its newline, valid until the next call; false at the end of what is
 * there now. A line longer than any we write is passed over. */
bool log_reader_line(struct log_reader *reader, struct str *ret_line);
void log_reader_next(struct log_reader *reader); /* past that line */

/* Back to the first line of all. */
void log_reader_rewind(struct log_reader *reader);
/* In front of the newest `lines` lines of all files; 0 = to the end. */
void log_reader_tail(struct log_reader *reader, uint64_t lines);

/* Newer files of the same log: goes on with those behind what was read; takes the fds. */
void log_reader_renew(struct log_reader *reader, struct msg *msg);

#endif
