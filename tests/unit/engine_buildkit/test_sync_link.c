/* SPDX-License-Identifier: Apache-2.0 */
/* Links among the names that a client listed: tests/compat/docker_buildx has a client. */
#include <stdio.h>
#include <string.h>
#include "engine/buildkit/sync_link.h"
#include "tests/unit/tap.h"

static struct sync_links links;

static void add(const char *path, const char *link, uint32_t id)
{
	const struct packet_stat stat = { .path = str_from(path),
					  .link = str_from(link),
					  .kind = *link ? PACKET_KIND_LINK : PACKET_KIND_FILE,
					  .size = id };
	sync_links_add(&links, &stat, id);
}

static void leads(const char *name, uint32_t id)
{
	const struct sync_seen *seen = sync_links_find(&links, name);
	is_int(seen ? seen->id : 0, id, "%s leads to %u", name, id);
}

int main(void)
{
	char name[2 * SYNC_LINK_PATH_MAX];
	add("D", "", 1);
	add("Dockerfile", "D", 2);
	add("abs", "/sub/../D", 3);
	add("dead", "nowhere", 4);
	add("loop", "loop", 5);
	add("one", "two", 6);
	add("sub/F", "", 7);
	add("sub/up", "../../../D", 8);
	add("two", "./one", 9);
	add("way", "sub", 10);
	add("way2", "way/.", 11);
	leads("Dockerfile", 1);
	leads("abs", 1);
	leads("sub/up", 1);
	leads("way/F", 7);
	leads("way2/up", 1);
	leads("dead", 0);
	leads("loop", 0);
	leads("one", 0);
	leads("", 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	leads(name, 0);
	add(name, "", 12);
	add("long", name, 13);
	leads("long", 0);
	for (uint32_t i = 0; i < 2 * SYNC_LINKS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "more%u", i);
		add(name, "", 100 + i);
	}
	is_int(links.count, SYNC_LINKS_MAX, "there is an end of them");
	leads("more0", 100);
	return tap_done();
}
