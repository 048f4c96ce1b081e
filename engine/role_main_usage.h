/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_ROLE_MAIN_USAGE_H
#define HOY_ENGINE_ROLE_MAIN_USAGE_H

#include "engine/role_main_tree.h"

/* ENGINE_MSG_USAGE and ENGINE_MSG_PRUNE_KIND: what takes the room, and giving it back. */

enum { USAGE_REPLY_MAX = 8 << 20, USAGE_NAMES_MAX = 4096 };

/* An image of the store's list. */
struct held {
	struct image image;
	const char *reference; /* what the store calls it: "sha256:..." without a name */
	uint64_t disk;
};

struct usage_work {
	struct tree_work tree;
	struct held *images;
	uint32_t count, at;
	const char **names; /* trees that are measured, or names that go */
	uint64_t *bytes;
	uint32_t name_count;
	uint64_t layer_bytes;
	/* prune */
	enum engine_prune kind;
	bool all;
	bool has_until;
	int64_t until_s; /* since 1970: what is not older stays */
	const char *labels[ENGINE_FILTERS_MAX], *not_labels[ENGINE_FILTERS_MAX];
	uint32_t label_count, not_label_count;
	uint32_t gone;
	struct buf went;
};

void usage_fail(struct usage_work *usage, const struct err *err);
/* The store's list of images into usage->images. */
int usage_take_list(struct usage_work *usage, struct str body, struct err *err);
/* "volumes/NAME" of each into usage->names. */
int usage_list_volumes(struct usage_work *usage, struct err *err);
/* How many containers have this image, this volume. */
uint32_t usage_image_users(const struct engine *engine, const struct image *image);
uint32_t usage_volume_users(const struct engine *engine, const char *name);

#endif
