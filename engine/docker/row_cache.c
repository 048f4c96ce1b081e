/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the last list of containers (row_cache.h). Runs in the api role. Must never give the
 * row of other bytes than it is asked for: they are compared whole.
 */
#include "engine/docker/row_cache.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 2048, ROWS_BYTES_MAX = 16 << 20, ROWS_AHEAD = 16 };

struct kept {
	unsigned minor;
	size_t view_len, from, to, text_len;
	char data[]; /* view, then text */
};

static struct kept *rows[ROWS_MAX], *next[ROWS_MAX];
static size_t row_count, next_count, at, bytes;

static size_t size_of(const struct kept *row)
{
	return sizeof(*row) + row->view_len + row->text_len;
}

void docker_rows_begin(void)
{
	at = next_count = 0;
}

/* A few rows ahead: those that a list without them has left out since, or that are gone. */
bool docker_rows_find(struct str view, unsigned minor, struct docker_row *ret_row)
{
	for (size_t i = at; i < row_count && i < at + ROWS_AHEAD && next_count < ROWS_MAX; i++) {
		struct kept *row = rows[i];
		const char *text;

		if (!row || row->minor != minor || row->view_len != view.len ||
		    memcmp(row->data, view.ptr, view.len) != 0)
			continue;
		text = row->data + row->view_len;
		*ret_row = (struct docker_row){ text, text + row->to, row->from,
						row->text_len - row->to };
		rows[i] = NULL;
		next[next_count++] = row;
		at = i + 1;
		return true;
	}
	return false;
}

void docker_rows_keep(struct str view, unsigned minor, struct str text, size_t from, size_t to)
{
	size_t size = sizeof(struct kept) + view.len + text.len;
	struct kept *row;

	if (next_count == ROWS_MAX || bytes + size > ROWS_BYTES_MAX)
		return;
	row = malloc(size);
	if (!row)
		return;
	*row = (struct kept){ minor, view.len, from, to, text.len };
	memcpy(row->data, view.ptr, view.len);
	memcpy(row->data + view.len, text.ptr, text.len);
	bytes += size;
	next[next_count++] = row;
}

void docker_rows_end(void)
{
	for (size_t i = 0; i < row_count; i++) {
		if (!rows[i])
			continue;
		bytes -= size_of(rows[i]);
		free(rows[i]);
	}
	memcpy(rows, next, next_count * sizeof(next[0]));
	row_count = next_count;
}
