/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_SESSION_H
#define HOY_ENGINE_BUILDKIT_SESSION_H

#include "engine/buildkit/grpc.h"

/*
 * What a client offers to its own builds: POST /session gives a connection on which the engine
 * calls and the client answers. Known by an id of the client's choice, to that client alone.
 */
enum { SESSION_METHODS_MAX = 32, SESSION_ID_MAX = 128 };

struct session {
	struct session *next;
	struct grpc *grpc;
	char id[SESSION_ID_MAX];
	char *methods[SESSION_METHODS_MAX]; /* "/moby.filesync.v1.FileSync/DiffCopy" */
	uint32_t method_count;
};

/* The session of this id that a client of this name and role has opened; NULL when there is none.
 */
struct session *session_find(const char *who, enum docker_role role, const char *id);
bool session_offers(const struct session *session, const char *method);

#endif
