/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_SANDBOX_H
#define HOY_LIB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/err.h"

/*
 * The last act of a role's start-up: uid, root, capabilities, limits, no_new_privs, seccomp. Never
 * optional; a step that fails ends the role. The system-call lists are tables in sandbox.c, one for
 * each profile; a forbidden call kills the process (SIGSYS) so that a hole shows at once.
 */
enum sandbox_profile {
	SANDBOX_PROFILE_COMPUTE, /* pipes and memory only: unpack, pack, dhcp, sign */
	SANDBOX_PROFILE_STORE,	 /* COMPUTE + files below its root */
	SANDBOX_PROFILE_FILES,	 /* STORE + chown, xattr, mknod, links in foreign trees */
	SANDBOX_PROFILE_INET,	/* COMPUTE + client inet sockets, static resolv.conf: pull, dns, ntp
				 */
	SANDBOX_PROFILE_SERVER, /* COMPUTE + accept on inherited sockets: api, dhcp */
	SANDBOX_PROFILE_TTY,	/* console: its tty, its sockets */
	SANDBOX_PROFILE_NETLINK, /* netd main: netlink, packet sockets, its own files, starting
				    roles (as uid 0 with SETUID SETGID SETPCAP SYS_CHROOT KILL) */
	SANDBOX_PROFILE_PARSER,	 /* memory and one answer: hoy-oci's parser. Its short program is a
				    part of how fast a container starts */
};

struct sandbox {
	enum sandbox_profile profile;
	uint32_t uid, gid;
	const char
		*root; /* chroot into it (pivot is done by the caller's namespace), NULL = stay */
	uint64_t capabilities;	    /* bit set kept in permitted+effective; 0 = none,
				       UINT64_MAX = all that there are */
	uint64_t address_space_max; /* bytes, 0 = unlimited */
	uint32_t files_max;
	bool keep_setid; /* only engine main and shim: no no_new_privs, full bounding set, deny list
			  */
};

/* Irreversible. On error the role must exit. Outside of Hoy (tests as non-root) uid and root steps
 * that the kernel refuses with EPERM are an error too: run such tests as root in a namespace. */
int sandbox_enter(const struct sandbox *sandbox, struct err *err);

#endif
