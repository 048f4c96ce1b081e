/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows links among the names that a client listed. Pure; runs in the api role. Must never lead
 * to a name that the client did not list: nothing is opened here.
 */
#include "engine/buildkit/sync_link.h"

#include <stdio.h>
#include <string.h>
#include "lib/str.h"

void sync_links_add(struct sync_links *links, const struct packet_stat *stat, uint32_t id)
{
	const bool link = stat->kind == PACKET_KIND_LINK;
	struct sync_seen *seen = &links->items[links->count];

	if (links->count == SYNC_LINKS_MAX || (!link && stat->kind != PACKET_KIND_FILE) ||
	    (link && !stat->link.len) || str_copy(stat->path, seen->path, sizeof(seen->path)) < 0)
		return;
	seen->link[0] = '\0';
	if (link && str_copy(stat->link, seen->link, sizeof(seen->link)) < 0)
		return;
	seen->id = id;
	seen->size = stat->size;
	links->count++;
}

static const struct sync_seen *find(const struct sync_links *links, const char *path)
{
	for (uint32_t i = 0; i < links->count; i++)
		if (strcmp(links->items[i].path, path) == 0)
			return &links->items[i];
	return NULL;
}

/* Takes the last name away; false at the top. */
static bool up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!*path)
		return false;
	*(slash ? slash : path) = '\0';
	return true;
}

/* The link's target from the link's directory, or from the top; false: it is too long. */
static bool follow(char path[SYNC_LINK_PATH_MAX], const char *link)
{
	struct str rest = str_from(link), part;

	if (*link == '/')
		*path = '\0';
	else
		(void)up(path);
	while (str_cut(&rest, '/', &part)) {
		size_t len = strlen(path);

		if (part.len == 0 || str_is(part, "."))
			continue;
		if (str_is(part, "..")) {
			(void)up(path); /* above the top is the top */
			continue;
		}
		if (len + 1 + part.len >= SYNC_LINK_PATH_MAX)
			return false;
		(void)snprintf(path + len, SYNC_LINK_PATH_MAX - len, "%s%.*s", len ? "/" : "",
			       STR_ARG(part));
	}
	return true;
}

/* The first directory of the path that is a link, followed; whether there was one. */
static bool follow_directory(const struct sync_links *links, char path[SYNC_LINK_PATH_MAX])
{
	char head[SYNC_LINK_PATH_MAX], tail[SYNC_LINK_PATH_MAX];

	for (char *c = strchr(path, '/'); c; c = strchr(c + 1, '/')) {
		const struct sync_seen *seen;

		(void)str_copy(str_make(path, (size_t)(c - path)), head, sizeof(head));
		seen = find(links, head);
		if (!seen || !*seen->link)
			continue;
		(void)str_copy(str_from(c + 1), tail, sizeof(tail));
		if (!follow(head, seen->link) || strlen(head) + sizeof("/x") > sizeof(head))
			return false;
		(void)memcpy(path, head, strlen(head));
		(void)memcpy(path + strlen(head), "/x", sizeof("/x")); /* in whose place it goes */
		return follow(path, tail);
	}
	return false;
}

const struct sync_seen *sync_links_find(const struct sync_links *links, const char *name)
{
	char path[SYNC_LINK_PATH_MAX];

	if (str_copy(str_from(name), path, sizeof(path)) < 0)
		return NULL;
	for (uint32_t i = 0; i < SYNC_LINK_DEPTH; i++) {
		const struct sync_seen *seen = find(links, path);

		if (seen && !*seen->link)
			return seen;
		if (seen ? !follow(path, seen->link) : !follow_directory(links, path))
			return NULL;
	}
	return NULL;
}
