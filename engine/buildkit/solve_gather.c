/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build needs of its client, one thing after the other, until engine main has it: the
 * Dockerfile, secrets, logins, the context. Runs in the api role. Must never ask for more than the
 * Dockerfile names.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine/api/engine_msg.h"
#include "engine/api/files_msg.h"
#include "engine/buildkit/pb.h"
#include "engine/buildkit/solve.h"
#include "engine/docker/build.h"
#include "engine/dockerfile/ignore.h"
#include "lib/own.h"

enum { GATHER_PATTERN_MAX = 256 };

static const char get_secret[] = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
static const char get_login[] = "/moby.filesync.v1.Auth/Credentials";

static void ask_next(struct solve *solve);
static void build(struct solve *solve);

static void fail(struct solve *solve, int code, const char *text)
{
	struct err err = { 0 };

	err_set(&err, code, "%s", text);
	solve_fail(solve, &err);
}

static struct session *session_of(const struct solve *solve)
{
	return session_find(solve->who, solve->role, solve->request.session);
}

/* ---- one call to the client ---- */

static void on_answer(struct grpc_call *call, struct str message)
{
	struct solve *solve = call->owner;

	buf_clear(&solve->answer);
	(void)buf_add_str(&solve->answer, message);
}

/* False: the client does not offer it. closed() follows otherwise. */
static bool ask(struct solve *solve, const char *method, const char *name,
		void (*closed)(struct grpc_call *call))
{
	struct session *session = session_of(solve);
	struct buf body OWN(buf_done) = { 0 };

	if (!session || !session_offers(session, method))
		return false;
	solve->ask = grpc_call(session->grpc, method, NULL);
	if (!solve->ask)
		return false;
	solve->ask->owner = solve;
	solve->ask->message = on_answer;
	solve->ask->closed = closed;
	buf_clear(&solve->answer);
	buf_init(&body, 4096);
	pb_put_text(&body, 1, name);
	grpc_send(solve->ask, buf_str(&body));
	grpc_end(solve->ask);
	return true;
}

/* ---- secrets ---- */

/* {1 data} */
static struct str answer_bytes(const struct solve *solve, uint32_t number)
{
	struct str rest = buf_str(&solve->answer), found = STR("");
	struct pb_field f;

	while (pb_next(&rest, &f) > 0) {
		if (f.number == number && f.is_bytes)
			found = f.bytes;
	}
	return found;
}

static int keep_secret(struct solve *solve, const char *id)
{
	struct engine_context *wanted = &solve->wanted;
	struct str value = answer_bytes(solve, 1);
	char *copy = arena_alloc(&solve->arena, value.len + 1);

	if (!copy || value.len > ENGINE_CONTEXT_SECRET_MAX)
		return -E2BIG;
	memcpy(copy, value.len ? value.ptr : "", value.len);
	wanted->secrets[wanted->secret_count++] =
		(struct engine_context_secret){ id, str_make(copy, value.len) };
	return 0;
}

static void on_secret(struct grpc_call *call)
{
	struct solve *solve = call->owner;
	const char *id = solve->outline.secrets[solve->asked_secrets++];

	solve->ask = NULL;
	/* One that the client has not: whether it must be there is said by the step. */
	if (call->status == GRPC_OK && keep_secret(solve, id) < 0)
		fail(solve, -E2BIG, "a secret of the build is longer than 512 KiB");
	else if (call->status != GRPC_OK && call->status != GRPC_NOT_FOUND)
		fail(solve, -EIO, *call->text ? call->text : "a secret of the build did not come");
	else
		ask_next(solve);
}

/* ---- logins ---- */

static void keep_login(struct solve *solve, const char *host)
{
	struct engine_context *wanted = &solve->wanted;
	struct engine_context_login *login = &wanted->logins[wanted->login_count];
	const char *user = arena_text(&solve->arena, answer_bytes(solve, 1));
	const char *secret = arena_text(&solve->arena, answer_bytes(solve, 2));

	if (!user || !secret || !*secret || wanted->login_count == ENGINE_CONTEXT_LOGINS_MAX)
		return;
	/* Without a name the secret is a token to be exchanged. */
	*login = (struct engine_context_login){ .host = !strcmp(host, "docker.io")
								? "registry-1.docker.io"
								: host,
						.user = user,
						.password = *user ? secret : "",
						.token = *user ? "" : secret };
	wanted->login_count++;
}

static void on_login(struct grpc_call *call)
{
	struct solve *solve = call->owner;

	solve->ask = NULL;
	if (call->status == GRPC_OK)
		keep_login(solve, solve->outline.hosts[solve->asked_hosts]);
	solve->asked_hosts++;
	ask_next(solve);
}

static void ask_next(struct solve *solve)
{
	const struct outline *outline = &solve->outline;

	for (; solve->asked_secrets < outline->secret_count; solve->asked_secrets++) {
		if (ask(solve, get_secret, outline->secrets[solve->asked_secrets], on_secret))
			return;
	}
	for (; solve->asked_hosts < outline->host_count; solve->asked_hosts++) {
		const char *host = outline->hosts[solve->asked_hosts];

		/* The name that clients keep Docker's own registry under. */
		if (ask(solve, get_login,
			strcmp(host, "docker.io") != 0 ? host : "registry-1.docker.io", on_login))
			return;
	}
	solve->state = SOLVE_STATE_BUILDING;
	build(solve);
}

