/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build reads of its client before it begins: the Dockerfile and each .dockerignore. Runs in
 * the api role. Must never ask for a directory that the request does not name.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine/buildkit/solve.h"
#include "engine/docker/build.h"
#include "engine/git/git.h"
#include "engine/http/url.h"
#include "lib/own.h"

static void fail(struct solve *solve, int code, const char *text)
{
	struct err err = { 0 };

	err_set(&err, code, "%s", text);
	solve_fail(solve, &err);
}

struct session *solve_session(const struct solve *solve)
{
	return session_find(solve->who, solve->role, solve->request.session);
}

/* ---- Dockerfile and .dockerignore ---- */

static int add_cache_hosts(struct solve *solve, const struct image_pairs *list)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < list->count; i++)
		r = outline_add_host(&solve->outline, list->items[i].key, &solve->arena, NULL);
	return r;
}

/* Of a repository: it is fetched before the Dockerfile is known. */
static int add_git(struct solve *solve, const char *where, struct err *err)
{
	static const char *const ids[] = { "GIT_AUTH_HEADER", "GIT_AUTH_TOKEN" };
	const char *bare = str_starts(str_from(where), STR("github.com/"))
				   ? arena_printf(&solve->arena, "https://%s", where)
				   : where;
	struct git_source source;
	struct url url;

	if (!bare)
		return err_set(err, -ENOMEM, "no memory for a build");
	if (git_source_parse(str_from(bare), &solve->arena, &source, err) < 0)
		return -EINVAL;
	if (url_parse(str_from(source.remote), &url, NULL) < 0 || !url.tls)
		return 0; /* no login goes there */
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		const char *id = arena_printf(&solve->arena, "%s.%s", ids[i], url.host);

		if (!id)
			return err_set(err, -ENOMEM, "no memory for a build");
		outline_add_secret(&solve->outline, id);
		outline_add_secret(&solve->outline, ids[i]);
	}
	return 0;
}

static int add_sources(struct solve *solve, struct err *err)
{
	const struct image_pairs *named = &solve->wanted.contexts;
	int r = 0;

	if (git_source_is_context(str_from(solve->wanted.remote)))
		r = add_git(solve, solve->wanted.remote, err);
	for (uint32_t i = 0; r >= 0 && i < named->count; i++) {
		if (git_source_is_context(str_from(named->items[i].value)))
			r = add_git(solve, named->items[i].value, err);
	}
	return r;
}

int solve_add_logins(struct solve *solve, struct err *err)
{
	if (add_cache_hosts(solve, &solve->wanted.cache_from) < 0 ||
	    add_cache_hosts(solve, &solve->wanted.cache_to) < 0)
		return err_set(err, -ENOMEM, "no memory for a build");
	return 0;
}

/* All that was to be read of the client is here. */
static void got_files(struct solve *solve)
{
	struct engine_context *wanted = &solve->wanted;
	struct build_inputs inputs = { .dockerfile = buf_str(&solve->files[0].data),
				       .args = wanted->args,
				       .labels = wanted->labels,
				       .target = wanted->target,
				       .contexts = wanted->contexts };
	struct err err = { 0 };
	int r = 0;

	if (!wanted->held) {
		wanted->text = inputs.dockerfile;
		r = outline_make(&inputs, &solve->arena, &solve->outline, &err);
	}
	if (r >= 0)
		r = solve_add_logins(solve, &err);
	if (r >= 0)
		r = add_sources(solve, &err);
	if (r < 0) {
		solve_fail(solve, &err);
		return;
	}
	solve->planned = !wanted->held;
	if (solve->request.subrequest > SUBREQUEST_LINT) {
		solve_describe(solve, &inputs);
		return;
	}
	solve->state = SOLVE_STATE_ASKING;
	solve_ask(solve);
}

void solve_sync(struct solve *solve, const struct sync_request *request, const struct sync_ops *ops)
{
	struct session *session = solve_session(solve);
	struct err err = { 0 };

	if (session)
		solve->sync = sync_start(session, request, ops, solve, &err);
	else if (request->fd >= 0)
		(void)close(request->fd);
	if (!session)
		fail(solve, -EIO, "the client's session is gone");
	else if (!solve->sync)
		solve_fail(solve, &err);
}

const char *solve_tree_title(struct solve *solve, const char *what)
{
	const struct solve_tree *tree = &solve->trees[solve->tree];
	const char *title =
		tree->own ? arena_printf(&solve->arena, "[internal] %s", what)
			  : arena_printf(&solve->arena, "[context %s] %s", tree->dir, what);

	return title ? title : what;
}

static void ask_ignore(struct solve *solve);

static void on_ignore(void *owner, const struct err *err)
{
	struct solve *solve = owner;

	solve->sync = NULL;
	if (err) {
		solve_fail(solve, err);
		return;
	}
	report_part(&solve->report, solve->loading,
		    "transferring context:", solve->trees[solve->tree].ignore.data.len + 2, true);
	report_end(&solve->report, solve->loading, "");
	solve->loading = NULL;
	solve->tree++;
	ask_ignore(solve);
}

