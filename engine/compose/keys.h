/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_KEYS_H
#define HOY_ENGINE_COMPOSE_KEYS_H

#include "engine/compose/compose.h"

/* How single keys of a service are taken: an error is one of memory or of YAML's own, all else a
 * note. `to` is the key of services.ini. */
typedef int key_take_fn(struct compose *compose, const struct yaml_pair *pair, const char *to,
			struct err *err);

/* True: it is one; else a note says so. */
bool key_want_list(struct compose *compose, const struct yaml_pair *pair, const char *to);
/* A member of a long form, "" when it is missing; false: it cannot be taken, and was noted. */
bool key_member(struct compose *compose, const struct yaml_map *map, const char *key,
		const char **ret_text);
/* Notes what a long form says besides these words. */
void key_only(struct compose *compose, const struct yaml_map *map, const char *what,
	      const char *known);
int key_no_memory(struct err *err);

/* keys.c */
key_take_fn key_take_text, key_take_list;
/* keys_env.c: env_file and environment as one; pairs of either may be NULL. */
int key_take_environment(struct compose *compose, const struct yaml_pair *files,
			 const struct yaml_pair *own, struct err *err);
key_take_fn key_take_args; /* NAME=value in a list or a map */
/* keys_mount.c */
key_take_fn key_take_ports, key_take_volumes, key_take_secrets, key_take_configs, key_take_build;
/* keys_net.c */
key_take_fn key_take_networks, key_take_network_mode;
/* The networks of the file as sections of network.ini. */
int key_put_networks(struct compose *compose, const struct yaml_node *node, struct err *err);

#endif
