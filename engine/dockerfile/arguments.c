/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arguments of each Dockerfile instruction. Pure; runs in the api role. Must never accept what
 * it does not carry out: a flag or form that is missing here is refused by its name.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "engine/api/files_msg.h"
#include "engine/dockerfile/parse.h"
#include "engine/dockerfile/strings.h"
#include "lib/own.h"

/* Where the next word stands in the file. */
static int add_offset(struct cursor *cursor, struct dockerfile_step *step, size_t at,
		      struct err *err)
{
	uint32_t count = step->words.count;
	/* Room doubles: at 0, 1, 2, 4, 8... words there is none left. */
	if ((count & (count - 1)) == 0) {
		uint32_t *more =
			arena_array(cursor->arena, count ? (size_t)count * 2 : 1, sizeof(*more));
		if (!more)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		if (count > 0)
			memcpy(more, step->offsets, count * sizeof(*more));
		step->offsets = more;
	}
	step->offsets[count] = cursor->line->origin[at];
	return 0;
}

static int add_word(struct cursor *cursor, struct dockerfile_step *step, struct str word, size_t at,
		    struct err *err)
{
	if (step->words.count >= DOCKERFILE_WORDS_MAX)
		return cursor_fail(cursor, at, err, "%s has more than %d arguments",
				   dockerfile_kind_name(step->kind), DOCKERFILE_WORDS_MAX);
	const char *text = arena_text(cursor->arena, word);
	if (!text)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	int r = add_offset(cursor, step, at, err);
	return r < 0 ? r : image_texts_add(cursor->arena, &step->words, text, err);
}

static int needs_argument(struct cursor *cursor, const struct dockerfile_step *step,
			  const char *how_many, struct err *err)
{
	return cursor_fail(cursor, 0, err, "%s requires %s", dockerfile_kind_name(step->kind),
			   how_many);
}

/* ---- FROM ---- */

