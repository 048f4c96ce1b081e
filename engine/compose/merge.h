/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_MERGE_H
#define HOY_ENGINE_COMPOSE_MERGE_H

#include "engine/compose/yaml.h"

/*
 * One Compose file over another, and a service over the one that it extends (compose-spec, 13):
 * maps key by key, lists behind each other, what is run replaced, what has a name or a place in the
 * container by that. `!reset` takes a key away, `!override` puts another in its place. NULL with
 * err: over a bound.
 */
const struct yaml_node *merge_file(struct yaml *yaml, const struct yaml_node *base,
				   const struct yaml_node *over, struct err *err);
const struct yaml_node *merge_service(struct yaml *yaml, const struct yaml_node *base,
				      const struct yaml_node *over, struct err *err);
/* The map without this key. */
const struct yaml_node *merge_without(struct yaml *yaml, const struct yaml_node *map,
				      const char *key, struct err *err);

#endif
