/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts on images: tag, remove, prune. Runs in the api role. Must never take a reference away from
 * an image that a running container was made from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/record.h"
#include "engine/docker/view.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { ID_SHORT = 12 };

/* ---- tag ---- */

static void on_tagged(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 201);
	else
		docker_reply_err(owner, err);
}

static void on_tag_records(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 }, name OWN(buf_done) = { 0 };
	char repo[512] = "", tag[160] = "", full[OCI_REFERENCE_MAX];
	const struct docker_image *found;
	struct docker_images images;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_images_read(reply->body, &client->arena, &images, &bad) < 0 ||
	    docker_images_find(&images, client->argument, &found, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	(void)docker_query(client, "repo", repo, sizeof(repo));
	(void)docker_query(client, "tag", tag, sizeof(tag));
	buf_init(&name, 1024);
	(void)buf_printf(&name, "%s%s%s", repo, *tag ? ":" : "", tag);
	if (strchr(repo, '@') || oci_reference_normalise(buf_str(&name), full, NULL) < 0) {
		docker_reply_error(client, 400, "invalid reference format");
		return;
	}
	buf_init(&body, 2048);
	wire_put_text(&body, *found->image.reference ? found->image.reference : found->id);
	wire_put_text(&body, full);
	docker_ask(client, ENGINE_MSG_TAG, buf_str(&body), on_tagged);
}

void docker_image_tag(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_tag_records);
}

/* ---- remove ---- */

struct removal {
	struct docker_images images;
	const struct docker_image *found;
	const char **references; /* to take away, in the arena */
	uint32_t count, at;
	bool last;  /* the image itself goes */
	bool prune; /* the answer is that of a prune */
	bool force;
};

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

static const char *familiar_of(const struct removal *removal, const char *reference)
{
	for (uint32_t i = 0; i < removal->images.count; i++) {
		if (!strcmp(removal->images.rows[i].image.reference, reference))
			return *removal->images.rows[i].familiar ? removal->images.rows[i].familiar
								 : reference;
	}
	return reference;
}

static void put_removed(struct json_writer *w, const struct removal *removal)
{
	json_begin_array(w);
	for (uint32_t i = 0; i < removal->count; i++) {
		json_begin_object(w);
		json_member_text(w, "Untagged", familiar_of(removal, removal->references[i]));
		json_end_object(w);
	}
	if (removal->last && removal->found) {
		json_begin_object(w);
		json_member_text(w, "Deleted", removal->found->id);
		json_end_object(w);
	}
	json_end_array(w);
}

static void removed(struct docker_client *client)
{
	const struct removal *removal = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 1 << 20);
	json_writer_init(&w, &body);
	if (removal->prune) {
		json_begin_object(&w);
		json_key(&w, "ImagesDeleted");
		if (removal->count)
			put_removed(&w, removal);
		else
			json_put_null(&w);
		json_member_u64(&w, "SpaceReclaimed", 0);
		json_end_object(&w);
	} else {
		put_removed(&w, removal);
	}
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

static void remove_next(struct docker_client *client);

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (!reply)
		docker_reply_err(client, err);
	else
		remove_next(client);
}

static void remove_next(struct docker_client *client)
{
	struct removal *removal = client->work;
	struct buf body OWN(buf_done) = { 0 };

	if (removal->at == removal->count) {
		removed(client);
		return;
	}
	buf_init(&body, 1024);
	wire_put_text(&body, removal->references[removal->at++]);
	docker_ask(client, ENGINE_MSG_IMAGE_REMOVE, buf_str(&body), on_removed);
}

static bool box_uses(const struct docker_box *box, const struct docker_image *image)
{
	return box->has_def &&
	       !memcmp(&box->def.image, &image->image.config, sizeof(box->def.image));
}

/* -EEXIST (409) with Docker's words when a container stands against it. */
static int check_users(const struct removal *removal, const struct docker_boxes *boxes,
		       const char *name, struct err *err)
{
	const struct docker_image *found = removal->found;

	for (uint32_t i = 0; removal->last && i < boxes->count; i++) {
		const struct docker_box *box = &boxes->rows[i];
		bool up = box->view.state == ENGINE_STATE_RUNNING ||
			  box->view.state == ENGINE_STATE_PAUSED;

		if (!box_uses(box, found) || (!up && removal->force))
			continue;
		if (up)
			return err_set(err, -EEXIST,
				       "conflict: unable to delete %.12s (cannot be forced) - "
				       "image is being used by running container %.*s",
				       found->id + 7, ID_SHORT, box->view.id.ptr);
		return err_set(err, -EEXIST,
			       "conflict: unable to remove repository reference \"%s\" (must "
			       "force) - container %.*s is using its referenced image %.12s",
			       name, ID_SHORT, box->view.id.ptr, found->id + 7);
	}
	return 0;
}

