/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /grpc: the calls of BuildKit's protocol that a client makes of the engine. Runs in the api
 * role. Must never serve a method that is not in the table here.
 */
#include <string.h>
#include "engine/buildkit/history.h"
#include "engine/buildkit/pb.h"
#include "engine/buildkit/prune.h"
#include "engine/buildkit/solve.h"
#include "engine/docker/handlers.h"
#include "engine/oci/oci.h"
#include "lib/own.h"

enum { CONTROL_ANSWER_MAX = 16 << 10 };

/* {1 os... : 1 architecture, 2 os, 3 variant} */
static void put_worker(struct buf *message, uint32_t field)
{
	struct buf worker OWN(buf_done) = { 0 }, inner OWN(buf_done) = { 0 };
	struct oci_platform own = oci_platform_own();

	buf_init(&worker, 2048);
	buf_init(&inner, 1024);
	pb_put_text(&worker, 1, "hoy");
	pb_put_text(&inner, 1, own.architecture);
	pb_put_text(&inner, 2, own.os);
	if (*own.variant)
		pb_put_text(&inner, 3, own.variant);
	pb_put_bytes(&worker, 3, buf_str(&inner));
	buf_clear(&inner);
	pb_put_text(&inner, 1, "hoy");
	pb_put_text(&inner, 2, "v" HOY_VERSION);
	pb_put_bytes(&worker, 5, buf_str(&inner));
	pb_put_bytes(message, field, buf_str(&worker));
}

static void list_workers(struct grpc_call *call, struct str message)
{
	struct buf answer OWN(buf_done) = { 0 };

	(void)message;
	buf_init(&answer, CONTROL_ANSWER_MAX);
	put_worker(&answer, 1);
	grpc_answer(call, buf_str(&answer));
}

static void info(struct grpc_call *call, struct str message)
{
	struct buf answer OWN(buf_done) = { 0 }, version OWN(buf_done) = { 0 };

	(void)message;
	buf_init(&answer, CONTROL_ANSWER_MAX);
	buf_init(&version, 512);
	pb_put_text(&version, 1, "hoy");
	pb_put_text(&version, 2, "v" HOY_VERSION);
	pb_put_bytes(&answer, 1, buf_str(&version));
	grpc_answer(call, buf_str(&answer));
}

/* What a frontend may ask for here. */
static void ping(struct grpc_call *call, struct str message)
{
	static const char *const caps[] = {
		"solve.base",	 "solve.inlinereturn",	  "return", "returnmap", "proto.refarray",
		"frontend.caps", "gateway.solve.metadata"
	};
	struct buf answer OWN(buf_done) = { 0 }, cap OWN(buf_done) = { 0 };

	(void)message;
	buf_init(&answer, CONTROL_ANSWER_MAX);
	buf_init(&cap, 256);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		buf_clear(&cap);
		pb_put_text(&cap, 1, caps[i]);
		pb_put_number(&cap, 2, 1);
		pb_put_bytes(&answer, 1, buf_str(&cap));
	}
	put_worker(&answer, 3);
	grpc_answer(call, buf_str(&answer));
}

/* Clients tell where their own time went: it is nobody's here. */
static void drop_trace(struct grpc_call *call, struct str message)
{
	(void)message;
	grpc_answer(call, STR(""));
}

static const struct {
	const char *path;
	void (*message)(struct grpc_call *call, struct str message);
} methods[] = {
	{ "/moby.buildkit.v1.Control/ListWorkers", list_workers },
	{ "/moby.buildkit.v1.Control/Info", info },
	{ "/moby.buildkit.v1.Control/Prune", buildkit_prune },
	{ "/moby.buildkit.v1.Control/DiskUsage", buildkit_usage },
	{ "/moby.buildkit.v1.Control/Solve", solve_control },
	{ "/moby.buildkit.v1.Control/Status", solve_status },
	{ "/moby.buildkit.v1.Control/ListenBuildHistory", history_listen },
	{ "/moby.buildkit.v1.Control/UpdateBuildHistory", history_update },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Ping", ping },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Solve", solve_bridge },
	{ "/moby.buildkit.v1.frontend.LLBBridge/Return", solve_return },
	{ "/opentelemetry.proto.collector.trace.v1.TraceService/Export", drop_trace },
};

/* Each call has one message of the client. */
static void on_message(struct grpc_call *call, struct str message)
{
	void (*serve)(struct grpc_call * served, struct str text) = NULL;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (!strcmp(call->path, methods[i].path))
			serve = methods[i].message;
	}
	call->message = NULL;
	serve(call, message);
}

static void serve(struct grpc_call *call)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (!strcmp(call->path, methods[i].path)) {
			call->message = on_message;
			return;
		}
	}
	grpc_finish(call, GRPC_UNIMPLEMENTED, "this engine does not offer that");
}

void docker_grpc(struct docker_client *client)
{
	struct grpc *grpc;

	if (!str_is_nocase(client->head.upgrade, "h2c")) {
		docker_reply_error(client, 400, "no upgrade to h2c in request");
		return;
	}
	grpc = grpc_take(client, true);
	if (!grpc)
		return;
	grpc->serve = serve;
	grpc_begin(grpc);
}
