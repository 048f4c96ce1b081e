/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_CLIENT_H
#define HOY_ENGINE_REGISTRY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_msg.h"
#include "engine/http/http.h"
#include "engine/http/url.h"
#include "engine/registry/tls.h"
#include "lib/buf.h"
#include "lib/err.h"

/*
 * HTTP requests over TCP or TLS. Each response has its connection to itself until it is finished;
 * idle ones are kept for the next request to the same origin. It follows nothing and knows no
 * login: that is session.h.
 */
enum { CLIENT_CONNECTIONS = 8 };

struct client_connection {
	struct url origin;
	int fd; /* -1 = none */
	struct tls *tls;
	struct buf in; /* received, not yet taken */
	bool used;     /* carried a request before */
	bool busy;     /* belongs to a response that is not finished */
	bool no_wait;  /* client_read_now() is reading */
	uint64_t stamp;
};

struct client {
	const struct tls_trust *trust;
	const struct url *identity;	/* the one origin that the client certificate is shown to */
	const struct pull_proxy *proxy; /* NULL = none */
	bool outside;			/* only net_outside() is asked */
	struct client_connection connections[CLIENT_CONNECTIONS];
	uint64_t stamp;
};

/* What a request carries: bytes [from, from + size) of a file, or of `text` when fd is -1. */
struct client_body {
	const char *type;  /* Content-Type, NULL = none */
	const char *range; /* Content-Range, NULL = none */
	int fd;		   /* a regular file */
	struct str text;
	uint64_t from, size;
};

struct client_request {
	const char *method; /* "GET", "HEAD", "POST" */
	struct url url;
	const char *accept;	   /* NULL = none */
	const char *authorization; /* NULL = none */
	const char *git_protocol;  /* Git-Protocol, NULL = none */
	uint64_t range_from;	   /* > 0: "Range: bytes=N-" */
	struct str form;	   /* body of type application/x-www-form-urlencoded */
	const struct client_body *body;
};

struct client_response {
	struct client_connection *connection;
	struct buf text; /* the head's bytes */
	struct http_head head;
	struct http_body body;
};

/* What is handed in has to outlive it. */
void client_init(struct client *client, const struct tls_trust *trust, const struct url *identity,
		 const struct pull_proxy *proxy);
void client_done(struct client *client);

/*
 * Sends and reads the head of the answer (1xx are skipped). A kept connection that turns out dead
 * is opened anew once, unless the request has a body. The response has to be ended by
 * client_finish() on 0. -EBUSY when CLIENT_CONNECTIONS responses are open.
 */
int client_send(struct client *client, const struct client_request *request,
		struct client_response *ret_response, struct err *err);
/* Body bytes: 0 = its end. -ECONNRESET: cut off; -ETIMEDOUT; -EBADMSG. */
ssize_t client_read(struct client_response *response, void *dst, size_t cap, struct err *err);
/* The same without waiting: -EAGAIN (err untouched) when nothing is there now. */
ssize_t client_read_now(struct client_response *response, void *dst, size_t cap, struct err *err);
/* What to poll for input while client_read_now() says -EAGAIN. */
int client_fd(const struct client_response *response);
/* The whole body, at most max bytes (-EFBIG); appended. */
int client_read_all(struct client_response *response, size_t max, struct buf *out, struct err *err);
/* Keeps the connection where the body was read to its end, closes it else. */
void client_finish(struct client_response *response);

#endif
