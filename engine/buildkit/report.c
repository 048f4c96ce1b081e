/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of a build as BuildKit's status messages. Runs in the api role. Must never hold a build
 * up because a listener does not read: output is left out then.
 */
#include "engine/buildkit/report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "engine/buildkit/pb.h"
#include "lib/own.h"
#include "lib/sha256.h"

enum { REPORT_MESSAGE_MAX = 1 << 20 };

int64_t report_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void report_init(struct report *report, const char *build)
{
	*report = (struct report){ .build = build };
	buf_init(&report->said, REPORT_BYTES_MAX);
}

void report_done(struct report *report)
{
	buf_done(&report->said);
}

/* ---- listeners ---- */

bool report_listen(struct report *report, struct grpc_call *call)
{
	size_t at = 0;
	uint32_t len;

	if (report->listener_count == REPORT_LISTENERS_MAX)
		return false;
	while (at + sizeof(len) <= report->said.len) {
		memcpy(&len, report->said.data + at, sizeof(len));
		at += sizeof(len);
		grpc_send(call, str_make(report->said.data + at, len));
		at += len;
	}
	report->listeners[report->listener_count++] = call;
	if (report->over)
		grpc_finish(call, GRPC_OK, "");
	return true;
}

void report_leave(struct report *report, const struct grpc_call *call)
{
	for (uint32_t i = 0; i < report->listener_count; i++) {
		if (report->listeners[i] != call)
			continue;
		report->listeners[i] = report->listeners[--report->listener_count];
		return;
	}
}

void report_over(struct report *report)
{
	report->over = true;
	for (uint32_t i = 0; i < report->listener_count; i++)
		grpc_finish(report->listeners[i], GRPC_OK, "");
}

/* droppable: output, for those who do not keep up. */
static void tell(struct report *report, const struct buf *message, bool droppable)
{
	uint32_t len = (uint32_t)message->len;

	if (buf_error(message) || report->over)
		return;
	if (!droppable || report->said.len + len < REPORT_BYTES_MAX / 2) {
		struct buf *said = &report->said;
		size_t before = said->len;

		(void)buf_add(said, &len, sizeof(len));
		if (buf_add_str(said, buf_str(message)) < 0)
			said->len = before;
	}
	if (report->told)
		report->told(report->owner, buf_str(message), droppable);
	for (uint32_t i = 0; i < report->listener_count; i++) {
		if (!droppable || report->listeners[i]->out.len < REPORT_UNREAD_MAX)
			grpc_send(report->listeners[i], buf_str(message));
	}
}

/* ---- vertices ---- */

static void put_inner(struct buf *message, uint32_t field, struct buf *inner)
{
	if (!buf_error(inner))
		pb_put_bytes(message, field, buf_str(inner));
	buf_done(inner);
}

static void tell_vertex(struct report *report, const struct report_vertex *vertex, int64_t end_ns,
			bool cached, const char *error)
{
	struct buf message OWN(buf_done) = { 0 }, inner = { 0 };

	buf_init(&message, REPORT_MESSAGE_MAX);
	buf_init(&inner, REPORT_MESSAGE_MAX);
	pb_put_text(&inner, 1, vertex->digest);
	pb_put_text(&inner, 3, vertex->name);
	if (cached)
		pb_put_number(&inner, 4, 1);
	pb_put_time(&inner, 5, vertex->begun_ns);
	if (end_ns)
		pb_put_time(&inner, 6, end_ns);
	if (*error)
		pb_put_text(&inner, 7, error);
	put_inner(&message, 1, &inner);
	tell(report, &message, false);
}

static void take_digest(struct report *report, struct report_vertex *vertex)
{
	struct sha256 hash;
	struct digest digest;

	sha256_init(&hash);
	sha256_add(&hash, report->build, strlen(report->build) + 1);
	sha256_add(&hash, &report->count, sizeof(report->count));
	sha256_add(&hash, vertex->name, strlen(vertex->name));
	sha256_end(&hash, &digest);
	(void)digest_text(&digest, vertex->digest);
}

