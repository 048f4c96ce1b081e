/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_COMPOSE_YAML_H
#define HOY_ENGINE_COMPOSE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/arena.h"
#include "lib/err.h"
#include "lib/str.h"

/* YAML read with bounds, by libyaml: documents as nodes in an arena, which nobody changes. */
enum {
	YAML_TEXT_MAX = 256 << 10,
	YAML_PAIRS_MAX = 4096,
	YAML_BRACKETS_MAX = 500,
	YAML_DEPTH_MAX = 100,
	YAML_STEPS_MAX = 128 << 10, /* nodes that are made and maps and pairs that are looked at,
				     * each as often as an alias leads there */
};

/* Of several documents that become one. */
struct yaml {
	struct arena *arena;
	uint32_t steps; /* of YAML_STEPS_MAX */
};

/* What a document belongs to: its owner's. */
struct yaml_source;

struct yaml_place {
	unsigned line, column; /* from 1; 0 = nowhere */
	const struct yaml_source *source;
};

enum yaml_kind { YAML_KIND_TEXT, YAML_KIND_LIST, YAML_KIND_MAP };

/* Compose's own tags, for files that are laid over others. */
enum yaml_tag { YAML_TAG_NONE, YAML_TAG_RESET, YAML_TAG_OVERRIDE };

struct yaml_pair {
	struct str key;
	const struct yaml_node *value;
	struct yaml_place place; /* of the key */
};

struct yaml_map {
	struct yaml_pair *pairs;
	uint32_t count;
};

struct yaml_node {
	enum yaml_kind kind;
	enum yaml_tag tag;
	bool plain; /* a text without quotes */
	struct yaml_place place;
	struct str text;
	struct yaml_map map;		/* those of its merge keys (`<<`) behind its own */
	const struct yaml_node **items; /* of a list */
	uint32_t count;
};

/* NULL for an empty document. -EBADMSG with line and column for what is no YAML, or more than one
 * document; -E2BIG over a bound. */
int yaml_read(struct yaml *yaml, struct str text, const struct yaml_source *source,
	      const struct yaml_node **ret_root, struct err *err);

/* The pairs of a map in their order; -EINVAL when it is no map, -E2BIG over a bound. */
int yaml_map(struct yaml *yaml, const struct yaml_node *node, struct yaml_map *ret_map,
	     struct err *err);
/* NULL when there is none. */
const struct yaml_node *yaml_find(const struct yaml_map *map, const char *key);
const struct yaml_pair *yaml_find_pair(const struct yaml_map *map, struct str key);
/* Item i of a list; NULL behind its end, or when it is none. */
const struct yaml_node *yaml_item(const struct yaml_node *list, size_t i);
bool yaml_is_map(const struct yaml_node *node);
bool yaml_is_list(const struct yaml_node *node);
/* The text of a scalar; false for anything else, and for one that holds a NUL. A plain `null`, `~`
 * or nothing is "". */
bool yaml_text(const struct yaml_node *node, struct str *ret_text);
/* Nothing at all stands there: as `KEY:`; or it is `!reset`. */
bool yaml_is_null(const struct yaml_node *node);
struct yaml_place yaml_place(const struct yaml_node *node);

/* Nodes that others are made of; NULL: no memory, or over a bound. */
struct yaml_node *yaml_make(struct yaml *yaml, enum yaml_kind kind, struct yaml_place place,
			    uint32_t room);
struct yaml_node *yaml_make_text(struct yaml *yaml, struct str text, struct yaml_place place);

#endif
