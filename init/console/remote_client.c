/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `hoy -H HOST[:PORT] [--cert DIR] VERB...` on any Linux: one command to a machine over TLS, its
 * output and exit code. Must never go on with a machine whose certificate is not the authority's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "init/console/alias.h"
#include "init/console/remote.h"
#include "init/console/remote_talk.h"
#include "init/console/remote_tls.h"
#include "init/console/script.h"
#include "lib/fs.h"
#include "lib/mono.h"
#include "lib/own.h"

/* Connection, handshake and first sign of life have this long together, but for --timeout. */
enum { REMOTE_PEM_MAX = 256 << 10, REMOTE_LIMIT_S = 15, LIMIT_MAX_S = 3600 };

struct remote_place {
	char host[256], port[8];
	const char *folder; /* of ca.pem, cert.pem and key.pem */
	uint64_t limit_s;
	struct mono end; /* of the patience with a machine that has not answered yet */
};

/* "HOST", "HOST:PORT" */
static int read_place(const char *text, struct remote_place *place, struct err *err)
{
	struct str rest = str_from(text);
	ptrdiff_t colon = str_find(rest, ':');
	struct str host = colon < 0 ? rest : str_head(rest, (size_t)colon);
	uint64_t port = REMOTE_PORT;

	if (!host.len || str_copy(host, place->host, sizeof(place->host)) < 0 ||
	    (colon >= 0 && str_to_u64(str_skip(rest, (size_t)colon + 1), 1, 65535, &port) < 0))
		return err_set(err, -EINVAL, "-H: HOST or HOST:PORT is expected");
	(void)snprintf(place->port, sizeof(place->port), "%u", (unsigned)port);
	return 0;
}

static int too_late(const struct remote_place *place, const char *what, struct err *err)
{
	return err_set(err, -ETIMEDOUT, "%s port %s: no %s within %llu s", place->host, place->port,
		       what, (unsigned long long)place->limit_s);
}

