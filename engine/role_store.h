/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_STORE_H
#define HOY_ENGINE_ROLE_STORE_H

#include "engine/role_start.h"
#include "engine/store/put.h"
#include "engine/store/store.h"
#include "engine/store/sum.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/msg.h"

/* Inside of role_store*.c: everything the store role holds, and how it answers. */
enum {
	ROLE_UID =
		920, /* the data partition's reserve is this user's: names change on a full disk */
	ROLE_FILES_MAX = 256,
	ROLE_BODY_MAX = STORE_RECORD_MAX + 4096,
	ROLE_LIST_MAX = 15 << 20,
	ROLE_TRASH_MS = 50, /* the longest pause between two files of the trash */
};

/* A put with the call it answers. */
struct role_put {
	struct put put;
	uint32_t serial;
	bool busy;
};

struct store_role {
	struct role_service service;
	struct store store;
	struct loop_timer trash_timer;
	struct role_put puts[STORE_PUTS_MAX];
	struct sum_queue sums;
	uint32_t gone; /* names that the clean-up under way let go */
};

extern struct store_role store_role;

/* Body and, unless it is -1, an fd; an error when the body did not fit. */
void store_role_answer(const struct msg *msg, struct buf *body, int fd);
void store_role_refuse(const struct msg *msg, const struct err *err);
void store_role_refuse_malformed(const struct msg *msg);
/* {} or the error. */
void store_role_answer_empty(const struct msg *msg, int result, const struct err *err);

/* Calls about names: images, the build cache (role_store_names.c). */
msg_handler_fn store_role_image_set, store_role_image_get, store_role_image_list,
	store_role_image_remove, store_role_image_untag, store_role_cache_get, store_role_cache_set;
/* Calls about leases, room and what is damaged (role_store_keep.c). */
msg_handler_fn store_role_lease, store_role_gc, store_role_check, store_role_space, store_role_room,
	store_role_clean, store_role_fall_back, store_role_cache_list, store_role_cache_prune;
/* What a check tells, line by line and at its end. */
void store_role_check_line(void *owner, uint32_t serial, const char *line);
void store_role_check_done(void *owner, uint32_t serial, const struct sum_found *found);
/* One file of the trash goes, and the timer is set again while there are more. */
void store_role_trash(struct loop_timer *timer);

#endif