/* ---- Dockerfile and .dockerignore ---- */

static struct str file_text(const struct solve *solve, size_t i)
{
	return buf_str(&solve->files[i].data);
}

/* The patterns of what is not wanted of the context; NULL: engine main's to leave out, once it is
 * there. */
static const char *const *exclude_patterns(struct solve *solve, const struct solve_tree *tree)
{
	bool own = tree == solve->trees && solve->files[1].found;
	struct str text = own ? file_text(solve, 1) : buf_str(&tree->ignore.data);
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
		if (!patterns[i] || pattern.len > GATHER_PATTERN_MAX)
			return NULL;
	}
	return patterns;
}

static int add_cache_hosts(struct solve *solve, const struct image_pairs *list)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < list->count; i++)
		r = outline_add_host(&solve->outline, list->items[i].key, &solve->arena, NULL);
	return r;
}

static void got_files(struct solve *solve)
{
	struct engine_context *wanted = &solve->wanted;
	struct build_inputs inputs = { .dockerfile = file_text(solve, 0),
				       .args = wanted->args,
				       .labels = wanted->labels,
				       .target = wanted->target,
				       .contexts = wanted->contexts };
	struct err err = { 0 };

	wanted->text = inputs.dockerfile;
	if (outline_make(&inputs, &solve->arena, &solve->outline, &err) < 0) {
		solve_fail(solve, &err);
		return;
	}
	if (add_cache_hosts(solve, &wanted->cache_from) < 0 ||
	    add_cache_hosts(solve, &wanted->cache_to) < 0) {
		fail(solve, -ENOMEM, "no memory for a build");
		return;
	}
	solve->planned = true;
	solve->state = SOLVE_STATE_ASKING;
	ask_next(solve);
}

static void start_sync(struct solve *solve, const struct sync_request *request,
		       const struct sync_ops *ops)
{
	struct session *session = session_of(solve);
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

static const char *tree_title(struct solve *solve, const char *what)
{
	const struct solve_tree *tree = &solve->trees[solve->tree];
	const char *title =
		solve->tree ? arena_printf(&solve->arena, "[context %s] %s", tree->dir, what)
			    : arena_printf(&solve->arena, "[internal] %s", what);

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
	if (++solve->tree < solve->tree_count)
		ask_ignore(solve);
	else
		got_files(solve);
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

	solve->loading = report_begin(&solve->report, tree_title(solve, "load .dockerignore"));
	start_sync(solve, &request, &ops);
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
	start_sync(solve, &request, &ops);
}

/* ---- the session ---- */

/* It is opened beside the calls: either may be here first. */
static void wait_session(struct loop_timer *timer)
{
	struct solve *solve = timer->owner;

	if (session_of(solve))
		ask_dockerfile(solve);
	else if (++solve->tries >= SOLVE_SESSION_TRIES)
		fail(solve, -ENOENT, "no active session of the client for this build");
	else
		loop_timer_set(solve->server->loop, timer, SOLVE_SESSION_MS, wait_session, solve);
}

static bool add_tree(struct solve *solve, const char *dir, const char *part)
{
	struct solve_tree *tree = &solve->trees[solve->tree_count++];

	*tree = (struct solve_tree){ .dir = dir, .part = part, .ignore.name = ".dockerignore" };
	buf_init(&tree->ignore.data, SYNC_FILE_MAX + 1);
	return dir && part;
}

/* The directories that are asked for; false: no memory. */
static bool add_trees(struct solve *solve)
{
	const struct image_pairs *named = &solve->wanted.contexts;
	bool good = add_tree(solve, "context", "0");

	for (uint32_t i = 0; good && i < named->count; i++) {
		const char *option = arena_printf(&solve->arena, "context:%s", named->items[i].key);

		if (option && str_starts(str_from(named->items[i].value), STR("tar:")))
			good = add_tree(solve, solve_request_option(&solve->request, option) + 6,
					named->items[i].value + 4);
	}
	if (!solve->wanted.parted)
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
	solve->definition = report_begin(&solve->report, name);
	loop_timer_set(solve->server->loop, &solve->timer, 0, wait_session, solve);
}

/* ---- to engine main ---- */

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
	const char *what = solve->tree ? "load from client" : "load build context";
	const struct sync_request request = { .dir = tree->dir,
					      .excludes = exclude_patterns(solve, tree),
					      .part = tree->part,
					      .more = solve->tree + 1 < solve->tree_count,
					      .fd = fcntl(solve->pipe_fd, F_DUPFD_CLOEXEC, 3) };

	solve->moved = 0;
	solve->loading = report_begin(&solve->report, tree_title(solve, what));
	if (request.fd < 0)
		fail(solve, -errno, "no pipe for a build context");
	else
		start_sync(solve, &request, &ops);
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
		solve_fail(solve, err);
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

static void build(struct solve *solve)
{
	int reader OWN_FD = -1, writer OWN_FD = -1, fds[2];
	struct err err = { 0 };
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		fail(solve, -errno, "no pipe for a build context");
		return;
	}
	reader = fds[0];
	writer = fds[1];
	r = call_main(solve, reader, &err);
	if (r < 0) {
		solve_fail(solve, &err);
		return;
	}
	solve->at_main = true;
	solve->pipe_fd = take_fd(&writer);
	solve->tree = 0;
	send_tree(solve);
}
