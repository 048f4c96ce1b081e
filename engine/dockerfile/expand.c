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
#include "engine/dockerfile/pattern.h"
#include "lib/own.h"

enum { EXPAND_DEPTH_MAX = 16 };

struct expand {
	const char *at;
	char escape;
	dockerfile_lookup_fn *lookup;
	const void *owner;
	struct arena *arena;
	struct buf out;
	size_t max;
	struct image_texts *words; /* NULL = one text, blanks kept */
	bool in_word;
	bool raw_escapes; /* inside of patterns, which have escapes of their own */
	bool no_quotes;	  /* here-documents */
	unsigned depth;
};

static void put(struct expand *x, char c)
{
	(void)buf_add_byte(&x->out, (unsigned char)c);
	x->in_word = true;
}

static int end_word(struct expand *x, struct err *err)
{
	if (!x->in_word || x->out.len == 0)
		return 0;
	x->in_word = false;
	const char *text = arena_text(x->arena, buf_str(&x->out));
	buf_clear(&x->out);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return image_texts_add(x->arena, x->words, text, err);
}

/* A value's blanks end words where words are asked for (EXPOSE $PORTS). */
static int put_value(struct expand *x, struct str value, bool quoted, struct err *err)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		if (x->words && !quoted && (c == ' ' || c == '\t' || c == '\n')) {
			int r = end_word(x, err);
			if (r < 0)
				return r;
		} else {
			put(x, c);
		}
	}
	return 0;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A name, a number, or one of the shell's special parameters, which are never set here. */
static struct str take_name(struct expand *x)
{
	const char *start = x->at;
	if (isdigit((unsigned char)*x->at)) {
		while (isdigit((unsigned char)*x->at))
			x->at++;
	} else if (*x->at && strchr("@*#?-$!", *x->at)) {
		x->at++;
	} else {
		while (is_name(*x->at))
			x->at++;
	}
	return str_make(start, (size_t)(x->at - start));
}

static int missing(char what, struct err *err)
{
	return err_set(err, -EINVAL, "syntax error: missing '%c'%s", what,
		       what == '/' ? " in ${}" : "");
}

static int run(struct expand *x, char stop, struct err *err);

/* A part of ${v...}, up to `stop`, expanded into *ret. */
static int take_word(struct expand *x, char stop, bool raw, const char **ret, struct err *err)
{
	struct expand inner = *x;
	if (++inner.depth > EXPAND_DEPTH_MAX)
		return err_set(err, -EINVAL, "substitutions are nested too deeply");
	inner.words = NULL;
	inner.raw_escapes = raw;
	buf_init(&inner.out, x->max);
	int r = run(&inner, stop, err);
	if (r == 0 && *inner.at != stop)
		r = missing(stop, err);
	if (r == 0) {
		*ret = arena_text(x->arena, buf_str(&inner.out));
		r = *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
		x->at = inner.at + 1;
	}
	buf_done(&inner.out);
	return r;
}

/* ${v:-w} and its kin, behind the modifier. */
static int alternative(struct expand *x, char what, bool empty_too, struct str name,
		       const char *value, bool quoted, struct err *err)
{
	const char *word = "";
	int r = take_word(x, '}', false, &word, err);
	if (r < 0)
		return r;
	bool set = value && !(empty_too && *value == '\0');
	if (what == '?' && !set)
		return err_set(err, -EINVAL, "%.*s: %.200s", STR_ARG(name),
			       *word   ? word
			       : value ? "is not allowed to be empty"
				       : "is not allowed to be unset");
	if (what == '+')
		return put_value(x, str_from(set ? word : ""), quoted, err);
	return put_value(x, str_from(set ? value : word), quoted, err);
}

/* ${v#p} ${v##p} ${v%p} ${v%%p}, behind the first sign. */
static int trimmed(struct expand *x, char sign, const char *value, bool quoted, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	const char *word = "";
	int r = take_word(x, '}', true, &word, err);
	if (r < 0)
		return r;
	bool longest = *word == sign;
	buf_init(&out, x->max);
	r = pattern_trim(str_from(longest ? word + 1 : word), str_from(value), sign == '%', longest,
			 x->arena, &out, err);
	return r < 0 ? r : put_value(x, buf_str(&out), quoted, err);
}

/* ${v/p/w} ${v//p/w}, behind the first slash. */
static int replaced(struct expand *x, const char *value, bool quoted, struct err *err)
{
	struct buf out OWN(buf_done) = { 0 };
	const char *pattern = "", *with = "";
	bool all = *x->at == '/';
	if (all)
		x->at++;
	int r = take_word(x, '/', true, &pattern, err);
	if (r == 0)
		r = take_word(x, '}', true, &with, err);
	if (r < 0)
		return r;
	buf_init(&out, x->max);
	r = pattern_replace(str_from(pattern), str_from(value), str_from(with), all, x->arena, &out,
			    err);
	if (r == 0 && buf_error(&out) < 0)
		r = err_set(err, -EINVAL, "a word is longer than %zu bytes", x->max);
	return r < 0 ? r : put_value(x, buf_str(&out), quoted, err);
}

