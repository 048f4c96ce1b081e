/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application as a whole: its services in their order, texts and what is left out. Runs in the
 * api role, on foreign text. Pure; must never leave a key out without a note.
 */
#include "engine/compose/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/compose/keys.h"
#include "lib/own.h"

/* Where the line of ini that was just begun comes from. */
static void line_from(struct compose *compose, struct yaml_place place)
{
	wire_put_u32(&compose->lines, place.source ? place.source->number : 0);
	wire_put_u32(&compose->lines, place.line);
	wire_put_u32(&compose->lines, place.column);
	compose->line_count++;
}

void compose_note(struct compose *compose, struct yaml_place place, const char *fmt, ...)
{
	char text[512], shown[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)str_escape(str_from(text), shown, sizeof(shown));
	if (compose->advice)
		(void)buf_add_text(compose->notes, COMPOSE_ADVICE);
	if (place.source && place.source->number)
		(void)buf_printf(compose->notes, "%s ", place.source->path);
	(void)buf_printf(compose->notes, "line %u: %s%s%s%s\n", place.line,
			 compose->service ? "service " : "",
			 compose->service ? compose->service : "", compose->service ? ": " : "",
			 shown);
	wire_put_u32(&compose->marks, place.source ? place.source->number : 0);
	wire_put_u32(&compose->marks, place.line);
	wire_put_u32(&compose->marks, place.column);
	wire_put_u8(&compose->marks, compose->advice);
	wire_put_text(&compose->marks, compose->service);
	wire_put_text(&compose->marks, shown);
	compose->mark_count++;
}

/* ---- texts ---- */

/* Docker Compose warns of them, too. */
static void note_unset(struct compose *compose, struct yaml_place place, const char *key,
		       struct str names)
{
	struct str name;

	compose->advice = true;
	while (str_cut(&names, '\n', &name)) {
		if (name.len)
			compose_note(compose, place,
				     "%s: %.*s is not set and counts as blank; .env beside the "
				     "file sets variables",
				     key, (int)(name.len < 100 ? name.len : 100), name.ptr);
	}
	compose->advice = false;
}

const char *compose_text(struct compose *compose, const struct yaml_node *node, const char *key)
{
	struct buf out OWN(buf_done) = { 0 }, unset OWN(buf_done) = { 0 };
	struct yaml_place place = yaml_place(node);
	struct err why = { 0 };
	struct str text;
	const char *copy;

	if (!yaml_text(node, &text)) {
		compose_note(compose, place, "%s: a text is expected", key);
		return NULL;
	}
	compose->taken += text.len;
	if (compose->taken > COMPOSE_TAKEN_MAX) {
		compose_note(compose, place, "%s: not taken: the file says too much", key);
		return NULL;
	}
	buf_init(&out, ENV_VALUE_MAX);
	buf_init(&unset, ENV_VALUE_MAX);
	if (env_expand(place.source ? place.source->env : NULL, text, &out, &unset, &why) < 0) {
		compose_note(compose, place, "%s: not taken: %s", key, err_text(&why));
		return NULL;
	}
	note_unset(compose, place, key, buf_str(&unset));
	compose->taken += out.len;
	copy = arena_text(&compose->arena, buf_str(&out));
	if (!copy)
		compose_note(compose, place, "%s: not taken: too long", key);
	return copy;
}

/* Nothing that ends a line or steers a terminal: also not the controls from U+0080 to U+009F. */
static bool printable(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
	}
	return true;
}

void compose_put(struct compose *compose, struct yaml_place place, const char *key,
		 const char *value)
{
	struct str text = str_from(value);
	bool fits = printable(key) && printable(value) && str_trim(text).len == text.len;

	if (fits)
		line_from(compose, place);
	if (fits)
		(void)buf_printf(compose->ini, "%s = %s\n", key, value);
	else
		compose_note(
			compose, place,
			"%s: not taken: a line of INI holds no line breaks, no control characters "
			"and no white space around a value",
			key);
}

/* ---- the file ---- */

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool name_fits(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!name_byte(name.ptr[i]) && (!i || (name.ptr[i] != '-' && name.ptr[i] != '.')))
			return false;
	}
	return name.len && name.len <= COMPOSE_NAME_MAX;
}

bool compose_name(struct compose *compose, const struct yaml_pair *pair, const char *what)
{
	if (name_fits(pair->key))
		return true;
	compose_note(compose, pair->place,
		     "%s '%.*s' is not taken: a name has letters, digits and '_', '-', '.', at "
		     "most %d",
		     what, (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr,
		     COMPOSE_NAME_MAX);
	return false;
}

void compose_put_section(struct compose *compose, struct yaml_place place, const char *kind,
			 const char *name)
{
	if (compose->ini->len)
		line_from(compose, place);
	line_from(compose, place);
	(void)buf_printf(compose->ini, "%s[%s %s]\n", compose->ini->len ? "\n" : "", kind, name);
}

static int services(struct compose *compose, const struct yaml_node *node, struct err *err)
{
	struct yaml_map all = { 0 }, service = { 0 };
	int r = yaml_map(&compose->yaml, node, &all, err);

	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const struct yaml_pair *pair = &all.pairs[i];

		if (!compose_name(compose, pair, "service"))
			continue;
		compose->service = arena_text(&compose->arena, pair->key);
		if (!compose->service)
			return err_set(err, -ENOMEM, "no memory for a Compose file");
		compose_put_section(compose, pair->place, "service", compose->service);
		r = yaml_map(&compose->yaml, pair->value, &service, err);
		if (r >= 0)
			r = compose_service(compose, &service, err);
		compose->service = NULL;
	}
	return r;
}

