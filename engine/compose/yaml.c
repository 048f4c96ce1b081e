/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's documents as nodes in an arena. Runs in the api role, on foreign text. Pure; must never
 * walk without a bound: an alias may hold itself.
 */
#include "engine/compose/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>
#include "lib/own.h"

/* One document while it is read. */
struct reader {
	struct yaml *yaml;
	const struct yaml_source *source;
	yaml_document_t document;
	struct yaml_node **made; /* by libyaml's number of the node: aliases share it */
	bool *open;		 /* what it holds is being read */
	struct err *err;
};

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

	for (size_t i = 0; i < text.len && depth <= YAML_BRACKETS_MAX; i++)
		if (text.ptr[i] == '{' || text.ptr[i] == '[')
			depth++;
		else if (depth && (text.ptr[i] == '}' || text.ptr[i] == ']'))
			depth--;
	return depth > YAML_BRACKETS_MAX;
}

/* "line 3, column 7: TEXT" */
static int refuse(struct err *err, int code, struct yaml_place place, const char *text)
{
	return err_set(err, code, "line %u, column %u: %s", place.line, place.column, text);
}

/* Without it aliases of aliases take exponential time. */
static int step(struct yaml *yaml, struct yaml_place place, struct err *err)
{
	if (++yaml->steps > YAML_STEPS_MAX)
		return refuse(err, -E2BIG, place,
			      "too many keys, counted as often as an alias or a merge leads there");
	return 0;
}

struct yaml_node *yaml_make(struct yaml *yaml, enum yaml_kind kind, struct yaml_place place,
			    uint32_t room)
{
	struct yaml_node *node = arena_alloc(yaml->arena, sizeof(*node));

	if (!node || ++yaml->steps > YAML_STEPS_MAX)
		return NULL;
	node->kind = kind;
	node->place = place;
	if (kind == YAML_KIND_MAP)
		node->map.pairs = arena_array(yaml->arena, room + 1U, sizeof(*node->map.pairs));
	if (kind == YAML_KIND_LIST)
		node->items = arena_array(yaml->arena, room + 1U, sizeof(struct yaml_node *));
	return (kind == YAML_KIND_MAP && !node->map.pairs) ||
			       (kind == YAML_KIND_LIST && !node->items)
		       ? NULL
		       : node;
}

struct yaml_node *yaml_make_text(struct yaml *yaml, struct str text, struct yaml_place place)
{
	struct yaml_node *node = yaml_make(yaml, YAML_KIND_TEXT, place, 0);
	char *copy = arena_alloc(yaml->arena, text.len + 1);

	if (!node || !copy)
		return NULL;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	node->text = str_make(copy, text.len);
	return node;
}

/* ---- a document ---- */

static struct yaml_node *read_node(struct reader *reader, int number, unsigned depth);

static struct yaml_place place_of(const struct reader *reader, const yaml_node_t *node)
{
	return (struct yaml_place){ (unsigned)node->start_mark.line + 1,
				    (unsigned)node->start_mark.column + 1, reader->source };
}

static enum yaml_tag tag_of(const yaml_node_t *node)
{
	const char *tag = node->tag ? (const char *)node->tag : "";

	return !strcmp(tag, "!reset")	   ? YAML_TAG_RESET
	       : !strcmp(tag, "!override") ? YAML_TAG_OVERRIDE
					   : YAML_TAG_NONE;
}

static struct yaml_node *read_list(struct reader *reader, const yaml_node_t *from, unsigned depth)
{
	const yaml_node_item_t *items = from->data.sequence.items.start;
	size_t count = (size_t)(from->data.sequence.items.top - items);
	struct yaml_node *node =
		yaml_make(reader->yaml, YAML_KIND_LIST, place_of(reader, from), (uint32_t)count);

	for (size_t i = 0; node && i < count; i++) {
		node->items[i] = read_node(reader, items[i], depth + 1);
		if (!node->items[i])
			return NULL;
		node->count++;
	}
	return node;
}

/* A pair that its map does not have yet: what is merged gives way to what is there. */
static int add_pair(struct reader *reader, struct yaml_pair *all, uint32_t *count,
		    const struct yaml_pair *pair)
{
	const struct yaml_map map = { all, *count };
	int r = step(reader->yaml, pair->place, reader->err);

	if (r < 0 || yaml_find_pair(&map, pair->key))
		return r;
	if (*count == YAML_PAIRS_MAX)
		return refuse(reader->err, -E2BIG, pair->place, "too many keys");
	all[(*count)++] = *pair;
	return 0;
}

