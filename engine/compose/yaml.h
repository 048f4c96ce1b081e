/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_YAML_H
#define HOY_ENGINE_COMPOSE_YAML_H

#include <yaml.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/* One document of libyaml, read with bounds. Nodes belong to it. */
enum {
	YAML_TEXT_MAX = 256 << 10,
	YAML_PAIRS_MAX = 4096,
	YAML_MERGE_MAX = 8,
	YAML_DEPTH_MAX = 500,
	YAML_STEPS_MAX = 64 << 10, /* maps and pairs that are looked at, each as often as an alias
				    * leads there */
};

struct yaml {
	yaml_document_t document;
	struct arena *arena;
	uint32_t steps; /* of YAML_STEPS_MAX */
	bool loaded;
};

struct yaml_place {
	unsigned line, column; /* from 1; 0 = nowhere */
};

struct yaml_pair {
	struct str key;
	const yaml_node_t *value;
	struct yaml_place place; /* of the key */
};

struct yaml_map {
	struct yaml_pair *pairs;
	uint32_t count;
};

/* -EBADMSG with line and column for what is no YAML, or more than one document. */
int yaml_read(struct yaml *yaml, struct arena *arena, struct str text, struct err *err);
void yaml_done(struct yaml *yaml);
/* NULL for an empty document. */
const yaml_node_t *yaml_root(struct yaml *yaml);

/* The pairs of a map in their order, those of its merge keys behind its own; -EINVAL when it is no
 * map or a key is no text; -E2BIG over a bound. */
int yaml_map(struct yaml *yaml, const yaml_node_t *node, struct yaml_map *ret_map, struct err *err);
/* NULL when there is none. */
const yaml_node_t *yaml_find(const struct yaml_map *map, const char *key);
/* Item i of a list; NULL behind its end, or when it is none. */
const yaml_node_t *yaml_item(struct yaml *yaml, const yaml_node_t *list, size_t i);
bool yaml_is_map(const yaml_node_t *node);
bool yaml_is_list(const yaml_node_t *node);
/* The text of a scalar; false for anything else, and for one that holds a NUL. A plain `null`, `~`
 * or nothing is "". */
bool yaml_text(const yaml_node_t *node, struct str *ret_text);
/* Nothing at all stands there: as `KEY:`. */
bool yaml_is_null(const yaml_node_t *node);
struct yaml_place yaml_place(const yaml_node_t *node);

#endif
