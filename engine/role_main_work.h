/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_WORK_H
#define HOY_ENGINE_ROLE_MAIN_WORK_H

#include "engine/api/pull_msg.h"
#include "engine/role_main.h"
#include "lib/arena.h"

/*
 * A call of a client that takes several steps. It goes on when who asked goes away, and ends with
 * exactly one reply. Stands first in the struct of its kind.
 */
struct engine_work {
	struct engine *engine;
	struct msg_peer *peer; /* NULL once it went away */
	uint16_t type;
	uint32_t serial;
	struct arena arena;
	struct loop_timer burial;
	void (*done)(struct engine_work *work); /* gives back what its kind holds; may be NULL */
	int file_fd;				/* work_open_file(), -1 = none */
	const char *made;			/* path below /data/transfer, NULL = none */
	struct engine_work *next;
};

/* size: of the struct it stands in, zeroed. Answers the call itself and returns NULL on failure. */
void *work_new(struct msg_peer *peer, const struct msg *msg, size_t size,
	       void (*done)(struct engine_work *work));
/* Each of the two ends it; the memory goes after the callback that is running. */
void work_reply(struct engine_work *work, struct str body);
void work_fail(struct engine_work *work, const struct err *err);
void work_more(const struct engine_work *work, struct str body);
/* A call to the store; fn's owner is the work. */
int work_ask(struct engine_work *work, uint16_t type, struct str body, msg_reply_fn *fn,
	     struct err *err);
/* The record of an image by the name that image_name() gave. */
int work_ask_image(struct engine_work *work, const char *name, msg_reply_fn *fn, struct err *err);
/* The record of a reply, into the work's arena. */
int work_take_image(struct engine_work *work, const struct msg *reply, struct image *ret_image,
		    struct err *err);
/* IMAGE_SET under its reference, or under its id where it has none. */
int work_set_image(struct engine_work *work, const struct image *image, msg_reply_fn *fn,
		   struct err *err);

/*
 * The file of a call: its fd, or what `path` names. write: made anew, and gone again with the work
 * unless work_keep_file() was called. Returns an fd that the work owns.
 */
int work_open_file(struct engine_work *work, struct msg *msg, struct str path, bool write,
		   struct err *err);
/* A file or directory below /data/transfer, or, to read, below /config. The fd is the caller's. */
int work_open_path(struct engine_work *work, struct str path, int flags, struct err *err);
void work_keep_file(struct engine_work *work);

/* What the store knows it as: a canonical reference, or "sha256:..." for an id or 12 and more
 * digits of one. */
int image_name(struct str text, char dst[ENGINE_REF_MAX], struct err *err);

/* Whoever asked through this peer is gone. */
void engine_works_gone(struct engine *engine, const struct msg_peer *peer);

/* Whether a service needs the image of this name, now or at its next start. */
bool engine_image_declared(const struct engine *engine, const char *reference);

/* A name of an image went. Whoever removes one wants its space, also where a service could have
 * gone back to it. */
void engine_image_removed(struct engine *engine, const char *reference);

/* Handlers (role_main_images.c, role_main_drop.c, role_main_trees.c, role_main_commit.c). */
void engine_image_drop_call(struct msg_peer *peer, struct msg *msg);
void engine_image_file_call(struct msg_peer *peer, struct msg *msg);
void engine_image_tree_call(struct msg_peer *peer, struct msg *msg);
void engine_registry_call(struct msg_peer *peer, struct msg *msg);
/* A client's own login for one call; it goes to the registry itself, over what engine.ini says. */
void engine_take_login(struct str user, struct str password, struct str token, const char *target,
		       struct arena *arena, struct pull_start *start);
void engine_tag_call(struct msg_peer *peer, struct msg *msg);
void engine_history_call(struct msg_peer *peer, struct msg *msg);
void engine_save_call(struct msg_peer *peer, struct msg *msg);
void engine_load_call(struct msg_peer *peer, struct msg *msg);
void engine_changes_call(struct msg_peer *peer, struct msg *msg);
void engine_export_call(struct msg_peer *peer, struct msg *msg);
void engine_path_stat_call(struct msg_peer *peer, struct msg *msg);
void engine_path_get_call(struct msg_peer *peer, struct msg *msg);
void engine_path_put_call(struct msg_peer *peer, struct msg *msg);
void engine_copy_call(struct msg_peer *peer, struct msg *msg);
void engine_check_call(struct msg_peer *peer, struct msg *msg);
/* The data partition is there: remembers that the engine runs, and plans a check of the store where
 * the last one was not stopped. And the end of it. */
void engine_check_started(struct engine *engine);
void engine_check_stopped(const struct engine *engine);
void engine_usage_call(struct msg_peer *peer, struct msg *msg);
void engine_prune_kind_call(struct msg_peer *peer, struct msg *msg);
void engine_commit_call(struct msg_peer *peer, struct msg *msg);
void engine_import_call(struct msg_peer *peer, struct msg *msg);
/* role_main_run.c */
void engine_run_call(struct msg_peer *peer, struct msg *msg);
void engine_wait_call(struct msg_peer *peer, struct msg *msg);
/* It ended, or was removed without: whoever waits is told. Whoever asked is gone. */
void engine_waits_over(const char *id, bool ended, int32_t code);
void engine_waits_gone(const struct msg_peer *peer);
/* role_main_box.c: durable on return; NULL with Docker's text for a name that is taken. */
const struct table_entry *engine_create(struct engine *engine, const char *id,
					const struct container_def *def, struct err *err);
/* role_main_compose.c */
void engine_compose_call(struct msg_peer *peer, struct msg *msg);
/* role_main_network.c: networks of Compose files, for the manager */
extern const struct service_networks engine_networks;
/* role_main_context.c */
void engine_build_context_call(struct msg_peer *peer, struct msg *msg);
void engine_build_cancel_call(struct msg_peer *peer, struct msg *msg);
void engine_build_go_call(struct msg_peer *peer, struct msg *msg);
/* Whoever asked for a build over the API is gone: it ends. */
void engine_contexts_gone(const struct msg_peer *peer);

/* ENGINE_MSG_CACHE, ENGINE_MSG_CACHE_PRUNE (role_main_image_calls.c). */
msg_handler_fn engine_cache_call;

#endif
