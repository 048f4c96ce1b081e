/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_COMPOSE_H
#define HOY_ENGINE_COMPOSE_COMPOSE_H

#include "engine/api/compose_msg.h"
#include "engine/compose/env.h"
#include "engine/compose/yaml.h"
#include "lib/buf.h"
#include "lib/msg.h"

/* From Compose files (compose-spec, the subset that engine/compose/README.md names) to INI. */
enum {
	COMPOSE_INI_MAX = 1 << 20,
	COMPOSE_NOTES_MAX = 256 << 10,
	COMPOSE_PLACES_MAX = 1 << 20,
	COMPOSE_ARENA_MAX = 64 << 20,
	COMPOSE_TAKEN_MAX = 4 << 20,
	COMPOSE_NAME_MAX = 40,
};

/* One file of the request. */
struct compose_file {
	const char *path;
	struct str bytes; /* or why it cannot be read */
	bool there;
};

/* A Compose file as one of an application: what its paths and variables mean. */
struct yaml_source {
	const char *path, *dir; /* dir: its relative paths begin there */
	const struct env *env;
	const struct yaml_node *root;
	uint32_t number; /* in the list of the answer */
};

struct compose {
	struct yaml yaml;
	struct arena arena;
	struct compose_file files[COMPOSE_FILES_MAX];
	uint32_t file_count, named;
	const char *wanted[COMPOSE_FILES_MAX];
	uint32_t wanted_count;
	struct yaml_source *sources[COMPOSE_FILES_MAX];
	uint32_t source_count;
	struct yaml_map secrets, configs, networks; /* of the application */
	struct buf *ini, *notes;
	struct buf lines,
		marks; /* where each line of ini comes from; the notes, each with its place */
	uint32_t line_count, mark_count;
	bool advice;	     /* what is noted now leaves nothing out */
	size_t taken;	     /* bytes of texts, each as often as an alias leads there */
	const char *service; /* being written */
};

/* What comes out of it; each of them the caller's. */
struct compose_result {
	struct buf wanted; /* {u32 count, text path...}: nothing else stands there but for 0 */
	struct buf ini, notes, places;
};

void compose_result_init(struct compose_result *result);
void compose_result_done(struct compose_result *result);
/*
 * Sections of services.ini and network.ini out of the files of a request
 * (engine/api/compose_msg.h), a line for each key that they do not hold: "line 7: service web:
 * build: ...". -EBADMSG, -EINVAL: nothing of it can be used.
 */
int compose_convert(struct str request, struct compose_result *result, struct err *err);

/* ---- load.c: the files as one ---- */
int compose_load(struct compose *compose, struct str request, const struct yaml_node **ret_root,
		 struct err *err);
/* NULL: it is asked for, and the answer of this time does not count. */
const struct compose_file *compose_find_file(struct compose *compose, const char *path,
					     struct err *err);
/* An absolute path without "." and ".." of a text in a file; NULL: no memory, or too long. */
const char *compose_path(struct compose *compose, const struct yaml_source *source,
			 struct str path);

/* ---- between compose.c and the files of keys ---- */
/* The keys of one service; an error is one of memory or of YAML's own. */
int compose_service(struct compose *compose, const struct yaml_map *service, struct err *err);
/* A line of notes. */
__attribute__((format(printf, 3, 4))) void
compose_note(struct compose *compose, struct yaml_place place, const char *fmt, ...);
/* A scalar with its variables replaced, in the arena; NULL: a note says why not. */
const char *compose_text(struct compose *compose, const struct yaml_node *node, const char *key);
/* "KEY = VALUE", or a note where no line of INI can hold it. */
void compose_put(struct compose *compose, struct yaml_place place, const char *key,
		 const char *value);
/* "[KIND NAME]" */
void compose_put_section(struct compose *compose, struct yaml_place place, const char *kind,
			 const char *name);
/* A name that a section can have; else a note says that `what` has none. */
bool compose_name(struct compose *compose, const struct yaml_pair *pair, const char *what);

/* COMPOSE_MSG_CONVERT, in the api role. */
void compose_serve(struct msg_peer *peer, struct msg *msg);

#endif
