/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blobs of pull_driver: what a role hands over goes into a folder under its hex digest, only if
 * size and digest are right; what it asks for comes out of it. Runs in the test tool.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/own.h"
#include "tests/ns/pull_driver.h"

static void answer(int fd, const struct msg *call, uint16_t flags, struct str body, int pass_fd)
{
	struct msg msg = { .type = call->type,
			   .flags = (uint16_t)(MSG_FLAG_REPLY | flags),
			   .serial = call->serial,
			   .body = body };
	struct err err = { 0 };

	if (pass_fd >= 0) {
		msg.fds[0] = pass_fd;
		msg.nfds = 1;
	}
	if (msg_send(fd, &msg, &err) < 0)
		driver_die("answer", &err);
}

static void answer_error(int fd, const struct msg *call, int code, const char *text)
{
	struct buf body;

	buf_init(&body, 1024);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_text(&body, text);
	answer(fd, call, MSG_FLAG_ERROR, buf_str(&body), -1);
	buf_done(&body);
}

static const char *kinds[] = { "?", "config", "layer", "manifest" };

static bool interrupt(const struct pull_blob *blob, size_t done)
{
	char line[8];

	if (blob->kind != PULL_KIND_LAYER)
		return false;
	if (driver_options.pause_at && done >= (size_t)driver_options.pause_at) {
		driver_options.pause_at = 0;
		puts("paused");
		if (!fgets(line, sizeof(line), stdin))
			exit(3);
	}
	if (!driver_options.kill_at || done < (size_t)driver_options.kill_at)
		return false;
	kill(driver_pid, SIGKILL);
	return true;
}

/* A blob on its way in. */
struct taking {
	bool used, ended, good;
	int in, out;
	struct pull_blob blob;
	struct digest digest;
	char path[4200];
	struct sha256 hash;
	size_t done;
	struct msg end; /* the BLOB_END that waits, type 0 = none yet */
};

enum { TAKINGS_MAX = 8 };
static struct taking takings[TAKINGS_MAX];

static const char *hex_of(const struct taking *t)
{
	return t->path + strlen(driver_options.folder) + 1;
}

static void answer_end(int fd, struct taking *t)
{
	if (!t->ended || !t->end.type)
		return;
	if (driver_options.refuse)
		answer_error(fd, &t->end, -ENOSPC, "the data partition is full");
	else if (t->good)
		answer(fd, &t->end, 0, STR(""), -1);
	else
		answer_error(fd, &t->end, -EBADMSG,
			     "the blob that came is not the one that was named");
	t->used = false;
}

/* No more bytes: the file gets its name only when it is what was promised. */
static void end_taking(int fd, struct taking *t)
{
	char part[4300];
	struct digest is;

	own_close(&t->in);
	own_close(&t->out);
	snprintf(part, sizeof(part), "%s.part", t->path);
	sha256_end(&t->hash, &is);
	t->good = t->done == t->blob.size && memcmp(&is, &t->digest, sizeof(is)) == 0;
	t->ended = true;
	if (t->good)
		printf("blob %s %zu %s\n", kinds[t->blob.kind], t->done, hex_of(t));
	else
		printf("%s %s %zu of %llu %s\n", t->done == t->blob.size ? "wrong" : "short",
		       kinds[t->blob.kind], t->done, (unsigned long long)t->blob.size, hex_of(t));
	if (t->good ? rename(part, t->path) != 0 : unlink(part) != 0)
		exit(3);
	answer_end(fd, t);
}

/* Takes what is there now. */
static void take_some(int fd, struct taking *t)
{
	static char block[65536];
	ssize_t n = read(t->in, block, sizeof(block));

	if (n > 0) {
		sha256_add(&t->hash, block, (size_t)n);
		t->done += (size_t)n;
		if (write(t->out, block, (size_t)n) != n)
			exit(3);
	}
	if (n <= 0 || interrupt(&t->blob, t->done))
		end_taking(fd, t);
}

static struct taking *begin_taking(const struct pull_blob *blob, int in)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];
		char part[4300], text[DIGEST_TEXT_MAX];

		if (t->used)
			continue;
		*t = (struct taking){ .used = true, .in = in, .out = -1, .blob = *blob };
		t->digest = blob->digest;
		snprintf(t->path, sizeof(t->path), "%s/%s", driver_options.folder,
			 digest_text(&blob->digest, text) + 7);
		snprintf(part, sizeof(part), "%s.part", t->path);
		t->out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		sha256_init(&t->hash);
		return t;
	}
	driver_die("more blobs at once than a driver takes", NULL);
	return NULL;
}

