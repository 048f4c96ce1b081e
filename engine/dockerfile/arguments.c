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

static int add_word(struct cursor *cursor, struct dockerfile_step *step, struct str word, size_t at,
		    struct err *err)
{
	if (step->words.count >= DOCKERFILE_WORDS_MAX)
		return cursor_fail(cursor, at, err, "%s has more than %d arguments",
				   dockerfile_kind_name(step->kind), DOCKERFILE_WORDS_MAX);
	const char *text = arena_text(cursor->arena, word);
	if (!text)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	return image_texts_add(cursor->arena, &step->words, text, err);
}

static int needs_argument(struct cursor *cursor, const struct dockerfile_step *step,
			  const char *how_many, struct err *err)
{
	return cursor_fail(cursor, 0, err, "%s requires %s", dockerfile_kind_name(step->kind),
			   how_many);
}

/* ---- flags ---- */

/* Which flags an instruction takes, and where the value goes (offset 0 of nothing = ignored). */
struct flag {
	enum dockerfile_kind kind;
	const char *name;
	size_t offset;	    /* of a const char * in struct dockerfile_step; 0 = checked only */
	const char *only;   /* the one value that changes nothing here; NULL = any */
	const char *refuse; /* why it is refused, or NULL */
};

#define AT(member) offsetof(struct dockerfile_step, member)
#define MOUNT	   "RUN --mount is not supported here: COPY what the step needs"
#define PICK	   "use .dockerignore or several COPY instructions"

static const struct flag flags[] = {
	{ DOCKERFILE_KIND_FROM, "platform", AT(platform), NULL, NULL },
	{ DOCKERFILE_KIND_COPY, "from", AT(from), NULL, NULL },
	{ DOCKERFILE_KIND_COPY, "chown", AT(chown), NULL, NULL },
	{ DOCKERFILE_KIND_COPY, "chmod", AT(chmod), NULL, NULL },
	{ DOCKERFILE_KIND_COPY, "link", 0, NULL, NULL },
	{ DOCKERFILE_KIND_COPY, "parents", 0, NULL, "COPY --parents is not supported here: " PICK },
	{ DOCKERFILE_KIND_COPY, "exclude", 0, NULL, "COPY --exclude is not supported here: " PICK },
	{ DOCKERFILE_KIND_ADD, "chown", AT(chown), NULL, NULL },
	{ DOCKERFILE_KIND_ADD, "chmod", AT(chmod), NULL, NULL },
	{ DOCKERFILE_KIND_ADD, "link", 0, NULL, NULL },
	{ DOCKERFILE_KIND_ADD, "checksum", 0, NULL,
	  "ADD --checksum is for remote sources, which are not supported here" },
	{ DOCKERFILE_KIND_ADD, "keep-git-dir", 0, NULL,
	  "ADD of git repositories is not supported here" },
	{ DOCKERFILE_KIND_RUN, "network", 0, "default",
	  "RUN --network is not supported here: steps use the build's network" },
	{ DOCKERFILE_KIND_RUN, "security", 0, "sandbox",
	  "RUN --security=insecure is never allowed here" },
	{ DOCKERFILE_KIND_RUN, "mount", 0, NULL, MOUNT },
};

static bool is_health_flag(const struct dockerfile_step *step, struct str name, int64_t **ret_ns,
			   struct image_health *health)
{
	if (step->kind != DOCKERFILE_KIND_HEALTHCHECK)
		return false;
	*ret_ns = str_is(name, "interval")	   ? &health->interval_ns
		  : str_is(name, "timeout")	   ? &health->timeout_ns
		  : str_is(name, "start-period")   ? &health->start_period_ns
		  : str_is(name, "start-interval") ? &health->start_interval_ns
						   : NULL;
	return *ret_ns || str_is(name, "retries");
}

static int health_flag(struct cursor *cursor, struct dockerfile_step *step, struct str name,
		       struct str value, size_t at, int64_t *ns, struct err *err)
{
	const int64_t day_ms = INT64_C(86400000);
	uint64_t retries = 0;
	int64_t ms = 0;
	char shown[60];
	(void)str_escape(value, shown, sizeof(shown));
	if (!ns) {
		if (str_to_u64(value, 1, 1000, &retries) < 0)
			return cursor_fail(cursor, at, err,
					   "--retries must be a number of at least 1 (not %s)",
					   shown);
		step->health.retries = (uint32_t)retries;
		return 0;
	}
	if (str_to_duration_ms(value, 365 * day_ms, &ms) < 0)
		return cursor_fail(cursor, at, err, "--%.*s: '%s' is no duration such as 30s or 1m",
				   STR_ARG(name), shown);
	*ns = ms * 1000000;
	return 0;
}

static int unknown_flag(struct cursor *cursor, const struct dockerfile_step *step, struct str name,
			size_t at, struct err *err)
{
	char shown[60];
	(void)str_escape(name, shown, sizeof(shown));
	return cursor_fail(cursor, at, err, "unknown flag: --%s for %s", shown,
			   dockerfile_kind_name(step->kind));
}

