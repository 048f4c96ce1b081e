/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as archives: save and load. Runs in the api role, which sees the bytes pass and reads
 * none.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/docker/handlers.h"
#include "engine/docker/progress.h"
#include "engine/docker/record.h"
#include "engine/docker/transfer.h"
#include "engine/oci/reference.h"
#include "lib/own.h"

enum { ARCHIVE_BODY_MAX = 60 << 10 };

/* ---- save ---- */

static int put_name(const char *name, struct buf *out, uint32_t *count, struct err *err)
{
	if (*count >= ENGINE_SAVE_IMAGES_MAX)
		return err_set(err, -EINVAL, "more than %d images in one archive",
			       ENGINE_SAVE_IMAGES_MAX);
	++*count;
	wire_put_text(out, name);
	return 0;
}

/* A repository means all of its tags: how many that were, 0 = it is no repository. */
static int put_tags(const struct docker_images *images, const char *name, struct buf *out,
		    uint32_t *count, struct err *err)
{
	const char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
	struct oci_reference wanted, own;
	uint32_t before = *count;
	int r = 0;

	if ((colon && (!slash || colon > slash)) ||
	    oci_reference_parse(str_from(name), &wanted, NULL) < 0 || wanted.has_digest)
		return 0;
	for (uint32_t i = 0; r >= 0 && i < images->count; i++) {
		const char *reference = images->rows[i].image.reference;

		if (*images->rows[i].familiar &&
		    oci_reference_parse(str_from(reference), &own, NULL) >= 0 &&
		    !strcmp(own.domain, wanted.domain) && !strcmp(own.path, wanted.path))
			r = put_name(reference, out, count, err);
	}
	return r < 0 ? r : (int)(*count - before);
}

/* By an id the archive gets no name for it. */
static int put_image(const struct docker_images *images, const char *name, struct buf *out,
		     uint32_t *count, struct err *err)
{
	const struct docker_image *found;
	int r = put_tags(images, name, out, count, err);
	bool by_id;

	if (r)
		return r;
	r = docker_images_find(images, name, &found, err);
	if (r < 0)
		return r;
	by_id = str_starts(str_from(found->id), str_from(name)) ||
		str_starts(str_from(found->id + 7), str_from(name));
	return put_name(by_id ? found->id : found->image.reference, out, count, err);
}

/* Each names=, or the one of the path; -errno. */
static int put_images(struct docker_client *client, const struct docker_images *images,
		      struct buf *out, uint32_t *ret_count, struct err *err)
{
	struct str rest = str_from(client->query), pair;
	char name[OCI_REFERENCE_MAX];
	int r = 0;

	*ret_count = 0;
	if (*client->argument)
		return put_image(images, client->argument, out, ret_count, err);
	while (r >= 0 && str_cut(&rest, '&', &pair)) {
		if (!str_starts(pair, STR("names=")))
			continue;
		if (docker_decode_query(str_skip(pair, 6), name, sizeof(name)) < 0)
			return docker_reference_refuse("", err);
		r = put_image(images, name, out, ret_count, err);
	}
	return r;
}

static void on_save_records(struct msg_peer *peer, void *owner, struct msg *reply,
			    const struct err *err)
{
	struct docker_client *client = owner;
	struct buf names OWN(buf_done) = { 0 }, body OWN(buf_done) = { 0 };
	struct docker_images images;
	struct err bad = { 0 };
	uint32_t count = 0;

	(void)peer;
	buf_init(&names, ARCHIVE_BODY_MAX);
	buf_init(&body, ARCHIVE_BODY_MAX + 64);
	if (!reply || docker_images_read(reply->body, &client->arena, &images, &bad) < 0 ||
	    put_images(client, &images, &names, &count, &bad) < 0) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	if (!count || buf_error(&names)) {
		docker_reply_error(client, 400,
				   count ? "the names are too long" : "no image named");
		return;
	}
	wire_put_u8(&body, ENGINE_ARCHIVE_DOCKER);
	wire_put_u32(&body, count);
	(void)buf_add_str(&body, buf_str(&names));
	wire_put_text(&body, "");
	docker_download(client, ENGINE_MSG_SAVE, buf_str(&body), "application/x-tar");
}

void docker_image_save(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_save_records);
}

void docker_images_save(struct docker_client *client)
{
	client->argument[0] = 0;
	docker_ask(client, ENGINE_MSG_RECORDS, STR(""), on_save_records);
}

/* ---- load ---- */

/* "Loaded image: docker.io/library/x:1" with the name as people write it; other lines are how far
 * it is. */
static void put_line(struct docker_client *client, struct str line, bool quiet)
{
	static const char loaded[] = "Loaded image: ";
	struct buf text OWN(buf_done) = { 0 };
	struct oci_reference reference;
	char name[OCI_REFERENCE_MAX];

	if (!str_starts(line, STR("Loaded image"))) {
		if (!quiet && !docker_stream_full(client)) /* progress may be left out */
			docker_put_status(client, line);
		return;
	}
	buf_init(&text, 4096);
	if (str_starts(line, str_from(loaded)) &&
	    oci_reference_parse(str_skip(line, sizeof(loaded) - 1), &reference, NULL) >= 0)
		(void)buf_printf(&text, "%s%s\n", loaded, oci_reference_familiar(&reference, name));
	else
		(void)buf_printf(&text, "%.*s\n", STR_ARG(line));
	docker_put_stream(client, buf_str(&text));
}

static void on_load(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct wire in;

	(void)peer;
	if (!reply) {
		docker_put_failure(client, err);
	} else if (reply->flags & MSG_FLAG_MORE) {
		wire_init(&in, reply->body.ptr, reply->body.len);
		put_line(client, wire_str(&in, 4096), docker_query_flag(client, "quiet", false));
	} else {
		if (!client->streaming)
			docker_stream_begin(client, "application/json");
		docker_stream_end(client);
	}
}

void docker_image_load(struct docker_client *client)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 64);
	wire_put_text(&body, "");
	wire_put_text(&body, "");
	docker_upload(client, ENGINE_MSG_LOAD, buf_str(&body), on_load);
}
