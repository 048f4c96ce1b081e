/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Role send of the `hoy` program: one support archive to one HTTPS server, then its end. A unit of
 * PID 1 while `support send` runs. Must never send a byte to a server whose certificate was not
 * found good, and never wait for one that is silent for longer than a minute.
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
#include "init/api/init_msg.h"
#include "init/api/send_msg.h"
#include "init/ship/answer.h"
#include "init/ship/ship.h"
#include "init/ship/tls.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/mono.h"
#include "lib/msg.h"
#include "lib/own.h"
#include "lib/sandbox.h"

#define SEND_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

enum {
	MAIN_FD = 3,
	SEND_UID = 938,
	FILES_MAX = 16,
	PEM_MAX = 1 << 20,
	CHUNK = 16384, /* one TLS record */
	CONNECT_MS = 15000,
	SILENT_MS = 60000,
	STEP_MS = 500, /* between two words on how far it is */
};

static struct {
	struct send_wish wish;
	int archive_fd, fd;
	struct ship_trust *trust;
	struct ship_tls *tls;
	uint64_t written; /* TLS counts into it */
	uint64_t done;	  /* bytes of the archive */
	struct mono told;
	const char *to; /* host and port of the connection: the proxy's, or the server's */
	uint16_t to_port;
	char answer[ANSWER_MAX];
	size_t answer_len;
	unsigned status;
	struct str reason;
} role = { .archive_fd = -1, .fd = -1 };

/* ---- to PID 1 ---- */

static void tell(uint16_t type, struct buf *body)
{
	struct msg msg = { .type = type, .body = buf_str(body) };

	(void)msg_send(MAIN_FD, &msg, NULL);
	buf_done(body);
}

static void tell_step(bool last)
{
	struct buf body;

	if (!last && role.told.ns != 0 && mono_diff_ms(mono_now(), role.told) < STEP_MS)
		return;
	role.told = mono_now();
	buf_init(&body, 32);
	wire_put_u64(&body, role.done);
	wire_put_u64(&body, role.wish.size);
	tell(INIT_MSG_SEND_STEP, &body);
}

static void tell_end(int code, const char *text)
{
	struct buf body;

	buf_init(&body, 16 + ERR_TEXT_MAX);
	wire_put_u32(&body, (uint32_t)code);
	wire_put_text(&body, text);
	tell(INIT_MSG_SEND_END, &body);
}

/* ---- the connection ---- */

/* STOP, or PID 1 is gone; that the configuration or the clock changed is nothing to this one. */
static bool is_stopped(void)
{
	struct msg msg OWN(msg_done) = { 0 };
	int r = msg_recv(MAIN_FD, &msg, NULL);

	return r > 0 ? msg.type == INIT_MSG_STOP : r != -EAGAIN;
}

/* Until the socket is ready, or PID 1 says STOP or is gone. */
static int wait_for(short events, int limit_ms, const char *what, struct err *err)
{
	struct mono end = mono_add_ms(mono_now(), limit_ms);

	for (;;) {
		struct pollfd fds[2] = { { .fd = role.fd, .events = events },
					 { .fd = MAIN_FD, .events = POLLIN } };
		int64_t left = mono_diff_ms(end, mono_now());

		if (left <= 0)
			return err_set(err, -ETIMEDOUT, "%s port %u: %s for %d s", role.to,
				       role.to_port, what, limit_ms / 1000);
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return err_sys(err, -errno, "poll");
		if (fds[1].revents != 0 && is_stopped())
			return err_set(err, -ECANCELED, "it was stopped");
		if (fds[0].revents != 0)
			return 0;
	}
}

