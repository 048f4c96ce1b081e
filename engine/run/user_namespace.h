/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_RUN_USER_NAMESPACE_H
#define HOY_ENGINE_RUN_USER_NAMESPACE_H

#include <stdbool.h>
#include "lib/err.h"

/* Whether this process lives in another user namespace than the machine's first one. */
bool user_namespace_is_nested(void);

/*
 * A new user namespace in which nobody lives, of maps as /proc/PID/uid_map takes them. The caller
 * owns the fd.
 */
int user_namespace_new(const char *uid_map, const char *gid_map, struct err *err);

/* A new network namespace that belongs to this user namespace. The caller owns the fd. */
int user_namespace_net(int userns_fd, struct err *err);

/*
 * A detached copy of the mount behind fd, with fd's place as its root, that shows and takes ids as
 * the user namespace counts them: on the disk they stay what they are inside. -EINVAL: a file
 * system that cannot (user_namespaces(7), mount_setattr(2)).
 */
int user_namespace_view(int userns_fd, int fd, struct err *err);
/* The same of a directory, for a process that reads and writes in it. */
int user_namespace_view_dir(int userns_fd, int fd, struct err *err);

#endif
