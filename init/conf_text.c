/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits and secrets of a revision's text. Runs in init's disk role. Pure: must never touch a file,
 * and never let a secret into what is shown.
 */
#include "init/conf_text.h"
#include <errno.h>
#include <string.h>
#include "lib/own.h"

bool conf_line_next(struct str *rest, struct conf_line *ret_line)
{
	struct conf_line line = { 0 };
	struct str text;
	ptrdiff_t eq;

	if (!rest->len || !str_cut(rest, '\n', &line.whole))
		return false;
	/* What an INI reader drops, and the ends of lines of other systems. */
	while (line.whole.len && strchr("\r \t", line.whole.ptr[line.whole.len - 1]))
		line.whole.len--;
	text = str_trim(line.whole);
	if (text.len > 1 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
		line.is_head = true;
		line.head = str_trim(str_make(text.ptr + 1, text.len - 2));
	} else if (text.len && text.ptr[0] != '#' && text.ptr[0] != ';') {
		eq = str_find(text, '=');
		line.is_entry = eq > 0;
		if (line.is_entry) {
			line.key = str_trim(str_head(text, (size_t)eq));
			line.value = str_trim(str_skip(text, (size_t)eq + 1));
		}
	}
	*ret_line = line;
	return true;
}

static void put_line(struct buf *out, struct str line)
{
	(void)buf_add_str(out, line);
	(void)buf_add_byte(out, '\n');
}

static void put_entries(struct buf *out, struct str key, const struct str *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		(void)buf_add_str(out, key);
		(void)buf_add_text(out, " = ");
		put_line(out, values[i]);
	}
}

/* ---- setting ---- */

static bool fits_line(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n' || text.ptr[i] == '\r' || text.ptr[i] == 0)
			return false;
	}
	return true;
}

static int check_names(struct str section, struct str key, const struct str *values, size_t count,
		       struct err *err)
{
	if (!section.len || !fits_line(section) || str_find(section, ']') >= 0 ||
	    str_find(section, '[') >= 0)
		return err_set(err, -EINVAL, "a section is written \"service web\" or \"hoy\"");
	if ((!key.len && count) || !fits_line(key) || str_find(key, '=') >= 0 ||
	    str_find(key, '[') >= 0 || (key.len && (key.ptr[0] == '#' || key.ptr[0] == ';')))
		return err_set(err, -EINVAL, "a key is one word, without '='");
	for (size_t i = 0; i < count; i++) {
		if (!fits_line(values[i]))
			return err_set(err, -EINVAL, "a value is one line");
	}
	return 0;
}

/* The lines that are taken over as they are, with the new ones in their place. */
struct edit_state {
	struct str section, key;
	const struct str *values;
	size_t count;
	bool here;    /* inside of the section */
	bool found;   /* section (empty key) or key was there */
	bool put;     /* the new lines have been written */
	size_t blank; /* blank lines held back: a new key goes above them */
};

static void put_blank(struct edit_state *state, struct buf *out)
{
	for (; state->blank; state->blank--)
		(void)buf_add_byte(out, '\n');
}

static void leave_section(struct edit_state *state, struct buf *out)
{
	if (state->here && !state->key.len) /* the blank lines behind a section go with it */
		state->blank = 0;
	if (state->here && !state->put && state->count) {
		put_entries(out, state->key, state->values, state->count);
		state->put = true;
	}
	put_blank(state, out);
}

static void edit_line(struct edit_state *state, const struct conf_line *line, struct buf *out)
{
	if (line->is_head) {
		leave_section(state, out);
		state->here = str_eq(line->head, state->section);
		state->found = state->found || (state->here && !state->key.len);
	} else if (state->here && !str_trim(line->whole).len) {
		state->blank++;
		return;
	}
	if (state->here && !state->key.len) { /* the section goes */
		state->blank = 0;
		return;
	}
	if (!state->here || !line->is_entry || !str_eq(line->key, state->key)) {
		put_blank(state, out);
		put_line(out, line->whole);
		return;
	}
	put_blank(state, out);
	state->found = true;
	if (!state->put)
		put_entries(out, state->key, state->values, state->count);
	state->put = true;
}

