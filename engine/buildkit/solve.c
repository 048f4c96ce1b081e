/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the builds of clients that speak BuildKit's protocol: their calls, and how those end. Runs
 * in the api role. Must never let a build go on that nobody waits for.
 */
#include "engine/buildkit/solve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api/engine_msg.h"
#include "engine/buildkit/agent.h"
#include "engine/buildkit/history.h"
#include "engine/buildkit/pb.h"
#include "engine/buildkit/upload.h"
#include "engine/docker/build.h"
#include "lib/log.h"
#include "lib/own.h"

static struct solve *solves;
static uint32_t solve_count;

/* ---- the list ---- */

static struct docker_client *client_of(const struct grpc_call *call)
{
	return call->grpc->client;
}

static bool make_room(const char *who);
static void give_up(struct loop_timer *timer);

static struct solve *solve_new(const struct docker_client *client, const char *ref)
{
	struct solve *solve;

	solve = make_room(client->who) ? calloc(1, sizeof(*solve)) : NULL;
	if (!solve)
		return NULL;
	(void)str_copy(str_from(ref), solve->ref, sizeof(solve->ref));
	(void)str_copy(str_from(client->who), solve->who, sizeof(solve->who));
	(void)str_copy(str_from(client->from), solve->from, sizeof(solve->from));
	solve->server = client->server;
	solve->pipe_fd = -1;
	solve->role = client->role;
	arena_init(&solve->arena, SOLVE_ARENA_MAX);
	buf_init(&solve->answer, GRPC_MESSAGE_MAX);
	buf_init(&solve->answered, SOLVE_ANSWER_MAX);
	report_init(&solve->report, solve->ref);
	solve->next = solves;
	solves = solve;
	solve_count++;
	loop_timer_set(solve->server->loop, &solve->timer, SOLVE_UNASKED_MS, give_up, solve);
	return solve;
}

static bool who_is(const struct solve *solve, const char *who)
{
	return !strcmp(solve->who, who);
}

static struct solve *solve_find(const struct docker_client *client, const char *ref)
{
	struct solve *s = solves;

	while (s &&
	       (strcmp(s->ref, ref) != 0 || !who_is(s, client->who) || s->role != client->role))
		s = s->next;
	return s;
}

/* The build of this reference, of the same client; made where it is not there. */
static struct solve *solve_of(const struct grpc_call *call, const char *ref, bool make)
{
	struct solve *found;

	if (!*ref || strlen(ref) >= SOLVE_REF_MAX)
		return NULL;
	found = solve_find(client_of(call), ref);
	return found || !make ? found : solve_new(client_of(call), ref);
}

void solve_each(const char *ref, void (*fn)(const struct solve *solve, void *owner), void *owner)
{
	for (const struct solve *s = solves; s; s = s->next) {
		if (!s->over && (!*ref || !strcmp(ref, s->ref)))
			fn(s, owner);
	}
}

static void refuse(struct grpc_call *call)
{
	grpc_finish(call, GRPC_EXHAUSTED, "no such build, or too many at once");
}

/* What it has under way ends; engine main hears of it. */
static void stop(struct solve *solve)
{
	struct msg_peer *to_main = solve->server->main;

	loop_timer_stop(solve->server->loop, &solve->timer);
	sync_cancel(take_ptr(&solve->sync));
	upload_cancel(take_ptr(&solve->upload));
	deliver_cancel(take_ptr(&solve->deliver));
	while (solve->agent_count)
		agent_stop(solve->agents[--solve->agent_count]);
	if (solve->ask)
		grpc_cancel(solve->ask);
	solve->ask = NULL;
	own_close(&solve->pipe_fd);
	docker_call_forget(solve->server, solve);
	if (solve->at_main)
		docker_build_cancel(to_main, solve->wanted.token);
	solve->at_main = false;
}

void solve_take_agent(uint64_t token, const char *id, int fd)
{
	int own OWN_FD = fd;
	struct solve *s = solves;

	while (s && (!s->at_main || s->wanted.token != token))
		s = s->next;
	if (!s || s->agent_count == ENGINE_CONTEXT_AGENTS_MAX)
		return;
	s->agents[s->agent_count] = agent_start(s->server->loop, take_fd(&own), id, s->who, s->role,
						s->request.session);
	s->agent_count += s->agents[s->agent_count] != NULL;
}

