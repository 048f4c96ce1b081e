/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk that all prunes share: one removal after the other. Runs in the api role. Must never
 * list what stayed.
 */
#include "engine/docker/prune.h"

#include "engine/api/image_msg.h"
#include "engine/docker/watch.h"
#include "lib/own.h"

enum { PRUNE_ANSWER_MAX = 8 << 20, PRUNE_BODY_MAX = 64 << 10 };

static void no_free(void *work)
{
	(void)work; /* in the request's arena */
}

struct docker_prune *docker_prune_new(struct docker_client *client,
				      const struct docker_prune_kind *kind, uint32_t max)
{
	struct docker_prune *prune = arena_alloc(&client->arena, sizeof(*prune));

	if (prune)
		prune->rows = arena_array(&client->arena, max + 1U, sizeof(*prune->rows));
	if (!prune || !prune->rows) {
		docker_reply_error(client, 500, "no memory for a request");
		return NULL;
	}
	prune->kind = kind;
	prune->max = max;
	if (client->work_free)
		client->work_free(client->work);
	client->work = prune;
	client->work_free = no_free;
	return prune;
}

void docker_prune_add(struct docker_client *client, struct str name, const void *about)
{
	struct docker_prune *prune = client->work;
	const char *text = prune->count < prune->max ? arena_text(&client->arena, name) : NULL;

	if (text)
		prune->rows[prune->count++] =
			(struct docker_prune_row){ .name = text, .about = about };
}

static void next(struct docker_client *client);

static void on_removed(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_prune *prune = client->work;
	struct docker_prune_row *row = &prune->rows[prune->at++];

	(void)peer;
	(void)err; /* it is used meanwhile: it stays */
	row->gone = reply != NULL;
	if (row->gone)
		prune->freed_bytes += row->bytes;
	if (reply && prune->kind->went)
		prune->kind->went(row, reply->body);
	next(client);
}

static void next(struct docker_client *client)
{
	struct docker_prune *prune = client->work;
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	if (prune->at < prune->count) {
		buf_init(&body, PRUNE_BODY_MAX);
		prune->kind->put(&prune->rows[prune->at], &body);
		docker_ask(client, prune->kind->type, buf_str(&body), on_removed);
		return;
	}
	buf_init(&body, PRUNE_ANSWER_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	prune->kind->answer(prune, &w);
	json_end_object(&w);
	(void)buf_add_byte(&body, '\n');
	docker_watch_pruned(client->server, prune->kind->event, prune->freed_bytes);
	docker_reply_json(client, 200, buf_str(&body));
}

static void on_usage(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct docker_client *client = owner;
	struct docker_prune *prune = client->work;
	struct docker_usage usage = { 0 };
	struct err bad = { 0 };

	(void)peer;
	(void)err; /* without sizes it goes as well */
	if (reply && docker_usage_read(reply->body, &client->arena, &usage, &bad) < 0)
		usage = (struct docker_usage){ 0 };
	for (uint32_t i = 0; i < prune->count; i++) {
		const struct docker_usage_row *row =
			prune->kind->used(&usage, str_from(prune->rows[i].name));

		prune->rows[i].bytes = row ? row->bytes : 0;
	}
	next(client);
}

void docker_prune_run(struct docker_client *client)
{
	struct docker_prune *prune = client->work;

	if (prune->kind->used && prune->count)
		docker_ask(client, ENGINE_MSG_USAGE, STR(""), on_usage);
	else
		next(client);
}

void docker_prune_put_names(const struct docker_prune *prune, struct json_writer *w,
			    const char *key, bool null_empty)
{
	uint32_t gone = 0;

	for (uint32_t i = 0; i < prune->count; i++)
		gone += prune->rows[i].gone;
	json_key(w, key);
	if (!gone && null_empty) {
		json_put_null(w);
		return;
	}
	json_begin_array(w);
	for (uint32_t i = 0; i < prune->count; i++) {
		if (prune->rows[i].gone)
			json_put_text(w, prune->rows[i].name);
	}
	json_end_array(w);
}