int conf_text_set(struct str text, struct str section, struct str key, const struct str *values,
		  size_t count, struct buf *out, struct err *err)
{
	struct edit_state state = { .values = values, .count = count };
	struct conf_line line;
	int r;

	state.section = str_trim(section);
	state.key = str_trim(key);
	r = check_names(state.section, state.key, values, count, err);
	if (r < 0)
		return r;
	while (conf_line_next(&text, &line))
		edit_line(&state, &line, out);
	leave_section(&state, out);
	if (!count && !state.found)
		return err_set(err, -ENOENT, "[%.*s] %.*s is not set here", STR_ARG(state.section),
			       STR_ARG(state.key));
	if (count && !state.put) {
		(void)buf_printf(out, "%s[%.*s]\n", out->len ? "\n" : "", STR_ARG(state.section));
		put_entries(out, state.key, values, count);
	}
	if (buf_error(out))
		return err_set(err, buf_error(out), "the configuration grows too long");
	return 0;
}

uint32_t conf_text_sum(struct str text)
{
	uint32_t sum = 2166136261U;

	for (size_t i = 0; i < text.len; i++)
		sum = (sum ^ (unsigned char)text.ptr[i]) * 16777619U;
	return sum != 0 ? sum : 1;
}

/* ---- secrets ---- */

bool conf_is_secret(struct str key)
{
	static const char *const names[] = { "password", "identity_token", "password_hash",
					     "token" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_is(key, names[i]))
			return true;
	}
	return false;
}

static bool same_secret(struct str line, struct str section, struct str key, struct str *ret_value)
{
	struct str part, rest = line;

	if (!str_cut(&rest, '\t', &part) || !str_eq(part, section) ||
	    !str_cut(&rest, '\t', &part) || !str_eq(part, key))
		return false;
	*ret_value = rest;
	return true;
}

static bool find_secret(struct str secrets, struct str section, struct str key,
			struct str *ret_value)
{
	struct str line;

	while (secrets.len && str_cut(&secrets, '\n', &line)) {
		if (same_secret(line, section, key, ret_value))
			return true;
	}
	return false;
}

static int keep_secret(struct buf *secrets, struct str section, struct str key, struct str value)
{
	struct buf next OWN(buf_done) = { 0 };
	struct str rest = buf_str(secrets), line, old;

	buf_init(&next, CONF_SECRETS_MAX);
	while (rest.len && str_cut(&rest, '\n', &line)) {
		if (!same_secret(line, section, key, &old))
			put_line(&next, line);
	}
	(void)buf_printf(&next, "%.*s\t%.*s\t%.*s\n", STR_ARG(section), STR_ARG(key),
			 STR_ARG(value));
	if (buf_error(&next))
		return buf_error(&next);
	buf_clear(secrets);
	return buf_add_str(secrets, buf_str(&next));
}

int conf_text_hide(struct str text, struct buf *secrets, struct buf *out)
{
	struct str section = { 0 };
	struct conf_line line;
	int r = 0;

	while (r >= 0 && conf_line_next(&text, &line)) {
		if (line.is_head)
			section = line.head;
		if (!line.is_entry || !conf_is_secret(line.key) || !line.value.len) {
			put_line(out, line.whole);
			continue;
		}
		if (secrets && !str_is(line.value, CONF_SECRET))
			r = keep_secret(secrets, section, line.key, line.value);
		(void)buf_printf(out, "%.*s = %s\n", STR_ARG(line.key), CONF_SECRET);
	}
	return r < 0 ? r : buf_error(out);
}

int conf_text_reveal(struct str text, struct str secrets, struct buf *out)
{
	struct str section = { 0 }, value;
	struct conf_line line;

	while (conf_line_next(&text, &line)) {
		if (line.is_head)
			section = line.head;
		if (line.is_entry && conf_is_secret(line.key) && str_is(line.value, CONF_SECRET) &&
		    find_secret(secrets, section, line.key, &value))
			(void)buf_printf(out, "%.*s = %.*s\n", STR_ARG(line.key), STR_ARG(value));
		else
			put_line(out, line.whole);
	}
	return buf_error(out);
}
