/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build cache for clients: its steps, and POST /build/prune. Runs in the api role. Must never
 * ask for more to go than the filters say.
 */
#include "engine/docker/cache.h"

#include <errno.h>
#include <stdio.h>
#include "engine/api/image_msg.h"
#include "engine/docker/filter.h"
#include "engine/docker/handlers.h"
#include "engine/docker/watch.h"
#include "lib/own.h"
#include "lib/wire.h"

enum { CACHE_ROWS_MAX = 4096 };

static struct docker_cache_row *rows_new(struct wire *in, struct arena *arena, uint32_t *ret_count)
{
	*ret_count = wire_count(in, CACHE_ROWS_MAX);
	return arena_array(arena, *ret_count + 1U, sizeof(struct docker_cache_row));
}

static void read_key(struct wire *in, struct docker_cache_row *row)
{
	char text[DIGEST_TEXT_MAX];
	struct digest key;

	wire_bytes(in, key.bytes, sizeof(key.bytes));
	(void)str_copy(str_head(str_from(digest_text(&key, text) + 7), DOCKER_CACHE_ID_MAX - 1),
		       row->id, sizeof(row->id));
}

static int read_end(struct wire *in, const struct docker_cache *cache, struct err *err)
{
	if (!cache->rows)
		return err_set(err, -ENOMEM, "no memory for a request");
	return wire_end(in) < 0 ? err_set(err, -EBADMSG, "malformed answer of the build cache") : 0;
}

int docker_cache_read(struct str body, struct arena *arena, struct docker_cache *ret_cache,
		      struct err *err)
{
	struct docker_cache cache = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	cache.rows = rows_new(&in, arena, &cache.count);
	for (uint32_t i = 0; cache.rows && i < cache.count && !in.error; i++) {
		read_key(&in, &cache.rows[i]);
		cache.rows[i].bytes = wire_u64(&in);
		cache.rows[i].made_s = wire_i64(&in);
		cache.rows[i].used_s = wire_i64(&in);
		cache.rows[i].shared = wire_bool(&in);
		cache.rows[i].in_use = wire_bool(&in);
	}
	*ret_cache = cache;
	return read_end(&in, &cache, err);
}

int docker_cache_read_pruned(struct str body, struct arena *arena, struct docker_cache *ret_cache,
			     struct err *err)
{
	struct docker_cache cache = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	cache.freed = wire_u64(&in);
	cache.rows = rows_new(&in, arena, &cache.count);
	for (uint32_t i = 0; cache.rows && i < cache.count && !in.error; i++) {
		read_key(&in, &cache.rows[i]);
		cache.rows[i].bytes = wire_u64(&in);
	}
	*ret_cache = cache;
	return read_end(&in, &cache, err);
}

void docker_cache_put_prune(struct buf *out, bool all, int64_t before_s, uint64_t keep_bytes)
{
	wire_put_u8(out, all);
	wire_put_i64(out, before_s);
	wire_put_u64(out, keep_bytes);
}

uint64_t docker_cache_own(const struct docker_cache *cache)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < cache->count; i++)
		bytes += cache->rows[i].shared ? 0 : cache->rows[i].bytes;
	return bytes;
}

/* ---- prune ---- */

static void prune_answer(struct docker_client *client, const struct docker_cache *cache)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 1 << 20);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "CachesDeleted");
	if (cache->count) {
		json_begin_array(&w);
		for (uint32_t i = 0; i < cache->count; i++)
			json_put_text(&w, cache->rows[i].id);
		json_end_array(&w);
	} else {
		json_put_null(&w);
	}
	json_member_u64(&w, "SpaceReclaimed", cache->freed);
	json_end_object(&w);
	docker_watch_pruned(client->server, "builder", cache->freed);
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_pruned(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_cache cache;
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_cache_read_pruned(reply->body, &client->arena, &cache, &bad) < 0)
		docker_reply_err(client, reply ? &bad : err);
	else
		prune_answer(client, &cache);
}

/*
 * Nothing of the cache has a label, so a `system prune` that asks for one loses nothing here. What
 * else narrows it than its age is told, and not answered as if it was done. False: answered.
 */
static bool check_filters(struct docker_client *client, const struct docker_filters *filters,
			  bool *ret_none)
{
	const struct json *value;
	struct json_iter iter;
	struct str name;
	char text[200];

	*ret_none = false;
	json_iter_init(&iter, filters->doc.root);
	while (json_iter_next(&iter, &name, &value)) {
		bool label = str_is(name, "label") || str_is(name, "label!");

		*ret_none |= label;
		if (label || str_is(name, "until"))
			continue;
		(void)snprintf(text, sizeof(text),
			       "the build cache of this engine is pruned by age and size, nothing "
			       "of it went: leave out the filter '%.*s'",
			       STR_ARG(name));
		docker_reply_error(client, 400, text);
		return false;
	}
	return true;
}

/* How much may stay, by whichever name of it. False: 400 was answered. */
static bool read_keep(struct docker_client *client, uint64_t *ret_bytes)
{
	static const char *const names[] = { "keep-storage", "reserved-space", "max-used-space" };
	int64_t number;

	*ret_bytes = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (docker_query_number(client, names[i], 0, &number) < 0)
			return false;
		if (number > 0 && (uint64_t)number > *ret_bytes)
			*ret_bytes = (uint64_t)number;
	}
	if (docker_query_number(client, "min-free-space", 0, &number) < 0)
		return false;
	if (number == 0)
		return true;
	docker_reply_error(client, 400,
			   "the build cache of this engine knows no min-free-space: say what may "
			   "stay by max-used-space");
	return false;
}

void docker_build_prune(struct docker_client *client)
{
	struct docker_filters filters OWN(docker_filters_done) = { 0 };
	const struct docker_cache nothing = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	uint64_t keep_bytes;
	int64_t until_ns;
	bool none;

	if (!docker_filters_read(
		    client,
		    "description id inuse label label! parent private shared type until "
		    "unused-for",
		    &filters) ||
	    !check_filters(client, &filters, &none) ||
	    !docker_filters_until(client, &filters, &until_ns) || !read_keep(client, &keep_bytes))
		return;
	if (none) {
		prune_answer(client, &nothing);
		return;
	}
	buf_init(&body, 64);
	docker_cache_put_prune(&body, docker_query_flag(client, "all", false),
			       until_ns == INT64_MAX ? 0 : until_ns / 1000000000, keep_bytes);
	docker_ask(client, ENGINE_MSG_CACHE_PRUNE, buf_str(&body), on_pruned);
}
