/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build that engine main has: its context goes there, its words are heard until the last. Runs in
 * the api role. Must never let the context go on when engine main has had enough.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "engine/api/files_msg.h"
#include "engine/buildkit/solve.h"
#include "engine/buildkit/upload.h"
#include "engine/docker/build.h"
#include "engine/dockerfile/ignore.h"
#include "engine/git/git.h"
#include "lib/own.h"

enum { BUILD_PATTERN_MAX = 256 };

static void fail(struct solve *solve, int code, const char *text)
{
	struct err err = { 0 };

	err_set(&err, code, "%s", text);
	solve_fail(solve, &err);
}

/* ---- directories of the client ---- */

/* The patterns of what is not wanted of the context; NULL: engine main's to leave out, once it is
 * there. */
static const char *const *exclude_patterns(struct solve *solve, const struct solve_tree *tree)
{
	bool own = tree->own && solve->files[1].found;
	struct str text = own ? buf_str(&solve->files[1].data) : buf_str(&tree->ignore.data);
	struct files_ignore *list = arena_array(&solve->arena, FILES_IGNORE_MAX, sizeof(*list));
	const char **patterns =
		arena_array(&solve->arena, SYNC_PATTERNS_MAX + 1, sizeof(*patterns));
	int count = list ? ignore_parse(text, &solve->arena, list, FILES_IGNORE_MAX, NULL) : -1;

	if (!patterns || count < 0 || count > SYNC_PATTERNS_MAX)
		return NULL;
	for (int i = 0; i < count; i++) {
		struct str pattern = list[i].pattern;

		for (size_t c = 0; c < pattern.len; c++) {
			if (pattern.ptr[c] < ' ' || pattern.ptr[c] > '~')
				return NULL;
		}
		patterns[i] = arena_printf(&solve->arena, "%s%.*s", list[i].except ? "!" : "",
					   STR_ARG(pattern));
		if (!patterns[i] || pattern.len > BUILD_PATTERN_MAX)
			return NULL;
	}
	return patterns;
}

static void send_tree(struct solve *solve);

static void on_context(void *owner, const struct err *err)
{
	struct solve *solve = owner;

	solve->sync = NULL;
	/* Where the reader has had enough, engine main says why. */
	if (err && err->code != -EPIPE) {
		solve_fail(solve, err);
		return;
	}
	report_part(&solve->report, solve->loading, "transferring context:", solve->moved, true);
	report_end(&solve->report, solve->loading, "");
	if (!err && ++solve->tree < solve->tree_count)
		send_tree(solve);
	else
		own_close(&solve->pipe_fd);
}

static void on_moved(void *owner, uint64_t bytes)
{
	struct solve *solve = owner;

	solve->moved = bytes;
	report_part(&solve->report, solve->loading, "transferring context:", bytes, false);
}

/* The next directory into the pipe; the last one ends the tar. */
static void send_tree(struct solve *solve)
{
	static const struct sync_ops ops = { .done = on_context, .moved = on_moved };
	const struct solve_tree *tree = &solve->trees[solve->tree];
	const char *what = tree->own ? "load build context" : "load from client";
	const struct sync_request request = { .dir = tree->dir,
					      .excludes = exclude_patterns(solve, tree),
					      .part = tree->part,
					      .more = solve->tree + 1 < solve->tree_count,
					      .fd = fcntl(solve->pipe_fd, F_DUPFD_CLOEXEC, 3) };

	solve->moved = 0;
	solve->loading = report_begin(&solve->report, solve_tree_title(solve, what));
	if (request.fd < 0)
		fail(solve, -errno, "no pipe for a build context");
	else
		solve_sync(solve, &request, &ops);
}

/* ---- a context from stdin ---- */

static void on_upload(void *owner, const struct err *err)
{
	struct solve *solve = owner;

	solve->upload = NULL;
	/* Where the reader has had enough, engine main says why. */
	if (err && err->code != -EPIPE) {
		solve_fail(solve, err);
		return;
	}
	report_part(&solve->report, solve->loading, "transferring context:", solve->moved, true);
}

static void start_upload(struct solve *solve)
{
	static const struct sync_ops ops = { .done = on_upload, .moved = on_moved };
	struct session *session = solve_session(solve);
	struct err err = { 0 };

	if (session)
		solve->upload = upload_start(session, solve_request_upload(&solve->request),
					     take_fd(&solve->pipe_fd), &ops, solve, &err);
	if (!session)
		fail(solve, -EIO, "the client's session is gone");
	else if (!solve->upload)
		solve_fail(solve, &err);
}

