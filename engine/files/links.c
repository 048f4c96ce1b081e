/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers hard links during one walk. Runs in the files role. Must never hold more than one path
 * for an inode.
 */
#include "engine/files/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS_MAX = 1 << 20 };

struct link_first {
	uint64_t device, inode;
	char *path;
};

void links_done(struct links *links)
{
	for (size_t i = 0; i < links->count; i++)
		free(links->items[i].path);
	free(links->items);
	*links = (struct links){ 0 };
}

static int compare(const struct link_first *a, uint64_t device, uint64_t inode)
{
	if (a->device != device)
		return a->device < device ? -1 : 1;
	return a->inode < inode ? -1 : a->inode > inode;
}

static size_t lower_bound(const struct links *links, uint64_t device, uint64_t inode)
{
	size_t low = 0, high = links->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&links->items[middle], device, inode) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int links_find(struct links *links, const struct stat *st, const char *path, const char **ret_first,
	       struct err *err)
{
	size_t at = lower_bound(links, st->st_dev, st->st_ino);
	*ret_first = NULL;
	if (at < links->count && compare(&links->items[at], st->st_dev, st->st_ino) == 0) {
		*ret_first = links->items[at].path;
		return 0;
	}
	if (links->count == links->room) {
		size_t room = links->room ? links->room * 2 : 64;
		struct link_first *bigger = NULL;
		if (room <= LINKS_MAX)
			bigger = realloc(links->items, room * sizeof(*bigger));
		if (!bigger)
			return err_set(err, -ENOMEM, "too many hard links (%zu)", links->count);
		links->items = bigger;
		links->room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	memmove(links->items + at + 1, links->items + at,
		(links->count - at) * sizeof(*links->items));
	links->items[at] = (struct link_first){ st->st_dev, st->st_ino, copy };
	links->count++;
	return 0;
}
