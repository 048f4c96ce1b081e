/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_SERVER_H
#define HOY_ENGINE_DOCKER_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/gate_msg.h"
#include "engine/docker/call.h"
#include "engine/docker/query.h"
#include "engine/http/http.h"
#include "engine/json/json.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The Docker Engine API over accepted connections: one route table, each row with the role a client
 * needs. Lives in the api role; whatever it does it asks engine main for, in checked messages.
 */
enum docker_role {
	DOCKER_ROLE_SCRAPER = GATE_ROLE_SCRAPER,
	DOCKER_ROLE_READER = GATE_ROLE_READER,
	DOCKER_ROLE_OPERATOR = GATE_ROLE_OPERATOR,
	DOCKER_ROLE_DEPLOYER = GATE_ROLE_DEPLOYER,
	DOCKER_ROLE_ADMIN = GATE_ROLE_ADMIN,
};

enum {
	DOCKER_CLIENTS_MAX = 1024,
	DOCKER_REQUEST_MAX = (4 << 20) + HTTP_HEAD_MAX,
	DOCKER_REPLY_MAX = 16 << 20,
	DOCKER_STREAM_HIGH = 256 << 10, /* bytes unsent: what feeds a stream waits */
	DOCKER_UPLOAD_HIGH = 64 << 10,	/* bytes of a streamed body that wait for their reader */
	DOCKER_TRANSFERS_MAX = 32,	/* archives on their way, either direction */
	DOCKER_STALL_MS = 30000, /* a client that is waited for moves 1 KiB/s of its archive */
	DOCKER_STALL_MIN = 30 << 10,
	DOCKER_ARENA_MAX = 16 << 20,
	DOCKER_API_MINOR = 51, /* 1.51 */
	DOCKER_API_MINOR_MIN = 24,
};

struct docker_client;
struct docker_watch;
struct docker_exec;
struct docker_attach;

struct docker_server {
	struct loop *loop;
	struct msg_peer *main;
	struct loop_io listen;
	struct docker_client *clients;
	unsigned count;
	struct docker_watch *watches, *watch_next; /* who is told of events (watch.c) */
	struct buf history[256];		   /* the last events, for `since` */
	uint32_t history_count;
	bool listens;	       /* to engine main's events */
	uint64_t memory_bytes; /* of the machine; asked before the sandbox closed */
	uint32_t cpus;
	char id[64];		   /* the engine's; "" until it was asked for */
	struct docker_exec *execs; /* exec.c */
	uint32_t exec_count;
	struct docker_attach *attaches; /* that wait for their stream: box_attach.c */
	uint32_t transfers;		/* see DOCKER_TRANSFERS_MAX */
	struct docker_calls calls;
};

/*
 * The body of a request whose route streams it: it is read only as fast as it goes on.
 *   NONE -- head --> HELD -- docker_upload() --> FED -- reader gone, or answered --> DROPPED
 * and from each, with the body's last byte, back to NONE.
 */
enum docker_upload_state {
	DOCKER_UPLOAD_NONE,
	DOCKER_UPLOAD_HELD,    /* the handler has not said yet where it goes */
	DOCKER_UPLOAD_FED,     /* into fd */
	DOCKER_UPLOAD_DROPPED, /* nobody wants the rest */
};

struct docker_upload {
	enum docker_upload_state state;
	struct http_body body;
	size_t ready; /* bytes of it at the front of client->in */
	int fd;	      /* a pipe, -1 = none */
	struct loop_io io;
	bool behind_head; /* the head still stands in front of it */
	bool close_after; /* answered: the connection ends with the body */
};

