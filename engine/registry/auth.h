/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_AUTH_H
#define HOY_ENGINE_REGISTRY_AUTH_H

#include "engine/registry/challenge.h"
#include "engine/registry/session.h"

/* What the WWW-Authenticate fields of a 401 ask for. */
int auth_challenge(const struct client_response *response, struct challenge *ret_challenge,
		   struct err *err);

/*
 * Answers it: sets session->authorization anew. -EACCES with the reason when there is no way (no
 * login given, login refused before). The 401 itself has to be finished: its connection may be
 * used.
 */
int auth_answer(struct session *session, const struct challenge *challenge, struct err *err);

/*
 * {"errors":[{"code","message"}]} of a registry's error answer as "CODE: message", "" if none. What
 * stands behind a '?' is left out, and the whole message where it repeats the login.
 */
void auth_error_text(const struct session *session, struct str body, char *dst, size_t cap);

#endif
