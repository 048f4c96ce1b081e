/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_NAME_WORDS_H
#define HOY_INIT_CONSOLE_NAME_WORDS_H

#include <stdbool.h>
#include "init/console/key_words.h"
#include "lib/str.h"

/* Which names of the machine's things can stand where a cursor is, for completion. Pure. */
enum name_kind {
	NAME_KIND_NONE,
	NAME_KIND_CONTAINER, /* services too */
	NAME_KIND_SERVICE,
	NAME_KIND_IMAGE,
	NAME_KIND_NETWORK,
	NAME_KIND_VOLUME, /* "NAME:": the path follows */
};

/* Of a key's value in a section of that kind: "service", "depends_on". */
enum name_kind name_kind_of_key(struct str kind, struct str key);

/* An image as people call it: without "docker.io/library/", unless that is typed. */
struct str name_of_image(struct str reference, struct str typed);

/*
 * Words that a command's own help text has: where `first`, the first word of each of its forms
 * ("list" of "issue NAME | list"); where a dash is typed, its options.
 */
void name_words_of_help(const char *arguments, bool first, struct str typed, key_words_fn *fn,
			void *owner);

#endif