static void on_users(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    check_users(client->work, &boxes, client->argument, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		remove_next(client);
}

/* By a name: that name goes. By an id: all of its names, several only with force. */
static int plan_removal(struct docker_client *client, struct removal *removal, struct err *err)
{
	const struct docker_image *found;
	bool by_name;
	int r = docker_images_find(&removal->images, client->argument, &found, err);

	if (r < 0)
		return r;
	removal->found = found;
	removal->references = arena_array(&client->arena, removal->images.count + 1U,
					  sizeof(*removal->references));
	if (!removal->references)
		return err_set(err, -ENOMEM, "no memory for a request");
	by_name = !str_starts(str_from(found->id), str_from(client->argument)) &&
		  !str_starts(str_from(found->id + 7), str_from(client->argument));
	removal->last = true;
	for (uint32_t i = 0; i < removal->images.count; i++) {
		const struct docker_image *row = &removal->images.rows[i];

		if (strcmp(row->id, found->id) != 0)
			continue;
		if (by_name && row != found)
			removal->last = false;
		else
			removal->references[removal->count++] = row->image.reference;
	}
	if (removal->count > 1 && !removal->force)
		return err_set(err, -EEXIST,
			       "conflict: unable to delete %.12s (must be forced) - image is "
			       "referenced in multiple repositories",
			       found->id + 7);
	return 0;
}

static struct removal *removal_new(struct docker_client *client)
{
	struct removal *removal = arena_alloc(&client->arena, sizeof(*removal));

	client->work = removal;
	client->work_free = no_free;
	if (!removal)
		docker_reply_error(client, 500, "no memory for a request");
	return removal;
}

static void on_remove_records(struct msg_peer *peer, void *owner, struct msg *reply,
			      const struct err *err)
{
	struct docker_client *client = owner;
	struct removal *removal = reply ? removal_new(client) : NULL;
	struct err bad = { 0 };

	(void)peer;
	if (!reply)
		docker_reply_err(client, err);
	if (!removal)
		return;
	removal->force = docker_query_flag(client, "force", false);
	if (docker_images_read(reply->body, &client->arena, &removal->images, &bad) < 0 ||
	    plan_removal(client, removal, &bad) < 0)
		docker_reply_err(client, &bad);
	else
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_users);
}

void docker_image_remove(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_remove_records);
}

/* ---- prune ---- */

struct prune {
	struct removal removal; /* the first member: client->work is both */
	bool all;
};

static void on_prune_views(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	struct prune *prune = client->work;
	struct removal *removal = &prune->removal;
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	removal->references = arena_array(&client->arena, removal->images.count + 1U,
					  sizeof(*removal->references));
	for (uint32_t i = 0; removal->references && i < removal->images.count; i++) {
		const struct docker_image *row = &removal->images.rows[i];
		bool used = false;

		for (uint32_t k = 0; k < boxes.count; k++)
			used |= box_uses(&boxes.rows[k], row) ||
				str_is(boxes.rows[k].view.reference, row->image.reference) ||
				str_is(boxes.rows[k].view.reference, row->familiar);
		if (!used && (prune->all || !*row->familiar))
			removal->references[removal->count++] = row->image.reference;
	}
	remove_next(client);
}

static void on_prune_records(struct msg_peer *peer, void *owner, struct msg *reply,
			     const struct err *err)
{
	struct docker_client *client = owner;
	struct prune *prune = client->work;
	struct err bad = { 0 };

	(void)peer;
	if (!reply ||
	    docker_images_read(reply->body, &client->arena, &prune->removal.images, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		docker_ask(client, ENGINE_MSG_VIEWS, STR(""), on_prune_views);
}

void docker_image_prune(struct docker_client *client)
{
	struct prune *prune = arena_alloc(&client->arena, sizeof(*prune));
	struct docker_filters filters = { 0 };

	if (!prune) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	client->work = prune;
	client->work_free = no_free;
	prune->removal.prune = true;
	if (!docker_filters_read(client, "dangling label label! until", &filters))
		return;
	/* dangling=false: whatever no container uses */
	prune->all = docker_filters_have(&filters, "dangling") &&
		     (docker_filters_fit(&filters, "dangling", STR("false"), false) ||
		      docker_filters_fit(&filters, "dangling", STR("0"), false));
	docker_filters_done(&filters);
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_prune_records);
}

/* ---- the build cache ---- */

static void on_cache_pruned(struct msg_peer *peer, void *owner, struct msg *reply,
			    const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	buf_init(&body, 256);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_null(&w, "CachesDeleted");
	json_member_u64(&w, "SpaceReclaimed", wire_u64(&in));
	json_end_object(&w);
	docker_reply_json(client, 200, buf_str(&body));
}

void docker_build_prune(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_PRUNE, STR(""), on_cache_pruned);
}
