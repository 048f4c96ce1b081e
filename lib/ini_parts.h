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

/* The row for a key as written, NULL when the schema has none. */
const struct ini_key *ini_key_of(const struct ini_schema *schema, const char *kind,
				 struct str name);

#endif
