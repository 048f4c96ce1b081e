/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_EXEC_H
#define HOY_ENGINE_CONTAINER_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/container/container.h"

/* What a running container's shim is asked for. */

/*
 * A call to its shim that not every version of the shim understands (all but SIGNAL, STOP, RELEASE
 * and STATE): as msg_peer_call(), -EPROTO when the shim is of another version than this engine.
 */
int64_t container_call(struct container *container, uint16_t type, struct str body, const int *fds,
		       size_t nfds, msg_reply_fn *fn, void *owner, struct err *err);

/* A further process in it. */
struct container_exec {
	const char *const *argv, *const *env; /* NULL-terminated; env over the container's own */
	const char *workdir;		      /* "" = the container's */
	const struct files_user *user;	      /* NULL = the container's */
	bool tty, no_stdin, privileged;
	uint16_t rows, columns;
};
/* Its plan for SHIM_MSG_EXEC as a sealed memfd, which the caller owns. */
int container_exec_plan(const struct container *container, const struct container_exec *exec,
			struct arena *arena, struct err *err);

#endif
