/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_SERVE_H
#define HOY_ENGINE_REGISTRY_SERVE_H

#include "lib/str.h"

/*
 * The pull and load roles behind their start-up: jobs over the message socket `fd` until the other
 * side is gone. Here a job blocks, and its questions (PULL_MSG_BLOB ...) go out on the same socket.
 * The result is the exit status.
 */
int serve_pull(int fd, struct str system_ca);
int serve_load(int fd);

#endif
