/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress as Docker's stream of JSON objects. Runs in the api role.
 */
#include "engine/docker/progress.h"

#include "lib/own.h"

enum { PROGRESS_LINE_MAX = 16384 };

static void put_object(struct docker_client *client, struct buf *body)
{
	if (!client->streaming)
		docker_stream_begin(client, "application/json");
	(void)buf_add_text(body, "\r\n");
	docker_stream_add(client, buf_str(body));
}

static void put_member(struct docker_client *client, const char *key, struct str text)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_str(&w, key, text);
	json_end_object(&w);
	put_object(client, &body);
}

void docker_put_status(struct docker_client *client, struct str status)
{
	put_member(client, "status", status);
}

void docker_put_stream(struct docker_client *client, struct str text)
{
	put_member(client, "stream", text);
}

void docker_put_aux_id(struct docker_client *client, const char *id)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "aux");
	json_begin_object(&w);
	json_member_text(&w, "ID", id);
	json_end_object(&w);
	json_end_object(&w);
	put_object(client, &body);
}

void docker_put_failure(struct docker_client *client, const struct err *err)
{
	docker_put_failure_code(client, err_text(err), 0);
}

void docker_put_failure_code(struct docker_client *client, const char *text, int32_t code)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "errorDetail");
	json_begin_object(&w);
	if (code)
		json_member_i64(&w, "code", code);
	json_member_text(&w, "message", text);
	json_end_object(&w);
	json_member_text(&w, "error", text);
	json_end_object(&w);
	put_object(client, &body);
	docker_stream_end(client);
}
