/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flags of Dockerfile instructions. Pure; runs in the api role. Must never accept what is not
 * carried out: a flag that is missing in the table is refused by its name.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "engine/dockerfile/mount.h"
#include "engine/dockerfile/parse.h"
#include "engine/dockerfile/rules.h"
#include "lib/own.h"

enum flag_type {
	FLAG_TEXT, /* offset of a const char * */
	FLAG_BOOL, /* of a bool */
	FLAG_LIST, /* of a struct image_texts; may be given again */
	FLAG_UNPACK,
	FLAG_KEEP,
	FLAG_SECURITY,
	FLAG_NETWORK,
	FLAG_MOUNT,
};

static const struct flag {
	enum dockerfile_kind kind;
	const char *name;
	enum flag_type type;
	size_t offset;
} flags[] = {
#define AT(member) offsetof(struct dockerfile_step, member)
	{ DOCKERFILE_KIND_FROM, "platform", FLAG_TEXT, AT(platform) },
	{ DOCKERFILE_KIND_COPY, "from", FLAG_TEXT, AT(from) },
	{ DOCKERFILE_KIND_COPY, "chown", FLAG_TEXT, AT(chown) },
	{ DOCKERFILE_KIND_COPY, "chmod", FLAG_TEXT, AT(chmod) },
	{ DOCKERFILE_KIND_COPY, "link", FLAG_BOOL, AT(link) },
	{ DOCKERFILE_KIND_COPY, "parents", FLAG_BOOL, AT(parents) },
	{ DOCKERFILE_KIND_COPY, "exclude", FLAG_LIST, AT(excludes) },
	{ DOCKERFILE_KIND_ADD, "chown", FLAG_TEXT, AT(chown) },
	{ DOCKERFILE_KIND_ADD, "chmod", FLAG_TEXT, AT(chmod) },
	{ DOCKERFILE_KIND_ADD, "link", FLAG_BOOL, AT(link) },
	{ DOCKERFILE_KIND_ADD, "exclude", FLAG_LIST, AT(excludes) },
	{ DOCKERFILE_KIND_ADD, "checksum", FLAG_TEXT, AT(checksum) },
	{ DOCKERFILE_KIND_ADD, "keep-git-dir", FLAG_KEEP, AT(keep_git_dir) },
	{ DOCKERFILE_KIND_ADD, "unpack", FLAG_UNPACK, 0 },
	{ DOCKERFILE_KIND_RUN, "network", FLAG_NETWORK, AT(network) },
	{ DOCKERFILE_KIND_RUN, "security", FLAG_SECURITY, 0 },
	{ DOCKERFILE_KIND_RUN, "mount", FLAG_MOUNT, AT(mounts) },
#undef AT
};

/* Flags of HEALTHCHECK that are times. */
static const struct {
	const char *name;
	size_t offset;
} times[] = {
	{ "interval", offsetof(struct image_health, interval_ns) },
	{ "timeout", offsetof(struct image_health, timeout_ns) },
	{ "start-period", offsetof(struct image_health, start_period_ns) },
	{ "start-interval", offsetof(struct image_health, start_interval_ns) },
};

struct given {
	struct str name;
	const char *value; /* NULL = no '=' */
	size_t at;
	uint32_t seen; /* bit for each row of the table above, then of the health flags */
};

static void *member(struct dockerfile_step *step, size_t offset)
{
	return (char *)step + offset;
}

/* ---- times ---- */

static int64_t unit_ns(struct str unit)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ns", 1 },	     { "us", 1000 },	  { "\xc2\xb5s", 1000 },
		      { "ms", 1000000 },     { "s", 1000000000 }, { "m", 60000000000 },
		      { "h", 3600000000000 } };
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_is(unit, units[i].name))
			return units[i].ns;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One "1.5h" at the start of *rest; -1 when it is none or too big. */
