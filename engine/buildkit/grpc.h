/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_GRPC_H
#define HOY_ENGINE_BUILDKIT_GRPC_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include "engine/docker/server.h"
#include "lib/buf.h"

/*
 * gRPC over HTTP/2 on a connection of the API that was taken over: one side calls, the other
 * answers, each may be ours. A call is a stream of messages in both directions and ends with a
 * status. Bytes are bounded by HTTP/2's windows, which open only as far as messages were taken.
 */
enum {
	GRPC_CALLS_MAX = 128,	     /* under way on one connection */
	GRPC_MESSAGE_MAX = 16 << 20, /* as BuildKit's own limit; of calls that we make */
	GRPC_SERVED_MAX = 1 << 20,   /* of calls that we serve: requests */
	GRPC_KEPT_MAX = 20 << 20,    /* bytes that all our calls of one connection make us keep */
	GRPC_SERVED_KEPT_MAX = 4 << 20, /* the same of all that we serve */
	GRPC_HEADERS_MAX = 16 << 10,
	GRPC_OUT_MAX = 16 << 20,     /* not sent yet, of one call */
	GRPC_OUT_LOW = 256 << 10,    /* room() is told below that */
	GRPC_DETAILS_MAX = 40 << 10, /* what a status says beside its text */
};

enum grpc_status {
	GRPC_OK = 0,
	GRPC_CANCELED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID = 3,
	GRPC_NOT_FOUND = 5,
	GRPC_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
};

struct grpc;

struct grpc_call {
	struct grpc *grpc;
	struct grpc_call *next;
	int32_t stream;
	uint32_t message_max;
	char path[256];
	struct buf headers; /* "name\0value\0..." of the request */
	struct buf in, out; /* bytes of messages, with their 5 byte heads */
	bool remote_ended, ending, answered;
	bool held;	   /* what comes is kept, and no more of it is let in */
	size_t unconsumed; /* bytes that came while it was held */
	uint32_t status;   /* of the trailers */
	char text[1024];
	struct buf details; /* "grpc-status-details-bin", in base64 */
	void *owner;	    /* of whoever called, or serves it */
	/* A message came; its bytes live until the call returns. NULL: what comes is dropped. */
	void (*message)(struct grpc_call *call, struct str message);
	/* The other side sends no more. May be NULL. */
	void (*ended)(struct grpc_call *call);
	/* From the loop: little of what was sent is still here. May be NULL. */
	void (*room)(struct grpc_call *call);
	/* The last one: status and text tell how. The call is gone afterwards. May be NULL. */
	void (*closed)(struct grpc_call *call);
};

struct grpc {
	struct docker_client *client;
	nghttp2_session *session;
	struct grpc_call *calls;
	uint32_t count;
	bool gone;
	struct loop_timer
		flush; /* sending is the loop's: no call ends from within a call of ours */
	struct loop_timer burial;
	/* Serves a call whose headers are there: sets its callbacks, or finishes it. */
	void (*serve)(struct grpc_call *call);
	/* The connection is over; its calls are gone already. */
	void (*lost)(struct grpc *grpc);
	void *owner;
};

/*
 * Takes the client's connection over, with the answer 101. NULL: 500 has been answered, or it is
 * gone. serve and lost are set next, then grpc_begin() reads what came along.
 */
struct grpc *grpc_take(struct docker_client *client, bool server);
void grpc_begin(struct grpc *grpc);
/* A call of ours; NULL when there is no room. headers: name, value, ..., NULL. */
struct grpc_call *grpc_call(struct grpc *grpc, const char *path, const char *const *headers);
void grpc_send(struct grpc_call *call, struct str message);
/* Ours: we send no more. */
void grpc_end(struct grpc_call *call);
/* Served: its status; closed() follows. */
void grpc_finish(struct grpc_call *call, uint32_t status, const char *text);
/* The same with a google.rpc.Status, left out where it is too long for a header. */
void grpc_finish_with(struct grpc_call *call, uint32_t status, const char *text,
		      struct str details);
/* One message and GRPC_OK. */
void grpc_answer(struct grpc_call *call, struct str message);
/* Nobody waits for it any more; none of its functions is called. */
void grpc_cancel(struct grpc_call *call);
/* Held: no message is told, the other side has to wait. Not held: those that wait are told. */
void grpc_hold(struct grpc_call *call, bool held);
/* Within closed(), of a call that was held: what came before its end is told. */
void grpc_drain(struct grpc_call *call);
/* The value of a header, "" when there is none. */
const char *grpc_header(const struct grpc_call *call, const char *name);

#endif
