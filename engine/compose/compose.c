/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Compose file as a whole: its services in their order, variables, what is left out. Runs in the
 * api role, on foreign text. Pure; must never leave a key out without a note.
 */
#include "engine/compose/compose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "lib/own.h"

enum { COMPOSE_NAME_MAX = 40, COMPOSE_VALUE_MAX = 64 << 10 };

/* Where the line of ini that was just begun comes from. */
static void line_from(struct compose *compose, struct yaml_place place)
{
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
	if (compose->service)
		(void)buf_printf(compose->notes, "line %u: service %s: %s\n", place.line,
				 compose->service, shown);
	else
		(void)buf_printf(compose->notes, "line %u: %s\n", place.line, shown);
	wire_put_u32(&compose->marks, place.line);
	wire_put_u32(&compose->marks, place.column);
	wire_put_u8(&compose->marks, compose->advice);
	wire_put_text(&compose->marks, compose->service);
	wire_put_text(&compose->marks, shown);
	compose->mark_count++;
}

/* ---- variables ---- */

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Behind a '$': what it stands for is added; bytes that were read, or -EINVAL. */
static int64_t variable(struct str rest, struct buf *out)
{
	size_t len = 0;
	ptrdiff_t end;

	if (rest.len && rest.ptr[0] == '$') {
		(void)buf_add_byte(out, '$');
		return 1;
	}
	if (!rest.len || rest.ptr[0] != '{')
		return -EINVAL;
	end = str_find(rest, '}');
	while (end > 0 && name_byte(rest.ptr[1 + len]))
		len++;
	if (end < 0 || !len)
		return -EINVAL;
	rest = str_head(str_skip(rest, 1 + len), (size_t)end - 1 - len);
	if (str_starts(rest, STR(":-")))
		rest = str_skip(rest, 2);
	else if (str_starts(rest, STR("-")))
		rest = str_skip(rest, 1);
	else
		return -EINVAL;
	if (str_find(rest, '$') >= 0)
		return -EINVAL;
	(void)buf_add_str(out, rest);
	return end + 1;
}

const char *compose_text(struct compose *compose, const yaml_node_t *node, const char *key)
{
	struct buf out OWN(buf_done) = { 0 };
	struct str text;
	const char *copy;

	if (!yaml_text(node, &text)) {
		compose_note(compose, yaml_place(node), "%s: a text is expected", key);
		return NULL;
	}
	compose->taken += text.len;
	if (compose->taken > COMPOSE_TAKEN_MAX) {
		compose_note(compose, yaml_place(node), "%s: not taken: the file says too much",
			     key);
		return NULL;
	}
	buf_init(&out, COMPOSE_VALUE_MAX);
	for (size_t i = 0; i < text.len;) {
		int64_t n;

		if (text.ptr[i] != '$') {
			(void)buf_add_byte(&out, (unsigned char)text.ptr[i++]);
			continue;
		}
		n = variable(str_skip(text, i + 1), &out);
		if (n < 0) {
			compose_note(compose, yaml_place(node),
				     "%s: not taken: a variable without a default in '%.*s'; there "
				     "is no environment here ('$$' is a dollar)",
				     key, (int)(text.len < 100 ? text.len : 100), text.ptr);
			return NULL;
		}
		i += (size_t)n + 1;
	}
	copy = buf_error(&out) ? NULL : arena_text(&compose->arena, buf_str(&out));
	if (!copy)
		compose_note(compose, yaml_place(node), "%s: not taken: too long", key);
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

static bool name_fits(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (!name_byte(name.ptr[i]) && (!i || (name.ptr[i] != '-' && name.ptr[i] != '.')))
			return false;
	}
	return name.len && name.len <= COMPOSE_NAME_MAX;
}

