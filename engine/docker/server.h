/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_SERVER_H
#define HOY_ENGINE_DOCKER_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/http/http.h"
#include "engine/json/json.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The Docker Engine API over accepted connections: one route table, each row with the role a client
 * needs. Lives in the api role; whatever it does it asks engine main for, in checked messages.
 */
enum docker_role { DOCKER_ROLE_READER = 1, DOCKER_ROLE_OPERATOR, DOCKER_ROLE_ADMIN };

enum { DOCKER_CLIENTS_MAX = 64, DOCKER_REQUEST_MAX = 64 << 10, DOCKER_REPLY_MAX = 8 << 20 };

struct docker_client;

struct docker_server {
	struct loop *loop;
	struct msg_peer *main;
	struct loop_io listen;
	struct docker_client *clients;
	unsigned count;
};

/* One HTTP connection and the request it is at. */
struct docker_client {
	struct docker_server *server;
	struct docker_client *next;
	struct loop_io io;
	struct loop_timer idle, burial;
	int fd;
	enum docker_role role;
	struct buf in, out;
	struct http_head head;
	struct str body;     /* of the request, complete */
	size_t request_size; /* bytes of `in` that the request takes */
	char path[1024];     /* decoded, without the version prefix and the query */
	char query[1024];    /* not decoded */
	char argument[256];  /* the {name} of the route */
	bool waiting;	     /* an answer of engine main is outstanding */
	bool closing;	     /* close once `out` is written */
};

struct docker_route {
	const char *method;
	const char *pattern; /* "/containers/{}/start" */
	enum docker_role role;
	void (*handler)(struct docker_client *client);
};

extern const struct docker_route docker_routes[];
extern const size_t docker_route_count;

int docker_server_start(struct docker_server *server, struct loop *loop, int listen_fd,
			struct msg_peer *main_peer, struct err *err);

/* ---- for handlers ---- */
void docker_reply_json(struct docker_client *client, unsigned status, struct str json);
void docker_reply_text(struct docker_client *client, unsigned status, const char *text);
/* {"message": text} */
void docker_reply_error(struct docker_client *client, unsigned status, const char *text);
void docker_reply_empty(struct docker_client *client, unsigned status);
/* The value of a query parameter, decoded into dst; false when it is missing. */
bool docker_query(const struct docker_client *client, const char *name, char *dst, size_t cap);
/* Asks engine main; fn is not called once the client is gone. */
void docker_ask(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn);
/* The HTTP status for an errno of engine main. */
unsigned docker_status(int code);
/* Percent-decodes s into dst, -EINVAL for bad escapes, NUL or no room. */
int docker_decode(struct str s, char *dst, size_t cap);

#endif
