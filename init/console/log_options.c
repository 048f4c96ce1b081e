/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words behind `log` and `logs`. Pure; runs in the console program.
 */
#include "init/console/log_options.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"

enum { LINES_MAX = 1000000, BOOTS_MAX = 10000 };

struct option {
	const char *name;
	const char *takes; /* NULL = no value */
	int (*set)(struct log_options *options, struct str value, int64_t now_s);
};

static int set_follow(struct log_options *options, struct str value, int64_t now_s)
{
	(void)value;
	(void)now_s;
	options->follow = true;
	return 0;
}

static int set_lines(struct log_options *options, struct str value, int64_t now_s)
{
	(void)now_s;
	options->lines_given = true;
	return str_to_u64(value, 0, LINES_MAX, &options->lines);
}

static int set_unit(struct log_options *options, struct str value, int64_t now_s)
{
	(void)now_s;
	if (options->count == LOG_NAMES_MAX)
		return -E2BIG;
	options->names[options->count++] = value.ptr;
	return 0;
}

static int set_level(struct log_options *options, struct str value, int64_t now_s)
{
	(void)now_s;
	return logline_level(value, &options->filter.prio_max);
}

static int set_since(struct log_options *options, struct str value, int64_t now_s)
{
	return logline_time(value, now_s, &options->filter.since_s);
}

static int set_until(struct log_options *options, struct str value, int64_t now_s)
{
	return logline_time(value, now_s, &options->filter.until_s);
}

static int set_grep(struct log_options *options, struct str value, int64_t now_s)
{
	(void)now_s;
	options->filter.grep = value.ptr;
	return 0;
}

static int set_boot(struct log_options *options, struct str value, int64_t now_s)
{
	uint64_t back = 0;
	int r = str_is(value, "0") ? 0 : -EINVAL;

	(void)now_s;
	if (str_starts(value, STR("-")))
		r = str_to_u64(str_skip(value, 1), 0, BOOTS_MAX, &back);
	options->boot_given = true;
	options->boot = -(int64_t)back;
	return r;
}

static int set_list(struct log_options *options, struct str value, int64_t now_s)
{
	(void)value;
	(void)now_s;
	options->list_boots = true;
	return 0;
}

static const struct option table[] = {
	{ "-f", NULL, set_follow },
	{ "-n", "a number of lines", set_lines },
	{ "-u", "a unit or a role", set_unit },
	{ "-p", "a level: err, warn, notice, info, debug", set_level },
	{ "--since", "a time: 10m, 21:55, 2026-11-21 or \"2026-11-21 21:55\"", set_since },
	{ "--until", "a time: 10m, 21:55, 2026-11-21 or \"2026-11-21 21:55\"", set_until },
	{ "--grep", "a piece of text", set_grep },
	{ "--boot", "0 for this boot, -1 for the one before it", set_boot },
	{ "--boots", NULL, set_list },
};

static int parse_option(const struct words *words, int *at, int64_t now_s,
			struct log_options *options, struct err *err)
{
	const char *word = words->items[*at], *value;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(word, table[i].name) != 0)
			continue;
		if (table[i].takes == NULL)
			return table[i].set(options, (struct str){ 0 }, now_s);
		value = *at + 1 < words->count ? words->items[++*at] : NULL;
		if (value == NULL || table[i].set(options, str_from(value), now_s) < 0)
			return err_set(err, -EINVAL, "%s takes %s", word, table[i].takes);
		return 0;
	}
	return err_set(err, -EINVAL, "%s: there is no option %s; `help %s` lists them",
		       words->items[0], word, words->items[0]);
}

bool log_options_filtered(const struct log_options *options)
{
	return options->filter.prio_max < 7 || options->filter.grep || options->filter.since_s ||
	       options->filter.until_s || options->boot_given;
}

int log_options_parse(const struct words *words, int64_t now_s, struct log_options *ret_options,
		      struct err *err)
{
	struct log_options options = { .filter = { .prio_max = 7 } };
	int r = 0;

	for (int i = 1; i < words->count && r >= 0; i++) {
		if (words->items[i][0] == '-')
			r = parse_option(words, &i, now_s, &options, err);
		else if (set_unit(&options, str_from(words->items[i]), now_s) < 0)
			r = err_set(err, -E2BIG, "%s: at most %d names", words->items[0],
				    LOG_NAMES_MAX);
	}
	if (r < 0)
		return r;
	if (options.boot_given && options.follow)
		return err_set(err, -EINVAL,
			       "only what goes on can be followed: no --boot with -f");
	if (!options.lines_given)
		options.lines = log_options_filtered(&options) ? 0 : LOG_TAIL;
	*ret_options = options;
	return 0;
}