/* Named volumes need no section; one that says more than its name does. */
static int volumes(struct compose *compose, const struct yaml_node *node, struct err *err)
{
	struct yaml_map all = { 0 }, volume = { 0 };
	int r = yaml_is_null(node) ? 0 : yaml_map(&compose->yaml, node, &all, err);

	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const struct yaml_pair *pair = &all.pairs[i];

		if (yaml_is_null(pair->value))
			continue;
		r = yaml_map(&compose->yaml, pair->value, &volume, err);
		for (uint32_t k = 0; r >= 0 && k < volume.count; k++)
			compose_note(
				compose, volume.pairs[k].place,
				"volumes.%.*s.%.*s: not taken: a volume is a directory of this "
				"machine",
				STR_ARG(pair->key), STR_ARG(volume.pairs[k].key));
	}
	return r;
}

/* What services name: looked up when one does. */
static int resources(struct compose *compose, const struct yaml_map *top, const char *key,
		     struct yaml_map *ret_map, struct err *err)
{
	const struct yaml_node *node = yaml_find(top, key);

	return yaml_is_null(node) ? 0 : yaml_map(&compose->yaml, node, ret_map, err);
}

/* Networks and volumes alone are one, too. */
static bool is_application(const struct yaml_map *top)
{
	static const char *const keys[] = { "services", "networks", "volumes",
					    "configs",	"secrets",  "include" };
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		found |= yaml_find(top, keys[i]) != NULL;
	return found;
}

static int file(struct compose *compose, const struct yaml_node *root, struct err *err)
{
	struct yaml_map top = { 0 };
	int r = yaml_map(&compose->yaml, root, &top, err);

	if (r >= 0 && !is_application(&top))
		return err_set(err, -EINVAL, "this is no Compose file: it has no 'services'");
	if (r >= 0)
		r = resources(compose, &top, "secrets", &compose->secrets, err);
	if (r >= 0)
		r = resources(compose, &top, "configs", &compose->configs, err);
	if (r >= 0)
		r = resources(compose, &top, "networks", &compose->networks, err);
	for (uint32_t i = 0; r >= 0 && i < top.count; i++) {
		const struct yaml_pair *pair = &top.pairs[i];

		if (str_is(pair->key, "services"))
			r = services(compose, pair->value, err);
		else if (str_is(pair->key, "volumes"))
			r = volumes(compose, pair->value, err);
		else if (str_is(pair->key, "networks"))
			r = key_put_networks(compose, pair->value, err);
		else if (!str_is(pair->key, "version") && !str_is(pair->key, "name") &&
			 !str_is(pair->key, "secrets") && !str_is(pair->key, "configs") &&
			 !str_starts(pair->key, STR("x-")))
			compose_note(compose, pair->place, "%.*s: not taken",
				     (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr);
	}
	return r;
}

/* ---- the answer ---- */

static void put_places(const struct compose *compose, struct buf *out)
{
	wire_put_u32(out, compose->source_count);
	for (uint32_t i = 0; i < compose->source_count; i++)
		wire_put_text(out, compose->sources[i]->path);
	wire_put_u32(out, compose->line_count);
	(void)buf_add_str(out, buf_str(&compose->lines));
	wire_put_u32(out, compose->mark_count);
	(void)buf_add_str(out, buf_str(&compose->marks));
}

static void put_wanted(const struct compose *compose, struct compose_result *result)
{
	wire_put_u32(&result->wanted, compose->wanted_count);
	for (uint32_t i = 0; i < compose->wanted_count; i++)
		wire_put_text(&result->wanted, compose->wanted[i]);
	if (!compose->wanted_count)
		return;
	buf_clear(&result->ini);
	buf_clear(&result->notes);
	buf_clear(&result->places);
}

void compose_result_init(struct compose_result *result)
{
	buf_init(&result->wanted, COMPOSE_FILES_MAX * (COMPOSE_PATH_MAX + 8));
	buf_init(&result->ini, COMPOSE_INI_MAX);
	buf_init(&result->notes, COMPOSE_NOTES_MAX);
	buf_init(&result->places, 2 * COMPOSE_PLACES_MAX);
}

void compose_result_done(struct compose_result *result)
{
	buf_done(&result->wanted);
	buf_done(&result->ini);
	buf_done(&result->notes);
	buf_done(&result->places);
}

int compose_convert(struct str request, struct compose_result *result, struct err *err)
{
	struct compose *compose = calloc(1, sizeof(*compose));
	const struct yaml_node *root = NULL;
	struct err why = { 0 };
	int r;

	if (!compose)
		return err_set(err, -ENOMEM, "no memory for a Compose file");
	compose->ini = &result->ini;
	compose->notes = &result->notes;
	compose->yaml.arena = &compose->arena;
	arena_init(&compose->arena, COMPOSE_ARENA_MAX);
	buf_init(&compose->lines, COMPOSE_PLACES_MAX);
	buf_init(&compose->marks, COMPOSE_PLACES_MAX);
	r = compose_load(compose, request, &root, &why);
	if (r >= 0 && root)
		r = file(compose, root, &why);
	put_places(compose, &result->places);
	if (r >= 0 &&
	    (buf_error(&result->ini) || buf_error(&result->notes) || buf_error(&compose->lines) ||
	     buf_error(&compose->marks) || buf_error(&result->places)))
		r = err_set(&why, -E2BIG, "the file says too much for one configuration");
	if (compose->wanted_count) /* what is wrong may be what it lacks */
		r = 0;
	put_wanted(compose, result);
	arena_done(&compose->arena);
	buf_done(&compose->lines);
	buf_done(&compose->marks);
	free(compose);
	return r < 0 ? err_set(err, r, "%s", err_text(&why)) : 0;
}
