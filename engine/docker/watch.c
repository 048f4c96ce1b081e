/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of engine main, handed on to whoever in the api role waits for some. Runs in the api role.
 * Must never keep more than the last DOCKER_HISTORY_MAX.
 */
#include <errno.h>
#include <stdio.h>
#include "engine/docker/text.h"
#include "engine/docker/watch.h"
#include "lib/log.h"
#include "lib/own.h"

enum { WATCH_EVENT_MAX = 256 << 10 };

static void keep(struct docker_server *server, struct str body)
{
	struct buf *slot = &server->history[server->history_count++ % DOCKER_HISTORY_MAX];

	buf_done(slot);
	buf_init(slot, WATCH_EVENT_MAX);
	(void)buf_add_str(slot, body);
}

static bool decode(struct str body, struct engine_event *ret_event)
{
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	engine_event_get(&in, ret_event);
	return wire_end(&in) >= 0;
}

static void tell(struct docker_server *server, struct str body)
{
	static struct engine_event event;
	struct docker_watch *watch;

	if (!decode(body, &event))
		return;
	keep(server, body);
	for (watch = server->watches; watch; watch = server->watch_next) {
		server->watch_next = watch->next; /* a removal in the callback moves it on */
		watch->fn(watch, &event);
	}
}

static void on_event(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	if (reply)
		tell(owner, reply->body);
	else
		log_warn("events: %s", err_text(err));
}

void docker_watch_tell(struct docker_server *server, const struct engine_event *event)
{
	struct buf body OWN(buf_done) = { 0 };

	buf_init(&body, WATCH_EVENT_MAX);
	engine_event_put(&body, event);
	if (!buf_error(&body))
		tell(server, buf_str(&body));
}

void docker_watch_pruned(struct docker_server *server, const char *type, uint64_t bytes)
{
	struct engine_event event = { .time_ns = docker_now_ns(),
				      .type = str_from(type),
				      .action = STR("prune"),
				      .label_count = 1 };
	char label[40];

	(void)snprintf(label, sizeof(label), "reclaimed=%llu", (unsigned long long)bytes);
	event.labels[0] = str_from(label);
	docker_watch_tell(server, &event);
}

void docker_watch_init(struct docker_server *server)
{
	struct err err = { 0 };

	if (server->listens)
		return;
	server->listens = true;
	if (msg_peer_call(server->main, ENGINE_MSG_EVENTS, STR(""), NULL, 0, on_event, server,
			  &err) < 0)
		log_warn("events: %s", err_text(&err));
}

void docker_watch_add(struct docker_server *server, struct docker_watch *watch,
		      void (*fn)(struct docker_watch *watch, const struct engine_event *event),
		      void *owner)
{
	*watch = (struct docker_watch){ server->watches, fn, owner };
	server->watches = watch;
}

void docker_watch_remove(struct docker_server *server, struct docker_watch *watch)
{
	struct docker_watch **at = &server->watches;

	while (*at && *at != watch)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = watch->next;
	if (server->watch_next == watch)
		server->watch_next = watch->next;
}

void docker_watch_history(struct docker_server *server,
			  void (*fn)(void *owner, const struct engine_event *event), void *owner)
{
	uint32_t count = server->history_count, first;
	struct engine_event event;

	first = count > DOCKER_HISTORY_MAX ? count - DOCKER_HISTORY_MAX : 0;
	for (uint32_t i = first; i < count; i++) {
		if (decode(buf_str(&server->history[i % DOCKER_HISTORY_MAX]), &event))
			fn(owner, &event);
	}
}