static int64_t take_time(struct str *rest)
{
	uint64_t whole = 0;
	double part = 0, scale = 1;
	size_t digits = 0, i = 0;
	for (; i < rest->len && is_digit(rest->ptr[i]) && whole < 1000000000; i++, digits++)
		whole = whole * 10 + (uint64_t)(rest->ptr[i] - '0');
	if (i < rest->len && rest->ptr[i] == '.')
		for (i++; i < rest->len && is_digit(rest->ptr[i]); i++, digits++) {
			scale /= 10;
			part += scale * (rest->ptr[i] - '0');
		}
	size_t start = i;
	while (i < rest->len && !is_digit(rest->ptr[i]) && rest->ptr[i] != '.')
		i++;
	int64_t unit = unit_ns(str_make(rest->ptr + start, i - start));
	if (digits == 0 || unit == 0 || (int64_t)whole > INT64_MAX / 4 / unit)
		return -1;
	*rest = str_skip(*rest, i);
	return (int64_t)whole * unit + (int64_t)(part * (double)unit + 0.5);
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static int parse_time(struct cursor *cursor, const struct given *given, int64_t *ret_ns,
		      struct err *err)
{
	struct str rest = str_from(given->value);
	char shown[60];
	int64_t sum = 0, part = 0;
	bool negative = str_starts(rest, STR("-"));
	(void)str_escape(rest, shown, sizeof(shown));
	*ret_ns = 0;
	if (negative || str_starts(rest, STR("+")))
		rest = str_skip(rest, 1);
	if (str_is(rest, "0") || !*given->value)
		return 0;
	if (rest.len == 0)
		part = -1;
	while (rest.len > 0 && part >= 0 && sum < INT64_MAX / 4) {
		part = take_time(&rest);
		sum += part;
	}
	if (part < 0 || sum >= INT64_MAX / 4)
		return cursor_fail(cursor, given->at, err,
				   "--%.*s: time: %s duration \"%s\": 30s or 1m30s is expected",
				   STR_ARG(given->name),
				   is_number(given->value) ? "missing unit in" : "invalid", shown);
	if (sum != 0 && (negative || sum < 1000000))
		return cursor_fail(cursor, given->at, err,
				   "Interval \"%.*s\" cannot be less than 1ms",
				   STR_ARG(given->name));
	*ret_ns = sum;
	return 0;
}

static int no_value(const struct cursor *cursor, const struct given *given, struct err *err)
{
	return cursor_fail(cursor, given->at, err, "missing a value on flag: --%.*s",
			   STR_ARG(given->name));
}

/* 1 = it was one of HEALTHCHECK's, 0 = it was not. */
static int health_flag(struct cursor *cursor, struct dockerfile_step *step,
		       const struct given *given, struct err *err)
{
	uint64_t retries = 0;
	char shown[60];
	if (step->kind != DOCKERFILE_KIND_HEALTHCHECK)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (!str_is(given->name, times[i].name))
			continue;
		if (!given->value)
			return no_value(cursor, given, err);
		int64_t *ns = (int64_t *)(void *)((char *)&step->health + times[i].offset);
		int r = parse_time(cursor, given, ns, err);
		return r < 0 ? r : 1;
	}
	if (!str_is(given->name, "retries"))
		return 0;
	if (!given->value)
		return no_value(cursor, given, err);
	if (*given->value && str_to_u64(str_from(given->value), 0, INT32_MAX, &retries) < 0) {
		(void)str_escape(str_from(given->value), shown, sizeof(shown));
		return cursor_fail(cursor, given->at, err,
				   *shown == '-' ? "--retries cannot be negative (%s)"
						 : "--retries must be a number (not %s)",
				   shown);
	}
	step->health.retries = (uint32_t)retries;
	return 1;
}

/* ---- the table ---- */

static int parse_bool(struct cursor *cursor, const struct given *given, bool *ret, struct err *err)
{
	char shown[60];
	if (!given->value || str_is_nocase(str_from(given->value), "true")) {
		*ret = true;
		return 0;
	}
	*ret = false;
	if (str_is_nocase(str_from(given->value), "false"))
		return 0;
	(void)str_escape(str_from(given->value), shown, sizeof(shown));
	return cursor_fail(cursor, given->at, err,
			   "expecting boolean value for flag --%.*s, not: %s", STR_ARG(given->name),
			   shown);
}

static int take_security(struct cursor *cursor, const struct given *given, struct err *err)
{
	char shown[60];
	if (strcmp(given->value, "sandbox") == 0)
		return 0;
	if (strcmp(given->value, "insecure") == 0)
		return cursor_fail(cursor, given->at, err,
				   "RUN --security=insecure is never allowed here");
	(void)str_escape(str_from(given->value), shown, sizeof(shown));
	return cursor_fail(cursor, given->at, err, "security \"%s\" is not valid", shown);
}

static int take_network(struct cursor *cursor, struct dockerfile_step *step,
			const struct given *given, struct err *err)
{
	char shown[60];
	step->network = given->value;
	if (strcmp(given->value, "default") == 0 || strcmp(given->value, "none") == 0 ||
	    strcmp(given->value, "host") == 0)
		return 0;
	(void)str_escape(str_from(given->value), shown, sizeof(shown));
	return cursor_fail(cursor, given->at, err,
			   "invalid network mode \"%s\": default, none and host are known", shown);
}

static int take_mount(struct cursor *cursor, struct dockerfile_step *step,
		      const struct given *given, struct err *err)
{
	struct dockerfile_mount mount;
	struct err why = { 0 };
	int r = dockerfile_mount_parse(given->value, cursor->escape, NULL, NULL, cursor->arena,
				       &mount, &why);
	if (r == -EINVAL)
		return cursor_fail(cursor, given->at, err, "--mount: %s", err_text(&why));
	if (r == 0 && step->mounts.count >= DOCKERFILE_MOUNTS_MAX)
		return cursor_fail(cursor, given->at, err, "RUN has more than %d mounts",
				   DOCKERFILE_MOUNTS_MAX);
	if (r < 0)
		return err_set(err, r, "%s", err_text(&why));
	return image_texts_add(cursor->arena, &step->mounts, given->value, err);
}