/* Waits until fd can be written to. 0, or -ETIMEDOUT at the end. */
static int wait_until(struct mono end, int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	for (;;) {
		int64_t left_ms = mono_diff_ms(end, mono_now());
		int n = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* 0, or what kept the socket from it. */
static int connect_one(int fd, const struct addrinfo *at, struct mono end)
{
	socklen_t len = sizeof(int);
	int why = 0, r;

	if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = wait_until(end, fd);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
			why = errno;
	}
	if (why == 0 && fcntl(fd, F_SETFL, 0) < 0)
		why = errno;
	return -why;
}

/* An address that swallows everything may only use up its share of the patience. */
static struct mono share_end(const struct remote_place *place, const struct addrinfo *at)
{
	struct mono now = mono_now();
	int64_t count = 0;

	for (; at; at = at->ai_next)
		count++;
	return mono_add_ms(now, mono_diff_ms(place->end, now) / count);
}

static int open_connection(const struct remote_place *place, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int why = 0, r = getaddrinfo(place->host, place->port, &hints, &found);

	if (r)
		return err_set(err, -ENONET, "%s: %s", place->host, gai_strerror(r));
	for (struct addrinfo *at = found; at; at = at->ai_next) {
		int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		why = fd >= 0 ? connect_one(fd, at, share_end(place, at)) : -errno;
		if (why == 0) {
			freeaddrinfo(found);
			return fd;
		}
		own_close(&fd);
	}
	freeaddrinfo(found);
	if (why == -ETIMEDOUT)
		return too_late(place, "connection", err);
	return err_sys(err, why, "connect to %s port %s", place->host, place->port);
}

static int read_pem(const char *folder, const char *name, struct buf *text, struct err *err)
{
	char path[1024];

	buf_init(text, REMOTE_PEM_MAX);
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path of %s is too long", name);
	return fs_read(AT_FDCWD, path, FS_HOST, REMOTE_PEM_MAX, text, err);
}

static int begin_tls(const struct remote_place *place, int fd, struct remote_tls **ret_tls,
		     struct err *err)
{
	struct buf ca OWN(buf_done) = { 0 }, cert OWN(buf_done) = { 0 }, key OWN(buf_done) = { 0 };
	int r = read_pem(place->folder, "ca.pem", &ca, err);

	if (r >= 0)
		r = read_pem(place->folder, "cert.pem", &cert, err);
	if (r >= 0)
		r = read_pem(place->folder, "key.pem", &key, err);
	if (r >= 0)
		r = remote_tls_connect(fd, place->host, buf_str(&ca), buf_str(&cert), buf_str(&key),
				       ret_tls, err);
	if (key.data)
		explicit_bzero(key.data, key.len);
	return r;
}

/* How long one read or write of the socket may take; 0 = for ever. */
static void limit_waits(int fd, int64_t limit_ms)
{
	const struct timeval limit = { .tv_sec = limit_ms / 1000,
				       .tv_usec = limit_ms % 1000 * 1000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* What is left of the patience: none at all must not become for ever. */
static int limit_handshake(const struct remote_place *place, int fd, struct err *err)
{
	int64_t left_ms = mono_diff_ms(place->end, mono_now());

	if (left_ms <= 0)
		return too_late(place, "TLS handshake", err);
	limit_waits(fd, left_ms);
	return 0;
}

/* What a command does with its input is looked up by its own name. */
static enum remote_need need_of(int count, char **words)
{
	static struct words line;

	for (line.count = 0; line.count < count && line.count < WORDS_MAX; line.count++)
		line.items[line.count] = words[line.count];
	line.items[line.count] = NULL;
	alias_expand(&line);
	return remote_need(&line);
}

static int talk(const struct remote_place *place, int count, char **words, struct err *err)
{
	struct buf request OWN(buf_done) = { 0 };
	int fd OWN_FD = -1; /* open until TLS has said its end */
	struct remote_tls *tls OWN(remote_tls_drop) = NULL;
	struct remote_talk talk;
	int r;

	remote_talk_init(&talk, need_of(count, words));
	buf_init(&request, REMOTE_REQUEST_MAX + 16);
	r = remote_request_put(&request, words, count, &talk.screen, err);
	if (r >= 0)
		r = fd = open_connection(place, err);
	if (r >= 0)
		r = limit_handshake(place, fd, err);
	if (r >= 0)
		r = begin_tls(place, fd, &tls, err);
	if (r >= 0)
		r = remote_tls_write(tls, buf_text(&request), request.len, err);
	if (r < 0)
		return r;
	talk.tls = tls;
	talk.fd = fd;
	r = remote_talk_begin(&talk, err);
	/* The machine says at once that it has begun, however long the command takes. */
	if (r == -ETIMEDOUT)
		return too_late(place, "answer", err);
	limit_waits(fd, 0);
	return r < 0 ? r : remote_talk(&talk, err);
}

static const char *default_folder(char *home, size_t cap)
{
	const char *folder = getenv("HOY_CERT_PATH");

	if (!folder || !*folder)
		folder = getenv("DOCKER_CERT_PATH");
	if (folder && *folder)
		return folder;
	(void)snprintf(home, cap, "%s/.docker", getenv("HOME") ? getenv("HOME") : "");
	return home;
}

/* What stands between the place and the command. */
static int read_options(int argc, char **argv, int *at, struct remote_place *place)
{
	place->limit_s = REMOTE_LIMIT_S;
	for (; *at + 1 < argc; *at += 2) {
		if (!strcmp(argv[*at], "--cert"))
			place->folder = argv[*at + 1];
		else if (strcmp(argv[*at], "--timeout") != 0)
			return 0;
		else if (str_to_u64(str_from(argv[*at + 1]), 1, LIMIT_MAX_S, &place->limit_s) < 0)
			return -EINVAL;
	}
	return 0;
}

int remote_client(int argc, char **argv)
{
	struct remote_place place = { 0 };
	struct err err = { 0 };
	char home[1024];
	int at = 3, r;

	place.folder = default_folder(home, sizeof(home));
	r = read_options(argc, argv, &at, &place);
	if (r >= 0 && argc > at)
		r = read_place(argv[2], &place, &err);
	else
		r = err_set(&err, -EINVAL,
			    "usage: hoy -H HOST[:PORT] [--cert DIR] [--timeout SECONDS] "
			    "COMMAND...");
	place.end = mono_add_ms(mono_now(), (int64_t)place.limit_s * 1000);
	if (r >= 0)
		r = talk(&place, argc - at, argv + at, &err);
	if (r >= 0)
		return r;
	(void)fprintf(stderr, "%s\n", err_text(&err));
	return r == -EINVAL || r == -E2BIG     ? (int)SCRIPT_EXIT_USAGE
	       : r == -EKEYREJECTED	       ? (int)SCRIPT_EXIT_DENIED
	       : r == -ENOENT || r == -ENOTDIR ? (int)SCRIPT_EXIT_MISSING
					       : (int)SCRIPT_EXIT_AWAY;
}
