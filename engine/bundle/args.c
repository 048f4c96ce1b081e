/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of options. Runs in hoy-oci before anything is done; pure. It must never guess
 * an option from a part of its name.
 */
#include "engine/bundle/args.h"

#include <errno.h>
#include <string.h>
#include "lib/str.h"

static const struct args_flag *find_name(const struct args_flag *flags, size_t count,
					 struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_is(name, flags[i].name))
			return &flags[i];
	return NULL;
}

static const struct args_flag *find_letter(const struct args_flag *flags, size_t count, char letter)
{
	for (size_t i = 0; i < count; i++)
		if (flags[i].letter && flags[i].letter == letter)
			return &flags[i];
	return NULL;
}

static int unknown(const char *text, struct err *err)
{
	char shown[80];

	str_escape(str_from(text), shown, sizeof(shown));
	return err_set(err, -EINVAL, "unknown option %s", shown);
}

static int set_value(const struct args_flag *flag, const char *value, void *options,
		     struct err *err)
{
	void *at = (char *)options + flag->offset;
	struct args_list *list = at;

	switch (flag->type) {
	case ARGS_TYPE_BOOL:
	case ARGS_TYPE_IGNORED_BOOL:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return err_set(err, -EINVAL, "--%s: expected true or false", flag->name);
		if (flag->type == ARGS_TYPE_BOOL)
			*(bool *)at = value[0] == 't';
		return 0;
	case ARGS_TYPE_TEXT:
		*(const char **)at = value;
		return 0;
	case ARGS_TYPE_LIST:
		if (list->count == ARGS_LIST_MAX)
			return err_set(err, -E2BIG, "--%s: more than %d times", flag->name,
				       ARGS_LIST_MAX);
		list->items[list->count++] = value;
		return 0;
	case ARGS_TYPE_IGNORED_TEXT:
		return 0;
	}
	return -EINVAL;
}

/* "-td": all of them letters without a value. */
static int read_letters(const struct args_flag *flags, size_t count, const char *text,
			void *options, struct err *err)
{
	for (const char *c = text + 1; *c; c++) {
		const struct args_flag *flag = find_letter(flags, count, *c);

		if (!flag || flag->type != ARGS_TYPE_BOOL)
			return unknown(text, err);
		*(bool *)((char *)options + flag->offset) = true;
	}
	return 0;
}

static int read_one(const struct args_flag *flags, size_t count, char **argv, int *at,
		    void *options, struct err *err)
{
	const char *text = argv[*at];
	struct str name = str_from(text + (text[1] == '-' ? 2 : 1));
	ptrdiff_t equals = str_find(name, '=');
	const char *value = equals >= 0 ? name.ptr + equals + 1 : NULL;
	const struct args_flag *flag;

	if (equals >= 0)
		name = str_head(name, (size_t)equals);
	flag = name.len == 1 ? find_letter(flags, count, name.ptr[0])
			     : find_name(flags, count, name);
	(*at)++;
	if (!flag)
		return text[1] == '-' || value ? unknown(text, err)
					       : read_letters(flags, count, text, options, err);
	if (!value && (flag->type == ARGS_TYPE_BOOL || flag->type == ARGS_TYPE_IGNORED_BOOL))
		value = "true";
	if (!value)
		value = argv[*at] ? argv[(*at)++] : NULL;
	if (!value)
		return err_set(err, -EINVAL, "option %s needs a value", text);
	return set_value(flag, value, options, err);
}

int args_parse(const struct args_flag *flags, size_t count, char **argv, int *at, void *options,
	       struct err *err)
{
	int r = 0;

	while (r == 0 && argv[*at] && argv[*at][0] == '-' && argv[*at][1]) {
		if (strcmp(argv[*at], "--") == 0) {
			(*at)++;
			return 0;
		}
		r = read_one(flags, count, argv, at, options, err);
	}
	return r;
}
