/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKER_ROW_CACHE_H
#define HOY_ENGINE_DOCKER_ROW_CACHE_H

#include <stdbool.h>
#include "engine/docker/view.h"

/*
 * Rows of GET /containers/json as they were last written, by the bytes that engine main says of the
 * container: as long as these are the same the row is too, but for its Status, which the clock
 * moves. One for the process. Most lists are asked for again and again, with nothing new in them.
 */
struct docker_row {
	const char *head, *tail; /* in front of the value of Status, and behind it */
	size_t head_len, tail_len;
};

/* Begins a list: rows of the last one are found in its order, a few left out or put in between. */
void docker_rows_begin(void);
/* The row of a container of which `view` says all, for this version of the API. Lives until the
 * list's end. */
bool docker_rows_find(struct str view, unsigned minor, struct docker_row *ret_row);
/* Keeps one that was not found: `text` with Status's value in [from, to). Too much is not kept. */
void docker_rows_keep(struct str view, unsigned minor, struct str text, size_t from, size_t to);
/* Ends it: what was neither found nor kept is forgotten. */
void docker_rows_end(void);

#endif