/* ---- what engine main says ---- */

void solve_take_inputs(struct solve *solve, struct str body)
{
	struct buf *text = &solve->files[0].data;
	struct build_inputs inputs;
	struct err err = { 0 };
	struct wire in;

	wire_init(&in, body.ptr, body.len);
	if (build_inputs_get(&in, &solve->arena, &inputs, &err) < 0) {
		solve_fail(solve, &err);
		return;
	}
	report_end(&solve->report, solve->loading, "");
	solve->loading = NULL;
	buf_clear(text);
	(void)buf_add_str(text, inputs.dockerfile);
	inputs.dockerfile = buf_str(text);
	solve->asked_secrets = solve->asked_hosts = solve->asked_agents = 0;
	if (outline_make(&inputs, &solve->arena, &solve->outline, &err) < 0 ||
	    solve_add_logins(solve, &err) < 0) {
		solve_fail(solve, &err);
		return;
	}
	solve->planned = true;
	solve_ask(solve);
}

/* As BuildKit's frontend says it. */
static void fail_as_said(struct solve *solve, const struct err *err)
{
	static const char absent[] = "Cannot locate specified Dockerfile: ";
	struct err said = *err, better = { 0 };
	struct str text = str_from(err_text(&said));

	if (!str_starts(text, str_from(absent))) {
		solve_fail(solve, err);
		return;
	}
	err_set(&better, err->code,
		"failed to read dockerfile: open %.*s: no such file or directory",
		STR_ARG(str_skip(text, sizeof(absent) - 1)));
	solve_fail(solve, &better);
}

static void on_said(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	struct solve *solve = owner;
	struct wire in;

	(void)peer;
	if (reply)
		wire_init(&in, reply->body.ptr, reply->body.len);
	if (reply && (reply->flags & MSG_FLAG_MORE)) {
		solve_take_note(solve, &in);
		return;
	}
	solve->at_main = false;
	if (!reply) {
		fail_as_said(solve, err);
		return;
	}
	wire_text(&in, solve->image, sizeof(solve->image));
	solve_end(solve);
}

/* What goes to engine main, now or when it is its turn. */
static int call_main(struct solve *solve, int reader, struct err *err)
{
	struct buf body OWN(buf_done) = { 0 };
	struct docker_call_wish wish = {
		.who = solve->who,
		.from = solve->from,
		.type = ENGINE_MSG_BUILD_CONTEXT,
		.fd = reader,
		.fn = on_said,
		.owner = solve,
	};

	buf_init(&body, ENGINE_CONTEXT_BODY_MAX);
	engine_context_put(&body, &solve->wanted);
	if (buf_error(&body))
		return err_set(err, -E2BIG, "Dockerfile, arguments and secrets are too long");
	wish.body = buf_str(&body);
	return docker_call(solve->server, &wish, err);
}

/* What is fetched elsewhere, as a step of its own until it is there. */
static void tell_source(struct solve *solve)
{
	const char *remote = solve->wanted.remote, *title = "[internal] load remote build context";

	if (git_source_is_context(str_from(remote)))
		title = arena_printf(&solve->arena, "[internal] load git source %s", remote);
	if (title)
		solve->loading = report_begin(&solve->report, title);
}

void solve_build(struct solve *solve)
{
	bool upload = solve_request_upload(&solve->request) != NULL;
	int reader OWN_FD = -1, writer OWN_FD = -1, fds[2];
	struct err err = { 0 };

	if (solve_is_passing(solve) && !solve->before.ptr) {
		solve_look(solve);
		return;
	}
	if ((upload || solve->tree_count) && pipe2(fds, O_CLOEXEC) < 0) {
		fail(solve, -errno, "no pipe for a build context");
		return;
	}
	if (upload || solve->tree_count) {
		reader = fds[0];
		writer = fds[1];
	}
	if (call_main(solve, reader, &err) < 0) {
		solve_fail(solve, &err);
		return;
	}
	solve->at_main = true;
	solve->told_secrets = solve->wanted.secret_count;
	solve->told_logins = solve->wanted.login_count;
	solve->told_agents = solve->wanted.agent_count;
	solve->pipe_fd = take_fd(&writer);
	solve->tree = 0;
	if (solve->wanted.check) {
		if (solve_put_ignore(solve, &err) < 0)
			solve_fail(solve, &err);
		own_close(&solve->pipe_fd);
		return;
	}
	if (upload || *solve->wanted.remote)
		tell_source(solve);
	if (upload)
		start_upload(solve);
	else if (solve->tree_count)
		send_tree(solve);
}
