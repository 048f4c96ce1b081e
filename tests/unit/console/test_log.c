/* SPDX-License-Identifier: Apache-2.0 */
/* The words behind log and logs; lines out of the files of a log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/console/log_options.h"
#include "init/console/log_reader.h"
#include "tests/unit/tap.h"

enum { NOW = 1795298136 };

static struct log_options options;
static struct words words;
static struct err err;

static int parse(const char *line)
{
	(void)words_split(str_from(line), &words, NULL);
	err = (struct err){ 0 };
	return log_options_parse(&words, NOW, &options, &err);
}

static void test_options(void)
{
	is_int(parse("log"), 0, "nothing");
	is_int((long)options.lines, LOG_TAIL, "is the newest lines");
	is_int(parse("log netd -n 5 -f"), 0, "a unit, lines, follow");
	ok(options.count == 1 && options.follow && options.lines == 5, "as they stand there");
	is_int(parse("log --boot -1 --grep 'a b' --since 10m -p warn"), 0, "what chooses lines");
	is_int(options.boot, -1, "the boot before this one");
	is_text(options.filter.grep, "a b", "the piece");
	is_int(options.filter.since_s, NOW - 600, "the time");
	is_int(options.filter.prio_max, 4, "the level");
	is_int((long)options.lines, 0, "then all lines are meant");
	is_int(parse("log --boot 1"), -EINVAL, "a boot to come");
	is_text(err_text(&err), "--boot takes 0 for this boot, -1 for the one before it",
		"and what it takes");
	is_int(parse("log --since"), -EINVAL, "a value that is missing");
	is_int(parse("log --boot -1 -f"), -EINVAL, "another boot cannot be followed");
	is_int(parse("log --nonsense"), -EINVAL, "an unknown option");
	is_int(parse("logs a b c d e f g h i"), -E2BIG, "too many names");
}

static int file_with(const char *text)
{
	char path[] = "/tmp/hoy-test-log-XXXXXX";
	int fd = mkstemp(path);

	(void)unlink(path);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return fd;
}

static struct log_reader reader;

static void expect(const char *want, const char *what)
{
	struct str line;
	char text[64] = "(end)";

	if (log_reader_line(&reader, &line)) {
		(void)snprintf(text, sizeof(text), "%.*s", STR_ARG(line));
		log_reader_next(&reader);
	}
	is_text(text, want, "%s", what);
}

static void test_reader(void)
{
	struct msg msg = { .nfds = 3 }, newer = { .nfds = 2 };
	static char longest[200000];
	int last, next;

	msg.fds[0] = file_with("one\ntwo\n");
	msg.fds[1] = file_with("three\n");
	msg.fds[2] = last = file_with("four\nfi");
	log_reader_init(&reader, &msg);
	expect("one", "the oldest file");
	expect("two", "its next line");
	expect("three", "the next file");
	expect("four", "the newest file");
	expect("(end)", "a line that is being written is none");
	ok(pwrite(last, "ve\n", 3, 7) == 3, "it is finished");
	expect("five", "then it is one");
	log_reader_tail(&reader, 3);
	expect("three", "the newest three, over files");
	log_reader_tail(&reader, 100);
	expect("one", "more than there are");
	log_reader_tail(&reader, 0);
	expect("(end)", "none");
	newer.fds[0] = dup(last);
	newer.fds[1] = next = file_with("six\n");
	ok(pwrite(last, "late\n", 5, 10) == 5, "a last line before the rotation");
	log_reader_renew(&reader, &newer);
	expect("late", "of the file that was read");
	expect("six", "then the new file");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 2] = '\n';
	ok(write(next, longest, sizeof(longest) - 1) > 0 && write(next, "end\n", 4) == 4,
	   "a line longer than any");
	for (int i = 0; i < 2; i++) {
		struct str line;

		if (log_reader_line(&reader, &line) && line.len > 100)
			log_reader_next(&reader);
	}
	expect("end", "is passed over");
	log_reader_done(&reader);
}

int main(void)
{
	test_options();
	test_reader();
	return tap_done();
}
