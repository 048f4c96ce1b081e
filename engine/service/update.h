/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_UPDATE_H
#define HOY_ENGINE_SERVICE_UPDATE_H

#include <stdbool.h>
#include <stdint.h>
#include "engine/image/take.h"
#include "lib/loop.h"
#include "lib/mono.h"
#include "lib/sha256.h"

/*
 * Newer images under the same name (pull = always|schedule). A service on a schedule is looked
 * after while it runs: the image is fetched beside it, and if another one came the container makes
 * room for it. What starts then is on trial as any changed definition (trial.h). A reference with
 * a digest is pinned: there is nothing newer.
 */
struct service_update {
	struct loop_timer timer;
	struct image_take *take;
	struct digest found; /* the config of what came */
	bool checked;
	bool first;	/* pull = always: this pull may fail, the store has to do then */
	struct mono at; /* of the last look that had an answer */
};

struct service;
/* A reference that names its content. */
bool update_pinned(const char *reference);
/* Its next look, or none; after each start and each reading of its section. */
void service_update_arm(struct service *service);
/* What is under way ends. */
void service_update_stop(struct service *service);
/* pull = always: the registry has a while for a first sign, then the store is asked. */
void service_update_first(struct service *service);
/* It gave one. */
void service_update_heard(struct service *service);

/* Pulls the service's image as engine.ini says for that registry; NULL: see err. */
struct image_take *service_pull(struct service *service, const struct image_take_ops *ops,
				struct err *err);

#endif
