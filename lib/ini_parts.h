/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_LIB_INI_PARTS_H
#define HOY_LIB_INI_PARTS_H

#include "lib/ini.h"

/* What the ini_*.c files share. For lib only. */

enum {
	INI_TEXT_MAX = 1 << 20,	 /* bytes of all files together */
	INI_ARENA_MAX = 8 << 20, /* what they may become in memory */
	INI_ISSUES_MAX = 500,	 /* further ones are counted only */
	INI_EXPECTED_MAX = 200,
	INI_SHOWN_MAX = 64, /* bytes of a foreign word within a message */
	INI_KINDS_MAX = 300,
};

/* Where an issue stands; line 0 = the file as a whole. */
struct ini_place {
	const char *file;
	uint32_t line, column;
};

/*
 * Appends an issue "file:line:column: text" about [kind name]. -ENOMEM when the arena is used up.
 */
int ini_note(struct ini_config *config, struct ini_place place, const char *kind, const char *name,
	     const char *text);

/* 0, or -EINVAL with what was expected in `expected` ("a size such as 64m (4m to 1t)"). */
int ini_check_value(const struct ini_key *key, struct str value, char expected[INI_EXPECTED_MAX]);

/* The number behind a value of a numeric type; -EINVAL when it is none or out of bounds. */
int ini_parse_number(const struct ini_key *key, struct str value, int64_t *ret_number);

/* Whether the schema has sections of this kind; the kind that was meant, or NULL. */
bool ini_kind_known(const struct ini_schema *schema, struct str kind);
const char *ini_kind_nearest(const struct ini_schema *schema, struct str kind);
/* "[service], [volume] or [network]": what a file of this schema may hold. */
const char *ini_kinds(const struct ini_schema *schema, char text[INI_KINDS_MAX]);
/* What is wrong with the name of a section of this kind, "" being none: NULL = nothing. */
const char *ini_kind_called(const struct ini_schema *schema, const char *kind, const char *name);

/* The row for a key as written, NULL when the schema has none. */
const struct ini_key *ini_key_of(const struct ini_schema *schema, const char *kind,
				 struct str name);

#endif
