/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONSOLE_REDACT_H
#define HOY_INIT_CONSOLE_REDACT_H

#include <stdbool.h>
#include "lib/buf.h"

/*
 * What must not leave the machine in a support archive, taken out of lines of text. Pure, and on
 * the safe side: a line that only looks like a secret loses it, too.
 *
 *   a value behind a name with password, passwd, secret, token, credential, api_key, apikey,
 *   auth or private in it ("NAME = v", "NAME=v", "NAME: v"); the rest of the line goes
 *   the values of `environment`; user and password of a URL; what follows Bearer or Basic
 *   bcrypt hashes; the lines of a PEM block of a private key
 */
#define REDACTED "(redacted)"

struct redact {
	bool in_key; /* between BEGIN and END of a private key */
};

/* One line without its newline. */
void redact_line(struct redact *redact, struct str line, struct buf *out);
/* A whole text, line by line. */
void redact_text(struct str text, struct buf *out);

#endif
