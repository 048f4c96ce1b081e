/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PLACE_H
#define HOY_ENGINE_REGISTRY_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_msg.h"
#include "engine/registry/session.h"
#include "engine/registry/tls.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The places an image may be had from: mirrors in the order of the configuration, the registry
 * itself last. A place gets its trust and its session when it is first used.
 */
struct place {
	const struct pull_host *host;
	struct tls_trust *trust;
	struct session session;
	bool ready;
};

struct places {
	struct place items[PULL_HOSTS_MAX];
	uint32_t count;
	const char *repository;
	struct str system_ca;
	struct pull_host own; /* the reference's registry when start names no host */
};

/* start, repository, domain and system_ca have to outlive it. */
void places_init(struct places *places, const struct pull_start *start, const char *domain,
		 const char *repository, struct str system_ca);
void places_done(struct places *places);

/* The session of place number `at`. */
int place_open(struct places *places, uint32_t at, struct session **ret_session, struct err *err);

/*
 * "registry HOST: " in front of what is in err, and behind it the section a missing key belongs
 * into. Returns code.
 */
int place_explain(const struct places *places, uint32_t at, int code, struct err *err);

#endif
