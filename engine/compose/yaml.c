/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's documents as maps and lists. Runs in the api role, on foreign text. Pure; must never
 * walk without a bound: an alias may hold itself.
 */
#include "engine/compose/yaml.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

static int load_failed(const yaml_parser_t *parser, struct err *err)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return err_set(err, -ENOMEM, "no memory for a YAML file");
	return err_set(err, -EBADMSG, "line %zu, column %zu: %s", parser->problem_mark.line + 1,
		       parser->problem_mark.column + 1,
		       parser->problem ? parser->problem : "this is no YAML");
}

/* libyaml looks at each open bracket again for each further one: hours for a file of them. Those in
 * quotes count too: nobody writes so many that stay open. */
static bool nests_deep(struct str text)
{
	int depth = 0;

	for (size_t i = 0; i < text.len && depth <= YAML_DEPTH_MAX; i++)
		if (text.ptr[i] == '{' || text.ptr[i] == '[')
			depth++;
		else if (depth && (text.ptr[i] == '}' || text.ptr[i] == ']'))
			depth--;
	return depth > YAML_DEPTH_MAX;
}

int yaml_read(struct yaml *yaml, struct arena *arena, struct str text, struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t more;
	int r = 0;

	*yaml = (struct yaml){ .arena = arena };
	if (text.len > YAML_TEXT_MAX)
		return err_set(err, -E2BIG, "more than %d KiB of YAML", YAML_TEXT_MAX >> 10);
	if (nests_deep(text))
		return err_set(err, -E2BIG, "more than %d brackets are open at once",
			       YAML_DEPTH_MAX);
	if (!yaml_parser_initialize(&parser))
		return err_set(err, -ENOMEM, "no memory for a YAML file");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
	if (!yaml_parser_load(&parser, &yaml->document)) {
		r = load_failed(&parser, err);
	} else {
		yaml->loaded = true;
		if (!yaml_parser_load(&parser, &more)) {
			r = load_failed(&parser, err);
		} else {
			if (yaml_document_get_root_node(&more))
				r = err_set(err, -EBADMSG, "more than one document");
			yaml_document_delete(&more);
		}
	}
	yaml_parser_delete(&parser);
	return r;
}

void yaml_done(struct yaml *yaml)
{
	if (yaml->loaded)
		yaml_document_delete(&yaml->document);
	yaml->loaded = false;
}

const yaml_node_t *yaml_root(struct yaml *yaml)
{
	return yaml_document_get_root_node(&yaml->document);
}

bool yaml_is_map(const yaml_node_t *node)
{
	return node && node->type == YAML_MAPPING_NODE;
}

bool yaml_is_list(const yaml_node_t *node)
{
	return node && node->type == YAML_SEQUENCE_NODE;
}

static struct str scalar(const yaml_node_t *node)
{
	return str_make(node->data.scalar.value, node->data.scalar.length);
}

bool yaml_is_null(const yaml_node_t *node)
{
	struct str text;

	if (!node)
		return true;
	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = scalar(node);
	return !text.len || str_is(text, "~") || str_is(text, "null");
}

bool yaml_text(const yaml_node_t *node, struct str *ret_text)
{
	if (!node || node->type != YAML_SCALAR_NODE || str_find(scalar(node), 0) >= 0)
		return false;
	*ret_text = yaml_is_null(node) ? STR("") : scalar(node);
	return true;
}

struct yaml_place yaml_place(const yaml_node_t *node)
{
	struct yaml_place place = { 0, 0 };

	if (node)
		place = (struct yaml_place){ (unsigned)node->start_mark.line + 1,
					     (unsigned)node->start_mark.column + 1 };
	return place;
}

/* "line 3, column 7: TEXT" */
static int refuse(struct err *err, int code, const yaml_node_t *node, const char *text)
{
	struct yaml_place place = yaml_place(node);

	return err_set(err, code, "line %u, column %u: %s", place.line, place.column, text);
}

const yaml_node_t *yaml_item(struct yaml *yaml, const yaml_node_t *list, size_t i)
{
	const yaml_node_item_t *items;

	if (!yaml_is_list(list))
		return NULL;
	items = list->data.sequence.items.start;
	if (i >= (size_t)(list->data.sequence.items.top - items))
		return NULL;
	return yaml_document_get_node(&yaml->document, items[i]);
}

static bool has_key(const struct yaml_map *map, struct str key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (str_eq(map->pairs[i].key, key))
			return true;
	}
	return false;
}

/* Without it aliases of aliases take exponential time. */
static int step(struct yaml *yaml, const yaml_node_t *node, struct err *err)
{
	if (++yaml->steps > YAML_STEPS_MAX)
		return refuse(err, -E2BIG, node,
			      "too many keys, counted as often as an alias or a merge leads there");
	return 0;
}

/* Its own pairs first: what is merged gives way to them. */
static int collect(struct yaml *yaml, const yaml_node_t *node, unsigned depth, struct yaml_map *map,
		   struct err *err)
{
	const yaml_node_pair_t *pair;
	int r = step(yaml, node, err);

	if (r < 0)
		return r;
	if (!yaml_is_map(node) || depth > YAML_MERGE_MAX)
		return refuse(err, -EINVAL, node, "a map is expected here");
	for (unsigned merges = 0; merges < 2; merges++) {
		for (pair = node->data.mapping.pairs.start;
		     r >= 0 && pair < node->data.mapping.pairs.top; pair++) {
			const yaml_node_t *key = yaml_document_get_node(&yaml->document, pair->key);
			const yaml_node_t *value =
				yaml_document_get_node(&yaml->document, pair->value);
			struct str text;

			if (!yaml_text(key, &text))
				return refuse(err, -EINVAL, key, "a key that is no text");
			r = step(yaml, key, err);
			if (r < 0)
				return r;
			if (str_is(text, "<<") != (merges == 1))
				continue;
			if (merges && yaml_is_list(value)) {
				for (size_t i = 0; r >= 0 && yaml_item(yaml, value, i); i++)
					r = collect(yaml, yaml_item(yaml, value, i), depth + 1, map,
						    err);
				continue;
			}
			if (merges) {
				r = collect(yaml, value, depth + 1, map, err);
				continue;
			}
			if (has_key(map, text))
				continue;
			if (map->count == YAML_PAIRS_MAX)
				return refuse(err, -E2BIG, key, "too many keys");
			map->pairs[map->count++] =
				(struct yaml_pair){ text, value, yaml_place(key) };
		}
	}
	return r;
}

int yaml_map(struct yaml *yaml, const yaml_node_t *node, struct yaml_map *ret_map, struct err *err)
{
	static struct yaml_pair all[YAML_PAIRS_MAX]; /* while one map is collected */
	struct yaml_map map = { all, 0 };
	int r = collect(yaml, node, 0, &map, err);

	if (r < 0)
		return r;
	map.pairs = arena_array(yaml->arena, map.count + 1U, sizeof(*map.pairs));
	if (!map.pairs)
		return err_set(err, -ENOMEM, "no memory for a YAML file");
	memcpy(map.pairs, all, map.count * sizeof(*map.pairs));
	*ret_map = map;
	return 0;
}

const yaml_node_t *yaml_find(const struct yaml_map *map, const char *key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (str_is(map->pairs[i].key, key))
			return map->pairs[i].value;
	}
	return NULL;
}