static int set_flag(struct cursor *cursor, struct dockerfile_step *step, const struct flag *flag,
		    const struct given *given, struct err *err)
{
	bool on = false;
	int r = 0;
	if (!given->value && flag->type != FLAG_BOOL && flag->type != FLAG_UNPACK &&
	    flag->type != FLAG_KEEP)
		return cursor_fail(cursor, given->at, err, "missing a value on flag: --%s",
				   flag->name);
	switch (flag->type) {
	case FLAG_TEXT:
		*(const char **)member(step, flag->offset) = given->value;
		return 0;
	case FLAG_BOOL:
		return parse_bool(cursor, given, member(step, flag->offset), err);
	case FLAG_KEEP:
		step->keep_git_dir_said = true;
		return parse_bool(cursor, given, &step->keep_git_dir, err);
	case FLAG_UNPACK:
		r = parse_bool(cursor, given, &on, err);
		step->unpack = on;
		step->no_unpack = !on;
		return r;
	case FLAG_LIST:
		return image_texts_add(cursor->arena, member(step, flag->offset), given->value,
				       err);
	case FLAG_SECURITY:
		return take_security(cursor, given, err);
	case FLAG_NETWORK:
		return take_network(cursor, step, given, err);
	case FLAG_MOUNT:
		return take_mount(cursor, step, given, err);
	}
	return -EINVAL;
}

static int unknown_flag(struct cursor *cursor, const struct dockerfile_step *step,
			const struct given *given, struct err *err)
{
	const char *names[ARRAY_LEN(flags) + ARRAY_LEN(times) + 1];
	bool health = step->kind == DOCKERFILE_KIND_HEALTHCHECK;
	uint32_t count = 0;
	char shown[60];
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].kind == step->kind)
			names[count++] = flags[i].name;
	for (size_t i = 0; i < ARRAY_LEN(times) && health; i++)
		names[count++] = times[i].name;
	if (health)
		names[count++] = "retries";
	const char *near = dockerfile_nearest(given->name, names, count);
	(void)str_escape(given->name, shown, sizeof(shown));
	return cursor_fail(cursor, given->at, err, "unknown flag: --%s%s%s%s", shown,
			   near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static int take_flag(struct cursor *cursor, struct dockerfile_step *step, struct given *given,
		     struct err *err)
{
	int r = health_flag(cursor, step, given, err);
	if (r != 0)
		return r < 0 ? r : 0;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *flag = &flags[i];
		uint32_t bit = UINT32_C(1) << i;
		if (flag->kind != step->kind || !str_is(given->name, flag->name))
			continue;
		if ((given->seen & bit) && flag->type != FLAG_LIST && flag->type != FLAG_MOUNT)
			return cursor_fail(cursor, given->at, err, "duplicate flag specified: --%s",
					   flag->name);
		given->seen |= bit;
		return set_flag(cursor, step, flag, given, err);
	}
	return unknown_flag(cursor, step, given, err);
}

/* Quotes and escapes of a flag's word go: they only kept its blanks together. */
static char *unquote(struct cursor *cursor, struct str word)
{
	char *text = arena_alloc(cursor->arena, word.len + 1), quote = 0;
	size_t len = 0;
	for (size_t i = 0; text && i < word.len; i++) {
		char c = word.ptr[i];
		if (quote == 0 && (c == '"' || c == '\'')) {
			quote = c;
		} else if (quote != 0 && c == quote) {
			quote = 0;
		} else {
			/* "\$" is for the expansion, which comes later. */
			if (c == cursor->escape && quote != '\'' && i + 1 < word.len &&
			    word.ptr[i + 1] != '$')
				c = word.ptr[++i];
			text[len++] = c;
		}
	}
	return text;
}

int parse_flags(struct cursor *cursor, struct dockerfile_step *step, struct err *err)
{
	struct given given = { .seen = 0 };
	for (;;) {
		struct cursor before = *cursor;
		struct str word;
		if (!cursor_word(cursor, &word, &given.at) || !str_starts(word, STR("--"))) {
			*cursor = before;
			return 0;
		}
		if (word.len == 2)
			return 0; /* "--" ends the flags */
		char *text = unquote(cursor, str_skip(word, 2));
		if (!text)
			return err_set(err, -ENOMEM, "Dockerfile is too big");
		char *equals = strchr(text, '=');
		given.value = equals ? equals + 1 : NULL;
		given.name = str_make(text, equals ? (size_t)(equals - text) : strlen(text));
		int r = take_flag(cursor, step, &given, err);
		if (r < 0)
			return r;
	}
}
