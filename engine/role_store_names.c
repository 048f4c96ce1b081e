/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store role's answers about names: images and the build cache. Must never answer before the
 * table is on disk.
 */
#include <string.h>
#include "engine/role_store.h"
#include "engine/store/save.h"
#include "lib/own.h"

void store_role_image_set(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	bool replaced = false;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	struct str reference = wire_str(&in, STORE_REFERENCE_MAX - 1);
	if (in.error != 0) {
		store_role_refuse_malformed(msg);
		return;
	}
	struct str record = str_make(in.ptr, in.left);
	if ((msg->type == STORE_MSG_IMAGE_MOVE ? store_image_move : store_image_set)(
		    &store_role.store, reference, record, &replaced, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 16);
	wire_put_u8(&body, replaced);
	store_role_answer(msg, &body, -1);
}

void store_role_image_get(struct msg_peer *peer, struct msg *msg)
{
	char name[STORE_REFERENCE_MAX];
	struct str record;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		store_role_refuse_malformed(msg);
	else if (store_image_get(&store_role.store, name, &record, &err) < 0 &&
		 store_image_before(&store_role.store, name, &record) < 0)
		store_role_refuse(msg, &err);
	else
		(void)msg_reply(&store_role.service.main, msg->type, msg->serial, record, NULL, 0);
}

void store_role_image_list(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	const struct refs *refs = &store_role.store.refs;
	(void)peer;
	buf_init(&body, ROLE_LIST_MAX);
	wire_put_u32(&body, refs->image_count);
	for (uint32_t i = 0; i < refs->image_count; i++) {
		struct str record = buf_str(&refs->images[i]->record);
		int64_t made_s;
		wire_put_text(&body, refs->images[i]->reference);
		wire_put_str(&body, record);
		wire_put_u64(&body, store_image_disk(&store_role.store, record, &made_s));
		wire_put_i64(&body, made_s);
	}
	store_role_answer(msg, &body, -1);
}

static void by_name(struct msg *msg,
		    int (*act)(struct store *store, const char *name, struct err *err))
{
	char name[STORE_REFERENCE_MAX];
	struct err err = { 0 };
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, name, sizeof(name));
	if (wire_end(&in) < 0)
		store_role_refuse_malformed(msg);
	else
		store_role_answer_empty(msg, act(&store_role.store, name, &err), &err);
}

void store_role_image_remove(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	by_name(msg, store_image_remove);
}

void store_role_image_untag(struct msg_peer *peer, struct msg *msg)
{
	(void)peer;
	by_name(msg, store_image_untag);
}

void store_role_cache_get(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct store_cached cached;
	struct digest key;
	struct err err = { 0 };
	struct wire in;
	bool found = false;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &key);
	if (store_cache_get(&store_role.store, &key, &found, &cached, &err) < 0) {
		store_role_refuse(msg, &err);
		return;
	}
	buf_init(&body, 256);
	wire_put_u8(&body, found);
	store_cached_put(&body, &cached);
	store_role_answer(msg, &body, -1);
}

void store_role_cache_set(struct msg_peer *peer, struct msg *msg)
{
	struct store_cached cached;
	struct digest key;
	struct err err = { 0 };
	struct wire in;
	(void)peer;
	wire_init(&in, msg->body.ptr, msg->body.len);
	store_digest_get(&in, &key);
	store_cached_get(&in, &cached);
	if (wire_end(&in) < 0)
		store_role_refuse_malformed(msg);
	else
		store_role_answer_empty(
			msg, store_cache_set(&store_role.store, &key, &cached, &err), &err);
}
