/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_BUILDKIT_SYNC_LINK_H
#define HOY_ENGINE_BUILDKIT_SYNC_LINK_H

#include "engine/buildkit/packet.h"

/*
 * What a client lists beside the few files that are wanted: a Dockerfile that is a link is sent as
 * the link, and what it leads to as a file of its own name, before it or behind it.
 */
enum { SYNC_LINKS_MAX = 32, SYNC_LINK_PATH_MAX = 512, SYNC_LINK_DEPTH = 40 };

struct sync_seen {
	char path[SYNC_LINK_PATH_MAX], link[SYNC_LINK_PATH_MAX]; /* link: "" = a file */
	uint32_t id;						 /* the client's number of it */
	uint64_t size;
};

struct sync_links {
	struct sync_seen items[SYNC_LINKS_MAX];
	uint32_t count;
};

/* Keeps a file or a symbolic link; what there is no room for is as if it were not there. */
void sync_links_add(struct sync_links *links, const struct packet_stat *stat, uint32_t id);
/* The file that a name leads to, over links within the directory; NULL: to none. */
const struct sync_seen *sync_links_find(const struct sync_links *links, const char *name);

#endif
