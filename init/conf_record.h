/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONF_RECORD_H
#define HOY_INIT_CONF_RECORD_H

#include <stdint.h>
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/*
 * The files of /data/config/revisions, each with its sum in the first line:
 *
 *   NNNNNNNN   "hoyrev1 SUM NUMBER SECONDS NOTE\n", then the revision's text; never changed
 *   head       "hoyhead1 SUM CURRENT CONFIRMED\n"; CURRENT is what counts, CONFIRMED what a start
 *              goes back to when the two differ: nobody confirmed the newer one in time
 *   candidate  "hoycand1 SUM 0 0 \n", then a text that was edited and not applied yet
 *   secrets    "hoysecr1 SUM 0 0 \n", then lines of conf_text.h
 *
 * SUM is the SHA-256, in hex, of everything behind it.
 */
enum { CONF_NOTE_MAX = 100 };

struct conf_record {
	uint32_t first, second; /* NUMBER and 0, CURRENT and CONFIRMED */
	int64_t seconds;
	char note[CONF_NOTE_MAX];
	struct str text; /* points into the file */
};

/* kind: the eight bytes in front. */
int conf_record_encode(const char *kind, const struct conf_record *record, struct buf *out);
/* -EBADMSG for anything that encode did not write. */
int conf_record_decode(const char *kind, struct str file, struct conf_record *ret_record,
		       struct err *err);

#endif
