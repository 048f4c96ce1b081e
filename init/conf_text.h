/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONF_TEXT_H
#define HOY_INIT_CONF_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The text of a configuration revision: one INI text with sections of every daemon, edited by line
 * so that comments and order stay, and its secrets, which are kept apart. Pure.
 */
enum { CONF_TEXT_MAX = 48 * 1024, CONF_SECRETS_MAX = 256 * 1024 };

/* What stands in a revision, and is shown, in the place of a secret. */
#define CONF_SECRET "(secret)"

/* One line: what it is, and its parts. */
struct conf_line {
	struct str whole; /* without the newline */
	bool is_head, is_entry;
	struct str head; /* between the brackets, trimmed */
	struct str key, value;
};

/* Cuts the next one off; false at the end. */
bool conf_line_next(struct str *rest, struct conf_line *ret_line);

/*
 * Sets `key` in the section "KIND NAME" or "KIND" to `count` values, one line for each in the place
 * of the first one there; count 0 takes the key out, an empty key the whole section. A section that
 * is not there is added at the end. -EINVAL for names and values that cannot stand in a line,
 * -ENOENT when there is nothing to take out.
 */
int conf_text_set(struct str text, struct str section, struct str key, const struct str *values,
		  size_t count, struct buf *out, struct err *err);

/* What tells one text from another, never 0 (FNV-1a). */
uint32_t conf_text_sum(struct str text);

/* Whether the value of a key with this name is a secret. */
bool conf_is_secret(struct str key);

/*
 * `text` with CONF_SECRET in the place of each secret. Those found are put into `secrets`, in the
 * place of older ones: lines "SECTION<tab>KEY<tab>VALUE". NULL: they are only hidden.
 */
int conf_text_hide(struct str text, struct buf *secrets, struct buf *out);

/* The other way; a secret that is not known stays CONF_SECRET. Lines keep their numbers. */
int conf_text_reveal(struct str text, struct str secrets, struct buf *out);

/* "- old" and "+ new" lines, with the section they stand in above them; nothing when equal. */
int conf_text_diff(struct str from, struct str to, struct buf *out);

#endif
