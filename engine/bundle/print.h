/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUNDLE_PRINT_H
#define HOY_ENGINE_BUNDLE_PRINT_H

#include "lib/buf.h"
#include "lib/err.h"

/* What a command answers with, on stdout. */

int print_text(const struct buf *text, struct err *err);
/* JSON of our own writer, in lines, two blanks for each level. */
int print_json(const struct buf *json, struct err *err);
/* The same into out. */
void print_indented(struct str json, struct buf *out);

#endif
