/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_OUTLINE_H
#define HOY_ENGINE_BUILDKIT_OUTLINE_H

#include "engine/build/plan.h"

/*
 * What is known of a build from its Dockerfile alone: the steps as BuildKit names them, and what
 * has to be asked of the client before it begins.
 */
enum {
	OUTLINE_STEPS_MAX = DOCKERFILE_STEPS_MAX,
	OUTLINE_SECRETS_MAX = 32,
	OUTLINE_HOSTS_MAX = 32,
	OUTLINE_AGENTS_MAX = 8,
};

struct outline_step {
	const char *text;	  /* as engine main tells it: "RUN make" */
	const char *name;	  /* "[build 2/3] RUN make"; NULL = no step of its own */
	uint32_t line, last_line; /* of the Dockerfile */
	bool from;
};

struct outline {
	struct outline_step *steps; /* step n of engine main's is [n - 1] */
	uint32_t step_count;
	const char *secrets[OUTLINE_SECRETS_MAX];
	uint32_t secret_count;
	const char *agents[OUTLINE_AGENTS_MAX]; /* ids of --mount=type=ssh */
	uint32_t agent_count;
	const char *hosts[OUTLINE_HOSTS_MAX]; /* of registries: "registry:5000", "docker.io" */
	uint32_t host_count;
};

/* -EINVAL with "Dockerfile:LINE:COLUMN: ...". Memory is the arena's. */
int outline_make(const struct build_inputs *inputs, struct arena *arena,
		 struct outline *ret_outline, struct err *err);
/* Another secret that is asked for. */
void outline_add_secret(struct outline *outline, const char *id);
/* Another registry that logins are asked for: a reference's. What is no reference is passed over.
 */
int outline_add_host(struct outline *outline, const char *reference, struct arena *arena,
		     struct err *err);

#endif