static void ask_ignore(struct solve *solve)
{
	static const struct sync_ops ops = { .done = on_ignore };
	static const char *const follow[] = { ".dockerignore", NULL };
	struct solve_tree *tree = &solve->trees[solve->tree];
	const struct sync_request request = { .dir = tree->dir,
					      .follow = follow,
					      .files = &tree->ignore,
					      .file_count = 1,
					      .fd = -1 };

	if (solve->tree == solve->tree_count) {
		got_files(solve);
		return;
	}
	solve->loading =
		report_begin(&solve->report, solve_tree_title(solve, "load .dockerignore"));
	solve_sync(solve, &request, &ops);
}

static void on_dockerfile(void *owner, const struct err *err)
{
	struct solve *solve = owner;

	solve->sync = NULL;
	if (err) {
		solve_fail(solve, err);
		return;
	}
	if (!solve->files[0].found) {
		char text[ERR_TEXT_MAX];
		struct err none = { 0 };

		(void)str_escape(str_from(solve->files[0].name), text, sizeof(text) / 2);
		err_set(&none, -ENOENT,
			"failed to read dockerfile: open %s: no such file or directory", text);
		solve_fail(solve, &none);
		return;
	}
	report_part(&solve->report, solve->definition,
		    "transferring dockerfile:", solve->files[0].data.len, true);
	report_end(&solve->report, solve->definition, "");
	ask_ignore(solve);
}

static void ask_dockerfile(struct solve *solve)
{
	static const struct sync_ops ops = { .done = on_dockerfile };
	const char *follow[3] = { solve->files[0].name, solve->files[1].name, NULL };
	const struct sync_request request = { .dir = "dockerfile",
					      .follow = follow,
					      .files = solve->files,
					      .file_count = 2,
					      .fd = -1 };

	solve->state = SOLVE_STATE_FILES;
	solve_sync(solve, &request, &ops);
}

/* The Dockerfile is not the client's. */
static void begin_files(struct solve *solve)
{
	solve->state = SOLVE_STATE_FILES;
	ask_ignore(solve);
}

/* ---- the session ---- */

/* It is opened beside the calls: either may be here first. */
static void wait_session(struct loop_timer *timer)
{
	struct solve *solve = timer->owner;

	if (solve_session(solve) && solve->wanted.held)
		begin_files(solve);
	else if (solve_session(solve))
		ask_dockerfile(solve);
	else if (++solve->tries >= SOLVE_SESSION_TRIES)
		fail(solve, -ENOENT, "no active session of the client for this build");
	else
		loop_timer_set(solve->server->loop, timer, SOLVE_SESSION_MS, wait_session, solve);
}

static bool add_tree(struct solve *solve, bool own, const char *dir, const char *part)
{
	struct solve_tree *tree = &solve->trees[solve->tree_count++];

	*tree = (struct solve_tree){
		.own = own, .dir = dir, .part = part, .ignore.name = ".dockerignore"
	};
	buf_init(&tree->ignore.data, SYNC_FILE_MAX + 1);
	return dir && part;
}

/* The directories that are asked for; false: no memory. */
static bool add_trees(struct solve *solve)
{
	const struct image_pairs *named = &solve->wanted.contexts;
	bool local = !*solve->wanted.remote && !solve_request_upload(&solve->request);
	bool good = !local || add_tree(solve, true, "context", "0");

	for (uint32_t i = 0; good && i < named->count; i++) {
		const char *option = arena_printf(&solve->arena, "context:%s", named->items[i].key);

		if (option && str_starts(str_from(named->items[i].value), STR("tar:")))
			good = add_tree(solve, false,
					solve_request_option(&solve->request, option) + 6,
					named->items[i].value + 4);
	}
	if (local && !solve->wanted.parted)
		solve->trees[0].part = NULL;
	return good;
}

void solve_begin(struct solve *solve)
{
	static const char title[] = "[internal] load build definition from ";
	struct err err = { 0 };
	const char *name;

	solve->state = SOLVE_STATE_SESSION;
	if (solve_request_translate(&solve->request, &solve->arena, &solve->wanted, &err) < 0) {
		solve_fail(solve, &err);
		return;
	}
	if (solve->wanted.host_allowed && solve->role < DOCKER_ROLE_ADMIN) {
		fail(solve, -EACCES,
		     "access denied: a build in the machine's network needs the role admin");
		return;
	}
	solve->wanted.token = docker_build_token();
	name = solve->wanted.dockerfile;
	solve->files[0].name = name;
	solve->files[1].name = arena_printf(&solve->arena, "%s.dockerignore", name);
	for (size_t i = 0; i < SOLVE_FILES; i++)
		buf_init(&solve->files[i].data, SYNC_FILE_MAX + 1);
	name = arena_printf(&solve->arena, "%s%s", title, name);
	if (!solve->files[1].name || !name || !add_trees(solve)) {
		fail(solve, -ENOMEM, "no memory for a build");
		return;
	}
	if (!solve->wanted.held)
		solve->definition = report_begin(&solve->report, name);
	loop_timer_set(solve->server->loop, &solve->timer, 0, wait_session, solve);
}
