/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_CHALLENGE_H
#define HOY_ENGINE_REGISTRY_CHALLENGE_H

#include <stdbool.h>
#include "engine/http/url.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The WWW-Authenticate field (RFC 9110 11.6.1): which login a registry wants. Pure.
 */
enum { CHALLENGE_TEXT_MAX = 1024 };

struct challenge {
	bool basic;
	bool bearer;
	/* of the Bearer challenge, unquoted; "" = not given */
	char realm[CHALLENGE_TEXT_MAX];
	char service[CHALLENGE_TEXT_MAX];
	char scope[CHALLENGE_TEXT_MAX];
	char error[64]; /* "insufficient_scope": the login is known and may not */
};

/* One field's value may hold several challenges; unknown schemes are skipped. -EBADMSG. */
int challenge_parse(struct str value, struct challenge *ret_challenge, struct err *err);

/*
 * Whether a token server may get the registry's password: TLS (unless the registry itself has
 * none), and the same host, or one below or equal to the registry's parent domain
 * (registry.example.org and auth.example.org).
 */
bool challenge_realm_trusted(const struct url *registry, const struct url *realm);

#endif