static int merge_in(struct reader *reader, struct yaml_pair *all, uint32_t *count,
		    const struct yaml_node *from)
{
	int r = 0;

	if (from->kind == YAML_KIND_LIST) {
		for (uint32_t i = 0; r >= 0 && i < from->count; i++)
			r = from->items[i]->kind == YAML_KIND_MAP
				    ? merge_in(reader, all, count, from->items[i])
				    : refuse(reader->err, -EINVAL, from->place,
					     "a map is expected here");
		return r;
	}
	if (from->kind != YAML_KIND_MAP)
		return refuse(reader->err, -EINVAL, from->place, "a map is expected here");
	for (uint32_t i = 0; r >= 0 && i < from->map.count; i++)
		r = add_pair(reader, all, count, &from->map.pairs[i]);
	return r;
}

/* Its own pairs first, or those of its merge keys. */
static int read_pairs(struct reader *reader, const yaml_node_t *from, unsigned depth, bool merges,
		      struct yaml_pair *all, uint32_t *count)
{
	const yaml_node_pair_t *pair = from->data.mapping.pairs.start;
	int r = 0;

	for (; r >= 0 && pair < from->data.mapping.pairs.top; pair++) {
		const struct yaml_node *key = read_node(reader, pair->key, depth + 1), *value;
		struct str text;

		if (!key)
			return -EINVAL;
		if (!yaml_text(key, &text))
			return refuse(reader->err, -EINVAL, key->place, "a key that is no text");
		if (str_is(text, "<<") != merges)
			continue;
		value = read_node(reader, pair->value, depth + 1);
		if (!value)
			return -EINVAL;
		r = merges ? merge_in(reader, all, count, value)
			   : add_pair(reader, all, count,
				      &(struct yaml_pair){ text, value, key->place });
	}
	return r;
}

static struct yaml_node *read_map(struct reader *reader, const yaml_node_t *from, unsigned depth)
{
	/* While its own pairs are read, other maps are read within: the arena has room for each. */
	size_t own = (size_t)(from->data.mapping.pairs.top - from->data.mapping.pairs.start);
	struct yaml_pair *all = arena_array(
		reader->yaml->arena, own < YAML_PAIRS_MAX ? own + 1 : YAML_PAIRS_MAX, sizeof(*all));
	static struct yaml_pair merged[YAML_PAIRS_MAX]; /* nothing is read while it is in use */
	struct yaml_node *node;
	uint32_t count = 0;

	if (!all || read_pairs(reader, from, depth, false, all, &count) < 0)
		return NULL;
	/* What it merges is read first, and only then copied. */
	for (const yaml_node_pair_t *p = from->data.mapping.pairs.start;
	     p < from->data.mapping.pairs.top; p++)
		if (!read_node(reader, p->value, depth + 1))
			return NULL;
	memcpy(merged, all, count * sizeof(*all));
	if (read_pairs(reader, from, depth, true, merged, &count) < 0)
		return NULL;
	node = yaml_make(reader->yaml, YAML_KIND_MAP, place_of(reader, from), count);
	if (!node)
		return NULL;
	memcpy(node->map.pairs, merged, count * sizeof(*merged));
	node->map.count = count;
	return node;
}

static struct yaml_node *read_node(struct reader *reader, int number, unsigned depth)
{
	const yaml_node_t *from = yaml_document_get_node(&reader->document, number);
	struct yaml_node *node = NULL;
	struct err *err = reader->err;

	if (!from)
		return NULL;
	if (reader->made[number])
		return reader->made[number];
	if (reader->open[number] || depth > YAML_DEPTH_MAX) {
		(void)refuse(err, -E2BIG, place_of(reader, from),
			     reader->open[number] ? "an alias of what holds it"
						  : "too deep: too many lists and maps in another");
		return NULL;
	}
	reader->open[number] = true;
	if (from->type == YAML_SCALAR_NODE)
		node = yaml_make_text(reader->yaml,
				      str_make(from->data.scalar.value, from->data.scalar.length),
				      place_of(reader, from));
	else if (from->type == YAML_SEQUENCE_NODE)
		node = read_list(reader, from, depth);
	else
		node = read_map(reader, from, depth);
	reader->open[number] = false;
	if (!node && !err->code)
		(void)refuse(err, -E2BIG, place_of(reader, from), "too much for one file");
	if (!node)
		return NULL;
	node->plain = from->type == YAML_SCALAR_NODE &&
		      from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->tag = tag_of(from);
	reader->made[number] = node;
	return node;
}

