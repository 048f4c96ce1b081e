/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other names of commands. Runs in the console program. Pure: must never stand for a command that
 * changes something more than the one that was typed.
 */
#include "init/console/alias.h"
#include <string.h>
#include "lib/own.h"

const struct alias console_aliases[] = {
	{ "app", { "compose", NULL, NULL } },
	{ "containers", { "ps", NULL, NULL } },
	{ "keys", { "access", "list", NULL } },
};
const size_t console_alias_count = ARRAY_LEN(console_aliases);

static void expand(struct words *words, const struct alias *alias)
{
	int extra = 0;

	while (alias->words[extra + 1])
		extra++;
	if (words->count + extra > WORDS_MAX)
		return;
	for (int i = words->count; i > 1; i--)
		words->items[i - 1 + extra] = words->items[i - 1];
	for (int i = 0; i <= extra; i++)
		words->items[i] = alias->words[i];
	words->count += extra;
	words->items[words->count] = NULL;
}

void alias_expand(struct words *words)
{
	for (size_t i = 0; words->count && i < console_alias_count; i++)
		if (!strcmp(words->items[0], console_aliases[i].name)) {
			expand(words, &console_aliases[i]);
			return;
		}
}