/* One that was given up and is offered again. */
static void drop_taking(const struct digest *digest)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];

		if (!t->used || memcmp(&t->digest, digest, sizeof(*digest)) != 0)
			continue;
		puts("again");
		own_close(&t->in);
		own_close(&t->out);
		t->used = false;
	}
}

void driver_blob(int fd, struct msg *msg)
{
	char text[DIGEST_TEXT_MAX], path[4200];
	struct msg call = { .type = msg->type, .serial = msg->serial };
	struct pull_blob blob;
	struct taking *t;
	struct err err = { 0 };
	int fds[2];

	if (pull_blob_decode(msg->body, &driver_arena, &blob, &err) < 0)
		driver_die("blob message", &err);
	snprintf(path, sizeof(path), "%s/%s", driver_options.folder,
		 digest_text(&blob.digest, text) + 7);
	msg_done(msg);
	if (blob.probe || access(path, F_OK) == 0) {
		bool have = access(path, F_OK) == 0;

		printf("%s %s %s\n", have ? "have" : "have not", kinds[blob.kind], text + 7);
		answer(fd, &call, 0, have ? STR("\1") : STR("\0"), -1);
		return;
	}
	drop_taking(&blob.digest);
	if (pipe2(fds, O_CLOEXEC) < 0)
		driver_die("pipe", &err);
	t = begin_taking(&blob, fds[0]);
	answer(fd, &call, 0, STR("\0"), fds[1]);
	close(fds[1]);
	if (driver_options.refuse && blob.kind == PULL_KIND_LAYER)
		end_taking(fd, t);
}

void driver_blob_end(int fd, const struct msg *msg)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		struct taking *t = &takings[i];

		if (!t->used || msg->body.len != sizeof(t->digest) ||
		    memcmp(&t->digest, msg->body.ptr, sizeof(t->digest)) != 0)
			continue;
		t->end = (struct msg){ .type = msg->type, .serial = msg->serial };
		answer_end(fd, t);
		return;
	}
	answer_error(fd, msg, -EBADMSG, "end of a blob that was not begun");
}

/* Whether the layers that are missing would fit. */
void driver_need(int fd, const struct msg *msg)
{
	struct wire in;
	uint64_t bytes;

	wire_init(&in, msg->body.ptr, msg->body.len);
	bytes = wire_u64(&in);
	printf("need %llu\n", (unsigned long long)bytes);
	if (driver_options.room && bytes > driver_options.room)
		answer_error(fd, msg, -ENOSPC, "no room for the image");
	else
		answer(fd, msg, 0, STR(""), -1);
}

/* A blob of the folder for a push. */
void driver_source(int fd, struct msg *msg)
{
	char text[DIGEST_TEXT_MAX], path[4200];
	struct msg call = { .type = msg->type, .serial = msg->serial };
	struct digest digest;
	struct stat st;
	struct buf body;
	int blob;

	memcpy(&digest, msg->body.ptr, sizeof(digest));
	snprintf(path, sizeof(path), "%s/%s", driver_options.folder,
		 digest_text(&digest, text) + 7);
	msg_done(msg);
	blob = open(path, O_RDONLY | O_CLOEXEC);
	if (blob < 0 || fstat(blob, &st) < 0) {
		answer_error(fd, &call, -ENOENT, "no such blob");
		return;
	}
	printf("source %s\n", text + 7);
	buf_init(&body, 16);
	wire_put_u64(&body, (uint64_t)st.st_size);
	answer(fd, &call, 0, buf_str(&body), blob);
	buf_done(&body);
	close(blob);
}

/* The role is gone: what it gave up is named. */
void driver_drain(int fd)
{
	for (size_t i = 0; i < TAKINGS_MAX; i++) {
		while (takings[i].used && !takings[i].ended)
			take_some(fd, &takings[i]);
	}
}

/* Until the role says something; blobs flow meanwhile. */
void driver_flow(int fd)
{
	struct pollfd watch[TAKINGS_MAX + 1];

	for (;;) {
		watch[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
		for (size_t i = 0; i < TAKINGS_MAX; i++)
			watch[i + 1] = (struct pollfd){ .fd = takings[i].used && !takings[i].ended
								      ? takings[i].in
								      : -1,
							.events = POLLIN };
		if (poll(watch, TAKINGS_MAX + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < TAKINGS_MAX; i++) {
			if (watch[i + 1].revents)
				take_some(fd, &takings[i]);
		}
		if (watch[0].revents)
			return;
	}
}