static int connect_to(const struct addrinfo *to, struct err *err)
{
	socklen_t len = sizeof(int);
	int why = 0, r = 0;

	own_close(&role.fd);
	role.fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (role.fd < 0)
		return err_sys(err, -errno, "socket");
	if (connect(role.fd, to->ai_addr, to->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return err_sys(err, -errno, "%s port %u", role.to, role.to_port);
		r = wait_for(POLLOUT, CONNECT_MS, "no connection", err);
		if (r < 0)
			return r;
		if (getsockopt(role.fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
			why = errno;
	}
	return why != 0 ? err_sys(err, -why, "%s port %u", role.to, role.to_port) : 0;
}

/* One address of the name after another. */
static int open_connection(struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char port[8];
	int r;

	role.to = role.wish.proxy[0] != '\0' ? role.wish.proxy : role.wish.host;
	role.to_port = role.wish.proxy[0] != '\0' ? role.wish.proxy_port : role.wish.port;
	(void)snprintf(port, sizeof(port), "%u", role.to_port);
	r = getaddrinfo(role.to, port, &hints, &found);
	if (r != 0)
		return err_set(err, -ENONET, "%s: %s; `network dns` tells whom it is asked of",
			       role.to, gai_strerror(r));
	r = -ENONET;
	for (struct addrinfo *at = found; at != NULL && r < 0 && r != -ECANCELED; at = at->ai_next)
		r = connect_to(at, err);
	freeaddrinfo(found);
	return r;
}

/* The way through a proxy, in the clear: what goes over it is not. */
static int ask_proxy(struct err *err)
{
	struct buf head OWN(buf_done) = { 0 };
	ssize_t n;
	int r;

	buf_init(&head, 1024);
	if (answer_connect(&head, &role.wish) < 0)
		return err_set(err, -E2BIG, "server in [support] is too long");
	/* A connection that was just made takes so little at once. */
	n = send(role.fd, head.data, head.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n != (ssize_t)head.len)
		return err_set(err, -EPIPE, "the proxy %s takes nothing", role.to);
	for (;;) {
		r = wait_for(POLLIN, CONNECT_MS, "no answer of the proxy", err);
		if (r < 0)
			return r;
		n = recv(role.fd, role.answer + role.answer_len,
			 sizeof(role.answer) - role.answer_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return err_set(err, -EPIPE, "the proxy %s closed the connection", role.to);
		role.answer_len += (size_t)n;
		r = answer_proxy(str_make(role.answer, role.answer_len), &role.wish, err);
		if (r < 0)
			return r;
		if (r > 0)
			break;
	}
	role.answer_len = 0;
	role.to = role.wish.host;
	role.to_port = role.wish.port;
	return 0;
}

static int shake(struct err *err)
{
	struct err why = { 0 };
	int r;

	role.tls = ship_tls_new(role.trust, role.fd, role.wish.host, &role.written, err);
	if (role.tls == NULL)
		return err->code;
	for (;;) {
		r = ship_tls_handshake(role.tls, &why);
		if (r == SHIP_TLS_DONE)
			return 0;
		if (r < 0)
			return err_set(err, r, "%s port %u: %s%s", role.wish.host, role.wish.port,
				       err_text(&why),
				       r == -EKEYREJECTED ? "; ca_file in [support] names the "
							    "authorities that count"
							  : "");
		r = wait_for(r == SHIP_TLS_WRITES ? POLLOUT : POLLIN, CONNECT_MS,
			     "no end of the TLS handshake", err);
		if (r < 0)
			return r;
	}
}

/* ---- the request ---- */

/* What the server says, at any time: 1 = its answer is there, 0 = not yet. */
static int take_answer(struct err *err)
{
	struct err why = { 0 };
	ssize_t n;
	int r = 0;

	while (r == 0) {
		n = role.answer_len < sizeof(role.answer)
			    ? ship_tls_read(role.tls, role.answer + role.answer_len,
					    sizeof(role.answer) - role.answer_len, &why)
			    : -EBADMSG;
		if (n < 0 && n != -EBADMSG)
			return err_set(err, (int)n, "%s port %u: %s before it had answered",
				       role.wish.host, role.wish.port, err_text(&why));
		if (n == 0)
			return 0;
		role.answer_len += n > 0 ? (size_t)n : 0;
		r = n < 0 ? -EBADMSG
			  : answer_status(str_make(role.answer, role.answer_len), &role.status,
					  &role.reason);
	}
	return r > 0 ? 1
		     : err_set(err, -EPROTO, "%s port %u does not speak HTTP/1", role.wish.host,
			       role.wish.port);
}

/* All of it, unless the server answers before: 1 then. */
static int write_all(const char *bytes, size_t len, struct err *err)
{
	while (len > 0) {
		struct err why = { 0 };
		ssize_t n = ship_tls_write(role.tls, bytes, len, &why);
		int r;

		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		/* An answer to what is whole is no early one, however fast it came. */
		r = len == 0 ? 0 : take_answer(err);
		if (r != 0)
			return r;
		if (n < 0)
			return err_set(err, (int)n, "%s port %u: %s", role.wish.host,
				       role.wish.port, err_text(&why));
		if (n == 0)
			r = wait_for(POLLOUT | POLLIN, SILENT_MS, "it takes nothing", err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_archive(struct err *err)
{
	char bytes[CHUNK];
	int r = 0;

	while (r == 0 && role.done < role.wish.size) {
		uint64_t left = role.wish.size - role.done;
		ssize_t n = pread(role.archive_fd, bytes, left < CHUNK ? (size_t)left : CHUNK,
				  (off_t)role.done);

		if (n <= 0)
			return err_sys(err, n < 0 ? -errno : -EIO, "read %s", role.wish.name);
		r = write_all(bytes, (size_t)n, err);
		role.done += (uint64_t)n;
		tell_step(false);
	}
	if (r == 0)
		tell_step(true);
	return r;
}

static int talk(struct err *err)
{
	struct buf head OWN(buf_done) = { 0 };
	int r = open_connection(err);

	if (r >= 0 && role.wish.proxy[0] != '\0')
		r = ask_proxy(err);
	if (r >= 0)
		r = shake(err);
	if (r < 0)
		return r;
	buf_init(&head, 4096);
	if (answer_request(&head, &role.wish) < 0)
		return err_set(err, -E2BIG, "path and token in [support] are too long");
	r = write_all(buf_text(&head), head.len, err);
	if (r == 0)
		r = write_archive(err);
	while (r == 0) {
		r = wait_for(POLLIN, SILENT_MS, "no answer", err);
		if (r == 0)
			r = take_answer(err);
	}
	return r < 0 ? r : answer_judge(role.status, role.reason, &role.wish, err);
}

/* ---- start-up ---- */

static void take_wish(void)
{
	struct msg msg OWN(msg_done) = { 0 };
	struct err err = { 0 };
	struct wire in;

	if (msg_recv(MAIN_FD, &msg, &err) <= 0 || msg.type != INIT_MSG_SEND || msg.nfds != 1)
		fatal("nothing to send from init: %s", err_text(&err));
	wire_init(&in, msg.body.ptr, msg.body.len);
	if (send_wish_get(&in, &role.wish) < 0)
		fatal("malformed settings from init");
	role.archive_fd = msg_take_fd(&msg, 0);
}

static void confine(void)
{
	const struct sandbox sandbox = { .profile = SANDBOX_PROFILE_INET,
					 .uid = SEND_UID,
					 .gid = SEND_UID,
					 .root = "/run/hoy/net",
					 .files_max = FILES_MAX };
	struct err err = { 0 };

	if (sandbox_enter(&sandbox, &err) < 0)
		fatal("%s", err_text(&err));
}

/* PID 1 takes it down once it has heard the end. */
static void wait_for_stop(void)
{
	struct pollfd main = { .fd = MAIN_FD, .events = POLLIN };

	while (poll(&main, 1, SILENT_MS) > 0 && !is_stopped())
		;
}

/* Bytes of files, which are not looked at before this process has no rights left. */
struct papers {
	struct buf ca, cert, key;
	struct err err; /* code 0 = all are there */
};

static void read_paper(struct papers *papers, struct buf *pem, const char *key, const char *path)
{
	struct err why = { 0 };

	buf_init(pem, PEM_MAX);
	if (path[0] == '\0' || papers->err.code != 0 ||
	    fs_read(-1, path, FS_HOST, PEM_MAX, pem, &why) >= 0)
		return;
	(void)err_set(&papers->err, -EINVAL, "%s %s: %s", key, path, err_text(&why));
}

static void read_papers(struct papers *papers)
{
	const struct send_wish *wish = &role.wish;

	*papers = (struct papers){ 0 };
	if ((wish->cert_file[0] == '\0') != (wish->key_file[0] == '\0'))
		(void)err_set(&papers->err, -EINVAL,
			      "cert_file and key_file in [support] need each other");
	read_paper(papers, &papers->ca, "ca_file",
		   wish->ca_file[0] != '\0' ? wish->ca_file : SEND_AUTHORITIES);
	read_paper(papers, &papers->cert, "cert_file", wish->cert_file);
	read_paper(papers, &papers->key, "key_file", wish->key_file);
}

static void papers_done(struct papers *papers)
{
	if (papers->key.data != NULL)
		explicit_bzero(papers->key.data, papers->key.len);
	buf_done(&papers->ca);
	buf_done(&papers->cert);
	buf_done(&papers->key);
}

static int send_archive(struct papers *papers, struct err *err)
{
	struct err why = { 0 };

	if (papers->err.code != 0) {
		*err = papers->err;
		return err->code;
	}
	role.trust = ship_trust_new(buf_str(&papers->ca), buf_str(&papers->cert),
				    buf_str(&papers->key), &why);
	if (role.trust == NULL)
		return err_set(err, -EINVAL, "files of [support]: %s", err_text(&why));
	return talk(err);
}

int send_main(void)
{
	struct papers papers OWN(papers_done);
	char text[ERR_TEXT_MAX], reason[160];
	struct err err = { 0 };
	struct buf ready;
	int r;

	log_init("send", LOG_PRIO_INFO);
	take_wish();
	read_papers(&papers);
	confine();
	buf_init(&ready, 16);
	wire_put_text(&ready, "sending");
	tell(INIT_MSG_READY, &ready);
	r = send_archive(&papers, &err);
	if (r >= 0) {
		(void)str_escape(str_head(role.reason, 60), reason, sizeof(reason));
		(void)snprintf(text, sizeof(text), "%.100s answers %u %s", role.wish.host,
			       role.status, reason);
	}
	ship_tls_free(role.tls);
	tell_end(r < 0 ? r : 0, r < 0 ? err_text(&err) : text);
	wait_for_stop();
	return 0;
}
