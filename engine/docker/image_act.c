/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts on images: tag, remove. Runs in the api role. Must never decide itself whether an image is
 * in use: engine main does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/record.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

static const struct err no_memory = { -ENOMEM, "no memory for a request" };

/* ---- tag ---- */

static void on_tagged(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		docker_reply_empty(owner, 201);
	else
		docker_reply_err(owner, err);
}

/* The name to give: -EINVAL with Docker's words. */
static int read_name(const char *repo, const char *tag, char full[OCI_REFERENCE_MAX],
		     struct err *err)
{
	struct buf name OWN(buf_done) = { 0 };

	buf_init(&name, 1024);
	(void)buf_printf(&name, "%s%s%s", repo, *tag ? ":" : "", tag);
	if (!strcmp(repo, "sha256") || !strcmp(repo, "docker.io/library/sha256"))
		return err_set(
			err, -EINVAL,
			"refusing to create an ambiguous tag using digest algorithm as name");
	if (strchr(repo, '@'))
		return err_set(err, -EINVAL, "refusing to create a tag with a digest reference");
	if (oci_reference_normalise(buf_str(&name), full, NULL) >= 0)
		return 0;
	if (*tag && oci_reference_normalise(str_from(repo), full, NULL) >= 0)
		return err_set(err, -EINVAL, "invalid tag format");
	return docker_reference_refuse(repo, err);
}

static void on_tag_records(struct msg_peer *peer, void *owner, struct msg *reply,
			   const struct err *err)
{
	struct docker_client *client = owner;
	struct buf body OWN(buf_done) = { 0 };
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
	if (read_name(repo, tag, full, &bad) < 0) {
		docker_reply_err(client, &bad);
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
	uint32_t count;
	bool force, by_name;
};

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

/* As people write it; NULL: it was no name, only the id of one without. */
static const char *familiar_of(const struct removal *removal, const char *reference)
{
	for (uint32_t i = 0; i < removal->images.count; i++) {
		const struct docker_image *row = &removal->images.rows[i];

		if (strcmp(row->image.reference, reference) != 0)
			continue;
		return *row->familiar ? row->familiar : *row->digest ? row->digest : NULL;
	}
	return NULL;
}

static void removed(struct docker_client *client, bool last)
{
	const struct removal *removal = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 1 << 20);
	json_writer_init(&w, &body);
	json_begin_array(&w);
	for (uint32_t i = 0; i < removal->count; i++) {
		const char *name = familiar_of(removal, removal->references[i]);

		if (!name)
			continue;
		json_begin_object(&w);
		json_member_text(&w, "Untagged", name);
		json_end_object(&w);
	}
	if (last) {
		json_begin_object(&w);
		json_member_text(&w, "Deleted", removal->found->id);
		json_end_object(&w);
	}
	json_end_array(&w);
	(void)buf_add_byte(&body, '\n');
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;

	(void)peer;
	if (reply)
		removed(client, reply->body.len && reply->body.ptr[0]);
	else
		docker_reply_err(client, err);
}

/* By a name: that name goes. By an id: all of its names, several only with force. */
static int plan_removal(struct docker_client *client, struct removal *removal, struct err *err)
{
	const struct docker_image *found;
	int r = docker_images_find(&removal->images, client->argument, &found, err);

	if (r < 0)
		return r;
	removal->found = found;
	removal->references = arena_array(&client->arena, removal->images.count + 1U,
					  sizeof(*removal->references));
	if (!removal->references)
		return err_set(err, -ENOMEM, "no memory for a request");
	removal->by_name = !str_starts(str_from(found->id), str_from(client->argument)) &&
			   !str_starts(str_from(found->id + 7), str_from(client->argument));
	for (uint32_t i = 0; i < removal->images.count; i++) {
		const struct docker_image *row = &removal->images.rows[i];

		if (!strcmp(row->id, found->id) && (!removal->by_name || row == found))
			removal->references[removal->count++] = row->image.reference;
	}
	if (removal->count > 1 && !removal->force)
		return err_set(err, -EEXIST,
			       "conflict: unable to delete %.12s (must be forced) - image is "
			       "referenced in multiple repositories",
			       found->id + 7);
	return 0;
}

/* Engine main weighs who uses it: between a look from here and the removal one could start. */
static void ask_removal(struct docker_client *client, const struct removal *removal)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 256 << 10);
	wire_put_text(&body, client->argument);
	wire_put_u8(&body, (uint8_t)((removal->force ? ENGINE_DROP_FORCE : 0) |
				     (removal->by_name ? ENGINE_DROP_NAME : 0)));
	wire_put_u32(&body, removal->count);
	for (uint32_t i = 0; i < removal->count; i++)
		wire_put_text(&body, removal->references[i]);
	docker_ask(client, ENGINE_MSG_IMAGE_DROP, buf_str(&body), on_removed);
}

static void on_remove_records(struct msg_peer *peer, void *owner, struct msg *reply,
			      const struct err *err)
{
	struct docker_client *client = owner;
	struct removal *removal = arena_alloc(&client->arena, sizeof(*removal));
	struct err bad = { 0 };

	(void)peer;
	if (!reply || !removal) {
		docker_reply_err(client, reply ? &no_memory : err);
		return;
	}
	client->work = removal;
	client->work_free = no_free;
	removal->force = docker_query_flag(client, "force", false);
	if (docker_images_read(reply->body, &client->arena, &removal->images, &bad) < 0 ||
	    plan_removal(client, removal, &bad) < 0)
		docker_reply_err(client, &bad);
	else
		ask_removal(client, removal);
}

void docker_image_remove(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_remove_records);
}
