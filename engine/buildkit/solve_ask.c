/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build needs of its client by name: secrets and logins, one after the other. Runs in the
 * api role. Must never ask for more than the Dockerfile and the sources name.
 */
#include <errno.h>
#include <string.h>
#include "engine/buildkit/pb.h"
#include "engine/buildkit/solve.h"
#include "lib/own.h"

static const char get_secret[] = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
static const char check_agent[] = "/moby.sshforward.v1.SSH/CheckAgent";
static const char get_login[] = "/moby.filesync.v1.Auth/Credentials";

static void fail(struct solve *solve, int code, const char *text)
{
	struct err err = { 0 };

	err_set(&err, code, "%s", text);
	solve_fail(solve, &err);
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
	struct session *session = solve_session(solve);
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
	char *copy;

	for (uint32_t i = 0; i < wanted->secret_count; i++) {
		if (!strcmp(wanted->secrets[i].id, id))
			return 0;
	}
	copy = arena_alloc(&solve->arena, value.len + 1);
	if (!copy || value.len > ENGINE_CONTEXT_SECRET_MAX ||
	    wanted->secret_count == ENGINE_CONTEXT_SECRETS_MAX)
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
		fail(solve, -E2BIG,
		     "a secret of the build is longer than 512 KiB, or there are more than 32");
	else if (call->status != GRPC_OK && call->status != GRPC_NOT_FOUND)
		fail(solve, -EIO, *call->text ? call->text : "a secret of the build did not come");
	else
		solve_ask(solve);
}

/* ---- agents ---- */

/* One that the client has not: whether it must be there is said by the step. */
static void on_agent(struct grpc_call *call)
{
	struct solve *solve = call->owner;
	struct engine_context *wanted = &solve->wanted;
	const char *id = solve->outline.agents[solve->asked_agents++];

	solve->ask = NULL;
	if (call->status == GRPC_OK && wanted->agent_count < ENGINE_CONTEXT_AGENTS_MAX)
		wanted->agents[wanted->agent_count++] = id;
	solve_ask(solve);
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
	solve_ask(solve);
}

/* More that engine main was not told of at the start: the build goes on. */
static void solve_go(struct solve *solve)
{
	const struct engine_context *wanted = &solve->wanted;
	struct buf body OWN(buf_done) = { 0 };
	static struct engine_context more;
	struct err err = { 0 };

	more = (struct engine_context){ .token = wanted->token, .dockerfile = "", .target = "" };
	for (uint32_t i = solve->told_secrets; i < wanted->secret_count; i++)
		more.secrets[more.secret_count++] = wanted->secrets[i];
	for (uint32_t i = solve->told_agents; i < wanted->agent_count; i++)
		more.agents[more.agent_count++] = wanted->agents[i];
	for (uint32_t i = solve->told_logins; i < wanted->login_count; i++)
		more.logins[more.login_count++] = wanted->logins[i];
	buf_init(&body, ENGINE_CONTEXT_BODY_MAX);
	engine_context_put(&body, &more);
	if (buf_error(&body))
		fail(solve, -E2BIG, "the secrets of the build are too long");
	else if (msg_peer_send(solve->server->main, ENGINE_MSG_BUILD_GO, buf_str(&body), NULL, 0,
			       &err) < 0)
		solve_fail(solve, &err);
}

void solve_ask(struct solve *solve)
{
	const struct outline *outline = &solve->outline;

	for (; solve->asked_secrets < outline->secret_count; solve->asked_secrets++) {
		if (ask(solve, get_secret, outline->secrets[solve->asked_secrets], on_secret))
			return;
	}
	for (; solve->asked_agents < outline->agent_count; solve->asked_agents++) {
		if (ask(solve, check_agent, outline->agents[solve->asked_agents], on_agent))
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
	if (solve->at_main)
		solve_go(solve);
	else
		solve_build(solve);
}
