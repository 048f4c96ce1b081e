/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what a schema says of kinds of sections. Each daemon's main role runs it. Pure: must never
 * look at a key.
 */
#include <stdio.h>
#include <string.h>
#include "lib/ini_parts.h"

enum { NAMES_MAX = 64 };

bool ini_kind_known(const struct ini_schema *schema, struct str kind)
{
	for (size_t i = 0; i < schema->count; i++)
		if (str_is(kind, schema->keys[i].section))
			return true;
	return false;
}

const char *ini_kind_nearest(const struct ini_schema *schema, struct str kind)
{
	const char *names[NAMES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < schema->count && count < NAMES_MAX; i++)
		if (count == 0 || strcmp(names[count - 1], schema->keys[i].section) != 0)
			names[count++] = schema->keys[i].section;
	return str_nearest(kind, names, count);
}

const char *ini_kinds(const struct ini_schema *schema, char text[INI_KINDS_MAX])
{
	const char *name = NULL;
	size_t len = 0;

	*text = '\0';
	for (size_t i = 0; i <= schema->count && len < INI_KINDS_MAX; i++) {
		const char *next = i < schema->count ? schema->keys[i].section : NULL;

		if (next && name && !strcmp(next, name))
			continue;
		if (name)
			len += (size_t)snprintf(text + len, INI_KINDS_MAX - len, "%s[%s]",
						!len   ? ""
						: next ? ", "
						       : " or ",
						name);
		name = next;
	}
	return text;
}

const char *ini_kind_called(const struct ini_schema *schema, const char *kind, const char *name)
{
	const char *const *named = schema->named;

	if (!named)
		return NULL;
	while (*named && strcmp(*named, kind) != 0)
		named++;
	if (*named)
		return name[0] ? NULL : " needs a name: ";
	return name[0] ? " has a name that means nothing: write " : NULL;
}
