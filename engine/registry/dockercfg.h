/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_DOCKERCFG_H
#define HOY_ENGINE_REGISTRY_DOCKERCFG_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The logins in a config.json as the docker CLI writes it ("auths"). Pure. Helpers that docker
 * would start (credsStore, credHelpers) are not started.
 */
enum { DOCKERCFG_MAX = 256 << 10 };

struct dockercfg_login {
	const char *user, *password;
	const char *token; /* "identitytoken" */
};

/*
 * The login of a registry ("docker.io", "registry.example:5000"), texts in the arena, "" = none.
 * Keys may be written with a scheme and a path; index.docker.io and registry-1.docker.io are
 * docker.io. 1 = found, 0 = none, -EBADMSG with the place of the mistake, -ENOMEM.
 */
int dockercfg_find(struct str text, const char *registry, struct arena *arena,
		   struct dockercfg_login *ret_login, struct err *err);

#endif
