/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_COMPOSE_H
#define HOY_ENGINE_SERVICE_COMPOSE_H

#include "engine/service/manager.h"

/*
 * services.ini of the layers below dirfd with the Compose files that its [compose NAME] sections
 * name: their services come first, sections of the layers change them key by key. A file that
 * cannot be read is an issue of its section, and what it said before goes on.
 */
int manager_read(struct manager *manager, struct ini_config *config, int dirfd, struct err *err);
/* The same without remembering anything, for ini_try_by(): owner is the manager. */
int manager_read_trial(void *owner, struct ini_config *config, int dirfd, bool loaded,
		       struct err *err);

#endif
