/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build whose result is no image that stays: its files go to the client, or nowhere. Runs in the
 * api role. Must never remove an image that was there before.
 */
#include <errno.h>
#include <string.h>
#include "engine/api/image_msg.h"
#include "engine/buildkit/solve.h"
#include "engine/docker/record.h"
#include "lib/own.h"

bool solve_is_passing(const struct solve *solve)
{
	return (!*solve->request.exporter || solve_request_exports(&solve->request)) &&
	       !solve->request.subrequest;
}

/* ---- what was there before ---- */

static void on_records(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct solve *solve = owner;
	struct err bad = { 0 };
	char *copy;

	(void)peer;
	if (!reply) {
		solve_fail(solve, err);
		return;
	}
	copy = arena_alloc(&solve->arena, reply->body.len + 1);
	if (!copy) {
		err_set(&bad, -ENOMEM, "no memory for a build");
		solve_fail(solve, &bad);
		return;
	}
	memcpy(copy, reply->body.len ? reply->body.ptr : "", reply->body.len);
	solve->before = str_make(copy, reply->body.len);
	solve_build(solve);
}

void solve_look(struct solve *solve)
{
	const struct docker_call_wish wish = { .who = solve->who,
					       .from = solve->from,
					       .type = ENGINE_MSG_RECORDS,
					       .body = STR(""),
					       .fd = -1,
					       .fn = on_records,
					       .owner = solve };
	struct err err = { 0 };

	if (docker_call(solve->server, &wish, &err) < 0)
		solve_fail(solve, &err);
}

static bool was_there(struct solve *solve)
{
	struct docker_images images;

	if (docker_images_read(solve->before, &solve->arena, &images, NULL) < 0)
		return true;
	for (uint32_t i = 0; i < images.count; i++) {
		if (!strcmp(images.rows[i].id, solve->image))
			return true;
	}
	return false;
}

static void on_dropped(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)owner;
	(void)reply;
	(void)err; /* it is in use, or another one has removed it */
}

void solve_drop(struct solve *solve)
{
	struct buf body OWN(buf_done) = { 0 };
	struct docker_call_wish wish = { .who = solve->who,
					 .from = solve->from,
					 .type = ENGINE_MSG_IMAGE_DROP,
					 .fd = -1,
					 .fn = on_dropped };

	if (solve->dropped || !*solve->image || !solve_is_passing(solve) || was_there(solve))
		return;
	solve->dropped = true;
	buf_init(&body, 512);
	wire_put_text(&body, solve->image);
	wire_put_u8(&body, 0);
	wire_put_u32(&body, 1);
	wire_put_text(&body, solve->image);
	wish.body = buf_str(&body);
	(void)docker_call(solve->server, &wish, NULL);
}

/* ---- files ---- */

static const char *part_name(const struct solve *solve)
{
	return !strcmp(solve->request.exporter, "tar") ? "sending tarball" : "copying files";
}

static void on_moved(void *owner, uint64_t bytes)
{
	struct solve *solve = owner;

	solve->moved = bytes;
	report_part(&solve->report, solve->exporting, part_name(solve), bytes, false);
}

static void export_fail(struct solve *solve, const struct err *err)
{
	solve->error = *err;
	report_end(&solve->report, solve->exporting, err_text(&solve->error));
	solve_finished(solve);
}

static void on_done(void *owner, const struct err *err)
{
	struct solve *solve = owner;

	solve->deliver = NULL;
	if (err) {
		export_fail(solve, err);
		return;
	}
	report_part(&solve->report, solve->exporting, part_name(solve), solve->moved, true);
	report_end(&solve->report, solve->exporting, "");
	solve_finished(solve);
}

void solve_export(struct solve *solve)
{
	static const struct sync_ops ops = { .done = on_done, .moved = on_moved };
	bool tar = !strcmp(solve->request.exporter, "tar");
	const struct deliver_wish wish = { .image = solve->image,
					   .who = solve->who,
					   .from = solve->from,
					   .output = "0",
					   .files = !tar };
	struct session *session = solve_session(solve);
	struct err err = { 0 };

	solve->moved = 0;
	solve->exporting = report_begin(&solve->report, tar ? "exporting to client tarball"
							    : "exporting to client directory");
	if (session)
		solve->deliver = deliver_start(session, &wish, &ops, solve, &err);
	else
		err_set(&err, -EIO, "the client's session is gone");
	if (!solve->deliver)
		export_fail(solve, &err);
}