struct report_vertex *report_begin(struct report *report, const char *name)
{
	struct report_vertex *vertex;

	if (report->count == REPORT_VERTICES_MAX)
		return NULL;
	vertex = &report->vertices[report->count++];
	vertex->name = name;
	vertex->begun_ns = report_now_ns();
	take_digest(report, vertex);
	tell_vertex(report, vertex, 0, false, "");
	return vertex;
}

void report_cached(struct report *report, struct report_vertex *vertex)
{
	if (!vertex || vertex->ended)
		return;
	vertex->ended = true;
	report->cached++;
	tell_vertex(report, vertex, report_now_ns(), true, "");
}

void report_end(struct report *report, struct report_vertex *vertex, const char *error)
{
	if (!vertex || vertex->ended)
		return;
	vertex->ended = true;
	tell_vertex(report, vertex, report_now_ns(), false, error);
}

void report_output(struct report *report, const struct report_vertex *vertex, int stream,
		   struct str text)
{
	struct buf message OWN(buf_done) = { 0 }, inner = { 0 };

	if (!vertex)
		return;
	buf_init(&message, REPORT_MESSAGE_MAX);
	buf_init(&inner, REPORT_MESSAGE_MAX);
	pb_put_text(&inner, 1, vertex->digest);
	pb_put_time(&inner, 2, report_now_ns());
	pb_put_number(&inner, 3, (uint64_t)stream);
	pb_put_bytes(&inner, 4, text);
	put_inner(&message, 3, &inner);
	tell(report, &message, true);
}

void report_part(struct report *report, struct report_vertex *vertex, const char *name,
		 uint64_t bytes, bool ended)
{
	struct buf message OWN(buf_done) = { 0 }, inner = { 0 };
	int64_t now = report_now_ns();

	/* Ten times a second is as often as anyone looks. */
	if (!vertex || (!ended && now - vertex->moved_ns < 100000000))
		return;
	vertex->moved_ns = now;
	buf_init(&message, REPORT_MESSAGE_MAX);
	buf_init(&inner, REPORT_MESSAGE_MAX);
	pb_put_text(&inner, 1, name);
	pb_put_text(&inner, 2, vertex->digest);
	if (bytes) {
		pb_put_text(&inner, 3, "transferring");
		pb_put_number(&inner, 4, bytes);
	}
	pb_put_time(&inner, 6, now);
	pb_put_time(&inner, 7, vertex->begun_ns);
	if (ended)
		pb_put_time(&inner, 8, now);
	put_inner(&message, 2, &inner);
	tell(report, &message, !ended);
}

void report_warning(struct report *report, const struct report_vertex *vertex,
		    const struct report_warning *warning)
{
	struct buf message OWN(buf_done) = { 0 }, inner = { 0 }, range = { 0 }, place = { 0 };

	if (!vertex)
		return;
	report->warnings++;
	buf_init(&message, REPORT_MESSAGE_MAX);
	buf_init(&inner, REPORT_MESSAGE_MAX);
	pb_put_text(&inner, 1, vertex->digest);
	pb_put_number(&inner, 2, 1);
	pb_put_text(&inner, 3, warning->text);
	if (*warning->detail)
		pb_put_text(&inner, 4, warning->detail);
	if (*warning->url)
		pb_put_text(&inner, 5, warning->url);
	if (warning->line) {
		buf_init(&range, 64);
		buf_init(&place, 16);
		pb_put_number(&place, 1, warning->line);
		pb_put_bytes(&range, 1, buf_str(&place));
		pb_put_bytes(&range, 2, buf_str(&place));
		buf_done(&place);
		put_inner(&inner, 7, &range);
	}
	put_inner(&message, 4, &inner);
	tell(report, &message, false);
}
