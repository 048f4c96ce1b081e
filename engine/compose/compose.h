/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_COMPOSE_H
#define HOY_ENGINE_COMPOSE_COMPOSE_H

#include "engine/compose/yaml.h"
#include "lib/buf.h"
#include "lib/msg.h"

/* From a Compose file (compose-spec, the subset that engine/compose/README.md names) to INI. */
enum {
	COMPOSE_INI_MAX = 1 << 20,
	COMPOSE_NOTES_MAX = 256 << 10,
	COMPOSE_PLACES_MAX = 1 << 20,
	COMPOSE_ARENA_MAX = 16 << 20,
	COMPOSE_TAKEN_MAX = 4 << 20
};

struct compose {
	struct yaml yaml;
	struct arena arena;
	struct buf *ini, *notes;
	struct buf lines,
		marks; /* where each line of ini comes from; the notes, each with its place */
	uint32_t line_count, mark_count;
	bool advice;	     /* what is noted now leaves nothing out */
	size_t taken;	     /* bytes of texts, each as often as an alias leads there */
	const char *service; /* being written */
};

/*
 * Sections for services.ini into `ini`, a line for each key that they do not hold into `notes`:
 * "line 7: service web: build: ...". Both once more with their places into `places`, as
 * COMPOSE_MSG_CONVERT has them; NULL = nobody wants to know. -EBADMSG, -EINVAL: nothing of it can
 * be used.
 */
int compose_convert(struct str text, struct buf *ini, struct buf *notes, struct buf *places,
		    struct err *err);

/* ---- between compose.c and keys.c ---- */
/* The keys of one service; an error is one of memory or of YAML's own. */
int compose_service(struct compose *compose, const struct yaml_map *service, struct err *err);
/* A line of notes. */
__attribute__((format(printf, 3, 4))) void
compose_note(struct compose *compose, struct yaml_place place, const char *fmt, ...);
/* A scalar with its variables replaced, in the arena; NULL: a note says why not. */
const char *compose_text(struct compose *compose, const yaml_node_t *node, const char *key);
/* "KEY = VALUE", or a note where no line of INI can hold it. */
void compose_put(struct compose *compose, struct yaml_place place, const char *key,
		 const char *value);

/* COMPOSE_MSG_CONVERT, in the api role. */
void compose_serve(struct msg_peer *peer, struct msg *msg);

#endif
