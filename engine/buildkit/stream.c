/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /build?version=2: how clients without buildx (docker CLI up to 20.10, old SDKs) ask for what
 * BuildKit's protocol offers. The query is the request, the session has the files, the answer is a
 * stream of objects with BuildKit's status messages. Runs in the api role. Must never pass over an
 * option that changes the image.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/buildkit/solve.h"
#include "engine/docker/base64.h"
#include "engine/docker/handlers.h"
#include "engine/docker/progress.h"
#include "lib/log.h"
#include "lib/own.h"

enum { STREAM_QUERY_MAX = 8192, STREAM_OBJECT_MAX = 2 << 20 };

struct solve_stream {
	struct docker_client *client;
	struct solve *solve; /* NULL once it has answered */
};

/* ---- the request ---- */

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no memory for a build");
}

static int add(struct solve *solve, struct image_pairs *to, const char *prefix, struct str key,
	       struct str value, struct err *err)
{
	const char *name = arena_printf(&solve->arena, "%s%.*s", prefix, STR_ARG(key));
	const char *text = arena_text(&solve->arena, value);

	if (!name || !text)
		return no_memory(err);
	if (to->count == REQUEST_PAIRS_MAX)
		return err_set(err, -E2BIG, "more than %d options of a build", REQUEST_PAIRS_MAX);
	return image_pairs_set(&solve->arena, to, name, text, err);
}

/* A parameter as an option; as: the option's name. */
static int take(struct solve *solve, const struct docker_client *client, const char *name,
		const char *as, struct err *err)
{
	char text[STREAM_QUERY_MAX] = "";

	if (!docker_query(client, name, text, sizeof(text)) || !*text)
		return 0;
	return add(solve, &solve->request.options, "", str_from(as), str_from(text), err);
}

/* {"key": "value"} of a parameter; null: the client has no value for it. */
static int take_pairs(struct solve *solve, const struct docker_client *client, const char *name,
		      const char *prefix, struct err *err)
{
	char text[STREAM_QUERY_MAX] = "";
	const struct json *value;
	struct json_doc doc = { 0 };
	struct json_iter iter;
	struct str key;
	int r = 0;

	if (!docker_query(client, name, text, sizeof(text)) || !*text)
		return 0;
	if (json_parse(str_from(text), sizeof(text), &doc, NULL) < 0)
		return err_set(err, -EINVAL, "%s: invalid JSON", name);
	json_iter_init(&iter, doc.root);
	while (r >= 0 && json_iter_next(&iter, &key, &value)) {
		if (json_type(value) == JSON_STRING)
			r = add(solve, &solve->request.options, prefix, key, json_str(value), err);
		else if (json_type(value) != JSON_NULL)
			r = err_set(err, -EINVAL, "%s: a value is no string", name);
	}
	json_done(&doc);
	return r;
}

/* Each NAME=value of the query, with commas between; colon: its first ':' becomes '='. */
static int join(const struct docker_client *client, struct str name, bool colon, struct buf *out)
{
	struct str rest = str_from(client->query), pair;
	char text[1024], *at;

	while (str_cut(&rest, '&', &pair)) {
		if (!str_starts(pair, name))
			continue;
		if (docker_decode_query(str_skip(pair, name.len), text, sizeof(text)) < 0)
			return -EINVAL;
		at = colon ? strchr(text, ':') : NULL;
		if (at)
			*at = '=';
		if (*text)
			(void)buf_printf(out, "%s%s", out->len ? "," : "", text);
	}
	return buf_error(out) ? -E2BIG : 0;
}

static int take_lists(struct solve *solve, const struct docker_client *client, struct err *err)
{
	struct solve_request *request = &solve->request;
	struct buf names OWN(buf_done) = { 0 }, hosts OWN(buf_done) = { 0 };
	int r;

	buf_init(&names, STREAM_QUERY_MAX);
	buf_init(&hosts, STREAM_QUERY_MAX);
	if (join(client, STR("t="), false, &names) < 0 ||
	    join(client, STR("extrahosts="), true, &hosts) < 0)
		return err_set(err, -EINVAL, "names or hosts of a build are malformed or too long");
	r = add(solve, &request->export_options, "", STR("name"), buf_str(&names), err);
	if (r >= 0 && hosts.len)
		r = add(solve, &request->options, "", STR("add-hosts"), buf_str(&hosts), err);
	return r;
}

/* What becomes of the result. */
static int take_outputs(struct solve *solve, const struct docker_client *client, struct err *err)
{
	char text[STREAM_QUERY_MAX] = "";
	struct json_doc doc = { 0 };
	const struct json *output = NULL;
	struct json_iter iter;
	struct str none;
	int r = 0;

	solve->request.exporter = "moby";
	if (!docker_query(client, "outputs", text, sizeof(text)) || !*text)
		return 0;
	if (json_parse(str_from(text), sizeof(text), &doc, NULL) < 0)
		return err_set(err, -EINVAL, "outputs: invalid JSON");
	json_iter_init(&iter, doc.root);
	while (r >= 0 && json_iter_next(&iter, &none, &output)) {
		const char *type = arena_text(&solve->arena, json_str(json_get(output, "Type")));

		solve->request.exporter_count++;
		solve->request.exporter = type;
		r = type ? 0 : no_memory(err);
	}
	json_done(&doc);
	return r;
}

