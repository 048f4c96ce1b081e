/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Compose files are laid over each other. Runs in the api role, on foreign text. Pure; must
 * never change a node: others may share it.
 */
#include "engine/compose/merge.h"

#include <errno.h>
#include <string.h>

enum { MERGE_DEPTH_MAX = 16 };

/* What becomes of a key that both have. */
enum merge_rule {
	MERGE_PLAIN,   /* maps by key, lists behind each other, of texts the later one */
	MERGE_REPLACE, /* the later one */
	MERGE_PAIRS,   /* "A=b" or a map: by name */
	MERGE_HOSTS,   /* the same with "A:b" */
	MERGE_NAMES,   /* a list of names, or a map */
	MERGE_PLACES,  /* by the place in the container */
	MERGE_ONCE,    /* a list, also of one text, without what it has already */
};

static const struct {
	const char *key; /* of a service */
	enum merge_rule rule;
} rules[] = {
	{ "command", MERGE_REPLACE },	{ "entrypoint", MERGE_REPLACE },
	{ "test", MERGE_REPLACE },	{ "environment", MERGE_PAIRS },
	{ "labels", MERGE_PAIRS },	{ "annotations", MERGE_PAIRS },
	{ "sysctls", MERGE_PAIRS },	{ "args", MERGE_PAIRS },
	{ "extra_hosts", MERGE_HOSTS }, { "depends_on", MERGE_NAMES },
	{ "networks", MERGE_NAMES },	{ "volumes", MERGE_PLACES },
	{ "devices", MERGE_PLACES },	{ "secrets", MERGE_PLACES },
	{ "configs", MERGE_PLACES },	{ "ports", MERGE_ONCE },
	{ "cap_add", MERGE_ONCE },	{ "cap_drop", MERGE_ONCE },
	{ "profiles", MERGE_ONCE },	{ "dns", MERGE_ONCE },
	{ "expose", MERGE_ONCE },	{ "tmpfs", MERGE_ONCE },
	{ "dns_search", MERGE_ONCE },	{ "security_opt", MERGE_ONCE },
	{ "group_add", MERGE_ONCE },	{ "env_file", MERGE_ONCE },
};

static const struct yaml_node *full(const struct yaml_node *at, struct err *err)
{
	err_set(err, -E2BIG, "line %u: too much for one configuration", yaml_place(at).line);
	return NULL;
}

static const struct yaml_node *merge(struct yaml *yaml, const struct yaml_node *base,
				     const struct yaml_node *over, enum merge_rule rule,
				     unsigned depth, struct err *err);

static enum merge_rule rule_of(struct str key)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (str_is(key, rules[i].key))
			return rules[i].rule;
	return MERGE_PLAIN;
}

/* `within`: the rules of a service's keys hold for those of this map. */
static const struct yaml_node *merge_maps(struct yaml *yaml, const struct yaml_node *base,
					  const struct yaml_node *over, bool within, unsigned depth,
					  struct err *err)
{
	struct yaml_node *made =
		yaml_make(yaml, YAML_KIND_MAP, over->place, base->map.count + over->map.count);

	for (uint32_t i = 0; made && i < base->map.count; i++) {
		struct yaml_pair pair = base->map.pairs[i];
		const struct yaml_pair *other = yaml_find_pair(&over->map, pair.key);

		yaml->steps += over->map.count / 16;
		if (other && other->value->tag == YAML_TAG_RESET)
			continue;
		if (other && !yaml_is_null(other->value)) {
			pair.value =
				merge(yaml, pair.value, other->value,
				      within ? rule_of(pair.key) : MERGE_PLAIN, depth + 1, err);
			pair.place = other->place;
		}
		if (!pair.value)
			return NULL;
		made->map.pairs[made->map.count++] = pair;
	}
	for (uint32_t i = 0; made && i < over->map.count; i++) {
		const struct yaml_pair *pair = &over->map.pairs[i];

		yaml->steps += base->map.count / 16;
		if (pair->value->tag != YAML_TAG_RESET && !yaml_find_pair(&base->map, pair->key))
			made->map.pairs[made->map.count++] = *pair;
	}
	return made ? made : full(over, err);
}

