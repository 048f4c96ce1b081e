/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_KEY_WORDS_H
#define HOY_INIT_CONSOLE_KEY_WORDS_H

#include <stddef.h>
#include "lib/err.h"
#include "lib/str.h"

/*
 * What can stand in an INI text, for completion, pure: kinds of sections, their keys, and words
 * that a key's value can be. The words are made out of the daemons' schema tables
 * (tests/unit/init/test_man), so that they are there while no daemon is.
 */
extern const char key_words_table[]; /* lines "KIND KEY WORD...", those of a kind in a row */

/* What may stand in place of the word before the cursor: a slice of the table or of a text. */
typedef void key_words_fn(void *owner, struct str word);

/* fn for each word of the table that begins with prefix. kind: "service" of "service web". A key
 * "labels.*" is offered as "labels.". */
void key_words_kinds(struct str prefix, key_words_fn *fn, void *owner);
void key_words_keys(struct str kind, struct str prefix, key_words_fn *fn, void *owner);
void key_words_values(struct str kind, struct str key, struct str prefix, key_words_fn *fn,
		      void *owner);

/* -EINVAL with the nearest kind for a section of none: "service web", "hoy". */
int key_words_section(struct str section, struct err *err);

/* Where a cursor stands: what is completed there, and the part of it that is typed. */
enum key_place { KEY_PLACE_NONE, KEY_PLACE_KIND, KEY_PLACE_KEY, KEY_PLACE_VALUE };

struct key_spot {
	enum key_place place;
	struct str kind, key, prefix;
};

/* Of a text up to the cursor; slices of it. */
struct key_spot key_words_spot(struct str before);
/* The same of what stands behind `config set`: "SECTION NAME" KEY VALUE. */
struct key_spot key_words_command(struct str before);
/* The one of the three above that belongs there. */
void key_words_at(const struct key_spot *spot, key_words_fn *fn, void *owner);

/* The longest beginning that all words have, and how many there are. */
struct key_common {
	char text[64];
	size_t len, count;
};

void key_words_common(void *common, struct str word); /* a key_words_fn */

#endif
