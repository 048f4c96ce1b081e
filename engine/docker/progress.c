/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress as Docker's stream of JSON objects. Runs in the api role.
 */
#include "engine/docker/progress.h"

#include "lib/own.h"

#include <stdio.h>
#include <string.h>

enum {
	PROGRESS_LINE_MAX = 16384,
	PROGRESS_BAR = 50, /* columns */
};

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

void docker_put_status_of(struct docker_client *client, const char *id, const char *status)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "status", status);
	json_member_text(&w, "id", id);
	json_end_object(&w);
	put_object(client, &body);
}

/* Four digits and a decimal unit, as Docker counts: "1.234MB". */
static void put_amount(uint64_t bytes, char dst[16])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double amount = (double)bytes;
	size_t unit = 0;

	while (amount >= 1000 && unit + 1 < ARRAY_LEN(units)) {
		amount /= 1000;
		unit++;
	}
	(void)snprintf(dst, 16, "%.4g%s", amount, units[unit]);
}

static void put_bar(uint64_t done, uint64_t total, char dst[96])
{
	char bar[PROGRESS_BAR + 2], is[16], of[16];
	size_t filled;

	done = done < total ? done : total;
	filled = (size_t)((double)done / (double)total * PROGRESS_BAR);
	memset(bar, '=', filled);
	bar[filled] = '>';
	memset(bar + filled + 1, ' ', PROGRESS_BAR - filled);
	put_amount(done, is);
	put_amount(total, of);
	(void)snprintf(dst, 96, "[%.*s] %8s/%s", PROGRESS_BAR + 1, bar, is, of);
}

void docker_put_layer(struct docker_client *client, const char *id, const char *status,
		      uint64_t done, uint64_t total)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;
	char bar[96];

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "status", status);
	json_key(&w, "progressDetail");
	json_begin_object(&w);
	if (total) {
		json_member_u64(&w, "current", done);
		json_member_u64(&w, "total", total);
	}
	json_end_object(&w);
	if (total) {
		put_bar(done, total, bar);
		json_member_text(&w, "progress", bar);
	}
	json_member_text(&w, "id", id);
	json_end_object(&w);
	put_object(client, &body);
}

void docker_put_aux_push(struct docker_client *client, const char *tag, struct str digest,
			 uint64_t bytes)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, PROGRESS_LINE_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_key(&w, "progressDetail");
	json_begin_object(&w);
	json_end_object(&w);
	json_key(&w, "aux");
	json_begin_object(&w);
	json_member_text(&w, "Tag", tag);
	json_member_str(&w, "Digest", digest);
	json_member_u64(&w, "Size", bytes);
	json_end_object(&w);
	json_end_object(&w);
	put_object(client, &body);
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

	/* The text stands there twice, and a byte of it is six at most. */
	buf_init(&body, PROGRESS_LINE_MAX + 12 * strlen(text));
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
