/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PROXY_H
#define HOY_ENGINE_REGISTRY_PROXY_H

#include <stdbool.h>
#include "engine/api/pull_msg.h"
#include "engine/http/url.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * Which proxy a URL is asked through (the settings that others know as http_proxy, https_proxy and
 * no_proxy). proxy_choose() is pure.
 */
enum { PROXY_LOGIN_MAX = 1024 };

struct proxy {
	struct url url;
	char login[PROXY_LOGIN_MAX]; /* "Basic ..." for Proxy-Authorization, "" = none */
};

/*
 * no_proxy: comma-separated; "*" is all, "example.org" and ".example.org" are the name (not for the
 * dotted form) and all below it, "host:port" one port, an address or "10.0.0.0/8" addresses. This
 * machine itself (localhost, 127.0.0.0/8, ::1) is never asked through a proxy.
 * 1 = *ret_proxy is to be used, 0 = none, -EINVAL: the setting is wrong.
 */
int proxy_choose(const struct pull_proxy *settings, const struct url *target,
		 struct proxy *ret_proxy, struct err *err);

/* Asks the proxy at the other end of fd for a tunnel to the target's host and port. */
int proxy_tunnel(int fd, const struct proxy *proxy, const struct url *target, struct err *err);

/* "host:port", with brackets around an IPv6 address. */
void proxy_host_text(const struct url *url, char *dst, size_t cap);

#endif
