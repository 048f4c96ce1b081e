/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_HEALTH_SERVE_H
#define HOY_ENGINE_HEALTH_SERVE_H

#include "lib/msg.h"

/* Handler of HEALTH_MSG_HTTP for the api role's table; it answers once the probe has ended. */
void health_serve_http(struct msg_peer *peer, struct msg *msg);

#endif