static void solve_free(struct solve *solve)
{
	struct solve **at = &solves;

	while (*at && *at != solve)
		at = &(*at)->next;
	if (*at)
		*at = solve->next;
	solve_count--;
	stop(solve);
	loop_timer_stop(solve->server->loop, &solve->leaving);
	for (size_t i = 0; i < SOLVE_FILES; i++)
		buf_done(&solve->files[i].data);
	for (uint32_t i = 0; i < solve->tree_count; i++)
		buf_done(&solve->trees[i].ignore.data);
	buf_done(&solve->answer);
	buf_done(&solve->answered);
	report_done(&solve->report);
	arena_done(&solve->arena);
	free(solve);
}

static void bury(struct loop_timer *timer)
{
	struct solve *solve = timer->owner;

	if (solve->control || solve->bridge || solve->stream)
		return;
	solve->forgotten = true;
	if (!solve->report.listener_count)
		solve_free(solve);
}

/* A call of it has ended. It is known for a while yet: a client may ask for its status only then.
 */
static void settle(struct solve *solve)
{
	if (solve->control || solve->bridge || solve->stream)
		return;
	if (!solve->asked && solve->state == SOLVE_STATE_NEW) {
		if (!solve->report.listener_count)
			solve_free(solve);
		return;
	}
	if (!solve->over) {
		solve->over = true;
		stop(solve);
		solve_drop(solve);
		history_end(solve);
		solve->state = SOLVE_STATE_ENDED;
		report_over(&solve->report);
		loop_timer_set(solve->server->loop, &solve->timer, SOLVE_LINGER_MS, bury, solve);
	} else if (solve->forgotten && !solve->report.listener_count) {
		solve_free(solve);
	}
}

/* It was spoken of, and nobody has asked for it. */
static void give_up(struct loop_timer *timer)
{
	struct solve *solve = timer->owner;

	solve->over = solve->forgotten = true;
	solve->state = SOLVE_STATE_ENDED;
	if (solve->bridge)
		refuse(solve->bridge);
	report_over(&solve->report);
	if (!solve->bridge && !solve->report.listener_count)
		solve_free(solve); /* otherwise with the last of its calls */
}

static uint32_t count_of(const char *who)
{
	uint32_t count = 0;

	for (const struct solve *s = solves; s; s = s->next)
		count += who_is(s, who);
	return count;
}

/* For another one of this client: one that is over goes, its own where it has its share. */
static bool make_room(const char *who)
{
	bool share = count_of(who) >= SOLVES_PER_CLIENT;
	struct solve *s = solves;

	if (!share && solve_count < SOLVES_MAX)
		return true;
	while (s && !(s->over && !s->report.listener_count && (!share || who_is(s, who))))
		s = s->next;
	if (s)
		solve_free(s);
	return s != NULL;
}

/* ---- answers ---- */

/* ExporterResponse, as Docker's own exporter fills it. */
void solve_put_response(const struct solve *solve, struct buf *message, uint32_t field)
{
	struct buf names OWN(buf_done) = { 0 };

	if (!*solve->image || solve_request_exports(&solve->request))
		return;
	buf_init(&names, 32 << 10);
	for (uint32_t i = 0; i < solve->wanted.name_count; i++)
		(void)buf_printf(&names, "%s%s", i ? "," : "", solve->wanted.names[i]);
	if (names.len)
		pb_put_entry(message, field, "image.name", buf_str(&names));
	pb_put_entry(message, field, "containerimage.digest", str_from(solve->image));
	pb_put_entry(message, field, "containerimage.config.digest", str_from(solve->image));
}

static void answer_control(struct solve *solve)
{
	struct buf message OWN(buf_done) = { 0 };

	buf_init(&message, 64 << 10);
	solve_put_response(solve, &message, 1);
	grpc_answer(solve->control, buf_str(&message));
	report_over(&solve->report);
}

/* Result{ref{id}}: one thing that was made, known by the build's own reference. */
static void answer_bridge(struct solve *solve)
{
	struct buf message OWN(buf_done) = { 0 }, result OWN(buf_done) = { 0 },
			   ref OWN(buf_done) = { 0 };

	buf_init(&message, GRPC_OUT_MAX);
	buf_init(&result, GRPC_OUT_MAX);
	buf_init(&ref, 256);
	pb_put_text(&ref, 1, solve->ref);
	if (solve->answered.len)
		solve_put_answer(solve, &result);
	else
		pb_put_bytes(&result, 3, buf_str(&ref));
	pb_put_bytes(&message, 3, buf_str(&result));
	grpc_answer(solve->bridge, buf_str(&message));
}

static void answer_failure(struct solve *solve, struct grpc_call *call)
{
	struct buf text OWN(buf_done) = { 0 }, status OWN(buf_done) = { 0 };

	buf_init(&text, SOLVE_TEXT_MAX);
	buf_init(&status, GRPC_DETAILS_MAX);
	solve_put_failure(solve, &text, &status);
	grpc_finish_with(call, GRPC_UNKNOWN, buf_text(&text),
			 buf_error(&status) ? STR("") : buf_str(&status));
}