static bool is_stage_name(struct str name)
{
	if (name.len == 0 || name.len > 128 || !isalpha((unsigned char)name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!isalnum((unsigned char)c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

int parse_from(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str image, as, name, more;
	size_t at = 0, image_at = 0;
	bool named = false;
	if (!cursor_plain_word(cursor, &image, &image_at))
		return needs_argument(cursor, step, "either one or three arguments", err);
	named = cursor_plain_word(cursor, &as, NULL);
	if (named && (!str_is_nocase(as, "AS") || !cursor_plain_word(cursor, &name, &at)))
		return needs_argument(cursor, step, "either one or three arguments", err);
	if (cursor_plain_word(cursor, &more, NULL))
		return needs_argument(cursor, step, "either one or three arguments", err);
	if (named) {
		if (!is_stage_name(name)) {
			char shown[60];
			(void)str_escape(name, shown, sizeof(shown));
			return cursor_fail(cursor, at, err,
					   "invalid name for build stage: \"%s\", name can't start "
					   "with a number or contain symbols",
					   shown);
		}
		char *text = arena_text(cursor->arena, name);
		step->stage_raw = arena_text(cursor->arena, name);
		step->as = arena_text(cursor->arena, as);
		if (!text || !step->stage_raw || !step->as)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		for (char *c = text; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		step->stage = text;
	}
	return add_word(cursor, step, image, image_at, err);
}

/* ---- commands ---- */

/* ["a", "b"] into words; false (and nothing added) when it is no such list. */
static int json_form(struct cursor *cursor, struct dockerfile_step *step, struct str rest,
		     bool *ret_is, struct err *err)
{
	struct image_texts list = { 0 };
	*ret_is = false;
	if (rest.len == 0 || rest.ptr[0] != '[')
		return 0;
	size_t at = (size_t)(rest.ptr - cursor->line->text);
	int r = strings_parse(rest, cursor->arena, &list);
	if (r == -ENOMEM)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	if (r == -EDOM)
		return cursor_fail(cursor, at, err,
				   "when using JSON array syntax, arrays must be comprised of "
				   "strings only");
	if (r < 0)
		return 0; /* as Docker does: then it is a line for the shell */
	*ret_is = true;
	step->words = list;
	step->offsets = arena_array(cursor->arena, list.count + 1, sizeof(*step->offsets));
	if (!step->offsets)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	for (uint32_t i = 0; i < list.count; i++)
		step->offsets[i] = cursor->line->origin[at];
	return 0;
}

int parse_command(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str rest = cursor_rest(cursor);
	int r = json_form(cursor, step, rest, &step->json, err);
	if (r < 0 || step->json) {
		if (r == 0 && step->words.count == 0 && step->kind == DOCKERFILE_KIND_RUN)
			return needs_argument(cursor, step, "a command", err);
		return r;
	}
	return add_word(cursor, step, rest, cursor->at, err);
}

int parse_shell(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str rest = cursor_rest(cursor);
	if (rest.len == 0)
		return cursor_fail(cursor, 0, err, "SHELL requires at least one argument");
	int r = json_form(cursor, step, rest, &step->json, err);
	if (r < 0)
		return r;
	if (!step->json)
		return cursor_fail(cursor, 0, err,
				   "SHELL requires the arguments to be in JSON form, such as "
				   "[\"/bin/sh\", \"-c\"]");
	if (step->words.count == 0)
		return needs_argument(cursor, step, "at least one argument", err);
	return 0;
}

int parse_healthcheck(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str type;
	size_t at = 0;
	char shown[60];
	if (!cursor_word(cursor, &type, &at))
		return needs_argument(cursor, step, "at least one argument", err);
	struct str rest = cursor_rest(cursor);
	if (str_is_nocase(type, "NONE")) {
		if (rest.len > 0)
			return cursor_fail(cursor, at, err, "HEALTHCHECK NONE takes no arguments");
		return 0;
	}
	if (!str_is_nocase(type, "CMD")) {
		(void)str_escape(type, shown, sizeof(shown));
		return cursor_fail(cursor, at, err, "Unknown type \"%s\" in HEALTHCHECK (try CMD)",
				   shown);
	}
	if (rest.len == 0)
		return cursor_fail(cursor, at, err, "Missing command after HEALTHCHECK CMD");
	int r = json_form(cursor, step, rest, &step->json, err);
	if (r == 0 && step->json && step->words.count == 0)
		return cursor_fail(cursor, at, err, "Missing command after HEALTHCHECK CMD");
	if (r < 0 || step->json)
		return r;
	return add_word(cursor, step, rest, cursor->at, err);
}

/* ---- names and values ---- */

/* "name=value" with the '=' outside of quotes; where it is, or -1. */
static ptrdiff_t find_equals(const struct cursor *cursor, struct str word)
{
	char quote = 0;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.ptr[i];
		if (c == cursor->escape && quote != '\'')
			i++;
		else if (quote == 0 && (c == '"' || c == '\''))
			quote = c;
		else if (c == quote)
			quote = 0;
		else if (c == '=' && quote == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* The old form "ENV name value with blanks". */
static int old_pair(struct cursor *cursor, struct dockerfile_step *step, struct str name,
		    struct err *err)
{
	struct str value = cursor_rest(cursor);
	step->legacy = true;
	if (value.len == 0)
		return cursor_fail(cursor, 0, err, "%s must have two arguments",
				   dockerfile_kind_name(step->kind));
	int r = add_word(cursor, step, name, (size_t)(name.ptr - cursor->line->text), err);
	return r < 0 ? r : add_word(cursor, step, value, cursor->at, err);
}

int parse_pairs(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str word;
	size_t at = 0;
	bool first = true;
	char shown[100];
	while (cursor_word(cursor, &word, &at)) {
		ptrdiff_t equals = find_equals(cursor, word);
		if (equals < 0 && first)
			return old_pair(cursor, step, word, err);
		(void)str_escape(word, shown, sizeof(shown));
		if (equals < 0)
			return cursor_fail(cursor, at, err,
					   "Syntax error - can't find = in \"%s\". Must be of the "
					   "form: name=value",
					   shown);
		if (equals == 0)
			return cursor_fail(cursor, at, err, "%s names can not be blank",
					   dockerfile_kind_name(step->kind));
		int r = add_word(cursor, step, str_head(word, (size_t)equals), at, err);
		if (r == 0)
			r = add_word(cursor, step, str_skip(word, (size_t)equals + 1),
				     at + (size_t)equals + 1, err);
		if (r < 0)
			return r;
		first = false;
	}
	return first ? needs_argument(cursor, step, "at least one argument", err) : 0;
}

int parse_arg(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str word;
	size_t at = 0;
	while (cursor_word(cursor, &word, &at)) {
		ptrdiff_t equals = find_equals(cursor, word);
		struct str name = equals < 0 ? word : str_head(word, (size_t)equals);
		if (name.len == 0)
			return cursor_fail(cursor, at, err, "ARG names can not be blank");
		/* Whole "name" or "name=default": an empty default is not none. */
		int r = add_word(cursor, step, word, at, err);
		if (r < 0)
			return r;
	}
	if (step->words.count == 0)
		return needs_argument(cursor, step, "at least one argument", err);
	return 0;
}

/* ---- lists ---- */

static int take_words(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	bool json = false;
	struct str word;
	size_t at = 0;
	int r = json_form(cursor, step, cursor_rest(cursor), &json, err);
	step->json = json;
	while (r == 0 && !json && cursor_plain_word(cursor, &word, &at))
		r = add_word(cursor, step, word, at, err);
	return r;
}

int parse_words(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	int r = take_words(cursor, step, err);
	if (r == 0 && step->words.count == 0)
		r = needs_argument(cursor, step, "at least one argument", err);
	for (uint32_t i = 0; r == 0 && i < step->words.count; i++) {
		struct str word = str_trim(str_from(step->words.items[i]));
		if (word.len == 0)
			return cursor_fail(cursor, 0, err,
					   "VOLUME specified can not be an empty string");
		step->words.items[i] = arena_text(cursor->arena, word);
		if (!step->words.items[i])
			r = err_set(err, -ENOMEM, "Dockerfile is too big");
	}
	return r;
}

int parse_one(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str rest = cursor_rest(cursor);
	if (rest.len == 0)
		return needs_argument(cursor, step, "exactly one argument", err);
	return add_word(cursor, step, rest, cursor->at, err);
}

int parse_expose(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str word;
	size_t at = 0;
	int r = 0;
	while (r == 0 && cursor_plain_word(cursor, &word, &at))
		r = add_word(cursor, step, word, at, err);
	if (r == 0 && step->words.count == 0)
		r = needs_argument(cursor, step, "at least one argument", err);
	return r;
}

int parse_copy(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	int r = take_words(cursor, step, err);
	if (r < 0)
		return r;
	if (step->words.count < 2)
		return cursor_fail(cursor, 0, err,
				   "%s requires at least two arguments, but only one was provided. "
				   "Destination could not be determined",
				   dockerfile_kind_name(step->kind));
	if (step->words.count - 1 > FILES_SOURCES_MAX)
		return cursor_fail(cursor, 0, err, "%s has more than %d sources",
				   dockerfile_kind_name(step->kind), FILES_SOURCES_MAX);
	if (strchr(step->from, '$'))
		return cursor_fail(cursor, 0, err,
				   "variable expansion is not supported for --from, define a new "
				   "stage with FROM using ARG from global scope as a workaround");
	return 0;
}