static int read_document(struct reader *reader, const struct yaml_node **ret_root, struct err *err)
{
	size_t count = (size_t)(reader->document.nodes.top - reader->document.nodes.start);

	*ret_root = NULL;
	if (!count)
		return 0;
	reader->made = arena_array(reader->yaml->arena, count + 1, sizeof(struct yaml_node *));
	reader->open = arena_array(reader->yaml->arena, count + 1, sizeof(bool));
	if (!reader->made || !reader->open)
		return err_set(err, -ENOMEM, "no memory for a YAML file");
	*ret_root = read_node(reader, 1, 0);
	return *ret_root ? 0 : err->code;
}

int yaml_read(struct yaml *yaml, struct str text, const struct yaml_source *source,
	      const struct yaml_node **ret_root, struct err *err)
{
	struct err why = { 0 };
	struct reader reader = { .yaml = yaml, .source = source, .err = &why };
	yaml_parser_t parser;
	yaml_document_t more;
	int r = 0;

	if (text.len > YAML_TEXT_MAX)
		return err_set(err, -E2BIG, "more than %d KiB of YAML", YAML_TEXT_MAX >> 10);
	if (nests_deep(text))
		return err_set(err, -E2BIG, "more than %d brackets are open at once",
			       YAML_BRACKETS_MAX);
	if (!yaml_parser_initialize(&parser))
		return err_set(err, -ENOMEM, "no memory for a YAML file");
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len ? text.ptr : ""),
				     text.len);
	if (!yaml_parser_load(&parser, &reader.document)) {
		r = load_failed(&parser, err);
		yaml_parser_delete(&parser);
		return r;
	}
	if (!yaml_parser_load(&parser, &more)) {
		r = load_failed(&parser, err);
	} else {
		if (yaml_document_get_root_node(&more))
			r = err_set(err, -EBADMSG, "more than one document");
		yaml_document_delete(&more);
	}
	if (r >= 0)
		r = read_document(&reader, ret_root, &why);
	if (why.code)
		r = err_set(err, why.code, "%s", why.text);
	yaml_document_delete(&reader.document);
	yaml_parser_delete(&parser);
	return r;
}

/* ---- nodes ---- */

bool yaml_is_map(const struct yaml_node *node)
{
	return node && node->kind == YAML_KIND_MAP;
}

bool yaml_is_list(const struct yaml_node *node)
{
	return node && node->kind == YAML_KIND_LIST;
}

bool yaml_is_null(const struct yaml_node *node)
{
	if (!node || node->tag == YAML_TAG_RESET)
		return true;
	return node->kind == YAML_KIND_TEXT && node->plain &&
	       (!node->text.len || str_is(node->text, "~") || str_is(node->text, "null"));
}

bool yaml_text(const struct yaml_node *node, struct str *ret_text)
{
	if (!node || node->kind != YAML_KIND_TEXT || str_find(node->text, 0) >= 0)
		return false;
	*ret_text = yaml_is_null(node) ? STR("") : node->text;
	return true;
}

struct yaml_place yaml_place(const struct yaml_node *node)
{
	return node ? node->place : (struct yaml_place){ 0 };
}

const struct yaml_node *yaml_item(const struct yaml_node *list, size_t i)
{
	return yaml_is_list(list) && i < list->count ? list->items[i] : NULL;
}

int yaml_map(struct yaml *yaml, const struct yaml_node *node, struct yaml_map *ret_map,
	     struct err *err)
{
	int r = step(yaml, yaml_place(node), err);

	if (r < 0)
		return r;
	if (!yaml_is_map(node))
		return refuse(err, -EINVAL, yaml_place(node), "a map is expected here");
	yaml->steps += node->map.count;
	*ret_map = node->map;
	return 0;
}

const struct yaml_pair *yaml_find_pair(const struct yaml_map *map, struct str key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (str_eq(map->pairs[i].key, key))
			return &map->pairs[i];
	}
	return NULL;
}

const struct yaml_node *yaml_find(const struct yaml_map *map, const char *key)
{
	const struct yaml_pair *pair = yaml_find_pair(map, str_from(key));

	return pair ? pair->value : NULL;
}
