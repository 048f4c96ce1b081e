/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /containers/NAME/wait. Its head goes out at once, so that a client can start what it waits
 * for; the body comes with the end. Runs in the api role.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "engine/docker/handlers.h"
#include "engine/docker/view.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

enum wait_kind { WAIT_NOT_RUNNING, WAIT_NEXT_EXIT, WAIT_REMOVED };

struct wait {
	struct docker_watch watch;
	struct docker_client *client;
	enum wait_kind kind;
	int32_t code;
	char id[68];
};

static void wait_free(void *work)
{
	struct wait *wait = work;

	docker_watch_remove(wait->client->server, &wait->watch);
	free(wait);
}

static void wait_over(struct docker_client *client, int32_t code)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, 256);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_i64(&w, "StatusCode", code);
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_stream_add(client, buf_str(&body));
	docker_stream_end(client);
}

static void on_event(struct docker_watch *watch, const struct engine_event *event)
{
	struct wait *wait = watch->owner;

	if (!str_is(event->type, "container") || !str_is(event->id, wait->id))
		return;
	if (str_is(event->action, "die"))
		wait->code = event->number;
	if (str_is(event->action, wait->kind == WAIT_REMOVED ? "destroy" : "die"))
		wait_over(wait->client, wait->code);
}

static void on_view(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct wait *wait = client->work;
	struct docker_boxes boxes = { 0 };
	struct err bad = { 0 };
	bool up;

	(void)peer;
	if (!reply || docker_boxes_read(reply->body, &client->arena, &boxes, &bad) < 0 ||
	    !boxes.count) {
		docker_reply_err(client, reply ? &bad : err);
		return;
	}
	up = boxes.rows[0].view.state == ENGINE_STATE_RUNNING ||
	     boxes.rows[0].view.state == ENGINE_STATE_PAUSED ||
	     boxes.rows[0].view.state == ENGINE_STATE_RESTARTING;
	wait->code = boxes.rows[0].view.exit_code;
	(void)str_copy(boxes.rows[0].view.id, wait->id, sizeof(wait->id));
	docker_watch_add(client->server, &wait->watch, on_event, wait);
	docker_stream_begin(client, "application/json");
	if (client->fd >= 0 && wait->kind == WAIT_NOT_RUNNING && !up)
		wait_over(client, wait->code);
}

void docker_wait(struct docker_client *client)
{
	struct wait *wait = calloc(1, sizeof(*wait));
	char condition[64] = "", text[96];

	if (!wait) {
		docker_reply_error(client, 500, "no memory for a request");
		return;
	}
	wait->client = client;
	client->work = wait;
	client->work_free = wait_free;
	(void)docker_query(client, "condition", condition, sizeof(condition));
	if (!strcmp(condition, "next-exit"))
		wait->kind = WAIT_NEXT_EXIT;
	else if (!strcmp(condition, "removed"))
		wait->kind = WAIT_REMOVED;
	else if (*condition && strcmp(condition, "not-running") != 0) {
		(void)snprintf(text, sizeof(text), "invalid condition: \"%s\"", condition);
		docker_reply_error(client, 400, text);
		return;
	}
	docker_ask_argument(client, ENGINE_MSG_VIEWS, on_view);
}
