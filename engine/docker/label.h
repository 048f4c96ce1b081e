/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_LABEL_H
#define HOY_ENGINE_DOCKER_LABEL_H

#include <stdbool.h>
#include "lib/str.h"

/*
 * Labels that only the engine sets: "hoy.declared=true" on a container of services.ini. No image
 * and no client can forge one: an image's are dropped, a client's are refused.
 */
#define DOCKER_LABEL_OWN      "hoy."
#define DOCKER_LABEL_DECLARED "hoy.declared"

static inline bool docker_label_reserved(struct str name)
{
	return str_starts(name, STR(DOCKER_LABEL_OWN));
}

#endif
