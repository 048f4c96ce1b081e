/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SANDBOX_CALLS_H
#define HOY_LIB_SANDBOX_CALLS_H

#include <stddef.h>
#include <stdint.h>

/* The table behind the profiles: which group may make which call, and when. For lib only. */

enum sandbox_group {
	GROUP_BASE = 1 << 0,	   /* memory, time, what fds allow that are held already */
	GROUP_READ = 1 << 1,	   /* opening files to read them */
	GROUP_FS = 1 << 2,	   /* making, changing and removing files */
	GROUP_OWNER = 1 << 3,	   /* owners, nodes, extended attributes */
	GROUP_ACCEPT = 1 << 4,	   /* accepting on sockets held already */
	GROUP_INET = 1 << 5,	   /* making inet sockets */
	GROUP_LOCAL = 1 << 6,	   /* connecting to our own sockets */
	GROUP_LINK = 1 << 7,	   /* netlink and packet sockets */
	GROUP_TTY = 1 << 8,	   /* terminals */
	GROUP_SPAWN = 1 << 9,	   /* starting roles, and what those do until their own sandbox */
	GROUP_SANITIZER = 1 << 10, /* the run-time of test builds */
	GROUP_PURE = 1 << 11,	   /* memory, and reading and writing what is open */
};

enum sandbox_when {
	WHEN_ALWAYS,
	WHEN_NOT_EXEC,	   /* third argument without PROT_EXEC, else killed */
	WHEN_SELF,	   /* first argument is the own pid, else EPERM */
	WHEN_DOMAIN,	   /* a socket domain of the profile, else EAFNOSUPPORT */
	WHEN_REQUEST,	   /* an ioctl request of the profile, else killed */
	WHEN_READING_1,	   /* open flags in the second argument only read, else EROFS */
	WHEN_READING_2,	   /* the same in the third */
	WHEN_EMPTY_PATH_3, /* fourth argument with AT_EMPTY_PATH, else EACCES */
	WHEN_ABSENT,	   /* ENOSYS: the C library has another way */
};

struct sandbox_call {
	uint16_t nr;
	uint16_t groups;
	enum sandbox_when when;
};

extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_call_count;

#endif
