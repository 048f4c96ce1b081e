/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room on the data partition: layers that nothing needs any more, and what lies in the trash. Runs
 * in engine main, which only decides when; the store and the sweep role do it. Must never drop what
 * a container, a build or a pull works with: their leases say so.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/store_msg.h"
#include "engine/role_main.h"
#include "lib/log.h"
#include "lib/own.h"

enum { COLLECT_MS = 300, SWEEP_MS = 3000 };

/* ---- trash ---- */

static void sweep_now(struct loop_timer *timer);

static void on_swept(struct worker *worker)
{
	struct engine *engine = worker->owner;

	if (strcmp(worker->why, "exit 0") != 0)
		log_warn("sweep: %s", worker->why);
	if (engine->sweep_again)
		loop_timer_set(&engine->loop, &engine->sweep_timer, SWEEP_MS, sweep_now, engine);
}

/* What is in the trash goes, beside everything else. */
static void sweep_now(struct loop_timer *timer)
{
	struct engine *engine = timer->owner;
	struct err err = { 0 };

	engine->sweep_again = false;
	if (worker_start(&engine->sweep, &engine->loop, "sweep", NULL, 0, NULL, 0, on_swept, engine,
			 &err) < 0)
		log_warn("sweep: %s", err_text(&err));
}

/* Not at once: at boot the first containers come first, and later one sweep does for many. */
void engine_trashed(void *owner)
{
	struct engine *engine = owner;

	if (!engine->sweep_again && !worker_running(&engine->sweep))
		loop_timer_set(&engine->loop, &engine->sweep_timer, SWEEP_MS, sweep_now, engine);
	engine->sweep_again = true;
}

/* ---- layers ---- */

/* layers/<hex> in the run directory: mounted, but is it still needed? */
static bool layer_needed(const char *name, void *owner)
{
	const struct engine *engine = owner;
	struct digest digest;

	if (str_unhex(str_from(name), digest.bytes, sizeof(digest.bytes)) < 0)
		return true; /* not one of ours */
	return image_leases_hold(&engine->leases, &digest);
}

/* A mounted layer keeps its blocks although its name is gone. */
void engine_unmount_unused(struct engine *engine)
{
	struct err err = { 0 };

	if (rootfs_layers_prune(&engine->containers.rootfs, layer_needed, engine, &err) < 0)
		log_warn("layers: %s", err_text(&err));
}

static void on_collected(struct msg_peer *peer, void *owner, struct msg *reply,
			 const struct err *err)
{
	struct engine *engine = owner;
	struct wire in;
	uint64_t bytes;
	uint32_t objects, leased;

	(void)peer;
	if (!reply) {
		log_warn("store: %s", err_text(err));
		return;
	}
	wire_init(&in, reply->body.ptr, reply->body.len);
	bytes = wire_u64(&in);
	objects = wire_u32(&in);
	leased = wire_u32(&in);
	if (wire_end(&in) < 0)
		return;
	engine->leases.held = leased > 0;
	if (objects)
		log_notice("images: %llu KiB in %u unused files are given back",
			   (unsigned long long)(bytes >> 10), objects);
}

static void collect_now(struct loop_timer *timer)
{
	struct engine *engine = timer->owner;
	struct err err = { 0 };

	engine->collect_soon = false;
	/* Until the answer is here, and without a store: the next lease that ends asks again. */
	engine->leases.held = true;
	if (!msg_peer_alive(&engine->store.peer))
		return;
	engine_unmount_unused(engine);
	if (msg_peer_call(&engine->store.peer, STORE_MSG_GC, STR(""), NULL, 0, on_collected, engine,
			  &err) < 0)
		log_warn("store: %s", err_text(&err));
}

void engine_collect(void *owner)
{
	struct engine *engine = owner;

	if (!engine->collect_soon)
		loop_timer_set(&engine->loop, &engine->collect_timer, COLLECT_MS, collect_now,
			       engine);
}

void engine_collect_soon(struct engine *engine)
{
	engine->collect_soon = true;
	loop_timer_set(&engine->loop, &engine->collect_timer, 0, collect_now, engine);
}
