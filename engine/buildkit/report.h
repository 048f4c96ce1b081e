/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_REPORT_H
#define HOY_ENGINE_BUILDKIT_REPORT_H

#include <stdbool.h>
#include "engine/buildkit/grpc.h"

/*
 * What a build tells of itself: its vertices (steps), their progress and output, as the messages of
 * Control.Status. Whoever begins to listen late is told all from the start.
 */
enum {
	REPORT_VERTICES_MAX = 1200,
	REPORT_LISTENERS_MAX = 8,
	REPORT_BYTES_MAX = 4 << 20,  /* of all messages; then output is left out */
	REPORT_UNREAD_MAX = 2 << 20, /* of one listener */
};

struct report_vertex {
	char digest[72]; /* "" = not begun */
	const char *name;
	int64_t begun_ns, moved_ns;
	bool ended;
};

struct report_warning {
	const char *text, *detail, *url; /* "" = none */
	uint32_t line;			 /* 0 = of no place */
};

struct report {
	struct report_vertex vertices[REPORT_VERTICES_MAX];
	uint32_t count, cached, warnings;
	struct buf said; /* u32 length and bytes of each message */
	struct grpc_call *listeners[REPORT_LISTENERS_MAX];
	uint32_t listener_count;
	const char *build; /* its reference: digests of vertices are its own */
	bool clipped, over;
	/* A listener that is no call of gRPC's: each message as it is told. NULL = none. */
	void (*told)(void *owner, struct str message, bool droppable);
	void *owner;
};

/* build lives as long as the report. */
void report_init(struct report *report, const char *build);
void report_done(struct report *report);
/* A listener: told all that was said; false when there are too many. */
bool report_listen(struct report *report, struct grpc_call *call);
void report_leave(struct report *report, const struct grpc_call *call);

/* A step begins; the name lives as long as the report. NULL when there are too many: then the other
 * functions do nothing. */
struct report_vertex *report_begin(struct report *report, const char *name);
void report_cached(struct report *report, struct report_vertex *vertex);
/* error "" = it went well. */
void report_end(struct report *report, struct report_vertex *vertex, const char *error);
/* stream: 1, 2 */
void report_output(struct report *report, const struct report_vertex *vertex, int stream,
		   struct str text);
/* A part of the step: "transferring context:", with bytes, at its end or on its way. */
void report_part(struct report *report, struct report_vertex *vertex, const char *name,
		 uint64_t bytes, bool ended);
void report_warning(struct report *report, const struct report_vertex *vertex,
		    const struct report_warning *warning);
/* Wall clock. */
int64_t report_now_ns(void);
/* Listeners are told that no more comes. */
void report_over(struct report *report);

#endif
