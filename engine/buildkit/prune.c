/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control.Prune and Control.DiskUsage: what `docker builder prune` and `buildx du` ask. Runs in the
 * api role. Must never take more than was asked for.
 */
#include "engine/buildkit/prune.h"

#include <stdlib.h>
#include "engine/api/image_msg.h"
#include "engine/buildkit/pb.h"
#include "engine/docker/cache.h"
#include "engine/docker/text.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

struct pruning {
	struct grpc_call *call;
	struct docker_server *server;
	struct arena arena;
};

enum { PRUNE_ARENA_MAX = 1 << 20 };

/* {1 filters, 2 all, 3 age ns, 4 and 5 bytes that may stay, 6 bytes to be free}: false = a part is
 * meant that is not to be had. */
static bool read_wish(struct str message, struct buf *out)
{
	uint64_t age_ns = 0, keep = 0;
	bool all = false, good = true;
	struct pb_field f;
	int r;

	while ((r = pb_next(&message, &f)) > 0) {
		all |= f.number == 2 && f.value;
		if (f.number == 3)
			age_ns = f.value;
		if ((f.number == 4 || f.number == 5) && f.value > keep)
			keep = f.value;
		good &= !(f.number == 1 && f.bytes.len) && !(f.number == 6 && f.value);
	}
	docker_cache_put_prune(
		out, all,
		age_ns ? (docker_now_ns() - (int64_t)(age_ns & INT64_MAX)) / 1000000000 : 0, keep);
	return good && r == 0;
}

/* {1 id, 3 in use, 4 size, 6 created, 7 used last, 8 how often, 9 description, 10 type, 11 shared}
 */
static void put_record(struct buf *record, const struct docker_cache_row *row)
{
	pb_put_text(record, 1, row->id);
	pb_put_number(record, 3, row->in_use);
	pb_put_number(record, 4, row->bytes);
	if (row->made_s) {
		pb_put_time(record, 6, row->made_s * 1000000000);
		pb_put_time(record, 7, row->used_s * 1000000000);
		pb_put_number(record, 8, 1);
	}
	pb_put_text(record, 9, DOCKER_CACHE_WHAT);
	pb_put_text(record, 10, DOCKER_CACHE_TYPE);
	pb_put_number(record, 11, row->shared);
}

/* A record of each that went. */
static void on_pruned(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct pruning *pruning = owner;
	struct docker_cache cache = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_cache_read_pruned(reply->body, &pruning->arena, &cache, &bad) < 0) {
		grpc_finish(pruning->call, GRPC_UNKNOWN, err_text(reply ? &bad : err));
		return;
	}
	docker_watch_pruned(pruning->server, "builder", cache.freed);
	for (uint32_t i = 0; i < cache.count; i++) {
		struct buf record OWN(buf_done) = { 0 };

		buf_init(&record, 512);
		put_record(&record, &cache.rows[i]);
		grpc_send(pruning->call, buf_str(&record));
	}
	grpc_finish(pruning->call, GRPC_OK, "");
}

/* {1 record...} */
static void on_listed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct pruning *pruning = owner;
	struct buf answer OWN(buf_done) = { 0 };
	struct docker_cache cache = { 0 };
	struct err bad = { 0 };

	(void)peer;
	if (!reply || docker_cache_read(reply->body, &pruning->arena, &cache, &bad) < 0) {
		grpc_finish(pruning->call, GRPC_UNKNOWN, err_text(reply ? &bad : err));
		return;
	}
	buf_init(&answer, PRUNE_ARENA_MAX);
	for (uint32_t i = 0; i < cache.count; i++) {
		struct buf record OWN(buf_done) = { 0 };

		buf_init(&record, 512);
		put_record(&record, &cache.rows[i]);
		pb_put_bytes(&answer, 1, buf_str(&record));
	}
	grpc_answer(pruning->call, buf_str(&answer));
}

static void on_closed(struct grpc_call *call)
{
	struct pruning *pruning = call->owner;

	docker_call_forget(pruning->server, pruning);
	arena_done(&pruning->arena);
	free(pruning);
}

static void ask(struct grpc_call *call, uint16_t type, struct str body, msg_reply_fn *fn)
{
	const struct docker_client *client = call->grpc->client;
	struct docker_call_wish wish = {
		.who = client->who,
		.from = client->from,
		.type = type,
		.body = body,
		.fd = -1,
		.fn = fn,
	};
	struct pruning *pruning = calloc(1, sizeof(*pruning));
	struct err err = { 0 };

	if (!pruning) {
		grpc_finish(call, GRPC_EXHAUSTED, "no memory for a request");
		return;
	}
	pruning->call = call;
	pruning->server = client->server;
	arena_init(&pruning->arena, PRUNE_ARENA_MAX);
	wish.owner = pruning;
	call->owner = pruning;
	call->closed = on_closed;
	if (docker_call(client->server, &wish, &err) < 0)
		grpc_finish(call, GRPC_UNAVAILABLE, err_text(&err));
}

void buildkit_prune(struct grpc_call *call, struct str message)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, 64);
	if (read_wish(message, &body))
		ask(call, ENGINE_MSG_CACHE_PRUNE, buf_str(&body), on_pruned);
	else
		grpc_finish(call, GRPC_INVALID,
			    "the build cache of this engine is pruned by age and size: leave out "
			    "other filters");
}

/* {1 filters} */
void buildkit_usage(struct grpc_call *call, struct str message)
{
	struct pb_field f;

	while (pb_next(&message, &f) > 0) {
		if (f.number != 1 || !f.bytes.len)
			continue;
		grpc_finish(
			call, GRPC_INVALID,
			"the build cache of this engine is listed as a whole: leave out filters");
		return;
	}
	ask(call, ENGINE_MSG_CACHE, STR(""), on_listed);
}
