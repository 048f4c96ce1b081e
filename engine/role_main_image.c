/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further name for an image: the record is taken from the store and given back to it under the
 * new one. Runs in engine main.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/store_msg.h"
#include "engine/oci/image.h"
#include "engine/oci/reference.h"
#include "engine/role_main.h"
#include "lib/own.h"

struct tag_call {
	struct engine *engine;
	struct msg_peer *peer;
	uint32_t serial;
	char target[OCI_REFERENCE_MAX];
};

static void tag_end(struct tag_call *tag, const struct err *err)
{
	if (err)
		(void)msg_reply_err(tag->peer, ENGINE_MSG_TAG, tag->serial, err);
	else
		(void)msg_reply(tag->peer, ENGINE_MSG_TAG, tag->serial, STR(""), NULL, 0);
	free(tag);
}

static void on_set(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tag_call *tag = owner;

	(void)peer;
	if (reply)
		engine_event(tag->engine, "image", "tag", tag->target, tag->target, NULL, 0);
	tag_end(tag, reply ? NULL : err);
}

static void on_record(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct tag_call *tag = owner;
	struct arena arena OWN(arena_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	struct image image;
	struct err bad = { 0 };
	struct wire in;

	(void)peer;
	if (!reply) {
		tag_end(tag, err);
		return;
	}
	arena_init(&arena, 8 << 20);
	wire_init(&in, reply->body.ptr, reply->body.len);
	if (image_decode(&in, &arena, &image, &bad) < 0) {
		tag_end(tag, &bad);
		return;
	}
	image.reference = tag->target;
	buf_init(&body, STORE_RECORD_MAX + 1024);
	wire_put_text(&body, tag->target);
	image_encode(&image, &body);
	if (msg_peer_call(&tag->engine->store.peer, STORE_MSG_IMAGE_SET, buf_str(&body), NULL, 0,
			  on_set, tag, &bad) < 0)
		tag_end(tag, &bad);
}

void engine_tag_call(struct msg_peer *peer, struct msg *msg)
{
	struct tag_call *tag = calloc(1, sizeof(*tag));
	struct buf body OWN(buf_done) = { 0 };
	struct str source, target;
	struct err err = { 0 };
	struct wire in;
	int64_t r;

	if (!tag) {
		err_set(&err, -ENOMEM, "no memory for a request");
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
		return;
	}
	*tag = (struct tag_call){ .engine = engine_of(peer), .peer = peer, .serial = msg->serial };
	wire_init(&in, msg->body.ptr, msg->body.len);
	source = wire_str(&in, ENGINE_REF_MAX);
	target = wire_str(&in, ENGINE_REF_MAX);
	r = wire_end(&in) < 0 ? err_set(&err, -EBADMSG, "malformed request")
			      : oci_reference_normalise(target, tag->target, &err);
	buf_init(&body, 1024);
	wire_put_str(&body, source);
	if (r >= 0)
		r = msg_peer_call(&tag->engine->store.peer, STORE_MSG_IMAGE_GET, buf_str(&body),
				  NULL, 0, on_record, tag, &err);
	if (r < 0)
		tag_end(tag, &err);
}
