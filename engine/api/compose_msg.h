/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_API_COMPOSE_MSG_H
#define HOY_ENGINE_API_COMPOSE_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"

/* Call of engine main to the api role, or to role compose, where YAML is read. ENGINE_MSG_COMPOSE
 * has the same bodies. */
enum compose_msg {
	/* struct compose_request -> struct compose_answer; -EBADMSG and -EINVAL say what is wrong
	 * with the files. */
	COMPOSE_MSG_CONVERT = 0x4A0,
};

enum {
	COMPOSE_PATH_MAX = 1000,
	COMPOSE_FILES_MAX = 64,	      /* of one request */
	COMPOSE_FILE_MAX = 256 << 10, /* bytes of one file */
	COMPOSE_BODY_MAX = 2 << 20,
	COMPOSE_ROUNDS_MAX = 16, /* times that one may ask for further files */
	COMPOSE_LINES_MAX = 65536,
	COMPOSE_NOTE_MAX = 1024,
};

/* In front of a line of notes that leaves nothing out. */
#define COMPOSE_ADVICE "note: "

/*
 * Files of one application. Those that the user named come first; what else the answer asks for is
 * added, there or not, and all of it asked again. Encoded: {u32 named, u32 count, {text path, u8
 * it is there, blob bytes or why not}...}. Paths are absolute and have no "..".
 */
struct compose_request {
	uint32_t named, count;
	struct buf files;
};

void compose_request_init(struct compose_request *request);
void compose_request_done(struct compose_request *request);
/* One more: its bytes, or with `why` that it cannot be read. -E2BIG when they are too many. */
int compose_request_add(struct compose_request *request, struct str path, struct str bytes,
			const struct err *why, struct err *err);
void compose_request_encode(const struct compose_request *request, struct buf *out);

/*
 * {u32 count, text path of each file that is wanted..., blob sections of services.ini and
 * network.ini, blob a line for each key that is not taken, blob places}. While files are wanted all
 * else is empty. Places: {u32 count, text path of each file..., u32 count, {u32 file, u32 line, u32
 * column} for each line of the sections..., u32 count, {u32 file, u32 line, u32 column, u8 it is
 * only advice, text service, "" = none, text note}...}
 */
struct compose_answer {
	struct wire wanted; /* compose_answer_wanted() */
	uint32_t wanted_count;
	struct str ini, notes, places; /* slices of the body */
};

int compose_answer_decode(struct str body, struct compose_answer *ret_answer, struct err *err);
/* The next file that is wanted; false behind the last one. */
bool compose_answer_wanted(struct compose_answer *answer, char ret_path[COMPOSE_PATH_MAX + 1]);

#endif
