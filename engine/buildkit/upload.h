/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_UPLOAD_H
#define HOY_ENGINE_BUILDKIT_UPLOAD_H

#include "engine/buildkit/sync.h"

/*
 * What a client has on its stdin, fetched over its session (Upload.Pull): messages {1 data} until
 * the call ends, into a pipe. What the pipe does not take makes the client wait.
 */
struct upload;

/* id: as the client named it. The fd is taken over in any case. NULL with err: the client offers
 * none, or no memory. */
struct upload *upload_start(struct session *session, const char *id, int fd,
			    const struct sync_ops *ops, void *owner, struct err *err);
/* done() is not called. Accepts NULL. */
void upload_cancel(struct upload *upload);

#endif
