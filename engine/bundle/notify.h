/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_NOTIFY_H
#define HOY_ENGINE_BUNDLE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * sd_notify(3) of a container: with NOTIFY_SOCKET in our environment the directory ROOT/ID/notify
 * is bound to that path inside, and NOTIFY_SOCKET there is PATH/notify, as with crun. The service
 * manager's own socket never goes in: of all that comes READY=1 alone is handed on, in our words.
 */
#define NOTIFY_DIR "notify"

/* The path in NOTIFY_SOCKET, NULL = none (or not one of the file system). */
const char *notify_target(void);

/* Makes the directory in a container's state directory. */
int notify_make(int dir, struct err *err);

/* The socket on which it is waited for, before the program runs; -1 without err where none is. */
int notify_open(int dir, int *ret_fd, struct err *err);

/* What came so far. True once READY=1 came and was handed on, with pid as MAINPID: nothing more
 * does.
 */
bool notify_pass(int fd, uint32_t pid);

/* Until it is ready or has ended. */
void notify_wait(int fd, int pidfd, uint32_t pid);

#endif
