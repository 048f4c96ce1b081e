/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_INIT_CONF_COVER_H
#define HOY_INIT_CONF_COVER_H

#include <stdint.h>
#include "lib/str.h"

/* What changed in a configuration's text and does not count, as a stronger layer has the key too.
 * Pure. */
enum { CONF_COVER_MAX = 16 };

struct conf_cover {
	struct str section, key; /* as they stand in one of the texts */
	uint32_t line;		 /* of the stronger layer's text, from 1 */
};

/*
 * The keys of `to` that `from` has not, or with other values, and those of `from` that `to` has not
 * any more, as far as they stand in `over`: each once, none of the `count` that are in the list
 * already. How many are in it then, at most CONF_COVER_MAX.
 */
uint32_t conf_cover_find(struct str from, struct str to, struct str over,
			 struct conf_cover list[CONF_COVER_MAX], uint32_t count);

#endif