void solve_finished(struct solve *solve)
{
	if (solve->stream) {
		solve_stream_end(solve);
	} else if (!solve->error.code) {
		answer_control(solve);
	} else {
		answer_failure(solve, solve->control);
		report_over(&solve->report);
	}
}

/* Control's Solve, or POST /build, waits for it alone. */
static void finish(struct solve *solve)
{
	if (*solve->image && solve_request_exports(&solve->request))
		solve_export(solve);
	else
		solve_finished(solve);
}

void solve_end(struct solve *solve)
{
	stop(solve);
	solve->state = SOLVE_STATE_ENDED;
	if (solve->request.subrequest == SUBREQUEST_LINT)
		solve_lint_end(solve);
	if (solve->error.code)
		solve_tell_failure(solve);
	else
		solve_tell_result(solve);
	if (solve->stream && solve->error.code) {
		solve_stream_end(solve);
	} else if (solve->stream) {
		finish(solve);
	} else if (solve->bridge && solve->error.code) {
		answer_failure(solve, solve->bridge);
	} else if (solve->bridge) {
		answer_bridge(solve);
	} else if (solve->control && solve->error.code) {
		answer_failure(solve, solve->control);
		report_over(&solve->report);
	} else if (solve->control) {
		finish(solve);
	}
}

/* "Dockerfile:3:1: text" and "Dockerfile:3: text"; the line, 0 = there is none. */
static uint32_t cut_place(struct str *text)
{
	struct str rest = *text, part;
	uint64_t line = 0, column;

	if (!str_cut(&rest, ':', &part) || !str_is(part, "Dockerfile") ||
	    !str_cut(&rest, ':', &part) || str_to_u64(part, 1, UINT32_MAX, &line) < 0)
		return 0;
	*text = rest;
	if (str_cut(&rest, ':', &part) && str_to_u64(part, 1, UINT32_MAX, &column) >= 0)
		*text = rest;
	*text = str_trim(*text);
	return (uint32_t)line;
}

void solve_fail(struct solve *solve, const struct err *err)
{
	struct err copy = *err;
	struct str text = str_from(err_text(&copy));

	if (solve->state == SOLVE_STATE_ENDED)
		return;
	solve->error_line = cut_place(&text);
	err_set(&solve->error, copy.code, "%.*s", STR_ARG(text));
	solve_end(solve);
}

/* google.rpc.Status in ReturnRequest: {1 result, 2 error{1 code, 2 message, 3 details}} */
static bool returned_error(struct str message, struct str *ret_status, uint32_t *ret_code,
			   struct str *ret_text)
{
	struct pb_field f;

	*ret_status = *ret_text = STR("");
	*ret_code = 0;
	while (pb_next(&message, &f) > 0) {
		if (f.number == 2 && f.is_bytes)
			*ret_status = f.bytes;
	}
	message = *ret_status;
	while (pb_next(&message, &f) > 0) {
		if (f.number == 1 && !f.is_bytes)
			*ret_code = (uint32_t)f.value;
		else if (f.number == 2 && f.is_bytes)
			*ret_text = f.bytes;
	}
	return *ret_code != 0;
}

static void take_return(struct solve *solve, struct str message)
{
	struct str status, text;
	uint32_t code;
	char words[1024];

	if (returned_error(message, &status, &code, &text)) {
		(void)str_copy(str_head(text, sizeof(words) - 1), words, sizeof(words));
		grpc_finish_with(solve->control, code, words, status);
		report_over(&solve->report);
	} else {
		finish(solve);
	}
}

/* ---- calls of Control ---- */

static void on_control_closed(struct grpc_call *call)
{
	struct solve *solve = call->owner;

	solve->control = NULL;
	settle(solve);
}

static void audit(const struct solve *solve, const struct grpc_call *call)
{
	const struct docker_client *client = client_of(call);
	char ref[SOLVE_REF_MAX + 8];

	(void)str_escape(str_from(solve->ref), ref, sizeof(ref));
	log_notice("audit: %s (%s) from %s: build %s", client->who,
		   gate_role_name((enum gate_role)client->role), client->from, ref);
}

static void begin(struct solve *solve, const struct grpc_call *call)
{
	audit(solve, call);
	solve->begun_ns = report_now_ns();
	history_begin(solve);
	solve_begin(solve);
}

