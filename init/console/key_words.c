/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what completion offers in an INI text and in `config set`. Runs in the console program.
 * Pure: must never ask a daemon.
 */
#include "init/console/key_words.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

/* The next row of the table. */
static bool next_row(struct str *rest, struct str *ret_kind, struct str *ret_key,
		     struct str *ret_words)
{
	struct str line;

	if (!str_cut(rest, '\n', &line) || !line.len)
		return false;
	(void)str_cut(&line, ' ', ret_kind);
	(void)str_cut(&line, ' ', ret_key);
	*ret_words = line;
	return true;
}

/* "labels." of "labels.*" */
static struct str without_star(struct str key)
{
	return str_ends(key, STR(".*")) ? str_head(key, key.len - 1) : key;
}

void key_words_kinds(struct str prefix, key_words_fn *fn, void *owner)
{
	struct str rest = str_from(key_words_table), kind, key, words, last = { 0 };

	while (next_row(&rest, &kind, &key, &words)) {
		if (!str_eq(kind, last) && str_starts(kind, prefix))
			fn(owner, kind);
		last = kind;
	}
}

struct kinds {
	struct str wanted;
	bool known;
	char names[64][32];
	const char *list[64];
	size_t count;
};

static void take_kind(void *owner, struct str kind)
{
	struct kinds *kinds = owner;

	kinds->known = kinds->known || str_eq(kind, kinds->wanted);
	if (kinds->count < ARRAY_LEN(kinds->list) &&
	    str_copy(kind, kinds->names[kinds->count], sizeof(kinds->names[0])) >= 0) {
		kinds->list[kinds->count] = kinds->names[kinds->count];
		kinds->count++;
	}
}

static bool is_kind(struct str kind)
{
	struct kinds kinds = { .wanted = kind };

	key_words_kinds(STR(""), take_kind, &kinds);
	return kinds.known;
}

int key_words_section(struct str section, struct err *err)
{
	struct str rest = section, kind = section;
	struct kinds kinds = { 0 };
	const char *nearest;
	ptrdiff_t dot;
	char shown[160];

	(void)str_cut(&rest, ' ', &kind);
	if (is_kind(kind))
		return 0;
	(void)str_escape(str_head(section, 64), shown, sizeof(shown));
	dot = str_find(section, '.');
	if (dot > 0 && is_kind(str_head(section, (size_t)dot)))
		return err_set(err, -EINVAL, "there is no section [%s]; did you mean \"%.*s %s\"?",
			       shown, (int)dot, section.ptr, shown + dot + 1);
	key_words_kinds(STR(""), take_kind, &kinds);
	nearest = str_nearest(kind, kinds.list, kinds.count);
	if (nearest)
		return err_set(err, -EINVAL, "there is no section [%s]; did you mean '%s'?", shown,
			       nearest);
	return err_set(err, -EINVAL,
		       "there is no section [%s]; Tab lists them, \"service web\" is one", shown);
}

void key_words_keys(struct str kind, struct str prefix, key_words_fn *fn, void *owner)
{
	struct str rest = str_from(key_words_table), of, key, words;

	while (next_row(&rest, &of, &key, &words))
		if (str_eq(of, kind) && str_starts(without_star(key), prefix))
			fn(owner, without_star(key));
}

void key_words_values(struct str kind, struct str key, struct str prefix, key_words_fn *fn,
		      void *owner)
{
	struct str rest = str_from(key_words_table), of, name, words, word;

	while (next_row(&rest, &of, &name, &words))
		while (str_eq(of, kind) && str_eq(name, key) && str_cut(&words, ' ', &word))
			if (str_starts(word, prefix))
				fn(owner, word);
}

/* The kind of "[service web]"; false for another line. */
static bool head(struct str line, struct str *ret_kind)
{
	struct str rest;

	line = str_trim(line);
	if (line.len < 3 || line.ptr[0] != '[')
		return false;
	rest = str_skip(line, 1);
	rest = str_head(rest, rest.len - (rest.ptr[rest.len - 1] == ']'));
	return str_cut(&rest, ' ', ret_kind);
}