/* ---- lists ---- */

/* Behind the last ':' of "SOURCE:/target:ro" that begins a path; the whole text without one. */
static struct str target_of_text(struct str text)
{
	struct str rest = text, part, target = text;
	unsigned count = 0;

	while (str_cut(&rest, ':', &part))
		if (count++ && part.len && part.ptr[0] == '/')
			return part;
	return target;
}

/* What a volume, device, secret or config is known by. */
static struct str place_of(const struct yaml_node *item)
{
	const struct yaml_node *found;
	struct str text = { 0 };

	if (!yaml_is_map(item))
		return yaml_text(item, &text) ? target_of_text(text) : (struct str){ 0 };
	found = yaml_find(&item->map, "target");
	if (!found)
		found = yaml_find(&item->map, "source");
	return found && yaml_text(found, &text) ? text : (struct str){ 0 };
}

static bool same(const struct yaml_node *a, const struct yaml_node *b, enum merge_rule rule)
{
	struct str first = { 0 }, second = { 0 };

	if (rule == MERGE_PLACES) {
		first = place_of(a);
		return first.len && str_eq(first, place_of(b));
	}
	return rule == MERGE_ONCE && yaml_text(a, &first) && yaml_text(b, &second) &&
	       str_eq(first, second);
}

static const struct yaml_node *merge_lists(struct yaml *yaml, const struct yaml_node *base,
					   const struct yaml_node *over, enum merge_rule rule,
					   struct err *err)
{
	struct yaml_node *made =
		yaml_make(yaml, YAML_KIND_LIST, over->place, base->count + over->count);

	for (uint32_t i = 0; made && i < base->count; i++)
		made->items[made->count++] = base->items[i];
	for (uint32_t i = 0; made && i < over->count; i++) {
		uint32_t at = made->count;

		for (uint32_t k = 0; k < base->count && at == made->count; k++)
			if (same(base->items[k], over->items[i], rule))
				at = k;
		yaml->steps += base->count / 16;
		made->items[at] = over->items[i];
		made->count += at == made->count;
	}
	return made ? made : full(over, err);
}

/* One text is a list of one. */
static const struct yaml_node *as_list(struct yaml *yaml, const struct yaml_node *node)
{
	struct yaml_node *made;

	if (node->kind == YAML_KIND_LIST)
		return node;
	made = yaml_make(yaml, YAML_KIND_LIST, node->place, 1);
	if (made)
		made->items[made->count++] = node;
	return made;
}

/* ---- lists that may be maps ---- */

static void put_pair(struct yaml_node *map, const struct yaml_pair *pair)
{
	for (uint32_t i = 0; i < map->map.count; i++)
		if (str_eq(map->map.pairs[i].key, pair->key)) {
			map->map.pairs[i] = *pair;
			return;
		}
	map->map.pairs[map->map.count++] = *pair;
}

/* "A=b" as A: b, a name as a key without a value; NULL: not to be had as a map. */
static const struct yaml_node *as_map(struct yaml *yaml, const struct yaml_node *node, char sign)
{
	struct yaml_node *made;

	if (node->kind == YAML_KIND_MAP)
		return node;
	if (node->kind != YAML_KIND_LIST)
		return NULL;
	made = yaml_make(yaml, YAML_KIND_MAP, node->place, node->count);
	yaml->steps += node->count / 16 * node->count;
	for (uint32_t i = 0; made && i < node->count; i++) {
		struct yaml_pair pair = { .place = yaml_place(node->items[i]) };
		struct yaml_node *value;
		struct str text;
		bool cut;

		if (yaml->steps > YAML_STEPS_MAX || !yaml_text(node->items[i], &text))
			return NULL;
		cut = sign && str_find(text, sign) >= 0;
		pair.key = cut ? str_head(text, (size_t)str_find(text, sign)) : text;
		value = yaml_make_text(yaml, cut ? str_skip(text, pair.key.len + 1) : STR(""),
				       pair.place);
		if (!value)
			return NULL;
		value->plain = !cut; /* a name alone has no value */
		pair.value = value;
		put_pair(made, &pair);
	}
	return made;
}

