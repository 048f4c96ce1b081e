/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what happens to containers, told to whoever listens as it happens. Runs in engine main.
 * Must never keep any: history is the listener's business.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "engine/api/view_msg.h"
#include "engine/role_main.h"
#include "lib/own.h"

enum { EVENT_MAX = 256 << 10 };

static int64_t wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* To all that listen; the labels are def's. */
static void tell(struct engine *engine, struct engine_event *event, const struct container_def *def)
{
	struct buf body OWN(buf_done) = { 0 };

	for (uint32_t i = 0; def && i < def->labels.count && i < ARRAY_LEN(event->labels); i++)
		event->labels[event->label_count++] = str_from(def->labels.items[i]);
	if (def)
		event->image = str_from(def->reference);
	buf_init(&body, EVENT_MAX);
	engine_event_put(&body, event);
	if (buf_error(&body)) { /* labels without measure: told without them */
		event->label_count = 0;
		buf_clear(&body);
		engine_event_put(&body, event);
	}
	for (size_t i = 0; i < ARRAY_LEN(engine->listeners); i++) {
		const struct engine_listener *listener = &engine->listeners[i];

		if (listener->peer)
			(void)msg_reply_more(listener->peer, ENGINE_MSG_EVENTS, listener->serial,
					     buf_str(&body));
	}
}

void engine_event(struct engine *engine, const char *type, const char *action, const char *id,
		  const char *name, const struct container_def *def, int32_t number)
{
	struct engine_event event = {
		.time_ns = wall_ns(),
		.type = str_from(type),
		.action = str_from(action),
		.id = str_from(id),
		.name = str_from(name),
		.number = number,
	};

	tell(engine, &event, def);
}

void engine_event_of_box(struct engine *engine, const char *action, const char *id,
			 const char *name, const struct container_def *def, int32_t number,
			 int64_t ran_s)
{
	struct engine_event event = {
		.time_ns = wall_ns(),
		.type = STR("container"),
		.action = str_from(action),
		.id = str_from(id),
		.name = str_from(name),
		.number = number,
		.duration_s = ran_s,
	};

	tell(engine, &event, def);
}

void engine_events_call(struct msg_peer *peer, struct msg *msg)
{
	struct engine *engine = engine_of(peer);
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(engine->listeners); i++) {
		if (engine->listeners[i].peer)
			continue;
		engine->listeners[i] = (struct engine_listener){ peer, msg->serial };
		return;
	}
	err_set(&err, -EBUSY, "too many listeners");
	(void)msg_reply_err(peer, msg->type, msg->serial, &err);
}