struct key_spot key_words_spot(struct str before)
{
	struct key_spot spot = { 0 };
	struct str rest, line, last = before;
	ptrdiff_t equals;

	while (str_find(last, '\n') >= 0)
		last = str_skip(last, (size_t)str_find(last, '\n') + 1);
	rest = str_head(before, before.len - last.len);
	while (str_cut(&rest, '\n', &line))
		(void)head(line, &spot.kind);
	while (last.len && (last.ptr[0] == ' ' || last.ptr[0] == '\t'))
		last = str_skip(last, 1);
	if (last.len && (last.ptr[0] == '#' || last.ptr[0] == ';'))
		return spot;
	if (last.len && last.ptr[0] == '[') {
		spot.prefix = str_skip(last, 1);
		spot.place = str_find(last, ' ') < 0 && str_find(last, ']') < 0 ? KEY_PLACE_KIND
										: KEY_PLACE_NONE;
		return spot;
	}
	equals = str_find(last, '=');
	spot.place = !spot.kind.len ? KEY_PLACE_NONE : equals < 0 ? KEY_PLACE_KEY : KEY_PLACE_VALUE;
	spot.prefix = last;
	if (equals < 0)
		return spot;
	spot.key = str_trim(str_head(last, (size_t)equals));
	spot.prefix = str_skip(last, (size_t)equals + 1);
	while (spot.prefix.len && spot.prefix.ptr[0] == ' ')
		spot.prefix = str_skip(spot.prefix, 1);
	return spot;
}

/* A word and the blanks behind it; false: the cursor stands in it. */
static bool whole_word(struct str *rest, struct str *ret_word)
{
	bool quoted = rest->len && rest->ptr[0] == '"';
	struct str text = str_skip(*rest, quoted);
	ptrdiff_t end = str_find(text, quoted ? '"' : ' ');

	*ret_word = end < 0 ? text : str_head(text, (size_t)end);
	if (end < 0 || (quoted && (size_t)end + 1 == text.len))
		return false;
	*rest = str_skip(text, (size_t)end + 1);
	while (rest->len && rest->ptr[0] == ' ')
		*rest = str_skip(*rest, 1);
	return true;
}

struct key_spot key_words_command(struct str before)
{
	struct key_spot spot = { .place = KEY_PLACE_KIND };
	struct str rest = before, section, word;

	while (rest.len && rest.ptr[0] == ' ')
		rest = str_skip(rest, 1);
	if (!whole_word(&rest, &spot.prefix))
		return spot;
	section = spot.prefix;
	(void)str_cut(&section, ' ', &spot.kind);
	spot.place = KEY_PLACE_KEY;
	if (!whole_word(&rest, &spot.prefix))
		return spot;
	spot.key = spot.prefix;
	spot.place = KEY_PLACE_VALUE;
	while (whole_word(&rest, &word)) {
	}
	spot.prefix = word;
	return spot;
}

void key_words_at(const struct key_spot *spot, key_words_fn *fn, void *owner)
{
	switch (spot->place) {
	case KEY_PLACE_NONE:
		break;
	case KEY_PLACE_KIND:
		key_words_kinds(spot->prefix, fn, owner);
		break;
	case KEY_PLACE_KEY:
		key_words_keys(spot->kind, spot->prefix, fn, owner);
		break;
	case KEY_PLACE_VALUE:
		key_words_values(spot->kind, spot->key, spot->prefix, fn, owner);
		break;
	}
}

void key_words_common(void *owner, struct str word)
{
	struct key_common *common = owner;
	size_t n = 0;

	if (!common->count++) {
		common->len = word.len < sizeof(common->text) ? word.len : sizeof(common->text);
		memcpy(common->text, word.ptr, common->len);
	}
	while (n < common->len && n < word.len && common->text[n] == word.ptr[n])
		n++;
	common->len = n;
}
