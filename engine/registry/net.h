/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_NET_H
#define HOY_ENGINE_REGISTRY_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "engine/http/url.h"
#include "lib/err.h"

/*
 * A TCP connection to where a URL points. Every wait has its limit.
 */
enum {
	NET_CONNECT_MS = 10000, /* for each address of a name */
	NET_IDLE_MS = 30000,	/* without a byte in either direction */
};

/*
 * Resolves and connects, each address once. Returns a non-blocking fd (caller owns) or
 * -ENONET (name not found), -EAGAIN (no answer from DNS), -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH,
 * -ENETUNREACH; the text begins behind "registry X: ".
 */
int net_connect(const struct url *url, struct err *err);

/*
 * Notes the machine's own addresses and its container networks, for net_connect_outside(). Once,
 * before the sandbox: it asks the kernel. Without it everything is inside.
 */
int net_learn(struct err *err);
/*
 * The same as net_connect(), but only to addresses that are neither this machine's own (loopback
 * and all of its interfaces), a container network's, its link's (169.254.0.0/16, fe80::/10: cloud
 * metadata too), multicast, nor unspecified; nor IPv6 forms of such ones (mapped, NAT64, 6to4).
 * -EPERM where a name has no other. What was resolved is what is connected to.
 */
int net_connect_outside(const struct url *url, struct err *err);
/* Whether the URL's host is such an address, written as one. */
bool net_is_inside(const struct url *url);
/* The error for it. */
int net_inside(const struct url *url, struct err *err);

/*
 * At least one byte, at most cap; 0 = the other side ended. -ETIMEDOUT, -ECONNRESET ...; with
 * timeout_ms 0 -EAGAIN when nothing is there now.
 */
ssize_t net_read(int fd, void *dst, size_t cap, int timeout_ms);
/* At least one byte of them. */
ssize_t net_write(int fd, const void *data, size_t len, int timeout_ms);

#endif
