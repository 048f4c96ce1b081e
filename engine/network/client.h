/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_NETWORK_CLIENT_H
#define HOY_ENGINE_NETWORK_CLIENT_H

#include <stdbool.h>
#include "lib/err.h"
#include "lib/loop.h"
#include "lib/msg.h"

/*
 * The engine's connection to netd: made again whenever it drops, for ever. The engine says what it
 * wants attached and never speaks netlink itself.
 */
struct network_client;

struct network_client_ops {
	/* A new connection stands: everything that runs has to be attached again. */
	void (*up)(void *owner);
	/* Uplink or DNS changed (enum netd_event_kind); text is netd's, bounded, not escaped. */
	void (*event)(void *owner, int kind, const char *text);
};

struct network_client {
	struct loop *loop;
	int run_fd; /* /run/hoy; not owned */
	struct msg_peer peer;
	struct loop_timer retry;
	bool up;
	const struct network_client_ops *ops;
	void *owner;
};

void network_client_start(struct network_client *client, struct loop *loop, int run_fd,
			  const struct network_client_ops *ops, void *owner);
void network_client_stop(struct network_client *client);

/* What a new network namespace is handed over with (NETD_MSG_ATTACH); all owned by the caller. */
struct network_namespace {
	int netns_fd, netlink_fd, udp_fd, tcp_fd, netfilter_fd; /* -1 = not open */
};

void network_namespace_init(struct network_namespace *ns);
void network_namespace_done(struct network_namespace *ns);

/*
 * Makes a network namespace and the sockets inside it that netd works through; or, with netns_fd
 * >= 0, opens new sockets inside that one (ret->netns_fd is then a duplicate). The calling process
 * is in its own namespace again when this returns; should that fail, the process has to end:
 * -ENOTRECOVERABLE.
 */
int network_namespace_open(int netns_fd, struct network_namespace *ret_ns, struct err *err);

/* Writes one value of that namespace; path: "/proc/sys/net/...". -ENOTRECOVERABLE as above. */
int network_namespace_sysctl(int netns_fd, const char *path, struct str value, struct err *err);

/* A TCP socket inside that namespace (-1 = the machine's own), not connected, non-blocking; the
 * caller owns it. -ENOTRECOVERABLE as above. */
int network_namespace_socket(int netns_fd, struct err *err);

#endif
