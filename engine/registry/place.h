/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_REGISTRY_PLACE_H
#define HOY_ENGINE_REGISTRY_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/api/pull_msg.h"
#include "engine/oci/reference.h"
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
	struct pull_host with_login; /* the same with a login of Docker's config.json */
	char login_missing[160];     /* why that could not be read, "" = it could */
	struct tls_trust *trust;
	struct session session;
	bool ready;
};

struct places {
	struct place items[PULL_HOSTS_MAX];
	uint32_t count;
	const char *repository;
	struct str system_ca;
	const struct pull_start *start;
	struct arena *arena;
	struct pull_host own; /* the reference's registry when start names no host */
};

/* start, reference, system_ca and arena have to outlive it, and it must not be moved. */
void places_init(struct places *places, const struct pull_start *start,
		 const struct oci_reference *reference, struct str system_ca, struct arena *arena);
void places_done(struct places *places);

/* The session of place number `at`. */
int place_open(struct places *places, uint32_t at, struct session **ret_session, struct err *err);

/*
 * "registry HOST: " in front of what is in err, and behind it the section a missing key belongs
 * into. Returns code.
 */
int place_explain(const struct places *places, uint32_t at, int code, struct err *err);

#endif
