/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_AGENT_H
#define HOY_ENGINE_BUILDKIT_AGENT_H

#include "engine/buildkit/session.h"

/*
 * SSH agents of a client: whoever connects to a listening socket of a build talks to the agent over
 * the client's session (SSH.ForwardAgent), messages {1 data} in both directions.
 */
enum {
	AGENT_LINKS_MAX = 16,	   /* connections to one socket */
	AGENT_BYTES_MAX = 1 << 20, /* that wait for one side of a connection */
};

struct agent;

/* fd is taken over in any case. who, role and session name the client, as session_find() has it;
 * they live on. NULL: no memory. */
struct agent *agent_start(struct loop *loop, int fd, const char *id, const char *who,
			  enum docker_role role, const char *session);
void agent_stop(struct agent *agent); /* accepts NULL */
/* Whether the client offers any. */
bool agent_is_offered(const struct session *session);

#endif
