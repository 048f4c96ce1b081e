/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_ROW_CACHE_H
#define HOY_ENGINE_DOCKER_ROW_CACHE_H

#include "engine/api/view_msg.h"

/*
 * Rows of GET /containers/json as they were last written, by the bytes that engine main says of the
 * container: as long as these are the same the row is too, but for its Status, which the clock
 * moves. One for the process. Most lists are asked for again and again, with nothing new in them.
 */
struct docker_row {
	struct engine_view view; /* slices point into what is kept; no definition */
	const char *text;
	size_t len, from, to; /* [from, to) of the text is the value of Status */
};

/* Begins a list: rows of the last one are found in its order, a few left out or put in between.
 * What the last one began and did not end counts for nothing. */
void docker_rows_begin(void);
/* The row of a container of which `key` says all, for this version of the API; NULL: there is none.
 * Lives until the list's end. */
const struct docker_row *docker_rows_find(struct str key, unsigned minor);
/* Keeps one that was not found; it lives as long. NULL: there is no room for it. */
const struct docker_row *docker_rows_keep(struct str key, unsigned minor, struct str text,
					  size_t from, size_t to);
/* Ends it: what was neither found nor kept is forgotten, and of too much the last. */
void docker_rows_end(void);

#endif