/* Behind "${name": the modifier and its word. */
static int modified(struct expand *x, struct str name, const char *value, bool quoted,
		    struct err *err)
{
	bool empty_too = *x->at == ':';
	if (empty_too)
		x->at++;
	char what = *x->at;
	if (what == '\0')
		return missing('}', err);
	x->at++;
	if (what == '-' || what == '+' || what == '?')
		return alternative(x, what, empty_too, name, value, quoted, err);
	if (!empty_too && (what == '#' || what == '%'))
		return trimmed(x, what, value ? value : "", quoted, err);
	if (!empty_too && what == '/')
		return replaced(x, value ? value : "", quoted, err);
	return err_set(err, -EINVAL, "unsupported modifier (%s%c) in substitution",
		       empty_too ? ":" : "", isprint((unsigned char)what) ? what : '?');
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
		return put_value(x, str_from(value), quoted, err);
	}
	x->at++;
	if (!*x->at)
		return missing('}', err);
	struct str name = strchr("{}:", *x->at) ? (struct str){ 0 } : take_name(x);
	if (name.len == 0)
		return err_set(err, -EINVAL,
			       "syntax error: bad substitution: a variable name is expected "
			       "behind ${");
	const char *value = x->lookup(x->owner, name);
	if (*x->at != '}')
		return modified(x, name, value, quoted, err);
	x->at++;
	return put_value(x, str_from(value), quoted, err);
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
		    (x->at[1] == '"' || x->at[1] == '$' || x->at[1] == x->escape)) {
			if (x->raw_escapes)
				put(x, *x->at);
			x->at++;
		}
		put(x, *x->at++);
	}
	x->at++;
	return 0;
}

/* One byte that is neither quote nor dollar, or two when the first is the escape. */
static void plain(struct expand *x)
{
	if (*x->at == x->escape) {
		if (x->raw_escapes)
			put(x, *x->at);
		x->at++;
		if (!*x->at)
			return;
	}
	put(x, *x->at++);
}

static int run(struct expand *x, char stop, struct err *err)
{
	int r = 0;
	while (r == 0 && *x->at && *x->at != stop) {
		if (*x->at == '\'' && !x->no_quotes) {
			r = single_quoted(x, err);
		} else if (*x->at == '"' && !x->no_quotes) {
			r = double_quoted(x, err);
		} else if (*x->at == '$') {
			r = dollar(x, false, err);
		} else if (x->words && (*x->at == ' ' || *x->at == '\t')) {
			r = end_word(x, err);
			x->at++;
		} else {
			plain(x);
		}
		if (r == 0 && buf_error(&x->out) < 0)
			r = err_set(err, -EINVAL, "a word is longer than %zu bytes", x->max);
	}
	return r;
}

static int expand_text(struct expand *x, const char **ret_text, struct err *err)
{
	buf_init(&x->out, x->max);
	int r = run(x, '\0', err);
	if (r == 0) {
		const char *text = arena_text(x->arena, buf_str(&x->out));
		if (text)
			*ret_text = text;
		else
			r = err_set(err, -ENOMEM, "out of memory");
	}
	buf_done(&x->out);
	return r;
}

/* As BuildKit words it: the word as it stands in the file. */
static int failed_word(const char *word, int r, struct err *err)
{
	char shown[120];
	if (r != -EINVAL)
		return r;
	(void)str_escape(str_from(word), shown, sizeof(shown));
	return err_prefix(err, "failed to process \"%s\"", shown);
}

int dockerfile_expand(const char *word, char escape, dockerfile_lookup_fn *lookup,
		      const void *owner, struct arena *arena, const char **ret_text,
		      struct err *err)
{
	struct expand x = {
		.at = word,
		.escape = escape,
		.lookup = lookup,
		.owner = owner,
		.arena = arena,
		.max = DOCKERFILE_WORD_MAX,
	};
	return failed_word(word, expand_text(&x, ret_text, err), err);
}

int dockerfile_expand_body(const char *body, dockerfile_lookup_fn *lookup, const void *owner,
			   struct arena *arena, const char **ret_text, struct err *err)
{
	struct expand x = {
		.at = body,
		.escape = '\\',
		.lookup = lookup,
		.owner = owner,
		.arena = arena,
		.max = DOCKERFILE_BYTES_MAX,
		.no_quotes = true,
	};
	return expand_text(&x, ret_text, err);
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
		.max = DOCKERFILE_WORD_MAX,
		.words = words,
	};
	buf_init(&x.out, x.max);
	int r = run(&x, '\0', err);
	if (r == 0)
		r = end_word(&x, err);
	buf_done(&x.out);
	return failed_word(word, r, err);
}
