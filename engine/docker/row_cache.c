/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the last list of containers (row_cache.h). Runs in the api role. Must never give the
 * row of other bytes than it is asked for: they are compared whole.
 */
#include "engine/docker/row_cache.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 2 * ENGINE_ROWS_MAX, ROWS_BYTES_MAX = 16 << 20, ROWS_AHEAD = 16 };

struct kept {
	struct docker_row row;
	unsigned minor;
	bool used;
	size_t key_len;
	char data[]; /* key, then text */
};

static struct kept *rows[ROWS_MAX], *next[ROWS_MAX];
static size_t row_count, next_count, at;

void docker_rows_begin(void)
{
	for (size_t i = 0; i < row_count; i++)
		rows[i]->used = false;
	at = next_count = 0;
}

/* A few rows ahead: those that a list without them has left out since, or that are gone. */
const struct docker_row *docker_rows_find(struct str key, unsigned minor)
{
	for (size_t i = at; i < row_count && i < at + ROWS_AHEAD && next_count < ROWS_MAX; i++) {
		struct kept *kept = rows[i];

		if (kept->used || kept->minor != minor || kept->key_len != key.len ||
		    memcmp(kept->data, key.ptr, key.len) != 0)
			continue;
		kept->used = true;
		next[next_count++] = kept;
		at = i + 1;
		return &kept->row;
	}
	return NULL;
}

const struct docker_row *docker_rows_keep(struct str key, unsigned minor, struct str text,
					  size_t from, size_t to)
{
	struct kept *kept =
		next_count < ROWS_MAX ? malloc(sizeof(*kept) + key.len + text.len) : NULL;
	struct wire in;

	if (!kept)
		return NULL;
	*kept = (struct kept){ .minor = minor, .used = true, .key_len = key.len };
	memcpy(kept->data, key.ptr, key.len);
	memcpy(kept->data + key.len, text.ptr, text.len);
	wire_init(&in, kept->data, key.len);
	engine_view_get(&in, &kept->row.view);
	kept->row.text = kept->data + key.len;
	kept->row.len = text.len;
	kept->row.from = from;
	kept->row.to = to;
	next[next_count++] = kept;
	return &kept->row;
}

void docker_rows_end(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < row_count; i++) {
		if (!rows[i]->used)
			free(rows[i]);
	}
	row_count = 0;
	for (size_t i = 0; i < next_count; i++) {
		bytes += sizeof(*next[i]) + next[i]->key_len + next[i]->row.len;
		if (bytes <= ROWS_BYTES_MAX)
			rows[row_count++] = next[i];
		else
			free(next[i]);
	}
}
