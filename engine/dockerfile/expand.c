/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables, quotes and escapes in the words of a Dockerfile. Pure; runs in the api role. Must
 * never expand a value a second time, nor recurse deeper than EXPAND_DEPTH_MAX.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/dockerfile/dockerfile.h"
#include "lib/own.h"

enum { EXPAND_DEPTH_MAX = 16 };

struct expand {
	const char *at;
	char escape;
	dockerfile_lookup_fn *lookup;
	const void *owner;
	struct arena *arena;
	struct buf out;
	struct image_texts *words; /* NULL = one text, blanks kept */
	bool in_word;
	unsigned depth;
};

static void put(struct expand *x, char c)
{
	(void)buf_add_byte(&x->out, (unsigned char)c);
	x->in_word = true;
}

static int end_word(struct expand *x, struct err *err)
{
	if (!x->in_word)
		return 0;
	x->in_word = false;
	const char *text = arena_text(x->arena, buf_str(&x->out));
	buf_clear(&x->out);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return image_texts_add(x->arena, x->words, text, err);
}

/* A value's blanks end words where words are asked for (EXPOSE $PORTS). */
static int put_value(struct expand *x, const char *value, bool quoted, struct err *err)
{
	for (; *value; value++) {
		if (x->words && !quoted && (*value == ' ' || *value == '\t')) {
			int r = end_word(x, err);
			if (r < 0)
				return r;
		} else {
			put(x, *value);
		}
	}
	return 0;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct str take_name(struct expand *x)
{
	const char *start = x->at;
	if (isdigit((unsigned char)*x->at)) {
		x->at++;
	} else {
		while (is_name(*x->at))
			x->at++;
	}
	return str_make(start, (size_t)(x->at - start));
}

static int run(struct expand *x, char stop, struct err *err);

/* The word of ${v:-word}, up to its brace, expanded into *ret. */
static int take_word(struct expand *x, const char **ret, struct err *err)
{
	struct expand inner = *x;
	if (++inner.depth > EXPAND_DEPTH_MAX)
		return err_set(err, -EINVAL, "substitutions are nested too deeply");
	inner.words = NULL;
	buf_init(&inner.out, DOCKERFILE_WORD_MAX);
	int r = run(&inner, '}', err);
	if (r == 0 && *inner.at != '}')
		r = err_set(err, -EINVAL, "syntax error: missing '}' in substitution");
	if (r == 0) {
		*ret = arena_text(x->arena, buf_str(&inner.out));
		r = *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
		x->at = inner.at + 1;
	}
	buf_done(&inner.out);
	return r;
}

/* Behind "${name": the modifier and its word. */
static int modified(struct expand *x, struct str name, const char *value, bool quoted,
		    struct err *err)
{
	bool empty_too = *x->at == ':';
	const char *word = "";
	if (empty_too)
		x->at++;
	char what = *x->at;
	if (what == '\0')
		return err_set(err, -EINVAL, "syntax error: missing '}' in substitution");
	if (what != '-' && what != '+' && what != '?')
		return err_set(err, -EINVAL, "unsupported modifier (%s%c) in substitution",
			       empty_too ? ":" : "", isprint((unsigned char)what) ? what : '?');
	x->at++;
	int r = take_word(x, &word, err);
	if (r < 0)
		return r;
	bool set = value && !(empty_too && *value == '\0');
	if (what == '?' && !set)
		return err_set(err, -EINVAL, "%.*s: %.200s", STR_ARG(name),
			       *word ? word : "is not allowed to be unset");
	if (what == '+')
		return put_value(x, set ? word : "", quoted, err);
	return put_value(x, set ? value : word, quoted, err);
}

static int dollar(struct expand *x, bool quoted, struct err *err)
{
	x->at++;
	if (*x->at != '{') {
		struct str name = take_name(x);
		if (name.len == 0) {
			put(x, '$');
			return 0;
		}
		const char *value = x->lookup(x->owner, name);
		return put_value(x, value ? value : "", quoted, err);
	}
	x->at++;
	struct str name = take_name(x);
	if (name.len == 0)
		return err_set(err, -EINVAL,
			       "bad substitution: a variable name is expected "
			       "behind ${");
	const char *value = x->lookup(x->owner, name);
	if (*x->at != '}')
		return modified(x, name, value, quoted, err);
	x->at++;
	return put_value(x, value ? value : "", quoted, err);
}

static int single_quoted(struct expand *x, struct err *err)
{
	x->in_word = true;
	for (x->at++; *x->at != '\''; x->at++) {
		if (*x->at == '\0')
			return err_set(err, -EINVAL,
				       "unexpected end of statement while looking "
				       "for matching single-quote");
		put(x, *x->at);
	}
	x->at++;
	return 0;
}

static int double_quoted(struct expand *x, struct err *err)
{
	x->in_word = true;
	x->at++;
	while (*x->at != '"') {
		if (*x->at == '\0')
			return err_set(err, -EINVAL,
				       "unexpected end of statement while looking "
				       "for matching double-quote");
		if (*x->at == '$') {
			int r = dollar(x, true, err);
			if (r < 0)
				return r;
			continue;
		}
		/* The escape only takes the meaning of what has one here. */
		if (*x->at == x->escape &&
		    (x->at[1] == '"' || x->at[1] == '$' || x->at[1] == x->escape))
			x->at++;
		put(x, *x->at++);
	}
	x->at++;
	return 0;
}

static int run(struct expand *x, char stop, struct err *err)
{
	int r = 0;
	while (r == 0 && *x->at && *x->at != stop) {
		if (*x->at == '\'') {
			r = single_quoted(x, err);
		} else if (*x->at == '"') {
			r = double_quoted(x, err);
		} else if (*x->at == '$') {
			r = dollar(x, false, err);
		} else if (x->words && (*x->at == ' ' || *x->at == '\t')) {
			r = end_word(x, err);
			x->at++;
		} else {
			if (*x->at == x->escape) {
				x->at++;
				if (!*x->at)
					break;
			}
			put(x, *x->at++);
		}
		if (r == 0 && buf_error(&x->out) < 0)
			r = err_set(err, -EINVAL, "a word is longer than %d bytes",
				    DOCKERFILE_WORD_MAX);
	}
	return r;
}

int dockerfile_expand(const char *word, char escape, dockerfile_lookup_fn *lookup,
		      const void *owner, struct arena *arena, const char **ret_text,
		      struct err *err)
{
	struct expand x = {
		.at = word, .escape = escape, .lookup = lookup, .owner = owner, .arena = arena
	};
	buf_init(&x.out, DOCKERFILE_WORD_MAX);
	int r = run(&x, '\0', err);
	if (r == 0) {
		const char *text = arena_text(arena, buf_str(&x.out));
		if (text)
			*ret_text = text;
		else
			r = err_set(err, -ENOMEM, "out of memory");
	}
	buf_done(&x.out);
	return r;
}

int dockerfile_expand_words(const char *word, char escape, dockerfile_lookup_fn *lookup,
			    const void *owner, struct arena *arena, struct image_texts *words,
			    struct err *err)
{
	struct expand x = {
		.at = word,
		.escape = escape,
		.lookup = lookup,
		.owner = owner,
		.arena = arena,
		.words = words,
	};
	buf_init(&x.out, DOCKERFILE_WORD_MAX);
	int r = run(&x, '\0', err);
	if (r == 0)
		r = end_word(&x, err);
	buf_done(&x.out);
	return r;
}
