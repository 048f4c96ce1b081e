/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_NETD_ROLE_H
#define HOY_NETD_ROLE_H

#include "lib/msg.h"
#include "lib/sandbox.h"

/* The roles of /usr/lib/hoy/netd, chosen by argv[1]. Each takes its sockets from fd 3 on and
 * returns the exit status. */
int role_main(void);
int role_dhcp(void);
int role_dns(void);
int role_ntp(void);
int role_splice(void);
int role_probe(void);

/* Unprivileged users of the roles: nobody else has them. */
enum {
	ROLE_UID_DHCP = 931,
	ROLE_UID_DNS = 932,
	ROLE_UID_NTP = 933,
	ROLE_UID_SPLICE = 934,
	ROLE_UID_PROBE = 935
};

/* Root directory of the roles and of the engine's pull; holds etc/resolv.conf and etc/hosts. */
#define ROLE_ROOT "/run/hoy/net"

/*
 * The first act of an unprivileged role: its log, its loop and main's socket, by whose rules
 * messages are taken. It ends the process where that fails.
 */
void role_meet(struct loop *loop, struct msg_peer *main_peer, const char *name,
	       const struct msg_rule *rules, size_t rules_count);

/* The last act: confined, and at work until main is gone. Returns the exit status. */
int role_serve(struct loop *loop, enum sandbox_profile profile, unsigned int uid,
	       unsigned int files_max);

#endif