/* One HTTP connection and the request it is at. */
struct docker_client {
	struct docker_server *server;
	struct docker_client *next;
	struct loop_io io;
	struct loop_timer idle, burial;
	int fd;
	enum docker_role role;
	char who[GATE_NAME_MAX + 1]; /* "uid-0", or the name of a certificate */
	char from[64];		     /* "unix", or an address */
	char method[8];		     /* of the request, as long as it is not in the audit log */
	struct buf in, out;
	struct http_head head;
	struct str body;     /* of the request, complete */
	struct buf joined;   /* a body that came in chunks */
	size_t request_size; /* bytes of `in` that the request takes */
	struct arena arena;  /* of the request */
	struct json_doc json;
	unsigned minor;		      /* of the API version that the path names */
	char path[4096], query[8192]; /* decoded, without the version prefix; not decoded */
	char argument[1024];	      /* the {name} of the route */
	bool head_only;		      /* HEAD: no body in the answer */
	bool upgrade;		      /* the request asked for another protocol */
	bool waiting;		      /* an answer of engine main is outstanding */
	bool closing;		      /* close once `out` is written */
	bool streaming;		      /* the head of a chunked answer was written */
	bool hijacked;		      /* the connection is a raw stream from here on */
	bool input_ended;	      /* hijacked: the client sends nothing more */
	struct docker_upload upload;
	bool transfers;		      /* counted in server->transfers */
	struct loop_timer stall;      /* while it transfers */
	struct loop_timer settle;     /* while the head of a raw stream is unread: */
	unsigned settle_ms;	      /* the next wait for it, 0 = none */
	uint64_t moved, moved_before; /* bytes to and from the client; at the last look */
	bool not_kept;		      /* no cache may keep the answer */
	const char *path_stat;	      /* X-Docker-Container-Path-Stat of the answer; NULL = none */
	/* What a handler keeps beyond its return; freed by `work_free` with the request. */
	void *work;
	void (*work_free)(void *work);
	void *step; /* of a question that takes several: in the request's arena, of who asks it */
	/* There is room in `out` again; bytes or the end came on a hijacked connection. */
	void (*on_room)(struct docker_client *client);
	void (*on_input)(struct docker_client *client);
};

struct docker_route {
	const char *method;
	const char *pattern; /* "/containers/{}/start" */
	enum docker_role role;
	void (*handler)(struct docker_client *client);
};

extern const struct docker_route docker_routes[];
extern const size_t docker_route_count;
/* Whether the handler runs before the body is there, for docker_upload() to take it. */
bool docker_route_streams(const struct docker_route *route);

int docker_server_start(struct docker_server *server, struct loop *loop, int listen_fd,
			struct msg_peer *main_peer, struct err *err);
/* A client that the gate has verified; fd is taken over. */
void docker_server_take(struct docker_server *server, int fd, const struct gate_client *who);

/* ---- for handlers: each ends in exactly one reply, or in a stream that is ended ---- */
void docker_reply_json(struct docker_client *client, unsigned status, struct str json);
/* The same in parts that stand one behind the other: no second copy of them is made. */
void docker_reply_parts(struct docker_client *client, unsigned status, const struct str *parts,
			size_t count);
void docker_reply_text(struct docker_client *client, unsigned status, const char *text);
/* 201 {"Id": id} for what was made, with the member for warnings that its kind has. */
enum docker_reply_more { DOCKER_REPLY_BARE, DOCKER_REPLY_WARNING };
void docker_reply_id(struct docker_client *client, struct str id, enum docker_reply_more more);
/* {"message": text} */
void docker_reply_error(struct docker_client *client, unsigned status, const char *text);
/* With the status that fits its errno. */
void docker_reply_err(struct docker_client *client, const struct err *err);
void docker_reply_empty(struct docker_client *client, unsigned status);

/* A chunked answer: its head goes out at once. */
void docker_stream_begin(struct docker_client *client, const char *type);
void docker_stream_add(struct docker_client *client, struct str data);
bool docker_stream_full(const struct docker_client *client);
void docker_stream_end(struct docker_client *client);
/* From here on raw bytes: client->in and client->out. `type`: the content type to name. */
void docker_hijack(struct docker_client *client, const char *type);
/* The same for another protocol on the connection, which the client has asked for: 101. */
void docker_hijack_as(struct docker_client *client, const char *protocol);
void docker_hijack_websocket(struct docker_client *client, const char *accept);
/* Sends what is in client->out. */
void docker_flush(struct docker_client *client);
/* No more is sent behind what is in client->out. */
void docker_finish(struct docker_client *client);
void docker_close(struct docker_client *client);

/* Asks engine main; fn is not called once the client is gone. */
void docker_ask(struct docker_client *client, uint16_t type, struct str body, msg_reply_fn *fn);
/* The same with an fd that goes along; it is taken over, whatever happens. */
void docker_ask_fd(struct docker_client *client, uint16_t type, struct str body, int fd,
		   msg_reply_fn *fn);
/* The same with {text argument of the route} as the body. */
void docker_ask_argument(struct docker_client *client, uint16_t type, msg_reply_fn *fn);
/* The HTTP status for an errno of engine main. */
unsigned docker_status(int code);
#endif
