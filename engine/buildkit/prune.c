/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control.Prune: what `docker builder prune` asks where buildx is installed. Runs in the api role.
 * Must never take more than was asked for: the cache goes as a whole, or stays.
 */
#include "engine/buildkit/prune.h"

#include <stdlib.h>
#include "engine/api/engine_msg.h"
#include "engine/buildkit/pb.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

struct pruning {
	struct grpc_call *call;
	struct docker_server *server;
};

/* {1 filters, 2 all, 3 duration, 4 5 6 sizes}: whether a part of the cache is meant. */
static bool wants_part(struct str message)
{
	struct pb_field f;
	int r;

	while ((r = pb_next(&message, &f)) > 0) {
		if ((f.number == 1 && f.is_bytes && f.bytes.len) ||
		    (f.number > 2 && !f.is_bytes && f.value))
			return true;
	}
	return r < 0;
}

/* One record that stands for all that went: {1 id, 4 size, 9 description, 10 type}. */
static void on_pruned(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct pruning *pruning = owner;
	struct buf record OWN(buf_done) = { 0 };
	struct wire in;
	uint64_t bytes;

	(void)peer;
	if (!reply) {
		grpc_finish(pruning->call, GRPC_UNKNOWN, err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	bytes = wire_u64(&in);
	docker_watch_pruned(pruning->server, "builder", bytes);
	buf_init(&record, 256);
	pb_put_text(&record, 1, "build-cache");
	pb_put_number(&record, 4, bytes);
	pb_put_text(&record, 9, "steps that no image uses");
	pb_put_text(&record, 10, "regular");
	if (bytes)
		grpc_send(pruning->call, buf_str(&record));
	grpc_finish(pruning->call, GRPC_OK, "");
}

static void on_closed(struct grpc_call *call)
{
	struct pruning *pruning = call->owner;

	docker_call_forget(pruning->server, pruning);
	free(pruning);
}

void buildkit_prune(struct grpc_call *call, struct str message)
{
	const struct docker_client *client = call->grpc->client;
	struct docker_call_wish wish = {
		.who = client->who,
		.from = client->from,
		.type = ENGINE_MSG_PRUNE,
		.fd = -1,
		.fn = on_pruned,
	};
	struct pruning *pruning;
	struct err err = { 0 };

	if (wants_part(message)) {
		grpc_finish(call, GRPC_INVALID,
			    "the build cache of this engine is pruned as a whole: leave out what "
			    "should be kept");
		return;
	}
	pruning = calloc(1, sizeof(*pruning));
	if (!pruning) {
		grpc_finish(call, GRPC_EXHAUSTED, "no memory for a request");
		return;
	}
	*pruning = (struct pruning){ .call = call, .server = client->server };
	wish.owner = pruning;
	call->owner = pruning;
	call->closed = on_closed;
	if (docker_call(client->server, &wish, &err) < 0)
		grpc_finish(call, GRPC_UNAVAILABLE, err_text(&err));
}
