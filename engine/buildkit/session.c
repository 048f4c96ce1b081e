/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sessions: connections on which clients serve their files, logins and secrets to their
 * own builds. Runs in the api role. Must never let one client reach another's session.
 */
#include "engine/buildkit/session.h"

#include <stdlib.h>
#include <string.h>
#include "engine/docker/handlers.h"
#include "lib/own.h"

static struct session *sessions;

struct session *session_find(const char *who, enum docker_role role, const char *id)
{
	for (struct session *s = sessions; s; s = s->next) {
		if (!strcmp(s->id, id) && !strcmp(s->grpc->client->who, who) &&
		    s->grpc->client->role == role)
			return s;
	}
	return NULL;
}

bool session_offers(const struct session *session, const char *method)
{
	for (uint32_t i = 0; i < session->method_count; i++) {
		if (str_is_nocase(str_from(session->methods[i]), method))
			return true;
	}
	return false;
}

static void session_free(struct session *session)
{
	for (uint32_t i = 0; i < session->method_count; i++)
		free(session->methods[i]);
	free(session);
}

static void on_lost(struct grpc *grpc)
{
	struct session **at = &sessions;

	while (*at && *at != grpc->owner)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	session_free(grpc->owner);
}

static void take_methods(struct session *session, const struct http_head *head)
{
	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *field = &head->fields[i];

		if (!str_is_nocase(field->name, "X-Docker-Expose-Session-Grpc-Method") ||
		    session->method_count == SESSION_METHODS_MAX)
			continue;
		session->methods[session->method_count] =
			strndup(field->value.ptr, field->value.len);
		session->method_count += session->methods[session->method_count] != NULL;
	}
}

/* Whoever calls is served nothing: here the engine calls. */
static void refuse(struct grpc_call *call)
{
	grpc_finish(call, GRPC_UNIMPLEMENTED, "a session takes no calls");
}

void docker_session(struct docker_client *client)
{
	struct str id = http_field(&client->head, "X-Docker-Expose-Session-Uuid");
	struct session *session;

	if (!str_is_nocase(client->head.upgrade, "h2c")) {
		docker_reply_error(client, 400, "no upgrade to h2c in request");
		return;
	}
	session = calloc(1, sizeof(*session));
	if (!session || !id.len || str_copy(id, session->id, sizeof(session->id)) < 0 ||
	    session_find(client->who, client->role, session->id)) {
		free(session);
		docker_reply_error(client, 400, "no session id, or one that is taken, in request");
		return;
	}
	take_methods(session, &client->head);
	session->grpc = grpc_take(client, false);
	if (!session->grpc) {
		session_free(session);
		return;
	}
	session->grpc->owner = session;
	session->grpc->serve = refuse;
	session->grpc->lost = on_lost;
	session->next = sessions;
	sessions = session;
	grpc_begin(session->grpc);
}