static const struct yaml_node *merge_as_maps(struct yaml *yaml, const struct yaml_node *base,
					     const struct yaml_node *over, char sign,
					     unsigned depth, struct err *err)
{
	const struct yaml_node *first = as_map(yaml, base, sign), *second;

	second = as_map(yaml, over, sign);
	if (!first || !second) {
		err_set(err, -EINVAL, "line %u: this does not go with what it is laid over",
			over->place.line);
		return NULL;
	}
	return merge_maps(yaml, first, second, false, depth, err);
}

static const struct yaml_node *merge(struct yaml *yaml, const struct yaml_node *base,
				     const struct yaml_node *over, enum merge_rule rule,
				     unsigned depth, struct err *err)
{
	if (depth > MERGE_DEPTH_MAX || yaml->steps > YAML_STEPS_MAX)
		return full(over, err);
	if (rule == MERGE_REPLACE || over->tag == YAML_TAG_OVERRIDE || yaml_is_null(base))
		return over;
	if (rule == MERGE_PAIRS || rule == MERGE_HOSTS)
		return merge_as_maps(yaml, base, over, rule == MERGE_PAIRS ? '=' : ':', depth, err);
	if (rule == MERGE_NAMES)
		return merge_as_maps(yaml, base, over, 0, depth, err);
	if (base->kind == YAML_KIND_MAP && over->kind == YAML_KIND_MAP)
		return merge_maps(yaml, base, over, true, depth, err);
	if (base->kind == YAML_KIND_LIST || over->kind == YAML_KIND_LIST || rule == MERGE_ONCE) {
		const struct yaml_node *first = as_list(yaml, base), *second;

		second = as_list(yaml, over);
		return first && second ? merge_lists(yaml, first, second, rule, err)
				       : full(over, err);
	}
	return over;
}

const struct yaml_node *merge_service(struct yaml *yaml, const struct yaml_node *base,
				      const struct yaml_node *over, struct err *err)
{
	return merge(yaml, base, over, MERGE_PLAIN, 0, err);
}

/* services, networks ... by name, and each of those by its keys. */
const struct yaml_node *merge_file(struct yaml *yaml, const struct yaml_node *base,
				   const struct yaml_node *over, struct err *err)
{
	struct yaml_node *made =
		yaml_make(yaml, YAML_KIND_MAP, over->place, base->map.count + over->map.count);

	for (uint32_t i = 0; made && i < base->map.count; i++) {
		struct yaml_pair pair = base->map.pairs[i];
		const struct yaml_pair *other = yaml_find_pair(&over->map, pair.key);

		if (other && other->value->tag == YAML_TAG_RESET)
			continue;
		if (other && yaml_is_map(pair.value) && yaml_is_map(other->value) &&
		    other->value->tag != YAML_TAG_OVERRIDE)
			pair.value = merge_maps(yaml, pair.value, other->value, false, 0, err);
		else if (other && !yaml_is_null(other->value))
			pair.value = other->value;
		if (!pair.value)
			return NULL;
		made->map.pairs[made->map.count++] = pair;
	}
	for (uint32_t i = 0; made && i < over->map.count; i++)
		if (over->map.pairs[i].value->tag != YAML_TAG_RESET &&
		    !yaml_find_pair(&base->map, over->map.pairs[i].key))
			made->map.pairs[made->map.count++] = over->map.pairs[i];
	return made ? made : full(over, err);
}

const struct yaml_node *merge_without(struct yaml *yaml, const struct yaml_node *map,
				      const char *key, struct err *err)
{
	struct yaml_node *made = yaml_make(yaml, YAML_KIND_MAP, map->place, map->map.count);

	for (uint32_t i = 0; made && i < map->map.count; i++)
		if (!str_is(map->map.pairs[i].key, key))
			made->map.pairs[made->map.count++] = map->map.pairs[i];
	return made ? made : full(map, err);
}
