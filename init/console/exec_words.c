/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of `exec`: options as docker spells them, in front of the container's name. Pure; runs
 * in the console program on both sides of `hoy -H`. Must never look at the command's own words.
 */
#include "init/console/exec_words.h"

#include <errno.h>
#include <string.h>

static const char usage[] = "usage: exec [-i] [-t] [-u USER[:GROUP]] [-e NAME=VALUE] [-w DIR] "
			    "[--privileged] NAME COMMAND...";

/* An option that a value belongs to, long or as one letter. */
static const char *const valued[][2] = { { "--user", "-u" },
					 { "--env", "-e" },
					 { "--workdir", "-w" } };

enum { VALUED_USER, VALUED_ENV, VALUED_CWD, VALUED_COUNT };

static bool take_flag(struct exec_wish *wish, const char *word)
{
	if (!strcmp(word, "--tty"))
		wish->tty = true;
	else if (!strcmp(word, "--interactive"))
		wish->input = true;
	else if (!strcmp(word, "--privileged"))
		wish->privileged = true;
	else if (word[1] && word[1] != '-' && !word[1 + strspn(word + 1, "it")]) {
		wish->tty |= strchr(word, 't') != NULL;
		wish->input |= strchr(word, 'i') != NULL;
	} else {
		return false;
	}
	return true;
}

/* Which of them the word is, VALUED_COUNT for none; what stands behind its '=' or letter in *ret.
 */
static int find_valued(const char *word, const char **ret_value)
{
	for (int i = 0; i < VALUED_COUNT; i++) {
		size_t len = strlen(valued[i][0]);

		*ret_value = NULL;
		if (!strcmp(word, valued[i][0]) || !strcmp(word, valued[i][1]))
			return i;
		*ret_value = word + len + 1;
		if (!strncmp(word, valued[i][0], len) && word[len] == '=')
			return i;
		*ret_value = word + 2;
		if (!strncmp(word, valued[i][1], 2))
			return i;
	}
	return VALUED_COUNT;
}

static int take_value(struct exec_wish *wish, int which, const char *value, int *env_count,
		      struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "%s: a value is expected", valued[which][0]);
	if (which == VALUED_ENV && (strchr(value, '=') == NULL || *value == '='))
		return err_set(err, -EINVAL, "--env: NAME=VALUE is expected");
	if (which == VALUED_ENV)
		wish->env[(*env_count)++] = value;
	else if (which == VALUED_USER)
		wish->user = value;
	else
		wish->cwd = value;
	return 0;
}

int exec_words_parse(const struct words *words, struct exec_wish *ret_wish, struct err *err)
{
	struct exec_wish wish = { .user = "", .cwd = "" };
	int at = 1, env_count = 0;

	for (; at < words->count && words->items[at][0] == '-'; at++) {
		const char *value;
		int which, r;

		if (take_flag(&wish, words->items[at]))
			continue;
		which = find_valued(words->items[at], &value);
		if (which == VALUED_COUNT)
			return err_set(err, -EINVAL, "no option %.40s; %s", words->items[at],
				       usage);
		if (!value)
			value = ++at < words->count ? words->items[at] : "";
		r = take_value(&wish, which, value, &env_count, err);
		if (r < 0)
			return r;
	}
	if (words->count - at < 2)
		return err_set(err, -EINVAL, "%s", usage);
	wish.name = words->items[at];
	wish.command = words->items + at + 1;
	*ret_wish = wish;
	return 0;
}