static int read_request(struct solve *solve, const struct docker_client *client, struct err *err)
{
	static const struct {
		const char *name, *as;
	} options[] = { { "target", "target" },	    { "dockerfile", "filename" },
			{ "platform", "platform" }, { "networkmode", "force-network-mode" },
			{ "shmsize", "shm-size" },  { "cgroupparent", "cgroup-parent" } };
	struct solve_request *request = &solve->request;
	char session[SESSION_ID_MAX] = "", remote[STREAM_QUERY_MAX] = "";
	int r = 0;

	*request = (struct solve_request){ .ref = solve->ref, .frontend = "dockerfile.v0" };
	(void)docker_query(client, "session", session, sizeof(session));
	(void)docker_query(client, "remote", remote, sizeof(remote));
	request->session = arena_text(&solve->arena, str_from(session));
	if (!request->session)
		return no_memory(err);
	if (!strcmp(remote, "upload-request"))
		return err_set(err, -ENOTSUP,
			       "a context from stdin is not taken from a client without buildx: "
			       "set DOCKER_BUILDKIT=0, or send a directory");
	request->network_host = true; /* as the role allows */
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(options); i++) {
		char text[8] = "";

		if (!strcmp(options[i].name, "shmsize") &&
		    docker_query(client, "shmsize", text, sizeof(text)) && !strcmp(text, "0"))
			continue;
		r = take(solve, client, options[i].name, options[i].as, err);
	}
	if (r >= 0 && strcmp(remote, "client-session") != 0)
		r = take(solve, client, "remote", "context", err);
	if (r >= 0 && docker_query_flag(client, "nocache", false))
		r = add(solve, &request->options, "", STR("no-cache"), STR(""), err);
	if (r >= 0 && docker_query_flag(client, "pull", false))
		r = add(solve, &request->options, "", STR("image-resolve-mode"), STR("pull"), err);
	if (r >= 0)
		r = take_pairs(solve, client, "buildargs", "build-arg:", err);
	if (r >= 0)
		r = take_pairs(solve, client, "labels", "label:", err);
	if (r >= 0)
		r = take_lists(solve, client, err);
	return r < 0 ? r : take_outputs(solve, client, err);
}

/* ---- the answer ---- */

/* {"id": id, "aux": ...} */
static void put_aux(struct docker_client *client, const char *id, const char *key, struct str value)
{
	struct buf body OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&body, STREAM_OBJECT_MAX);
	json_writer_init(&w, &body);
	json_begin_object(&w);
	json_member_text(&w, "id", id);
	json_key(&w, "aux");
	if (*key) {
		json_begin_object(&w);
		json_member_str(&w, key, value);
		json_end_object(&w);
	} else {
		json_put_str(&w, value);
	}
	json_end_object(&w);
	(void)buf_add_text(&body, "\r\n");
	if (!buf_error(&body))
		docker_stream_add(client, buf_str(&body));
}

static void on_told(void *owner, struct str message, bool droppable)
{
	const struct solve_stream *stream = owner;
	struct buf text OWN(buf_done) = { 0 };

	if (droppable && docker_stream_full(stream->client))
		return;
	buf_init(&text, STREAM_OBJECT_MAX);
	docker_base64_encode(message, &text);
	if (!buf_error(&text))
		put_aux(stream->client, "moby.buildkit.trace", "", buf_str(&text));
}

void solve_stream_end(struct solve *solve)
{
	struct solve_stream *stream = solve->stream;
	struct docker_client *client = stream->client;
	struct buf text OWN(buf_done) = { 0 }, status OWN(buf_done) = { 0 };

	solve->report.told = NULL;
	stream->solve = NULL;
	buf_init(&text, SOLVE_TEXT_MAX);
	buf_init(&status, GRPC_DETAILS_MAX);
	(void)buf_add_text(&text, "failed to solve: ");
	if (solve->error.code) {
		solve_put_failure(solve, &text, &status);
		docker_put_failure_code(client, buf_text(&text), 0);
	} else {
		if (*solve->image && !solve_request_exports(&solve->request))
			put_aux(client, "moby.image.id", "ID", str_from(solve->image));
		if (client->fd >= 0)
			docker_stream_end(client);
	}
	solve_closed(solve);
}

static void stream_left(void *work)
{
	struct solve_stream *stream = work;

	if (stream->solve)
		solve_closed(take_ptr(&stream->solve));
}

/* The session comes beside the request. A client whose build has failed before it was there waits
 * for its end for ever (docker CLI 20.10): so nothing is said before. */
static void begin(struct loop_timer *timer)
{
	struct solve *solve = timer->owner;

	if (solve_session(solve) || ++solve->tries >= SOLVE_SESSION_TRIES)
		solve_begin(solve);
	else
		loop_timer_set(solve->server->loop, timer, SOLVE_SESSION_MS, begin, solve);
}

void docker_build_session(struct docker_client *client)
{
	struct solve_stream *stream = arena_alloc(&client->arena, sizeof(*stream));
	char ref[SOLVE_REF_MAX] = "";
	struct err err = { 0 };
	struct solve *solve;

	(void)docker_query(client, "buildid", ref, sizeof(ref));
	solve = stream && *ref ? solve_open(client, ref) : NULL;
	if (!solve) {
		docker_reply_error(client, 400,
				   "no buildid, one that is taken, or too many builds");
		return;
	}
	*stream = (struct solve_stream){ .client = client, .solve = solve };
	if (read_request(solve, client, &err) < 0) {
		solve_closed(solve);
		docker_reply_err(client, &err);
		return;
	}
	solve->stream = stream;
	solve->report.told = on_told;
	solve->report.owner = stream;
	client->work = stream;
	client->work_free = stream_left;
	docker_stream_begin(client, "application/json");
	if (client->fd >= 0)
		loop_timer_set(solve->server->loop, &solve->timer, 0, begin, solve);
}