static int services(struct compose *compose, const yaml_node_t *node, struct err *err)
{
	struct yaml_map all = { 0 }, service = { 0 };
	int r = yaml_map(&compose->yaml, node, &all, err);

	for (uint32_t i = 0; r >= 0 && i < all.count; i++) {
		const struct yaml_pair *pair = &all.pairs[i];

		if (!name_fits(pair->key)) {
			compose_note(compose, pair->place,
				     "service '%.*s' is not taken: a name has letters, digits and "
				     "'_', '-', '.', at most %d",
				     (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr,
				     COMPOSE_NAME_MAX);
			continue;
		}
		compose->service = arena_text(&compose->arena, pair->key);
		if (!compose->service)
			return err_set(err, -ENOMEM, "no memory for a Compose file");
		if (compose->ini->len)
			line_from(compose, pair->place);
		line_from(compose, pair->place);
		(void)buf_printf(compose->ini, "%s[service %s]\n", compose->ini->len ? "\n" : "",
				 compose->service);
		r = yaml_map(&compose->yaml, pair->value, &service, err);
		if (r >= 0)
			r = compose_service(compose, &service, err);
		compose->service = NULL;
	}
	return r;
}

/* Named volumes need no section; one that says more than its name does. */
static int volumes(struct compose *compose, const yaml_node_t *node, struct err *err)
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

static int networks(struct compose *compose, const yaml_node_t *node, struct err *err)
{
	struct yaml_map all = { 0 };
	int r = yaml_is_null(node) ? 0 : yaml_map(&compose->yaml, node, &all, err);

	compose->advice = true;
	for (uint32_t i = 0; r >= 0 && i < all.count; i++)
		compose_note(compose, all.pairs[i].place,
			     "networks.%.*s: networks are sections of network.ini: [bridge %.*s]",
			     STR_ARG(all.pairs[i].key), STR_ARG(all.pairs[i].key));
	compose->advice = false;
	return r;
}

static int file(struct compose *compose, struct err *err)
{
	const yaml_node_t *root = yaml_root(&compose->yaml);
	struct yaml_map top = { 0 };
	int r = yaml_is_map(root)
			? yaml_map(&compose->yaml, root, &top, err)
			: err_set(err, -EINVAL, "this is no Compose file: no map at the top");

	if (r >= 0 && !yaml_find(&top, "services"))
		return err_set(err, -EINVAL, "this is no Compose file: it has no 'services'");
	for (uint32_t i = 0; r >= 0 && i < top.count; i++) {
		const struct yaml_pair *pair = &top.pairs[i];

		if (str_is(pair->key, "services"))
			r = services(compose, pair->value, err);
		else if (str_is(pair->key, "volumes"))
			r = volumes(compose, pair->value, err);
		else if (str_is(pair->key, "networks"))
			r = networks(compose, pair->value, err);
		else if (!str_is(pair->key, "version") && !str_is(pair->key, "name") &&
			 !str_starts(pair->key, STR("x-")))
			compose_note(compose, pair->place, "%.*s: not taken",
				     (int)(pair->key.len < 80 ? pair->key.len : 80), pair->key.ptr);
	}
	return r;
}

static void put_places(const struct compose *compose, struct buf *out)
{
	wire_put_u32(out, compose->line_count);
	(void)buf_add_str(out, buf_str(&compose->lines));
	wire_put_u32(out, compose->mark_count);
	(void)buf_add_str(out, buf_str(&compose->marks));
}

int compose_convert(struct str text, struct buf *ini, struct buf *notes, struct buf *places,
		    struct err *err)
{
	struct compose compose = { .ini = ini, .notes = notes };
	int r;

	arena_init(&compose.arena, COMPOSE_ARENA_MAX);
	buf_init(&compose.lines, COMPOSE_PLACES_MAX);
	buf_init(&compose.marks, COMPOSE_PLACES_MAX);
	r = yaml_read(&compose.yaml, &compose.arena, text, err);
	if (r >= 0)
		r = file(&compose, err);
	if (r >= 0 && places)
		put_places(&compose, places);
	if (r >= 0 && (buf_error(ini) || buf_error(notes) || buf_error(&compose.lines) ||
		       buf_error(&compose.marks) || (places && buf_error(places))))
		r = err_set(err, -E2BIG, "the file says too much for one configuration");
	yaml_done(&compose.yaml);
	arena_done(&compose.arena);
	buf_done(&compose.lines);
	buf_done(&compose.marks);
	return r;
}
