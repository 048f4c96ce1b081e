/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_LOGIN_H
#define HOY_ENGINE_DOCKER_LOGIN_H

#include "engine/docker/server.h"

/* Logins of clients, for messages to engine main: text user, text password, text token. */

/* {"username":..,"password":..,"identitytoken":..} */
void docker_put_login(const struct json *login, struct buf *body);
/* The same out of X-Registry-Auth, empty when it is missing; false: 400 has been answered. */
bool docker_put_header_login(struct docker_client *client, struct buf *body);

#endif