void solve_control(struct grpc_call *call, struct str message)
{
	struct solve_request *request;
	struct arena arena OWN(arena_done) = { 0 };
	struct solve_request first;
	struct err err = { 0 };
	struct solve *solve;

	arena_init(&arena, SOLVE_ARENA_MAX);
	if (solve_request_get(message, &arena, &first, &err) < 0) {
		grpc_finish(call, GRPC_INVALID, err_text(&err));
		return;
	}
	solve = solve_of(call, first.ref, true);
	if (!solve || solve->asked || solve->over) {
		refuse(call);
		return;
	}
	request = &solve->request;
	if (solve_request_get(message, &solve->arena, request, &err) < 0) {
		grpc_finish(call, GRPC_INVALID, err_text(&err));
		settle(solve);
		return;
	}
	loop_timer_stop(solve->server->loop, &solve->timer);
	solve->asked = true;
	solve->control = call;
	call->owner = solve;
	call->closed = on_control_closed;
	if (request->has_definition) {
		err_set(&err, -ENOTSUP, "this engine builds Dockerfiles, no other definitions");
		solve_fail(solve, &err);
	} else if (*request->frontend) {
		begin(solve, call);
	} else if (solve->bridge) {
		solve_bridge(solve->bridge, buf_str(&solve->answer));
	} else if (solve->returned) {
		take_return(solve, buf_str(&solve->answer));
	}
}

/* ---- POST /build ---- */

struct solve *solve_open(const struct docker_client *client, const char *ref)
{
	struct solve *solve = NULL;

	if (*ref && strlen(ref) < SOLVE_REF_MAX && !solve_find(client, ref))
		solve = solve_new(client, ref);
	if (!solve)
		return NULL;
	loop_timer_stop(solve->server->loop, &solve->timer);
	solve->asked = true;
	return solve;
}

/* From the loop: its client may have gone within what the build tells. */
static void on_leaving(struct loop_timer *timer)
{
	settle(timer->owner);
}

void solve_closed(struct solve *solve)
{
	solve->report.told = NULL;
	solve->stream = NULL;
	loop_timer_set(solve->server->loop, &solve->leaving, 0, on_leaving, solve);
}

/* ---- Control.Status ---- */

static void on_status_closed(struct grpc_call *call)
{
	struct solve *solve = call->owner;

	report_leave(&solve->report, call);
	settle(solve);
}

/* {1 ref} */
static const char *status_ref(struct str message, char ref[SOLVE_REF_MAX])
{
	struct pb_field f;

	ref[0] = 0;
	while (pb_next(&message, &f) > 0) {
		if (f.number == 1 && f.is_bytes && str_copy(f.bytes, ref, SOLVE_REF_MAX) < 0)
			ref[0] = 0;
	}
	return ref;
}

void solve_status(struct grpc_call *call, struct str message)
{
	char ref[SOLVE_REF_MAX];
	struct solve *solve = solve_of(call, status_ref(message, ref), false);

	if (!solve && history_status(call, ref))
		return;
	if (!solve)
		solve = solve_of(call, ref, true);
	if (!solve || !report_listen(&solve->report, call)) {
		refuse(call);
		return;
	}
	call->owner = solve;
	call->closed = on_status_closed;
}

/* ---- calls of LLBBridge ---- */

static struct solve *bridged(const struct grpc_call *call, bool make)
{
	return solve_of(call, grpc_header(call, "buildkit-controlapi-buildid"), make);
}

static void on_bridge_closed(struct grpc_call *call)
{
	struct solve *solve = call->owner;

	solve->bridge = NULL;
	settle(solve);
}

/* May come before Control's Solve has: then its message is kept until that is there. */
void solve_bridge(struct grpc_call *call, struct str message)
{
	struct solve *solve = bridged(call, true);
	struct err err = { 0 };

	if (!solve || (solve->bridge && solve->bridge != call) || solve->state != SOLVE_STATE_NEW) {
		refuse(call);
		return;
	}
	solve->bridge = call;
	call->owner = solve;
	call->closed = on_bridge_closed;
	if (!solve->asked) {
		buf_clear(&solve->answer);
		(void)buf_add_str(&solve->answer, message);
		return;
	}
	if (solve_request_frontend(message, &solve->arena, &solve->request, &err) < 0)
		solve_fail(solve, &err);
	else
		begin(solve, call);
}

/* May come before Control's Solve has, too: then it is kept until that is there, for a while. */
void solve_return(struct grpc_call *call, struct str message)
{
	struct solve *solve = bridged(call, true);

	grpc_answer(call, STR(""));
	if (!solve || solve->bridge || solve->returned)
		return;
	solve->returned = true;
	if (solve->control) {
		take_return(solve, message);
	} else if (!solve->asked) {
		buf_clear(&solve->answer);
		(void)buf_add_str(&solve->answer, message);
	}
}
