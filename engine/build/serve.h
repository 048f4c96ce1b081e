/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_SERVE_H
#define HOY_ENGINE_BUILD_SERVE_H

#include "engine/api/build_msg.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The api role's side of a build. Answers one of the calls: pure, body in, reply body out. -EINVAL
 * with the place in the Dockerfile, -EBADMSG for a malformed body, -ENOMEM.
 */
int build_serve(enum build_msg type, struct str body, struct buf *out, struct err *err);

#endif
