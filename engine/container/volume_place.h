/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_CONTAINER_VOLUME_PLACE_H
#define HOY_ENGINE_CONTAINER_VOLUME_PLACE_H

#include "engine/container/container.h"
#include "engine/container/volume_mount.h"

/* The file in state/volumes that says what its driver options mount. */
void container_volume_options(char name[CONTAINER_MARK_MAX], const char *volume);
/* Its directory, or what is mounted in its place: -ENOTSUP where nothing is mounted now. */
int container_volume_open(const struct container_env *env, const char *volume, struct err *err);

#endif
