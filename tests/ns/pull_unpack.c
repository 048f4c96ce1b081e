/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unpack half of pull_driver: gives one layer to the unpack role and prints the records that
 * come out. Runs in the test tool; must print nothing that an archive chose without escaping it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "engine/api/entry.h"
#include "engine/api/unpack_msg.h"
#include "lib/own.h"
#include "tests/ns/pull_driver.h"

static const char *types[] = { "?",	"file", "dir",	"symlink", "hardlink", "char",
			       "block", "fifo", "gone", "opaque",  "data",     "end" };

static void print_entry(const struct entry *e)
{
	char path[600], target[600];

	str_escape(e->path, path, sizeof(path));
	str_escape(e->target, target, sizeof(target));
	printf("%s /%s %s%s %o %u:%u %llu", types[e->type], path, e->target.len ? "-> " : "",
	       target, e->mode, e->uid, e->gid, (unsigned long long)e->size);
	for (uint32_t i = 0; i < e->xattr_count; i++)
		printf(" %.*s", STR_ARG(e->xattrs[i].name));
	puts("");
}

/* The digest of a file's content, holes as zeros. */
static void print_content(struct sha256 *hash, uint64_t left)
{
	static const char zeros[4096];
	struct digest digest;
	char text[DIGEST_TEXT_MAX];

	for (; left > 0; left -= left < sizeof(zeros) ? left : sizeof(zeros))
		sha256_add(hash, zeros, left < sizeof(zeros) ? left : sizeof(zeros));
	sha256_end(hash, &digest);
	printf("  content %s\n", digest_text(&digest, text));
}

static void print_entries(int in)
{
	static const char zero;
	static struct entry e;
	struct entry_reader reader;
	struct err err = { 0 };
	struct sha256 hash;
	uint64_t size = 0, at = 0;
	int r;

	entry_reader_init(&reader, in);
	while ((r = entry_read(&reader, &e, &err)) == 1) {
		if (e.type == ENTRY_DATA) {
			for (; at < e.offset; at++)
				sha256_add(&hash, &zero, 1);
			sha256_add(&hash, e.data.ptr, e.data.len);
			at += e.data.len;
			continue;
		}
		if (size > 0)
			print_content(&hash, size - at);
		print_entry(&e);
		size = e.type == ENTRY_FILE ? e.size : 0;
		at = 0;
		sha256_init(&hash);
	}
	if (size > 0 && r == 0)
		print_content(&hash, size - at);
	if (r < 0)
		printf("records end early: %s\n", err_text(&err));
	entry_reader_done(&reader);
}

static int run_unpack_role(const struct unpack_start *start, int in, int out)
{
	struct msg call = {
		.type = UNPACK_MSG_START, .flags = MSG_FLAG_CALL, .serial = 7, .nfds = 2
	};
	int fd = driver_start("unpack");
	struct err err = { 0 };
	struct buf body;

	buf_init(&body, 4096);
	unpack_start_encode(start, &body);
	call.body = buf_str(&body);
	call.fds[0] = in;
	call.fds[1] = out;
	if (msg_send(fd, &call, &err) < 0)
		driver_die("call", &err);
	buf_done(&body);
	return fd;
}

static int print_result(int fd)
{
	char text[DIGEST_TEXT_MAX];
	struct unpack_result result;
	struct err err = { 0 };
	struct msg msg = { 0 };

	if (msg_recv(fd, &msg, &err) <= 0) {
		printf("gone\n");
		return driver_end(fd, 2);
	}
	if (msg.flags & MSG_FLAG_ERROR)
		return driver_reply(fd, &msg);
	if (unpack_result_decode(msg.body, &result, &err) < 0)
		driver_die("unpack result", &err);
	printf("layer %s %llu entries\n", digest_text(&result.diff, text),
	       (unsigned long long)result.entries);
	return driver_end(fd, 0);
}

int driver_unpack(const char *engine, const char *file, bool raw)
{
	struct unpack_start start = { .flags = raw ? 0 : UNPACK_FLAG_LAYER };
	int in = open(file, O_RDONLY | O_CLOEXEC), fds[2], fd;
	struct err err = { 0 };

	if (!engine || in < 0 || pipe2(fds, O_CLOEXEC) < 0)
		driver_die("unpack needs --engine and a file", &err);
	fd = run_unpack_role(&start, in, fds[1]);
	close(fds[1]);
	print_entries(fds[0]);
	close(fds[0]);
	return print_result(fd);
}
