/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking names away from an image for the Docker API. Runs in engine main, where containers start:
 * between the look at who uses the image and its removal none can. Must never let go of an image
 * that a running container was made from.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/api/store_msg.h"
#include "engine/role_main_work.h"
#include "lib/own.h"

enum { DROP_ROWS_MAX = 65536, ID_SHORT = 12 };

struct drop_work {
	struct engine_work work;
	char shown[ENGINE_REF_MAX];
	uint8_t flags;			    /* enum engine_drop */
	const char *names[ENGINE_DROP_MAX]; /* as the store knows them */
	uint32_t count, at;
	struct digest config; /* the image's id */
	bool last;	      /* no other name is left */
	bool stays;	      /* without a name: a container runs from it */
};

static bool names_it(const struct drop_work *drop, struct str reference)
{
	for (uint32_t i = 0; i < drop->count; i++) {
		if (str_is(reference, drop->names[i]))
			return true;
	}
	return false;
}

/* One row of the store's list; *ret_mine: it is to go. */
static int take_row(struct drop_work *drop, struct wire *in, struct digest *ret_config,
		    bool *ret_mine, struct err *err)
{
	struct arena arena OWN(arena_done) = { 0 };
	struct str reference = wire_str(in, STORE_REFERENCE_MAX);
	struct str record = wire_blob(in, STORE_RECORD_MAX);
	struct image image;
	struct wire one;
	int r;

	(void)wire_u64(in);
	(void)wire_i64(in);
	arena_init(&arena, 8 << 20);
	wire_init(&one, record.ptr, record.len);
	r = image_decode(&one, &arena, &image, err);
	if (r < 0)
		return r;
	*ret_config = image.config;
	*ret_mine = names_it(drop, reference);
	return 0;
}

/* Which image it is, and whether it keeps another name. */
static int take_rows(struct drop_work *drop, struct str body, struct err *err)
{
	uint32_t count, mine = 0;

	for (int pass = 0; pass < 2; pass++) {
		struct wire in;

		wire_init(&in, body.ptr, body.len);
		count = wire_count(&in, DROP_ROWS_MAX);
		drop->last = true;
		for (uint32_t i = 0; i < count; i++) {
			struct digest config;
			bool is_mine;
			int r = take_row(drop, &in, &config, &is_mine, err);

			if (r < 0)
				return r;
			if (is_mine && pass == 0 && mine++ == 0)
				drop->config = config;
			if (memcmp(&config, &drop->config, sizeof(config)) != 0 && is_mine)
				return err_set(err, -EINVAL, "names of different images");
			if (!memcmp(&config, &drop->config, sizeof(config)) && !is_mine)
				drop->last = false;
		}
		if (wire_end(&in) < 0)
			return err_set(err, -EBADMSG, "store: malformed list of images");
	}
	return mine == drop->count ? 0 : err_set(err, -ENOENT, "No such image: %s", drop->shown);
}

static int refuse(const struct drop_work *drop, const char *id, bool up, struct err *err)
{
	char digest[DIGEST_TEXT_MAX];

	(void)digest_text(&drop->config, digest);
	if (!(drop->flags & ENGINE_DROP_NAME))
		return err_set(err, -EEXIST,
			       "conflict: unable to delete %.12s (%s be forced) - image is being "
			       "used by %s container %.*s",
			       digest + 7, up ? "cannot" : "must", up ? "running" : "stopped",
			       ID_SHORT, id);
	return err_set(err, -EEXIST,
		       "conflict: unable to remove repository reference \"%s\" (must force) - "
		       "container %.*s is using its referenced image %.12s",
		       drop->shown, ID_SHORT, id, digest + 7);
}

/* Who has it: 0 = nobody that matters. A name goes by force from under a container that runs. */
static int check_user(struct drop_work *drop, const struct digest *config, const char *id, bool up,
		      struct err *err)
{
	bool force = drop->flags & ENGINE_DROP_FORCE;

	if (memcmp(config, &drop->config, sizeof(*config)) != 0 || (force && !up))
		return 0;
	if (!force || !(drop->flags & ENGINE_DROP_NAME))
		return refuse(drop, id, up, err);
	drop->stays = true;
	return 0;
}

/* -EEXIST (409) with Docker's words when somebody stands against it. */
static int check_users(struct drop_work *drop, struct err *err)
{
	const struct engine *engine = drop->work.engine;
	int r = 0;

	drop->stays = false;
	for (const struct service *s = engine->manager.services; r >= 0 && s; s = s->next) {
		if (s->container)
			r = check_user(drop, &s->container->def.image, s->container_id, true, err);
	}
	for (const struct table_entry *e = engine->table.first; r >= 0 && e; e = e->next) {
		bool up = e->container || e->state == TABLE_STATE_STARTING ||
			  e->state == TABLE_STATE_RESTARTING;

		r = check_user(drop, &e->def.image, e->id, up, err);
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; (drop->flags & ENGINE_DROP_PRUNE) && i < drop->count; i++) {
		if (engine_image_declared(engine, drop->names[i]))
			return err_set(err, -EEXIST, "conflict: %s is declared by a service",
				       drop->names[i]);
	}
	return 0;
}

static void drop_next(struct drop_work *drop);

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct drop_work *drop = owner;

	(void)peer;
	if (!reply) {
		work_fail(&drop->work, err);
		return;
	}
	engine_image_removed(drop->work.engine, drop->names[drop->at++]);
	drop_next(drop);
}

static void drop_next(struct drop_work *drop)
{
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };

	buf_init(&body, 1024);
	if (drop->at == drop->count) {
		wire_put_u8(&body, drop->last && !drop->stays);
		work_reply(&drop->work, buf_str(&body));
		return;
	}
	/* Each time anew: the store's answer took a while. */
	if (drop->last && check_users(drop, &err) < 0) {
		work_fail(&drop->work, &err);
		return;
	}
	wire_put_text(&body, drop->names[drop->at]);
	if (work_ask(&drop->work, drop->stays ? STORE_MSG_IMAGE_UNTAG : STORE_MSG_IMAGE_REMOVE,
		     buf_str(&body), on_removed, &err) < 0)
		work_fail(&drop->work, &err);
}

static void on_list(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct drop_work *drop = owner;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		work_fail(&drop->work, err);
	else if (take_rows(drop, reply->body, &bad) < 0)
		work_fail(&drop->work, &bad);
	else
		drop_next(drop);
}

void engine_image_drop_call(struct msg_peer *peer, struct msg *msg)
{
	struct drop_work *drop = work_new(peer, msg, sizeof(*drop), NULL);
	char name[ENGINE_REF_MAX];
	struct err err = { 0 };
	struct wire in;
	int r = 0;

	if (!drop)
		return;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, drop->shown, sizeof(drop->shown));
	drop->flags = wire_u8(&in);
	drop->count = wire_count(&in, ENGINE_DROP_MAX);
	for (uint32_t i = 0; r >= 0 && i < drop->count; i++) {
		r = image_name(wire_str(&in, ENGINE_REF_MAX), name, &err);
		drop->names[i] = r < 0 ? NULL : arena_text(&drop->work.arena, str_from(name));
		if (r >= 0 && !drop->names[i])
			r = err_set(&err, -ENOMEM, "no memory for a request");
	}
	if (r >= 0 && (wire_end(&in) < 0 || !drop->count))
		r = err_set(&err, -EBADMSG, "malformed request");
	if (r >= 0)
		r = work_ask(&drop->work, STORE_MSG_IMAGE_LIST, STR(""), on_list, &err);
	if (r < 0)
		work_fail(&drop->work, &err);
}