static int take_flag(struct cursor *cursor, struct dockerfile_step *step, struct str word,
		     size_t at, struct err *err)
{
	struct str name = str_skip(word, 2), value = { 0 };
	ptrdiff_t equals = str_find(name, '=');
	int64_t *ns = NULL;
	if (equals >= 0) {
		value = str_skip(name, (size_t)equals + 1);
		name = str_head(name, (size_t)equals);
	}
	if (is_health_flag(step, name, &ns, &step->health))
		return health_flag(cursor, step, name, value, at, ns, err);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *flag = &flags[i];
		if (flag->kind != step->kind || !str_is(name, flag->name))
			continue;
		if (flag->refuse && !(flag->only && str_is(value, flag->only)))
			return cursor_fail(cursor, at, err, "%s", flag->refuse);
		if (flag->offset == 0)
			return 0;
		if (value.len == 0)
			return cursor_fail(cursor, at, err, "missing a value on flag: --%s",
					   flag->name);
		const char **slot = (const char **)(void *)((char *)step + flag->offset);
		*slot = arena_text(cursor->arena, value);
		return *slot ? 0 : err_set(err, -ENOMEM, "Dockerfile is too big");
	}
	return unknown_flag(cursor, step, name, at, err);
}

int parse_flags(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	for (;;) {
		struct cursor before = *cursor;
		struct str word;
		size_t at = 0;
		if (!cursor_word(cursor, &word, &at) || !str_starts(word, STR("--"))) {
			*cursor = before;
			return 0;
		}
		if (word.len == 2)
			return 0; /* "--" ends the flags */
		int r = take_flag(cursor, step, word, at, err);
		if (r < 0)
			return r;
	}
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
	size_t at = 0;
	bool named = false;
	if (!cursor_word(cursor, &image, NULL))
		return needs_argument(cursor, step, "either one or three arguments", err);
	named = cursor_word(cursor, &as, NULL);
	if (named && (!str_is_nocase(as, "AS") || !cursor_word(cursor, &name, &at)))
		return needs_argument(cursor, step, "either one or three arguments", err);
	if (cursor_word(cursor, &more, NULL))
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
		if (!text)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		for (char *c = text; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		step->stage = text;
	}
	return add_word(cursor, step, image, 0, err);
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
	int r = strings_parse(rest, cursor->arena, &list);
	if (r == -ENOMEM)
		return err_set(err, -ENOMEM, "Dockerfile is too big");
	if (r < 0)
		return 0; /* as Docker does: then it is a line for the shell */
	*ret_is = true;
	step->words = list;
	return 0;
}

int parse_command(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str rest = cursor_rest(cursor);
	if (rest.len == 0 && step->kind != DOCKERFILE_KIND_RUN)
		return needs_argument(cursor, step, "at least one argument", err);
	if (rest.len == 0)
		return needs_argument(cursor, step, "a command", err);
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
	int r = json_form(cursor, step, cursor_rest(cursor), &step->json, err);
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
	if (r < 0 || step->json)
		return r;
	return add_word(cursor, step, rest, at, err);
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
	if (value.len == 0)
		return cursor_fail(cursor, 0, err, "%s must have two arguments",
				   dockerfile_kind_name(step->kind));
	int r = add_word(cursor, step, name, 0, err);
	return r < 0 ? r : add_word(cursor, step, value, 0, err);
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
			r = add_word(cursor, step, str_skip(word, (size_t)equals + 1), at, err);
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
	while (r == 0 && !json && cursor_word(cursor, &word, &at))
		r = add_word(cursor, step, word, at, err);
	return r;
}

int parse_words(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	int r = take_words(cursor, step, err);
	if (r == 0 && step->words.count == 0)
		r = needs_argument(cursor, step, "at least one argument", err);
	return r;
}

int parse_one(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct str rest = cursor_rest(cursor);
	if (rest.len == 0)
		return needs_argument(cursor, step, "exactly one argument", err);
	return add_word(cursor, step, rest, cursor->at, err);
}

static bool is_remote(const char *source)
{
	struct str s = str_from(source);
	return str_starts(s, STR("http://")) || str_starts(s, STR("https://")) ||
	       str_starts(s, STR("git@")) || str_starts(s, STR("git://")) ||
	       str_starts(s, STR("ssh://"));
}

static bool is_archive(const char *source)
{
	static const char *const endings[] = { ".tar",	  ".tar.gz",  ".tgz",
					       ".tar.xz", ".txz",     ".tar.bz2",
					       ".tbz2",	  ".tar.zst", ".tar.lzma" };
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends(str_from(source), str_from(endings[i])))
			return true;
	return false;
}

/* ADD is COPY for local files; what else Docker's ADD does is named instead of half done. */
static int check_add(struct cursor *cursor, const struct dockerfile_step *step, struct err *err)
{
	char shown[100];
	for (uint32_t i = 0; i + 1 < step->words.count; i++) {
		const char *source = step->words.items[i];
		(void)str_escape(str_from(source), shown, sizeof(shown));
		if (is_remote(source))
			return cursor_fail(cursor, 0, err,
					   "ADD of a remote source is not supported here: download "
					   "%s in a RUN step, or put it into the build context",
					   shown);
		if (is_archive(source))
			return cursor_fail(cursor, 0, err,
					   "ADD does not unpack archives here: COPY %s and unpack "
					   "it in a RUN step",
					   shown);
	}
	return 0;
}

int parse_copy(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	int r = take_words(cursor, step, err);
	if (r < 0)
		return r;
	if (step->words.count < 2)
		return cursor_fail(cursor, 0, err,
				   "%s requires at least two arguments, but only %u %s provided. "
				   "Destination could not be determined",
				   dockerfile_kind_name(step->kind), step->words.count,
				   step->words.count == 1 ? "was" : "were");
	if (step->words.count - 1 > FILES_SOURCES_MAX)
		return cursor_fail(cursor, 0, err, "%s has more than %d sources",
				   dockerfile_kind_name(step->kind), FILES_SOURCES_MAX);
	return step->kind == DOCKERFILE_KIND_ADD ? check_add(cursor, step, err) : 0;
}
