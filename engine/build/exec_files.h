/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILD_EXEC_FILES_H
#define HOY_ENGINE_BUILD_EXEC_FILES_H

#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"
#include "lib/msg.h"
#include "lib/str.h"

/* The files role of a lane: exec_files.c. */
struct build_lane;

/* A fresh files role with one call to it. */
int build_job_files(struct build_lane *lane, uint16_t type, struct str body, const int *fds,
		    size_t nfds, msg_reply_fn *fn, struct err *err);
/* The same by the role that has worked at the step's own trees so far (COPY, WORKDIR), where one
 * has. */
int build_job_files_again(struct build_lane *lane, uint16_t type, struct str body, const int *fds,
			  size_t nfds, msg_reply_fn *fn, struct err *err);
/* The row of struct build_exec. */
int build_job_hash(void *owner, unsigned number, int32_t from, struct str body, struct err *err);

#endif
