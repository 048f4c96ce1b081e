/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: what engine main counts, as Prometheus text. Runs in the api role. Must hand it on
 * as it is.
 */
#include "engine/api/engine_msg.h"
#include "engine/docker/handlers.h"
#include "lib/own.h"

enum { METRICS_TEXT_MAX = 8 << 20 };

static void came(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct wire in;
	struct str text;

	(void)peer;
	if (!reply) {
		docker_reply_err(client, err);
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	text = wire_str(&in, METRICS_TEXT_MAX);
	if (wire_end(&in) < 0) {
		docker_reply_error(client, 500, "the engine's answer is malformed");
		return;
	}
	docker_stream_begin(client, "text/plain; version=0.0.4; charset=utf-8");
	docker_stream_add(client, text);
	docker_stream_end(client);
}

void docker_metrics(struct docker_client *client)
{
	docker_ask(client, ENGINE_MSG_METRICS, (struct str){ 0 }, came);
}
